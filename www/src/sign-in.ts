/** The forms by which somebody signs in, with a wallet or with a passkey, and how a session is signed for again. */

import type { ConnectOptions, Node, Session, Wallet } from 'ostrakon'
import { h, icon } from './dom.js'

/** What a session may write: this page shows documents of every kind, so it asks for all. A dapp names its own. */
const RESOURCES = ['ceramic://*']
const STATEMENT = 'Write documents in the Ostrakon demo.'

const LASTS = [
  ['1h', 'an hour'],
  ['1d', 'a day'],
  ['7d', '7 days'],
  ['30d', '30 days'],
] as const

type Lasts = NonNullable<ConnectOptions['expiresIn']>

/** What signs people in, other than wallets: the device itself. */
export const PASSKEY = 'passkey'

/** What is told of a form's answer. */
export interface FormEvents {
  node(): Node | undefined
  /** Asking begins. */
  asking(): void
  opened(session: Session): void
  failed(error: unknown): void
  /** It is no longer wanted. */
  closed(): void
}

/** What the wallet will be asked for is chosen before it is asked. */
export function walletForm(wallet: Wallet, events: FormEvents): HTMLFormElement {
  const leave = h('input', { type: 'radio', name: 'as', value: 'session', checked: true })
  const key = h('input', { type: 'radio', name: 'as', value: 'key' })
  const lasts = howLong()
  const ask = h('button', { type: 'submit', class: 'primary' }, 'Ask the wallet')
  return form(
    h('p', { class: 'who' }, face(wallet), h('span', { class: 'name' }, wallet.name)),
    h(
      'fieldset',
      {},
      h('legend', {}, 'Write as'),
      h('label', {}, leave, h('span', {}, h('b', {}, 'the account'), ', by its leave for ', lasts, '. You can end it at any time.')),
      h(
        'label',
        {},
        key,
        h('span', {}, h('b', {}, 'a key of its own'), ', made from one signature: the same on every device, and it can read what is encrypted for it. It does not end.'),
      ),
    ),
    [ask],
    'Look at the wallet: it shows what it is asked to sign.',
    events,
    async (node, signal) => {
      const what = key.checked ? ({ kind: 'key' } as const) : { resources: RESOURCES, statement: STATEMENT, expiresIn: lasts.value as Lasts }
      const session = await node.connectWallet(wallet, { ...what, signal })
      signers.remember(session.did, wallet.id)
      return session
    },
  )
}

/** A passkey that there is signs in; who has none makes one, and signs in with it. */
export function passkeyForm(events: FormEvents): HTMLElement {
  // By the rules of WebAuthn a passkey belongs to a name.
  if (/^[\d.]+$|:/.test(location.hostname)) return nameless(events)
  const lasts = howLong()
  const name = h('input', { type: 'text', name: 'passkey', autocomplete: 'off', maxlength: 64, value: 'Ostrakon demo' })
  const use = h('button', { type: 'submit', class: 'primary', value: 'use' }, 'Use a passkey')
  const make = h('button', { type: 'submit', value: 'make' }, 'Make a new one')
  return form(
    h('p', { class: 'who' }, keyFace(), h('span', { class: 'name' }, 'Passkey')),
    h(
      'div',
      { class: 'passkey' },
      h('p', {}, 'This device signs, once you have shown it a finger, your face or its PIN: a leave to write for ', lasts, '. You can end it at any time.'),
      h('label', {}, 'What the device calls a new one', name),
    ),
    [use, make],
    'Look at what your device asks.',
    events,
    async (node, signal, submitter) => {
      const leave = { resources: RESOURCES, expiresIn: lasts.value as Lasts, signal }
      if (submitter !== 'make') return node.usePasskey(leave)
      const made = await node.createPasskey({ name: name.value.trim() || 'Ostrakon demo', signal })
      signers.remember(made.did, made.id)
      return node.usePasskey({ ...leave, passkeys: [made] })
    },
  )
}

function nameless(events: FormEvents): HTMLElement {
  const there = new URL(location.href)
  there.hostname = 'localhost'
  const local = location.hostname.startsWith('127.')
  return h(
    'div',
    { class: 'sign-in' },
    h('p', { class: 'who' }, keyFace(), h('span', { class: 'name' }, 'Passkey')),
    h('p', {}, 'Passkeys belong to a host name, and this page was opened by a number.', local && ' Open it ', local && h('a', { href: there.href }, 'as localhost'), local && '.'),
    h('p', { class: 'actions' }, h('button', { type: 'button', click: () => events.closed() }, 'Cancel')),
  )
}

