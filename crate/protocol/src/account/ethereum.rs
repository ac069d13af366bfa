//! Ethereum accounts: `personal_sign` (EIP-191), and the key is recovered. Contracts (ERC-1271) would have to be asked.

use data_encoding::HEXLOWER;
use ipld_core::ipld::Ipld;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest as _, Keccak256};

use super::id::AccountId;
use super::{Proof, ProofError};
use crate::encoding::hex;
use crate::state::{field, truthy};

/// Answers with the account in the old form. Only version 2 is taken at its word about it; the others are given the
/// account that signed, or the one in `address`, on the chain `chainId`.
pub(super) fn verify(proof: &Proof) -> Result<String, ProofError> {
    if proof.kind == Some("erc1271") {
        let AccountId {
            reference, address, ..
        } = proof.account;
        return Err(ProofError::ThirdParty {
            whom: format!("the contract {address} on the chain eip155:{reference}"),
            what: "whether the signature is its owner's",
        });
    }
    let digest = digest(proof.message, proof.message.len());
    let signer = read(proof.signature)
        .and_then(|(pair, id)| recover(&digest, &pair, id))
        .ok_or(ProofError::Signature)?;
    let signer = format!("0x{}", HEXLOWER.encode(&signer));
    let account = match proof.version {
        version if version.is(2) => proof.account.legacy(),
        version => {
            let address = match proof.fields.get("address") {
                Some(Ipld::String(address)) if version.is(1) => address,
                _ if version.is(1) => return Err(ProofError::Malformed("no address")),
                _ => &signer,
            };
            format!("{address}@eip155:{}", chain(proof)?)
        }
    };
    match AccountId::read(&account) {
        Some(id) if id.address == signer => Ok(account),
        Some(_) => Err(ProofError::Signature),
        None => Err(ProofError::account(&account)),
    }
}

/// The field `chainId`; the main network if it says nothing.
fn chain(proof: &Proof) -> Result<String, ProofError> {
    match field(proof.fields, "chainId").filter(|chain| truthy(chain)) {
        None => Ok("1".to_owned()),
        Some(Ipld::String(chain)) => Ok(chain.clone()),
        Some(Ipld::Integer(chain)) => Ok(chain.to_string()),
        Some(_) => Err(ProofError::Malformed("the chainId is not a number")),
    }
}

/// r, s and v, or the short form of EIP-2098, as ethers 5 reads them: from 27 on, an odd v is an even point.
fn read(signature: &str) -> Option<(Signature, RecoveryId)> {
    let bytes = hex(signature)?;
    let (pair, rest) = bytes.split_at_checked(64)?;
    let mut pair: [u8; 64] = pair.try_into().ok()?;
    let odd = match rest {
        [] => {
            let high = pair.get_mut(32)?;
            let odd = *high & 0x80 != 0;
            *high &= 0x7f;
            odd
        }
        [v @ (0 | 1)] => *v == 1,
        [v] if *v >= 27 => v % 2 == 0,
        _ => return None,
    };
    Some((
        Signature::from_slice(&pair).ok()?,
        RecoveryId::new(odd, false),
    ))
}

/// What a wallet signs. It says the `length` of the text; programs disagree in which unit.
pub(crate) fn digest(text: &str, length: usize) -> [u8; 32] {
    let mut hash = Keccak256::new_with_prefix(b"\x19Ethereum Signed Message:\n");
    hash.update(length.to_string());
    hash.update(text);
    hash.finalize().into()
}

/// The address whose key made the signature.
pub(crate) fn recover(digest: &[u8; 32], pair: &Signature, id: RecoveryId) -> Option<[u8; 20]> {
    let key = VerifyingKey::recover_from_prehash(digest, pair, id).ok()?;
    address(&key)
}

/// The last 20 bytes of the hash of both coordinates.
pub(crate) fn address(key: &VerifyingKey) -> Option<[u8; 20]> {
    let point = key.to_sec1_point(false);
    let hash: [u8; 32] = Keccak256::digest(point.as_bytes().get(1..)?).into();
    hash.last_chunk().copied()
}
