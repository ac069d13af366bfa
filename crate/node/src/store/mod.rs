//! Where documents are kept: one trait, and what every backend behind it must do.
//!
//! A commit is one transaction: whole or absent, whatever is killed and whenever. Blocks belong to a document; a block
//! that two documents share is stored with each, so forgetting is one range and a document is read in one go. Nobody
//! trusts a disk: what comes back is hashed again, and a document is verified again before anyone sees it.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod memory;
mod outgoing;
mod record;

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;

pub use memory::Memory;
pub use outgoing::Outgoing;
pub use record::{MAX_RECORD_NEEDS, MAX_RECORD_TIPS, Record};

/// A place to keep documents. Every backend passes the suite `store_conformance!`.
///
/// Calls may overlap, and any of their futures may be dropped at any moment.
#[async_trait(?Send)]
pub trait Store: 'static {
    /// Makes one change in one transaction: afterwards, also after a crash, all of it is there or none.
    async fn commit(&self, change: Change) -> Result<(), StoreError>;

    /// One document with all its blocks, as they are on disk; [`Stored::verified`] hashes them.
    async fn document(&self, stream: &StreamId) -> Result<Option<Stored>, StoreError>;

    /// The record of one document, without its blocks.
    async fn record(&self, stream: &StreamId) -> Result<Option<Record>, StoreError>;

    /// A block of any document. Hashed before it is returned: bytes that no longer fit are [`StoreError::Corrupt`].
    async fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError>;

    /// The records of all documents, in no particular order.
    async fn records(&self) -> Result<Vec<Record>, StoreError>;

    /// All that waits to be published, in no particular order. An entry that is damaged is left out: the document it was
    /// about is still there.
    async fn outbox(&self) -> Result<Vec<Outgoing>, StoreError>;

    /// What a chain answered, under the name that was given to it.
    async fn answer(&self, name: &str) -> Result<Option<Bytes>, StoreError>;

    /// Keeps what a chain answered, in place of what was kept under this name before. At most
    /// [`MAX_KEPT`](crate::chains::kept::MAX_KEPT) are kept; which of more go is the store's choice, for they can be asked for
    /// again.
    async fn keep_answer(&self, name: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// How much is kept.
    async fn usage(&self) -> Result<Usage, StoreError>;
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Keeps a document, or more of it.
    Put {
        /// Replaces the record there may be.
        record: Record,
        /// Are added to the document's blocks; one with the CID of an older one replaces it.
        blocks: Vec<Block>,
    },
    /// Removes a document, its blocks and what of it waits to be published, if it is there.
    Forget(StreamId),
    /// Notes that a tip waits to be published, in place of an earlier one of the same document.
    Queue(Outgoing),
    /// A tip need not be published any more. Nothing happens if another one of the document waits by now.
    Sent(StreamId, Cid),
    /// All of them. No document is put or forgotten twice, nor queued or sent twice, in one transaction.
    Many(Vec<Change>),
}

impl Change {
    /// The changes it is made of, none of them [`Change::Many`], in order.
    pub fn into_list(self) -> Vec<Change> {
        let mut list = Vec::new();
        let mut left = vec![self];
        while let Some(change) = left.pop() {
            match change {
                Change::Many(changes) => left.extend(changes.into_iter().rev()),
                one => list.push(one),
            }
        }
        list
    }
}

/// A document as it is on disk: not to be believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What was noted about it.
    pub record: Record,
    /// Every block that was stored with it, in no particular order, not hashed.
    pub blocks: Vec<(Cid, Bytes)>,
}

impl Stored {
    /// The blocks whose bytes still hash to their CID, and how many do not.
    pub fn verified(self) -> (Record, HashMap<Cid, Block>, usize) {
        let all = self.blocks.len();
        let blocks: HashMap<Cid, Block> = self
            .blocks
            .into_iter()
            .filter_map(|(cid, bytes)| Some((cid, Block::verify(cid, bytes).ok()?)))
            .collect();
        let damaged = all.saturating_sub(blocks.len());
        (self.record, blocks, damaged)
    }
}

/// How much a store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Documents.
    pub documents: u64,
    /// Blocks; one that two documents share counts twice.
    pub blocks: u64,
    /// Bytes of those blocks, without the store's own overhead.
    pub bytes: u64,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room is left. Nothing of the change was kept.
    #[error("the store is full: {0}")]
    Full(String),
    /// The data was written by a newer version of this program. Nothing is touched.
    #[error(
        "the store was made by a newer version: its format is {found}, this version knows {known}"
    )]
    Newer {
        /// The format found.
        found: u64,
        /// The newest format this version knows.
        known: u64,
    },
    /// The data was deleted while in use, for example by the user clearing the site's data.
    #[error("the store was deleted while in use")]
    Gone,
    /// Something read back is not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Anything else that the device or the browser says.
    #[error("the store failed: {0}")]
    Io(String),
}

impl StoreError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Full(_) => "store-full",
            StoreError::Newer { .. } => "store-newer",
            StoreError::Gone => "store-gone",
            StoreError::Corrupt(_) => "store-corrupt",
            StoreError::Io(_) => "store-io",
        }
    }

    /// Whether the same call may succeed later without anyone repairing the store.
    pub fn is_retryable(&self) -> bool {
        matches!(self, StoreError::Full(_) | StoreError::Io(_))
    }
}
