// Visitors of the demo page: real devnet, real node, real Chromium. Pictures go to target/screenshots.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, before } from 'node:test'
import { launch, openPage } from '../support/chromium.mjs'
import { Devnet, root } from './devnet.mjs'

export const DESKTOP = { viewport: { width: 1280, height: 900 } }
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
/** Generous: everything shares the machine with builds. In milliseconds. */
const SOON = 30_000
const pictures = path.join(root, 'target/screenshots')

export const picture = (page, name) => page.screenshot({ path: path.join(pictures, `${name}.png`) })
export const standing = (page, state, options) => page.locator(`#state[data-state="${state}"]`).waitFor(options)
/** By how many pixels the page is wider than its window. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
export const open = async (page, id) => {
  await page.evaluate((id) => (location.hash = id), id)
  await page.locator(`article[data-id="${id}"]`).waitFor()
}

/** One devnet, with these options, and one Chromium for all stories of a file. */
export function setUp(options) {
  const here = {
    /** A visitor in a profile of their own, whose node is online. `prepare` is called with the page before anything is in it. */
    async visitor(profile = DESKTOP, { hash = '', host = '127.0.0.1', prepare } = {}) {
      const context = await here.browser.newContext({ reducedMotion: 'reduce', ...profile })
      const page = await openPage(here.browser, undefined, { context })
      page.setDefaultTimeout(SOON)
      await prepare?.(page)
      await page.goto(here.devnet.url.replace('127.0.0.1', host) + hash)
      await standing(page, 'online')
      return page
    },
    /** Runs a story with so many visitors; what a page reports as an error fails it, unless the story makes errors. */
    async visit(profile, story, { visitors = 1, problems = false, ...arrival } = {}) {
      const pages = []
      try {
        for (let i = 0; i < visitors; i++) pages.push(await here.visitor(profile, arrival))
        await story(...pages)
        if (!problems) for (const page of pages) assert.deepEqual(page.problems, [])
      } finally {
        for (const page of pages) await page.context().close()
      }
    },
  }
  before(async () => {
    mkdirSync(pictures, { recursive: true })
    here.browser = await launch()
    here.devnet = await Devnet.start(options)
  })
  after(async () => {
    await here.browser?.close()
    await here.devnet?.close()
  })
  return here
}
