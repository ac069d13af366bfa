// Who writes: Solana wallets, passkeys, and sessions that end while somebody writes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { giveWallets } from '../support/wallet.mjs'
import { DESKTOP, open, overflow, PHONE, picture, setUp } from './visit.mjs'

const { visit } = setUp()

/** Puts a Solana wallet into the page as extensions do (Wallet Standard), with an ed25519 key of its own. `asked` is what it was asked to sign. */
async function solana(page) {
  await giveWallets(page, { ask: () => Promise.reject(new Error('there is no Ethereum here')) })
  await page.addInitScript(() => {
    globalThis.refuses = false
    const made = makeSolana(undefined, {
      signed: async () => {
        if (refuses) throw new Error('User rejected the request.')
      },
    })
    addEventListener('wallet-standard:app-ready', ({ detail }) => made.then((wallet) => detail.register(wallet)))
    void made.then((wallet) => Object.assign(globalThis, { solanaWallet: wallet, asked: wallet.asked }))
  })
}

/** A device that verifies its user without anybody there. */
async function device(page) {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  })
}

const signer = (page) => page.locator('.identity .signer').last().getAttribute('title')
const bar = (page) => page.locator('#ending')
const again = (page) => bar(page).getByRole('button', { name: 'Sign again' })

/** Chooses a time that no option of the page is as short as. */
const last = (page, seconds) => page.getByLabel('How long').evaluate((select, seconds) => (select.selectedOptions[0].value = `${seconds}s`), seconds)

/** Signs in with the Solana wallet, for so many seconds. */
async function signIn(page, { seconds } = {}) {
  await page.getByRole('button', { name: 'Sol', exact: true }).click()
  if (seconds) await last(page, seconds)
  await page.getByRole('button', { name: 'Ask the wallet' }).click()
  await page.locator('.identity').waitFor()
  return signer(page)
}

async function write(page, content) {
  await page.getByRole('button', { name: 'New document' }).click()
  await page.locator('.composer textarea').first().fill(JSON.stringify(content))
  await page.getByRole('button', { name: 'Sign and keep' }).click()
  return page.locator('article[data-id]').getAttribute('data-id')
}

test('a Solana wallet signs once, and another profile reads by whose leave the document was written', () =>
  visit(
    DESKTOP,
    async (one, other) => {
      const did = await signIn(one)
      const { address, asked } = await one.evaluate(() => ({ address: solanaWallet.key.address, asked }))
      assert.equal(did, `did:pkh:solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:${address}`)
      assert.equal(asked.length, 1)
      assert.match(asked[0], /wants you to sign in with your Solana account:\n.*Write documents in the Ostrakon demo\..*- ceramic:\/\/\*/s)
      assert.match(await one.locator('.identity').textContent(), /May write every document.*cannot spend.*in 7 days/)
      const id = await write(one, { title: 'By a Solana wallet' })
      await picture(one, 'solana-written')
      await open(other, id)
      await other.locator('.said', { hasText: 'By a Solana wallet' }).waitFor()
      assert.match(await other.locator('.event .leave').first().textContent(), /by leave of a Solana wallet/)
      assert.equal(await one.evaluate(() => asked.length), 1)
    },
    { visitors: 2, prepare: solana },
  ))

test('who refuses in the Solana wallet is told so, and is signed in once they agree', () =>
  visit(
    DESKTOP,
    async (page) => {
      await page.evaluate(() => void (refuses = true))
      await page.getByRole('button', { name: 'Sol', exact: true }).click()
      await page.getByRole('button', { name: 'Ask the wallet' }).click()
      await page.locator('#you .error code', { hasText: 'wallet-rejected' }).waitFor()
      assert.equal(await page.locator('.identity').count(), 0)
      await page.evaluate(() => void (refuses = false))
      await page.getByRole('button', { name: 'Ask the wallet' }).click()
      await page.locator('.identity').waitFor()
      assert.ok(await page.locator('#you .error').isHidden())
    },
    { prepare: solana },
  ))

test('a passkey is made, writes, outlives a reload, and signs in again as the same DID', () =>
  visit(
    DESKTOP,
    async (page) => {
      await page.getByRole('button', { name: 'Passkey', exact: true }).click()
      await page.getByLabel('What the device calls a new one').fill('Ada')
      await picture(page, 'passkey-form')
      await page.getByRole('button', { name: 'Make a new one' }).click()
      await page.locator('.identity').waitFor()
      const did = await signer(page)
      assert.match(did, /^did:key:zDn/)
      assert.match(await page.locator('.identity').textContent(), /May write every document.*in 7 days/)
      const id = await write(page, { title: 'By a passkey' })
      assert.match(await page.locator('.event .leave').first().textContent(), /by leave of a passkey/)
      await picture(page, 'passkey-written')
      await page.reload()
      await page.locator('.identity').waitFor()
      assert.equal(await signer(page), did)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.locator('.identity').waitFor({ state: 'detached' })
      await page.getByRole('button', { name: 'Passkey', exact: true }).click()
      await page.getByRole('button', { name: 'Use a passkey' }).click()
      await page.locator('.identity').waitFor()
      assert.equal(await signer(page), did)
      await open(page, id)
      await page.getByRole('button', { name: 'Edit', exact: true }).click()
      await page.locator('.said textarea').fill('{ "title": "By the same passkey" }')
      await page.getByRole('button', { name: 'Sign the change' }).click()
      await page.locator('.said .tree', { hasText: 'By the same passkey' }).waitFor()
    },
    { host: 'localhost', prepare: device },
  ))

