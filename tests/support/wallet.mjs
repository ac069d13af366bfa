// Wallets in a page that do as a test says. Their keys are those of anvil, a real chain; a script may make them lie.

import { startAnvil } from '../../pkg-scripts/lib/anvil.mjs'

/** Starts anvil. `ask(method, params)` gives its answer, or throws as a wallet does. */
export async function startChain() {
  const anvil = await startAnvil()
  if (!anvil) throw new Error('no anvil for this machine: npm run setup says why')
  const ask = async (method, params = []) => {
    const response = await fetch(anvil.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })
    const { result, error } = await response.json()
    if (error) throw new Error(error.message)
    return result
  }
  return { ...anvil, ask, accounts: (await ask('eth_accounts')).map((one) => one.toLowerCase()) }
}

/**
 * Gives the page `makeWallet(script)`, an EIP-1193 provider of anvil's accounts: `script[method](params, honest)` answers in its
 * place, where `honest(...params)` is what anvil says. `asked` gathers what it was asked, `emit(event)` tells listeners. And
 * `makeSolana(script)`, a wallet of the Wallet Standard with a key of its own.
 */
export async function giveWallets(page, chain) {
  await page.exposeFunction('anvil', (method, params) => chain.ask(method, params))
  await page.addInitScript(install)
  await page.evaluate(install)
}

/** Runs in the page, now and after each reload. */
function install() {
  const makeWallet = (script = {}) => {
    const listeners = new Map()
    const wallet = {
      asked: [],
      listeners: () => [...listeners.values()].reduce((all, some) => all + some.size, 0),
      emit: (event) => listeners.get(event)?.forEach((listener) => listener()),
      on: (event, listener) => void (listeners.get(event) ?? listeners.set(event, new Set()).get(event)).add(listener),
      removeListener: (event, listener) => void listeners.get(event)?.delete(listener),
      async request({ method, params }) {
        wallet.asked.push({ method, params })
        const honest = (...params) => anvil(method === 'eth_requestAccounts' ? 'eth_accounts' : method, params)
        return script[method] ? script[method](params, honest, wallet) : honest(...params)
      },
    }
    return wallet
  }
  const LETTERS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  const base58 = (bytes) => {
    let number = bytes.reduce((all, byte) => all * 256n + BigInt(byte), 0n)
    let text = ''
    for (; number > 0n; number /= 58n) text = LETTERS[Number(number % 58n)] + text
    return '1'.repeat(Math.max(0, bytes.findIndex((byte) => byte !== 0))) + text
  }
  /** An ed25519 key of the page: `publicKey`, `did` and `sign(bytes)`. */
  const makeKey = async () => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
    const bytes = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey))
    const sign = async (message) => new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, message))
    return { publicKey: bytes, did: `did:key:z${base58(Uint8Array.of(0xed, 1, ...bytes))}`, address: base58(bytes), sign }
  }
  const makeSolana = async (features = ['solana:signMessage'], script = {}) => {
    const key = await makeKey()
    const account = { address: key.address, publicKey: key.publicKey, chains: ['solana:mainnet'], features }
    const wallet = { version: '1.0.0', name: 'Sol', icon: 'data:image/png;base64,AAAA', chains: ['solana:mainnet'], accounts: [account], asked: [], key }
    const signed = async (message) => {
      wallet.asked.push(new TextDecoder().decode(message))
      return [{ account, signedMessage: message, signature: await key.sign(message), ...(script.signed ? await script.signed(message, key) : {}) }]
    }
    const text = (input) => [
      `${input.domain} wants you to sign in with your Solana account:\n${input.address}\n`,
      ...(input.statement ? [`${input.statement}\n`] : []),
      `URI: ${input.uri}`, `Version: ${input.version}`, `Chain ID: ${input.chainId}`, `Nonce: ${input.nonce}`, `Issued At: ${input.issuedAt}`, `Expiration Time: ${input.expirationTime}`,
      ...(input.resources ? ['Resources:', ...input.resources.map((one) => `- ${one}`)] : []),
    ].join('\n')
    const all = {
      'standard:connect': { version: '1.0.0', connect: async () => ({ accounts: wallet.accounts }) },
      'solana:signMessage': { version: '1.0.0', signMessage: async ({ message }) => signed(message) },
      'solana:signIn': { version: '1.0.0', signIn: async (input) => signed(new TextEncoder().encode(text(input))) },
    }
    wallet.features = Object.fromEntries(['standard:connect', ...features].map((name) => [name, all[name]]))
    return wallet
  }
  Object.assign(globalThis, { makeWallet, makeSolana, makeKey, base58 })
}
