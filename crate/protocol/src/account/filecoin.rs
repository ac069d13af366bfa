//! Filecoin accounts: the message is the parameter of a transaction that moves nothing, and its CID is signed.

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::{U4, U20, U32};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use ipld_core::ipld::Ipld;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

use super::{Proof, ProofError};
use crate::cbor;

/// Accounts that are the hash of a secp256k1 key, and those that are a BLS key.
const SECP256K1: u8 = 1;
/// Lengths of the signatures of either.
const SECP256K1_BYTES: usize = 65;
const BLS_BYTES: usize = 96;
/// What comes before the digest in the CID of a transaction: version 1, DAG-CBOR, blake2b-256.
const CID: [u8; 6] = [0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];

pub(super) fn verify(proof: &Proof) -> Result<(), ProofError> {
    let signature = read(proof.signature).ok_or(ProofError::Signature)?;
    // `f` and `t` are the main and the test networks; js does not tell them apart.
    let (kind, owner) = match proof.account.address.split_at_checked(2) {
        Some(("f3" | "t3", _)) if signature.len() == BLS_BYTES => {
            return Err(ProofError::Scheme("BLS12-381"));
        }
        Some(("f1" | "t1", owner)) => (SECP256K1, owner),
        _ => return Err(ProofError::Signature),
    };
    recovers(kind, owner, proof.message, &signature).ok_or(ProofError::Signature)
}

fn recovers(kind: u8, owner: &str, message: &str, signature: &[u8]) -> Option<()> {
    let owner = read_owner(kind, owner)?;
    let (pair, [id]) = signature.split_at_checked(64)? else {
        return None;
    };
    let digest: [u8; 32] = {
        let transaction = Blake2b::<U32>::digest(transaction(&owner, message)?);
        Blake2b::<U32>::new_with_prefix(CID)
            .chain_update(transaction)
            .finalize()
            .into()
    };
    let pair = Signature::from_slice(pair).ok()?;
    let id = RecoveryId::from_byte(*id)?;
    let key = VerifyingKey::recover_from_prehash(&digest, &pair, id).ok()?;
    let hash = Blake2b::<U20>::digest(key.to_sec1_point(false));
    (owner.get(1..)? == hash.as_slice()).then_some(())
}

/// In base64, padded or not, or in hexadecimal, which is longer.
fn read(signature: &str) -> Option<Vec<u8>> {
    let hex = [SECP256K1_BYTES, BLS_BYTES].map(|bytes| bytes.saturating_mul(2));
    match hex.contains(&signature.len()) {
        true => HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok(),
        false if signature.ends_with('=') => BASE64.decode(signature.as_bytes()).ok(),
        false => BASE64_NOPAD.decode(signature.as_bytes()).ok(),
    }
}

/// The kind of account and the hash that an address holds, in base32 with a checksum of four bytes.
fn read_owner(kind: u8, text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let bytes = BASE32_NOPAD
        .decode(text.to_ascii_uppercase().as_bytes())
        .ok()?;
    let (hash, check) = bytes.split_at_checked(20)?;
    let owner = [&[kind], hash].concat();
    (Blake2b::<U4>::digest(&owner).as_slice() == check).then_some(owner)
}

/// From the account to itself: nothing, for a fee of one, with the message as parameter.
fn transaction(owner: &[u8], message: &str) -> Option<Vec<u8>> {
    let bytes = |bytes: &[u8]| Ipld::Bytes(bytes.to_vec());
    let one = || bytes(&[0, 1]);
    cbor::encode(&Ipld::List(vec![
        Ipld::Integer(0), // version
        bytes(owner),
        bytes(owner),
        Ipld::Integer(0), // nonce
        bytes(&[]),       // value
        Ipld::Integer(1000),
        one(),
        one(),
        Ipld::Integer(0), // method
        bytes(message.as_bytes()),
    ]))
    .ok()
}
