// `npm run bench -- peers`: how fast a tab that has nothing gets documents from the real js-ceramic, over each muxer.
const DOCUMENTS = 100
const EVENTS = 10
const ROUNDS = 3
const NETWORK = 'local-bench'
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

export async function peers({ browser, server }) {
  const { startJsCeramic } = await import('../../tests/interop/support/foreign.mjs')
  server.page('/bench/peers.html', `<!doctype html><meta charset="utf-8"><title>bench</title><script type="module">
    import { createNode } from '/dist/index.js'
    globalThis.sync = async (network, peer, ids, events) => {
      const node = await createNode({ network, peers: [peer] })
      while (!node.status.online) await new Promise((resolve) => setTimeout(resolve, 10))
      const began = performance.now()
      const documents = []
      const left = ids.values()
      const some = async () => {
        for (const id of left) documents.push(await node.load(id, { timeout: 300_000 }))
      }
      await Promise.all(Array.from({ length: 50 }, some))
      const took = performance.now() - began
      for (const { log, source } of documents) if (log.length !== events || source !== 'network') throw new Error(log.length + ' events from ' + source)
      return took
    }
  </script>`)
  const rows = []
  for (const muxers of [['mplex'], ['mplex', 'yamux']]) {
    const js = await startJsCeramic({ topic: `/ceramic/${NETWORK}`, muxers })
    try {
      const commits = await js.ask('createTiles', { count: DOCUMENTS, events: EVENTS })
      const ids = commits.map((commit) => commit.id)
      const rate = async (name, ids) => {
        const times = []
        for (let round = 0; round < ROUNDS; round += 1) {
          const context = await browser.newContext()
          const page = await context.newPage()
          await page.goto(`${server.url}/bench/peers.html`)
          await page.waitForFunction(() => globalThis.sync)
          times.push(await page.evaluate(([network, peer, ids, events]) => globalThis.sync(network, peer, ids, events), [NETWORK, js.address, ids, EVENTS]))
          await context.close()
        }
        rows.push({ name, value: (ids.length * EVENTS * 1_000) / median(times), unit: 'events/s' })
      }
      await rate(`${DOCUMENTS} documents of ${EVENTS} events from js-ceramic, ${muxers.at(-1)}, tips known`, commits.map(({ commit }) => commit))
      if (muxers.length === 1) await rate('the same, tips asked for, 10 a second as js-ceramic does', ids)
    } finally {
      await js.stop()
    }
  }
  return rows
}
