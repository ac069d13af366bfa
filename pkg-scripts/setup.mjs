// Everything a fresh machine needs, at pinned versions: `node pkg-scripts/setup.mjs [--tests]`.
// Asks only the package registries and rustup; does nothing that is already done.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { installAnvil } from './lib/anvil.mjs'
import { aptInstall } from './lib/debian.mjs'
import { checkRust, ensureNarrowTarget, ensureWasmTarget } from './lib/rust.mjs'
import { freeBytes, isMain, main, note, output, root, run, step, Stop, toolsBin } from './lib/run.mjs'
import { unlessFresh } from './lib/stamp.mjs'

const TOOLS = {
  'wasm-bindgen': { crate: 'wasm-bindgen-cli', version: '0.2.108', minutes: 3 },
  'wasm-pack': { crate: 'wasm-pack', version: '0.15.1', minutes: 2 },
}
const DISK_NEEDED = 8e9

export async function setup({ tests = false } = {}) {
  step('Looking at what this machine has')
  const [major] = process.versions.node.split('.').map(Number)
  if (major < 20) throw new Stop(`Node 20 or newer is needed and this is ${process.versions.node}.`)
  checkRust()
  if (!existsSync(path.join(root, 'target/stamps')) && freeBytes() < DISK_NEEDED) {
    throw new Stop(`A first build wants about ${DISK_NEEDED / 1e9} GB of disk and ${(freeBytes() / 1e9).toFixed(1)} GB are free.`)
  }
  await ensureWasmTarget()
  await npmPackages()
  await installAnvil()
  await tool('wasm-bindgen')
  if (tests) {
    await ensureNarrowTarget()
    await tool('wasm-pack')
    await chromium()
  }
}

async function npmPackages() {
  const inputs = ['package.json', 'package-lock.json', '.npmrc']
  await unlessFresh('npm', { inputs, outputs: ['node_modules'] }, async () => {
    note('installing npm packages')
    await run('npm', ['ci', '--no-audit', '--no-fund'], { why: 'npm ci' })
  })
}

async function tool(name) {
  const { crate, version, minutes } = TOOLS[name]
  if (output(path.join(toolsBin, name), ['--version'])?.includes(version)) return
  note(`building ${crate} ${version} from the crate registry (about ${minutes} minutes, once)`)
  await run('cargo', ['install', crate, '--locked', '--version', version, '--root', path.dirname(toolsBin)], {
    env: { CARGO_TARGET_DIR: path.join(root, 'target/tools/build') },
  })
}

async function chromium() {
  const missing = ['chromium', 'chromedriver'].filter((name) => output(name, ['--version']) === undefined)
  if (missing.length > 0) await aptInstall(['chromium', 'chromium-driver'], `Chromium for the browser tests (${missing.join(', ')})`)
}

if (isMain(import.meta)) await main(() => setup({ tests: process.argv.includes('--tests') }))
