//! JSON Schema, as js-ceramic judges content by it: the verdicts of Ajv 8.
//!
//! A schema is compiled once into a small tree of steps and then asked about as many values as one likes. Which draft and which
//! strictness apply follows from the type of the document: see [`Draft`]. Nothing is fetched: a reference leads to the schema
//! itself or to the meta-schemas of its draft, or the schema is refused.
//!
//! What a hostile author can try, and what stops it: a huge schema ([`MAX_SCHEMA_SIZE`], [`MAX_SUBSCHEMAS`]), a deep one or a
//! long chain of references ([`MAX_SCHEMA_DEPTH`]), references that double at each step or never make progress
//! ([`MAX_SCHEMA_WORK`], [`MAX_CONTENT_DEPTH`]), and patterns that backtrack without end ([`MAX_PATTERN_WORK`]).

mod array;
mod call;
mod compile;
mod equal;
mod evaluate;
mod evaluated;
mod format;
mod logic;
mod object;
mod refs;
mod regex;
mod rules;
mod scalar;
mod step;
mod strict;
mod uri;

use serde_json::Value;

pub use regex::{MAX_PATTERN_SIZE, MAX_PATTERN_WORK};

use compile::Compiler;
use step::{FunctionId, Program};

/// The most a schema may measure: one for each value in it, and one for each byte of its texts and keys.
pub const MAX_SCHEMA_SIZE: usize = 1 << 20;
/// The most subschemas that are compiled, counting one that is referred to from several places each time.
pub const MAX_SUBSCHEMAS: usize = 1 << 16;
/// How deep subschemas and the references between them may nest.
pub const MAX_SCHEMA_DEPTH: usize = 128;
/// How deep subschemas are applied within each other when content is judged.
pub const MAX_CONTENT_DEPTH: usize = 640;
/// The work that judging one content may cost: about one for each subschema applied and for each 16 bytes compared.
pub const MAX_SCHEMA_WORK: u64 = 4_000_000;

/// A dialect of JSON Schema with the options that js-ceramic gives to Ajv.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draft {
    /// Draft-07, for tiles. Unknown keywords and formats are refused; types need not be stated.
    Draft07,
    /// Draft 2020-12, for models: Ajv's whole strict mode.
    Draft2020,
}

/// Why a schema cannot be used, or content is not what it demands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The content is not what the schema demands.
    #[error("the content breaks the schema: {keyword:?} {}", place(at))]
    Mismatch {
        /// The keyword.
        keyword: &'static str,
        /// The place in the content, a JSON pointer.
        at: String,
    },
    /// The schema is not what the meta-schema demands.
    #[error("this is no JSON Schema: {keyword:?} {}", place(at))]
    NotASchema {
        /// The keyword of the meta-schema.
        keyword: &'static str,
        /// The place in the schema, a JSON pointer.
        at: String,
    },
    /// `$schema` names another dialect.
    #[error("the dialect {0:?} is not known")]
    Dialect(String),
    /// A keyword nobody knows.
    #[error("the keyword {0:?} is not known")]
    UnknownKeyword(String),
    /// A format nobody knows.
    #[error("the format {0:?} is not known")]
    UnknownFormat(String),
    /// Allowed by JSON Schema, refused by Ajv's strict mode.
    #[error("strict mode: {0}")]
    Strict(String),
    /// A keyword is used in a way that means nothing.
    #[error("{0}")]
    Misused(&'static str),
    /// A reference that leads nowhere, or out of the schema.
    #[error("the reference {0:?} leads nowhere")]
    BadReference(String),
    /// Two subschemas with one name.
    #[error("the name {0:?} is given twice")]
    Ambiguous(String),
    /// A pattern that is no regular expression.
    #[error("{0:?} is no regular expression")]
    BadPattern(String),
    /// A regular expression that cannot be run here.
    #[error("the regular expression {0:?} cannot be run")]
    UnsupportedPattern(String),
    /// The schema, or what it expands to, is too large.
    #[error("the schema is too large")]
    TooLarge,
    /// The schema nests too deep.
    #[error("the schema nests too deep")]
    TooDeep,
    /// Judging the content takes too much work, or makes no progress.
    #[error("it takes too much work to judge the content by this schema")]
    TooMuchWork,
    /// Content that makes Ajv fail instead of judging.
    #[error("the content cannot be judged by this schema")]
    Unjudgeable,
}

