//! What the machine does when there is too much of something, and when it asks again. No network, no clock, no waiting.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ostrakon_node::NodeError;
use ostrakon_node::documents::{
    ANSWER_PAUSE, CallId, Intent, MAX_CALLS, MAX_JOBS, MAX_LOOKUPS, MAX_OPEN, MAX_SLICE, Output,
    ROUND_PAUSE, Reply,
};
use ostrakon_node::store::{Store, StoreError};
use ostrakon_node::sync::{
    FIRST_PAUSE, LONGEST_PAUSE, MAX_FETCHES, MAX_FETCHES_PER_DOCUMENT, MAX_GATHERED_BYTES,
    MAX_TIPS, MAX_TIPS_PER_PEER, MISSING_FOR, REFUSED_FOR,
};
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Cid, Ipld, StreamId, StreamType};

use common::bench::{Bench, Outcome, SECOND, nowhere, peer};
use common::{Author, change_of, forge};

#[test]
fn a_flood_of_tips_from_one_peer_leaves_room_for_the_others() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.load(author.stream);
    bench.drain();
    for n in 0..1000 {
        bench.announce(author.stream, nowhere(n), 1);
    }
    assert_eq!(bench.drain().gets.len(), MAX_FETCHES_PER_DOCUMENT);
    bench.announce(author.stream, author.tip, 2);
    // Each that is found missing makes room for the next.
    let (mut asked, mut walked) = (0, false);
    let mut missing: Vec<Cid> = (0..1000).map(nowhere).collect();
    while let Some(cid) = missing.pop() {
        let now = bench.clock();
        bench.documents.missing(&cid, now);
        let gets = bench.drain().gets;
        walked |= gets.contains(&author.tip);
        asked += gets.len();
        missing.extend(gets.into_iter().filter(|cid| *cid != author.tip));
    }
    assert!(walked);
    assert_eq!(asked, MAX_TIPS_PER_PEER + 1);
}

#[test]
fn a_flood_of_tips_from_many_peers_is_bounded() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.load(author.stream);
    bench.drain();
    for n in 0..200_u8 {
        bench.announce(author.stream, nowhere(n.into()), n);
    }
    let mut gets = bench.drain().gets;
    let mut asked = gets.len();
    while let Some(cid) = gets.pop() {
        let now = bench.clock();
        bench.documents.missing(&cid, now);
        let next = bench.drain().gets;
        asked += next.len();
        gets.extend(next);
    }
    assert_eq!(asked, MAX_FETCHES_PER_DOCUMENT + MAX_TIPS);
}

#[test]
fn all_documents_together_walk_a_bounded_number_of_tips() {
    let mut bench = Bench::new();
    for n in 0..100 {
        let stream = StreamId::new(StreamType::TILE, nowhere(n));
        bench.load(stream);
        bench.announce(stream, nowhere(n + 1000), 1);
    }
    assert_eq!(bench.drain().gets.len(), MAX_FETCHES);
}

#[test]
fn a_tip_nobody_has_is_asked_for_again_after_a_while_or_when_a_peer_comes() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.load(author.stream);
    let tip = nowhere(1);
    let try_again = |bench: &mut Bench| {
        bench.announce(author.stream, tip, 1);
        let gets = bench.drain().gets;
        let now = bench.clock();
        bench.documents.missing(&tip, now);
        bench.drain();
        gets.len()
    };
    assert_eq!(try_again(&mut bench), 1);
    assert_eq!(try_again(&mut bench), 0);
    bench.pass(MISSING_FOR);
    assert_eq!(try_again(&mut bench), 1);
    assert_eq!(try_again(&mut bench), 0);
    bench.listen(2);
    assert_eq!(try_again(&mut bench), 1);
}

#[test]
fn those_who_are_slower_do_not_put_off_the_question_for_a_tip_that_nobody_had_yet() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.keep(&author);
    bench.listen(2);
    let behind = |bench: &mut Bench| {
        let now = bench.clock();
        let documents = &mut bench.documents;
        documents.answered(author.stream, author.tip, &[peer(2)], now);
        bench.drain();
    };
    // Long after the last change, all say what is known.
    for _ in 0..10 {
        bench.pass(LONGEST_PAUSE);
        behind(&mut bench);
    }
    let tip = nowhere(1);
    bench.announce(author.stream, tip, 1);
    assert_eq!(bench.drain().gets, [tip]);
    let now = bench.clock();
    bench.documents.missing(&tip, now);
    bench.drain();
    behind(&mut bench);
    assert_eq!(bench.pass(FIRST_PAUSE).queries, [author.stream]);
    let now = bench.clock();
    bench
        .documents
        .answered(author.stream, tip, &[peer(1)], now);
    assert_eq!(bench.drain().gets, [tip]);
}

