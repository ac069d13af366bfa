/** The lists beside a document: what the devnet offers, what this device keeps, who is connected. */

import type { DocumentSummary, Node, Status } from 'ostrakon'
import type { Devnet, Offer } from './session.js'
import { copyButton, h, icon, Keyed } from './dom.js'
import { clock, count, errorWords, refToHash, shortId, size } from './words.js'

const FEW = 8

export class Offers {
  #all = false
  #note = h('p', { class: 'empty' })
  #more = h('button', { type: 'button', class: 'wide', click: () => this.#showAll() })
  #cards = new Keyed<Card, HTMLLIElement>(h('ul', { class: 'cards' }), {
    key: ({ offer }) => offer.id,
    said: ({ offer, kept, open }) => JSON.stringify([offer, kept, open]),
    make: card,
  })
  #last: Card[] = []

  constructor(body: HTMLElement) {
    body.replaceChildren(this.#note, this.#cards.element, this.#more)
  }

  show(devnet: Devnet | undefined, kept: ReadonlySet<string>, open: string | undefined): void {
    const offers = [...(devnet?.documents ?? [])].sort((a, b) => Number(b.living) - Number(a.living))
    this.#last = offers.map((offer) => ({ offer, kept: kept.has(offer.id), open: offer.id === open }))
    const shown = this.#all ? this.#last : this.#last.slice(0, FEW)
    this.#cards.show(shown)
    this.#note.textContent =
      offers.length === 0
        ? 'No devnet has answered yet. Any document can still be opened by its id.'
        : 'The list as last heard; the devnet does not answer now.'
    this.#note.hidden = offers.length > 0 && !devnet?.old
    this.#more.textContent = `Show all ${offers.length}`
    this.#more.hidden = shown.length === offers.length
  }

  #showAll(): void {
    this.#all = true
    this.#cards.show(this.#last)
    this.#more.hidden = true
    this.#cards
      .get(this.#last[FEW]?.offer.id ?? '')
      ?.querySelector('a')
      ?.focus()
  }
}

interface Card {
  offer: Offer
  kept: boolean
  open: boolean
}

function card({ offer, kept, open }: Card): HTMLLIElement {
  return h(
    'li',
    {},
    h(
      'a',
      { class: 'card', href: refToHash(offer.id), 'aria-current': open && 'true' },
      h('span', { class: 'name' }, offer.title || 'Untitled'),
      h('code', {}, shortId(offer.id)),
      h(
        'span',
        { class: 'tags' },
        offer.living && h('span', { class: 'tag living' }, 'living'),
        kept && h('span', { class: 'tag' }, 'kept'),
      ),
    ),
  )
}

export interface KeptActions {
  forget(id: string): Promise<void>
  export(id: string): Promise<void>
}

/** How long a second press on "forget" counts as meant. */
const SURE_MS = 4000

