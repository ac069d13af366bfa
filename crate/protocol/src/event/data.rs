use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{Envelope, EventError, Map, link, take};
use crate::{Block, cbor};

/// A change to a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Names the event.
    pub cid: Cid,
    /// The signature; CAIP-10 links carry theirs in `data` instead.
    pub envelope: Option<Envelope>,
    /// The init event of the document. Early events lack it.
    pub id: Option<Cid>,
    /// The event before this one.
    pub prev: Cid,
    /// Changes to the metadata.
    pub header: Option<Map>,
    /// A JSON Patch, or whatever else the document type wants.
    pub data: Ipld,
}

impl Data {
    pub(super) fn read(
        cid: Cid,
        envelope: Option<Envelope>,
        prev: Cid,
        mut payload: Map,
    ) -> Result<Self, EventError> {
        let header = match take(&mut payload, "header") {
            Some(Ipld::Map(fields)) => Some(fields),
            Some(_) => return Err(EventError::BadField("header")),
            None => None,
        };
        Ok(Self {
            cid,
            envelope,
            id: take(&mut payload, "id")
                .map(|id| link(id, "id"))
                .transpose()?,
            prev,
            header,
            data: payload.remove("data").ok_or(EventError::Missing("data"))?,
        })
    }

    /// Writes a data payload, to be signed unless the type says otherwise.
    pub fn payload(
        id: Cid,
        prev: Cid,
        header: Option<Map>,
        data: Ipld,
    ) -> Result<Block, EventError> {
        let mut map = Map::from([
            ("data".to_owned(), data),
            ("id".to_owned(), Ipld::Link(id)),
            ("prev".to_owned(), Ipld::Link(prev)),
        ]);
        map.extend(header.map(|header| ("header".to_owned(), Ipld::Map(header))));
        Ok(Block::dag_cbor(cbor::encode(&Ipld::Map(map))?)?)
    }
}
