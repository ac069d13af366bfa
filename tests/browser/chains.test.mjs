// What blockchains say of anchors: asked over HTTP and through the user's wallet, by a node in a worker.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPage } from '../support/chromium.mjs'
import { ready, setUp } from '../support/page.mjs'
import { rpc, serve } from '../support/serve.mjs'
import { documentOf, recordedChain } from '../support/vectors.mjs'

const CHAIN = 'eip155:1337'
const document = documentOf('eip155:1337/f(bytes32)-merkle-leaf-1 (block 9)', 'eth-anchor')
const wrong = documentOf('eip155:1337/f(bytes32)-to-other-address-late (block 11)', 'eth-anchor')
const here = setUp({ document, wrong })
const { withPage } = here

/** What a chain said of the newest event of the document. */
const PROVEN = { status: 'proven', at: 1700001637, block: 9, chain: CHAIN }

/** Starts `node`, with sources by address, and imports the document, whose anchor nobody has confirmed then. */
const begin = (page, options, name = 'document') =>
  page.evaluate(
    async ([options, name]) => {
      globalThis.node = await ostrakon.createNode(options)
      const [id] = await node.importCar(await car(`/cars/${name}`))
      globalThis.times = (doc) => doc.log.map(({ time }) => time)
      return id
    },
    [options, name],
  )
const sources = (rpc, rest = {}) => ({ chains: { [CHAIN]: { rpc, ...rest } } })

/** The document's newest time once it is `status`; the last one there was if it never is. */
const timeOf = (page, id, status) =>
  page.evaluate(
    async ([id, status]) => {
      const signal = AbortSignal.timeout(15_000)
      let time
      try {
        for await (const state of (await node.load(id)).follow({ signal })) {
          time = times(state).at(-1)
          if (time.status === status) break
        }
      } catch (error) {
        if (!signal.aborted) throw error
      }
      return JSON.parse(JSON.stringify(time))
    },
    [id, status],
  )

/** Puts a wallet into the page that answers as the recorded chain does. `asked` gathers the methods. */
const giveWallet = async (page) => {
  await page.exposeFunction('recorded', (method, params) => recordedChain(CHAIN)(method, params))
  await page.evaluate(() => {
    const wallet = new EventTarget()
    Object.assign(globalThis, { asked: [], walletChain: '0x539', wallet })
    wallet.request = async ({ method, params }) => {
      asked.push(method)
      return method === 'eth_chainId' ? walletChain : recorded(method, params)
    }
    wallet.on = (event, listener) => wallet.addEventListener(event, listener)
    wallet.removeListener = (event, listener) => wallet.removeEventListener(event, listener)
  })
}

test('an anchor is proven by a node over HTTP, and stays proven without it', () =>
  withPage(async (page) => {
    const asked = []
    here.server.page('/rpc/good', rpc(recordedChain(CHAIN), asked))
    const id = await begin(page, sources(['/rpc/good?key=secret']))
    const { by, transaction, ...time } = await timeOf(page, id, 'proven')
    assert.deepEqual(time, PROVEN)
    assert.deepEqual(by, [new URL(here.server.url).host])
    assert.match(transaction, /^0x[0-9a-f]{64}$/)
    const entry = await page.evaluate(async (id) => (await node.load(id)).log.at(-1), id)
    assert.ok(entry.verified.includes('transaction'))
    here.server.page('/rpc/good', undefined)
    const before = asked.length
    assert.equal(before, 3)
    await page.evaluate(() => node.stop())
    await ready(page, here.server.url)
    await page.evaluate(async (options) => void (globalThis.node = await ostrakon.createNode(options)), sources(['/rpc/good']))
    await page.evaluate(() => void (globalThis.times = (doc) => doc.log.map(({ time }) => time)))
    assert.deepEqual((await timeOf(page, id, 'proven')).by, by)
    assert.equal(asked.length, before)
  }))

test('by default nobody is asked and the anchor is claimed', () =>
  withPage(async (page) => {
    const requests = []
    page.context().on('request', (request) => requests.push(request.method()))
    const id = await begin(page, {})
    assert.deepEqual(await page.evaluate(async (id) => times(await node.load(id)).at(-1).status, id), 'claimed')
    assert.ok(!requests.includes('POST'))
  }))

test('an anchor whose root is not in the transaction is refused with its reason', () =>
  withPage(async (page) => {
    const lie = (method, result) =>
      method === 'eth_getTransactionByHash' ? { ...result, input: result.input.slice(0, -2) + '00' } : result
    here.server.page('/rpc/lies', rpc(recordedChain(CHAIN, lie)))
    const id = await begin(page, sources(['/rpc/lies']))
    await timeOf(page, id, 'none')
    const { refused, log } = await page.evaluate(async (id) => {
      const { refused, log } = await node.load(id)
      return { refused, log }
    }, id)
    assert.equal(refused.code, 'anchor-not-in-transaction')
    assert.equal(refused.event, document.log.at(-1))
    assert.match(refused.message, /root/)
    assert.deepEqual(log.map(({ cid }) => cid), document.log.slice(0, -1))
  }))

test('an anchor that went to another address is refused, though its transaction is there', () =>
  withPage(async (page) => {
    here.server.page('/rpc/good', rpc(recordedChain(CHAIN)))
    const id = await begin(page, sources(['/rpc/good']), 'wrong')
    await timeOf(page, id, 'none')
    assert.equal(await page.evaluate(async (id) => (await node.load(id)).refused?.code, id), 'anchor-wrong-contract')
  }))

