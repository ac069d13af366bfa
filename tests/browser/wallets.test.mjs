// Which wallets are found, and what their announcements can and can't do.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from '../support/page.mjs'

const here = setUp({})
const { withPage } = here

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
