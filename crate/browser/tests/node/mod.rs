//! What JavaScript gets from a node without peers: shapes, codes, cancelling, and what is there after a restart.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::{Array, Function, JSON, Object, Promise, Reflect, Uint8Array};
use ostrakon_browser::node::OstrakonNode;
use ostrakon_protocol::event::{self, Data, Init, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, CommitId, Ipld, StreamId, StreamType, car};
use rexie::Rexie;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::AbortController;

fn fresh() -> String {
    format!("ostrakon-test-{}", js_sys::Math::random())
}

async fn node(name: &str) -> OstrakonNode {
    let options = format!(r#"{{ "name": "{name}" }}"#);
    start(&options, &Function::default()).await.unwrap()
}

async fn start(options: &str, on_event: &Function) -> Result<OstrakonNode, JsValue> {
    let nobody = Function::default();
    let options = JSON::parse(options).unwrap();
    OstrakonNode::start(options, on_event.clone(), nobody.clone(), nobody).await
}

fn get(value: &JsValue, path: &str) -> JsValue {
    path.split('.').fold(value.clone(), |value, name| {
        Reflect::get(&value, &name.into()).unwrap()
    })
}

fn text(value: &JsValue, path: &str) -> String {
    get(value, path).as_string().unwrap()
}

/// The code of a call's error, which must be an `Error` with a message.
async fn code(call: Promise) -> String {
    code_of(JsFuture::from(call).await.unwrap_err())
}

fn code_of(error: JsValue) -> String {
    assert!(error.is_instance_of::<js_sys::Error>(), "{error:?}");
    assert!(!text(&error, "message").is_empty());
    text(&error, "code")
}

async fn value(call: Promise) -> JsValue {
    JsFuture::from(call).await.unwrap()
}

/// A tile, some changes to it, and the archive of any number of its events.
struct Tile {
    stream: StreamId,
    events: Vec<Cid>,
    blocks: Vec<Vec<Block>>,
}

impl Tile {
    fn new(name: &str, changes: i128) -> Tile {
        let signer = Ed25519Signer::from_seed(&[7; 32]);
        let entry = |key: &str, value| (key.to_owned(), value);
        let string = |value: &str| Ipld::String(value.to_owned());
        let hostile = Ipld::Map(BTreeMap::from([entry("admin", Ipld::Bool(true))]));
        let content = BTreeMap::from([
            entry("name", string(name)),
            entry("count", Ipld::Integer(0)),
            entry("__proto__", hostile),
        ]);
        // As a stranger would write it: nobody is helped to write the key `__proto__`.
        let header = BTreeMap::from([
            entry("controllers", Ipld::List(vec![string(signer.did())])),
            entry("unique", string("AQEBAQEBAQEBAQEB")),
        ]);
        let payload = Init::payload(header, Some(Ipld::Map(content))).unwrap();
        let init = event::sign(payload, &signer).unwrap();
        let stream = StreamId::new(StreamType::TILE, *init[1].cid());
        let mut events = vec![*stream.init()];
        let mut blocks = vec![init];
        for n in 1..=changes {
            let change = BTreeMap::from([
                entry("op", string("replace")),
                entry("path", string("/count")),
                entry("value", Ipld::Integer(n)),
            ]);
            let patch = Ipld::List(vec![Ipld::Map(change)]);
            let prev = *events.last().unwrap();
            let payload = Data::payload(*stream.init(), prev, Some(Map::new()), patch).unwrap();
            let event = event::sign(payload, &signer).unwrap();
            events.push(*event.last().unwrap().cid());
            blocks.push(event);
        }
        Tile {
            stream,
            events,
            blocks,
        }
    }

    fn archive(&self, events: usize) -> Vec<u8> {
        let blocks = self.blocks.iter().take(events).flatten();
        car::write(&[self.events[events - 1]], blocks)
    }

    fn id(&self) -> String {
        self.stream.to_string()
    }
}

#[wasm_bindgen_test]
async fn a_node_starts_without_peers_and_says_so() {
    let node = node(&fresh()).await;
    assert!(node.peer_id().starts_with("12D3Koo"));
    let status = JSON::stringify(&value(node.status()).await).unwrap();
    assert_eq!(
        status,
        r#"{"online":false,"peers":[],"documents":0,"blocks":0,"bytes":0}"#
    );
    assert_eq!(Array::from(&value(node.documents()).await).length(), 0);
}

#[wasm_bindgen_test]
async fn options_that_make_no_sense_are_refused() {
    let never = Function::default();
    let error = start(r#"{ "peers": "none" }"#, &never).await.err().unwrap();
    assert_eq!(code_of(error), "invalid-argument");
    let error = start(r#"{ "peers": ["example.org"] }"#, &never)
        .await
        .err()
        .unwrap();
    assert_eq!(code_of(error), "invalid-address");
}

#[wasm_bindgen_test]
async fn a_document_has_exactly_the_shape_of_the_types() {
    let node = node(&fresh()).await;
    let tile = Tile::new("shape", 2);
    let ids = Array::from(&value(node.import_car(tile.archive(3))).await);
    assert_eq!(ids.join(","), tile.id());

    let document = value(node.load(&tile.id(), 1_000.0, None, None)).await;
    let keys = Object::keys(document.unchecked_ref()).join(",");
    assert_eq!(
        keys,
        "id,url,tip,commitId,type,content,metadata,state,log,refused,source,status"
    );
    assert_eq!(get(&document, "refused"), JsValue::UNDEFINED);
    assert_eq!(text(&document, "id"), tile.id());
    assert_eq!(text(&document, "url"), tile.stream.url());
    assert_eq!(text(&document, "tip"), tile.events[2].to_string());
    let commit = CommitId::new(tile.stream, tile.events[2]).to_string();
    assert_eq!(text(&document, "commitId"), commit);
    assert_eq!(text(&document, "type"), "tile");
    assert_eq!(get(&document, "content.count"), 2.0);
    assert!(text(&document, "metadata.controllers.0").starts_with("did:key:"));
    assert_eq!(get(&document, "state.log.length"), 3.0);
    let entry = JSON::stringify(&get(&document, "log.1")).unwrap();
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let (cid, prev) = (tile.events[1], tile.events[0]);
    let expected = format!(
        r#"{{"cid":"{cid}","kind":"data","prev":"{prev}","signer":"{}","time":{{"status":"none"}},"verified":["hash","link","signature","rules"]}}"#,
        signer.did()
    );
    assert_eq!(entry, expected);
    assert_eq!(get(&document, "log.0.prev"), JsValue::UNDEFINED);
}

#[wasm_bindgen_test]
async fn content_of_a_stranger_cannot_become_a_prototype() {
    let node = node(&fresh()).await;
    let tile = Tile::new("hostile", 0);
    value(node.import_car(tile.archive(1))).await;
    let document = value(node.load(&tile.id(), 1_000.0, None, None)).await;
    let content: Object = get(&document, "content").unchecked_into();
    assert_eq!(get(&content, "admin"), JsValue::UNDEFINED);
    let plain = Object::get_prototype_of(&Object::new());
    assert!(Object::is(&Object::get_prototype_of(&content), &plain));
}

#[wasm_bindgen_test]
async fn a_version_is_shown_as_it_was() {
    let node = node(&fresh()).await;
    let tile = Tile::new("versions", 3);
    value(node.import_car(tile.archive(4))).await;
    let commit = CommitId::new(tile.stream, tile.events[1]).to_string();
    let document = value(node.load(&commit, 1_000.0, None, None)).await;
    assert_eq!(text(&document, "commitId"), commit);
    assert_eq!(get(&document, "content.count"), 1.0);
    assert_eq!(get(&document, "log.length"), 2.0);
    // Nothing is anchored, so at any time only the init event is certain.
    let earlier = value(node.load(&tile.id(), 1_000.0, Some(1_700_000_000.0), None)).await;
    assert_eq!(get(&earlier, "log.length"), 1.0);
    assert_eq!(
        code(node.load(&commit, 1_000.0, Some(1.0), None)).await,
        "invalid-argument"
    );
    assert_eq!(
        code_of(
            node.follow(&commit, Function::default(), None)
                .err()
                .unwrap()
        ),
        "invalid-id"
    );
}

#[wasm_bindgen_test]
async fn refusals_have_codes() {
    let node = node(&fresh()).await;
    let unknown = Tile::new("unknown", 0);
    assert_eq!(
        code(node.load("nonsense", 1_000.0, None, None)).await,
        "invalid-id"
    );
    assert_eq!(code(node.forget("nonsense", None)).await, "invalid-id");
    assert_eq!(code(node.export_car("nonsense")).await, "invalid-id");
    assert_eq!(
        code(node.load(&unknown.id(), 100.0, None, None)).await,
        "offline"
    );
    assert_eq!(code(node.export_car(&unknown.id())).await, "not-kept");
    assert!(!code(node.import_car(vec![1, 2, 3])).await.is_empty());
    let mut archive = unknown.archive(1);
    *archive.last_mut().unwrap() ^= 1;
    assert_eq!(code(node.import_car(archive)).await, "block-wrong-hash");
    assert_eq!(Array::from(&value(node.documents()).await).length(), 0);
}

#[wasm_bindgen_test]
async fn an_aborted_call_ends_at_once() {
    let node = node(&fresh()).await;
    let tile = Tile::new("aborted", 0);
    let controller = AbortController::new().unwrap();
    let waiting = node.load(&tile.id(), f64::INFINITY, None, Some(controller.signal()));
    controller.abort();
    assert_eq!(code(waiting).await, "aborted");
    let late = node.load(&tile.id(), 1_000.0, None, Some(controller.signal()));
    assert_eq!(code(late).await, "aborted");
}

#[wasm_bindgen_test]
async fn what_was_kept_is_there_after_a_restart_and_what_was_forgotten_is_not() {
    let name = fresh();
    let first = node(&name).await;
    let (kept, forgotten) = (Tile::new("kept", 1), Tile::new("forgotten", 1));
    for tile in [&kept, &forgotten] {
        value(first.import_car(tile.archive(2))).await;
    }
    value(first.forget(&forgotten.id(), None)).await;
    value(first.stop()).await;

    let second = node(&name).await;
    assert_eq!(second.peer_id(), first.peer_id());
    let documents = value(second.documents()).await;
    assert_eq!(get(&documents, "length"), 1.0);
    let keys = Object::keys(get(&documents, "0").unchecked_ref()).join(",");
    assert_eq!(keys, "id,tip,events,bytes,updated");
    assert_eq!(text(&documents, "0.id"), kept.id());
    assert_eq!(get(&documents, "0.events"), 2.0);
    let document = value(second.load(&kept.id(), 1_000.0, None, None)).await;
    assert_eq!(text(&document, "source"), "disk");
    assert_eq!(get(&document, "content.count"), 1.0);
    let archive = value(second.export_car(&kept.id())).await;
    assert_eq!(
        archive.unchecked_into::<Uint8Array>().to_vec(),
        kept.archive(2)
    );
    assert_eq!(
        code(second.load(&forgotten.id(), 100.0, None, None)).await,
        "offline"
    );
}

#[wasm_bindgen_test]
async fn following_gives_the_state_now_and_each_change() {
    let node = node(&fresh()).await;
    let tile = Tile::new("followed", 2);
    value(node.import_car(tile.archive(1))).await;
    let (sender, mut states) = futures::channel::mpsc::unbounded();
    let on_state = Closure::<dyn FnMut(JsValue)>::new(move |state| {
        let _ = sender.unbounded_send(get(&state, "content.count").as_f64());
    });
    let (ended, end) = oneshot::channel();
    let on_end = Closure::once(move |error: JsValue| ended.send(error));
    let on_state: &Function = on_state.as_ref().unchecked_ref();
    let on_end: &Function = on_end.as_ref().unchecked_ref();
    let following = node
        .follow(&tile.id(), on_state.clone(), Some(on_end.clone()))
        .unwrap();
    use futures::StreamExt;
    assert_eq!(states.next().await, Some(Some(0.0)));
    for events in [2, 3] {
        value(node.import_car(tile.archive(events))).await;
        assert_eq!(states.next().await, Some(Some(events as f64 - 1.0)));
    }
    value(node.stop()).await;
    assert_eq!(end.await.unwrap(), JsValue::UNDEFINED);
    drop(following);
}

#[wasm_bindgen_test]
async fn who_stops_following_is_called_no_more() {
    let node = node(&fresh()).await;
    let tile = Tile::new("unfollowed", 1);
    value(node.import_car(tile.archive(1))).await;
    let calls = Rc::new(RefCell::new(0));
    let counted = calls.clone();
    let call = Closure::<dyn FnMut()>::new(move || *counted.borrow_mut() += 1);
    let call: &Function = call.as_ref().unchecked_ref();
    let following = node
        .follow(&tile.id(), call.clone(), Some(call.clone()))
        .unwrap();
    following.stop();
    following.stop();
    value(node.import_car(tile.archive(2))).await;
    value(node.stop()).await;
    assert_eq!(*calls.borrow(), 0);
}

#[wasm_bindgen_test]
async fn events_tell_of_documents_and_of_how_the_node_is() {
    let (sender, mut events) = futures::channel::mpsc::unbounded();
    let on_event = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        let _ = sender.unbounded_send(event);
    });
    let options = format!(r#"{{ "name": "{}" }}"#, fresh());
    let node = start(&options, on_event.as_ref().unchecked_ref())
        .await
        .unwrap();
    let tile = Tile::new("told", 0);
    value(node.import_car(tile.archive(1))).await;
    let (mut told, mut counted) = (false, false);
    use futures::StreamExt;
    while !(told && counted) {
        let event = events.next().await.unwrap();
        match text(&event, "event").as_str() {
            "document" => {
                assert_eq!(text(&event, "data.id"), tile.id());
                assert_eq!(text(&event, "data.tip"), tile.events[0].to_string());
                told = true;
            }
            "status" => counted |= get(&event, "data.documents") == 1.0,
            other => panic!("{other}"),
        }
    }
}

#[wasm_bindgen_test]
async fn a_stopped_node_ends_its_calls_and_lets_go_of_the_database() {
    let name = fresh();
    let node = node(&name).await;
    let tile = Tile::new("stopped", 0);
    let waiting = node.load(&tile.id(), 60_000.0, None, None);
    let (stopped, again) = (node.stop(), node.stop());
    assert_eq!(code(waiting).await, "stopped");
    value(stopped).await;
    value(again).await;
    assert_eq!(code(node.status()).await, "stopped");
    assert_eq!(
        code(node.load(&tile.id(), 1_000.0, None, None)).await,
        "stopped"
    );
    Rexie::delete(&name).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_deleted_database_is_said_to_be_gone() {
    let name = fresh();
    let node = node(&name).await;
    Rexie::delete(&name).await.unwrap();
    let tile = Tile::new("gone", 0);
    let error = JsFuture::from(node.import_car(tile.archive(1)))
        .await
        .unwrap_err();
    assert!(!text(&error, "hint").is_empty());
    assert_eq!(code_of(error), "store-gone");
    assert_eq!(code(node.documents()).await, "store-gone");
}
