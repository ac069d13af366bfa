//! The keys a `did:key` can name: `z` + base58btc( multicodec varint || key bytes ).
//!
//! Anyone can write any bytes there. Only an ed25519 or P-521 key must be a point of its curve for the DID to resolve;
//! the other curves are, as in js, looked at when a signature is verified, and then strictly. So a `PublicKey` may hold
//! bytes that are no key; nothing ever verifies under them.

use ed25519_dalek::VerifyingKey;
use serde_json::{Value, json};

use super::coordinates::{self, Coordinates, Curve};
use super::{Did, DidError};
use crate::jose::ed25519;

const ED25519: u64 = 0xed;
const X25519: u64 = 0xec;
const SECP256K1: u64 = 0xe7;
const P256: u64 = 0x1200;
const P384: u64 = 0x1201;
const P521: u64 = 0x1202;

/// A key of a DID document.
#[derive(Clone, Debug, PartialEq)]
pub enum PublicKey {
    /// Signs with EdDSA. On its curve and canonically encoded.
    Ed25519(VerifyingKey),
    /// Signs with ES256K. The bytes of the DID, unchecked.
    Secp256k1(Vec<u8>),
    /// Signs with ES256. SEC1 bytes, compressed or not, unchecked.
    P256(Vec<u8>),
    /// Resolves, but no JWS algorithm uses it. SEC1 bytes.
    P384(Vec<u8>),
    /// Resolves, but no JWS algorithm uses it. SEC1 bytes.
    P521(Vec<u8>),
    /// A blockchain account (CAIP-10) and the type of its entry. It signs capabilities, not events.
    Account {
        /// `type` of the entry in the document.
        kind: &'static str,
        /// `namespace:reference:address`.
        account: String,
    },
}

impl PublicKey {
    /// Reads the method-specific id of a `did:key`.
    pub fn from_fingerprint(text: &str) -> Result<PublicKey, DidError> {
        let digits = text
            .strip_prefix('z')
            .ok_or(DidError::Key("not base58btc"))?;
        let bytes = multibase::Base::Base58Btc
            .decode(digits)
            .map_err(|_| DidError::Key("not base58btc"))?;
        let (code, key) =
            unsigned_varint::decode::u64(&bytes).map_err(|_| DidError::Key("no multicodec"))?;
        match code {
            ED25519 => ed25519_key(key).map(PublicKey::Ed25519),
            SECP256K1 => Ok(PublicKey::Secp256k1(key.to_vec())),
            P256 => sec1(key, 32).map(PublicKey::P256),
            P384 => sec1(key, 48).map(PublicKey::P384),
            P521 => {
                let point = Coordinates::read(Curve::P521, key)
                    .ok_or(DidError::Key("not an encoding of a P-521 key"))?;
                if !point.on_curve() {
                    return Err(DidError::Key("not a point of P-521"));
                }
                Ok(PublicKey::P521(key.to_vec()))
            }
            _ => Err(DidError::Key("unknown kind of key")),
        }
    }

    /// The `did:key` of an ed25519 key.
    pub fn did_of_ed25519(key: &VerifyingKey) -> String {
        format!("did:key:{}", fingerprint(ED25519, key.as_bytes()))
    }

    /// The X25519 key that belongs to an ed25519 key: the birational map of its point.
    pub fn key_agreement(&self) -> Option<[u8; 32]> {
        match self {
            PublicKey::Ed25519(key) => Some(key.to_montgomery().to_bytes()),
            _ => None,
        }
    }

    /// Its entry in a DID document, still without `id` and `controller`.
    pub(super) fn to_json(&self) -> Value {
        match self {
            PublicKey::Ed25519(key) => {
                json!({ "type": "Ed25519VerificationKey2018", "publicKeyBase58": base58(key.as_bytes()) })
            }
            PublicKey::Secp256k1(key) => {
                json!({ "type": "Secp256k1VerificationKey2018", "publicKeyBase58": base58(key) })
            }
            PublicKey::P256(key) => coordinates::jwk(Curve::P256, key),
            PublicKey::P384(key) => coordinates::jwk(Curve::P384, key),
            PublicKey::P521(key) => coordinates::jwk(Curve::P521, key),
            PublicKey::Account { kind, account } => {
                json!({ "type": kind, "blockchainAccountId": account })
            }
        }
    }
}

/// `bytes` as base58btc, without the multibase prefix.
pub(super) fn base58(bytes: &[u8]) -> String {
    multibase::Base::Base58Btc.encode(bytes)
}

/// The fragment of a derived key-agreement key.
pub(crate) fn x25519_fingerprint(key: &[u8]) -> String {
    fingerprint(X25519, key)
}

/// The multibase text of a compressed secp256k1 key.
pub(crate) fn secp256k1_fingerprint(key: &[u8]) -> String {
    fingerprint(SECP256K1, key)
}

fn fingerprint(code: u64, key: &[u8]) -> String {
    let mut buffer = unsigned_varint::encode::u64_buffer();
    let mut bytes = unsigned_varint::encode::u64(code, &mut buffer).to_vec();
    bytes.extend_from_slice(key);
    format!("z{}", base58(&bytes))
}

/// The key of an ed25519 `did:key`, canonically encoded. It is not checked to be a point of the curve.
pub(crate) fn canonical_ed25519(did: &Did) -> Option<[u8; 32]> {
    let digits = did
        .id()
        .strip_prefix('z')
        .filter(|_| did.method() == "key")?;
    let bytes = multibase::Base::Base58Btc.decode(digits).ok()?;
    let (code, key) = unsigned_varint::decode::u64(&bytes).ok()?;
    let key = key.try_into().ok().filter(|_| code == ED25519)?;
    is_canonical(&key).then_some(key)
}

fn ed25519_key(bytes: &[u8]) -> Result<VerifyingKey, DidError> {
    let bytes: &[u8; 32] = bytes
        .try_into()
        .map_err(|_| DidError::Key("an ed25519 key has 32 bytes"))?;
    let key =
        VerifyingKey::from_bytes(bytes).map_err(|_| DidError::Key("not a point of ed25519"))?;
    match is_canonical(bytes) {
        true => Ok(key),
        false => Err(DidError::Key("not a canonical point of ed25519")),
    }
}

/// Two encodings of one point would be two DIDs of one key; js refuses them too. The neutral element has no X25519 image.
fn is_canonical(key: &[u8; 32]) -> bool {
    let is_neutral = matches!(key, [1, rest @ ..] if *rest == [0; 31]);
    ed25519::is_canonical(key) && !is_neutral
}

/// Accepts the encodings js does: compressed, uncompressed, or the two coordinates alone; the last gains its SEC1 tag.
fn sec1(key: &[u8], size: usize) -> Result<Vec<u8>, DidError> {
    let double = size.saturating_mul(2);
    match key.split_first() {
        _ if key.len() == double => Ok([&[4], key].concat()),
        Some((2 | 3, x)) if x.len() == size => Ok(key.to_vec()),
        Some((4, xy)) if xy.len() == double => Ok(key.to_vec()),
        _ => Err(DidError::Key("not an encoding of a key of its curve")),
    }
}
