//! Under which names events are offered to other peers by Recon, and which of them ceramic-one would take.
//!
//! A peer that is sent one event it cannot read hangs up and stays away for a while, so what ceramic-one 0.58 refuses is not
//! offered: events with fields that it does not know or that it would write differently, time events without the type of their
//! transaction, and whatever builds on one of these.

use std::collections::{BTreeMap, HashSet};

use cid::Cid;
use ipld_core::ipld::Ipld;

use crate::anchor::{Found, Witness};
use crate::block::DAG_JOSE;
use crate::event::{Decoded, Envelope, Event, Map, decode};
use crate::id::{EventId, EventPrefix};
use crate::{Block, Blocks, StreamId, cbor};

/// Most events of one document that are offered.
pub const MAX_OFFERED: usize = crate::chain::MAX_EVENTS;

/// What separates documents with a model, when they do not say it.
const MODEL: &str = "model";
/// What separates documents without a model, which only Ostrakon exchanges: their type.
const TYPE: &str = "type";

/// Where the events of a document stand among all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whether it is a model or has one: then other implementations exchange it as well.
    pub modelled: bool,
    /// What its events' ids begin with.
    pub prefix: EventPrefix,
}

/// The beginning of the ids of all documents with this model.
pub fn of_model(network: u64, model: &StreamId) -> EventPrefix {
    EventPrefix::of_separator(network, MODEL, &model.to_bytes())
}

/// The beginning of the ids of all documents of this type, if documents of the type have no model.
pub fn of_type(network: u64, kind: crate::StreamType) -> EventPrefix {
    EventPrefix::of_separator(network, TYPE, &kind.code().to_be_bytes())
}

/// Where a document stands. None if its init event is not there or has no controller.
pub fn place(network: u64, stream: &StreamId, blocks: &dyn Blocks) -> Option<Place> {
    let root = blocks.get(stream.init())?;
    let Ok(Decoded::Event(Event::Init(init))) = decode(&root, blocks) else {
        return None;
    };
    let controller = init.header.controllers.first()?;
    let (modelled, separator) = match (init.header.get("model"), init.header.get("sep")) {
        (Some(Ipld::Bytes(model)), None) => {
            (true, EventPrefix::of_separator(network, MODEL, model))
        }
        (Some(Ipld::Bytes(model)), Some(Ipld::String(key))) => {
            (true, EventPrefix::of_separator(network, key, model))
        }
        (None, _) => (false, of_type(network, stream.stream_type())),
        _ => return None,
    };
    Some(Place {
        modelled,
        prefix: separator.of_controller(controller).of_document(&init.cid),
    })
}

/// The ids of a document's events up to these tips that may be offered and are not known yet. The flag says whether something
/// is held back: then nothing that comes after it need be looked at.
pub fn events(
    place: &Place,
    tips: &[Cid],
    blocks: &dyn Blocks,
    known: &dyn Fn(&EventId) -> bool,
) -> (Vec<EventId>, bool) {
    let (mut all, mut held_back) = (Vec::new(), false);
    let mut seen = HashSet::new();
    for tip in tips {
        let mut new = Vec::new();
        let mut next = Some(*tip);
        while let Some(cid) = next.take() {
            let id = place.prefix.event(&cid);
            if known(&id) || !seen.insert(cid) {
                break;
            }
            if new.len() >= MAX_OFFERED {
                return (all, true);
            }
            let Some(Ok(Decoded::Event(event))) =
                blocks.get(&cid).map(|root| decode(&root, blocks))
            else {
                // Without what comes before nobody can do anything with what comes after.
                new.clear();
                held_back = true;
                break;
            };
            next = event.prev().copied();
            new.push(id);
            if place.modelled && !is_taken(&cid, blocks) {
                new.clear();
                held_back = true;
            }
        }
        all.append(&mut new);
    }
    (all, held_back)
}

/// The blocks of one event, as they stand in its CAR. None if one is missing.
pub fn event_blocks(cid: &Cid, blocks: &dyn Blocks) -> Option<Vec<Block>> {
    let root = blocks.get(cid)?;
    let Ok(Decoded::Event(event)) = decode(&root, blocks) else {
        return None;
    };
    if let Event::Time(time) = &event {
        let mut witness = Witness::new(time);
        let mut find = |cid: &Cid| blocks.get(cid).map_or(Found::Wait, Found::Block);
        witness.advance(&mut find)?.ok()?;
        let mut all = vec![root];
        all.append(&mut witness.blocks);
        return Some(all);
    }
    let mut all = Vec::new();
    if let Some(envelope) = event.envelope() {
        if let Some(capability) = envelope.capability() {
            all.push(blocks.get(&capability)?);
        }
        all.push(blocks.get(&envelope.payload)?);
    }
    all.push(root);
    Some(all)
}

