//! What every store must do, as tests that every backend runs, natively and in the browser.
//!
//! A backend writes a [`Fixture`] and, in its tests, `ostrakon_node::store_conformance!(MyFixture::new())`: the
//! expression is evaluated once per test and must give an empty store each time. In the browser the crate needs
//! `wasm-bindgen-test` among its dev-dependencies.

use std::pin::pin;
use std::task::Poll;

use async_trait::async_trait;
use cid::Cid;
use futures::future::poll_fn;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::{StreamId, StreamType};

use super::{Change, Outgoing, Record, Store, Usage};

/// One place on disk that can be opened again.
#[async_trait(?Send)]
pub trait Fixture {
    /// The backend.
    type Store: Store;

    /// Opens what is there. The stores opened before from this fixture have been dropped.
    async fn open(&self) -> Self::Store;

    /// Changes the stored bytes of a block behind the store's back, in every document that has it. Called while no
    /// store is open.
    async fn damage(&self, cid: &Cid);
}

/// The tests, for one backend: see [`store::conformance`](crate::store::conformance).
#[macro_export]
macro_rules! store_conformance {
    ($fixture:expr) => {
        $crate::store_conformance!(@each $fixture;
            an_empty_store_has_nothing
            what_was_put_is_read_back
            a_second_put_replaces_the_record_and_adds_blocks
            a_block_put_twice_is_kept_once
            a_large_document_is_read_whole
            all_documents_are_listed
            usage_counts_documents_blocks_and_bytes
            forgetting_removes_the_document_and_its_blocks
            forgetting_an_unknown_document_changes_nothing
            forgetting_leaves_the_neighbours_in_key_order_alone
            a_block_two_documents_share_survives_forgetting_one
            a_forgotten_document_can_be_kept_again
            answers_of_chains_are_kept_by_name_and_replaced
            everything_is_there_after_reopening
            a_forgotten_document_stays_forgotten_after_reopening
            a_damaged_block_is_not_passed_on
            a_damaged_block_is_healed_by_putting_it_again
            a_commit_dropped_halfway_is_whole_or_absent
            a_reader_never_sees_half_a_commit
            commits_at_the_same_time_are_all_kept
            what_waits_to_be_published_is_there_until_it_was_sent
            what_was_sent_does_not_take_a_newer_tip_along
            forgetting_a_document_empties_its_place_in_the_outbox
            many_changes_are_one
            many_new_documents_and_a_known_one_are_kept_together
            many_changes_dropped_halfway_are_whole_or_absent
        );
    };
    (@each $fixture:expr; $($name:ident)*) => {
        $(
            #[cfg(not(target_arch = "wasm32"))]
            #[test]
            fn $name() {
                $crate::store::conformance::block_on($crate::store::conformance::$name($fixture));
            }

            #[cfg(target_arch = "wasm32")]
            #[::wasm_bindgen_test::wasm_bindgen_test]
            async fn $name() {
                $crate::store::conformance::$name($fixture).await;
            }
        )*
    };
}

pub use futures::executor::block_on;

/// Blocks that differ in `n`.
pub fn block(n: u32) -> Block {
    // A CBOR byte string of 64 bytes.
    let mut bytes = vec![0x58, 64];
    bytes.extend(n.to_be_bytes().repeat(16));
    Block::dag_cbor(bytes).expect("small")
}

/// Documents that differ in `n`.
pub fn stream(n: u32) -> StreamId {
    StreamId::new(StreamType::TILE, *block(n).cid())
}

/// A put of blocks under one document.
pub fn put(n: u32, blocks: impl IntoIterator<Item = u32>) -> Change {
    let blocks: Vec<Block> = blocks.into_iter().map(block).collect();
    let record = Record {
        stream: stream(n),
        tips: blocks
            .iter()
            .rev()
            .take(2)
            .map(|block| *block.cid())
            .collect(),
        events: blocks.len() as u32,
        bytes: blocks.iter().map(|block| block.bytes().len() as u64).sum(),
        updated: 1_750_000_000_000 + u64::from(n),
        asked: true,
        needs: Vec::new(),
    };
    Change::Put { record, blocks }
}

