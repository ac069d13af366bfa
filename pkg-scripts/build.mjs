// Builds what is shipped: the wasm module, the package with the demo, the native peer.
import { buildJs } from './build-js.mjs'
import { buildWasm } from './build-wasm.mjs'
import { isMain, main, run, step } from './lib/run.mjs'

export { buildJs, buildWasm }

export async function buildPeer() {
  step('Building the native peer')
  await run('cargo', ['build', '-p', 'ostrakon-peer'])
}

if (isMain(import.meta)) {
  await main(async () => {
    await buildWasm()
    await buildJs()
  })
}