#[test]
fn an_invalid_tip_is_left_alone_for_long_whoever_comes() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.keep(&author);
    let forged = forge(&author.stream, author.tip, 666);
    let tip = *forged[1].cid();
    let try_again = |bench: &mut Bench| {
        bench.announce(author.stream, tip, 1);
        let asked = bench.drain().gets.len();
        for block in forged.iter().rev() {
            let now = bench.clock();
            bench.documents.block(block, peer(1), now);
            bench.drain();
        }
        asked
    };
    assert_eq!(try_again(&mut bench), 1);
    assert_eq!(try_again(&mut bench), 0);
    bench.listen(2);
    bench.pass(MISSING_FOR);
    assert_eq!(try_again(&mut bench), 0);
    bench.pass(REFUSED_FOR);
    assert_eq!(try_again(&mut bench), 1);
    assert_eq!(
        bench.documents.view(&author.stream).unwrap().document.tip(),
        &author.tip
    );
}

fn empty() -> New {
    New::Tile(NewTile::default())
}

#[test]
fn walks_that_gather_too_much_together_make_room() {
    let mut bench = Bench::new();
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let large = Ipld::Map([("x".to_owned(), Ipld::String("y".repeat(240_000)))].into());
    let mut largest_gave_way = false;
    // Each document's walk is fed one long chain of large events, and never comes to an end.
    let mut fed = 0;
    for n in 0..4 {
        let (stream, _) = empty().written_by(&signer, [n; 12]).unwrap();
        let mut prev = nowhere(n.into());
        let mut chain = Vec::new();
        for _ in 0..100 {
            let patch = Ipld::List(vec![large.clone()]);
            let blocks = change_of(&signer, &stream, prev, patch);
            prev = *blocks[1].cid();
            chain.push(blocks);
        }
        bench.load(stream);
        bench.announce(stream, prev, n);
        bench.drain();
        for block in chain.iter().rev().flat_map(|blocks| blocks.iter().rev()) {
            let now = bench.clock();
            bench.documents.block(block, peer(n), now);
            fed += block.bytes().len();
            let outcome = bench.drain();
            largest_gave_way |= !outcome.cancelled.is_empty();
            assert!(largest_gave_way || fed <= MAX_GATHERED_BYTES + block.bytes().len());
        }
    }
    assert!(largest_gave_way);
}

#[test]
fn questions_are_asked_at_once_then_after_growing_pauses_and_only_if_someone_listens() {
    let mut bench = Bench::new();
    let stream = StreamId::new(StreamType::TILE, nowhere(1));
    bench.load(stream);
    assert!(bench.drain().queries.is_empty(), "nobody would hear it");
    assert!(bench.pass(SECOND * 100).queries.is_empty());
    assert_eq!(bench.listen(1).queries, [stream]);
    let mut pause = FIRST_PAUSE;
    while pause < LONGEST_PAUSE {
        assert!(
            bench
                .pass(pause - Duration::from_millis(1))
                .queries
                .is_empty()
        );
        assert_eq!(bench.pass(Duration::from_millis(1)).queries, [stream]);
        pause *= 2;
    }
    // Whoever comes is asked at once.
    assert_eq!(bench.listen(2).queries, [stream]);
    let now = bench.clock();
    bench.documents.not_asked(&stream, now);
    assert_eq!(bench.pass(FIRST_PAUSE).queries, [stream]);
    for n in [1, 2] {
        bench.documents.leaves(&peer(n));
    }
    assert!(bench.pass(LONGEST_PAUSE).queries.is_empty());
}

