//! From a tip back to the init event, and forward again: link, verify, choose, replay (PROTOCOL §3.1, §6).
//!
//! A hostile sender can announce tips that lead nowhere, to another document, or through millions of events, and can sign
//! whatever it likes. A [`Walk`] ends after [`MAX_EVENTS`] events or [`MAX_WALK_BYTES`] bytes; it stops where a block is
//! missing and says so; and nothing it collects is believed before [`crate::document::Document`] has judged it.

pub(crate) mod judge;
pub(crate) mod order;
mod walk;

pub use walk::{MAX_EVENTS, MAX_WALK_BYTES, Step, Walk};

use std::sync::Arc;

use cid::Cid;

use crate::StreamId;
use crate::anchor::{AnchorError, Proof};
use crate::event::{Event, EventError};

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
    /// More bytes than [`MAX_WALK_BYTES`].
    #[error("the new events have more than {MAX_WALK_BYTES} bytes")]
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

/// An event and what was found to go with it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) event: Event,
    /// Of a time event: the proof, if the witness path leads from it to the event before.
    pub(crate) witness: Option<Result<Arc<Proof>, AnchorError>>,
    /// The blocks of the event, in CAR order.
    pub(crate) blocks: Vec<Cid>,
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

    /// The known event on which this builds; `None` if it starts with the init event.
    pub fn joins(&self) -> Option<&Cid> {
        self.joins.as_ref()
    }

    /// The events, oldest first.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &Event> {
        self.links.iter().map(|link| &link.event)
    }

    pub(crate) fn into_links(self) -> Vec<Link> {
        self.links
    }
}
