/** The forms by which documents are made and changed. */

import type { Document, Node, Session } from 'ostrakon'
import { h } from './dom.js'
import { JsonEditor } from './editor.js'
import { stamp } from './marks.js'
import { isReaders, named, readersOf, seal, sealed } from './secret.js'
import { failure } from './shelf.js'
import { didWords, errorWords } from './words.js'

/** What a new document says unless its writer says otherwise. */
const BEGINNING = { title: 'A shard', text: 'Scratched into clay.' }

/** A new tile. Resolves through `made` once it is on disk. `writer` is asked when it is signed: a session may end meanwhile, and be signed for again. */
export class Composer {
  readonly element: HTMLElement
  #editor = new JsonEditor('Content, as JSON', BEGINNING)

  constructor(node: Node, writer: () => Session, keys: readonly Session[], made: (doc: Document) => void, leave: () => void) {
    const { did } = writer()
    const title = h('h2', { tabindex: -1 }, 'A new document')
    const family = h('input', { type: 'text', name: 'family', autocomplete: 'off' })
    const tags = h('input', { type: 'text', name: 'tags', autocomplete: 'off' })
    const all = h('input', { type: 'radio', name: 'readers', value: 'all', checked: true })
    const list = h('input', { type: 'radio', name: 'readers', value: 'list' })
    const listId = h('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', 'aria-label': 'Id of the list', placeholder: 'its id; empty begins one with these' })
    const some = h('input', { type: 'radio', name: 'readers', value: 'some' })
    const readers = h('textarea', { rows: 3, spellcheck: 'false', 'aria-label': 'Their DIDs, one on each line', placeholder: 'did:key:z6Mk…' })
    // Who does not name a key of their own cannot read it again.
    readers.value = keys.flatMap(({ did, kind }) => (kind === 'key' ? [did] : [])).join('\n')
    const dids = h(
      'div',
      { class: 'dids', hidden: true },
      readers,
      h('p', { class: 'hint' }, 'A DID with a key to read by: a did:key, as of “a key of its own”, or a 3ID. Who is not named cannot read it, you included.'),
    )
    for (const one of [all, some, list])
      one.addEventListener('change', () => {
        listId.hidden = !list.checked
        dids.hidden = all.checked || (list.checked && listId.value.trim() !== '')
      })
    listId.addEventListener('input', () => (dids.hidden = listId.value.trim() !== ''))
    listId.hidden = true
    const error = h('div', { class: 'error', role: 'alert', hidden: true })
    const save = h('button', { type: 'submit', class: 'primary' }, 'Sign and keep')
    const form = h(
      'form',
      { class: 'composer' },
      h('p', { class: 'signer' }, 'as', stamp(did), h('code', { title: did }, didWords(did))),
      this.#editor.element,
      h('fieldset', {}, h('legend', {}, 'Who may read it'), h('label', {}, all, 'everybody'), h('label', {}, some, 'only these'), h('label', {}, list, 'whoever is in a list, which can change'), listId, dids),
      h(
        'details',
        {},
        h('summary', {}, 'Family and tags'),
        h('label', {}, 'Family', family),
        h('label', {}, 'Tags, with commas between', tags),
      ),
      error,
      h('p', { class: 'actions' }, save, h('button', { type: 'button', click: leave }, 'Cancel')),
    )
    /** A new list of readers; kept in the field, so that a second try begins no second one. */
    const begin = async (to: string[]): Promise<string> => {
      const made = await node.create('tile', { content: await node.rotateReaders(undefined, { to }), family: 'readers' }, { session: writer() })
      listId.value = made.url
      dids.hidden = true
      return made.url
    }
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const read = this.#editor.read()
      if (!read) return this.#editor.focus()
      error.hidden = true
      void busy(save, async () => {
        try {
          const to = words(readers.value, /\s+/)
          const content = some.checked ? await node.encrypt(read.value, { to }) : list.checked ? await seal(node, read.value, listId.value.trim() || (await begin(to))) : read.value
          const words_ = { ...(family.value.trim() && { family: family.value.trim() }), ...(tags.value.trim() && { tags: words(tags.value, /,/) }) }
          made(await node.create('tile', { content, ...words_ }, { session: writer() }))
        } catch (problem) {
          if (isAboutContent(problem)) return this.#editor.refuse(problem)
          failure(error, problem)
          error.hidden = false
        }
      })
    })
    this.element = h('article', { class: 'document new' }, h('header', {}, title), form)
  }

  focus(): void {
    this.#editor.focus()
  }
}