fn record_of(change: &Change) -> Record {
    match change {
        Change::Put { record, .. } => record.clone(),
        _ => panic!("not a put"),
    }
}

/// The numbers of a document's blocks, sorted, if it is there; all of its bytes must fit their CIDs.
async fn blocks_of(store: &impl Store, n: u32, among: std::ops::Range<u32>) -> Option<Vec<u32>> {
    let (_, blocks, damaged) = store
        .document(&stream(n))
        .await
        .expect("readable")?
        .verified();
    assert_eq!(damaged, 0);
    let found: Vec<u32> = among
        .filter(|n| blocks.contains_key(block(*n).cid()))
        .collect();
    assert_eq!(found.len(), blocks.len(), "no other blocks");
    Some(found)
}

#[allow(missing_docs)]
pub async fn an_empty_store_has_nothing(fixture: impl Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.document(&stream(1)).await, Ok(None));
    assert_eq!(store.record(&stream(1)).await, Ok(None));
    assert_eq!(store.block(block(1).cid()).await, Ok(None));
    assert_eq!(store.records().await, Ok(Vec::new()));
    assert_eq!(store.usage().await, Ok(Usage::default()));
}

#[allow(missing_docs)]
pub async fn what_was_put_is_read_back(fixture: impl Fixture) {
    let store = fixture.open().await;
    let change = put(1, 10..13);
    store.commit(change.clone()).await.expect("kept");
    let stored = store
        .document(&stream(1))
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(stored.record, record_of(&change));
    assert_eq!(store.record(&stream(1)).await, Ok(Some(record_of(&change))));
    assert_eq!(blocks_of(&store, 1, 0..20).await, Some(vec![10, 11, 12]));
    assert_eq!(store.block(block(11).cid()).await, Ok(Some(block(11))));
    assert_eq!(store.block(block(13).cid()).await, Ok(None));
    assert_eq!(store.document(&stream(2)).await, Ok(None));
}

#[allow(missing_docs)]
pub async fn a_second_put_replaces_the_record_and_adds_blocks(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..12)).await.expect("kept");
    let second = put(1, 12..14);
    store.commit(second.clone()).await.expect("kept");
    assert_eq!(store.record(&stream(1)).await, Ok(Some(record_of(&second))));
    assert_eq!(
        blocks_of(&store, 1, 0..20).await,
        Some(vec![10, 11, 12, 13])
    );
    assert_eq!(store.records().await.map(|all| all.len()), Ok(1));
}

#[allow(missing_docs)]
pub async fn a_block_put_twice_is_kept_once(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, [10, 10, 11])).await.expect("kept");
    store.commit(put(1, [11, 12])).await.expect("kept");
    assert_eq!(blocks_of(&store, 1, 0..20).await, Some(vec![10, 11, 12]));
    let usage = store.usage().await.expect("readable");
    assert_eq!((usage.blocks, usage.bytes), (3, 3 * 66));
}

#[allow(missing_docs)]
pub async fn a_large_document_is_read_whole(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 0..1500)).await.expect("kept");
    store.commit(put(1, 1500..2000)).await.expect("kept");
    assert_eq!(
        blocks_of(&store, 1, 0..3000).await.map(|found| found.len()),
        Some(2000)
    );
    for n in [0, 1499, 1500, 1999] {
        assert_eq!(store.block(block(n).cid()).await, Ok(Some(block(n))));
    }
}

#[allow(missing_docs)]
pub async fn all_documents_are_listed(fixture: impl Fixture) {
    let store = fixture.open().await;
    for n in 0..20 {
        store.commit(put(n, [n, n + 100])).await.expect("kept");
    }
    let mut listed = store.records().await.expect("readable");
    listed.sort_by_key(|record| record.updated);
    let expected: Vec<Record> = (0..20).map(|n| record_of(&put(n, [n, n + 100]))).collect();
    assert_eq!(listed, expected);
}

