// The sessions that a page knows. Their keys are in the worker; here is what may be shown of them, and who listens.

import type { Client } from './client.js'
import { bytesOf, SessionProvider } from './did-provider.js'
import { OstrakonError } from './error.js'
import type * as T from './types.js'
import type { SessionChange, SessionInfo } from './wire.js'

type Listener = (session: T.Session) => void

/** As the worker's: an expiring session says so this long before its end, or when a tenth of its life is left if that is later. In milliseconds. */
const WARNING = 3_600_000

class SessionHandle implements T.Session {
  declare readonly id: string
  declare readonly did: string
  declare readonly key: string
  declare readonly kind: T.SessionKind
  declare readonly resources: string[]
  declare readonly expiresAt?: number
  declare readonly createdAt: number
  readonly provider: T.DidProvider
  readonly #client: Client
  readonly #emit: (event: T.SessionEvent) => void
  readonly #listeners = new Map<keyof T.SessionEvents, Set<Listener>>()
  /** What happened to it last, but for being opened. */
  #last: keyof T.SessionEvents | undefined

  constructor(client: Client, { session, ...rest }: SessionInfo, emit: (event: T.SessionEvent) => void, provider?: T.DidProvider) {
    this.#client = client
    this.#emit = emit
    Object.assign(this, { id: session, ...rest })
    this.provider = provider ?? new SessionProvider(client, this)
  }

  get active(): boolean {
    return this.#last !== 'revoked' && this.#last !== 'expired' && (this.expiresAt === undefined || Date.now() < this.expiresAt)
  }

  /** Whether the worker has told so, or did before this page listened. */
  get #near(): boolean {
    const { active, createdAt, expiresAt } = this
    return active && expiresAt !== undefined && Date.now() >= expiresAt - Math.min((expiresAt - createdAt) / 10, WARNING)
  }

  async capability(options?: T.CallOptions): Promise<Uint8Array | undefined> {
    const text = await this.#client.call('sessionCapability', [this.id], options)
    return text === undefined ? undefined : bytesOf(text)
  }

  async revoke(options?: T.CallOptions): Promise<void> {
    await this.#client.call('revokeSession', [this.id], options)
    this.tell('revoked')
  }

  on<Type extends keyof T.SessionEvents>(type: Type, listener: Listener): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    const own: Listener = (session) => listener(session) // the same function may listen twice
    listeners.add(own)
    if (type === 'expiring' && this.#near) {
      // Who begins to listen after a reload, or in a tab that came later, would miss it.
      const told = this.#last === 'expiring'
      queueMicrotask(() => {
        if (!told) this.tell('expiring')
        else if (listeners.has(own)) call(own, this)
      })
    }
    return () => void listeners.delete(own)
  }

  /** Each once: what one tab does, it hears of itself as well. */
  tell(change: keyof T.SessionEvents): void {
    if (this.#last === change || this.#last === 'revoked') return
    this.#last = change
    for (const listener of [...(this.#listeners.get(change) ?? [])]) call(listener, this)
    this.#emit({ change, session: this })
  }
}

function call(listener: Listener, session: T.Session): void {
  try {
    listener(session)
  } catch (error) {
    reportError(error) // the listener's own, and no reason to keep others from hearing
  }
}

export class Sessions {
  readonly #known = new Map<string, SessionHandle>()
  /** The one that this page opened last. */
  #chosen: SessionHandle | undefined

  constructor(
    private readonly client: Client,
    private readonly emit: (event: T.SessionEvent) => void,
  ) {}

  /** What the worker has, the oldest first. */
  async list(options?: T.CallOptions): Promise<T.Session[]> {
    const infos = await this.client.call('sessions', [], options)
    const there = new Set(infos.map(({ session }) => session))
    for (const [id, handle] of this.#known) {
      if (there.has(id)) continue
      this.#known.delete(id)
      if (handle.active) handle.tell('revoked')
    }
    return infos.map((info) => this.#handle(info)).toSorted((one, other) => one.createdAt - other.createdAt)
  }

  /** The one that writes if a call names none: what this page opened last, else the newest. */
  get current(): T.Session | undefined {
    if (this.#chosen?.active) return this.#chosen
    return [...this.#known.values()].filter(({ active }) => active).reduce<T.Session | undefined>((newest, one) => (newest && newest.createdAt >= one.createdAt ? newest : one), undefined)
  }

  /** Which one writes: `given`, else one of the `controller`, else the current one. */
  of(given: T.Session | undefined, controller?: string): T.Session {
    const mine = () => [...this.#known.values()].find(({ active, did }) => active && did === controller)
    const session = given ?? (this.current?.did === controller ? this.current : mine()) ?? this.current
    if (!session) throw new OstrakonError('no-session', 'nobody is signed in', { hint: 'Call node.connectWallet, node.usePasskey or node.useDid first.' })
    if (typeof session.id !== 'string') throw new OstrakonError('invalid-argument', 'session is what node.connectWallet resolved to')
    if (!session.active) throw new OstrakonError('session-ended', 'the session has expired or was revoked', { hint: 'Let the user sign in again.' })
    return session
  }

  opened(info: SessionInfo, provider?: T.DidProvider): T.Session {
    this.#chosen = this.#handle(info, provider)
    return this.#chosen
  }

  hear({ change, ...info }: SessionChange): void {
    const handle = this.#handle(info)
    if (change === 'opened') this.emit({ change, session: handle })
    else handle.tell(change)
    if (!handle.active) this.#known.delete(handle.id)
  }

  #handle(info: SessionInfo, provider?: T.DidProvider): SessionHandle {
    const known = this.#known.get(info.session)
    if (known && (!provider || known.provider === provider)) return known
    const handle = new SessionHandle(this.client, info, this.emit, provider)
    this.#known.set(info.session, handle)
    return handle
  }
}
