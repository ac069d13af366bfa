//! Models: what instances of a model look like, who may have how many of them, and what they point to (js-ceramic 6.11's
//! stream-model, versions 1.0 and 2.0 of a definition).
//!
//! A definition is a stranger's: any field may be missing, wrong or huge, a schema can refer to itself, and interfaces can
//! implement interfaces without end. A definition fits in one block; comparing it with an interface takes at most
//! [`MAX_COMPARISONS`] steps, [`MAX_NESTING`] deep; it has at most [`MAX_INTERFACES`] interfaces, themselves at most
//! [`MAX_IMPLEMENTS_DEPTH`] deep.

mod fields;
mod implements;
pub(crate) mod js;
mod read;

use std::fmt;
use std::sync::{Arc, OnceLock};

use ipld_core::ipld::Ipld;

use crate::StreamId;
use crate::event::Map;
use crate::json::to_json;
use crate::refusal::Reason;
use crate::schema::{Draft, Schema, SchemaError};
use crate::state::field;

pub use implements::{MAX_COMPARISONS, MAX_NESTING};

/// What every model names as its own model: the id of a document that does not exist, with a CID whose hash function (0x71)
/// is a mistake that can no longer be mended.
pub(crate) const METAMODEL: [u8; 18] = *b"\xce\x01\x04\x01\x71\x71\x0b\x00\x09\x68model-v1";

/// Most interfaces that one model implements.
pub const MAX_INTERFACES: usize = 64;
/// Most models in a row of which each implements the next.
pub const MAX_IMPLEMENTS_DEPTH: usize = 16;

/// Why a definition is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Not a model document.
    #[error("a model names the metamodel as its own model")]
    NotAModel,
    /// A change.
    #[error("a model cannot be changed")]
    Final,
    /// A field that no model has.
    #[error("a model has no field {0:?}")]
    UnexpectedField(String),
    /// A field is missing or not what it should be.
    #[error("the model's field {0} is missing or wrong")]
    BadField(&'static str),
    /// A whole number that JavaScript cannot hold.
    #[error("a model holds no whole number beyond 2^53 - 1")]
    BigInteger,
    /// The schema is none.
    #[error("the model's schema is no JSON schema: {0}")]
    BadSchema(SchemaError),
    /// An object in the schema that may have any property.
    #[error("every object in the schema of a model must have `additionalProperties: false`")]
    OpenObject,
    /// A field that cannot tell documents of an account apart.
    #[error("the field {0:?} of the account relation is no required field with a simple type")]
    BadSetField(String),
    /// A view with the name of a property.
    #[error("the view {0:?} has the name of a property")]
    ViewIsProperty(String),
    /// An interface without any property or view.
    #[error("an interface has at least one property or view")]
    EmptyInterface,
    /// The model lacks something of an interface it claims to implement.
    #[error("the model does not implement the interface {interface}: {part}")]
    NotImplemented {
        /// The interface.
        interface: Box<StreamId>,
        /// Where it differs.
        part: &'static str,
    },
    /// What an interface asks for cannot be made out.
    #[error("the schemas of the model and of the interface {0} cannot be compared")]
    Incomparable(Box<StreamId>),
    /// Comparing the model with an interface takes more steps than it may.
    #[error("comparing the model with the interface {0} takes too long")]
    TooComplex(Box<StreamId>),
    /// More interfaces than a model may have.
    #[error("a model implements at most {MAX_INTERFACES} interfaces")]
    TooManyInterfaces,
    /// Interfaces of interfaces of interfaces.
    #[error("interfaces implement interfaces at most {MAX_IMPLEMENTS_DEPTH} deep")]
    TooDeep,
}

impl ModelError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAModel => "model-not-a-model",
            Self::Final => "model-final",
            Self::UnexpectedField(_) => "model-unexpected-field",
            Self::BadField(_) => "model-bad-field",
            Self::BigInteger => "model-big-integer",
            Self::BadSchema(_) => "model-bad-schema",
            Self::OpenObject => "model-open-object",
            Self::BadSetField(_) => "model-bad-set-field",
            Self::ViewIsProperty(_) => "model-view-is-property",
            Self::EmptyInterface => "model-empty-interface",
            Self::NotImplemented { .. } => "model-not-implemented",
            Self::Incomparable(_) => "model-incomparable",
            Self::TooComplex(_) => "model-too-complex",
            Self::TooManyInterfaces => "model-too-many-interfaces",
            Self::TooDeep => "model-interfaces-too-deep",
        }
    }
}

