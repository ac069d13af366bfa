//! The lenient JSON Patch dialect in which data events are written (fast-json-patch 3.1 without validation).
//!
//! It is what fast-json-patch 3.1 does with validation off; `tests/patch-dialect.json` holds what was seen when it ran.
//! A missing `value` is JavaScript's `undefined`: a key so written disappears, a list item becomes `null`. JavaScript's
//! own properties (`constructor`, `length` of a list) are not imitated: they are absent here, and cannot be set.
//!
//! A hostile controller can copy content into itself until it fills the memory, nest it until the stack ends, or shift a
//! long list a million times. [`MAX_CONTENT_BYTES`], [`MAX_CONTENT_DEPTH`] and [`MAX_PATCH_WORK`] stop that. A patch
//! that fails leaves the content as it was: every step is noted and undone, so nothing is copied for safety.

mod apply;
mod compare;
mod order;
mod pointer;
mod size;

pub(crate) use compare::Difference;
pub use compare::compare;
pub(crate) use order::{Keys, Order};

use ipld_core::ipld::Ipld;

use apply::Job;
use size::Size;

use crate::cbor;

/// Largest content, as [`Content::bytes`] counts: whatever one event can hold fits, and a tab can bear it.
pub const MAX_CONTENT_BYTES: usize = 192 << 20;
/// Deepest nesting of lists and maps in content.
pub const MAX_CONTENT_DEPTH: usize = cbor::MAX_DEPTH;
/// Most bytes that one patch may copy or shift.
pub const MAX_PATCH_WORK: usize = 192 << 20;

/// Why a patch is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Not a list of operations, nor anything that passes for one.
    #[error("not a list of operations")]
    NotAPatch,
    /// An operation is not a map.
    #[error("an operation is not a map")]
    NotAnOperation,
    /// An `op` that does not exist.
    #[error("the operation {0:?} does not exist")]
    UnknownOperation(String),
    /// A `path` or `from` that is no pointer.
    #[error("a path or from is not a pointer")]
    BadPointer,
    /// A pointer into JavaScript's prototypes, or to the length of a list.
    #[error("the path segment {0:?} is not allowed")]
    Forbidden(String),
    /// What should hold the value is not there, or cannot hold it.
    #[error("the path leads through something that is not there")]
    MissingParent,
    /// A `test` failed.
    #[error("a test failed")]
    TestFailed,
    /// The whole content moved into itself.
    #[error("the content cannot be moved into itself")]
    IntoItself,
    /// The content grew beyond [`MAX_CONTENT_BYTES`].
    #[error("the content grows beyond {MAX_CONTENT_BYTES} bytes")]
    TooLarge,
    /// The content nests deeper than [`MAX_CONTENT_DEPTH`].
    #[error("the content nests deeper than {MAX_CONTENT_DEPTH}")]
    TooDeep,
    /// More than [`MAX_PATCH_WORK`] bytes copied or shifted.
    #[error("the patch copies or shifts more than {MAX_PATCH_WORK} bytes")]
    TooMuchWork,
}

impl PatchError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAPatch => "patch-not-a-list",
            Self::NotAnOperation => "patch-not-an-operation",
            Self::UnknownOperation(_) => "patch-unknown-operation",
            Self::BadPointer => "patch-bad-pointer",
            Self::Forbidden(_) => "patch-forbidden-path",
            Self::MissingParent => "patch-missing-parent",
            Self::TestFailed => "patch-test-failed",
            Self::IntoItself => "patch-into-itself",
            Self::TooLarge => "patch-too-large",
            Self::TooDeep => "patch-too-deep",
            Self::TooMuchWork => "patch-too-much-work",
        }
    }
}

/// The content of a document, with its size kept so that a patch costs what it changes, not what it leaves alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    value: Option<Ipld>,
    bytes: usize,
}

impl From<Ipld> for Content {
    fn from(value: Ipld) -> Self {
        let bytes = Size::of(&value).bytes;
        Self {
            value: Some(value),
            bytes,
        }
    }
}

impl Content {
    /// The content; `None` is JavaScript's `undefined`.
    pub fn value(&self) -> Option<&Ipld> {
        self.value.as_ref()
    }

    /// Its size: the bytes of its texts and keys, and a fixed sum for each value.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Applies a patch. On an error the content is what it was before.
    pub fn patch(&mut self, patch: &Ipld) -> Result<(), PatchError> {
        let bytes = self.bytes;
        let mut job = Job::new(self);
        let done = job.run(patch);
        if done.is_err() {
            job.roll_back();
            self.bytes = bytes;
        }
        done
    }

    /// Counts what came and what went.
    fn resize(&mut self, more: usize, less: usize) {
        self.bytes = self.bytes.saturating_add(more).saturating_sub(less);
    }

    fn check_size(&self) -> Result<(), PatchError> {
        match self.bytes > MAX_CONTENT_BYTES {
            true => Err(PatchError::TooLarge),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
