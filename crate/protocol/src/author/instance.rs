//! Instances of models, as js-ceramic's `ModelInstanceDocument` writes them.

use ipld_core::ipld::Ipld;

use super::{AuthorError, Change, Edit, NewContent, Unsigned, content, patch_list};
use crate::event::Map;
use crate::model::{AccountRelation, Model, js};
use crate::{Document, StreamId, StreamType};

/// A new instance of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInstance {
    /// The model.
    pub model: StreamId,
    /// How it relates to the account, as the model says.
    pub relation: Relation,
    /// A document in whose context this one stands.
    pub context: Option<StreamId>,
}

/// How many instances of its model an account has.
#[derive(Clone, Debug, PartialEq)]
pub enum Relation {
    /// Any number, or the model says nothing of it (`list`, `none`): each starts with its content.
    List(Ipld),
    /// One (`single`). It starts empty, and the same one is found again.
    Single,
    /// One for each value of some fields (`set`): their texts, in the order in which the model names the fields.
    Set(Vec<String>),
}

impl Relation {
    /// What a model asks of its instances, of one with this content. One that starts empty gets it by a change.
    ///
    /// # Errors
    /// [`AuthorError::NotAModel`], and those of its definition.
    pub fn of(model: &Document, content: Ipld) -> Result<Self, AuthorError> {
        if model.stream().stream_type() != StreamType::MODEL {
            return Err(AuthorError::NotAModel);
        }
        let model = Model::read(model.state().content())?;
        Ok(match model.account_relation() {
            AccountRelation::List | AccountRelation::None => Self::List(content),
            AccountRelation::Single => Self::Single,
            AccountRelation::Set { fields } => Self::Set(match &content {
                Ipld::Map(map) => {
                    let texts = fields.iter().map(|name| js::text_or_nothing(map.get(name)));
                    texts.collect()
                }
                _ => vec![String::new(); fields.len()],
            }),
        })
    }
}

impl NewInstance {
    pub(super) fn init(&self, controller: &str, unique: [u8; 12]) -> Result<Unsigned, AuthorError> {
        if self.model.stream_type() != StreamType::MODEL {
            return Err(AuthorError::NotAModel);
        }
        let mut header = Map::from([
            super::controllers(controller),
            ("model".to_owned(), Ipld::Bytes(self.model.to_bytes())),
            ("sep".to_owned(), "model".into()),
        ]);
        let context = self.context.as_ref().map(StreamId::to_bytes);
        header.extend(context.map(|id| ("context".to_owned(), Ipld::Bytes(id))));
        let (unique, content) = match &self.relation {
            Relation::List(content) => (Some(unique.to_vec()), content.clone()),
            Relation::Single => (None, Ipld::Null),
            Relation::Set(values) => (Some(values.join("|").into_bytes()), Ipld::Null),
        };
        content::check(&content)?;
        header.extend(unique.map(|unique| ("unique".to_owned(), Ipld::Bytes(unique))));
        // Content that is null is written out, unlike that of tiles.
        let signed = matches!(self.relation, Relation::List(_));
        Unsigned::init(header, Some(content), signed)
    }
}

pub(super) fn change(edit: &Edit, document: &Document) -> Result<Unsigned, AuthorError> {
    for (name, value) in &edit.header {
        match (name.as_str(), value) {
            ("shouldIndex", Ipld::Bool(_)) => {}
            ("shouldIndex", _) => return Err(AuthorError::BadMetadata(name.clone())),
            ("controller" | "controllers" | "model" | "unique" | "context", _) => {
                return Err(AuthorError::FixedMetadata(name.clone()));
            }
            _ => return Err(AuthorError::UnknownMetadata(name.clone())),
        }
    }
    let header = Some(edit.header.clone()).filter(|header| !header.is_empty());
    // js-ceramic takes no content for an empty map, in what is there as in what is new.
    let empty = Ipld::Map(Map::new());
    let patch = match &edit.change {
        Change::Content(new) => {
            let old = document.state().content();
            let old = old.filter(|old| **old != Ipld::Null).unwrap_or(&empty);
            match new.value() {
                Ipld::Null => NewContent::from(empty.clone()).patch(old, document)?,
                _ => new.patch(old, document)?,
            }
        }
        Change::Patch(patch) => patch_list(patch)?,
        Change::None => Ipld::List(Vec::new()),
    };
    Unsigned::change(document, header, patch, true)
}
