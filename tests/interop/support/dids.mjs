// DIDs of the real `dids`, and a provider for them that Ostrakon answers (EIP-2844).
import { DID } from 'dids'
import { Ed25519Provider } from 'key-did-provider-ed25519'
import { resolver } from './ceramic.mjs'
import { base64, fresh, now } from './ostrakon.mjs'

/** Somebody new: the seed, and a DID of `dids` that signs with it. */
export async function somebody(seed = fresh()) {
  const did = new DID({ provider: new Ed25519Provider(seed), resolver })
  await did.authenticate()
  return { seed: base64(seed), did }
}

/** The same, but every signature and every decryption is Ostrakon's. */
export async function somebodyByOstrakon(ostrakon, seed) {
  const answers = {
    did_authenticate: ({ nonce, aud, paths }) => ostrakon.ask('authenticate', { seed, nonce, aud, paths, now: now() }),
    did_createJWS: async ({ payload, protected: header }) => ({ jws: await ostrakon.ask('sign', { seed, payload, protected: header }) }),
    did_decryptJWE: async ({ jwe }) => ({ cleartext: await ostrakon.ask('decrypt', { seed, jwe }) }),
  }
  const provider = {
    isDidProvider: true,
    async send({ id, method, params }) {
      return { jsonrpc: '2.0', id, result: await answers[method](params) }
    },
  }
  const did = new DID({ provider, resolver })
  await did.authenticate()
  return did
}
