//! The database itself: opening it, transactions that are whole or absent, and what the browser's refusals mean.
//!
//! A transaction dies when anything but IndexedDB is awaited inside it, and rexie's futures must not be dropped half-way
//! (their callbacks would be called and be gone). So each runs as a task of its own ([`run`]): it goes on at the
//! browser's pace, whatever the caller does with its future.
//!
//! Durability is the browser's default, which in Chromium means that a commit is reported once the operating system has
//! it. A killed tab or browser loses nothing; a power cut may lose the latest commits, each whole. `strict` waits for
//! the disk (1.3 to 1.7 times slower), and all that is kept here can be fetched again and is verified again.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, join_all, select};
use futures_timer::Delay;
use js_sys::{Array, Uint8Array};
use ostrakon_node::store::StoreError;
use rexie::{KeyRange, ObjectStore, Rexie, Transaction, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;

use super::probe;

/// Raised when the object stores change; a database of a higher version is left alone.
pub const VERSION: u32 = 1;
/// How long opening may take: it waits for as long as another tab deletes the database or holds an older version.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Stream id → row.
pub const RECORDS: &str = "records";
/// [stream id, sequence] → pack.
pub const PACKS: &str = "packs";
/// [stream id, sequence] → short names of the pack's blocks.
pub const INDEX: &str = "index";
/// Name → secret of this tab; and, under names that begin with [`ANSWER`], [`OUTBOX`] and [`JOURNAL`], what chains answered, by
/// document what waits to be published, and by number what is not in its place yet.
pub const KEYS: &str = "keys";
/// All of them.
pub const STORES: [&str; 4] = [RECORDS, PACKS, INDEX, KEYS];

/// How the name of a chain's answer begins.
pub const ANSWER: &str = "answer/";

/// How the name of a session begins.
pub const SESSION: &str = "session/";

/// How the name of an entry of the outbox begins.
pub const OUTBOX: &str = "outbox/";

/// How the name of a record of the journal begins.
pub const JOURNAL: &str = "journal/";

/// The names that begin with one of these, each of which ends with a slash.
pub fn named(prefix: &str) -> Result<KeyRange, StoreError> {
    // The sign after the slash.
    let after = format!("{}0", prefix.trim_end_matches('/'));
    let range = KeyRange::bound(&prefix.into(), &after.into(), None, Some(true));
    range.map_err(|error| meaning(&error.into()))
}

/// Opens the database, making it if there is none.
pub async fn open(name: &str) -> Result<Rexie, StoreError> {
    let mut builder = Rexie::builder(name).version(VERSION);
    for store in STORES {
        builder = builder.add_object_store(ObjectStore::new(store));
    }
    let (answer, opened) = oneshot::channel();
    spawn_local(async move {
        // Nobody waits any longer: a connection left open would stand in the way of others.
        if let Err(Ok(late)) = answer.send(builder.build().await) {
            late.close();
        }
    });
    let database = match select(opened, Delay::new(OPEN_TIMEOUT)).await {
        Either::Left((Ok(Ok(database)), _)) => database,
        Either::Left((Ok(Err(error)), _)) if is(&error, "VersionError") => {
            return Err(newer(name).await);
        }
        Either::Left((Ok(Err(error)), _)) => return Err(meaning(&error)),
        Either::Left((Err(_), _)) => return Err(io("opening the database was interrupted")),
        Either::Right(_) => {
            return Err(io(
                "another tab is deleting the database or holds an older version of it",
            ));
        }
    };
    let stores = database.store_names();
    if let Some(missing) = STORES
        .iter()
        .find(|store| !stores.iter().any(|name| name == *store))
    {
        database.close();
        return Err(StoreError::Corrupt(format!(
            "the database has no object store \"{missing}\": it is not of Ostrakon"
        )));
    }
    Ok(database)
}

/// What to say of a database with a version above ours, which is read without changing anything.
async fn newer(name: &str) -> StoreError {
    let found = match Rexie::builder(name).build().await {
        Ok(database) => {
            let found = database.version();
            database.close();
            found.unwrap_or_default()
        }
        Err(_) => 0,
    };
    StoreError::Newer {
        found: found.into(),
        known: VERSION.into(),
    }
}

/// Runs work on the database to its end, even if nobody waits for it any longer.
pub async fn run<T: 'static>(
    work: impl Future<Output = Result<T, StoreError>> + 'static,
) -> Result<T, StoreError> {
    let (answer, result) = oneshot::channel();
    spawn_local(async move {
        let _ = answer.send(work.await);
    });
    result
        .await
        .unwrap_or_else(|_| Err(io("the work was interrupted")))
}

