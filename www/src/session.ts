/**
 * The node of this page and what it may join: reads `/devnet.json`, makes the node, and while no peer
 * answers looks again and again whether the devnet is back, perhaps under another address.
 */

import { type ChainOptions, createNode, type Eip1193Provider, type Node, type Status } from 'ostrakon'

export interface Offer {
  id: string
  title: string
  living: boolean
}

export interface Devnet {
  network: string
  peers: string[]
  /** Where blockchains can be asked, by their CAIP-2 names. */
  chains: Record<string, ChainOptions>
  /** Where the devnet's own wallet is asked, and its chain. */
  wallet: { rpc: URL; chain: string } | undefined
  documents: Offer[]
  /** The last list that was heard, because the devnet does not answer now. */
  old: boolean
}

/** How the page stands to the network, in the one word the page is coloured by. */
export type Standing = 'starting' | 'failed' | 'connecting' | 'online' | 'offline'

/** As wallets' extensions put it into the page. */
const wallet = (globalThis as { ethereum?: Eip1193Provider }).ethereum

const DEFAULT_NETWORK = 'local-1'
const LOOK_AGAIN_MS = 3000
/** What the devnet offers may change while all is well: documents that are full make room for others. */
const NEWS_MS = 60_000
/** A node that has no peer after this long is not merely slow. */
const PATIENCE_MS = 6000

export class Session {
  node: Node | undefined
  devnet: Devnet | undefined
  /** Called after any change of node, devnet or standing. */
  changed: () => void = () => {}
  /** Called when there is a (new) node to work with. */
  ready: (node: Node) => void = () => {}
  /** Called when somebody signed in or out, in this tab or another. */
  identities: () => void = () => {}
  /** Called when a document changed on disk. */
  document: () => void = () => {}

  /** What the running node was made with. */
  #made: { network: string; peers: string[] } | undefined
  #failed = false
  #patient = true
  #looking = false
  #lookedAt = Date.now()
  #asksWallet = false

  /** Whether there is a wallet, and whether it may be asked. */
  get wallet(): 'none' | 'there' | 'asked' {
    return wallet ? (this.#asksWallet ? 'asked' : 'there') : 'none'
  }

  /** Lets the node ask the user's wallet about anchors, now and after it was made anew. */
  askWallet(): void {
    if (!wallet) return
    this.#asksWallet = true
    this.node?.chains.useWallet(wallet)
    this.changed()
  }

  get status(): Status | undefined {
    return this.node?.status
  }

  get standing(): Standing {
    if (!this.node) return this.#failed ? 'failed' : 'starting'
    if (this.node.status.online) return 'online'
    return this.#patient && navigator.onLine && !this.devnet?.old ? 'connecting' : 'offline'
  }

  /** Fails if the node does not start; it is tried again all the same. */
  async start(): Promise<void> {
    const look = (): void => void this.#look()
    addEventListener('online', look)
    addEventListener('offline', () => this.changed())
    document.addEventListener('visibilitychange', look)
    setInterval(look, LOOK_AGAIN_MS)
    setTimeout(() => {
      this.#patient = false
      this.changed()
    }, PATIENCE_MS)
    this.#looking = true
    try {
      this.devnet = await fetchDevnet()
      this.changed()
      await this.#makeNode()
    } finally {
      this.#looking = false
    }
  }

  async #makeNode(): Promise<void> {
    const network = this.devnet?.network ?? DEFAULT_NETWORK
    const peers = this.devnet?.peers ?? []
    const chains = this.devnet?.chains ?? {}
    const node = await createNode({ network, peers, chains }).catch((error: unknown) => {
      this.#failed = true
      this.changed()
      throw error
    })
    this.node = node
    this.#failed = false
    this.#made = { network, peers }
    node.on('status', () => {
      if (node.status.online) this.#patient = false
      this.changed()
    })
    if (this.#asksWallet && wallet) node.chains.useWallet(wallet)
    node.on('peer', () => this.changed())
    node.on('session', () => this.identities())
    node.on('document', () => this.document())
    this.ready(node)
    this.changed()
  }

  /** The node dials the peers it knows by itself; only a devnet with other peers needs another node. */
  async #look(): Promise<void> {
    const settled = this.node?.status.online && this.devnet && !this.devnet.old && this.devnet.documents.length > 0
    if (this.#looking || document.hidden || (settled && Date.now() - this.#lookedAt < NEWS_MS)) return
    this.#lookedAt = Date.now()
    this.#looking = true
    try {
      const found = await fetchDevnet()
      if (found) this.devnet = found
      this.changed()
      if (
        !found ||
        found.old ||
        (this.#made && found.network === this.#made.network && sameItems(found.peers, this.#made.peers))
      )
        return
      const former = this.node
      this.node = this.#made = undefined
      await former?.stop()
      await this.#makeNode()
    } catch (error) {
      console.warn('the node did not start, trying again:', error)
    } finally {
      this.#looking = false
    }
  }
}

function sameItems(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item))
}

/** The devnet's own word, else the last one heard, which the service worker keeps and marks; else nothing. */
async function fetchDevnet(): Promise<Devnet | undefined> {
  try {
    const answer = await fetch('devnet.json', { cache: 'no-store', signal: AbortSignal.timeout(5000) })
    if (!answer.ok) return undefined
    return readDevnet(await answer.json(), answer.headers.has('x-kept'))
  } catch {
    return undefined
  }
}

/** Only this page's own server is asked, whatever the devnet says. */
function readChain(json: unknown): [string, ChainOptions][] {
  const { id, rpc } = (json ?? {}) as Record<string, unknown>
  if (typeof id !== 'string' || !/^eip155:[1-9]\d{0,9}$/.test(id) || typeof rpc !== 'string' || !/^rpc\/[\w:-]+$/.test(rpc)) return []
  return [[id, { rpc: [new URL(`./${rpc}`, location.href)] }]]
}

/** As with chains: nobody but this page's own server. */
function readWallet(json: unknown): Devnet['wallet'] {
  const { id, rpc } = (json ?? {}) as Record<string, unknown>
  if (typeof id !== 'string' || !/^eip155:[1-9]\d{0,9}$/.test(id) || rpc !== 'wallet') return undefined
  return { rpc: new URL('./wallet', location.href), chain: id }
}

function readDevnet(json: unknown, old: boolean): Devnet | undefined {
  const { network, peers, chains, wallet, documents } = (json ?? {}) as Record<string, unknown>
  if (typeof network !== 'string' || !Array.isArray(peers) || !Array.isArray(documents)) return undefined
  return {
    network,
    peers: peers.filter((peer) => typeof peer === 'string'),
    chains: Object.fromEntries(Array.isArray(chains) ? chains.flatMap(readChain) : []),
    wallet: readWallet(wallet),
    documents: documents.flatMap((one: Record<string, unknown> | null) => {
      const { id, title, living } = one ?? {}
      return typeof id === 'string' ? [{ id, title: typeof title === 'string' ? title : '', living: living === true }] : []
    }),
    old,
  }
}
