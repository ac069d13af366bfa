// js-ceramic as it loads a document: its log syncer, state manipulator, tile handler and dids, over blocks in memory.
// What a node does besides is left out, to its favour: it asks its ipfs node for each block over HTTP, and it hashes none.
import './globals.js'
import { CeramicSigner, EnvironmentUtils } from '@ceramicnetwork/common'
import { LogSyncer } from '../../interop/node_modules/@ceramicnetwork/core/lib/stream-loading/log-syncer.js'
import { StateManipulator } from '../../interop/node_modules/@ceramicnetwork/core/lib/stream-loading/state-manipulator.js'
import { TileDocumentHandler } from '@ceramicnetwork/stream-tile-handler'
import { CommitID, StreamID } from '@ceramicnetwork/streamid'
import * as dagCbor from '@ipld/dag-cbor'
import { secp256k1 } from '@noble/curves/secp256k1'
import * as dagJose from 'dag-jose'
import { DID } from 'dids'
import { Ed25519Provider } from 'key-did-provider-ed25519'
import KeyResolver from 'key-did-resolver'
import cloneDeep from 'lodash.clonedeep'
import { CID } from 'multiformats/cid'

EnvironmentUtils.setIpfsFlavor?.('go')
const codecs = { [dagCbor.code]: dagCbor, [dagJose.code]: dagJose }
const logger = { err: console.error, warn() {}, verbose() {}, debug() {}, imp() {} }

function varint(bytes, at) {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return [value, at]
  }
}

/** The roots of an archive, and a loader of its blocks as js-ceramic's dispatcher is one: decode, then clone. */
function open(archive) {
  let [length, at] = varint(archive, 0)
  const { roots } = dagCbor.decode(archive.subarray(at, at + length))
  at += length
  const blocks = new Map()
  while (at < archive.length) {
    ;[length, at] = varint(archive, at)
    const [cid, bytes] = CID.decodeFirst(archive.subarray(at, at + length))
    blocks.set(cid.toString(), bytes)
    at += length
  }
  const retrieve = async (cid) => cloneDeep(codecs[cid.code].decode(blocks.get(cid.toString())))
  return { roots, loader: { retrieveCommit: retrieve, retrieveFromIPFS: retrieve } }
}

/** Resolver cache off, as js-ceramic ships. */
function manipulator() {
  const did = new DID({ resolver: KeyResolver.getResolver() })
  const context = { signer: CeramicSigner.fromDID(did), loggerProvider: {} }
  return new StateManipulator(logger, { get: () => new TileDocumentHandler() }, null, context)
}

const load = async (loader, states, stream, tip) => {
  const log = await new LogSyncer(loader).syncFullLog(stream, tip)
  return states.applyFullLog(0, log, { throwOnInvalidCommit: true })
}

/** Milliseconds that one document takes, at the one root of the archive. */
export async function chain(archive, commit, events) {
  const states = manipulator()
  const began = performance.now()
  const { roots, loader } = open(archive)
  const state = await load(loader, states, CommitID.fromString(commit).baseID, roots[0])
  const took = performance.now() - began
  if (state.log.length !== events) throw new Error(`js-ceramic took ${state.log.length} events`)
  return took
}

/** Milliseconds that all documents take whose init events are the roots. */
export async function documents(archive) {
  const states = manipulator()
  const began = performance.now()
  const { roots, loader } = open(archive)
  for (const root of roots) await load(loader, states, new StreamID(0, root), root)
  return performance.now() - began
}

/** Signatures with recovery id over texts, and what @noble/curves takes to find the key that made each. */
export function signed(count) {
  const secret = new Uint8Array(32).fill(3)
  const key = secp256k1.getPublicKey(secret, true)
  const inputs = Array.from({ length: count }, () => crypto.getRandomValues(new Uint8Array(221)))
  return Promise.all(inputs.map(async (input) => {
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', input))
    const signature = secp256k1.sign(hash, secret)
    return { input, hash, signature: new Uint8Array([...signature.toCompactRawBytes(), signature.recovery]) }
  })).then((all) => ({ key, all }))
}

export function recover({ key, all }) {
  const expected = key.join()
  const began = performance.now()
  for (const { hash, signature } of all) {
    const found = secp256k1.Signature.fromCompact(signature.subarray(0, 64)).addRecoveryBit(signature[64]).recoverPublicKey(hash)
    if (found.toRawBytes(true).join() !== expected) throw new Error('another key')
  }
  return performance.now() - began
}

/** Three DIDs that can read `count` secrets of 1,000 bytes. */
export async function readers(count) {
  const seeds = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte))
  const people = seeds.map((seed) => new DID({ provider: new Ed25519Provider(seed), resolver: KeyResolver.getResolver() }))
  for (const did of people) await did.authenticate()
  const to = people.map(({ id }) => id)
  const secrets = []
  for (let n = 0; n < count; n += 1) secrets.push(await people[0].createJWE(new Uint8Array(1_000).fill(7), to))
  return { seeds, people, to, secrets }
}

/** Milliseconds that encrypting as many takes. */
export async function encrypt({ people, to, secrets }) {
  const content = new Uint8Array(1_000).fill(7)
  const began = performance.now()
  for (let n = 0; n < secrets.length; n += 1) JSON.stringify(await people[0].createJWE(content, to))
  return performance.now() - began
}

/** Milliseconds that decrypting them takes, by one reader after the other. */
export async function decrypt({ people, secrets }) {
  const texts = secrets.map((secret) => JSON.stringify(secret))
  const began = performance.now()
  for (const [n, text] of texts.entries()) await people[n % people.length].decryptJWE(JSON.parse(text))
  return performance.now() - began
}
