/**
 * The doc-chain, drawn twice from one log: as a frieze that shows all of it at a glance, its rows
 * running to and fro as the oldest Greek inscriptions do, and as a list, newest first, that says
 * everything about each event. Both keep an element per CID, so a live change touches only what is new.
 */

import type { LogEntry } from 'ostrakon'
import { copyButton, h, Keyed, s } from './dom.js'
import { markClass, markIcon, markShapes, stamp } from './marks.js'
import { checkWords, count, KINDS, leaveWords, shortCid, shortDid, timeWords } from './words.js'

/** The frieze draws at most this many of the newest events; the list reaches all of them. */
export const DRAWN = 600
const PAGE = 25

/** What an entry says, to see whether a newer log says something else of the same event. */
function sayings(entry: LogEntry): string {
  return JSON.stringify([entry.kind, entry.signer, entry.capability, entry.time, entry.verified])
}

class Frieze {
  readonly element: SVGSVGElement
  #fired = s('path', { class: 'cord fired' })
  #raw = s('path', { class: 'cord raw' })
  #marks: Keyed<[LogEntry, number], SVGGElement>
  #log: LogEntry[] = []
  #width = 0
  #pick: (cid: string) => void

  constructor(pick: (cid: string) => void) {
    this.#pick = pick
    this.#marks = new Keyed(s('g'), {
      key: ([entry]) => entry.cid,
      said: ([entry, number]) => `${number}${sayings(entry)}`,
      make: ([entry, number]) => this.#make(entry, number),
    })
    this.element = s(
      'svg',
      { role: 'group', 'aria-label': 'The doc-chain at a glance. Arrow keys move along it.' },
      this.#fired,
      this.#raw,
      this.#marks.element,
    )
    this.element.addEventListener('keydown', (event) => this.#walk(event as KeyboardEvent))
    new ResizeObserver(([box]) => {
      const width = Math.floor(box?.contentRect.width ?? 0)
      if (width && width !== this.#width) this.#draw(width)
    }).observe(this.element)
  }

  show(log: LogEntry[], fresh: Set<string>): void {
    const skipped = Math.max(0, log.length - DRAWN)
    this.#log = log.slice(skipped)
    this.#marks.show(this.#log.map((entry, i) => [entry, skipped + i]))
    for (const { cid } of this.#log) this.#marks.get(cid)?.classList.toggle('fresh', fresh.has(cid))
    if (!this.#marks.element.querySelector('[tabindex="0"]')) this.#mark(this.#log.length - 1)?.setAttribute('tabindex', '0')
    if (this.#width) this.#draw(this.#width)
  }

  #mark(i: number): SVGGElement | undefined {
    return this.#marks.get(this.#log[i]?.cid ?? '')
  }

  #make(entry: LogEntry, number: number): SVGGElement {
    const time = timeWords(entry)
    const text = `Event ${number}, ${KINDS[entry.kind]}. ${time.word}: ${time.sentence}.`
    return s(
      'g',
      { class: markClass(entry), role: 'button', tabindex: -1, 'aria-label': text, click: () => this.#pick(entry.cid) },
      s('title', {}, text),
      s('circle', { class: 'reach', r: 17 }),
      s('g', { class: 'body' }, ...markShapes(entry)),
    )
  }

  #draw(width: number): void {
    this.#width = width
    const { pitch, rise, scale } = spacing(this.#log.length, width)
    const margin = rise / 2 + 6
    const columns = Math.max(2, Math.floor((width - 2 * margin) / pitch) + 1)
    const step = (width - 2 * margin) / (columns - 1)
    const place = (i: number): [number, number] => {
      const row = Math.floor(i / columns)
      const column = row % 2 ? columns - 1 - (i % columns) : i % columns
      return [margin + column * step, margin + row * rise]
    }
    const lastTime = this.#log.findLastIndex((entry) => entry.kind === 'time')
    const cord = (from: number, to: number): string => {
      let d = ''
      for (let i = from; i <= to; i++) {
        const [x, y] = place(i)
        if (i === from) d = `M${x} ${y}`
        else if (i % columns === 0) d += `A${rise / 2} ${rise / 2} 0 0 ${Math.floor(i / columns) % 2} ${x} ${y}`
        else d += `H${x}`
      }
      return d
    }
    const last = this.#log.length - 1
    this.#fired.setAttribute('d', lastTime > 0 ? cord(0, lastTime) : '')
    // The end of the cord hangs loose: a chain is open to what comes.
    const loose = `h${(Math.floor(last / columns) % 2 ? -1 : 1) * Math.min(rise / 2 + 2, step)}`
    this.#raw.setAttribute('d', last < 0 ? '' : cord(Math.max(0, lastTime), last) + loose)
    for (let i = 0; i <= last; i++) {
      const [x, y] = place(i)
      this.#mark(i)?.setAttribute('transform', `translate(${x.toFixed(1)} ${y}) scale(${scale})`)
    }
    const height = 2 * margin + Math.floor(Math.max(0, last) / columns) * rise
    this.element.setAttribute('viewBox', `0 0 ${width} ${height}`)
    this.element.setAttribute('height', String(height))
  }

  #walk(event: KeyboardEvent): void {
    const from = this.#log.findIndex((_, i) => this.#mark(i) === event.target)
    const entry = this.#log[from]
    if (!entry) return
    const last = this.#log.length - 1
    const to: Record<string, number> = {
      ArrowLeft: from - 1,
      ArrowUp: from - 1,
      ArrowRight: from + 1,
      ArrowDown: from + 1,
      Home: 0,
      End: last,
    }
    if (event.key === 'Enter' || event.key === ' ') this.#pick(entry.cid)
    else if (Object.hasOwn(to, event.key)) this.#focus(Math.min(last, Math.max(0, to[event.key] ?? from)))
    else return
    event.preventDefault()
  }

  #focus(i: number): void {
    const mark = this.#mark(i)
    if (!mark) return
    this.#marks.element.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1')
    mark.setAttribute('tabindex', '0')
    mark.focus()
  }
}

