//! A 3ID of one's own (did:3, CIP-79) and its keychain (CIP-20), as 3id-did-provider 0.4 of npm makes them.
//!
//! A 3ID is a tile of the family `3id` that lists two keys of one seed, one that signs and one that others encrypt to. A third
//! key of the same seed, as a `did:key`, controls the tile; nothing else does. The seed itself is in the keychain, a tile
//! that the 3ID writes, encrypted to each wallet that may speak for it: adding a wallet adds an entry; removing one changes the
//! seed, since the removed wallet knows the old one ([`Keychain::rotate`], then [`Keyring::catch_up`]).
//!
//! **What a rotation ends.** The new keys are in force once an anchor follows the rotation. What the old ones signed stays
//! valid if an anchor shows that it was there in time; see [`crate::did::three_id`]. The removed wallet can still read
//! whatever was encrypted to an old seed.
//!
//! What is read here was found on the network: a keychain of at most [`MAX_WALLETS`] wallets and [`MAX_PAST`] past seeds.

mod keychain;
mod keys;

pub use keychain::{Fresh, Keychain, Keyring, MAX_PAST, MAX_WALLETS, Wallet, is_anchored};
pub use keys::{KeySet, ThreeIdSigner};

use ipld_core::ipld::Ipld;

use super::{AuthorError, NewTile, TileMetadata};
use crate::StreamId;
use crate::event::Map;
use crate::jose::jwe::JweError;

/// The family of the tile that is a 3ID.
pub const THREE_ID_FAMILY: &str = "3id";
/// The definition of the keychain (CIP-20), which is the family of the tile that holds it.
pub const KEYCHAIN_FAMILY: &str = "kjzl6cwe1jw14a50gupo0d433e9ojgmj9rd9ejxkc8vq6lw0fznsoohwzmejqs8";
/// The family of the tile that says which 3ID a wallet speaks for.
pub const LINK_FAMILY: &str = "authLink";
/// The family of the tile by which the records of a DID are found (CIP-11).
pub const INDEX_FAMILY: &str = "IDX";

/// Why a 3ID or its keychain can be neither written nor opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThreeIdWriteError {
    /// A seed that makes no keys: one in 2^127.
    #[error("this seed makes no keys: draw another one")]
    Seed,
    /// The document is no 3ID.
    #[error("this document is no 3ID")]
    NotAThreeId,
    /// Another key controls the 3ID.
    #[error("these keys do not control the 3ID: it was rotated since, so open its keychain again")]
    NotController,
    /// None of the keys is in force.
    #[error(
        "none of these keys is in force in the 3ID: open its keychain again, or wait for the anchor of its last rotation"
    )]
    NotInForce,
    /// The keychain is not what CIP-20 says.
    #[error("the keychain cannot be read: {0}")]
    Malformed(&'static str),
    /// The wallet has no entry.
    #[error("the wallet {0} is none of those that control the 3ID")]
    UnknownWallet(String),
    /// The wallet has one already.
    #[error("the wallet {0} controls the 3ID already")]
    KnownWallet(String),
    /// Nobody could ever open it again.
    #[error("the last wallet of a 3ID cannot be removed: add another one first")]
    LastWallet,
    /// More wallets or rotations than anybody has.
    #[error("a keychain has at most {MAX_WALLETS} wallets and {MAX_PAST} past seeds")]
    TooMany,
    /// What is encrypted cannot be opened, or nothing can be encrypted.
    #[error(transparent)]
    Jwe(#[from] JweError),
    /// The event cannot be written.
    #[error(transparent)]
    Author(#[from] AuthorError),
}

impl ThreeIdWriteError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Seed => "three-id-seed",
            Self::NotAThreeId => "three-id-other-document",
            Self::NotController => "three-id-not-controller",
            Self::NotInForce => "three-id-not-in-force",
            Self::Malformed(_) => "keychain-malformed",
            Self::UnknownWallet(_) => "keychain-unknown-wallet",
            Self::KnownWallet(_) => "keychain-known-wallet",
            Self::LastWallet => "keychain-last-wallet",
            Self::TooMany => "keychain-too-many",
            Self::Jwe(error) => error.code(),
            Self::Author(error) => error.code(),
        }
    }
}

/// The empty tile of a family: of the keychain and the index the 3ID is the controller, of the link the wallet's DID.
///
/// Their schemas are left away: they are documents of the main network, which others do not have.
pub fn tile_of(family: &str) -> NewTile {
    NewTile {
        content: None,
        metadata: TileMetadata {
            family: Some(family.to_owned()),
            ..TileMetadata::default()
        },
        deterministic: true,
    }
}

/// What the link of a wallet says.
pub fn link_content(three_id: &str) -> Ipld {
    Ipld::Map(Map::from([("did".to_owned(), three_id.into())]))
}

/// What the index of a 3ID says of its keychain, beside what it says of other records.
pub fn index_content(before: Option<&Ipld>, keychain: &StreamId) -> Ipld {
    let mut index = match before {
        Some(Ipld::Map(index)) => index.clone(),
        _ => Map::new(),
    };
    let record = format!("ceramic://{keychain}");
    index.insert(KEYCHAIN_FAMILY.to_owned(), record.into());
    Ipld::Map(index)
}
