//! The protected header of a JWS: UTF-8 JSON, of which `alg`, `kid` and `cap` mean something.

use cid::Cid;
use serde_json::Value;

use super::JoseError;

/// Longest protected header that is parsed, in bytes. Those in use have about 250.
pub const MAX_PROTECTED_BYTES: usize = 8_192;

/// The algorithms that are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519; did-jwt calls it `Ed25519` as well.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on secp256k1 with SHA-256.
    Es256k,
    /// The same, with the key recovered from the signature: did-jwt's own extension.
    Es256kR,
}

impl Algorithm {
    fn of_name(name: &str) -> Option<Algorithm> {
        match name {
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDsa),
            "ES256" => Some(Algorithm::Es256),
            "ES256K" => Some(Algorithm::Es256k),
            "ES256K-R" => Some(Algorithm::Es256kR),
            _ => None,
        }
    }
}

/// What a protected header says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// How it is signed.
    pub alg: Algorithm,
    /// The DID URL of the key; only its DID counts.
    pub kid: String,
    /// The capability the signer acts under: `cap` without its `ipfs://`.
    pub cap: Option<Cid>,
}

impl Header {
    /// Parses the bytes of a protected header. Unknown fields are ignored, as in js.
    pub fn parse(bytes: &[u8]) -> Result<Header, JoseError> {
        if bytes.len() > MAX_PROTECTED_BYTES {
            return Err(JoseError::HeaderTooLong(bytes.len()));
        }
        let json: Value =
            serde_json::from_slice(bytes).map_err(|_| JoseError::Header("not JSON"))?;
        let object = json.as_object().ok_or(JoseError::Header("not an object"))?;
        let kid = match object.get("kid") {
            Some(Value::String(kid)) if !kid.is_empty() => kid.clone(),
            None | Some(Value::Null | Value::String(_)) => return Err(JoseError::NoKid),
            Some(_) => return Err(JoseError::Header("kid is not a text")),
        };
        let alg = match object.get("alg") {
            Some(Value::String(alg)) => {
                Algorithm::of_name(alg).ok_or_else(|| JoseError::Algorithm(alg.clone()))?
            }
            _ => return Err(JoseError::Header("alg is not a text")),
        };
        let cap = match object.get("cap") {
            None | Some(Value::Null) => None,
            Some(Value::String(cap)) if cap.is_empty() => None,
            Some(Value::String(cap)) => Some(
                Cid::try_from(cap.strip_prefix("ipfs://").unwrap_or(cap))
                    .map_err(|_| JoseError::Header("cap is not a CID"))?,
            ),
            Some(_) => return Err(JoseError::Header("cap is not a text")),
        };
        Ok(Header { alg, kid, cap })
    }
}
