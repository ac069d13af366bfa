/**
 * JSON as a tree. Content is hostile: it may be very deep, very wide or very long, so children are
 * made when their branch is opened, at most `MANY` at a time, and long texts are cut until asked for.
 */

import { h } from './dom.js'

const MANY = 100
const LONG = 400
/** Open at first: this many levels, unless a branch is wide. */
const OPEN_LEVELS = 3
const OPEN_WIDTH = 40
/** No more branches open by themselves once this many values are shown. */
const ENOUGH = 400

type Path = string

/** A tree that is shown again and again with newer values: it keeps what was opened and marks what changed. */
export class Tree {
  readonly element = h('div', { class: 'tree' })
  #toggled = new Map<Path, boolean>()
  #last: unknown
  #said: string | undefined
  #shown = 0

  show(value: unknown): void {
    const said = JSON.stringify(value)
    if (said === this.#said) return
    const mark = this.#said !== undefined
    this.#said = said
    this.#shown = 0
    this.element.replaceChildren(this.#node(value, '', 0, this.#last, mark))
    this.#last = value
  }

  #node(value: unknown, path: Path, level: number, before: unknown, mark: boolean): HTMLElement {
    if (typeof value !== 'object' || value === null) return leaf(value, mark && value !== before)
    const list = Array.isArray(value)
    const entries = list ? value.length : Object.keys(value).length
    if (entries === 0) return h('span', { class: 'empty' }, list ? '[ ] empty list' : '{ } empty')
    if (level === 0) return this.#children(value, path, level, before, mark)

    const open = this.#toggled.get(path) ?? (level < OPEN_LEVELS && entries <= OPEN_WIDTH && this.#shown < ENOUGH)
    const summary = h('summary', {}, list ? `list of ${entries}` : `${entries} ${entries === 1 ? 'field' : 'fields'}`)
    const details = h('details', { open, class: mark && before === undefined ? 'fresh' : '' }, summary)
    const fill = (): void => {
      if (details.open && details.childElementCount === 1) details.append(this.#children(value, path, level, before, mark))
    }
    fill()
    details.addEventListener('toggle', () => {
      if (details.open !== open) this.#toggled.set(path, details.open)
      else this.#toggled.delete(path)
      fill()
    })
    return details
  }

  #children(value: object, path: Path, level: number, before: unknown, mark: boolean): HTMLElement {
    const list = h('dl', {})
    const old = (typeof before === 'object' && before !== null ? before : {}) as Record<string, unknown>
    const keys = Object.keys(value)
    const add = (from: number): void => {
      for (const key of keys.slice(from, from + MANY)) {
        this.#shown++
        const was = Object.hasOwn(old, key) ? old[key] : undefined
        const child = this.#node(
          (value as Record<string, unknown>)[key],
          `${path}/${key.replaceAll('/', '~1')}`,
          level + 1,
          was,
          mark,
        )
        list.append(h('dt', {}, key), h('dd', {}, child))
      }
      const left = keys.length - from - MANY
      if (left <= 0) return
      const more = h('button', { type: 'button', class: 'link' }, `${left.toLocaleString('en-GB')} more`)
      const row = h('dd', { class: 'more' }, more)
      more.addEventListener('click', () => {
        row.remove()
        add(from + MANY)
      })
      list.append(row)
    }
    add(0)
    return list
  }
}

function leaf(value: unknown, fresh: boolean): HTMLElement {
  const kind = value === null ? 'null' : typeof value
  const element = h('span', { class: `leaf ${kind}${fresh ? ' fresh' : ''}` })
  const text = typeof value === 'string' ? value : String(value)
  if (text.length <= LONG) {
    element.append(text === '' ? '(empty text)' : text)
    return element
  }
  const more = h('button', { type: 'button', class: 'link' }, `… show all ${text.length.toLocaleString('en-GB')} characters`)
  more.addEventListener('click', () => element.replaceChildren(text))
  element.append(text.slice(0, LONG), more)
  return element
}
