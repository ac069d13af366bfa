// Running other programs: what they print is shown, and a failure becomes one sentence.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statfsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
export const toolsBin = path.join(root, 'target/tools/bin')
export const isMain = (meta) => process.argv[1] !== undefined && fileURLToPath(meta.url) === path.resolve(process.argv[1])

/** A failure that the person at the terminal can act on: printed as a sentence, without a stack. */
export class Stop extends Error {}

export function step(text) {
  console.log(`\n▸ ${text}`)
}

export function note(text) {
  console.log(`  ${text}`)
}

/** The environment of everything we start: our pinned tools come first. */
export function environment(extra = {}) {
  return { ...process.env, PATH: `${toolsBin}${path.delimiter}${process.env.PATH ?? ''}`, ...extra }
}

/** Runs a program with its output shown; rejects with a sentence when it fails. */
export function run(command, args, { env = {}, cwd = root, why } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: environment(env), stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', (error) =>
      reject(new Stop(error.code === 'ENOENT' ? `${command} is not installed${why ? ` (${why})` : ''}.` : error.message)),
    )
    child.on('exit', (code, signal) => {
      if (code === 0) return resolve()
      reject(new Stop(`${why ?? [command, ...args].join(' ')} failed (${signal ?? `exit code ${code}`}).${diskHint()}`))
    })
  })
}

/** What a program prints, or undefined when it can't be run or fails. */
export function output(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: environment(), ...options })
  return done.status === 0 ? done.stdout.trim() : undefined
}

export function freeBytes() {
  const { bavail, bsize } = statfsSync(root)
  return bavail * bsize
}

function diskHint() {
  return freeBytes() < 512 * 1024 * 1024 ? ' The disk is almost full: that may be why.' : ''
}

export function has(file) {
  return existsSync(path.join(root, file))
}

/** Runs a script's main function and turns what goes wrong into one sentence and an exit code. */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    console.error(`\n✗ ${error instanceof Stop ? error.message : error.stack}`)
    process.exit(1)
  }
}
