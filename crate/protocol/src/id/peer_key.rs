use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::VerifyingKey;
use serde_json::Value;

use super::IdError;
use crate::did::key::PublicKey;
use crate::jose::{ed25519, signing_input};

/// Longest key of the peer ring read, in bytes.
pub const MAX_PEER_KEY: usize = 4096;
/// Most addresses read of one peer.
pub const MAX_PEER_ADDRESSES: usize = 32;
/// Digits of the time before the dot: the order of the ring.
const DIGITS: usize = 11;
/// After all keys of the peer ring.
pub const PEER_KEY_END: &str = "99999999999";

/// Where a peer says it can be reached, and until when that holds; signed by the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerEntry {
    /// The ed25519 key behind its peer id.
    pub key: [u8; 32],
    /// Unix seconds.
    pub expiration: u64,
    /// Its addresses, as texts; not looked at.
    pub addresses: Vec<String>,
}

impl PeerEntry {
    /// What stands before all keys that expire at this time (unix seconds) or later.
    pub fn fencepost(unix: u64) -> String {
        format!("{unix:0>DIGITS$}")
    }

    /// Reads a key of the peer ring (as ceramic-one 0.58 writes it) and verifies its signature.
    pub fn from_key(text: &str) -> Result<Self, IdError> {
        if text.len() > MAX_PEER_KEY {
            return Err(IdError::Malformed);
        }
        let (time, jws) = text.split_once('.').ok_or(IdError::Truncated)?;
        let mut parts = jws.split('.');
        let (Some(protected), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdError::Malformed);
        };
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
        let entry = (|| {
            let protected = decode(protected)?;
            let header: Value = serde_json::from_slice(&protected).ok()?;
            let kid = header.get("kid")?.as_str()?;
            let PublicKey::Ed25519(signer) = PublicKey::from_fingerprint(kid).ok()? else {
                return None;
            };
            let payload = decode(payload)?;
            let input = signing_input(&protected, &payload);
            let eddsa = header.get("alg")? == "EdDSA";
            let signed = ed25519::verify(signer.as_bytes(), &input, &decode(signature)?);
            let entry = Self::from_payload(&payload)?;
            (eddsa && signed && entry.key == *signer.as_bytes()).then_some(entry)
        })()
        .ok_or(IdError::Malformed)?;
        if time != Self::fencepost(entry.expiration) {
            return Err(IdError::Malformed);
        }
        Ok(entry)
    }

    /// The key that says this, signed: an error if it would be too long to be read.
    pub fn to_key(&self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<String, IdError> {
        let signer = VerifyingKey::from_bytes(&self.key).map_err(|_| IdError::Malformed)?;
        let did = PublicKey::did_of_ed25519(&signer);
        let kid = did.strip_prefix("did:key:").unwrap_or(&did);
        let protected = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        let addresses = Value::from(self.addresses.clone());
        let key = Value::from(self.key.to_vec());
        let payload = format!(
            r#"{{"id":{{"public_ed25519_key_bytes":{key}}},"expiration":{},"addresses":{addresses}}}"#,
            self.expiration
        );
        let input = signing_input(protected.as_bytes(), payload.as_bytes());
        let signature = BASE64URL_NOPAD.encode(&sign(&input));
        let input = String::from_utf8(input).map_err(|_| IdError::Malformed)?;
        let key = format!("{}.{input}.{signature}", Self::fencepost(self.expiration));
        match self.addresses.len() > MAX_PEER_ADDRESSES || key.len() > MAX_PEER_KEY {
            true => Err(IdError::Malformed),
            false => Ok(key),
        }
    }

    fn from_payload(bytes: &[u8]) -> Option<Self> {
        let payload: Value = serde_json::from_slice(bytes).ok()?;
        let key = payload.get("id")?.get("public_ed25519_key_bytes")?;
        let byte = |value: &Value| u8::try_from(value.as_u64()?).ok();
        let key: Vec<u8> = key.as_array()?.iter().map(byte).collect::<Option<_>>()?;
        let addresses = payload.get("addresses")?.as_array()?;
        if addresses.len() > MAX_PEER_ADDRESSES {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            key: key.try_into().ok()?,
            expiration: payload.get("expiration")?.as_u64()?,
            addresses: addresses.iter().map(text).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    /// Made by ceramic-one 0.58.
    const KNOWN: &str = "01732211100.eyJhbGciOiJFZERTQSIsImtpZCI6Ino2TWt1ZUYxOXFDaHBHUUpCSlhjWGpmb00xTVlDd0MxNjdSTXdVaU5XWFh2RW0xTSJ9.eyJpZCI6eyJwdWJsaWNfZWQyNTUxOV9rZXlfYnl0ZXMiOlsyMjUsMTc1LDEzMSwxODYsNDIsNTIsMTg2LDEyMiw0OCwxMzEsOTIsNTIsMTI3LDE4MywyMjYsMTcsMiw2MCwxMDgsMTY2LDEwMCw0NCwyMTksMzIsMTgsMjMwLDI0Miw2NywxNTQsMTg0LDE1NCw5Ml19LCJleHBpcmF0aW9uIjoxNzMyMjExMTAwLCJhZGRyZXNzZXMiOlsiL2lwNC8xMjcuMC4wLjEvdGNwLzUxMDAvcDJwLzEyRDNLb29XUjFNOEppWHlmZEJLVWhDTFVtVEpHaHROc2d4bmh2RlZENEFVNEVpb0RVd3UiLCIvaXA0LzEyNy4wLjAuMi91ZHAvNTEwMC9xdWljLXYxL3AycC8xMkQzS29vV1IxTThKaVh5ZmRCS1VoQ0xVbVRKR2h0TnNneG5odkZWRDRBVTRFaW9EVXd1Il19.X1LOJlSQSMAMyYhO8OhpjKJ-Q2SqoTuw6Ak-O6ZZN6oEl1XNLsuf2smq5CotYZPTKhRqPazwBEZzm5K3SEz1Cw";

    fn entry(signing: &SigningKey) -> PeerEntry {
        PeerEntry {
            key: signing.verifying_key().to_bytes(),
            expiration: 1_732_211_100,
            addresses: vec!["/ip4/127.0.0.1/tcp/4102/ws".to_owned()],
        }
    }

    #[test]
    fn a_key_of_ceramic_one_is_read_and_written_the_same() {
        let read = PeerEntry::from_key(KNOWN).unwrap();
        assert_eq!(read.expiration, 1_732_211_100);
        assert_eq!(read.addresses.len(), 2);
        let signature = KNOWN.rsplit_once('.').unwrap().1;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        assert_eq!(read.to_key(|_| signature).unwrap(), KNOWN);
    }

    #[test]
    fn a_key_that_was_changed_anywhere_is_refused() {
        for at in 0..KNOWN.len() {
            let mut bytes = KNOWN.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let text = String::from_utf8(bytes).unwrap();
            // The last letter of a signature has bits that say nothing; the decoder wants them to be zero.
            assert!(PeerEntry::from_key(&text).is_err(), "{at}");
        }
    }

    #[test]
    fn a_key_is_signed_by_whom_it_is_about() {
        let (own, other) = (
            SigningKey::from_bytes(&[7; 32]),
            SigningKey::from_bytes(&[8; 32]),
        );
        let entry = entry(&own);
        let key = entry
            .to_key(|input| own.sign(input).to_bytes().to_vec())
            .unwrap();
        assert_eq!(PeerEntry::from_key(&key), Ok(entry.clone()));
        let forged = entry
            .to_key(|input| other.sign(input).to_bytes().to_vec())
            .unwrap();
        assert_eq!(PeerEntry::from_key(&forged), Err(IdError::Malformed));
    }

    #[test]
    fn more_addresses_than_are_read_are_not_written() {
        let own = SigningKey::from_bytes(&[7; 32]);
        let mut entry = entry(&own);
        entry.addresses = vec!["/dns/a".to_owned(); MAX_PEER_ADDRESSES + 1];
        let key = entry.to_key(|input| own.sign(input).to_bytes().to_vec());
        assert_eq!(key, Err(IdError::Malformed));
    }

    #[test]
    fn fenceposts_are_eleven_digits() {
        assert_eq!(PeerEntry::fencepost(1_795_255_227), "01795255227");
        assert!(*PeerEntry::fencepost(u64::from(u32::MAX)) < *PEER_KEY_END);
    }
}
