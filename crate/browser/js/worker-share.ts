// One node per name and origin, whatever the number of tabs.
//
// Every tab's worker queues for the Web Lock `ostrakon/<name>`. Who holds it owns the node; the others relay the calls of
// their pages to it over a BroadcastChannel. When the owner ends, in whatever way, the browser hands the lock to the next
// worker in the queue: it starts the node from disk and says so, and everyone sends it what is still unanswered. That is
// sound because these calls may be made twice; those that may not (ONCE) fail if an owner had them already, for nobody can
// tell whether it did them. Only when an owner ends by a crash, which its last words tell, do all calls under way fail, so
// that a call that crashes the node is not carried from tab to tab.
//
// Each worker also holds a lock of its own for as long as it lives. Its page waits for that lock to learn of its death; so
// does the owner, to end what the dead worker had asked for; and so do the others for the owner's, to ask who is next.

import { OstrakonError, toWire } from './error.js'
import type { Ask, FromWorker, Method, Ready, Reply, Request, StartOptions, ToWorker, WireError, WireEvent } from './wire.js'
import { WIRE_VERSION } from './wire.js'
import { LocalNode } from './worker-node.js'

/** Calls that write something else, or nothing, when they are made again. */
const ONCE: readonly Method[] = ['completeSession', 'create', 'createMany', 'update', 'linkAccount', 'createThreeId', 'addThreeIdWallet', 'rotateThreeId']

/** On the channel. `to` and `from` are ids of workers; a message without `to` is for all. */
type Message =
  | { from: string; hello: true }
  | { from: string; owner: { wire: number; network: string; ready: Ready } }
  | { from: string; crashed: WireError }
  | { from: string; event: WireEvent }
  | { from: string; to: string; call: ToWorker }
  | { from: string; to: string; reply: Reply | Ask }

export class Share {
  readonly #id = crypto.randomUUID()
  readonly #alive: string
  readonly #channel: BroadcastChannel
  /** Calls of this tab's page that are not answered yet. */
  readonly #open = new Map<number, Request>()
  /** Those of them that an owner was given. */
  readonly #given = new Set<number>()
  /** Workers whose end this owner waits for. */
  readonly #watched = new Set<string>()
  #local: LocalNode | undefined
  #owner: string | undefined
  /** On which chain the wallet of this tab's page is. */
  #wallet: string | null = null
  /** The DIDs for which this tab's page holds providers. */
  #signers: string[] = []
  #started: { resolve(ready: Ready): void; reject(error: unknown): void } | undefined

  constructor(
    private readonly options: StartOptions,
    private readonly toPage: (message: FromWorker) => void,
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.#alive = this.#lifeOf(this.#id)
    this.#channel = new BroadcastChannel(`ostrakon/${options.name}`)
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#hear(data)
  }

