//! Why the browser gave up a transaction.
//!
//! When a commit finds the disk full no request fails: the transaction is aborted, and the reason stands on the
//! transaction, which rexie does not hand out. `navigator.storage.estimate()` does not know either: Chromium always claims 10
//! GiB more than is used. So the same number of bytes is written once more, where the reason can be read, and deleted.

use futures::channel::oneshot;
use futures::future::{Either, select};
use gloo::events::EventListener;
use js_sys::{Reflect, Uint8Array};
use ostrakon_node::store::StoreError;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, EventTarget, IdbDatabase, IdbFactory, IdbTransactionMode};

use super::database::{KEYS, meaning_of};

/// Where the probe is written, for a moment.
const PLACE: &str = "probe";

/// What to say of a transaction over `bytes` that was aborted although every request in it succeeded.
pub async fn why_aborted(name: &str, bytes: u32) -> StoreError {
    match probe(name, bytes).await {
        Some(reason) => meaning_of(reason),
        None => StoreError::Io("the browser gave up the transaction".to_owned()),
    }
}

/// The reason for which a transaction of that size is aborted now; none if it is not, or if nobody can tell.
async fn probe(name: &str, bytes: u32) -> Option<String> {
    let database = open(name).await?;
    let reason = write(&database, bytes).await;
    database.close();
    reason
}

async fn open(name: &str) -> Option<IdbDatabase> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).ok()?;
    let request = factory.dyn_into::<IdbFactory>().ok()?.open(name).ok()?;
    // A database that is no more must not be made anew: its making is aborted, which is an error of the request.
    let unmade = request.clone();
    let _upgrade = EventListener::once(&request, "upgradeneeded", move |_| {
        let _ = unmade.transaction().map(|upgrade| upgrade.abort());
    });
    let opened = first(&request, ["success", "error"]).await;
    (opened == "success").then(|| request.result().ok()?.dyn_into().ok())?
}

async fn write(database: &IdbDatabase, bytes: u32) -> Option<String> {
    let mode = IdbTransactionMode::Readwrite;
    let transaction = database.transaction_with_str_and_mode(KEYS, mode).ok()?;
    let value = Uint8Array::from(noise(bytes).as_slice());
    let store = transaction.object_store(KEYS).ok()?;
    store.put_with_key(&value, &PLACE.into()).ok()?;
    if first(&transaction, ["complete", "abort"]).await == "abort" {
        let error = JsValue::from(transaction.error()?);
        return Some(String::from(
            error.unchecked_ref::<js_sys::Object>().to_string(),
        ));
    }
    let transaction = database.transaction_with_str_and_mode(KEYS, mode).ok()?;
    transaction
        .object_store(KEYS)
        .ok()?
        .delete(&PLACE.into())
        .ok()?;
    first(&transaction, ["complete", "abort"]).await;
    None
}

/// Bytes that a database which compresses can't make smaller.
fn noise(length: u32) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Which of two events comes first.
async fn first(target: &EventTarget, events: [&'static str; 2]) -> String {
    let wait = |event: &'static str| {
        let (send, receive) = oneshot::channel();
        let listener = EventListener::once(target, event, move |event: &Event| {
            let _ = send.send(event.type_());
        });
        async move {
            let name = receive.await;
            drop(listener);
            name.unwrap_or_default()
        }
    };
    let [one, other] = events.map(wait);
    match select(Box::pin(one), Box::pin(other)).await {
        Either::Left((name, _)) | Either::Right((name, _)) => name,
    }
}
