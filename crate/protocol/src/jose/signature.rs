//! One signature under one key.
//!
//! **Ed25519.** As ZIP 215 has it; [`super::ed25519`] has the rule and why batches of signatures obey it.
//!
//! **P-256.** A browser's WebCrypto checks seven times as many of these signatures a second, but only hands out promises.
//! Judging takes and gives values and never waits, in a tab as in a test, so they are checked here.
//!
//! **ECDSA.** Both forms of a signature, s and −s, are valid (trap 10).

use k256::ecdsa::RecoveryId;
use k256::ecdsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};

use super::{Algorithm, JoseError, ed25519};
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
            ed25519::verify(key.as_bytes(), signing_input, signature)
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
    let key = plain_sec1(key)?;
    let pair = k256::ecdsa::Signature::from_slice(pair).ok()?;
    let digest = Sha256::digest(input);
    let id = RecoveryId::from_byte(*id)?;
    let recovered = k256::ecdsa::VerifyingKey::recover_from_prehash(&digest, &pair, id).ok()?;
    // Written as the key is; what is no key equals none.
    let compressed = !matches!(key.first(), Some(4));
    (recovered.to_sec1_point(compressed).as_bytes() == key).then_some(())
}

/// SEC1 compressed or uncompressed; the crates also read a compact form, which js does not.
fn plain_sec1(key: &[u8]) -> Option<&[u8]> {
    matches!(key.first(), Some(2..=4)).then_some(key)
}
