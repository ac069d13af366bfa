// What the node asks of pages: their wallets about a chain, and their providers for signatures in the name of a DID.
//
// A page says what it has. What it answers is believed no more than any other source: the core judges it. A page that leaves,
// or takes too long, has failed.

import { fromWire, OstrakonError } from './error.js'
import type { Ask, PageWord, SignerAsk, WalletAsk } from './wire.js'

/** How long a page's wallet may take, in milliseconds. The core gives up earlier; this ends what it no longer waits for. */
const WALLET_TIMEOUT = 30_000
/** How long a page's DID provider may take, in milliseconds: it may have to ask its user. */
const SIGNER_TIMEOUT = 120_000
/** Most DIDs that one page may claim providers for, and the longest of them, as the core reads DIDs. */
const MAX_SIGNERS = 16
const MAX_DID = 1_024

type Told = { ok: string } | { error: unknown }
type Question = Omit<WalletAsk, 'ask'> | Omit<SignerAsk, 'ask'>

/** The pages of all tabs, by client. */
export class Pages {
  /** Called with the chains that some wallet is on. */
  walletsChanged: (chains: string[]) => void = () => {}
  /** Called with the DIDs that some page can sign as. */
  signersChanged: (dids: string[]) => void = () => {}
  /** The chain of each client whose page has a wallet. */
  readonly #chains = new Map<string, string>()
  /** The DIDs of each client whose page has providers. */
  readonly #signers = new Map<string, string[]>()
  readonly #asked = new Map<number, { client: string; of: 'wallet' | 'signer'; settle(word: Told): void }>()
  #lastAsk = 0

  constructor(private readonly send: (client: string, message: Ask) => void) {}

  hear(client: string, word: PageWord): void {
    if ('answer' in word) {
      const asked = this.#asked.get(word.answer)
      if (asked?.client === client) asked.settle('ok' in word ? word : { error: fromWire(word.error) })
    } else if ('wallet' in word) {
      this.#hearWallet(client, word.wallet)
    } else {
      this.#hearSigners(client, word.signers)
    }
  }

  /** The client is no more. */
  leave(client: string): void {
    this.#hearWallet(client, null)
    this.#hearSigners(client, [])
  }

  /** The first answer of a wallet on that chain, as JSON. */
  askWallet(chain: string, method: string, params: string): Promise<string> {
    const on = [...this.#chains].filter(([, its]) => its === chain)
    return this.#first(on, { chain, method, params })
  }

  /** The first answer of a provider of that DID, as JSON. */
  askSigner(did: string, method: string, params: string): Promise<string> {
    const able = [...this.#signers].filter(([, dids]) => dids.includes(did))
    return this.#first(able, { did, method, params })
  }

  /** Whether some page can sign as somebody. */
  get sign(): boolean {
    return this.#signers.size > 0
  }

  /** Says again what pages have, to a node that has not heard it. */
  tell(): void {
    this.#tellWallets()
    this.#tellSigners()
  }

  #tellWallets(): void {
    this.walletsChanged([...new Set(this.#chains.values())])
  }

  #tellSigners(): void {
    this.signersChanged([...new Set([...this.#signers.values()].flat())])
  }

  #hearWallet(client: string, chain: string | null): void {
    if (chain !== null) this.#chains.set(client, chain)
    else if (!this.#chains.delete(client)) return
    else this.#end(client, 'wallet')
    this.#tellWallets()
  }

  #hearSigners(client: string, dids: string[]): void {
    const some = dids.filter((did) => did.length <= MAX_DID).slice(0, MAX_SIGNERS)
    if (some.length > 0) this.#signers.set(client, some)
    else if (!this.#signers.delete(client)) return
    else this.#end(client, 'signer')
    this.#tellSigners()
  }

  #end(client: string, of: 'wallet' | 'signer'): void {
    for (const asked of [...this.#asked.values()]) {
      if (asked.client === client && asked.of === of) asked.settle({ error: nobody(of) })
    }
  }

  async #first(clients: [string, unknown][], question: Question): Promise<string> {
    let failure: unknown = nobody('chain' in question ? 'wallet' : 'signer')
    for (const [client] of clients) {
      try {
        return await this.#ask(client, question)
      } catch (error) {
        failure = error
        // A refusal is its user's word: nobody else is asked to sign instead.
        if ('did' in question && (error as OstrakonError).code !== 'signer-unreachable') break
      }
    }
    throw failure
  }

  #ask(client: string, question: Question): Promise<string> {
    const of = 'chain' in question ? 'wallet' : 'signer'
    return new Promise((resolve, reject) => {
      const ask = ++this.#lastAsk
      const settle = (word: Told) => {
        clearTimeout(timer)
        this.#asked.delete(ask)
        if ('ok' in word) resolve(word.ok)
        else reject(word.error)
      }
      const timer = setTimeout(() => settle({ error: slow(of) }), of === 'wallet' ? WALLET_TIMEOUT : SIGNER_TIMEOUT)
      this.#asked.set(ask, { client, of, settle })
      this.send(client, { ask, ...question })
    })
  }
}

const nobody = (of: 'wallet' | 'signer') =>
  of === 'wallet'
    ? new OstrakonError('source-unreachable', 'no page has a wallet that may be asked')
    : new OstrakonError('signer-unreachable', 'no page has a provider for this DID')

const slow = (of: 'wallet' | 'signer') =>
  of === 'wallet'
    ? new OstrakonError('source-slow', 'the wallet did not answer in time')
    : new OstrakonError('signer-slow', 'the DID provider did not answer in time')