#[allow(missing_docs)]
pub async fn usage_counts_documents_blocks_and_bytes(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    store.commit(put(2, 12..14)).await.expect("kept");
    let usage = Usage {
        documents: 2,
        blocks: 5,
        bytes: 5 * 66,
    };
    assert_eq!(store.usage().await, Ok(usage));
    drop(store);
    let store = fixture.open().await;
    assert_eq!(store.usage().await, Ok(usage));
    store
        .commit(Change::Forget(stream(1)))
        .await
        .expect("forgotten");
    assert_eq!(
        store.usage().await,
        Ok(Usage {
            documents: 1,
            blocks: 2,
            bytes: 2 * 66
        })
    );
}

#[allow(missing_docs)]
pub async fn forgetting_removes_the_document_and_its_blocks(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    store
        .commit(Change::Forget(stream(1)))
        .await
        .expect("forgotten");
    assert_eq!(store.document(&stream(1)).await, Ok(None));
    assert_eq!(store.record(&stream(1)).await, Ok(None));
    assert_eq!(store.block(block(10).cid()).await, Ok(None));
    assert_eq!(store.records().await, Ok(Vec::new()));
    assert_eq!(store.usage().await, Ok(Usage::default()));
}

#[allow(missing_docs)]
pub async fn forgetting_an_unknown_document_changes_nothing(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    store
        .commit(Change::Forget(stream(2)))
        .await
        .expect("nothing to do");
    assert_eq!(blocks_of(&store, 1, 0..20).await, Some(vec![10, 11, 12]));
}

#[allow(missing_docs)]
pub async fn forgetting_leaves_the_neighbours_in_key_order_alone(fixture: impl Fixture) {
    let store = fixture.open().await;
    // Types whose varint is one byte and two, and inits next to each other.
    let mut neighbours: Vec<StreamId> = Vec::new();
    for kind in [0, 1, 127, 128, 16_384] {
        for n in 0..4 {
            neighbours.push(StreamId::new(StreamType::new(kind), *block(n).cid()));
        }
    }
    neighbours.sort_by_key(StreamId::to_bytes);
    for (n, stream) in neighbours.iter().enumerate() {
        let Change::Put { mut record, blocks } = put(0, [0, n as u32 + 100]) else {
            unreachable!()
        };
        record.stream = *stream;
        store
            .commit(Change::Put { record, blocks })
            .await
            .expect("kept");
    }
    for forgotten in neighbours.iter().step_by(2) {
        store
            .commit(Change::Forget(*forgotten))
            .await
            .expect("forgotten");
    }
    for (n, stream) in neighbours.iter().enumerate() {
        let found = store
            .document(stream)
            .await
            .expect("readable")
            .map(|stored| stored.blocks.len());
        assert_eq!(found, (n % 2 == 1).then_some(2), "{stream}");
    }
}

#[allow(missing_docs)]
pub async fn a_block_two_documents_share_survives_forgetting_one(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, [10, 11])).await.expect("kept");
    store.commit(put(2, [11, 12])).await.expect("kept");
    store
        .commit(Change::Forget(stream(1)))
        .await
        .expect("forgotten");
    assert_eq!(store.block(block(11).cid()).await, Ok(Some(block(11))));
    assert_eq!(store.block(block(10).cid()).await, Ok(None));
    assert_eq!(blocks_of(&store, 2, 0..20).await, Some(vec![11, 12]));
    store
        .commit(Change::Forget(stream(2)))
        .await
        .expect("forgotten");
    assert_eq!(store.block(block(11).cid()).await, Ok(None));
}

#[allow(missing_docs)]
pub async fn a_forgotten_document_can_be_kept_again(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    store
        .commit(Change::Forget(stream(1)))
        .await
        .expect("forgotten");
    store.commit(put(1, 12..14)).await.expect("kept");
    assert_eq!(blocks_of(&store, 1, 0..20).await, Some(vec![12, 13]));
}

