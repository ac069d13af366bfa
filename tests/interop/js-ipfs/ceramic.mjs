// js-ceramic 6.11 as it was before ceramic-one, a node of pubsub and bitswap on js-ipfs: `node ceramic.mjs '{"dir","topic","muxers"}'`.
// Listens on a WebSocket of 127.0.0.1 only and calls nobody. Its index, which would need a database, is off; it plays no part
// in syncing.
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { EnvironmentUtils, LoggerProvider, LogLevel, StreamUtils, SyncOptions } from '@ceramicnetwork/common'
import { Ceramic } from '@ceramicnetwork/core'
import { Model } from '@ceramicnetwork/stream-model'
import { ModelInstanceDocument } from '@ceramicnetwork/stream-model-instance'
import { TileDocument } from '@ceramicnetwork/stream-tile'
import { StreamID } from '@ceramicnetwork/streamid'
import { DID } from 'dids'
import { create } from 'ipfs-core'
import { Ed25519Provider } from 'key-did-provider-ed25519'
import KeyResolver from 'key-did-resolver'
import { CID } from 'multiformats/cid'
import { getResolver as pkhResolver } from 'pkh-did-resolver'
import { answer, tell } from '../support/answer.mjs'

const { dir, topic, muxers } = JSON.parse(process.argv[2])
EnvironmentUtils.setIpfsFlavor('go')

const more = muxers.includes('yamux') ? [(await import('@chainsafe/libp2p-yamux')).yamux()] : []
const ipfs = await create({
  repo: path.join(dir, 'ipfs'),
  silent: true,
  init: { algorithm: 'Ed25519', emptyRepo: true },
  preload: { enabled: false },
  relay: { enabled: false },
  libp2p: { streamMuxers: more }, // mplex is there in any case
  config: {
    Addresses: { Swarm: ['/ip4/127.0.0.1/tcp/0/ws'], API: '', Gateway: '', Delegates: [], RPC: '' },
    Bootstrap: [],
    Discovery: { MDNS: { Enabled: false }, webRTCStar: { Enabled: false } },
    Pubsub: { Enabled: true, Router: 'gossipsub' },
    Routing: { Type: 'none' },
    Swarm: { DisableNatPortMap: true, ConnMgr: { LowWater: 0, HighWater: 100 } },
  },
})

const ceramic = await Ceramic.create(
  ipfs,
  {
    networkName: 'inmemory',
    pubsubTopic: topic,
    stateStoreDirectory: path.join(dir, 'state'),
    anchorOnRequest: false,
    useCentralizedPeerDiscovery: false,
    indexing: { db: 'sqlite://unused', disableComposedb: true, enableHistoricalSync: false },
    loggerProvider: new LoggerProvider({ logLevel: LogLevel.warn, logToFiles: false }),
  },
  { cliPackageVersion: '6.11.0', gitHash: '', ceramicOneVersion: '' },
)
const did = new DID({ provider: new Ed25519Provider(randomBytes(32)), resolver: { ...KeyResolver.getResolver(), ...pkhResolver() } })
await did.authenticate()
ceramic.did = did

const WRITE = { anchor: false, publish: true, pin: true }
const kinds = { tile: TileDocument, instance: ModelInstanceDocument }
const view = (stream) => ({
  id: stream.id.toString(),
  tip: stream.tip.toString(),
  log: stream.state.log.map(({ cid }) => cid.toString()),
  content: stream.content,
  controller: stream.state.metadata.controllers[0],
  state: StreamUtils.serializeState(stream.state),
})
const followed = new Map()
/** From now on each change is told. */
const follow = (stream) => {
  const { id } = view(stream)
  if (!followed.has(id)) followed.set(id, stream.subscribe(() => tell('state', view(stream))))
  return view(stream)
}

const calls = {
  createTile: async ({ content }) => follow(await TileDocument.create(ceramic, content, undefined, WRITE)),
  /** Many tiles of so many events each; the CommitIDs of their tips, and their ids. */
  async createTiles({ count, events }) {
    const made = []
    for (let n = 0; n < count; n++) {
      const tile = await TileDocument.create(ceramic, { n, event: 0 }, undefined, WRITE)
      for (let event = 1; event < events; event++) await tile.update({ n, event }, undefined, WRITE)
      made.push({ id: tile.id.toString(), commit: tile.commitId.toString() })
    }
    return made
  },
  createModel: async ({ model }) => view(await Model.create(ceramic, model)),
  createInstance: async ({ content, model }) => follow(await ModelInstanceDocument.create(ceramic, content, { model: StreamID.fromString(model) }, WRITE)),
  async update({ kind, id, content }) {
    const stream = await kinds[kind].load(ceramic, id)
    await (kind === 'tile' ? stream.update(content, undefined, WRITE) : stream.replace(content, undefined, WRITE))
    return view(stream)
  },
  /** Asks the network for the tip. */
  load: async ({ id }) => follow(await ceramic.loadStream(id, { sync: SyncOptions.SYNC_ALWAYS, syncTimeoutSeconds: 10 })),
  /** Which of these blocks it keeps; nobody else is asked. */
  async kept({ cids }) {
    const kept = new Set()
    for await (const { ref } of ipfs.refs.local()) kept.add(CID.parse(ref).multihash.digest.join())
    return cids.filter((cid) => kept.has(CID.parse(cid).multihash.digest.join()))
  },
  /** Who is connected and listens on the topic: peer id to muxer. */
  async peers() {
    const listening = (await ipfs.pubsub.peers(topic)).map(String)
    const peers = await ipfs.swarm.peers({ verbose: true })
    return Object.fromEntries(peers.map(({ peer, muxer }) => [peer.toString(), muxer]).filter(([peer]) => listening.includes(peer)))
  },
}

answer(calls, async () => {
  await ceramic.close()
  await ipfs.stop()
})
const { addresses, protocols } = await ipfs.id()
tell('ready', { address: addresses.map(String).find((one) => one.includes('/ws/')), protocols, did: did.id })
