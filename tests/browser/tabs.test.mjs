// Several tabs of one origin share one node; when the owner goes, another takes over.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPage } from '../support/chromium.mjs'
import { ready, setUp, short, unknown } from '../support/page.mjs'

const here = setUp()
const { withTabs } = here

/** Which Web Locks the tabs hold and wait for: who owns the node is known to the browser alone. */
const owners = (page) => page.evaluate(async () => (await navigator.locks.query()).held.filter(({ name }) => name === 'ostrakon/ostrakon').length)

test('a second tab works through the first, and both hear of changes', () =>
  withTabs(2, async ([first, second]) => {
    assert.equal(await owners(first), 1)
    assert.equal(await first.evaluate(() => node.peerId), await second.evaluate(() => node.peerId))
    await first.evaluate(() => void (globalThis.heard = new Promise((resolve) => node.on('document', resolve))))
    await second.evaluate(async () => node.importCar(await car('/cars/short?length=4')))
    assert.deepEqual(await first.evaluate(() => heard), { id: short.id, tip: short.log[3] })
    assert.equal(await first.evaluate(async (id) => (await node.load(id)).log.length, short.id), 4)
    await second.evaluate(async (id) => {
      const doc = await node.load(id)
      globalThis.seen = []
      void (async () => {
        for await (const state of doc) seen.push(state.log.length)
      })()
    }, short.id)
    await second.waitForFunction(() => seen.length === 1)
    await first.evaluate(async () => node.importCar(await car('/cars/short')))
    await second.waitForFunction(() => seen.at(-1) === 10)
    const error = await second.evaluate(() => failure(node.load('nonsense')))
    assert.equal(error.code, 'invalid-id')
  }))

for (const [how, leave] of [
  ['closes', (page) => page.close()],
  ['stops its node', (page) => page.evaluate(() => node.stop())],
  ['navigates away', (page) => page.goto('about:blank')],
  ['loses its worker', (page) => page.workers()[0].evaluate(() => self.close())],
]) {
  test(`when the owner ${how}, another tab takes over with calls and iterations unbroken`, () =>
    withTabs(3, async ([first, second, third]) => {
      await second.evaluate(async (id) => {
        await node.importCar(await car('/cars/short?length=2'))
        const doc = await node.load(id)
        globalThis.seen = []
        void (async () => {
          for await (const state of doc) seen.push(state.log.length)
        })()
      }, short.id)
      await second.waitForFunction(() => seen.length === 1)
      for (const page of [second, third]) {
        await page.evaluate((id) => void (globalThis.pending = failure(node.load(id, { timeout: 6_000 })).then(({ code }) => code)), unknown)
      }
      await leave(first)
      const kept = await third.evaluate(async (id) => (await node.load(id)).log.length, short.id)
      assert.equal(kept, 2)
      await third.evaluate(async () => node.importCar(await car('/cars/short')))
      await second.waitForFunction(() => seen.at(-1) === 10)
      assert.equal(await owners(third), 1)
      for (const page of [second, third]) assert.match(await page.evaluate(() => pending), /^(timeout|offline)$/)
    }))
}

test('when the owner closes, a write that nobody can tell was done fails, and one that it never had is done', () =>
  withTabs(2, async ([first, second]) => {
    await second.evaluate(async () => {
      const text = (value) => btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
      const did = 'did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z'
      globalThis.asked = 0
      // A provider that says who it is, and then leaves its user thinking.
      const provider = {
        async send({ id, method, params }) {
          if (method !== 'did_authenticate') return ++asked && new Promise(() => {})
          const payload = text({ did, nonce: params.nonce, aud: params.aud, paths: [], exp: Math.floor(Date.now() / 1000) + 600 })
          return { jsonrpc: '2.0', id, result: { payload, signatures: [{ protected: text({ alg: 'EdDSA', kid: `${did}#z` }), signature: 'A'.repeat(86) }] } }
        },
      }
      const session = await node.useDid(provider)
      globalThis.pending = failure(node.create('tile', { content: { n: 1 } }, { session }))
    })
    await second.waitForFunction(() => asked === 1)
    await first.close()
    assert.equal((await second.evaluate(() => pending)).code, 'interrupted')
    assert.deepEqual(await second.evaluate(() => node.documents.list()), [])
    // The provider is known to the new owner without another word of the page's.
    await second.evaluate(async () => void node.create('tile', { content: { n: 2 } }, { session: node.session }))
    await second.waitForFunction(() => asked === 2)
  }))

