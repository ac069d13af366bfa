// The inside of a program of others that a test has started (see foreign.mjs): answers what it is asked, line by line, and
// ends with whoever started it.
import { createInterface } from 'node:readline'

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

/** Something that nobody asked for. */
export const tell = (event, more) => say({ event, ...more })

/** `calls`: name to `async (request) => result`. `stop` is called once, before the process ends. */
export function answer(calls, stop) {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', async (line) => {
    const { asked, call, ...request } = JSON.parse(line)
    try {
      say({ asked, ok: (await calls[call](request)) ?? null })
    } catch (error) {
      say({ asked, error: String(error?.stack ?? error) })
    }
  })
  lines.on('close', async () => {
    setTimeout(() => process.exit(0), 3_000).unref() // these programs do not always end
    await stop().catch(() => {})
    process.exit(0)
  })
}

/** What the newest of these packages expect, and Node 20 has not. */
Promise.withResolvers ??= () => {
  const one = {}
  one.promise = new Promise((resolve, reject) => Object.assign(one, { resolve, reject }))
  return one
}
// Standard output is for answers.
console.log = console.info = console.debug = console.error
