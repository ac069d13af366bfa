//! NEAR accounts: the address is the key, and the hash of the message is signed.

use sha2::{Digest as _, Sha256};

use super::{Proof, verify_ed25519};
use crate::encoding::{base58, base64};

pub(super) fn verify(proof: &Proof) -> Option<()> {
    let key = base58(proof.account.address)?;
    let digest = Sha256::digest(proof.message);
    verify_ed25519(&key, &digest, &base64(proof.signature)?)
}
