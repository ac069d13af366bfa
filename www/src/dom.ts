/**
 * Making elements. Everything a document, a peer or a devnet sends is hostile, so text only ever
 * enters the page as a text node, and no function here parses HTML.
 */

export type Child = Node | string | null | undefined | false

type Attributes = Record<string, string | number | boolean | undefined | ((event: Event) => void)>

const SVG = 'http://www.w3.org/2000/svg'

function dress(element: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (typeof value === 'function') element.addEventListener(name, value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  for (const child of children) if (child) element.append(child)
}

/** An HTML element; an attribute that is a function listens to the event of that name. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  dress(element, attributes, children)
  return element
}

/** An SVG element, as `h`. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag)
  dress(element, attributes, children)
  return element
}

/** The element of `index.html` with this id; a missing one is a mistake in the page itself. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (!element) throw new Error(`index.html has no #${id}`)
  return element
}

/**
 * The children of `element`, one per key, kept from one showing to the next: `make` is called again only when `said` of an
 * item differs, so a press or a selection on what stays the same survives a live change.
 */
export class Keyed<T, E extends Element> {
  readonly element: Element
  #kept = new Map<string, { child: E; said: string }>()
  #of: { key(item: T): string; said(item: T): string; make(item: T): E }

  constructor(element: Element, of: { key(item: T): string; said(item: T): string; make(item: T): E }) {
    this.element = element
    this.#of = of
  }

  get(key: string): E | undefined {
    return this.#kept.get(key)?.child
  }

  show(items: readonly T[]): void {
    const wanted = new Map<string, E>()
    for (const item of items) {
      const key = this.#of.key(item)
      const said = this.#of.said(item)
      let known = this.#kept.get(key)
      if (known?.said !== said) {
        const child = this.#of.make(item)
        known?.child.replaceWith(child)
        known = { child, said }
        this.#kept.set(key, known)
      }
      wanted.set(key, known.child)
    }
    for (const [key, { child }] of this.#kept) {
      if (wanted.has(key)) continue
      child.remove()
      this.#kept.delete(key)
    }
    let cursor = this.element.firstElementChild
    for (const child of wanted.values()) {
      if (child === cursor) cursor = cursor.nextElementSibling
      else this.element.insertBefore(child, cursor)
    }
  }
}

const ICONS = {
  copy: 'M5.5 5.5V2.5h8v8h-3M2.5 5.5h8v8h-8z',
  done: 'M3 8.5l3.5 3.5L13 4.5',
  export: 'M8 2v8M4.5 7L8 10.5 11.5 7M2.5 13.5h11',
  key: 'M7 9a3 3 0 1 1 0-.1M7 9h7M11 9v2.5M13.5 9v2',
  forget: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
} as const

export function icon(name: keyof typeof ICONS): SVGSVGElement {
  return s('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, s('path', { d: ICONS[name] }))
}

/** A small button that copies `text` and shows for a moment that it did. */
export function copyButton(text: string, what: string): HTMLButtonElement {
  const button = h(
    'button',
    { type: 'button', class: 'quiet copy', 'aria-label': `Copy ${what}`, title: `Copy ${what}` },
    icon('copy'),
  )
  button.addEventListener('click', () => {
    void copy(text).then((copied) => {
      button.replaceChildren(icon(copied ? 'done' : 'forget'))
      button.classList.toggle('did', copied)
      button.setAttribute('aria-label', copied ? 'Copied' : 'The browser refused to copy')
      setTimeout(() => {
        button.replaceChildren(icon('copy'))
        button.classList.remove('did')
        button.setAttribute('aria-label', `Copy ${what}`)
      }, 1400)
    })
  })
  return button
}

/** The clipboard interface exists only on https and localhost; a phone on the same network gets the older way. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = h('textarea', { class: 'away', 'aria-hidden': 'true' })
    area.value = text
    document.body.append(area)
    area.select()
    const copied = document.execCommand('copy')
    area.remove()
    return copied
  }
}
