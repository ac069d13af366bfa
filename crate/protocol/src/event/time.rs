use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{EventError, Map, link, take};
use crate::{Block, cbor};

/// An anchor of the event before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Names the event.
    pub cid: Cid,
    /// The init event of the document. Early anchors lack it.
    pub id: Option<Cid>,
    /// The event that is anchored.
    pub prev: Cid,
    /// The proof block.
    pub proof: Cid,
    /// Slash-separated indices from the proof's merkle root to `prev`; empty when the root is `prev` itself.
    pub path: String,
}

impl Time {
    pub(super) fn read(cid: Cid, prev: Cid, mut payload: Map) -> Result<Self, EventError> {
        Ok(Self {
            cid,
            id: take(&mut payload, "id")
                .map(|id| link(id, "id"))
                .transpose()?,
            prev,
            proof: link(
                payload
                    .remove("proof")
                    .ok_or(EventError::Missing("proof"))?,
                "proof",
            )?,
            path: match payload.remove("path") {
                Some(Ipld::String(path)) => path,
                Some(_) => return Err(EventError::BadField("path")),
                None => return Err(EventError::Missing("path")),
            },
        })
    }

    /// Writes a time event.
    pub fn write(id: Cid, prev: Cid, proof: Cid, path: &str) -> Result<Block, EventError> {
        let map = Map::from([
            ("id".to_owned(), Ipld::Link(id)),
            ("path".to_owned(), Ipld::String(path.to_owned())),
            ("prev".to_owned(), Ipld::Link(prev)),
            ("proof".to_owned(), Ipld::Link(proof)),
        ]);
        Ok(Block::dag_cbor(cbor::encode(&Ipld::Map(map))?)?)
    }
}
