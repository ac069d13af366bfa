// The page's side of the worker: calls, subscriptions, and a new worker when one ends.
//
// A worker can end by a trap (it says so), by an error (the page hears of it) or silently, as when the browser kills it:
// each worker holds a Web Lock while it lives and the page waits for that lock. Calls under way then fail with
// `worker-crashed`, another worker starts after a growing pause, and the subscriptions are made again. Too many crashes
// in a row end the client for good.

import { request } from './did-provider.js'
import { fromWire, OstrakonError, toWire } from './error.js'
import { Prompt } from './prompt.js'
import type { CallOptions, DidProvider, Eip1193Provider } from './types.js'
import { Wallet } from './wallet.js'
import type { Ask, FromWorker, Method, Methods, Ready, Reply, Request, SignerAsk, StartOptions, ToWorker, WalletAsk, WireEvent } from './wire.js'

const DEFAULT_TIMEOUT = 30_000
const STOP_TIMEOUT = 5_000
/** Pauses before the next worker, in milliseconds, while crashes follow each other; after the last the client gives up. */
const PAUSES = [0, 250, 1_000, 4_000]
/** A worker that ran this long was healthy, and counting starts anew. In milliseconds. */
const HEALTHY = 60_000
/** The longest that timers can wait, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

interface Call {
  request: Request
  sent: boolean
  /** Kept through a crash; given what is pushed. */
  onData?: ((data: unknown) => void) | undefined
  settle(error: OstrakonError | undefined, ok?: unknown): void
}

export interface Subscription {
  cancel(): void
}

export class Client {
  readonly #calls = new Map<number, Call>()
  #worker: Worker | undefined
  /** Ends the wait for the worker's death. */
  #watch: AbortController | undefined
  #running = false
  #loaded = false
  #crashes = 0
  #startedAt = 0
  #pause: ReturnType<typeof setTimeout> | undefined
  #lastId = 0
  /** Why no call can be made any more. */
  #ended: OstrakonError | undefined
  #stopping: Promise<void> | undefined
  #wallet: Wallet | undefined
  readonly #signers = new Map<string, DidProvider>()

  constructor(
    private readonly spawn: () => Worker,
    private readonly options: StartOptions,
    private readonly startTimeout: number,
    private readonly listener: { event(event: WireEvent): void; ready(ready: Ready): void; down(): void },
  ) {}

  /** Starts the first worker. If that fails the client has ended. */
  async open(signal?: AbortSignal): Promise<void> {
    try {
      await this.#start(signal)
    } catch (error) {
      this.#end(error as OstrakonError)
      throw error
    }
  }

  call<M extends Exclude<Method, 'start' | 'follow'>>(
    method: M,
    args: Parameters<Methods[M]>,
    { signal, timeout = DEFAULT_TIMEOUT }: CallOptions = {},
  ): Promise<ReturnType<Methods[M]>> {
    return this.#request(method, args, { signal, timeout }) as Promise<ReturnType<Methods[M]>>
  }

  /** Follows a document over crashes until it is cancelled or ends by itself. */
  follow(id: string, onData: (data: unknown) => void, onEnd: (error?: OstrakonError) => void): Subscription {
    const abort = new AbortController()
    this.#request('follow', [id], { signal: abort.signal, timeout: Infinity, onData }).then(() => onEnd(), onEnd)
    return { cancel: () => abort.abort() }
  }

