// Writing, as visitors of the demo page do it with the devnet's wallet, which is a real anvil.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DESKTOP, open, overflow, PHONE, picture, setUp } from './visit.mjs'

const here = setUp({ wallet: true })
const { visit, visitor } = here

const wallet = (page) => page.locator('dialog.play-wallet')

/** Asks the devnet's wallet to sign in, as its account or as a key. */
async function ask(page, { key = false } = {}) {
  const again = page.getByRole('button', { name: 'Sign in as somebody else' })
  if (await again.isVisible()) await again.click()
  await page.getByRole('button', { name: /^Devnet wallet/ }).click()
  if (key) await page.locator('.sign-in input[value="key"]').check()
  await page.getByRole('button', { name: 'Ask the wallet' }).click()
}

/** Signs in, and returns the DID. */
async function signIn(page, { account = 1, key = false } = {}) {
  const before = await page.locator('.identity').count()
  await ask(page, { key })
  await wallet(page).getByRole('button', { name: new RegExp(`^Account ${account}\\b`) }).click()
  // A new key is asked for twice: only then is it known to be the same each time.
  while ((await page.locator('.identity').count()) === before) {
    const sign = wallet(page).getByRole('button', { name: 'Sign', exact: true })
    if (await sign.isVisible()) await sign.click().catch(() => {})
    await page.waitForTimeout(50)
  }
  return page.locator('.identity').nth(before).locator('.signer').getAttribute('title')
}

/** Writes a new document and returns its id. */
async function write(page, content, readers) {
  await page.getByRole('button', { name: 'New document' }).click()
  await page.locator('.composer textarea').first().fill(typeof content === 'string' ? content : JSON.stringify(content))
  if (readers) {
    await page.getByLabel('only these').check()
    await page.getByLabel(/^Their DIDs/).fill(readers.join('\n'))
  }
  await page.getByRole('button', { name: 'Sign and keep' }).click()
  return page.locator('article[data-id]').getAttribute('data-id')
}

const shown = (page, text) => page.locator('.said', { hasText: text }).waitFor()

test('the devnet’s wallet says what it is, signs once, and the page says what that allows and until when', () =>
  visit(DESKTOP, async (page) => {
    await page.getByRole('button', { name: /^Devnet wallet/ }).waitFor()
    assert.match(await page.locator('.found img').getAttribute('src'), /^data:image\/svg/)
    await ask(page)
    assert.match(await wallet(page).textContent(), /keys are known to everybody.*nothing of value/)
    assert.equal(await wallet(page).locator('.accounts li').count(), 10)
    await picture(page, 'wallet-account')
    await wallet(page).getByRole('button', { name: /^Account 1\b/ }).click()
    const text = wallet(page).locator('pre')
    await text.waitFor()
    assert.match(await text.textContent(), /wants you to sign in with your Ethereum account:\n0x[0-9a-fA-F]{40}/)
    assert.match(await text.textContent(), /Resources:\n- ceramic:\/\/\*/)
    await picture(page, 'wallet-sign')
    await wallet(page).getByRole('button', { name: 'Sign', exact: true }).click()
    const card = page.locator('.identity')
    await card.waitFor()
    assert.match(await card.locator('.signer').getAttribute('title'), /^did:pkh:eip155:31337:0x/)
    assert.match(await card.textContent(), /May write every document.*cannot spend.*Until \d+ \w+ 20\d\d.*in 7 days/)
    await picture(page, 'signed-in')
    await page.reload()
    await card.waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await card.waitFor({ state: 'detached' })
    assert.ok(await page.getByRole('button', { name: 'New document' }).isHidden())
    await page.reload()
    await page.getByRole('button', { name: /^Devnet wallet/ }).waitFor()
    assert.equal(await card.count(), 0)
  }))

test('who refuses in the wallet is told so, by code, and nothing is left', () =>
  visit(DESKTOP, async (page) => {
    for (const refuse of [() => wallet(page).getByRole('button', { name: 'Refuse' }).click(), () => page.keyboard.press('Escape')]) {
      await ask(page)
      await wallet(page).waitFor()
      await refuse()
      await page.locator('#you .error code', { hasText: 'wallet-rejected' }).waitFor()
      await page.getByRole('button', { name: 'Cancel' }).click()
    }
    assert.equal(await page.locator('.identity').count(), 0)
  }))

test('a session about to end is signed for again by the account it is of, and by no other', () =>
  visit(DESKTOP, async (page) => {
    await page.getByRole('button', { name: /^Devnet wallet/ }).click()
    await page.getByLabel('How long').evaluate((select) => (select.selectedOptions[0].value = '20s'))
    await page.getByRole('button', { name: 'Ask the wallet' }).click()
    await wallet(page).getByRole('button', { name: /^Account 2\b/ }).click()
    await wallet(page).getByRole('button', { name: 'Sign', exact: true }).click()
    const card = page.locator('.identity .signer')
    const did = await card.getAttribute('title')
    const bar = page.locator('#ending')
    await bar.waitFor()
    await bar.getByRole('button', { name: 'Sign again' }).click()
    await wallet(page).getByRole('button', { name: /^Account 3\b/ }).click()
    await bar.locator('code', { hasText: 'wallet-other-account' }).waitFor()
    await bar.getByRole('button', { name: 'Sign again' }).click()
    await wallet(page).getByRole('button', { name: /^Account 2\b/ }).click()
    await picture(page, 'sign-again')
    await wallet(page).getByRole('button', { name: 'Sign', exact: true }).click()
    await bar.waitFor({ state: 'hidden' })
    assert.equal(await card.getAttribute('title'), did)
    assert.equal(await card.count(), 1)
  }))

