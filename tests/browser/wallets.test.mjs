// Wallets: which are found, what their announcements can and can't do, and how a user signs in with one that is honest, slow,
// fickle or lies.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage } from '../support/chromium.mjs'
import { ready, setUp } from '../support/page.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'

const here = setUp({})
const { withPage } = here
let chain
before(async () => (chain = await startChain()))
after(() => chain?.stop())

const ICON = 'data:image/svg+xml;base64,PHN2Zy8+'

/** Puts `announce` (EIP-6963), `registerWallet` (Wallet Standard) and `ethereum`, a maker of providers, into the page. */
const withWallets = (body, options) =>
  withPage(async (page) => {
    await page.evaluate(() => {
      const ethereum = (accounts = ['0xF39FD6e51aad88F6F4ce6aB8827279cffFb92266'], chain = '0x539') => ({
        asked: [],
        async request({ method }) {
          this.asked.push(method)
          return method === 'eth_chainId' ? chain : accounts
        },
      })
      const announce = (provider, info) => {
        const say = () => dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }))
        addEventListener('eip6963:requestProvider', say)
        say()
      }
      const registerWallet = (wallet) => {
        const callback = ({ register }) => register(wallet)
        dispatchEvent(new CustomEvent('wallet-standard:register-wallet', { detail: callback }))
        addEventListener('wallet-standard:app-ready', ({ detail }) => callback(detail))
      }
      const solana = (name = 'Sol') => ({
        version: '1.0.0',
        name,
        icon: 'data:image/png;base64,AAAA',
        chains: ['solana:mainnet', 'solana:devnet'],
        accounts: [{ address: '5NzpMYnWYnhPAstpDmDx1vDyaQGjV8TnJKmcsYzsAPAh', publicKey: new Uint8Array(32), chains: ['solana:mainnet'], features: ['solana:signMessage'] }],
        features: { 'standard:connect': { connect: async () => ({ accounts: [] }) }, 'solana:signMessage': { signMessage: async () => [] } },
      })
      const shown = (wallets) => wallets.map(({ id, name, icon, kind }) => ({ id, name, kind, ...(icon && { icon }) }))
      Object.assign(globalThis, { announce, registerWallet, ethereum: undefined, makeEthereum: ethereum, makeSolana: solana, shown })
    })
    await body(page)
  }, options)

test('wallets that announce themselves are found once each, with their accounts, and asked for no more than that', () =>
  withWallets(async (page) => {
    const seen = await page.evaluate(async (icon) => {
      const one = makeEthereum()
      announce(one, { uuid: 'u1', rdns: 'org.example.one', name: 'One', icon })
      announce(one, { uuid: 'u1', rdns: 'org.example.one', name: 'One again', icon })
      announce({ ...one }, { uuid: 'u1', rdns: 'org.example.one', name: 'One wrapped', icon })
      announce(makeEthereum(), { uuid: 'u2', rdns: 'org.example.one', name: 'Same name, other wallet', icon })
      globalThis.ethereum = makeEthereum()
      registerWallet(makeSolana())
      const wallets = await ostrakon.discoverWallets()
      const askedBefore = one.asked.length
      const accounts = await Promise.all(wallets.map((wallet) => wallet.accounts()))
      return { wallets: shown(wallets), accounts, askedBefore, asked: one.asked }
    }, ICON)
    assert.deepEqual(seen.wallets, [
      { id: 'org.example.one', name: 'One', kind: 'ethereum', icon: ICON },
      { id: 'org.example.one#2', name: 'Same name, other wallet', kind: 'ethereum', icon: ICON },
      { id: 'solana:Sol', name: 'Sol', kind: 'solana', icon: 'data:image/png;base64,AAAA' },
    ])
    assert.deepEqual(seen.accounts, [
      ['eip155:1337:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'],
      ['eip155:1337:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'],
      ['solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:5NzpMYnWYnhPAstpDmDx1vDyaQGjV8TnJKmcsYzsAPAh'],
    ])
    assert.equal(seen.askedBefore, 0)
    assert.deepEqual(seen.asked, ['eth_accounts', 'eth_chainId'])
  }))

