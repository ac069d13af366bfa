// A page that holds the built package as `ostrakon` and the real documents of a test as files.

import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { serve } from './serve.mjs'

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
