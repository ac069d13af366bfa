// Two wasm modules: whoever only reads downloads the smaller one, and the whole one takes its place when it is wanted.

import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { ready, setUp, short } from '../support/page.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'

const here = setUp({ short })
const { withPage, withTabs } = here
const READER = '/dist/ostrakon_reader_bg.wasm'
const WHOLE = '/dist/ostrakon_bg.wasm'
/** Modules that pages fetched since the test began, in order; what `refuse` holds is answered with 404. */
const fetched = []
const refuse = new Set()
const stranger = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK'
let chain
before(async () => (chain = await startChain()))
after(() => chain?.stop())
beforeEach(() => {
  fetched.length = 0
  for (const path of [READER, WHOLE]) {
    here.server.page(path, (request, response) => {
      fetched.push(path)
      if (!refuse.has(path)) return false
      response.statusCode = 404
      response.end()
      return true
    })
  }
})

test('whoever only reads downloads the smaller module, and signing in loads the other, which is the only one after a reload', () =>
  withPage(async (page) => {
    await giveWallets(page, chain)
    const read = () =>
      page.evaluate(async (id) => {
        globalThis.node = await ostrakon.createNode()
        await node.importCar(await car('/cars/short'))
        const { tip } = await node.load(id)
        return { tip, sessions: (await node.sessions()).length, documents: (await node.documents.list()).length }
      }, short.id)
    const first = await read()
    assert.deepEqual(fetched, [READER])
    const did = await page.evaluate(async () => (await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })).did)
    assert.deepEqual(fetched, [READER, WHOLE])
    await ready(page, here.server.url)
    assert.deepEqual(await read(), { ...first, sessions: 1 })
    assert.deepEqual(fetched, [READER, WHOLE, WHOLE])
    assert.match(did, /^did:pkh:eip155:/)
  }))

test('while the module is replaced, calls are answered and what was followed is followed on', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(
      async ([id, stranger]) => {
        const node = await ostrakon.createNode()
        await node.importCar(await car('/cars/short?length=3'))
        const doc = await node.load(id)
        const tips = []
        void (async () => {
          for await (const state of doc) tips.push(state.log.length)
        })()
        const [secret, ...read] = await Promise.all([
          node.encrypt({ n: 1 }, { to: [stranger] }),
          ...Array.from({ length: 20 }, async (_, round) => {
            await new Promise((resolve) => setTimeout(resolve, round * 25))
            return (await node.load(id)).log.length
          }),
        ])
        await node.importCar(await car('/cars/short'))
        const { length } = (await node.load(id)).log
        while (tips.at(-1) !== length) await new Promise((resolve) => setTimeout(resolve, 10))
        return { recipients: secret.recipients.length, read, last: tips.at(-1) }
      },
      [short.id, stranger],
    )
    assert.deepEqual(seen, { recipients: 1, read: Array(20).fill(3), last: 10 })
  }))

test('if the whole module cannot be loaded, the call says so, reading goes on, and the next call tries again', () =>
  withPage(
    async (page) => {
      refuse.add(WHOLE)
      const [error, length] = await page.evaluate(
        async ([id, stranger]) => {
          globalThis.node = await ostrakon.createNode()
          await node.importCar(await car('/cars/short'))
          const error = await failure(node.encrypt({ n: 1 }, { to: [stranger] }))
          return [error, (await node.load(id)).log.length]
        },
        [short.id, stranger],
      )
      refuse.delete(WHOLE)
      assert.equal(error.code, 'wasm-unavailable')
      assert.match(error.hint, /wasmUrl/)
      assert.equal(length, 10)
      assert.equal(await page.evaluate(async (to) => (await node.encrypt({ n: 1 }, { to: [to] })).recipients.length, stranger), 1)
    },
    { problems: true },
  ))

test('a tab that writes makes the tab that owns the node load the whole module', () =>
  withTabs(2, async ([owner, other]) => {
    fetched.length = 0
    assert.equal(await other.evaluate(async (to) => (await node.encrypt({ n: 1 }, { to: [to] })).recipients.length, stranger), 1)
    assert.deepEqual(fetched, [WHOLE])
    assert.equal(await owner.evaluate(async (to) => (await node.encrypt({ n: 1 }, { to: [to] })).recipients.length, stranger), 1)
    assert.deepEqual(fetched, [WHOLE])
  }))
