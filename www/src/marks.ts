/**
 * The marks of the drawing. Every event is a shard whose outline comes from its CID, so the same
 * event looks the same everywhere; every signer has a stamp that comes from its DID.
 */

import type { LogEntry } from 'ostrakon'
import { s } from './dom.js'

/** Numbers in 0..1 that depend on nothing but `text` (FNV-1a, then xorshift). */
function dice(text: string): () => number {
  let state = 2166136261
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619)
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4294967296
  }
}

function shard(cid: string, radius: number): string {
  const roll = dice(cid)
  roll()
  const corners = 5 + Math.floor(roll() * 3)
  const turn = roll() * Math.PI
  const points: string[] = []
  for (let i = 0; i < corners; i++) {
    const angle = turn + ((i + (roll() - 0.5) * 0.45) / corners) * Math.PI * 2
    const reach = radius * (0.84 + roll() * 0.3)
    points.push(`${(Math.cos(angle) * reach).toFixed(1)} ${(Math.sin(angle) * reach).toFixed(1)}`)
  }
  return `M${points.join('L')}Z`
}

/** Class names that colour a mark: its kind, and how well it is dated. */
export function markClass(entry: LogEntry): string {
  return `mark ${entry.kind} ${entry.time.status}`
}

/** The shapes of one event around 0,0; about 12 units in radius. */
export function markShapes(entry: LogEntry): SVGElement[] {
  if (entry.kind === 'time') {
    const inner =
      entry.time.status === 'proven'
        ? s('path', { class: 'sign', d: 'M-4 .3L-1.2 3.2 4.2-3' })
        : s('circle', { class: 'sign', r: 2 })
    return [s('circle', { class: 'seal', r: 10 }), inner]
  }
  if (entry.kind === 'init')
    return [s('path', { class: 'clay', d: shard(entry.cid, 14) }), s('circle', { class: 'hole', r: 3.6 })]
  return [s('path', { class: 'clay', d: shard(entry.cid, 11) })]
}

export function markIcon(entry: LogEntry): SVGSVGElement {
  return s(
    'svg',
    { class: 'glyph', viewBox: '-17 -17 34 34', 'aria-hidden': 'true' },
    s('g', { class: markClass(entry) }, ...markShapes(entry)),
  )
}

/** A potter's stamp for a DID: five by five, mirrored. */
export function stamp(did: string): SVGSVGElement {
  const roll = dice(did)
  roll()
  let d = ''
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 3; x++) {
      if (roll() < 0.5) continue
      d += `M${x} ${y}h1v1h-1z`
      if (x < 2) d += `M${4 - x} ${y}h1v1h-1z`
    }
  }
  return s(
    'svg',
    { class: `stamp glaze-${Math.floor(roll() * 6)}`, viewBox: '-1 -1 7 7', 'aria-hidden': 'true' },
    s('path', { d: d || 'M2 2h1v1h-1z' }),
  )
}
