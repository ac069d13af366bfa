/** Plain words and short forms for what a doc-chain says. */

import type { Capability, LogEntry, Session } from 'ostrakon'

/** Every CID of a kind starts alike, so the end is what tells two apart. */
export function shortCid(cid: string): string {
  return cid.length > 18 ? `${cid.slice(0, 4)}…${cid.slice(-8)}` : cid
}

export function shortId(id: string): string {
  return id.length > 24 ? `${id.slice(0, 9)}…${id.slice(-8)}` : id
}

export function shortDid(did: string): string {
  const bare = did.split(/[?#]/, 1)[0] ?? did
  const start = bare.startsWith('did:key:') ? 12 : 14
  return bare.length > start + 9 ? `${bare.slice(0, start)}…${bare.slice(-6)}` : bare
}

/** Decimal units, as operating systems count disk space. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, 'kB'] : bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB']
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en-GB')} ${n === 1 ? one : many}`
}

const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })

/** Unix seconds as a date in UTC. A chain may carry any number, so one that is no date stays a number. */
export function date(unix: number): string {
  const at = new Date(unix * 1000)
  return Number.isNaN(at.getTime()) ? `second ${unix}` : `${DATE.format(at)} UTC`
}

export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB')
}

const TYPES: Record<string, string> = { 'caip10-link': 'CAIP-10 link', MID: 'model instance' }

export function typeWords(type: string): string {
  return (Object.hasOwn(TYPES, type) && TYPES[type]) || type
}

export const KINDS = { init: 'Init', data: 'Data', time: 'Time' } as const

/** What is known of when the event was there: a short word for it, and a sentence. */
export function timeWords(entry: LogEntry): { word: string; sentence: string } {
  const { status, at, block, by, chain } = entry.time
  const where = chain ? ` on ${chainName(chain)}` : ''
  if (status === 'proven') {
    const when = at === undefined ? `a transaction${where} dates it` : `existed by ${date(at)}`
    const which = block === undefined ? where : `, block ${block.toLocaleString('en-GB')}${where}`
    return { word: 'Proven', sentence: `${when}${at === undefined ? '' : which}${by?.length ? `, says ${list(by.map(source))}` : ''}` }
  }
  if (status === 'claimed') {
    const why = entry.time.doubt ? `nobody could confirm it (${entry.time.doubt.message})` : 'no blockchain has confirmed it here'
    return { word: 'Claimed', sentence: `anchored${where}, but ${why}` }
  }
  return {
    word: 'No time',
    sentence: entry.kind === 'time' ? 'its anchor says nothing about when' : 'no anchor covers it yet',
  }
}

const CHAINS: Record<string, string> = {
  'eip155:1': 'Ethereum',
  'eip155:5': 'Görli',
  'eip155:100': 'Gnosis',
  'eip155:1337': 'a local test chain',
  'eip155:31337': 'the devnet’s test chain',
  'eip155:11155111': 'Sepolia',
  'inmemory:12345': 'a chain that was only pretended',
}

export function chainName(chain: string): string {
  return (Object.hasOwn(CHAINS, chain) && CHAINS[chain]) || chain
}

function source(name: string): string {
  if (name === 'wallet') return 'your wallet'
  return name === location.host ? 'the devnet’s recording of that chain' : name
}

/** As in a sentence: “a, b and c”. */
function list(items: string[]): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

const WALLETS: Record<string, string> = {
  ethereum: 'an Ethereum wallet',
  solana: 'a Solana wallet',
  tezos: 'a Tezos wallet',
  stacks: 'a Stacks wallet',
  passkey: 'a passkey',
}

/** What a session may write, until when, and what it never can. */
export function mayWords({ kind, resources, expiresAt }: Session): { may: string; until: string; never: string } {
  const own = resources.length === 0
  return {
    may: own ? 'May write everything that is its own' : `May write ${list(resources.map((uri) => (uri === 'ceramic://*' ? 'every document of the account' : resource(uri))))}`,
    until: expiresAt === undefined ? 'It does not end by itself' : `Until ${date(expiresAt / 1000)}, ${fromNow(expiresAt)}`,
    never: kind === 'ethereum' || kind === 'solana' ? 'It cannot spend, nor sign anything else in the wallet’s name' : '',
  }
}

const SPANS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

/** “in 7 days”, from unix milliseconds. */
export function fromNow(at: number): string {
  const left = at - Date.now()
  const [unit, length] = SPANS.find(([, length]) => Math.abs(left) >= 1.5 * length) ?? ['minute', 60_000]
  return new Intl.RelativeTimeFormat('en-GB', { numeric: 'auto' }).format(Math.round(left / length), unit)
}

/** The DID of a session as a person knows it: the account, or the key. */
export function didWords(did: string): string {
  return did.startsWith('did:pkh:') ? shortAccount(did) : shortDid(did)
}

/** Whose leave a key wrote by, for what, and until when. */
export function leaveWords({ issuer, kind, resources, expires }: Capability): string {
  const wallet = (kind && Object.hasOwn(WALLETS, kind) && WALLETS[kind]) || 'a wallet'
  const whose = kind === 'passkey' ? wallet : `${wallet}, ${shortAccount(issuer)},`
  const what = resources.length > 3 ? count(resources.length, 'kind of document', 'kinds of document') : list(resources.map(resource))
  return `by leave of ${whose} to write ${what}, ${expires === undefined ? 'without end' : `until ${date(expires)}`}`
}

/** What one resource of a capability means. */
function resource(uri: string): string {
  const rest = uri.replace(/^ceramic:\/\//, '')
  if (rest === '*') return 'every document'
  if (rest.startsWith('*?model=')) return `every instance of the model ${shortId(rest.slice(8))}`
  return rest.includes('?payload=') ? 'one event' : shortId(rest)
}

/** The account of a `did:pkh`, as wallets show it. */
export function shortAccount(did: string): string {
  const account = did.split(':').at(-1) ?? did
  return account.length > 14 ? `${account.slice(0, 6)}…${account.slice(-4)}` : account
}

const CHECKS: Record<string, [label: string, meaning: string]> = {
  hash: ['bytes', 'The bytes hash to this CID'],
  link: ['link', 'It follows the event before it'],
  signature: ['signature', 'The signature is good, and its key may write this document'],
  capability: ['capability', 'The controller gave this key leave to write, for this document and this time'],
  rules: ['rules', 'The document type allows what it does'],
  'witness-path': ['anchor path', 'The proof’s Merkle tree leads to the event before this one'],
  transaction: ['transaction', 'A blockchain holds the transaction that the proof names, and it carries the proof’s root'],
}

/** One check by name; a name that a newer package brings is shown as it is. */
export function checkWords(check: string): { label: string; meaning: string } {
  const [label, meaning] = (Object.hasOwn(CHECKS, check) && CHECKS[check]) || [
    check.replaceAll('-', ' '),
    `Checked: ${check}`,
  ]
  return { label, meaning }
}

/** `ceramic://` adds nothing in an address bar. */
export function refToHash(ref: string): string {
  return `#${ref.trim().replace(/^(ceramic:\/\/|\/ceramic\/)/, '')}`
}

/** The reference that the address bar holds, or nothing. */
export function hashToRef(hash: string): string | undefined {
  const text = hash.replace(/^#/, '')
  if (!text) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Code, message (a whole sentence) and hint of whatever was thrown. */
export function errorWords(error: unknown): { code: string; message: string; hint: string } {
  const e = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as Record<string, unknown>
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    code: text(e['code']) || text(e['name']) || 'unknown',
    message: (text(e['message']) || 'Something went wrong').replace(/(?<=[^.!?…])$/, '.'),
    hint: text(e['hint']),
  }
}
