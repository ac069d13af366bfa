//! What both places must pass: the node's conformance suite, and what only IndexedDB can do to a store.

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::FutureExt;
use js_sys::{Function, Promise, Uint8Array};
use ostrakon_browser::store::IndexedDb;
use ostrakon_browser::store::pack::{self, Pack};
use ostrakon_browser::store::row::MAX_SMALL_PACKS;
use ostrakon_node::store::conformance::Fixture;
use ostrakon_node::store::{Change, Outgoing, Record, Store, StoreError, Stored};
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::{StreamId, StreamType};
use rexie::{ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

/// A database of its own for each test.
struct Database(String);

#[async_trait(?Send)]
impl Fixture for Database {
    type Store = IndexedDb;

    async fn open(&self) -> IndexedDb {
        IndexedDb::open(&self.0).await.unwrap()
    }

    async fn damage(&self, cid: &Cid) {
        // Opening settles the journal.
        drop(self.open().await);
        overwrite(&self.0, "packs", |bytes| {
            let pack = Pack::read(bytes).unwrap();
            let blocks: Vec<_> = pack
                .entries()
                .map(|(name, bytes)| {
                    let mut bytes = bytes.to_vec();
                    if name == *cid {
                        *bytes.last_mut().unwrap() ^= 1;
                    }
                    (name, Bytes::from(bytes))
                })
                .collect();
            Uint8Array::from(pack::write(&blocks)[0].as_slice()).into()
        })
        .await;
    }
}

ostrakon_node::store_conformance!(Database(fresh()));

/// Every block of a document, each hashed.
fn blocks(stored: Option<Stored>) -> Vec<Block> {
    let blocks = stored.unwrap().blocks.into_iter();
    blocks
        .map(|(cid, bytes)| Block::verify(cid, bytes).unwrap())
        .collect()
}

/// A name no other test, run or place has used.
fn fresh() -> String {
    format!("ostrakon-test-{}", js_sys::Math::random())
}

fn block(n: u32) -> Block {
    let mut value = vec![0x59, 0x02, 0xb9];
    value.resize(696, (n % 251) as u8);
    value.extend_from_slice(&n.to_be_bytes());
    Block::dag_cbor(value).unwrap()
}

fn stream(n: u32) -> StreamId {
    StreamId::new(StreamType::TILE, *block(1_000_000 + n).cid())
}

fn put(stream: StreamId, blocks: Vec<Block>) -> Change {
    let tips: Vec<Cid> = blocks
        .last()
        .map(|block| *block.cid())
        .into_iter()
        .collect();
    let record = Record {
        stream,
        tips,
        events: 1,
        bytes: 700,
        updated: 1,
        asked: true,
        needs: Vec::new(),
    };
    Change::Put { record, blocks }
}

async fn count(name: &str, store: &str) -> u32 {
    let raw = Rexie::builder(name).build().await.unwrap();
    let transaction = raw
        .transaction(&[store], TransactionMode::ReadOnly)
        .unwrap();
    let count = transaction.store(store).unwrap().count(None).await.unwrap();
    transaction.done().await.unwrap();
    raw.close();
    count
}

/// Puts a value under every key of an object store.
async fn overwrite(name: &str, store: &str, change: impl Fn(Vec<u8>) -> JsValue) {
    let raw = Rexie::builder(name).build().await.unwrap();
    let transaction = raw
        .transaction(&[store], TransactionMode::ReadWrite)
        .unwrap();
    let rows = transaction.store(store).unwrap();
    for key in rows.get_all_keys(None, None).await.unwrap() {
        let value: Uint8Array = rows.get(key.clone()).await.unwrap().unwrap().into();
        rows.put(&change(value.to_vec()), Some(&key)).await.unwrap();
    }
    transaction.done().await.unwrap();
    raw.close();
}

#[wasm_bindgen_test]
async fn what_was_committed_is_there_when_the_database_is_opened_again() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    let blocks: Vec<Block> = (0..50).map(block).collect();
    store.commit(put(stream(1), blocks.clone())).await.unwrap();
    let usage = store.usage().await.unwrap();
    drop(store);

    let store = IndexedDb::open(&name).await.unwrap();
    assert_eq!(
        self::blocks(store.document(&stream(1)).await.unwrap()),
        blocks
    );
    assert_eq!(
        store.block(blocks[20].cid()).await.unwrap(),
        Some(blocks[20].clone())
    );
    assert_eq!(store.usage().await.unwrap(), usage);
}

