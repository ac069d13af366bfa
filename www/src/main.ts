/** The demo page: wires the parts together. It uses the public package and nothing else of the node. */

import type { Document, DocumentSummary } from 'ostrakon'
import { Composer } from './compose.js'
import { DevnetWallet } from './devnet-wallet.js'
import { byId, h } from './dom.js'
import { Identities } from './identity.js'
import { Panel, type Reader } from './panel.js'
import { Session, type Standing } from './session.js'
import { failure, Kept, Offers, Peers } from './shelf.js'
import { count, errorWords, hashToRef, refToHash, shortId } from './words.js'

const FETCH_MS = 20_000
const RETRY_MS = 1500
const LONGEST_RETRY_MS = 30_000
/** Between two lists of what is kept. */
const LIST_MS = 400
/** Living documents change every few seconds; a screen reader hears of it this often. */
const TELL_MS = 12_000

const session = new Session()
const offers = new Offers(byId('offers'))
const kept = new Kept(byId('kept'), { forget, export: exportCar })
const peerList = new Peers(byId('peers'), () => session.askWallet())
const identities = new Identities(byId('you'), byId('ending'), { compose: () => (location.hash = NEW), changed: () => signedIn() })
const field = byId('ref') as HTMLInputElement
const stage = byId('stage')

/** The address of the form for a new document; no id looks like it. */
const NEW = '#new'
/** Between two looks at what waits to be published, while something does. */
const OUTBOX_MS = 2000

let documents: DocumentSummary[] = []
let panel: Panel | undefined
/** Ends the following of the open document. */
let following: AbortController | undefined
/** Ends a load that is still under way. */
let loading: AbortController | undefined

// ---- what the page says of itself -------------------------------------------------------------

const SAYS: Record<Standing, [pill: string, banner: string]> = {
  starting: ['Starting', ''],
  failed: ['Not running', 'The node does not start. It is tried again every few seconds.'],
  connecting: ['Connecting', ''],
  online: ['Online', ''],
  offline: [
    'Offline',
    'No peer answers. Kept documents open from this device; the page joins again by itself when a peer is back.',
  ],
}

let before: Standing = 'starting'

function paint(): void {
  const { standing, node, devnet } = session
  // What could not be had while offline is tried again.
  if (standing === 'online' && before !== 'online' && !panel && !loading && location.hash) void openFromHash()
  before = standing
  const peers = node?.status.peers.length ?? 0
  const [pill, banner] = SAYS[standing]
  const unplugged = !navigator.onLine
  const state = byId('state')
  state.dataset['state'] = standing
  setText(state, standing === 'online' ? `${pill} · ${count(peers, 'peer')}` : pill)
  const note = unplugged
    ? standing === 'online'
      ? 'The browser says it is offline, yet a peer still answers.'
      : `The browser is offline. ${banner}`
    : banner
  const bannerElement = byId('banner')
  setText(bannerElement, note.trim())
  bannerElement.hidden = note === ''
  panel?.standing(standingWords())
  paintLists()
  setText(byId('network'), devnet ? `network ${devnet.network}` : '')
  peerList.show(node)
  peerList.wallet(session.wallet)
}

function paintLists(): void {
  const titles = new Map(session.devnet?.documents.map((offer) => [offer.id, offer.title]))
  for (const [id, title] of titles) if (title) names.set(id, title)
  offers.show(session.devnet, new Set(documents.map((one) => one.id)), panel?.id)
  // By name, so that rows stay where they are while living documents change.
  documents.sort((a, b) => nameOf(a.id).localeCompare(nameOf(b.id)))
  kept.show(documents, session.status, names, panel?.id)
  panel?.rename(nameOf(panel.id))
}

/** What documents are called: as the devnet says, else as their content does. */
const names = new Map<string, string>()
const LONGEST_NAME = 80

function nameOf(id: string, content?: unknown): string {
  const title = typeof content === 'object' && content !== null && 'title' in content ? content.title : undefined
  if (!names.has(id) && typeof title === 'string' && title.trim()) names.set(id, title.trim().slice(0, LONGEST_NAME))
  return names.get(id) ?? shortId(id)
}

