// A page that holds the built package as `ostrakon` and the real documents of a test as files.

import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launch, openPage } from './chromium.mjs'
import { serve } from './serve.mjs'
import { documentOf } from './vectors.mjs'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

const html = (head = '') => `<!doctype html><meta charset="utf-8">${head}<script type="module">
  import * as ostrakon from '/dist/index.js'
  const posted = []
  const Plain = Worker
  globalThis.Worker = class extends Plain {
    postMessage(message) {
      posted.push(message)
      super.postMessage(message)
    }
  }
  const car = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer())
  // The error of a call, as plain data; fails if there is none.
  const failure = async (promise) => {
    const value = await promise.then((value) => ({ value }), (error) => ({ error }))
    if (!value.error) throw new Error('expected a failure, got ' + JSON.stringify(value.value))
    const { name, code, message, hint, cause } = value.error
    return { name, code, message, hint, cause: cause && String(cause.message ?? cause), isOstrakonError: value.error instanceof ostrakon.OstrakonError }
  }
  Object.assign(globalThis, { ostrakon, car, failure, posted, loaded: true })
</script>`

/**
 * Serves the repository with `/` as such a page, `/csp` as one whose policy forbids workers, `/hangs.wasm` that never answers and `/cars/NAME?length=N` as
 * CARs of `documents` (see vectors.mjs).
 */
export function servePackage(documents = {}) {
  const cars = Object.fromEntries(
    Object.entries(documents).map(([name, document]) => [
      `/cars/${name}`,
      (request, response) => {
        const length = new URL(request.url, 'http://localhost').searchParams.get('length')
        response.end(document.car(length ? Number(length) : undefined))
        return true
      },
    ]),
  )
  const csp = `<meta http-equiv="Content-Security-Policy" content="script-src 'self' 'unsafe-inline'; worker-src 'none'">`
  return serve(root, { pages: { '/': html(), '/csp': html(csp), '/hangs.wasm': () => true, ...cars } })
}

/** Opens the page and waits until it holds the package. */
export async function ready(page, url) {
  await page.goto(url)
  await page.waitForFunction(() => globalThis.loaded)
  return page
}

/** Of documents that many tests use: one of nine events, served as `/cars/short`, and the id of one that nobody has. */
export const short = documentOf('doc-4-tile-9')
export const unknown = documentOf('doc-9-tile-12').id

/** One Chromium and one server of such pages for all tests of a file. */
export function setUp(documents = { short }) {
  const here = {
    /** A page in a fresh profile; what it reports as an error fails the test, unless the test makes errors. */
    async withPage(body, { at = '/', problems = false } = {}) {
      const page = await openPage(here.browser)
      try {
        await body(await ready(page, here.server.url + at))
        if (!problems) assert.deepEqual(page.problems, [])
      } finally {
        await page.context().close()
      }
    },
    /** `count` tabs that share storage, each with a started node. The first owns it. */
    async withTabs(count, body) {
      const context = await here.browser.newContext()
      try {
        const tabs = []
        for (let index = 0; index < count; index++) {
          const page = await ready(await openPage(here.browser, undefined, { context }), here.server.url)
          await page.evaluate(async () => void (globalThis.node = await ostrakon.createNode()))
          tabs.push(page)
        }
        await body(tabs, context)
        for (const page of tabs) assert.deepEqual(page.problems, [])
      } finally {
        await context.close()
      }
    },
  }
  before(async () => {
    here.browser = await launch()
    here.server = await servePackage(documents)
  })
  after(async () => {
    await here.browser?.close()
    await here.server?.close()
  })
  return here
}
