// What the wasm module shows to JavaScript; crate/browser/src/lib.rs describes it.
declare module 'ostrakon-core' {
  export default function init(source: { module_or_path: Response | BufferSource }): Promise<unknown>

  export class OstrakonNode {
    static start(
      options: Omit<import('./wire.js').StartOptions, 'wasmUrl'> & { agent?: string },
      onEvent: (event: import('./wire.js').WireEvent) => void,
      askWallet: (chain: string, method: string, params: string) => Promise<string>,
    ): Promise<OstrakonNode>
    readonly peerId: string
    load(ref: string, timeoutMs: number, atTime: number | undefined, signal?: AbortSignal): Promise<object>
    follow(ref: string, onState: (document: object) => void, onEnd?: (error?: Error) => void): Following
    documents(): Promise<object[]>
    forget(id: string): Promise<void>
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
