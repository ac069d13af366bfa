// The package as a stranger gets it: packed, installed into empty projects, bundled with no flags and no plugins, run.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { launch, openPage } from '../support/chromium.mjs'
import { root } from '../support/page.mjs'
import { serve } from '../support/serve.mjs'
import { documentOf } from '../support/vectors.mjs'

const exec = promisify(execFile)
const bin = (...parts) => path.join(root, 'node_modules', ...parts)
const short = documentOf('doc-4-tile-9')

const html = (script) => `<!doctype html><meta charset="utf-8"><title>dapp</title>${script}`
const dapp = `import { createNode, OstrakonError } from 'ostrakon'
globalThis.ostrakon = { createNode, OstrakonError }
`

let folder, browser, tarball

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'ostrakon-package-'))
  await exec('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  tarball = path.join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')))
  browser = await launch()
})
after(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** An empty project with the package installed from its tarball, and `files`. */
async function project(name, files) {
  const home = path.join(folder, name)
  for (const [file, text] of Object.entries({ 'package.json': '{ "private": true, "type": "module" }', ...files })) {
    mkdirSync(path.dirname(path.join(home, file)), { recursive: true })
    writeFileSync(path.join(home, file), text)
  }
  await exec('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball], { cwd: home })
  return home
}

/** A dapp that imports a document, shows it, is reloaded, and still has it. */
async function seeItWork(url) {
  const page = await openPage(browser, url)
  try {
    const begin = () => page.waitForFunction(() => globalThis.ostrakon)
    await begin()
    const first = await page.evaluate(
      async ([base64, id]) => {
        const node = await ostrakon.createNode({ peers: [] })
        const ids = await node.importCar(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)))
        const { content, log } = await node.load(id)
        const bad = await node.load('nonsense').catch((error) => error instanceof ostrakon.OstrakonError && error.code)
        return { ids, content, verified: log.map(({ verified }) => verified), bad }
      },
      [short.car().toString('base64'), short.id],
    )
    assert.deepEqual(first.ids, [short.id])
    assert.deepEqual(first.content, short.content)
    assert.equal(first.verified.length, short.log.length)
    for (const checks of first.verified) assert.ok(checks.includes('hash') && checks.includes('signature'), String(checks))
    assert.equal(first.bad, 'invalid-id')
    await page.reload()
    await begin()
    const second = await page.evaluate(async (id) => {
      const node = await ostrakon.createNode({ peers: [] })
      const [kept] = await node.documents.list()
      const { content, source } = await node.load(id)
      await node.stop()
      return { kept: kept.id, content, source }
    }, short.id)
    assert.deepEqual(second, { kept: short.id, content: short.content, source: 'disk' })
    assert.deepEqual(page.problems, [])
  } finally {
    await page.context().close()
  }
}

async function seeFolderWork(dist) {
  const server = await serve(dist)
  try {
    await seeItWork(`${server.url}/`)
  } finally {
    await server.close()
  }
}

test('it runs in an empty webpack project', async () => {
  const home = await project('webpack', { 'src/index.js': dapp, 'dist/index.html': html('<script src="main.js"></script>') })
  const { default: webpack } = await import('webpack')
  const stats = await new Promise((resolve, reject) =>
    webpack({ context: home, mode: 'production', output: { path: path.join(home, 'dist') } }, (error, stats) => (error ? reject(error) : resolve(stats))),
  )
  assert.equal(stats.hasErrors(), false, stats.toString('errors-warnings'))
  assert.equal(readdirSync(path.join(home, 'dist')).filter((name) => name.endsWith('.wasm')).length, 2)
  await seeFolderWork(path.join(home, 'dist'))
})

const viteFiles = { 'main.js': dapp, 'index.html': html('<script type="module" src="/main.js"></script>') }

test('it runs in an empty vite project that was built', async () => {
  const home = await project('vite-build', viteFiles)
  await exec(process.execPath, [bin('vite/bin/vite.js'), 'build'], { cwd: home })
  const assets = readdirSync(path.join(home, 'dist/assets'))
  assert.equal(assets.filter((name) => name.endsWith('.wasm')).length, 2)
  await seeFolderWork(path.join(home, 'dist'))
})

test('it runs in an empty vite project that is served by the development server', async () => {
  const home = await project('vite-dev', { ...viteFiles, 'favicon.ico': '' })
  const { createServer } = await import('vite')
  const server = await createServer({ root: home, logLevel: 'error', server: { port: 0, host: '127.0.0.1' } })
  try {
    await server.listen()
    await seeItWork(server.resolvedUrls.local[0])
  } finally {
    await server.close()
  }
})

test('it runs from plain files with no bundler at all', async () => {
  const map = { imports: { ostrakon: './node_modules/ostrakon/dist/index.js' } }
  const home = await project('plain', {
    'main.js': dapp,
    'index.html': html(`<script type="importmap">${JSON.stringify(map)}</script><script type="module" src="main.js"></script>`),
  })
  await seeFolderWork(home)
})

