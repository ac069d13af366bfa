// What a page may write, and what is refused before anything leaves it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp, short } from '../support/page.mjs'

const here = setUp({ short })
const { withPage } = here

/** Content that is no JSON, by what is wrong with it, and where the error must point. Evaluated in the page. */
const BAD = `({
  undefined: [{ a: { b: undefined } }, '/a/b'],
  hole: [{ list: [1, , 3] }, '/list/1'],
  'undefined in a list': [{ list: [1, undefined] }, '/list/1'],
  function: [{ f() {} }, '/f'],
  symbol: [{ s: Symbol('s') }, '/s'],
  'symbol as a key': [{ a: { [Symbol('k')]: 1 } }, '/a'],
  bigint: [{ n: [1n] }, '/n/0'],
  NaN: [{ n: NaN }, '/n'],
  infinity: [{ n: -Infinity }, '/n'],
  date: [{ at: new Date(0) }, '/at'],
  map: [{ m: new Map([[1, 2]]) }, '/m'],
  set: [{ s: new Set([1]) }, '/s'],
  bytes: [{ b: new Uint8Array(3) }, '/b'],
  buffer: [{ b: new ArrayBuffer(3) }, '/b'],
  instance: [{ x: new (class Point { x = 1 })() }, '/x'],
  text: [{ x: new String('boxed') }, '/x'],
  regexp: [{ x: /a/ }, '/x'],
  promise: [{ x: Promise.resolve(1) }, '/x'],
  cycle: [(() => { const a = { b: [{}] }; a.b[0].a = a; return a })(), '/b/0/a'],
  'property of a list': [{ list: Object.assign([1], { extra: 2 }) }, '/list'],
  'half a character': [{ t: ['\\ud83d'] }, '/t/0'],
  'half a character as a key': [{ ['\\udc00']: 1 }, '/\\udc00'],
  'a getter that throws': [{ get x() { throw new Error('boo') } }, '/x'],
  'a proxy that throws': [new Proxy({}, { ownKeys() { throw new Error('boo') } }), ''],
  'a key to be escaped': [{ 'a/b': { '~': undefined } }, '/a~1b/~0'],
  deep: [Array.from({ length: 300 }).reduce((inner) => ({ d: inner }), 1), '/d'.repeat(60) + '…'],
  everything: [undefined, ''],
})`

test('content that is not JSON is refused with its path, and nothing of it leaves the page', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(
      async ([bad, id]) => {
        const node = await ostrakon.createNode()
        await node.importCar(await car('/cars/short'))
        const doc = await node.load(id)
        posted.length = 0
        const seen = {}
        for (const [name, [content, path]] of Object.entries((0, eval)(bad))) {
          // A property that is not set is no content of a new tile.
          const create = content === undefined ? { code: 'invalid-content' } : await failure(node.create('tile', { content }))
          const update = await failure(doc.update(content))
          const patch = await failure(doc.patch([{ op: 'replace', path: '/a', value: content }]))
          seen[name] = { path, create, update, patch }
        }
        const size = 10 << 20
        const large = { text: 'x'.repeat(size), list: Array.from({ length: size / 2 }, () => 1), keys: { ['k'.repeat(size)]: 1 } }
        const shared = Array.from({ length: 40 }).reduce((one) => ({ one, other: one }), 'laugh')
        const sizes = {}
        for (const [name, value] of Object.entries({ ...large, shared })) sizes[name] = await failure(doc.update({ [name]: value }))
        return { seen, sizes, posted: posted.length, written: doc.tip === (await node.load(id)).tip }
      },
      [BAD, short.id],
    )
    for (const [name, { path, create, update, patch }] of Object.entries(seen.seen)) {
      for (const error of [create, update, patch]) assert.equal(error.code, 'invalid-content', name)
      assert.ok(update.message.startsWith(`content${path}: `), `${name}: ${update.message}`)
      if (name !== 'everything') assert.ok(create.message.startsWith(`init/content${path.slice(0, 40)}`), `${name}: ${create.message}`)
      assert.ok(patch.message.startsWith(`patch/0/value${path.slice(0, 40)}`), `${name}: ${patch.message}`)
      assert.ok(update.isOstrakonError)
    }
    for (const [name, error] of Object.entries(seen.sizes)) {
      assert.equal(error.code, 'content-too-large', name)
      assert.ok(error.message.startsWith(`content/${name}`), error.message)
      assert.match(error.hint, /256,000/)
    }
    assert.equal(seen.posted, 0)
    assert.ok(seen.written)
  }))

test('who is not signed in is told so, whatever they want to write', () =>
  withPage(async (page) => {
    const codes = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      await node.importCar(await car('/cars/short'))
      const doc = await node.load(id)
      const attempts = [node.create('tile', { content: {} }), node.createMany('tile', [{}]), doc.update({}), doc.patch([]), node.decrypt({}), node.linkAccount({ request: async () => ['0x' + '1'.repeat(40)] })]
      const codes = await Promise.all(attempts.map(async (attempt) => (await failure(attempt)).code))
      return { codes, session: node.session, sessions: await node.sessions().catch(() => 0), tip: (await node.load(id)).tip }
    }, short.id)
    assert.deepEqual(codes.codes, Array.from({ length: 6 }, () => 'no-session'))
    assert.equal(codes.session, undefined)
    assert.equal(codes.tip, short.log.at(-1))
  }))

test('arguments that make no sense are refused by name', () =>
  withPage(async (page) => {
    const codes = await page.evaluate(async () => {
      const node = await ostrakon.createNode()
      const wallet = { request: async () => [] }
      const bad = [
        node.create('novel', {}),
        node.createMany('tile', {}),
        node.encrypt({}, { to: [] }),
        node.encrypt({}, { to: 'did:key:z' }),
        node.connectWallet(wallet, {}),
        node.connectWallet(wallet, { resources: { models: [], documents: [] } }),
        node.connectWallet(wallet, { resources: [7] }),
        node.connectWallet(wallet, { resources: ['ceramic://*'], expiresIn: 'soon' }),
        node.connectWallet(wallet, { resources: ['ceramic://*'], expiresIn: 0 }),
        node.connectWallet(wallet, { resources: ['ceramic://*'], expiresIn: '400d' }),
        node.connectWallet(wallet, { resources: ['ceramic://*'], kind: 'both' }),
        node.connectWallet({}, { resources: ['ceramic://*'] }),
        node.useDid({}),
        node.createPasskey({}),
      ]
      return Promise.all(bad.map(async (attempt) => (await failure(attempt)).code))
    })
    const i = 'invalid-argument'
    assert.deepEqual(codes, [i, i, i, i, 'session-no-resources', 'session-no-resources', i, i, i, i, i, i, i, i])
  }))