/** The form of a change, made for the state that `base` was read in. */
export class Change {
  readonly element: HTMLElement
  #editor: JsonEditor
  #base: Document

  /** `open` is what the content says decrypted, if it is encrypted. */
  constructor(node: Node, writer: () => Session, base: Document, open: { value: unknown } | undefined, done: (doc?: Document) => void) {
    this.#base = base
    this.#editor = new JsonEditor('The whole content, as JSON', open ? open.value : (base.content ?? null))
    const error = h('div', { class: 'error', role: 'alert', hidden: true })
    const save = h('button', { type: 'submit', class: 'primary' }, 'Sign the change')
    const stale = h('div', { class: 'stale', role: 'alert', hidden: true })
    const form = h(
      'form',
      { class: 'composer' },
      this.#editor.element,
      stale,
      error,
      h('p', { class: 'actions' }, save, h('button', { type: 'button', click: () => done() }, 'Cancel')),
    )
    const write = async (onto: 'base' | 'newest'): Promise<void> => {
      const read = this.#editor.read()
      if (!read) return this.#editor.focus()
      error.hidden = stale.hidden = true
      try {
        const was = sealed(base.content)
        const content = !open || !was ? read.value : was.list === undefined ? await node.encrypt(read.value, { to: readersOf(was.secret) }) : await seal(node, read.value, was.list)
        done(await this.#base.update(content, onto === 'base' ? { session: writer() } : { session: writer(), throwIfStale: false }))
      } catch (problem) {
        if (errorWords(problem).code === 'stale') stale.hidden = false
        else if (isAboutContent(problem)) this.#editor.refuse(problem)
        else {
          failure(error, problem)
          error.hidden = false
        }
      }
    }
    const mine = h('button', { type: 'button' }, 'Sign mine on top of it')
    mine.addEventListener('click', () => void busy(mine, () => write('newest')))
    stale.append(
      h('p', {}, h('b', {}, 'The document has changed while you wrote. '), 'Nothing was written. Below is what it says now; what you typed is still here.'),
      h('p', { class: 'actions' }, mine, h('button', { type: 'button', click: () => done() }, 'Leave it as it is now')),
    )
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void busy(save, () => write('base'))
    })
    this.element = form
  }

  focus(): void {
    this.#editor.focus()
  }
}

/** The form that changes who is in a list of readers. */
export class Rotation {
  readonly element: HTMLElement
  #dids = h('textarea', { rows: 4, spellcheck: 'false', 'aria-label': 'Readers from now on, one DID on each line' })

  constructor(node: Node, writer: () => Session, base: Document, done: (doc?: Document) => void) {
    const { content } = base
    if (isReaders(content)) this.#dids.value = named(content).join('\n')
    const error = h('div', { class: 'error', role: 'alert', hidden: true })
    const save = h('button', { type: 'submit', class: 'primary' }, 'Sign the change')
    this.element = h(
      'form',
      { class: 'composer' },
      h('label', {}, 'Readers from now on'),
      this.#dids,
      h('p', { class: 'hint' }, 'What is written after this only they can read. What somebody could read before, they may have kept.'),
      error,
      h('p', { class: 'actions' }, save, h('button', { type: 'button', click: () => done() }, 'Cancel')),
    )
    this.element.addEventListener('submit', (event) => {
      event.preventDefault()
      error.hidden = true
      void busy(save, async () => {
        try {
          const to = words(this.#dids.value, /\s+/)
          done(await base.update(await node.rotateReaders(isReaders(content) ? content : undefined, { to }), { session: writer() }))
        } catch (problem) {
          failure(error, problem)
          error.hidden = false
        }
      })
    })
  }

  focus(): void {
    this.#dids.focus()
  }
}

/** A mistake that stands in the content rather than around it. */
function isAboutContent(error: unknown): boolean {
  return /^(?:init\/)?(?:content|value)\b| at "/.test(errorWords(error).message)
}

function words(text: string, between: RegExp): string[] {
  return text
    .split(between)
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

/** A second press while the first is at work does nothing. */
async function busy(button: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
  if (button.disabled) return
  button.disabled = true
  try {
    await work()
  } finally {
    button.disabled = false
  }
}