function standingWords(): string {
  return session.standing === 'online'
    ? 'following: changes appear as they arrive'
    : 'offline: the state kept on this device'
}

/** Only a changed text is written, so that a live region speaks once. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

let told = 0
function tell(text: string, urgent = true): void {
  if (!urgent && Date.now() - told < TELL_MS) return
  told = Date.now()
  byId('told').textContent = text
}

// ---- opening and following --------------------------------------------------------------------

/** Opens what the address bar names; a failure takes the place of the document. */
async function openFromHash(): Promise<void> {
  const ref = hashToRef(location.hash)
  complain(undefined)
  if (!ref) return close()
  if (location.hash === NEW) return compose()
  if (!session.node) return
  const wait = setTimeout(() => stage.replaceChildren(waiting(ref)), 180)
  try {
    const doc = await load(ref)
    if (doc) show(doc, ref)
  } catch (error) {
    close()
    stage.replaceChildren(refused(ref, error))
  } finally {
    clearTimeout(wait)
  }
}

/** Opens what was typed; a failure is told beside the field and changes nothing else. */
async function openFromField(): Promise<void> {
  const ref = field.value.trim()
  complain(undefined)
  if (!ref) return complain(EMPTY)
  if (!session.node) return complain(STARTING)
  const button = byId('open')
  button.textContent = 'Fetching…'
  try {
    const doc = await load(ref)
    if (!doc) return
    history.pushState(null, '', refToHash(ref))
    field.value = ''
    show(doc, ref)
  } catch (error) {
    complain(error)
  } finally {
    if (!loading) button.textContent = 'Open'
  }
}

const EMPTY = {
  code: 'empty',
  message: 'Paste the id of a document first.',
  hint: 'It starts with k, or with ceramic://',
}
const STARTING = { code: 'starting', message: 'The node is still starting.', hint: 'Try again in a moment.' }

/** The document, or nothing if it is no longer wanted. */
async function load(ref: string): Promise<Document | undefined> {
  loading?.abort()
  const mine = (loading = new AbortController())
  const { signal } = mine
  try {
    const doc = await session.node?.load(ref, { signal, timeout: FETCH_MS })
    return signal.aborted ? undefined : doc
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  } finally {
    if (loading === mine) loading = undefined
  }
}

function show(doc: Document, ref: string): void {
  following?.abort()
  following = new AbortController()
  // Anything but the bare id names one version, which stays as it is.
  const fixed = refToHash(ref) !== `#${doc.id}`
  panel = new Panel(doc, nameOf(doc.id, doc.content), fixed, reader(), () => void look())
  panel.show(doc, standingWords())
  stage.replaceChildren(panel.element)
  document.title = `${nameOf(doc.id, doc.content)} · Ostrakon`
  panel.focus()
  const narrow = matchMedia('(max-width: 59.99rem)').matches
  if (narrow || stage.getBoundingClientRect().top < 0) stage.scrollIntoView({ block: 'start' })
  tell(`Opened, ${count(doc.log.length, 'event')}.`)
  paintLists()
  void refreshKept()
  if (!fixed) void follow(doc, panel, following.signal)
}

/** Ends the pause before following is tried again. */
let wake = (): void => {}

/** Draws each newer state until another document is opened; survives a node that crashes or is replaced. */
async function follow(doc: Document, into: Panel, signal: AbortSignal): Promise<void> {
  let current: Document | undefined = doc
  let pause = RETRY_MS
  while (!signal.aborted) {
    try {
      current ??= await session.node?.load(doc.id, { signal, timeout: FETCH_MS })
      for await (const state of current?.follow({ signal }) ?? []) {
        pause = RETRY_MS
        const arrived = into.show(state, standingWords())
        if (arrived > 0) tell(`${count(arrived, 'new event')} arrived.`, false)
      }
    } catch (error) {
      if (!signal.aborted) console.warn('following was interrupted, trying again:', errorWords(error).code)
    }
    current = undefined
    await new Promise<void>((resolve) => {
      wake = resolve
      setTimeout(resolve, pause)
    })
    pause = Math.min(2 * pause, LONGEST_RETRY_MS)
  }
}

