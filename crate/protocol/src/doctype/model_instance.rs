//! Model instances: documents whose content is as their model says (as js-ceramic 6.11 judges them).
//!
//! The model must be known, and so must each document that a relation names. Of both the init event is enough: it says
//! which model they have for good. A stranger's instance can name any model, and as many others as its content holds.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ipld_core::ipld::Ipld;
use serde_json::Value;

use super::{Around, DocumentType, RuleError, Written};
use crate::event::{Data, Header, Init, Map};
use crate::json::to_json;
use crate::model::{AccountRelation, Model, Relation, js};
use crate::patch::Content;
use crate::refusal::Reason;
use crate::schema::SchemaError;
use crate::state::{Kind, Signed, State, field, truthy};
use crate::{StreamId, StreamType};

/// Largest content of an instance, in bytes of its JSON.
pub const MAX_INSTANCE_BYTES: usize = 16_000_000;

/// Why an event breaks the rules of a model instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// The header names no model.
    #[error("the header names no model")]
    NoModel,
    /// The header's context is no id.
    #[error("the context is not the id of a document")]
    BadContext,
    /// Interfaces have no instances.
    #[error("the model is an interface, which has no instances")]
    Interface,
    /// The id of the document follows from its metadata, so that must be all there is.
    #[error("the init event of a deterministic instance has no content")]
    ContentAtInit,
    /// The model asks for the field `unique`, or for none.
    #[error(
        "the header's field `unique` is missing, or there though the model has one instance for each account"
    )]
    Unique,
    /// Content too large.
    #[error("the content is larger than {MAX_INSTANCE_BYTES} bytes of JSON")]
    TooLarge,
    /// A whole number that JavaScript cannot hold.
    #[error("the content of an instance holds no whole number beyond 2^53 - 1")]
    BigInteger,
    /// The content is not as the model's schema says, or the schema itself does not hold.
    #[error("the content is not as the model says: {0}")]
    Schema(SchemaError),
    /// A relation that names no document, or one of another kind.
    #[error("the field {0:?} does not name a document of the model it should")]
    Relation(String),
    /// Metadata that cannot be changed.
    #[error("the metadata of an instance cannot be changed, apart from shouldIndex")]
    Metadata,
    /// A change to a field that cannot be changed.
    #[error("the field {0:?} cannot be changed")]
    Immutable(String),
    /// The fields that tell documents of a set apart are not what the id was made from.
    #[error("the fields that tell the account's documents apart differ from the document's id")]
    SetFields,
}

impl InstanceError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoModel => "instance-no-model",
            Self::BadContext => "instance-bad-context",
            Self::Interface => "instance-of-interface",
            Self::ContentAtInit => "instance-content-at-init",
            Self::Unique => "instance-unique",
            Self::TooLarge => "instance-too-large",
            Self::BigInteger => "instance-big-integer",
            Self::Schema(_) => "instance-schema",
            Self::Relation(_) => "instance-relation",
            Self::Metadata => "instance-metadata",
            Self::Immutable(_) => "instance-immutable",
            Self::SetFields => "instance-set-fields",
        }
    }
}

#[derive(Debug)]
pub(super) struct ModelInstance;

impl DocumentType for ModelInstance {
    fn init(&self, init: &Init) -> Result<State, Reason> {
        let controller = match init.header.controllers.as_slice() {
            [did] if did.starts_with("did:") => did.clone(),
            [other] => return Err(RuleError::BadController(other.clone()).into()),
            other => return Err(RuleError::ControllerCount(other.len()).into()),
        };
        let content = init.content.clone().filter(truthy);
        if init.envelope.is_none() && content.is_some() {
            return Err(RuleError::Unsigned.into());
        }
        Ok(State {
            kind: StreamType::MODEL_INSTANCE,
            content: Content::from(content.unwrap_or(Ipld::Null)),
            metadata: metadata(controller, &init.header)?,
            next: None,
            signed: Signed::Signed,
            anchored: false,
            proof: None,
            model: None,
            log: Vec::new(),
        })
    }

    fn change(&self, state: &mut State, data: &Data) -> Result<(), Reason> {
        for (key, value) in data.header.iter().flatten() {
            match (key.as_str(), value) {
                ("shouldIndex", Ipld::Null) => {}
                ("shouldIndex", value) => {
                    state.metadata.insert(key.clone(), value.clone());
                }
                _ => return Err(InstanceError::Metadata.into()),
            }
        }
        if matches!(state.content.value(), None | Some(Ipld::Null)) {
            state.content = Content::from(Ipld::Map(Map::new()));
        }
        state.content.patch(&data.data)?;
        state.signed = Signed::Signed;
        state.anchored = false;
        Ok(())
    }

    fn check(&self, event: Written, state: &State, around: &Around) -> Result<(), Reason> {
        let model = around.world.library.model(&model_of(state)?)?;
        match event {
            Written::Init(init) => check_init(&model, init, state, around),
            Written::Data(data) => check_change(&model, data, state, around),
        }
    }
}

/// What js-ceramic keeps of the header.
fn metadata(controller: String, header: &Header) -> Result<Map, InstanceError> {
    let model = header.model().filter(is_model);
    let model = model.ok_or(InstanceError::NoModel)?.to_string();
    let mut metadata = BTreeMap::from([
        (
            "controllers".to_owned(),
            Ipld::List(vec![controller.into()]),
        ),
        ("model".to_owned(), model.into()),
    ]);
    if let Some(unique) = header.fields.get("unique") {
        metadata.insert("unique".to_owned(), unique.clone());
    }
    if let Some(context) = header.get("context").filter(|context| truthy(context)) {
        let id = match context {
            Ipld::Bytes(bytes) => StreamId::from_bytes(bytes).ok(),
            _ => None,
        };
        let id = id.ok_or(InstanceError::BadContext)?;
        metadata.insert("context".to_owned(), id.to_string().into());
    }
    Ok(metadata)
}

