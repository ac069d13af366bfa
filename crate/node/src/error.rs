//! Why a node did not do what it was asked.

use cid::Cid;
use ostrakon_protocol::author::AuthorError;
use ostrakon_protocol::block::BlockError;
use ostrakon_protocol::car::CarError;
use ostrakon_protocol::chain::ChainError;
use ostrakon_protocol::event::EventError;
use ostrakon_protocol::id::{CommitId, DocumentRef, StreamId};
use ostrakon_protocol::refusal::Refusal;

use crate::network::NetworkError;
use crate::store::StoreError;
use crate::writing::SignError;

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The node was stopped.
    #[error("the node was stopped")]
    Stopped,
    /// More is under way than the node takes on at once. Try again.
    #[error("the node is busy")]
    Busy,
    /// The document is not kept and nobody is connected who could be asked.
    #[error("{0} is not kept here and no peer is connected")]
    Offline(StreamId),
    /// The document is not kept, and nobody who was asked in time has it.
    #[error("nobody offered {0} in time")]
    NotFound(StreamId),
    /// Peers announced the document, but not all of its blocks could be had in time.
    #[error("{0} was announced, but its blocks could not be had in time")]
    Unavailable(StreamId),
    /// The document is not kept.
    #[error("{0} is not kept here")]
    NotKept(StreamId),
    /// The version is not part of the document: it lost to another branch.
    #[error("{} is not a version of {}", .0.commit(), .0.stream_id())]
    CommitNotFound(Box<CommitId>),
    /// The document has another tip than the one that a write is based on. Nothing was written.
    #[error("the document has changed: its tip is {} now. Look at it and write again", .tip.commit())]
    Stale {
        /// The tip now.
        tip: Box<CommitId>,
    },
    /// An event from here is valid, but would not become the tip: another branch wins, or what it builds on holds no more.
    /// Nothing was written.
    #[error("{} would lose to another branch of {}: nothing was written. Look at it and write again", .0.commit(), .0.stream_id())]
    Lost(Box<CommitId>),
    /// Someone else may write to this document.
    #[error("{} is controlled by {}: sign with that identity", .0.0, .0.1)]
    NotController(Box<(StreamId, String)>),
    /// The document has writes from here that nobody else has.
    #[error(
        "{0} has changes that are not published yet: wait until a peer is connected, or say that they may be lost"
    )]
    Unpublished(StreamId),
    /// Too much waits to be published.
    #[error("too many documents wait to be published: connect to a peer first")]
    OutboxFull,
    /// More documents, or more bytes of them, than one call makes.
    #[error("more than one call can create: divide it")]
    TooMany,
    /// What is to be written cannot be.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// The signature could not be had.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The platform has no randomness to give.
    #[error("the platform gives no random numbers: {0}")]
    Random(String),
    /// The document was forgotten meanwhile.
    #[error("{0} was forgotten")]
    Forgotten(StreamId),
    /// Judging the document takes another one, which could not be had in time or is not valid.
    #[error("{} cannot be judged without {}, which could not be had", .0.0, .0.1)]
    NeedsDocument(Box<(StreamId, DocumentRef)>),
    /// A block is missing in what was handed in.
    #[error("the block {0} is missing")]
    Incomplete(Cid),
    /// More bytes than a document may bring at once.
    #[error("{0} is too large")]
    TooLarge(StreamId),
    /// An archive that names no document.
    #[error("the archive has no roots")]
    NoRoots,
    /// An archive's root is no event.
    #[error("a root of the archive is not an event: {0}")]
    Event(#[from] EventError),
    /// Not an archive.
    #[error(transparent)]
    Car(#[from] CarError),
    /// Bytes in an archive that are not the block they claim to be.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Not a doc-chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Not valid.
    #[error("{0}")]
    Refused(Refusal),
    /// The store failed; nothing that was good changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl NodeError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            NodeError::Stopped => "stopped",
            NodeError::Busy => "busy",
            NodeError::Offline(_) => "offline",
            NodeError::NotFound(_) => "not-found",
            NodeError::Unavailable(_) => "unavailable",
            NodeError::NotKept(_) => "not-kept",
            NodeError::CommitNotFound(_) => "commit-not-found",
            NodeError::Stale { .. } => "stale",
            NodeError::Lost(_) => "write-lost",
            NodeError::NotController(..) => "not-controller",
            NodeError::Unpublished(_) => "unpublished",
            NodeError::OutboxFull => "outbox-full",
            NodeError::TooMany => "too-many",
            NodeError::Author(error) => error.code(),
            NodeError::Sign(error) => error.code(),
            NodeError::Random(_) => "no-random",
            NodeError::Forgotten(_) => "forgotten",
            NodeError::NeedsDocument(_) => "needs-document",
            NodeError::Incomplete(_) => "incomplete",
            NodeError::TooLarge(_) => "too-large",
            NodeError::NoRoots => "car-no-roots",
            NodeError::Event(error) => error.code(),
            NodeError::Car(error) => error.code(),
            NodeError::Block(error) => error.code(),
            NodeError::Chain(error) => error.code(),
            NodeError::Refused(refusal) => refusal.code(),
            NodeError::Store(error) => error.code(),
            NodeError::Network(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            NodeError::Busy
            | NodeError::OutboxFull
            | NodeError::Unpublished(_)
            | NodeError::Offline(_)
            | NodeError::NotFound(_)
            | NodeError::Unavailable(_)
            | NodeError::NeedsDocument(_) => true,
            NodeError::Store(error) => error.is_retryable(),
            _ => false,
        }
    }
}
