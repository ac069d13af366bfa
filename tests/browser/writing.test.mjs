// What a page may write, and what is refused before anything leaves it.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage } from '../support/chromium.mjs'
import { ready, setUp, short } from '../support/page.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'

const here = setUp({ short })
const { withPage } = here
let chain
before(async () => (chain = await startChain()))
after(() => chain?.stop())

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

// ---- writing ----

/** A page with `node`, signed in as anvil's first account, which may write everything. */
const signedIn = (body, resources = ['ceramic://*']) =>
  withPage(async (page) => {
    await giveWallets(page, chain)
    await page.evaluate(signIn, resources)
    await body(page)
  })

const signIn = async (resources) => {
  globalThis.node = await ostrakon.createNode()
  globalThis.session = await node.connectWallet(makeWallet(), { resources })
  globalThis.look = ({ id, tip, content, metadata, log, type, status }) => ({ id, tip, content, metadata, type, status, log: log.map(({ cid, kind }) => ({ cid, kind })) })
}

test('a tile is created, updated and patched, is on disk when the promise resolves, and a stranger verifies it', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const doc = await node.create('tile', { content: { hello: 'world', list: [1] }, tags: ['greeting'], family: 'tests' })
      const updated = await doc.update({ hello: 'again', list: [1] })
      const patched = await doc.patch([{ op: 'add', path: '/list/-', value: 2 }, { op: 'remove', path: '/hello' }])
      const tagged = await patched.update(patched.content, { metadata: { tags: ['changed'] } })
      const signers = tagged.log.map(({ signer, capability, verified }) => ({ signer, issuer: capability?.issuer, signature: verified.includes('signature') }))
      return { states: [doc, updated, patched, tagged].map(look), signers, did: session.did, key: session.key, car: Array.from(await node.exportCar(doc.id)) }
    })
    const [created, updated, patched, tagged] = seen.states
    assert.deepEqual(created.content, { hello: 'world', list: [1] })
    assert.deepEqual([created.type, created.metadata.tags, created.metadata.family, created.metadata.controllers], ['tile', ['greeting'], 'tests', [seen.did]])
    assert.deepEqual(updated.content, { hello: 'again', list: [1] })
    assert.deepEqual(patched.content, { list: [1, 2] })
    assert.deepEqual([tagged.content, tagged.metadata.tags], [{ list: [1, 2] }, ['changed']])
    assert.deepEqual([created, updated, patched, tagged].map(({ log }) => log.length), [1, 2, 3, 4])
    assert.deepEqual(tagged.log.at(-1).cid, tagged.tip)
    for (const signer of seen.signers) assert.deepEqual(signer, { signer: seen.key, issuer: seen.did, signature: true })
    await ready(page, here.server.url)
    const kept = await page.evaluate(async (id) => {
      globalThis.node = await ostrakon.createNode()
      const doc = await node.load(id)
      const next = await doc.update({ after: 'a reload' })
      return { tip: doc.tip, source: doc.source, content: next.content }
    }, created.id)
    assert.deepEqual(kept, { tip: tagged.tip, source: 'disk', content: { after: 'a reload' } })
    const stranger = await ready(await openPage(here.browser), here.server.url)
    try {
      const verified = await stranger.evaluate(
        async ([bytes, id]) => {
          const node = await ostrakon.createNode()
          const ids = await node.importCar(Uint8Array.from(bytes))
          const { content, tip, metadata } = await node.load(id)
          return { ids, content, tip, tags: metadata.tags }
        },
        [seen.car, created.id],
      )
      assert.deepEqual(verified, { ids: [created.id], content: tagged.content, tip: tagged.tip, tags: ['changed'] })
    } finally {
      await stranger.context().close()
    }
  }))