#[wasm_bindgen_test]
async fn ten_thousand_blocks_are_a_few_records_and_a_forgotten_document_leaves_none() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    let blocks: Vec<Block> = (0..10_000).map(block).collect();
    store.commit(put(stream(1), blocks.clone())).await.unwrap();
    assert_eq!(count(&name, "packs").await, 15);
    assert_eq!(
        self::blocks(store.document(&stream(1)).await.unwrap()),
        blocks
    );
    assert_eq!(store.usage().await.unwrap().blocks, 10_000);
    store.commit(Change::Forget(stream(1))).await.unwrap();
    for rows in ["records", "packs", "index", "keys"] {
        assert_eq!(count(&name, rows).await, 0, "{rows}");
    }
    assert_eq!(store.block(blocks[9].cid()).await.unwrap(), None);
}

#[wasm_bindgen_test]
async fn small_packs_are_merged_and_every_block_stays_findable() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    let blocks: Vec<Block> = (0..60).map(block).collect();
    assert_eq!(store.block(blocks[0].cid()).await.unwrap(), None);
    for block in &blocks {
        store
            .commit(put(stream(1), vec![block.clone()]))
            .await
            .unwrap();
    }
    assert_eq!(
        self::blocks(store.document(&stream(1)).await.unwrap()),
        blocks
    );
    assert_eq!(store.usage().await.unwrap().blocks, 60);
    assert_eq!(count(&name, "keys").await, 0);
    assert!(count(&name, "packs").await as usize <= MAX_SMALL_PACKS);
    assert_eq!(count(&name, "packs").await, count(&name, "index").await);
    for block in &blocks {
        assert_eq!(
            store.block(block.cid()).await.unwrap().as_ref(),
            Some(block)
        );
    }
}

/// A put, and its tip in the outbox.
fn write(n: u32, blocks: Vec<Block>) -> Change {
    let tip = *blocks.last().unwrap().cid();
    let outgoing = Outgoing {
        stream: stream(n),
        tip,
        since: 1,
    };
    Change::Many(vec![put(stream(n), blocks), Change::Queue(outgoing)])
}

#[wasm_bindgen_test]
async fn more_of_a_known_document_is_one_record_until_it_is_in_its_place() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    store.commit(write(1, vec![block(0)])).await.unwrap();
    let places = (count(&name, "packs").await, count(&name, "keys").await);
    assert_eq!(places, (1, 1));
    for n in 1..5 {
        store.commit(write(1, vec![block(n)])).await.unwrap();
    }
    let places = (count(&name, "packs").await, count(&name, "keys").await);
    assert_eq!(places, (1, 5), "each is a record of the journal");
    let all: Vec<Block> = (0..5).map(block).collect();
    assert_eq!(blocks(store.document(&stream(1)).await.unwrap()), all);
    assert_eq!(
        store.block(all[4].cid()).await.unwrap(),
        Some(all[4].clone())
    );
    let tips = |outbox: Vec<Outgoing>| outbox.iter().map(|one| one.tip).collect::<Vec<_>>();
    assert_eq!(tips(store.outbox().await.unwrap()), [*all[4].cid()]);
    // As if the tab had been closed now.
    drop(store);
    let store = IndexedDb::open(&name).await.unwrap();
    assert_eq!(count(&name, "keys").await, 1);
    assert_eq!(blocks(store.document(&stream(1)).await.unwrap()), all);
    assert_eq!(tips(store.outbox().await.unwrap()), [*all[4].cid()]);
    assert_eq!(store.records().await.unwrap()[0].tips, [*all[4].cid()]);
    assert_eq!(store.usage().await.unwrap().blocks, 5);
}

