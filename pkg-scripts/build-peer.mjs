// The native peer, `target/debug/ostrakon` (or `release`): `node pkg-scripts/build-peer.mjs [--release]`.
import path from 'node:path'
import { isMain, main, root, run, step } from './lib/run.mjs'

export async function buildPeer({ release = false } = {}) {
  step('Building the native peer')
  // cargo knows by itself what is fresh.
  await run('cargo', ['build', '-p', 'ostrakon-peer', ...(release ? ['--release'] : [])])
  return path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), release ? 'release' : 'debug', 'ostrakon')
}

if (isMain(import.meta)) await main(() => buildPeer({ release: process.argv.includes('--release') }))