#[allow(missing_docs)]
pub async fn answers_of_chains_are_kept_by_name_and_replaced(fixture: impl Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.answer("eip155:1/0x01").await, Ok(None));
    for (name, bytes) in [
        ("eip155:1/0x01", "one"),
        ("eip155:1/0x02", "two"),
        ("eip155:1/0x01", "three"),
    ] {
        let kept = store.keep_answer(name, bytes.into()).await;
        assert_eq!(kept, Ok(()));
    }
    store.commit(Change::Forget(stream(1))).await.expect("done");
    drop(store);
    let store = fixture.open().await;
    assert_eq!(
        store.answer("eip155:1/0x01").await,
        Ok(Some("three".into()))
    );
    assert_eq!(store.answer("eip155:1/0x02").await, Ok(Some("two".into())));
    assert_eq!(store.answer("eip155:1/0x0").await, Ok(None));
    assert_eq!(store.usage().await, Ok(Usage::default()));
}

#[allow(missing_docs)]
pub async fn everything_is_there_after_reopening(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    store.commit(put(1, 13..15)).await.expect("kept");
    store.commit(put(2, 12..14)).await.expect("kept");
    drop(store);
    let store = fixture.open().await;
    assert_eq!(
        blocks_of(&store, 1, 0..20).await,
        Some(vec![10, 11, 12, 13, 14])
    );
    assert_eq!(blocks_of(&store, 2, 0..20).await, Some(vec![12, 13]));
    assert_eq!(
        store.record(&stream(2)).await,
        Ok(Some(record_of(&put(2, 12..14))))
    );
    assert_eq!(store.block(block(14).cid()).await, Ok(Some(block(14))));
}

#[allow(missing_docs)]
pub async fn a_forgotten_document_stays_forgotten_after_reopening(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    store
        .commit(Change::Forget(stream(1)))
        .await
        .expect("forgotten");
    drop(store);
    let store = fixture.open().await;
    assert_eq!(store.document(&stream(1)).await, Ok(None));
    assert_eq!(store.block(block(10).cid()).await, Ok(None));
}

#[allow(missing_docs)]
pub async fn a_damaged_block_is_not_passed_on(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    drop(store);
    fixture.damage(block(11).cid()).await;
    let store = fixture.open().await;
    let refused = store
        .block(block(11).cid())
        .await
        .expect_err("its bytes are wrong");
    assert_eq!(refused.code(), "store-corrupt");
    assert_eq!(store.block(block(12).cid()).await, Ok(Some(block(12))));
    let (_, blocks, damaged) = store
        .document(&stream(1))
        .await
        .expect("readable")
        .expect("there")
        .verified();
    assert_eq!((blocks.len(), damaged), (2, 1));
}

#[allow(missing_docs)]
pub async fn a_damaged_block_is_healed_by_putting_it_again(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 10..13)).await.expect("kept");
    drop(store);
    fixture.damage(block(11).cid()).await;
    let store = fixture.open().await;
    store.commit(put(1, [11])).await.expect("kept");
    assert_eq!(store.block(block(11).cid()).await, Ok(Some(block(11))));
    assert_eq!(blocks_of(&store, 1, 0..20).await, Some(vec![10, 11, 12]));
}

