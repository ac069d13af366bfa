// The demo page as a visitor meets it: real devnet, real node, real Chromium. Leaves pictures in target/screenshots.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { openPage } from '../support/chromium.mjs'
import { serve } from '../support/serve.mjs'
import { recordedChain } from '../support/vectors.mjs'
import { root } from './devnet.mjs'
import { DESKTOP, open, overflow, PHONE, picture, setUp, standing } from './visit.mjs'

const here = setUp()
const { visit } = here

const events = async (page) =>
  Number((await page.locator('.frieze .sum').textContent()).match(/^[\d,]+/)[0].replace(',', ''))
const grows = (page, from) =>
  page.waitForFunction(
    (from) => Number(document.querySelector('.frieze .sum')?.textContent.split(' ')[0].replace(',', '')) > from,
    from,
  )

test('a visitor sees the node come online, the peer, and what the devnet offers', () =>
  visit(DESKTOP, async (page) => {
    await standing(page, 'online')
    assert.match(await page.locator('#state').textContent(), /Online · 1 peer$/)
    await page.locator('#peers li', { hasText: 'ostrakon' }).waitFor()
    assert.match(await page.locator('#peers li code').textContent(), /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws/)
    await page.locator('#peers .rtt').waitFor()
    const shown = await page.locator('#offers .card').count()
    assert.ok(shown >= Math.min(8, here.devnet.json.documents.length))
    await picture(page, 'desktop-start')
  }))

test('a document opens with its content, its metadata and its whole chain', () =>
  visit(DESKTOP, async (page) => {
    await page.locator(`#offers a[href="#${here.devnet.living.id}"]`).click()
    await page.locator(`article[data-id="${here.devnet.living.id}"]`).waitFor()
    assert.equal(await page.locator('article h2').textContent(), here.devnet.living.title)
    assert.ok(await page.locator('.content .tree dt').count())
    assert.match(await page.locator('.content .signer').first().getAttribute('title'), /^did:key:z/)
    const marks = await page.locator('.frieze .mark').count()
    assert.ok(marks >= (await events(page)) - 1 && marks > 0)
    assert.equal(await page.locator('.frieze .mark.init').count(), 1)
    const newest = page.locator('.event').first()
    assert.match(await newest.locator('.signer').getAttribute('title'), /^did:key:z/)
    assert.match(await newest.locator('.checks').textContent(), /bytes.*signature/s)
    assert.match(await newest.locator('.time').textContent(), /^(No time|Claimed|Proven): \S/)
    assert.match(await page.title(), /· Ostrakon$/)
    await picture(page, 'desktop-document')
  }))

test('a change by its controller arrives by itself and is marked', () =>
  visit(DESKTOP, async (page) => {
    await open(page, here.devnet.living.id)
    const before = await events(page)
    const tip = await page.locator('.event .cid a').first().getAttribute('href')
    await grows(page, before)
    await page.locator('.event.fresh').first().waitFor()
    assert.notEqual(await page.locator('.event .cid a').first().getAttribute('href'), tip)
    assert.ok(await page.locator('.tree .fresh').count())
    await picture(page, 'desktop-live')
  }))

test('the longest chain on offer is drawn whole, and a mark leads to its event', () =>
  visit({ ...DESKTOP, colorScheme: 'dark' }, async (page) => {
    const long = here.devnet.json.documents.find(({ title }) => title.includes('200')) ?? here.devnet.still
    await open(page, long.id)
    const all = await events(page)
    assert.equal(await page.locator('.frieze .mark').count(), all)
    await page.locator('.frieze .mark').first().focus()
    await page.keyboard.press('End')
    await page.keyboard.press('Home')
    await page.keyboard.press('Enter')
    await page.locator('.event.init:focus').waitFor()
    assert.equal(await page.locator('.event').count(), all)
    await page.evaluate(() => scrollTo(0, 0))
    await picture(page, 'desktop-long-dark')
  }))

