//! Solana accounts: the address is the key, and the message is signed as it is.

use super::{Proof, verify_ed25519};
use crate::encoding::{base58, base64};

pub(super) fn verify(proof: &Proof) -> Option<()> {
    let key = base58(proof.account.address)?;
    verify_ed25519(&key, proof.message.as_bytes(), &base64(proof.signature)?)
}
