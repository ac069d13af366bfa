//! Events of the vectors: each is read, and those of known keys are written again to the same bytes.

mod common;

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use ostrakon_protocol::author::{New, NewTile, TileMetadata};
use ostrakon_protocol::event::{self, Data, Decoded, EventError};
use ostrakon_protocol::jose::{Ed25519Signer, Header};
use ostrakon_protocol::{Block, Cid, Event, Ipld, StreamId};
use serde_json::Value;

/// Events that are malformed on purpose, by file, case and what is wrong.
const UNREADABLE: [(&str, &str, &str); 5] = [
    (
        "anchor.json",
        "signed-anchor-payload-is-not-anchor",
        "the field data is missing",
    ),
    (
        "anchor.json",
        "anchor-without-prev",
        "the field header is missing",
    ),
    (
        "caip10-link.json",
        "eth/missing-data",
        "the field data is missing",
    ),
    (
        "caip10-link.json",
        "eth-polygon/missing-data",
        "the field data is missing",
    ),
    (
        "caip10-link.json",
        "sol/missing-data",
        "the field data is missing",
    ),
];

/// The events from each tip back to the init event, or to where a block is missing; and what could not be read.
fn walk(case: &Value) -> (Vec<(Event, Block)>, Vec<EventError>) {
    let blocks = common::verified(case);
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    for tip in case["tips"].as_array().into_iter().flatten() {
        let mut next: Option<Cid> = Some(tip.as_str().unwrap().parse().unwrap());
        while let Some(root) = next.and_then(|cid| blocks.get(&cid)) {
            next = None;
            match event::decode(root, &blocks) {
                Ok(Decoded::Event(event)) => {
                    next = event.prev().copied();
                    match event {
                        Event::Unreadable(unreadable) => errors.push(unreadable.error),
                        event => events.push((event, root.clone())),
                    }
                }
                Ok(Decoded::Need(cids)) => {
                    assert!(cids.iter().all(|cid| !blocks.contains_key(cid)))
                }
                Err(error) => errors.push(error),
            }
        }
    }
    (events, errors)
}

#[test]
fn every_event_is_read_but_those_that_are_malformed_on_purpose() {
    let mut unreadable = Vec::new();
    let mut count = 0;
    for file in common::files() {
        for case in common::cases(&file) {
            let (events, errors) = walk(&case);
            count += events.len();
            for error in errors {
                let name = case["name"].as_str().unwrap().to_owned();
                unreadable.push((file.clone(), name, error.to_string()));
            }
        }
    }
    println!("{count} events, unreadable: {unreadable:#?}");
    let known =
        UNREADABLE.map(|(file, case, why)| (file.to_owned(), case.to_owned(), why.to_owned()));
    assert_eq!(unreadable, known);
}

#[test]
fn a_tile_written_again_with_the_same_key_has_the_same_bytes() {
    let mut count = 0;
    for case in common::cases("tile.json") {
        let Some(seeds) = case["seeds"].as_object() else {
            continue;
        };
        let signers: BTreeMap<_, _> = seeds
            .iter()
            .map(|(did, seed)| {
                let seed = HEXLOWER.decode(seed.as_str().unwrap().as_bytes()).unwrap();
                (
                    did.clone(),
                    Ed25519Signer::from_seed(&seed.try_into().unwrap()),
                )
            })
            .collect();
        let stream: StreamId = case["streamId"].as_str().unwrap().parse().unwrap();
        for (event, root) in walk(&case).0 {
            let Some(envelope) = event.envelope() else {
                continue;
            };
            let kid = Header::parse(&envelope.signatures[0].protected)
                .unwrap()
                .kid;
            let signer = &signers[kid.split_once('#').unwrap().0];
            let again = match &event {
                Event::Init(init) => {
                    let metadata = metadata(&init.header.fields);
                    let Some(Ipld::String(unique)) = init.header.get("unique") else {
                        panic!("a signed init event without unique");
                    };
                    let unique = BASE64.decode(unique.as_bytes()).unwrap();
                    let tile = New::Tile(NewTile {
                        content: init.content.clone(),
                        metadata,
                        deterministic: false,
                    });
                    let unique = unique.try_into().unwrap();
                    let (id, blocks) = tile.written_by(signer, unique).unwrap();
                    assert_eq!(id, stream);
                    blocks
                }
                Event::Data(data) => {
                    let (init, header) = (*stream.init(), data.header.clone());
                    let payload = Data::payload(init, data.prev, header, data.data.clone());
                    event::sign(payload.unwrap(), signer).unwrap()
                }
                _ => unreachable!("only init and data events are signed"),
            };
            assert_eq!(again[1], root, "{}", case["name"]);
            count += 1;
        }
    }
    println!("{count} signed events");
    assert!(count > 48);
}

#[test]
fn a_deterministic_tile_has_the_id_that_js_gives_it() {
    let mut count = 0;
    for case in common::cases("tile.json") {
        let Some(want) = case["deterministicStreamId"].as_str() else {
            continue;
        };
        let Ok(Ipld::Map(fields)) = ostrakon_protocol::json::from_json(&case["metadata"]) else {
            panic!("metadata is not a map");
        };
        let controller = case["metadata"]["controllers"][0].as_str().unwrap();
        let tile = New::Tile(NewTile {
            content: None,
            metadata: metadata(&fields),
            deterministic: true,
        });
        let (kind, init) = tile.init(controller, [0; 12]).unwrap();
        let stream = StreamId::new(kind, *init.payload().cid());
        assert_eq!(stream.to_string(), want);
        assert!(!init.needs_signature());
        count += 1;
    }
    assert_eq!(count, 6);
}

fn metadata(header: &event::Map) -> TileMetadata {
    let text = |value: &Ipld| match value {
        Ipld::String(text) => text.clone(),
        other => panic!("not a text: {other:?}"),
    };
    TileMetadata {
        family: header.get("family").map(text),
        schema: header.get("schema").map(text),
        tags: header.get("tags").map(|tags| match tags {
            Ipld::List(tags) => tags.iter().map(text).collect(),
            other => panic!("not a list: {other:?}"),
        }),
        forbid_controller_change: header.get("forbidControllerChange") == Some(&Ipld::Bool(true)),
    }
}
