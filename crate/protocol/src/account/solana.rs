//! Solana accounts: the address is the key, and the message is signed as it is.

use super::Proof;
use crate::encoding::{base58, base64};
use crate::jose::ed25519;

pub(super) fn verify(proof: &Proof) -> Option<()> {
    let key = base58(proof.account.address)?;
    // By the rule of events' signatures.
    ed25519::verify(
        &key.try_into().ok()?,
        proof.message.as_bytes(),
        &base64(proof.signature)?,
    )
    .then_some(())
}
