//! What is kept of a session, what opens it again, and what ends it.

mod calls;
mod writing;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_timer::Delay;
use js_sys::{Array, Function, Reflect, Uint8Array};
use ostrakon_browser::session::vault::Vault;
use ostrakon_browser::session::{
    About, MAX_SESSIONS, Seed, Session, SessionError, SessionKind, Sessions,
};
use ostrakon_browser::store::IndexedDb;
use ostrakon_protocol::Block;
use rexie::{Rexie, TransactionMode};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

pub fn fresh() -> String {
    format!("ostrakon-test-{}", js_sys::Math::random())
}

fn now() -> u64 {
    js_sys::Date::now() as u64
}

async fn open(name: &str) -> Sessions {
    open_heard(name, Function::default()).await
}

async fn open_heard(name: &str, tell: Function) -> Sessions {
    let store = IndexedDb::open(name).await.unwrap();
    let nobody = Function::default();
    Sessions::open(Vault::new(store), tell, nobody)
        .await
        .unwrap()
}

/// Gathers the changes that are told.
fn listener() -> (Function, Rc<RefCell<Vec<String>>>) {
    let told = Rc::new(RefCell::new(Vec::new()));
    let into = told.clone();
    let hear = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
        assert_eq!(text(&event, "event"), "session");
        let data = Reflect::get(&event, &"data".into()).unwrap();
        into.borrow_mut().push(text(&data, "change"));
    });
    (hear.into_js_value().unchecked_into(), told)
}

pub fn text(value: &JsValue, name: &str) -> String {
    let value = Reflect::get(value, &name.into()).unwrap();
    value.as_string().unwrap_or_default()
}

fn about(did: &str, expires_at: Option<u64>) -> About {
    About {
        did: did.to_owned(),
        key: did.to_owned(),
        kind: SessionKind::Key,
        resources: Vec::new(),
        expires_at,
        created_at: now(),
    }
}

fn capability() -> Block {
    // A map with one field; what it says is not looked at here.
    Block::dag_cbor(vec![0xa1, 0x61, 0x70, 0x01]).unwrap()
}

async fn admit(sessions: &Sessions, seed: u8) -> Rc<Session> {
    let (about, seed) = (about("did:key:test", None), Seed::from(&[seed; 32]));
    sessions
        .admit(about, Some(capability()), seed)
        .await
        .unwrap()
}

/// The rows of all sessions, by their keys.
async fn rows(name: &str) -> Vec<(String, Array)> {
    let database = Rexie::builder(name).build().await.unwrap();
    let transaction = database
        .transaction(&["keys"], TransactionMode::ReadOnly)
        .unwrap();
    let keys = transaction.store("keys").unwrap();
    let names = keys.get_all_keys(None, None).await.unwrap();
    let values = keys.get_all(None, None).await.unwrap();
    database.close();
    let rows = names.iter().zip(values).filter_map(|(name, row)| {
        let name = name.as_string()?;
        name.starts_with("session/")
            .then(|| (name, Array::from(&row)))
    });
    rows.collect()
}

async fn put(name: &str, key: &str, row: &JsValue) {
    let database = Rexie::builder(name).build().await.unwrap();
    let transaction = database
        .transaction(&["keys"], TransactionMode::ReadWrite)
        .unwrap();
    let keys = transaction.store("keys").unwrap();
    keys.put(row, Some(&key.into())).await.unwrap();
    transaction.done().await.unwrap();
    database.close();
}

fn signs(session: &Session) -> Result<String, SessionError> {
    Ok(session.signer()?.did().to_owned())
}

async fn patiently(mut done: impl FnMut() -> bool) {
    for _ in 0..100 {
        if done() {
            return;
        }
        Delay::new(Duration::from_millis(50)).await;
    }
    panic!("it never came");
}

