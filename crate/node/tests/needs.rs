//! Documents that cannot be judged without others: how these come, how they are kept, and what a hostile author gains by
//! naming many. No network, no clock, no waiting.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use ostrakon_node::documents::{
    Intent, MAX_NEED_DEPTH, MAX_OPEN, MAX_WAITING, Reply, SWEPT_AFTER, WAITING_FOR,
};
use ostrakon_protocol::id::CommitId;
use ostrakon_protocol::{Block, Cid, DocumentRef, StreamId, StreamType};

use common::Author;
use common::bench::{Bench, Outcome, SECOND, nowhere};
use common::referring::REFERRING;

fn at_init(author: &Author) -> DocumentRef {
    DocumentRef::Commit(CommitId::new(author.stream, *author.stream.init()))
}

fn at_tip(author: &Author) -> DocumentRef {
    DocumentRef::Commit(CommitId::new(author.stream, author.tip))
}

fn both(one: &Author, other: &Author) -> BTreeMap<Cid, Block> {
    one.blocks
        .clone()
        .into_iter()
        .chain(other.blocks.clone())
        .collect()
}

fn code(outcome: &Outcome) -> Vec<&'static str> {
    let code = |reply: &Result<Reply, ostrakon_node::NodeError>| match reply {
        Ok(Reply::View(_) | Reply::Views(_)) => "view",
        Ok(Reply::Done) => "done",
        Err(error) => error.code(),
    };
    outcome
        .replies
        .iter()
        .map(|(_, reply)| code(reply))
        .collect()
}

/// A node that loads a document whose blocks, and those of what it needs, someone has.
fn loaded(author: &Author, blocks: &BTreeMap<Cid, Block>) -> (Bench, Outcome) {
    let mut bench = Bench::new();
    bench.documents.set_online(true);
    bench.load(author.stream);
    bench.drain();
    bench.announce(author.stream, author.tip, 1);
    let outcome = bench.serve(blocks);
    (bench, outcome)
}

#[test]
fn a_document_waits_for_the_one_it_needs_which_is_kept_but_not_followed() {
    let mut needed = Author::new(1);
    needed.write(1);
    let middle = at_tip(&needed);
    needed.write(2);
    let author = Author::referring(2, &[middle]);
    let (mut bench, outcome) = loaded(&author, &both(&needed, &author));
    assert_eq!(code(&outcome), ["view"]);
    assert!(
        !outcome.queries.contains(&needed.stream),
        "nobody is asked for its tips"
    );
    let record = bench.record(&needed.stream).unwrap();
    assert_eq!((record.asked, record.events), (false, 2));
    let record = bench.record(&author.stream).unwrap();
    assert_eq!(
        (record.asked, record.needs.as_slice()),
        (true, &[needed.stream][..])
    );
    assert_eq!(bench.documents.waiting_count(), (0, 0));
    assert_eq!(bench.documents.open_count(), 1);
    // Its later tips are not news here.
    bench.announce(needed.stream, needed.tip, 1);
    assert_eq!(bench.serve(&needed.blocks).gets, []);
}

#[test]
fn what_needs_another_is_there_offline_as_well() {
    let needed = Author::new(1);
    let between = Author::referring(2, &[at_init(&needed)]);
    let mut author = Author::referring(3, &[at_init(&between)]);
    author.refer(&[at_init(&needed)]);
    let mut blocks = both(&needed, &between);
    blocks.extend(author.blocks.clone());
    let (mut bench, outcome) = loaded(&author, &blocks);
    assert_eq!(code(&outcome), ["view"]);
    bench.restart();
    bench.load(author.stream);
    let outcome = bench.drain();
    assert_eq!((code(&outcome), outcome.gets), (vec!["view"], vec![]));
    let view = bench.documents.view(&author.stream).unwrap();
    assert_eq!(view.document.tip(), &author.tip);
}

#[test]
fn what_is_submitted_brings_along_what_it_needs() {
    let needed = Author::new(1);
    let between = Author::referring(2, &[DocumentRef::Stream(needed.stream)]);
    let author = Author::referring(3, &[at_init(&between)]);
    let mut blocks = both(&needed, &between);
    blocks.extend(author.blocks.clone());
    let mut bench = Bench::new();
    bench.submit(&author, blocks);
    let outcome = bench.drain();
    assert_eq!((code(&outcome), outcome.gets), (vec!["done"], vec![]));
    let asked = |stream| bench.record(stream).map(|record| record.asked);
    assert_eq!(asked(&author.stream), Some(true));
    assert_eq!(asked(&between.stream), Some(false));
    assert_eq!(asked(&needed.stream), Some(false));
}

