//! The rules between a definition's fields.

use data_encoding::HEXLOWER_PERMISSIVE;
use ipld_core::ipld::Ipld;

use super::{ModelError, js};
use crate::event::Map;
use crate::state::field;

/// Types whose values tell documents of a set apart.
const SIMPLE: [&str; 4] = ["boolean", "integer", "number", "string"];

/// Every object anywhere in the schema that has the type `object` must say that it has no other properties. js-ceramic
/// looks in `enum`, `const`, `default` and under unknown keywords, too.
pub(super) fn check_closed(value: &Ipld) -> Result<(), ModelError> {
    match value {
        Ipld::Map(map) => {
            let is_object = map.get("type").is_some_and(|kind| is_text(kind, "object"));
            if is_object && map.get("additionalProperties") != Some(&Ipld::Bool(false)) {
                return Err(ModelError::OpenObject);
            }
            map.values().try_for_each(check_closed)
        }
        Ipld::List(list) => list.iter().try_for_each(check_closed),
        _ => Ok(()),
    }
}

/// The fields of a set: at least one, each required and of a simple type.
pub(super) fn check_set(fields: &[String], schema: &Ipld) -> Result<(), ModelError> {
    let bad = |name: &str| ModelError::BadSetField(name.to_owned());
    if fields.is_empty() {
        return Err(bad(""));
    }
    let Some(Ipld::Map(properties)) = get(schema, "properties") else {
        return Err(ModelError::BadField("schema.properties"));
    };
    let required = match get(schema, "required") {
        Some(Ipld::List(list)) => list.as_slice(),
        _ => &[],
    };
    for name in fields {
        let mut property = properties.get(name);
        if let Some(reference) = property.and_then(|property| get(property, "$ref")) {
            property = resolve(reference, schema).ok_or_else(|| bad(name))?;
        }
        let kind = property.and_then(|property| get(property, "type"));
        let simple = kind.is_some_and(|kind| SIMPLE.iter().any(|simple| is_text(kind, simple)));
        if !simple || !required.iter().any(|item| is_text(item, name)) {
            return Err(bad(name));
        }
    }
    Ok(())
}

/// Views show what is in no property.
pub(super) fn check_views(views: &Map, schema: &Ipld) -> Result<(), ModelError> {
    let properties = match get(schema, "properties") {
        Some(Ipld::Map(properties)) => properties,
        _ if views.is_empty() => return Ok(()),
        _ => return Err(ModelError::BadField("schema.properties")),
    };
    let taken = |name: &&String| properties.contains_key(*name) || js::is_inherited(name);
    match views.keys().find(taken) {
        Some(name) => Err(ModelError::ViewIsProperty(name.clone())),
        None => Ok(()),
    }
}

/// An interface asks for something.
pub(super) fn check_interface(schema: &Ipld, views: Option<&Map>) -> Result<(), ModelError> {
    let asks = match get(schema, "properties") {
        Some(Ipld::Map(properties)) => !properties.is_empty(),
        _ => false,
    };
    match asks || views.is_some_and(|views| !views.is_empty()) {
        true => Ok(()),
        false => Err(ModelError::EmptyInterface),
    }
}

/// What a `$ref` points to in the same schema, by its path: `#/$defs/Name`. The outer `None` says that it is no such path,
/// the inner one that nothing is there. Names (`#name`) and other documents are no path to js-ceramic.
pub(super) fn resolve<'s>(reference: &Ipld, schema: &'s Ipld) -> Option<Option<&'s Ipld>> {
    let Ipld::String(reference) = reference else {
        return None;
    };
    let (path, is_fragment) = match reference.strip_prefix('#') {
        Some(path) => (path, true),
        None => (reference.as_str(), false),
    };
    let mut segments = path.split('/');
    if segments.next() != Some("") {
        return None;
    }
    let mut names = Vec::new();
    for segment in segments {
        let name = match is_fragment {
            true => percent_decode(segment)?,
            false => segment.to_owned(),
        };
        names.push(name.replace("~1", "/").replace("~0", "~"));
    }
    let step = |value: &'s Ipld, name: String| match value {
        Ipld::Map(map) => map.get(&name),
        Ipld::List(list) => {
            let index = name.parse::<usize>().ok();
            let index = index.filter(|index| index.to_string() == name);
            index.and_then(|index| list.get(index))
        }
        _ => None,
    };
    let found = names.into_iter().try_fold(schema, step);
    Some(found.filter(|value| **value != Ipld::Null))
}

/// `decodeURIComponent`
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (hex, tail) = rest.split_at_checked(2)?;
        bytes.extend(HEXLOWER_PERMISSIVE.decode(hex).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// A field that is there and not `null`, if the value has fields.
pub(super) fn get<'v>(value: &'v Ipld, name: &str) -> Option<&'v Ipld> {
    match value {
        Ipld::Map(map) => field(map, name),
        _ => None,
    }
}

pub(super) fn is_text(value: &Ipld, text: &str) -> bool {
    matches!(value, Ipld::String(value) if value == text)
}
