//! Who may read, kept in a document: the seed of a DID that all readers share, encrypted to each of them.
//!
//! Content is encrypted to the shared DID as to any other. A document lists the DIDs in turn, the one in use at the end:
//!
//! ```json
//! { "readers": [ { "did": "did:key:z6Mk…", "seed": { "protected": "…", "recipients": [ … ], … } } ] }
//! ```
//!
//! Who is let in is encrypted the seed; who is to leave is left out when the next DID is added, and can still read what was
//! encrypted before. Nothing here is Ostrakon's own: each entry is a JWE of 32 bytes, which any library for DIDs opens.
//!
//! The document's controller decides who reads, so a reader trusts the controller's word, never a copy of the list. A list
//! has at most [`MAX_READER_KEYS`] entries, and an entry counts only if its seed is that of its DID.

use ipld_core::ipld::Ipld;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{AgreementKey, DecryptionKey, Jwe, JweError, Legible, Random};
use crate::jose::Ed25519Signer;

/// Most DIDs that the readers of one document shared one after the other.
pub const MAX_READER_KEYS: usize = 256;

/// The list of a document, see the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readers(Vec<ReaderKey>);

/// One DID that readers share.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderKey {
    did: String,
    seed: Jwe,
}

impl ReaderKey {
    /// Its seed, encrypted to those who may read.
    pub fn seed(&self) -> &Jwe {
        &self.seed
    }

    /// The key of this seed, if it is the DID's.
    pub fn key(&self, seed: &[u8]) -> Option<DecryptionKey> {
        let signer = Ed25519Signer::from_seed(seed.try_into().ok()?);
        (signer.did() == self.did).then(|| signer.decryption_key())
    }
}

impl Readers {
    /// Reads the content of a document. What it says besides is passed over.
    ///
    /// # Errors
    /// [`JweError::Readers`] for content of another shape, and those of [`Jwe::from_general`].
    pub fn from_content(content: &Value) -> Result<Self, JweError> {
        let list = content.get("readers").and_then(Value::as_array);
        let list = list.ok_or(JweError::Readers("there is no list"))?;
        if list.len() > MAX_READER_KEYS {
            return Err(JweError::Readers("there are too many keys"));
        }
        let entries = list.iter().map(|entry| {
            let did = entry.get("did").and_then(Value::as_str);
            Ok(ReaderKey {
                did: did
                    .ok_or(JweError::Readers("an entry has no did"))?
                    .to_owned(),
                seed: Jwe::from_general(entry.get("seed").unwrap_or(&Value::Null))?,
            })
        });
        Ok(Self(entries.collect::<Result<_, JweError>>()?))
    }

    /// What the document says.
    pub fn to_content(&self) -> Value {
        let entry = |one: &ReaderKey| json!({ "did": one.did, "seed": one.seed.to_general() });
        json!({ "readers": self.0.iter().map(entry).collect::<Vec<_>>() })
    }

    /// The DID to encrypt to.
    pub fn did(&self) -> Option<&str> {
        self.0.last().map(|one| one.did.as_str())
    }

    /// From now on these may read, and no others. `seed` must be fresh from the platform's generator.
    ///
    /// # Errors
    /// [`JweError::Readers`] if the list is full, and those of [`Jwe::encrypt`].
    pub fn rotate(
        &mut self,
        seed: &Zeroizing<[u8; 32]>,
        to: &[AgreementKey],
        random: Random,
    ) -> Result<(), JweError> {
        if self.0.len() >= MAX_READER_KEYS {
            return Err(JweError::Readers("there are too many keys"));
        }
        let did = Ed25519Signer::from_seed(seed).did().to_owned();
        let seed = Jwe::encrypt(&seed[..], to, &Legible::default(), random)?;
        self.0.push(ReaderKey { did, seed });
        Ok(())
    }