  /** Resolves once there is an owner, here or elsewhere. */
  start(): Promise<Ready> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject }
      holdLock(this.#alive).then(() => {
        this.toPage({ event: 'alive', data: this.#alive })
        this.#say({ from: this.#id, hello: true })
        navigator.locks.request(`ostrakon/${this.options.name}`, () => this.#own()).catch(this.onFailure)
      }, reject)
    })
  }

  /** A message of this tab's page. */
  receive(message: ToWorker): void {
    if ('method' in message) this.#open.set(message.id, message)
    else if ('cancel' in message) this.#close(message.id)
    else if ('wallet' in message) this.#wallet = message.wallet
    else if ('signers' in message) this.#signers = message.signers
    this.#forward(message)
  }

  async stop(): Promise<void> {
    const local = this.#local
    this.#local = this.#owner = undefined
    await local?.stop()
  }

  /** Tells the other tabs that the node ended by itself. */
  crashed(error: WireError): void {
    if (this.#local) this.#say({ from: this.#id, crashed: error })
  }

  /** Runs while this worker holds the lock, so it never ends unless the node does not even start. */
  async #own(): Promise<void> {
    this.#owner = undefined
    try {
      this.#local = await LocalNode.start(
        this.options,
        (client, reply) => (client === this.#id ? this.#answer(reply) : this.#say({ from: this.#id, to: client, reply })),
        (event) => {
          this.toPage(event)
          this.#say({ from: this.#id, event })
        },
      )
      const ready = await this.#local.ready()
      this.#owner = this.#id
      this.#settle(ready)
      this.#announce(ready)
      this.#resend()
    } catch (error) {
      return this.#fail(error)
    }
    return new Promise(() => {})
  }

  #hear(message: Message): void {
    if ('to' in message) {
      if (message.to !== this.#id) return
      if ('reply' in message) this.#answer(message.reply)
      else this.#serve(message.from, message.call)
    } else if ('hello' in message) {
      if (this.#owner === this.#id) this.#local?.ready().then((ready) => this.#announce(ready), this.onFailure)
    } else if ('owner' in message) {
      this.#join(message.from, message.owner)
    } else if (message.from === this.#owner) {
      if ('event' in message) return this.toPage(message.event)
      this.#owner = undefined
      for (const { id, method } of [...this.#open.values()]) {
        if (method !== 'follow') this.#answer({ id, error: message.crashed })
      }
    }
  }

  #join(owner: string, { wire, network, ready }: { wire: number; network: string; ready: Ready }): void {
    if (owner === this.#owner || this.#local) return
    const { name } = this.options
    if (wire !== WIRE_VERSION) {
      return this.#fail(
        new OstrakonError('other-version', `another tab runs the node ${name} with an incompatible version of this package`, {
          hint: 'Close or reload the other tabs of this site.',
        }),
      )
    }
    if (network !== this.options.network) {
      return this.#fail(
        new OstrakonError('name-in-use', `another tab runs the node ${name} on the network ${network}`, {
          hint: 'Pass another name for another network.',
        }),
      )
    }
    this.#owner = owner
    this.#settle(ready)
    this.#resend()
    // Word of an owner may arrive after its end, and its end may come with no word.
    this.#atEndOf(owner, () => {
      if (this.#owner !== owner) return
      this.#owner = undefined
      this.#say({ from: this.#id, hello: true })
    })
  }

  #serve(client: string, call: ToWorker): void {
    const local = this.#local
    if (!local) return
    if (!this.#watched.has(client)) {
      this.#watched.add(client)
      this.#atEndOf(client, () => {
        this.#watched.delete(client)
        local.leave(client)
      })
    }
    local.receive(client, call)
  }

  /** What a new owner has to know of this tab. */
  #resend(): void {
    if (this.#wallet !== null) this.#forward({ wallet: this.#wallet })
    if (this.#signers.length > 0) this.#forward({ signers: this.#signers })
    for (const request of [...this.#open.values()]) {
      const { id, method } = request
      if (this.#given.has(id) && ONCE.includes(method)) this.#answer({ id, error: toWire(interrupted(method)) })
      else this.#forward(request)
    }
  }

  #forward(message: ToWorker): void {
    if (!this.#owner) return
    if ('method' in message) this.#given.add(message.id)
    if (this.#owner === this.#id) this.#local?.receive(this.#id, message)
    else this.#say({ from: this.#id, to: this.#owner, call: message })
  }

  #answer(reply: Reply | Ask): void {
    if ('ask' in reply) return this.toPage(reply)
    if (!this.#open.has(reply.id)) return
    if (!('data' in reply)) this.#close(reply.id)
    this.toPage(reply)
  }

  #close(id: number): void {
    this.#open.delete(id)
    this.#given.delete(id)
  }

  #announce(ready: Ready): void {
    this.#say({ from: this.#id, owner: { wire: WIRE_VERSION, network: this.options.network, ready } })
  }

  #lifeOf(worker: string): string {
    return `ostrakon/${this.options.name}/${worker}`
  }

  #atEndOf(worker: string, then: () => void): void {
    navigator.locks.request(this.#lifeOf(worker), { mode: 'shared' }, then).catch(this.onFailure)
  }

  #settle(ready: Ready): void {
    if (this.#started) this.#started.resolve(ready)
    else this.toPage({ event: 'owner', data: ready })
    this.#started = undefined
  }

  #fail(error: unknown): void {
    if (this.#started) this.#started.reject(error)
    else this.onFailure(error)
    this.#started = undefined
  }

  #say(message: Message): void {
    this.#channel.postMessage(message)
  }
}

const interrupted = (method: string) =>
  new OstrakonError('interrupted', `the tab that ran the node closed during ${method}: it was done, or it was not`, {
    hint: 'Look at the documents, the sessions or the outbox before you do it again.',
  })

/** Resolves once this worker holds the lock, which it does until it ends. */
function holdLock(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, () => {
        resolve()
        return new Promise(() => {})
      })
      .catch(reject)
  })
}