/// Polls so many times, then drops it, done or not.
async fn drop_after(polls: u32, commit: impl Future) {
    let mut commit = pin!(commit);
    let mut left = polls;
    poll_fn(|cx| {
        left -= 1;
        match commit.as_mut().poll(cx) {
            Poll::Pending if left > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

#[allow(missing_docs)]
pub async fn a_commit_dropped_halfway_is_whole_or_absent(fixture: impl Fixture) {
    // Dropped after it was polled once, twice, …: at every point where it waits.
    for polls in 1..12 {
        let store = fixture.open().await;
        store
            .commit(Change::Forget(stream(1)))
            .await
            .expect("forgotten");
        store.commit(put(1, 0..3)).await.expect("kept");
        drop_after(polls, store.commit(put(1, 3..300))).await;
        drop(store);
        let store = fixture.open().await;
        let record = store
            .record(&stream(1))
            .await
            .expect("readable")
            .expect("there");
        let blocks = blocks_of(&store, 1, 0..400).await.expect("there").len();
        let before = (record_of(&put(1, 0..3)), 3);
        let after = (record_of(&put(1, 3..300)), 300);
        assert!(
            [before, after].contains(&(record, blocks)),
            "{blocks} blocks after {polls} polls"
        );
    }
}

#[allow(missing_docs)]
pub async fn a_reader_never_sees_half_a_commit(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(1, 0..3)).await.expect("kept");
    let read = async {
        let (record, blocks, _) = store
            .document(&stream(1))
            .await
            .expect("readable")
            .expect("there")
            .verified();
        (record.events, blocks.len())
    };
    let (first, written, second) = futures::join!(
        async {
            store
                .document(&stream(1))
                .await
                .expect("readable")
                .expect("there")
        },
        store.commit(put(1, 3..300)),
        read,
    );
    written.expect("kept");
    assert!([(3, 3), (297, 300)].contains(&(first.record.events, first.blocks.len())));
    assert!([(3, 3), (297, 300)].contains(&second));
}

#[allow(missing_docs)]
pub async fn commits_at_the_same_time_are_all_kept(fixture: impl Fixture) {
    let store = fixture.open().await;
    let commits = (0..16).map(|n| store.commit(put(n % 4, [n + 100, n + 200])));
    for done in futures::future::join_all(commits).await {
        done.expect("kept");
    }
    for n in 0..4 {
        let expected: Vec<u32> = [100, 200]
            .iter()
            .flat_map(|base| (0..4).map(move |k| base + n + 4 * k))
            .collect();
        assert_eq!(blocks_of(&store, n, 0..300).await, Some(expected));
    }
    assert_eq!(
        store.usage().await,
        Ok(Usage {
            documents: 4,
            blocks: 32,
            bytes: 32 * 66
        })
    );
}

/// A tip of a document that waits.
pub fn outgoing(n: u32, tip: u32) -> Outgoing {
    Outgoing {
        stream: stream(n),
        tip: *block(tip).cid(),
        since: 1_750_000_000_000 + u64::from(tip),
    }
}

/// A write: what is kept of it, and that it waits to be published.
pub fn write(n: u32, blocks: impl IntoIterator<Item = u32>, tip: u32) -> Change {
    Change::Many(vec![put(n, blocks), Change::Queue(outgoing(n, tip))])
}

async fn waiting(store: &impl Store) -> Vec<Outgoing> {
    let mut waiting = store.outbox().await.expect("readable");
    waiting.sort_by_key(|outgoing| outgoing.since);
    waiting
}

#[allow(missing_docs)]
pub async fn what_waits_to_be_published_is_there_until_it_was_sent(fixture: impl Fixture) {
    let store = fixture.open().await;
    assert_eq!(waiting(&store).await, []);
    store.commit(write(1, 10..12, 11)).await.expect("kept");
    store.commit(write(2, 12..14, 13)).await.expect("kept");
    drop(store);
    let store = fixture.open().await;
    assert_eq!(waiting(&store).await, [outgoing(1, 11), outgoing(2, 13)]);
    let sent = Change::Sent(stream(1), *block(11).cid());
    store.commit(sent.clone()).await.expect("noted");
    assert_eq!(waiting(&store).await, [outgoing(2, 13)]);
    store.commit(sent).await.expect("nothing to do");
    assert_eq!(blocks_of(&store, 1, 0..20).await, Some(vec![10, 11]));
    drop(store);
    let store = fixture.open().await;
    assert_eq!(waiting(&store).await, [outgoing(2, 13)]);
    // What is kept beside documents is none of them.
    assert_eq!(store.records().await.map(|all| all.len()), Ok(2));
    assert_eq!(store.answer("outbox").await, Ok(None));
}

#[allow(missing_docs)]
pub async fn what_was_sent_does_not_take_a_newer_tip_along(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(write(1, 10..12, 11)).await.expect("kept");
    store.commit(write(1, 12..13, 12)).await.expect("kept");
    assert_eq!(waiting(&store).await, [outgoing(1, 12)]);
    let sent = Change::Sent(stream(1), *block(11).cid());
    store.commit(sent).await.expect("nothing to do");
    assert_eq!(waiting(&store).await, [outgoing(1, 12)]);
}

#[allow(missing_docs)]
pub async fn forgetting_a_document_empties_its_place_in_the_outbox(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(write(1, 10..12, 11)).await.expect("kept");
    store.commit(write(2, 12..14, 13)).await.expect("kept");
    store.commit(Change::Forget(stream(1))).await.expect("gone");
    assert_eq!(waiting(&store).await, [outgoing(2, 13)]);
}

#[allow(missing_docs)]
pub async fn many_changes_are_one(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(write(1, 10..12, 11)).await.expect("kept");
    store.commit(put(2, 12..14)).await.expect("kept");
    let changes = vec![
        Change::Forget(stream(2)),
        Change::Many(vec![write(3, 20..23, 22), put(1, [12])]),
        Change::Sent(stream(1), *block(11).cid()),
    ];
    store.commit(Change::Many(changes)).await.expect("kept");
    store.commit(Change::Many(vec![])).await.expect("nothing");
    assert_eq!(blocks_of(&store, 1, 0..30).await, Some(vec![10, 11, 12]));
    assert_eq!(store.record(&stream(2)).await, Ok(None));
    assert_eq!(blocks_of(&store, 3, 0..30).await, Some(vec![20, 21, 22]));
    assert_eq!(waiting(&store).await, [outgoing(3, 22)]);
}

#[allow(missing_docs)]
pub async fn many_new_documents_and_a_known_one_are_kept_together(fixture: impl Fixture) {
    let store = fixture.open().await;
    store.commit(put(150, [1, 2])).await.expect("kept");
    let new = (100..200).map(|n| write(n, [10 * n, 10 * n + 1], n));
    let all = Change::Many(new.collect());
    store.commit(all.clone()).await.expect("kept");
    for again in [false, true] {
        if again {
            // The same once more changes nothing.
            store.commit(all.clone()).await.expect("kept");
        }
        for n in 100..200 {
            let mut expected = vec![10 * n, 10 * n + 1];
            if n == 150 {
                expected.splice(0..0, [1, 2]);
            }
            assert_eq!(blocks_of(&store, n, 0..2000).await, Some(expected));
        }
        assert_eq!(waiting(&store).await.len(), 100);
        assert_eq!(
            store.block(block(1501).cid()).await,
            Ok(Some(block(1501))),
            "and are found by name"
        );
        let usage = store.usage().await.expect("readable");
        assert_eq!((usage.documents, usage.blocks), (100, 202));
    }
}

#[allow(missing_docs)]
pub async fn many_changes_dropped_halfway_are_whole_or_absent(fixture: impl Fixture) {
    // Dropped after it was polled once, twice, …: at every point where it waits.
    for polls in 1..12 {
        let (store, first) = (fixture.open().await, polls * 100);
        let documents = first..first + 50;
        let changes = documents.map(|n| write(n, [n, n + 10_000], n));
        drop_after(polls, store.commit(Change::Many(changes.collect()))).await;
        drop(store);
        let store = fixture.open().await;
        let mut whole = 0;
        for n in first..first + 50 {
            let stored = store.document(&stream(n)).await.expect("readable");
            let blocks = stored.map(|stored| stored.verified().1);
            whole += u32::from(blocks.is_some());
            for block in [block(n), block(n + 10_000)] {
                assert!(
                    blocks
                        .as_ref()
                        .is_none_or(|kept| kept.contains_key(block.cid()))
                );
            }
        }
        let waiting = waiting(&store).await;
        let waiting = waiting.iter().filter(|outgoing| {
            let n = outgoing.since - 1_750_000_000_000;
            (u64::from(first)..u64::from(first) + 50).contains(&n)
        });
        assert!(whole == 0 || whole == 50, "{whole} after {polls} polls");
        assert_eq!(waiting.count() as u32, whole);
    }
}