#[test]
fn a_need_nobody_has_is_named_and_met_once_someone_comes() {
    let needed = Author::new(1);
    let author = Author::referring(2, &[at_init(&needed)]);
    let (mut bench, outcome) = loaded(&author, &author.blocks);
    assert_eq!(code(&outcome), [""; 0]);
    assert_eq!(bench.documents.waiting_count(), (1, 1));
    // Someone comes who has it.
    bench.connect(2);
    let outcome = bench.wait(SECOND, &needed.blocks);
    assert_eq!(code(&outcome), ["view"]);

    let (mut bench, _) = loaded(&author, &author.blocks);
    let outcome = bench.wait(SECOND * 3601, &author.blocks);
    assert_eq!(code(&outcome), ["needs-document"]);
    let (_, Err(error)) = &outcome.replies[0] else {
        panic!("an error")
    };
    assert!(
        error.to_string().contains(&at_init(&needed).to_string()),
        "{error}"
    );
    assert!(
        outcome.gets.len() < 100,
        "asked rarely: {}",
        outcome.gets.len()
    );
    assert_eq!(bench.documents.waiting_count(), (0, 0));
    assert_eq!(bench.documents.open_count(), 0);
}

#[test]
fn what_was_let_go_is_tried_again_when_it_is_announced_again() {
    let needed = Author::new(1);
    let author = Author::referring(2, &[at_init(&needed)]);
    let (mut bench, _) = loaded(&author, &author.blocks);
    bench.wait(WAITING_FOR + SECOND * 10, &BTreeMap::new());
    assert_eq!(bench.documents.waiting_count(), (0, 0));
    bench.announce(author.stream, author.tip, 1);
    let outcome = bench.serve(&both(&needed, &author));
    assert_eq!(code(&outcome), ["view"]);
}

#[test]
fn a_valid_beginning_is_kept_while_the_rest_waits() {
    let needed = Author::new(1);
    let mut author = Author::referring(2, &[]);
    author.write(1);
    let begins = author.tip;
    author.refer(&[at_init(&needed)]);
    let (mut bench, outcome) = loaded(&author, &author.blocks);
    assert_eq!(code(&outcome), [""; 0], "there is more of it");
    let view = bench.documents.view(&author.stream).unwrap();
    assert_eq!(view.document.tip(), &begins);
    bench.connect(2);
    let outcome = bench.wait(SECOND, &needed.blocks);
    assert_eq!(code(&outcome), ["view"]);
    let view = bench.documents.view(&author.stream).unwrap();
    assert_eq!(view.document.tip(), &author.tip);
}

#[test]
fn a_need_that_cannot_be_valid_fails_at_once_what_waits_for_it() {
    // An init event that is signed by someone else than its controller names.
    let stolen = Author::new(1);
    let other = StreamId::new(StreamType::new(99), *stolen.stream.init());
    let wanted = DocumentRef::Commit(CommitId::new(other, *other.init()));
    let author = Author::referring(2, &[wanted]);
    let (mut bench, outcome) = loaded(&author, &both(&stolen, &author));
    assert_eq!(code(&outcome), ["needs-document"]);
    assert_eq!(bench.record(&other), None);
    // And is not fetched again for the next.
    let next = Author::referring(3, &[wanted]);
    bench.load(next.stream);
    bench.drain();
    bench.announce(next.stream, next.tip, 1);
    let outcome = bench.serve(&both(&stolen, &next));
    assert_eq!(code(&outcome), ["needs-document"]);
    assert!(!outcome.gets.contains(other.init()));
}

#[test]
fn documents_that_wait_for_each_other_are_refused() {
    let mut one = Author::referring(1, &[]);
    let other = Author::referring(2, &[DocumentRef::Stream(one.stream)]);
    one.refer(&[DocumentRef::Stream(other.stream)]);
    let (mut bench, _) = loaded(&one, &one.blocks);
    bench.announce(other.stream, other.tip, 1);
    let all = both(&one, &other);
    bench.serve(&all);
    bench.connect(2);
    let outcome = bench.wait(WAITING_FOR * 3, &all);
    assert!(outcome.gets.len() < 200, "{}", outcome.gets.len());
    assert_eq!(bench.documents.waiting_count(), (0, 0));
    // What stands by itself is shown.
    let view = bench.documents.view(&one.stream).unwrap();
    assert_eq!(view.document.tip(), one.stream.init());
}

#[test]
fn a_chain_of_needs_without_end_is_followed_to_its_bound() {
    let mut last = DocumentRef::Commit(CommitId::new(
        StreamId::new(REFERRING, nowhere(1)),
        nowhere(1),
    ));
    let mut all = BTreeMap::new();
    let mut first = None;
    for _ in 0..MAX_NEED_DEPTH + 20 {
        let author = Author::referring(1, &[last]);
        last = at_init(&author);
        all.extend(author.blocks.clone());
        first = Some(author);
    }
    let (bench, outcome) = loaded(&first.unwrap(), &all);
    assert_eq!(code(&outcome), ["needs-document"]);
    assert!(
        outcome.gets.len() <= 2 * MAX_NEED_DEPTH + 4,
        "{}",
        outcome.gets.len()
    );
    assert_eq!(bench.documents.waiting_count(), (0, 0));
    assert!(bench.documents.open_count() <= 1);
}

