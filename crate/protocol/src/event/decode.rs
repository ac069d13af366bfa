use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{Data, Envelope, Event, EventError, Init, Map, Time, link, take};
use crate::block::{Block, Blocks, DAG_CBOR, DAG_JOSE};
use crate::cbor;

/// What came of decoding.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart at once by whoever asked"
)]
pub enum Decoded {
    /// The event.
    Event(Event),
    /// These blocks must be there first: the payload of a signed event.
    Need(Vec<Cid>),
}

/// Reads the event whose root block is `root`, looking up its payload in `blocks` if it is signed.
///
/// As in js-ceramic the shape decides the kind: no `prev` makes an init event, an unsigned event with a `proof` is a time
/// event, everything else is a data event. An error means that there is no way back from here.
pub fn decode(root: &Block, blocks: &dyn Blocks) -> Result<Decoded, EventError> {
    let cid = *root.cid();
    let event = match cid.codec() {
        DAG_CBOR => unsigned(cid, root.bytes())?,
        DAG_JOSE => {
            let envelope = Envelope::read(root.bytes())?;
            if envelope.payload.codec() != DAG_CBOR {
                return Err(EventError::UnknownCodec(envelope.payload.codec()));
            }
            match blocks.get(&envelope.payload) {
                Some(payload) => signed(cid, envelope, payload.bytes())?,
                None => return Ok(Decoded::Need(vec![envelope.payload])),
            }
        }
        other => return Err(EventError::UnknownCodec(other)),
    };
    Ok(Decoded::Event(event))
}

/// Reads the signed event `cid` again, whose envelope was read already.
pub(crate) fn decode_signed(
    cid: Cid,
    envelope: Envelope,
    payload: &Block,
) -> Result<Event, EventError> {
    signed(cid, envelope, payload.bytes())
}

fn unsigned(cid: Cid, bytes: &[u8]) -> Result<Event, EventError> {
    let mut payload = map(bytes)?;
    let Some(prev) = prev(&mut payload)? else {
        return Init::read(cid, None, payload).map(Event::Init);
    };
    let read = if payload.contains_key("proof") {
        Time::read(cid, prev, payload).map(Event::Time)
    } else {
        Data::read(cid, None, prev, payload).map(Event::Data)
    };
    Ok(read.unwrap_or_else(|error| Event::unreadable(cid, prev, error)))
}

fn signed(cid: Cid, envelope: Envelope, bytes: &[u8]) -> Result<Event, EventError> {
    let mut payload = map(bytes)?;
    let Some(prev) = prev(&mut payload)? else {
        return Init::read(cid, Some(envelope), payload).map(Event::Init);
    };
    let read = Data::read(cid, Some(envelope), prev, payload).map(Event::Data);
    Ok(read.unwrap_or_else(|error| Event::unreadable(cid, prev, error)))
}

fn prev(payload: &mut Map) -> Result<Option<Cid>, EventError> {
    take(payload, "prev")
        .map(|prev| link(prev, "prev"))
        .transpose()
}

fn map(bytes: &[u8]) -> Result<Map, EventError> {
    match cbor::decode(bytes)? {
        Ipld::Map(map) => Ok(map),
        _ => Err(EventError::NotAMap),
    }
}
