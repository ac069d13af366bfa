// The package `ostrakon`. Importing it touches nothing: everything happens in `createNode`.

import { Client } from './client.js'
import { OstrakonError } from './error.js'
import { NodeHandle } from './node.js'
import type { Node, NodeOptions } from './types.js'

export { OstrakonError } from './error.js'
export type * from './types.js'

/**
 * Starts a node in a worker, or joins the one that another tab of this origin runs under the same name. Resolves when
 * calls may be made; it does not wait for a peer. Fails with an OstrakonError.
 */
export async function createNode(options: NodeOptions = {}): Promise<Node> {
  const { network = 'local-1', peers = [], name = 'ostrakon', workerUrl, wasmUrl, signal, timeout = 30_000 } = options
  if (typeof Worker === 'undefined' || typeof location === 'undefined') {
    throw new OstrakonError('no-browser', 'a node needs a browser', {
      hint: 'Importing the package is safe anywhere; call createNode only in the browser.',
    })
  }
  // Bundlers find both files by these very words.
  const wasm = wasmUrl === undefined ? new URL('./ostrakon_bg.wasm', import.meta.url) : new URL(wasmUrl, globalThis.document?.baseURI ?? location.href)
  const spawn = () =>
    workerUrl === undefined
      ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
      : new Worker(workerUrl, { type: 'module' })
  const start = { network, peers: [...peers], name, wasmUrl: wasm.href }
  return new NodeHandle((listener) => new Client(spawn, start, timeout, listener)).open(signal)
}
