// The façade against the real module in a real page: what calls and subscriptions do.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp, short, unknown } from '../support/page.mjs'
import { apart } from '../support/vectors.mjs'

const { id: instanceId, instance, model } = apart('list/four-updates')
const here = setUp({ short, instance, model })
const { withPage } = here

test('a document from a CAR is verified, kept, listed, exported and forgotten', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode({ peers: [] })
      const ids = await node.importCar(await car('/cars/short'))
      const { content, log, tip, url, type, source } = await node.load(id)
      const listed = await node.documents.list()
      const exported = await node.exportCar(id)
      await node.documents.forget(id)
      const again = await node.importCar(new Blob([exported]))
      await node.documents.forget(id)
      const left = await node.documents.list()
      await node.stop()
      return { ids, content, log, tip, url, type, source, listed, again, left }
    }, short.id)
    assert.deepEqual(seen.ids, [short.id])
    assert.deepEqual(seen.content, short.content)
    assert.deepEqual(seen.log.map(({ cid }) => cid), short.log)
    assert.equal(seen.tip, short.log.at(-1))
    assert.equal(seen.url, `ceramic://${short.id}`)
    assert.equal(seen.type, 'tile')
    assert.equal(seen.source, 'disk')
    assert.equal(seen.listed.length, 1)
    assert.equal(seen.listed[0].id, short.id)
    assert.equal(seen.listed[0].events, short.log.length)
    assert.deepEqual(seen.again, [short.id])
    assert.deepEqual(seen.left, [])
  }))

test('a text that is no id is refused with a code', () =>
  withPage(async (page) => {
    const error = await page.evaluate(async () => {
      const node = await ostrakon.createNode()
      return failure(node.load('kjzl6-this-is-no-id'))
    })
    assert.equal(error.code, 'invalid-id')
    assert.equal(error.name, 'OstrakonError')
    assert.ok(error.isOstrakonError)
  }))

test('bytes that are no CAR are refused and change nothing', () =>
  withPage(async (page) => {
    const [error, type, list] = await page.evaluate(async () => {
      const node = await ostrakon.createNode()
      return [await failure(node.importCar(new Uint8Array([1, 2, 3]))), await failure(node.importCar('text')), await node.documents.list()]
    })
    assert.match(error.code, /^[a-z]+(-[a-z]+)*$/)
    assert.notEqual(error.code, 'internal')
    assert.equal(type.code, 'invalid-argument')
    assert.deepEqual(list, [])
  }))

test('an aborted call fails at once, tells why, and the worker hears of it', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      const abort = new AbortController()
      const began = performance.now()
      const call = failure(node.load(id, { signal: abort.signal }))
      setTimeout(() => abort.abort(new Error('no longer wanted')), 50)
      const during = await call
      const took = performance.now() - began
      return { during, took, before: await failure(node.load(id, { signal: AbortSignal.abort() })), cancelled: posted.filter(({ cancel }) => cancel).length }
    }, unknown)
    assert.equal(seen.during.code, 'aborted')
    assert.equal(seen.during.cause, 'no longer wanted')
    assert.ok(seen.took < 5_000)
    assert.equal(seen.before.code, 'aborted')
    assert.equal(seen.cancelled, 1)
  }))

test('a load that nobody answers fails with the word of the core, and others go on meanwhile', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      const slow = failure(node.load(id, { timeout: 400 }))
      const order = []
      await Promise.all([slow.then(() => order.push('slow')), node.documents.list().then(() => order.push('list'))])
      return { order, slow: await slow, nonsense: await failure(node.load(id, { timeout: -1 })) }
    }, unknown)
    assert.deepEqual(seen.order, ['list', 'slow'])
    assert.equal(seen.slow.code, 'offline')
    assert.equal(seen.nonsense.code, 'invalid-argument')
  }))

