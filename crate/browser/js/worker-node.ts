// The node itself, in the worker that owns it: starts the wasm module and answers the calls of every tab.

import init, { OstrakonNode } from 'ostrakon-core'
import { fromWire, OstrakonError, toWire } from './error.js'
import type { Ask, Methods, Ready, Reply, Request, StartOptions, ToWorker, WalletWord, WireEvent } from './wire.js'

/** A call under way. */
interface Call {
  cancel(): void
  more?(): void
}

/** Sends to a client. */
type Tell = (client: string, message: Reply | Ask) => void

/** How long a page's wallet may take, in milliseconds. The core gives up earlier; this ends what it no longer waits for. */
const WALLET_TIMEOUT = 30_000

export class LocalNode {
  readonly #core: OstrakonNode
  readonly #reply: Tell
  readonly #wallets: Wallets
  /** By client, then by the id that the client gave the call. */
  readonly #calls = new Map<string, Map<number, Call>>()

  private constructor(core: OstrakonNode, reply: Tell, wallets: Wallets) {
    this.#core = core
    this.#reply = reply
    this.#wallets = wallets
  }

  static async start(options: StartOptions, reply: Tell, onEvent: (event: WireEvent) => void): Promise<LocalNode> {
    const { wasmUrl, ...rest } = options
    await loadWasm(wasmUrl)
    const wallets = new Wallets(reply)
    const ask = (chain: string, method: string, params: string) => wallets.ask(chain, method, params)
    const core = await OstrakonNode.start(rest, onEvent, ask)
    wallets.changed = (chains) => core.setWallets(chains)
    return new LocalNode(core, reply, wallets)
  }

  async ready(): Promise<Ready> {
    return { peerId: this.#core.peerId, status: await this.#core.status() }
  }

  receive(client: string, message: ToWorker): void {
    if ('wallet' in message || 'answer' in message) {
      return this.#wallets.hear(client, message)
    }
    const calls = this.#calls.get(client) ?? new Map<number, Call>()
    this.#calls.set(client, calls)
    if ('cancel' in message) {
      calls.get(message.id)?.cancel()
      calls.delete(message.id)
    } else if ('more' in message) {
      calls.get(message.id)?.more?.()
    } else if (!calls.has(message.id)) {
      this.#begin(client, calls, message)
    }
  }

  /** Ends what a client that is no more has asked for. */
  leave(client: string): void {
    for (const call of this.#calls.get(client)?.values() ?? []) call.cancel()
    this.#calls.delete(client)
    this.#wallets.hear(client, { wallet: null })
  }

  /** Answers nothing any more: the clients' open calls are for the next owner. */
  stop(): Promise<void> {
    for (const calls of this.#calls.values()) calls.clear()
    return this.#core.stop()
  }

  #begin(client: string, calls: Map<number, Call>, request: Request): void {
    const { id } = request
    const answer = (reply: Reply) => {
      if (calls.delete(id)) this.#reply(client, reply)
    }
    if (request.method === 'follow') return this.#follow(client, calls, id, request.args as Parameters<Methods['follow']>)
    const abort = new AbortController()
    calls.set(id, { cancel: () => abort.abort() })
    this.#run(request, abort.signal).then(
      (ok) => answer({ id, ok }),
      (error) => (isTrap(error) ? reportError(error) : answer({ id, error: toWire(error) })),
    )
  }

  async #run(request: Request, signal: AbortSignal): Promise<unknown> {
    const args = request.args as never
    switch (request.method) {
      case 'load': {
        const [ref, timeoutMs, atTime] = args as Parameters<Methods['load']>
        return this.#core.load(ref, timeoutMs, atTime, signal)
      }
      case 'documents':
        return this.#core.documents()
      case 'forget':
        return this.#core.forget(...(args as Parameters<Methods['forget']>))
      case 'importCar': {
        const [bytes] = args as Parameters<Methods['importCar']>
        const plain = bytes instanceof Blob ? await read(bytes) : bytes
        return this.#core.importCar(plain instanceof Uint8Array ? plain : new Uint8Array(plain))
      }
      case 'exportCar':
        return this.#core.exportCar(...(args as Parameters<Methods['exportCar']>))
      default:
        throw new OstrakonError('invalid-argument', `a node has no method ${request.method}`)
    }
  }

