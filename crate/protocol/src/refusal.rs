//! Why an event, or what stands on it, was not taken.

use std::fmt;

use cid::Cid;

use crate::account::ProofError;
use crate::anchor::{AnchorError, Proof};
use crate::cacao::CacaoError;
use crate::chain::ChainError;
use crate::did::three_id::ThreeIdError;
use crate::doctype::{InstanceError, RuleError};
use crate::event::EventError;
use crate::jose::JoseError;
use crate::model::ModelError;
use crate::patch::PatchError;
use crate::{DocumentRef, StreamType};

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

    /// The document that must be known before this can be judged, if that is the reason.
    pub fn wanted(&self) -> Option<&DocumentRef> {
        match &*self.reason {
            Reason::Need(Need::Document(wanted)) => Some(wanted),
            _ => None,
        }
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

impl From<Need> for Refusal {
    fn from(need: Need) -> Self {
        Self {
            event: None,
            reason: Box::new(need.into()),
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
    /// The 3ID that signed does not vouch for it.
    #[error(transparent)]
    ThreeId(#[from] ThreeIdError),
    /// The capability is bad, or does not allow this.
    #[error(transparent)]
    Capability(#[from] CacaoError),
    /// The proof that an account wants a link is bad.
    #[error(transparent)]
    Proof(#[from] ProofError),
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
            Self::ThreeId(error) => error.code(),
            Self::Capability(error) => error.code(),
            Self::Proof(error) => error.code(),
            Self::Anchor(error) => error.code(),
            Self::Rule(error) => error.code(),
            Self::Patch(error) => error.code(),
            Self::Need(need) => need.code(),
            Self::UnsupportedType(_) => "unsupported-type",
            Self::NotInLog => "not-in-log",
        }
    }
}

impl From<ModelError> for Reason {
    fn from(error: ModelError) -> Self {
        RuleError::from(error).into()
    }
}

impl From<InstanceError> for Reason {
    fn from(error: InstanceError) -> Self {
        RuleError::from(error).into()
    }
}

/// What must be known beyond the event's own blocks before it can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Need {
    /// A capability (CACAO), by its block, which nobody has.
    #[error("the capability {0} is missing")]
    Capability(Cid),
    /// A transaction, by the chain's CAIP-2 name and by its own: when it was mined decides, of whether a capability was
    /// still valid or a proof too old, and nobody asked.
    #[error("the chain {chain_id} must be asked about the transaction {tx_hash} first")]
    Transaction {
        /// The chain.
        chain_id: String,
        /// The transaction.
        tx_hash: Cid,
    },
    /// Another document, or one of its versions, to be loaded and verified. Of a model or a related instance the version
    /// at its init event is enough.
    #[error("the document {0} must be loaded and verified first")]
    Document(Box<DocumentRef>),
}

impl Need {
    /// To hear from the chain about an anchor.
    pub(crate) fn transaction(proof: &Proof) -> Self {
        Self::Transaction {
            chain_id: proof.chain_id.clone(),
            tx_hash: proof.tx_hash,
        }
    }

    pub(crate) fn document(wanted: DocumentRef) -> Self {
        Self::Document(Box::new(wanted))
    }

    /// A stable name of the need.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Capability(_) => "needs-capability",
            Self::Transaction { .. } => "needs-transaction",
            Self::Document(_) => "needs-document",
        }
    }
}
