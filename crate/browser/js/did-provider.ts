// DID providers (EIP-2844), both ways: a session as one that other libraries use, and one of the page as a signer of ours.

import type { Client } from './client.js'
import { OstrakonError } from './error.js'
import { json } from './content.js'
import { Prompt } from './prompt.js'
import type * as T from './types.js'

/** How long an answer to `did_authenticate` holds, in seconds, as js-ceramic's providers have it. */
const AUTHENTICATED = 600
/** Most characters of what a provider answers. */
const MAX_ANSWER = 1 << 20

/** JSON-RPC's codes, and EIP-1193's for the account that is not there. */
const UNKNOWN_METHOD = -32601
const INVALID_PARAMS = -32602
const FAILED = -32000
const UNAUTHORISED = 4100

type Params = Record<string, unknown>

/** A session as a DID provider. It signs as the session's own key; `dids` adds the capability if it is given one. */
export class SessionProvider implements T.DidProvider {
  readonly isDidProvider = true
  readonly #client: Client
  readonly #session: Pick<T.Session, 'id' | 'did' | 'key'>

  constructor(client: Client, session: Pick<T.Session, 'id' | 'did' | 'key'>) {
    this.#client = client
    this.#session = session
  }

  async send(request: T.DidRequest): Promise<T.DidResponse | null> {
    const { id } = request ?? {}
    if (typeof request?.method !== 'string') return { jsonrpc: '2.0', id: id ?? null, error: { code: -32600, message: 'this is no JSON-RPC request' } }
    try {
      const result = await this.#answer(request.method, (request.params ?? {}) as Params)
      return id === undefined || id === null ? null : { jsonrpc: '2.0', id, result } // a notification has no answer
    } catch (error) {
      const { rpc = FAILED, code, message } = error as { rpc?: number; code?: string; message?: string }
      return { jsonrpc: '2.0', id: id ?? null, error: { code: rpc, message: String(message), ...(typeof code === 'string' ? { data: { code } } : {}) } }
    }
  }

  async #answer(method: string, params: Params): Promise<unknown> {
    switch (method) {
      case 'did_authenticate': {
        const { nonce, aud, paths } = params
        const exp = Math.floor(Date.now() / 1000) + AUTHENTICATED
        const payload = Object.fromEntries(Object.entries({ did: this.#session.key, aud, nonce, paths, exp }).filter(([, value]) => value !== undefined))
        return this.#sign(payload)
      }
      case 'did_createJWS':
        this.#mine(params['did'])
        return { jws: await this.#sign(params['payload'], params['protected']) }
      case 'did_decryptJWE': {
        if (params['did'] !== undefined) this.#mine(params['did'])
        const jwe = JSON.stringify(json(params['jwe'], 'jwe'))
        return { cleartext: base64(await this.#client.call('decryptJwe', [this.#session.id, jwe])) }
      }
      default:
        throw refusal(UNKNOWN_METHOD, `there is no method ${method.slice(0, 64)}`)
    }
  }

  /** A text is signed as it is: a payload in base64url already. */
  #sign(payload: unknown, header?: unknown): Promise<object> {
    if (typeof payload !== 'string' && (typeof payload !== 'object' || payload === null)) throw refusal(INVALID_PARAMS, 'the payload is a text or an object')
    const text = typeof payload === 'string' ? payload : base64url(new TextEncoder().encode(JSON.stringify(sorted(json(payload, 'payload')))))
    return this.#client.call('createJws', [this.#session.id, text, header === undefined ? undefined : JSON.stringify(json(header, 'protected'))])
  }

  #mine(did: unknown): void {
    const bare = String(did).split('#')[0]
    if (bare !== this.#session.key && bare !== this.#session.did) throw refusal(UNAUTHORISED, `Unknown DID: ${String(did).slice(0, 200)}`)
  }
}

const refusal = (rpc: number, message: string) => Object.assign(new Error(message), { rpc })

/** Keys in order, as js-ceramic's providers sign them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const compare = ([one]: [string, unknown], [other]: [string, unknown]) => (one < other ? -1 : 1)
  return Object.fromEntries(Object.entries(value).sort(compare).map(([key, inner]) => [key, sorted(inner)]))
}

// ---- a provider of the page ----

/** Whether this can be one. */
export const isDidProvider = (given: unknown): given is T.DidProvider => typeof (given as T.DidProvider | undefined)?.send === 'function'

/** Of 64 bytes, or 65 where the key is to be recovered: there is no other among the keys that Ceramic knows. */
const SIGNATURE = /^[\w-]{86,87}$/

let lastRequest = 0

/** What a provider answers to one question. */
export async function request(provider: T.DidProvider, method: string, params: unknown, prompt: Prompt): Promise<unknown> {
  const response = await prompt.ask('the DID provider', async () => {
    const response = await provider.send({ jsonrpc: '2.0', id: `ostrakon-${++lastRequest}`, method, params })
    if (response?.error) throw response.error // its codes are those of wallets
    return response?.result
  })
  if (response === undefined || response === null) throw unusable('the DID provider answered nothing')
  return response
}

/** Asks a provider who it is. What it claims is checked as far as a page can; what it signs later, the worker verifies. */
export async function authenticate(provider: T.DidProvider, prompt: Prompt): Promise<string> {
  const nonce = base64url(crypto.getRandomValues(new Uint8Array(16)))
  const aud = location.origin
  const answer = (await request(provider, 'did_authenticate', { nonce, aud, paths: [] }, prompt)) as { payload?: unknown; signatures?: { protected?: unknown; signature?: unknown }[] } | string
  const [one, ...more] = typeof answer === 'string' ? [] : (answer.signatures ?? [])
  const [header, payload, signature] = typeof answer === 'string' ? answer.split('.') : [one?.protected, answer.payload, one?.signature]
  if (more.length > 0 || typeof signature !== 'string' || !SIGNATURE.test(signature)) throw unusable('the DID provider’s answer is not signed once')
  const { kid } = section(header)
  const said = section(payload)
  const { did } = said
  if (typeof did !== 'string' || !/^did:[a-z0-9]+:\S{1,1000}$/.test(did)) throw unusable('the DID provider does not say who it is')
  if (said['nonce'] !== nonce || said['aud'] !== aud) throw unusable('the DID provider answered another question')
  if (typeof said['exp'] !== 'number' || said['exp'] * 1000 < Date.now()) throw unusable('the DID provider’s answer has expired')
  if (typeof kid !== 'string' || !kid.startsWith(did)) throw unusable('the DID provider signed as somebody else')
  return did
}

function section(text: unknown): Params {
  try {
    if (typeof text !== 'string' || text.length > MAX_ANSWER) throw new Error('no text')
    return JSON.parse(new TextDecoder().decode(bytesOf(text))) as Params
  } catch (cause) {
    throw unusable('the DID provider’s answer is no JWS', cause)
  }
}

const unusable = (message: string, cause?: unknown) =>
  new OstrakonError('did-provider-unusable', message, { hint: 'It does not do what EIP-2844 says: another one may.', ...(cause === undefined ? {} : { cause }) })

export const base64 = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))

export const base64url = (bytes: Uint8Array) => base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

/** Of base64url. */
export const bytesOf = (text: string) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0))
