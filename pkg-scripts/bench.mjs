// `npm run bench`: what it costs, as a table and as JSON (target/bench.json). Ratios compare two things measured in the
// same run; wall times depend on the machine. `npm run bench -- NAME…` runs only the parts whose names contain a NAME.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { buildJs } from './build-js.mjs'
import { buildPeer } from './build-peer.mjs'
import { buildBenchWasm, buildWasm } from './build-wasm.mjs'
import { peers } from './lib/bench-peers.mjs'
import { sync, syncPage } from './lib/bench-sync.mjs'
import { buildJsCeramic, installPeers } from './lib/js-ceramic.mjs'
import { buildOrbitDb } from './lib/orbitdb.mjs'
import { main, output, root, step, Stop } from './lib/run.mjs'
import { setup } from './setup.mjs'

const ROUNDS = 7
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const sum = (values) => values.reduce((all, one) => all + one, 0)
const whole = (value) => Math.round(value).toLocaleString('en')

/** Bytes of the modules as a server would send them: what a reader loads, and what whoever writes does. */
async function size() {
  return ['ostrakon_reader', 'ostrakon'].flatMap((name) => {
    const bytes = readFileSync(path.join(root, `dist/${name}_bg.wasm`))
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length
    return [{ name: `${name}.wasm`, value: bytes.length, unit: 'bytes' }, { name: `${name}.wasm, brotli -11`, value: brotli, unit: 'bytes' }]
  })
}

/** From navigation to a node, and to a verified document: from the peer at first, from disk after a reload. */
async function startUp({ browser, server, devnet }) {
  const times = { node: [], cold: [], warm: [] }
  const { network, peers } = devnet.json
  const url = `${server.url}/bench/start.html#${encodeURIComponent(JSON.stringify({ network, peers, id: devnet.still.id }))}`
  for (let round = 0; round < ROUNDS; round += 1) {
    const context = await browser.newContext()
    const page = await context.newPage()
    const measure = async () => (await page.waitForFunction(() => globalThis.measured, undefined, { timeout: 60_000 })).jsonValue()
    await page.goto(url)
    const cold = await measure()
    await page.reload()
    const warm = await measure()
    if (cold.source !== 'network' || warm.source !== 'disk') throw new Stop(`The document came from ${cold.source}, then from ${warm.source}.`)
    times.node.push(cold.node)
    times.cold.push(cold.document)
    times.warm.push(warm.document)
    await context.close()
  }
  return [
    { name: 'navigation to createNode resolved', value: median(times.node), unit: 'ms' },
    { name: 'navigation to first document verified, cold (from the peer)', value: median(times.cold), unit: 'ms' },
    { name: 'navigation to first document verified, warm (from disk)', value: median(times.warm), unit: 'ms' },
  ]
}

/** The packed store against one transaction per block, in one page. */
async function store({ browser, server }) {
  const page = await browser.newPage()
  await page.goto(`${server.url}/bench/core.html`)
  await page.waitForFunction(() => globalThis.bench)
  const rates = { packed: [], single: [] }
  for (let round = 0; round < 5; round += 1) {
    for (const kind of ['packed', 'single']) rates[kind].push(await page.evaluate((kind) => globalThis.bench[kind](), kind))
  }
  const [packed, single] = [median(rates.packed), median(rates.single)]
  return [
    { name: '10,000 blocks of 700 B into IndexedDB and back, hashed', value: packed, unit: 'blocks/s' },
    { name: '1,000 blocks of 700 B, a transaction for each, unhashed', value: single, unit: 'blocks/s' },
    { name: 'packed against one transaction per block', value: packed / single, unit: '×' },
  ]
}

/**
 * From call to durable on disk: many documents in one call, and one document again and again, beside OrbitDB, each with a
 * database of its own in IndexedDB, in turns in one page. The profile is on disk: without one a browser keeps IndexedDB in memory.
 */
async function writing({ launchOnDisk, server }) {
  const context = await launchOnDisk()
  const page = await context.newPage()
  await page.goto(`${server.url}/bench/core.html`)
  await page.waitForFunction(() => globalThis.bench)
  const rates = { create: [], update: [], put: [] }
  for (let round = -1; round < ROUNDS; round += 1) { // the first warms the engine up
    const { create, update } = await page.evaluate(() => globalThis.bench.writing(1_000, 200))
    const put = await page.evaluate(() => globalThis.bench.orbit(200))
    if (round < 0) continue
    rates.create.push(1_000_000 / create)
    rates.update.push(200_000 / update)
    rates.put.push(200_000 / put)
  }
  await context.close()
  return [
    { name: '1,000 tiles created in one call, signed, verified and on disk', value: median(rates.create), unit: 'documents/s' },
    { name: 'updates of one tile, each answered before the next', value: median(rates.update), unit: 'updates/s' },
    { name: 'puts of one document, each answered before the next, OrbitDB', value: median(rates.put), unit: 'puts/s' },
    { name: 'updates of one tile against puts of OrbitDB', value: median(rates.update) / median(rates.put), unit: '×' },
  ]
}

