//! A 3ID of one's own, that several wallets control (did:3, CIP-79 and CIP-20): its document, its keychain and the links by which
//! a wallet finds it, as 3id-did-provider 0.4 lays them out.
//!
//! What must not be lost is written first: the keychain before the 3ID goes over to new keys, and not until an anchor of the
//! keychain is confirmed. Whoever stops between two steps goes on with [`Node::finish_rotation`].

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use cid::Cid;
use futures::StreamExt;
use futures::future::{Either, select};
use futures_timer::Delay;
use ostrakon_protocol::Ipld;
use ostrakon_protocol::author::three_id::{
    Fresh, INDEX_FAMILY, KEYCHAIN_FAMILY, KeySet, Keychain, Keyring, LINK_FAMILY, ThreeIdSigner,
    ThreeIdWriteError, Wallet, index_content, is_anchored, link_content, tile_of,
};
use ostrakon_protocol::author::{Change, Edit, New};
use ostrakon_protocol::did::from_wallet::Seed;
use ostrakon_protocol::event::Map;
use ostrakon_protocol::id::{DocumentRef, StreamId};
use ostrakon_protocol::jose::Ed25519Signer;

use super::{LocalSigner, SignError, Signed, Signer};
use crate::documents::{Intent, View};
use crate::error::NodeError;
use crate::node::Node;

/// Why nothing is done with a 3ID.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThreeIdError {
    /// The wallet says of no 3ID that it speaks for it.
    #[error("the wallet {0} has no 3ID")]
    NoThreeId(String),
    /// Its keys or its keychain.
    #[error(transparent)]
    Keys(#[from] ThreeIdWriteError),
    /// Its documents.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl ThreeIdError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ThreeIdError::NoThreeId(_) => "three-id-none",
            ThreeIdError::Keys(error) => error.code(),
            ThreeIdError::Node(error) => error.code(),
        }
    }
}

/// A 3ID whose keychain was opened. Its seeds are wiped when it is dropped.
pub struct ThreeId {
    did: String,
    stream: StreamId,
    keychain: StreamId,
    keyring: Keyring,
}

impl ThreeId {
    /// `did:3:…`
    pub fn did(&self) -> &str {
        &self.did
    }

    /// Its document.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The document of its keychain.
    pub fn keychain(&self) -> &StreamId {
        &self.keychain
    }

    /// Its keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn new(stream: StreamId, keyring: Keyring) -> Result<Self, NodeError> {
        let did = format!("did:3:{stream}");
        Ok(Self {
            keychain: id_of(KEYCHAIN_FAMILY, &did)?,
            did,
            stream,
            keyring,
        })
    }
}

/// The key that controls the document of a 3ID.
struct Manager<'k>(&'k KeySet);

#[async_trait(?Send)]
impl Signer for Manager<'_> {
    fn controller(&self) -> &str {
        self.0.management()
    }

    async fn sign(&self, payload: &Cid) -> Result<Signed, SignError> {
        Ok(Signed {
            envelope: self.0.manage(payload),
            capability: None,
        })
    }
}

#[async_trait(?Send)]
impl Signer for ThreeIdSigner<'_> {
    fn controller(&self) -> &str {
        self.did()
    }

    async fn sign(&self, payload: &Cid) -> Result<Signed, SignError> {
        Ok(Signed {
            envelope: ThreeIdSigner::sign(self, payload),
            capability: None,
        })
    }
}

impl Node {
    /// A new 3ID with one wallet, by the seed of its `did:key`. Only the 3ID can read the `name`.
    ///
    /// # Errors
    /// Those of [`Node::create`] and [`Node::update`]. What was written before stays, and means nothing to anybody.
    pub async fn create_three_id(
        &self,
        wallet: &Seed,
        name: &str,
    ) -> Result<ThreeId, ThreeIdError> {
        let keys = new_keys()?;
        let view = self.create(&Manager(&keys), &keys.document()).await?;
        let id = ThreeId::new(*view.document.stream(), Keyring::new(keys))?;
        self.admit(&id, Keychain::default(), wallet, name).await?;
        let signer = self.three_id_signer(&id).await?;
        let index = self.tile(&signer, INDEX_FAMILY).await?;
        let content = index_content(index.document.state().content(), &id.keychain);
        let edit = whole(content);
        self.update(&signer, index.document.stream(), &edit, None)
            .await?;
        Ok(id)
    }

