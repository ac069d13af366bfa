// DID providers (EIP-2844), both ways: one of the page as a signer of ours, and a session as one for other libraries.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setUp } from '../support/page.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'

const here = setUp({})
let chain
before(async () => (chain = await startChain()))
after(() => chain?.stop())

const withProviders = (body, options) =>
  here.withPage(async (page) => {
    await giveWallets(page, chain)
    await page.evaluate(async () => void (globalThis.node = await ostrakon.createNode()))
    await page.evaluate(install)
    await body(page)
  }, options)

/** In the page: `makeProvider(script)`, `verifies(jws)` and `decode(section)`. */
function install() {
  const url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
  const encode = (value) => url(new TextEncoder().encode(JSON.stringify(value)))
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0))
  const decode = (text) => JSON.parse(new TextDecoder().decode(bytes(text)))
  /** A provider with an ed25519 key of the page; `script[method](params, honest)` answers in its place. */
  const makeProvider = async (script = {}) => {
    const key = await makeKey()
    const sign = async (payload, header = {}) => {
      const head = encode({ ...header, alg: 'EdDSA', kid: `${key.did}#${key.did.split(':')[2]}` })
      const body = typeof payload === 'string' ? payload : encode(payload)
      return { payload: body, signatures: [{ protected: head, signature: url(await key.sign(new TextEncoder().encode(`${head}.${body}`))) }] }
    }
    const methods = {
      did_authenticate: ({ nonce, aud, paths }) => sign({ did: key.did, nonce, aud, paths, exp: Math.floor(Date.now() / 1000) + 600 }),
      did_createJWS: async ({ payload, protected: header }) => ({ jws: await sign(payload, header) }),
    }
    const provider = {
      key,
      sign,
      asked: [],
      async send({ id, method, params }) {
        provider.asked.push(method)
        try {
          const honest = () => methods[method](params)
          return { jsonrpc: '2.0', id, result: await (script[method] ? script[method](params, honest, provider) : honest()) }
        } catch (error) {
          return { jsonrpc: '2.0', id, error: { code: error.code ?? -32000, message: error.message } }
        }
      },
    }
    return provider
  }
  /** Whether a general JWS is signed by the did:key that its header names, by the browser's own cryptography. */
  const verifies = async ({ payload, signatures: [{ protected: head, signature }] }) => {
    const multibase = decode(head).kid.split('#')[1]
    let number = [...multibase.slice(1)].reduce((all, letter) => all * 58n + BigInt('123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'.indexOf(letter)), 0n)
    const raw = Uint8Array.from(number.toString(16).match(/../g), (byte) => parseInt(byte, 16)).slice(2)
    const key = await crypto.subtle.importKey('raw', raw, 'Ed25519', false, ['verify'])
    return crypto.subtle.verify('Ed25519', key, bytes(signature), new TextEncoder().encode(`${head}.${payload}`))
  }
  Object.assign(globalThis, { makeProvider, verifies, decode })
}

test('a DID provider of the page signs what is written in its name', () =>
  withProviders(async (page) => {
    const seen = await page.evaluate(async () => {
      const provider = await makeProvider()
      const session = await node.useDid(provider)
      const doc = await node.create('tile', { content: { by: 'another library' } })
      const next = await doc.update({ by: 'it again' })
      return { kind: session.kind, did: session.did, own: provider.key.did, same: session.provider === provider, controllers: doc.metadata.controllers, content: next.content, signers: next.log.map(({ signer }) => signer), asked: provider.asked }
    })
    assert.deepEqual([seen.kind, seen.did, seen.same, seen.controllers], ['external', seen.own, true, [seen.own]])
    assert.deepEqual(seen.content, { by: 'it again' })
    assert.deepEqual(seen.signers, [seen.own, seen.own])
    assert.deepEqual(seen.asked, ['did_authenticate', 'did_createJWS', 'did_createJWS'])
  }))

test('a DID provider that does not prove who it is opens no session', () =>
  withProviders(async (page) => {
    const seen = await page.evaluate(async () => {
      const claims = (change) => ({ did_authenticate: ({ nonce, aud, paths }, _, { key, sign }) => sign({ did: key.did, nonce, aud, paths, exp: Math.floor(Date.now() / 1000) + 600, ...change }) })
      const scripts = [
        claims({ nonce: 'stale' }),
        claims({ aud: 'https://elsewhere.example' }),
        claims({ exp: 1 }),
        claims({ exp: undefined }),
        claims({ did: 'did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z' }),
        claims({ did: 7 }),
        { did_authenticate: () => ({}) },
        { did_authenticate: () => null },
        { did_authenticate: () => 'a.b.c' },
        { did_authenticate: () => { throw { code: 4001, message: 'no' } } },
        { did_authenticate: () => new Promise(() => {}) },
      ]
      const codes = []
      for (const script of scripts) codes.push((await failure(node.useDid(await makeProvider(script), { timeout: 500 }))).code)
      return { codes, sessions: (await node.sessions()).length }
    })
    const u = 'did-provider-unusable'
    assert.deepEqual(seen.codes, [u, u, u, u, u, u, u, u, u, 'wallet-rejected', 'timeout'])
    assert.equal(seen.sessions, 0)
  }))

