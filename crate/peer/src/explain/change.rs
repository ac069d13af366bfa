//! What a change says.

use std::fmt::{self, Write as _};

use ostrakon_protocol::event::Map;
use ostrakon_protocol::{Ipld, json};

use super::words::{bare, metadata, preview, short};

/// Most operations of one patch that are shown.
const OPERATIONS: usize = 8;

/// The operations of a JSON Patch.
pub(super) fn patch(out: &mut String, patch: &Ipld) -> fmt::Result {
    let Ipld::List(operations) = patch else {
        return writeln!(out, "changes nothing");
    };
    if operations.is_empty() {
        return writeln!(out, "changes nothing in the content");
    }
    for operation in operations.iter().take(OPERATIONS) {
        writeln!(out, "{}", words(operation))?;
    }
    match operations.len().saturating_sub(OPERATIONS) {
        0 => Ok(()),
        more => writeln!(out, "and {more} more operations"),
    }
}

fn words(operation: &Ipld) -> String {
    let Ipld::Map(operation) = operation else {
        return preview(&json::to_json(operation), 80);
    };
    let text = |name: &str| match operation.get(name) {
        Some(Ipld::String(text)) if text.is_empty() => "everything".to_owned(),
        Some(Ipld::String(text)) => preview(&text.as_str().into(), 80)
            .trim_matches('"')
            .to_owned(),
        _ => "?".to_owned(),
    };
    let value = || {
        let value = operation.get("value").map(json::to_json);
        value.map_or("nothing".to_owned(), |value| preview(&value, 80))
    };
    match text("op").as_str() {
        "add" => format!("adds {} = {}", text("path"), value()),
        "replace" => format!("sets {} to {}", text("path"), value()),
        "remove" => format!("removes {}", text("path")),
        "move" => format!("moves {} to {}", text("from"), text("path")),
        "copy" => format!("copies {} to {}", text("from"), text("path")),
        "test" => format!("tests that {} is {}", text("path"), value()),
        other => format!("{other} {}", text("path")),
    }
}

/// The proof of a CAIP-10 link.
pub(super) fn link(out: &mut String, proof: &Ipld) -> fmt::Result {
    let field = |name: &str| match proof {
        Ipld::Map(proof) => match proof.get(name) {
            Some(Ipld::String(text)) => Some(text.as_str()),
            _ => None,
        },
        _ => None,
    };
    if let Some(account) = field("account") {
        writeln!(out, "the account {} signed:", short(account))?;
    }
    let message = field("message").unwrap_or_default();
    message
        .lines()
        .take(OPERATIONS)
        .try_for_each(|line| writeln!(out, "  | {}", bare(line, 120)))
}

/// What a change does to the metadata.
pub(super) fn header(out: &mut String, header: Option<&Map>) -> fmt::Result {
    let mut fields = header.into_iter().flatten();
    fields.try_for_each(|(name, value)| {
        writeln!(out, "sets the metadata {name} to {}", metadata(value))
    })
}