#[wasm_bindgen_test]
async fn a_session_is_there_again_after_a_reload_and_signs_with_the_same_key() {
    let name = fresh();
    let sessions = open(&name).await;
    let session = admit(&sessions, 7).await;
    let did = signs(&session).unwrap();
    let id = session.id().to_owned();
    drop((sessions, session));
    let sessions = open(&name).await;
    let again = sessions.get(&id).unwrap();
    assert_eq!(signs(&again), Ok(did));
    assert_eq!(again.capability(), Some(&capability()));
    assert_eq!(again.about().did, "did:key:test");
    assert_eq!(sessions.list().len(), 1);
}

#[wasm_bindgen_test]
async fn what_is_on_disk_holds_neither_the_seed_nor_a_key_that_can_be_read() {
    let name = fresh();
    let sessions = open(&name).await;
    admit(&sessions, 7).await;
    let [(_, row)] = rows(&name).await.try_into().unwrap();
    let key = row.get(3);
    let extractable = Reflect::get(&key, &"extractable".into()).unwrap();
    assert_eq!(extractable.as_bool(), Some(false));
    let export = "return crypto.subtle.exportKey('raw', key).then(() => 'read', () => 'refused')";
    let export = Function::new_with_args("key", export);
    let exported = export.call1(&JsValue::NULL, &key).unwrap();
    let exported = wasm_bindgen_futures::JsFuture::from(js_sys::Promise::from(exported)).await;
    assert_eq!(exported.unwrap(), "refused");
    let all: Vec<u8> = row
        .iter()
        .filter_map(|value| value.dyn_into::<Uint8Array>().ok())
        .flat_map(|bytes| bytes.to_vec())
        .collect();
    assert!(all.len() > 48);
    assert!(!all.windows(4).any(|some| some == [7; 4]));
}

#[wasm_bindgen_test]
async fn a_row_that_was_changed_in_any_part_is_refused_and_not_listed() {
    for part in [1, 2, 4, 5] {
        let name = fresh();
        let sessions = open(&name).await;
        let id = admit(&sessions, 7).await.id().to_owned();
        drop(sessions);
        let [(key, row)] = rows(&name).await.try_into().unwrap();
        let mut bytes = Uint8Array::from(row.get(part)).to_vec();
        match part {
            // Another DID, in JSON that reads as well as before.
            1 => {
                let text = String::from_utf8(bytes).unwrap();
                bytes = text.replace("did:key:test", "did:key:evil").into_bytes();
            }
            _ => *bytes.last_mut().unwrap() ^= 1,
        }
        row.set(part, Uint8Array::from(bytes.as_slice()).into());
        put(&name, &key, &row).await;
        let sessions = open(&name).await;
        let error = signs(&sessions.get(&id).unwrap()).unwrap_err();
        assert_eq!(error.code(), "session-damaged", "part {part}");
        assert!(sessions.list().is_empty());
        sessions.revoke(&id).await.unwrap();
        assert!(rows(&name).await.is_empty());
    }
}

#[wasm_bindgen_test]
async fn a_row_under_another_name_or_in_another_database_opens_nothing() {
    let (name, other) = (fresh(), fresh());
    let sessions = open(&name).await;
    let id = admit(&sessions, 7).await.id().to_owned();
    drop((sessions, open(&other).await));
    let [(key, row)] = rows(&name).await.try_into().unwrap();
    put(&name, "session/another", &row).await;
    put(&other, &key, &row).await;
    let sessions = open(&name).await;
    let renamed = sessions.get("another").unwrap();
    assert_eq!(signs(&renamed).unwrap_err().code(), "session-damaged");
    assert!(signs(&sessions.get(&id).unwrap()).is_ok());
    let carried = open(&other).await.get(&id).unwrap();
    assert_eq!(signs(&carried).unwrap_err().code(), "session-damaged");
}

#[wasm_bindgen_test]
async fn rows_that_are_none_or_newer_are_left_alone() {
    let name = fresh();
    drop(open(&name).await);
    let newer = Array::of2(&2.into(), &"unknown".into());
    put(&name, "session/newer", &newer).await;
    put(&name, "session/text", &"no row".into()).await;
    let sessions = open(&name).await;
    assert!(sessions.list().is_empty());
    assert_eq!(rows(&name).await.len(), 2);
    let session = admit(&sessions, 1).await;
    assert!(signs(&session).is_ok());
}

