// Bad input on every way in: what is to be written, who signs it, and in whose name. Each is refused with a code, and afterwards
// nothing more is on the disk or in the outbox than before.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setUp } from '../support/page.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'

const here = setUp()
let chain
before(async () => (chain = await startChain()))
after(() => chain?.stop())

/** In the page: `node`, nobody signed in, and `kept`, all that writing could change. */
const withNode = (body) =>
  here.withPage(async (page) => {
    await giveWallets(page, chain)
    await page.evaluate(async () => {
      globalThis.node = await ostrakon.createNode({ peers: [] })
      globalThis.kept = async () => JSON.stringify([(await node.documents.list()).map(({ id, tip }) => [id, tip]).toSorted(), await node.outbox.list()])
      globalThis.codeOf = (attempt) => failure((async () => attempt())()).then(({ code }) => code)
      globalThis.pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
      /** How the attempt failed, and whether what is kept is the same `later`, in milliseconds. */
      globalThis.refused = async (attempt, later = 0) => {
        const before = await kept()
        const code = await codeOf(attempt)
        await pause(later)
        return [code, (await kept()) === before]
      }
    })
    await body(page)
  })

const TYPED = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array']

/** What is not written, by its kind: values as the page makes them. */
const BAD = {
  undefined: ['{ a: undefined }', '[undefined]'],
  'a function': ['{ a() {} }', '() => {}'],
  'a cycle': ['(() => { const a = {}; a.a = a; return a })()', '(() => { const a = []; a.push([a]); return a })()'],
  'a BigInt': ['{ a: 1n }', '1n'],
  NaN: ['{ a: NaN }', 'NaN'],
  'a typed array': [...TYPED.map((name) => `{ a: new ${name}(2) }`), '{ a: new DataView(new ArrayBuffer(2)) }', '{ a: new ArrayBuffer(2) }', 'new Float64Array(2)'],
  '10 MB': [`{ a: 'x'.repeat(10 << 20) }`, '{ a: Array.from({ length: 5 << 20 }, () => 1) }'],
}

for (const [kind, scripts] of Object.entries(BAD)) {
  test(`${kind} is refused in a new document, a batch, an instance, a change, a patch, metadata, a secret and a list of readers, before anything leaves the page`, () =>
    withNode(async (page) => {
      const seen = await page.evaluate(async (scripts) => {
        const session = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })
        const doc = await node.create('tile', { content: { a: 1 } })
        posted.length = 0
        const codes = {}
        for (const script of scripts) {
          const bad = (0, eval)(`(${script})`)
          const attempts = {
            tile: () => node.create('tile', { content: bad }),
            model: () => node.create('model', { name: 'M', schema: bad }),
            batch: () => node.createMany('tile', [{ content: {} }, { content: bad }]),
            instance: () => node.create('modelInstance', { model: doc.id, content: bad }),
            update: () => doc.update(bad),
            patch: () => doc.patch([{ op: 'replace', path: '/a', value: bad }]),
            metadata: () => doc.update({}, { metadata: { tags: bad } }),
            readers: () => node.rotateReaders({ readers: [bad] }, { to: [session.key] }),
            secret: () => node.encrypt(bad, { to: [session.key] }),
          }
          for (const [name, attempt] of Object.entries(attempts)) codes[`${name} of ${script}`] = await codeOf(attempt)
        }
        return { codes, posted: posted.length, same: (await node.load(doc.id)).tip === doc.tip, documents: (await node.documents.list()).length }
      }, scripts)
      for (const [name, code] of Object.entries(seen.codes)) assert.equal(code, kind === '10 MB' ? 'content-too-large' : 'invalid-content', name)
      assert.deepEqual([seen.posted, seen.same, seen.documents], [0, true, 1])
    }))
}

test('content that is JSON and too large for an event is refused by the node as well, alone and in a batch', () =>
  withNode(async (page) => {
    const seen = await page.evaluate(async () => {
      await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })
      const doc = await node.create('tile', { content: { a: 1 } })
      const large = { a: 'x'.repeat(1 << 20) }
      return [
        await refused(() => node.create('tile', { content: large })),
        await refused(() => node.createMany('tile', [{ content: {} }, { content: large }])),
        await refused(() => doc.update(large)),
        await refused(() => doc.patch([{ op: 'add', path: '/b', value: large }])),
      ]
    })
    assert.deepEqual(seen, Array.from({ length: 4 }, () => ['content-too-large', true]))
  }))

// ---- who signs ----

/** Signatures that are none, by what is wrong. Evaluated in the page, where `honest` is the good one, in hex. */
const SIGNATURES = {
  'too short': 'honest.slice(0, -4)', // 64 bytes are another form of the same, which links take as js-ceramic does
  'too long': `honest + '00'`,
  empty: `'0x'`,
  'half as long': 'honest.slice(0, 66)',
}