test('a DID provider that refuses to sign, signs something else or badly has written nothing', () =>
  withProviders(async (page) => {
    const seen = await page.evaluate(async () => {
      const scripts = [
        () => { throw { code: 4001, message: 'no' } },
        () => ({}),
        async (_, __, { sign }) => ({ jws: await sign({ other: 'payload' }) }),
        async (_, honest) => {
          const { jws } = await honest()
          return { jws: { ...jws, signatures: jws.signatures.map((one) => ({ ...one, signature: 'A'.repeat(86) })) } }
        },
        async (params) => ({ jws: await (await makeProvider()).sign(params.payload) }),
      ]
      const codes = []
      for (const did_createJWS of scripts) {
        const session = await node.useDid(await makeProvider({ did_createJWS }))
        codes.push((await failure(node.create('tile', { content: { a: 1 } }, { session }))).code)
      }
      return { codes, documents: await node.documents.list(), outbox: await node.outbox.list() }
    })
    assert.deepEqual(seen.codes, ['sign-rejected', 'sign-failed', 'sign-failed', 'jws-signature', 'wrong-signer'])
    assert.deepEqual([seen.documents, seen.outbox], [[], []])
  }))

test('a session is a DID provider for other libraries, and for nobody else’s DID', () =>
  withProviders(async (page) => {
    const seen = await page.evaluate(async () => {
      const session = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })
      const { provider } = session
      const ask = (method, params, id = 1) => provider.send({ jsonrpc: '2.0', id, method, params })
      const proof = (await ask('did_authenticate', { nonce: 'n1', aud: 'https://dapp.example', paths: ['/a'] })).result
      const { jws } = (await ask('did_createJWS', { did: session.key, payload: { b: 1, a: { d: 1, c: 2 } }, protected: { cap: 'ipfs://x' } }, 'two')).result
      const raw = (await ask('did_createJWS', { did: `${session.did}#controller`, payload: 'AXESIA' })).result.jws
      const secret = await node.encrypt({ for: 'me' }, { to: [session.key] })
      const opened = (await ask('did_decryptJWE', { jwe: secret, did: session.key })).result
      return {
        is: provider.isDidProvider,
        key: session.key,
        claims: decode(proof.payload),
        header: decode(jws.signatures[0].protected),
        payload: atob(jws.payload),
        raw: raw.payload,
        verified: await Promise.all([proof, jws, raw].map(verifies)),
        opened: typeof opened.cleartext,
        unknown: (await ask('did_createJWS', { did: 'did:key:z6Mkother', payload: {} })).error.code,
        method: (await ask('eth_sign', {})).error.code,
        params: (await ask('did_createJWS', { did: session.key, payload: 7 })).error.code,
        garbage: (await ask('did_decryptJWE', { did: session.key, jwe: { protected: 'x' } })).error.code,
        notification: await provider.send({ jsonrpc: '2.0', method: 'did_createJWS', params: { did: session.key, payload: {} } }),
        bad: (await provider.send({})).error.code,
        revoked: (await session.revoke(), await ask('did_createJWS', { did: session.key, payload: {} })).error,
      }
    })
    assert.equal(seen.is, true)
    const { exp, ...claims } = seen.claims
    assert.deepEqual(claims, { did: seen.key, nonce: 'n1', aud: 'https://dapp.example', paths: ['/a'] })
    assert.ok(Math.abs(exp - Date.now() / 1000 - 600) < 60)
    assert.equal(seen.header.kid, `${seen.key}#${seen.key.split(':')[2]}`)
    assert.deepEqual([seen.header.alg, seen.header.cap], ['EdDSA', 'ipfs://x'])
    assert.equal(seen.payload, '{"a":{"c":2,"d":1},"b":1}')
    assert.equal(seen.raw, 'AXESIA')
    assert.deepEqual(seen.verified, [true, true, true])
    assert.equal(seen.opened, 'string')
    assert.deepEqual([seen.unknown, seen.method, seen.params, seen.garbage, seen.bad], [4100, -32601, -32602, -32000, -32600])
    assert.equal(seen.notification, null)
    assert.match(seen.revoked.data.code, /^session-/)
  }))

test('a DID provider goes on signing when another tab takes the node over, and ends with its page', () =>
  here.withTabs(3, async ([first, second, third], context) => {
    await giveWallets(second, chain)
    await second.evaluate(install)
    await second.evaluate(async () => void (globalThis.session = await node.useDid(await makeProvider())))
    const write = (page, n) => page.evaluate(async ([did, n]) => (await node.create('tile', { content: { n } }, { session: (await node.sessions()).find((one) => one.did === did) })).content, [did, n])
    const did = await second.evaluate(() => session.did)
    assert.deepEqual(await write(second, 1), { n: 1 })
    assert.deepEqual(await write(third, 2), { n: 2 }) // asked of the second tab
    await first.close()
    assert.deepEqual(await write(third, 3), { n: 3 })
    assert.deepEqual(await write(second, 4), { n: 4 })
    await second.close()
    await third.waitForFunction(async (did) => !(await node.sessions()).some((one) => one.did === did && one.active), did)
    assert.equal(context.pages().length, 1)
  }))
