// New documents, links of accounts, and secrets. What is to be written is made plain JSON here; the worker does the rest.

import { json } from './content.js'
import { DocumentState } from './document.js'
import type { Context, Data } from './document.js'
import { OstrakonError } from './error.js'
import { Prompt } from './prompt.js'
import { connect } from './signing.js'
import type * as T from './types.js'
import type { NewDocument } from './wire.js'

/** Most documents of one call. */
const MAX_BATCH = 10_000

export class Writing {
  constructor(private readonly context: Context) {}

  async create(type: string, init: object, options: T.WriteOptions = {}): Promise<T.Document> {
    const { session, ...rest } = options
    const plain = made(type, init, 'init')
    const who = this.context.sessions.of(session)
    return this.#document(await this.context.client.call('create', [who.id, plain], rest))
  }

  async createMany(type: string, inits: object[], options: T.WriteOptions = {}): Promise<T.Document[]> {
    const { session, ...rest } = options
    if (!Array.isArray(inits) || inits.length > MAX_BATCH) throw new OstrakonError('invalid-argument', `createMany takes a list of at most ${MAX_BATCH} documents`)
    const plain = inits.map((init, index) => made(type, init, `init/${index}`))
    const who = this.context.sessions.of(session)
    return (await this.context.client.call('createMany', [who.id, plain], rest)).map((data) => this.#document(data))
  }

  async link(wallet: T.Wallet | T.Eip1193Provider | T.StandardWallet, options: T.LinkOptions = {}): Promise<T.Document> {
    const { client, sessions } = this.context
    const did = options.did ?? sessions.of(undefined).did
    const prompt = new Prompt(options)
    const { account, sign } = await connect(wallet, options.account, prompt)
    const { message, timestamp } = await client.call('linkMessage', [account, did], prompt.rest)
    const signature = await sign(message)
    return this.#document(await client.call('linkAccount', [{ account, message, timestamp, signature }]))
  }

  async encrypt(value: unknown, { to, ...rest }: T.EncryptOptions): Promise<T.Jwe> {
    assertDids(to)
    const plain = value instanceof Uint8Array ? { bytes: value.slice() } : { json: json(value, 'value') }
    return this.context.client.call('encrypt', [plain, to], rest)
  }

  async rotateReaders(readers: T.Readers | undefined, { to, ...rest }: T.EncryptOptions): Promise<T.Readers> {
    assertDids(to)
    return this.context.client.call('rotateReaders', [readers && JSON.stringify(json(readers, 'readers')), to], rest)
  }

  async decrypt(secret: T.Jwe, options: T.DecryptOptions = {}): Promise<unknown> {
    const { session, readers, ...rest } = options
    const who = this.context.sessions.of(session)
    const shared = readers && JSON.stringify(json(readers, 'readers'))
    const clear = await this.context.client.call('decrypt', [who.id, JSON.stringify(json(secret, 'secret')), shared], rest)
    return 'bytes' in clear ? clear.bytes : clear.json
  }

  #document(data: object): T.Document {
    return new DocumentState(this.context, data as Data)
  }
}

function assertDids(to: unknown): void {
  if (!Array.isArray(to) || to.length === 0 || !to.every((did) => typeof did === 'string')) {
    throw new OstrakonError('invalid-argument', 'to is a list of the DIDs that can read it, at least one')
  }
}

function made(type: string, init: object, what: string): NewDocument {
  if (type !== 'tile' && type !== 'model' && type !== 'modelInstance') {
    throw new OstrakonError('invalid-argument', `there are new documents of type 'tile', 'model' and 'modelInstance', not ${type}`)
  }
  // A property that is not set says nothing here; within the content it would be lost in silence.
  const set = Object.fromEntries(Object.entries(init ?? {}).filter(([, value]) => value !== undefined))
  return { type, init: json(set, what) }
}
