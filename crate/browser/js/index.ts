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
  const spawn = () =>
    workerUrl === undefined
      ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
      : new Worker(workerUrl, { type: 'module' })
  const start = { network, peers: listed(peers), name, wasmUrl: wasmAddress(wasmUrl) }
  return new NodeHandle((listener) => new Client(spawn, start, timeout, listener)).open(signal)
}

// Bundlers find the worker and the module by the very words `new URL('./…', import.meta.url)`.
function wasmAddress(given: URL | string | undefined): string {
  if (given === undefined) return new URL('./ostrakon_bg.wasm', import.meta.url).href
  try {
    return new URL(given, globalThis.document?.baseURI ?? location.href).href
  } catch (cause) {
    throw new OstrakonError('invalid-argument', `wasmUrl is no address: ${given}`, { cause })
  }
}

function listed(peers: unknown): string[] {
  if (Array.isArray(peers) && peers.every((peer) => typeof peer === 'string')) return peers
  throw new OstrakonError('invalid-argument', 'peers is a list of multiaddresses')
}