/** The form for a new document, if somebody is signed in who may write one. */
function compose(): void {
  const { node } = session
  const writer = identities.session
  close()
  if (!node || !writer) return
  const made = (doc: Document): void => {
    history.replaceState(null, '', refToHash(doc.id))
    show(doc, doc.id)
    void look()
  }
  const composer = new Composer(node, () => identities.of([writer.did]) ?? writer, identities.all, made, leave)
  stage.replaceChildren(composer.element)
  document.title = 'A new document · Ostrakon'
  if (matchMedia('(max-width: 59.99rem)').matches) stage.scrollIntoView({ block: 'start' })
  composer.focus()
}

function reader(): Reader {
  return { node: session.node, keys: identities.all, writer: (controllers) => identities.of(controllers) }
}

/** Somebody signed in or out. */
function signedIn(): void {
  panel?.readBy(reader())
  if (location.hash === NEW && identities.session && !stage.querySelector('.composer')) compose()
  void look()
}

let looking: ReturnType<typeof setTimeout> | undefined

/** Says what waits to be published, again and again until nothing does. */
async function look(): Promise<void> {
  clearTimeout(looking)
  const waiting = await session.node?.outbox.list().catch(() => undefined)
  if (waiting) identities.waiting(waiting)
  clearTimeout(looking)
  if (waiting?.length) looking = setTimeout(() => void look(), OUTBOX_MS)
}

let devnetWallet: DevnetWallet | undefined

/** Wallets are announced once the devnet has said whether it has one. */
function meetWallet(): void {
  const found = session.devnet?.wallet
  if (!found || devnetWallet) return
  devnetWallet = new DevnetWallet(found.rpc, found.chain)
  void identities.look()
}

function close(): void {
  loading?.abort()
  following?.abort()
  panel = undefined
  document.title = 'Ostrakon'
  stage.replaceChildren(welcome())
  paintLists()
}

/** Closes the document, in the address bar too. */
function leave(): void {
  history.pushState(null, '', location.pathname)
  close()
}

function welcome(): HTMLElement {
  const template = byId('welcome') as HTMLTemplateElement
  const element = h('div', { class: 'welcome' })
  element.append(template.content.cloneNode(true))
  element.querySelector('button')?.addEventListener('click', () => {
    const first = session.devnet?.documents.find((one) => one.living) ?? session.devnet?.documents[0]
    if (first) location.hash = refToHash(first.id)
    else field.focus()
  })
  return element
}

function waiting(ref: string): HTMLElement {
  const cancel = h('button', { type: 'button' }, 'Cancel')
  cancel.addEventListener('click', leave)
  return h(
    'div',
    { class: 'notice', role: 'status' },
    h('p', {}, 'Looking for ', h('code', {}, shortId(ref)), ' on this device and among the peers…'),
    cancel,
  )
}

function refused(ref: string, error: unknown): HTMLElement {
  const { code, message, hint } = errorWords(error)
  const again = h('button', { type: 'button' }, 'Try again')
  again.addEventListener('click', () => void openFromHash())
  return h(
    'div',
    { class: 'notice refused', role: 'alert' },
    h('h2', {}, 'This document could not be opened'),
    h('p', {}, message, ' ', hint),
    h('p', {}, h('code', {}, code), ' ', h('code', {}, shortId(ref))),
    again,
  )
}

function complain(error: unknown): void {
  const box = byId('ref-error')
  box.hidden = error === undefined
  field.setAttribute('aria-invalid', String(error !== undefined))
  if (error === undefined) box.replaceChildren()
  else failure(box, error)
}

// ---- what is kept -----------------------------------------------------------------------------

let refreshing: Promise<void> | undefined
let stale = false

