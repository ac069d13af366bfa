/** One document: its head, its chain, its content and metadata. */

import type { Document, Node as OstrakonNode, PublicationStatus, Refusal, Session } from 'ostrakon'
import { ChainView, DRAWN } from './chain.js'
import { Change, Rotation } from './compose.js'
import { copyButton, h, Keyed } from './dom.js'
import { stamp } from './marks.js'
import { isReaders, sealed, Secret } from './secret.js'
import { Tree } from './tree.js'
import { count, refToHash, shortCid, shortDid, shortId, typeWords } from './words.js'

/** Who is signed in, for what may be changed and read. */
export interface Reader {
  node: OstrakonNode | undefined
  keys: readonly Session[]
  /** The identity that may write what these DIDs control. */
  writer(controllers: unknown): Session | undefined
}

/** Types whose content this page can change. */
const EDITABLE = ['tile', 'MID']

export class Panel {
  readonly element: HTMLElement
  #id: string
  #title = h('h2', { tabindex: -1 })
  #facts = h('p', { class: 'facts' })
  #sum = h('p', { class: 'sum' })
  #rests = h('p', { class: 'rests' })
  #refused = h('div', { class: 'refusal', role: 'status' })
  #controllers = new Keyed(h('ul'), { key: (did: string) => did, said: () => '', make: controller })
  #content = new Tree()
  #secret = new Secret(() => this.#paint())
  #said = h('div', { class: 'said' })
  #edit = h('button', { type: 'button', class: 'link edit', hidden: true, click: () => this.#change() }, 'Edit')
  #steps = h('ol', { class: 'steps', 'aria-label': 'How far the newest event has come' })
  #reader: Reader
  #doc: Document
  #changing: Change | Rotation | undefined
  #wrote: (doc: Document) => void
  #metadata = new Tree()
  #chain: ChainView
  #fixed: boolean

