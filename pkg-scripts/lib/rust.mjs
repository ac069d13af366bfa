// Which Rust builds what. Native code: the cargo on PATH. wasm32: the same cargo when rustup can give it the
// target; else Debian's web toolchain, which builds the standard library from source.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { note, output, run, Stop } from './run.mjs'
import { aptInstall } from './debian.mjs'

export const WASM = 'wasm32-unknown-unknown'
export const NARROW = 'i686-unknown-linux-musl'
const OLDEST_RUST = [1, 95]

export function checkRust() {
  const version = output('rustc', ['--version'])
  if (!version || !output('cargo', ['--version'])) {
    throw new Stop('Rust is missing: install it with rustup (https://rustup.rs), then run this again.')
  }
  const [major, minor] = version.match(/(\d+)\.(\d+)/).slice(1).map(Number)
  if (major < OLDEST_RUST[0] || (major === OLDEST_RUST[0] && minor < OLDEST_RUST[1])) {
    throw new Stop(`Rust ${OLDEST_RUST.join('.')} or newer is needed and this is ${version}: run "rustup update stable".`)
  }
}

function targetInstalled(target = WASM) {
  const sysroot = output('rustc', ['--print', 'sysroot'])
  return sysroot !== undefined && existsSync(path.join(sysroot, 'lib/rustlib', target, 'lib'))
}

/** Adds a target by rustup; whether it is there now. */
async function addTarget(target) {
  note(`adding the ${target} target`)
  await run('rustup', ['target', 'add', target], { why: 'rustup target add' }).catch(() => note('rustup could not'))
  return targetInstalled(target)
}

/** The target of the 32-bit tests. Only rustup has all that links for it. */
export async function ensureNarrowTarget() {
  if (targetInstalled(NARROW) || (await addTarget(NARROW))) return
  throw new Stop(`The 32-bit tests want "rustup target add ${NARROW}".`)
}

const debian = { cargo: '/usr/bin/cargo', rustc: '/usr/bin/rustc' }
const debianSource = '/usr/lib/rustlib/src/rust/library'

function debianReady() {
  return [debian.cargo, debian.rustc, debianSource].every((file) => existsSync(file))
}

/** Makes sure something here can build for wasm32. */
export async function ensureWasmTarget() {
  if (targetInstalled() || debianReady()) return
  if (await addTarget(WASM)) return
  note('trying the web toolchain of Debian')
  await aptInstall(['rustc-web', 'cargo-web', 'rust-web-src'], `a Rust that builds for ${WASM}`)
  if (!debianReady()) throw new Stop(`No Rust here builds for ${WASM}: run "rustup target add ${WASM}".`)
}

/** How to call cargo for wasm32: the program, the arguments behind the subcommand, the environment. */
export function wasmCargo() {
  if (targetInstalled()) return { cargo: 'cargo', args: ['--target', WASM], env: {} }
  return {
    cargo: debian.cargo,
    args: ['-Zbuild-std=std,panic_abort', '--target', WASM],
    env: { RUSTC: debian.rustc, RUSTC_BOOTSTRAP: '1' },
  }
}

/** True when wasm32 is built by the toolchain that rustup manages, which wasm-pack insists on. */
export const rustupBuildsWasm = () => targetInstalled(WASM)
