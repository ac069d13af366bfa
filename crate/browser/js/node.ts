// What a dapp holds: the node and its documents, on top of the client.

import type { Client } from './client.js'
import { OstrakonError } from './error.js'
import type * as T from './types.js'
import type { Ready, WireEvent } from './wire.js'

/** The core ends a load by itself and knows why; the page waits this much longer for its word. In milliseconds. */
const GRACE = 250

export class NodeHandle implements T.Node {
  readonly documents: T.Node['documents']
  readonly chains: T.Node['chains']
  #client: Client
  #ready: Ready
  readonly #listeners = new Map<keyof T.NodeEvents, Set<(event: never) => void>>()

  constructor(connect: (listener: ConstructorParameters<typeof Client>[3]) => Client) {
    this.#ready = { peerId: '', status: { online: false, peers: [], documents: 0, blocks: 0, bytes: 0 } }
    this.#client = connect({
      event: (event) => this.#hear(event),
      ready: (ready) => {
        this.#ready = ready
        this.#emit('status', ready.status)
      },
      down: () => this.#hear({ event: 'status', data: { ...this.#ready.status, online: false, peers: [] } }),
    })
    const call = this.#client.call.bind(this.#client)
    this.documents = {
      list: (options) => call('documents', [], options) as Promise<T.DocumentSummary[]>,
      forget: (id, options) => call('forget', [String(id)], options),
    }
    this.chains = { useWallet: (provider) => this.#useWallet(provider) }
  }

  async open(signal?: AbortSignal): Promise<this> {
    await this.#client.open(signal)
    return this
  }

  get peerId(): string {
    return this.#ready.peerId
  }

  get status(): T.Status {
    return this.#ready.status
  }

  async load(ref: string, { atTime, timeout = 30_000, signal }: T.LoadOptions = {}): Promise<T.Document> {
    // No deadline at all is the longest that a timer can wait, for the core.
    const args: [string, number, number | undefined] = [String(ref), Math.min(timeout, 2 ** 31 - 1), atTime]
    const data = await this.#client.call('load', args, { timeout: timeout < 0 ? timeout : timeout + GRACE, ...(signal ? { signal } : {}) })
    return new DocumentState(this.#client, data as Data)
  }

  async importCar(bytes: Uint8Array | ArrayBuffer | Blob, options?: T.CallOptions): Promise<string[]> {
    if (!(bytes instanceof Uint8Array || bytes instanceof ArrayBuffer || bytes instanceof Blob)) {
      throw new OstrakonError('invalid-argument', 'importCar takes a Uint8Array, an ArrayBuffer or a Blob')
    }
    // Cloned on its way to the worker would be all of the memory that a view looks at.
    const part = bytes instanceof Uint8Array && bytes.byteLength < bytes.buffer.byteLength
    return this.#client.call('importCar', [part ? bytes.slice() : bytes], options)
  }

  exportCar(id: string, options?: T.CallOptions): Promise<Uint8Array> {
    return this.#client.call('exportCar', [String(id)], options)
  }

  on<Type extends keyof T.NodeEvents>(type: Type, listener: (event: T.NodeEvents[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    const own = (event: T.NodeEvents[Type]) => listener(event) // the same function may listen twice
    listeners.add(own)
    return () => void listeners.delete(own)
  }

  async stop(): Promise<void> {
    await this.#client.stop()
    this.#hear({ event: 'status', data: { ...this.#ready.status, online: false, peers: [] } })
    this.#listeners.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #useWallet(provider: T.Eip1193Provider): () => void {
    if (typeof provider?.request !== 'function') {
      throw new OstrakonError('invalid-argument', 'a wallet is an EIP-1193 provider: an object with a function request')
    }
    const use = this.#client.useWallet(provider)
    return () => use.cancel()
  }

  #hear(event: WireEvent): void {
    if (event.event === 'status') this.#ready = { ...this.#ready, status: event.data }
    if (event.event === 'status' || event.event === 'peer' || event.event === 'document') this.#emit(event.event, event.data)
  }

  #emit<Type extends keyof T.NodeEvents>(type: Type, event: T.NodeEvents[Type]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        ;(listener as (event: T.NodeEvents[Type]) => void)(event)
      } catch (error) {
        reportError(error) // the listener's own, and no reason to keep others from hearing
      }
    }
  }
}

type Data = Omit<T.Document, 'follow' | typeof Symbol.asyncIterator>

class DocumentState implements T.Document {
  declare readonly id: string
  declare readonly url: string
  declare readonly tip: string
  declare readonly commitId: string
  declare readonly type: string
  declare readonly content: unknown
  declare readonly metadata: Record<string, unknown>
  declare readonly state: Record<string, unknown>
  declare readonly log: T.LogEntry[]
  declare readonly refused?: T.Refusal
  declare readonly source: 'disk' | 'network'
  readonly #client: Client

  constructor(client: Client, data: Data) {
    this.#client = client
    Object.assign(this, data)
  }

  follow({ signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<T.Document> {
    return new Following(this.#client, this.id, signal)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T.Document> {
    return this.follow()
  }
}

/** Holds at most one state that was not read yet: the latest. Subscribes at the first `next`. */
class Following implements AsyncIterableIterator<T.Document> {
  #latest: T.Document | undefined
  #ended: { error?: OstrakonError } | undefined
  #cancel: (() => void) | undefined
  readonly #waiting: { resolve(result: IteratorResult<T.Document>): void; reject(error: OstrakonError): void }[] = []

  constructor(
    private readonly client: Client,
    private readonly id: string,
    private readonly signal: AbortSignal | undefined,
  ) {}

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T.Document>> {
    if (!this.#cancel && !this.#ended) this.#subscribe()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#flow()
    })
  }

  async return(): Promise<IteratorResult<T.Document>> {
    this.#latest = undefined
    this.#end({})
    return { done: true, value: undefined }
  }

  #subscribe(): void {
    const { signal } = this
    const onAbort = () => this.#end({ error: new OstrakonError('aborted', 'the iteration was aborted', { cause: signal?.reason }) })
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort)
    const subscription = this.client.follow(
      this.id,
      (data) => {
        this.#latest = new DocumentState(this.client, data as Data)
        this.#flow()
      },
      (error) => this.#end(error && error.code !== 'stopped' ? { error } : {}),
    )
    this.#cancel = () => {
      signal?.removeEventListener('abort', onAbort)
      subscription.cancel()
    }
  }

  #end(how: { error?: OstrakonError }): void {
    if (this.#ended) return
    this.#ended = how
    this.#cancel?.()
    this.#flow()
  }

  #flow(): void {
    while (this.#waiting.length > 0) {
      if (this.#latest) this.#waiting.shift()?.resolve({ done: false, value: this.#latest })
      else if (this.#ended?.error) this.#waiting.shift()?.reject(this.#ended.error)
      else if (this.#ended) this.#waiting.shift()?.resolve({ done: true, value: undefined })
      else return
      if (!this.#latest && this.#ended) this.#ended = {} // an error is told once
      this.#latest = undefined
    }
  }
}
