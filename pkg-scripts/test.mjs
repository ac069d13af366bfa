// `npm test`: set-up, every lint, every test. `npm test -- NAME…` runs only the steps whose names contain a NAME.
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { buildJs } from './build-js.mjs'
import { buildPeer } from './build-peer.mjs'
import { buildWasm } from './build-wasm.mjs'
import { installPeers } from './lib/js-ceramic.mjs'
import { NARROW, rustupBuildsWasm, wasmCargo } from './lib/rust.mjs'
import { main, note, root, run, step, Stop, toolsBin } from './lib/run.mjs'
import { setup } from './setup.mjs'

/** In bytes, after brotli: what every visitor of a page downloads, and what those do who write. */
const WASM_BUDGETS = { ostrakon_reader_bg: 765_000, ostrakon_bg: 920_000 }
const WASM_CRATES = ['ostrakon-protocol', 'ostrakon-node', 'ostrakon-browser'].flatMap((name) => ['-p', name])
const cargo = (...args) => run('cargo', args)

/** Clippy and tests for wasm32, by whichever toolchain builds it here. */
function cargoForWasm(subcommand, args, env = {}) {
  const wasm = wasmCargo()
  return run(wasm.cargo, [subcommand, ...wasm.args, ...args], { env: { ...wasm.env, ...env } })
}

/** What a module asks of its host must come from wasm-bindgen's glue: an `env` import would not load in a page. */
async function checkWasm() {
  for (const [name, budget] of Object.entries(WASM_BUDGETS)) {
    const bytes = readFileSync(path.join(root, `dist/${name}.wasm`))
    const foreign = WebAssembly.Module.imports(await WebAssembly.compile(bytes)).filter(({ module }) => module === 'env')
    if (foreign.length > 0) throw new Stop(`${name}.wasm imports ${foreign.map(({ name }) => name).join(', ')} from env.`)
    const size = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length
    note(`${name}.wasm: ${bytes.length.toLocaleString('en')} bytes, ${size.toLocaleString('en')} after brotli -11 (budget ${budget.toLocaleString('en')})`)
    if (size > budget) throw new Stop(`${name}.wasm is over its size budget.`)
  }
}

/** The whole module, and the one that only reads. */
async function clippyForWasm() {
  await cargoForWasm('clippy', [...WASM_CRATES, '--', '-D', 'warnings'])
  await cargoForWasm('clippy', ['-p', 'ostrakon-browser', '--no-default-features', '--', '-D', 'warnings'])
}

function wasmTests() {
  if (rustupBuildsWasm()) {
    return run('wasm-pack', ['test', '--headless', '--chrome', '--mode', 'no-install', 'crate/browser'], { why: 'wasm-pack test' })
  }
  return cargoForWasm('test', ['-p', 'ostrakon-browser'], {
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: path.join(toolsBin, 'wasm-bindgen-test-runner'),
  })
}

const nodeTests = (folder) => {
  const files = readdirSync(path.join(root, 'tests', folder)).filter((name) => name.endsWith('.test.mjs'))
  if (files.length === 0) throw new Stop(`tests/${folder} holds no test.`)
  return run(process.execPath, ['--test', '--test-concurrency=1', ...files.map((name) => `tests/${folder}/${name}`)], {
    why: `tests/${folder}`,
  })
}

/** The libraries of others judge what Ostrakon signs, encrypts and writes, and it judges what they do; js-ceramic and Helia are its peers. */
async function interop() {
  await installPeers()
  await cargo('build', '-p', 'ostrakon-protocol', '--example', 'interop')
  await buildPeer()
  return nodeTests('interop')
}

const STEPS = [
  ['fmt', () => cargo('fmt', '--all', '--check')],
  ['clippy native', () => cargo('clippy', '--workspace', '--all-targets', '--', '-D', 'warnings')],
  ['clippy wasm32', clippyForWasm],
  ['rustdoc', () => run('cargo', ['doc', '--workspace', '--no-deps'], { env: { RUSTDOCFLAGS: '-D warnings' } })],
  ['native', () => cargo('test', '--workspace', '--', '--show-output')], // the counts of vectors compared are printed
  ['32-bit', () => cargo('test', '-p', 'ostrakon-protocol', '--target', NARROW)],
  ['build', () => buildWasm().then(buildJs).then(buildPeer)],
  ['wasm size', checkWasm],
  ['typescript', () => run('npx', ['--no-install', 'tsc', '--noEmit'])],
  ['wasm-pack', wasmTests],
  ['interop', interop],
  ['package', () => nodeTests('package')],
  ['browser', () => nodeTests('browser')],
  ['e2e', () => nodeTests('e2e')],
]

await main(async () => {
  const wanted = process.argv.slice(2)
  const steps = STEPS.filter(([name]) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  if (steps.length === 0) throw new Stop(`No such step. There are: ${STEPS.map(([name]) => name).join(', ')}.`)
  await setup({ tests: true })
  const failures = []
  for (const [name, body] of steps) {
    step(name)
    const began = performance.now()
    const failure = await body().then(() => undefined, (error) => error)
    note(`${name}: ${failure ? `failed: ${failure.message}` : 'passed'} after ${((performance.now() - began) / 1000).toFixed(0)} s`)
    if (failure) failures.push(name)
  }
  if (failures.length > 0) console.error(`\nFailed: ${failures.join(', ')}`)
  console.log(`\nsteps: ${steps.length - failures.length} passed, ${failures.length} failed`)
  if (failures.length > 0) process.exit(1)
})