fn is_model(id: &StreamId) -> bool {
    id.stream_type() == StreamType::MODEL
}

/// The id of the model, from the metadata that [`metadata`] made.
fn model_of(state: &State) -> Result<StreamId, InstanceError> {
    let id = match field(&state.metadata, "model") {
        Some(Ipld::String(text)) => text.parse().ok(),
        _ => None,
    };
    id.filter(is_model).ok_or(InstanceError::NoModel)
}

fn check_init(model: &Model, init: &Init, state: &State, around: &Around) -> Result<(), Reason> {
    if model.is_interface() {
        return Err(InstanceError::Interface.into());
    }
    if !model.account_relation().is_deterministic() {
        check_content(model, state, around)?;
    } else if init.content.as_ref().is_some_and(truthy) {
        return Err(InstanceError::ContentAtInit.into());
    }
    let unique = init.header.get("unique").is_some_and(truthy);
    let wanted = match model.account_relation() {
        AccountRelation::Single => !unique,
        AccountRelation::Set { .. } | AccountRelation::List => unique,
        AccountRelation::None => true,
    };
    match wanted {
        true => Ok(()),
        false => Err(InstanceError::Unique.into()),
    }
}

fn check_change(model: &Model, data: &Data, state: &State, around: &Around) -> Result<(), Reason> {
    check_content(model, state, around)?;
    let first = !state.log.iter().any(|entry| entry.kind == Kind::Data);
    if !(first && model.account_relation().is_deterministic()) {
        check_immutable(model.immutable_fields(), &data.data)?;
    }
    match model.account_relation() {
        AccountRelation::Set { fields } => Ok(check_set(fields, state)?),
        _ => Ok(()),
    }
}

/// Size, schema, relations.
fn check_content(model: &Model, state: &State, around: &Around) -> Result<(), Reason> {
    let content = state.content.value();
    if content.is_some_and(js::has_big_integer) {
        return Err(InstanceError::BigInteger.into());
    }
    let json = content.map_or(Value::Null, to_json);
    let mut size = Size(0);
    if serde_json::to_writer(&mut size, &json).is_err() || size.0 > MAX_INSTANCE_BYTES {
        return Err(InstanceError::TooLarge.into());
    }
    let schema = model
        .schema()
        .map_err(|e| InstanceError::Schema(e.clone()))?;
    schema.validate(&json).map_err(InstanceError::Schema)?;
    let none = Map::new();
    let content = match content {
        Some(Ipld::Map(map)) => map,
        _ => &none,
    };
    for (name, relation) in model.relations() {
        if let Relation::Document { model } = relation {
            check_relation(name, content, model.as_deref(), state, around)?;
        }
    }
    Ok(())
}

/// A field that names a document names one that is an instance of the right model, or of one that implements it.
fn check_relation(
    name: &str,
    content: &Map,
    expected: Option<&str>,
    state: &State,
    around: &Around,
) -> Result<(), Reason> {
    let broken = || InstanceError::Relation(name.to_owned());
    let Some(value) = field(content, name) else {
        return match content.contains_key(name) || !js::is_inherited(name) {
            true => Ok(()),
            false => Err(broken().into()),
        };
    };
    let id = js::stream_id(&js::text(value)).ok_or_else(broken)?;
    if id.stream_type() != StreamType::MODEL_INSTANCE {
        return Err(broken().into());
    }
    let library = around.world.library;
    let model = match id == *around.stream {
        true => model_of(state)?,
        false => model_of(library.init(&id)?.state())?,
    };
    let Some(expected) = expected else {
        return Ok(());
    };
    if model.to_string() == expected || library.model(&model)?.names_interface(expected) {
        return Ok(());
    }
    Err(broken().into())
}

/// js-ceramic looks at the first segment of each path, as it is written.
fn check_immutable(fields: &[String], patch: &Ipld) -> Result<(), InstanceError> {
    if fields.is_empty() {
        return Ok(());
    }
    let locked = |name: &str| InstanceError::Immutable(name.to_owned());
    let Ipld::List(operations) = patch else {
        return Err(locked(""));
    };
    for operation in operations {
        let path = match operation {
            Ipld::Map(operation) => operation.get("path"),
            _ => None,
        };
        let Some(Ipld::String(path)) = path else {
            return Err(locked(""));
        };
        let mut characters = path.chars();
        // Half of a character outside the basic plane is left in js-ceramic, and so is no field's name.
        if characters.next().is_some_and(|first| first.len_utf16() > 1) {
            continue;
        }
        let segment = characters.as_str().split('/').next().unwrap_or_default();
        if let Some(field) = fields.iter().find(|field| *field == segment) {
            return Err(locked(field));
        }
    }
    Ok(())
}

/// The values that the id was made from: `unique` has them as text, joined with `|`, falsy ones as nothing.
fn check_set(fields: &[String], state: &State) -> Result<(), InstanceError> {
    let (Some(Ipld::Bytes(unique)), Some(Ipld::Map(content))) =
        (state.metadata.get("unique"), state.content.value())
    else {
        return Err(InstanceError::SetFields);
    };
    let text = |name: &String| js::text_or_nothing(content.get(name));
    let texts: Vec<String> = fields.iter().map(text).collect();
    match texts.join("|") == String::from_utf8_lossy(unique) {
        true => Ok(()),
        false => Err(InstanceError::SetFields),
    }
}

/// Counts bytes, and stops where there are too many.
struct Size(usize);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        match self.0 > MAX_INSTANCE_BYTES {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
