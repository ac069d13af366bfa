//! Polkadot accounts: ed25519 keys and hashes of secp256k1 keys. Those of sr25519, which most wallets make, are not verified.
//!
//! The message is signed as it is, or between `<Bytes>` and `</Bytes>`, which wallets add.

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::{U32, U64};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::Keccak256;

use super::{Proof, ProofError, ethereum, verify_ed25519};
use crate::encoding::{base58, hex};

const OPEN: &[u8] = b"<Bytes>";
const CLOSE: &[u8] = b"</Bytes>";
const ETHEREUM: &[u8] = b"\x19Ethereum Signed Message:\n";

/// Signatures of sr25519 have this bit of the last byte set, those of ed25519 never.
const SR25519: u8 = 0x80;

pub(super) fn verify(proof: &Proof) -> Result<(), ProofError> {
    let signature = hex(proof.signature).ok_or(ProofError::Signature)?;
    let key = read_address(proof.account.address).ok_or(ProofError::Signature)?;
    let message = proof.message.as_bytes();
    if let ([kind @ 0..=2, bare @ ..], 65 | 66) = (signature.as_slice(), signature.len()) {
        return match kind {
            0 => verify_ed25519(&key, message, bare),
            1 => return Err(sr25519(bare)),
            _ => ecdsa(&key, message, bare),
        }
        .ok_or(ProofError::Signature);
    }
    let by_any = |message: &[u8]| match signature.len() {
        64 => verify_ed25519(&key, message, &signature),
        65 => ecdsa(&key, message, &signature),
        _ => None,
    };
    by_any(message)
        .or_else(|| by_any(&wrapped(message)?))
        .ok_or_else(|| sr25519(&signature))
}

/// What is wrong with a signature that is of neither other kind.
fn sr25519(signature: &[u8]) -> ProofError {
    match signature.last() {
        Some(last) if signature.len() == 64 && last & SR25519 != 0 => ProofError::Scheme("sr25519"),
        _ => ProofError::Signature,
    }
}

/// By the hash that Polkadot makes of a message and a key, or by that of Ethereum.
fn ecdsa(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let (pair, [id]) = signature.split_at_checked(64)? else {
        return None;
    };
    let pair = Signature::from_slice(pair).ok()?;
    let id = RecoveryId::from_byte(*id)?;
    let recover = |digest: &[u8; 32]| VerifyingKey::recover_from_prehash(digest, &pair, id).ok();
    let native = || {
        let signer = recover(&Blake2b::<U32>::digest(message).into())?;
        let signer = Blake2b::<U32>::digest(signer.to_sec1_point(true));
        (signer.as_slice() == key).then_some(())
    };
    let foreign = || {
        let signer = ethereum::address(&recover(&Keccak256::digest(message).into())?)?;
        (key.last_chunk() == Some(&signer)).then_some(())
    };
    native().or_else(foreign)
}

/// The message as the other kind of wallet signs it.
fn wrapped(message: &[u8]) -> Option<Vec<u8>> {
    let inner = message
        .strip_prefix(OPEN)
        .and_then(|rest| rest.strip_suffix(CLOSE));
    match inner {
        Some(inner) => Some(inner.to_vec()),
        None if message.starts_with(ETHEREUM) => None,
        None => Some([OPEN, message, CLOSE].concat()),
    }
}

/// The key, or its hash, that an address holds: in hexadecimal, or in base58 after the number of a network and with a
/// checksum (SS58).
fn read_address(text: &str) -> Option<Vec<u8>> {
    if let Some(key) = hex(text).filter(|key| !key.is_empty()) {
        return Some(key);
    }
    let bytes = base58(text)?;
    let network = match *bytes.first()? {
        46 | 47 | 0x80.. => return None,
        first if first & 0x40 != 0 => 2,
        _ => 1,
    };
    let (end, check) = match bytes.len() {
        3 | 4 | 6 | 10 => bytes
            .split_last_chunk::<1>()
            .map(|(rest, one)| (rest, &one[..]))?,
        35..=38 if (34..=35).contains(&bytes.len().saturating_sub(network)) => bytes
            .split_last_chunk::<2>()
            .map(|(rest, two)| (rest, &two[..]))?,
        35..=38 => bytes
            .split_last_chunk::<1>()
            .map(|(rest, one)| (rest, &one[..]))?,
        _ => return None,
    };
    let hash = Blake2b::<U64>::new_with_prefix(b"SS58PRE")
        .chain_update(end)
        .finalize();
    let key = end.get(network..)?;
    hash.starts_with(check).then(|| key.to_vec())
}
