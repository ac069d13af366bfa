// A document as a dapp holds it: one state, which can be followed, and changed.

import type { Client } from './client.js'
import { json } from './content.js'
import { OstrakonError } from './error.js'
import { aborted } from './prompt.js'
import type { Sessions } from './session.js'
import type * as T from './types.js'
import type { Change } from './wire.js'

export type Data = Omit<T.Document, 'follow' | 'update' | 'patch' | typeof Symbol.asyncIterator>

/** What documents and the node share. */
export interface Context {
  client: Client
  sessions: Sessions
}

/** What is written through one state and those that come of it: one after the other, each upon the last. */
interface Line {
  tip: string
  last: Promise<unknown>
}

export class DocumentState implements T.Document {
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
  declare readonly status: T.PublicationStatus
  readonly #context: Context
  readonly #line: Line

  constructor(context: Context, data: Data, line?: Line) {
    this.#context = context
    this.#line = line ?? { tip: data.tip, last: Promise.resolve() }
    Object.assign(this, data)
  }

  async update(content: unknown, options: T.UpdateOptions = {}): Promise<T.Document> {
    return this.#write({ content: json(content) }, options)
  }

  async patch(operations: T.PatchOperation[], options: T.UpdateOptions = {}): Promise<T.Document> {
    if (!Array.isArray(operations)) throw new OstrakonError('invalid-argument', 'a patch is a list of operations (RFC 6902)')
    return this.#write({ patch: json(operations, 'patch') }, options)
  }

  follow({ signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<T.Document> {
    return new Following(this.#context, this.id, signal)
  }

  /** Waits for what was written through this document before, lest each take the other for a stranger's. */
  #write(change: Change, options: T.UpdateOptions): Promise<T.Document> {
    const { metadata, base, throwIfStale = true, session, ...rest } = options
    const who = this.#context.sessions.of(session, (this.metadata['controllers'] as string[] | undefined)?.[0])
    const header = metadata === undefined ? {} : { metadata: json(metadata, 'metadata') }
    const write = async () => {
      if (rest.signal?.aborted) throw aborted(rest.signal)
      const upon = throwIfStale ? { base: base ?? this.#line.tip } : {}
      const data = (await this.#context.client.call('update', [who.id, this.id, { ...change, ...header, ...upon }], rest)) as Data
      this.#line.tip = data.tip
      return new DocumentState(this.#context, data, this.#line)
    }
    const written = this.#line.last.then(write, write)
    this.#line.last = written
    written.catch(() => {}) // told to the caller; the next in line does not mind
    return written
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
    private readonly context: Context,
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
    const subscription = this.context.client.follow(
      this.id,
      (data) => {
        this.#latest = new DocumentState(this.context, data as Data)
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
