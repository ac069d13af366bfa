//! Which keywords there are, and to which type of value each applies.

use super::Draft;

/// A set of the seven type names of JSON Schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub const NONE: Self = Self(0);
    pub const NULL: Self = Self(1);
    pub const BOOLEAN: Self = Self(2);
    pub const INTEGER: Self = Self(4);
    pub const NUMBER: Self = Self(8);
    pub const STRING: Self = Self(16);
    pub const ARRAY: Self = Self(32);
    pub const OBJECT: Self = Self(64);

    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether one of the types is this one; every integer is a number.
    pub const fn covers(self, one: Self) -> bool {
        self.meets(one) || (one.0 == Self::INTEGER.0 && self.meets(Self::NUMBER))
    }

    pub fn each(self) -> impl Iterator<Item = Self> {
        (0..7)
            .map(|bit| Self(1 << bit))
            .filter(move |one| self.meets(*one))
    }
}

/// What a key of a schema is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    /// Nobody knows it.
    Unknown,
    /// It is allowed, and says nothing about values.
    Silent,
    /// It says something about values of these types, or of all if none is given.
    Rule(Types),
}

/// The keywords of the draft as Ajv 8 has them, with the four that ajv-formats adds. What every JavaScript object inherits is
/// found in Ajv's table, too, and so passes as a keyword.
pub(super) fn keyword(draft: Draft, key: &str) -> Keyword {
    let next = draft == Draft::Draft2020;
    Keyword::Rule(match key {
        "$schema" | "$id" | "$defs" | "$vocabulary" | "$async" | "definitions" | "title"
        | "description" | "default" | "deprecated" | "readOnly" | "writeOnly" | "examples"
        | "contentMediaType" | "contentEncoding" | "contentSchema" => return Keyword::Silent,
        "$comment" | "id" | "$ref" | "type" | "nullable" | "const" | "enum" | "not" | "anyOf"
        | "oneOf" | "allOf" | "if" | "then" | "else" => Types::NONE,
        "$dynamicAnchor" | "$dynamicRef" | "$recursiveAnchor" | "$recursiveRef" if next => {
            Types::NONE
        }
        "maximum" | "minimum" | "exclusiveMaximum" | "exclusiveMinimum" | "multipleOf" => {
            Types::NUMBER
        }
        "maxLength"
        | "minLength"
        | "pattern"
        | "formatMaximum"
        | "formatMinimum"
        | "formatExclusiveMaximum"
        | "formatExclusiveMinimum" => Types::STRING,
        "format" => Types::NUMBER.with(Types::STRING),
        "maxProperties"
        | "minProperties"
        | "required"
        | "propertyNames"
        | "additionalProperties"
        | "dependencies"
        | "properties"
        | "patternProperties" => Types::OBJECT,
        "dependentRequired" | "dependentSchemas" | "unevaluatedProperties" if next => Types::OBJECT,
        "maxItems" | "minItems" | "uniqueItems" | "items" | "contains" => Types::ARRAY,
        "prefixItems" | "minContains" | "maxContains" | "unevaluatedItems" if next => Types::ARRAY,
        "additionalItems" if !next => Types::ARRAY,
        inherited if is_inherited(inherited) => Types::NONE,
        _ => return Keyword::Unknown,
    })
}

/// Names that every JavaScript object answers to. Ajv does not ask whether a property is the object's own, so each object
/// has these, with a function for a value.
pub(super) fn is_inherited(key: &str) -> bool {
    matches!(
        key,
        "constructor"
            | "toString"
            | "toLocaleString"
            | "valueOf"
            | "hasOwnProperty"
            | "isPrototypeOf"
            | "propertyIsEnumerable"
            | "__defineGetter__"
            | "__defineSetter__"
            | "__lookupGetter__"
            | "__lookupSetter__"
            | "__proto__"
    )
}