  /** `fixed`: this is one version of the document, for good. */
  constructor(doc: Document, name: string, fixed: boolean, reader: Reader, wrote: (doc: Document) => void) {
    this.#fixed = fixed
    this.#doc = doc
    this.#reader = reader
    this.#wrote = wrote
    this.#id = doc.id
    this.#chain = new ChainView((cid) => refToHash(`${doc.id}?commit=${cid}`))
    this.#title.textContent = name
    const id = fixed ? `ceramic://${doc.commitId}` : doc.url
    const link = h('p', { class: 'id' }, h('code', {}, id), copyButton(id, 'document id'))
    this.element = h(
      'article',
      { class: 'document', 'data-id': doc.id },
      h('header', {}, this.#title, link, this.#facts, this.#steps, this.#rests, this.#refused, fixed && newest(doc)),
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
        h('div', { class: 'head' }, h('h3', {}, 'Content'), this.#edit),
        this.#said,
        h('h3', {}, 'Metadata'),
        this.#controllers.element,
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

  rename(name: string): void {
    this.#title.textContent = name
  }

  /** Somebody signed in or out. */
  readBy(reader: Reader): void {
    this.#reader = reader
    this.#paint()
  }

  /** Puts the form for a change in the place of the content. */
  #change(): void {
    const { node } = this.#reader
    const { controllers } = this.#doc.metadata
    const session = this.#reader.writer(controllers)
    const open = this.#secret.open
    if (!node || !session || (sealed(this.#doc.content) && !open)) return
    const done = (doc?: Document): void => {
      this.#changing = undefined
      if (doc) {
        this.show(doc, '')
        this.#wrote(doc)
      }
      this.#paint()
      this.#edit.focus()
    }
    const writer = (): Session => this.#reader.writer(controllers) ?? session
    this.#changing = isReaders(this.#doc.content) ? new Rotation(node, writer, this.#doc, done) : new Change(node, writer, this.#doc, open, done)
    this.#paint()
    this.#changing.focus()
  }

  /** The content: as it is, locked or opened, and above it the form while there is one. */
  #paint(): void {
    const { content, metadata, type, status } = this.#doc
    const secret = sealed(content)
    if (secret) this.#secret.show(secret, this.#reader.node, this.#reader.keys)
    else this.#content.show(content ?? null)
    const mine = !this.#fixed && EDITABLE.includes(type) && this.#reader.writer(metadata['controllers']) !== undefined
    this.#edit.hidden = !mine || this.#changing !== undefined
    this.#edit.textContent = isReaders(content) ? 'Change the readers' : 'Edit'
    this.#edit.disabled = secret !== undefined && !this.#secret.open
    this.#edit.title = this.#edit.disabled ? 'Unlock it first' : ''
    const shown: HTMLElement[] = [secret ? this.#secret.element : this.#content.element]
    if (this.#changing) shown.unshift(this.#changing.element)
    // What has the focus must not be taken out and put back.
    if (shown.length !== this.#said.childElementCount || shown.some((element, i) => this.#said.children[i] !== element)) this.#said.replaceChildren(...shown)
    this.#steps.hidden = !mine
    if (mine) this.#steps.replaceChildren(...steps(status))
  }

  /** Draws a state of the document; returns how many events arrived since the state before. */
  show(doc: Document, standing: string): number {
    const { controllers, ...metadata } = doc.metadata
    const dids = Array.isArray(controllers) ? controllers.filter((did) => typeof did === 'string') : []
    const arrived = this.#chain.show(doc.log)
    this.#controllers.show(dids)
    this.#doc = doc
    this.#paint()
    this.#metadata.show(metadata)
    this.#sum.textContent = sum(doc)
    this.#rests.replaceChildren(...rests(doc))
    this.#refused.hidden = doc.refused === undefined
    this.#refused.replaceChildren(...(doc.refused ? refusal(doc.refused) : []))
    this.#facts.replaceChildren(
      h('span', { class: 'tag' }, typeWords(doc.type)),
      h('span', { class: 'tag' }, doc.source === 'disk' ? 'read from this device' : 'fetched from the network'),
      h('span', { class: 'tag verified' }, 'verified in this tab'),
      h('span', { class: 'standing' }, this.#fixed ? '' : standing),
    )
    return arrived
  }

  standing(text: string): void {
    const element = this.#facts.querySelector('.standing')
    if (element && !this.#fixed && element.textContent !== text) element.textContent = text
  }
}

const STEPS = ['local', 'published', 'seen', 'anchored'] as const

/** From this disk to a blockchain. */
function steps({ state, peers = 0 }: PublicationStatus): HTMLElement[] {
  const words = { local: 'kept here', published: 'published', seen: peers > 0 ? `seen by ${count(peers, 'peer')}` : 'seen by peers', anchored: 'anchored' }
  const reached = STEPS.indexOf(state)
  return STEPS.map((step, i) => h('li', { class: i <= reached ? 'done' : '', 'aria-current': i === reached && 'step' }, words[step]))
}

function sum({ log }: Document): string {
  const anchors = log.filter(({ kind }) => kind === 'time').length
  const drawn = log.length > DRAWN ? `, the newest ${DRAWN} drawn` : ''
  return `${count(log.length, 'event')}, ${anchors === 0 ? 'no anchor' : count(anchors, 'anchor')}${drawn}`
}

/** What its content was checked against, besides the rules of its type. */
function rests({ metadata: { model, schema } }: Document): (Node | string)[] {
  const link = (id: string): HTMLElement => h('a', { href: refToHash(id), title: id }, h('code', {}, shortId(id.replace(/^ceramic:\/\//, ''))))
  if (typeof model === 'string') return ['Every change was checked against the model ', link(model)]
  if (typeof schema === 'string') return ['Its content was checked against the schema ', link(schema)]
  return []
}

/** Why this state is not newer than it is. */
function refusal({ code, message, hint, event }: Refusal): HTMLElement[] {
  const about = event === undefined ? 'A newer change' : `The newer event ${shortCid(event)}`
  return [
    h('p', {}, h('b', {}, `${about} was refused: `), `${message}.`, hint ? ` ${hint}` : ''),
    h('p', {}, h('code', { title: event }, code), ' What you see is the last state that is valid.'),
  ]
}

function controller(did: string): HTMLElement {
  return h(
    'li',
    { class: 'signer', title: did },
    h('span', {}, 'controller'),
    stamp(did),
    h('code', {}, shortDid(did)),
    copyButton(did, 'controller'),
  )
}

function newest(doc: Document): HTMLElement {
  return h(
    'p',
    { class: 'version' },
    'This is one version, which never changes. ',
    h('a', { href: refToHash(doc.id) }, 'Open the newest'),
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
    item('data fired', 'data, under an anchor'),
    item('data raw', 'data, no anchor yet'),
    item('time claimed', 'time, claimed'),
    item('time proven', 'time, proven by a blockchain'),
  )
}