/// The version of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.0
    V1,
    /// 2.0: interfaces, immutable fields, more account relations.
    V2,
}

/// How many instances an account may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRelation {
    /// Any number.
    List,
    /// One; its id follows from the model and the account.
    Single,
    /// Any number, and nothing is said about uniqueness.
    None,
    /// One for each combination of values of these fields.
    Set {
        /// At least one, each required and of a simple type.
        fields: Vec<String>,
    },
}

impl AccountRelation {
    /// Whether the id of an instance follows from its metadata: its init event has no content.
    pub fn is_deterministic(&self) -> bool {
        matches!(self, Self::Single | Self::Set { .. })
    }
}

/// What a field of an instance points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// An account. Nothing is checked.
    Account,
    /// An instance of this model, or of one that implements it; without a model, any instance. The text is kept as it
    /// was written, since js-ceramic compares texts.
    Document {
        /// The id of the model.
        model: Option<String>,
    },
}

/// A model: its definition, read and checked. Only a verified model document makes one.
pub struct Model {
    version: Version,
    account_relation: AccountRelation,
    relations: Vec<(String, Relation)>,
    implements: Vec<(String, StreamId)>,
    immutable_fields: Vec<String>,
    definition: Map,
    /// Compiled when the first instance needs it: a model whose schema does not compile is a model, but has no instances.
    schema: OnceLock<Result<Schema, SchemaError>>,
    depth: OnceLock<usize>,
}

impl Model {
    /// The version of the definition.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its name, which need not be unique.
    pub fn name(&self) -> &str {
        match field(&self.definition, "name") {
            Some(Ipld::String(name)) => name,
            _ => "",
        }
    }

    /// How many instances an account may have.
    pub fn account_relation(&self) -> &AccountRelation {
        &self.account_relation
    }

    /// What the fields of an instance point to, by the field's name.
    pub fn relations(&self) -> &[(String, Relation)] {
        &self.relations
    }

    /// Whether it is an interface, which has no instances.
    pub fn is_interface(&self) -> bool {
        self.version == Version::V2 && self.definition.get("interface") == Some(&Ipld::Bool(true))
    }

    /// The interfaces that it implements.
    pub fn implements(&self) -> impl ExactSizeIterator<Item = &StreamId> {
        self.implements.iter().map(|(_, id)| id)
    }

    /// Whether it says that it implements an interface, written like this. Interfaces of interfaces do not count.
    pub(crate) fn names_interface(&self, text: &str) -> bool {
        self.version == Version::V2 && self.implements.iter().any(|(written, _)| written == text)
    }

    /// The fields that cannot change once they were set.
    pub fn immutable_fields(&self) -> &[String] {
        match self.version {
            Version::V1 => &[],
            Version::V2 => &self.immutable_fields,
        }
    }

    /// The schema of its instances, compiled once.
    pub fn schema(&self) -> Result<&Schema, &SchemaError> {
        let compile = || Schema::compile(&to_json(self.definition_schema()), Draft::Draft2020);
        self.schema.get_or_init(compile).as_ref()
    }

    fn definition_schema(&self) -> &Ipld {
        self.definition.get("schema").unwrap_or(&Ipld::Null)
    }

    /// Checks that the model is what its interfaces, all of them in their order, ask for. `load` finds interfaces of
    /// interfaces.
    pub(crate) fn check_interfaces(
        &self,
        interfaces: &[Arc<Model>],
        load: Load,
    ) -> Result<(), Reason> {
        self.depth(MAX_IMPLEMENTS_DEPTH, load)?;
        for (id, interface) in self.implements().zip(interfaces) {
            implements::check(self, id, interface)?;
        }
        Ok(())
    }

    /// How many interfaces of interfaces it has below it.
    fn depth(&self, most: usize, load: Load) -> Result<usize, Reason> {
        if let Some(depth) = self.depth.get() {
            return match *depth > most {
                true => Err(ModelError::TooDeep.into()),
                false => Ok(*depth),
            };
        }
        let mut deepest = 0;
        for id in self.implements() {
            let most = most.checked_sub(1).ok_or(ModelError::TooDeep)?;
            let depth = load(id)?.depth(most, load)?;
            deepest = deepest.max(depth.saturating_add(1));
        }
        Ok(*self.depth.get_or_init(|| deepest))
    }
}

/// Finds a verified model.
type Load<'l> = &'l dyn Fn(&StreamId) -> Result<Arc<Model>, Reason>;

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.definition == other.definition
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("version", &self.version)
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
