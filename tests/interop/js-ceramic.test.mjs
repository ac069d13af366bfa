// A tab and the real js-ceramic, alone with each other: what either makes the other loads and follows, by js-ceramic's own
// protocols (queries and updates by gossipsub, blocks by bitswap), over the muxer that stock js-ipfs has and over yamux.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setUp } from '../support/page.mjs'
import { startJsCeramic, startOstrakon } from './support/foreign.mjs'
import { ethereum } from './support/wallets.mjs'

const here = setUp({})
const NETWORK = 'local-interop'
const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties: { text: { type: 'string', maxLength: 40 } }, required: ['text'], additionalProperties: false }
const MODEL = { version: '1.0', name: 'Note', accountRelation: { type: 'list' }, schema }

for (const muxers of [['mplex'], ['mplex', 'yamux']]) {
  describe(`with js-ceramic that has ${muxers.join(' and ')}`, () => {
    let js
    before(async () => (js = await startJsCeramic({ topic: `/ceramic/${NETWORK}`, muxers })))
    after(() => js?.stop())

    /** A new tab, connected to js-ceramic (or to `peer`) and to nobody else, signed in by a wallet. */
    const connected = (body, peer = js) =>
      here.withPage(async (page) => {
        const wallet = ethereum()
        await page.exposeFunction('walletRequest', ({ method, params }) => (/accounts$/i.test(method) ? [wallet.address] : wallet.request({ method, params })))
        const tab = await page.evaluate(
          async ([network, address]) => {
            globalThis.node = await ostrakon.createNode({ network, peers: [address] })
            globalThis.session = await node.connectWallet({ request: (what) => walletRequest(what), on() {}, removeListener() {} }, { resources: ['ceramic://*'] })
            globalThis.look = ({ id, tip, content, log, source, metadata }) => ({ id, tip, content, log: log.map(({ cid }) => cid), source, controller: metadata.controllers[0] })
            // What is seen of a document that is followed, until it is what one waits for.
            globalThis.until = async (document, fits) => {
              if (!fits(document)) for await (const state of document) if (fits((document = state))) break
              return look(document)
            }
            return { peerId: node.peerId, did: session.did }
          },
          [NETWORK, peer.address],
        )
        if (peer === js) await listening(tab.peerId)
        await body(page, tab)
      })
    const listening = async (peerId) => {
      for (let tries = 0; !(await js.ask('peers'))[peerId]; tries++) {
        assert.ok(tries < 100, `js-ceramic does not see ${peerId}: ${JSON.stringify(await js.ask('peers'))}`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }

    /** The tab loads it, and it is the same to the last event. */
    const loads = async (page, theirs) => {
      const ours = await page.evaluate(async (id) => look((globalThis.document_ = await node.load(id))), theirs.id)
      const { id, tip, log, content, controller } = theirs
      assert.deepEqual(ours, { id, tip, log, content, controller, source: 'network' })
    }
    /** The document that the tab loaded last gets there. */
    const follows = async (page, theirs) => {
      const ours = await page.evaluate((tip) => until(document_, (document) => document.tip === tip), theirs.tip)
      assert.deepEqual([ours.tip, ours.log, ours.content], [theirs.tip, theirs.log, theirs.content])
    }

    test('both agree on the muxer, and js-ipfs says who it is', () =>
      connected(async (page, { peerId }) => {
        assert.match((await js.ask('peers'))[peerId], muxers.includes('yamux') ? /yamux/ : /mplex/)
        const agent = await page.evaluate(async () => {
          for (;;) {
            const [peer] = node.status.peers
            if (peer?.agent) return peer.agent
            await new Promise((resolve) => setTimeout(resolve, 50))
          }
        })
        assert.match(agent, /^js-ipfs/)
      }))

    test('the tab loads a tile and a model’s instance that js-ceramic made, and follows both', () =>
      connected(async (page) => {
        const tile = await js.ask('createTile', { content: { hello: 'wörld', n: [1, 0.5, null] } })
        await loads(page, await js.ask('update', { kind: 'tile', id: tile.id, content: { hello: 'again' } }))
        await follows(page, await js.ask('update', { kind: 'tile', id: tile.id, content: { hello: 'live' } }))

        const { id: model } = await js.ask('createModel', { model: MODEL })
        const instance = await js.ask('createInstance', { model, content: { text: 'one' } })
        await loads(page, instance)
        await follows(page, await js.ask('update', { kind: 'instance', id: instance.id, content: { text: 'two' } }))
      }))

    test('js-ceramic loads a tile, a model and its instance that the tab made, follows them, and has every block from the tab', () =>
      connected(async (page, { did }) => {
        const made = await page.evaluate(async (definition) => {
          globalThis.tile = await node.create('tile', { content: { from: 'the tab' } })
          globalThis.tile = await tile.update({ from: 'the tab', n: 1 })
          const model = await node.create('model', definition)
          globalThis.instance = await node.create('modelInstance', { model: model.id, content: { text: 'one' } })
          return [tile, model, instance].map(look)
        }, MODEL)
        for (const one of made) {
          assert.deepEqual(await js.ask('kept', { cids: one.log }), [], 'nothing is there before')
          const theirs = await js.ask('load', { id: one.id })
          assert.deepEqual([theirs.tip, theirs.log, theirs.controller], [one.tip, one.log, did])
          assert.deepEqual(theirs.content, one.content)
          assert.deepEqual(await js.ask('kept', { cids: one.log }), one.log)
        }
        const [tile, , instance] = made
        for (const [name, { id }, content] of [['tile', tile, { from: 'the tab', n: 2 }], ['instance', instance, { text: 'two' }]]) {
          const { tip } = await page.evaluate(async ([name, content]) => look((globalThis[name] = await globalThis[name].update(content))), [name, content])
          const theirs = await js.event('state', (state) => state.id === id && state.tip === tip)
          assert.deepEqual([theirs.content, theirs.log.length], [content, name === 'tile' ? 3 : 2])
        }
        // Asked for the tip, js-ceramic names the tab's: nothing waits to be published any more.
        await page.waitForFunction(async () => (await node.outbox.list()).every(({ id }) => ![tile.id, instance.id].includes(id)), undefined, { timeout: 60_000 })
      }))

    test('the tab follows a tile of js-ceramic through an Ostrakon peer that is connected to it', async () => {
      const tile = await js.ask('createTile', { content: { n: 0 } })
      const peer = await startOstrakon({ network: NETWORK, peers: [js.address], follow: [tile.id] })
      try {
        await listening(peer.peerId)
        await connected(async (page) => {
          await loads(page, tile)
          await follows(page, await js.ask('update', { kind: 'tile', id: tile.id, content: { n: 1 } }))
        }, peer)
      } finally {
        await peer.stop()
      }
    })
  })
}