test('window.ethereum is found where nothing is announced, and each of several that share the place', () =>
  withWallets(async (page) => {
    const seen = await page.evaluate(async () => {
      const none = await ostrakon.discoverWallets({ wait: 0 })
      globalThis.ethereum = makeEthereum()
      const one = await ostrakon.discoverWallets({ wait: 0 })
      globalThis.ethereum = { ...makeEthereum(), providers: [makeEthereum(), 'nonsense', makeEthereum()] }
      const two = await ostrakon.discoverWallets({ wait: 0 })
      return [none, one, two].map(shown)
    })
    assert.deepEqual(seen, [
      [],
      [{ id: 'window.ethereum', name: 'Browser wallet', kind: 'ethereum' }],
      [
        { id: 'window.ethereum', name: 'Browser wallet', kind: 'ethereum' },
        { id: 'window.ethereum#2', name: 'Browser wallet', kind: 'ethereum' },
      ],
    ])
  }))

test('a wallet that comes late is told once, until the signal ends the listening', () =>
  withWallets(async (page) => {
    const seen = await page.evaluate(async () => {
      const late = []
      const abort = new AbortController()
      const wallets = await ostrakon.discoverWallets({ wait: 10, onWallet: (wallet) => late.push(wallet), signal: abort.signal })
      const wallet = makeEthereum()
      announce(wallet, { uuid: 'u1', rdns: 'org.late', name: 'Late' })
      announce(wallet, { uuid: 'u1', rdns: 'org.late', name: 'Late' })
      registerWallet(makeSolana('Late too'))
      abort.abort()
      announce(makeEthereum(), { uuid: 'u2', rdns: 'org.too.late', name: 'Too late' })
      registerWallet(makeSolana('Too late'))
      return { wallets, late: shown(late), aborted: await failure(ostrakon.discoverWallets({ signal: abort.signal })) }
    })
    assert.deepEqual(seen.wallets, [])
    assert.deepEqual(seen.late.map(({ id }) => id), ['org.late', 'solana:Late too'])
    assert.equal(seen.aborted.code, 'aborted')
  }))

test('what an announcement can do is bounded: names are cut, icons are data, floods and throwing ones are dropped', () =>
  withWallets(async (page) => {
    const seen = await page.evaluate(async () => {
      const throws = new Proxy({}, { get: () => { throw new Error('boo') } })
      dispatchEvent(new CustomEvent('eip6963:announceProvider')) // before anyone listens
      addEventListener('eip6963:requestProvider', () => {
        const say = (detail) => dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
        for (const detail of [null, 7, {}, throws, { info: null, provider: makeEthereum() }, { info: {}, provider: {} }]) say(detail)
        say({ info: { uuid: 1, rdns: {}, name: '\u202e\u0000 ', icon: 'https://example.org/spy.png' }, provider: makeEthereum() })
        say({ info: { uuid: 2, rdns: 'r'.repeat(1e6), name: 'n'.repeat(1e6), icon: 'data:image/png,' + 'x'.repeat(1e6) }, provider: makeEthereum() })
        say({ info: { uuid: 3, rdns: 'org.script', name: 'Script', icon: 'data:text/html,<script>1</script>' }, provider: makeEthereum() })
        for (let n = 0; n < 1_000; n++) say({ info: { uuid: `f${n}`, rdns: 'org.flood', name: 'Flood' }, provider: makeEthereum() })
      })
      for (const detail of [null, () => { throw new Error('boo') }, ({ register }) => register(null, throws, {}, { ...makeSolana(), chains: ['bitcoin:x'] }, { ...makeSolana(), features: {} })]) {
        addEventListener('wallet-standard:app-ready', () => dispatchEvent(new CustomEvent('wallet-standard:register-wallet', { detail })))
      }
      return shown(await ostrakon.discoverWallets({ wait: 0 }))
    })
    assert.equal(seen.length, 64)
    assert.deepEqual(seen[0], { id: 'wallet', name: 'Unnamed wallet', kind: 'ethereum' })
    assert.deepEqual(seen[1], { id: 'r'.repeat(64), name: 'n'.repeat(64), kind: 'ethereum' })
    assert.deepEqual(seen[2], { id: 'org.script', name: 'Script', kind: 'ethereum' })
    assert.ok(seen.slice(3).every(({ name }) => name === 'Flood'))
  }))

