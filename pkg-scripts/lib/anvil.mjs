// The devnet's wallet: anvil, a test chain that holds ten accounts whose keys are printed in its manual. It comes from the npm
// registry where that has one for this machine; everything else works without it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { note, root, run } from './run.mjs'

/** The chain it is on. No real one has this number. */
const CHAIN = '31337'
const VERSION = '1.7.1'
const PHRASE = 'test test test test test test test test test test test junk'
/** In milliseconds. */
const PATIENCE = 20_000

const machine = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch
const name = `@foundry-rs/anvil-${process.platform}-${machine}`
const folder = path.join(root, 'target/tools/anvil')
const program = path.join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil')

/**
 * A tool of its own, for the one package of this machine: a lockfile would have to name those of all machines, and not every
 * mirror of the registry has them.
 */
export async function installAnvil() {
  if (existsSync(program)) return
  note(`installing anvil ${VERSION}, the devnet's wallet`)
  const args = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${VERSION}`]
  await run('npm', args).catch(() => note(`the registry has no anvil ${VERSION} for ${process.platform} on ${machine}`))
}

/** Starts anvil on a free port of this machine alone; `undefined` if it can't be had. The caller stops it. */
export async function startAnvil() {
  if (!existsSync(program)) return undefined
  const args = ['--host', '127.0.0.1', '--port', '0', '--chain-id', CHAIN, '--mnemonic', PHRASE, '--no-cors']
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve))
  const stop = async () => {
    child.kill('SIGKILL') // it holds nothing worth keeping
    await ended
  }
  // Else it would outlive us.
  process.once('exit', () => child.kill('SIGKILL'))
  const address = await new Promise((resolve) => {
    let said = ''
    const late = setTimeout(resolve, PATIENCE)
    child.stdout.on('data', (data) => {
      said = (said + data).slice(-1000)
      const [, address] = said.match(/Listening on (127\.0\.0\.1:\d+)\s/) ?? []
      if (address) resolve(address)
      if (address) clearTimeout(late)
    })
    void ended.then(() => (clearTimeout(late), resolve()))
  })
  if (address) return { url: `http://${address}`, stop }
  await stop()
  return undefined
}
