// 3IDs in the page: one identity of several wallets, which sign for real, anchored in a real chain.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { anchor } from '../support/anchor.mjs'
import { openPage } from '../support/chromium.mjs'
import { ready, setUp } from '../support/page.mjs'
import { rpc } from '../support/serve.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'

const CHAIN = 'eip155:31337'
const KEYCHAIN = 'kjzl6cwe1jw14a50gupo0d433e9ojgmj9rd9ejxkc8vq6lw0fznsoohwzmejqs8'

const here = setUp({})
let chain
before(async () => (chain = await startChain()))
after(() => chain?.stop())

/** In the page: `node`, which asks anvil about anchors, and `key(n)`, a session of the key of anvil's account `n`. */
async function begin(page) {
  here.server.page('/rpc/anvil', rpc((method, params) => chain.ask(method, params)))
  await giveWallets(page, chain)
  await page.evaluate(start, [CHAIN, chain.accounts])
}

async function start([chain, accounts]) {
  globalThis.node = await ostrakon.createNode({ peers: [], chains: { [chain]: { rpc: ['/rpc/anvil'] } } })
  globalThis.prompts = 0
  globalThis.key = (n) => {
    const wallet = makeWallet({ personal_sign: (params, honest) => (prompts++, honest(...params)) })
    return node.connectWallet(wallet, { kind: 'key', account: accounts[n] })
  }
  globalThis.names = async (session) => (await node.threeId.wallets(session)).map(({ did, name }) => [did, name]).toSorted(([, one], [, other]) => (one < other ? -1 : 1))
  globalThis.quickly = async (promise) => {
    const began = performance.now()
    const error = await failure(promise)
    return [error.code, performance.now() - began < 10_000]
  }
}

const withKeys = (body) =>
  here.withPage(async (page) => {
    await begin(page)
    await body(page)
  })

test('a 3ID is made by one wallet and opened by each that was added, of whatever chain, as the same identity', () =>
  withKeys(async (page) => {
    const seen = await page.evaluate(async () => {
      const [one, two] = [await key(0), await key(1)]
      const solana = await node.connectWallet(await makeSolana(), { kind: 'key' })
      const id = await node.threeId.create(one, 'laptop')
      const shown = [id.kind, id.active, node.session === id, id.resources, id.expiresAt === undefined]
      await node.threeId.addWallet(id, two, 'phone')
      await node.threeId.addWallet(id, solana, 'watch')
      const again = await failure(node.threeId.addWallet(id, two, 'phone'))
      const before = prompts
      const opened = []
      for (const one_ of [one, two, solana]) opened.push((await node.threeId.open(one_)).did)
      const doc = await node.create('tile', { content: { by: 'all of them' } })
      const next = await doc.update({ by: 'one of them' }, { session: (await node.sessions()).find(({ kind }) => kind === '3id') })
      const secret = await node.encrypt({ for: 'us' }, { to: [id.did] })
      return {
        did: id.did,
        shown,
        names: await names(id),
        dids: [one, two, solana].map(({ did }) => did),
        again: again.code,
        opened,
        asked: prompts - before,
        controllers: next.metadata.controllers,
        verified: next.log.map(({ verified }) => verified.includes('signature')),
        secret: await node.decrypt(secret, { session: id }),
        sessions: (await node.sessions()).filter(({ kind }) => kind === '3id').length,
      }
    })
    assert.match(seen.did, /^did:3:k/)
    assert.deepEqual(seen.shown, ['3id', true, true, [], true])
    assert.deepEqual(seen.names, [[seen.dids[0], 'laptop'], [seen.dids[1], 'phone'], [seen.dids[2], 'watch']])
    assert.equal(seen.again, 'keychain-known-wallet')
    assert.deepEqual([seen.opened, seen.asked], [[seen.did, seen.did, seen.did], 0])
    assert.deepEqual([seen.controllers, seen.verified], [[seen.did], [true, true]])
    assert.deepEqual(seen.secret, { for: 'us' })
    assert.equal(seen.sessions, 1)
  }))

