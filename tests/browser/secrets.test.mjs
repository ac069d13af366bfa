// The key of a session is looked for wherever a page, another tab or a thief of the database could see it: in every message
// between pages and workers, in every database of the origin, in what is logged and in what calls resolve to or fail with.
//
// How the test knows the key: it listens to the worker's own randomness, from inside the worker, and recognises the seed by
// the public key that it makes. Nothing in the package helps it.

import assert from 'node:assert/strict'
import { createHash, createPrivateKey, createPublicKey, hkdfSync } from 'node:crypto'
import { test } from 'node:test'
import { openPage } from '../support/chromium.mjs'
import { ready, setUp } from '../support/page.mjs'
import { giveWallets } from '../support/wallet.mjs'

const here = setUp({})
const noChain = { ask: () => Promise.reject(new Error('no chain')) }

/** Keeps a copy of all random bytes that are drawn in the worker from now on. */
function overhear() {
  const real = crypto.getRandomValues.bind(crypto)
  globalThis.drawn = []
  crypto.getRandomValues = (array) => {
    real(array)
    if (array.byteLength === 32) drawn.push([...new Uint8Array(array.buffer, array.byteOffset, 32)])
    return array
  }
}

/** Runs in the page: gathers all that comes from workers, and gives `survey()`, all that can be seen, as texts and bytes in hex. */
function listen() {
  const Plain = Worker
  const heard = []
  globalThis.Worker = class extends Plain {
    constructor(...args) {
      super(...args)
      this.addEventListener('message', ({ data }) => heard.push(data))
    }
  }
  globalThis.results = []
  new BroadcastChannel('ostrakon/ostrakon').onmessage = ({ data }) => heard.push(data)
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const leaves = async (value, into) => {
    if (typeof value === 'string' || typeof value === 'number') into.push(String(value))
    else if (value instanceof ArrayBuffer) into.push(`hex:${hex(new Uint8Array(value))}`)
    else if (ArrayBuffer.isView(value)) into.push(`hex:${hex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}`)
    else if (value instanceof Blob) await leaves(await value.arrayBuffer(), into)
    else if (value instanceof CryptoKey) into.push(await crypto.subtle.exportKey('raw', value).then((raw) => `hex:${hex(new Uint8Array(raw))}`, () => 'no bytes of a key'))
    else if (value instanceof Error) await leaves([value.message, value.stack, value.code, value.hint, value.cause], into)
    else if (typeof value === 'object' && value !== null) {
      if (Array.isArray(value) && value.every((one) => typeof one === 'number')) into.push(`list:${value.join()}`)
      for (const [key, one] of Object.entries(value)) {
        into.push(key)
        await leaves(one, into)
      }
    }
    return into
  }
  const databases = async () => {
    const all = []
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise((resolve, reject) => Object.assign(indexedDB.open(name), { onsuccess: ({ target }) => resolve(target.result), onerror: reject }))
      for (const store of database.objectStoreNames) {
        const at = database.transaction(store).objectStore(store)
        const read = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: reject }))
        all.push(await Promise.all([read(at.getAllKeys()), read(at.getAll())]))
      }
      database.close()
    }
    return all
  }
  globalThis.survey = async () => ({
    traffic: await leaves([posted, heard], []),
    disk: await leaves([await databases(), { ...localStorage }, { ...sessionStorage }], []),
    results: await leaves(results, []),
  })
}

const DER = Buffer.from('302e020100300506032b657004220420', 'hex')
const LETTERS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

function base58(bytes) {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = LETTERS[Number(number % 58n)] + text
  return text
}

