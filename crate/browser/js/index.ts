// The package `ostrakon`. Importing it touches nothing: everything happens in `createNode`.

import { Client } from './client.js'
import { OstrakonError } from './error.js'
import { NodeHandle } from './node.js'
import type { ChainOptions, Node, NodeOptions } from './types.js'
import type { ChainStart, StartOptions } from './wire.js'

export { discoverWallets } from './discover.js'
export { OstrakonError } from './error.js'
export type * from './types.js'

/**
 * Starts a node in a worker, or joins the one that another tab of this origin runs under the same name. Resolves when
 * calls may be made; it does not wait for a peer. Fails with an OstrakonError.
 */
export async function createNode(options: NodeOptions = {}): Promise<Node> {
  const { network = 'local-1', peers = [], interests = [], chains = {}, timePolicy = 'proven', name = 'ostrakon', workerUrl, signal, timeout = 30_000 } = options
  if (typeof Worker === 'undefined' || typeof location === 'undefined') {
    throw new OstrakonError('no-browser', 'a node needs a browser', {
      hint: 'Importing the package is safe anywhere; call createNode only in the browser.',
    })
  }
  const spawn = () =>
    workerUrl === undefined
      ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
      : new Worker(workerUrl, { type: 'module' })
  const start = { network, peers: listed('peers', peers, 'multiaddresses'), interests: listed('interests', interests, 'texts such as model:k…'), name, chains: chainList(chains), timePolicy: policy(timePolicy), ...modules(options) }
  return new NodeHandle((listener) => new Client(spawn, start, timeout, listener)).open(signal)
}

// Bundlers find the worker and the modules by the very words `new URL('./…', import.meta.url)`.
function modules({ wasmUrl, readerUrl }: NodeOptions): Pick<StartOptions, 'wasmUrl' | 'readerUrl'> {
  if (wasmUrl === undefined && readerUrl === undefined) {
    return {
      wasmUrl: new URL('./ostrakon_bg.wasm', import.meta.url).href,
      readerUrl: new URL('./ostrakon_reader_bg.wasm', import.meta.url).href,
    }
  }
  if (wasmUrl === undefined) throw new OstrakonError('invalid-argument', 'readerUrl goes with wasmUrl: whoever writes loads that one')
  return { wasmUrl: address('wasmUrl', wasmUrl).href, ...(readerUrl === undefined ? {} : { readerUrl: address('readerUrl', readerUrl).href }) }
}

/** As the page would resolve it. */
function address(what: string, given: URL | string): URL {
  try {
    return new URL(given, globalThis.document?.baseURI ?? location.href)
  } catch (cause) {
    throw new OstrakonError('invalid-argument', `${what} is no address: ${given}`, { cause })
  }
}

function policy(given: string): StartOptions['timePolicy'] {
  if (given === 'proven' || given === 'claimed') return given
  throw new OstrakonError('invalid-argument', `timePolicy is 'proven' or 'claimed', not ${given}`)
}

function chainList(chains: Record<string, ChainOptions>): ChainStart[] {
  return Object.entries(chains).map(([id, { rpc = [], quorum }]) => {
    if (!/^eip155:[1-9]\d{0,15}$/.test(id)) {
      throw new OstrakonError('invalid-argument', `${id} is no chain that can be asked: name it as eip155:1`)
    }
    if (!Array.isArray(rpc)) throw new OstrakonError('invalid-argument', `chains['${id}'].rpc is a list of addresses`)
    if (quorum !== undefined && !(Number.isInteger(quorum) && quorum > 0)) {
      throw new OstrakonError('invalid-argument', `chains['${id}'].quorum is a whole number from 1`)
    }
    return { id, nodes: rpc.map((one) => rpcNode(id, one)), ...(quorum === undefined ? {} : { quorum }) }
  })
}

/** What is shown of a node is its host: keys to it stand in the path or the query. */
function rpcNode(id: string, given: URL | string): ChainStart['nodes'][number] {
  const url = address(`chains['${id}'].rpc`, given)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new OstrakonError('invalid-argument', `${url.protocol}//${url.host} is no address of a JSON-RPC node: it starts with https://`)
  }
  return { url: url.href, name: url.host }
}

function listed(what: string, list: unknown, of: string): string[] {
  if (Array.isArray(list) && list.every((one) => typeof one === 'string')) return list
  throw new OstrakonError('invalid-argument', `${what} is a list of ${of}`)
}
