//! X25519 keys, as DID documents name them, and what two of them agree on.

use ipld_core::ipld::Ipld;
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize as _, Zeroizing};

use super::JweError;
use crate::did::key::x25519_fingerprint;
use crate::did::three_id::{MAX_KEY_CHARS, MAX_KEYS, stream_of};
use crate::did::{self, Did, DidError};
use crate::jose::Ed25519Signer;
use crate::{Document, encoding};

/// How a content key is wrapped, for each recipient.
pub const KEY_ALGORITHM: &str = "ECDH-ES+XC20PKW";

/// A key that others encrypt to: an entry of `keyAgreement` in a DID document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementKey {
    pub(super) kid: String,
    pub(super) key: [u8; 32],
}

impl AgreementKey {
    /// The keys of a DID that resolves from its own text. Only the `did:key` of an ed25519 key has one, as with
    /// key-did-resolver 4 and pkh-did-resolver 2; for a 3ID see [`AgreementKey::of_three_id`].
    ///
    /// # Errors
    /// [`JweError::Did`] if the DID does not resolve, [`JweError::NoKey`] if it has none.
    pub fn of_did(did: &str) -> Result<Vec<Self>, JweError> {
        let document = did::resolve(did)?;
        let keys = document.methods.iter().filter_map(|method| {
            let key = method.key.key_agreement()?;
            let kid = format!("{}#{}", document.did, x25519_fingerprint(&key));
            Some(Self { kid, key })
        });
        some(keys.collect(), did)
    }

    /// The keys of a 3ID: those of its document's anchored content that begin with `ec`, as 3id-did-resolver 6.4 lists them.
    ///
    /// # Errors
    /// [`JweError::Did`] if `document` is not the one the DID names, [`JweError::NoKey`] if it lists none that can be read.
    pub fn of_three_id(did: &str, document: &Document) -> Result<Vec<Self>, JweError> {
        let did = Did::parse(did)?;
        if did.method() != "3" || stream_of(&did).ok().as_ref() != Some(document.stream()) {
            return Err(DidError::Syntax.into());
        }
        let content = document.state().content.value();
        let Some(Ipld::Map(content)) = content else {
            return Err(JweError::NoKey(did.to_string()));
        };
        let Some(Ipld::Map(keys)) = content.get("publicKeys") else {
            return Err(JweError::NoKey(did.to_string()));
        };
        let keys = keys.iter().take(MAX_KEYS).filter_map(|(name, text)| {
            let Ipld::String(text) = text else {
                return None;
            };
            let digits = text.get(1..).filter(|_| text.len() <= MAX_KEY_CHARS)?;
            match encoding::base58(digits)?.as_slice() {
                [0xec, _, key @ ..] => Some(Self {
                    kid: format!("{did}#{name}"),
                    key: key.try_into().ok()?,
                }),
                _ => None,
            }
        });
        some(keys.collect(), did.as_str())
    }

    /// A key that no document lists yet.
    pub(crate) fn named(kid: String, key: [u8; 32]) -> Self {
        Self { kid, key }
    }

    /// The DID URL of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What wraps a content key, when agreed with this ephemeral secret; with it the ephemeral key for the recipient.
    pub(super) fn wrapping(
        &self,
        ephemeral: StaticSecret,
    ) -> Result<([u8; 32], Zeroizing<[u8; 32]>), JweError> {
        let public = PublicKey::from(&ephemeral).to_bytes();
        let wrapping = agreed(&ephemeral, self.key, &[], &[]);
        Ok((public, wrapping.ok_or(JweError::BadKey)?))
    }
}

fn some(keys: Vec<AgreementKey>, did: &str) -> Result<Vec<AgreementKey>, JweError> {
    match keys.is_empty() {
        false => Ok(keys),
        true => Err(JweError::NoKey(did.to_owned())),
    }
}

/// The secret half: what others encrypted to. Wiped when it is dropped.
pub struct DecryptionKey {
    secret: StaticSecret,
    /// The `did:key` it belongs to, if it does.
    did: Option<String>,
}

impl DecryptionKey {
    /// The key of an ed25519 seed of 32 bytes, as key-did-provider-ed25519 derives it.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Ed25519Signer::from_seed(seed).decryption_key()
    }

    /// An X25519 secret itself, as the keychain of a 3ID holds it.
    pub fn from_secret(mut secret: [u8; 32]) -> Self {
        let key = Self {
            secret: StaticSecret::from(secret),
            did: None,
        };
        secret.zeroize();
        key
    }

    pub(in crate::jose) fn of(self, did: &str) -> Self {
        Self {
            did: Some(did.to_owned()),
            ..self
        }
    }

    /// Its public half, without a name.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.secret).to_bytes()
    }

    /// Whether a recipient says to be this key. Anybody can say so.
    pub(super) fn is_called(&self, kid: &str) -> bool {
        kid.split('#').next() == self.did.as_deref()
    }

    /// What the content key was wrapped with, or nothing if `ephemeral` is a point nobody can agree on anything with.
    pub(super) fn unwrapping(
        &self,
        ephemeral: [u8; 32],
        apu: &[u8],
        apv: &[u8],
    ) -> Option<Zeroizing<[u8; 32]>> {
        agreed(&self.secret, ephemeral, apu, apv)
    }
}

