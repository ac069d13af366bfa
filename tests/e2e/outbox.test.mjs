// What one browser writes, another one has: through the real devnet, by people who share nothing but a document's id.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, openPage } from '../support/chromium.mjs'
import { ready, servePackage } from '../support/page.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'
import { Devnet } from './devnet.mjs'

let browser, server, chain, devnet
before(async () => ([browser, server, chain, devnet] = await Promise.all([launch(), servePackage(), startChain(), Devnet.start()])))
after(() => Promise.allSettled([browser?.close(), server?.close(), chain?.stop(), devnet?.close()]))

/** A profile of its own, with a node that knows the devnet. */
async function person(options = {}) {
  const page = await ready(await openPage(browser), server.url)
  await giveWallets(page, chain)
  await page.evaluate(async (options) => void (globalThis.node = await ostrakon.createNode(options)), { network: devnet.json.network, peers: devnet.json.peers, ...options })
  return page
}

test('a document written offline is published when a peer comes, and arrives, changes and all, in another profile', async () => {
  const ada = await person({ peers: [] })
  const id = await ada.evaluate(async () => {
    await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })
    const doc = await node.create('tile', { content: { n: 0 } })
    await doc.update({ n: 1 })
    const [{ reason }, ...more] = await node.outbox.list()
    if (reason !== 'no-peers' || more.length > 0) throw new Error('the outbox holds something else')
    await node.stop()
    return doc.id
  })
  const { network, peers } = devnet.json
  await ada.evaluate(
    async (options) => {
      globalThis.node = await ostrakon.createNode(options)
      globalThis.steps = []
      node.on('outbox', ({ id, status }) => steps.push([id, status.state]))
    },
    { network, peers },
  )
  await ada.waitForFunction((id) => steps.some(([of, state]) => of === id && state === 'seen'), id, { timeout: 30_000 })
  await ada.waitForFunction(async () => (await node.outbox.list()).length === 0)
  const bob = await person()
  assert.deepEqual(await bob.evaluate(async (id) => (await node.load(id)).content, id), { n: 1 })
  const watching = bob.evaluate(async (id) => {
    for await (const { content } of await node.load(id)) if (content.n === 3) return content
  }, id)
  const status = await ada.evaluate(async (id) => {
    const doc = await node.load(id)
    await doc.update({ n: 2 })
    const last = await doc.update({ n: 3 })
    for await (const state of last) if (state.status.state === 'seen') return state.status
  }, id)
  assert.deepEqual(await watching, { n: 3 })
  assert.equal(status.state, 'seen')
  assert.ok(status.peers >= 1)
  for (const page of [ada, bob]) assert.deepEqual(page.problems, [])
})