/// One change of an object store.
pub enum Write {
    /// Sets a key.
    Put(&'static str, JsValue, JsValue),
    /// Removes a key or a range of keys.
    Delete(&'static str, JsValue),
}

/// Issues all writes at once and commits: afterwards all are done or none. `name` is that of the database.
pub async fn commit(
    name: &str,
    transaction: Transaction,
    writes: Vec<Write>,
) -> Result<(), StoreError> {
    let added = |write: &Write| match write {
        Write::Put(_, _, value) => value.dyn_ref().map_or(0, Uint8Array::length),
        Write::Delete(..) => 0,
    };
    let bytes = writes.iter().map(added).sum();
    let mut requests = Vec::with_capacity(writes.len());
    for write in writes {
        let name = match write {
            Write::Put(name, ..) | Write::Delete(name, _) => name,
        };
        let store = transaction.store(name).map_err(|error| meaning(&error))?;
        requests.push(async move {
            match write {
                Write::Put(_, key, value) => store.put(&value, Some(&key)).await.map(|_| ()),
                Write::Delete(_, key) => store.delete(key).await,
            }
        });
    }
    // The writes are issued when first polled, so they are polled before the commit. When one of them fails the commit's
    // future is leaked and not dropped: the browser still calls it when the transaction ends.
    let mut done = ManuallyDrop::new(Box::pin(transaction.commit()));
    let committed = match select(join_all(requests), &mut *done).await {
        Either::Left((results, _)) => {
            let failed: Vec<rexie::Error> = results.into_iter().filter_map(Result::err).collect();
            // One request fails for a reason, the others because of it.
            let reason = failed
                .iter()
                .find(|error| !is(error, "AbortError"))
                .or(failed.first());
            if let Some(error) = reason {
                return Err(meaning(error));
            }
            done.as_mut().await
        }
        Either::Right((committed, _)) => committed,
    };
    drop(ManuallyDrop::into_inner(done));
    match committed {
        Ok(()) => Ok(()),
        // A full disk shows as an abort without a failed request, and rexie hides its reason.
        Err(_) => Err(probe::why_aborted(name, bytes).await),
    }
}

/// A transaction over some object stores.
pub fn begin(
    database: &Rexie,
    stores: &[&str],
    mode: TransactionMode,
) -> Result<Transaction, StoreError> {
    database
        .transaction(stores, mode)
        .map_err(|error| meaning(&error))
}

/// The key of a pack and of its names.
pub fn key(document: &str, sequence: u32) -> JsValue {
    Array::of2(&document.into(), &sequence.into()).into()
}

/// The keys of every pack of a document: in IndexedDB's order an array sorts behind every number.
pub fn keys(document: &str) -> Result<KeyRange, StoreError> {
    let document = JsValue::from_str(document);
    KeyRange::bound(
        &Array::of1(&document),
        &Array::of2(&document, &Array::new()),
        None,
        None,
    )
    .map_err(|error| meaning(&error.into()))
}

/// The key of a record of the journal: the order of names is that of numbers.
pub fn number(sequence: u32) -> JsValue {
    format!("{JOURNAL}{sequence:010}").into()
}

/// The number of a record of the journal.
pub fn number_of(key: &JsValue) -> Option<u32> {
    key.as_string()?.strip_prefix(JOURNAL)?.parse().ok()
}

/// Records of the journal, from one to another.
pub fn numbers(first: u32, last: u32) -> Result<KeyRange, StoreError> {
    let range = KeyRange::bound(&number(first), &number(last), None, None);
    range.map_err(|error| meaning(&error.into()))
}

/// A document and a sequence, from a key.
pub fn parts(key: &JsValue) -> Option<(String, u32)> {
    let key: &Array = key.dyn_ref()?;
    let sequence = key.get(1).as_f64()?;
    let whole = sequence >= 0.0 && sequence <= f64::from(u32::MAX) && sequence.fract() == 0.0;
    Some((key.get(0).as_string()?, whole.then_some(sequence as u32)?))
}

/// The bytes of a value, none if it is something else.
pub fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
}

/// What the browser's refusal means. Its names are those of the standard's DOMException.
pub fn meaning(error: &rexie::Error) -> StoreError {
    meaning_of(text(error))
}

/// The same, from what the browser says of it.
pub fn meaning_of(text: String) -> StoreError {
    if text.contains("QuotaExceededError") {
        StoreError::Full(text)
    } else if text.contains("InvalidStateError") || text.contains("NotFoundError") {
        // The connection was closed, or what was opened is no longer there.
        StoreError::Gone
    } else {
        StoreError::Io(text)
    }
}

fn is(error: &rexie::Error, name: &str) -> bool {
    text(error).contains(name)
}

/// rexie says only "idb error"; the reason is in its source.
fn text(error: &rexie::Error) -> String {
    match error {
        rexie::Error::IdbError(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn io(message: &str) -> StoreError {
    StoreError::Io(message.to_owned())
}
