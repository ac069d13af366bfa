// Passkeys, with Chromium's own virtual authenticator.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ready, setUp } from '../support/page.mjs'

const here = setUp({})

/** A page at `localhost`, since an address of numbers can have no passkeys, with an authenticator of its own. */
const withAuthenticator = (body, options = {}) =>
  here.withPage(async (page) => {
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('WebAuthn.enable')
    const add = () =>
      devtools.send('WebAuthn.addVirtualAuthenticator', {
        options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true, ...options },
      })
    const { authenticatorId } = await add()
    await ready(page, here.server.url.replace('127.0.0.1', 'localhost'))
    await page.evaluate(begin)
    await body(page, { devtools, authenticatorId })
  })

const begin = async () => {
  globalThis.node = await ostrakon.createNode()
  globalThis.shownSession = ({ did, key, kind, resources, active }) => ({ did, key, kind, resources, active })
}

const prompts = async (devtools, authenticatorId) => (await devtools.send('WebAuthn.getCredentials', { authenticatorId })).credentials.reduce((all, { signCount }) => all + signCount, 0)

test('a passkey is made, opens a session with one prompt, and the session survives a reload', () =>
  withAuthenticator(async (page, { devtools, authenticatorId }) => {
    const { passkey, shown } = await page.evaluate(async () => {
      const passkey = await node.createPasskey({ name: 'Ada' })
      const session = await node.usePasskey({ resources: ['ceramic://*'], expiresIn: '1h' })
      return { passkey, shown: shownSession(session) }
    })
    assert.match(passkey.did, /^did:key:zDn/)
    assert.deepEqual({ ...shown, key: '' }, { did: passkey.did, key: '', kind: 'passkey', resources: ['ceramic://*'], active: true })
    assert.match(shown.key, /^did:key:z6Mk/)
    const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId })
    assert.equal(credentials.length, 1)
    const before = await prompts(devtools, authenticatorId)
    await ready(page, page.url())
    await page.evaluate(begin)
    assert.deepEqual(await page.evaluate(() => shownSession(node.session)), shown)
    assert.equal(await prompts(devtools, authenticatorId), before)
  }))

test('a passkey that this browser does not know signs twice, and is known from then on', () =>
  withAuthenticator(async (page, { devtools, authenticatorId }) => {
    const use = () => page.evaluate(async () => (await node.usePasskey({ resources: ['ceramic://*'] })).did)
    const { did } = await page.evaluate(() => node.createPasskey({ name: 'Ada' }))
    await page.evaluate(() => localStorage.clear())
    const counts = [await prompts(devtools, authenticatorId)]
    assert.equal(await use(), did)
    counts.push(await prompts(devtools, authenticatorId))
    assert.equal(await use(), did)
    counts.push(await prompts(devtools, authenticatorId))
    const [created, unknown, known] = counts
    assert.deepEqual([unknown - created, known - unknown], [2, 1])
  }))

test('the passkeys that a dapp names are the only ones that may sign', () =>
  withAuthenticator(async (page) => {
    const seen = await page.evaluate(async () => {
      const one = await node.createPasskey({ name: 'one' })
      const two = await node.createPasskey({ name: 'two' })
      const used = await node.usePasskey({ passkeys: [JSON.parse(JSON.stringify(one))], resources: ['ceramic://*'] })
      // Named with the DID of the other, it does not become the other.
      const mixed = await failure(node.usePasskey({ passkeys: [{ id: one.id, did: two.did }], resources: ['ceramic://*'] }))
      const bad = await failure(node.usePasskey({ passkeys: [{ id: '*', did: two.did }], resources: ['ceramic://*'] }))
      return { one, used: used.did, mixed: mixed.code, bad: bad.code, sessions: (await node.sessions()).length }
    })
    assert.equal(seen.used, seen.one.did)
    assert.deepEqual([seen.mixed, seen.bad, seen.sessions], ['session-other-account', 'invalid-argument', 1])
  }))

test('a user who does not verify themselves opens nothing, and is told so', () =>
  withAuthenticator(
    async (page) => {
      const seen = await page.evaluate(async () => ({
        create: (await failure(node.createPasskey({ name: 'Ada' }))).code,
        use: (await failure(node.usePasskey({ resources: ['ceramic://*'] }))).code,
        sessions: (await node.sessions()).length,
      }))
      assert.deepEqual(seen, { create: 'passkey-rejected', use: 'passkey-rejected', sessions: 0 })
    },
    { isUserVerified: false },
  ))

test('an authenticator that never answers ends with the timeout or the signal, and opens nothing', () =>
  withAuthenticator(
    async (page) => {
      const seen = await page.evaluate(async () => {
        const late = await failure(node.createPasskey({ name: 'Ada', timeout: 500 }))
        const abort = new AbortController()
        const attempt = failure(node.usePasskey({ resources: ['ceramic://*'], signal: abort.signal }))
        setTimeout(() => abort.abort('enough'), 300)
        const aborted = await attempt
        return { late: late.code, aborted: [aborted.code, aborted.cause], sessions: (await node.sessions()).length }
      })
      assert.deepEqual(seen, { late: 'timeout', aborted: ['aborted', 'enough'], sessions: 0 })
    },
    { automaticPresenceSimulation: false },
  ))

test('a page that may have no passkeys says so', () =>
  here.withPage(async (page) => {
    const codes = await page.evaluate(async () => {
      const node = await ostrakon.createNode()
      const address = await failure(node.createPasskey({ name: 'Ada' }))
      Object.defineProperty(navigator, 'credentials', { value: undefined })
      return [address.code, (await failure(node.usePasskey({ resources: ['ceramic://*'] }))).code, (await node.sessions()).length]
    })
    assert.deepEqual(codes, ['passkey-unsupported', 'passkey-unsupported', 0])
  }))
