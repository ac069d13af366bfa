// A 3ID in the page: names of sessions go to the worker, which has the keys.

import type { Client } from './client.js'
import { OstrakonError } from './error.js'
import type { Sessions } from './session.js'
import type * as T from './types.js'

export class ThreeIds implements T.ThreeIds {
  constructor(
    private readonly client: Client,
    private readonly sessions: Sessions,
  ) {}

  async create(key: T.Session, name: string, options?: T.CallOptions): Promise<T.Session> {
    return this.sessions.opened(await this.client.call('createThreeId', [of(key), String(name)], options))
  }

  async open(key: T.Session, options?: T.CallOptions): Promise<T.Session> {
    return this.sessions.opened(await this.client.call('openThreeId', [of(key)], options))
  }

  async wallets(session: T.Session, options?: T.CallOptions): Promise<T.ThreeIdWallet[]> {
    return this.client.call('threeIdWallets', [of(session)], options)
  }

  async addWallet(session: T.Session, key: T.Session, name: string, options?: T.CallOptions): Promise<void> {
    return this.client.call('addThreeIdWallet', [of(session), of(key), String(name)], options)
  }

  async rotate(session: T.Session, without: string[] = [], options?: T.CallOptions): Promise<boolean> {
    if (!Array.isArray(without) || !without.every((did) => typeof did === 'string')) throw new OstrakonError('invalid-argument', 'without is a list of DIDs of wallets')
    return this.client.call('rotateThreeId', [of(session), without], options)
  }

  async finish(session: T.Session, options?: T.CallOptions): Promise<boolean> {
    return this.client.call('finishThreeIdRotation', [of(session)], options)
  }
}

function of(session: T.Session): string {
  if (typeof session?.id === 'string') return session.id
  throw new OstrakonError('invalid-argument', 'a session is what node.connectWallet resolved to')
}