test('a document is written, its way is told, another profile opens it, and a change arrives there by itself', () =>
  visit(DESKTOP, async (one, other) => {
    const did = await signIn(one)
    const id = await write(one, { title: 'From one to another', n: 1 })
    assert.equal(await one.locator('article h2').textContent(), 'From one to another')
    assert.equal(await one.locator('.content .signer').first().getAttribute('title'), did)
    await one.locator('.steps [aria-current]', { hasText: 'seen by 1 peer' }).waitFor()
    await one.locator('.outbox', { hasText: 'Nothing waits' }).waitFor()
    await picture(one, 'written')
    await open(other, id)
    await shown(other, 'From one to another')
    assert.equal(await other.locator('.edit').isVisible(), false)
    await one.getByRole('button', { name: 'Edit', exact: true }).click()
    await one.locator('.said textarea').fill(JSON.stringify({ title: 'From one to another', n: 2, more: ['arrived'] }))
    await picture(one, 'editing')
    await one.getByRole('button', { name: 'Sign the change' }).click()
    await shown(one, 'arrived')
    await shown(other, 'arrived')
    assert.match(await other.locator('.event .leave').first().textContent(), /by leave of an Ethereum wallet/)
    await picture(other, 'arrived')
  }, { visitors: 2 }))

test('what is wrong in the JSON is told by its path and line, before anything is signed', () =>
  visit(DESKTOP, async (page) => {
    await signIn(page)
    await page.getByRole('button', { name: 'New document' }).click()
    const area = page.locator('.composer textarea').first()
    await area.fill('{\n  "a": [1, { "b": tru }]\n}')
    await page.getByRole('button', { name: 'Sign and keep' }).click()
    const mistake = page.locator('.mistakes')
    await mistake.filter({ hasText: '/a/1/b' }).waitFor()
    assert.match(await mistake.textContent(), /a text needs "quotes".*line 2/)
    await picture(page, 'mistake')
    await mistake.getByRole('button', { name: 'line 2' }).click()
    assert.equal(await area.evaluate((area) => area.value.slice(area.selectionStart)), 'tru }]\n}'.slice(0))
    await area.fill(JSON.stringify({ deep: { text: 'x'.repeat(300_000) } }))
    await page.getByRole('button', { name: 'Sign and keep' }).click()
    await page.locator('.composer', { hasText: 'too-large' }).waitFor()
    assert.equal(await page.locator('article[data-id]').count(), 0)
  }))

test('what is encrypted for two is locked for everybody else, and for them until they unlock it', () =>
  visit(DESKTOP, async (one, other, third) => {
    const mine = await signIn(one, { key: true })
    assert.match(mine, /^did:key:z6Mk/)
    const yours = await signIn(other, { account: 2, key: true })
    await signIn(third, { account: 3, key: true })
    const id = await write(one, { secret: 'under the kiln' }, [mine, yours])
    await one.locator('.secret[data-state="locked"]', { hasText: 'Encrypted for 2 readers' }).waitFor()
    await picture(one, 'locked')
    for (const page of [one, other]) {
      await open(page, id)
      assert.ok(!(await page.content()).includes('under the kiln'))
      await page.getByRole('button', { name: 'Unlock' }).click()
      await page.locator('.secret[data-state="open"]', { hasText: 'under the kiln' }).waitFor()
    }
    await picture(other, 'unlocked')
    await open(third, id)
    await third.locator('.secret', { hasText: 'None of the keys that are signed in here can read it' }).waitFor()
    assert.equal(await third.getByRole('button', { name: 'Unlock' }).count(), 0)
    // The writer changes it; it stays encrypted, for the same readers.
    await one.getByRole('button', { name: 'Edit', exact: true }).click()
    await one.locator('.said textarea').fill('{ "secret": "elsewhere by now" }')
    await one.getByRole('button', { name: 'Sign the change' }).click()
    await one.locator('.secret[data-state="locked"]').waitFor()
    const unlock = other.getByRole('button', { name: 'Unlock' })
    await unlock.click()
    await other.locator('.secret', { hasText: 'elsewhere by now' }).waitFor()
  }, { visitors: 3 }))