/** The same documents, verified by js-ceramic and by Ostrakon in one page, and by Ostrakon's native code. */
async function verification({ browser, server }) {
  const example = ['run', '--quiet', '--release', '-p', 'ostrakon-protocol', '--example', 'chain_speed', '--']
  const printed = output('cargo', [...example, 'target/bench', '1000', String(ROUNDS)])
  if (!printed) throw new Stop('The native measurement of the documents failed.')
  const native = JSON.parse(printed)
  const page = await browser.newPage()
  await page.goto(`${server.url}/bench/core.html`)
  await page.waitForFunction(() => globalThis.bench)
  await page.evaluate((native) => globalThis.bench.open(native), { ...native, tasks: TASKS })
  const measured = await sideBySide(browser, page)
  const rows = (name, what, unit, their = 'js-ceramic') => {
    const { js, wasm } = measured[what]
    const rate = (milliseconds) => (TASKS[what] * 1_000) / median(milliseconds)
    return [
      { name: `${name}, ${their}`, value: rate(js.wall), unit },
      { name: `${name}, Ostrakon`, value: rate(wasm.wall), unit },
      { name: `${name}, Ostrakon against ${their}`, value: rate(wasm.wall) / rate(js.wall), unit: '×' },
      { name: `${name}, the same by time of the processor`, value: rate(wasm.cpu) / rate(js.cpu), unit: '×' },
      ...(native[what] ? [
        { name: `${name}, Ostrakon, native`, value: rate(native[what]), unit },
        { name: `${name}, Ostrakon against native`, value: rate(wasm.wall) / rate(native[what]), unit: '×' },
      ] : []),
    ]
  }
  const inPage = { instances: await page.evaluate((model) => globalThis.bench.instances(model), native.model) }
  const { times, memory } = inPage.instances
  const each = (from, to) => (memory[to] - memory[from]) / ((to - from) * 1_000)
  const half = times.length / 2
  return [
    ...rows('doc-chain of 1,000 signed events', 'chain', 'events/s'),
    ...rows('1,000 documents of one event', 'documents', 'documents/s'),
    ...rows('secp256k1 recovery', 'recover', 'signatures/s', '@noble/curves'),
    ...rows('1 KB encrypted to three recipients', 'encrypt', 'secrets/s', 'dids'),
    ...rows('1 KB decrypted by one of three', 'decrypt', 'secrets/s', 'dids'),
    { name: '10,000 instances of one model, the first half', value: (half * 1_000_000) / sum(times.slice(0, half)), unit: 'documents/s' },
    { name: '10,000 instances of one model, the second half', value: (half * 1_000_000) / sum(times.slice(half)), unit: 'documents/s' },
    { name: 'memory of each, blocks apart, the first half', value: each(0, half), unit: 'bytes' },
    { name: 'memory of each, blocks apart, the second half', value: each(half, times.length), unit: 'bytes' },
  ]
}

/** What both sides do, and how often in one go. */
const TASKS = { chain: 1_000, documents: 1_000, recover: 1_000, encrypt: 60, decrypt: 60 }

/**
 * Both sides do each task in turn. Milliseconds of the clock, and of the processor over all of Chromium's processes: what an
 * engine does beside, on other threads, is not free where another page wants the core.
 */
async function sideBySide(browser, page) {
  const chromium = await browser.newBrowserCDPSession()
  const cpu = async () => sum((await chromium.send('SystemInfo.getProcessInfo')).processInfo.map(({ cpuTime }) => cpuTime)) * 1_000
  // The processor's time is told in steps of 10 ms, so what is quick is done again and again.
  const again = { js: 1, wasm: 12 }
  const measured = {}
  for (let round = -1; round < ROUNDS; round += 1) { // the first warms the engine up
    for (const what of Object.keys(TASKS)) {
      measured[what] ??= { js: { wall: [], cpu: [] }, wasm: { wall: [], cpu: [] } }
      for (const who of ['js', 'wasm']) {
        const before = await cpu()
        const wall = await page.evaluate(([who, what, count]) => globalThis.bench.run(who, what, count), [who, what, again[who]])
        const spent = ((await cpu()) - before) / again[who]
        if (round < 0) continue
        measured[what][who].wall.push(...wall)
        measured[what][who].cpu.push(spent)
      }
    }
  }
  return measured
}

const PARTS = { size, 'start-up': startUp, store, writing, verification, peers, sync }
/** Those that are measured in the package as it is shipped. */
const SHIPPED = ['size', 'start-up', 'peers', 'sync']