test('after a reload, and on a device that has nothing but its documents and its own wallet, a 3ID opens at once without any peer', () =>
  withKeys(async (page) => {
    const made = await page.evaluate(async () => {
      const id = await node.threeId.create(await key(0), 'laptop')
      await node.threeId.addWallet(id, await key(1), 'phone')
      const doc = await node.create('tile', { content: { n: 1 } }, { session: id })
      const cars = []
      for (const one of await node.documents.list()) cars.push(Array.from(await node.exportCar(one.id)))
      return { did: id.did, doc: doc.id, cars }
    })
    await ready(page, page.url())
    await page.evaluate(start, [CHAIN, chain.accounts])
    const again = await page.evaluate(async (doc) => {
      const kept = (await node.sessions()).map(({ kind }) => kind)
      const [wallet] = await node.sessions()
      const began = performance.now()
      const id = await node.threeId.open(wallet)
      const late = performance.now() - began > 10_000
      const next = await (await node.load(doc)).update({ n: 2 }, { session: id })
      return { kept, did: id.did, late, prompts, content: next.content }
    }, made.doc)
    assert.deepEqual(again, { kept: ['key', 'key'], did: made.did, late: false, prompts: 0, content: { n: 2 } })

    const phone = await ready(await openPage(here.browser), here.server.url)
    try {
      await begin(phone)
      const seen = await phone.evaluate(async ([cars, doc]) => {
        for (const bytes of cars) await node.importCar(Uint8Array.from(bytes))
        const wallet = await key(1)
        const began = performance.now()
        const id = await node.threeId.open(wallet)
        const late = performance.now() - began > 10_000
        const next = await (await node.load(doc)).update({ n: 3 }, { session: id })
        return { did: id.did, late, content: next.content, names: (await names(id)).map(([, name]) => name) }
      }, [made.cars, made.doc])
      assert.deepEqual(seen, { did: made.did, late: false, content: { n: 3 }, names: ['laptop', 'phone'] })
      assert.deepEqual(phone.problems, [])
    } finally {
      await phone.context().close()
    }
  }))

/** Anchors what the page has of a document, and goes on once the page holds the anchor for proven. */
async function anchored(page, id) {
  const { car, ...document } = await page.evaluate(async (id) => {
    const doc = await node.load(id)
    return { init: doc.log[0].cid, tip: doc.tip, car: Array.from(await node.exportCar(id)) }
  }, id)
  const whole = await anchor(chain, { ...document, car: Buffer.from(car) })
  await page.evaluate(
    async ([id, bytes]) => {
      await node.importCar(Uint8Array.from(bytes))
      for await (const { log } of (await node.load(id)).follow({ signal: AbortSignal.timeout(15_000) })) {
        const { kind, time } = log.at(-1)
        if (kind === 'time' && time.status === 'proven') return
      }
      throw new Error('the anchor was never proven')
    },
    [id, [...whole]],
  )
}

test('a wallet that is removed opens nothing any more, and the new keys write once their keychain is anchored', () =>
  withKeys(async (page) => {
    const { did, keychain } = await page.evaluate(async (family) => {
      globalThis.wallets = [await key(0), await key(1)]
      globalThis.id = await node.threeId.create(wallets[0], 'laptop')
      await node.threeId.addWallet(id, wallets[1], 'lost')
      for (const one of await node.documents.list()) {
        if ((await node.load(one.id)).metadata.family === family) return { did: id.did, keychain: one.id }
      }
      throw new Error('there is no keychain')
    }, KEYCHAIN)
    const document = did.slice('did:3:'.length)
    await anchored(page, document)
    const first = await page.evaluate(async () => {
      // Which of the keys of a 3ID signed stands in the header of the signature.
      globalThis.write = async (n) => {
        const { id: written } = await node.create('tile', { content: { n } }, { session: id })
        return /"kid":"([^"]+)"/.exec(new TextDecoder('latin1').decode(await node.exportCar(written)))[1]
      }
      const before = await write(1)
      const rotated = await node.threeId.rotate(id, [wallets[1].did])
      return {
        rotated,
        finished: await node.threeId.finish(id),
        still: (await write(2)) === before,
        lost: await quickly(node.threeId.open(wallets[1])),
        names: (await names(id)).map(([, name]) => name),
        last: (await failure(node.threeId.rotate(id, [wallets[0].did]))).code,
        stranger: (await failure(node.threeId.rotate(id, ['did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z']))).code,
        before,
      }
    })
    assert.deepEqual(
      { ...first, before: undefined },
      { rotated: false, finished: false, still: true, lost: ['keychain-unknown-wallet', true], names: ['laptop'], last: 'keychain-last-wallet', stranger: 'keychain-unknown-wallet', before: undefined },
    )
    await anchored(page, keychain)
    assert.deepEqual(await page.evaluate(async () => [await node.threeId.finish(id), await node.threeId.finish(id)]), [true, true])
    await anchored(page, document)
    const then = await page.evaluate(async () => {
      const after = await write(3)
      const third = await key(2)
      await node.threeId.addWallet(id, third, 'new phone')
      const opened = await node.threeId.open(third)
      return { after, did: opened.did, names: (await names(opened)).map(([, name]) => name), lost: await quickly(node.threeId.open(wallets[1])) }
    })
    for (const kid of [first.before, then.after]) assert.ok(kid.startsWith(did), kid)
    assert.notEqual(then.after.split('#')[1], first.before.split('#')[1])
    assert.deepEqual({ ...then, after: undefined }, { after: undefined, did, names: ['laptop', 'new phone'], lost: ['keychain-unknown-wallet', true] })
  }))

