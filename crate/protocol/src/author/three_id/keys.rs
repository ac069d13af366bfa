use bip32::{ChildNumber, XPrv};
use ipld_core::ipld::Ipld;
use k256::ecdsa::signature::Signer as _;
use k256::ecdsa::{Signature as Ecdsa, SigningKey};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{THREE_ID_FAMILY, ThreeIdWriteError};
use crate::author::{Change, Edit, New, NewTile, TileMetadata};
use crate::did::from_wallet::Seed;
use crate::did::key::{secp256k1_fingerprint, x25519_fingerprint};
use crate::event::{Map, Signature};
use crate::jose::jwe::{AgreementKey, DecryptionKey};
use crate::jose::signing_input;
use crate::{Block, Cid, Document, StreamId, StreamType};

/// Hardened, the first step of the path of all keys.
const PURPOSE: u32 = 51_073_068;
/// How many of the last characters of a key are its name.
const NAME_CHARS: usize = 15;

/// The keys of one seed, at m/51073068'/0, 1 and 2 (BIP-32). They are wiped when they are dropped.
pub struct KeySet {
    seed: Seed,
    signing: SigningKey,
    management: SigningKey,
    encryption: Zeroizing<[u8; 32]>,
    signing_text: String,
    management_did: String,
}

impl KeySet {
    /// Derives the keys. A seed is drawn for them alone.
    pub fn of_seed(seed: Seed) -> Result<Self, ThreeIdWriteError> {
        let child = |parent: &XPrv, number, hardened| {
            let number = ChildNumber::new(number, hardened);
            number.and_then(|number| parent.derive_child(number))
        };
        let derive = || {
            let base = child(&XPrv::new(seed.expose())?, PURPOSE, true)?;
            let keys = [0, 1, 2].map(|number| child(&base, number, false));
            let [signing, management, encryption] = keys;
            Ok::<_, bip32::Error>((signing?, management?, encryption?))
        };
        let (signing, management, encryption) = derive().map_err(|_| ThreeIdWriteError::Seed)?;
        let text = |key: &XPrv| {
            let point = key.private_key().verifying_key().to_sec1_point(true);
            secp256k1_fingerprint(point.as_bytes())
        };
        Ok(Self {
            signing_text: text(&signing),
            management_did: format!("did:key:{}", text(&management)),
            signing: signing.private_key().clone(),
            management: management.private_key().clone(),
            encryption: Zeroizing::new(encryption.to_bytes()),
            seed,
        })
    }

    pub(super) fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The `did:key` that controls the tile.
    pub fn management(&self) -> &str {
        &self.management_did
    }

    /// The key that signs, as the 3ID lists it.
    pub fn signing(&self) -> &str {
        &self.signing_text
    }

    /// With which the 3ID decrypts.
    pub fn decryption_key(&self) -> DecryptionKey {
        DecryptionKey::from_secret(*self.encryption)
    }

    /// To which others encrypt.
    pub(super) fn agreement(&self, three_id: &str) -> AgreementKey {
        let key = self.decryption_key().public();
        let text = x25519_fingerprint(&key);
        AgreementKey::named(format!("{three_id}#{}", name(&text)), key)
    }

    /// What the 3ID lists.
    pub fn public_keys(&self) -> Ipld {
        let encryption = x25519_fingerprint(&self.decryption_key().public());
        let keys = [self.signing_text.as_str(), &encryption];
        Ipld::Map(Map::from(
            keys.map(|text| (name(text).to_owned(), text.into())),
        ))
    }

    /// The tile of a new 3ID. [`KeySet::management`] is its controller, and its DID is `did:3:` and the tile's id.
    pub fn document(&self) -> New {
        let content = Map::from([("publicKeys".to_owned(), self.public_keys())]);
        New::Tile(NewTile {
            content: Some(Ipld::Map(content)),
            metadata: TileMetadata {
                family: Some(THREE_ID_FAMILY.to_owned()),
                ..TileMetadata::default()
            },
            deterministic: false,
        })
    }

