//! The rules of each document type: which transitions are valid (as js-ceramic's handlers judge them). One file per type.
//!
//! Signatures, links and anchors are the same for all types and were checked before a rule is asked. A type that is not
//! here is refused by name, never guessed at.

mod tile;

use cid::Cid;

use crate::StreamType;
use crate::event::{Data, Init};
use crate::refusal::Reason;
use crate::state::State;

/// Why an event breaks the rules of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not exactly one controller.
    #[error("a document has exactly one controller, not {0}")]
    ControllerCount(usize),
    /// The controller is not a DID.
    #[error("the controller {0:?} is not a DID")]
    BadController(String),
    /// The event is not signed, and must be.
    #[error("the event must be signed")]
    Unsigned,
    /// Someone else signed.
    #[error("{signer} signed, but {controller} controls the document")]
    WrongSigner {
        /// Who signed.
        signer: String,
        /// Who should have.
        controller: String,
    },
    /// A controller whose DID method is not supported: nobody can be shown to act for it.
    #[error("the controller {0} has a DID method that is not supported")]
    UnsupportedDid(String),
    /// The event names another document.
    #[error("the event is of the document that starts with {0}")]
    WrongDocument(Cid),
    /// A change without a header.
    #[error("a change to a tile must have a header")]
    NoHeader,
    /// The controller is fixed.
    #[error("the controller cannot be changed: forbidControllerChange is set")]
    ControllerFixed,
    /// That is decided at the start.
    #[error("forbidControllerChange cannot be changed")]
    ForbidControllerChange,
    /// The schema is not given by a CommitID.
    #[error("the schema is not given by a CommitID")]
    BadSchema,
}

impl RuleError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ControllerCount(_) => "controller-count",
            Self::BadController(_) => "controller-not-a-did",
            Self::Unsigned => "unsigned",
            Self::WrongSigner { .. } => "wrong-signer",
            Self::UnsupportedDid(_) => "unsupported-did",
            Self::WrongDocument(_) => "wrong-document",
            Self::NoHeader => "no-header",
            Self::ControllerFixed => "controller-fixed",
            Self::ForbidControllerChange => "forbid-controller-change",
            Self::BadSchema => "schema-not-a-commit",
        }
    }
}

/// The rules of one document type.
pub(crate) trait DocumentType: Sync {
    /// The state after the init event; its log is left empty.
    fn init(&self, init: &Init) -> Result<State, Reason>;

    /// Applies a change. On an error the state is what it was.
    fn data(&self, state: &mut State, data: &Data) -> Result<(), Reason>;
}

/// The rules of a type.
pub(crate) fn rules(kind: StreamType) -> Result<&'static dyn DocumentType, Reason> {
    match kind {
        StreamType::TILE => Ok(&tile::Tile),
        other => Err(Reason::UnsupportedType(other)),
    }
}
