use ipld_core::ipld::Ipld;

use super::AuthorError;
use crate::event::Map;

/// The whole new content of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct NewContent {
    value: Ipld,
}

impl From<Ipld> for NewContent {
    fn from(value: Ipld) -> Self {
        Self { value }
    }
}

impl NewContent {
    /// The content.
    pub fn value(&self) -> &Ipld {
        &self.value
    }
}

/// Refuses what readers would not get to see.
pub(super) fn check(value: &Ipld) -> Result<(), AuthorError> {
    match value {
        Ipld::List(list) => list.iter().try_for_each(check),
        Ipld::Map(map) => check_map(map),
        _ => Ok(()),
    }
}

fn check_map(map: &Map) -> Result<(), AuthorError> {
    match map.contains_key("__proto__") {
        true => Err(AuthorError::ForbiddenKey),
        false => map.values().try_for_each(check),
    }
}
