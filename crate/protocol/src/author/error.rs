use crate::StreamType;
use crate::account::ProofError;
use crate::block::BlockError;
use crate::cbor::CborError;
use crate::event::EventError;
use crate::model::ModelError;

/// Why an event cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorError {
    /// The event would be larger than a block may be.
    #[error(
        "the event would have {0} bytes, and {max} is the most: write less at once, or several documents",
        max = crate::MAX_BLOCK_BYTES
    )]
    TooLarge(usize),
    /// Content that cannot be written as DAG-CBOR.
    #[error("the content cannot be written: {0}")]
    Content(#[from] CborError),
    /// Content that is no JSON.
    #[error("the content is not JSON: {0}")]
    NotJson(String),
    /// A key that JavaScript keeps to itself: nobody would get to see what stands there.
    #[error("the content has the key \"__proto__\", which readers drop: choose another")]
    ForbiddenKey,
    /// A controller that is no DID.
    #[error("the controller {0:?} is not a DID")]
    BadController(String),
    /// Not exactly one controller.
    #[error("a document has exactly one controller: give a list of one DID")]
    ControllerCount,
    /// A schema that is not given by a CommitID.
    #[error("the schema must be given by the CommitID of a tile, as text")]
    BadSchema,
    /// A deterministic document with content.
    #[error("a deterministic document starts empty: create it, then update it")]
    DeterministicContent,
    /// A deterministic tile that only the controller would tell apart.
    #[error("a deterministic tile needs a family or tags")]
    DeterministicWithoutWords,
    /// Metadata of the wrong type.
    #[error("the metadata {0:?} has the wrong type")]
    BadMetadata(String),
    /// Metadata that is decided when the document is made.
    #[error("the metadata {0:?} cannot be changed once the document is made")]
    FixedMetadata(String),
    /// Metadata that documents of this type do not have.
    #[error("documents of this type have no metadata {0:?}")]
    UnknownMetadata(String),
    /// A text that is no account.
    #[error("{0:?} is not an account of the form namespace:reference:address (CAIP-10)")]
    NotAnAccount(String),
    /// The link is changed by a proof and nothing else.
    #[error("a link is changed by a proof of the account's owner, given as the whole content")]
    NeedsProof,
    /// The proof that an account wants a link is bad.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// What a model may not be.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model's id that names another kind of document.
    #[error("the model is not given by the id of a model")]
    NotAModel,
    /// A model never changes.
    #[error("a model cannot be changed: create another")]
    Final,
    /// Not a list of operations.
    #[error("a patch is a list of operations")]
    NotAPatch,
    /// A signature where there must be none.
    #[error("this event is not signed: its bytes make the document's id, or carry their own proof")]
    NoSignature,
    /// No event of this type can be written.
    #[error("documents of type {0} cannot be written")]
    UnsupportedType(StreamType),
    /// Anything else about blocks.
    #[error(transparent)]
    Event(EventError),
}

impl AuthorError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "content-too-large",
            Self::Content(error) => error.code(),
            Self::NotJson(_) => "content-not-json",
            Self::ForbiddenKey => "content-forbidden-key",
            Self::BadController(_) => "controller-not-a-did",
            Self::ControllerCount => "controller-count",
            Self::BadSchema => "schema-not-a-commit",
            Self::DeterministicContent => "deterministic-content",
            Self::DeterministicWithoutWords => "deterministic-without-words",
            Self::BadMetadata(_) => "metadata-bad",
            Self::FixedMetadata(_) => "metadata-fixed",
            Self::UnknownMetadata(_) => "metadata-unknown",
            Self::NotAnAccount(_) => "not-an-account",
            Self::NeedsProof => "link-needs-proof",
            Self::Proof(error) => error.code(),
            Self::Model(error) => error.code(),
            Self::NotAModel => "not-a-model",
            Self::Final => "model-final",
            Self::NotAPatch => "patch-not-a-patch",
            Self::NoSignature => "event-not-signed",
            Self::UnsupportedType(_) => "unsupported-type",
            Self::Event(error) => error.code(),
        }
    }
}

impl From<EventError> for AuthorError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Block(BlockError::TooLarge(bytes)) => Self::TooLarge(bytes),
            EventError::Cbor(error) => Self::Content(error),
            other => Self::Event(other),
        }
    }
}