/// Whether ceramic-one takes this event.
pub fn is_taken(cid: &Cid, blocks: &dyn Blocks) -> bool {
    let Some(root) = blocks.get(cid) else {
        return false;
    };
    if cid.codec() != DAG_JOSE {
        let Some(map) = exact(&root) else {
            return false;
        };
        return match map.get("proof") {
            Some(Ipld::Link(proof)) if map.contains_key("prev") => {
                is_taken_time(&map)
                    && blocks
                        .get(proof)
                        .is_some_and(|proof| is_taken_proof(&proof))
            }
            _ => is_taken_payload(&map),
        };
    }
    let Some(map) = exact(&root).filter(|map| only(map, &["payload", "signatures"])) else {
        return false;
    };
    let signature = match map.get("signatures") {
        Some(Ipld::List(list)) => match list.as_slice() {
            [Ipld::Map(one)] => only(one, &["protected", "signature"]),
            _ => false,
        },
        _ => false,
    };
    let payload = Envelope::read(root.bytes()).ok();
    let payload = payload.and_then(|envelope| blocks.get(&envelope.payload));
    let payload = payload.and_then(|payload| exact(&payload));
    signature && payload.is_some_and(|payload| is_taken_payload(&payload))
}

/// A block that is a map and would be written in the same bytes.
fn exact(block: &Block) -> Option<Map> {
    let Ok(Ipld::Map(map)) = cbor::decode(block.bytes()) else {
        return None;
    };
    let again = cbor::encode(&Ipld::Map(map.clone())).ok()?;
    (again == **block.bytes()).then_some(map)
}

fn only(map: &BTreeMap<String, Ipld>, names: &[&str]) -> bool {
    map.keys().all(|name| names.contains(&name.as_str()))
}

/// Whether a field is absent, or is what it should be.
fn may(map: &Map, name: &str, is: fn(&Ipld) -> bool) -> bool {
    map.get(name).is_none_or(is)
}

fn is_bytes(value: &Ipld) -> bool {
    matches!(value, Ipld::Bytes(_))
}

fn is_text(value: &Ipld) -> bool {
    matches!(value, Ipld::String(_))
}

fn is_bool(value: &Ipld) -> bool {
    matches!(value, Ipld::Bool(_))
}

fn is_link(value: &Ipld) -> bool {
    matches!(value, Ipld::Link(_))
}

fn is_taken_payload(map: &Map) -> bool {
    let header = match map.get("header") {
        Some(Ipld::Map(header)) => Some(header),
        None => None,
        Some(_) => return false,
    };
    if map.contains_key("prev") {
        return only(map, &["data", "header", "id", "prev"])
            && map.get("prev").is_some_and(is_link)
            && map.get("id").is_some_and(is_link)
            && map.contains_key("data")
            && header.is_none_or(|header| {
                only(header, &["shouldIndex", "modelVersion"])
                    && may(header, "shouldIndex", is_bool)
                    && may(header, "modelVersion", is_link)
            });
    }
    const HEADER: [&str; 7] = [
        "controllers",
        "sep",
        "model",
        "shouldIndex",
        "unique",
        "context",
        "modelVersion",
    ];
    let controllers = |value: &Ipld| match value {
        Ipld::List(list) => !list.is_empty() && list.iter().all(is_text),
        _ => false,
    };
    only(map, &["data", "header"])
        && header.is_some_and(|header| {
            only(header, &HEADER)
                && header.get("controllers").is_some_and(controllers)
                && header.get("model").is_some_and(is_bytes)
                && may(header, "sep", is_text)
                && may(header, "shouldIndex", is_bool)
                && may(header, "unique", is_bytes)
                && may(header, "context", is_bytes)
                && may(header, "modelVersion", is_link)
        })
}

fn is_taken_time(map: &Map) -> bool {
    only(map, &["id", "path", "prev", "proof"])
        && map.get("id").is_some_and(is_link)
        && map.get("prev").is_some_and(is_link)
        && map.get("path").is_some_and(is_text)
}

