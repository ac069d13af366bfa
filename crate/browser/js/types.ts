/// <reference lib="esnext.disposable" preserve="true" />

import type { ConnectOptions, DidProvider, Eip1193Provider, Passkey, PasskeyOptions, Session, SessionEvent, StandardWallet, ThreeIds, UsePasskeyOptions, Wallet } from './types-session.js'

export type * from './types-session.js'

export interface NodeOptions {
  /** Name of the network; its gossip topic is `/ceramic/<network>`. Default `local-1`. */
  network?: string
  /** Multiaddresses of peers to dial, such as `/ip4/127.0.0.1/tcp/4102/ws/p2p/12D3…`. None: the node works from disk. */
  peers?: string[]
  /**
   * What to hold whether or not the page asks for it, and to exchange with peers that want the same (by Recon, as ceramic-one
   * does): `model:k…`, `model:k…@did:…`, `controller:did:…` (tiles and links), `document:k…` (once it is kept) or `all`.
   * Default none.
   */
  interests?: string[]
  /**
   * Who may be asked about anchors, by CAIP-2 name of the blockchain: `{ 'eip155:1': { rpc: ['https://…'] } }`. By default
   * nobody is: no third party hears from the node, and the time of an anchor stays `claimed`. The user's own wallet can be
   * asked too, see `node.chains.useWallet`.
   */
  chains?: Record<string, ChainOptions>
  /**
   * Which anchors make a branch win over one that has none. `proven`, the default: those that a blockchain confirmed, so
   * nobody rolls back a document by inventing one. `claimed`: after all proven ones also those that nobody confirmed, which
   * agrees more often with js-ceramic where no chain can be asked, and believes any stranger who claims an anchor.
   */
  timePolicy?: 'proven' | 'claimed'
  /**
   * Name of the database, default `ostrakon`. Tabs of one origin that use the same name share one node: the tab that
   * came first runs it with its own options, and another takes over when that tab closes.
   */
  name?: string
  /** Where `worker.js` of this package is, if your bundler does not find it by itself. Must be of your origin. */
  workerUrl?: URL | string
  /** Where `ostrakon_bg.wasm` of this package is, if your bundler does not find it by itself. */
  wasmUrl?: URL | string
  /**
   * Where `ostrakon_reader_bg.wasm` is, the smaller module that a page loads until it writes. Goes with `wasmUrl`; without it
   * the whole module is loaded at once.
   */
  readerUrl?: URL | string
  /** Aborts the start. */
  signal?: AbortSignal
  /** How long the start may take, in milliseconds. Default 30,000. */
  timeout?: number
}

export interface ChainOptions {
  /** Addresses of JSON-RPC nodes of the chain. They learn which transactions you look at; they must allow CORS. */
  rpc?: (string | URL)[]
  /** How many must say the same before it counts, a wallet on that chain included. Default: more than half. */
  quorum?: number
}

export interface CallOptions {
  signal?: AbortSignal
  /** In milliseconds, default 30,000; `Infinity` waits for ever. */
  timeout?: number
}

export interface WriteOptions extends CallOptions {
  /** Who writes. Default: a session of the document's controller, else `node.session`. */
  session?: Session
}

/** What each type of document starts with. */
export interface NewDocuments {
  tile: NewTile
  model: ModelDefinition
  modelInstance: NewModelInstance
}

export interface NewTile {
  /** JSON. */
  content?: unknown
  /** CommitID of the tile that holds the JSON schema of the content. */
  schema?: string
  tags?: string[]
  family?: string
  /** Nobody can ever hand it to another controller. */
  forbidControllerChange?: boolean
  /** The one tile of this controller with this family and these tags. It starts empty: write its content by `update`. */
  deterministic?: boolean
}

/** A model as ComposeDB defines them. What it may say, and which parts agree, the node checks. */
export interface ModelDefinition {
  version: '1.0' | '2.0'
  name: string
  description?: string
  /** JSON schema (2020-12) of an instance's content. */
  schema: Record<string, unknown>
  accountRelation: { type: 'list' | 'single' | 'none' } | { type: 'set'; fields: string[] }
  relations?: Record<string, unknown>
  views?: Record<string, unknown>
  interface?: boolean
  implements?: string[]
  immutableFields?: string[]
}