test('whoever is in a list reads what is written for it, and no longer once they are taken out', () =>
  visit(DESKTOP, async (one, other) => {
    const mine = await signIn(one, { key: true })
    const yours = await signIn(other, { account: 2, key: true })
    await one.getByRole('button', { name: 'New document' }).click()
    await one.locator('.composer textarea').first().fill('{ "letter": "for friends" }')
    await one.getByLabel(/^whoever is in a list/).check()
    await one.getByLabel(/^Their DIDs/).fill(`${mine}\n${yours}`)
    await one.getByRole('button', { name: 'Sign and keep' }).click()
    const id = await one.locator('article[data-id]').getAttribute('data-id')
    const unlock = (page) => page.getByRole('button', { name: 'Unlock' }).click()
    await open(other, id)
    await unlock(other)
    await other.locator('.secret[data-state="open"]', { hasText: 'for friends' }).waitFor()
    await picture(other, 'list-unlocked')
    // Out of the list, and then a newer letter.
    await one.locator('.secret .readers a').click()
    await one.getByRole('button', { name: 'Change the readers' }).click()
    await one.getByLabel(/^Readers from now on/).fill(mine)
    await picture(one, 'list-rotate')
    await one.getByRole('button', { name: 'Sign the change' }).click()
    await one.locator('.frieze .sum', { hasText: '2 events' }).waitFor()
    await one.goBack()
    await unlock(one)
    await one.getByRole('button', { name: 'Edit', exact: true }).click()
    await one.locator('.said textarea').fill('{ "letter": "for fewer" }')
    await one.getByRole('button', { name: 'Sign the change' }).click()
    await one.locator('.secret[data-state="locked"]').waitFor()
    await unlock(one)
    await one.locator('.secret', { hasText: 'for fewer' }).waitFor()
    await other.locator('.secret[data-state="locked"]').waitFor()
    await unlock(other)
    await other.locator('.secret .error code', { hasText: 'jwe-not-for-this-key' }).waitFor()
    assert.ok(!(await other.content()).includes('for fewer'))
  }, { visitors: 2 }))

test('a change made on what is no longer the newest is held back until its writer has decided', () =>
  visit(DESKTOP, async (one, other) => {
    // The same account in two profiles: the same controller.
    await signIn(one, { key: true })
    await signIn(other, { key: true })
    const id = await write(one, { n: 1 })
    await open(other, id)
    await one.getByRole('button', { name: 'Edit', exact: true }).click()
    await one.locator('.said textarea').fill('{ "n": "mine" }')
    await other.getByRole('button', { name: 'Edit', exact: true }).click()
    await other.locator('.said textarea').fill('{ "n": "theirs" }')
    await other.getByRole('button', { name: 'Sign the change' }).click()
    await one.locator('.said .tree', { hasText: 'theirs' }).waitFor()
    await one.getByRole('button', { name: 'Sign the change' }).click()
    await one.locator('.stale', { hasText: 'has changed while you wrote' }).waitFor()
    await picture(one, 'stale')
    await one.getByRole('button', { name: 'Sign mine on top of it' }).click()
    await shown(one, 'mine')
    await shown(other, 'mine')
    assert.match(await other.locator('.frieze .sum').textContent(), /^3 events/)
  }, { visitors: 2 }))

test('what is written while nobody is there waits on the device, says so, and goes out once somebody is', async () => {
  const page = await visitor()
  try {
    await signIn(page)
    await here.devnet.kill()
    let id
    try {
      await page.locator('#state[data-state="offline"]').waitFor()
      id = await write(page, { title: 'Written alone' })
      await page.locator('.steps [aria-current]', { hasText: 'kept here' }).waitFor()
      await page.locator('.outbox.waits', { hasText: '1 document waits' }).waitFor()
      await picture(page, 'waits')
    } finally {
      await here.devnet.up()
    }
    await page.locator('.steps [aria-current]', { hasText: 'seen by 1 peer' }).waitFor()
    const other = await visitor(DESKTOP, { hash: `#${id}` })
    await shown(other, 'Written alone')
    await other.context().close()
  } finally {
    await page.context().close()
  }
})

for (const [name, options] of [
  ['phone', PHONE],
  ['phone-dark', { ...PHONE, colorScheme: 'dark' }],
  ['desktop-dark', { ...DESKTOP, colorScheme: 'dark' }],
]) {
  test(`writing fits, ${name}`, () =>
    visit(options, async (page) => {
      const fits = async (what) => {
        assert.equal(await overflow(page), 0, what)
        await picture(page, `write-${name}-${what}`)
      }
      await page.getByRole('button', { name: /^Devnet wallet/ }).click()
      await page.locator('.sign-in').scrollIntoViewIfNeeded()
      await fits('sign-in')
      await page.getByRole('button', { name: 'Cancel' }).click()
      const did = await signIn(page, { key: true })
      await page.evaluate(() => scrollTo(0, 0))
      await fits('signed-in')
      await page.getByRole('button', { name: 'New document' }).click()
      await page.getByLabel('only these').check()
      await fits('compose')
      await page.getByRole('button', { name: 'Cancel' }).click()
      await write(page, { title: 'A long line of text', text: 'word '.repeat(60) }, [did])
      await fits('secret')
      await page.getByRole('button', { name: 'Unlock' }).click()
      await page.getByRole('button', { name: 'Edit', exact: true }).click()
      await fits('edit')
    }))
}