/** Few events are drawn large, many small; on a narrow screen smaller still. */
function spacing(events: number, width: number): { pitch: number; rise: number; scale: number } {
  const narrow = width < 480
  if (events <= 14) return narrow ? { pitch: 46, rise: 58, scale: 1.1 } : { pitch: 62, rise: 72, scale: 1.4 }
  if (events <= 60) return narrow ? { pitch: 32, rise: 42, scale: 0.8 } : { pitch: 44, rise: 54, scale: 1.05 }
  return narrow ? { pitch: 24, rise: 32, scale: 0.62 } : { pitch: 33, rise: 42, scale: 0.8 }
}

/** The link to the document as it was at an event, where that makes a version. */
type VersionLink = (cid: string) => string

class Rows {
  readonly element: HTMLElement
  #more = h('button', { type: 'button', class: 'wide', click: () => this.#grow(this.#shown + 4 * PAGE) })
  #rows: Keyed<[LogEntry, number], HTMLLIElement>
  #log: LogEntry[] = []
  #shown = PAGE
  #link: VersionLink

  constructor(link: VersionLink) {
    this.#link = link
    const list = h('ol', { class: 'events' })
    this.#rows = new Keyed(list, {
      key: ([entry]) => entry.cid,
      said: ([entry, number]) => `${number}${sayings(entry)}`,
      make: ([entry, number]) => this.#row(entry, number),
    })
    this.element = h('div', { class: 'rows' }, list, this.#more)
  }

  show(log: LogEntry[], fresh: Set<string>): void {
    // Who asked for older events keeps them in view while newer ones arrive.
    if (this.#shown > PAGE) this.#shown += Math.max(0, log.length - this.#log.length)
    this.#log = log
    this.#render()
    for (const { cid } of log) this.#rows.get(cid)?.classList.toggle('fresh', fresh.has(cid))
  }

  /** Brings the row of an event into view, and shows for a moment which one it is. */
  reveal(cid: string): void {
    const i = this.#log.findIndex((entry) => entry.cid === cid)
    if (i < 0) return
    this.#grow(Math.max(this.#shown, this.#log.length - i + 3))
    const row = this.#rows.get(cid)
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
    row?.scrollIntoView({ block: 'center', behavior: calm ? 'auto' : 'smooth' })
    row?.focus({ preventScroll: true })
  }

  #grow(to: number): void {
    this.#shown = to
    this.#render()
  }

  #render(): void {
    const from = Math.max(0, this.#log.length - this.#shown)
    this.#rows.show(
      this.#log
        .map((entry, i): [LogEntry, number] => [entry, i])
        .slice(from)
        .reverse(),
    )
    this.#more.hidden = from === 0
    this.#more.textContent =
      from > 4 * PAGE ? `Show ${4 * PAGE} of ${count(from, 'older event')}` : `Show ${count(from, 'older event')}`
  }

  #row(entry: LogEntry, number: number): HTMLLIElement {
    const time = timeWords(entry)
    const checks = entry.verified.map((check) => {
      const { label, meaning } = checkWords(check)
      return h('li', { title: meaning }, label)
    })
    const signer = entry.signer
      ? h(
          'p',
          { class: 'signer', title: entry.signer },
          stamp(entry.signer),
          h('span', { class: 'away' }, 'Signed by '),
          h('code', {}, shortDid(entry.signer)),
          copyButton(entry.signer, 'signer'),
        )
      : h('p', { class: 'signer none' }, entry.kind === 'time' ? 'carries a proof, not a signature' : 'not signed')
    return h(
      'li',
      { class: `event ${entry.kind} ${entry.time.status}`, tabindex: -1 },
      markIcon(entry),
      h(
        'div',
        {},
        h(
          'p',
          { class: 'title' },
          h('span', { class: 'kind' }, KINDS[entry.kind]),
          h('span', { class: 'number' }, `${number}`),
          h(
            'span',
            { class: 'cid' },
            h(
              'a',
              { href: this.#link(entry.cid), title: `${entry.cid}\nOpen the document as of this event` },
              shortCid(entry.cid),
            ),
            copyButton(entry.cid, 'CID'),
          ),
        ),
        h(
          'p',
          { class: `time ${entry.time.status}`, title: entry.time.transaction && `Transaction ${entry.time.transaction}` },
          h('b', {}, `${time.word}:`),
          ` ${time.sentence}`,
        ),
        signer,
        entry.capability && h('p', { class: 'leave', title: `${entry.capability.issuer}\n${entry.capability.resources.join('\n')}` }, leaveWords(entry.capability)),
        checks.length > 0 && h('ul', { class: 'checks', 'aria-label': 'Verified here' }, ...checks),
      ),
    )
  }
}

/** Both drawings of one document's chain. */
export class ChainView {
  readonly frieze: SVGSVGElement
  readonly rows: HTMLElement
  #frieze: Frieze
  #rows: Rows
  #seen: Set<string> | undefined

  constructor(link: VersionLink) {
    this.#rows = new Rows(link)
    this.#frieze = new Frieze((cid) => this.#rows.reveal(cid))
    this.frieze = this.#frieze.element
    this.rows = this.#rows.element
  }

  /** Draws the log (init first) and returns how many of its events were not there before. */
  show(log: LogEntry[]): number {
    const fresh = new Set<string>()
    for (const { cid } of log) if (this.#seen && !this.#seen.has(cid)) fresh.add(cid)
    this.#seen = new Set(log.map((entry) => entry.cid))
    this.#frieze.show(log, fresh)
    this.#rows.show(log, fresh)
    return fresh.size
  }
}
