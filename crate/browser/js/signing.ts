// Wallets as signers of a text. The worker makes each text and judges each signature; here a wallet is asked, in the way
// its kind is asked, and watched: it must be the same account on the same chain from the first question to the last.

import { OstrakonError } from './error.js'
import { Prompt } from './prompt.js'
import type { Eip1193Provider, StandardAccount, StandardWallet, Wallet } from './types.js'

/** A wallet with an account that will sign. */
export interface Signing {
  readonly kind: 'ethereum' | 'solana'
  /** CAIP-10. */
  readonly account: string
  /** All that the wallet shows, by CAIP-10: if another of them signs, the worker can say which. */
  readonly accounts: string[]
  /** As the chain's wallets write signatures: Ethereum's 65 bytes in hex with `0x`, Solana's 64 in base58. */
  sign(text: string): Promise<string>
}

/** Most accounts that are looked at. */
const MAX_ACCOUNTS = 256
/** Longest signature that is handed to the worker, which knows how long it must be. */
const MAX_SIGNATURE = 1_024
/** CAIP-2 references of Solana's chains: the first 32 characters of their genesis hash. */
const SOLANA: Record<string, string> = {
  'solana:mainnet': '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp',
  'solana:testnet': '4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z',
  'solana:devnet': 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
}

export const isProvider = (given: unknown): given is Eip1193Provider => typeof (given as Eip1193Provider | undefined)?.request === 'function'

/** A wallet of the Wallet Standard that can connect and sign texts for Solana. */
export function isStandard(given: unknown): given is StandardWallet {
  const { features, chains } = (given ?? {}) as Partial<StandardWallet>
  if (typeof features !== 'object' || features === null || !Array.isArray(chains)) return false
  return chains.some((chain) => String(chain).startsWith('solana:')) && 'standard:connect' in features && ('solana:signMessage' in features || 'solana:signIn' in features)
}

/** The accounts that a wallet shows this page already, by CAIP-10. No window opens. */
export async function accountsOf(provider: Eip1193Provider | StandardWallet): Promise<string[]> {
  if (isStandard(provider)) return solanaAccounts(provider.accounts).map(({ id }) => id)
  const prompt = new Prompt({ timeout: 30_000 })
  const accounts = await addresses(prompt, provider, 'eth_accounts')
  if (accounts.length === 0) return []
  const chain = await chainOf(prompt, provider)
  return accounts.map((address) => named(chain, address))
}

/** Asks the wallet for its accounts and settles on one: `account` (an address or CAIP-10), or the first. */
export async function connect(wallet: Wallet | Eip1193Provider | StandardWallet, account: string | undefined, prompt: Prompt): Promise<Signing> {
  const provider = 'provider' in wallet ? wallet.provider : wallet
  if (isStandard(provider)) return solana(provider, account, prompt)
  if (isProvider(provider)) return ethereum(provider, account, prompt)
  throw new OstrakonError('invalid-argument', 'a wallet is one that discoverWallets found, an EIP-1193 provider, or a Solana wallet of the Wallet Standard')
}

// ---- Ethereum ----

async function ethereum(provider: Eip1193Provider, wanted: string | undefined, prompt: Prompt): Promise<Signing> {
  const accounts = await addresses(prompt, provider, 'eth_requestAccounts')
  const address = pick(accounts, wanted, (one) => one)
  const first = accounts[0] === address
  const chain = await chainOf(prompt, provider)
  /** Fails if the wallet is not as it was: what it signs now would not be what the user was shown. */
  const same = async () => {
    const now = await addresses(prompt, provider, 'eth_accounts')
    if (first ? now[0] !== address : !now.includes(address)) throw changed('account')
    if ((await chainOf(prompt, provider)) !== chain) throw changed('chain')
  }
  return {
    kind: 'ethereum',
    account: named(chain, address),
    accounts: accounts.map((one) => named(chain, one)),
    sign: async (text) => {
      await same()
      const watch = (fail: (error: OstrakonError) => void) => {
        const look = () => void same().catch((error: OstrakonError) => CHANGED.has(error.code) && fail(error))
        provider.on?.('accountsChanged', look)
        provider.on?.('chainChanged', look)
        return () => {
          provider.removeListener?.('accountsChanged', look)
          provider.removeListener?.('chainChanged', look)
        }
      }
      const signature = await prompt.ask('the wallet', () => provider.request({ method: 'personal_sign', params: [hex(text), address] }), watch)
      await same()
      if (typeof signature === 'string' && signature.length <= MAX_SIGNATURE) return signature
      throw unusable('the wallet’s signature is no text, or endless')
    },
  }
}

const CHANGED = new Set(['wallet-account-changed', 'wallet-chain-changed'])

/** In the wallet's order: by EIP-1193 the account in use comes first. In lower case, as Ceramic names them. */
async function addresses(prompt: Prompt, provider: Eip1193Provider, method: 'eth_accounts' | 'eth_requestAccounts'): Promise<string[]> {
  const answer = await prompt.ask('the wallet', () => provider.request({ method, params: [] }))
  if (!Array.isArray(answer)) throw unusable('the wallet’s accounts are no list')
  return answer.slice(0, MAX_ACCOUNTS).map((address) => {
    if (typeof address !== 'string' || !/^0x[0-9a-f]{40}$/i.test(address)) throw unusable('one of the wallet’s accounts is no address')
    return address.toLowerCase()
  })
}

