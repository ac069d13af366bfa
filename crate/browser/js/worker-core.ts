// Which wasm module runs the node.
//
// There are two. Most who come to a page only read: they load the smaller one, which can do no more. The first call that it has
// no answer to replaces it by the whole one, from disk, as a restart would. Whoever has a session kept, or interests, begins with
// the whole one.

import initWhole, { OstrakonNode as Whole } from 'ostrakon-core'
import initReader, { OstrakonNode as Reader } from 'ostrakon-reader'
import { OstrakonError } from './error.js'
import type { StartOptions, WireEvent } from './wire.js'
import type { Pages } from './worker-ask.js'

export class Core {
  #running!: Promise<Reader>
  #whole: Promise<Whole> | undefined
  #stopped = false

  private constructor(
    private readonly options: StartOptions,
    private readonly onEvent: (event: WireEvent) => void,
    private readonly pages: Pages,
  ) {}

  static async start(options: StartOptions, onEvent: (event: WireEvent) => void, pages: Pages): Promise<Core> {
    const core = new Core(options, onEvent, pages)
    const { readerUrl, interests, name } = options
    if (readerUrl === undefined || interests.length > 0 || (await keepsSessions(name))) {
      await load(initWhole, options.wasmUrl)
      core.#running = core.#whole = core.#startWhole()
    } else {
      await load(initReader, readerUrl)
      core.#running = core.#start(Reader)
    }
    await core.#running
    return core
  }

  /** The node, whichever module runs it; while one replaces the other, the next. */
  running(): Promise<Reader> {
    return this.#running
  }

  get canWrite(): boolean {
    return this.#whole !== undefined
  }

  /** The node that can write, which takes the place of the other if need be. */
  whole(): Promise<Whole> {
    return (this.#whole ??= this.#replace())
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await (await this.#running).stop()
  }

  async #replace(): Promise<Whole> {
    try {
      await load(initWhole, this.options.wasmUrl)
    } catch (error) {
      this.#whole = undefined // the next call tries again, and who reads goes on
      throw error
    }
    const before = await this.#running
    if (this.#stopped) throw new OstrakonError('stopped', 'the node was stopped')
    const next = before.stop().then(() => this.#startWhole())
    this.#running = next
    next.catch(reportError) // nothing runs any more: this ends the worker, and the page starts another
    return next
  }

  async #startWhole(): Promise<Whole> {
    const core = (await this.#start(Whole)) as Whole
    this.pages.signersChanged = (dids) => core.setSigners(dids)
    this.pages.tell()
    return core
  }

  async #start(Node: typeof Reader): Promise<Reader> {
    const { wasmUrl: _, readerUrl: __, ...options } = this.options
    const { pages } = this
    const core = await Node.start(options, this.onEvent, pages.askWallet.bind(pages), pages.askSigner.bind(pages))
    pages.walletsChanged = (chains) => core.setWallets(chains)
    return core
  }
}

async function load(init: typeof initReader, url: string): Promise<void> {
  let response: Response
  try {
    response = await fetch(url)
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    await init({ module_or_path: response })
  } catch (cause) {
    throw new OstrakonError('wasm-unavailable', `${url} could not be loaded: ${(cause as Error).message}`, {
      hint: 'Serve the wasm files of this package and pass their addresses as wasmUrl and readerUrl; a content security policy must allow wasm-unsafe-eval.',
    })
  }
}

/** Whether the database of this name keeps a session; not if there is no such database yet. */
function keepsSessions(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const opening = indexedDB.open(name)
    opening.onupgradeneeded = () => opening.transaction?.abort() // it was not there, and stays so
    opening.onerror = () => resolve(false) // the node will say what is wrong with it
    opening.onsuccess = () => {
      const database = opening.result
      const done = (some: boolean) => {
        database.close()
        resolve(some)
      }
      try {
        const count = database.transaction('keys').objectStore('keys').count(IDBKeyRange.bound('session/', 'session0', false, true))
        count.onsuccess = () => done(count.result > 0)
        count.onerror = () => done(false)
      } catch {
        done(false)
      }
    }
  })
}
