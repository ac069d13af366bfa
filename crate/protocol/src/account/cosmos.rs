//! Cosmos accounts: the message is the memo of a transaction that moves nothing, and the signature brings the key.
//!
//! js does not ask whose key that is, so that with it anybody can link anybody's account. Here the account must be the hash of
//! the key.

use data_encoding::BASE64;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{Signature, VerifyingKey};
use ripemd::Ripemd160;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Proof;
use crate::encoding::base64;

pub(super) fn verify(proof: &Proof) -> Option<()> {
    let address = proof.account.address;
    let signed: Value = serde_json::from_slice(&base64(proof.signature)?).ok()?;
    let part = |value: Option<&Value>| base64(value?.as_str()?);
    let key = part(signed.get("pub_key").and_then(|key| key.get("value")))?;
    let key = match key.first()? {
        2..=4 => VerifyingKey::from_sec1_bytes(&key).ok()?,
        _ => return None,
    };
    // js refuses the higher form of s here.
    let signature = Signature::from_slice(&part(signed.get("signature"))?).ok()?;
    let digest = Sha256::digest(transaction(address, proof.message));
    key.verify_prehash(&digest, &signature).ok()?;

    let (network, _) = address.rsplit_once('1')?;
    let hash = Ripemd160::digest(Sha256::digest(key.to_sec1_point(true)));
    (bech32(network, &hash)? == address).then_some(())
}

/// The transaction, in the order that Cosmos signs.
fn transaction(address: &str, message: &str) -> String {
    let address = Value::from(address);
    let memo = BASE64.encode(message.as_bytes());
    format!(
        concat!(
            r#"{{"account_number":"1","chain_id":"cosmos","fee":{{"amount":[{{"amount":"0","denom":""}}],"gas":"0"}},"#,
            r#""memo":"{memo}","msgs":[{{"type":"cosmos-sdk/MsgSend","value":{{"amount":[{{"amount":"0","denom":"0"}}],"#,
            r#""from_address":{address},"to_address":{address}}}}}],"sequence":"0"}}"#
        ),
        memo = memo,
        address = address
    )
}

/// An address by its hash: base 32 after the name of its network, with a checksum (BIP-173).
fn bech32(network: &str, hash: &[u8]) -> Option<String> {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let step = |sum: u32, five: u8| {
        let top = sum >> 25;
        let next = (sum & 0x1ff_ffff) << 5 ^ u32::from(five);
        let taken = GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1);
        taken.fold(next, |sum, (_, generator)| sum ^ generator)
    };
    let mut bits = hash
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect::<Vec<_>>();
    bits.resize(bits.len().next_multiple_of(5), 0);
    let data: Vec<u8> = bits
        .chunks(5)
        .map(|five| five.iter().fold(0, |value, bit| value << 1 | bit))
        .collect();
    let name = network.bytes();
    let prefix = name
        .clone()
        .map(|b| b >> 5)
        .chain([0])
        .chain(name.map(|b| b & 31));
    let sum = prefix
        .chain(data.iter().copied())
        .chain([0; 6])
        .fold(1, step)
        ^ 1;
    let check = (0..6_u32)
        .rev()
        .map(|place| sum >> place.saturating_mul(5) & 31);
    let digits = data.iter().map(|five| u32::from(*five)).chain(check);
    let digits = digits.map(|five| {
        ALPHABET
            .get(usize::try_from(five).ok()?)
            .copied()
            .map(char::from)
    });
    let digits: Option<String> = digits.collect();
    Some(format!("{network}1{}", digits?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_npm_package_bech32_writes_them() {
        let hash = data_encoding::HEXLOWER
            .decode(b"751e76e8199196d454941c45d1b3a323f1433bd6")
            .unwrap();
        assert_eq!(
            bech32("cosmos", &hash).unwrap(),
            "cosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah60c"
        );
    }
}
