/** The lists beside a document: what the devnet offers, what this device keeps, who is connected. */

import type { DocumentSummary, Node } from 'ostrakon'
import type { Devnet, Offer } from './session.js'
import { copyButton, h, icon } from './dom.js'
import { clock, count, errorWords, refToHash, shortId, size } from './words.js'

const FEW = 8

export class Offers {
  #all = false
  #body: HTMLElement

  constructor(body: HTMLElement) {
    this.#body = body
  }

  show(devnet: Devnet | undefined, kept: ReadonlySet<string>, open: string | undefined): void {
    const offers = [...(devnet?.documents ?? [])].sort((a, b) => Number(b.living) - Number(a.living))
    if (offers.length === 0) {
      this.#body.replaceChildren(
        h('p', { class: 'empty' }, 'No devnet has answered yet. Any document can still be opened by its id.'),
      )
      return
    }
    const shown = this.#all ? offers : offers.slice(0, FEW)
    const list = h(
      'ul',
      { class: 'cards' },
      ...shown.map((offer) => this.#card(offer, kept.has(offer.id), offer.id === open)),
    )
    const more = h('button', { type: 'button', class: 'wide' }, `Show all ${offers.length}`)
    more.addEventListener('click', () => {
      this.#all = true
      this.show(devnet, kept, open)
    })
    replaceKeepingFocus(
      this.#body,
      devnet?.old && h('p', { class: 'empty' }, 'The list as last heard; the devnet does not answer now.'),
      list,
      shown.length < offers.length && more,
    )
  }

  #card(offer: Offer, kept: boolean, open: boolean): HTMLElement {
    return h(
      'li',
      {},
      h(
        'a',
        { class: 'card', href: refToHash(offer.id), 'aria-current': open && 'true', 'data-key': `offer ${offer.id}` },
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
}

export interface KeptActions {
  forget(id: string): Promise<void>
  export(id: string): Promise<void>
}

/** How long a second press on "forget" counts as meant. */
const SURE_MS = 4000

export class Kept {
  #body: HTMLElement
  #actions: KeptActions
  #sure = new Map<string, number>()

  constructor(body: HTMLElement, actions: KeptActions) {
    this.#body = body
    this.#actions = actions
  }

  show(
    documents: DocumentSummary[],
    node: Node | undefined,
    titles: ReadonlyMap<string, string>,
    open: string | undefined,
  ): void {
    if (documents.length === 0) {
      this.#body.replaceChildren(
        h('p', { class: 'empty' }, 'Nothing yet. What you open is verified, kept here, and opens without any network.'),
      )
      return
    }
    const status = node?.status
    const bytes = status?.bytes ?? documents.reduce((sum, one) => sum + one.bytes, 0)
    const largest = Math.max(1, ...documents.map((one) => one.bytes))
    replaceKeepingFocus(
      this.#body,
      h(
        'p',
        { class: 'sum' },
        h('b', {}, size(bytes)),
        ` in ${count(documents.length, 'document')}`,
        status ? `, ${count(status.blocks, 'block')}` : '',
      ),
      h('ul', { class: 'kept' }, ...documents.map((one) => this.#row(one, largest, titles.get(one.id), one.id === open))),
    )
  }

  #row(one: DocumentSummary, largest: number, title: string | undefined, open: boolean): HTMLElement {
    const name = title || shortId(one.id)
    const bar = h('meter', { min: 0, max: largest, value: one.bytes, 'aria-label': `Size of ${name}` })
    const sure = (this.#sure.get(one.id) ?? 0) > Date.now()
    const forget = h(
      'button',
      {
        type: 'button',
        class: sure ? 'quiet sure' : 'quiet',
        'data-key': `forget ${one.id}`,
        title: 'Forget: delete from this device',
        'aria-label': sure ? `Press again to forget ${name}` : `Forget ${name}`,
      },
      sure ? 'Forget?' : icon('forget'),
    )
    forget.addEventListener('click', () => this.#forget(one.id, forget))
    const save = h(
      'button',
      {
        type: 'button',
        class: 'quiet',
        'data-key': `export ${one.id}`,
        title: 'Export as a CAR file',
        'aria-label': `Export ${name} as a CAR file`,
      },
      icon('export'),
    )
    save.addEventListener('click', () => void this.#actions.export(one.id))
    return h(
      'li',
      { 'data-id': one.id },
      h(
        'a',
        { href: refToHash(one.id), 'aria-current': open && 'true', 'data-key': `kept ${one.id}` },
        h('span', { class: 'name' }, name),
        h('span', { class: 'facts' }, `${size(one.bytes)} · ${count(one.events, 'event')} · ${clock(one.updated)}`),
      ),
      save,
      forget,
      bar,
    )
  }

  /** Deleting is final while no peer is there to fetch from, so it takes a second press. */
  #forget(id: string, button: HTMLButtonElement): void {
    if ((this.#sure.get(id) ?? 0) > Date.now()) {
      this.#sure.delete(id)
      void this.#actions.forget(id)
      return
    }
    this.#sure.set(id, Date.now() + SURE_MS)
    button.classList.add('sure')
    button.replaceChildren('Forget?')
    setTimeout(() => {
      if ((this.#sure.get(id) ?? 0) > Date.now()) return
      this.#sure.delete(id)
      button.classList.remove('sure')
      button.replaceChildren(icon('forget'))
    }, SURE_MS + 50)
  }
}

export function showPeers(body: HTMLElement, node: Node | undefined): void {
  if (!node) {
    body.replaceChildren(h('p', { class: 'empty' }, 'The node is starting.'))
    return
  }
  const { peers } = node.status
  replaceKeepingFocus(
    body,
    peers.length === 0
      ? h('p', { class: 'empty' }, 'No peer is connected.')
      : h(
          'ul',
          { class: 'peers' },
          ...peers.map((peer) =>
            h(
              'li',
              {},
              h(
                'p',
                { class: 'name' },
                peer.agent || 'a peer that gave no name',
                peer.rtt !== undefined &&
                  h('span', { class: 'rtt' }, `${peer.rtt < 10 ? peer.rtt.toFixed(1) : Math.round(peer.rtt)} ms`),
              ),
              h('code', { title: peer.id }, peer.address),
            ),
          ),
        ),
    h(
      'p',
      { class: 'self' },
      'This tab is ',
      h('code', { title: node.peerId }, shortId(node.peerId)),
      copyButton(node.peerId, 'peer id'),
    ),
  )
}

/** Replaces the children; what had the focus has it again if its `data-key` is still there. */
function replaceKeepingFocus(body: HTMLElement, ...children: (Node_ | string | null | undefined | false)[]): void {
  const active = document.activeElement
  const key = active && body.contains(active) ? active.getAttribute('data-key') : null
  body.replaceChildren(...children.filter((child): child is Node_ => Boolean(child)))
  if (key === null) return
  for (const element of body.querySelectorAll<HTMLElement>('[data-key]'))
    if (element.dataset['key'] === key) element.focus({ preventScroll: true })
}

type Node_ = globalThis.Node

export function failure(body: HTMLElement, error: unknown): void {
  const { message, hint, code } = errorWords(error)
  body.replaceChildren(h('p', {}, message, ' ', hint), h('code', {}, code))
}