#[test]
fn a_held_document_that_was_confirmed_is_asked_about_rarely() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.keep(&author);
    assert_eq!(bench.listen(1).queries, [author.stream]);
    let now = bench.clock();
    bench
        .documents
        .answered(author.stream, author.tip, &[peer(1)], now);
    assert!(bench.pass(LONGEST_PAUSE - SECOND).queries.is_empty());
    assert_eq!(bench.pass(SECOND).queries, [author.stream]);
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_looked_at() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.load(author.stream);
    bench.drain();
    let now = bench.clock();
    bench
        .documents
        .answered(author.stream, author.tip, &[peer(1)], now);
    assert!(bench.drain().gets.is_empty());
    bench.listen(1);
    bench
        .documents
        .answered(author.stream, author.tip, &[peer(1)], now);
    assert_eq!(bench.drain().gets, [author.tip]);
}

#[test]
fn a_flood_of_questions_about_one_document_gets_few_answers() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    bench.keep(&author);
    let mut answers = 0;
    for _ in 0..1000 {
        let now = bench.clock();
        bench.documents.asked(author.stream, now);
        answers += bench.pass(ANSWER_PAUSE / 100).responses.len();
    }
    assert!((10..=11).contains(&answers), "{answers}");
}

#[test]
fn a_flood_of_questions_about_documents_not_kept_reads_little_at_once() {
    let mut bench = Bench::new();
    for n in 0..10_000 {
        let (stream, now) = (StreamId::new(StreamType::TILE, nowhere(n)), bench.clock());
        bench.documents.asked(stream, now);
        bench
            .documents
            .announced(stream, nowhere(n + 1), &[peer(1)], now);
    }
    let outcome = bench.drain();
    assert_eq!(
        (outcome.lookups, outcome.responses.len(), outcome.gets.len()),
        (MAX_LOOKUPS, 0, 0)
    );
}

#[test]
fn more_documents_than_fit_in_memory_are_kept_answered_for_and_caught_up() {
    let mut bench = Bench::new();
    let signer = Ed25519Signer::from_seed(&[1; 32]);
    let mut streams = Vec::new();
    for n in 0..MAX_OPEN + 50 {
        let unique = [&(n as u32).to_be_bytes()[..], &[0; 8]]
            .concat()
            .try_into()
            .unwrap();
        let (stream, blocks) = empty().written_by(&signer, unique).unwrap();
        let (id, now) = (bench.id(), bench.clock());
        let blocks = Arc::new(
            blocks
                .into_iter()
                .map(|block| (*block.cid(), block))
                .collect(),
        );
        bench.documents.submit(
            id,
            stream,
            (vec![*stream.init()], blocks),
            Intent::Send,
            now,
        );
        bench.drain();
        streams.push(stream);
    }
    assert_eq!(bench.documents.open_count(), MAX_OPEN);
    for stream in &streams {
        let id = bench.load(*stream);
        assert!(matches!(bench.drain().replies[..], [(of, Ok(Reply::View(_)))] if of == id));
        let now = bench.clock();
        bench.documents.asked(*stream, now);
        assert_eq!(bench.drain().responses, [*stream]);
    }
    assert_eq!(bench.documents.open_count(), MAX_OPEN);
    // All are asked about once someone listens: those in memory at once, the others one after the other.
    let mut asked: BTreeSet<StreamId> = bench.listen(1).queries.into_iter().collect();
    assert!((MAX_OPEN..MAX_OPEN + 2).contains(&asked.len()));
    for _ in 0..60 {
        let queries = bench.pass(ROUND_PAUSE).queries;
        asked.extend(queries);
    }
    assert_eq!(asked, streams.into_iter().collect());
}

#[test]
fn one_call_too_many_is_told_that_the_node_is_busy() {
    let mut bench = Bench::new();
    let stream = StreamId::new(StreamType::TILE, nowhere(1));
    let calls: Vec<CallId> = (0..MAX_CALLS).map(|_| bench.load(stream)).collect();
    assert!(bench.drain().replies.is_empty());
    let late = bench.load(stream);
    assert!(matches!(bench.drain().replies[..], [(id, Err(NodeError::Busy))] if id == late));
    let now = bench.clock();
    let follow = bench.id();
    bench.documents.follow(follow, stream, now);
    assert_eq!(bench.drain().ended, 1);
    // Whoever gives up makes room.
    bench.documents.cancel(calls[0], now);
    bench.load(stream);
    assert!(bench.drain().replies.is_empty());
}

#[test]
fn one_document_takes_a_bounded_number_of_jobs() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    let now = bench.clock();
    // The store does not answer, so all but the first wait.
    let busy = (0..MAX_JOBS + 5).filter(|_| {
        let id = bench.id();
        bench.documents.export(id, author.stream, now);
        let mut busy = false;
        while let Some(output) = bench.documents.poll() {
            busy |= matches!(output, Output::Reply(_, Err(NodeError::Busy)));
        }
        busy
    });
    assert_eq!(busy.count(), 5);
}