test('what is written at once through one document comes one after the other', () =>
  signedIn(async (page) => {
    const contents = await page.evaluate(async () => {
      const doc = await node.create('tile', { content: { n: 0 } })
      const writes = Array.from({ length: 8 }, (_, n) => doc.patch([{ op: 'add', path: `/w${n}`, value: n }]))
      const failed = failure(doc.patch([{ op: 'test', path: '/n', value: 'something else' }]))
      const last = doc.update({ done: true })
      const lengths = (await Promise.all(writes)).map(({ log }) => log.length)
      return { lengths, code: (await failed).code, last: (await last).content, log: (await last).log.length }
    })
    assert.deepEqual(contents.lengths, [2, 3, 4, 5, 6, 7, 8, 9])
    assert.equal(contents.code, 'patch-test-failed')
    assert.deepEqual([contents.last, contents.log], [{ done: true }, 10])
  }))

test('a change made for a state that is no longer the newest is refused, and nothing is written, unless one wants it on top', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const mine = await node.create('tile', { content: { a: 1, b: 1 } })
      const theirs = await node.load(mine.id)
      const newer = await theirs.patch([{ op: 'replace', path: '/a', value: 2 }])
      const stale = await failure(mine.update({ a: 1, b: 2 }))
      const base = await failure(newer.patch([{ op: 'replace', path: '/b', value: 3 }], { base: mine.tip }))
      const before = (await node.load(mine.id)).tip === newer.tip
      const merged = await mine.patch([{ op: 'replace', path: '/b', value: 2 }], { throwIfStale: false })
      return { codes: [stale.code, base.code], before, merged: merged.content }
    })
    assert.deepEqual(seen, { codes: ['stale', 'stale'], before: true, merged: { a: 2, b: 2 } })
  }))

test('of two tabs that update one state at once, one writes and the other is told', () =>
  here.withTabs(2, async (tabs) => {
    for (const page of tabs) await giveWallets(page, chain)
    const id = await tabs[0].evaluate(async () => {
      globalThis.session = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })
      return (await node.create('tile', { content: { n: 0 } })).id
    })
    await tabs[1].waitForFunction(() => node.session?.active)
    for (const page of tabs) await page.evaluate(async (id) => void (globalThis.doc = await node.load(id)), id)
    const ends = await Promise.all(tabs.map((page, n) => page.evaluate((n) => doc.update({ n }).then(({ content }) => content, ({ code }) => code), n + 1)))
    assert.equal(ends.filter((end) => end === 'stale').length, 1, JSON.stringify(ends))
    const [content] = ends.filter((end) => end !== 'stale')
    for (const page of tabs) assert.deepEqual(await page.evaluate(async (id) => (await node.load(id)).content, id), content)
  }))

test('a deterministic tile is the same one each time, empty at first, and of another account another one', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const init = { deterministic: true, family: 'my-app' }
      const one = await node.create('tile', init)
      await one.update({ kept: true })
      const again = await node.create('tile', init)
      const [, second] = await anvil('eth_accounts', [])
      const other = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'], account: second })
      const others = await node.create('tile', init, { session: other })
      return { first: one.content, same: one.id === again.id, again: again.content, other: others.id !== one.id, content: await failure(node.create('tile', { ...init, content: {} })) }
    })
    assert.deepEqual({ ...seen, content: seen.content.code }, { first: {}, same: true, again: { kept: true }, other: true, content: seen.content.code })
    assert.match(seen.content.message, /deterministic/)
  }))

const MODEL = {
  version: '1.0',
  name: 'Note',
  accountRelation: { type: 'list' },
  schema: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties: { text: { type: 'string', maxLength: 10 } }, required: ['text'], additionalProperties: false },
}

