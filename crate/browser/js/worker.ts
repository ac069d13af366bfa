// The dedicated worker: the crash boundary around the node. Whatever goes wrong here outside an answered call ends this
// worker, because a wasm module that trapped can't be trusted again; the page starts another, which resumes from disk.

import { OstrakonError, toWire } from './error.js'
import type { FromWorker, Request, ToWorker } from './wire.js'
import { Share } from './worker-share.js'

const scope = self as unknown as {
  postMessage(message: FromWorker): void
  close(): void
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null
  addEventListener(type: 'error', listener: (event: ErrorEvent) => void): void
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void
}

let share: Share | undefined

function crash(error: unknown): void {
  const last = { ...toWire(error), code: 'worker-crashed' }
  share?.crashed(last)
  scope.postMessage({ event: 'crashed', data: last })
  scope.close()
}

async function start({ id, args: [options] }: Request<'start'>): Promise<void> {
  try {
    if (!('locks' in navigator)) {
      throw new OstrakonError('locks-unavailable', 'this page has no Web Locks, which keep two tabs from opening one database', {
        hint: 'Serve the page over https or from localhost.',
      })
    }
    share = new Share(options, (message) => scope.postMessage(message), crash)
    scope.postMessage({ id, ok: await share.start() })
  } catch (error) {
    scope.postMessage({ id, error: toWire(error) })
  }
}

async function stop(id: number): Promise<void> {
  await share?.stop()
  scope.postMessage({ id, ok: undefined })
  scope.close()
}

scope.addEventListener('error', (event) => crash(event.error ?? event.message))
scope.addEventListener('unhandledrejection', (event) => crash(event.reason))
scope.onmessage = ({ data }) => {
  if ('method' in data && data.method === 'start') void start(data as Request<'start'>)
  else if ('method' in data && data.method === 'stop') void stop(data.id)
  else share?.receive(data)
}
