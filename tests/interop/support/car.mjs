// Archives of blocks (CARv1), read and written without any of Ostrakon's code.
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { varint } from 'multiformats'

const frame = (...parts) => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return [varint.encodeTo(length, new Uint8Array(varint.encodingLength(length))), ...parts]
}

export function write(roots, blocks) {
  const parts = frame(dagCbor.encode({ version: 1, roots }))
  for (const [cid, bytes] of blocks) parts.push(...frame(CID.parse(cid).bytes, bytes))
  return Buffer.concat(parts)
}

export function read(archive) {
  let at = 0
  const next = () => {
    const [length, head] = varint.decode(archive.subarray(at))
    const bytes = archive.subarray(at + head, at + head + length)
    at += head + length
    return bytes
  }
  const { roots } = dagCbor.decode(next())
  const blocks = new Map()
  while (at < archive.length) {
    const [cid, bytes] = CID.decodeFirst(next())
    blocks.set(cid.toString(), bytes)
  }
  return { roots, blocks }
}
