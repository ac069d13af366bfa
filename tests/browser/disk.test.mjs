// The disk under the node: full, deleted, or of a newer version. Each has a code, and nothing that was good changes.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launchOnDisk } from '../support/chromium.mjs'
import { ready, servePackage } from '../support/page.mjs'
import { documentOf } from '../support/vectors.mjs'

const document = documentOf('doc-4-tile-9')
const other = documentOf('doc-9-tile-12')
let server

before(async () => (server = await servePackage({ document, other })))
after(() => server?.close())

/** A page in a browser of its own. */
async function withPage(body) {
  const context = await launchOnDisk()
  try {
    const page = await context.newPage()
    await body(await ready(page, server.url), context)
  } finally {
    await context.close()
  }
}

const start = (page) => page.evaluate(async () => void (globalThis.node = await ostrakon.createNode()))
const refusal = (page) => page.evaluate(async () => failure(node.importCar(await car('/cars/other'))))
const imported = (page) => page.evaluate(async () => node.importCar(await car('/cars/document')))
const kept = (page) => page.evaluate(async () => (await node.documents.list()).map(({ id }) => id))
const deletion = () =>
  new Promise((done, failed) => {
    const request = indexedDB.deleteDatabase('ostrakon')
    request.onsuccess = () => done('deleted')
    request.onerror = () => failed(request.error)
  })

test('a full disk refuses what is new and says what to do, but the node runs', () =>
  withPage(async (page, context) => {
    const devtools = await context.newCDPSession(page)
    const { origin } = new URL(server.url)
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 })
    await start(page)
    const { code, hint } = await refusal(page)
    assert.equal(code, 'store-full')
    assert.match(hint, /persist/)
    assert.deepEqual(await kept(page), [])
    await devtools.send('Storage.overrideQuotaForOrigin', { origin })
    assert.deepEqual(await imported(page), [document.id])
    assert.deepEqual(await kept(page), [document.id])
  }))

test('a database deleted under the node is gone until the node is made anew', () =>
  withPage(async (page) => {
    await start(page)
    await imported(page)
    assert.equal(await page.evaluate(deletion), 'deleted')
    const { code, hint } = await refusal(page)
    assert.equal(code, 'store-gone')
    assert.ok(hint)
    assert.equal((await page.evaluate(() => failure(node.documents.list()))).code, 'store-gone')
    await page.evaluate(() => node.stop())
    await start(page)
    assert.deepEqual(await kept(page), [])
    assert.deepEqual(await imported(page), [document.id])
  }))

test('a database of a newer version is left alone', () =>
  withPage(async (page) => {
    const make = () =>
      new Promise((done) => {
        const request = indexedDB.open('ostrakon', 2)
        request.onupgradeneeded = () => request.result.createObjectStore('theirs')
        request.onsuccess = () => done(request.result.close())
      })
    await page.evaluate(make)
    const { code, hint } = await page.evaluate(() => failure(ostrakon.createNode()))
    assert.equal(code, 'store-newer')
    assert.ok(hint)
    const version = () =>
      new Promise((done) => {
        const request = indexedDB.open('ostrakon')
        request.onsuccess = () => done([request.result.version, ...request.result.objectStoreNames])
      })
    assert.deepEqual(await page.evaluate(version), [2, 'theirs'])
  }))
