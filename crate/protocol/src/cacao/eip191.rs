//! Ethereum accounts: `personal_sign`, EIP-191.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use k256::ecdsa::{RecoveryId, Signature};
use sha3::{Digest as _, Keccak256};

use super::text::Message;
use crate::account::ethereum::{self, recover};

pub(super) const CHAIN: &str = "Ethereum";

/// js tries the address as the issuer writes it, then with the checksum of EIP-55, then the old text if it is old enough.
pub(super) fn verify(message: &Message, signature: &str) -> Option<()> {
    let address = message.account.address;
    let digits = address.strip_prefix("0x").or(address.strip_prefix("0X"))?;
    let digits = digits.to_ascii_lowercase();
    let owner: [u8; 20] = HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()?;
    let (pair, id) = pair(signature)?;
    let signed = |text: &str| recover(&digest(text), &pair, id) == Some(owner);

    let checksummed = checksum(&digits);
    let valid = signed(&message.write(CHAIN, address))
        || (checksummed != address && signed(&message.write(CHAIN, &checksummed)))
        || (message.old && signed(&message.write_old(CHAIN, address)));
    valid.then_some(())
}

/// The address whose key signed this text, whichever that is.
pub(super) fn signer(text: &[u8], signature: &str) -> Option<[u8; 20]> {
    let (pair, id) = pair(signature)?;
    recover(&digest(str::from_utf8(text).ok()?), &pair, id)
}

/// r, s and v. js does not look at what follows them.
pub(crate) fn pair(signature: &str) -> Option<(Signature, RecoveryId)> {
    let hex = signature.strip_prefix("0x").unwrap_or(signature);
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    let (pair, rest) = bytes.split_at_checked(64)?;
    let id = match *rest.first()? {
        v @ (0 | 1) => v,
        v => v.checked_sub(27)?,
    };
    Some((
        Signature::from_slice(pair).ok()?,
        RecoveryId::from_byte(id)?,
    ))
}

/// The length is that of JavaScript: wallets count bytes, so a text that is not ASCII never verifies in js.
fn digest(text: &str) -> [u8; 32] {
    ethereum::digest(text, text.encode_utf16().count())
}

/// EIP-55: a digit is written large where the hash of the digits has a large nibble.
pub(crate) fn checksum(digits: &str) -> String {
    let hash = HEXLOWER.encode(&Keccak256::digest(digits));
    let cased = digits.chars().zip(hash.chars()).map(|(digit, nibble)| {
        if nibble >= '8' {
            digit.to_ascii_uppercase()
        } else {
            digit
        }
    });
    "0x".chars().chain(cased).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_with_the_checksums_of_eip_55() {
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let digits = address.trim_start_matches("0x").to_lowercase();
            assert_eq!(checksum(&digits), address);
        }
    }

    #[test]
    fn the_length_in_the_prefix_counts_as_javascript_does() {
        let by_hand = |length: &str, text: &str| -> [u8; 32] {
            Keccak256::digest(format!("\u{19}Ethereum Signed Message:\n{length}{text}")).into()
        };
        assert_eq!(digest("hello"), by_hand("5", "hello"));
        assert_eq!(digest("é😀"), by_hand("3", "é😀"));
    }
}