/// Concat KDF of the shared secret (RFC 7518, section 4.6.2), for a key of 256 bits.
fn agreed(
    secret: &StaticSecret,
    other: [u8; 32],
    apu: &[u8],
    apv: &[u8],
) -> Option<Zeroizing<[u8; 32]>> {
    let shared = secret.diffie_hellman(&PublicKey::from(other));
    if !shared.was_contributory() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(1_u32.to_be_bytes());
    hash.update(shared.as_bytes());
    for part in [KEY_ALGORITHM.as_bytes(), apu, apv] {
        hash.update(u32::try_from(part.len()).ok()?.to_be_bytes());
        hash.update(part);
    }
    hash.update(256_u32.to_be_bytes());
    Some(Zeroizing::new(hash.finalize().into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::author::{New, NewTile};
    use crate::document::hear_all;
    use crate::jose::jwe::{Jwe, Legible, Random};
    use crate::{StreamId, Unasked, World};

    /// A tile of this content, of nobody in particular.
    fn tile(content: Value) -> Document {
        let signer = Ed25519Signer::from_seed(&[7; 32]);
        let content = Some(crate::json::from_json(&content).unwrap());
        let tile = New::Tile(NewTile {
            content,
            ..NewTile::default()
        });
        let (kind, init) = tile.init(signer.did(), [0; 12]).unwrap();
        let blocks = init.sign(&signer).unwrap();
        let stream = StreamId::new(kind, *blocks.last().unwrap().cid());
        let blocks = blocks.into_iter().map(|block| (*block.cid(), block));
        let blocks: HashMap<_, _> = blocks.collect();
        let world = World::new(0, &Unasked);
        hear_all(&stream, &[], &blocks, &world).unwrap().0
    }

    fn did(document: &Document) -> String {
        format!("did:3:{}", document.stream())
    }

    #[test]
    fn a_3id_is_encrypted_to_by_the_keys_for_agreement_in_its_document() {
        let secret = || DecryptionKey::from_secret([9; 32]);
        let document = tile(json!({ "publicKeys": {
            "signing": "zQ3shtHeqzAgR15CuzroByyepvmupnhkXVte3Un5Njxkpwfk9",
            "sealing": x25519_fingerprint(&secret().public()),
            "another": 5,
            "nothing": "z",
        } }));
        let did = did(&document);
        let keys = AgreementKey::of_three_id(&did, &document).unwrap();
        let kids: Vec<&str> = keys.iter().map(AgreementKey::kid).collect();
        assert_eq!(kids, [format!("{did}#sealing")]);
        let at = format!("{did}?version-id=0#x");
        assert_eq!(AgreementKey::of_three_id(&at, &document), Ok(keys.clone()));
        let random = Random::new(vec![3; Random::bytes_for(1)]);
        let jwe = Jwe::encrypt(b"secret", &keys, &Legible::default(), random).unwrap();
        assert_eq!(**jwe.decrypt(&[secret()]).unwrap(), *b"secret");
    }

    #[test]
    fn a_document_without_such_keys_or_of_another_3id_is_refused() {
        let code = |did: &str, document: &Document| {
            let keys = AgreementKey::of_three_id(did, document);
            keys.unwrap_err().code()
        };
        for content in [
            json!({}),
            json!([]),
            json!({ "publicKeys": [] }),
            json!({ "publicKeys": { "signing": "zQ3shtHeqzAgR15CuzroByyepvmupnhkXVte3Un5Njxkpwfk9" } }),
            json!({ "publicKeys": { "short": "z6LS" } }),
        ] {
            let document = tile(content);
            assert_eq!(code(&did(&document), &document), "jwe-no-key");
        }
        let (one, other) = (tile(json!({ "a": 1 })), tile(json!({ "a": 2 })));
        assert_eq!(code(&did(&one), &other), "did-syntax");
        assert_eq!(
            code(
                "did:key:z6MkhAvCPqvcpsPNxh3L8kFiBEA9Q4K44VpoGCP8uHZqoiyk",
                &one
            ),
            "did-syntax"
        );
    }
}