fn is_taken_proof(block: &Block) -> bool {
    let Some(map) = exact(block) else {
        return false;
    };
    only(&map, &["chainId", "root", "txHash", "txType"])
        && map.get("chainId").is_some_and(is_text)
        && map.get("root").is_some_and(is_link)
        && map.get("txHash").is_some_and(is_link)
        && map.get("txType").is_some_and(is_text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::event::{Data, Init, Time};
    use crate::{StreamType, event};

    fn text(text: &str) -> Ipld {
        Ipld::String(text.to_owned())
    }

    fn header(more: &[(&str, Ipld)]) -> Map {
        let controllers = Ipld::List(vec![text("did:key:z6MkgSV3")]);
        let mut map = Map::from([("controllers".to_owned(), controllers)]);
        map.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        map
    }

    /// A document of three events: init, data, time.
    struct Made {
        stream: StreamId,
        events: [Cid; 3],
        blocks: HashMap<Cid, Block>,
    }

    fn made(init: Map, change: Option<Map>, proof: &[(&str, Ipld)]) -> Made {
        let init = Init::payload(init, Some(Ipld::Null)).unwrap();
        let first = *init.cid();
        let data = Data::payload(first, first, change, Ipld::List(vec![])).unwrap();
        let proof = event::map_of(
            proof
                .iter()
                .map(|(name, value)| (*name, Some(value.clone()))),
        );
        let mut fields = event::map_of([
            ("chainId", Some(text("eip155:1"))),
            ("root", Some(Ipld::Link(*data.cid()))),
            ("txHash", Some(Ipld::Link(first))),
        ]);
        fields.extend(proof);
        let proof = Block::dag_cbor(cbor::encode(&Ipld::Map(fields)).unwrap()).unwrap();
        let time = Time::write(first, *data.cid(), *proof.cid(), "").unwrap();
        let events = [first, *data.cid(), *time.cid()];
        let all = [init, data, proof, time];
        let kind = match all.first().map(|init| decode(init, &HashMap::new())) {
            Some(Ok(Decoded::Event(Event::Init(init)))) => init.stream_type(),
            _ => StreamType::TILE,
        };
        Made {
            stream: StreamId::new(kind, first),
            events,
            blocks: all.into_iter().map(|block| (*block.cid(), block)).collect(),
        }
    }

    const TX_TYPE: (&str, fn() -> Ipld) = ("txType", || text("f(bytes32)"));

    fn model() -> (&'static str, Ipld) {
        ("model", Ipld::Bytes(vec![1, 2, 3]))
    }

    fn offered(made: &Made) -> (usize, bool) {
        let place = place(7, &made.stream, &made.blocks).unwrap();
        let (ids, held_back) = events(&place, &made.events[2..], &made.blocks, &|_| false);
        assert!(ids.iter().all(|id| id.prefix() == place.prefix));
        (ids.len(), held_back)
    }

    #[test]
    fn what_ceramic_one_takes_is_offered_and_nothing_else() {
        let tx_type = (TX_TYPE.0, TX_TYPE.1());
        let known = [
            model(),
            ("sep", text("model")),
            ("unique", Ipld::Bytes(vec![9])),
        ];
        let index = event::map_of([("shouldIndex", Some(Ipld::Bool(false)))]);
        let whole = made(header(&known), Some(index), std::slice::from_ref(&tx_type));
        assert_eq!(offered(&whole), (3, false));
        let odd_init = made(
            header(&[model(), ("colour", text("red"))]),
            None,
            std::slice::from_ref(&tx_type),
        );
        assert_eq!(offered(&odd_init), (0, true));
        let colour = event::map_of([("colour", Some(text("red")))]);
        let odd_data = made(
            header(&[model()]),
            Some(colour),
            std::slice::from_ref(&tx_type),
        );
        assert_eq!(offered(&odd_data), (1, true));
        let old_proof = made(header(&[model()]), None, &[]);
        assert_eq!(offered(&old_proof), (2, true));
        let odd_proof = made(
            header(&[model()]),
            None,
            &[tx_type, ("blockNumber", Ipld::Integer(1))],
        );
        assert_eq!(offered(&odd_proof), (2, true));
    }

    #[test]
    fn of_documents_without_a_model_everything_is_offered() {
        let tile = made(header(&[("family", text("notes"))]), None, &[]);
        assert_eq!(offered(&tile), (3, false));
        let place = place(7, &tile.stream, &tile.blocks).unwrap();
        let (start, end) = of_type(7, StreamType::TILE).range();
        let id = place.prefix.event(&tile.events[0]);
        assert!(
            !place.modelled && start.as_slice() <= id.as_bytes() && id.as_bytes() < end.as_slice()
        );
    }

    #[test]
    fn what_is_known_is_not_looked_at_again() {
        let made = made(header(&[model()]), None, &[(TX_TYPE.0, TX_TYPE.1())]);
        let place = place(7, &made.stream, &made.blocks).unwrap();
        let first = place.prefix.event(&made.events[1]);
        let (ids, _) = events(&place, &made.events[2..], &made.blocks, &|id| *id == first);
        assert_eq!(ids, [place.prefix.event(&made.events[2])]);
    }

    #[test]
    fn an_event_whose_blocks_are_not_all_there_is_held_back() {
        let mut made = made(header(&[model()]), None, &[(TX_TYPE.0, TX_TYPE.1())]);
        assert_eq!(
            event_blocks(&made.events[2], &made.blocks).unwrap().len(),
            2
        );
        made.blocks.remove(&made.events[1]);
        assert_eq!(offered(&made), (0, true));
        assert!(event_blocks(&made.events[1], &made.blocks).is_none());
    }
}
