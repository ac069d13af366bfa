/** Content that is encrypted: for whom, and opened in this tab for who has the key. */

import type { Jwe, Node, Session } from 'ostrakon'
import { copyButton, h } from './dom.js'
import { stamp } from './marks.js'
import { failure } from './shelf.js'
import { Tree } from './tree.js'
import { count, shortDid } from './words.js'

/** Whether content is an encrypted message and nothing else. */
export function isSecret(content: unknown): content is Jwe {
  if (typeof content !== 'object' || content === null) return false
  const { protected: head, iv, ciphertext, tag } = content as Record<string, unknown>
  return [head, iv, ciphertext, tag].every((part) => typeof part === 'string')
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
  show(secret: Jwe, node: Node | undefined, keys: readonly Session[]): void {
    const readers = readersOf(secret)
    const mine = keys.find(({ did }) => readers.includes(did))
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
      node.decrypt(secret, { session: mine }).then(
        (value) => {
          this.#open = { value }
          this.#tree.show(value)
          this.element.dataset['state'] = 'open'
          this.element.replaceChildren(
            h('p', { class: 'lock' }, h('b', {}, 'Unlocked'), ' in this tab. On the network and on disk it stays encrypted.'),
            this.#tree.element,
            list(readers),
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
      h('p', { class: 'lock' }, h('b', {}, 'Locked. '), mine ? 'You are one of its readers.' : 'None of the keys that are signed in here can read it.'),
      ...(mine ? [unlock] : []),
      this.#error,
      list(readers),
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