#[wasm_bindgen_test]
async fn revoking_wipes_the_key_from_memory_and_the_row_from_disk() {
    let name = fresh();
    let (hear, told) = listener();
    let sessions = open_heard(&name, hear).await;
    let (session, other) = (admit(&sessions, 1).await, admit(&sessions, 2).await);
    sessions.revoke(session.id()).await.unwrap();
    assert_eq!(signs(&session).unwrap_err().code(), "session-unknown");
    assert_eq!(rows(&name).await.len(), 1);
    // What is gone already is no error: a call may come twice.
    sessions.revoke(session.id()).await.unwrap();
    assert_eq!(*told.borrow(), ["opened", "opened", "revoked"]);
    let gone = session.id().to_owned();
    drop((sessions, session));
    let sessions = open(&name).await;
    assert_eq!(sessions.get(&gone).err().unwrap().code(), "session-unknown");
    assert!(signs(&sessions.get(other.id()).unwrap()).is_ok());
}

#[wasm_bindgen_test]
async fn a_session_says_that_it_will_end_and_then_has_no_key_any_more() {
    let name = fresh();
    let (hear, told) = listener();
    let sessions = open_heard(&name, hear).await;
    let about = about("did:key:test", Some(now() + 1_500));
    let seed = Seed::from(&[7; 32]);
    let session = sessions.admit(about, None, seed).await.unwrap();
    assert!(signs(&session).is_ok());
    patiently(|| told.borrow().len() == 3).await;
    assert_eq!(*told.borrow(), ["opened", "expiring", "expired"]);
    assert_eq!(signs(&session).unwrap_err().code(), "session-expired");
    let mut row = Array::new();
    for _ in 0..100 {
        row = rows(&name).await[0].1.clone();
        if row.length() == 3 {
            break;
        }
        Delay::new(Duration::from_millis(50)).await;
    }
    assert_eq!(row.length(), 3, "the key is gone from disk");
    let id = session.id().to_owned();
    drop((sessions, session));
    // It is still known, so that a page can say what ended.
    let sessions = open(&name).await;
    assert_eq!(sessions.list()[0].id(), id);
    let error = signs(&sessions.get(&id).unwrap()).unwrap_err();
    assert_eq!(error.code(), "session-expired");
}

#[wasm_bindgen_test]
async fn a_session_that_ended_while_nobody_looked_is_wiped_at_the_next_start() {
    let name = fresh();
    let sessions = open(&name).await;
    let about = about("did:key:test", Some(now() + 300));
    let seed = Seed::from(&[7; 32]);
    let id = sessions
        .admit(about, None, seed)
        .await
        .unwrap()
        .id()
        .to_owned();
    sessions.close();
    drop(sessions);
    assert_eq!(rows(&name).await[0].1.length(), 6);
    Delay::new(Duration::from_millis(500)).await;
    let sessions = open(&name).await;
    let error = signs(&sessions.get(&id).unwrap()).unwrap_err();
    assert_eq!(error.code(), "session-expired");
    assert_eq!(rows(&name).await[0].1.length(), 3);
}

#[wasm_bindgen_test]
async fn closing_wipes_every_key_from_memory_and_leaves_the_disk() {
    let name = fresh();
    let sessions = open(&name).await;
    let session = admit(&sessions, 7).await;
    sessions.close();
    assert!(signs(&session).is_err());
    assert_eq!(rows(&name).await.len(), 1);
}

#[wasm_bindgen_test]
async fn there_are_only_so_many_sessions() {
    let sessions = open(&fresh()).await;
    for _ in 0..MAX_SESSIONS {
        admit(&sessions, 7).await;
    }
    let (about, seed) = (about("did:key:test", None), Seed::from(&[7; 32]));
    let error = sessions.admit(about, None, seed).await.err().unwrap();
    assert_eq!(error.code(), "session-limit");
    sessions.revoke(sessions.list()[0].id()).await.unwrap();
    admit(&sessions, 7).await;
}