#[wasm_bindgen_test]
async fn many_new_documents_are_few_records_until_they_are_in_their_places() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    let changes = (0..300).map(|n| write(n, vec![block(n), block(1_000 + n)]));
    store.commit(Change::Many(changes.collect())).await.unwrap();
    assert_eq!(count(&name, "records").await, 0);
    assert!(count(&name, "keys").await < 20);
    let is_whole = async |store: &IndexedDb| {
        assert_eq!(store.records().await.unwrap().len(), 300);
        assert_eq!(store.outbox().await.unwrap().len(), 300);
        for n in [0, 150, 299] {
            let kept = [block(n), block(1_000 + n)];
            assert_eq!(blocks(store.document(&stream(n)).await.unwrap()), kept);
            assert_eq!(
                store.block(kept[1].cid()).await.unwrap().as_ref(),
                Some(&kept[1])
            );
        }
    };
    is_whole(&store).await;
    let usage = store.usage().await.unwrap();
    assert_eq!((usage.documents, usage.blocks), (300, 600));
    assert_eq!(count(&name, "records").await, 300);
    assert_eq!(count(&name, "keys").await, 300, "the outbox alone");
    is_whole(&store).await;
    drop(store);
    let store = IndexedDb::open(&name).await.unwrap();
    is_whole(&store).await;
    assert_eq!(store.usage().await.unwrap(), usage);
}

#[wasm_bindgen_test]
async fn a_document_forgotten_while_it_is_in_the_journal_does_not_come_back() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    let changes = (0..9).map(|n| write(n, vec![block(n)]));
    store.commit(Change::Many(changes.collect())).await.unwrap();
    let forgotten = [3, 5].map(|n| Change::Forget(stream(n)));
    store
        .commit(Change::Many(forgotten.to_vec()))
        .await
        .unwrap();
    for _ in 0..2 {
        let store = IndexedDb::open(&name).await.unwrap();
        assert!(store.document(&stream(3)).await.unwrap().is_none());
        assert_eq!(store.block(block(5).cid()).await.unwrap(), None);
        assert_eq!(store.outbox().await.unwrap().len(), 7);
        assert_eq!(store.usage().await.unwrap().documents, 7);
    }
    assert!(store.document(&stream(3)).await.unwrap().is_none());
}

#[wasm_bindgen_test]
async fn what_is_written_to_a_document_whose_place_is_damaged_stays_in_the_journal() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    for n in 1..3 {
        store.commit(put(stream(n), vec![block(n)])).await.unwrap();
    }
    let document = stream(1).to_string();
    let raw = Rexie::builder(&name).build().await.unwrap();
    let transaction = raw
        .transaction(&["records"], TransactionMode::ReadWrite)
        .unwrap();
    let rows = transaction.store("records").unwrap();
    let key = JsValue::from_str(&document);
    let row = rows.get(key.clone()).await.unwrap().unwrap();
    let cut = Uint8Array::from(&Uint8Array::from(row.clone()).to_vec()[..7]);
    rows.put(&cut.into(), Some(&key)).await.unwrap();
    transaction.done().await.unwrap();
    for n in 1..3 {
        let more = put(stream(n), vec![block(10 + n)]);
        store.commit(more).await.unwrap();
    }
    drop(store);
    let store = IndexedDb::open(&name).await.unwrap();
    assert_eq!(count(&name, "keys").await, 1, "what has no place to go");
    assert_eq!(
        blocks(store.document(&stream(2)).await.unwrap()),
        [block(2), block(12)]
    );
    assert_eq!(store.block(block(11).cid()).await.unwrap(), Some(block(11)));
    // Its place is good again.
    let transaction = raw
        .transaction(&["records"], TransactionMode::ReadWrite)
        .unwrap();
    let rows = transaction.store("records").unwrap();
    rows.put(&row, Some(&key)).await.unwrap();
    transaction.done().await.unwrap();
    raw.close();
    assert_eq!(store.usage().await.unwrap().blocks, 4);
    assert_eq!(count(&name, "keys").await, 0);
    assert_eq!(
        blocks(store.document(&stream(1)).await.unwrap()),
        [block(1), block(11)]
    );
}

#[wasm_bindgen_test]
async fn a_damaged_record_of_the_journal_is_left_out_and_left_alone() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    store.commit(put(stream(1), vec![block(1)])).await.unwrap();
    store.commit(put(stream(1), vec![block(2)])).await.unwrap();
    drop(store);
    let cut = |bytes: Vec<u8>| Uint8Array::from(&bytes[..bytes.len() / 2]).into();
    overwrite(&name, "keys", cut).await;
    let store = IndexedDb::open(&name).await.unwrap();
    let stored = store.document(&stream(1)).await.unwrap();
    assert_eq!(blocks(stored), [block(1)]);
    for n in 3..5 {
        store.commit(put(stream(1), vec![block(n)])).await.unwrap();
    }
    assert_eq!(store.usage().await.unwrap().blocks, 3);
    assert_eq!(count(&name, "keys").await, 1);
}

