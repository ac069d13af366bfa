// A static file server for tests: one folder, the right types, nothing above the folder.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.car': 'application/vnd.ipld.car',
}

/**
 * Serves `root` on a free port of 127.0.0.1. `pages` maps a path to text served as HTML, or to a function
 * `(request, response) => boolean` that returns true if it answered. Returns `{ url, close }`.
 */
export async function serve(root, { port = 0, pages = {}, headers = {} } = {}) {
  const server = createServer(async (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    try {
      const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
      const page = Object.hasOwn(pages, path) ? pages[path] : undefined
      if (typeof page === 'function' && page(request, response)) return
      if (typeof page === 'string') {
        response.setHeader('content-type', types['.html'])
        response.end(page)
        return
      }
      let file = normalize(join(root, path))
      if (file !== root && !file.startsWith(root.endsWith(sep) ? root : root + sep)) throw new Error('outside')
      if ((await stat(file)).isDirectory()) file = join(file, 'index.html')
      const { size } = await stat(file)
      response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream')
      response.setHeader('content-length', size)
      if (request.method === 'HEAD') response.end()
      else createReadStream(file).on('error', () => response.destroy()).pipe(response)
    } catch {
      response.statusCode = request.url === '/favicon.ico' ? 204 : 404 // browsers ask by themselves; not a problem of the page
      response.end()
    }
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    /** Changes what a path answers. */
    page: (path, answer) => void (pages[path] = answer),
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  }
}

/** A page that is a JSON-RPC node: `answer(method, params)` gives the result, or a promise of it. `asked` gathers the methods. */
export function rpc(answer, asked = []) {
  return (request, response) => {
    if (request.method !== 'POST') return false
    let text = ''
    request.on('data', (data) => (text += data))
    request.on('end', async () => {
      const { id, method, params } = JSON.parse(text)
      asked.push(method)
      const result = await answer(method, params)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    })
    return true
  }
}
