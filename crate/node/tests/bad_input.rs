//! What strangers, archives and disks can bring: each is refused with a code, and nothing that was good changes.

mod common;

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use ostrakon_node::network::gossip::{Message, query_id};
use ostrakon_node::store::{Memory, Store, StoreError};
use ostrakon_node::{NodeError, NodeEvent};
use ostrakon_protocol::block::MAX_BLOCK_BYTES;
use ostrakon_protocol::{Block, Cid, DocumentRef, StreamId, StreamType, car};

use common::hooked::{Failing, Hooked};
use common::nodes::{LONG, Liar, n, run, start, start_empty, until};
use common::{Author, forge};

const SHORT: Duration = Duration::from_millis(300);

fn document(author: &Author) -> DocumentRef {
    DocumentRef::Stream(author.stream)
}

fn tip_of(blocks: &[Block]) -> Cid {
    *blocks.last().unwrap().cid()
}

/// A liar announces something after the tip of a followed document; then the controller writes. Only the latter shows.
fn nothing_comes_of(lie: impl FnOnce(&Author) -> (Cid, Vec<Block>)) {
    run(async {
        let disk = Memory::default();
        let server = start_empty(&[]).await;
        let reader = start(disk.clone(), &[&server]).await;
        let mut author = Author::new(1);
        author.write(1);
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let mut views = Box::pin(reader.node.follow(&author.stream));
        let before = until(&mut views, |_| true).await;
        let (tip, blocks) = lie(&author);
        let lies: Vec<Cid> = blocks.iter().map(|block| *block.cid()).collect();
        let liar = Liar::start(&[&reader], Some(blocks)).await;
        liar.announce(author.stream, tip);
        while !liar.asked.borrow().contains(&tip) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let good = author.write(2);
        server
            .node
            .submit(author.stream, author.tip, good)
            .await
            .unwrap();
        let after = until(&mut views, |_| true).await;
        assert_eq!((n(&before), n(&after)), (1, 2));
        for cid in lies.iter().filter(|cid| !author.blocks.contains_key(*cid)) {
            assert_eq!(disk.block(cid).await, Ok(None), "no lie is kept");
        }
        // Once was enough.
        let asked = liar.asked.borrow().len();
        liar.announce(author.stream, tip);
        liar.say(Message::response(
            &query_id(&author.stream),
            &author.stream,
            tip,
        ));
        tokio::time::sleep(SHORT).await;
        assert!(
            liar.asked.borrow().len() <= asked + 1,
            "the same lie is not fetched again and again"
        );
        assert!(
            views.next().now_or_never().is_none(),
            "and nothing is shown for it"
        );
    });
}

#[test]
fn an_event_that_the_controller_did_not_sign_is_not_shown_or_kept() {
    nothing_comes_of(|author| {
        let blocks = forge(&author.stream, author.tip, 666);
        (tip_of(&blocks), blocks)
    });
}

#[test]
fn an_event_without_its_prev_is_not_shown_or_kept() {
    nothing_comes_of(|author| {
        let gone = tip_of(&forge(&author.stream, author.tip, 665));
        let mut twin = Author::new(1);
        let blocks = twin.write_after(gone, 666);
        (tip_of(&blocks), blocks)
    });
}

#[test]
fn an_event_that_names_another_document_is_not_shown_or_kept() {
    nothing_comes_of(|author| {
        let blocks = author.write_for(&Author::new(2).stream, 666);
        (tip_of(&blocks), blocks)
    });
}

#[test]
fn the_chain_of_another_document_is_not_shown_or_kept() {
    nothing_comes_of(|_| {
        let other = Author::new(2);
        (other.tip, other.all())
    });
}

#[test]
fn a_tip_without_its_payload_is_not_shown_or_kept() {
    nothing_comes_of(|author| {
        let mut twin = Author::new(1);
        let blocks = twin.write_after(author.tip, 666);
        (tip_of(&blocks), blocks[1..].to_vec())
    });
}

#[test]
fn a_tip_that_is_no_event_is_not_shown_or_kept() {
    nothing_comes_of(|_| {
        let noise = Block::dag_cbor(&b"\x83\x01\x02\x03"[..]).unwrap();
        (*noise.cid(), vec![noise])
    });
}

#[test]
fn a_stranger_cannot_make_a_node_answer_for_what_it_does_not_hold() {
    run(async {
        let node = start_empty(&[]).await;
        let author = Author::new(1);
        let liar = Liar::start(&[&node], Some(author.all())).await;
        liar.announce(author.stream, author.tip);
        liar.say(Message::response(
            &query_id(&author.stream),
            &author.stream,
            author.tip,
        ));
        liar.say(Message::query(author.stream));
        tokio::time::sleep(SHORT).await;
        assert!(
            liar.asked.borrow().is_empty(),
            "nothing is fetched that nobody here wants"
        );
        assert_eq!(node.node.documents().await.unwrap(), []);
    });
}

