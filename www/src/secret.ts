/** Content that is encrypted: for whom, and opened in this tab for who has the key. */

import type { Jwe, Node, Readers, Session } from 'ostrakon'
import { copyButton, h } from './dom.js'
import { stamp } from './marks.js'
import { failure } from './shelf.js'
import { Tree } from './tree.js'
import { count, refToHash, shortDid, shortId } from './words.js'

/** Whether content is an encrypted message and nothing else. */
export function isSecret(content: unknown): content is Jwe {
  if (typeof content !== 'object' || content === null) return false
  const { protected: head, iv, ciphertext, tag } = content as Record<string, unknown>
  return [head, iv, ciphertext, tag].every((part) => typeof part === 'string')
}

/** An encrypted content: a message, beside it the document that lists its readers if that is how they are told. */
export interface Sealed {
  secret: Jwe
  list?: string
}

export function sealed(content: unknown): Sealed | undefined {
  if (isSecret(content)) return { secret: content }
  const { list, secret } = (typeof content === 'object' && content !== null ? content : {}) as Record<string, unknown>
  return typeof list === 'string' && isSecret(secret) ? { secret, list } : undefined
}

/** Whether content says who may read other documents. */
export function isReaders(content: unknown): content is Readers {
  const { readers } = (typeof content === 'object' && content !== null ? content : {}) as { readers?: unknown }
  const one = (entry: unknown): boolean => typeof (entry as { did?: unknown } | null)?.did === 'string' && isSecret((entry as { seed?: unknown }).seed)
  return Array.isArray(readers) && readers.length > 0 && readers.every(one)
}

/** Who is in such a list now. */
export function named({ readers }: Readers): string[] {
  const last = readers.at(-1)
  return last ? readersOf(last.seed) : []
}

async function loadReaders(node: Node, list: string): Promise<Readers> {
  const { content } = await node.load(list)
  if (!isReaders(content)) throw Object.assign(new Error('the document that should list the readers does not'), { code: 'no-readers' })
  return content
}

/** What a document says whose readers are told by a list. */
export async function seal(node: Node, value: unknown, list: string): Promise<Sealed> {
  const { readers } = await loadReaders(node, list)
  return { list, secret: await node.encrypt(value, { to: [readers.at(-1)?.did ?? ''] }) }
}

/** The DIDs that a message says it is for. Whoever wrote it may have written anything. */
export function readersOf({ recipients }: Jwe): string[] {
  const kids = (Array.isArray(recipients) ? recipients : []).map((one) => (one as { header?: { kid?: unknown } } | null)?.header?.kid)
  return [...new Set(kids.flatMap((kid) => (typeof kid === 'string' && kid.startsWith('did:') ? [kid.split('#', 1)[0] as string] : [])))]
}

export class Secret {
  readonly element = h('div', { class: 'secret' })
  #tree = new Tree()
  #said = ''
  /** What was read of it, in this tab only. */
  #open: { value: unknown } | undefined
  #error = h('div', { class: 'error', role: 'alert', hidden: true })

  #opened: () => void

  /** `opened` is called when it was unlocked. */
  constructor(opened: () => void) {
    this.#opened = opened
  }

  get open(): { value: unknown } | undefined {
    return this.#open
  }

  /** `keys` are the identities of this page; only one that is among the readers can open it. */
  show({ secret, list: readersIn }: Sealed, node: Node | undefined, keys: readonly Session[]): void {
    const readers = readersOf(secret)
    const mine = readersIn === undefined ? keys.find(({ did }) => readers.includes(did)) : keys.find(({ kind }) => kind === 'key')
    /** Whoever is in the list now shares the key that reads. */
    const decrypt = async (): Promise<unknown> => {
      if (!node || !mine) return
      if (readersIn === undefined) return node.decrypt(secret, { session: mine })
      const list = await loadReaders(node, readersIn)
      const session = keys.find(({ did }) => named(list).includes(did)) ?? mine
      return node.decrypt(secret, { session, readers: list })
    }
    const told = (): HTMLElement => (readersIn === undefined ? list(readers) : h('p', { class: 'readers' }, 'For whoever is in the list ', h('a', { href: refToHash(readersIn) }, h('code', {}, shortId(readersIn.replace(/^ceramic:\/\//, ''))))))
    const said = JSON.stringify([secret, mine?.id])
    if (said === this.#said) return
    this.#said = said
    this.#open = undefined
    this.#error.hidden = true
    const unlock = h('button', { type: 'button', class: 'primary' }, 'Unlock')
    unlock.addEventListener('click', () => {
      if (!node || !mine) return
      unlock.disabled = true
      this.#error.hidden = true
      decrypt().then(
        (value) => {
          this.#open = { value }
          this.#tree.show(value)
          this.element.dataset['state'] = 'open'
          this.element.replaceChildren(
            h('p', { class: 'lock' }, h('b', {}, 'Unlocked'), ' in this tab. On the network and on disk it stays encrypted.'),
            this.#tree.element,
            told(),
          )
          this.#opened()
        },
        (error: unknown) => {
          unlock.disabled = false
          failure(this.#error, error)
          this.#error.hidden = false
        },
      )
    })
    this.element.dataset['state'] = 'locked'
    this.element.replaceChildren(
      h('p', { class: 'lock' }, h('b', {}, 'Locked. '), mine ? (readersIn === undefined ? 'You are one of its readers.' : 'If you are in its list, you can read it.') : 'None of the keys that are signed in here can read it.'),
      ...(mine ? [unlock] : []),
      this.#error,
      told(),
    )
  }
}

function list(readers: string[]): HTMLElement {
  return h(
    'div',
    { class: 'readers' },
    h('p', {}, readers.length === 0 ? 'It does not say for whom it is.' : `Encrypted for ${count(readers.length, 'reader')}`),
    h('ul', {}, ...readers.map((did) => h('li', { class: 'signer', title: did }, stamp(did), h('code', {}, shortDid(did)), copyButton(did, 'DID')))),
  )
}
