//! The outbox of the machine: what is announced, when, and when no more. No network, no clock, no waiting.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;
use ostrakon_node::Publication;
use ostrakon_node::documents::{
    Draft, Intent, MAX_LOST_REPEATS, MAX_OUTBOX, MAX_SEEN, PUBLISH_PAUSE, PUBLISHED_AT_ONCE, Reply,
};
use ostrakon_node::store::{Outgoing, Store};
use ostrakon_protocol::{Block, Cid, StreamId, StreamType};

use common::bench::{Bench, Outcome, SECOND, peer};
use common::{Author, forge};

/// Everything that was announced until then.
fn announced(bench: &mut Bench, time: Duration) -> Vec<(StreamId, Cid)> {
    let end = bench.now + time;
    let mut updates = Vec::new();
    while bench.now < end {
        let next = bench
            .documents
            .deadline()
            .unwrap_or(end)
            .clamp(bench.now, end);
        let step = next.saturating_sub(bench.now).max(Duration::from_millis(1));
        updates.extend(bench.pass(step).updates);
    }
    updates
}

fn write(bench: &mut Bench, author: &mut Author, n: i128) -> Outcome {
    let prev = author.tip;
    let blocks = author.write(n);
    let blocks = blocks
        .into_iter()
        .map(|block| (*block.cid(), block))
        .collect();
    let (id, now) = (bench.id(), bench.clock());
    let events = (vec![author.tip], std::sync::Arc::new(blocks));
    bench
        .documents
        .submit(id, author.stream, events, Intent::After(prev), now);
    bench.drain()
}

fn on_disk(bench: &Bench) -> Vec<Cid> {
    let outbox = bench.disk.outbox().now_or_never().unwrap().unwrap();
    outbox.iter().map(|outgoing| outgoing.tip).collect()
}

#[test]
fn nothing_is_announced_while_nobody_listens_and_all_of_it_to_whoever_comes() {
    let mut bench = Bench::new();
    let mut author = Author::new(1);
    bench.keep(&author);
    assert!(write(&mut bench, &mut author, 1).updates.is_empty());
    assert!(announced(&mut bench, SECOND * 600).is_empty());
    assert_eq!(on_disk(&bench), [author.tip]);
    // The newest is enough: it leads to what came before.
    assert_eq!(bench.listen(1).updates, [(author.stream, author.tip)]);
    // One more comes: it has not heard of it.
    let again = announced(&mut bench, SECOND / 4);
    assert!(again.is_empty());
    bench.connect(2);
    assert_eq!(announced(&mut bench, SECOND), [(author.stream, author.tip)]);
    // Nobody takes it: it is announced ever more rarely, but never given up.
    let hour = announced(&mut bench, SECOND * 3600).len();
    assert!((10..30).contains(&hour), "{hour}");
    let later = announced(&mut bench, SECOND * 3600).len();
    assert!((10..15).contains(&later), "{later}");
}

#[test]
fn after_a_restart_it_is_announced_from_disk_until_someone_has_it() {
    let mut bench = Bench::new();
    let mut author = Author::new(1);
    bench.keep(&author);
    write(&mut bench, &mut author, 1);
    bench.restart();
    assert_eq!(bench.listen(1).updates, [(author.stream, author.tip)]);
    bench.documents.served(&author.tip, peer(1));
    let outcome = bench.drain();
    assert_eq!(outcome.told, [(author.tip, Publication::Seen(1))]);
    assert!(on_disk(&bench).is_empty());
    assert!(announced(&mut bench, SECOND * 600).is_empty());
    bench.restart();
    assert!(bench.listen(2).updates.is_empty());
}

#[test]
fn peers_are_counted_once_each_and_to_a_bound_and_what_else_they_have_does_not_count() {
    let mut bench = Bench::new();
    let mut author = Author::new(1);
    bench.keep(&author);
    write(&mut bench, &mut author, 1);
    bench.connect(1);
    let other = *forge(&author.stream, author.tip, 7)[1].cid();
    bench.documents.served(&other, peer(1));
    bench.documents.served(author.stream.init(), peer(1));
    let told = bench.drain().told;
    assert_eq!(
        told,
        [(author.tip, Publication::Published)],
        "announced, and no more"
    );
    assert_eq!(on_disk(&bench), [author.tip]);
    for _ in 0..3 {
        bench.documents.served(&author.tip, peer(1));
        bench.announce(author.stream, author.tip, 1);
        let now = bench.clock();
        // Who passes it on may not have it.
        let (stream, tip) = (author.stream, author.tip);
        bench
            .documents
            .answered(stream, tip, &[peer(2), peer(9)], now);
    }
    let told = bench.drain().told;
    let seen = |n| (author.tip, Publication::Seen(n));
    assert_eq!(told, [seen(1), seen(2)]);
    for n in 0..200 {
        bench.documents.served(&author.tip, peer(n));
    }
    assert_eq!(bench.drain().told.last(), Some(&seen(MAX_SEEN as u32)));
    let view = bench.documents.view(&author.stream).unwrap();
    assert_eq!(view.publication, Publication::Seen(MAX_SEEN as u32));
    // A new write begins anew.
    write(&mut bench, &mut author, 2);
    bench.pass(PUBLISH_PAUSE);
    let view = bench.documents.view(&author.stream).unwrap();
    assert_eq!(view.publication, Publication::Published);
    assert_eq!(on_disk(&bench), [author.tip]);
}