#[test]
fn a_peer_that_never_answers_holds_up_nobody_else() {
    run(async {
        let author = Author::new(1);
        let reader = start_empty(&[]).await;
        let silent = Liar::start(&[&reader], None).await;
        let wanted = document(&author);
        let load = reader.node.load(&wanted, SHORT * 4);
        let (refused, ()) = futures::join!(load, async {
            tokio::time::sleep(SHORT).await;
            silent.announce(author.stream, author.tip);
        });
        assert_eq!(refused.unwrap_err().code(), "unavailable");
        assert!(!silent.asked.borrow().is_empty(), "it was asked");
        // Someone comes who has it.
        let server = start_empty(&[&reader]).await;
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        reader.node.load(&document(&author), LONG).await.unwrap();
    });
}

#[test]
fn what_nobody_has_is_said_to_be_so() {
    run(async {
        let alone = start_empty(&[]).await;
        let refused = alone
            .node
            .load(&document(&Author::new(1)), SHORT)
            .await
            .unwrap_err();
        assert_eq!((refused.code(), refused.is_retryable()), ("offline", true));
        let other = start_empty(&[&alone]).await;
        let mut events = Box::pin(other.node.events());
        until(&mut events, |event| {
            matches!(
                event,
                NodeEvent::Peer {
                    connected: true,
                    ..
                }
            )
        })
        .await;
        let refused = other
            .node
            .load(&document(&Author::new(1)), SHORT)
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code(), refused.is_retryable()),
            ("not-found", true)
        );
    });
}

#[test]
fn a_document_of_a_type_nobody_can_verify_yet_is_refused_by_name() {
    run(async {
        let node = start_empty(&[]).await;
        let author = Author::new(1);
        let other = StreamId::new(StreamType::new(99), author.tip);
        let refused = node
            .node
            .submit(other, author.tip, author.all())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "unsupported-type");
        // The same over the network, at once and not after the time is over.
        let _liar = Liar::start(&[&node], Some(author.all())).await;
        let version = ostrakon_protocol::CommitId::new(other, author.tip);
        let refused = node
            .node
            .load(&DocumentRef::Commit(version), LONG)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "unsupported-type");
        assert_eq!(node.node.documents().await.unwrap(), []);
    });
}

#[test]
fn what_is_submitted_must_be_whole_and_valid() {
    run(async {
        let node = start_empty(&[]).await;
        let mut author = Author::new(1);
        node.node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let forged = forge(&author.stream, author.tip, 666);
        let foreign = author.write_for(&Author::new(2).stream, 666);
        let gap = author.write_after(tip_of(&forged), 666);
        let other = Author::new(2);
        for (tip, blocks, code) in [
            (tip_of(&forged), forged.clone(), "wrong-signer"),
            (tip_of(&foreign), foreign, "wrong-document"),
            (tip_of(&gap), gap, "incomplete"),
            (tip_of(&forged), Vec::new(), "incomplete"),
            (other.tip, other.all(), "chain-wrong-document"),
        ] {
            let refused = node
                .node
                .submit(author.stream, tip, blocks)
                .await
                .unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
        }
        let kept = node.node.documents().await.unwrap();
        assert_eq!(
            kept.iter()
                .map(|record| record.tips.clone())
                .collect::<Vec<_>>(),
            [vec![author.tip]]
        );
        assert_eq!(node.node.status().await.blocks, 2);
    });
}

