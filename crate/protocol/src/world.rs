//! What must be known beyond a document's own events to judge it.

use crate::anchor::Anchors;
use crate::doctype::Types;
use crate::library::Library;

/// The world as one judgement sees it.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The time now, in unix seconds.
    pub now: u64,
    /// What chains answered about anchors.
    pub anchors: &'a dyn Anchors,
    /// Other documents, verified before: models, schemas, 3IDs.
    pub library: &'a Library,
    /// The rules of each document type.
    pub types: &'a Types,
}

static NO_LIBRARY: Library = Library::new();
static CERAMIC: Types = Types::ceramic();

impl<'a> World<'a> {
    /// A world of Ceramic's own document types in which no other document is known.
    pub const fn new(now: u64, anchors: &'a dyn Anchors) -> Self {
        Self {
            now,
            anchors,
            library: &NO_LIBRARY,
            types: &CERAMIC,
        }
    }
}