test('a wallet whose accounts are no accounts is refused by name', () =>
  withWallets(async (page) => {
    const codes = await page.evaluate(async () => {
      const bad = [makeEthereum('0xf39f'), makeEthereum(['0xf39f']), makeEthereum([7]), makeEthereum(undefined, 'mainnet'), makeEthereum(undefined, 1)]
      bad.push({ request: async () => { throw { code: 4900 } } }, { request: () => { throw new Error('User rejected the request') } })
      bad.push({ request: () => Promise.reject(undefined) })
      bad.forEach((provider, n) => announce(provider, { uuid: n, rdns: `org.bad${n}`, name: 'Bad' }))
      const wallets = await ostrakon.discoverWallets({ wait: 0 })
      return Promise.all(wallets.map(async (wallet) => (await failure(wallet.accounts())).code))
    })
    const u = 'wallet-unusable'
    assert.deepEqual(codes, [u, u, u, u, u, 'wallet-disconnected', 'wallet-rejected', 'wallet-failed'])
  }))

// ---- signing in ----

/** A page with a node, anvil's accounts as `makeWallet(script)` and a Solana wallet as `makeSolana`. */
const signingIn = (body, options) =>
  withPage(async (page) => {
    await giveWallets(page, chain)
    await page.evaluate(begin)
    await body(page)
  }, options)

/** In the page: a node, and what is shown of a session. */
const begin = async () => {
  globalThis.node = await ostrakon.createNode()
  globalThis.shownSession = ({ did, key, kind, resources, active, expiresAt, createdAt }) => ({ did, key, kind, resources, active, lasts: expiresAt && expiresAt - createdAt })
  /** What is left of a sign-in: sessions, and listeners at the wallet. */
  globalThis.left = async (wallet) => ({ sessions: (await node.sessions()).length, current: node.session === undefined ? 0 : 1, listeners: wallet?.listeners() ?? 0 })
}

const NOTHING = { sessions: 0, current: 0, listeners: 0 }

test('one signature of a wallet opens a session that survives a reload without another', () =>
  signingIn(async (page) => {
    const model = 'kjzl6hvfrbw6c5gxlkfsssqqfqmo8ahu0k3mfr8ysrzxtk0fwhdgqs8wnoxpc8i'
    const seen = await page.evaluate(async (model) => {
      const wallet = makeWallet()
      const events = []
      node.on('session', ({ change, session }) => events.push([change, session.did]))
      const session = await node.connectWallet(wallet, { resources: { models: [model], documents: [] }, expiresIn: '2d', statement: 'Write my posts' })
      const shown = shownSession(session)
      const asked = wallet.asked.map(({ method }) => method)
      const [hex, address] = wallet.asked.find(({ method }) => method === 'personal_sign').params
      const text = new TextDecoder().decode(Uint8Array.from(hex.slice(2).match(/../g), (byte) => parseInt(byte, 16)))
      return { shown, asked, text, address, events, same: node.session === session, left: await left(wallet), host: location.host }
    }, model)
    const [account] = chain.accounts
    assert.equal(seen.shown.did, `did:pkh:eip155:31337:${account}`)
    assert.match(seen.shown.key, /^did:key:z6Mk/)
    assert.deepEqual([seen.shown.kind, seen.shown.resources, seen.shown.active], ['ethereum', [`ceramic://*?model=${model}`], true])
    assert.ok(Math.abs(seen.shown.lasts - 172_800_000) < 60_000)
    assert.equal(seen.address, account)
    const lines = seen.text.split('\n')
    assert.equal(lines[0], `${seen.host} wants you to sign in with your Ethereum account:`)
    assert.equal(lines[1].toLowerCase(), account)
    assert.equal(lines[3], 'Write my posts')
    assert.equal(lines.at(-1), `- ceramic://*?model=${model}`)
    assert.equal(lines.find((line) => line.startsWith('URI: ')), `URI: ${seen.shown.key}`)
    assert.ok(seen.asked.every((method) => ['eth_requestAccounts', 'eth_accounts', 'eth_chainId', 'personal_sign'].includes(method)), seen.asked.join())
    assert.equal(seen.asked.filter((method) => method === 'personal_sign').length, 1)
    assert.deepEqual(seen.events, [['opened', seen.shown.did]])
    assert.ok(seen.same)
    assert.deepEqual(seen.left, { sessions: 1, current: 1, listeners: 0 })
    await ready(page, here.server.url)
    await page.evaluate(begin)
    const again = await page.evaluate(async () => ({ current: shownSession(node.session), all: (await node.sessions()).map(shownSession) }))
    assert.deepEqual(again, { current: seen.shown, all: [seen.shown] })
  }))

