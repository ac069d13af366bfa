// The user's wallet as a witness of its blockchain. It lives in the page and the node in a worker, so questions come here.

import { OstrakonError } from './error.js'
import type { Eip1193Provider } from './types.js'
import type { WalletAsk } from './wire.js'

/** All that a wallet is ever asked. None of it signs, spends, or opens a window. */
const READS = ['eth_chainId', 'eth_getTransactionByHash', 'eth_getBlockByHash']
/** Longest answer, in UTF-16 units of its JSON: what the core reads of any answer. */
const MAX_ANSWER = 4 << 20

export class Wallet {
  #chain: string | undefined
  #ended = false
  readonly #follow = () => void this.#look()

  /** `changed` is called when it is known on which chain the wallet is, and whenever that changes. */
  constructor(
    readonly provider: Eip1193Provider,
    private readonly changed: () => void,
  ) {
    provider.on?.('chainChanged', this.#follow)
    void this.#look()
  }

  /** CAIP-2; nothing while it is not known, or once the wallet is no longer used. */
  get chain(): string | undefined {
    return this.#chain
  }

  end(): void {
    this.provider.removeListener?.('chainChanged', this.#follow)
    this.#ended = true
    this.#chain = undefined
    this.changed()
  }

  /** The answer as JSON. Fails unless the wallet is on that chain, before the answer and after it. */
  async ask({ chain, method, params }: WalletAsk): Promise<string> {
    if (!READS.includes(method)) throw new OstrakonError('invalid-argument', `a wallet is never asked for ${method}`)
    if (this.#ended) throw new OstrakonError('source-unreachable', 'the page has no wallet any more')
    await this.#mustBeOn(chain)
    const answer = await this.provider.request({ method, params: JSON.parse(params) as unknown[] })
    // Its user may have switched meanwhile, and what another chain does not know would pass for what is not there.
    await this.#mustBeOn(chain)
    const text = JSON.stringify(answer ?? null)
    if (text.length > MAX_ANSWER) throw new OstrakonError('source-unreachable', 'the wallet’s answer is too long')
    return text
  }

  async #mustBeOn(chain: string): Promise<void> {
    const on = await chainOf(this.provider)
    if (on !== chain) throw new OstrakonError('source-unreachable', `the wallet is on ${on ?? 'no known chain'}, not on ${chain}`)
  }

  async #look(): Promise<void> {
    const chain = await chainOf(this.provider).catch(() => undefined) // a wallet that fails is on none
    if (this.#ended || chain === this.#chain) return
    this.#chain = chain
    this.changed()
  }
}

async function chainOf(provider: Eip1193Provider): Promise<string | undefined> {
  const id = await provider.request({ method: 'eth_chainId', params: [] })
  return typeof id === 'string' && /^0x[0-9a-f]{1,16}$/i.test(id) ? `eip155:${BigInt(id)}` : undefined
}
