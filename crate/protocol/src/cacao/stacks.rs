//! Stacks accounts of the main network with one key: the key is recovered from the signature.

use data_encoding::HEXLOWER_PERMISSIVE;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use ripemd::Ripemd160;
use sha2::{Digest as _, Sha256};

use super::text::Message;

/// Version of an address on the main network that is the hash of one key.
const VERSION: u8 = 22;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

pub(super) fn verify(message: &Message, signature: &str) -> Option<()> {
    let bytes = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok()?;
    let (pair, [id]) = bytes.split_at_checked(64)? else {
        return None;
    };
    let address = message.account.address;
    let digest = digest(&message.write("Stacks", address));
    let pair = Signature::from_slice(pair).ok()?;
    let id = RecoveryId::from_byte(*id)?;
    let key = VerifyingKey::recover_from_prehash(&digest, &pair, id).ok()?;
    let hash = Ripemd160::digest(Sha256::digest(key.to_sec1_point(true)));
    (write_address(&hash)? == address).then_some(())
}

fn digest(text: &str) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"\x17Stacks Signed Message:\n");
    hash.update(length(text.len()));
    hash.update(text);
    hash.finalize().into()
}

/// Bitcoin's variable-length integer; a text in a block is never longer than three bytes can say.
fn length(length: usize) -> Vec<u8> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..0xfd), _) => vec![short],
        (_, Ok(medium)) => [&[0xfd][..], &medium.to_le_bytes()].concat(),
        _ => {
            let long = u32::try_from(length).unwrap_or(u32::MAX);
            [&[0xfe][..], &long.to_le_bytes()].concat()
        }
    }
}

/// The address of a key by its hash, in c32check: Crockford's base 32 over the hash and four bytes of checksum.
fn write_address(hash: &[u8]) -> Option<String> {
    let versioned = [&[VERSION], hash].concat();
    let check = Sha256::digest(Sha256::digest(&versioned));
    let body = [hash, check.get(..4)?].concat();
    let version = char::from(*ALPHABET.get(usize::from(VERSION))?);
    Some(format!("S{version}{}", c32(&body)))
}

/// The bytes as one number in base 32, and a zero for each zero byte before it.
fn c32(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bits = |byte: &u8| (0..8).rev().map(|bit| byte >> bit & 1).collect::<Vec<_>>();
    let mut bits: Vec<u8> = bytes.iter().flat_map(bits).collect();
    bits.reverse();
    let digit = |five: &[u8]| {
        let value = five.iter().rev().fold(0, |value, bit| value << 1 | bit);
        ALPHABET.get(usize::from(value)).copied().unwrap_or(b'0')
    };
    let mut digits: Vec<u8> = bits.chunks(5).map(digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    digits.extend(std::iter::repeat_n(b'0', zeros));
    digits.iter().rev().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn addresses_are_written_as_c32check_writes_them() {
        for (hash, address) in [
            (
                "a46ff88886c2ef9762d970b4d2c63678835bd39d",
                "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7",
            ),
            (
                "0000000000000000000000000000000000000000",
                "SP000000000000000000002Q6VF78",
            ),
            (
                "0000000000000000000000000000000000000001",
                "SP00000000000000000005JA84HQ",
            ),
        ] {
            let hash = HEXLOWER.decode(hash.as_bytes()).unwrap();
            assert_eq!(write_address(&hash).unwrap(), address);
        }
    }

    #[test]
    fn lengths_are_written_as_bitcoin_writes_them() {
        assert_eq!(length(0xfc), [0xfc]);
        assert_eq!(length(0xfd), [0xfd, 0xfd, 0]);
        assert_eq!(length(0xffff), [0xfd, 0xff, 0xff]);
        assert_eq!(length(0x1_0000), [0xfe, 0, 0, 1, 0]);
    }
}