#[test]
fn who_builds_on_it_has_it() {
    let mut bench = Bench::new();
    let mut author = Author::new(1);
    bench.keep(&author);
    write(&mut bench, &mut author, 1);
    bench.listen(1);
    author.write(2);
    bench.announce(author.stream, author.tip, 1);
    let blocks = author.blocks.clone();
    let outcome = bench.serve(&blocks);
    assert!(outcome.lost.is_empty());
    assert_eq!(
        bench.documents.view(&author.stream).unwrap().document.tip(),
        &author.tip
    );
    assert!(on_disk(&bench).is_empty() && bench.documents.outbox().is_empty());
}

#[test]
fn a_write_that_lost_is_told_once_announced_a_few_times_and_then_let_go() {
    // Which of two wins is in their CIDs, so one of these loses.
    let mut lost = 0;
    for n in 0..8 {
        let mut bench = Bench::new();
        let mut author = Author::new(1);
        bench.keep(&author);
        let base = author.tip;
        write(&mut bench, &mut author, 1);
        let ours = author.tip;
        let theirs = author.write_after(base, 100 + n);
        let theirs = *theirs.last().unwrap().cid();
        bench.listen(1);
        bench.announce(author.stream, theirs, 1);
        let outcome = bench.serve(&author.blocks);
        if bench.documents.view(&author.stream).unwrap().document.tip() == &ours {
            assert!(outcome.lost.is_empty());
            continue;
        }
        lost += 1;
        assert_eq!(outcome.lost, [(ours, theirs)]);
        let updates = announced(&mut bench, SECOND * 3600 * 4);
        let ours = updates.iter().filter(|(_, tip)| *tip == ours).count();
        assert!((1..=MAX_LOST_REPEATS as usize).contains(&ours), "{ours}");
        assert!(on_disk(&bench).is_empty() && bench.documents.outbox().is_empty());
    }
    assert!(lost > 0);
}

#[test]
fn many_are_announced_at_a_pace_that_neighbours_take() {
    let mut bench = Bench::new();
    let authors: Vec<Author> = (0..500).map(|n| Author::unique(1, n)).collect();
    let drafts = authors.iter().map(|author| Draft {
        stream: author.stream,
        blocks: author.blocks.values().cloned().collect(),
    });
    let (id, now) = (bench.id(), bench.clock());
    bench.documents.create_many(id, drafts.collect(), now);
    let outcome = bench.drain();
    match &outcome.replies[..] {
        [(_, Ok(Reply::Views(views)))] => {
            let made = views.iter().map(|view| *view.document.stream());
            assert!(made.eq(authors.iter().map(|author| author.stream)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(on_disk(&bench).len(), 500);
    let mut updates = bench.listen(1).updates;
    assert_eq!(updates.len(), PUBLISHED_AT_ONCE);
    let rounds = u32::try_from(500 / PUBLISHED_AT_ONCE).unwrap();
    for _ in 0..rounds {
        let more = bench.pass(PUBLISH_PAUSE).updates;
        assert!(more.len() <= PUBLISHED_AT_ONCE);
        updates.extend(more);
    }
    let told: BTreeSet<StreamId> = updates.iter().map(|(stream, _)| *stream).collect();
    assert_eq!(told.len(), 500, "each had its turn before any had a second");
    // The same drafts are no new documents any more, once they are open.
    bench.load(authors[0].stream);
    bench.drain();
    let now = bench.clock();
    let draft = Draft {
        stream: authors[0].stream,
        blocks: authors[0].all(),
    };
    bench.documents.create_many(9999, vec![draft], now);
    let replies = bench.drain().replies;
    assert!(matches!(&replies[..], [(9999, Err(error))] if error.code() == "busy"));
}

#[test]
fn a_full_outbox_takes_no_more_writes_but_what_is_in_it_can_be_replaced() {
    let mut bench = Bench::new();
    let mut author = Author::new(1);
    bench.keep(&author);
    let outgoing = |n: u32| {
        let cid = *Block::dag_cbor([&[0x1a][..], &n.to_be_bytes()].concat())
            .unwrap()
            .cid();
        Outgoing {
            stream: StreamId::new(StreamType::TILE, cid),
            tip: cid,
            since: 1,
        }
    };
    let full = (1..MAX_OUTBOX as u32).map(outgoing).collect();
    bench.documents.resume(full);
    assert_eq!(bench.documents.outbox().len(), MAX_OUTBOX);
    let outcome = write(&mut bench, &mut author, 1);
    assert!(matches!(outcome.replies[..], [(_, Ok(Reply::View(_)))]));
    let other = Author::new(2);
    let (id, now) = (bench.id(), bench.clock());
    let draft = || Draft {
        stream: other.stream,
        blocks: other.blocks.values().cloned().collect(),
    };
    bench.documents.create_many(id, vec![draft()], now);
    let blocks = std::sync::Arc::new(other.blocks.clone().into_iter().collect());
    let events = (vec![other.tip], blocks);
    bench
        .documents
        .submit(id + 1, other.stream, events, Intent::Create, now);
    let replies = bench.drain().replies;
    assert_eq!(replies.len(), 2);
    for (_, reply) in replies {
        assert_eq!(reply.unwrap_err().code(), "outbox-full");
    }
    assert!(bench.record(&other.stream).is_none());
}

#[test]
fn an_entry_about_a_document_that_is_gone_is_dropped_when_that_is_noticed() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.documents.resume(vec![Outgoing {
        stream: author.stream,
        tip: author.tip,
        since: 1,
    }]);
    bench.load(author.stream);
    bench.drain();
    assert!(bench.documents.outbox().is_empty());
}