test('a device without a passkey says so by code, and nobody is signed in', () =>
  visit(
    DESKTOP,
    async (page) => {
      await page.getByRole('button', { name: 'Passkey', exact: true }).click()
      await page.getByRole('button', { name: 'Use a passkey' }).click()
      await page.locator('#you .error code', { hasText: 'passkey-rejected' }).waitFor()
      assert.equal(await page.locator('.identity').count(), 0)
    },
    { host: 'localhost', prepare: device },
  ))

test('a page that was opened by a number says where passkeys work, and leads there', () =>
  visit(DESKTOP, async (page) => {
    await page.getByRole('button', { name: 'Passkey', exact: true }).click()
    const link = page.locator('.sign-in a', { hasText: 'as localhost' })
    assert.equal(await link.getAttribute('href'), page.url().replace('127.0.0.1', 'localhost'))
  }))

test('before a session ends the page offers to sign again: one press, and what is being typed is written by the same account', () =>
  visit(
    DESKTOP,
    async (page) => {
      const did = await signIn(page, { seconds: 30 })
      await page.getByRole('button', { name: 'New document' }).click()
      const area = page.locator('.composer textarea').first()
      await area.fill('{ "title": "Half wri')
      await bar(page).waitFor()
      assert.match(await bar(page).textContent(), /ends within a minute or so.*Sign again/)
      await area.fill('{ "title": "Half written", "more": 1 }')
      await again(page).click()
      await bar(page).waitFor({ state: 'hidden' })
      assert.equal(await page.evaluate(() => asked.length), 2)
      assert.equal(await page.locator('.identity').count(), 1)
      assert.equal(await signer(page), did)
      assert.equal(await area.inputValue(), '{ "title": "Half written", "more": 1 }')
      await page.getByRole('button', { name: 'Sign and keep' }).click()
      await page.locator('article[data-id] .said', { hasText: 'Half written' }).waitFor()
      assert.equal(await page.locator('.content .signer').first().getAttribute('title'), did)
    },
    { prepare: solana },
  ))

test('with a passkey too, one press is enough, and it is the passkey that signed before', () =>
  visit(
    DESKTOP,
    async (page) => {
      // The device has another passkey of this site.
      for (const name of ['other', 'mine']) {
        await page.getByRole('button', { name: 'Passkey', exact: true }).click()
        await page.getByLabel('What the device calls a new one').fill(name)
        await last(page, 20)
        await page.getByRole('button', { name: 'Make a new one' }).click()
        await page.locator('.identity').waitFor()
        if (name === 'other') await page.getByRole('button', { name: 'Sign out' }).click()
        if (name === 'other') await page.locator('.identity').waitFor({ state: 'detached' })
      }
      const did = await signer(page)
      await bar(page).waitFor()
      await again(page).click()
      await bar(page).waitFor({ state: 'hidden' })
      assert.equal(await page.locator('.identity').count(), 1)
      assert.equal(await signer(page), did)
    },
    { host: 'localhost', prepare: device },
  ))

for (const [name, profile] of [
  ['desktop', DESKTOP],
  ['desktop-dark', { ...DESKTOP, colorScheme: 'dark' }],
  ['phone', PHONE],
  ['phone-dark', { ...PHONE, colorScheme: 'dark' }],
]) {
  test(`a session that has ended is signed for again, a refusal changes nothing, and the change that was begun is written, ${name}`, () =>
    visit(
      profile,
      async (page) => {
        const fits = async (what) => {
          assert.equal(await overflow(page), 0, what)
          await picture(page, `ending-${name}-${what}`)
        }
        await page.getByRole('button', { name: 'Passkey', exact: true }).click()
        await fits('passkey')
        await page.getByRole('button', { name: 'Cancel' }).click()
        await signIn(page, { seconds: 15 })
        await write(page, { title: 'Begun in time', n: 1 })
        await page.getByRole('button', { name: 'Edit', exact: true }).click()
        const area = page.locator('.said textarea')
        await area.fill('{ "title": "Begun in time", "n": 2 }')
        await bar(page).waitFor()
        await fits('near')
        await bar(page).filter({ hasText: 'has ended' }).waitFor()
        await page.locator('.identity').waitFor({ state: 'detached' })
        await page.getByRole('button', { name: 'Sign the change' }).click()
        await page.locator('.composer .error code', { hasText: 'session-ended' }).waitFor()
        await page.evaluate(() => void (refuses = true))
        await again(page).click()
        await bar(page).locator('code', { hasText: 'wallet-rejected' }).waitFor()
        await fits('refused')
        await page.evaluate(() => void (refuses = false))
        await again(page).click()
        await bar(page).waitFor({ state: 'hidden' })
        assert.equal(await area.inputValue(), '{ "title": "Begun in time", "n": 2 }')
        await page.getByRole('button', { name: 'Sign the change' }).click()
        await page.locator('.frieze .sum', { hasText: '2 events' }).waitFor()
        await fits('written')
      },
      { prepare: solana },
    ))
}

test('who lets a session end is not asked again, and may sign in anew', () =>
  visit(
    DESKTOP,
    async (page) => {
      await signIn(page, { seconds: 5 })
      await bar(page).filter({ hasText: 'has ended' }).waitFor()
      await bar(page).getByRole('button', { name: 'Let it be' }).click()
      await bar(page).waitFor({ state: 'hidden' })
      await signIn(page)
      assert.ok(await bar(page).isHidden())
    },
    { prepare: solana },
  ))