export interface NewModelInstance {
  /** StreamID of the model. */
  model: string
  /** JSON that the model's schema allows. */
  content?: unknown
  /** StreamID of a document in whose context this one stands. */
  context?: string
}

export interface UpdateOptions extends WriteOptions {
  /** What of the metadata changes: of a tile `controllers`, `family`, `schema` and `tags`, of an instance `shouldIndex`. */
  metadata?: Record<string, unknown>
  /** The tip that this change was made for, by CID. Default: this state's, or that of what was last written through it. */
  base?: string
  /**
   * Default true: if somebody else has written since, nothing is written and the call fails with code `stale`; load the
   * document again, look, and decide. False: the change is made to whatever the document says by now.
   */
  throwIfStale?: boolean
}

/** An operation of a JSON Patch (RFC 6902). */
export type PatchOperation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: unknown }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; from: string; path: string }

export interface LinkOptions extends CallOptions {
  /** Which account, by its address or CAIP-10. Default: the one in use in the wallet. */
  account?: string
  /** To whom it is linked. Default: the DID of `node.session`. */
  did?: string
  /** For the whole conversation with the wallet, in milliseconds. Default 300,000. */
  timeout?: number
}

export interface EncryptOptions extends CallOptions {
  /** Who can read it, by DID. Yourself only if you are named. */
  to: string[]
}

export interface DecryptOptions extends CallOptions {
  /** Whose key decrypts. Default: `node.session`. */
  session?: Session
  /** The content of the document that says who reads, if it was encrypted for the DID that its readers share. */
  readers?: Readers
}

/**
 * Who may read, as a document says it: the DIDs that its readers shared one after the other, the one to encrypt to at the end,
 * each with its seed encrypted to those who could read then. See docs/encryption.md.
 */
export interface Readers {
  readers: { did: string; seed: Jwe }[]
}

/** An encrypted message (JWE, RFC 7516, as Ceramic's `dids` writes it). Plain JSON: store it where you like. */
export interface Jwe {
  protected: string
  iv: string
  ciphertext: string
  tag: string
  aad?: string
  recipients?: { encrypted_key: string; header: Record<string, unknown> }[]
}

/** Something written here that waits to be published. */
export interface OutboxEntry {
  /** StreamID. */
  id: string
  /** CID of the newest event written here. */
  event: string
  /** Why it waits: `no-peers` (nobody listens, or its turn has not come) or `not-acknowledged` (sent, and nobody has taken it yet). */
  reason: string
  /** Unix milliseconds. */
  since: number
}

/** How far what was written here has come. */
export interface PublicationStatus {
  /** `local`: on this disk only. `published`: sent. `seen`: peers answered with it. `anchored`: a blockchain has it. */
  state: 'local' | 'published' | 'seen' | 'anchored'
  /** Of `seen`: how many peers. */
  peers?: number
}

export interface LoadOptions extends CallOptions {
  /** The document as it was at this time, in unix seconds. */
  atTime?: number
}

