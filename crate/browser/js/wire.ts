// What page, worker and the workers of other tabs say to each other. Everything here survives structured cloning.

import type { Json } from './content.js'
import type { Jwe, NewDocuments, NodeEvents, OutboxEntry, Readers, SessionEvents, SessionKind, Status, ThreeIdWallet } from './types.js'

/** Raised whenever a message changes its meaning: tabs that were loaded at different times may meet. */
export const WIRE_VERSION = 3

export interface WireError {
  code: string
  message: string
  hint?: string
}

export interface StartOptions {
  network: string
  peers: string[]
  interests: string[]
  name: string
  wasmUrl: string
  /** Of the module that only reads; none if the page serves the whole one alone. */
  readerUrl?: string
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
  forget(id: string, discard: boolean): void
  importCar(bytes: Uint8Array | ArrayBuffer | Blob): string[]
  exportCar(id: string): Uint8Array
  beginSession(request: SessionRequest): BegunSession
  completeSession(session: string, proof: SessionProof): SessionInfo
  /** The text for a key of this account on this site (`location.hostname`). */
  keyMessage(account: string, site: string): string
  openKeySession(answer: KeyAnswer): SessionInfo
  openExternalSession(did: string): SessionInfo
  sessions(): SessionInfo[]
  revokeSession(session: string): void
  passkeyDid(publicKey: string): string
  passkeyCandidates(assertion: Assertion): string[]
  /** The block of the capability by which the session writes, in base64url; none if it signs as its DID itself. */
  sessionCapability(session: string): string | undefined
  /** Of `wallet`, a session of kind `key`. */
  createThreeId(wallet: string, name: string): SessionInfo
  openThreeId(wallet: string): SessionInfo
  threeIdWallets(session: string): ThreeIdWallet[]
  addThreeIdWallet(session: string, wallet: string, name: string): void
  /** To new keys, which these wallets do not get to know; whether the 3ID has them by now. */
  rotateThreeId(session: string, without: string[]): boolean
  finishThreeIdRotation(session: string): boolean
  createJws(session: string, payload: string, header: string | undefined): object
  decryptJwe(session: string, jwe: string): Uint8Array
  create(session: string, document: NewDocument): object
  createMany(session: string, documents: NewDocument[]): object[]
  update(session: string, id: string, change: Change & { metadata?: Json; base?: string }): object
  linkMessage(account: string, did: string): { message: string; timestamp: number }
  linkAccount(proof: { account: string; message: string; timestamp: number; signature: string }): object
  outbox(): OutboxEntry[]
  encrypt(value: { bytes: Uint8Array } | { json: Json }, to: string[]): Jwe
  rotateReaders(readers: string | undefined, to: string[]): Readers
  decrypt(session: string, jwe: string, readers?: string): { bytes: Uint8Array } | { json: Json }
  stop(): void
}
export type Method = keyof Methods

export interface NewDocument {
  type: keyof NewDocuments
  init: Json
}

export type Change = { content: Json } | { patch: Json }

/** What a session of an account or a passkey is to be. */
export interface SessionRequest {
  kind: Extract<SessionKind, 'ethereum' | 'solana' | 'passkey'>
  /** CAIP-10, such as `eip155:1:0x…`; none of a passkey, which says who it is when it has signed. */
  account?: string
  /** The host that asks, as the wallet will show it. */
  domain: string
  statement?: string
  /** What may be written, such as `ceramic://*?model=kjzl6…`. */
  resources: string[]
  /** Unix milliseconds. */
  expiresAt: number
}

/** Half a session: it lives once `completeSession` brings the signature of `message`. */
export interface BegunSession {
  session: string
  /** Who will own what the session writes; not known yet of a passkey that has not signed. */
  did?: string
  /** What is to be signed: a text, or for a passkey its challenge in base64url. */
  message: string
}

/**
 * What the wallet made of the message: its signature as it writes it (hexadecimal with 0x of Ethereum's, base58 of Solana's),
 * or a passkey's assertion, each part in base64url.
 */
export type SessionProof = { signature: string; accounts: string[] } | (Assertion & { did: string })

/** What a wallet made of `keyMessage`; `again` if it was asked twice, and must then have signed the same way. */
export interface KeyAnswer {
  account: string
  site: string
  signature: string
  again?: string
}

export interface Assertion {
  authenticatorData: string
  clientDataJSON: string
  signature: string
}

export interface SessionInfo {
  /** Names the session; no secret. */
  session: string
  did: string
  key: string
  kind: SessionKind
  resources: string[]
  expiresAt?: number
  createdAt: number
}

export type SessionChange = SessionInfo & { change: 'opened' | keyof SessionEvents }

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
export type ToWorker = Request | { id: number; cancel: true } | { id: number; more: true } | PageWord

/**
 * What a page says of itself: on which chain its wallet is, `null` if there is none; all DIDs for which it holds a provider
 * (EIP-2844) now; and its answers as JSON.
 */
export type PageWord =
  | { wallet: string | null }
  | { signers: string[] }
  | { answer: number; ok: string }
  | { answer: number; error: WireError }

/** What the node wants to hear from a page's wallet. `params` is JSON. */
export interface WalletAsk {
  ask: number
  chain: string
  method: string
  params: string
}

/** What the node wants of a page's provider of a DID: `did_createJWS` or `did_decryptJWE`. `params` is JSON. */
export interface SignerAsk {
  ask: number
  did: string
  method: string
  params: string
}

export type Ask = WalletAsk | SignerAsk

/** The answer to a call, or what it pushes before. */
export type Reply = { id: number; ok: unknown } | { id: number; error: WireError } | { id: number; data: unknown }

export interface WireEvents extends Omit<NodeEvents, 'session'> {
  session: SessionChange
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
