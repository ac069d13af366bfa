use std::fmt;

/// The type of a document, as its id carries it (CIP-59). Unknown codes are carried along; whoever must know the
/// rules of the type refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamType(u64);

impl StreamType {
    /// TileDocument (CIP-8).
    pub const TILE: Self = Self(0);
    /// Caip10Link (CIP-7).
    pub const CAIP10_LINK: Self = Self(1);
    /// Model.
    pub const MODEL: Self = Self(2);
    /// ModelInstanceDocument.
    pub const MODEL_INSTANCE: Self = Self(3);
    /// Pseudo documents, such as the metamodel.
    pub const UNLOADABLE: Self = Self(4);

    /// The type with this code, known or not.
    pub const fn new(code: u64) -> Self {
        Self(code)
    }

    /// The number written into ids.
    pub const fn code(self) -> u64 {
        self.0
    }

    /// The registered name, which js-ceramic calls `doctype` in states.
    pub const fn name(self) -> Option<&'static str> {
        match self.0 {
            0 => Some("tile"),
            1 => Some("caip10-link"),
            2 => Some("model"),
            3 => Some("MID"),
            4 => Some("UNLOADABLE"),
            5 => Some("EventId"),
            _ => None,
        }
    }
}

impl fmt::Display for StreamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type {}", self.0),
        }
    }
}
