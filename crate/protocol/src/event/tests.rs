use super::*;
use crate::block::{Block, DAG_CBOR, DAG_JOSE};
use crate::cbor;
use std::collections::HashMap;

fn block(json: serde_json::Value, links: &[(&str, Cid)]) -> Block {
    let Ok(Ipld::Map(mut map)) = crate::json::from_json(&json) else {
        panic!("not a map");
    };
    map.extend(
        links
            .iter()
            .map(|(name, cid)| ((*name).to_owned(), Ipld::Link(*cid))),
    );
    Block::dag_cbor(cbor::encode(&Ipld::Map(map)).unwrap()).unwrap()
}

fn some_cid() -> Cid {
    *Block::dag_cbor(&b"\xa0"[..]).unwrap().cid()
}

fn envelope(payload: Cid) -> Envelope {
    Envelope {
        payload,
        signatures: vec![Signature {
            protected: (&b"{}"[..]).into(),
            signature: vec![1; 64].into(),
        }],
    }
}

fn read(root: &Block) -> Result<Event, EventError> {
    match decode(root, &HashMap::new())? {
        Decoded::Event(event) => Ok(event),
        Decoded::Need(cids) => panic!("needs {cids:?}"),
    }
}

fn why(root: &Block) -> EventError {
    match read(root) {
        Err(error) => error,
        Ok(Event::Unreadable(unreadable)) => unreadable.error,
        Ok(event) => panic!("was read: {event:?}"),
    }
}

#[test]
fn the_shape_decides_the_kind() {
    let cid = some_cid();
    let header = serde_json::json!({ "header": { "controllers": ["did:key:z"] } });
    assert!(matches!(read(&block(header, &[])), Ok(Event::Init(_))));
    let time = Time::write(cid, cid, cid, "0/1").unwrap();
    assert!(matches!(read(&time), Ok(Event::Time(time)) if time.path == "0/1"));
    let data = Data::payload(cid, cid, None, Ipld::List(vec![])).unwrap();
    assert!(matches!(read(&data), Ok(Event::Data(data)) if data.header.is_none()));
}

#[test]
fn absent_and_null_content_are_told_apart() {
    let content = |content| match read(&Init::payload(controllers(), content).unwrap()) {
        Ok(Event::Init(init)) => init.content,
        other => panic!("{other:?}"),
    };
    assert_eq!(content(None), None);
    assert_eq!(content(Some(Ipld::Null)), Some(Ipld::Null));
}

fn controllers() -> Map {
    let list = Ipld::List(vec![Ipld::String("did:key:z".to_owned())]);
    Map::from([("controllers".to_owned(), list)])
}

#[test]
fn a_signed_event_needs_its_payload_first() {
    let payload = Init::payload(controllers(), Some(Ipld::Map(Map::new()))).unwrap();
    let root = envelope(*payload.cid()).write().unwrap();
    let mut blocks = HashMap::new();
    assert_eq!(
        decode(&root, &blocks),
        Ok(Decoded::Need(vec![*payload.cid()]))
    );
    blocks.insert(*payload.cid(), payload.clone());
    let Ok(Decoded::Event(Event::Init(init))) = decode(&root, &blocks) else {
        panic!("no init event");
    };
    assert_eq!(init.cid, *root.cid());
    assert_eq!(init.envelope, Some(envelope(*payload.cid())));
}

#[test]
fn a_signed_payload_with_a_proof_is_no_time_event() {
    let cid = some_cid();
    let payload = Time::write(cid, cid, cid, "").unwrap();
    let root = envelope(*payload.cid()).write().unwrap();
    let blocks = HashMap::from([(*payload.cid(), payload)]);
    let Ok(Decoded::Event(Event::Unreadable(unreadable))) = decode(&root, &blocks) else {
        panic!("was read");
    };
    assert_eq!(unreadable.error, EventError::Missing("data"));
    assert_eq!(unreadable.prev, cid);
}

#[test]
fn every_missing_or_mistyped_field_is_named() {
    use EventError::*;
    let cid = some_cid();
    let prev = ("prev", cid);
    let cases = [
        (r#"{}"#, vec![], Missing("header")),
        (r#"{"header": 1}"#, vec![], BadField("header")),
        (r#"{"header": {}}"#, vec![], Missing("header.controllers")),
        (
            r#"{"header": {"controllers": "did"}}"#,
            vec![],
            BadField("header.controllers"),
        ),
        (
            r#"{"header": {"controllers": [1]}}"#,
            vec![],
            BadField("header.controllers"),
        ),
        (r#"{"prev": "bafy"}"#, vec![], BadField("prev")),
        (r#"{}"#, vec![prev], Missing("data")),
        (r#"{"data": [], "id": "bafy"}"#, vec![prev], BadField("id")),
        (
            r#"{"data": [], "header": []}"#,
            vec![prev],
            BadField("header"),
        ),
        (r#"{"proof": 1, "path": ""}"#, vec![prev], BadField("proof")),
        (r#"{}"#, vec![prev, ("proof", cid)], Missing("path")),
        (
            r#"{"path": 0}"#,
            vec![prev, ("proof", cid)],
            BadField("path"),
        ),
    ];
    for (json, links, error) in cases {
        let root = block(serde_json::from_str(json).unwrap(), &links);
        assert_eq!(why(&root), error, "{json}");
    }
}

#[test]
fn what_is_no_event_at_all_is_refused() {
    let raw = Cid::new_v1(0x55, *some_cid().hash());
    let raw = Block::verify(raw, &b"\xa0"[..]).unwrap();
    assert_eq!(why(&raw), EventError::UnknownCodec(0x55));
    let list = Block::dag_cbor(&b"\x80"[..]).unwrap();
    assert_eq!(why(&list), EventError::NotAMap);
    let garbage = Block::dag_cbor(&b"\xff"[..]).unwrap();
    assert_eq!(why(&garbage), EventError::Cbor(CborError::Indefinite));
    for bytes in [&b"\xa0"[..], b"\x80", b"\xa2gpayloadA\x00jsignatures\x80"] {
        let root = Block::dag_jose(bytes).unwrap();
        assert_eq!(why(&root), EventError::BadEnvelope, "{bytes:?}");
    }
}

#[test]
fn a_payload_that_is_itself_an_envelope_is_refused() {
    let inner = Cid::new_v1(DAG_JOSE, *some_cid().hash());
    let root = envelope(inner).write().unwrap();
    assert_eq!(why(&root), EventError::UnknownCodec(DAG_JOSE));
    assert_eq!(some_cid().codec(), DAG_CBOR);
}
