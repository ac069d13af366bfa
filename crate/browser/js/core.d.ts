// What the wasm modules show to JavaScript; crate/browser/src/lib.rs describes it.

/** The module that only reads. */
declare module 'ostrakon-reader' {
  export default function init(source: { module_or_path: Response | BufferSource }): Promise<unknown>

  export class OstrakonNode {
    static start(
      options: Omit<import('./wire.js').StartOptions, 'wasmUrl' | 'readerUrl'> & { agent?: string },
      onEvent: (event: import('./wire.js').WireEvent) => void,
      askWallet: (chain: string, method: string, params: string) => Promise<string>,
      askSigner: (did: string, method: string, params: string) => Promise<string>,
    ): Promise<OstrakonNode>
    readonly peerId: string
    load(ref: string, timeoutMs: number, atTime: number | undefined, signal?: AbortSignal): Promise<object>
    follow(ref: string, onState: (document: object) => void, onEnd?: (error?: Error) => void): Following
    documents(): Promise<object[]>
    forget(id: string, discard?: boolean): Promise<void>
    importCar(bytes: Uint8Array): Promise<string[]>
    exportCar(id: string): Promise<Uint8Array>
    status(): Promise<import('./types.js').Status>
    setWallets(chains: string[]): void
    stop(): Promise<void>
  }

  export class Following {
    stop(): void
  }
}

/** The whole one. */
declare module 'ostrakon-core' {
  import { OstrakonNode as Reader } from 'ostrakon-reader'

  export { default } from 'ostrakon-reader'

  export class OstrakonNode extends Reader {
    setSigners(dids: string[]): void
    beginSession(request: import('./wire.js').SessionRequest): Promise<import('./wire.js').BegunSession>
    completeSession(session: string, proof: import('./wire.js').SessionProof): Promise<import('./wire.js').SessionInfo>
    keyMessage(account: string, site: string): Promise<string>
    openKeySession(answer: import('./wire.js').KeyAnswer): Promise<import('./wire.js').SessionInfo>
    openExternalSession(did: string): Promise<import('./wire.js').SessionInfo>
    sessions(): Promise<import('./wire.js').SessionInfo[]>
    revokeSession(session: string): Promise<void>
    passkeyDid(publicKey: string): Promise<string>
    passkeyCandidates(assertion: import('./wire.js').Assertion): Promise<string[]>
    sessionCapability(session: string): Promise<string | undefined>
    create(session: string, document: string, signal?: AbortSignal): Promise<object>
    createMany(session: string, documents: string, signal?: AbortSignal): Promise<object[]>
    update(session: string, id: string, content?: string, patch?: string, metadata?: string, base?: string, signal?: AbortSignal): Promise<object>
    linkMessage(account: string, did: string): Promise<{ message: string; timestamp: number }>
    linkAccount(proof: { account: string; message: string; timestamp: number; signature: string }): Promise<object>
    outbox(): Promise<import('./types.js').OutboxEntry[]>
    createThreeId(wallet: string, name: string): Promise<import('./wire.js').SessionInfo>
    openThreeId(wallet: string): Promise<import('./wire.js').SessionInfo>
    threeIdWallets(session: string): Promise<import('./types.js').ThreeIdWallet[]>
    addThreeIdWallet(session: string, wallet: string, name: string): Promise<void>
    rotateThreeId(session: string, without: string[]): Promise<boolean>
    finishThreeIdRotation(session: string): Promise<boolean>
    createJws(session: string, payload: string, header: string | undefined): Promise<object>
    encrypt(bytes: Uint8Array | undefined, json: string | undefined, to: string[]): Promise<import('./types.js').Jwe>
    rotateReaders(readers: string | undefined, to: string[]): Promise<import('./types.js').Readers>
    decrypt(session: string, jwe: string, readers?: string): Promise<{ bytes: Uint8Array } | { json: import('./content.js').Json }>
    decryptJwe(session: string, jwe: string): Promise<Uint8Array>
  }
}