/** Each wallet that misbehaves: its script, evaluated in the page; the code of the failure; options. */
const MISBEHAVED = {
  'refuses to show its accounts': [`{ eth_requestAccounts: () => { throw { code: 4001, message: 'User denied account access' } } }`, 'wallet-rejected'],
  'refuses to sign': [`{ personal_sign: () => Promise.reject({ code: 4001, message: 'User rejected the request.' }) }`, 'wallet-rejected'],
  'has another question open': [`{ eth_requestAccounts: () => { throw { code: -32002 } } }`, 'wallet-busy'],
  'fails with nothing at all': [`{ personal_sign: () => Promise.reject() }`, 'wallet-failed'],
  'is locked': [`{ eth_requestAccounts: () => [] }`, 'wallet-no-account'],
  'does not have the account that was asked for': [`{}`, 'wallet-other-account', { account: '0x' + '12'.repeat(20) }],
  'names nonsense as its account': [`{ eth_requestAccounts: () => ['vitalik.eth'] }`, 'wallet-unusable'],
  'names no chain': [`{ eth_chainId: () => null }`, 'wallet-unusable'],
  'changes its account while it signs, and says so': [
    `(() => { let changed = false; return { eth_accounts: async (_, honest) => (changed ? (await honest()).toReversed() : honest()), personal_sign: (_, honest, wallet) => { changed = true; wallet.emit('accountsChanged'); return new Promise(() => {}) } } })()`,
    'wallet-account-changed',
  ],
  'changes its account while it signs, in silence': [
    `(() => { let changed = false; return { eth_accounts: async (_, honest) => (changed ? (await honest()).toReversed() : honest()), personal_sign: (params, honest) => { changed = true; return honest(...params) } } })()`,
    'wallet-account-changed',
  ],
  'changes its chain while it signs, and says so': [
    `(() => { let chain = '0x7a69'; return { eth_chainId: () => chain, personal_sign: (_, honest, wallet) => { chain = '0x1'; wallet.emit('chainChanged'); return new Promise(() => {}) } } })()`,
    'wallet-chain-changed',
  ],
  'changes its chain while it signs, in silence': [`(() => { let chain = '0x7a69'; return { eth_chainId: () => chain, personal_sign: (params, honest) => { chain = '0x1'; return honest(...params) } } })()`, 'wallet-chain-changed'],
  'signs with another of its accounts': [`{ personal_sign: async ([text], honest) => honest(text, (await anvil('eth_accounts', []))[1]) }`, 'session-other-account'],
  'lies about its account': [`{ eth_accounts: () => ['0x' + '12'.repeat(20)], eth_requestAccounts: () => ['0x' + '12'.repeat(20)], personal_sign: async ([text], honest) => honest(text, (await anvil('eth_accounts', []))[0]) }`, 'session-other-text'],
  'signs another text': [`{ personal_sign: async ([text, address], honest) => honest(text + '21', address) }`, 'session-other-text'],
  'answers with a signature that is too short': [`{ personal_sign: async (params, honest) => (await honest(...params)).slice(0, -2) }`, 'session-signature-length'],
  'answers with a signature that is too long': [`{ personal_sign: async (params, honest) => (await honest(...params)) + '00' }`, 'session-signature-length'],
  'answers with no hex': [`{ personal_sign: async () => '0x' + 'zz'.repeat(65) }`, 'session-signature-format'],
  'answers with no text': [`{ personal_sign: async () => ({}) }`, 'wallet-unusable'],
  'answers without end': [`{ personal_sign: async () => '0x' + '00'.repeat(1e6) }`, 'wallet-unusable'],
  'never shows its accounts': [`{ eth_requestAccounts: () => new Promise(() => {}) }`, 'timeout', { timeout: 300 }],
  'never signs': [`{ personal_sign: () => new Promise(() => {}) }`, 'timeout', { timeout: 1_500 }],
}

for (const [what, [script, code, options = {}]] of Object.entries(MISBEHAVED)) {
  test(`a wallet that ${what} fails with ${code} and leaves nothing behind`, () =>
    signingIn(async (page) => {
      const { error, after } = await page.evaluate(
        async ([script, options]) => {
          const wallet = makeWallet((0, eval)(`(${script})`))
          const error = await failure(node.connectWallet(wallet, { resources: ['ceramic://*'], ...options }))
          return { error, after: await left(wallet) }
        },
        [script, options],
      )
      assert.equal(error.code, code, error.message)
      assert.ok(error.isOstrakonError)
      assert.deepEqual(after, NOTHING)
    }))
}

