//! One signature under one key.
//!
//! **Ed25519.** S must be below the group order. The check is the one RFC 8032 allows as sufficient, without the
//! cofactor, on the bytes of R as received (`ed25519-dalek`'s `verify`, which ceramic-one uses as well). js-ceramic's
//! library checks with the cofactor (ZIP-215). Whatever an honest signer makes passes both; the two differ only for a
//! signature whose own signer put a point of small order into it, and such a signature is refused here. `verify_strict`
//! would refuse keys that js accepts, and gain nothing: a weak key is its owner's own.
//!
//! **ECDSA.** Both forms of a signature, s and −s, are valid (trap 10).

use ed25519_dalek::Verifier as _;
use k256::ecdsa::RecoveryId;
use sha2::{Digest as _, Sha256};

use super::{Algorithm, JoseError};
use crate::did::key::PublicKey;

/// Verifies `signature` over `signing_input`. An algorithm that does not fit the key is an invalid signature.
pub fn verify(
    signing_input: &[u8],
    alg: Algorithm,
    signature: &[u8],
    key: &PublicKey,
) -> Result<(), JoseError> {
    let valid = match (alg, key) {
        (Algorithm::EdDsa, PublicKey::Ed25519(key)) => {
            ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(signing_input, &signature).is_ok())
        }
        (Algorithm::Es256, PublicKey::P256(key)) => es256(signing_input, signature, key).is_some(),
        (Algorithm::Es256k, PublicKey::Secp256k1(key)) => {
            es256k(signing_input, signature, key).is_some()
        }
        (Algorithm::Es256kR, PublicKey::Secp256k1(key)) => {
            es256k_recovered(signing_input, signature, key).is_some()
        }
        _ => false,
    };
    if valid {
        Ok(())
    } else {
        Err(JoseError::Signature)
    }
}

fn es256(input: &[u8], signature: &[u8], key: &[u8]) -> Option<()> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(plain_sec1(key)?).ok()?;
    let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
    key.verify(input, &signature).ok()
}

fn es256k(input: &[u8], signature: &[u8], key: &[u8]) -> Option<()> {
    let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(plain_sec1(key)?).ok()?;
    // k256 refuses the higher form, js does not.
    let signature = k256::ecdsa::Signature::from_slice(signature)
        .ok()?
        .normalize_s();
    key.verify(input, &signature).ok()
}

/// 65 bytes r, s and recovery id; or 64, where either parity will do, which is what plain verification asks.
fn es256k_recovered(input: &[u8], signature: &[u8], key: &[u8]) -> Option<()> {
    let Some((pair, [id])) = signature.split_at_checked(64) else {
        return es256k(input, signature, key);
    };
    let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(plain_sec1(key)?).ok()?;
    let pair = k256::ecdsa::Signature::from_slice(pair).ok()?;
    let digest = Sha256::digest(input);
    let id = RecoveryId::from_byte(*id)?;
    let recovered = k256::ecdsa::VerifyingKey::recover_from_prehash(&digest, &pair, id).ok()?;
    (recovered == key).then_some(())
}

/// SEC1 compressed or uncompressed; the crates also read a compact form, which js does not.
fn plain_sec1(key: &[u8]) -> Option<&[u8]> {
    matches!(key.first(), Some(2..=4)).then_some(key)
}
