/**
 * The page without its server. Every file of the page comes from the network while that answers, so a
 * new build shows at once, and from the last copy when it does not. `devnet.json` is news, not shell:
 * its last copy is marked with `x-kept`, so that the page never takes it for the devnet's present word.
 */

export {}

/** What is used here of a service worker's scope; the compiler's own types of it exclude those of a page. */
interface Scope {
  readonly registration: { readonly scope: string }
  readonly clients: { claim(): Promise<void> }
  skipWaiting(): Promise<void>
  addEventListener(type: 'install' | 'activate', listener: (event: Lasting) => void): void
  addEventListener(type: 'message', listener: (event: Lasting & { readonly data: unknown }) => void): void
  addEventListener(type: 'fetch', listener: (event: Fetching) => void): void
}
interface Lasting {
  waitUntil(work: Promise<unknown>): void
}
interface Fetching extends Lasting {
  readonly request: Request
  respondWith(answer: Promise<Response>): void
}

const worker = self as unknown as Scope
const CACHE = 'ostrakon-page-1'
/** A page is a handful of files; more are leftovers of older builds, oldest first. */
const MOST_FILES = 60
/** A server that hangs is as good as none, if there is a copy. */
const PATIENCE_MS = 4000

worker.addEventListener('install', (event) => {
  event.waitUntil(worker.skipWaiting())
})

worker.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys())
        if (name.startsWith('ostrakon-page-') && name !== CACHE) await caches.delete(name)
      await worker.clients.claim()
    })(),
  )
})

/** What the page loaded before there was a service worker. */
worker.addEventListener('message', (event) => {
  const { keep } = (event.data ?? {}) as { keep?: unknown }
  if (!Array.isArray(keep)) return
  const files = [worker.registration.scope, ...keep.map(String).filter(isOurs)].slice(0, MOST_FILES)
  event.waitUntil(caches.open(CACHE).then((cache) => Promise.allSettled(files.map((file) => cache.add(file)))))
})

worker.addEventListener('fetch', (event) => {
  const { request } = event
  if (request.method !== 'GET' || request.headers.has('range') || !isOurs(request.url)) return
  event.respondWith(answer(event))
})

function isOurs(url: string): boolean {
  return new URL(url).href.startsWith(worker.registration.scope)
}

async function answer(event: Fetching): Promise<Response> {
  const { request } = event
  const key = request.mode === 'navigate' ? worker.registration.scope : request.url
  const cache = await caches.open(CACHE)
  const fromNetwork = fetch(request)
  const keeping = fromNetwork.then((response) => (response.status === 200 ? keep(cache, key, response.clone()) : undefined))
  event.waitUntil(keeping.catch(() => {})) // no network, or no room: the copy there is stays
  const kept = await cache.match(key)
  if (!kept) return fromNetwork
  const copy = new URL(key).pathname.endsWith('/devnet.json') ? marked(kept) : kept
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<Response>((resolve) => {
    timer = setTimeout(() => resolve(copy), PATIENCE_MS)
  })
  return Promise.race([fromNetwork.then((response) => (response.ok ? response : copy)), late])
    .catch(() => copy)
    .finally(() => clearTimeout(timer))
}

async function keep(cache: Cache, key: string, response: Response): Promise<void> {
  await cache.put(key, response)
  const keys = await cache.keys()
  for (const old of keys.slice(0, Math.max(0, keys.length - MOST_FILES))) await cache.delete(old)
}

function marked(kept: Response): Response {
  const headers = new Headers(kept.headers)
  headers.set('x-kept', 'yes')
  return new Response(kept.body, { headers })
}