test('a 3ID only rotated keeps its wallets, and goes with the key that opened it', () =>
  withKeys(async (page) => {
    const seen = await page.evaluate(async () => {
      const [one, two] = [await key(0), await key(1)]
      const id = await node.threeId.create(one, 'laptop')
      await node.threeId.addWallet(id, two, 'phone')
      const rotated = await node.threeId.rotate(id)
      const kept = (await names(await node.threeId.open(two))).map(([, name]) => name)
      // Opened again by the other: that one's end is what counts.
      await one.revoke()
      const still = (await node.sessions()).some(({ did, active }) => did === id.did && active)
      await two.revoke()
      const left = (await node.sessions()).map(({ kind }) => kind)
      return { rotated, kept, still, left, write: (await failure(node.create('tile', { content: {} }, { session: id }))).code, current: node.session ?? null }
    })
    assert.deepEqual(seen, { rotated: false, kept: ['laptop', 'phone'], still: true, left: [], write: 'session-ended', current: null })
  }))

test('what is no key, no session or no list makes no 3ID and changes none', () =>
  withKeys(async (page) => {
    const seen = await page.evaluate(async (account) => {
      const one = await key(0)
      const account_ = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'], account })
      const id = await node.threeId.create(one, 'laptop')
      const kept = async () => (await node.documents.list()).map(({ id, tip }) => `${id} ${tip}`).sort()
      const before = await kept()
      const attempts = {
        'create without a key': () => node.threeId.create(account_, 'x'),
        'create by a 3ID': () => node.threeId.create(id, 'x'),
        'create by nothing': () => node.threeId.create(undefined, 'x'),
        'a name without end': () => node.threeId.create(one, 'x'.repeat(257)),
        'open without a key': () => node.threeId.open(account_),
        'add to what is none': () => node.threeId.addWallet(one, one, 'x'),
        'add what is no key': () => node.threeId.addWallet(id, account_, 'x'),
        'wallets of what is none': () => node.threeId.wallets(one),
        'rotate what is none': () => node.threeId.rotate(account_),
        'rotate without a list': () => node.threeId.rotate(id, 'did:key:z6Mk'),
        'finish what is none': () => node.threeId.finish(one),
      }
      const codes = {}
      for (const [name, attempt] of Object.entries(attempts)) codes[name] = (await failure(attempt())).code
      return { codes, before, after: await kept() }
    }, chain.accounts[0])
    const kind = 'session-kind'
    assert.deepEqual(seen.codes, {
      'create without a key': kind,
      'create by a 3ID': kind,
      'create by nothing': 'invalid-argument',
      'a name without end': 'invalid-argument',
      'open without a key': kind,
      'add to what is none': kind,
      'add what is no key': kind,
      'wallets of what is none': kind,
      'rotate what is none': kind,
      'rotate without a list': 'invalid-argument',
      'finish what is none': kind,
    })
    assert.deepEqual(seen.after, seen.before)
  }))
