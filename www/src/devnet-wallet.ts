/**
 * The devnet's wallet: accounts of a test chain that the devnet runs, whose keys everybody knows, behind the interface of real
 * wallets (EIP-1193) and announced like them (EIP-6963). It asks its user before it shows an account or signs, in a window
 * that says what it is: nothing of value may ever be trusted to it.
 */

import { h } from './dom.js'
import { stamp } from './marks.js'
import { shortAccount } from './words.js'

/** A striped shard, which no real wallet looks like. */
const ICON = `data:image/svg+xml,${encodeURIComponent(
  "<svg xmlns='http://www.w3.org/2000/svg' viewBox='-16 -16 32 32'><defs><pattern id='p' width='6' height='6' patternUnits='userSpaceOnUse' patternTransform='rotate(45)'><path fill='#f6f1ea' d='M0 0h6v6H0z'/><path fill='#bd8a26' d='M0 0h3v6H0z'/></pattern></defs><path fill='url(#p)' stroke='#8a5d0b' stroke-width='1.5' d='M-13-5-4-14 9-11 14 1 6 13-8 11z'/></svg>",
)}`

/** As EIP-1193 and JSON-RPC number what goes wrong. */
const REJECTED = 4001
const UNAUTHORISED = 4100
const UNSUPPORTED = 4200
const DISCONNECTED = 4900
const BUSY = -32002
const INVALID = -32602

class Refusal extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

type Listener = (value: unknown) => void

export class DevnetWallet {
  #rpc: URL
  #chain: string
  #account: string | undefined
  #asking = false
  #listeners = new Map<string, Set<Listener>>()
  #id = 0

  /** `rpc` is asked for signatures; `chain` is its CAIP-2 name. */
  constructor(rpc: URL, chain: string) {
    this.#rpc = rpc
    this.#chain = chain
    const info = Object.freeze({
      uuid: crypto.randomUUID?.() ?? 'devnet',
      name: 'Devnet wallet, test keys',
      icon: ICON,
      rdns: 'localhost.ostrakon.devnet',
    })
    const provider = Object.freeze({
      request: (question: { method: string; params?: unknown[] }) => this.#request(question.method, question.params ?? []),
      on: (event: string, listener: Listener) => void this.#of(event).add(listener),
      removeListener: (event: string, listener: Listener) => void this.#of(event).delete(listener),
    })
    const announce = (): void =>
      void dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }))
    addEventListener('eip6963:requestProvider', announce)
    announce()
  }

  #of(event: string): Set<Listener> {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners)
    return listeners
  }

  async #request(method: string, params: unknown[]): Promise<unknown> {
    switch (method) {
      case 'eth_chainId':
        return `0x${Number(this.#chain.split(':')[1]).toString(16)}`
      case 'eth_accounts':
        return this.#account ? [this.#account] : []
      case 'eth_requestAccounts':
        return this.#choose()
      case 'personal_sign':
        return this.#sign(params)
      case 'eth_getTransactionByHash':
      case 'eth_getBlockByHash':
        return this.#ask(method, params)
      default:
        throw new Refusal(UNSUPPORTED, `the devnet's wallet does not do ${method}`)
    }
  }

  async #choose(): Promise<string[]> {
    const accounts = await this.#ask('eth_accounts', [])
    if (!Array.isArray(accounts)) throw new Refusal(DISCONNECTED, 'the devnet has no accounts')
    const list = accounts.filter((account) => typeof account === 'string' && /^0x[0-9a-f]{40}$/i.test(account)) as string[]
    const chosen = await this.#window<string>((done) => [
      h('h2', {}, 'Which account may this page see?'),
      h(
        'ul',
        { class: 'accounts' },
        ...list.map((account, i) =>
          h(
            'li',
            {},
            h(
              'button',
              { type: 'button', 'aria-current': account === this.#account && 'true', click: () => done(account) },
              stamp(account),
              h('span', {}, `Account ${i + 1}`),
              h('code', { title: account }, shortAccount(account)),
            ),
          ),
        ),
      ),
    ])
    const changed = chosen !== this.#account
    this.#account = chosen
    if (changed) for (const listener of [...this.#of('accountsChanged')]) listener([chosen])
    return [chosen]
  }

  async #sign([text, account]: unknown[]): Promise<unknown> {
    if (typeof text !== 'string' || !/^0x([0-9a-f]{2})*$/i.test(text)) throw new Refusal(INVALID, 'the text must be given in hex')
    if (typeof account !== 'string' || account.toLowerCase() !== this.#account?.toLowerCase())
      throw new Refusal(UNAUTHORISED, 'the page may not use that account')
    const bytes = Uint8Array.from(text.slice(2).match(/../g) ?? [], (pair) => parseInt(pair, 16))
    await this.#window<true>((done) => [
      h('h2', {}, 'Sign this text?'),
      h('p', { class: 'signer' }, stamp(account), h('code', { title: account }, shortAccount(account))),
      h('pre', { tabindex: 0 }, new TextDecoder().decode(bytes)),
      h('button', { type: 'button', class: 'primary', click: () => done(true) }, 'Sign'),
    ])
    return this.#ask('personal_sign', [text, account])
  }

  /** Shows what `build` makes until it calls `done`, or its user refuses. */
  #window<T>(build: (done: (answer: T) => void) => Node[]): Promise<T> {
    if (this.#asking) throw new Refusal(BUSY, 'the devnet’s wallet has another question open')
    this.#asking = true
    return new Promise<T>((resolve, reject) => {
      const done = (answer: T): void => {
        resolve(answer)
        dialog.close()
      }
      const dialog = h(
        'dialog',
        { class: 'play-wallet', 'aria-label': 'The devnet’s wallet' },
        h('p', { class: 'warning' }, h('b', {}, 'The devnet’s wallet. '), 'Its keys are known to everybody: it is for trying things out, and nothing of value belongs in it.'),
        ...build(done),
        h('button', { type: 'button', class: 'refuse', click: () => dialog.close() }, 'Refuse'),
      )
      dialog.addEventListener('close', () => {
        this.#asking = false
        dialog.remove()
        reject(new Refusal(REJECTED, 'the user refused'))
      })
      document.body.append(dialog)
      dialog.showModal()
    })
  }

  async #ask(method: string, params: unknown[]): Promise<unknown> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++this.#id, method, params })
    try {
      const answer = await fetch(this.#rpc, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal: AbortSignal.timeout(10_000) })
      const { result, error } = (await answer.json()) as { result?: unknown; error?: { code?: unknown; message?: unknown } }
      if (error) throw new Refusal(typeof error.code === 'number' ? error.code : DISCONNECTED, String(error.message))
      return result
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal(DISCONNECTED, 'the devnet does not answer')
    }
  }
}
