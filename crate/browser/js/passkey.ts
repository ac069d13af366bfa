// Passkeys (WebAuthn): the browser and the user's device do it all; here is the question and what of the answer matters.

import { base64url, bytesOf } from './did-provider.js'
import { OstrakonError } from './error.js'
import { aborted, Prompt } from './prompt.js'

/** ECDSA on P-256 with SHA-256 (COSE), the only one whose DID Ceramic knows. */
const ES256 = -7

/** What an authenticator signed. All in base64url. */
export interface Assertion {
  /** Of the credential. */
  id: string
  authenticatorData: string
  clientDataJSON: string
  signature: string
}

/** Makes a passkey of this site. Resolves to its id and its public key in DER. */
export async function create(name: string, prompt: Prompt): Promise<{ id: string; publicKey: string }> {
  const random = () => crypto.getRandomValues(new Uint8Array(32))
  const credential = await ceremony(prompt, (credentials, signal) =>
    credentials.create({
      signal,
      publicKey: {
        challenge: random(),
        rp: { id: location.hostname, name: location.hostname },
        user: { id: random(), name, displayName: name },
        pubKeyCredParams: [{ type: 'public-key', alg: ES256 }],
        // Found again by the device itself, without a list of ids, on any device that has it.
        authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
      },
    }),
  )
  const response = credential.response as AuthenticatorAttestationResponse
  const publicKey = response.getPublicKeyAlgorithm?.() === ES256 ? response.getPublicKey() : null
  if (!publicKey) throw new OstrakonError('passkey-unsupported', 'the device made a passkey of another kind than P-256', { hint: 'Another device or security key may.' })
  return { id: base64url(new Uint8Array(credential.rawId)), publicKey: base64url(new Uint8Array(publicKey)) }
}

/** Lets one of the passkeys `ids` sign the challenge (base64url); any of this site's if there is none. */
export async function sign(challenge: string, ids: string[], prompt: Prompt): Promise<Assertion> {
  const credential = await ceremony(prompt, (credentials, signal) =>
    credentials.get({
      signal,
      publicKey: {
        challenge: bytes(challenge),
        rpId: location.hostname,
        allowCredentials: ids.map((id) => ({ type: 'public-key', id: bytes(id) })),
        userVerification: 'required',
      },
    }),
  )
  const { authenticatorData, clientDataJSON, signature } = credential.response as AuthenticatorAssertionResponse
  return {
    id: base64url(new Uint8Array(credential.rawId)),
    authenticatorData: base64url(new Uint8Array(authenticatorData)),
    clientDataJSON: base64url(new Uint8Array(clientDataJSON)),
    signature: base64url(new Uint8Array(signature)),
  }
}

/** Its own dialogue closes when the call ends. */
async function ceremony(prompt: Prompt, work: (credentials: CredentialsContainer, signal: AbortSignal) => Promise<Credential | null>): Promise<PublicKeyCredential> {
  if (typeof PublicKeyCredential === 'undefined' || !navigator.credentials) {
    throw new OstrakonError('passkey-unsupported', 'this browser has no passkeys', { hint: 'They need a page served over https or from localhost.' })
  }
  const close = new AbortController()
  try {
    const credential = await prompt.ask('the passkey', () => work(navigator.credentials, close.signal).catch((cause) => Promise.reject(refusal(cause))))
    if (credential instanceof PublicKeyCredential) return credential
    throw new OstrakonError('passkey-failed', 'the browser answered with no passkey')
  } catch (error) {
    if (prompt.signal?.aborted) throw aborted(prompt.signal)
    throw error
  } finally {
    close.abort()
  }
}

/** By the names that WebAuthn gives its failures. */
function refusal(cause: unknown): OstrakonError {
  const { name, message } = (cause ?? {}) as { name?: unknown; message?: unknown }
  switch (name) {
    case 'NotAllowedError':
      return new OstrakonError('passkey-rejected', 'the user did not let a passkey sign, or there is none', { cause, hint: 'Nothing was changed. Ask again when the user wants it, or create a passkey first.' })
    case 'SecurityError':
      return new OstrakonError('passkey-unsupported', 'this page may not use passkeys', { cause, hint: 'Serve it over https under its own host name, or from localhost; an IP address will not do.' })
    case 'NotSupportedError':
    case 'ConstraintError':
      return new OstrakonError('passkey-unsupported', 'no device at hand makes passkeys of P-256 that ask for the user', { cause, hint: 'Another device or security key may.' })
    default:
      return new OstrakonError('passkey-failed', `the passkey failed: ${String(message ?? cause).slice(0, 300)}`, { cause })
  }
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  try {
    return bytesOf(text)
  } catch (cause) {
    throw new OstrakonError('invalid-argument', 'a passkey’s id is base64url', { cause })
  }
}
