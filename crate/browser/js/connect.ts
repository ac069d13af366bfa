// How somebody signs in: by a wallet, a passkey, or a DID provider. The worker makes what is to be signed, and judges what
// was; nothing of a session is left if any step fails.

import type { Client } from './client.js'
import { authenticate, base64url, isDidProvider } from './did-provider.js'
import { OstrakonError } from './error.js'
import * as passkey from './passkey.js'
import { Prompt } from './prompt.js'
import type { Sessions } from './session.js'
import { connect } from './signing.js'
import type { Signing } from './signing.js'
import type * as T from './types.js'
import type { SessionProof, SessionRequest } from './wire.js'

const WEEK = '7d'
const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }
/** Longest life of a session, in seconds. */
const LONGEST = 365 * 86_400
const MAX_REMEMBERED = 64

export class Connecting {
  constructor(
    private readonly client: Client,
    private readonly sessions: Sessions,
  ) {}

  async wallet(wallet: T.Wallet | T.Eip1193Provider | T.StandardWallet, options: T.ConnectOptions): Promise<T.Session> {
    const { resources, expiresIn = WEEK, statement, account: wanted, kind = 'session' } = options
    if (kind !== 'session' && kind !== 'key') throw new OstrakonError('invalid-argument', `kind is 'session' or 'key', not ${kind}`)
    const leave = kind === 'key' ? undefined : { resources: resourceList(resources), expiresAt: ending(expiresIn) }
    const prompt = new Prompt(options)
    const signing = await connect(wallet, wanted, prompt)
    if (!leave) return this.#key(signing, prompt)
    const { kind: chain, account, accounts, sign } = signing
    const request = { kind: chain, account, domain: location.host, ...leave, ...(statement === undefined ? {} : { statement: String(statement) }) }
    return this.#begin(request, prompt, async ({ message }) => ({ signature: await sign(message), accounts }))
  }

  /** An account that is new here signs twice: a wallet that signs differently each time could never make the key again. */
  async #key({ account, sign }: Signing, prompt: Prompt): Promise<T.Session> {
    const site = location.hostname
    const text = await this.client.call('keyMessage', [account, site], prompt.rest)
    const owner = `${account.split(':')[0]}:${account.split(':').at(-1)}` // whatever the chain
    const known = keys.all().find((one) => one.id === owner)?.did
    const signature = await sign(text)
    const again = known === undefined ? { again: await sign(text) } : {}
    const info = await this.client.call('openKeySession', [{ account, site, signature, ...again }])
    if (known !== undefined && known !== info.did) {
      await this.client.call('revokeSession', [info.session])
      throw new OstrakonError('key-not-deterministic', 'the wallet made another key than before', { hint: 'It signs differently each time: use another wallet, or a session.' })
    }
    keys.add({ id: owner, did: info.did })
    return this.sessions.opened(info)
  }

  async createPasskey(options: T.PasskeyOptions): Promise<T.Passkey> {
    const { name } = options
    if (typeof name !== 'string' || name === '') throw new OstrakonError('invalid-argument', 'name says whose passkey it is')
    const prompt = new Prompt(options)
    const { id, publicKey } = await passkey.create(name, prompt)
    const made = { id, did: await this.client.call('passkeyDid', [publicKey]) }
    seen.add(made)
    return made
  }

  async usePasskey(options: T.UsePasskeyOptions): Promise<T.Session> {
    const { passkeys = [], resources, expiresIn = WEEK } = options
    const leave = { resources: resourceList(resources), expiresAt: ending(expiresIn) }
    const prompt = new Prompt(options)
    const ids = passkeys.map(({ id }) => id)
    return this.#begin({ kind: 'passkey', domain: location.host, ...leave }, prompt, async ({ message }) => {
      const { id, ...assertion } = await passkey.sign(message, ids, prompt)
      const known = [...passkeys, ...seen.all()].find((one) => one.id === id)
      return { ...assertion, did: known?.did ?? (await this.#findPasskey(id, assertion, prompt)) }
    })
  }

  async did(provider: T.DidProvider, options: T.CallOptions): Promise<T.Session> {
    if (!isDidProvider(provider)) throw new OstrakonError('invalid-argument', 'a DID provider has a function send (EIP-2844)')
    const prompt = new Prompt(options)
    const did = await authenticate(provider, prompt)
    const signer = this.client.useSigner(did, provider)
    try {
      const session = this.sessions.opened(await this.client.call('openExternalSession', [did]), provider)
      for (const end of ['revoked', 'expired'] as const) session.on(end, () => signer.cancel())
      return session
    } catch (error) {
      signer.cancel()
      throw error
    }
  }

  async #begin(request: SessionRequest, prompt: Prompt, prove: (begun: { message: string }) => Promise<SessionProof>): Promise<T.Session> {
    const begun = await this.client.call('beginSession', [request], prompt.rest)
    try {
      const proof = await prove(begun)
      // No signal: once the user has signed, it is decided here, in no time.
      return this.sessions.opened(await this.client.call('completeSession', [begun.session, proof]))
    } catch (error) {
      await this.client.call('revokeSession', [begun.session]).catch(() => {}) // its key is wiped at once, not when the worker tidies up
      throw error
    }
  }

  /** A signature fits two keys. A second one fits two others, but for the passkey's own. */
  async #findPasskey(id: string, assertion: Omit<passkey.Assertion, 'id'>, prompt: Prompt): Promise<string> {
    const first = await this.client.call('passkeyCandidates', [assertion])
    const { id: other, ...second } = await passkey.sign(base64url(crypto.getRandomValues(new Uint8Array(32))), [id], prompt)
    const candidates = other === id ? await this.client.call('passkeyCandidates', [second]) : []
    const both = first.filter((did) => candidates.includes(did))
    const [did] = both
    if (did === undefined || both.length > 1) throw new OstrakonError('passkey-failed', 'two signatures of the passkey are not of one key')
    seen.add({ id, did })
    return did
  }
}

