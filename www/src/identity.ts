/** Who writes: signing in with a wallet, what each identity may do and until when, and what waits to be published. */

import { discoverWallets, type Node, type OutboxEntry, type Session, type Wallet } from 'ostrakon'
import { copyButton, h, Keyed } from './dom.js'
import { stamp } from './marks.js'
import { failure } from './shelf.js'
import { count, didWords, mayWords } from './words.js'

/** What a session may write: this page shows documents of every kind, so it asks for all. A dapp names its own. */
const RESOURCES = ['ceramic://*']
const STATEMENT = 'Write documents in the Ostrakon demo.'

const LASTS = [
  ['1h', 'an hour'],
  ['1d', 'a day'],
  ['7d', '7 days'],
  ['30d', '30 days'],
] as const

/** Why a change waits, in words. */
const WAITS: Record<string, string> = {
  'no-peers': 'no peer is connected',
  'not-acknowledged': 'no peer has taken it yet',
}

export interface IdentityActions {
  /** Opens the form for a new document. */
  compose(): void
  /** Another identity writes, or there are others. */
  changed(): void
}

export class Identities {
  #actions: IdentityActions
  #node: Node | undefined
  #sessions: Session[] = []
  #chosen: string | undefined
  #wallets: Wallet[] = []
  #looking: AbortController | undefined
  /** Which wallet's form is open. */
  #form: { wallet: Wallet; element: HTMLElement } | undefined
  #adding = false
  #intro = h('p', { class: 'empty' }, 'A wallet signs once. From then on a key that never leaves this device writes in its name.')
  #cards = new Keyed<[Session, boolean], HTMLLIElement>(h('ul', { class: 'identities' }), {
    key: ([session]) => session.id,
    said: ([session, chosen]) => `${chosen} ${session.active} ${mayWords(session).until}`,
    make: ([session, chosen]) => this.#card(session, chosen),
  })
  #new = h('button', { type: 'button', class: 'primary compose', click: () => this.#actions.compose() }, 'New document')
  #list = h('div', { class: 'wallets' })
  #more = h('button', { type: 'button', class: 'wide', click: () => this.#add(true) }, 'Sign in as somebody else')
  #error = h('div', { class: 'error', role: 'alert', hidden: true })
  #outbox = h('p', { class: 'outbox', role: 'status' })

  constructor(body: HTMLElement, actions: IdentityActions) {
    this.#actions = actions
    body.replaceChildren(this.#intro, this.#cards.element, this.#new, this.#outbox, this.#list, this.#more, this.#error)
    this.#paint()
    // “in 5 minutes” must not stay so.
    setInterval(() => this.#paint(), 30_000)
  }

  /** Who writes now. */
  get session(): Session | undefined {
    return this.#sessions.find(({ id }) => id === this.#chosen)
  }

  get all(): readonly Session[] {
    return this.#sessions
  }

  /** The identity that may write what these DIDs control, the chosen one first. */
  of(controllers: unknown): Session | undefined {
    const may = (session: Session | undefined): boolean => Array.isArray(controllers) && controllers.includes(session?.did)
    return may(this.session) ? this.session : this.#sessions.find(may)
  }

  /** Works with this node from now on. */
  async use(node: Node | undefined): Promise<void> {
    this.#node = node
    await this.refresh()
    if (node) void this.look()
  }

  /** Asks which wallets there are; later ones are shown as they come. */
  async look(): Promise<void> {
    this.#looking?.abort()
    const { signal } = (this.#looking = new AbortController())
    const onWallet = (wallet: Wallet): void => {
      if (!this.#wallets.some(({ id }) => id === wallet.id)) this.#wallets.push(wallet)
      this.#paint()
    }
    try {
      this.#wallets = await discoverWallets({ signal, onWallet })
      this.#paint()
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
    }
  }

  async refresh(): Promise<void> {
    const sessions = (await this.#node?.sessions().catch(() => undefined)) ?? []
    this.#sessions = sessions.filter(({ active }) => active)
    if (!this.session) this.#chosen = this.#sessions.at(-1)?.id
    this.#paint()
    this.#actions.changed()
  }

  /** Says what waits to be published. */
  waiting(entries: OutboxEntry[]): void {
    const reasons = [...new Set(entries.map(({ reason }) => WAITS[reason] ?? reason))]
    this.#outbox.textContent =
      entries.length === 0
        ? 'Nothing waits to be published.'
        : `${count(entries.length, 'document waits', 'documents wait')} to be published: ${reasons.join(', ')}. It is safe on this device.`
    this.#outbox.classList.toggle('waits', entries.length > 0)
  }

  #paint(): void {
    const there = this.#sessions.length > 0
    this.#intro.hidden = there
    this.#new.hidden = this.#outbox.hidden = !there
    this.#cards.show(this.#sessions.map((session) => [session, session.id === this.#chosen && this.#sessions.length > 1]))
    this.#more.hidden = !there || this.#adding
    this.#list.hidden = there && !this.#adding
    if (this.#list.hidden) return
    if (!this.#node) return this.#list.replaceChildren(h('p', { class: 'empty' }, 'The node is starting.'))
    const none = h('p', { class: 'empty' }, 'No wallet is in this browser, and the devnet has none of its own.')
    const asked = (wallet: Wallet): HTMLElement | undefined => (this.#form?.wallet.id === wallet.id ? this.#form.element : undefined)
    const items = this.#wallets.map((wallet) => asked(wallet) ?? this.#button(wallet))
    const back = there && h('button', { type: 'button', class: 'link', click: () => this.#add(false) }, 'Never mind')
    this.#list.replaceChildren(...(items.length > 0 ? items : [none]), ...(back ? [back] : []))
  }

  #add(adding: boolean): void {
    this.#adding = adding
    this.#form = undefined
    if (adding) void this.look()
    this.#paint()
  }

  #button(wallet: Wallet): HTMLElement {
    return h('button', { type: 'button', class: 'found', click: () => this.#open(wallet) }, face(wallet), h('span', { class: 'name' }, wallet.name))
  }

  /** What the wallet will be asked for is chosen before it is asked. */
  #open(wallet: Wallet): void {
    const leave = h('input', { type: 'radio', name: 'as', value: 'session', checked: true })
    const key = h('input', { type: 'radio', name: 'as', value: 'key' })
    const lasts = h('select', { 'aria-label': 'How long' }, ...LASTS.map(([value, text]) => h('option', { value, selected: value === '7d' }, text)))
    const status = h('p', { class: 'asked', role: 'status' })
    const ask = h('button', { type: 'submit', class: 'primary' }, 'Ask the wallet')
    const cancel = h('button', { type: 'button' }, 'Cancel')
    const form = h(
      'form',
      { class: 'sign-in' },
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
      h('p', { class: 'actions' }, ask, cancel),
      status,
    )
    let asking: AbortController | undefined
    cancel.addEventListener('click', () => {
      asking?.abort()
      this.#form = undefined
      this.#paint()
    })
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      if (asking || !this.#node) return
      asking = new AbortController()
      this.#error.hidden = true
      ask.disabled = true
      status.textContent = 'Look at the wallet: it shows what it is asked to sign.'
      const what = key.checked
        ? ({ kind: 'key' } as const)
        : { resources: RESOURCES, statement: STATEMENT, expiresIn: lasts.value as (typeof LASTS)[number][0] }
      const { signal } = asking
      this.#node
        .connectWallet(wallet, { ...what, signal })
        .then(async ({ id }) => {
          this.#chosen = id
          this.#adding = false
          this.#form = undefined
          await this.refresh()
          this.#new.focus()
        })
        .catch((error: unknown) => {
          if (!signal.aborted) this.#fail(error)
        })
        .finally(() => {
          asking = undefined
          ask.disabled = false
          status.textContent = ''
        })
    })
    this.#form = { wallet, element: form }
    this.#paint()
    ask.focus()
  }

  #card(session: Session, chosen: boolean): HTMLLIElement {
    const { may, until, never } = mayWords(session)
    const end = h('button', { type: 'button', class: 'link' }, 'Sign out')
    end.addEventListener('click', () => {
      end.disabled = true
      session.revoke().then(
        () => this.refresh(),
        (error: unknown) => this.#fail(error),
      )
    })
    const choose = h('button', { type: 'button', class: 'link', click: () => this.#choose(session) }, 'Write as this one')
    session.on('expiring', () => this.#paint())
    session.on('expired', () => void this.refresh())
    const many = this.#sessions.length > 1
    return h(
      'li',
      { class: 'identity', 'aria-current': chosen && 'true' },
      h(
        'p',
        { class: 'signer', title: session.did },
        stamp(session.did),
        h('code', {}, didWords(session.did)),
        copyButton(session.did, 'DID'),
        chosen && h('span', { class: 'tag living' }, 'writes'),
      ),
      h('p', {}, `${may}. `, never && `${never}.`),
      h('p', { class: 'until' }, `${until}.`),
      h('p', { class: 'actions' }, many && !chosen && choose, end),
    )
  }

  #choose(session: Session): void {
    this.#chosen = session.id
    this.#paint()
    this.#actions.changed()
  }

  #fail(error: unknown): void {
    failure(this.#error, error)
    this.#error.hidden = false
  }
}

/** A wallet's icon; its words are its own, so the picture says nothing to a reader. */
function face(wallet: Wallet): HTMLElement {
  return wallet.icon ? h('img', { src: wallet.icon, alt: '', width: 28, height: 28 }) : h('span', { class: 'no-face', 'aria-hidden': 'true' })
}
