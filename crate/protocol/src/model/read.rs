//! The shape of a definition, field by field (js-ceramic's codecs: unknown fields are refused at the top and passed over
//! below it).

use ipld_core::ipld::Ipld;

use super::{AccountRelation, MAX_INTERFACES, Model, ModelError, Relation, Version};
use super::{fields, js};
use crate::event::Map;
use crate::json::to_json;
use crate::schema::{Draft, Schema};
use crate::state::{field, truthy};
use crate::{StreamId, StreamType};

const FIELDS: [&str; 10] = [
    "version",
    "name",
    "description",
    "schema",
    "accountRelation",
    "relations",
    "views",
    "interface",
    "implements",
    "immutableFields",
];

impl Model {
    /// Reads a definition. Whether it implements its interfaces is checked by [`Model::check_interfaces`].
    pub(crate) fn read(content: Option<&Ipld>) -> Result<Self, ModelError> {
        let Some(Ipld::Map(definition)) = content else {
            return Err(ModelError::BadField("data"));
        };
        if let Some(unknown) = definition
            .keys()
            .find(|key| !FIELDS.contains(&key.as_str()))
        {
            return Err(ModelError::UnexpectedField(unknown.clone()));
        }
        if definition.values().any(js::has_big_integer) {
            return Err(ModelError::BigInteger);
        }
        let version = match definition.get("version") {
            Some(Ipld::String(version)) if version == "1.0" => Version::V1,
            Some(Ipld::String(version)) if version == "2.0" => Version::V2,
            _ => return Err(ModelError::BadField("version")),
        };
        text(definition, "name", "name")?;
        if definition.contains_key("description") {
            text(definition, "description", "description")?;
        }
        let account_relation = account_relation(version, definition.get("accountRelation"))?;
        let relations = relations(version, definition.get("relations"))?;
        views(version, definition.get("views"))?;
        if version == Version::V2 {
            match definition.get("interface") {
                Some(Ipld::Bool(_)) => {}
                _ => return Err(ModelError::BadField("interface")),
            }
            if !matches!(definition.get("implements"), Some(Ipld::List(_))) {
                return Err(ModelError::BadField("implements"));
            }
        }
        let implements = implements(definition.get("implements"))?;
        let immutable_fields = match (version, definition.get("immutableFields")) {
            (Version::V1, _) | (_, None) => Vec::new(),
            (Version::V2, Some(list)) => texts(list, "immutableFields")?,
        };
        schema(definition.get("schema"))?;
        let model = Self {
            version,
            account_relation,
            relations,
            implements,
            immutable_fields,
            definition: definition.clone(),
            schema: Default::default(),
            depth: Default::default(),
        };
        model.check_fields()?;
        Ok(model)
    }

    /// The rules between fields.
    fn check_fields(&self) -> Result<(), ModelError> {
        let map = |name| match self.definition.get(name) {
            Some(Ipld::Map(map)) => Some(map),
            _ => None,
        };
        let schema = self.definition_schema();
        if let AccountRelation::Set { fields } = &self.account_relation {
            fields::check_set(fields, schema)?;
        }
        let views = map("views");
        if let Some(views) = views {
            fields::check_views(views, schema)?;
        }
        // Also of version 1.0, which has no interfaces but may say so.
        if self.definition.get("interface").is_some_and(truthy) {
            fields::check_interface(schema, views)?;
        }
        Ok(())
    }
}

fn text(map: &Map, name: &str, error: &'static str) -> Result<String, ModelError> {
    match map.get(name) {
        Some(Ipld::String(text)) => Ok(text.clone()),
        _ => Err(ModelError::BadField(error)),
    }
}

fn texts(value: &Ipld, error: &'static str) -> Result<Vec<String>, ModelError> {
    let Ipld::List(list) = value else {
        return Err(ModelError::BadField(error));
    };
    let text = |item: &Ipld| match item {
        Ipld::String(text) => Ok(text.clone()),
        _ => Err(ModelError::BadField(error)),
    };
    list.iter().map(text).collect()
}

/// The text of a StreamID of any type.
fn stream_id(map: &Map, name: &str, error: &'static str) -> Result<String, ModelError> {
    let text = text(map, name, error)?;
    match js::stream_id(&text) {
        Some(_) => Ok(text),
        None => Err(ModelError::BadField(error)),
    }
}

