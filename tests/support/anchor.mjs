// Anchors on anvil: real transactions of the form that js-ceramic takes today, and the time events that point at them.

import { createHash } from 'node:crypto'
import { cidBytes, section, sectionsOf } from './vectors.mjs'

/** The anchor contract. Anvil has no code there, and a proof asks for none. */
const CONTRACT = '0x231055a0852d67c7107ad0d0dfeab60278fe6adc'
/** Of `anchorDagCbor(bytes32)`. */
const SELECTOR = '0x97ad09eb'

const head = (major, n) => Buffer.from(n < 24 ? [(major << 5) | n] : n < 256 ? [(major << 5) | 24, n] : [(major << 5) | 25, n >> 8, n & 255])

/** DAG-CBOR; bytes stand for the link of that CID. */
function cbor(value) {
  if (value === null) return Buffer.of(0xf6)
  if (typeof value === 'number') return head(0, value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.of(0xd8, 42), head(2, value.length + 1), Buffer.of(0), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)])
  const keys = Object.keys(value).sort((one, other) => one.length - other.length || (one < other ? -1 : 1))
  return Buffer.concat([head(5, keys.length), ...keys.flatMap((key) => [cbor(key), cbor(value[key])])])
}

/** A block, with its CID. */
function block(value) {
  const bytes = cbor(value)
  const digest = createHash('sha256').update(bytes).digest()
  return { cid: Buffer.concat([Buffer.of(1, 0x71, 0x12, 0x20), digest]), bytes, digest }
}

/**
 * Anchors the newest event of a document: `init` and `tip` are CIDs of its log, `car` is the document. Returns the document with its
 * anchor, as a CAR.
 */
export async function anchor(chain, { init, tip, car }) {
  const tree = block([cidBytes(tip), null])
  const transaction = await chain.ask('eth_sendTransaction', [{ from: chain.accounts[0], to: CONTRACT, data: SELECTOR + tree.digest.toString('hex') }])
  const txHash = Buffer.concat([Buffer.of(1, 0x93, 1, 0x1b, 0x20), Buffer.from(transaction.slice(2), 'hex')])
  const proof = block({ root: tree.cid, txHash, chainId: 'eip155:31337', txType: 'f(bytes32)' })
  const time = block({ id: cidBytes(init), prev: cidBytes(tip), proof: proof.cid, path: '0' })
  const blocks = [tree, proof, time].map(({ cid, bytes }) => section(cid, bytes))
  return Buffer.concat([section(cbor({ roots: [time.cid], version: 1 })), sectionsOf(car), ...blocks])
}