  /** The wallet that the node may ask from now on, in place of an earlier one. */
  useWallet(provider: Eip1193Provider): Subscription {
    this.#wallet?.end()
    const wallet = new Wallet(provider, () => {
      if (wallet !== this.#wallet) return
      if (this.#running) this.#post({ wallet: wallet.chain ?? null })
    })
    this.#wallet = wallet
    return { cancel: () => wallet.end() }
  }

  /** A DID provider of the page, which signs for this DID from now on, in place of an earlier one. */
  useSigner(did: string, provider: DidProvider): Subscription {
    const tell = () => {
      if (this.#running) this.#post({ signers: [...this.#signers.keys()] })
    }
    this.#signers.set(did, provider)
    tell()
    return {
      cancel: () => {
        if (this.#signers.get(did) === provider && this.#signers.delete(did)) tell()
      },
    }
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  async #stop(): Promise<void> {
    if (this.#ended) return
    const stopped = new OstrakonError('stopped', 'the node was stopped')
    for (const call of [...this.#calls.values()]) call.settle(stopped)
    // A worker that does not answer is ended all the same.
    const last = this.#running ? this.call('stop', [], { timeout: STOP_TIMEOUT }) : undefined
    this.#ended = stopped
    await last?.catch(() => {})
    this.#end(stopped)
  }

  #request(
    method: Method,
    args: Request['args'],
    { signal, timeout, onData }: { signal?: AbortSignal | undefined; timeout: number; onData?: (data: unknown) => void },
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended)
      if (signal?.aborted) return reject(aborted(signal))
      if (!(timeout >= 0)) return reject(new OstrakonError('invalid-argument', `${timeout} is no timeout`))
      const id = ++this.#lastId
      const onAbort = () => giveUp(aborted(signal as AbortSignal))
      const timer =
        timeout <= LONGEST_TIMER
          ? setTimeout(() => giveUp(new OstrakonError('timeout', `${method} took longer than ${timeout} ms`)), timeout)
          : undefined
      const settle = (error: OstrakonError | undefined, ok?: unknown) => {
        if (!this.#calls.delete(id)) return
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        if (error) reject(error)
        else resolve(ok)
      }
      const giveUp = (error: OstrakonError) => {
        if (this.#calls.get(id)?.sent) this.#post({ id, cancel: true })
        settle(error)
      }
      signal?.addEventListener('abort', onAbort)
      const call: Call = { request: { id, method, args }, sent: false, onData, settle }
      this.#calls.set(id, call)
      if (this.#running || method === 'start') this.#send(call)
    })
  }

  #send(call: Call): void {
    call.sent = true
    try {
      this.#post(call.request)
    } catch (cause) {
      call.settle(new OstrakonError('invalid-argument', `an argument can't be sent to the worker: ${cause}`, { cause }))
    }
  }

  #post(message: ToWorker): void {
    this.#worker?.postMessage(message)
  }

  async #start(signal?: AbortSignal): Promise<void> {
    this.#running = this.#loaded = false
    let worker: Worker
    try {
      worker = this.spawn()
    } catch (cause) {
      throw unavailable(cause)
    }
    this.#worker = worker
    const current = () => this.#worker === worker
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (current()) this.#hear(data)
    }
    worker.onerror = (event) => {
      event.preventDefault()
      if (current()) this.#crashed(this.#loaded ? crash(event.message) : unavailable())
    }
    worker.onmessageerror = () => {
      if (current()) this.#crashed(crash('a message could not be read'))
    }
    const ready = (await this.#request('start', [this.options], { signal, timeout: this.startTimeout })) as Ready
    if (!current()) return
    this.#running = true
    this.#startedAt = performance.now()
    if (this.#wallet?.chain) this.#post({ wallet: this.#wallet.chain })
    if (this.#signers.size > 0) this.#post({ signers: [...this.#signers.keys()] })
    this.listener.ready(ready)
    for (const call of this.#calls.values()) if (!call.sent) this.#send(call)
  }

  #hear(message: FromWorker): void {
    this.#loaded = true
    if ('ask' in message) return void this.#ask(message)
    if (!('event' in message)) return this.#answer(message)
    if (message.event === 'crashed') this.#crashed(crash(message.data.message))
    else if (message.event === 'alive') this.#watchLock(message.data)
    else if (message.event === 'owner') this.listener.ready(message.data)
    else this.listener.event(message)
  }

  #answer(reply: Reply): void {
    const call = this.#calls.get(reply.id)
    if ('data' in reply) {
      this.#post({ id: reply.id, more: true })
      call?.onData?.(reply.data)
    } else if ('error' in reply) {
      call?.settle(fromWire(reply.error))
    } else {
      call?.settle(undefined, reply.ok)
    }
  }

  async #ask(question: Ask): Promise<void> {
    const worker = this.#worker
    let answer: ToWorker
    try {
      answer = { answer: question.ask, ok: await ('did' in question ? this.#askSigner(question) : this.#askWallet(question)) }
    } catch (error) {
      answer = { answer: question.ask, error: toWire(error) }
    }
    if (worker === this.#worker) this.#post(answer)
  }

  async #askWallet(question: WalletAsk): Promise<string> {
    if (!this.#wallet) throw new OstrakonError('source-unreachable', 'the page has no wallet any more')
    return this.#wallet.ask(question)
  }

  async #askSigner({ did, method, params }: SignerAsk): Promise<string> {
    const provider = this.#signers.get(did)
    if (!provider) throw new OstrakonError('signer-unreachable', 'the page has no provider for this DID any more')
    return JSON.stringify(await request(provider, method, JSON.parse(params), new Prompt()))
  }

  #watchLock(name: string): void {
    this.#watch = new AbortController()
    const { signal } = this.#watch
    navigator.locks
      .request(name, { mode: 'shared', signal }, () => {
        if (!signal.aborted) this.#crashed(crash('the worker ended'))
      })
      .catch(() => {}) // aborted: the page ended the worker itself
  }

  /** The worker is of no more use. While it starts, that is for `open` or `#again` to judge. */
  #crashed(error: OstrakonError): void {
    const wasRunning = this.#running
    this.#discard()
    for (const call of [...this.#calls.values()]) {
      if (call.onData) call.sent = false
      else if (call.sent) call.settle(error)
    }
    if (!wasRunning || this.#ended) return
    this.listener.down()
    if (performance.now() - this.#startedAt > HEALTHY) this.#crashes = 0
    this.#again(error)
  }

  #again(error: OstrakonError): void {
    const pause = PAUSES[this.#crashes++]
    if (pause === undefined) {
      const hint = 'Reload the page. If this comes back, please report it.'
      return this.#end(new OstrakonError(error.code, `the worker ended ${this.#crashes} times in a row: ${error.message}`, { hint }))
    }
    this.#pause = setTimeout(() => {
      this.#start().catch((failure: OstrakonError) => {
        if (this.#ended) return
        this.#discard()
        this.#again(failure)
      })
    }, pause)
  }

  #discard(): void {
    this.#running = false
    this.#watch?.abort()
    this.#worker?.terminate()
    this.#worker = undefined
  }

  #end(reason: OstrakonError): void {
    this.#ended = reason
    this.#wallet?.end()
    clearTimeout(this.#pause)
    this.#discard()
    for (const call of [...this.#calls.values()]) call.settle(reason)
  }
}

const aborted = (signal: AbortSignal) => new OstrakonError('aborted', 'the call was aborted', { cause: signal.reason })

const crash = (message: string) => new OstrakonError('worker-crashed', `the worker crashed: ${message}`)

const unavailable = (cause?: unknown) =>
  new OstrakonError('worker-unavailable', 'the worker of this package could not be loaded', {
    hint: 'Serve worker.js of this package from your origin, allow it in the content security policy (worker-src), and pass its address as workerUrl if your bundler does not find it (vite before 8: optimizeDeps.exclude).',
    ...(cause === undefined ? {} : { cause }),
  })
