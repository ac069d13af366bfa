// Wallets with keys of their own, as a page meets them: EIP-1193 for Ethereum, `signMessage` for Solana; and a passkey.
import { createHash } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519'
import { p256 } from '@noble/curves/p256'
import { secp256k1 } from '@noble/curves/secp256k1'
import { keccak_256 } from '@noble/hashes/sha3'
import { base58btc } from 'multiformats/bases/base58'

const hex = (bytes) => Buffer.from(bytes).toString('hex')

/** An account of Ethereum, chain 1, that signs whatever it is shown. */
export function ethereum() {
  const secret = secp256k1.utils.randomPrivateKey()
  const address = `0x${hex(keccak_256(secp256k1.getPublicKey(secret, false).subarray(1)).subarray(-20))}`
  const personalSign = (message) => {
    const hash = keccak_256(Buffer.concat([Buffer.from(`\x19Ethereum Signed Message:\n${message.length}`), message]))
    const signature = secp256k1.sign(hash, secret)
    return `0x${signature.toCompactHex()}${(27 + signature.recovery).toString(16)}`
  }
  const answers = {
    eth_chainId: () => '0x1',
    eth_getCode: () => '0x',
    personal_sign: ([message]) => personalSign(Buffer.from(message.slice(2), 'hex')),
  }
  return {
    address,
    account: `eip155:1:${address}`,
    sign: (text) => personalSign(Buffer.from(text)),
    request: async ({ method, params }) => answers[method](params),
  }
}

/** An account of Solana. */
export function solana() {
  const secret = ed25519.utils.randomPrivateKey()
  const address = base58btc.baseEncode(ed25519.getPublicKey(secret))
  const chain = '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
  const sign = (message) => ed25519.sign(message, secret)
  return {
    address,
    chain,
    account: `solana:${chain}:${address}`,
    sign: (text) => sign(Buffer.from(text)),
    // One library wants the bytes, the other an object around them.
    signMessage: async (message) => Object.assign(sign(message), { signature: sign(message) }),
  }
}

/** An authenticator with one passkey of `host`, whose user always agrees. */
export function passkey(host) {
  const secret = p256.utils.randomPrivateKey()
  const hash = (bytes) => createHash('sha256').update(bytes).digest()
  const did = `did:key:z${base58btc.baseEncode(Buffer.concat([Buffer.of(0x80, 0x24), p256.getPublicKey(secret, true)]))}`
  const sign = (challenge) => {
    const client = Buffer.from(JSON.stringify({ type: 'webauthn.get', challenge: Buffer.from(challenge).toString('base64url'), origin: `https://${host}`, crossOrigin: false }))
    const authenticator = Buffer.concat([hash(host), Buffer.of(5, 0, 0, 0, 1)])
    const signature = p256.sign(hash(Buffer.concat([authenticator, hash(client)])), secret).toDERRawBytes()
    return { signature, authenticator, client }
  }
  /** `navigator.credentials`. */
  const credentials = {
    async get({ publicKey }) {
      const { signature, authenticator, client } = sign(publicKey.challenge)
      const plain = (bytes) => new Uint8Array(bytes)
      return { response: { signature: plain(signature), authenticatorData: plain(authenticator), clientDataJSON: plain(client) } }
    },
  }
  return { did, sign, credentials }
}