await main(async () => {
  const wanted = process.argv.slice(2)
  const parts = Object.entries(PARTS).filter(([name]) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  await setup({ tests: true })
  await buildWasm()
  if (parts.some(([name]) => !SHIPPED.includes(name))) await buildBenchWasm()
  if (parts.some(([name]) => name === 'verification')) await buildJsCeramic()
  if (parts.some(([name]) => name === 'peers')) await installPeers()
  if (parts.some(([name]) => name === 'writing')) await buildOrbitDb()
  await buildJs()
  process.env.OSTRAKON_BIN = await buildPeer({ release: true })
  // These come with the npm packages, which the set-up may just have installed.
  const [{ launch, launchOnDisk }, { serve }, { Devnet }] = await Promise.all(
    ['support/chromium', 'support/serve', 'e2e/devnet'].map((name) => import(`../tests/${name}.mjs`)),
  )
  const browser = await launch()
  const server = await serve(root, { pages: benchPages() })
  const devnet = await Devnet.start()
  const rows = []
  try {
    for (const [name, measure] of parts) {
      step(name)
      for (const row of await measure({ browser, launchOnDisk, server, devnet })) {
        rows.push({ part: name, ...row })
        console.log(`  ${row.name.padEnd(64)} ${(row.unit === '×' ? row.value.toFixed(2) : whole(row.value)).padStart(12)} ${row.unit}`)
      }
    }
  } finally {
    await Promise.allSettled([browser.close(), server.close(), devnet.close()])
  }
  writeFileSync(path.join(root, 'target/bench.json'), `${JSON.stringify(rows, null, 2)}\n`)
  console.log('\nAlso written to target/bench.json.')
})

/** The pages that measure, on the package as it is shipped and on the core with its `bench` feature. */
function benchPages() {
  const page = (script) => `<!doctype html><meta charset="utf-8"><title>bench</title><script type="module">${script}</script>`
  return {
    '/bench/start.html': page(`
      import { createNode } from '/dist/index.js'
      const { network, peers, id } = JSON.parse(decodeURIComponent(location.hash.slice(1)))
      const node = await createNode({ network, peers })
      const started = performance.now()
      const document = await node.load(id)
      globalThis.measured = { node: started, document: performance.now(), source: document.source }
    `),
    '/bench/sync.html': page(syncPage),
    '/bench/core.html': page(`
      import init, { benchDecrypt, benchDocuments, benchEncrypt, benchInstances, benchRecover, benchStore, benchVerify, benchWriting } from '/target/bench/ostrakon.js'
      await init({ module_or_path: '/target/bench/ostrakon_bg.wasm' })

      const done = (request) => new Promise((resolve, reject) => {
        request.oncomplete = request.onsuccess = () => resolve(request.result)
        request.onabort = request.onerror = () => reject(request.error)
      })
      let databases = 0
      const packed = async () => {
        const { write, read } = await benchStore('bench-packed-' + databases++, 10_000, 700)
        return 10_000 / ((write + read) / 1000)
      }
      const writing = (count, updates) => benchWriting('bench-writing-' + databases++, count, updates)
      const orbit = async (count) => {
        const theirs = await import('/target/bench/orbitdb.js')
        const database = await theirs.open('bench-orbitdb-' + databases++)
        const took = await theirs.put(database, count)
        await database.close()
        return took
      }
      const single = async () => {
        const open = indexedDB.open('bench-single-' + databases++)
        open.onupgradeneeded = () => open.result.createObjectStore('blocks')
        const db = await done(open)
        const block = crypto.getRandomValues(new Uint8Array(700))
        const began = performance.now()
        for (let key = 0; key < 1_000; key += 1) {
          const writing = db.transaction('blocks', 'readwrite')
          writing.objectStore('blocks').put(block, key)
          await done(writing)
        }
        for (let key = 0; key < 1_000; key += 1) await done(db.transaction('blocks').objectStore('blocks').get(key))
        return 1_000 / ((performance.now() - began) / 1000)
      }
      const file = async (name) => new Uint8Array(await (await fetch('/target/bench/' + name)).arrayBuffer())
      let cases
      const open = async ({ commit, tasks }) => {
        const theirs = await import('/target/bench/js-ceramic.js')
        const [chain, documents] = [await file('chain.car'), await file('documents.car')]
        const signed = await theirs.signed(1_000)
        const readers = await theirs.readers(tasks.encrypt)
        const secrets = JSON.stringify(readers.secrets)
        const joined = (parts) => parts.reduce((all, part, n) => (all.set(part, n * part.length), all), new Uint8Array(parts.length * parts[0].length))
        const [signatures, inputs] = ['signature', 'input'].map((name) => joined(signed.all.map((one) => one[name])))
        const seeds = joined(readers.seeds)
        cases = {
          js: {
            chain: () => theirs.chain(chain, commit, 1_000),
            documents: () => theirs.documents(documents),
            recover: () => theirs.recover(signed),
            encrypt: () => theirs.encrypt(readers),
            decrypt: () => theirs.decrypt(readers),
          },
          wasm: {
            chain: () => benchVerify(commit, chain),
            documents: () => benchDocuments(documents),
            recover: () => benchRecover(signed.key, signatures, inputs),
            encrypt: () => benchEncrypt(readers.secrets.length, readers.to),
            decrypt: () => benchDecrypt(secrets, seeds),
          },
        }
      }
      const run = async (who, what, count) => {
        const times = []
        for (let n = 0; n < count; n += 1) times.push(await cases[who][what]())
        return times
      }
      const instances = async (model) => benchInstances(model, await file('instances.car'))
      globalThis.bench = { packed, single, writing, orbit, open, run, instances }
    `),
  }
}
