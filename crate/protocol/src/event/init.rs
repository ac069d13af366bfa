use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{Envelope, EventError, Map, take};
use crate::{Block, StreamId, StreamType, cbor};

/// The first event of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    /// Names the event and the document.
    pub cid: Cid,
    /// The signature; deterministic documents have none.
    pub envelope: Option<Envelope>,
    /// Who controls the document, and its metadata.
    pub header: Header,
    /// The field `data`. Absent and `null` are different, and give different documents.
    pub content: Option<Ipld>,
}

/// The header of an init event.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The DIDs or accounts that control the document. Every type wants exactly one; that is checked by its rules.
    pub controllers: Vec<String>,
    /// The whole header as it was read, `controllers` and unknown fields included.
    pub fields: Map,
}

impl Header {
    /// A header field, if it is there and not `null`.
    pub fn get(&self, name: &str) -> Option<&Ipld> {
        self.fields.get(name).filter(|value| **value != Ipld::Null)
    }

    /// The field `model`, if it is the id of a document: of a model instance its model.
    pub fn model(&self) -> Option<StreamId> {
        match self.get("model") {
            Some(Ipld::Bytes(bytes)) => StreamId::from_bytes(bytes).ok(),
            _ => None,
        }
    }
}

impl TryFrom<Map> for Header {
    type Error = EventError;

    fn try_from(fields: Map) -> Result<Self, EventError> {
        const FIELD: &str = "header.controllers";
        let list = match fields.get("controllers") {
            Some(Ipld::List(list)) => list,
            Some(_) => return Err(EventError::BadField(FIELD)),
            None => return Err(EventError::Missing(FIELD)),
        };
        let text = |item: &Ipld| match item {
            Ipld::String(did) => Ok(did.clone()),
            _ => Err(EventError::BadField(FIELD)),
        };
        let controllers = list.iter().map(text).collect::<Result<_, _>>()?;
        Ok(Self {
            controllers,
            fields,
        })
    }
}

impl Init {
    pub(super) fn read(
        cid: Cid,
        envelope: Option<Envelope>,
        mut payload: Map,
    ) -> Result<Self, EventError> {
        let header = match take(&mut payload, "header") {
            Some(Ipld::Map(fields)) => Header::try_from(fields)?,
            Some(_) => return Err(EventError::BadField("header")),
            None => return Err(EventError::Missing("header")),
        };
        Ok(Self {
            cid,
            envelope,
            header,
            content: payload.remove("data"),
        })
    }

    /// The type that this can only be the first event of. It stands in no event, but decides the document's id.
    pub fn stream_type(&self) -> StreamType {
        let header = &self.header;
        let is_account = |controller: &String| controller.contains('@');
        match (header.get("model"), header.model()) {
            // The model of models is named by an id that nothing can be loaded for.
            (Some(Ipld::Bytes(_)), Some(model))
                if model.stream_type() == StreamType::UNLOADABLE =>
            {
                StreamType::MODEL
            }
            (Some(Ipld::Bytes(_)), _) => StreamType::MODEL_INSTANCE,
            _ if self.envelope.is_none() && header.controllers.iter().any(is_account) => {
                StreamType::CAIP10_LINK
            }
            _ => StreamType::TILE,
        }
    }

    /// Writes an init payload: the block itself of an unsigned event, the signed block of the others.
    pub fn payload(header: Map, content: Option<Ipld>) -> Result<Block, EventError> {
        let mut map = Map::from([("header".to_owned(), Ipld::Map(header))]);
        map.extend(content.map(|content| ("data".to_owned(), content)));
        Ok(Block::dag_cbor(cbor::encode(&Ipld::Map(map))?)?)
    }
}