/** Lists what is kept; many changes in a row cost few lists. */
function refreshKept(): Promise<void> {
  stale = true
  refreshing ??= (async () => {
    while (stale) {
      stale = false
      documents = (await session.node?.documents.list().catch(() => undefined)) ?? documents
      paintLists()
      await new Promise((resolve) => setTimeout(resolve, LIST_MS))
    }
    refreshing = undefined
  })()
  return refreshing
}

async function forget(id: string): Promise<void> {
  if (panel?.id === id) leave()
  await kindly(async () => {
    await session.node?.documents.forget(id)
    documents = documents.filter((one) => one.id !== id)
    paintLists()
    tell('Forgotten: the document is gone from this device.')
  })
}

async function exportCar(id: string): Promise<void> {
  await kindly(async () => {
    const bytes = await session.node?.exportCar(id)
    if (!bytes) return
    const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/vnd.ipld.car' }))
    h('a', { href: url, download: `${id}.car` }).click()
    setTimeout(() => URL.revokeObjectURL(url), 10_000)
  })
}

async function importCars(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    await kindly(async () => {
      const ids = (await session.node?.importCar(file)) ?? []
      tell(`Imported ${count(ids.length, 'document')} from ${file.name}.`)
      if (ids[0]) location.hash = refToHash(ids[0])
    })
  }
  void refreshKept()
}

/** Runs what a button asked for; a failure is told beside the list of what is kept. */
async function kindly(work: () => Promise<void>): Promise<void> {
  const box = byId('kept-error')
  box.hidden = true
  try {
    await work()
  } catch (error) {
    failure(box, error)
    box.hidden = false
  }
}

// ---- start ------------------------------------------------------------------------------------

/** Resolves when a service worker answers for this page, or soon anyway: the node's own files should pass through it. */
async function serviceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return
  const container = navigator.serviceWorker
  try {
    const first = !container.controller
    const claimed = new Promise((resolve) => container.addEventListener('controllerchange', resolve, { once: true }))
    const registration = await container.register('sw.js')
    if (!first || registration.active) return
    await Promise.race([claimed, new Promise((resolve) => setTimeout(resolve, 2000))])
    const loaded = performance.getEntriesByType('resource').map((entry) => entry.name)
    const ready = await container.ready
    ready.active?.postMessage({ keep: loaded })
  } catch (error) {
    console.warn('no service worker, so no reload without the server:', error)
  }
}

function listen(): void {
  byId('finder').addEventListener('submit', (event) => {
    event.preventDefault()
    void openFromField()
  })
  // The address bar's hash belongs to documents.
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault()
    stage.focus()
  })
  field.addEventListener('input', () => complain(undefined))
  addEventListener('hashchange', () => void openFromHash())

  const picker = byId('car') as HTMLInputElement
  picker.addEventListener('change', () => {
    void importCars([...(picker.files ?? [])])
    picker.value = ''
  })
  let depth = 0
  const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
  const over = (by: number): void => {
    depth = Math.max(0, depth + by)
    document.body.classList.toggle('dragging', depth > 0)
  }
  addEventListener('dragenter', (event) => carries(event) && over(1))
  addEventListener('dragleave', (event) => carries(event) && over(-1))
  addEventListener('dragover', (event) => carries(event) && event.preventDefault())
  addEventListener('drop', (event) => {
    over(-depth)
    if (!carries(event)) return
    event.preventDefault()
    void importCars([...(event.dataTransfer?.files ?? [])])
  })
}

async function start(): Promise<void> {
  session.changed = () => {
    meetWallet()
    paint()
  }
  session.identities = () => void identities.refresh()
  session.document = () => void refreshKept()
  session.ready = () => {
    void refreshKept()
    void identities.use(session.node)
    wake()
    if (!panel) void openFromHash()
  }
  stage.replaceChildren(welcome())
  listen()
  paint()
  await serviceWorker()
  try {
    await session.start()
  } catch (error) {
    const { code, message, hint } = errorWords(error)
    stage.replaceChildren(
      h(
        'div',
        { class: 'notice refused', role: 'alert' },
        h('h2', {}, 'The node could not start'),
        h('p', {}, message, ' ', hint),
        h('p', {}, h('code', {}, code)),
      ),
    )
  }
}

void start()