for (const [what, script] of Object.entries(SIGNATURES)) {
  test(`a wallet’s signature that is ${what} opens no session, makes no key and links no account`, () =>
    withNode(async (page) => {
      const seen = await page.evaluate(async (script) => {
        const wallet = () => makeWallet({ personal_sign: async (params, sign) => new Function('honest', `return ${script}`)(await sign(...params)) })
        const seen = [await refused(() => node.connectWallet(wallet(), { resources: ['ceramic://*'] })), await refused(() => node.connectWallet(wallet(), { kind: 'key' }))]
        seen.push((await node.sessions()).length)
        await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })
        return [...seen, await refused(() => node.linkAccount(wallet()))]
      }, script)
      assert.deepEqual(seen, [['session-signature-length', true], ['session-signature-length', true], 0, ['proof-signature', true]])
    }))
}

test('a wallet that never signs, or signs after its time, opens no session, makes no key and links no account, in Ethereum and in Solana', () =>
  withNode(async (page) => {
    const seen = await page.evaluate(async () => {
      await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })
      const [mine] = await node.sessions()
      const wallets = {
        never: () => makeWallet({ personal_sign: () => new Promise(() => {}) }),
        late: () => makeWallet({ personal_sign: async (params, honest) => (await pause(1_000), honest(...params)) }),
        'never, in Solana': () => makeSolana(undefined, { signed: () => new Promise(() => {}) }),
        'late, in Solana': () => makeSolana(undefined, { signed: () => pause(1_000) }),
      }
      const seen = {}
      for (const [name, make] of Object.entries(wallets)) {
        const wallet = await make()
        const attempts = [{ resources: ['ceramic://*'] }, { kind: 'key' }].map((options) => () => node.connectWallet(wallet, { ...options, timeout: 500 }))
        attempts.push(() => node.linkAccount(wallet, { timeout: 500 }))
        seen[name] = []
        for (const attempt of attempts) seen[name].push((await refused(attempt, 1_000)).join())
      }
      return { seen, sessions: (await node.sessions()).map(({ id }) => id === mine.id) }
    })
    const late = Array.from({ length: 3 }, () => 'timeout,true')
    assert.deepEqual(seen.seen, { never: late, late, 'never, in Solana': late, 'late, in Solana': late })
    assert.deepEqual(seen.sessions, [true])
  }))

/** In the page: `makeProvider(answer)`, a DID provider with a key of its own; `answer(jws)` is what it says instead of its signature. */
const withProvider = (body) =>
  withNode(async (page) => {
    await page.evaluate(() => {
      const url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
      const encode = (value) => url(new TextEncoder().encode(JSON.stringify(value)))
      globalThis.makeProvider = async (answer = (jws) => jws, proof = (jws) => jws) => {
        const key = await makeKey()
        const sign = async (payload) => {
          const head = encode({ alg: 'EdDSA', kid: `${key.did}#${key.did.split(':')[2]}` })
          const body = typeof payload === 'string' ? payload : encode(payload)
          return { payload: body, signatures: [{ protected: head, signature: url(await key.sign(new TextEncoder().encode(`${head}.${body}`))) }] }
        }
        const provider = {
          did: key.did,
          asked: 0,
          async send({ id, method, params }) {
            if (method === 'did_createJWS') provider.asked++
            const result =
              method === 'did_authenticate' ? proof(await sign({ did: key.did, ...params, exp: Math.floor(Date.now() / 1000) + 600 })) : { jws: await answer(await sign(params.payload)) }
            return { jsonrpc: '2.0', id, result }
          },
        }
        return provider
      }
      globalThis.withSignature = (change) => (jws) => ({ ...jws, signatures: jws.signatures.map((one) => ({ ...one, signature: change(one.signature) })) })
    })
    await body(page)
  })

test('a DID provider whose signature has the wrong length, is none, or comes twice has written nothing and proven nothing', () =>
  withProvider(async (page) => {
    const seen = await page.evaluate(async () => {
      const answers = {
        'too short': withSignature((text) => text.slice(0, -2)),
        'too long': withSignature((text) => text + 'AAAA'),
        empty: withSignature(() => ''),
        endless: withSignature(() => 'A'.repeat(1e6)),
        'no base64url': withSignature((text) => text.replace(/^../, '*~')),
        'no text': withSignature(() => 7),
        none: (jws) => ({ ...jws, signatures: [] }),
        two: (jws) => ({ ...jws, signatures: [...jws.signatures, ...jws.signatures] }),
      }
      const seen = {}
      for (const [name, answer] of Object.entries(answers)) {
        const session = await node.useDid(await makeProvider(answer))
        const good = await makeProvider()
        const attempts = [() => node.create('tile', { content: { a: 1 } }, { session }), () => node.createMany('tile', [{ content: {} }, { content: {} }], { session })]
        seen[name] = []
        for (const attempt of attempts) seen[name].push(await refused(attempt))
        const proof = await codeOf(async () => node.useDid(await makeProvider(undefined, answer)))
        seen[name].push(proof)
        await session.revoke().catch(() => {})
      }
      return { seen, documents: await node.documents.list() }
    })
    for (const [name, [one, many, proof]] of Object.entries(seen.seen)) {
      for (const [code, same] of [one, many]) {
        assert.equal(code, 'sign-failed', name)
        assert.ok(same, name)
      }
      assert.equal(proof, 'did-provider-unusable', name)
    }
    assert.deepEqual(seen.documents, [])
  }))

