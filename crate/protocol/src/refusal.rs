//! Why an event, or what stands on it, was not taken.

use std::fmt;

use cid::Cid;

use crate::anchor::AnchorError;
use crate::chain::ChainError;
use crate::doctype::RuleError;
use crate::event::EventError;
use crate::jose::JoseError;
use crate::patch::PatchError;
use crate::{CommitId, StreamType};

/// A refusal: the event it is about, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The event, unless the reason is about the document as a whole.
    pub event: Option<Cid>,
    /// The reason.
    #[source]
    pub reason: Box<Reason>,
}

impl Refusal {
    /// A stable name of the reason.
    pub fn code(&self) -> &'static str {
        self.reason.code()
    }

    pub(crate) fn of(event: Cid, reason: Reason) -> Self {
        Self {
            event: Some(event),
            reason: Box::new(reason),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event {
            Some(event) => write!(f, "event {event}: {}", self.reason),
            None => self.reason.fmt(f),
        }
    }
}

impl From<ChainError> for Refusal {
    fn from(error: ChainError) -> Self {
        Self {
            event: None,
            reason: Box::new(error.into()),
        }
    }
}

/// A reason to refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The events do not form a chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A field of the event is missing or of the wrong type.
    #[error(transparent)]
    Unreadable(#[from] EventError),
    /// The signature is bad.
    #[error(transparent)]
    Signature(#[from] JoseError),
    /// The anchor is bad.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The document type forbids it.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The patch does not apply.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// It cannot be judged without this.
    #[error(transparent)]
    Need(#[from] Need),
    /// The rules of this document type are not known here.
    #[error("documents of type {0} are not supported")]
    UnsupportedType(StreamType),
    /// The version asked for is not one of the document's.
    #[error("the document's log has no such event")]
    NotInLog,
}

impl Reason {
    /// A stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::Unreadable(error) => error.code(),
            Self::Signature(error) => error.code(),
            Self::Anchor(error) => error.code(),
            Self::Rule(error) => error.code(),
            Self::Patch(error) => error.code(),
            Self::Need(need) => need.code(),
            Self::UnsupportedType(_) => "unsupported-type",
            Self::NotInLog => "not-in-log",
        }
    }
}

/// What must be known beyond the event's own blocks before it can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Need {
    /// A capability (CACAO), by its block.
    #[error("the capability {0} must be checked first")]
    Capability(Cid),
    /// A schema, by the version of the tile that holds it.
    #[error("the schema {0} must be loaded first")]
    Schema(Box<CommitId>),
}

impl Need {
    /// A stable name of the need.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Capability(_) => "needs-capability",
            Self::Schema(_) => "needs-schema",
        }
    }
}
