// A tab and the real Helia, alone with each other: blocks both ways by bitswap, messages both ways by gossipsub.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as dagCbor from '@ipld/dag-cbor'
import { sha256 } from 'multiformats/hashes/sha2'
import { setUp, short } from '../support/page.mjs'
import { read } from './support/car.mjs'
import { startHelia } from './support/foreign.mjs'

const here = setUp({ short })
const NETWORK = 'local-interop'
const blocks = [...read(short.car()).blocks].map(([cid, bytes]) => ({ cid, base64: Buffer.from(bytes).toString('base64') }))
const tipAfter = (events) => short.log[events - 1]
const last = short.log.length

/** A new Helia, and a tab with a node that is connected to it and to nobody else. */
const connected = (body) =>
  here.withPage(async (page) => {
    const helia = await startHelia({ topic: `/ceramic/${NETWORK}` })
    try {
      const peerId = await page.evaluate(
        async ([network, address]) => {
          globalThis.node = await ostrakon.createNode({ network, peers: [address] })
          globalThis.look = ({ tip, content, log, source }) => ({ tip, content, log: log.map(({ cid }) => cid), source })
          return node.peerId
        },
        [NETWORK, helia.address],
      )
      for (let tries = 0; !(await helia.ask('topicPeers')).includes(peerId); tries++) {
        assert.ok(tries < 100, 'Helia does not see that the tab listens')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      await body(page, helia)
      await page.evaluate(() => node.stop())
    } finally {
      await helia.stop()
    }
  })

test('they find the protocols they share', () =>
  connected(async (page, helia) => {
    const { agent, muxer, protocols } = await helia.event('identified')
    assert.match(agent, /^ostrakon/)
    assert.equal(muxer, '/yamux/1.0.0')
    for (const protocol of ['/ipfs/bitswap/1.2.0', '/meshsub/1.1.0', '/ipfs/id/1.0.0', '/ipfs/ping/1.0.0']) assert.ok(protocols.includes(protocol), protocol)
    await page.waitForFunction(() => /libp2p|helia/.test(node.status.peers[0]?.agent))
  }))

test('the tab asks Helia for a document, hears its tip and later a newer one, and fetches every block from it', () =>
  connected(async (page, helia) => {
    for (const block of blocks) await helia.ask('put', block)
    const loading = page.evaluate(async (id) => look((globalThis.document_ = await node.load(id))), short.id)
    const { message } = await helia.event('message', ({ message }) => message.typ === 1 && message.stream === short.id)
    await helia.ask('publish', { message: { typ: 2, id: message.id, tips: { [short.id]: tipAfter(4) } } })
    const loaded = await loading
    assert.deepEqual([loaded.tip, loaded.log, loaded.source], [tipAfter(4), short.log.slice(0, 4), 'network'])

    const following = page.evaluate(async (tip) => {
      for await (const state of document_) if (state.tip === tip) return look(state)
    }, tipAfter(last))
    await helia.ask('publish', { message: { typ: 0, stream: short.id, tip: tipAfter(last) } })
    const followed = await following
    assert.deepEqual([followed.log, followed.content], [short.log, short.content])
  }))

test('Helia asks the tab for a document, hears its tip, and fetches every block from it', () =>
  connected(async (page, helia) => {
    await page.evaluate(async () => void (await node.importCar(await car('/cars/short'))))
    // The id under which every node asks for a document.
    const { bytes } = await sha256.digest(dagCbor.encode({ typ: 1, stream: short.id }))
    const id = Buffer.from(bytes).toString('base64url')
    await helia.ask('publish', { message: { typ: 1, id, stream: short.id } })
    const { message } = await helia.event('message', ({ message }) => message.typ === 2 && message.id === id)
    assert.deepEqual(message.tips, { [short.id]: tipAfter(last) })
    for (const { cid, base64 } of blocks) assert.equal(await helia.ask('get', { cid }), base64)
  }))