#[test]
fn a_load_that_is_given_up_stops_what_was_fetched_for_it() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    let id = bench.load(author.stream);
    bench.announce(author.stream, author.tip, 1);
    assert_eq!(bench.drain().gets, [author.tip]);
    let now = bench.clock();
    bench.documents.cancel(id, now);
    assert_eq!(bench.drain().cancelled, [author.tip]);
    assert_eq!(bench.documents.open_count(), 0);
    // Blocks that come too late do nothing.
    bench
        .documents
        .block(&author.blocks[&author.tip], peer(1), now);
    let outcome = bench.drain();
    assert!(outcome.gets.is_empty() && outcome.replies.is_empty());
}

#[test]
fn a_submission_that_is_given_up_before_its_turn_is_not_begun() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    let (id, now) = (bench.id(), bench.clock());
    let blocks = Arc::new(author.blocks.clone().into_iter().collect());
    bench.documents.submit(
        id,
        author.stream,
        (vec![author.tip], blocks),
        Intent::Send,
        now,
    );
    bench.documents.cancel(id, now);
    bench.drain();
    assert_eq!(bench.disk.records().now_or_never().unwrap(), Ok(Vec::new()));
}

#[test]
fn a_document_the_store_cannot_read_can_still_be_forgotten() {
    let mut bench = Bench::new();
    let author = Author::new(1);
    let (load, forget, now) = (bench.load(author.stream), bench.id(), bench.clock());
    bench.documents.forget(forget, author.stream, true, now);
    assert!(matches!(bench.documents.poll(), Some(Output::Open(_))));
    bench.documents.opened(
        author.stream,
        Err(StoreError::Corrupt("unreadable".to_owned())),
        now,
    );
    let outcome = bench.drain();
    assert!(
        matches!(outcome.replies[..], [(first, Err(NodeError::Store(_))), (second, Ok(Reply::Done))]
        if (first, second) == (load, forget))
    );
}

#[test]
fn a_follower_sees_what_is_kept_first_and_every_new_tip_after_it() {
    let mut bench = Bench::new();
    let mut author = Author::new(1);
    bench.keep(&author);
    let (id, now) = (bench.id(), bench.clock());
    bench.documents.follow(id, author.stream, now);
    assert_eq!(bench.drain().shown, 1);
    author.write(1);
    let (submit, blocks) = (
        bench.id(),
        Arc::new(author.blocks.clone().into_iter().collect()),
    );
    bench.documents.submit(
        submit,
        author.stream,
        (vec![author.tip], blocks),
        Intent::Send,
        now,
    );
    assert_eq!(bench.drain().shown, 1);
    bench.documents.cancel(id, now);
    author.write(2);
    bench.keep(&author);
    assert_eq!(bench.drain().shown, 0);
}

#[test]
fn a_long_chain_is_judged_in_slices_while_others_make_progress() {
    let mut bench = Bench::new();
    let mut long = Author::new(1);
    (1..5_000).for_each(|n| drop(long.write(n)));
    let slow = bench.submit(&long, long.blocks.clone());
    let mut outcome = Outcome::default();
    bench.obey(&mut outcome);
    let mut turns = 0;
    for n in 2..12 {
        let short = Author::new(n);
        let quick = bench.submit(&short, short.blocks.clone());
        let begun = turns;
        while !outcome.replies.iter().any(|(id, _)| *id == quick) {
            bench.obey(&mut outcome);
            let now = bench.clock();
            bench.documents.judge(now);
            turns += 1;
            bench.obey(&mut outcome);
        }
        assert!(turns - begun <= 2, "{} turns for one event", turns - begun);
    }
    assert!(!outcome.replies.iter().any(|(id, _)| *id == slow));
    while bench.documents.is_judging() {
        let now = bench.clock();
        bench.documents.judge(now);
        turns += 1;
        bench.obey(&mut outcome);
    }
    assert!(turns >= 5_000 / MAX_SLICE, "{turns} turns");
    assert!(outcome.replies.iter().any(|(id, _)| *id == slow));
    assert_eq!(bench.record(&long.stream).unwrap().events, 5_000);
}