/// A map with a text in its field `type`.
fn typed<'m>(
    value: Option<&'m Ipld>,
    error: &'static str,
) -> Result<(&'m Map, &'m str), ModelError> {
    if let Some(Ipld::Map(map)) = value
        && let Some(Ipld::String(kind)) = map.get("type")
    {
        return Ok((map, kind));
    }
    Err(ModelError::BadField(error))
}

fn account_relation(version: Version, value: Option<&Ipld>) -> Result<AccountRelation, ModelError> {
    const ERROR: &str = "accountRelation";
    let (map, kind) = typed(value, ERROR)?;
    match (kind, version) {
        ("list", _) => Ok(AccountRelation::List),
        ("single", _) => Ok(AccountRelation::Single),
        ("none", Version::V2) => Ok(AccountRelation::None),
        ("set", Version::V2) => {
            let fields = map.get("fields").ok_or(ModelError::BadField(ERROR))?;
            Ok(AccountRelation::Set {
                fields: texts(fields, ERROR)?,
            })
        }
        _ => Err(ModelError::BadField(ERROR)),
    }
}

fn relations(
    version: Version,
    value: Option<&Ipld>,
) -> Result<Vec<(String, Relation)>, ModelError> {
    const ERROR: &str = "relations";
    let relation = |(name, value): (&String, &Ipld)| {
        let (map, kind) = typed(Some(value), ERROR)?;
        let relation = match (kind, version, map.get("model")) {
            ("account", ..) => Relation::Account,
            ("document", Version::V2, Some(Ipld::Null)) => Relation::Document { model: None },
            ("document", ..) => Relation::Document {
                model: Some(stream_id(map, "model", ERROR)?),
            },
            _ => return Err(ModelError::BadField(ERROR)),
        };
        Ok((name.clone(), relation))
    };
    match value {
        None => Ok(Vec::new()),
        Some(Ipld::Map(relations)) => relations.iter().map(relation).collect(),
        Some(_) => Err(ModelError::BadField(ERROR)),
    }
}

fn views(version: Version, value: Option<&Ipld>) -> Result<(), ModelError> {
    const ERROR: &str = "views";
    let view = |value: &Ipld| {
        let (map, kind) = typed(Some(value), ERROR)?;
        match (kind, version) {
            ("documentAccount" | "documentVersion", _) => return Ok(()),
            ("relationDocument", Version::V2) if map.get("model") == Some(&Ipld::Null) => {}
            ("relationDocument" | "relationFrom" | "relationCountFrom", _)
            | ("relationSetFrom", Version::V2) => {
                stream_id(map, "model", ERROR)?;
            }
            _ => return Err(ModelError::BadField(ERROR)),
        }
        text(map, "property", ERROR).map(|_| ())
    };
    match value {
        None => Ok(()),
        Some(Ipld::Map(views)) => views.values().try_for_each(view),
        Some(_) => Err(ModelError::BadField(ERROR)),
    }
}

/// Version 1.0 may have them, though it cannot have interfaces: js-ceramic checks them all the same.
fn implements(value: Option<&Ipld>) -> Result<Vec<(String, StreamId)>, ModelError> {
    const ERROR: &str = "implements";
    let list = match value {
        Some(Ipld::List(list)) => list,
        Some(Ipld::String(text)) if !text.is_empty() => return Err(ModelError::BadField(ERROR)),
        Some(Ipld::Bytes(bytes)) if !bytes.is_empty() => return Err(ModelError::BadField(ERROR)),
        Some(Ipld::Map(map)) if field(map, "length").is_some_and(truthy) => {
            return Err(ModelError::BadField(ERROR));
        }
        _ => return Ok(Vec::new()),
    };
    if list.len() > MAX_INTERFACES {
        return Err(ModelError::TooManyInterfaces);
    }
    let interface = |item: &Ipld| match item {
        Ipld::String(text) => match js::stream_id(text) {
            Some(id) if id.stream_type() == StreamType::MODEL => Ok((text.clone(), id)),
            _ => Err(ModelError::BadField(ERROR)),
        },
        _ => Err(ModelError::BadField(ERROR)),
    };
    list.iter().map(interface).collect()
}

fn schema(value: Option<&Ipld>) -> Result<(), ModelError> {
    let (map, "object") = typed(value, "schema")? else {
        return Err(ModelError::BadField("schema"));
    };
    let schema = Ipld::Map(map.clone());
    Schema::check(&to_json(&schema), Draft::Draft2020).map_err(ModelError::BadSchema)?;
    fields::check_closed(&schema)
}