test('an event leads to the version it made, which does not change, and back to the newest', () =>
  visit(DESKTOP, async (page) => {
    await open(page, here.devnet.living.id)
    await grows(page, 1)
    await page.locator('.event.init .cid a').click()
    await page.locator('.version').waitFor()
    assert.equal(await events(page), 1)
    assert.match(page.url(), /commit=/)
    await picture(page, 'desktop-version')
    await page.locator('.version a').click()
    await grows(page, 1)
    assert.equal(await page.locator('.version').count(), 0)
  }))

test('input that is no id is refused beside the field, by code, and changes nothing else', () =>
  visit(DESKTOP, async (page) => {
    await open(page, here.devnet.still.id)
    const [address, article] = [page.url(), await page.locator('article header').textContent()]
    await page.getByLabel('Open a document by its id').fill('kjzl6-this-is-no-id')
    await page.keyboard.press('Enter')
    await page.locator('#ref-error code', { hasText: 'invalid-id' }).waitFor()
    assert.ok((await page.locator('#ref-error p').textContent()).trim().length > 10)
    assert.equal(page.url(), address)
    assert.equal(await page.locator('article header').textContent(), article)
    await picture(page, 'desktop-wrong-input')
    await page.getByLabel('Open a document by its id').fill(`ceramic://${here.devnet.living.id}`)
    assert.ok(await page.locator('#ref-error').isHidden())
    await page.keyboard.press('Enter')
    await page.locator(`article[data-id="${here.devnet.living.id}"]`).waitFor()
    assert.ok(page.url().endsWith(`#${here.devnet.living.id}`))
  }))

test('the address is all that is needed to show a document to somebody else', () =>
  visit(
    DESKTOP,
    async (page) => {
      await page.locator(`article[data-id="${here.devnet.still.id}"]`).waitFor()
      assert.ok(await events(page))
    },
    { hash: `#${here.devnet.still.id}` },
  ))

const offered = (title) => {
  const found = here.devnet.json.documents.find((one) => one.title === title)
  assert.ok(found, title)
  return found
}
const newestTime = (page) => page.locator('.event .time b').first()

test('an anchor is proven by what its chain answers, block and witness named, and stays so without any server', () =>
  visit(
    DESKTOP,
    async (page) => {
      await open(page, offered('Anchored with others by the contract').id)
      await newestTime(page).filter({ hasText: 'Proven' }).waitFor()
      const said = await page.locator('.event p.time').first().textContent()
      assert.match(said, /existed by 14 Nov 2023.*block 9 on a local test chain.*recording/)
      assert.equal(await page.locator('.frieze .mark.time.proven').count(), 1)
      assert.match(await page.locator('.event').first().locator('.checks').textContent(), /anchor path.*transaction/s)
      await picture(page, 'desktop-proven')
      await page.waitForFunction(() => navigator.serviceWorker.controller)
      await here.devnet.kill()
      try {
        await page.reload()
        await newestTime(page).filter({ hasText: 'Proven' }).waitFor()
      } finally {
        await here.devnet.up()
      }
    },
    { problems: true },
  ))

test('an anchor that its chain does not bear out is refused, and the page says which and why', () =>
  visit(DESKTOP, async (page) => {
    await open(page, offered('Anchored at a wrong address').id)
    await page.locator('.refusal', { hasText: 'anchor-wrong-contract' }).waitFor()
    assert.match(await page.locator('.refusal').textContent(), /newer event bafy.* was refused: the transaction was not sent to/)
    assert.equal(await page.locator('.frieze .mark.time').count(), 0)
    await picture(page, 'desktop-refused')
  }))

test('an anchor whose chain does not answer is claimed', () =>
  visit(
    DESKTOP,
    async (page) => {
      await page.context().route('**/rpc/**', (route) => route.abort())
      await page.reload()
      await standing(page, 'online')
      await open(page, offered('Anchored in a real transaction').id)
      await newestTime(page).filter({ hasText: 'Claimed' }).waitFor()
    },
    { problems: true },
  ))