/// A JSON pointer as a person reads it.
fn place(at: &str) -> String {
    match at {
        "" => "is not met by the content as a whole".to_owned(),
        at => format!("is not met at {at:?}"),
    }
}

impl SchemaError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mismatch { .. } => "schema-mismatch",
            Self::NotASchema { .. } => "not-a-schema",
            Self::Dialect(_) => "schema-dialect",
            Self::UnknownKeyword(_) => "schema-unknown-keyword",
            Self::UnknownFormat(_) => "schema-unknown-format",
            Self::Strict(_) => "schema-not-strict",
            Self::Misused(_) => "schema-misused-keyword",
            Self::BadReference(_) => "schema-bad-reference",
            Self::Ambiguous(_) => "schema-ambiguous-name",
            Self::BadPattern(_) => "schema-bad-pattern",
            Self::UnsupportedPattern(_) => "schema-unsupported-pattern",
            Self::TooLarge => "schema-too-large",
            Self::TooDeep => "schema-too-deep",
            Self::TooMuchWork => "schema-too-much-work",
            Self::Unjudgeable => "schema-unjudgeable-content",
        }
    }
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    program: Program,
    start: FunctionId,
    size: usize,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Where Ajv refuses it, and beyond the bounds above.
    pub fn compile(schema: &Value, draft: Draft) -> Result<Self, SchemaError> {
        Self::compile_as(schema, draft, true)
    }

    /// Compiles a schema without strict mode: unknown keywords and formats say nothing, and types need not be stated. For
    /// schemas that are not tiles or models.
    ///
    /// # Errors
    /// Where Ajv refuses it with `strict: false`, and beyond the bounds above.
    pub fn compile_leniently(schema: &Value, draft: Draft) -> Result<Self, SchemaError> {
        Self::compile_as(schema, draft, false)
    }

    fn compile_as(schema: &Value, draft: Draft, strict: bool) -> Result<Self, SchemaError> {
        Self::check(schema, draft)?;
        let size = strict::measure(schema)?;
        let mut compiler = Compiler::new(draft, strict)?;
        let start = compiler.compile(schema)?;
        Ok(Self {
            program: compiler.program,
            start,
            size,
        })
    }

    /// Whether this is a schema by the meta-schema of the draft. That is all js-ceramic asks when a model is written;
    /// strict mode, formats, patterns and references are only looked at when the first instance is judged.
    ///
    /// # Errors
    /// If it is not, or names another dialect, or is beyond the bounds.
    pub fn check(schema: &Value, draft: Draft) -> Result<(), SchemaError> {
        strict::measure(schema)?;
        let Some(dialect) = strict::dialect(schema, draft)? else {
            return Ok(());
        };
        let meta = refs::meta_schema(draft, dialect)
            .ok_or_else(|| SchemaError::Dialect(dialect.to_owned()))?;
        match meta.validate(schema) {
            Err(SchemaError::Mismatch { keyword, at }) => {
                Err(SchemaError::NotASchema { keyword, at })
            }
            verdict => verdict,
        }
    }

    /// What the schema measures, as [`MAX_SCHEMA_SIZE`] counts.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Judges a value.
    ///
    /// # Errors
    /// If it is not what the schema demands, or if that cannot be found out within the bounds.
    pub fn validate(&self, content: &Value) -> Result<(), SchemaError> {
        evaluate::run(&self.program, self.start, content)
    }
}
