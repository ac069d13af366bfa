// The node itself, in the worker that owns it: answers the calls of every tab.

import type { OstrakonNode as Reader } from 'ostrakon-reader'
import { OstrakonError, toWire } from './error.js'
import type { Ask, Methods, Ready, Reply, Request, StartOptions, ToWorker, WireEvent } from './wire.js'
import { Pages } from './worker-ask.js'
import { Core } from './worker-core.js'

/** A call under way. */
interface Call {
  cancel(): void
  more?(): void
}

/** Sends to a client. */
type Tell = (client: string, message: Reply | Ask) => void

export class LocalNode {
  readonly #core: Core
  readonly #reply: Tell
  readonly #pages: Pages
  /** By client, then by the id that the client gave the call. */
  readonly #calls = new Map<string, Map<number, Call>>()

  private constructor(core: Core, reply: Tell, pages: Pages) {
    this.#core = core
    this.#reply = reply
    this.#pages = pages
  }

  static async start(options: StartOptions, reply: Tell, onEvent: (event: WireEvent) => void): Promise<LocalNode> {
    const pages = new Pages(reply)
    return new LocalNode(await Core.start(options, onEvent, pages), reply, pages)
  }

  async ready(): Promise<Ready> {
    const core = await this.#core.running()
    return { peerId: core.peerId, status: await core.status() }
  }

  receive(client: string, message: ToWorker): void {
    if ('wallet' in message || 'signers' in message || 'answer' in message) {
      return this.#pages.hear(client, message)
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
    const calls = this.#calls.get(client)
    for (const call of calls?.values() ?? []) call.cancel()
    calls?.clear() // nobody is left to be told how they end
    this.#calls.delete(client)
    this.#pages.leave(client)
  }

  /** Answers nothing any more: the clients' open calls are for the next owner. */
  async stop(): Promise<void> {
    for (const calls of this.#calls.values()) calls.clear()
    return this.#core.stop()
  }

  #begin(client: string, calls: Map<number, Call>, request: Request): void {
    const { id } = request
    const answer = (reply: Reply) => {
      if (calls.delete(id)) this.#reply(client, reply)
    }
    if (request.method === 'follow') return void this.#follow(client, calls, id, request.args as Parameters<Methods['follow']>)
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
        return this.#read((core) => core.load(ref, timeoutMs, atTime, signal))
      }
      case 'documents':
        return this.#read((core) => core.documents())
      case 'forget':
        return this.#read((core) => core.forget(...(args as Parameters<Methods['forget']>)))
      case 'importCar': {
        const [bytes] = args as Parameters<Methods['importCar']>
        const plain = bytes instanceof Blob ? await read(bytes) : bytes
        return this.#read((core) => core.importCar(plain instanceof Uint8Array ? plain : new Uint8Array(plain)))
      }
      case 'exportCar':
        return this.#read((core) => core.exportCar(...(args as Parameters<Methods['exportCar']>)))
      case 'sessions':
        // A provider of a page is a session, and only the whole module knows it.
        return this.#core.canWrite || this.#pages.sign ? (await this.#core.whole()).sessions() : []
    }
    const core = await this.#core.whole()
    switch (request.method) {
      case 'encrypt': {
        const [value, to] = args as Parameters<Methods['encrypt']>
        return 'bytes' in value ? core.encrypt(value.bytes, undefined, to) : core.encrypt(undefined, JSON.stringify(value.json), to)
      }
      case 'create': {
        const [session, document] = args as Parameters<Methods['create']>
        return core.create(session, JSON.stringify(document), signal)
      }
      case 'createMany': {
        const [session, documents] = args as Parameters<Methods['createMany']>
        return core.createMany(session, JSON.stringify(documents), signal)
      }
      case 'update': {
        const [session, id, change] = args as Parameters<Methods['update']>
        const text = (part: 'content' | 'patch' | 'metadata') => (part in change ? JSON.stringify((change as Record<string, unknown>)[part]) : undefined)
        return core.update(session, id, text('content'), text('patch'), text('metadata'), change.base, signal)
      }
      case 'keyMessage': {
        const [account, site] = args as Parameters<Methods['keyMessage']>
        return core.keyMessage(account, own(site))
      }
      case 'openKeySession': {
        const [answer] = args as Parameters<Methods['openKeySession']>
        return core.openKeySession({ ...answer, site: own(answer.site) })
      }
      case 'beginSession':
      case 'completeSession':
      case 'openExternalSession':
      case 'revokeSession':
      case 'passkeyDid':
      case 'passkeyCandidates':
      case 'createThreeId':
      case 'openThreeId':
      case 'threeIdWallets':
      case 'addThreeIdWallet':
      case 'rotateThreeId':
      case 'finishThreeIdRotation':
      case 'sessionCapability':
      case 'linkMessage':
      case 'linkAccount':
      case 'outbox':
      case 'createJws':
      case 'rotateReaders':
      case 'decrypt':
      case 'decryptJwe':
        return Reflect.apply(core[request.method], core, args)
      default:
        throw new OstrakonError('invalid-argument', `a node has no method ${request.method}`)
    }
  }

  /** One state is on its way to the client at a time; while it is, newer states replace each other here. */
  async #follow(client: string, calls: Map<number, Call>, id: number, [ref]: Parameters<Methods['follow']>): Promise<void> {
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
    const call: Call = {
      cancel: () => stop(),
      more: () => {
        clear = true
        push()
      },
    }
    calls.set(id, call)
    const open = () => calls.get(id) === call
    try {
      // Once more, if the node was replaced by the one that can write.
      for (let core, next = await this.#core.running(); open() && core !== next; next = await this.#core.running()) {
        core = next
        await new Promise<void>((resolve, reject) => {
          const following = next.follow(
            ref,
            (document) => {
              latest = document
              push()
            },
            (error) => (error === undefined ? resolve() : reject(error)),
          )
          stop = () => {
            following.stop()
            resolve()
          }
        })
      }
      end()
    } catch (error) {
      if (isTrap(error)) reportError(error)
      else end(error)
    }
  }

  /** What `work` answers, asked once more if the node was replaced by the one that can write: reading may be done twice. */
  async #read<T>(work: (core: Reader) => Promise<T>): Promise<T> {
    for (;;) {
      const core = await this.#core.running()
      try {
        return await work(core)
      } catch (error) {
        if ((error as OstrakonError).code !== 'stopped' || core === (await this.#core.running())) throw error
      }
    }
  }
}

/** A key is made for the site that the page is of, and no other. */
function own(site: string): string {
  if (site === location.hostname) return site
  throw new OstrakonError('invalid-argument', `a page of ${location.hostname} has no key for ${site}`)
}

/** The module can't be trusted any more: it trapped, or ran out of stack or memory. Reported, this ends the worker. */
const isTrap = (error: unknown) => error instanceof WebAssembly.RuntimeError || error instanceof RangeError

async function read(file: Blob): Promise<ArrayBuffer> {
  try {
    return await file.arrayBuffer()
  } catch (cause) {
    throw new OstrakonError('invalid-argument', `the file could not be read: ${(cause as Error).message}`)
  }
}