test('the wallet in the page is asked once its user says so, and is named for what it proves', () =>
  visit(DESKTOP, async (page) => {
    const chain = recordedChain('eip155:1337')
    await page.exposeFunction('recorded', (method, params) => chain(method, params))
    await page.addInitScript(() => {
      const asked = (globalThis.asked = [])
      globalThis.ethereum = { request: ({ method, params }) => asked.push(method) && recorded(method, params) }
    })
    await page.reload()
    await standing(page, 'online')
    assert.deepEqual(await page.evaluate(() => asked), [])
    await page.getByRole('button', { name: 'Ask my wallet about anchors' }).click()
    await page.locator('#peers', { hasText: 'Your wallet is asked' }).waitFor()
    await page.waitForFunction(() => asked.length > 0)
    await open(page, offered('A transaction with more in it').id)
    await newestTime(page).filter({ hasText: 'Proven' }).waitFor()
    assert.match(await page.locator('.event p.time').first().textContent(), /recording of that chain and your wallet$/)
    const reads = ['eth_chainId', 'eth_getBlockByHash', 'eth_getTransactionByHash']
    assert.deepEqual([...new Set(await page.evaluate(() => asked))].sort(), reads)
  }))

test('a session’s events say whose leave they were written by; links, models and instances open with what they rest on', () =>
  visit(DESKTOP, async (page) => {
    await open(page, offered('Written by leave of an Ethereum wallet').id)
    assert.match(
      await page.locator('.event .leave').first().textContent(),
      /by leave of an Ethereum wallet, 0x\w{4}…\w{4}, to write every document, without end/,
    )
    assert.match(await page.locator('.event .checks').first().textContent(), /capability/)
    await picture(page, 'desktop-capability')
    await open(page, offered('A Solana account linked to a DID').id)
    assert.match(await page.locator('article .facts').textContent(), /CAIP-10 link/)
    await open(page, offered('Held to a schema').id)
    assert.match(await page.locator('.rests').textContent(), /checked against the schema k/)
    const instance = offered('An instance of a model')
    await open(page, instance.id)
    assert.match(await page.locator('article .facts').textContent(), /model instance/)
    await page.locator('.rests a').click()
    await page.locator('article:not([data-id="' + instance.id + '"]) .facts', { hasText: 'model' }).waitFor()
    await picture(page, 'desktop-model')
  }))

test('a document goes out as a CAR file, is forgotten, and comes back from the file', () =>
  visit(DESKTOP, async (page) => {
    await open(page, here.devnet.still.id)
    const row = page.locator(`#kept li[data-id="${here.devnet.still.id}"]`)
    await row.waitFor()
    assert.match(await page.locator('#kept .sum').textContent(), /^[\d.]+ k?B in 1 document, \d+ blocks?$/)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      row.getByRole('button', { name: /^Export/ }).click(),
    ])
    const buffer = await readFile(await download.path())
    assert.ok(buffer.length > 100)
    await row.getByRole('button', { name: /^Forget/ }).click()
    await row.getByRole('button', { name: /again to forget/ }).click()
    await row.waitFor({ state: 'detached' })
    assert.equal(await page.locator('article').count(), 0)
    await page.reload()
    await standing(page, 'online')
    assert.equal(await page.locator('#kept li').count(), 0)
    await page.locator('#car').setInputFiles({ name: 'history.car', mimeType: 'application/vnd.ipld.car', buffer })
    await page.locator(`article[data-id="${here.devnet.still.id}"]`).waitFor()
    await row.waitFor()
    await page
      .locator('#car')
      .setInputFiles({ name: 'broken.car', mimeType: 'application/vnd.ipld.car', buffer: buffer.subarray(0, 60) })
    assert.match(await page.locator('#kept-error code').textContent(), /^[a-z]+(-[a-z]+)*$/)
    assert.equal(await page.locator('#kept li').count(), 1)
  }))

