//! Verified documents that judging others needs: models, schemas, related instances, 3IDs.
//!
//! Only a [`Document`] gets in, so only what was verified can decide about another. Documents of strangers can name any
//! number of others; at most [`MAX_DOCUMENTS`] of [`MAX_BYTES`] are held, the oldest make room, and what is missing is
//! asked for again ([`Need::Document`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cid::Cid;
use serde_json::Value;

use crate::did::three_id::History;
use crate::doctype::RuleError;
use crate::json::to_json;
use crate::model::{Model, ModelError};
use crate::refusal::{Need, Reason};
use crate::schema::{Draft, Schema, SchemaError};
use crate::sorted::{SortedMap, SortedSet};
use crate::{CommitId, Document, DocumentRef, State, StreamId};

/// Most documents held.
pub const MAX_DOCUMENTS: usize = 512;
/// Most bytes of blocks of all documents held, apart from the newest.
pub const MAX_BYTES: usize = 64 << 20;
/// Most compiled schemas held.
pub const MAX_SCHEMAS: usize = 256;
/// Most that all schemas held measure (see [`MAX_SCHEMA_SIZE`](crate::schema::MAX_SCHEMA_SIZE)), apart from the newest.
pub const MAX_SCHEMAS_SIZE: usize = 4 << 20;
/// Most uses of documents that are noted.
pub const MAX_USED: usize = 1_024;

#[derive(Clone)]
struct Held {
    document: Arc<Document>,
    /// Whether everything that was announced of it was heard.
    whole: bool,
    /// Its versions as a 3ID, once something was signed by one.
    three_id: Arc<OnceLock<Result<Arc<History>, Reason>>>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Library {
    documents: SortedMap<StreamId, Held>,
    /// Of those, the one admitted last at the end.
    order: VecDeque<StreamId>,
    bytes: usize,
    used: Used,
    schemas: Schemas,
}

/// Documents that were looked up and found, and for whose sake. A copy of a library begins without any.
#[derive(Default)]
struct Used(Mutex<Uses>);

#[derive(Default)]
struct Uses {
    reader: Option<StreamId>,
    uses: SortedSet<(Option<StreamId>, StreamId)>,
}

impl Used {
    const fn new() -> Self {
        Self(Mutex::new(Uses {
            reader: None,
            uses: SortedSet::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Uses> {
        // No change leaves it half made, so one that panicked elsewhere does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, stream: &StreamId) {
        let mut used = self.lock();
        let reader = used.reader;
        if used.uses.len() < MAX_USED {
            used.uses.insert((reader, *stream));
        }
    }
}

impl Clone for Used {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Compiled schemas of tiles, the newest at the end, by the version they stand in, which never changes. A copy of a library
/// begins without any.
#[derive(Default)]
struct Schemas(Mutex<VecDeque<(CommitId, Compiled)>>);

type Compiled = Result<Arc<Schema>, SchemaError>;

impl Schemas {
    fn get(&self, commit: &CommitId) -> Option<Compiled> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = held.iter().find(|(other, _)| other == commit);
        found.map(|(_, schema)| schema.clone())
    }

    fn keep(&self, commit: CommitId, schema: Compiled) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_back((commit, schema));
        let size = |(_, schema): &(CommitId, Compiled)| schema.as_ref().map_or(0, |one| one.size());
        while held.len() > MAX_SCHEMAS
            || (held.len() > 1 && held.iter().map(size).sum::<usize>() > MAX_SCHEMAS_SIZE)
        {
            held.pop_front();
        }
    }
}

impl Clone for Schemas {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Library {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            documents: SortedMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            used: Used::new(),
            schemas: Schemas(Mutex::new(VecDeque::new())),
        }
    }

    /// What is looked up from now on is for the sake of this document.
    pub(crate) fn read_for(&self, stream: &StreamId) {
        self.used.lock().reader = Some(*stream);
    }

    /// The documents that judging took from here since this was asked last, each with the document it was for: without
    /// them its verdicts cannot be had again. At most [`MAX_USED`].
    pub fn take_used(&self) -> SortedSet<(Option<StreamId>, StreamId)> {
        std::mem::take(&mut self.used.lock().uses)
    }

    /// Takes a document, in place of an earlier form of it. `whole` says that every tip anyone announced was heard, which
    /// counts where the newest version is wanted and not a certain one.
    pub fn admit(&mut self, document: Arc<Document>, whole: bool) {
        let stream = *document.stream();
        let whole = whole || self.has(&DocumentRef::Stream(stream));
        self.remove(&stream);
        self.bytes = self.bytes.saturating_add(document.bytes());
        let three_id = Arc::default();
        let held = Held {
            document,
            whole,
            three_id,
        };
        self.documents.insert(stream, held);
        self.order.push_back(stream);
        while self.order.len() > MAX_DOCUMENTS || (self.bytes > MAX_BYTES && self.order.len() > 1) {
            if let Some(oldest) = self.order.front().copied() {
                self.remove(&oldest);
            }
        }
    }

    /// Lets a document go.
    pub fn remove(&mut self, stream: &StreamId) {
        if let Some(held) = self.documents.remove(stream) {
            self.bytes = self.bytes.saturating_sub(held.document.bytes());
            self.order.retain(|other| other != stream);
        }
    }

    /// Whether this need is met.
    pub fn has(&self, wanted: &DocumentRef) -> bool {
        let held = self.documents.get(wanted.stream_id());
        held.is_some_and(|held| match wanted {
            DocumentRef::Stream(_) => held.whole,
            DocumentRef::Commit(commit) => held.document.contains(commit.commit()),
        })
    }

    /// A document in whatever form it is held.
    pub(crate) fn held(&self, stream: &StreamId) -> Option<&Document> {
        self.documents.get(stream).map(|held| &*held.document)
    }

    /// The newest form of a document.
    pub fn document(&self, stream: &StreamId) -> Result<&Arc<Document>, Need> {
        let held = self.documents.get(stream).filter(|held| held.whole);
        held.map(|held| self.use_of(&held.document))
            .ok_or_else(|| Need::document(DocumentRef::Stream(*stream)))
    }

    /// A document that has this version.
    pub fn version(&self, commit: &CommitId) -> Result<&Arc<Document>, Need> {
        let held = self.documents.get(commit.stream_id());
        let held = held.filter(|held| held.document.contains(commit.commit()));
        held.map(|held| self.use_of(&held.document))
            .ok_or_else(|| Need::document(DocumentRef::Commit(*commit)))
    }

    fn use_of<'a>(&self, document: &'a Arc<Document>) -> &'a Arc<Document> {
        self.used.note(document.stream());
        document
    }