  /** One state is on its way to the client at a time; while it is, newer states replace each other here. */
  #follow(client: string, calls: Map<number, Call>, id: number, [ref]: Parameters<Methods['follow']>): void {
    let latest: object | undefined
    let clear = true
    const push = () => {
      if (!clear || !latest) return
      clear = false
      this.#reply(client, { id, data: latest })
      latest = undefined
    }
    const end = (error?: unknown) => {
      if (!calls.delete(id)) return
      if (latest) this.#reply(client, { id, data: latest })
      this.#reply(client, error === undefined ? { id, ok: undefined } : { id, error: toWire(error) })
    }
    let stop = () => {}
    calls.set(id, {
      cancel: () => stop(),
      more: () => {
        clear = true
        push()
      },
    })
    try {
      const following = this.#core.follow(
        ref,
        (document) => {
          latest = document
          push()
        },
        end,
      )
      stop = () => following.stop()
    } catch (error) {
      if (isTrap(error)) reportError(error)
      else end(error)
    }
  }
}

/** The wallets of all tabs' pages. */
class Wallets {
  /** Called with the chains that some wallet is on. */
  changed: (chains: string[]) => void = () => {}
  /** The chain of each client whose page has one. */
  readonly #chains = new Map<string, string>()
  readonly #asked = new Map<number, { client: string; settle(word: { ok: string } | { error: unknown }): void }>()
  #lastAsk = 0

  constructor(private readonly tell: Tell) {}

  hear(client: string, word: WalletWord): void {
    if ('answer' in word) {
      const asked = this.#asked.get(word.answer)
      if (asked?.client === client) asked.settle('ok' in word ? word : { error: fromWire(word.error) })
      return
    }
    if (word.wallet === null) {
      if (!this.#chains.delete(client)) return
      for (const asked of this.#asked.values()) if (asked.client === client) asked.settle({ error: noWallet() })
    } else {
      this.#chains.set(client, word.wallet)
    }
    this.changed([...new Set(this.#chains.values())])
  }

  /** The first answer of a wallet on that chain, as JSON. */
  async ask(chain: string, method: string, params: string): Promise<string> {
    let failure: unknown = noWallet()
    for (const [client, on] of [...this.#chains]) {
      if (on !== chain) continue
      try {
        return await this.#askOne(client, { chain, method, params })
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  #askOne(client: string, question: Omit<Ask, 'ask'>): Promise<string> {
    return new Promise((resolve, reject) => {
      const ask = ++this.#lastAsk
      const settle = (word: { ok: string } | { error: unknown }) => {
        clearTimeout(timer)
        this.#asked.delete(ask)
        if ('ok' in word) resolve(word.ok)
        else reject(word.error)
      }
      const slow = () => settle({ error: new OstrakonError('source-slow', 'the wallet did not answer in time') })
      const timer = setTimeout(slow, WALLET_TIMEOUT)
      this.#asked.set(ask, { client, settle })
      this.tell(client, { ask, ...question })
    })
  }
}

const noWallet = () => new OstrakonError('source-unreachable', 'no page has a wallet that may be asked')

/** The module can't be trusted any more: it trapped, or ran out of stack or memory. Reported, this ends the worker. */
const isTrap = (error: unknown) => error instanceof WebAssembly.RuntimeError || error instanceof RangeError

async function read(file: Blob): Promise<ArrayBuffer> {
  try {
    return await file.arrayBuffer()
  } catch (cause) {
    throw new OstrakonError('invalid-argument', `the file could not be read: ${(cause as Error).message}`)
  }
}

async function loadWasm(url: string): Promise<void> {
  let response: Response
  try {
    response = await fetch(url)
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    await init({ module_or_path: response })
  } catch (cause) {
    throw new OstrakonError('wasm-unavailable', `${url} could not be loaded: ${(cause as Error).message}`, {
      hint: 'Serve ostrakon_bg.wasm of this package and pass its address as wasmUrl; a content security policy must allow wasm-unsafe-eval.',
    })
  }
}
