// Helia, blocks and topics alone: `node helia.mjs '{"topic"}'`. Listens on a WebSocket of 127.0.0.1 only and calls nobody.
// The package `helia` itself would bring WebRTC as a binary; its parts do without.
import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { bitswap } from '@helia/block-brokers'
import { Helia } from '@helia/utils'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { answer, tell } from '../support/answer.mjs'

const { topic } = JSON.parse(process.argv[2])
const libp2p = await createLibp2p({
  start: false,
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
  transports: [webSockets()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) },
})
const helia = new Helia({ libp2p, blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore(), blockBrokers: [bitswap()], routers: [] })
await helia.start()
const { pubsub } = libp2p.services
pubsub.addEventListener('message', ({ detail: { data } }) => tell('message', { message: JSON.parse(new TextDecoder().decode(data)) }))
pubsub.subscribe(topic)
libp2p.addEventListener('peer:identify', ({ detail }) =>
  tell('identified', { agent: detail.agentVersion, protocols: detail.protocols, muxer: detail.connection.multiplexer }))

/** A block, whatever this version's store calls one. */
async function bytes(block) {
  if (block instanceof Uint8Array) return block
  const parts = []
  for await (const part of block) parts.push(part)
  return Buffer.concat(parts)
}

const calls = {
  async put({ cid, base64 }) {
    const block = new Uint8Array(Buffer.from(base64, 'base64'))
    const real = CID.create(1, CID.parse(cid).code, await sha256.digest(block))
    if (real.toString() !== cid) throw new Error(`that block is ${real}`)
    await helia.blockstore.put(real, block)
  },
  /** Asks its peers; it has no other way. */
  get: async ({ cid }) => Buffer.from(await bytes(await helia.blockstore.get(CID.parse(cid), { signal: AbortSignal.timeout(20_000) }))).toString('base64'),
  publish: async ({ message }) => void (await pubsub.publish(topic, new TextEncoder().encode(JSON.stringify(message)))),
  topicPeers: async () => pubsub.getSubscribers(topic).map(String),
}

answer(calls, () => helia.stop())
tell('ready', { address: libp2p.getMultiaddrs().map(String)[0], protocols: libp2p.getProtocols() })
