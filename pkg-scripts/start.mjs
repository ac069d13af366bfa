// `npm start`: set-up, build, then the local devnet with the demo page. Ctrl-C ends it all.
import { spawn } from 'node:child_process'
import { buildJs } from './build-js.mjs'
import { buildPeer } from './build-peer.mjs'
import { buildWasm } from './build-wasm.mjs'
import { startAnvil } from './lib/anvil.mjs'
import { environment, main, note, root, step, Stop } from './lib/run.mjs'
import { setup } from './setup.mjs'

function devnet(ostrakon, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(ostrakon, ['devnet', ...args], {
      cwd: root,
      env: environment(),
      stdio: 'inherit',
    })
    // The terminal sends Ctrl-C to the whole group; other signals reach only us and are passed on.
    process.on('SIGINT', () => {})
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    child.on('error', reject)
    child.on('exit', (code, signal) =>
      code === 0 || signal === 'SIGINT' ? resolve() : reject(new Stop('The devnet ended; its last line says why.')),
    )
  })
}

await main(async () => {
  await setup()
  await buildWasm()
  await buildJs()
  const ostrakon = await buildPeer()
  step('Starting the devnet')
  const anvil = await startAnvil()
  note(anvil ? 'its wallet: anvil, ten accounts whose keys everybody knows' : 'without a wallet of its own: anvil is not to be had here. A wallet in the browser does as well')
  try {
    await devnet(ostrakon, [...(anvil ? ['--wallet', anvil.url] : []), ...process.argv.slice(2)])
  } finally {
    await anvil?.stop()
  }
})