test('importing it under Node touches nothing, and createNode says that it needs a browser, where there is no wallet', async () => {
  const names = ['window', 'document', 'self', 'location', 'navigator', 'Worker', 'BroadcastChannel', 'indexedDB', 'fetch', 'crypto', 'WebAssembly', 'setTimeout']
  const home = await project('node', {
    'main.js': `
      const touched = []
      for (const name of ${JSON.stringify(names)}) {
        const value = globalThis[name]
        Object.defineProperty(globalThis, name, { configurable: true, get: () => (touched.push(name), value) })
      }
      const before = Object.getOwnPropertyNames(globalThis).length
      const { createNode, discoverWallets, OstrakonError } = await import('ostrakon')
      const touchedByImport = [...touched]
      const error = await createNode().catch((error) => error)
      console.log(JSON.stringify({
        touchedByImport,
        added: Object.getOwnPropertyNames(globalThis).length - before,
        code: error instanceof OstrakonError && error.code,
        wallets: await discoverWallets(),
        worker: import.meta.resolve('ostrakon/worker'),
        wasm: import.meta.resolve('ostrakon/ostrakon.wasm'),
      }))`,
  })
  const { stdout, stderr } = await exec(process.execPath, ['main.js'], { cwd: home })
  const { touchedByImport, added, code, wallets, worker, wasm } = JSON.parse(stdout)
  assert.deepEqual(touchedByImport, [])
  assert.deepEqual(wallets, [])
  assert.equal(added, 0)
  assert.equal(code, 'no-browser')
  assert.equal(stderr, '')
  for (const url of [worker, wasm]) assert.ok(existsSync(new URL(url)), url)
})

const consumer = `import { createNode, discoverWallets, OstrakonError, type Document, type DocumentSummary, type Jwe, type LogEntry, type Node, type Session, type Status, type Wallet } from 'ostrakon'

export async function write(node: Node, ethereum: { request(question: { method: string; params?: unknown[] }): Promise<unknown> }): Promise<void> {
  const wallets: Wallet[] = await discoverWallets({ onWallet: ({ name, icon }) => name + (icon ?? '') })
  const session: Session = await node.connectWallet(wallets[0] ?? ethereum, { resources: { models: ['k…'] }, expiresIn: '7d', statement: 'Write' })
  await node.connectWallet(ethereum, { kind: 'key' })
  // @ts-expect-error: a duration has a unit
  await node.connectWallet(ethereum, { resources: ['ceramic://*'], expiresIn: 'soon' })
  session.on('expiring', ({ did, expiresAt }) => did + new Date(expiresAt ?? 0).toISOString())
  const doc: Document = await node.create('tile', { content: { a: 1 }, tags: ['t'] }, { session, timeout: 1_000 })
  // @ts-expect-error: an instance has a model
  await node.create('modelInstance', { content: {} })
  const next = await (await doc.update({ a: 2 }, { metadata: { tags: [] } })).patch([{ op: 'replace', path: '/a', value: 3 }])
  // @ts-expect-error: there is no such operation
  await doc.patch([{ op: 'increment', path: '/a' }])
  const waiting: number = (await node.outbox.list()).length + (next.status.peers ?? 0)
  const secret: Jwe = await node.encrypt({ waiting }, { to: [session.did] })
  await node.decrypt(secret)
  await node.useDid(session.provider)
  node.on('session', ({ change, session }) => change === 'revoked' && session.id)
  await (node.session ?? session).revoke()
}

export async function dapp(signal: AbortSignal): Promise<DocumentSummary[]> {
  const node: Node = await createNode({ network: 'local-1', peers: [], signal, timeout: 1_000, workerUrl: new URL('https://example.org/worker.js') })
  const off: () => void = node.on('status', (status: Status) => status.peers.map(({ rtt }) => (rtt ?? 0).toFixed()))
  node.on('document', ({ id, tip }) => id + tip)
  // @ts-expect-error: there is no such event
  node.on('nothing', () => {})
  const doc: Document = await node.load('k…', { signal, timeout: Infinity, atTime: 1_700_000_000 })
  for await (const state of doc) {
    const entry: LogEntry | undefined = state.log[0]
    if (entry?.time.status === 'claimed') break
  }
  // @ts-expect-error: what a document holds is not known to the compiler
  doc.content.title
  // @ts-expect-error: a state never changes
  doc.tip = ''
  const ids: string[] = await node.importCar(new Blob([]), { signal })
  const car: Uint8Array = await node.exportCar(ids[0] ?? '')
  await node.importCar(car)
  await node.documents.forget(doc.id).catch((error: unknown) => {
    if (error instanceof OstrakonError) console.log(error.code, error.hint?.length)
  })
  off()
  const list = await node.documents.list()
  await node[Symbol.asyncDispose]()
  return list
}
`
for (const [resolution, module] of [['bundler', 'esnext'], ['node16', 'node16']]) {
  test(`its types serve a strict TypeScript project with moduleResolution ${resolution}`, async () => {
    const compilerOptions = { strict: true, exactOptionalPropertyTypes: true, target: 'es2022', lib: ['es2022', 'dom'], module, moduleResolution: resolution, types: [], noEmit: true, skipLibCheck: false }
    const home = await project(`types-${resolution}`, { 'dapp.ts': consumer, 'tsconfig.json': JSON.stringify({ compilerOptions, include: ['dapp.ts'] }) })
    await exec(process.execPath, [bin('typescript/bin/tsc')], { cwd: home }).catch(({ stdout }) => assert.fail(stdout))
  })
}

test('the tarball holds what its exports name, and nothing of the worker twice', async () => {
  const home = await project('contents', {})
  const require = createRequire(path.join(home, 'main.js'))
  const manifest = require('ostrakon/package.json')
  for (const target of Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))) {
    assert.ok(existsSync(path.join(home, 'node_modules/ostrakon', target)), target)
  }
  const files = readdirSync(path.join(home, 'node_modules/ostrakon'), { recursive: true }).map(String)
  assert.deepEqual(files.filter((name) => /worker.*\.js$/.test(name)), [path.join('dist', 'worker.js')])
  assert.ok(files.includes('README.md'))
  for (const name of files) assert.doesNotMatch(name, /^(crate|target|tests|www)/)
})
