//! Tezos accounts of the kind tz1: the text is signed as a packed Micheline string, and the signature brings the key.

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::{U20, U32};
use sha2::Sha256;

use super::text::Message;
use crate::encoding::base58;
use crate::jose::ed25519;

/// Length of `edsig…`, the signature; `edpk…`, the key, follows.
const SIGNATURE: usize = 99;
/// What makes base58 start with `edsig`, `edpk` and `tz1`; before the last are four bytes of checksum.
const EDSIG_BYTES: usize = 5;
const EDPK_BYTES: usize = 4;
const TZ1: [u8; 3] = [6, 161, 159];

pub(super) fn verify(message: &Message, signature: &str) -> Option<()> {
    let address = message.account.address;
    let (signature, key) = signature.split_at_checked(SIGNATURE)?;
    if !(signature.starts_with("edsig") && key.starts_with("edpk")) {
        return None;
    }
    let key: [u8; 32] = body(key, EDPK_BYTES)?.try_into().ok()?;
    if tz1(&key) != address {
        return None;
    }
    let signature = body(signature, EDSIG_BYTES)?;
    let digest = Blake2b::<U32>::digest(pack(&message.write("Tezos", address))?);
    ed25519::verify(&key, &digest, &signature).then_some(())
}

/// What base58 says between its prefix and its checksum, neither of which js looks at.
fn body(text: &str, prefix: usize) -> Option<Vec<u8>> {
    let bytes = base58(text)?;
    let end = bytes.len().checked_sub(4)?;
    bytes.get(prefix..end).map(<[u8]>::to_vec)
}

/// The address of a key.
fn tz1(key: &[u8]) -> String {
    let mut bytes = TZ1.to_vec();
    bytes.extend_from_slice(&Blake2b::<U20>::digest(key));
    let check = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend(check.iter().take(4));
    multibase::Base::Base58Btc.encode(bytes)
}

/// A Micheline string, packed: its length is counted as JavaScript does.
fn pack(text: &str) -> Option<Vec<u8>> {
    let length = u32::try_from(text.encode_utf16().count()).ok()?;
    let mut bytes = vec![0x05, 0x01];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_key_is_the_one_that_tezos_gives_it() {
        let key = "edpkvGfYw3LyB1UcCahKQk4rF2tvbMUk8GFiTuMjL75uGXrpvKXhjn";
        let key = body(key, EDPK_BYTES).unwrap();
        assert_eq!(tz1(&key), "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb");
    }

    #[test]
    fn a_text_is_packed_with_its_length() {
        assert_eq!(pack("hi").unwrap(), [5, 1, 0, 0, 0, 2, b'h', b'i']);
    }
}
