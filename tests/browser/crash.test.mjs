// The crash boundary: a worker that does not load, and one that ends, by its own words or silently.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp, short, unknown } from '../support/page.mjs'

const here = setUp()
const withPage = (body, at) => here.withPage(body, { at, problems: true })

const worker = async (page) => page.workers()[0] ?? page.waitForEvent('worker')
/** As when the browser kills the worker: it gets no chance to say a word. */
const kill = async (page) => (await worker(page)).evaluate(() => self.close())
/** As when the module traps outside any call. */
const throwTrap = () => void setTimeout(() => { throw new WebAssembly.RuntimeError('unreachable') })
const trap = async (page) => (await worker(page)).evaluate(throwTrap)

/** The driver hears of an ended worker a little later than the page; a worker that stays fails by timeout. */
const workersEnd = async (page) => {
  while (page.workers().length > 0) await page.workers()[0].waitForEvent('close', { timeout: 5_000 })
}

/** Starts a node whose document is kept and followed; `window.seen` gathers the length of each state. */
const begin = (page) =>
  page.evaluate(async (id) => {
    globalThis.node = await ostrakon.createNode()
    await node.importCar(await car('/cars/short?length=3'))
    const doc = await node.load(id)
    globalThis.seen = []
    globalThis.following = (async () => {
      for await (const state of doc) seen.push(state.log.length)
    })()
    globalThis.statuses = []
    node.on('status', (status) => statuses.push(status.online))
  }, short.id)

for (const [how, end] of [['killed silently', kill], ['ended by a trap', trap]]) {
  test(`a worker ${how} fails its calls; the next one resumes from disk and follows on`, () =>
    withPage(async (page) => {
      await begin(page)
      await page.waitForFunction(() => seen.length === 1)
      const gone = await worker(page)
      await page.evaluate((id) => void (globalThis.pending = failure(node.load(id))), unknown)
      await page.waitForFunction(() => posted.at(-1).method === 'load')
      await end(page)
      assert.equal((await page.evaluate(() => pending)).code, 'worker-crashed')
      const after = await page.evaluate(async (id) => {
        const { content, log, source } = await node.load(id)
        await node.importCar(await car('/cars/short'))
        return { content, length: log.length, source }
      }, short.id)
      assert.equal(after.length, 3)
      assert.equal(after.source, 'disk')
      await page.waitForFunction(() => seen.at(-1) === 10)
      assert.notEqual(await worker(page), gone)
      await page.evaluate(async () => {
        await node.stop()
        await following
      })
    }))
}

test('a worker that ends again and again is given up with a clear error, and iterations tell of it', () =>
  withPage(async (page) => {
    await begin(page)
    await page.evaluate(() => void (globalThis.told = failure(following)))
    let running = await worker(page)
    for (let ends = 1; ends <= 5; ends++) {
      await page.evaluate(() => node.documents.list())
      const next = ends < 5 ? page.waitForEvent('worker') : undefined
      await running.evaluate(throwTrap)
      running = await next
    }
    const error = await page.evaluate(() => told)
    assert.equal(error.code, 'worker-crashed')
    assert.match(error.message, /5 times/)
    assert.ok(error.hint)
    assert.equal((await page.evaluate(() => failure(node.documents.list()))).code, 'worker-crashed')
    await workersEnd(page)
  }))

test('a worker that is not there makes createNode fail with a code and a hint', () =>
  withPage(async (page) => {
    const error = await page.evaluate(() => failure(ostrakon.createNode({ workerUrl: '/nowhere/worker.js' })))
    assert.equal(error.code, 'worker-unavailable')
    assert.match(error.hint, /workerUrl/)
    await workersEnd(page)
  }))

test('a content security policy that forbids the worker does so too', () =>
  withPage(async (page) => {
    const error = await page.evaluate(() => failure(ostrakon.createNode()))
    assert.equal(error.code, 'worker-unavailable')
    assert.match(error.hint, /worker-src/)
  }, '/csp'))

test('a module that is not there makes createNode fail with a code, a hint and the address', () =>
  withPage(async (page) => {
    const error = await page.evaluate(() => failure(ostrakon.createNode({ wasmUrl: '/nowhere.wasm' })))
    assert.equal(error.code, 'wasm-unavailable')
    assert.match(error.message, /nowhere\.wasm.*404/)
    assert.match(error.hint, /wasmUrl/)
  }))

test('options that make no sense are refused before anything starts', () =>
  withPage(async (page) => {
    const codes = await page.evaluate(async () => [
      (await failure(ostrakon.createNode({ peers: '/ip4/127.0.0.1' }))).code,
      (await failure(ostrakon.createNode({ wasmUrl: 'http://[' }))).code,
      (await failure(ostrakon.createNode({ timeout: NaN }))).code,
    ])
    assert.deepEqual(codes, ['invalid-argument', 'invalid-argument', 'invalid-argument'])
    assert.equal(page.workers().length, 0)
  }))

test('a start that is aborted or takes too long leaves no worker behind', () =>
  withPage(async (page) => {
    const codes = await page.evaluate(async () => {
      const wait = new AbortController()
      const hanging = '/hangs.wasm'
      const aborted = failure(ostrakon.createNode({ signal: wait.signal, wasmUrl: hanging }))
      setTimeout(() => wait.abort(), 200)
      return [(await aborted).code, (await failure(ostrakon.createNode({ timeout: 300, wasmUrl: hanging }))).code]
    })
    assert.deepEqual(codes, ['aborted', 'timeout'])
    await workersEnd(page)
    const works = await page.evaluate(async () => (await ostrakon.createNode()).peerId)
    assert.ok(works)
  }))