    /// The 3ID that a wallet speaks for. For so long is waited for each of its documents, and for what it should say; what is
    /// kept here is enough, and all there is when no peer is connected.
    ///
    /// # Errors
    /// `three-id-none`, `keychain-unknown-wallet` if the wallet was removed, and those of [`Node::load`].
    pub async fn open_three_id(
        &self,
        wallet: &Seed,
        timeout: Duration,
    ) -> Result<ThreeId, ThreeIdError> {
        let wallet_did = Ed25519Signer::from_seed(wallet.expose()).did().to_owned();
        let link = id_of(LINK_FAMILY, &wallet_did)?;
        let none = || ThreeIdError::NoThreeId(wallet_did.clone());
        let linked = |view: &View| linked(view).ok_or_else(none);
        let stream = self.once(&link, timeout, linked).await?;
        self.load(&DocumentRef::Stream(stream), timeout).await?;
        let keychain = id_of(KEYCHAIN_FAMILY, &format!("did:3:{stream}"))?;
        let open = |view: &View| Ok(read(view)?.open(wallet)?);
        let keyring = self.once(&keychain, timeout, open).await?;
        Ok(ThreeId::new(stream, keyring)?)
    }

    /// What a document says once it says it: peers may tell of its older events first. Without peers it says what it says.
    async fn once<T>(
        &self,
        stream: &StreamId,
        timeout: Duration,
        said: impl Fn(&View) -> Result<T, ThreeIdError>,
    ) -> Result<T, ThreeIdError> {
        let view = self.load(&DocumentRef::Stream(*stream), timeout).await?;
        let mut last = said(&view);
        let mut views = pin!(self.follow(stream));
        let mut clock = pin!(Delay::new(timeout));
        while last.is_err() && self.status().await.online {
            match select(views.next(), clock.as_mut()).await {
                Either::Left((Some(view), _)) => last = said(&view),
                Either::Left((None, _)) | Either::Right(_) => break,
            }
        }
        last
    }

    /// The wallets of a 3ID.
    ///
    /// # Errors
    /// Those of the keychain, and of [`Node::load`].
    pub async fn wallets(&self, id: &ThreeId) -> Result<Vec<Wallet>, ThreeIdError> {
        let keychain = read(&self.kept(&id.keychain).await?)?;
        Ok(keychain.wallets(&id.keyring)?)
    }

    /// Lets another wallet speak for a 3ID.
    ///
    /// # Errors
    /// `keychain-known-wallet`, `keychain-too-many`, and those of [`Node::update`].
    pub async fn add_wallet(
        &self,
        id: &ThreeId,
        wallet: &Seed,
        name: &str,
    ) -> Result<(), ThreeIdError> {
        let keychain = read(&self.kept(&id.keychain).await?)?;
        self.admit(id, keychain, wallet, name).await
    }

    /// Begins to go over to new keys, which these wallets do not get to know. The keychain has them at once; the 3ID itself follows by
    /// [`Node::finish_rotation`].
    ///
    /// # Errors
    /// `keychain-unknown-wallet`, `keychain-last-wallet`, and those of [`Node::update`]; then nothing has changed.
    pub async fn rotate_three_id(
        &self,
        id: &mut ThreeId,
        without: &[&str],
    ) -> Result<(), ThreeIdError> {
        let next = new_keys()?;
        let three_id = self.kept(&id.stream).await?;
        let view = self.kept(&id.keychain).await?;
        let mut keychain = read(&view)?;
        let fresh = fresh(&keychain)?;
        keychain.rotate(&mut id.keyring, &three_id.document, next, without, fresh)?;
        let written = self.replace_keychain(id, &keychain, &view).await;
        if written.is_err() {
            id.keyring.take_back();
        }
        written
    }

    async fn replace_keychain(
        &self,
        id: &ThreeId,
        keychain: &Keychain,
        before: &View,
    ) -> Result<(), ThreeIdError> {
        let edit = whole(keychain.content()?);
        // Those that are replaced: the newest are not in force.
        let signer = self.three_id_signer(id).await?;
        let base = before.document.tip();
        self.update(&signer, &id.keychain, &edit, Some(base))
            .await?;
        Ok(())
    }