test('when everything goes away the page says so, reloads from its own copy and shows what it kept; it joins again by itself', () =>
  visit(
    DESKTOP,
    async (page) => {
      await open(page, here.devnet.still.id)
      await open(page, here.devnet.living.id)
      await page.waitForFunction(() => navigator.serviceWorker.controller)
      await here.devnet.kill()
      try {
        // By the socket's end, not by the next ping, which is up to 15 s away.
        await standing(page, 'offline', { timeout: 8_000 })
        assert.match(await page.locator('#banner').textContent(), /No peer answers/)
        await page.locator(`#kept a[href="#${here.devnet.still.id}"]`).click()
        await page.locator(`article[data-id="${here.devnet.still.id}"]`).waitFor()
        await page.locator('#kept li').nth(1).waitFor()
        await page.evaluate(() => scrollTo(0, 0))
        await picture(page, 'desktop-offline')
        await page.reload()
        await page.locator(`article[data-id="${here.devnet.still.id}"]`).waitFor()
        assert.match(await page.locator('article .facts').textContent(), /read from this device/)
        await standing(page, 'offline')
        assert.match(await page.locator('#offers').textContent(), /as last heard/)
        await picture(page, 'desktop-offline-reloaded')
      } finally {
        await here.devnet.up()
      }
      await standing(page, 'online')
      assert.ok(await page.locator('#banner').isHidden())
      await open(page, here.devnet.living.id)
      await grows(page, await events(page))
    },
    { problems: true },
  ))

test('a browser that is offline is said to be', () =>
  visit(
    DESKTOP,
    async (page) => {
      await page.context().setOffline(true)
      await page.locator('#banner', { hasText: /browser (is|says it is) offline/ }).waitFor()
      await page.context().setOffline(false)
      await page.locator('#banner').waitFor({ state: 'hidden' })
      await standing(page, 'online')
    },
    { problems: true },
  ))

test('a worker that dies is replaced, and the open document goes on', () =>
  visit(
    DESKTOP,
    async (page) => {
      await open(page, here.devnet.living.id)
      const [worker] = page.workers()
      await worker.evaluate(() => globalThis.close())
      await page.waitForFunction(() => document.querySelector('#state').dataset.state !== 'online')
      await standing(page, 'online')
      assert.notEqual(page.workers()[0], worker)
      await grows(page, await events(page))
    },
    { problems: true },
  ))

test('what a foreign devnet says is text and nothing more', async () => {
  const title = '<img src=x onerror="document.title=1"><b>bold</b> \u202e'
  const id = 'javascript:alert(1)'
  const lie = {
    network: 'local-1',
    peers: ['nonsense', 7],
    documents: [null, 3, { id, title, living: 'yes' }, { title: 'no id' }],
  }
  const server = await serve(path.join(root, 'www/dist'), { pages: { '/devnet.json': JSON.stringify(lie) } })
  const context = await here.browser.newContext()
  try {
    const page = await openPage(here.browser, server.url, { context })
    await page.locator('.card .name').waitFor()
    assert.equal(await page.locator('.card').count(), 1)
    assert.equal(await page.locator('.card .name').textContent(), title)
    assert.equal(await page.locator('.card').getAttribute('href'), `#${id}`)
    assert.equal(await page.locator('#offers img, #offers b').count(), 0)
    assert.equal(await page.title(), 'Ostrakon')
  } finally {
    await context.close()
    await server.close()
  }
})

for (const colorScheme of ['light', 'dark']) {
  test(`nothing is wider than a phone, ${colorScheme}`, () =>
    visit({ ...PHONE, colorScheme }, async (page) => {
      assert.equal(await overflow(page), 0)
      await picture(page, `phone-start-${colorScheme}`)
      await open(page, here.devnet.living.id)
      assert.equal(await overflow(page), 0)
      await picture(page, `phone-document-${colorScheme}`)
      await page.setViewportSize({ width: 360, height: 740 })
      for (const { id } of here.devnet.json.documents.slice(0, 6)) {
        await open(page, id)
        assert.equal(await overflow(page), 0, id)
      }
      await page.locator('.log').scrollIntoViewIfNeeded()
      await picture(page, `phone-events-${colorScheme}`)
    }))
}
