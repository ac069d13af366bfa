/** Who writes: signing in with a wallet, what each identity may do and until when, and what waits to be published. */

import { discoverWallets, type Node, type OutboxEntry, type Session, type Wallet } from 'ostrakon'
import { copyButton, h, Keyed } from './dom.js'
import { Ending } from './ending.js'
import { stamp } from './marks.js'
import { failure } from './shelf.js'
import { face, keyFace, PASSKEY, passkeyForm, walletForm } from './sign-in.js'
import { count, didWords, mayWords } from './words.js'

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
  /** Whose form is open: a wallet's, by its id, or that of passkeys. */
  #form: { of: string; element: HTMLElement } | undefined
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
  #ending: Ending

  /** `bar` is where the end of a session is told. */
  constructor(body: HTMLElement, bar: HTMLElement, actions: IdentityActions) {
    this.#actions = actions
    this.#ending = new Ending(bar, {
      node: () => this.#node,
      wallets: () => this.#wallets,
      again: (session) => this.#opened(session),
      changed: () => this.#paint(),
    })
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
    this.#ending.of(this.#sessions)
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
    this.#ending.paint(this.#chosen)
    this.#more.hidden = !there || this.#adding
    this.#list.hidden = there && !this.#adding
    if (this.#list.hidden) return
    if (!this.#node) return this.#list.replaceChildren(h('p', { class: 'empty' }, 'The node is starting.'))
    const none = h('p', { class: 'empty' }, 'No wallet is in this browser, and the devnet has none of its own.')
    const form = (of: string): HTMLElement | undefined => (this.#form?.of === of ? this.#form.element : undefined)
    const items = this.#wallets.map((wallet) => form(wallet.id) ?? found(face(wallet), wallet.name, () => this.#open(wallet.id, walletForm(wallet, this.#events()))))
    if (items.length === 0) items.push(none)
    if (typeof PublicKeyCredential === 'function') items.push(form(PASSKEY) ?? found(keyFace(), 'Passkey', () => this.#open(PASSKEY, passkeyForm(this.#events()))))
    const back = there && h('button', { type: 'button', class: 'link', click: () => this.#add(false) }, 'Never mind')
    this.#list.replaceChildren(...items, ...(back ? [back] : []))
  }

  #add(adding: boolean): void {
    this.#adding = adding
    this.#form = undefined
    if (adding) void this.look()
    this.#paint()
  }

  #open(of: string, element: HTMLElement): void {
    this.#form = { of, element }
    this.#paint()
    element.querySelector<HTMLElement>('button.primary, button')?.focus()
  }

  #events(): Parameters<typeof walletForm>[1] {
    return {
      node: () => this.#node,
      asking: () => (this.#error.hidden = true),
      opened: (session) => void this.#opened(session).then(() => this.#new.focus()),
      failed: (error) => this.#fail(error),
      closed: () => {
        this.#form = undefined
        this.#paint()
      },
    }
  }

  /** Somebody signed in, here. */
  async #opened({ id }: Session): Promise<void> {
    this.#chosen = id
    this.#adding = false
    this.#form = undefined
    await this.refresh()
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

function found(picture: HTMLElement, name: string, click: () => void): HTMLElement {
  return h('button', { type: 'button', class: 'found', click }, picture, h('span', { class: 'name' }, name))
}
