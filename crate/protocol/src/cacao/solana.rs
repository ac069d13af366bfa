//! Solana accounts: the address is the key, and the text is signed as it is.

use super::text::Message;
use crate::encoding::base58;
use crate::jose::ed25519;

pub(super) fn verify(message: &Message, signature: &str) -> Option<()> {
    let address = message.account.address;
    let key: [u8; 32] = base58(address)?.try_into().ok()?;
    let text = message.write("Solana", address);
    ed25519::verify(&key, text.as_bytes(), &base58(signature)?).then_some(())
}
