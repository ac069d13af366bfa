// Which wallets the browser has. Any script of the page and any extension can announce one, under any name: what they say
// is copied, bounded and never trusted; only what a wallet signs counts, and the worker judges that.
//
// Ethereum's announce themselves by events (EIP-6963); where none does, `window.ethereum` is asked. Solana's register by the
// events of the Wallet Standard. Nothing is asked of a wallet here, and no window opens.

import { OstrakonError } from './error.js'
import { accountsOf, isProvider, isStandard } from './signing.js'
import type { DiscoverOptions, Eip1193Provider, StandardWallet, Wallet } from './types.js'

/** How long to listen before the answer, in milliseconds: wallets that are there announce themselves at once. */
const DEFAULT_WAIT = 200
/** Most wallets that are listed; who announces more is no wallet. */
const MAX_WALLETS = 64
/** Longest name and id, in characters. */
const MAX_NAME = 64
/** Longest icon, in characters of its address. */
const MAX_ICON = 256 << 10
/** Icons whose address holds the picture itself, so that showing one tells nobody. */
const ICON = /^data:image\/(?:png|jpeg|gif|webp|svg\+xml)[;,]/
/** Characters that don't show, or turn the direction of writing: a name made of them looks like another. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu

/** What of the page is used here. */
interface Page extends EventTarget {
  ethereum?: unknown
}

/**
 * The wallets that this browser has, each once. Asks none of them anything. Resolves after `wait` milliseconds; wallets that
 * announce themselves later are told to `onWallet`, until `signal` is aborted. Where there is no page, as in a server that
 * renders one, the answer is an empty list.
 */
export async function discoverWallets({ wait = DEFAULT_WAIT, onWallet, signal }: DiscoverOptions = {}): Promise<Wallet[]> {
  if (!(wait >= 0 && wait <= 60_000)) throw new OstrakonError('invalid-argument', `wait is a time from 0 to 60,000 milliseconds, not ${wait}`)
  if (signal?.aborted) throw aborted(signal)
  if (typeof window === 'undefined' || typeof window.addEventListener !== 'function') return []
  const page: Page = window
  const found = new Found()
  let answered = false
  const add = (wallet: Wallet | undefined) => {
    if (!wallet || !answered || signal?.aborted) return
    try {
      onWallet?.(wallet)
    } catch (error) {
      reportError(error) // the listener's own
    }
  }
  const stop = listen(page, found, add)
  signal?.addEventListener('abort', stop, { once: true })
  try {
    await pause(wait, signal)
  } catch (error) {
    stop()
    throw error
  }
  answered = true
  if (!onWallet) {
    stop()
    signal?.removeEventListener('abort', stop)
  }
  if (!found.has('ethereum')) injected(page).forEach((provider) => found.ethereum({ provider, id: 'window.ethereum', name: 'Browser wallet' }))
  return found.all()
}

/** Hears what is announced from now on, and asks for it. */
function listen(page: Page, found: Found, add: (wallet: Wallet | undefined) => void): () => void {
  // Whatever a listener throws here would end up in the announcing script, or not: a bad announcement is none.
  const attempt = (work: () => void) => {
    try {
      work()
    } catch {}
  }
  const onAnnounced = (event: Event) =>
    attempt(() => {
      const { info, provider } = (event as CustomEvent<{ info: Record<string, unknown>; provider: unknown }>).detail
      if (isProvider(provider)) add(found.ethereum({ provider, id: info['rdns'], uuid: info['uuid'], name: info['name'], icon: info['icon'] }))
    })
  const register = (...wallets: unknown[]) => {
    for (const wallet of wallets.slice(0, MAX_WALLETS)) attempt(() => void (isStandard(wallet) && add(found.solana(wallet))))
    return () => {}
  }
  const onRegister = (event: Event) => attempt(() => (event as CustomEvent<(api: { register: typeof register }) => void>).detail({ register }))
  page.addEventListener('eip6963:announceProvider', onAnnounced)
  page.addEventListener('wallet-standard:register-wallet', onRegister)
  page.dispatchEvent(new Event('eip6963:requestProvider'))
  page.dispatchEvent(new CustomEvent('wallet-standard:app-ready', { detail: { register } }))
  return () => {
    page.removeEventListener('eip6963:announceProvider', onAnnounced)
    page.removeEventListener('wallet-standard:register-wallet', onRegister)
  }
}

/** What stands at `window.ethereum`: one provider, or several that share the place. */
function injected(page: Page): Eip1193Provider[] {
  try {
    const one = page.ethereum as { providers?: unknown } | undefined
    const several = Array.isArray(one?.providers) ? one.providers.filter(isProvider).slice(0, MAX_WALLETS) : []
    return several.length > 0 ? several : isProvider(one) ? [one] : []
  } catch {
    return []
  }
}

/** What was announced, each once. */
class Found {
  readonly #byProvider = new Map<object, Wallet>()
  readonly #ids = new Set<string>()
  /** Of announcements (EIP-6963): made anew for each page, so the same is the same wallet, wrapped once more. */
  readonly #uuids = new Set<unknown>()

  has(kind: Wallet['kind']): boolean {
    return this.all().some((wallet) => wallet.kind === kind)
  }

  all(): Wallet[] {
    return [...this.#byProvider.values()]
  }

  /** The wallet, if it is new. */
  ethereum({ provider, ...said }: Said & { provider: Eip1193Provider }): Wallet | undefined {
    return this.#keep(provider, said, (facts) => ({ ...facts, kind: 'ethereum', provider, accounts: () => accountsOf(provider) }))
  }

  solana(provider: StandardWallet): Wallet | undefined {
    const said = { id: `solana:${clean(provider.name)}`, name: provider.name, icon: provider.icon }
    return this.#keep(provider, said, (facts) => ({ ...facts, kind: 'solana', provider, accounts: () => accountsOf(provider) }))
  }

  #keep(provider: object, said: Said, make: (facts: Pick<Wallet, 'id' | 'name' | 'icon'>) => Wallet): Wallet | undefined {
    const { icon, uuid } = said
    if (this.#byProvider.has(provider) || this.#uuids.has(uuid) || this.#byProvider.size >= MAX_WALLETS) return
    if (uuid !== undefined) this.#uuids.add(uuid)
    const shown = typeof icon === 'string' && icon.length <= MAX_ICON && ICON.test(icon.trim()) ? { icon: icon.trim() } : {}
    const wallet = Object.freeze(make({ id: this.#id(said.id), name: clean(said.name) || 'Unnamed wallet', ...shown }))
    this.#byProvider.set(provider, wallet)
    return wallet
  }

  /** Two that call themselves the same are two wallets. */
  #id(wanted: unknown): string {
    const base = clean(wanted) || 'wallet'
    let id = base
    for (let number = 2; this.#ids.has(id); number++) id = `${base}#${number}`
    this.#ids.add(id)
    return id
  }
}

interface Said {
  id: unknown
  uuid?: unknown
  name: unknown
  icon?: unknown
}

const clean = (text: unknown) => (typeof text === 'string' ? [...text.slice(0, 4 * MAX_NAME).replace(UNSEEN, '').trim()].slice(0, MAX_NAME).join('') : '')

const aborted = (signal: AbortSignal) => new OstrakonError('aborted', 'the call was aborted', { cause: signal.reason })

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(aborted(signal as AbortSignal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
