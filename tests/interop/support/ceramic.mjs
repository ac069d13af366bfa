// The real js-ceramic over blocks in memory: its log syncer, state manipulator and handlers judge every document as a whole,
// its classes for documents write. What a node does besides (storage, network, anchors) is left out.
import { CeramicSigner, EnvironmentUtils } from '@ceramicnetwork/common'
import { CommitID, StreamID, StreamRef } from '@ceramicnetwork/streamid'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagJose from 'dag-jose'
import { DID } from 'dids'
import KeyResolver from 'key-did-resolver'
import cloneDeep from 'lodash.clonedeep'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { getResolver as pkhResolver } from 'pkh-did-resolver'
import { HandlersMap } from '../node_modules/@ceramicnetwork/core/lib/handlers-map.js'
import { LogSyncer } from '../node_modules/@ceramicnetwork/core/lib/stream-loading/log-syncer.js'
import { StateManipulator } from '../node_modules/@ceramicnetwork/core/lib/stream-loading/state-manipulator.js'
import { read, write } from './car.mjs'

EnvironmentUtils.setIpfsFlavor('go')
export const resolver = { ...KeyResolver.getResolver(), ...pkhResolver() }
const codecs = { [dagCbor.code]: dagCbor, [dagJose.code]: dagJose }
const logger = { err: console.error, warn() {}, verbose() {}, debug() {}, imp() {} }
const handlers = new HandlersMap(logger)

/** One that can judge, and also write if it is given the DID of somebody who can sign. */
export class Ceramic {
  constructor(did = new DID({ resolver })) {
    this.signer = CeramicSigner.fromDID(did)
    this.blocks = new Map()
    const retrieve = async (cid) => {
      const bytes = this.blocks.get(cid.toString())
      if (!bytes) throw new Error(`no block ${cid}`)
      return cloneDeep(codecs[cid.code].decode(bytes))
    }
    const loader = { retrieveCommit: retrieve, retrieveFromIPFS: retrieve }
    const context = { signer: this.signer, loggerProvider: {}, api: this, loadStream: (id) => this.loadStream(id) }
    this.syncer = new LogSyncer(loader)
    this.states = new StateManipulator(logger, handlers, this.syncer, context)
    this.tips = new Map()
  }

  /** Takes over the blocks of an archive, and the document at `tip`, or else at the first root. */
  async take(id, archive, tip) {
    const { roots, blocks } = read(Buffer.from(archive, 'base64'))
    for (const [cid, bytes] of blocks) {
      const real = CID.create(1, CID.parse(cid).code, await sha256.digest(bytes))
      if (real.toString() !== cid) throw new Error(`another block calls itself ${cid}`)
      this.blocks.set(cid, bytes)
    }
    return this.load(StreamID.fromString(id), CID.parse(tip ?? roots[0].toString()))
  }

  /** Every event up to `tip` must be good. */
  async load(id, tip) {
    const log = await this.syncer.syncFullLog(id, tip)
    const state = await this.states.applyFullLog(id.type, log, { throwOnInvalidCommit: true })
    this.tips.set(id.toString(), tip)
    return this.document(state)
  }

  document(value) {
    const state$ = { value, next: (next) => (state$.value = next), subscribe() {} }
    return new (handlers.get(value.type).stream_constructor)(state$, this)
  }

  async loadStream(ref) {
    const of = StreamRef.from(ref)
    return this.load(of.baseID, of instanceof CommitID ? of.commit : this.tips.get(of.baseID.toString()))
  }

  async createStreamFromGenesis(type, commit) {
    const cid = await this.put(commit)
    return this.load(new StreamID(type, cid), cid)
  }

  async applyCommit(id, commit) {
    return this.load(id, await this.put(commit))
  }

  async put(commit) {
    const keep = async (code, bytes) => {
      const cid = CID.create(1, code, await sha256.digest(bytes))
      this.blocks.set(cid.toString(), bytes)
      return cid
    }
    if (!commit.jws) return keep(dagCbor.code, dagCbor.encode(commit))
    await keep(dagCbor.code, commit.linkedBlock)
    if (commit.cacaoBlock) await keep(dagCbor.code, commit.cacaoBlock)
    return keep(dagJose.code, dagJose.encode(commit.jws))
  }

  /** All blocks, for Ostrakon. */
  archive(document) {
    return write([document.tip], this.blocks).toString('base64')
  }
}
