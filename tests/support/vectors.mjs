// Real documents for tests, from tests/vectors, as CARv1 files.

import { readFileSync } from 'node:fs'

const read = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
const files = {}

/**
 * A document by the name of its case, of doc-chains.json or another file: `id`, `log` (CIDs of its events, first to last), `content` (newest) and
 * `car(length)`, a CAR of all blocks whose root is the tip after `length` events (default: what was announced).
 */
export function documentOf(name, file = 'doc-chains') {
  const { cases } = (files[file] ??= read(file))
  const { streamId, tips, blocks, expected } = cases.find((one) => one.name === name)
  const { state } = expected.lenient
  const log = state.log.map(({ cid }) => cid)
  return { id: streamId, log, content: (state.next ?? state).content, car: (length) => car(length === undefined ? tips : [log[length - 1]], blocks) }
}

/**
 * An instance of a model, by its case in model-instance.json, and its model: two CARs, neither with a block of the other.
 */
export function apart(name) {
  const { streamId, tips, blocks, expected } = (files['model-instance'] ??= read('model-instance')).cases.find((one) => one.name === name)
  const events = expected.lenient.state.log.map(({ cid }) => cid)
  const signed = events.map((cid) => Buffer.from(blocks[cid], 'base64'))
  const own = ([cid]) => events.includes(cid) || signed.some((event) => event.includes(cidBytes(cid)))
  const others = Object.entries(blocks).filter((block) => !own(block))
  return {
    id: streamId,
    instance: { car: () => car(tips, Object.fromEntries(Object.entries(blocks).filter(own))) },
    model: { car: () => car([others.find(([cid]) => cid.startsWith('bagc'))[0]], Object.fromEntries(others)) },
  }
}

/**
 * What a real node of a chain answered, as a function of method and params; `change` may falsify a result. A question that
 * was not recorded has the answer `null`, as of a node that knows no such thing.
 */
export function recordedChain(chain, change = (method, result) => result) {
  const recorded = (files['eth-anchor'] ??= read('eth-anchor')).rpcRecordings[chain]
  return (method, params) => {
    const found = recorded.find((one) => one.method === method && JSON.stringify(one.params) === JSON.stringify(params))
    return change(method, found?.result ?? null)
  }
}

/** A CAR of `blocks` (CID to base64). */
export function car(roots, blocks) {
  const sections = Object.entries(blocks).map(([cid, base64]) => section(cidBytes(cid), Buffer.from(base64, 'base64')))
  return Buffer.concat([section(header(roots)), ...sections])
}

/** DAG-CBOR of `{ roots, version: 1 }`, for up to 23 roots. */
function header(roots) {
  const links = roots.map((root) => {
    const bytes = Buffer.concat([Buffer.of(0), cidBytes(root)])
    return Buffer.concat([Buffer.of(0xd8, 42, 0x58, bytes.length), bytes])
  })
  return Buffer.concat([Buffer.of(0xa2, 0x65), Buffer.from('roots'), Buffer.of(0x80 + roots.length), ...links, Buffer.of(0x67), Buffer.from('version'), Buffer.of(1)])
}

/** The blocks of a CAR, without its header. */
export function sectionsOf(car) {
  let [length, at] = [0, 0]
  do length |= (car[at] & 0x7f) << (7 * at)
  while (car[at++] & 0x80)
  return car.subarray(at + length)
}

export function section(...parts) {
  const bytes = Buffer.concat(parts)
  const length = []
  for (let rest = bytes.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      length.push(rest)
      return Buffer.concat([Buffer.from(length), bytes])
    }
    length.push((rest & 0x7f) | 0x80)
  }
}

/** Bytes of a CIDv1 in base32. */
export function cidBytes(text) {
  const bytes = []
  let [bits, value] = [0, 0]
  for (const letter of text.slice(1)) {
    value = ((value << 5) | 'abcdefghijklmnopqrstuvwxyz234567'.indexOf(letter)) & 0xfff
    bits += 5
    if (bits >= 8) bytes.push((value >>> (bits -= 8)) & 0xff)
  }
  return Buffer.from(bytes)
}
