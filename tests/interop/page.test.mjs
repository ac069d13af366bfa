// The package in Chromium: `dids`, outside of the page, uses its sessions as DID providers and judges what it encrypts and signs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DID } from 'dids'
import { setUp } from '../support/page.mjs'
import { TileDocument } from '@ceramicnetwork/stream-tile'
import { Ceramic, resolver } from './support/ceramic.mjs'
import { somebody } from './support/dids.mjs'
import { ethereum } from './support/wallets.mjs'

const here = setUp({})
/** What the page exports of a document, and its newest event. */
const exported = (page, id) =>
  page.evaluate(async (id) => {
    const document = await node.load(id)
    const bytes = await node.exportCar(id)
    return { id, tip: document.tip, car: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) }
  }, id)
const taken = (ceramic, { id, tip, car }) => ceramic.take(id, car, tip)
const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', additionalProperties: false, properties: { text: { type: 'string', maxLength: 20 } } }
const definition = { name: 'Note', version: '2.0', interface: false, implements: [], views: {}, relations: {}, description: '', accountRelation: { type: 'list' }, schema }
const copy = (value) => JSON.parse(JSON.stringify(value))

/** A page with a node and `session`, which a new wallet opens. */
const connected = (options, body) =>
  here.withPage(async (page) => {
    const wallet = ethereum()
    await page.exposeFunction('walletRequest', ({ method, params }) => (/accounts$/i.test(method) ? [wallet.address] : wallet.request({ method, params })))
    const id = await page.evaluate(async (options) => {
      globalThis.node = await ostrakon.createNode({ peers: [] })
      globalThis.session = await node.connectWallet({ request: (what) => walletRequest(what), on() {}, removeListener() {} }, options)
      return session.did
    }, options)
    await body(page, id, wallet)
  })

/** The same of a key that the wallet's signature makes, and `did`, which signs and decrypts by it. */
const signedIn = (body) =>
  connected({ kind: 'key' }, async (page, id) => {
    const send = (request) => page.evaluate((request) => session.provider.send(request), request)
    const did = new DID({ provider: { isDidProvider: true, send }, resolver })
    await did.authenticate()
    assert.equal(did.id, id)
    await body(page, did)
  })

test('dids authenticates, signs and verifies by a session of the page', () =>
  signedIn(async (page, did) => {
    for (const payload of [{ hello: 'wörld' }, { n: [1, 0.5, null, { z: 1, a: 2 }] }]) {
      const jws = await did.createJWS(payload)
      assert.deepEqual((await did.verifyJWS(jws)).payload, payload)
      const { jws: dag, linkedBlock } = await did.createDagJWS(payload)
      await did.verifyJWS(dag)
      assert.ok(linkedBlock.length > 0)
    }
    const { did: stranger } = await somebody()
    const lie = await page.evaluate((did) => session.provider.send({ jsonrpc: '2.0', id: 1, method: 'did_createJWS', params: { did, payload: {} } }), stranger.id)
    assert.equal(lie.error.code, 4100)
  }))

test('what the page encrypts dids decrypts, and what dids encrypts the page decrypts', () =>
  signedIn(async (page, did) => {
    const { did: other } = await somebody()
    const to = [did.id, other.id]
    for (const value of [{ deep: [{ text: 'ü' }, 1, 0.5, null] }, 'text', [1, 2]]) {
      const ours = await page.evaluate(([value, to]) => node.encrypt(value, { to }), [value, to])
      for (const reader of [did, other]) assert.deepEqual(await reader.decryptDagJWE(copy(ours)), value)
      const theirs = copy(await other.createDagJWE(value, to))
      assert.deepEqual(await page.evaluate((secret) => node.decrypt(secret), theirs), value)
    }
    const bytes = [...crypto.getRandomValues(new Uint8Array(1_000))]
    const ours = await page.evaluate(([bytes, to]) => node.encrypt(Uint8Array.from(bytes), { to }), [bytes, to])
    assert.deepEqual([...(await other.decryptJWE(copy(ours)))], bytes)
    const theirs = copy(await other.createJWE(Uint8Array.from(bytes), to))
    assert.deepEqual(await page.evaluate(async (secret) => [...(await node.decrypt(secret))], theirs), bytes)
  }))

