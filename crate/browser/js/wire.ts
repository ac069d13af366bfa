// What page, worker and the workers of other tabs say to each other. Everything here survives structured cloning.

import type { NodeEvents, Status } from './types.js'

/** Raised whenever a message changes its meaning: tabs that were loaded at different times may meet. */
export const WIRE_VERSION = 2

export interface WireError {
  code: string
  message: string
  hint?: string
}

export interface StartOptions {
  network: string
  peers: string[]
  name: string
  wasmUrl: string
  chains: ChainStart[]
  timePolicy: 'proven' | 'claimed'
}

/** A blockchain that may be asked. */
export interface ChainStart {
  /** CAIP-2. */
  id: string
  quorum?: number
  nodes: { url: string; name: string }[]
}

/** Each method's arguments and answer. All but `follow` answer once; `follow` pushes states, then answers at its end. */
export interface Methods {
  start(options: StartOptions): Ready
  load(ref: string, timeoutMs: number, atTime: number | undefined): object
  follow(id: string): void
  documents(): object[]
  forget(id: string): void
  importCar(bytes: Uint8Array | ArrayBuffer | Blob): string[]
  exportCar(id: string): Uint8Array
  stop(): void
}
export type Method = keyof Methods

export interface Ready {
  peerId: string
  status: Status
}

export interface Request<M extends Method = Method> {
  id: number
  method: M
  args: Parameters<Methods[M]>
}

/** Page to worker. A state pushed by `follow` is followed by the next only after `more`. */
export type ToWorker = Request | { id: number; cancel: true } | { id: number; more: true } | WalletWord

/** What a page says of its wallet: on which chain it is, `null` if there is none, and its answers as JSON. */
export type WalletWord = { wallet: string | null } | { answer: number; ok: string } | { answer: number; error: WireError }

/** What the node wants to hear from a page's wallet. `params` is JSON. */
export interface Ask {
  ask: number
  chain: string
  method: string
  params: string
}

/** The answer to a call, or what it pushes before. */
export type Reply = { id: number; ok: unknown } | { id: number; error: WireError } | { id: number; data: unknown }

export interface WireEvents extends NodeEvents {
  /** The worker runs and holds the Web Lock of this name until it ends, in whatever way. */
  alive: string
  /** Another worker owns the node now. */
  owner: Ready
  /** Last words. */
  crashed: { message: string }
}
export type WireEvent = { [Type in keyof WireEvents]: { event: Type; data: WireEvents[Type] } }[keyof WireEvents]

/** Worker to page. */
export type FromWorker = Reply | Ask | WireEvent
