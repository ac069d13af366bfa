//! Sets of characters.

use super::category;
use crate::javascript::is_space;

/// A set of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    pub negated: bool,
    pub items: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Range(u32, u32),
    Digit(bool),
    Word(bool),
    Space(bool),
    Property(Property, bool),
}

/// A property of characters, by Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    Any,
    Ascii,
    AsciiHexDigit,
    Alphabetic,
    Lowercase,
    Uppercase,
    WhiteSpace,
    Assigned,
    /// One of these general categories; a bit for each.
    Category(u32),
}

impl Property {
    /// The property that `\p{…}` means, if it is known here.
    pub fn named(name: &str) -> Option<Self> {
        let category = name
            .strip_prefix("General_Category=")
            .or_else(|| name.strip_prefix("gc="));
        if let Some(set) = category::named(category.unwrap_or(name)) {
            return Some(Self::Category(set));
        }
        if category.is_some() {
            return None;
        }
        Some(match name {
            "Any" => Self::Any,
            "Assigned" => Self::Assigned,
            "ASCII" => Self::Ascii,
            "ASCII_Hex_Digit" | "AHex" => Self::AsciiHexDigit,
            "Alphabetic" | "Alpha" => Self::Alphabetic,
            "Lowercase" | "Lower" => Self::Lowercase,
            "Uppercase" | "Upper" => Self::Uppercase,
            "White_Space" | "space" => Self::WhiteSpace,
            _ => return None,
        })
    }

    fn has(self, code: u32) -> bool {
        match self {
            Self::Any => return true,
            Self::Category(set) => return category::of(code) & set != 0,
            Self::Assigned => return category::of(code) & category::UNASSIGNED == 0,
            _ => {}
        }
        let Some(c) = char::from_u32(code) else {
            return false;
        };
        match self {
            Self::Ascii => c.is_ascii(),
            Self::AsciiHexDigit => c.is_ascii_hexdigit(),
            Self::Alphabetic => c.is_alphabetic(),
            Self::Lowercase => c.is_lowercase(),
            Self::Uppercase => c.is_uppercase(),
            Self::WhiteSpace => c.is_whitespace(),
            _ => false,
        }
    }
}

impl Item {
    fn has(self, code: u32) -> bool {
        match self {
            Self::Range(first, last) => (first..=last).contains(&code),
            Self::Digit(yes) => char::from_u32(code).is_some_and(|c| c.is_ascii_digit()) == yes,
            Self::Word(yes) => is_word(code) == yes,
            Self::Space(yes) => char::from_u32(code).is_some_and(is_space) == yes,
            Self::Property(property, yes) => property.has(code) == yes,
        }
    }
}

impl Class {
    pub fn has(&self, code: u32) -> bool {
        self.items.iter().any(|item| item.has(code)) != self.negated
    }
}

pub(super) fn is_word(code: u32) -> bool {
    char::from_u32(code).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What a dot does not match.
pub(super) fn is_line_end(code: u32) -> bool {
    matches!(code, 0xa | 0xd | 0x2028 | 0x2029)
}