/** The `did:key` of a seed. */
function didOf(seed) {
  const key = createPrivateKey({ key: Buffer.concat([DER, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return `did:key:z${base58([0xed, 1, ...spki.subarray(-32)])}`
}

/** Every way in which 32 bytes could be written down. */
function waysToWrite(bytes) {
  const hex = bytes.toString('hex')
  const base64 = bytes.toString('base64').replace(/=+$/, '')
  return [hex, hex.toUpperCase(), base64, base64.replaceAll('+', '-').replaceAll('/', '_'), base58(bytes), [...bytes].join(), [...bytes].join(', '), JSON.stringify([...bytes])]
}

/** The seed, and the two halves of the secret that ed25519 makes of it. */
function secretsOf(seed) {
  const hash = createHash('sha512').update(seed).digest()
  const scalar = Buffer.from(hash.subarray(0, 32))
  scalar[0] &= 248
  scalar[31] = (scalar[31] & 127) | 64
  return [seed, hash.subarray(0, 32), hash.subarray(32), scalar]
}

function seen(texts, secret) {
  const ways = waysToWrite(secret)
  return texts.some((text) => ways.some((way) => text.includes(way)))
}

/** Two tabs of one origin; the first runs the node. `body` gets both pages and all that they logged. */
async function withTwo(body) {
  const context = await here.browser.newContext()
  try {
    const logged = []
    const tabs = []
    for (let index = 0; index < 2; index++) {
      const page = await openPage(here.browser, undefined, { context })
      page.on('console', (message) => logged.push(message.text()))
      await ready(page, here.server.url)
      await giveWallets(page, noChain)
      await page.evaluate(listen)
      await page.evaluate(async () => void (globalThis.node = await ostrakon.createNode()))
      tabs.push(page)
    }
    await tabs[0].workers()[0].evaluate(overhear)
    await body(tabs, logged)
  } finally {
    await context.close()
  }
}

/** All that a session is good for, and what goes wrong with it. Runs in the page. */
async function live(session) {
  const failed = (promise) => promise.then((value) => Promise.reject(new Error(`worked: ${JSON.stringify(value)}`)), (error) => error)
  const all = [session, await node.create('tile', { content: { hello: 'world' } }, { session })]
  const doc = all[1]
  all.push(await doc.update({ hello: 'again' }, { session }))
  all.push(await failed(doc.update({ hello: 'late' }, { session, base: doc.tip })))
  all.push(await failed(node.create('modelInstance', { model: doc.id, content: {} }, { session })))
  const secret = await node.encrypt({ for: 'me' }, { to: [session.key] })
  all.push(secret, await node.decrypt(secret, { session }))
  all.push(await failed(node.decrypt({ ...secret, tag: secret.iv }, { session })))
  all.push(await session.provider.send({ jsonrpc: '2.0', id: 1, method: 'did_createJWS', params: { did: session.key, payload: { a: 1 } } }))
  all.push(await session.provider.send({ jsonrpc: '2.0', id: 2, method: 'did_createJWS', params: { did: session.key, payload: 'no base64url!' } }))
  all.push(await session.capability(), await node.outbox.list(), await node.exportCar(doc.id))
  results.push(...all, JSON.stringify(session))
}

async function surveyAll(tabs, logged) {
  const all = { traffic: [], disk: [], results: [], logs: logged }
  for (const page of tabs) {
    for (const [where, texts] of Object.entries(await page.evaluate(() => survey()))) all[where].push(...texts)
  }
  return all
}

/** Fails if a secret is anywhere; and unless what is no secret is found where it must be, for then the search is blind. */
function assertSecret(all, seed, key) {
  for (const where of ['traffic', 'disk', 'results']) {
    assert.ok(all[where].some((text) => text.includes(key) || text.includes(Buffer.from(key).toString('hex'))), `${where} was not seen`)
  }
  for (const [where, texts] of Object.entries(all)) {
    for (const secret of secretsOf(seed)) assert.ok(!seen(texts, secret), `a secret of the session is in ${where}`)
  }
  const hidden = ['a', `list:${[...seed].join()}`, `before${seed.toString('hex')}after`]
  assert.ok(seen(hidden.slice(1, 2), seed) && seen(hidden.slice(2), seed) && !seen(hidden.slice(0, 1), seed))
}

test('the key of a session is in no message, no database, no result, no error and no log', () =>
  withTwo(async (tabs, logged) => {
    const [owner, other] = tabs
    // The other tab's calls go through its worker and a channel to the worker that has the key.
    const key = await other.evaluate(`(async () => {
      const wallet = await makeSolana()
      const session = await node.connectWallet(wallet, { resources: ['ceramic://*'] })
      await (${live})(session)
      return session.key
    })()`)
    const drawn = await owner.workers()[0].evaluate(() => globalThis.drawn)
    const seeds = drawn.map((bytes) => Buffer.from(bytes)).filter((seed) => didOf(seed) === key)
    assert.equal(seeds.length, 1, 'the worker drew the seed')
    assertSecret(await surveyAll(tabs, logged), seeds[0], key)

    // After a crash of the worker and a reload it signs again, and is as secret.
    await owner.workers()[0].evaluate(() => self.close())
    for (const page of tabs) {
      await ready(page, here.server.url)
      await page.evaluate(listen)
      await page.evaluate(async () => void (globalThis.node = await ostrakon.createNode()))
    }
    const again = await other.evaluate(`(async () => {
      const [session] = await node.sessions()
      await (${live})(session)
      return session.key
    })()`)
    assert.equal(again, key)
    const all = await surveyAll(tabs, logged)
    assertSecret(all, seeds[0], key)

    // Revoked, not even what was encrypted is left.
    await other.evaluate(async () => (await node.sessions())[0].revoke())
    const { disk } = await surveyAll(tabs, logged)
    assert.ok(all.disk.includes('no bytes of a key'))
    assert.ok(!disk.includes('no bytes of a key'))
  }))

test('the key that is made of a wallet’s signature is not seen either', () =>
  withTwo(async (tabs, logged) => {
    const { key, text, signature } = await tabs[1].evaluate(`(async () => {
      const wallet = await makeSolana()
      const session = await node.connectWallet(wallet, { kind: 'key' })
      await (${live})(session)
      const text = wallet.asked.at(-1)
      return { key: session.key, text, signature: [...(await wallet.key.sign(new TextEncoder().encode(text)))] }
    })()`)
    const salt = 'ostrakon did:key from a wallet, version 1'
    const seed = Buffer.from(hkdfSync('sha256', Buffer.from(signature), salt, text, 32))
    assert.equal(didOf(seed), key)
    assertSecret(await surveyAll(tabs, logged), seed, key)
    // The signature makes the key: it crosses from the wallet to the worker once, and is kept nowhere.
    const { disk, results, logs } = await surveyAll(tabs, logged)
    for (const texts of [disk, results, logs]) assert.ok(!texts.some((text) => text.includes(base58(signature))))
  }))