test('a signal ends the wait for a wallet, and what it signs too late opens nothing', () =>
  signingIn(async (page) => {
    const seen = await page.evaluate(async () => {
      let sign
      const asked = new Promise((resolve) => (globalThis.told = resolve))
      const wallet = makeWallet({ personal_sign: (params, honest) => new Promise((resolve) => ((sign = async () => resolve(await honest(...params))), told())) })
      const abort = new AbortController()
      const attempt = failure(node.connectWallet(wallet, { resources: ['ceramic://*'], signal: abort.signal }))
      await asked
      abort.abort('enough')
      const error = await attempt
      await sign()
      await new Promise((resolve) => setTimeout(resolve, 200))
      return { error, after: await left(wallet) }
    })
    assert.deepEqual([seen.error.code, seen.error.cause], ['aborted', 'enough'])
    assert.deepEqual(seen.after, NOTHING)
  }))

test('a statement that is not one line of ASCII, or huge, is refused before anybody is asked to sign it', () =>
  signingIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const wallet = makeWallet()
      const codes = []
      for (const statement of ['Grüß Gott', 'two\nlines', 'x'.repeat(100_000), '']) {
        codes.push((await failure(node.connectWallet(wallet, { resources: ['ceramic://*'], statement }))).code)
      }
      codes.push((await failure(node.connectWallet(wallet, { resources: ['not a resource'] }))).code)
      return { codes, signed: wallet.asked.filter(({ method }) => method === 'personal_sign').length, after: await left(wallet) }
    })
    assert.deepEqual(seen.codes, ['session-statement', 'session-statement', 'session-too-large', 'session-statement', 'session-resource'])
    assert.equal(seen.signed, 0)
    assert.deepEqual(seen.after, NOTHING)
  }))

test('the same wallet gives the same did:key on any device, and another account another one', () =>
  signingIn(async (page) => {
    const connect = (page, account) =>
      page.evaluate(async (account) => {
        const wallet = makeWallet()
        const session = await node.connectWallet(wallet, { kind: 'key', ...(account && { account }) })
        return { ...shownSession(session), prompts: wallet.asked.filter(({ method }) => method === 'personal_sign').length }
      }, account)
    const first = await connect(page)
    assert.deepEqual([first.kind, first.key, first.resources, first.lasts, first.prompts], ['key', first.did, [], undefined, 2])
    assert.deepEqual(await connect(page), { ...first, prompts: 1 })
    assert.match(first.did, /^did:key:z6Mk/)
    assert.notEqual((await connect(page, chain.accounts[1])).did, first.did)
    await signingIn(async (other) => assert.equal((await connect(other)).did, first.did))
  }))

test('a wallet that signs as another account, or differently each time, gets no key', () =>
  signingIn(async (page) => {
    const seen = await page.evaluate(async () => {
      // The text with a key of our own: valid, but of nobody who was asked.
      const other = makeWallet({ personal_sign: async ([text], honest) => honest(text, (await anvil('eth_accounts', []))[1]) })
      let times = 0
      const fickle = await makeSolana(undefined, { signed: async (message, key) => (times++ > 0 ? { signature: await key.sign(Uint8Array.of(...message, 1)) } : {}) })
      return [other, fickle].reduce(async (all, wallet) => [...(await all), (await failure(node.connectWallet(wallet, { kind: 'key' }))).code], []).then(async (codes) => ({ codes, after: await left(other) }))
    })
    assert.deepEqual(seen.codes, ['key-signature', 'key-signature'])
    assert.deepEqual(seen.after, NOTHING)
  }))

for (const feature of ['solana:signMessage', 'solana:signIn']) {
  test(`a Solana wallet opens a session by ${feature}`, () =>
    signingIn(async (page) => {
      const seen = await page.evaluate(async (feature) => {
        const wallet = await makeSolana([feature])
        const session = await node.connectWallet(wallet, { resources: ['ceramic://*'], statement: 'Write it all' })
        return { shown: shownSession(session), text: wallet.asked[0], asked: wallet.asked.length, address: wallet.key.address }
      }, feature)
      assert.equal(seen.shown.did, `did:pkh:solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:${seen.address}`)
      assert.equal(seen.shown.kind, 'solana')
      assert.equal(seen.asked, 1)
      assert.match(seen.text, /wants you to sign in with your Solana account:\n/)
    }))
}