test('a model and its instances are written, many at once or none, as its schema allows', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async (definition) => {
      const model = await node.create('model', definition)
      const one = await node.create('modelInstance', { model: model.id, content: { text: 'one' } })
      const next = await one.update({ text: 'two' })
      const many = await node.createMany('modelInstance', Array.from({ length: 50 }, (_, n) => ({ model: model.id, content: { text: `n${n}` } })))
      const before = (await node.documents.list()).length
      const long = { text: 'far too long for it' }
      const refused = [
        await failure(node.create('modelInstance', { model: model.id, content: long })),
        await failure(one.update(long)),
        await failure(node.createMany('modelInstance', [{ model: model.id, content: { text: 'good' } }, { model: model.id, content: long }])),
      ]
      return {
        types: [model.type, one.type],
        model: one.metadata.model === model.id,
        content: next.content,
        many: many.map(({ content }) => content.text),
        ids: new Set(many.map(({ id }) => id)).size,
        codes: refused.map(({ code }) => code),
        messages: refused.map(({ message }) => message),
        same: (await node.documents.list()).length === before,
        tip: (await node.load(one.id)).tip === next.tip,
      }
    }, MODEL)
    assert.deepEqual(seen.types, ['model', 'MID'])
    assert.deepEqual([seen.model, seen.content], [true, { text: 'two' }])
    assert.deepEqual(seen.many, Array.from({ length: 50 }, (_, n) => `n${n}`))
    assert.equal(seen.ids, 50)
    assert.deepEqual(seen.codes, Array.from({ length: 3 }, () => 'instance-schema'))
    assert.deepEqual([seen.same, seen.tip], [true, true])
  }))

test('what a session was not given leave for is refused before anything is written', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async (definition) => {
      const model = await node.create('model', definition)
      const tile = await node.create('tile', { content: { a: 1 } })
      await session.revoke()
      const narrow = await node.connectWallet(makeWallet(), { resources: { models: [model.id] } })
      const one = await node.create('modelInstance', { model: model.id, content: { text: 'allowed' } })
      const before = (await node.documents.list()).length
      const refused = [await failure(node.create('tile', { content: {} })), await failure(tile.update({ a: 2 })), await failure(node.createMany('tile', [{ content: {} }]))]
      await node.importCar(await car('/cars/short'))
      const foreign = await failure((await node.load((await node.documents.list()).at(-1).id)).update({}, { session: narrow }))
      return { allowed: one.content, codes: refused.map(({ code }) => code), added: (await node.documents.list()).length - before, tip: (await node.load(tile.id)).tip === tile.tip }
    }, MODEL)
    assert.deepEqual(seen.allowed, { text: 'allowed' })
    assert.deepEqual(seen.codes, Array.from({ length: 3 }, () => 'cacao-resources'))
    assert.deepEqual([seen.added, seen.tip], [1, true])
  }))

test('a document that somebody else controls can’t be changed', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async (id) => {
      await node.importCar(await car('/cars/short'))
      const doc = await node.load(id)
      const attempts = [await failure(doc.update({})), await failure(doc.patch([])), await failure(doc.update({}, { session }))]
      return { codes: attempts.map(({ code }) => code), same: (await node.load(id)).tip === doc.tip, outbox: await node.outbox.list() }
    }, short.id)
    assert.deepEqual(seen, { codes: Array.from({ length: 3 }, () => 'not-controller'), same: true, outbox: [] })
  }))

test('what is written while nobody listens waits in the outbox, also after a reload', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const before = Date.now()
      const doc = await node.create('tile', { content: { a: 1 } })
      const next = await doc.update({ a: 2 })
      const [entry, ...more] = await node.outbox.list()
      const unpublished = (await failure(node.documents.forget(doc.id))).code
      return { unpublished, doc: look(next), entry, more, since: entry.since >= before && entry.since <= Date.now() }
    })
    assert.deepEqual([seen.entry.id, seen.entry.event, seen.entry.reason], [seen.doc.id, seen.doc.tip, 'no-peers'])
    assert.deepEqual([seen.more, seen.since, seen.doc.status], [[], true, { state: 'local' }])
    await ready(page, here.server.url)
    assert.equal(seen.unpublished, 'unpublished')
    const after = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode()
      const waiting = await node.outbox.list()
      await node.documents.forget(id, { discard: true })
      return [waiting, await node.outbox.list(), await node.documents.list()]
    }, seen.doc.id)
    assert.deepEqual(after, [[seen.entry], [], []])
  }))

// ---- links and secrets ----

