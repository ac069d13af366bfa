//! The rules of each document type: which transitions are valid (as js-ceramic's handlers judge them). One file per type.
//!
//! Signatures, links and anchors are the same for all types and were checked before a rule is asked. A type that is not
//! here, and that nobody added to [`Types`], is refused by name, never guessed at.

mod caip10_link;
mod model;
mod model_instance;
mod tile;

use std::fmt;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

pub use model_instance::{InstanceError, MAX_INSTANCE_BYTES};

use cid::Cid;

use crate::event::{Data, Init};
use crate::model::ModelError;
use crate::refusal::Reason;
use crate::schema::SchemaError;
use crate::sorted::SortedMap;
use crate::state::State;
use crate::world::World;
use crate::{StreamId, StreamType};

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
    /// A link to a DID that does not start empty.
    #[error("the init event of a link has no content")]
    LinkWithContent,
    /// The controller of a link is no blockchain account.
    #[error("the controller {0:?} is not an account of the form address@chain")]
    NotAnAccount(String),
    /// The proof is of another account.
    #[error("{account} signed, but the link is of {controller}")]
    WrongAccount {
        /// Who signed.
        account: String,
        /// Who should have.
        controller: String,
    },
    /// The proof is older than what came before it.
    #[error("the proof is older than the anchor or the proof before it")]
    ProofTooOld,
    /// The schema is not given by a CommitID.
    #[error("the schema is not given by a CommitID")]
    BadSchema,
    /// What a model may not be.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What an instance of a model may not be.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The content breaks the schema, or that is none.
    #[error(transparent)]
    Schema(#[from] SchemaError),
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
            Self::LinkWithContent => "link-with-content",
            Self::NotAnAccount(_) => "controller-not-an-account",
            Self::WrongAccount { .. } => "wrong-account",
            Self::ProofTooOld => "proof-too-old",
            Self::BadSchema => "schema-not-a-commit",
            Self::Model(error) => error.code(),
            Self::Instance(error) => error.code(),
            Self::Schema(error) => error.code(),
        }
    }
}

/// An event with content.
#[derive(Clone, Copy)]
pub enum Written<'a> {
    /// The first event.
    Init(&'a Init),
    /// A change.
    Data(&'a Data),
}

/// Where an event is judged.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The document.
    pub stream: &'a StreamId,
    /// What else is known.
    pub world: &'a World<'a>,
}

/// The rules of one document type. An event is applied first, then the outcome is checked; when a document is replayed,
/// what was checked before is only applied.
pub trait DocumentType: fmt::Debug + Send + Sync + RefUnwindSafe {
    /// The state after the init event; its log is left empty.
    fn init(&self, init: &Init) -> Result<State, Reason>;

    /// Applies a change. On an error the state may be anything: it is thrown away.
    fn change(&self, state: &mut State, data: &Data) -> Result<(), Reason>;

    /// Whether the state after an event, which is not in its log yet, agrees with what lies outside the document.
    fn check(&self, event: Written, state: &State, around: &Around) -> Result<(), Reason> {
        let _ = (event, state, around);
        Ok(())
    }

    /// Whether a change must be signed by the controller. If not, [`DocumentType::check`] must see to it who wrote it.
    fn changes_are_signed(&self) -> bool {
        true
    }

    /// The DID behind the newest change, where changes need not be signed and [`DocumentType::check`] verified who wrote it.
    fn signer(&self, state: &State) -> Option<String> {
        let _ = state;
        None
    }
}

/// The document types that are known.
#[derive(Default)]
pub struct Types {
    added: SortedMap<StreamType, Arc<dyn DocumentType>>,
}

impl Types {
    /// Those of Ceramic.
    pub const fn ceramic() -> Self {
        Self {
            added: SortedMap::new(),
        }
    }

    /// Adds the rules of another type. Those of Ceramic's own types cannot be replaced.
    pub fn add(&mut self, kind: StreamType, rules: Arc<dyn DocumentType>) {
        self.added.insert(kind, rules);
    }

    /// The rules of a type.
    pub fn rules(&self, kind: StreamType) -> Result<Arc<dyn DocumentType>, Reason> {
        match kind {
            StreamType::TILE => Ok(Arc::new(tile::Tile)),
            StreamType::CAIP10_LINK => Ok(Arc::new(caip10_link::Caip10Link)),
            StreamType::MODEL => Ok(Arc::new(model::ModelRules)),
            StreamType::MODEL_INSTANCE => Ok(Arc::new(model_instance::ModelInstance)),
            other => (self.added.get(&other).cloned()).ok_or(Reason::UnsupportedType(other)),
        }
    }
}
