// Waiting for somebody else's code, and for the person behind it: a wallet, a passkey, a DID provider. It may refuse, fail
// in its own words, answer nonsense or never, and the call that waits has a signal and an end.

import { OstrakonError } from './error.js'
import type { CallOptions } from './types.js'

/** How long a person may take, in milliseconds. */
const PATIENCE = 300_000
/** Longest message of somebody else that is repeated, in characters. */
const MAX_MESSAGE = 300

/** One signal and one end for all that a call asks. */
export class Prompt {
  readonly #until: number
  readonly signal: AbortSignal | undefined

  constructor({ signal, timeout = PATIENCE }: CallOptions = {}) {
    if (!(timeout >= 0)) throw new OstrakonError('invalid-argument', `${timeout} is no timeout`)
    this.signal = signal
    this.#until = performance.now() + timeout
  }

  /** What is left, for a call to the worker. */
  get rest(): CallOptions {
    return { timeout: Math.max(0, this.#until - performance.now()), ...(this.signal ? { signal: this.signal } : {}) }
  }

  /**
   * The answer of `work`, as long as it is wanted. `watch` may end the wait early: it is given the way to do so and returns
   * what ends the watching. What fails becomes an OstrakonError: see `refusal`.
   */
  async ask<T>(what: string, work: () => Promise<T> | T, watch?: (fail: (error: OstrakonError) => void) => () => void): Promise<T> {
    const { signal } = this
    if (signal?.aborted) throw aborted(signal)
    let end = () => {}
    const ended = new Promise<never>((_, reject) => {
      const onAbort = () => reject(aborted(signal as AbortSignal))
      signal?.addEventListener('abort', onAbort)
      const unwatch = watch?.(reject)
      const left = this.#until - performance.now()
      // Timers can't wait longer than 2³¹ - 1 ms.
      const timer = left < 2 ** 31 ? setTimeout(() => reject(new OstrakonError('timeout', `${what} did not answer in time`, { hint: 'Ask the user to look at it, and try again.' })), left) : undefined
      end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        unwatch?.()
      }
    })
    ended.catch(() => {}) // `work` may have been quicker, or thrown
    try {
      return await Promise.race([(async () => work())(), ended])
    } catch (error) {
      throw error instanceof OstrakonError ? error : refusal(what, error)
    } finally {
      end()
    }
  }
}

export const aborted = (signal: AbortSignal) => new OstrakonError('aborted', 'the call was aborted', { cause: signal.reason })

/** What went wrong in a wallet, by the codes of EIP-1193 and JSON-RPC where it has one. */
function refusal(what: string, cause: unknown): OstrakonError {
  const { code, name, message } = fields(cause)
  if (code === 4001 || code === 'ACTION_REJECTED') {
    return new OstrakonError('wallet-rejected', `the user refused what ${what} was asked`, { cause, hint: 'Nothing was changed. Ask again when the user wants it.' })
  }
  if (code === -32002) {
    return new OstrakonError('wallet-busy', `${what} has another question open`, { cause, hint: 'The user finds it in the wallet’s own window: let them answer that first.' })
  }
  if (code === 4100) {
    return new OstrakonError('wallet-unauthorised', `${what} does not let this page use that account`, { cause, hint: 'Let the user connect the account to this site in the wallet.' })
  }
  if (code === 4900 || code === 4901) {
    return new OstrakonError('wallet-disconnected', `${what} is not connected`, { cause, hint: 'The wallet has lost its network: let the user look at it.' })
  }
  if (code === 4200 || code === -32601) {
    return new OstrakonError('wallet-unsupported', `${what} can't do this`, { cause, hint: 'Another wallet may.' })
  }
  // Wallets of Solana have no codes: some say it in the error's name or its text.
  if (/reject|denied|declin|cancel/i.test(`${name} ${message}`)) {
    return new OstrakonError('wallet-rejected', `the user refused what ${what} was asked`, { cause, hint: 'Nothing was changed. Ask again when the user wants it.' })
  }
  return new OstrakonError('wallet-failed', `${what} failed: ${message || name || 'it does not say why'}`, { cause })
}

function fields(cause: unknown): { code: unknown; name: string; message: string } {
  const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, MAX_MESSAGE) : '')
  try {
    const { code, name, message } = (cause ?? {}) as { code?: unknown; name?: unknown; message?: unknown }
    return { code, name: text(name), message: text(message) || (typeof cause === 'string' ? text(cause) : '') }
  } catch {
    return { code: undefined, name: '', message: '' }
  }
}