    /// The entry whose DID a secret says it was encrypted to.
    pub fn entry(&self, secret: &Jwe) -> Option<&ReaderKey> {
        let recipients = secret.recipients.iter().flatten();
        let kids = recipients.filter_map(|one| match one.header.as_ref()?.get("kid") {
            Ok(Some(Ipld::String(kid))) => kid.split('#').next(),
            _ => None,
        });
        let dids: Vec<&str> = kids.collect();
        self.0
            .iter()
            .rev()
            .find(|one| dids.contains(&one.did.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> DecryptionKey {
        DecryptionKey::from_seed(&[seed; 32])
    }

    fn to(seeds: &[u8]) -> Vec<AgreementKey> {
        let did = |seed: &u8| Ed25519Signer::from_seed(&[*seed; 32]).did().to_owned();
        let keys = seeds
            .iter()
            .map(|seed| AgreementKey::of_did(&did(seed)).unwrap());
        keys.flatten().collect()
    }

    fn random(keys: usize) -> Random {
        Random::new((0..Random::bytes_for(keys)).map(|n| n as u8).collect())
    }

    fn rotate(readers: &mut Readers, seed: u8, seeds: &[u8]) {
        let seed = Zeroizing::new([seed; 32]);
        readers
            .rotate(&seed, &to(seeds), random(seeds.len()))
            .unwrap();
    }

    fn secret(readers: &Readers, text: &str) -> Jwe {
        let to = AgreementKey::of_did(readers.did().unwrap()).unwrap();
        let text = Ipld::String(text.to_owned());
        Jwe::encrypt_value(&text, &to, &Legible::default(), random(1)).unwrap()
    }

    #[test]
    fn who_is_left_out_of_a_rotation_reads_the_old_and_not_the_new() {
        let mut readers = Readers::default();
        assert_eq!(readers.did(), None);
        rotate(&mut readers, 100, &[1, 2]);
        let old = secret(&readers, "old");
        rotate(&mut readers, 101, &[1, 3]);
        let new = secret(&readers, "new");
        let readers = Readers::from_content(&readers.to_content()).unwrap();
        let reads = |seed: u8, jwe: &Jwe| {
            let entry = readers.entry(jwe).unwrap();
            let opened = entry.seed().decrypt(&[key(seed)]);
            let shared = opened.ok().and_then(|seed| entry.key(&seed));
            shared.is_some_and(|shared| jwe.decrypt_value(&[shared]).is_ok())
        };
        let verdicts = [1, 2, 3, 4].map(|seed| (reads(seed, &old), reads(seed, &new)));
        assert_eq!(
            verdicts,
            [(true, true), (true, false), (false, true), (false, false)]
        );
    }

    #[test]
    fn a_seed_that_is_not_its_dids_or_no_seed_is_no_key() {
        let mut readers = Readers::default();
        rotate(&mut readers, 100, &[1]);
        let entry = &readers.0[0];
        assert!(entry.key(&[100; 32]).is_some());
        assert!(entry.key(&[101; 32]).is_none());
        assert!(entry.key(&[100; 31]).is_none());
    }

    #[test]
    fn a_secret_for_another_did_or_for_none_has_no_entry() {
        let mut readers = Readers::default();
        rotate(&mut readers, 100, &[1]);
        let mut secret = secret(&readers, "x");
        assert!(readers.entry(&secret).is_some());
        let other = Jwe::encrypt(b"x", &to(&[1]), &Legible::default(), random(1)).unwrap();
        assert!(readers.entry(&other).is_none());
        for header in [None, Some(Ipld::Null), Some(Ipld::Map(Default::default()))] {
            secret.recipients.as_mut().unwrap()[0].header = header;
            assert!(readers.entry(&secret).is_none());
        }
    }

    #[test]
    fn content_of_another_shape_and_lists_without_end_are_refused() {
        let code = |content: Value| Readers::from_content(&content).unwrap_err().code();
        for bad in [
            json!(null),
            json!({}),
            json!({ "readers": {} }),
            json!({ "readers": [5] }),
        ] {
            assert_eq!(code(bad), "jwe-readers");
        }
        assert_eq!(
            code(json!({ "readers": [{ "did": "did:key:z" }] })),
            "jwe-format"
        );
        let mut readers = Readers::default();
        rotate(&mut readers, 100, &[1]);
        readers.0 = vec![readers.0[0].clone(); MAX_READER_KEYS];
        assert!(Readers::from_content(&readers.to_content()).is_ok());
        let seed = Zeroizing::new([9; 32]);
        assert_eq!(
            readers
                .rotate(&seed, &to(&[1]), random(1))
                .unwrap_err()
                .code(),
            "jwe-readers"
        );
        readers.0.push(readers.0[0].clone());
        assert_eq!(code(readers.to_content()), "jwe-readers");
    }
}
