// `npm run bench -- sync`: documents between tabs and a native peer, over loopback and over a line that is slow on purpose.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { output, root, Stop } from './run.mjs'

const NETWORK = 'bench'
const DOCUMENTS = 300
const EVENTS = 10
const CHAIN = 1_000
const HISTORIES = 40
/** Milliseconds there and back. */
const ROUND_TRIP = 100
/** Loads under way at once: a tab holds 256 documents in memory. */
const AT_ONCE = 200
const QUIET = 60_000

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

function documents(folder, ...counts) {
  const example = ['run', '--quiet', '--release', '-p', 'ostrakon-protocol', '--example', 'sync_documents', '--']
  const printed = output('cargo', [...example, folder, ...counts.map(String)])
  if (!printed) throw new Stop('The documents to sync could not be made.')
  return { ids: JSON.parse(printed), car: (name) => path.join(folder, `${name}.car`) }
}

async function freePort() {
  const server = net.createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A native peer that keeps these archives. */
async function startPeer(...cars) {
  const dir = mkdtempSync(path.join(tmpdir(), 'ostrakon-bench-'))
  const bin = process.env.OSTRAKON_BIN
  if (output(bin, ['import', '--dir', dir, '--json', ...cars]) === undefined) throw new Stop('The documents to sync could not be imported.')
  const port = await freePort()
  const args = ['peer', '--dir', dir, '--network', NETWORK, '--listen', `/ip4/127.0.0.1/tcp/${port}/ws`, '--json']
  const child = spawn(bin, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const lines = createInterface({ input: child.stdout })
  const { peerId } = JSON.parse((await lines[Symbol.asyncIterator]().next()).value)
  lines.on('line', () => {})
  return {
    port,
    address: (at = port) => `/ip4/127.0.0.1/tcp/${at}/ws/p2p/${peerId}`,
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Passes bytes on after a while, both ways, and counts them. */
async function slowLine(to, delay) {
  const counted = { bytes: 0, chunks: 0 }
  const pipe = (from, into) => {
    from.on('data', (data) => {
      counted.bytes += data.length
      counted.chunks += 1
      setTimeout(() => into.writable && into.write(data), delay)
    })
    from.on('close', () => setTimeout(() => into.destroy(), delay))
    from.on('error', () => {})
  }
  const server = net.createServer({ noDelay: true }, (near) => {
    const far = net.connect({ port: to, host: '127.0.0.1', noDelay: true })
    pipe(near, far)
    pipe(far, near)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: server.address().port, counted, close: () => server.close() }
}

async function open(browser, server, address) {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(`${server.url}/bench/sync.html`)
  await page.waitForFunction(() => globalThis.sync)
  await page.evaluate(([network, peers]) => globalThis.sync.join(network, peers), [NETWORK, [address]])
  return { page, close: () => context.close() }
}

/** All documents, by a tab that has none; events a second. */
async function cold(browser, server, peer, ids) {
  const tab = await open(browser, server, peer.address())
  const took = await tab.page.evaluate(([ids, atOnce, events]) => globalThis.sync.load(ids, atOnce, events), [ids, AT_ONCE, EVENTS])
  await tab.close()
  return (ids.length * EVENTS * 1_000) / took
}

/** One long document over the slow line; milliseconds. */
async function far(browser, server, peer, id) {
  const line = await slowLine(peer.port, ROUND_TRIP / 2)
  const tab = await open(browser, server, peer.address(line.port))
  // So that what is agreed on once for each connection is.
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const took = await tab.page.evaluate(([ids, events]) => globalThis.sync.load(ids, 1, events), [[id], CHAIN])
  await tab.close()
  line.close()
  return took
}

/** From one tab, which imports the next event, to another; milliseconds of each event. */
async function live(browser, server, peer, id, car) {
  const [from, to] = [await open(browser, server, peer.address()), await open(browser, server, peer.address())]
  for (const tab of [from, to]) await tab.page.evaluate((id) => globalThis.sync.follow(id), id)
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  const times = []
  for (let events = 2; events <= HISTORIES; events += 1) {
    const seen = to.page.evaluate((events) => globalThis.sync.seen(events), events)
    const bytes = readFileSync(car(events)).toString('base64')
    const began = await from.page.evaluate((bytes) => globalThis.sync.put(bytes), bytes)
    times.push((await seen) - began)
  }
  await Promise.all([from.close(), to.close()])
  return times
}

/** What a tab costs that has the newest of 100 documents: bytes and packets a minute. */
async function quiet(browser, server, peer, ids) {
  const line = await slowLine(peer.port, 0)
  const tab = await open(browser, server, peer.address(line.port))
  await tab.page.evaluate(([ids, atOnce, events]) => globalThis.sync.load(ids, atOnce, events), [ids, AT_ONCE, EVENTS])
  // Until the topic was asked about all of them, ten a second.
  await new Promise((resolve) => setTimeout(resolve, 30_000))
  const before = { ...line.counted }
  await new Promise((resolve) => setTimeout(resolve, QUIET))
  const after = line.counted
  await tab.close()
  line.close()
  return { bytes: ((after.bytes - before.bytes) * 60_000) / QUIET, chunks: ((after.chunks - before.chunks) * 60_000) / QUIET }
}

export async function sync({ browser, server }) {
  const folder = path.join(root, 'target/bench')
  const many = documents(path.join(folder, 'sync'), DOCUMENTS, EVENTS, 0)
  const long = documents(path.join(folder, 'long'), 1, CHAIN, HISTORIES)
  // The long one is a longer form of the first of the many.
  const cars = [many.car('all'), long.car('all'), long.car(1)]
  const [peer, longer, other] = await Promise.all(cars.map((car) => startPeer(car)))
  try {
    const rates = []
    for (let round = 0; round < 7; round += 1) rates.push(await cold(browser, server, peer, many.ids))
    const took = []
    for (let round = 0; round < 5; round += 1) took.push(await far(browser, server, longer, long.ids[0]))
    const times = await live(browser, server, other, long.ids[0], long.car)
    const idle = await quiet(browser, server, peer, many.ids.slice(0, 100))
    return [
      { name: `${DOCUMENTS} documents of ${EVENTS} events, tab from peer, verified and on disk`, value: median(rates), unit: 'events/s' },
      { name: `chain of ${CHAIN} events over ${ROUND_TRIP} ms, tab from peer`, value: median(took), unit: 'ms' },
      { name: `chain of ${CHAIN} events over ${ROUND_TRIP} ms, tab from peer`, value: median(took) / ROUND_TRIP, unit: '×' },
      { name: 'new event, tab to peer to tab, verified and on each disk', value: median(times), unit: 'ms' },
      { name: 'tab with the newest of 100 documents', value: idle.bytes, unit: 'bytes/min' },
      { name: 'tab with the newest of 100 documents', value: idle.chunks, unit: 'packets/min' },
    ]
  } finally {
    await Promise.allSettled([peer, longer, other].map((one) => one.close()))
  }
}

/** The page in which a tab is measured. */
export const syncPage = `
  import { createNode } from '/dist/index.js'
  let node, states, wanted
  const now = () => performance.timeOrigin + performance.now()
  globalThis.sync = {
    async join(network, peers) {
      node = await createNode({ network, peers })
      while (!node.status.online) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    async load(ids, atOnce, events) {
      const left = [...ids]
      const began = performance.now()
      const next = async () => {
        for (let id = left.pop(); id; id = left.pop()) {
          const { log } = await node.load(id, { timeout: 60_000 })
          if (log.length !== events) throw new Error(id + ' has ' + log.length + ' events')
        }
      }
      await Promise.all(Array.from({ length: atOnce }, next))
      return performance.now() - began
    },
    async follow(id) {
      const document = await node.load(id, { timeout: 60_000 })
      wanted = new Map()
      states = document.log.length
      void (async () => {
        for await (const state of document) {
          states = state.log.length
          wanted.get(states)?.(now())
        }
      })()
    },
    seen: (events) => new Promise((resolve) => wanted.set(events, resolve)),
    async put(bytes) {
      const car = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))
      const began = now()
      await node.importCar(car)
      return began
    },
  }
`
