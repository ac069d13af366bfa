/** One document: its head, its chain, its content and metadata. */

import type { Document } from 'ostrakon'
import { ChainView } from './chain.js'
import { copyButton, h } from './dom.js'
import { stamp } from './marks.js'
import { Tree } from './tree.js'
import { count, refToHash, shortDid } from './words.js'

export class Panel {
  readonly element: HTMLElement
  #id: string
  #title = h('h2', { tabindex: -1 })
  #facts = h('p', { class: 'facts' })
  #sum = h('p', { class: 'sum' })
  #controllers = h('dl', { class: 'plain' })
  #content = new Tree()
  #metadata = new Tree()
  #chain: ChainView
  #fixed: boolean
  #began = false

  /** `name` is what the devnet calls the document, if it offers it; `fixed` if this is one version of it for good. */
  constructor(document: Document, name: string | undefined, fixed: boolean) {
    this.#fixed = fixed
    this.#id = document.id
    this.#chain = new ChainView((cid) => refToHash(`${document.id}?commit=${cid}`))
    this.#title.textContent = name || 'Untitled document'
    const id = fixed ? `ceramic://${document.commitId}` : document.url
    const link = h('p', { class: 'id' }, h('code', {}, id), copyButton(id, 'document id'))
    this.element = h(
      'article',
      { class: 'document', 'data-id': document.id },
      h('header', {}, this.#title, link, this.#facts, fixed && newest(document)),
      h(
        'section',
        { class: 'frieze', 'aria-label': 'Doc-chain' },
        h('div', { class: 'head' }, h('h3', {}, 'Doc-chain'), this.#sum),
        this.#chain.frieze,
        legend(),
      ),
      h(
        'section',
        { class: 'content' },
        h('h3', {}, 'Content'),
        this.#content.element,
        h('h3', {}, 'Metadata'),
        this.#controllers,
        this.#metadata.element,
      ),
      h('section', { class: 'log' }, h('h3', {}, 'Events, newest first'), this.#chain.rows),
    )
  }

  get id(): string {
    return this.#id
  }

  focus(): void {
    this.#title.focus({ preventScroll: true })
  }

  rename(name: string | undefined): void {
    this.#title.textContent = name || 'Untitled document'
  }

  /** Draws a state of the document; returns how many events arrived since the state before. */
  show(document: Document, standing: string): number {
    const { controllers, ...metadata } = (document.metadata ?? {}) as Record<string, unknown>
    const arrived = this.#chain.show(document.log)
    this.#content.show(document.content ?? null, this.#began)
    this.#metadata.show(metadata, this.#began)
    const dids = Array.isArray(controllers) ? controllers.filter((did) => typeof did === 'string') : []
    this.#controllers.replaceChildren(
      ...dids.flatMap((did) => [
        h('dt', {}, 'controller'),
        h('dd', { class: 'signer', title: did }, stamp(did), h('code', {}, shortDid(did)), copyButton(did, 'controller')),
      ]),
    )
    const dated = document.log.filter((entry) => entry.kind === 'time').length
    this.#sum.textContent = `${count(document.log.length, 'event')}, ${dated === 0 ? 'no anchor' : count(dated, 'anchor')}`
    this.#facts.replaceChildren(
      h('span', { class: 'tag' }, document.type),
      h('span', { class: 'tag' }, document.source === 'disk' ? 'read from this device' : 'fetched from the network'),
      h('span', { class: 'tag verified' }, 'verified in this tab'),
      h('span', { class: 'standing' }, this.#fixed ? '' : standing),
    )
    this.#began = true
    return arrived
  }

  standing(text: string): void {
    const element = this.#facts.querySelector('.standing')
    if (element && !this.#fixed && element.textContent !== text) element.textContent = text
  }
}

function newest(document: Document): HTMLElement {
  return h(
    'p',
    { class: 'version' },
    'This is one version, which never changes. ',
    h('a', { href: refToHash(document.id) }, 'Open the newest'),
  )
}

/** The frieze's colours are also said in words, in every row of the list. */
function legend(): HTMLElement {
  const item = (kind: string, text: string): HTMLElement =>
    h('li', {}, h('i', { class: `swatch ${kind}`, 'aria-hidden': 'true' }), text)
  return h(
    'ul',
    { class: 'legend' },
    item('init', 'init'),
    item('data fired', 'data, dated by an anchor'),
    item('data raw', 'data, not dated yet'),
    item('time claimed', 'time, claimed'),
    item('time proven', 'time, proven by a blockchain'),
  )
}