test('a Solana wallet that signs another text, with another key, or nonsense opens nothing', () =>
  signingIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const scripts = [
        async (message) => ({ signedMessage: Uint8Array.of(0xff, ...message) }),
        async (message) => ({ signature: await (await makeKey()).sign(message) }),
        async () => ({ signature: new Uint8Array(63) }),
        async () => ({ signature: new Uint8Array(64) }),
        async () => ({ signature: 'text' }),
        async () => { throw new Error('User rejected the request.') },
      ]
      const codes = []
      for (const signed of scripts) codes.push((await failure(node.connectWallet(await makeSolana(undefined, { signed }), { resources: ['ceramic://*'] }))).code)
      return { codes, after: await left() }
    })
    assert.deepEqual(seen.codes, ['wallet-other-text', 'session-other-text', 'session-signature-length', 'session-other-text', 'wallet-unusable', 'wallet-rejected'])
    assert.deepEqual(seen.after, NOTHING)
  }))

// ---- the life of a session ----

test('a session revoked in one tab is gone in the other, and after a reload', () =>
  here.withTabs(2, async ([first, second]) => {
    for (const page of [first, second]) await giveWallets(page, chain)
    await second.evaluate(() => {
      globalThis.events = []
      node.on('session', ({ change }) => events.push(change))
    })
    await first.evaluate(async () => void (globalThis.session = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'] })))
    await second.waitForFunction(() => node.session?.active)
    const heard = await first.evaluate(async () => {
      const heard = []
      session.on('revoked', () => heard.push('revoked'))
      await session.revoke()
      await session.revoke().catch(() => {})
      return { heard, active: session.active, write: (await failure(node.create('tile', { content: {}, }, { session }))).code, current: node.session ?? null }
    })
    assert.deepEqual(heard, { heard: ['revoked'], active: false, write: 'session-ended', current: null })
    await second.waitForFunction(() => events.includes('revoked'))
    assert.deepEqual(await second.evaluate(async () => [events, (await node.sessions()).length, node.session ?? null]), [['opened', 'revoked'], 0, null])
    await ready(first, here.server.url)
    assert.equal(await first.evaluate(async () => (await (await ostrakon.createNode()).sessions()).length), 0)
  }))

test('a session says that its end is near, and that it has come; then it writes no more', () =>
  signingIn(async (page) => {
    const seen = await page.evaluate(async () => {
      const session = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'], expiresIn: 3 })
      const heard = []
      const expired = new Promise((resolve) => session.on('expired', resolve))
      session.on('expiring', (one) => heard.push(['expiring', one.active]))
      await Promise.race([expired, new Promise((_, reject) => setTimeout(reject, 10_000, new Error('it never expired')))])
      const late = []
      session.on('expiring', () => late.push('expiring'))
      return { heard, late, active: session.active, code: (await failure(node.create('tile', { content: {} }, { session }))).code, current: node.session ?? null }
    })
    assert.deepEqual(seen, { heard: [['expiring', true]], late: [], active: false, code: 'session-ended', current: null })
  }))

test('who begins to listen in a tab that came later is told once that the end is near', () =>
  here.withTabs(1, async ([first], context) => {
    await giveWallets(first, chain)
    await first.evaluate(async () => {
      const session = await node.connectWallet(makeWallet(), { resources: ['ceramic://*'], expiresIn: 40 })
      await new Promise((resolve) => session.on('expiring', resolve))
    })
    const second = await ready(await openPage(here.browser, undefined, { context }), here.server.url)
    const heard = await second.evaluate(async () => {
      const node = await ostrakon.createNode()
      const heard = []
      node.on('session', ({ change }) => heard.push(`node ${change}`))
      const [session] = await node.sessions()
      session.on('expiring', () => heard.push('one'))
      session.on('expiring', () => heard.push('two'))
      await new Promise((resolve) => setTimeout(resolve, 100))
      session.on('expiring', () => heard.push('three'))
      await new Promise((resolve) => setTimeout(resolve, 100))
      return heard
    })
    assert.deepEqual(heard, ['one', 'two', 'node expiring', 'three'])
  }))
