//! Events: the entries of a doc-chain, read from blocks and written to them. Read, not yet judged.
//!
//! An event comes from whoever sent its blocks: fields can be missing, of the wrong type, or contradict each other, and
//! the payload may be any block. Decoding only gives the fields their types; it looks at two blocks at most, whose size
//! [`crate::MAX_BLOCK_BYTES`] bounds, and leaves every rule about their values to the document type.

mod data;
mod decode;
mod envelope;
mod init;
mod time;

pub use data::Data;
pub(crate) use decode::decode_signed;
pub use decode::{Decoded, decode};
pub use envelope::{Envelope, Signature, sign};
pub use init::{Header, Init};
pub use time::Time;

use std::collections::BTreeMap;

use cid::Cid;
use ipld_core::ipld::Ipld;

use crate::block::BlockError;
use crate::cbor::CborError;

/// A DAG-CBOR map.
pub type Map = BTreeMap<String, Ipld>;

/// A map of those fields that there are. One by one: collecting would bring a sorting algorithm along.
pub(crate) fn map_of<'a>(fields: impl IntoIterator<Item = (&'a str, Option<Ipld>)>) -> Map {
    let mut map = Map::new();
    for (name, value) in fields {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    }
    map
}

/// Why blocks are not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The root is neither DAG-JOSE nor DAG-CBOR.
    #[error("an event is no block of codec {0:#x}")]
    UnknownCodec(u64),
    /// A block is not DAG-CBOR.
    #[error("a block is not DAG-CBOR: {0}")]
    Cbor(#[from] CborError),
    /// The envelope is no JWS over a CID.
    #[error("the envelope is not a JWS over a link")]
    BadEnvelope,
    /// A block is not a map.
    #[error("an event is not a map")]
    NotAMap,
    /// A field that every event of this kind has is missing.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field has the wrong type.
    #[error("the field {0} has the wrong type")]
    BadField(&'static str),
    /// What was written became too large for a block.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl EventError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownCodec(_) => "event-unknown-codec",
            Self::Cbor(error) => error.code(),
            Self::BadEnvelope => "event-bad-envelope",
            Self::NotAMap => "event-not-a-map",
            Self::Missing(_) => "event-missing-field",
            Self::BadField(_) => "event-bad-field",
            Self::Block(error) => error.code(),
        }
    }
}

/// One entry of a doc-chain.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first event; its CID names the document.
    Init(Init),
    /// A change.
    Data(Data),
    /// An anchor: says when the event before it existed at the latest.
    Time(Time),
    /// An event without a field it must have. It is never valid, but what came before it can be, so it keeps its link.
    Unreadable(Unreadable),
}

/// An event of which only the link to the one before could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Names the event.
    pub cid: Cid,
    /// The event before this one.
    pub prev: Cid,
    /// Why the rest could not be read.
    pub error: EventError,
}

impl Event {
    fn unreadable(cid: Cid, prev: Cid, error: EventError) -> Self {
        Self::Unreadable(Unreadable { cid, prev, error })
    }

    /// The CID that names this event: the envelope's if it is signed.
    pub fn cid(&self) -> &Cid {
        match self {
            Self::Init(init) => &init.cid,
            Self::Data(data) => &data.cid,
            Self::Time(time) => &time.cid,
            Self::Unreadable(unreadable) => &unreadable.cid,
        }
    }

    /// The event before this one.
    pub fn prev(&self) -> Option<&Cid> {
        match self {
            Self::Init(_) => None,
            Self::Data(data) => Some(&data.prev),
            Self::Time(time) => Some(&time.prev),
            Self::Unreadable(unreadable) => Some(&unreadable.prev),
        }
    }

    /// The signatures, if this event is signed.
    pub fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::Init(init) => init.envelope.as_ref(),
            Self::Data(data) => data.envelope.as_ref(),
            Self::Time(_) | Self::Unreadable(_) => None,
        }
    }
}

/// Takes a field out of a payload; `null` counts as absent, as in js.
fn take(map: &mut Map, name: &str) -> Option<Ipld> {
    map.remove(name).filter(|value| *value != Ipld::Null)
}

fn link(value: Ipld, name: &'static str) -> Result<Cid, EventError> {
    match value {
        Ipld::Link(cid) => Ok(cid),
        _ => Err(EventError::BadField(name)),
    }
}

#[cfg(test)]
mod tests;
