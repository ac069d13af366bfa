// The devnet's wallet: anvil, a test chain that holds ten accounts whose keys are printed in its manual. It comes with the npm
// packages where there is one for this machine; everything else works without it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

/** The chain it is on, CAIP-2. No real one has this number. */
export const CHAIN = 'eip155:31337'
const PHRASE = 'test test test test test test test test test test test junk'
/** In milliseconds. */
const PATIENCE = 20_000

/** The program of this machine, or undefined. Not by the package's own script, which would have to be stopped with its child. */
export function anvilPath() {
  const [system, machine] = [{ darwin: 'darwin', linux: 'linux', win32: 'win32' }[process.platform], { x64: 'amd64', arm64: 'arm64' }[process.arch]]
  const name = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  try {
    const path = createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${system}-${machine}/bin/${name}`)
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** Starts anvil on a free port of this machine alone; `undefined` if it can't be had. The caller stops it. */
export async function startAnvil() {
  const path = anvilPath()
  if (!path) return undefined
  const args = ['--host', '127.0.0.1', '--port', '0', '--chain-id', CHAIN.split(':')[1], '--mnemonic', PHRASE, '--no-cors']
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'ignore'] })
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
