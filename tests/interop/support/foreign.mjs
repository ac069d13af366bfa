// Programs of others as peers, each a process of its own, asked by JSON lines; and Ostrakon's own peer.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

const here = path.resolve(import.meta.dirname, '..')
const target = process.env.CARGO_TARGET_DIR ?? path.resolve(here, '../../target')

/** Asks a process to end, and soon does not ask any more. */
async function end(child, ask) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  ask()
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await gone
  clearTimeout(timer)
}

class Foreign {
  #child
  #dir
  #asked = 0
  #waiting = new Map()
  #watching = new Set()
  #said = ''
  /** Everything it has told without being asked. */
  events = []

  static async start(program, options) {
    const foreign = new Foreign()
    foreign.#dir = await mkdtemp(path.join(tmpdir(), 'ostrakon-interop-'))
    const given = JSON.stringify({ dir: foreign.#dir, ...options })
    // The newest of the packages want things of Node 22 while they are loaded, before a program's own first line.
    const child = (foreign.#child = spawn(process.execPath, ['--import', path.join(here, 'support/answer.mjs'), path.join(here, program), given]))
    child.stderr.on('data', (data) => (foreign.#said = (foreign.#said + data).slice(-8_000)))
    createInterface({ input: child.stdout }).on('line', (line) => foreign.#hear(JSON.parse(line)))
    child.on('exit', (code, signal) => foreign.#end(new Error(`${program} ended (${signal ?? code}):\n${foreign.#said}`)))
    const { address } = await foreign.event('ready', () => true, 60_000)
    return Object.assign(foreign, { address })
  }

  #hear(line) {
    if (line.event) {
      this.events.push(line)
      for (const watch of [...this.#watching]) watch.look(line)
      return
    }
    const { resolve, reject } = this.#waiting.get(line.asked)
    this.#waiting.delete(line.asked)
    if (line.error === undefined) resolve(line.ok)
    else reject(new Error(line.error))
  }

  #end(error) {
    for (const { reject } of [...this.#waiting.values(), ...this.#watching]) reject(error)
  }

  ask(call, request = {}) {
    const asked = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#waiting.set(asked, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ asked, call, ...request })}\n`)
    })
  }

  /** The first event of this name that fits, among those told already and those to come. */
  event(name, fits = () => true, within = 30_000) {
    const right = (one) => one.event === name && fits(one)
    const told = this.events.find(right)
    if (told) return Promise.resolve(told)
    return new Promise((resolve, reject) => {
      const done = (end, value) => {
        clearTimeout(timer)
        this.#watching.delete(watch)
        end(value)
      }
      const watch = { look: (one) => right(one) && done(resolve, one), reject: (error) => done(reject, error) }
      const timer = setTimeout(() => watch.reject(new Error(`no event ${name} within ${within} ms; told: ${JSON.stringify(this.events).slice(0, 4_000)}\n${this.#said}`)), within)
      this.#watching.add(watch)
    })
  }

  async stop() {
    await end(this.#child, () => this.#child.stdin.end())
    await rm(this.#dir, { recursive: true, force: true })
  }
}

/** js-ceramic on js-ipfs. `muxers`: what it speaks besides noise; stock js-ipfs has only mplex. `address` is where it listens. */
export const startJsCeramic = ({ topic, muxers = ['mplex'] }) => Foreign.start('js-ipfs/ceramic.mjs', { topic, muxers })

/** Helia on js-libp2p. */
export const startHelia = ({ topic }) => Foreign.start('helia/helia.mjs', { topic })

/** `ostrakon peer`, connected to `peers` and following documents. */
export async function startOstrakon({ network, peers, follow }) {
  const port = await new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
  const dir = await mkdtemp(path.join(tmpdir(), 'ostrakon-interop-'))
  const many = (option, values) => values.flatMap((value) => [option, value])
  const listen = `/ip4/127.0.0.1/tcp/${port}/ws`
  const args = ['peer', '--json', '--network', network, '--dir', dir, '--listen', listen, ...many('--peer', peers), ...many('--follow', follow)]
  const child = spawn(path.join(target, 'debug/ostrakon'), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const { peerId } = await new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line)))
    child.once('error', reject).once('exit', (code) => reject(new Error(`ostrakon peer ended (${code})`)))
  })
  const stop = async () => {
    await end(child, () => child.kill('SIGTERM'))
    await rm(dir, { recursive: true, force: true })
  }
  return { peerId, address: `${listen}/p2p/${peerId}`, stop }
}
