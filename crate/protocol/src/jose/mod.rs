//! Signatures: JWS as Ceramic events carry them (RFC 7515, as dids 5 verifies it); and encryption ([`jwe`]).
//!
//! A hostile sender chooses the header, the signature and, through the `kid`, the key. [`MAX_PROTECTED_BYTES`] bounds
//! the header before it is parsed; an algorithm is taken from a fixed list and must fit the kind of key; exactly one
//! signature is looked at. The bytes that were received are what is verified, never bytes written anew.
//!
//! What is *not* checked is part of the protocol too: the fragment of the `kid` (every key of the signer's document
//! counts), and whether an ECDSA signature is the lower of its two forms. Envelopes are therefore malleable: their CIDs,
//! not those of their payloads, tell events apart.

pub(crate) mod ed25519;
mod header;
pub mod jwe;
pub mod jws;
mod many;
mod sign;
mod signature;

use cid::Cid;

use crate::did::{self, DidError};
use crate::event::Envelope;

pub use header::{Algorithm, Header, MAX_PROTECTED_BYTES};
pub use many::{MAX_BATCH, verify_envelopes};
pub use sign::{AUTHENTICATION_SECONDS, Ed25519Signer};
pub use signature::verify;

/// Why a signature, or what surrounds it, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Not one signature, but none or several.
    #[error("an event carries exactly one signature, not {0}")]
    SignatureCount(usize),
    /// The protected header is longer than [`MAX_PROTECTED_BYTES`].
    #[error("a protected header of {0} bytes is longer than {MAX_PROTECTED_BYTES}")]
    HeaderTooLong(usize),
    /// The protected header is not a JSON object with the fields it needs.
    #[error("the protected header is malformed: {0}")]
    Header(&'static str),
    /// An `alg` that is not verified here, `none` among them.
    #[error("the algorithm {0:?} is not supported")]
    Algorithm(String),
    /// The header names no key.
    #[error("the protected header has no kid")]
    NoKid,
    /// The DID in the `kid` does not resolve.
    #[error("the signer does not resolve: {0}")]
    Signer(#[from] DidError),
    /// No key of the signer made this signature.
    #[error("the signature does not verify")]
    Signature,
    /// Text or block that is not a JWS.
    #[error("not a JWS: {0}")]
    Format(&'static str),
}

impl JoseError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SignatureCount(_) => "jws-signature-count",
            Self::HeaderTooLong(_) => "jws-header-too-long",
            Self::Header(_) => "jws-header",
            Self::Algorithm(_) => "jws-algorithm",
            Self::NoKid => "jws-no-kid",
            Self::Signer(inner) => inner.code(),
            Self::Signature => "jws-signature",
            Self::Format(_) => "jws-format",
        }
    }
}

/// Who signed, once the signature has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signer {
    /// The signer's DID, without path, query or fragment.
    pub did: String,
    /// The capability the signer claims to act under, not yet looked at.
    pub cap: Option<Cid>,
}

/// Verifies the one signature of an event's envelope against every key of the DID its `kid` names.
///
/// That the signer may write to the document is not decided here: compare [`Signer::did`] with the controller.
pub fn verify_envelope(envelope: &Envelope) -> Result<Signer, JoseError> {
    match envelope.signatures.as_slice() {
        [one] => verify_one(&envelope.payload.to_bytes(), &one.protected, &one.signature),
        other => Err(JoseError::SignatureCount(other.len())),
    }
}

/// Verifies one signature over `payload` under the `protected` header, as received.
pub(crate) fn verify_one(
    payload: &[u8],
    protected: &[u8],
    signature: &[u8],
) -> Result<Signer, JoseError> {
    let header = Header::parse(protected)?;
    let document = did::resolve(&header.kid)?;
    let input = signing_input(protected, payload);
    document
        .methods
        .iter()
        .any(|method| verify(&input, header.alg, signature, &method.key).is_ok())
        .then(|| Signer {
            did: document.did.to_string(),
            cap: header.cap,
        })
        .ok_or(JoseError::Signature)
}

/// What is signed: `base64url(protected) "." base64url(payload)`.
pub fn signing_input(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut input = base64(protected);
    input.push(b'.');
    input.extend_from_slice(&base64(payload));
    input
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    data_encoding::BASE64URL_NOPAD.encode(bytes).into_bytes()
}

#[cfg(test)]
mod tests;