/** When that is, in unix milliseconds. */
function ending(expiresIn: string | number): number {
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(String(expiresIn)) ?? []
  const seconds = typeof expiresIn === 'number' ? expiresIn : Number(amount) * (SECONDS[unit ?? ''] ?? Number.NaN)
  if (seconds > 0 && seconds <= LONGEST) return Math.floor(Date.now() + seconds * 1_000)
  throw new OstrakonError('invalid-argument', `expiresIn is '7d' or a number of seconds, at most 365 days, not ${expiresIn}`)
}

/** As they are signed. */
function resourceList(given: T.Resources | undefined): string[] {
  const bare = (id: string) => String(id).replace(/^ceramic:\/\//, '')
  const list: unknown = Array.isArray(given)
    ? given
    : [...(given?.models ?? []).map((id) => `ceramic://*?model=${bare(id)}`), ...(given?.documents ?? []).map((id) => `ceramic://${bare(id)}`)]
  if (!Array.isArray(list) || !list.every((one) => typeof one === 'string')) throw new OstrakonError('invalid-argument', 'resources are { models, documents }, lists of ids, or a list of texts')
  if (list.length > 0) return list
  throw new OstrakonError('session-no-resources', 'no resources are named', { hint: 'Name the models and documents that the session may write, or "ceramic://*" for all.' })
}

/** DIDs that this browser has seen, by the id of what they come from. No secrets. */
class Remembered {
  constructor(private readonly name: string) {}

  all(): T.Passkey[] {
    try {
      const list = JSON.parse(localStorage.getItem(this.name) ?? '[]') as T.Passkey[]
      return list.filter(({ id, did }) => typeof id === 'string' && typeof did === 'string').slice(-MAX_REMEMBERED)
    } catch {
      return [] // no storage, or not ours: whoever is not known signs twice
    }
  }

  add(one: T.Passkey): void {
    try {
      localStorage.setItem(this.name, JSON.stringify([...this.all().filter(({ id }) => id !== one.id), { id: one.id, did: one.did }].slice(-MAX_REMEMBERED)))
    } catch {}
  }
}

/** A passkey tells its key only when it is made. */
const seen = new Remembered('ostrakon/passkeys')
const keys = new Remembered('ostrakon/keys')