#[wasm_bindgen_test]
async fn a_journal_of_a_newer_version_says_so() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    store.commit(put(stream(1), vec![block(1)])).await.unwrap();
    store.commit(put(stream(1), vec![block(2)])).await.unwrap();
    drop(store);
    let newer = |mut bytes: Vec<u8>| {
        bytes[4] += 1;
        Uint8Array::from(bytes.as_slice()).into()
    };
    overwrite(&name, "keys", newer).await;
    let error = IndexedDb::open(&name).await.err().unwrap();
    assert_eq!(error, StoreError::Newer { found: 2, known: 1 });
}

#[wasm_bindgen_test]
async fn many_questions_at_once_are_all_answered() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    let change = put(stream(1), (0..3_000).map(block).collect());
    store.commit(change).await.unwrap();
    drop(store);
    let store = IndexedDb::open(&name).await.unwrap();
    let blocks: Vec<Block> = (0..3_100).step_by(10).map(block).collect();
    let questions = blocks.iter().map(|block| store.block(block.cid()));
    let answers = futures::future::join_all(questions).await;
    for (n, (answer, block)) in answers.into_iter().zip(blocks).enumerate() {
        assert_eq!(answer.unwrap(), (n < 300).then_some(block), "{n}");
    }
}

#[wasm_bindgen_test]
async fn a_corrupt_pack_is_named_and_harms_nothing_else() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    store
        .commit(put(stream(1), vec![block(1), block(2)]))
        .await
        .unwrap();
    let longer = |bytes: Vec<u8>| Uint8Array::from([bytes, vec![0]].concat().as_slice()).into();
    overwrite(&name, "packs", longer).await;
    store.commit(put(stream(2), vec![block(3)])).await.unwrap();

    let error = store.document(&stream(1)).await.unwrap_err();
    assert_eq!(error.code(), "store-corrupt");
    assert!(
        error.to_string().contains(&format!("{}/0", stream(1))),
        "{error}"
    );
    assert_eq!(
        store.block(block(2).cid()).await.unwrap_err().code(),
        "store-corrupt"
    );
    // The other document and the list of documents are as before.
    assert_eq!(
        self::blocks(store.document(&stream(2)).await.unwrap()),
        [block(3)]
    );
    assert_eq!(store.records().await.unwrap().len(), 2);
    // Not even a merge writes the damage again or fails because of it.
    for n in 10..40 {
        store.commit(put(stream(1), vec![block(n)])).await.unwrap();
    }
    assert!(store.block(block(39).cid()).await.unwrap().is_some());
    store.commit(Change::Forget(stream(1))).await.unwrap();
    assert!(store.document(&stream(1)).await.unwrap().is_none());
}

#[wasm_bindgen_test]
async fn packs_and_rows_that_are_cut_short_or_no_bytes_are_refused() {
    let cut = |bytes: Vec<u8>| Uint8Array::from(&bytes[..bytes.len() / 2]).into();
    let text = |_| JsValue::from_str("not bytes");
    let changes: [fn(Vec<u8>) -> JsValue; 2] = [cut, text];
    for place in ["packs", "records"] {
        for change in changes {
            let name = fresh();
            let store = IndexedDb::open(&name).await.unwrap();
            store.commit(put(stream(1), vec![block(1)])).await.unwrap();
            overwrite(&name, place, change).await;
            assert_eq!(
                store.document(&stream(1)).await.unwrap_err().code(),
                "store-corrupt",
                "{place}"
            );
        }
    }
}

#[wasm_bindgen_test]
async fn a_pack_that_is_missing_is_noticed() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    store.commit(put(stream(1), vec![block(1)])).await.unwrap();
    let raw = Rexie::builder(&name).build().await.unwrap();
    let transaction = raw
        .transaction(&["packs"], TransactionMode::ReadWrite)
        .unwrap();
    transaction.store("packs").unwrap().clear().await.unwrap();
    transaction.done().await.unwrap();
    assert_eq!(
        store.document(&stream(1)).await.unwrap_err().code(),
        "store-corrupt"
    );
    assert_eq!(store.block(block(1).cid()).await.unwrap(), None);
    raw.close();
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let name = fresh();
    let newer = Rexie::builder(&name)
        .version(2)
        .add_object_store(ObjectStore::new("other"))
        .build()
        .await;
    newer.unwrap().close();
    let error = IndexedDb::open(&name).await.err().unwrap();
    assert_eq!(error, StoreError::Newer { found: 2, known: 1 });
    let raw = Rexie::builder(&name).build().await.unwrap();
    assert_eq!(
        (raw.version(), raw.store_names()),
        (Ok(2), vec!["other".to_owned()])
    );
    raw.close();
}

