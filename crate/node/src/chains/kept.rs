//! Answers on disk.
//!
//! Only a mined transaction is kept. Whoever can write to the disk could write an answer, as they could change the program;
//! what cannot be read is asked for again.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostrakon_protocol::anchor::transaction::{Input, MAX_INPUT};
use ostrakon_protocol::anchor::{Address, Sources, Transaction};
use ostrakon_protocol::{Ipld, cbor};

/// Answers that a store keeps. Which of more it forgets is its own choice.
pub const MAX_KEPT: usize = 65_536;
/// Bytes of an answer. One that is longer is not kept.
pub const MAX_KEPT_BYTES: usize = 4_096;

/// The form that [`encode`] writes.
const VERSION: u64 = 1;

/// An answer as bytes; nothing if it is too long.
pub fn encode(transaction: &Transaction, by: &Sources) -> Option<Vec<u8>> {
    let to = transaction
        .to
        .map_or(Ipld::Null, |to| Ipld::Bytes(to.0.to_vec()));
    let by = by
        .iter()
        .map(|name| Ipld::String(name.to_string()))
        .collect();
    let map = BTreeMap::from([
        ("block".to_owned(), Ipld::Integer(transaction.block.into())),
        ("by".to_owned(), Ipld::List(by)),
        ("cut".to_owned(), Ipld::Bool(transaction.input.is_cut())),
        (
            "input".to_owned(),
            Ipld::Bytes(transaction.input.start().to_vec()),
        ),
        ("time".to_owned(), Ipld::Integer(transaction.time.into())),
        ("to".to_owned(), to),
        ("v".to_owned(), Ipld::Integer(VERSION.into())),
    ]);
    cbor::encode(&Ipld::Map(map))
        .ok()
        .filter(|bytes| bytes.len() <= MAX_KEPT_BYTES)
}

/// The other way; nothing if it is no answer.
pub fn decode(bytes: &[u8]) -> Option<(Transaction, Sources)> {
    let Ok(Ipld::Map(map)) = cbor::decode(bytes) else {
        return None;
    };
    let integer = |name: &str| match map.get(name) {
        Some(Ipld::Integer(value)) => u64::try_from(*value).ok(),
        _ => None,
    };
    let to = match map.get("to")? {
        Ipld::Null => None,
        Ipld::Bytes(bytes) => Some(Address(bytes.as_slice().try_into().ok()?)),
        _ => return None,
    };
    let (Some(Ipld::Bytes(input)), Some(Ipld::Bool(cut)), Some(Ipld::List(by))) =
        (map.get("input"), map.get("cut"), map.get("by"))
    else {
        return None;
    };
    let name = |name: &Ipld| match name {
        Ipld::String(name) => Some(Arc::from(name.as_str())),
        _ => None,
    };
    let by: Vec<Arc<str>> = by.iter().map(name).collect::<Option<_>>()?;
    let transaction = Transaction {
        block: integer("block")?,
        time: integer("time")?,
        to,
        input: Input::kept(input, *cut),
    };
    let is_whole = integer("v")? == VERSION && bytes.len() <= MAX_KEPT_BYTES;
    (is_whole && input.len() <= MAX_INPUT).then_some((transaction, by.into()))
}
