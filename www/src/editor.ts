/** A field for JSON that says what is wrong by its path, and leads there. */

import { h } from './dom.js'
import { lineOf, readJson } from './json.js'
import { errorWords } from './words.js'

let fields = 0

export class JsonEditor {
  readonly element: HTMLElement
  #area: HTMLTextAreaElement
  #told: HTMLElement
  /** Words on what is wrong wait until the hand rests. */
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(label: string, value: unknown) {
    const id = `json-${++fields}`
    this.#told = h('div', { class: 'mistakes', id: `${id}-mistakes`, role: 'alert' })
    this.#area = h('textarea', {
      id,
      rows: 8,
      spellcheck: 'false',
      autocapitalize: 'off',
      autocomplete: 'off',
      'aria-describedby': `${id}-mistakes`,
    })
    this.#area.value = JSON.stringify(value, undefined, 2) ?? ''
    this.#area.addEventListener('input', () => {
      this.#fit()
      clearTimeout(this.#timer)
      this.#clear()
      this.#timer = setTimeout(() => this.read(), 600)
    })
    this.element = h('div', { class: 'json' }, h('label', { for: id }, label), this.#area, this.#told)
    this.#fit()
  }

  focus(): void {
    this.#area.focus()
  }

  /** The value; `undefined` once it was told what is wrong. */
  read(): { value: unknown } | undefined {
    clearTimeout(this.#timer)
    this.#clear()
    const { value, mistake } = readJson(this.#area.value)
    if (!mistake) return { value }
    this.#tell(mistake.path, mistake.message, [mistake.from, mistake.to])
    return undefined
  }

  /** Tells what a node refused; its words name the path, if it has one. */
  refuse(error: unknown): void {
    this.#clear()
    const { message, hint, code } = errorWords(error)
    const { places } = readJson(this.#area.value)
    // `content/a/b: …` are the package's words, `… at "/a/b"` the core's.
    const path = /^(?:init\/)?(?:content|value)((?:\/[^:]*)?):/.exec(message)?.[1] ?? /at "((?:\/[^"]*)?)"/.exec(message)?.[1]
    this.#tell(path, `${message} ${hint}`, places.get(path ?? '') ?? undefined, code)
  }

  #clear(): void {
    this.#told.replaceChildren()
    this.#area.removeAttribute('aria-invalid')
  }

  #tell(path: string | undefined, message: string, place?: [number, number], code?: string): void {
    this.#area.setAttribute('aria-invalid', 'true')
    const where = path === undefined ? undefined : path === '' ? 'the whole' : path
    const go = place && h('button', { type: 'button', class: 'link' }, `line ${lineOf(this.#area.value, place[0])}`)
    go?.addEventListener('click', () => {
      this.#area.focus()
      this.#area.setSelectionRange(...(place as [number, number]))
    })
    this.#told.replaceChildren(
      h('p', {}, where !== undefined && h('code', { class: 'path' }, where), where !== undefined && ' ', message, go && ', ', go),
      ...(code ? [h('code', {}, code)] : []),
    )
  }

  /** As high as what is in it, within reason. */
  #fit(): void {
    this.#area.rows = Math.min(24, Math.max(6, this.#area.value.split('\n').length + 1))
  }
}
