/**
 * The end of a session, told wherever on the page its user is: some time before it comes, and after it until they have decided.
 * One press asks the same account or passkey for as much again. What is being typed stays where it is.
 */

import type { Node, Session, Wallet } from 'ostrakon'
import { h } from './dom.js'
import { failure } from './shelf.js'
import { signAgain } from './sign-in.js'
import { didWords, fromNow } from './words.js'

export interface EndingActions {
  node(): Node | undefined
  wallets(): readonly Wallet[]
  /** It was signed for again. */
  again(session: Session): Promise<void>
  /** Another end is near. */
  changed(): void
}

export class Ending {
  #actions: EndingActions
  #bar: HTMLElement
  #text = h('p', { role: 'status' })
  #again = h('button', { type: 'button', class: 'primary' }, 'Sign again')
  #leave = h('button', { type: 'button' })
  #error = h('div', { class: 'error', role: 'alert', hidden: true })
  /** All that end, by id. */
  #known = new Map<string, Known>()
  /** Of whom nothing more is to be said. */
  #settled = new Set<string>()
  #shown: Session | undefined
  #asking: AbortController | undefined

  constructor(bar: HTMLElement, actions: EndingActions) {
    this.#actions = actions
    this.#bar = bar
    bar.replaceChildren(this.#text, h('p', { class: 'actions' }, this.#again, this.#leave), this.#error)
    this.#again.addEventListener('click', () => void this.#ask())
    this.#leave.addEventListener('click', () => {
      if (this.#asking) return this.#asking.abort()
      if (this.#shown) this.#settled.add(this.#shown.id)
      actions.changed()
    })
  }

  /** These are signed in. One that was and has expired since is remembered; one that was signed out is not. */
  of(sessions: readonly Session[]): void {
    for (const [id, known] of this.#known) {
      if (!sessions.some((one) => one.id === id) && !over(known)) this.#known.delete(id)
    }
    for (const session of sessions) {
      if (session.expiresAt === undefined || this.#known.get(session.id)?.session === session) continue
      const known: Known = { session, state: 'far' }
      this.#known.set(session.id, known)
      session.on('expiring', () => {
        known.state = 'near'
        this.#actions.changed()
      })
      session.on('expired', () => void (known.state = 'over'))
    }
  }

  /** `chosen` is the session that writes: its end matters most. */
  paint(chosen: string | undefined): void {
    if (this.#asking) return
    const news = [...this.#known.values()].filter((known) => (known.state === 'near' || over(known)) && !this.#settled.has(known.session.id))
    const told = news.find(({ session }) => session.id === chosen) ?? news.at(-1)
    if (told?.session !== this.#shown) this.#error.hidden = true
    this.#shown = told?.session
    this.#bar.hidden = !told
    if (!told) return
    const who = didWords(told.session.did)
    const text = over(told)
      ? `The session of ${who} has ended. What you have typed is still here: sign again to go on.`
      : `The session of ${who} ends ${soon(told.session.expiresAt ?? 0)}. Sign again, and it goes on as it is.`
    if (this.#text.textContent !== text) this.#text.textContent = text
    this.#leave.textContent = over(told) ? 'Let it be' : 'Later'
  }

  async #ask(): Promise<void> {
    const node = this.#actions.node()
    const session = this.#shown
    if (!node || !session || this.#asking) return
    const { signal } = (this.#asking = new AbortController())
    this.#error.hidden = true
    this.#again.disabled = true
    this.#leave.textContent = 'Cancel'
    this.#text.textContent = session.kind === 'passkey' ? 'Look at what your device asks.' : 'Look at the wallet: it shows what it is asked to sign.'
    try {
      const next = await signAgain(node, session, this.#actions.wallets(), signal)
      // Whoever else signed is signed in as well; then this one's end is still to come.
      if (next.did === session.did) {
        this.#settled.add(session.id)
        if (session.active) await session.revoke().catch(() => {})
      }
      await this.#actions.again(next)
    } catch (error) {
      if (!signal.aborted) {
        failure(this.#error, error)
        this.#error.hidden = false
      }
    } finally {
      this.#asking = undefined
      this.#again.disabled = false
      this.#actions.changed()
    }
  }
}

/** Not to the second: whoever listens to the page would hear nothing else. */
function soon(at: number): string {
  return at - Date.now() < 90_000 ? 'within a minute or so' : fromNow(at)
}

interface Known {
  session: Session
  state: 'far' | 'near' | 'over'
}

function over({ session: { expiresAt }, state }: Known): boolean {
  return state === 'over' || (expiresAt !== undefined && Date.now() >= expiresAt)
}
