//! Ostrakon in a browser tab: the node, IndexedDB and the web's transports behind a small class for JavaScript.
//!
//! This crate touches the page, the worker and IndexedDB; it never decides what is true. It runs in a dedicated worker
//! and in a page alike. The façade in `js/` is its only intended caller.
//!
//! There are two modules: without the feature `pen` it has no sessions, writes nothing and encrypts nothing. Most visitors
//! need no more, and it is an eighth smaller; `js/worker-core.ts` decides which one runs.
//!
//! # What JavaScript sees
//!
//! ```ts
//! export default function init(wasm?: { module_or_path: URL | Response | BufferSource }): Promise<unknown>
//!
//! export class OstrakonNode {
//!   /** Opens the database, starts the network, resolves when calls may be made. Does not wait for a peer. */
//!   static start(options: StartOptions, onEvent: (event: NodeEvent) => void, askWallet: Ask, askSigner: Ask): Promise<OstrakonNode>
//!   readonly peerId: string
//!   /** From disk at once if kept, else from the network. `atTime` in unix seconds. An aborted signal cancels the work
//!    *  itself and rejects with code `aborted`. */
//!   load(ref: string, timeoutMs: number, atTime?: number, signal?: AbortSignal): Promise<Document>
//!   /** `onState` gets the current state first, then each change; a slow reader gets the latest, never a queue. Follows
//!    *  the document, so a CommitID is refused (`invalid-id`). `onEnd` is called once: with an Error if the following
//!    *  failed, with nothing if the node stopped or the document was forgotten; not after `stop()`. */
//!   follow(ref: string, onState: (document: Document) => void, onEnd?: (error?: Error) => void): Following
//!   documents(): Promise<DocumentSummary[]>
//!   forget(id: string, discard?: boolean): Promise<void>
//!   importCar(bytes: Uint8Array): Promise<string[]>
//!   exportCar(id: string): Promise<Uint8Array>
//!   status(): Promise<Status>
//!   /** On which chains there are wallets now, by CAIP-2 name. */
//!   setWallets(chains: string[]): void
//!
//!   // What follows, only the whole module has.
//!
//!   /** For which DIDs pages hold providers now, all of them each time. */
//!   setSigners(dids: string[]): void
//!   /** Sessions: what goes in and comes out is in `js/wire.ts`. A key never comes out. */
//!   beginSession(request: SessionRequest): Promise<BegunSession>
//!   completeSession(session: string, proof: SessionProof): Promise<SessionInfo>
//!   keyMessage(account: string, site: string): Promise<string>
//!   openKeySession(answer: KeyAnswer): Promise<SessionInfo>
//!   openExternalSession(did: string): Promise<SessionInfo>
//!   sessions(): Promise<SessionInfo[]>
//!   revokeSession(session: string): Promise<void>
//!   sessionCapability(session: string): Promise<string | undefined>
//!   passkeyDid(publicKey: string): Promise<string>
//!   passkeyCandidates(assertion: Assertion): Promise<string[]>
//!   /** Writing. Documents, contents, patches and metadata are JSON, as texts. Resolves when it is verified and on disk. */
//!   create(session: string, document: string, signal?: AbortSignal): Promise<Document>
//!   createMany(session: string, documents: string, signal?: AbortSignal): Promise<Document[]>
//!   update(session: string, id: string, content?: string, patch?: string, metadata?: string, base?: string, signal?: AbortSignal): Promise<Document>
//!   linkMessage(account: string, did: string): Promise<{ message: string, timestamp: number }>
//!   linkAccount(proof: { account: string, message: string, timestamp: number, signature: string }): Promise<Document>
//!   outbox(): Promise<OutboxEntry[]>
//!   /** A 3ID, opened by the session of a wallet's key. */
//!   createThreeId(wallet: string, name: string): Promise<SessionInfo>
//!   openThreeId(wallet: string): Promise<SessionInfo>
//!   threeIdWallets(session: string): Promise<{ did: string, name: string }[]>
//!   addThreeIdWallet(session: string, wallet: string, name: string): Promise<void>
//!   rotateThreeId(session: string, without: string[]): Promise<boolean>
//!   finishThreeIdRotation(session: string): Promise<boolean>
//!   createJws(session: string, payload: string, header?: string): Promise<object>
//!   /** Bytes, or JSON as a text if there are none. */
//!   encrypt(bytes: Uint8Array | undefined, json: string | undefined, to: string[]): Promise<Jwe>
//!   decrypt(session: string, jwe: string): Promise<{ bytes: Uint8Array } | { json: any }>
//!   decryptJwe(session: string, jwe: string): Promise<Uint8Array>
//!   /** Calls still under way reject with code `stopped`; afterwards every call does. May be called twice. */
//!   stop(): Promise<void>                       // the smaller one as well
//! }
//! export class Following { stop(): void }        // may be called twice
//!
//! interface StartOptions { network?: string /* 'local-1' */; peers?: string[]; interests?: string[]; name?: string /* database, 'ostrakon' */; agent?: string
//!   chains?: { id: string; quorum?: number; nodes: { url: string; name: string }[] }[]; timePolicy?: 'proven' | 'claimed' }
//! /** Asks a wallet that is on this chain (EIP-1193), or a page's provider of this DID (EIP-2844); `params` and the answer
//!  *  are JSON. */
//! type Ask = (chainOrDid: string, method: string, params: string) => Promise<string>
//! type NodeEvent =
//!   | { event: 'peer', data: { id: string, connected: boolean, address: string } }
//!   | { event: 'status', data: Status }
//!   | { event: 'document', data: { id: string, tip: string } }
//!   | { event: 'outbox', data: { id: string, tip: string, status: { state: string, peers?: number } } }
//!   | { event: 'lost', data: { id: string, event: string, tip: string } }
//!   | { event: 'session', data: SessionInfo & { change: 'opened' | 'expiring' | 'expired' | 'revoked' } }
//! ```
//!
//! `Document`, `LogEntry`, `Status` and `DocumentSummary` are plain objects in the shapes of the façade's types
//! (`shapes.rs`); a `Document` carries data only, no methods. Every failure is an `Error` with `code`, `message` and,
//! where something can be done, `hint`.
//!
//! A panic ends the module: the hook posts `{ event: 'crashed', data: { code, message } }` from a worker's global scope
//! (`self.postMessage`, seen by the page as a `message` event of the `Worker`) and writes it to the console; the call
//! under way throws a `WebAssembly.RuntimeError`. Nothing in this module may be called afterwards.

#[cfg(all(target_arch = "wasm32", feature = "bench"))]
pub mod bench;
#[cfg(target_arch = "wasm32")]
pub mod chains;
#[cfg(all(target_arch = "wasm32", feature = "pen"))]
mod encryption;
#[cfg(target_arch = "wasm32")]
mod error;
#[cfg(target_arch = "wasm32")]
mod identity;
#[cfg(target_arch = "wasm32")]
pub mod node;
#[cfg(target_arch = "wasm32")]
mod panic;
#[cfg(all(target_arch = "wasm32", feature = "pen"))]
pub mod session;
#[cfg(target_arch = "wasm32")]
mod shapes;
pub mod store;
#[cfg(target_arch = "wasm32")]
mod transport;
#[cfg(target_arch = "wasm32")]
pub mod websocket;
#[cfg(all(target_arch = "wasm32", feature = "pen"))]
mod writing;