async function chainOf(prompt: Prompt, provider: Eip1193Provider): Promise<bigint> {
  const id = await prompt.ask('the wallet', () => provider.request({ method: 'eth_chainId', params: [] }))
  if (typeof id !== 'string' || !/^0x[0-9a-f]{1,13}$/i.test(id)) throw unusable('the wallet does not say on which chain it is')
  return BigInt(id)
}

const named = (chain: bigint, address: string) => `eip155:${chain}:${address}`

const hex = (text: string) => `0x${Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, '0')).join('')}`

// ---- Solana ----

async function solana(wallet: StandardWallet, wanted: string | undefined, prompt: Prompt): Promise<Signing> {
  const connected = await prompt.ask('the wallet', () => wallet.features['standard:connect'].connect())
  const accounts = solanaAccounts(connected?.accounts ?? wallet.accounts)
  const { id, account } = pick(accounts, wanted, (one) => one.id)
  return {
    kind: 'solana',
    account: id,
    accounts: accounts.map((one) => one.id),
    sign: async (text) => {
      const message = new TextEncoder().encode(text)
      const signMessage = wallet.features['solana:signMessage']
      const signIn = wallet.features['solana:signIn']
      const [answer] = await prompt.ask('the wallet', async () => {
        if (signMessage) return signMessage.signMessage({ account, message })
        if (signIn) return signIn.signIn(signInInput(text))
        throw new OstrakonError('wallet-unsupported', 'the wallet can’t sign texts', { hint: 'Another wallet may.' })
      })
      const { signature, signedMessage } = answer ?? {}
      if (!(signature instanceof Uint8Array) || signature.length > MAX_SIGNATURE) throw unusable('the wallet’s signature is not bytes, or endless')
      if (!(signedMessage instanceof Uint8Array) || !equal(signedMessage, message)) {
        throw new OstrakonError('wallet-other-text', 'the wallet signed another text than it was asked to', { hint: 'Another wallet may sign texts as they are.' })
      }
      if (!solanaAccounts(wallet.accounts).some((one) => one.id === id)) throw changed('account')
      return base58(signature)
    },
  }
}

function solanaAccounts(accounts: unknown): { id: string; account: StandardAccount }[] {
  if (!Array.isArray(accounts)) throw unusable('the wallet’s accounts are no list')
  return accounts.slice(0, MAX_ACCOUNTS).flatMap((account: StandardAccount) => {
    const { address, chains } = account
    if (typeof address !== 'string' || !/^[1-9A-HJ-NP-Za-km-z]{32,44}$/.test(address) || !Array.isArray(chains)) return []
    // An account is the same on all chains; the first one it names that has a name here says which is meant.
    const chain = chains.map((one) => SOLANA[one]).find((one) => one !== undefined)
    return chain === undefined ? [] : [{ id: `solana:${chain}:${address}`, account }]
  })
}

/** The fields of the text, for wallets that make it themselves (Sign In With Solana). It must come out the same. */
function signInInput(text: string): Record<string, unknown> {
  const [head, ...resources] = text.split('\nResources:\n- ').flatMap((part, index) => (index === 0 ? [part] : part.split('\n- ')))
  const [before, after] = (head ?? '').split(/\n\n(?=URI: )/)
  const [greeting, address, , ...statement] = (before ?? '').split('\n')
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(after ?? '')?.[1]
  const input: Record<string, unknown> = {
    domain: greeting?.replace(/ wants you to sign in with your Solana account:$/, ''),
    address,
    statement: statement.length > 0 ? statement.join('\n') : undefined,
    uri: field('URI'),
    version: field('Version'),
    chainId: field('Chain ID'),
    nonce: field('Nonce'),
    issuedAt: field('Issued At'),
    expirationTime: field('Expiration Time'),
    notBefore: field('Not Before'),
    requestId: field('Request ID'),
    resources: resources.length > 0 ? resources : undefined,
  }
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
}

// ---- both ----

function pick<T>(accounts: T[], wanted: string | undefined, nameOf: (account: T) => string): T {
  if (accounts.length === 0) {
    throw new OstrakonError('wallet-no-account', 'the wallet shows no account to this page', { hint: 'Let the user unlock the wallet and connect an account to this site.' })
  }
  // By its address alone, or by CAIP-10, whatever the case where there is one.
  const short = (name: string) => (name.split(':').at(-1) as string).replace(/^0x.*$/i, (address) => address.toLowerCase())
  const chosen = wanted === undefined ? accounts[0] : accounts.find((account) => short(nameOf(account)) === short(wanted))
  if (chosen !== undefined) return chosen
  throw new OstrakonError('wallet-other-account', `the wallet does not show the account ${wanted} to this page`, { hint: 'Let the user choose that account in the wallet and connect it to this site.' })
}

const changed = (what: 'account' | 'chain') =>
  new OstrakonError(`wallet-${what}-changed`, `the wallet’s ${what} changed while it was asked`, { hint: 'Nothing was kept: start again with what is chosen now.' })

const unusable = (message: string, hint = 'This wallet does not do what its standard says: another one may.') => new OstrakonError('wallet-unusable', message, { hint })

const equal = (one: Uint8Array, other: Uint8Array) => one.length === other.length && one.every((byte, index) => byte === other[index])

const DIGITS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

function base58(bytes: Uint8Array): string {
  let text = ''
  for (let number = BigInt(`0x00${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`); number > 0n; number /= 58n) {
    text = DIGITS[Number(number % 58n)] + text
  }
  const zeros = bytes.findIndex((byte) => byte !== 0)
  return '1'.repeat(zeros < 0 ? bytes.length : zeros) + text
}