test('when the owner crashes, calls under way fail in every tab and iterations go on', () =>
  withTabs(2, async ([first, second]) => {
    await second.evaluate(async ([id, unknown]) => {
      await node.importCar(await car('/cars/short?length=2'))
      const doc = await node.load(id)
      globalThis.seen = []
      void (async () => {
        for await (const state of doc) seen.push(state.log.length)
      })()
      globalThis.pending = failure(node.load(unknown))
    }, [short.id, unknown])
    await second.waitForFunction(() => seen.length === 1)
    await first.workers()[0].evaluate(() => void setTimeout(() => { throw new WebAssembly.RuntimeError('unreachable') }))
    assert.equal((await second.evaluate(() => pending)).code, 'worker-crashed')
    await first.evaluate(async () => node.importCar(await car('/cars/short')))
    await second.waitForFunction(() => seen.at(-1) === 10)
  }))

test('a tab that wants another network under the same name is told so; another name is another node', () =>
  withTabs(1, async ([page]) => {
    const error = await page.evaluate(() => failure(ostrakon.createNode({ network: 'elsewhere' })))
    assert.equal(error.code, 'name-in-use')
    assert.match(error.hint, /name/)
    const [own, other] = await page.evaluate(async () => [node.peerId, (await ostrakon.createNode({ network: 'elsewhere', name: 'two' })).peerId])
    assert.notEqual(own, other)
  }))

test('what a closed tab had asked for ends with it', () =>
  withTabs(2, async ([first, second]) => {
    await first.evaluate(async () => node.importCar(await car('/cars/short?length=2')))
    await second.evaluate(async (id) => {
      const states = (await node.load(id))[Symbol.asyncIterator]()
      await states.next()
    }, short.id)
    const spy = await first.context().newPage()
    await ready(spy, here.server.url)
    await spy.evaluate(() => {
      globalThis.replies = 0
      new BroadcastChannel('ostrakon/ostrakon').onmessage = ({ data }) => void (data.reply && replies++)
    })
    await first.evaluate(async () => node.importCar(await car('/cars/short?length=4')))
    await spy.waitForFunction(() => replies === 1)
    await second.close()
    // Left are the owner's lock and its life, for which its page waits: the owner has heard of the other's end.
    await first.evaluate(async () => {
      for (let alone = false; !alone; await new Promise((resolve) => setTimeout(resolve, 20))) {
        const { held, pending } = await navigator.locks.query()
        alone = held.length === 2 && pending.length === 1
      }
    })
    await first.evaluate(async () => {
      for (const length of [6, 8, 10]) await node.importCar(await car(`/cars/short?length=${length}`))
      await node.documents.list()
    })
    assert.equal(await spy.evaluate(() => replies), 1)
  }))

test('word of an owner that is no more misleads nobody for long', () =>
  withTabs(2, async ([first, second]) => {
    await first.evaluate(async () => node.importCar(await car('/cars/short')))
    await first.evaluate(() => {
      const status = { online: true, peers: [], documents: 0, blocks: 0, bytes: 0 }
      new BroadcastChannel('ostrakon/ostrakon').postMessage({ from: 'ghost', owner: { wire: 1, network: 'local-1', ready: { peerId: 'ghost', status } } })
    })
    await second.waitForFunction((real) => node.peerId === real, await first.evaluate(() => node.peerId))
    assert.equal(await second.evaluate(async (id) => (await node.load(id, { timeout: 5_000 })).log.length, short.id), 10)
  }))

test('a tab that meets an incompatible version of the package says so', () =>
  withTabs(0, async (_, context) => {
    const [other, page] = [await openPage(here.browser, undefined, { context }), await openPage(here.browser, undefined, { context })]
    await ready(other, here.server.url)
    await other.evaluate(
      () =>
        new Promise((held) => {
          const channel = new BroadcastChannel('ostrakon/ostrakon')
          channel.onmessage = () => channel.postMessage({ from: 'newer', owner: { wire: 1_000, something: 'else' } })
          void navigator.locks.request('ostrakon/ostrakon', () => (held(), new Promise(() => {})))
        }),
    )
    await ready(page, here.server.url)
    const error = await page.evaluate(() => failure(ostrakon.createNode()))
    assert.equal(error.code, 'other-version')
    assert.match(error.hint, /other tabs/)
  }))
