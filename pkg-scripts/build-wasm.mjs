// The wasm modules of the package, the whole one and the one that only reads: `node pkg-scripts/build-wasm.mjs [--dev]`.
// Release builds are optimised for size by the wasm-opt of the npm packages, never one of the system, whose age may break the
// module; `--dev` is quick and large.
import { copyFileSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { isMain, main, note, output, root, run, step, Stop } from './lib/run.mjs'
import { WASM, wasmCargo } from './lib/rust.mjs'
import { unlessFresh } from './lib/stamp.mjs'

const BINDGEN = '0.2.108' // as pinned in Cargo.toml
const inputs = ['.cargo/config.toml', 'Cargo.toml', 'Cargo.lock', 'crate/protocol', 'crate/node', 'crate/browser/Cargo.toml', 'crate/browser/src', 'pkg-scripts/build-wasm.mjs']
const MODULES = [
  { name: 'ostrakon', features: [] },
  { name: 'ostrakon_reader', features: ['--no-default-features'] },
]
const outputs = MODULES.flatMap(({ name }) => [`dist/${name}_bg.wasm`, `target/glue/${name}.js`])
// What every browser since 2023 knows and rustc uses by default.
const wasmFeatures = ['bulk-memory', 'bulk-memory-opt', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'reference-types', 'multivalue']

export async function buildWasm({ dev = false } = {}) {
  step(`Building the wasm modules${dev ? ' (dev)' : ''}`)
  const worked = await unlessFresh('wasm', { inputs, outputs, extra: dev ? 'dev' : 'release' }, async () => {
    mkdirSync(path.join(root, 'dist'), { recursive: true })
    for (const { name, features } of MODULES) {
      await bindgen(await compile({ profile: dev ? 'dev' : 'wasm', features }), 'target/glue', name)
      const [from, to] = ['target/glue', 'dist'].map((folder) => path.join(root, folder, `${name}_bg.wasm`))
      if (dev) copyFileSync(from, to)
      else await optimise(from, to)
    }
  })
  if (!worked) note('unchanged')
}

/** The module as it is shipped, plus the functions that only benchmarks call: target/bench/ostrakon.js. */
export async function buildBenchWasm() {
  step('Building the wasm module for benchmarks')
  const outputs = ['target/bench/ostrakon.js', 'target/bench/ostrakon_bg.wasm']
  const worked = await unlessFresh('bench-wasm', { inputs, outputs }, async () => {
    await bindgen(await compile({ profile: 'wasm', features: ['--features', 'bench'] }), 'target/bench', 'ostrakon')
    const file = path.join(root, outputs[1])
    await optimise(file, file)
  })
  if (!worked) note('unchanged')
}

// Panics name the file they are in; where this machine keeps it is nobody's business.
const registry = path.join(process.env.CARGO_HOME ?? path.join(homedir(), '.cargo'), 'registry/src')
const rustflags = [`--remap-path-prefix=${registry}=crates`, '-Csymbol-mangling-version=v0']
const withFlags = ['--config', `target.${WASM}.rustflags=${JSON.stringify(rustflags)}`]

/** Returns the file that cargo made. */
async function compile({ profile, features }) {
  const wasm = wasmCargo()
  // As the tests' library it could not be optimised as one program with all it uses.
  const args = ['rustc', '--crate-type', 'cdylib', '--profile', profile, ...withFlags, ...wasm.args, '-p', 'ostrakon-browser', '--lib', ...features]
  await run(wasm.cargo, args, { env: wasm.env })
  const folder = profile === 'dev' ? 'debug' : profile
  return path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), WASM, folder, 'ostrakon_browser.wasm')
}

async function bindgen(file, to, name) {
  const found = output('wasm-bindgen', ['--version'])
  if (!found?.includes(BINDGEN)) throw new Stop(`wasm-bindgen ${BINDGEN} is needed: run "npm run setup".`)
  // The façade says where the module is, so the glue carries no address of its own for bundlers to trip over.
  await run('wasm-bindgen', ['--target', 'web', '--omit-default-module-path', '--out-name', name, '--out-dir', to, '--keep-debug', file])
}

// -Oz makes the module 6 % smaller on disk and 8 % larger on the wire: what it shares and reorders, brotli finds no more.
// Sorted by name, one generic function's copies for many types lie side by side, of which brotli makes 2 % less.
// Functions that become the same once those they call are one, or once what nobody reads is not passed, are merged again.
const merge = '--duplicate-function-elimination'
const passes = [merge, '-O1', '--dae-optimizing', merge, '--rse', '--coalesce-locals', '--reorder-locals', merge, '--memory-packing', '--reorder-functions-by-name', '--strip-debug', '--strip-producers']

async function optimise(from, to) {
  note('optimising (a quarter of a minute)')
  const wasmOpt = path.join(root, 'node_modules/binaryen/bin/wasm-opt')
  await run(process.execPath, [wasmOpt, ...passes, ...wasmFeatures.map((name) => `--enable-${name}`), from, '-o', to])
}

if (isMain(import.meta)) await main(() => buildWasm({ dev: process.argv.includes('--dev') }))
