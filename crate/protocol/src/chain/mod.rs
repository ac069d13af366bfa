//! From a tip back to the init event, and forward again: link, verify, choose, replay (js-ceramic's stream loader).
//!
//! A hostile sender can announce tips that lead nowhere, to another document, or through millions of events, and can sign
//! whatever it likes. A [`Walk`] ends after [`MAX_EVENTS`] events or [`MAX_CHAIN_BYTES`] bytes; it stops where a block is
//! missing and says so; and nothing it collects is believed before [`crate::document::Document`] has judged it.

pub(crate) mod judge;
pub(crate) mod order;
mod walk;

pub use order::Advantage;
pub use walk::{MAX_CHAIN_BYTES, MAX_EVENTS, Step, Walk};

use std::sync::Arc;

use cid::Cid;

use crate::anchor::{AnchorError, Proof};
use crate::block::DAG_JOSE;
use crate::cacao::Capability;
use crate::event::{Decoded, Envelope, Event, EventError, decode, decode_signed};
use crate::refusal::Reason;
use crate::{Block, Blocks, StreamId};

/// Why a tip leads to no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A block without which the chain ends cannot be had.
    #[error("the block {0} is missing")]
    Missing(Cid),
    /// A block on the way is not an event.
    #[error("{event} is not an event: {error}")]
    BadEvent {
        /// The block.
        event: Cid,
        /// What is wrong with it.
        error: Box<EventError>,
    },
    /// The chain ends at another document's init event.
    #[error("the chain starts with {0}, which is another document")]
    WrongDocument(Cid),
    /// More events than [`MAX_EVENTS`].
    #[error("the chain has more than {MAX_EVENTS} events")]
    TooLong,
    /// More bytes than [`MAX_CHAIN_BYTES`].
    #[error("the chain has more than {MAX_CHAIN_BYTES} bytes")]
    TooLarge,
    /// The chain builds on an event that the document does not hold.
    #[error("the chain builds on {0}, which is not held")]
    UnknownParent(Cid),
}

impl ChainError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "chain-missing-block",
            Self::BadEvent { error, .. } => error.code(),
            Self::WrongDocument(_) => "chain-wrong-document",
            Self::TooLong => "chain-too-long",
            Self::TooLarge => "chain-too-large",
            Self::UnknownParent(_) => "chain-unknown-parent",
        }
    }
}

/// An event as its blocks, which hold it in far less memory than when it is decoded.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) cid: Cid,
    /// The event before; an init event has none.
    pub(crate) prev: Option<Cid>,
    /// Only of a time event: the proof, if the witness path leads from it to the event before.
    pub(crate) witness: Option<Result<Arc<Proof>, AnchorError>>,
    /// Only of an event that names a capability: what was read of it.
    pub(crate) capability: Option<Result<Arc<Capability>, Arc<Reason>>>,
    /// In CAR order.
    pub(crate) blocks: Vec<Block>,
}

impl Link {
    /// Decodes the event.
    pub(crate) fn event(&self) -> Result<Event, Reason> {
        let root = self.get(&self.cid).ok_or(ChainError::Missing(self.cid))?;
        match decode(&root, self)? {
            Decoded::Event(event) => Ok(event),
            Decoded::Need(_) => Err(ChainError::Missing(self.cid).into()),
        }
    }

    /// Decodes a signed event whose envelope was read already.
    pub(crate) fn event_in(&self, envelope: Envelope) -> Result<Event, Reason> {
        let missing = ChainError::Missing(envelope.payload);
        let payload = self.get(&envelope.payload).ok_or(missing)?;
        Ok(decode_signed(self.cid, envelope, &payload)?)
    }

    /// The signatures, if the event is signed.
    pub(crate) fn envelope(&self) -> Option<Result<Envelope, EventError>> {
        let root = self
            .get(&self.cid)
            .filter(|_| self.cid.codec() == DAG_JOSE)?;
        Some(Envelope::read(root.bytes()))
    }

    pub(crate) fn bytes(&self) -> usize {
        let sizes = self.blocks.iter().map(|block| block.bytes().len());
        sizes.fold(0, usize::saturating_add)
    }
}

impl Blocks for Link {
    fn get(&self, cid: &Cid) -> Option<Block> {
        self.blocks.iter().find(|block| block.cid() == cid).cloned()
    }
}

/// Events that point at each other, from the init event or a known event to a tip. Linked, not yet judged.
#[derive(Clone, Debug)]
pub struct Chain {
    stream: StreamId,
    joins: Option<Cid>,
    /// Oldest first.
    links: Vec<Link>,
}

impl Chain {
    /// The document.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// All events of a document up to one, newest first.
    pub(crate) fn whole(stream: StreamId, mut links: Vec<Link>) -> Self {
        links.reverse();
        Self {
            stream,
            joins: None,
            links,
        }
    }

    /// The known event on which this builds; `None` if it starts with the init event.
    pub fn joins(&self) -> Option<&Cid> {
        self.joins.as_ref()
    }

    /// The events, oldest first.
    pub fn cids(&self) -> impl ExactSizeIterator<Item = &Cid> {
        self.links.iter().map(|link| &link.cid)
    }

    pub(crate) fn into_links(self) -> Vec<Link> {
        self.links
    }
}