/** Whoever is asked, it is once at a time, and can be called off. */
function form(
  who: HTMLElement,
  what: HTMLElement,
  buttons: HTMLButtonElement[],
  told: string,
  events: FormEvents,
  ask: (node: Node, signal: AbortSignal, submitter: string) => Promise<Session>,
): HTMLFormElement {
  const status = h('p', { class: 'asked', role: 'status' })
  const cancel = h('button', { type: 'button' }, 'Cancel')
  const element = h('form', { class: 'sign-in' }, who, what, h('p', { class: 'actions' }, ...buttons, cancel), status)
  let asking: AbortController | undefined
  cancel.addEventListener('click', () => {
    asking?.abort()
    events.closed()
  })
  element.addEventListener('submit', (event) => {
    event.preventDefault()
    const node = events.node()
    if (asking || !node) return
    asking = new AbortController()
    events.asking()
    for (const button of buttons) button.disabled = true
    status.textContent = told
    const { signal } = asking
    ask(node, signal, (event.submitter as HTMLButtonElement | null)?.value ?? '')
      .then((session) => events.opened(session))
      .catch((error: unknown) => {
        if (!signal.aborted) events.failed(error)
      })
      .finally(() => {
        asking = undefined
        for (const button of buttons) button.disabled = false
        status.textContent = ''
      })
  })
  return element
}

/**
 * A session as `old` was, signed for by the same account or passkey: for the same documents, and for as long. It is somebody
 * else's if its user chose another one. Fails if the wallet is not here.
 */
export async function signAgain(node: Node, old: Session, found: readonly Wallet[], signal: AbortSignal): Promise<Session> {
  const { did, kind, resources, createdAt, expiresAt } = old
  const again = { resources, expiresIn: Math.max(1, Math.round(((expiresAt ?? createdAt) - createdAt) / 1000)), signal }
  const before = signers.of(did)
  if (kind === 'passkey') return node.usePasskey(before === undefined ? again : { ...again, passkeys: [{ id: before, did }] })
  const account = did.replace(/^did:pkh:/, '')
  const wallet = found.find(({ id }) => id === before) ?? (await walletOf(account, found))
  if (!wallet) throw { code: 'wallet-gone', message: 'The wallet that signed is not in this browser now.', hint: 'Unlock it, or sign in with another one of the same account.' }
  const session = await node.connectWallet(wallet, { ...again, account, statement: STATEMENT })
  signers.remember(session.did, wallet.id)
  return session
}

/** A wallet that shows this page the account. None of them opens a window. */
async function walletOf(account: string, found: readonly Wallet[]): Promise<Wallet | undefined> {
  const bare = (name: string): string => (name.split(':').at(-1) ?? name).toLowerCase()
  for (const wallet of found) {
    const accounts = await wallet.accounts().catch(() => [])
    if (accounts.some((one) => bare(one) === bare(account))) return wallet
  }
  return undefined
}

/** Which wallet or passkey signed for whom, by its id. No secret; without storage each wallet is asked what it shows. */
const signers = {
  name: 'ostrakon-demo/signers',
  all(): Record<string, unknown> {
    try {
      return (JSON.parse(localStorage.getItem(this.name) ?? '{}') ?? {}) as Record<string, unknown>
    } catch {
      return {}
    }
  },
  of(did: string): string | undefined {
    const all = this.all()
    const id = Object.hasOwn(all, did) ? all[did] : undefined
    return typeof id === 'string' ? id : undefined
  },
  remember(did: string, id: string): void {
    try {
      localStorage.setItem(this.name, JSON.stringify({ ...this.all(), [did]: id }))
    } catch {}
  },
}

function howLong(): HTMLSelectElement {
  return h('select', { 'aria-label': 'How long' }, ...LASTS.map(([value, text]) => h('option', { value, selected: value === '7d' }, text)))
}

/** A wallet's icon; its words are its own, so the picture says nothing to a reader. */
export function face(wallet: Wallet): HTMLElement {
  const none = h('span', { class: 'no-face', 'aria-hidden': 'true' })
  return wallet.icon ? h('img', { src: wallet.icon, alt: '', width: 28, height: 28, error: ({ target }) => (target as Element).replaceWith(none) }) : none
}

export function keyFace(): HTMLElement {
  return h('span', { class: 'no-face', 'aria-hidden': 'true' }, icon('key'))
}