test('a call that a busy worker leaves unanswered fails by timeout, and the next one succeeds', () =>
  withPage(async (page) => {
    await page.evaluate(async () => void (globalThis.node = await ostrakon.createNode()))
    const busy = () => {
      for (const end = performance.now() + 2_000; performance.now() < end; );
    }
    await page.workers()[0].evaluate(`setTimeout(${busy})`)
    const error = await page.evaluate(() => failure(node.documents.list({ timeout: 300 })))
    assert.equal(error.code, 'timeout')
    assert.match(error.message, /documents.*300 ms/)
    assert.deepEqual(await page.evaluate(() => node.documents.list()), [])
  }))

test('iterating a document gives its state and then only the latest; break ends the subscription', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      await node.importCar(await car('/cars/short?length=1'))
      const states = (await node.load(id))[Symbol.asyncIterator]()
      const first = (await states.next()).value
      for (let length = 2; length <= 10; length++) await node.importCar(await car(`/cars/short?length=${length}`))
      const lengths = [first.log.length]
      while (lengths.at(-1) < 10) lengths.push((await states.next()).value.log.length)
      const waiting = states.next()
      await states.return()
      return { lengths, waiting: (await waiting).done, after: (await states.next()).done, cancelled: posted.filter(({ cancel }) => cancel).length }
    }, short.id)
    assert.equal(seen.lengths[0], 1)
    assert.equal(seen.lengths.at(-1), 10)
    assert.ok(seen.lengths.length <= 4, `a reader that slept through nine changes saw ${seen.lengths}`)
    assert.equal(seen.waiting, true)
    assert.equal(seen.after, true)
    assert.equal(seen.cancelled, 1)
  }))

test('a signal ends an iteration with its code; stop ends it quietly', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      await node.importCar(await car('/cars/short'))
      const doc = await node.load(id)
      const abort = new AbortController()
      const aborted = failure(
        (async () => {
          for await (const _ of doc.follow({ signal: abort.signal })) abort.abort()
        })(),
      )
      let states = 0
      const stopped = (async () => {
        for await (const _ of doc) if (++states === 1) void node.stop()
        return 'ended'
      })()
      return { aborted: await aborted, stopped: await stopped, states }
    }, short.id)
    assert.equal(seen.aborted.code, 'aborted')
    assert.equal(seen.stopped, 'ended')
    assert.equal(seen.states, 1)
  }))

test('after stop every call fails with code stopped, and what was under way too', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      const pending = failure(node.load(id))
      await node[Symbol.asyncDispose]()
      await node.stop()
      return [(await pending).code, (await failure(node.documents.list())).code, node.status.online]
    }, unknown)
    assert.deepEqual(seen, ['stopped', 'stopped', false])
  }))

test('document and status events tell of an import until the listener is taken away', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      const events = []
      const off = node.on('document', (event) => events.push(event))
      const status = new Promise((resolve) => node.on('status', (now) => now.documents === 1 && resolve(now)))
      await node.importCar(await car('/cars/short?length=2'))
      const { documents, online } = await status
      off()
      const heard = events.length
      await node.importCar(await car('/cars/short'))
      await node.load(id)
      return { events: events.slice(0, 1), more: events.length - heard, documents, online, same: node.status.documents }
    }, short.id)
    assert.deepEqual(seen.events, [{ id: short.id, tip: short.log[1] }])
    assert.equal(seen.more, 0)
    assert.deepEqual([seen.documents, seen.online, seen.same], [1, false, 1])
  }))

test('an instance waits for its model, which arrives later', () =>
  withPage(async (page) => {
    const seen = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      let waits = true
      const importing = node.importCar(await car('/cars/instance')).finally(() => (waits = false))
      await new Promise((resolve) => setTimeout(resolve, 500))
      const waited = waits
      const [model] = await node.importCar(await car('/cars/model'))
      const ids = await importing
      const { type, content, log, metadata } = await node.load(id)
      await node.stop()
      return { waited, ids, type, events: log.length, content, model: metadata.model === model, unique: typeof metadata.unique }
    }, instanceId)
    assert.deepEqual(seen.ids, [instanceId])
    assert.ok(seen.waited)
    assert.deepEqual([seen.type, seen.events, seen.model, seen.unique], ['MID', 5, true, 'string'])
    assert.equal(seen.content.text, 'hello open')
  }))