#[wasm_bindgen_test]
async fn a_row_of_a_newer_version_is_said_to_be_newer() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    store.commit(put(stream(1), vec![block(1)])).await.unwrap();
    let newer = |mut bytes: Vec<u8>| {
        bytes[4] += 1;
        Uint8Array::from(bytes.as_slice()).into()
    };
    overwrite(&name, "records", newer).await;
    // Another version wrote it, so this one opens it anew.
    drop(store);
    let store = IndexedDb::open(&name).await.unwrap();
    assert_eq!(store.records().await.unwrap_err().code(), "store-newer");
    assert_eq!(
        store
            .commit(put(stream(1), vec![block(2)]))
            .await
            .unwrap_err()
            .code(),
        "store-newer"
    );
}

#[wasm_bindgen_test]
async fn a_database_that_is_not_ours_is_refused() {
    let name = fresh();
    let other = Rexie::builder(&name)
        .version(1)
        .add_object_store(ObjectStore::new("other"))
        .build()
        .await;
    other.unwrap().close();
    assert_eq!(
        IndexedDb::open(&name).await.err().unwrap().code(),
        "store-corrupt"
    );
}

#[wasm_bindgen_test]
async fn a_database_deleted_under_the_node_is_gone_and_does_not_come_back_empty() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    store.commit(put(stream(1), vec![block(1)])).await.unwrap();
    Rexie::delete(&name).await.unwrap();
    assert_eq!(
        store
            .commit(put(stream(1), vec![block(2)]))
            .await
            .unwrap_err()
            .code(),
        "store-gone"
    );
    assert_eq!(
        store.document(&stream(1)).await.unwrap_err().code(),
        "store-gone"
    );
    assert_eq!(store.usage().await.unwrap_err().code(), "store-gone");
    let again = IndexedDb::open(&name).await.unwrap();
    assert!(again.records().await.unwrap().is_empty());
    assert_eq!(store.usage().await.unwrap_err().code(), "store-gone");
}

#[wasm_bindgen_test]
async fn opening_gives_up_when_another_tab_stands_in_the_way() {
    let name = fresh();
    // A connection that does not make way, and a deletion that waits for it: every opening waits behind the two.
    let open = Function::new_with_args(
        "name",
        "return new Promise((done) => { const request = indexedDB.open(name, 1);
           request.onsuccess = () => { indexedDB.deleteDatabase(name); done(request.result) } })",
    );
    let connection = open.call1(&JsValue::NULL, &name.as_str().into()).unwrap();
    let connection = JsFuture::from(Promise::from(connection)).await.unwrap();
    let error = IndexedDb::open(&name).await.err().unwrap();
    assert_eq!(error.code(), "store-io");
    assert!(error.to_string().contains("another tab"), "{error}");
    let close = Function::new_with_args("connection", "connection.close()");
    close.call1(&JsValue::NULL, &connection).unwrap();
    // The late connection of the first try must not stand in the way of others either.
    IndexedDb::open(&name).await.unwrap();
    Rexie::delete(&name).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_commit_nobody_waits_for_is_still_whole() {
    let store = IndexedDb::open(&fresh()).await.unwrap();
    let change = put(stream(1), (0..2_000).map(block).collect());
    assert!(store.commit(change).now_or_never().is_none());
    let stored = store.document(&stream(1)).await.unwrap().unwrap();
    assert_eq!(stored.blocks.len(), 2_000);
}

#[wasm_bindgen_test]
async fn secrets_are_kept() {
    let name = fresh();
    let store = IndexedDb::open(&name).await.unwrap();
    assert_eq!(store.secret("a").await.unwrap(), None);
    store.keep_secret("a", b"one").await.unwrap();
    drop(store);
    let store = IndexedDb::open(&name).await.unwrap();
    assert_eq!(
        store.secret("a").await.unwrap().as_deref(),
        Some(&b"one"[..])
    );
}
