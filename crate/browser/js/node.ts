// What a dapp holds: the node, on top of the client.

import type { Client } from './client.js'
import { Connecting } from './connect.js'
import { DocumentState } from './document.js'
import type { Context, Data } from './document.js'
import { OstrakonError } from './error.js'
import { Sessions } from './session.js'
import { ThreeIds } from './three-id.js'
import type * as T from './types.js'
import type { Ready, WireEvent } from './wire.js'
import { Writing } from './writing.js'

/** The core ends a load by itself and knows why; the page waits this much longer for its word. In milliseconds. */
const GRACE = 250

export class NodeHandle implements T.Node {
  readonly documents: T.Node['documents']
  readonly chains: T.Node['chains']
  readonly outbox: T.Node['outbox']
  readonly threeId: T.ThreeIds
  #client: Client
  #ready: Ready
  readonly #sessions: Sessions
  readonly #connecting: Connecting
  readonly #context: Context
  readonly #writing: Writing
  #restored: Promise<unknown> | undefined
  readonly #listeners = new Map<keyof T.NodeEvents, Set<(event: never) => void>>()

  constructor(connect: (listener: ConstructorParameters<typeof Client>[3]) => Client) {
    this.#ready = { peerId: '', status: { online: false, peers: [], documents: 0, blocks: 0, bytes: 0 } }
    this.#client = connect({
      event: (event) => this.#hear(event),
      ready: (ready) => {
        this.#ready = ready
        this.#emit('status', ready.status)
        // Another worker may have heard of others. A node that can't read its sessions can still read documents.
        this.#restored = this.#sessions.list().catch(() => {})
      },
      down: () => this.#hear({ event: 'status', data: { ...this.#ready.status, online: false, peers: [] } }),
    })
    this.#sessions = new Sessions(this.#client, (event) => this.#emit('session', event))
    this.#connecting = new Connecting(this.#client, this.#sessions)
    this.threeId = new ThreeIds(this.#client, this.#sessions)
    this.#context = { client: this.#client, sessions: this.#sessions }
    this.#writing = new Writing(this.#context)
    const call = this.#client.call.bind(this.#client)
    this.documents = {
      list: (options) => call('documents', [], options) as Promise<T.DocumentSummary[]>,
      forget: (id, { discard = false, ...options } = {}) => call('forget', [String(id), discard], options),
    }
    this.outbox = { list: (options) => call('outbox', [], options) }
    this.chains = { useWallet: (provider) => this.#useWallet(provider) }
  }

  async open(signal?: AbortSignal): Promise<this> {
    await this.#client.open(signal)
    await this.#restored
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
    return new DocumentState(this.#context, data as Data)
  }

  connectWallet(wallet: T.Wallet | T.Eip1193Provider | T.StandardWallet, options: T.ConnectOptions = {}): Promise<T.Session> {
    return this.#connecting.wallet(wallet, options)
  }

  createPasskey(options: T.PasskeyOptions): Promise<T.Passkey> {
    return this.#connecting.createPasskey(options)
  }

  usePasskey(options: T.UsePasskeyOptions): Promise<T.Session> {
    return this.#connecting.usePasskey(options)
  }

  useDid(provider: T.DidProvider, options: T.CallOptions = {}): Promise<T.Session> {
    return this.#connecting.did(provider, options)
  }

  get session(): T.Session | undefined {
    return this.#sessions.current
  }

  sessions(options?: T.CallOptions): Promise<T.Session[]> {
    return this.#sessions.list(options)
  }

  create<Type extends keyof T.NewDocuments>(type: Type, init: T.NewDocuments[Type], options?: T.WriteOptions): Promise<T.Document> {
    return this.#writing.create(type, init, options)
  }

  createMany<Type extends keyof T.NewDocuments>(type: Type, inits: T.NewDocuments[Type][], options?: T.WriteOptions): Promise<T.Document[]> {
    return this.#writing.createMany(type, inits, options)
  }

  linkAccount(wallet: T.Wallet | T.Eip1193Provider | T.StandardWallet, options?: T.LinkOptions): Promise<T.Document> {
    return this.#writing.link(wallet, options)
  }

  encrypt(value: unknown, options: T.EncryptOptions): Promise<T.Jwe> {
    return this.#writing.encrypt(value, options)
  }

  rotateReaders(readers: T.Readers | undefined, options: T.EncryptOptions): Promise<T.Readers> {
    return this.#writing.rotateReaders(readers, options)
  }

  decrypt(secret: T.Jwe, options?: T.DecryptOptions): Promise<unknown> {
    return this.#writing.decrypt(secret, options)
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
    if (event.event === 'session') this.#sessions.hear(event.data)
    else if (event.event !== 'alive' && event.event !== 'owner' && event.event !== 'crashed') this.#emit(event.event, event.data)
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