test('with a quorum of two a liar proves nothing and takes nothing away', () =>
  withPage(async (page) => {
    const lie = (method, result) => (method === 'eth_getBlockByHash' ? { ...result, timestamp: '0x1' } : result)
    for (const path of ['/rpc/a', '/rpc/b']) here.server.page(path, rpc(recordedChain(CHAIN)))
    here.server.page('/rpc/lies', rpc(recordedChain(CHAIN, lie)))
    const two = await begin(page, { ...sources(['/rpc/a', '/rpc/lies'], { quorum: 2 }), name: 'two' })
    await page.waitForTimeout(1_000)
    assert.equal((await page.evaluate(async (id) => times(await node.load(id)).at(-1), two)).status, 'claimed')
    await page.evaluate(() => node.stop())
    const three = await begin(page, { ...sources(['/rpc/a', '/rpc/lies', '/rpc/b'], { quorum: 2 }), name: 'three' })
    const { by, transaction, ...time } = await timeOf(page, three, 'proven')
    assert.deepEqual(time, PROVEN)
  }))

test('a node that is down, forbids this page, answers without end or with nonsense leaves the anchor claimed', () =>
  withPage(
    async (page) => {
      const foreign = await serve('/nowhere', { pages: { '/': rpc(recordedChain(CHAIN)) } })
      const endless = (request, response) => {
        const more = () => response.destroyed || response.write('1'.repeat(1 << 20), () => setTimeout(more))
        more()
        return true
      }
      const nonsense = (request, response) => void response.end('<p>hello') ?? true
      try {
        here.server.page('/rpc/endless', endless)
        here.server.page('/rpc/nonsense', nonsense)
        for (const source of ['http://127.0.0.1:9/', foreign.url, '/rpc/none', '/rpc/endless', '/rpc/nonsense']) {
          const id = await begin(page, { ...sources([source]), name: source })
          await page.waitForTimeout(1_000)
          const { time, content } = await page.evaluate(async (id) => {
            const doc = await node.load(id)
            return { time: times(doc).at(-1), content: doc.content }
          }, id)
          assert.equal(time.status, 'claimed', source)
          assert.deepEqual(content, document.content)
          await page.evaluate(() => node.stop())
        }
      } finally {
        await foreign.close()
      }
    },
    { problems: true },
  ))

test('a wallet of the page proves an anchor of its chain, and is asked nothing but to read', () =>
  withPage(async (page) => {
    await giveWallet(page)
    const id = await begin(page, {})
    await page.evaluate(() => void node.chains.useWallet(wallet))
    const { by, transaction, ...time } = await timeOf(page, id, 'proven')
    assert.deepEqual(time, PROVEN)
    assert.deepEqual(by, ['wallet'])
    const reads = ['eth_chainId', 'eth_getBlockByHash', 'eth_getTransactionByHash']
    assert.deepEqual([...new Set(await page.evaluate(() => asked))].sort(), reads)
  }))

test('a wallet on another chain is not asked, and once it is on the right one it proves the anchor', () =>
  withPage(async (page) => {
    await giveWallet(page)
    const id = await begin(page, {})
    await page.evaluate(() => {
      walletChain = '0x1'
      globalThis.end = node.chains.useWallet(wallet)
    })
    await page.waitForTimeout(1_000)
    assert.deepEqual([...new Set(await page.evaluate(() => asked))], ['eth_chainId'])
    assert.equal((await page.evaluate(async (id) => times(await node.load(id)).at(-1), id)).status, 'claimed')
    await page.evaluate(() => {
      walletChain = '0x539'
      wallet.dispatchEvent(new Event('chainChanged'))
    })
    assert.equal((await timeOf(page, id, 'proven')).status, 'proven')
  }))

test('the wallet of one tab serves the node of another, and a tab that closes takes its wallet along', () =>
  here.withTabs(2, async ([owner, tab], context) => {
    await giveWallet(tab)
    const third = await ready(await openPage(here.browser, undefined, { context }), here.server.url)
    await third.evaluate(async () => {
      globalThis.node = await ostrakon.createNode()
      // It takes the question and never answers.
      node.chains.useWallet({ request: ({ method }) => (method === 'eth_chainId' ? Promise.resolve('0x539') : new Promise(() => {})) })
    })
    const id = await owner.evaluate(async () => {
      globalThis.times = (doc) => doc.log.map(({ time }) => time)
      const [id] = await node.importCar(await car('/cars/document'))
      return id
    })
    await owner.waitForTimeout(500)
    assert.equal((await owner.evaluate(async (id) => times(await node.load(id)).at(-1), id)).status, 'claimed')
    await third.close()
    await tab.evaluate(() => void node.chains.useWallet(wallet))
    assert.deepEqual((await timeOf(owner, id, 'proven')).by, ['wallet'])
  }))

test('chains, nodes and wallets that make no sense are refused before anything starts', () =>
  withPage(async (page) => {
    const refusals = await page.evaluate(async () => {
      const start = async (chains) => (await failure(ostrakon.createNode({ chains }))).code
      const codes = [
        await start({ ethereum: { rpc: ['/rpc'] } }),
        await start({ 'eip155:1': { rpc: 'https://one.example' } }),
        await start({ 'eip155:1': { rpc: ['ftp://one.example'] } }),
        await start({ 'eip155:1': { rpc: ['/rpc'], quorum: 0 } }),
      ]
      const node = await ostrakon.createNode()
      codes.push((await failure((async () => node.chains.useWallet({}))())).code)
      return codes
    })
    assert.deepEqual(refusals, Array(5).fill('invalid-argument'))
  }))
