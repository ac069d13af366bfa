// The real `ostrakon devnet` on free ports, with the built demo page, that a test may kill and start again in its place.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startAnvil } from '../../pkg-scripts/lib/anvil.mjs'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target')
  const candidates = [process.env.OSTRAKON_BIN, path.join(target, 'debug/ostrakon'), path.join(target, 'release/ostrakon')]
  const found = candidates.find((file) => file && existsSync(file))
  if (!found) throw new Error('no ostrakon binary: build it with cargo build -p ostrakon-peer, or set OSTRAKON_BIN')
  return found
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

export class Devnet {
  #anvil
  #child
  #said = ''

  /** `wallet`: with anvil as its wallet. */
  static async start({ every = 2, wallet = false } = {}) {
    const www = path.join(root, 'www/dist')
    if (!existsSync(path.join(www, 'index.html'))) throw new Error('www/dist is not built: npm run build')
    const devnet = new Devnet()
    devnet.dir = await mkdtemp(path.join(tmpdir(), 'ostrakon-e2e-'))
    const [port, wsPort] = [await freePort(), await freePort()]
    devnet.url = `http://127.0.0.1:${port}/`
    const ports = ['--port', port, '--ws-port', wsPort, '--every', every]
    if (wallet) devnet.#anvil = await startAnvil()
    if (wallet && !devnet.#anvil) throw new Error('anvil is not among the npm packages of this machine: npm ci')
    devnet.args = [
      'devnet',
      ...ports.map(String),
      '--dir',
      devnet.dir,
      '--www',
      www,
      '--vectors',
      path.join(root, 'tests/vectors'),
      ...(wallet ? ['--wallet', devnet.#anvil.url] : []),
    ]
    await devnet.up()
    return devnet
  }

  /** Starts the process, the first time or again, and resolves once it offers its documents. */
  async up() {
    const child = (this.#child = spawn(binary(), this.args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => (this.#said = (this.#said + data).slice(-4000)))
    for (let tries = 0; tries < 600; tries++) {
      if (child.exitCode !== null) break
      const answer = await fetch(`${this.url}devnet.json`).catch(() => undefined)
      if (answer?.ok) this.json = await answer.json()
      if (answer?.ok && this.json.documents.length > 0) return
      await pause(100)
    }
    await this.kill()
    throw new Error(`the devnet did not come up:\n${this.#said}`)
  }

  /** Without warning, as a machine that loses its power. */
  async kill() {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async close() {
    await this.kill()
    await this.#anvil?.stop()
    await rm(this.dir, { recursive: true, force: true })
  }

  get living() {
    return this.json.documents.find((one) => one.living)
  }

  /** A document that does not change. */
  get still() {
    return this.json.documents.find((one) => !one.living)
  }
}