export class Kept {
  #actions: KeptActions
  #note = h('p', { class: 'sum' })
  #rows = new Keyed<[DocumentSummary, string, boolean], HTMLLIElement>(h('ul', { class: 'kept' }), {
    key: ([one]) => one.id,
    said: ([, name, open]) => `${open} ${name}`,
    make: ([one, name, open]) => this.#row(one.id, name, open),
  })

  constructor(body: HTMLElement, actions: KeptActions) {
    this.#actions = actions
    body.replaceChildren(this.#note, this.#rows.element)
  }

  show(
    documents: DocumentSummary[],
    status: Status | undefined,
    titles: ReadonlyMap<string, string>,
    open: string | undefined,
  ): void {
    if (documents.length === 0) {
      this.#note.replaceChildren('Nothing yet. What you open is verified, kept here, and opens without any network.')
    } else {
      const bytes = status?.bytes ?? documents.reduce((sum, one) => sum + one.bytes, 0)
      const blocks = status ? `, ${count(status.blocks, 'block')}` : ''
      this.#note.replaceChildren(h('b', {}, size(bytes)), ` in ${count(documents.length, 'document')}${blocks}`)
    }
    this.#rows.show(documents.map((one) => [one, titles.get(one.id) || shortId(one.id), one.id === open]))
    const largest = Math.max(1, ...documents.map((one) => one.bytes))
    for (const one of documents) {
      const row = this.#rows.get(one.id)
      const facts = row?.querySelector('.facts')
      const meter = row?.querySelector('meter')
      if (facts) facts.textContent = `${size(one.bytes)} · ${count(one.events, 'event')} · ${clock(one.updated)}`
      if (meter) {
        meter.max = largest
        meter.value = one.bytes
      }
    }
  }

  #row(id: string, name: string, open: boolean): HTMLLIElement {
    const save = h(
      'button',
      { type: 'button', class: 'quiet', title: 'Export as a CAR file', 'aria-label': `Export ${name} as a CAR file` },
      icon('export'),
    )
    save.addEventListener('click', () => void this.#actions.export(id))
    const link = h(
      'a',
      { href: refToHash(id), 'aria-current': open && 'true' },
      h('span', { class: 'name' }, name),
      h('span', { class: 'facts' }),
    )
    const bar = h('meter', { min: 0, 'aria-label': `Size of ${name}` })
    return h('li', { 'data-id': id }, link, save, this.#forgetButton(id, name), bar)
  }

  /** Deleting is final while no peer is there to fetch from, so it takes a second press. */
  #forgetButton(id: string, name: string): HTMLButtonElement {
    const button = h('button', { type: 'button', class: 'quiet', title: 'Forget: delete from this device' })
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = (sure: boolean): void => {
      clearTimeout(timer)
      timer = sure ? setTimeout(() => ask(false), SURE_MS) : undefined
      button.classList.toggle('sure', sure)
      button.setAttribute('aria-label', sure ? `Press again to forget ${name}` : `Forget ${name}`)
      button.replaceChildren(sure ? 'Forget?' : icon('forget'))
    }
    button.addEventListener('click', () => {
      if (timer !== undefined) void this.#actions.forget(id)
      ask(timer === undefined)
    })
    ask(false)
    return button
  }
}

type Peer = Status['peers'][number]

export class Peers {
  #note = h('p', { class: 'empty' })
  #self = h('p', { class: 'self' })
  #rows = new Keyed<Peer, HTMLLIElement>(h('ul', { class: 'peers' }), {
    key: (peer) => peer.id,
    said: (peer) => JSON.stringify([peer.agent, peer.address]),
    make: (peer) =>
      h(
        'li',
        {},
        h('p', { class: 'name' }, peer.agent || 'a peer that gave no name', h('span', { class: 'rtt' })),
        h('code', { title: peer.id }, peer.address),
      ),
  })
  #wallet = h('div', { class: 'wallet' })
  #peerId = ''
  #askWallet: () => void

  constructor(body: HTMLElement, askWallet: () => void) {
    this.#askWallet = askWallet
    body.replaceChildren(this.#note, this.#rows.element, this.#self, this.#wallet)
  }

  /** A wallet is a witness of its chain that the user brought along. */
  wallet(state: 'none' | 'there' | 'asked'): void {
    if (this.#wallet.dataset['state'] === state) return
    this.#wallet.dataset['state'] = state
    const button = h('button', { type: 'button', class: 'wide', click: () => this.#askWallet() }, 'Ask my wallet about anchors')
    if (state === 'none') this.#wallet.replaceChildren()
    else this.#wallet.replaceChildren(state === 'there' ? button : 'Your wallet is asked about anchors on its chain.')
  }

  show(node: Node | undefined): void {
    const peers = node?.status.peers ?? []
    this.#note.textContent = node ? 'No peer is connected.' : 'The node is starting.'
    this.#note.hidden = peers.length > 0
    this.#rows.show(peers)
    for (const { id, rtt } of peers) {
      const element = this.#rows.get(id)?.querySelector('.rtt')
      if (element && rtt !== undefined) element.textContent = `${rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms`
    }
    const peerId = node?.peerId ?? ''
    if (peerId === this.#peerId) return
    this.#peerId = peerId
    this.#self.replaceChildren('This tab is ', h('code', { title: peerId }, shortId(peerId)), copyButton(peerId, 'peer id'))
    this.#self.hidden = peerId === ''
  }
}

export function failure(body: HTMLElement, error: unknown): void {
  const { message, hint, code } = errorWords(error)
  body.replaceChildren(h('p', {}, message, ' ', hint), h('code', {}, code))
}
