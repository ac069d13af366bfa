/// <reference lib="esnext.disposable" preserve="true" />

export interface NodeOptions {
  /** Name of the network; its gossip topic is `/ceramic/<network>`. Default `local-1`. */
  network?: string
  /** Multiaddresses of peers to dial, such as `/ip4/127.0.0.1/tcp/4102/ws/p2p/12D3…`. None: the node works from disk. */
  peers?: string[]
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

/** A wallet as EIP-1193 describes it, such as `window.ethereum`. */
export interface Eip1193Provider {
  request(question: { method: string; params?: unknown[] }): Promise<unknown>
  on?(event: 'chainChanged' | 'accountsChanged', listener: () => void): unknown
  removeListener?(event: 'chainChanged' | 'accountsChanged', listener: () => void): unknown
}

/** A wallet of the Wallet Standard, as Solana's wallets register: what of it is used here. */
export interface StandardWallet {
  readonly name: string
  readonly icon?: string
  readonly chains: readonly string[]
  readonly accounts: readonly StandardAccount[]
  readonly features: StandardFeatures
}

export interface StandardAccount {
  readonly address: string
  readonly publicKey: unknown
  readonly chains: readonly string[]
}

export interface StandardFeatures {
  'standard:connect': { connect(input?: { silent?: boolean }): Promise<{ accounts: readonly StandardAccount[] }> }
  'solana:signMessage'?: { signMessage(input: { account: StandardAccount; message: Uint8Array }): Promise<readonly Signed[]> }
  'solana:signIn'?: { signIn(input: Record<string, unknown>): Promise<readonly Signed[]> }
}

interface Signed {
  readonly signedMessage: Uint8Array
  readonly signature: Uint8Array
}

/** A wallet that `discoverWallets` found. Name and icon are the wallet's own words: anyone can use any. */
export type Wallet = FoundWallet<'ethereum', Eip1193Provider> | FoundWallet<'solana', StandardWallet>

export interface FoundWallet<Kind, Provider> {
  /** Its reverse domain name where it says one (EIP-6963); the same after a reload, so a dapp can remember the user's choice. */
  readonly id: string
  readonly name: string
  /** A `data:` address. Show it in an `<img>` and nowhere else: it may be an SVG with scripts, which do not run there. */
  readonly icon?: string
  readonly kind: Kind
  /** What it talks by. */
  readonly provider: Provider
  /** The accounts that it shows this page already, by CAIP-10 (`eip155:1:0x…`). Asks the user nothing. */
  accounts(): Promise<string[]>
}

export interface DiscoverOptions {
  /** How long to listen, in milliseconds. Default 200: wallets announce themselves at once. */
  wait?: number
  /** Told of wallets that come after the answer. */
  onWallet?: (wallet: Wallet) => void
  /** Ends the listening. */
  signal?: AbortSignal
}

export interface CallOptions {
  signal?: AbortSignal
  /** In milliseconds, default 30,000; `Infinity` waits for ever. */
  timeout?: number
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
    /** Stops following a document and deletes it from disk, as soon as no other that is kept rests on it. */
    forget(id: string, options?: CallOptions): Promise<void>
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
  /** A session of this origin, whichever tab opened it, has changed. */
  session: SessionEvent
}

/** Who vouches for a session: an account, a passkey, a key made from a wallet's signature, or a DID provider of the page. */
export type SessionKind = 'ethereum' | 'solana' | 'passkey' | 'key' | 'external'

/** A leave to write as a DID. */
export interface SessionInfo {
  /** Names the session; no secret. */
  session: string
  /** Who owns what it writes. */
  did: string
  kind: SessionKind
  /** What it may write, such as `ceramic://*?model=kjzl6…`. Empty for one that signs as its DID itself, which may write all that is the DID's. */
  resources: string[]
  /** Unix milliseconds. Absent: it does not end by itself. */
  expiresAt?: number
  /** Unix milliseconds. */
  createdAt: number
}

/** `expiring` comes one hour before the end, or when a tenth of the session's life is left if that is later. */
export interface SessionEvent extends SessionInfo {
  change: 'opened' | 'expiring' | 'expired' | 'revoked'
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