#[test]
fn a_bad_archive_imports_nothing() {
    run(async {
        let node = start_empty(&[]).await;
        let mut good = Author::new(1);
        good.write(1);
        let mut other = Author::new(2);
        other.write(1);
        let whole = car::write(&[good.tip], &good.all());
        let all = [good.all(), other.all()].concat();
        let forged = forge(&good.stream, good.tip, 666);
        let without = |cid: &Cid| {
            all.iter()
                .filter(|block| block.cid() != cid)
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut wrong_bytes = whole.clone();
        *wrong_bytes.last_mut().unwrap() ^= 1;
        let mut endless = whole.clone();
        endless.extend([0xff; 20]);
        let mut oversized = whole.clone();
        oversized.extend(frame(&good.tip, &vec![0; MAX_BLOCK_BYTES + 1]));
        let no_event = Block::dag_cbor(&b"\xa1\x61a\x01"[..]).unwrap();
        let archives = [
            ("wrong bytes", wrong_bytes, "block-wrong-hash"),
            (
                "cut off",
                whole[..whole.len() - 10].to_vec(),
                "car-truncated",
            ),
            ("endless", endless, "car-bad-length"),
            ("oversized", oversized, "block-too-large"),
            ("empty", Vec::new(), "car-truncated"),
            ("no roots", car::write(&[], &all), "car-no-roots"),
            (
                "root missing",
                car::write(&[good.tip], &without(&good.tip)),
                "incomplete",
            ),
            (
                "init missing",
                car::write(&[good.tip], &without(good.stream.init())),
                "incomplete",
            ),
            (
                "second document incomplete",
                car::write(&[good.tip, other.tip], &without(other.stream.init())),
                "incomplete",
            ),
            (
                "forged",
                car::write(&[tip_of(&forged)], &[all.clone(), forged.clone()].concat()),
                "wrong-signer",
            ),
            (
                "second tip forged",
                car::write(
                    &[good.tip, tip_of(&forged)],
                    &[all.clone(), forged].concat(),
                ),
                "wrong-signer",
            ),
            (
                "no event",
                car::write(&[*no_event.cid()], &[no_event]),
                "event-missing-field",
            ),
        ];
        for (name, archive, code) in archives {
            let refused = node.node.import_car(&archive).await.unwrap_err();
            assert_eq!(refused.code(), code, "{name}: {refused}");
            assert_eq!(node.node.documents().await.unwrap(), [], "{name}");
        }
        let both = node
            .node
            .import_car(&car::write(&[good.tip, other.tip], &all))
            .await
            .unwrap();
        assert_eq!(both, [good.stream, other.stream]);
    });
}

fn frame(cid: &Cid, bytes: &[u8]) -> Vec<u8> {
    let cid = cid.to_bytes();
    let mut buffer = unsigned_varint::encode::usize_buffer();
    [
        unsigned_varint::encode::usize(cid.len() + bytes.len(), &mut buffer),
        &cid,
        bytes,
    ]
    .concat()
}

#[test]
fn a_full_store_fails_the_call_and_loses_nothing() {
    run(async {
        let server = start_empty(&[]).await;
        let disk = Hooked::<Failing>::default();
        let reader = start(disk.clone(), &[&server]).await;
        let (mut kept, wanted) = (Author::new(1), Author::new(2));
        server
            .node
            .submit(kept.stream, kept.tip, kept.all())
            .await
            .unwrap();
        server
            .node
            .submit(wanted.stream, wanted.tip, wanted.all())
            .await
            .unwrap();
        let before = reader.node.load(&document(&kept), LONG).await.unwrap();
        let full = StoreError::Full("no room".to_owned());
        *disk.hook.error.borrow_mut() = Some(full.clone());
        let refused = reader
            .node
            .load(&document(&wanted), LONG)
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code(), refused.is_retryable()),
            ("store-full", true)
        );
        let blocks = kept.write(1);
        let refused = reader
            .node
            .submit(kept.stream, kept.tip, blocks.clone())
            .await
            .unwrap_err();
        assert!(matches!(refused, NodeError::Store(error) if error == full));
        assert_eq!(
            reader.node.forget(&kept.stream).await.unwrap_err().code(),
            "store-full"
        );
        // What was kept is what it was.
        let after = reader
            .node
            .load(&document(&kept), Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(after.document.tip(), before.document.tip());
        // Once there is room, all goes on.
        *disk.hook.error.borrow_mut() = None;
        reader
            .node
            .submit(kept.stream, kept.tip, blocks)
            .await
            .unwrap();
        reader.node.load(&document(&wanted), LONG).await.unwrap();
    });
}

#[test]
fn a_node_does_not_start_on_a_store_of_a_newer_version() {
    run(async {
        let disk = Hooked::<Failing>::default();
        *disk.hook.error.borrow_mut() = Some(StoreError::Newer { found: 2, known: 1 });
        let refused = common::nodes::try_start(disk, &[]).await.err().unwrap();
        assert_eq!(
            (refused.code(), refused.is_retryable()),
            ("store-newer", false)
        );
    });
}

#[test]
fn a_damaged_disk_is_noticed_and_heals_from_a_peer() {
    run(async {
        let mut author = Author::new(1);
        author.write(1);
        let second = author.write(2);
        let disk = Memory::default();
        let node = start(disk.clone(), &[]).await;
        node.node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        node.node.stop().await;
        disk.damage(second[0].cid());

        let node = start(disk.clone(), &[]).await;
        // No tip leads back to the init event any more.
        let refused = node.node.load(&document(&author), SHORT).await.unwrap_err();
        assert_eq!(refused.code(), "unavailable");
        assert_eq!(
            disk.block(second[0].cid()).await.unwrap_err().code(),
            "store-corrupt"
        );
        let server = start_empty(&[&node]).await;
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let view = node.node.load(&document(&author), LONG).await.unwrap();
        assert_eq!(view.document.tip(), &author.tip);
        assert_eq!(
            disk.block(second[0].cid()).await,
            Ok(Some(second[0].clone()))
        );
    });
}