    /// [`KeySet::document`], signed: its id, and the blocks in CAR order, the event last. `unique` must be random.
    pub fn create(&self, unique: [u8; 12]) -> Result<(StreamId, Vec<Block>), ThreeIdWriteError> {
        let (kind, init) = self.document().init(self.management(), unique)?;
        let signature = self.manage(init.payload().cid());
        let blocks = init.signed_by(signature)?;
        let init = blocks.last().ok_or(ThreeIdWriteError::NotAThreeId)?;
        Ok((StreamId::new(kind, *init.cid()), blocks))
    }

    /// The event by which these keys make way for others, in CAR order, the event last. They are in force once it is anchored.
    ///
    /// # Errors
    /// `three-id-other-document`, and `three-id-not-controller` if these keys are not those of the 3ID's newest state.
    pub fn rotate(
        &self,
        document: &Document,
        next: &KeySet,
    ) -> Result<Vec<Block>, ThreeIdWriteError> {
        let state = document.state();
        let content = match (state.stream_type(), state.content()) {
            (StreamType::TILE, Some(Ipld::Map(content))) if content.contains_key("publicKeys") => {
                content
            }
            _ => return Err(ThreeIdWriteError::NotAThreeId),
        };
        if state.controller() != Some(self.management()) {
            return Err(ThreeIdWriteError::NotController);
        }
        let mut content = content.clone();
        content.insert("publicKeys".to_owned(), next.public_keys());
        let controllers = Ipld::List(vec![next.management().into()]);
        let edit = Edit {
            change: Change::Content(Ipld::Map(content).into()),
            header: Map::from([("controllers".to_owned(), controllers)]),
        };
        let event = edit.after(document)?;
        let signature = self.manage(event.payload().cid());
        Ok(event.signed_by(signature)?)
    }

    /// A signature, over the payload of an event, by the key that controls the tile.
    pub fn manage(&self, payload: &Cid) -> Signature {
        let did = self.management();
        let text = did.strip_prefix("did:key:").unwrap_or_default();
        sign(&self.management, &format!("{did}#{text}"), payload)
    }

    /// Whether the 3ID lists the key that signs.
    pub(super) fn is_listed(&self, content: Option<&Ipld>) -> bool {
        let Some(Ipld::Map(content)) = content else {
            return false;
        };
        let Some(Ipld::Map(keys)) = content.get("publicKeys") else {
            return false;
        };
        let ours = |key: &Ipld| matches!(key, Ipld::String(text) if *text == self.signing_text);
        keys.values().any(ours)
    }

    /// Signs for the 3ID at a version of it: the CID of an anchor, or 0.
    pub(super) fn signer(&self, three_id: String, version: &str) -> ThreeIdSigner<'_> {
        let kid = format!(
            "{three_id}?version-id={version}#{}",
            name(&self.signing_text)
        );
        ThreeIdSigner {
            keys: self,
            three_id,
            kid,
        }
    }
}

/// Signs events in the name of a 3ID.
pub struct ThreeIdSigner<'k> {
    keys: &'k KeySet,
    three_id: String,
    kid: String,
}

impl ThreeIdSigner<'_> {
    /// The 3ID.
    pub fn did(&self) -> &str {
        &self.three_id
    }

    /// The DID URL of the key. It names the version, so that what is signed stays valid after the next rotation, if it is
    /// anchored in time.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The signature over the payload of an event.
    pub fn sign(&self, payload: &Cid) -> Signature {
        sign(&self.keys.signing, &self.kid, payload)
    }
}

/// With the header's keys in the order in which 3id-did-provider writes them.
fn sign(key: &SigningKey, kid: &str, payload: &Cid) -> Signature {
    let kid = Value::from(kid);
    let protected = format!(r#"{{"kid":{kid},"alg":"ES256K"}}"#).into_bytes();
    let signature: Ecdsa = key.sign(&signing_input(&protected, &payload.to_bytes()));
    Signature {
        protected: protected.into(),
        signature: signature.to_bytes().to_vec().into(),
    }
}

/// The name of a key: the end of its text.
fn name(text: &str) -> &str {
    let at = text.len().saturating_sub(NAME_CHARS);
    text.get(at..).unwrap_or(text)
}
