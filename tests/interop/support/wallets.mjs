// Wallets with keys of their own, as a page meets them: EIP-1193 for Ethereum, `signMessage` for Solana.
import { ed25519 } from '@noble/curves/ed25519'
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