    /// Brings the 3ID to the newest keys of its keychain. False if the keychain still waits for its anchor; true once there is
    /// nothing left to do.
    ///
    /// # Errors
    /// `three-id-not-controller` if it was rotated elsewhere, and those of [`Node::submit`].
    pub async fn finish_rotation(&self, id: &ThreeId) -> Result<bool, ThreeIdError> {
        let three_id = self.kept(&id.stream).await?;
        let Some(blocks) = id.keyring.catch_up(&three_id.document)? else {
            return Ok(true);
        };
        if !is_anchored(&self.kept(&id.keychain).await?.document) {
            return Ok(false);
        }
        let event = super::event(&blocks).map_err(NodeError::from)?;
        let intent = Intent::After(*three_id.document.tip());
        self.write(id.stream, event, blocks, intent).await?;
        Ok(true)
    }

    /// Who signs for a 3ID now. Ask again for each write: an anchor may have brought other keys into force.
    ///
    /// # Errors
    /// `three-id-not-in-force`, and those of [`Node::load`].
    pub async fn three_id_signer<'i>(
        &self,
        id: &'i ThreeId,
    ) -> Result<ThreeIdSigner<'i>, ThreeIdError> {
        let view = self.kept(&id.stream).await?;
        Ok(id.keyring.signer(&view.document)?)
    }

    /// Gives a wallet an entry, and links it.
    async fn admit(
        &self,
        id: &ThreeId,
        mut keychain: Keychain,
        wallet: &Seed,
        name: &str,
    ) -> Result<(), ThreeIdError> {
        let key = Ed25519Signer::from_seed(wallet.expose());
        let entry = Wallet {
            did: key.did().to_owned(),
            name: name.to_owned(),
        };
        let fresh = fresh(&keychain)?;
        keychain.add(&id.keyring, &id.did, &entry, fresh)?;
        let signer = self.three_id_signer(id).await?;
        let tile = self.tile(&signer, KEYCHAIN_FAMILY).await?;
        let edit = whole(keychain.content()?);
        self.update(&signer, tile.document.stream(), &edit, None)
            .await?;
        let signer = LocalSigner::new(key);
        let link = self.tile(&signer, LINK_FAMILY).await?;
        let edit = whole(link_content(&id.did));
        self.update(&signer, link.document.stream(), &edit, None)
            .await?;
        Ok(())
    }

    /// The one tile of a family that a DID has.
    async fn tile(&self, signer: &dyn Signer, family: &str) -> Result<View, NodeError> {
        self.create(signer, &New::Tile(tile_of(family))).await
    }
}

/// Where the one tile of a family is that a DID has.
fn id_of(family: &str, controller: &str) -> Result<StreamId, NodeError> {
    let (kind, init) = New::Tile(tile_of(family)).init(controller, [0; 12])?;
    Ok(StreamId::new(kind, *init.payload().cid()))
}

/// The 3ID that a wallet's link names.
fn linked(view: &View) -> Option<StreamId> {
    let Some(Ipld::Map(content)) = view.document.state().content() else {
        return None;
    };
    match content.get("did") {
        Some(Ipld::String(did)) => did.strip_prefix("did:3:")?.parse().ok(),
        _ => None,
    }
}

fn read(view: &View) -> Result<Keychain, ThreeIdWriteError> {
    Keychain::read(view.document.state().content().unwrap_or(&Ipld::Null))
}

fn whole(content: Ipld) -> Edit {
    Edit {
        change: Change::Content(content.into()),
        header: Map::new(),
    }
}

fn new_keys() -> Result<KeySet, ThreeIdError> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    fill(&mut *bytes)?;
    Ok(KeySet::of_seed(Seed::new(&bytes))?)
}

fn fresh(keychain: &Keychain) -> Result<Fresh, NodeError> {
    let mut bytes = vec![0; keychain.random_for_a_change()];
    fill(&mut bytes)?;
    Ok(Fresh::new(bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), NodeError> {
    getrandom::fill(bytes).map_err(|error| NodeError::Random(error.to_string()))
}
