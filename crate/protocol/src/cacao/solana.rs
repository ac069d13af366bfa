//! Solana accounts: the address is the key, and the text is signed as it is.

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

use super::base58;
use super::text::Message;

pub(super) fn verify(message: &Message, signature: &str) -> Option<()> {
    let address = message.account.address;
    let key: [u8; 32] = base58(address)?.try_into().ok()?;
    let signature = Signature::from_slice(&base58(signature)?).ok()?;
    let text = message.write("Solana", address);
    // The equation of events' signatures; see `jose`.
    VerifyingKey::from_bytes(&key)
        .ok()?
        .verify(text.as_bytes(), &signature)
        .ok()
}
