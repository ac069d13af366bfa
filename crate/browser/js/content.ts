// What a dapp hands over to be written or encrypted. It must be JSON to the last leaf, because what JSON.stringify drops or
// bends in silence (`undefined`, NaN, a Date, the holes of a list) would be signed and published as something else.
//
// The value is read once, into a copy: a getter or a proxy that answers differently the second time changes nothing.

import { OstrakonError } from './error.js'

/** Longest content as JSON, in characters. One event holds far less; content can grow by many. */
const MAX_LENGTH = 8 << 20
/** Deepest nesting: one event is DAG-CBOR that nests at most 256 deep, and its content lies within. */
const MAX_DEPTH = 250
/** A surrogate that has no other beside it. */
const HALF = /\p{Surrogate}/u
/** Longest path that a message shows. */
const MAX_PATH = 120

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A copy of `value` that is JSON and nothing else; else `invalid-content` or `content-too-large`, with the path. */
export function json(value: unknown, what = 'content'): Json {
  return new Copy(what).of(value, [])
}

class Copy {
  #length = 0
  /** What is being copied, from the outside in. */
  readonly #around = new Set<object>()

  constructor(private readonly what: string) {}

  of(value: unknown, path: Path): Json {
    switch (typeof value) {
      case 'string':
        this.#text(value, path)
        return value
      case 'number':
        if (!Number.isFinite(value)) throw this.#invalid(path, `${value} is no number that JSON knows`, 'Write null, or a text, where there is no number.')
        this.#count(String(value).length + 1, path)
        return value
      case 'boolean':
        this.#count(5, path)
        return value
      case 'bigint':
        throw this.#invalid(path, 'JSON has no BigInt', 'Write it as a text, or as a number if it is a safe integer.')
      case 'undefined':
        throw this.#invalid(path, 'undefined is not JSON', 'Leave the property out, or write null.')
      case 'object':
        if (value !== null) return this.#object(value, path)
        this.#count(4, path)
        return null
      default:
        throw this.#invalid(path, `a ${typeof value} is not JSON`)
    }
  }

  #object(value: object, path: Path): Json {
    if (this.#around.has(value)) throw this.#invalid(path, 'it contains itself')
    if (this.#around.size >= MAX_DEPTH) throw this.#invalid(path, `it nests more than ${MAX_DEPTH} deep`)
    this.#around.add(value)
    try {
      return Array.isArray(value) ? this.#list(value, path) : this.#map(value, path)
    } catch (cause) {
      throw cause instanceof OstrakonError ? cause : this.#invalid(path, 'it could not be read', undefined, cause) // a proxy
    } finally {
      this.#around.delete(value)
    }
  }

  #list(list: unknown[], path: Path): Json[] {
    const { length } = list
    this.#count(2 * length > MAX_LENGTH ? 2 * length : 2, path) // a list that is too long is not looked through
    const keys = Reflect.ownKeys(list)
    // Its own keys are its indexes, in order, and `length`: anything else is a hole or a property that JSON would lose.
    const stray = keys.findIndex((key, index) => key !== (index < length ? String(index) : 'length'))
    if (stray >= 0 || keys.length !== length + 1) {
      const hole = stray >= 0 && stray < length
      throw this.#invalid(hole ? [...path, String(stray)] : path, hole ? 'the list has a hole here' : 'the list has properties of its own, which JSON does not carry')
    }
    return Array.from({ length }, (_, index) => this.of(this.#read(list, String(index), path), [...path, String(index)]))
  }

  #map(map: object, path: Path): Json {
    const prototype: unknown = Object.getPrototypeOf(map)
    // The plain objects of another realm, such as a frame, have its Object.prototype.
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw this.#invalid(path, `a ${className(map)} is not JSON`, ADVICE[className(map)] ?? 'Write a plain object of what matters in it.')
    }
    const copy: { [key: string]: Json } = {}
    this.#count(2, path)
    for (const key of Reflect.ownKeys(map)) {
      if (typeof key === 'symbol') throw this.#invalid(path, 'a key is a symbol; keys are texts')
      if (!Object.getOwnPropertyDescriptor(map, key)?.enumerable) continue
      const at = [...path, key]
      this.#text(key, at)
      const value = this.of(this.#read(map, key, path), at)
      // By assignment, `__proto__` would not become a key.
      Object.defineProperty(copy, key, { value, writable: true, enumerable: true, configurable: true })
    }
    return copy
  }

  #read(from: object, key: string, path: Path): unknown {
    try {
      return (from as Record<string, unknown>)[key]
    } catch (cause) {
      throw this.#invalid([...path, key], 'it could not be read', undefined, cause)
    }
  }

  #text(text: string, path: Path): void {
    this.#count(text.length + 3, path)
    // Half a character beyond U+FFFF has no UTF-8.
    if (HALF.test(text)) throw this.#invalid(path, 'the text holds half a character (a lone surrogate)', 'Cut texts between characters: Array.from(text), not text.slice().')
  }

  /** So many characters more, as JSON. */
  #count(characters: number, path: Path): void {
    this.#length += characters
    if (this.#length <= MAX_LENGTH) return
    throw new OstrakonError('content-too-large', `${this.#show(path)}: here the ${this.what} passes ${MAX_LENGTH >> 20} MiB`, {
      hint: 'One event holds at most 256,000 bytes: divide it over several documents, or keep large data elsewhere and link to it.',
    })
  }

  #invalid(path: Path, why: string, hint?: string, cause?: unknown): OstrakonError {
    return new OstrakonError('invalid-content', `${this.#show(path)}: ${why}`, { hint, ...(cause === undefined ? {} : { cause }) })
  }

  #show(path: Path): string {
    const pointer = path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
    return this.what + (pointer.length > MAX_PATH ? `${pointer.slice(0, MAX_PATH)}…` : pointer)
  }
}

type Path = readonly string[]

function className(value: object): string {
  const name = Object.prototype.toString.call(value).slice(8, -1)
  if (name !== 'Object') return name
  const { constructor } = value as { constructor?: { name?: unknown } }
  return typeof constructor?.name === 'string' && constructor.name !== '' ? constructor.name : 'class instance'
}

const ADVICE: Record<string, string> = {
  Date: 'Write date.toISOString().',
  Map: 'Write Object.fromEntries(map).',
  Set: 'Write [...set].',
  Uint8Array: 'Bytes are written as text, in base64 or hex.',
  ArrayBuffer: 'Bytes are written as text, in base64 or hex.',
}