#[test]
fn an_author_who_names_thousands_that_do_not_exist_costs_one_fetch_at_a_time() {
    let nothing = |n: u32| {
        let cid = nowhere(n);
        DocumentRef::Commit(CommitId::new(StreamId::new(StreamType::TILE, cid), cid))
    };
    let needs: Vec<DocumentRef> = (0..2000).map(nothing).collect();
    let author = Author::referring(2, &needs);
    let (mut bench, outcome) = loaded(&author, &author.blocks);
    assert_eq!(bench.documents.waiting_count(), (1, 1));
    assert!(outcome.gets.len() < 8);
    let outcome = bench.wait(SECOND * 600, &author.blocks);
    assert!(outcome.gets.len() < 100, "{}", outcome.gets.len());
}

#[test]
fn many_documents_that_wait_leave_room_for_the_others() {
    let mut bench = Bench::new();
    bench.documents.set_online(true);
    let mut all = BTreeMap::new();
    for n in 0..200_u8 {
        let cid = nowhere(u32::from(n) + 10_000);
        let need = CommitId::new(StreamId::new(StreamType::TILE, cid), cid);
        let author = Author::referring(n, &[DocumentRef::Commit(need)]);
        bench.load(author.stream);
        bench.drain();
        bench.announce(author.stream, author.tip, 1);
        all.extend(author.blocks.clone());
        bench.serve(&all);
        let (waiting, sought) = bench.documents.waiting_count();
        assert!(waiting <= MAX_WAITING && sought <= waiting);
        assert!(bench.documents.open_count() <= MAX_OPEN);
    }
    bench.wait(WAITING_FOR * 2, &all);
    // All of these are still loaded by someone; nothing of them is left to wait for.
    let good = Author::new(201);
    all.extend(good.blocks.clone());
    bench.load(good.stream);
    bench.drain();
    bench.announce(good.stream, good.tip, 1);
    assert_eq!(code(&bench.serve(&all)), ["view"]);
}

#[test]
fn what_others_need_stays_when_it_is_forgotten_and_goes_when_they_do() {
    let needed = Author::new(1);
    let author = Author::referring(2, &[at_init(&needed)]);
    let mut bench = Bench::new();
    bench.keep(&needed);
    bench.submit(&author, author.blocks.clone());
    assert_eq!(code(&bench.drain()), ["done"]);
    assert_eq!(code(&bench.forget(needed.stream)), ["done"]);
    assert!(!bench.record(&needed.stream).unwrap().asked);
    bench.restart();
    bench.load(author.stream);
    assert_eq!(code(&bench.drain()), ["view"]);
    assert_eq!(code(&bench.forget(author.stream)), ["done"]);
    assert_eq!(bench.record(&author.stream), None);
    // The next round through what is kept, once nobody can be waiting for it any more.
    bench.unix_ms += u64::try_from(SWEPT_AFTER.as_millis()).unwrap() + 1;
    bench.restart();
    bench.listen(1);
    assert_eq!(bench.record(&needed.stream), None);
}

#[test]
fn what_was_kept_for_others_becomes_ones_own_when_it_is_loaded() {
    let mut needed = Author::new(1);
    let author = Author::referring(2, &[at_init(&needed)]);
    let (mut bench, _) = loaded(&author, &both(&needed, &author));
    needed.write(1);
    bench.load(needed.stream);
    let outcome = bench.serve(&needed.blocks);
    assert_eq!(code(&outcome), [""; 0], "there may be more of it");
    assert!(outcome.queries.is_empty(), "nobody listens");
    bench.announce(needed.stream, needed.tip, 1);
    let outcome = bench.serve(&needed.blocks);
    assert_eq!(code(&outcome), ["view"]);
    let record = bench.record(&needed.stream).unwrap();
    assert_eq!((record.asked, record.tip()), (true, &needed.tip));
    // Offline what is there must do.
    let (mut bench, _) = loaded(&author, &both(&needed, &author));
    bench.documents.set_online(false);
    bench.load(needed.stream);
    assert_eq!(code(&bench.drain()), ["view"]);
    assert!(bench.record(&needed.stream).unwrap().asked);
}

#[test]
fn a_trial_keeps_nothing_of_what_is_tried() {
    let author = Author::new(1);
    let mut bench = Bench::new();
    let (id, now) = (bench.id(), bench.clock());
    let blocks = Arc::new(author.blocks.clone().into_iter().collect());
    bench.documents.submit(
        id,
        author.stream,
        (vec![author.tip], blocks),
        Intent::Try,
        now,
    );
    assert_eq!(code(&bench.drain()), ["done"]);
    assert_eq!(bench.record(&author.stream), None);
    assert_eq!(bench.documents.open_count(), 0);
}
