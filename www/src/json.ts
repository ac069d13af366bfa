/**
 * JSON as a person types it: what is wrong is told by its path and its place, and every value's place is known, so that what
 * a node refuses can be shown where it stands.
 */

export interface Mistake {
  /** JSON Pointer of the value that is wrong, or in which something is. */
  path: string
  /** Where in the text. */
  from: number
  to: number
  message: string
}

export interface Read {
  value?: unknown
  mistake?: Mistake
  /** Where each value stands, by JSON Pointer. */
  places: Map<string, [from: number, to: number]>
}

/** Deeper than any event may nest. */
const MAX_DEPTH = 256

/** A text up to its closing quote, or to what is wrong in it. */
const GOOD = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*/y
const WORD = /[^\s,:[\]{}"]*/y

class Wrong extends Error {
  constructor(
    readonly path: string,
    readonly from: number,
    message: string,
  ) {
    super(message)
  }
}

/** Reads all of `text`. `JSON.parse` has the last word on what it says. */
export function readJson(text: string): Read {
  const reader = new Reader(text)
  try {
    reader.whole()
    return { value: JSON.parse(text), places: reader.places }
  } catch (error) {
    const mistake =
      error instanceof Wrong
        ? { path: error.path, from: error.from, to: Math.min(text.length, error.from + 1), message: error.message }
        : { path: '', from: 0, to: text.length, message: 'this is not JSON' }
    return { mistake, places: reader.places }
  }
}

/** The line on which `offset` is, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

class Reader {
  readonly places = new Map<string, [number, number]>()
  #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): void {
    this.#value('', 0)
    this.#space()
    if (this.#at < this.#text.length) throw new Wrong('', this.#at, 'the value ends before this')
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at++
  }

  #value(path: string, depth: number): void {
    this.#space()
    const from = this.#at
    const first = this.#text[from]
    if (depth > MAX_DEPTH) throw new Wrong(path, from, 'it nests too deep')
    if (first === undefined) throw new Wrong(path, from, 'a value is missing at the end')
    if (first === '{') this.#object(path, depth)
    else if (first === '[') this.#list(path, depth)
    else if (first === '"') this.#string(path)
    else this.#word(path)
    this.places.set(path, [from, this.#at])
  }

  #object(path: string, depth: number): void {
    const known = new Set<string>()
    this.#items(path, '}', () => {
      const from = this.#at
      if (this.#text[from] !== '"') throw new Wrong(path, from, 'a name in "quotes" is missing')
      const key = this.#string(path)
      const inner = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      if (known.has(key)) throw new Wrong(inner, from, 'the name is there twice')
      known.add(key)
      this.#space()
      if (this.#text[this.#at] !== ':') throw new Wrong(inner, this.#at, 'a colon is missing after the name')
      this.#at++
      this.#value(inner, depth + 1)
    })
  }

  #list(path: string, depth: number): void {
    let index = 0
    this.#items(path, ']', () => this.#value(`${path}/${index++}`, depth + 1))
  }

  #items(path: string, end: string, item: () => void): void {
    this.#at++
    this.#space()
    if (this.#text[this.#at] === end) return void this.#at++
    for (;;) {
      this.#space()
      item()
      this.#space()
      const next = this.#text[this.#at]
      if (next === end) return void this.#at++
      if (next !== ',') throw new Wrong(path, this.#at, next === undefined ? `${end} is missing at the end` : `a comma or ${end} is missing before this`)
      const comma = this.#at++
      this.#space()
      if (this.#text[this.#at] === end) throw new Wrong(path, comma, 'this comma is one too many')
    }
  }

  #string(path: string): string {
    const from = this.#at
    GOOD.lastIndex = from
    const at = from + (GOOD.exec(this.#text)?.[0].length ?? 0)
    if (this.#text[at] === '"') {
      this.#at = at + 1
      return JSON.parse(this.#text.slice(from, this.#at)) as string
    }
    const next = this.#text[at]
    if (next === undefined || next === '\n') throw new Wrong(path, at, 'a quote is missing at the end of this text')
    throw new Wrong(path, at, next === '\\' ? 'this is no escape that JSON knows' : 'a control character must be escaped, a tab as \\t')
  }

  #word(path: string): void {
    const from = this.#at
    WORD.lastIndex = from
    const word = WORD.exec(this.#text)?.[0] ?? ''
    this.#at += word.length
    if (word === 'true' || word === 'false' || word === 'null') return
    if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(word)) {
      if (!Number.isFinite(Number(word))) throw new Wrong(path, from, 'the number is too large')
      return
    }
    if (word === '') throw new Wrong(path, from, 'a value is missing before this')
    throw new Wrong(path, from, /^['’a-zA-Z_]/.test(word) ? 'a text needs "quotes"' : 'this is no number that JSON knows')
  }
}
