// The package in Chromium: `dids`, outside of the page, uses its sessions as DID providers and judges what it encrypts and signs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DID } from 'dids'
import { setUp } from '../support/page.mjs'
import { resolver } from './support/ceramic.mjs'
import { somebody } from './support/dids.mjs'
import { ethereum } from './support/wallets.mjs'

const here = setUp({})
const copy = (value) => JSON.parse(JSON.stringify(value))

/** A page with a node, `session` of a key that a new wallet's signature makes, and `did`, which signs and decrypts by it. */
const signedIn = (body) =>
  here.withPage(async (page) => {
    const wallet = ethereum()
    await page.exposeFunction('walletRequest', ({ method, params }) => (/accounts$/i.test(method) ? [wallet.address] : wallet.request({ method, params })))
    const id = await page.evaluate(async () => {
      globalThis.node = await ostrakon.createNode({ peers: [] })
      globalThis.session = await node.connectWallet({ request: (what) => walletRequest(what), on() {}, removeListener() {} }, { kind: 'key' })
      return session.did
    })
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