/** A node in this tab, or this tab's share of one that runs in another tab. */
export interface Node extends AsyncDisposable {
  readonly peerId: string
  /** The latest known status; `on('status', …)` says when it changes. */
  readonly status: Status
  /**
   * The document that a StreamID, CommitID or `ceramic://` URL names, verified and kept: from disk at once if it is
   * kept already, else from the network.
   */
  load(ref: string, options?: LoadOptions): Promise<Document>
  readonly documents: {
    /** What is kept on disk; what is kept only because others rest on it, such as their model, is not listed. */
    list(options?: CallOptions): Promise<DocumentSummary[]>
    /**
     * Stops following a document and deletes it from disk, as soon as no other that is kept rests on it. One with changes
     * that nobody else has is kept, and the call fails with `unpublished`, unless `discard` says that they may be lost.
     */
    forget(id: string, options?: CallOptions & { discard?: boolean }): Promise<void>
  }
  /**
   * Signs the user in with the wallet they have: one signature, and this browser may write what `resources` name until the
   * session expires. Refused or interrupted, it leaves nothing behind.
   */
  connectWallet(wallet: Wallet | Eip1193Provider | StandardWallet, options?: ConnectOptions): Promise<Session>
  /** Makes a passkey of this site on the user's device. Keep what it resolves to: the device does not tell the DID again. */
  createPasskey(options: PasskeyOptions): Promise<Passkey>
  /** Signs the user in with a passkey of this site. */
  usePasskey(options: UsePasskeyOptions): Promise<Session>
  /** Lets a DID provider of the page sign (EIP-2844), such as one that other Ceramic libraries use, while this page is open. */
  useDid(provider: DidProvider, options?: CallOptions): Promise<Session>
  /** Who writes if a call names no session: the one that this page opened last, else the newest that is active. */
  readonly session: Session | undefined
  /** All sessions of this origin, the oldest first. They survive a reload. */
  sessions(options?: CallOptions): Promise<Session[]>
  /**
   * Writes a new document and resolves when it is on disk, online or not: it is published when there are peers. A tile
   * with `deterministic`, or an instance of a model of which an account has one, resolves to the one that there is.
   */
  create<Type extends keyof NewDocuments>(type: Type, init: NewDocuments[Type], options?: WriteOptions): Promise<Document>
  /** The same for many at once: all of them are written, or none. */
  createMany<Type extends keyof NewDocuments>(type: Type, inits: NewDocuments[Type][], options?: WriteOptions): Promise<Document[]>
  /**
   * Links an account of the wallet to a DID in public: resolves to the account's CAIP-10 link, which any Ceramic node
   * can verify. The wallet signs one text.
   */
  linkAccount(wallet: Wallet | Eip1193Provider | StandardWallet, options?: LinkOptions): Promise<Document>
  readonly threeId: ThreeIds
  /** Encrypts JSON, or bytes, so that only these DIDs can read it. They must have a key to agree on: `did:key` of ed25519, or a 3ID. */
  encrypt(value: unknown, options: EncryptOptions): Promise<Jwe>
  /**
   * The new content of a document that says who may read: from now on the DIDs of `to`, and no others. `readers` is its content
   * so far. Encrypt to the last DID in the list; nothing is written or encrypted anew by itself.
   */
  rotateReaders(readers: Readers | undefined, options: EncryptOptions): Promise<Readers>
  /** What was encrypted for the session's key: JSON as it was, or bytes if bytes were encrypted. */
  decrypt(secret: Jwe, options?: DecryptOptions): Promise<unknown>
  readonly outbox: {
    /** What is written but that no peer has heard of yet, and why. The oldest first. */
    list(options?: CallOptions): Promise<OutboxEntry[]>
  }
  readonly chains: {
    /**
     * Lets the node ask the user's own wallet about anchors on the chain that the wallet is on. Only `eth_chainId`,
     * `eth_getTransactionByHash` and `eth_getBlockByHash` are ever sent: nothing is signed, no account is seen, no window
     * opens. The node asks it on behalf of every tab for as long as this page is open. Takes the place of an earlier one;
     * returns the function that ends it.
     */
    useWallet(provider: Eip1193Provider): () => void
  }
  /** Verifies and keeps the documents of a CARv1 file, with those they rest on; resolves to their ids. */
  importCar(bytes: Uint8Array | ArrayBuffer | Blob, options?: CallOptions): Promise<string[]>
  /** All that is kept of a document, and of those it rests on, as a CARv1 file that can be verified by itself. */
  exportCar(id: string, options?: CallOptions): Promise<Uint8Array>
  /** Calls `listener` at every such event; returns a function that ends this. */
  on<Type extends keyof NodeEvents>(type: Type, listener: (event: NodeEvents[Type]) => void): () => void
  /** Ends this tab's part: calls under way fail with code `stopped`, iterations of documents end. */
  stop(): Promise<void>
}

export interface NodeEvents {
  peer: { id: string; connected: boolean; address?: string }
  status: Status
  /** A kept document has a new tip. */
  document: { id: string; tip: string }
  /** What was written here got further. */
  outbox: { id: string; tip: string; status: PublicationStatus }
  /**
   * An event that was written here, and had been the tip, lost to another branch that came later: its change is no part of
   * the document any more. Look at it, and write it again if it is still wanted.
   */
  lost: { id: string; event: string; tip: string }
  /** A session of this origin, whichever tab opened it, has changed. */
  session: SessionEvent
}

