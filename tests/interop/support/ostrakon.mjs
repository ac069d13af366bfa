// Ostrakon, asked line by line: `crate/protocol/examples/interop.rs`.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { createInterface } from 'node:readline'

const root = path.resolve(import.meta.dirname, '../../..')
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target')

export class Refusal extends Error {
  constructor(code) {
    super(code)
    this.code = code
  }
}

export class Ostrakon {
  #child = spawn(path.join(target, 'debug/examples/interop'), { stdio: ['pipe', 'pipe', 'inherit'] })
  #waiting = []

  constructor() {
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { ok, error } = JSON.parse(line)
      const { resolve, reject } = this.#waiting.shift()
      if (error === undefined) resolve(ok)
      else reject(new Refusal(error))
    })
    const ended = (why) => this.#waiting.splice(0).forEach(({ reject }) => reject(new Error(`interop ended: ${why}`)))
    this.#child.on('error', (error) => ended(error.message))
    this.#child.on('exit', ended)
  }

  /** The result, or a `Refusal` with its code. */
  ask(what, request = {}) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ do: what, ...request })}\n`)
    })
  }

  close() {
    this.#child.stdin.end()
  }
}

export const base64 = (bytes) => Buffer.from(bytes).toString('base64')
export const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))
/** As many fresh bytes as encrypting for so many recipients takes. */
export const chance = (recipients) => base64(randomBytes((recipients + 1) * (32 + 24)))
export const fresh = (length = 32) => new Uint8Array(randomBytes(length))
export const now = () => Math.floor(Date.now() / 1000)
