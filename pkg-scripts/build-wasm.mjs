// The wasm module of the package: `node pkg-scripts/build-wasm.mjs [--dev]`. Release builds are optimised for size by the
// wasm-opt of the npm packages, never one of the system, whose age may break the module; `--dev` is quick and large.
import { copyFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { isMain, main, note, output, root, run, step, Stop } from './lib/run.mjs'
import { WASM, wasmCargo } from './lib/rust.mjs'
import { unlessFresh } from './lib/stamp.mjs'

const BINDGEN = '0.2.108' // as pinned in Cargo.toml
const inputs = ['.cargo/config.toml', 'Cargo.toml', 'Cargo.lock', 'crate/protocol', 'crate/node', 'crate/browser/Cargo.toml', 'crate/browser/src', 'pkg-scripts/build-wasm.mjs']
const outputs = ['dist/ostrakon_bg.wasm', 'target/glue/ostrakon.js']
// What every browser since 2023 knows and rustc uses by default.
const features = ['bulk-memory', 'bulk-memory-opt', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'reference-types', 'multivalue']

export async function buildWasm({ dev = false } = {}) {
  step(`Building the wasm module${dev ? ' (dev)' : ''}`)
  const worked = await unlessFresh('wasm', { inputs, outputs, extra: dev ? 'dev' : 'release' }, async () => {
    const wasm = wasmCargo()
    await run(wasm.cargo, ['build', ...(dev ? [] : ['--profile', 'wasm']), ...wasm.args, '-p', 'ostrakon-browser', '--lib'], { env: wasm.env })
    await bindgen(path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), WASM, dev ? 'debug' : 'wasm', 'ostrakon_browser.wasm'), dev)
    await optimise(dev)
  })
  if (!worked) note('unchanged')
}

async function bindgen(file, dev) {
  const found = output('wasm-bindgen', ['--version'])
  if (!found?.includes(BINDGEN)) throw new Stop(`wasm-bindgen ${BINDGEN} is needed: run "npm run setup".`)
  // The façade says where the module is, so the glue carries no address of its own for bundlers to trip over.
  const names = dev ? ['--keep-debug'] : ['--remove-name-section', '--remove-producers-section']
  await run('wasm-bindgen', ['--target', 'web', '--omit-default-module-path', '--out-name', 'ostrakon', '--out-dir', 'target/glue', ...names, file])
}

async function optimise(dev) {
  mkdirSync(path.join(root, 'dist'), { recursive: true })
  const [from, to] = [path.join(root, 'target/glue/ostrakon_bg.wasm'), path.join(root, 'dist/ostrakon_bg.wasm')]
  if (dev) return copyFileSync(from, to)
  note('optimising (about a minute)')
  await run(process.execPath, [path.join(root, 'node_modules/binaryen/bin/wasm-opt'), '-Oz', ...features.map((name) => `--enable-${name}`), from, '-o', to])
}

if (isMain(import.meta)) await main(() => buildWasm({ dev: process.argv.includes('--dev') }))