test('the readers that a document of the page names can use dids alone', () =>
  signedIn(async (page, did) => {
    const { did: friend } = await somebody()
    const { readers, secret } = await page.evaluate(async (to) => {
      const readers = await node.rotateReaders(undefined, { to })
      return { readers, secret: await node.encrypt({ for: 'readers' }, { to: [readers.readers[0].did] }) }
    }, [did.id, friend.id])
    const shared = await somebody(new Uint8Array(await friend.decryptJWE(copy(readers.readers[0].seed))))
    assert.equal(shared.did.id, readers.readers[0].did)
    assert.deepEqual(await shared.did.decryptDagJWE(copy(secret)), { for: 'readers' })
    const theirs = copy(await friend.createDagJWE({ from: 'dids' }, [shared.did.id]))
    assert.deepEqual(await page.evaluate(([secret, readers]) => node.decrypt(secret, { readers }), [theirs, readers]), { from: 'dids' })
  }))

for (const [name, options] of [['an account', { resources: ['ceramic://*'] }], ['a key', { kind: 'key' }]]) {
  test(`documents that a page writes by a session of ${name} are what js-ceramic loads`, () =>
    connected(options, async (page, id, wallet) => {
      if (!options.kind) assert.equal(id, `did:pkh:${wallet.account}`)
      const ids = await page.evaluate(async (definition) => {
        const tile = await node.create('tile', { content: { z: 1, a: ['ü'] }, tags: ['x'] })
        await tile.update({ z: { b: 1, a: 2 }, q: null })
        const settled = await node.create('tile', { deterministic: true, family: 'settings' })
        await settled.update({ dark: true })
        const model = await node.create('model', definition)
        const [note, other] = await node.createMany('modelInstance', [{ model: model.id, content: { text: 'one' } }, { model: model.id, content: { text: 'two' } }])
        await other.patch([{ op: 'replace', path: '/text', value: 'changed' }])
        return { tile: tile.id, settled: settled.id, model: model.id, note: note.id, other: other.id }
      }, definition)
      const ceramic = new Ceramic()
      const contents = { tile: { z: { b: 1, a: 2 }, q: null }, settled: { dark: true }, model: definition, note: { text: 'one' }, other: { text: 'changed' } }
      for (const [name, content] of Object.entries(contents)) {
        const document = await taken(ceramic, await exported(page, ids[name]))
        assert.deepEqual(document.content, content, name)
        assert.deepEqual(document.state.metadata.controllers, [id], name)
      }
    }))
}

test('a document goes from the page to js-ceramic and back, and the secret in it with it', () =>
  signedIn(async (page, did) => {
    const ceramic = new Ceramic(did)
    const theirs = await TileDocument.create(ceramic, { n: 1, secret: copy(await did.createDagJWE({ from: 'js-ceramic' }, [did.id])) })
    const read = await page.evaluate(async ([car, id]) => {
      await node.importCar(Uint8Array.from(atob(car), (letter) => letter.charCodeAt(0)))
      const document = await node.load(id)
      const read = await node.decrypt(document.content.secret)
      await document.update({ n: 2, secret: await node.encrypt({ from: 'the page' }, { to: [session.did] }) })
      return read
    }, [ceramic.archive(theirs), theirs.id.toString()])
    assert.deepEqual(read, { from: 'js-ceramic' })
    const document = await taken(ceramic, await exported(page, theirs.id.toString()))
    assert.equal(document.content.n, 2)
    assert.deepEqual(await did.decryptDagJWE(copy(document.content.secret)), { from: 'the page' })
    assert.equal(document.state.log.length, 2)
  }))
