// One headless Chromium for every test that needs a real browser.
//
// OSTRAKON_CHROMIUM names another executable; by default the system's own is used, so that no test downloads a browser.

import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const candidates = [
  process.env.OSTRAKON_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

// Nothing that talks to the network by itself, and no GPU: a test sees only what it asked for.
const args = [
  '--no-sandbox',
  '--headless',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The path of the Chromium that tests run, or an error that says what to install. */
export function chromiumPath() {
  const path = candidates.find((candidate) => candidate && existsSync(candidate))
  if (!path) throw new Error('no Chromium found: install one (Debian: apt install chromium) or set OSTRAKON_CHROMIUM to its path')
  return path
}

/** Starts Chromium. The caller closes it. */
export function launch(options = {}) {
  return chromium.launch({ executablePath: chromiumPath(), args, ...options })
}

/** Starts Chromium with a profile on disk, which goes with it: only there does the browser count what a site stores. */
export function launchOnDisk() {
  return chromium.launchPersistentContext('', { executablePath: chromiumPath(), args })
}

/**
 * A page in a fresh context (own storage), whose errors are gathered in `page.problems`: uncaught exceptions and
 * console errors, in order. Pass `context` to open another tab of the same origin and storage.
 */
export async function openPage(browser, url, { context } = {}) {
  const home = context ?? (await browser.newContext())
  const page = await home.newPage()
  page.problems = []
  page.on('pageerror', (error) => page.problems.push(String(error.stack ?? error)))
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(`${message.text()} (${message.location().url})`)
  })
  if (url) await page.goto(url)
  return page
}