    /// The versions of a document as a 3ID.
    pub(crate) fn three_id(&self, stream: &StreamId) -> Result<Arc<History>, Reason> {
        let document = self.document(stream)?;
        let history = || History::of(document).map(Arc::new);
        match self.documents.get(stream) {
            Some(held) => held.three_id.get_or_init(history).clone(),
            None => history(),
        }
    }

    /// A document of which only the init event must be known.
    pub fn init(&self, stream: &StreamId) -> Result<&Arc<Document>, Need> {
        self.version(&CommitId::new(*stream, *stream.init()))
    }

    /// A model.
    pub fn model(&self, model: &StreamId) -> Result<Arc<Model>, Reason> {
        let model = self.init(model)?.state().model().cloned();
        Ok(model.ok_or(ModelError::NotAModel)?)
    }

    /// The schema for tiles that is the content of a document at one of its versions.
    pub fn schema(&self, commit: &CommitId) -> Result<Arc<Schema>, Reason> {
        let document = self.version(commit)?;
        let schema = match self.schemas.get(commit) {
            Some(schema) => schema,
            None => {
                let state = document.state_at(commit.commit())?;
                let content = state.content().map_or(Value::Null, to_json);
                let schema = Schema::compile(&content, Draft::Draft07).map(Arc::new);
                self.schemas.keep(*commit, schema.clone());
                schema
            }
        };
        schema.map_err(|error| RuleError::Schema(error).into())
    }

    /// The state of a document at one of its versions.
    pub fn state(&self, commit: &CommitId) -> Result<State, Reason> {
        let event: &Cid = commit.commit();
        self.version(commit)?.state_at(event)
    }
}
