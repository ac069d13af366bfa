// Who writes: wallets, passkeys, DID providers, and the sessions that come of them.

import type { CallOptions } from './types.js'

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

/** What a session may write. It is shown to the user, and every node checks it at each event. */
export type Resources =
  | {
      /** StreamIDs of models: their instances may be created and changed. */
      models?: string[]
      /** StreamIDs of documents that may be changed. */
      documents?: string[]
    }
  /** As they are signed: `ceramic://<id>`, `ceramic://*?model=<id>`, or `ceramic://*` for everything the account has. */
  | string[]

export interface ConnectOptions extends CallOptions {
  /**
   * What the session may write: name the models and documents that your dapp needs. There is no default. Tiles can only be
   * created with `['ceramic://*']`. Not wanted for `kind: 'key'`, which may do everything, as its own account.
   */
  resources?: Resources
  /** How long the session lasts: seconds, or a number with `m`, `h`, `d` or `w`. Default `7d`, at most 365 days. */
  expiresIn?: number | `${number}${'s' | 'm' | 'h' | 'd' | 'w'}`
  /** What the user reads first in the wallet: one line of printable ASCII. */
  statement?: string
  /** Which account, by its address or CAIP-10. Default: the one in use in the wallet. */
  account?: string
  /**
   * `session`, the default: the account itself (`did:pkh:…`) signs a leave for a key of this browser, until it expires.
   * `key`: a `did:key` made from the wallet's signature over a fixed text: the same wallet gives the same DID on any device,
   * it never expires, and whoever gets that signature once has it for ever.
   */
  kind?: 'session' | 'key'
  /** For the whole conversation with the wallet, the user's time included, in milliseconds. Default 300,000. */
  timeout?: number
}

/** A passkey of this site, as `createPasskey` made it. Not secret; `JSON.stringify` keeps it. */
export interface Passkey {
  /** The credential's id, in base64url. */
  readonly id: string
  /** `did:key:zDn…` */
  readonly did: string
}

export interface PasskeyOptions extends CallOptions {
  /** What the user's device calls it: whose it is. */
  name: string
}

export interface UsePasskeyOptions extends CallOptions {
  /** Those that may be used. Default: any of this site; one that this browser does not know yet is asked to sign twice. */
  passkeys?: Passkey[]
  resources: Resources
  expiresIn?: ConnectOptions['expiresIn']
}

/** Who vouches for a session: an account, a passkey, a key made from a wallet's signature, or a DID provider of the page. */
export type SessionKind = 'ethereum' | 'solana' | 'passkey' | 'key' | '3id' | 'external'

/** An identity that may write from this browser. It survives a reload; its key never leaves the worker. */
export interface Session {
  readonly id: string
  /** The DID in whose name it writes. */
  readonly did: string
  /** The key that signs: a `did:key` of this browser under the leave of `did`, or `did` itself. */
  readonly key: string
  readonly kind: SessionKind
  /** As they were signed. Empty: it signs as `did` itself, and may write all that is its own. */
  readonly resources: string[]
  /** Unix milliseconds. Absent: it does not end by itself. */
  readonly expiresAt?: number
  /** Unix milliseconds. */
  readonly createdAt: number
  /** Neither expired nor revoked. */
  readonly active: boolean
  /** For libraries that want a DID provider (EIP-2844), such as npm’s `dids`. */
  readonly provider: DidProvider
  /** The leave by which it writes (CACAO): a block of DAG-CBOR, for other libraries. Absent if it signs as `did` itself. */
  capability(options?: CallOptions): Promise<Uint8Array | undefined>
  /** Wipes its key from memory and disk. What it wrote stays; a copy of its leave in a stolen backup ends when it expires. */
  revoke(options?: CallOptions): Promise<void>
  /** Calls `listener` at such an event; returns a function that ends this. `expiring` comes once, see `SessionEvents`. */
  on<Type extends keyof SessionEvents>(type: Type, listener: (session: Session) => void): () => void
}

export interface SessionEvents {
  /** An hour is left, or a tenth of its life if that is less: offer to sign again. Who begins to listen later is told as well. */
  expiring: Session
  expired: Session
  /** In this tab or another. */
  revoked: Session
}

export interface SessionEvent {
  change: 'opened' | keyof SessionEvents
  session: Session
}

/** A DID provider as EIP-2844 describes it: JSON-RPC with `did_authenticate`, `did_createJWS` and `did_decryptJWE`. */
export interface DidProvider {
  readonly isDidProvider?: boolean
  send(request: DidRequest): Promise<DidResponse | null>
}

export interface DidRequest {
  jsonrpc: '2.0'
  id?: string | number | null
  method: string
  params?: unknown
}

export interface DidResponse {
  jsonrpc: string
  id?: string | number | null
  result?: unknown
  error?: { code: number; message?: string; data?: unknown }
}

/** A wallet of a 3ID. Its name is encrypted to the 3ID. */
export interface ThreeIdWallet {
  /** The `did:key` of the wallet on this site. */
  did: string
  name: string
}

/**
 * A 3ID (`did:3:…`) is one identity of several wallets. Each opens it with its own key on this site: a session of
 * `node.connectWallet(wallet, { kind: 'key' })`, called `key` here. The session that this gives ends with that one, and after a reload
 * is opened anew, without a prompt.
 */
export interface ThreeIds {
  /** Makes one, with this wallet. */
  create(key: Session, name: string, options?: CallOptions): Promise<Session>
  /** The one that the wallet speaks for; `three-id-none` if there is none. */
  open(key: Session, options?: CallOptions): Promise<Session>
  wallets(session: Session, options?: CallOptions): Promise<ThreeIdWallet[]>
  /** Lets another wallet, of which this is the key, speak for the 3ID. */
  addWallet(session: Session, key: Session, name: string, options?: CallOptions): Promise<void>
  /**
   * Goes over to new keys, which the wallets of these DIDs do not get to know; none removes nobody. Resolves to whether the 3ID has
   * them by now: false while the new keychain waits for its anchor, and then `finish` goes on.
   */
  rotate(session: Session, without?: string[], options?: CallOptions): Promise<boolean>
  finish(session: Session, options?: CallOptions): Promise<boolean>
}
