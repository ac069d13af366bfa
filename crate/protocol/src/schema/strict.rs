//! What is refused before any content is seen: strict mode, types that contradict each other, other dialects, and schemas
//! that are too large.

use serde_json::{Map, Value};

use super::compile::{Compiler, It};
use super::rules::{self, Keyword, Types, is_inherited};
use super::{Draft, MAX_SCHEMA_DEPTH, MAX_SCHEMA_SIZE, SchemaError};

type Compiled<T> = Result<T, SchemaError>;

impl<'a> Compiler<'a> {
    /// Ajv's `strictTypes`.
    pub(super) fn check_types(&self, it: &mut It<'a>, types: Types) -> Compiled<()> {
        let strict = |text: String| Err(SchemaError::Strict(text));
        if !types.is_empty() {
            if it.types.is_empty() {
                it.types = types;
            } else {
                if types.each().any(|one| !it.types.covers(one)) {
                    return strict("the type is not one that the context allows".to_owned());
                }
                let mut narrow = Types::NONE;
                for one in it.types.each() {
                    if types.covers(one) {
                        narrow = narrow.with(one);
                    } else if one == Types::NUMBER && types.meets(Types::INTEGER) {
                        narrow = narrow.with(Types::INTEGER);
                    }
                }
                it.types = narrow;
            }
        }
        if types.count() > 1 && !(types.count() == 2 && types.meets(Types::NULL)) {
            return strict("several types".to_owned());
        }
        for key in it.schema.keys().filter(|key| !is_inherited(key)) {
            if let Keyword::Rule(wanted) = rules::keyword(self.draft, key)
                && !wanted.is_empty()
            {
                let number = wanted.meets(Types::NUMBER) && it.types.meets(Types::INTEGER);
                if !number && !it.types.meets(wanted) {
                    return strict(format!("{key:?} without its type"));
                }
            }
        }
        Ok(())
    }

    /// Whether Ajv's whole strict mode applies.
    pub(super) fn strict(&self) -> bool {
        self.refuses && self.draft == Draft::Draft2020 && !self.meta
    }

    /// Whether Ajv keeps track of what is evaluated.
    pub(super) fn tracks(&self) -> bool {
        self.draft == Draft::Draft2020
    }

    pub(super) fn refuses(&self) -> bool {
        self.refuses
    }

    /// Refuses what the strict mode of both drafts does.
    pub(super) fn refuse(&self, text: &str) -> Compiled<()> {
        match self.refuses {
            true => Err(SchemaError::Strict(text.to_owned())),
            false => Ok(()),
        }
    }

    pub(super) fn check_known(&self, schema: &Map<String, Value>) -> Compiled<()> {
        if !self.refuses {
            return Ok(());
        }
        match schema
            .keys()
            .find(|key| rules::keyword(self.draft, key) == Keyword::Unknown)
        {
            Some(key) => Err(SchemaError::UnknownKeyword(key.clone())),
            None => Ok(()),
        }
    }

    /// Whether a schema says anything about values, apart from the keyword.
    pub(super) fn has_rules(&self, schema: &Map<String, Value>, but: Option<&str>) -> bool {
        let mut keys = schema.keys().filter(|key| Some(key.as_str()) != but);
        keys.any(|key| matches!(rules::keyword(self.draft, key), Keyword::Rule(_)))
    }

    /// Whether a schema allows everything, which Ajv sees at a glance and then leaves out.
    pub(super) fn allows_all(&self, schema: &Value) -> Compiled<bool> {
        match schema {
            Value::Bool(allows) => Ok(*allows),
            Value::Object(map) => {
                self.check_known(map)?;
                Ok(!self.has_rules(map, None))
            }
            Value::Null => Err(SchemaError::Misused("null is no schema")),
            _ if !self.refuses => Ok(true),
            Value::Array(list) if !list.is_empty() => {
                Err(SchemaError::UnknownKeyword("0".to_owned()))
            }
            Value::String(text) if !text.is_empty() => {
                Err(SchemaError::UnknownKeyword("0".to_owned()))
            }
            _ => Ok(true),
        }
    }
}

/// What JavaScript takes for true.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bool) => *bool,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The types that a schema states, with `nullable`.
pub(super) fn schema_types(schema: &Map<String, Value>) -> Compiled<Types> {
    let named = |name: &Value| {
        let types = name.as_str().and_then(Types::named);
        types.ok_or(SchemaError::Misused(
            "type must name one of the seven types, or several",
        ))
    };
    let mut types = Types::NONE;
    match schema.get("type") {
        None => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::Array(list)) => {
            for name in list {
                types = types.with(named(name)?);
            }
        }
        Some(name) => types = named(name)?,
    }
    match schema.get("nullable") {
        Some(Value::Bool(false)) if types.meets(Types::NULL) => {
            return Err(SchemaError::Misused(
                "nullable: false contradicts the type null",
            ));
        }
        Some(_) if types.is_empty() => return Err(SchemaError::Misused("nullable without a type")),
        Some(Value::Bool(true)) => types = types.with(Types::NULL),
        Some(Value::Bool(false)) | None => {}
        Some(_) => return Err(SchemaError::Misused("nullable must be true or false")),
    }
    Ok(types)
}

pub(super) fn default_dialect(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft07 => "http://json-schema.org/draft-07/schema",
        Draft::Draft2020 => "https://json-schema.org/draft/2020-12/schema",
    }
}

/// The meta-schema to judge a schema by; none for a boolean.
pub(super) fn dialect(schema: &Value, draft: Draft) -> Compiled<Option<&str>> {
    match schema {
        Value::Bool(_) => Ok(None),
        Value::Object(map) => match map.get("$schema") {
            None => Ok(Some(default_dialect(draft))),
            Some(Value::String(text)) if text.is_empty() => Ok(Some(default_dialect(draft))),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(SchemaError::Misused("$schema must be a string")),
        },
        _ => Err(SchemaError::Misused("a schema is an object or a boolean")),
    }
}

/// What a schema measures; one that is too large or too deep is refused.
pub(super) fn measure(schema: &Value) -> Compiled<usize> {
    fn size(value: &Value, depth: usize, left: &mut usize) -> Compiled<()> {
        let depth = depth.checked_sub(1).ok_or(SchemaError::TooDeep)?;
        let mut take = |bytes: usize| -> Compiled<()> {
            *left = left.checked_sub(bytes).ok_or(SchemaError::TooLarge)?;
            Ok(())
        };
        match value {
            Value::String(text) => take(text.len().saturating_add(1)),
            Value::Array(list) => {
                take(1)?;
                list.iter().try_for_each(|value| size(value, depth, left))
            }
            Value::Object(map) => {
                take(1)?;
                map.iter().try_for_each(|(key, value)| {
                    *left = left.checked_sub(key.len()).ok_or(SchemaError::TooLarge)?;
                    size(value, depth, left)
                })
            }
            _ => take(1),
        }
    }
    let mut left = MAX_SCHEMA_SIZE;
    size(schema, MAX_SCHEMA_DEPTH.saturating_mul(2), &mut left)?;
    Ok(MAX_SCHEMA_SIZE.saturating_sub(left))
}
