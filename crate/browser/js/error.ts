import type { WireError } from './wire.js'

/**
 * Every failure of this package. `code` is stable and meant for programs; `message` and `hint` are for people.
 *
 * Codes of the façade: `aborted` (your signal; `cause` is its reason), `timeout`, `stopped`, `invalid-argument`,
 * `no-browser` (called where there are no workers), `locks-unavailable` (no Web Locks: not a secure context),
 * `worker-unavailable` and `wasm-unavailable` (a file of the package could not be loaded), `worker-crashed`,
 * `name-in-use` (another tab runs a node of the same name on another network), `other-version` (another tab runs an
 * incompatible version of this package). Of signing in: `wallet-rejected` and the other `wallet-…` and `passkey-…`, which
 * docs/wallets.md explains, `did-provider-unusable`, `session-no-resources`. Of writing: `no-session` (nobody is signed in),
 * `session-ended`, `invalid-content`, `content-too-large` and `interrupted` (the tab that ran the node closed meanwhile: it was
 * done, or it was not). All others come from the core, such as `invalid-id`,
 * `not-found` or `stale`.
 */
export class OstrakonError extends Error {
  readonly code: string
  /** What can be done about it, where something can. */
  readonly hint?: string

  constructor(code: string, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'OstrakonError'
    this.code = code
    if (options.hint !== undefined) this.hint = options.hint
  }
}

/** What went wrong, as it crosses from worker to page. */
export function toWire(error: unknown): WireError {
  const { code, message, hint } = (error ?? {}) as Partial<WireError>
  return {
    code: typeof code === 'string' ? code : 'internal',
    message: typeof message === 'string' && message !== '' ? message : String(error),
    ...(typeof hint === 'string' ? { hint } : {}),
  }
}

export function fromWire({ code, message, hint }: WireError): OstrakonError {
  return new OstrakonError(code, message, { hint })
}