export interface Status {
  /** Connected to at least one peer. */
  online: boolean
  /** `rtt` in milliseconds. */
  peers: { id: string; address: string; agent?: string; rtt?: number }[]
  /** How much is kept on disk. */
  documents: number
  blocks: number
  bytes: number
}

export interface DocumentSummary {
  id: string
  tip: string
  events: number
  bytes: number
  /** Unix milliseconds. */
  updated: number
}

/**
 * One state of a document. It never changes; iterate it to follow the document: the current state comes first, then each
 * newer one. A slow reader gets the latest state, never a queue; after a restart of the worker the current state may come
 * again. The iteration ends at `break` and when the node stops.
 */
export interface Document extends AsyncIterable<Document> {
  /** StreamID. */
  readonly id: string
  /** `ceramic://` and the StreamID. */
  readonly url: string
  /** CID of the newest event of the winning branch. */
  readonly tip: string
  /** CommitID of this state. */
  readonly commitId: string
  /** As js-ceramic names it: `tile`, `caip10-link`, `model`, `MID` (an instance of a model), … */
  readonly type: string
  readonly content: unknown
  readonly metadata: Record<string, unknown>
  /** The state in js-ceramic's serialised form. */
  readonly state: Record<string, unknown>
  /** The events of the winning branch, first to last. */
  readonly log: LogEntry[]
  /** Why what was heard last of the document was not taken, or not to its end. None of it is in this state. */
  readonly refused?: Refusal
  readonly source: 'disk' | 'network'
  /** How far the newest event has come; who follows the document is told of each step. */
  readonly status: PublicationStatus
  /** Writes what the whole content is to be from now on; only the difference is signed and sent. Resolves as `create` does. */
  update(content: unknown, options?: UpdateOptions): Promise<Document>
  /** Changes a part of the content. */
  patch(operations: PatchOperation[], options?: UpdateOptions): Promise<Document>
  /** The same iteration, ended by a signal: its next step then fails with code `aborted`. */
  follow(options?: { signal?: AbortSignal }): AsyncIterableIterator<Document>
}

/** Why an event, or what builds on it, was not taken. */
export interface Refusal {
  /** Stable, for programs; the other two are for people. */
  code: string
  message: string
  hint?: string
  /** CID of the event, unless it is about the document as a whole. */
  event?: string
}

export interface LogEntry {
  cid: string
  kind: 'init' | 'data' | 'time'
  prev?: string
  /** DID that signed the event. */
  signer?: string
  /** By what the signer wrote in the name of `issuer`, if it is not the controller itself. */
  capability?: Capability
  time: EventTime
  /** What was checked: `hash`, `link`, `signature`, `capability`, `rules`, `witness-path`, `transaction`. */
  verified: string[]
}

/** A leave to write (CACAO), given by a wallet or a passkey to a key. */
export interface Capability {
  cid: string
  /** DID of who gave it: the document's controller. */
  issuer: string
  /** What signed it. */
  kind?: 'ethereum' | 'solana' | 'tezos' | 'stacks' | 'passkey'
  /** What it is for, as written, such as `ceramic://*`; the first 32. */
  resources: string[]
  /** Unix seconds. Absent: it does not end. */
  expires?: number
}

/** What is known about when an event was there, at the latest. */
export interface EventTime {
  /** `claimed`: a witness path leads to a transaction, but no blockchain said so yet. `proven`: the chain has it. */
  status: 'none' | 'claimed' | 'proven'
  /** Of a proven time: that of the block, in unix seconds. */
  at?: number
  /** Of a proven time: the number of the block. */
  block?: number
  /** Of a proven time: who said so, by host, or `wallet`. */
  by?: string[]
  /** CAIP-2 name of the blockchain. */
  chain?: string
  /** As explorers of that chain write it. */
  transaction?: string
  /** Of a claimed time: why whoever was asked gave no answer to rely on. Absent: nobody was asked, or not answered yet. */
  doubt?: { code: string; message: string; hint?: string }
}