test('an account is linked to a DID in public, by one signature of its wallet', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const wallet = makeWallet()
      const link = await node.linkAccount(wallet)
      const asked = wallet.asked.filter(({ method }) => method === 'personal_sign')
      const text = new TextDecoder().decode(Uint8Array.from(asked[0].params[0].slice(2).match(/../g), (byte) => parseInt(byte, 16)))
      const again = await node.linkAccount(makeWallet(), { did: session.key })
      const solana = await makeSolana()
      const other = await node.linkAccount(solana)
      return { link: look(link), again: look(again), other: look(other), text, prompts: asked.length, did: session.did, key: session.key, address: solana.key.address }
    })
    const [account] = chain.accounts
    assert.deepEqual([seen.link.type, seen.link.content, seen.link.metadata.controllers], ['caip10-link', seen.did, [`${account}@eip155:31337`]])
    assert.match(seen.text, new RegExp(`^Link this account to your identity\\n\\n${seen.did} \\nTimestamp: \\d+$`))
    assert.equal(seen.prompts, 1)
    assert.deepEqual([seen.again.id, seen.again.content], [seen.link.id, seen.key])
    assert.equal(seen.other.content, seen.did)
    assert.deepEqual(seen.other.metadata.controllers.map((one) => one.toLowerCase()), [`${seen.address}@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp`.toLowerCase()])
  }))

test('a link that the wallet refuses to sign, or signs with another account, is not written', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const scripts = [
        { personal_sign: () => { throw { code: 4001 } } },
        { personal_sign: async ([text], honest) => honest(text, (await anvil('eth_accounts', []))[1]) },
        { personal_sign: async () => '0x1234' },
      ]
      const codes = []
      for (const script of scripts) codes.push((await failure(node.linkAccount(makeWallet(script)))).code)
      return { codes, outbox: (await node.outbox.list()).length }
    })
    assert.deepEqual(seen.codes, ['wallet-rejected', 'proof-signature', 'proof-signature'])
    assert.equal(seen.outbox, 0)
  }))

test('JSON and bytes are encrypted for several DIDs, each of which reads them, and nobody else', () =>
  signedIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const ada = await node.connectWallet(makeWallet(), { kind: 'key' })
      const [, second, third] = await anvil('eth_accounts', [])
      const bob = await node.connectWallet(makeWallet(), { kind: 'key', account: second })
      const eve = await node.connectWallet(makeWallet(), { kind: 'key', account: third })
      const value = { a: [1, 'zwei', null, { drei: 3.5 }], 'ü': '🙂' }
      const secret = await node.encrypt(value, { to: [ada.did, bob.did] })
      const bytes = await node.encrypt(Uint8Array.of(1, 2, 3), { to: [bob.did] })
      const doc = await node.create('tile', { content: { open: 1, secret } }, { session: ada })
      return {
        value,
        read: await Promise.all([ada, bob].map((session) => node.decrypt(doc.content.secret, { session }))),
        bytes: Array.from(await node.decrypt(bytes, { session: bob })),
        eve: (await failure(node.decrypt(secret, { session: eve }))).code,
        changed: (await failure(node.decrypt({ ...secret, ciphertext: secret.ciphertext.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A')) }, { session: ada }))).code,
        garbage: (await failure(node.decrypt({ not: 'a JWE' }, { session: ada }))).code,
        nobody: (await failure(node.encrypt(value, { to: ['did:key:z6MkNobody'] }))).code,
        unencryptable: (await failure(node.encrypt({ at: new Date() }, { to: [ada.did] }))).code,
        plain: JSON.stringify(secret).includes('zwei'),
        recipients: secret.recipients.length,
      }
    })
    assert.deepEqual(seen.read, [seen.value, seen.value])
    assert.deepEqual([seen.bytes, seen.plain, seen.recipients, seen.unencryptable], [[1, 2, 3], false, 2, 'invalid-content'])
    assert.deepEqual([seen.eve, seen.changed, seen.garbage, seen.nobody], ['jwe-not-for-this-key', 'jwe-not-for-this-key', 'jwe-format', 'did-key'])
  }))