test('a DID provider that never signs, or signs after the call has ended, has written nothing', () =>
  withProvider(async (page) => {
    const seen = await page.evaluate(async () => {
      const doc = await node.create('tile', { content: { a: 1 } }, { session: await node.useDid(await makeProvider()) })
      const never = await node.useDid(await makeProvider(() => new Promise(() => {})))
      const late = await node.useDid(await makeProvider(async (jws) => (await pause(1_000), jws)))
      const seen = []
      for (const session of [never, late]) {
        seen.push(await refused(() => node.create('tile', { content: { a: 2 } }, { session, timeout: 300 }), 1_500))
        const abort = new AbortController()
        setTimeout(() => abort.abort(), 300)
        seen.push(await refused(() => node.createMany('tile', [{ content: {} }], { session, signal: abort.signal }), 1_500))
      }
      return { seen, tip: (await node.load(doc.id)).tip === doc.tip }
    })
    assert.deepEqual(seen.seen.map(([code, same]) => [code, same]), [['timeout', true], ['aborted', true], ['timeout', true], ['aborted', true]])
    assert.ok(seen.tip)
  }))

test('for a document that somebody else controls nobody is asked to sign, whoever is signed in', () =>
  withProvider(async (page) => {
    const seen = await page.evaluate(async () => {
      const [id] = await node.importCar(await car('/cars/short'))
      const doc = await node.load(id)
      const provider = await makeProvider()
      const key = await node.connectWallet(makeWallet(), { kind: 'key' })
      const sessions = [await node.useDid(provider), await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] }), key, await node.threeId.create(key, 'one')]
      const seen = []
      for (const session of sessions) {
        seen.push(await refused(() => doc.update({}, { session })))
        seen.push(await refused(() => doc.patch([{ op: 'add', path: '/a', value: 1 }], { session, throwIfStale: false })))
        seen.push(await refused(() => doc.update({}, { session, metadata: { controllers: [session.did] } })))
      }
      return { seen, asked: provider.asked, tip: (await node.load(id)).tip === doc.tip }
    })
    assert.deepEqual(seen.seen, Array.from({ length: 12 }, () => ['not-controller', true]))
    assert.deepEqual([seen.asked, seen.tip], [0, true])
  }))

test('an expired session writes nothing, in no way, here and in the tab beside', () =>
  here.withTabs(2, async ([first, second]) => {
    await giveWallets(first, chain)
    const ids = await first.evaluate(async () => {
      globalThis.session = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'], expiresIn: 4 })
      globalThis.doc = await node.create('tile', { content: { a: 1 } })
      globalThis.secret = await node.encrypt({ a: 1 }, { to: [session.key] })
      return [session.id, doc.id]
    })
    await second.waitForFunction(() => node.session?.active)
    // The other tab holds on to it, as a dapp does.
    await second.evaluate(async ([, id]) => void (globalThis.theirs = [node.session, await node.load(id)]), ids)
    await first.evaluate(() => new Promise((resolve) => session.on('expired', resolve)))
    await second.waitForFunction(() => !theirs[0].active)
    const here_ = await first.evaluate(async () => {
      const attempts = [
        () => node.create('tile', { content: {} }, { session }),
        () => node.createMany('tile', [{ content: {} }], { session }),
        () => doc.update({ a: 2 }, { session }),
        () => doc.patch([{ op: 'replace', path: '/a', value: 2 }], { session }),
        () => node.decrypt(secret, { session }),
        () => doc.update({ a: 2 }), // without a name there is nobody left
      ]
      const codes = []
      for (const attempt of attempts) codes.push((await failure(attempt())).code)
      const { error } = await session.provider.send({ jsonrpc: '2.0', id: 1, method: 'did_createJWS', params: { did: session.key, payload: {} } })
      return { codes, provider: error.data.code, tip: (await node.load(doc.id)).tip === doc.tip, documents: (await node.documents.list()).length }
    })
    assert.deepEqual(here_.codes, [...Array.from({ length: 5 }, () => 'session-ended'), 'no-session'])
    assert.match(here_.provider, /^session-/)
    assert.deepEqual([here_.tip, here_.documents], [true, 1])
    const there = await second.evaluate(async () => {
      const [session, doc] = theirs
      const code = (await failure(doc.update({ a: 3 }, { session }))).code
      return [code, (await node.load(doc.id)).tip === doc.tip]
    })
    assert.deepEqual(there, ['session-ended', true])
  }))
