//! Whole chains in one answer: what is asked, what follows from good and bad answers, and that bitswap has the last word.

mod common;

use futures::FutureExt;
use libp2p::PeerId;
use ostrakon_node::answering::Answering;
use ostrakon_node::documents::Reply;
use ostrakon_node::network::chain_fetch::{AskId, End, Item, MAX_DOCUMENTS, Part, Refusal, Want};
use ostrakon_node::store::Memory;
use ostrakon_node::sync::{MAX_ARRIVED_BYTES, MAX_ASKS_PER_PEER, MAX_LEFTOVER, MAX_WASTE};
use ostrakon_protocol::{Block, Cid};

use common::Author;
use common::bench::{Bench, Outcome, nowhere, peer};
use common::nodes::{run, start_empty};

/// A node that wants a document, and a peer (1) that answers whole chains.
fn wanting(author: &Author) -> (Bench, Outcome) {
    let mut bench = Bench::new();
    bench.load(author.stream);
    bench.drain();
    let outcome = bench.speaks(1);
    (bench, outcome)
}

impl Bench {
    fn speaks(&mut self, from: u8) -> Outcome {
        let now = self.clock();
        self.documents.answers_chains(peer(from), now);
        self.drain()
    }

    fn part(&mut self, ask: AskId, items: Vec<Item>) -> Outcome {
        let now = self.clock();
        self.documents.chain_part(ask, items, now);
        self.drain()
    }

    fn ended(&mut self, ask: AskId, refusal: Option<Refusal>) -> Outcome {
        let now = self.clock();
        self.documents.chain_ended(ask, refusal, now);
        self.drain()
    }

    fn tip(&self, author: &Author) -> Option<Cid> {
        let view = self.documents.view(&author.stream)?;
        Some(*view.document.tip())
    }
}

fn long(events: i128) -> Author {
    let mut author = Author::new(1);
    for n in 1..events {
        author.write(n);
    }
    author
}

/// The whole answer of an honest node that keeps these documents, in parts.
fn answer(authors: &[&Author], wants: Vec<Want>) -> Vec<Vec<Item>> {
    let mut keeper = Bench::new();
    authors.iter().for_each(|author| keeper.keep(author));
    answer_from(&keeper.disk, wants)
}

fn answer_from(disk: &Memory, wants: Vec<Want>) -> Vec<Vec<Item>> {
    let mut rest = Answering::new(wants);
    let mut parts = Vec::new();
    loop {
        let answered = rest.read(disk).now_or_never().unwrap();
        parts.push(Part::decode(&answered.part.into_bytes()).unwrap());
        rest = answered.rest;
        if answered.last {
            return parts;
        }
    }
}

fn only(outcome: &Outcome) -> (AskId, PeerId, Vec<Want>) {
    assert_eq!(
        outcome.chains.len(),
        1,
        "one question: {:?}",
        outcome.chains
    );
    outcome.chains[0].clone()
}

fn begin(author: &Author) -> Item {
    Item::Begin {
        index: 0,
        tip: author.tip,
    }
}

fn blocks(items: &[Item]) -> impl Iterator<Item = &Block> {
    items.iter().filter_map(|item| match item {
        Item::Block(block) => Some(block),
        _ => None,
    })
}

#[test]
fn a_chain_of_a_thousand_events_takes_one_question_and_nothing_by_bitswap() {
    let author = long(1000);
    let (mut bench, outcome) = wanting(&author);
    let (ask, to, wants) = only(&outcome);
    assert_eq!((to, wants.len(), wants[0].tip), (peer(1), 1, None));
    let parts = answer(&[&author], wants);
    assert!(parts.len() > 2, "it is more than one part");
    for part in parts {
        let outcome = bench.part(ask, part);
        assert_eq!(outcome.read_on, [ask]);
        assert!(outcome.gets.is_empty() && outcome.chains.is_empty());
    }
    bench.ended(ask, None);
    assert_eq!(bench.tip(&author), Some(author.tip));
}

#[test]
fn the_same_chain_by_bitswap_takes_two_round_trips_for_each_event() {
    let author = long(100);
    let mut bench = Bench::new();
    bench.load(author.stream);
    bench.drain();
    bench.announce(author.stream, author.tip, 1);
    let mut rounds = 0;
    loop {
        let outcome = bench.drain();
        if outcome.gets.is_empty() {
            break;
        }
        rounds += 1;
        for cid in outcome.gets {
            let now = bench.clock();
            bench.documents.block(&author.blocks[&cid], peer(1), now);
        }
    }
    assert_eq!((rounds, bench.tip(&author)), (200, Some(author.tip)));
}

#[test]
fn hundreds_of_documents_take_two_questions() {
    let authors: Vec<Author> = (0..250).map(|n| Author::unique(3, n)).collect();
    let mut bench = Bench::new();
    for author in &authors {
        bench.load(author.stream);
    }
    bench.drain();
    let mut outcome = bench.speaks(1);
    let mut questions = 0;
    while let Some((ask, _, wants)) = outcome.chains.pop() {
        questions += 1;
        assert!(wants.len() <= MAX_DOCUMENTS && outcome.chains.len() < MAX_ASKS_PER_PEER);
        for part in answer(&authors.iter().collect::<Vec<_>>(), wants) {
            bench.part(ask, part);
        }
        outcome.chains.extend(bench.ended(ask, None).chains);
    }
    assert_eq!(questions, 2);
    assert!(
        authors
            .iter()
            .all(|author| bench.tip(author) == Some(author.tip))
    );
}

#[test]
fn only_what_is_not_known_is_sent() {
    let mut author = long(50);
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    for part in answer(&[&author], wants) {
        bench.part(ask, part);
    }
    bench.ended(ask, None);
    author.write(50);
    bench.announce(author.stream, author.tip, 1);
    let (ask, _, wants) = only(&bench.drain());
    assert_eq!(wants[0].tip, Some(author.tip));
    let parts = answer(&[&author], wants);
    assert_eq!(blocks(&parts.concat()).count(), 2, "one event");
    bench.part(ask, parts.concat());
    assert_eq!(bench.tip(&author), Some(author.tip));
}

#[test]
fn a_fork_far_back_is_met_at_an_event_on_the_way() {
    let mut author = long(200);
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    bench.part(ask, answer(&[&author], wants).concat());
    bench.ended(ask, None);
    let fork = bench.documents.view(&author.stream).unwrap().document.log()[150].cid;
    let mut branch = author.write_after(fork, 999);
    for n in 0..60 {
        let prev = *branch.last().unwrap().cid();
        branch = author.write_after(prev, n);
    }
    let tip = *branch.last().unwrap().cid();
    author.tip = tip;
    bench.announce(author.stream, tip, 1);
    let (ask, _, wants) = only(&bench.drain());
    let parts = answer(&[&author], wants).concat();
    assert!(
        blocks(&parts).count() < 2 * 61 + 2 * 60,
        "far from all of it"
    );
    let outcome = bench.part(ask, parts);
    assert!(outcome.gets.is_empty() && outcome.refused.is_empty());
    assert_eq!(bench.tip(&author), Some(tip));
}

#[test]
fn who_has_nothing_newer_sends_no_block() {
    let author = long(5);
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    bench.part(ask, answer(&[&author], wants).concat());
    bench.ended(ask, None);
    let (ask, to, wants) = only(&bench.speaks(2));
    assert_eq!(to, peer(2));
    let parts = answer(&[&author], wants);
    let end = End::Known;
    assert_eq!(parts, [[Item::End { index: 0, end }]]);
    let outcome = bench.part(ask, parts.concat());
    assert!(outcome.gets.is_empty() && outcome.chains.is_empty());
}

#[test]
fn after_a_cut_the_rest_is_asked_for_and_nothing_twice() {
    let author = long(1000);
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    let first = answer(&[&author], wants).remove(0);
    bench.part(ask, first.clone());
    let (ask, to, wants) = only(&bench.ended(ask, Some(Refusal::Cut)));
    assert_eq!(to, peer(1));
    let rest = answer(&[&author], wants).concat();
    let first: Vec<&Cid> = blocks(&first).map(Block::cid).collect();
    let again = blocks(&rest).filter(|block| first.contains(&block.cid()));
    assert!(again.count() <= 2, "at most those of one event");
    let outcome = bench.part(ask, rest);
    assert!(outcome.gets.is_empty() && outcome.refused.is_empty());
    assert_eq!(bench.tip(&author), Some(author.tip));
}

#[test]
fn who_is_cut_off_before_anything_came_is_asked_for_blocks() {
    let author = long(3);
    let mut bench = Bench::new();
    bench.load(author.stream);
    bench.drain();
    bench.announce(author.stream, nowhere(1), 1);
    bench.speaks(1);
    bench.announce(author.stream, author.tip, 1);
    let mut gets = bench.drain().gets;
    for ask in 0..4 {
        gets.extend(bench.ended(ask, Some(Refusal::Cut)).gets);
    }
    assert!(gets.contains(&author.tip));
}

/// Each of these ends in a refusal, after which the blocks come by bitswap, from whoever has them.
#[test]
fn whatever_is_wrong_with_an_answer_is_refused_by_name_and_bitswap_goes_on() {
    let author = long(20);
    let good = |wants| answer(&[&author], wants).concat();
    let big = |n: usize| {
        let mut bytes = vec![0; 200_000];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Item::Block(Block::dag_cbor(bytes).unwrap())
    };
    type Bad<'a> = Box<dyn Fn(Vec<Item>) -> Vec<Item> + 'a>;
    let cases: Vec<(&str, Refusal, Bad)> = vec![
        (
            "blocks nobody asked for, without end",
            Refusal::Unasked,
            Box::new(|good| {
                let end = good.len() - 3;
                let all = good[..end].iter().cloned();
                all.chain((0..=MAX_WASTE / 200_000 + 1).map(big)).collect()
            }),
        ),
        (
            "a block before any document",
            Refusal::Unasked,
            Box::new(|_| vec![big(1)]),
        ),
        (
            "a document that was not asked for",
            Refusal::Unasked,
            Box::new(|_| {
                vec![Item::Begin {
                    index: 1,
                    tip: author.tip,
                }]
            }),
        ),
        (
            "two beginnings",
            Refusal::Unasked,
            Box::new(|good| vec![good[0].clone(), good[0].clone()]),
        ),
        (
            "the end of another document",
            Refusal::Unasked,
            Box::new(|good| {
                vec![
                    good[0].clone(),
                    Item::End {
                        index: 7,
                        end: End::Whole,
                    },
                ]
            }),
        ),
        (
            "a whole chain without a block",
            Refusal::Empty,
            Box::new(|good| {
                vec![
                    good[0].clone(),
                    Item::End {
                        index: 0,
                        end: End::Whole,
                    },
                ]
            }),
        ),
    ];
    for (name, refusal, bad) in cases {
        let (mut bench, outcome) = wanting(&author);
        let (ask, _, wants) = only(&outcome);
        // An honest one said which tip there is.
        bench.announce(author.stream, author.tip, 2);
        let mut gets = bench.drain().gets;
        let outcome = bench.part(ask, bad(good(wants)));
        assert_eq!(outcome.refused, [(peer(1), refusal)], "{name}");
        assert_eq!(outcome.hushed, [ask], "{name}");
        gets.extend(outcome.gets);
        // Who was refused is not asked again.
        assert!(bench.pass(common::bench::SECOND * 400).chains.is_empty());
        while !gets.is_empty() {
            let now = bench.clock();
            for cid in std::mem::take(&mut gets) {
                bench.documents.block(&author.blocks[&cid], peer(2), now);
            }
            gets = bench.drain().gets;
        }
        assert_eq!(bench.tip(&author), Some(author.tip), "{name}");
    }
}

#[test]
fn silence_slowness_and_garbage_on_the_wire_end_in_bitswap_or_another_peer() {
    use Refusal::{Malformed, Silent, Slow, TooLarge, Unspoken, WrongHash};
    let author = long(20);
    for refusal in [Malformed, Silent, Slow, TooLarge, Unspoken, WrongHash] {
        // Another one answers as well.
        let (mut bench, outcome) = wanting(&author);
        let (ask, ..) = only(&outcome);
        bench.speaks(2);
        let outcome = bench.ended(ask, Some(refusal));
        assert_eq!(outcome.refused, [(peer(1), refusal)]);
        let (ask, to, wants) = only(&outcome);
        assert_eq!(to, peer(2));
        bench.part(ask, answer(&[&author], wants).concat());
        assert_eq!(bench.tip(&author), Some(author.tip));
        // Nobody else does.
        let (mut bench, outcome) = wanting(&author);
        let (ask, _, wants) = only(&outcome);
        let first = answer(&[&author], wants).concat()[..9].to_vec();
        bench.part(ask, first);
        let mut gets = bench.ended(ask, Some(refusal)).gets;
        while !gets.is_empty() {
            let now = bench.clock();
            for cid in std::mem::take(&mut gets) {
                bench.documents.block(&author.blocks[&cid], peer(2), now);
            }
            gets = bench.drain().gets;
        }
        assert_eq!(bench.tip(&author), Some(author.tip));
    }
}

#[test]
fn what_comes_after_a_document_is_complete_ends_the_answer_and_the_others_are_asked_for_again() {
    let authors = [long(3), Author::unique(5, 1)];
    let mut bench = Bench::new();
    for author in &authors {
        bench.load(author.stream);
    }
    bench.drain();
    let (ask, _, wants) = only(&bench.speaks(1));
    assert_eq!(wants.len(), 2);
    let place = |author: &Author| wants.iter().position(|want| want.stream == author.stream);
    let first = if place(&authors[0]) == Some(0) { 0 } else { 1 };
    let answered = answer(&[&authors[0], &authors[1]], wants);
    let mut items = answered.concat();
    let end = items
        .iter()
        .position(|item| matches!(item, Item::End { .. }));
    items.truncate(end.unwrap());
    let mut bytes = vec![0; 200_000];
    for n in 0..=MAX_LEFTOVER / 200_000 + 1 {
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        items.push(Item::Block(Block::dag_cbor(bytes.clone()).unwrap()));
    }
    let outcome = bench.part(ask, items);
    assert!(outcome.refused.is_empty() && outcome.hushed == [ask]);
    assert_eq!(bench.tip(&authors[first]), Some(authors[first].tip));
    let (ask, _, wants) = only(&outcome);
    assert_eq!(wants[0].stream, authors[1 - first].stream);
    bench.part(ask, answer(&[&authors[1 - first]], wants).concat());
    assert_eq!(bench.tip(&authors[1 - first]), Some(authors[1 - first].tip));
}

#[test]
fn what_the_answer_lacks_comes_by_bitswap() {
    let author = long(20);
    let mut keeper = Bench::new();
    keeper.keep(&author);
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    let lost = *author.stream.init();
    keeper.disk.damage(&lost);
    let outcome = bench.part(ask, answer_from(&keeper.disk, wants).concat());
    assert_eq!(outcome.gets, [lost]);
    let now = bench.clock();
    bench.documents.block(&author.blocks[&lost], peer(2), now);
    let outcome = bench.serve(&author.blocks);
    assert!(matches!(outcome.replies[..], [(_, Ok(Reply::View(_)))]));
}

#[test]
fn who_does_not_keep_it_says_so_and_the_next_one_is_asked() {
    let (author, other) = (long(3), Author::new(9));
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    bench.speaks(2);
    let parts = answer(&[&other], wants);
    let end = End::Unknown;
    assert_eq!(parts, [[Item::End { index: 0, end }]]);
    let (_, to, _) = only(&bench.part(ask, parts.concat()));
    assert_eq!(to, peer(2));
}

#[test]
fn a_tip_that_a_peer_does_not_have_is_fetched_from_who_announced_it() {
    let mut author = long(3);
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    bench.part(ask, answer(&[&author], wants).concat());
    bench.ended(ask, None);
    let behind = long(3);
    author.write(7);
    bench.announce(author.stream, author.tip, 1);
    let (ask, _, wants) = only(&bench.drain());
    let parts = answer(&[&behind], wants);
    let end = End::NoTip;
    assert_eq!(parts, [[Item::End { index: 0, end }]]);
    assert_eq!(bench.part(ask, parts.concat()).gets, [author.tip]);
}

#[test]
fn while_much_waits_to_be_judged_no_answer_is_read_on() {
    let mut author = Author::new(1);
    // Too large to be judged in one go, which this test keeps from happening.
    let text = "x".repeat(200_000);
    for n in 0..(MAX_ARRIVED_BYTES / 200_000 + 2) {
        author.write_text(&format!("{n}{text}"));
    }
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    let parts = answer(&[&author], wants);
    let (now, mut outcome) = (bench.clock(), Outcome::default());
    for part in parts {
        bench.documents.chain_part(ask, part, now);
    }
    bench.obey(&mut outcome);
    let waits = outcome.read_on.len();
    let after = bench.drain();
    assert_eq!(bench.tip(&author), Some(author.tip));
    assert_eq!(
        after.read_on.len(),
        1,
        "after {waits} parts it went on once"
    );
}

#[test]
fn a_peer_that_leaves_takes_its_questions_along() {
    let author = long(20);
    let (mut bench, outcome) = wanting(&author);
    let (ask, _, wants) = only(&outcome);
    let first = answer(&[&author], wants).concat()[..9].to_vec();
    bench.part(ask, first);
    bench.documents.leaves(&peer(1));
    let now = bench.clock();
    bench.documents.tick(now);
    let outcome = bench.serve(&author.blocks);
    assert!(matches!(outcome.replies[..], [(_, Ok(Reply::View(_)))]));
    // What comes too late changes nothing.
    assert!(bench.part(ask, vec![begin(&author)]).hushed.is_empty());
}

#[test]
fn documents_of_one_node_reach_another_in_whole_chains() {
    run(async {
        let one = start_empty(&[]).await;
        let author = long(300);
        let archive = ostrakon_protocol::car::write(&[author.tip], &author.all());
        one.node.import_car(&archive).await.expect("imported");
        let other = start_empty(&[&one]).await;
        let document = ostrakon_protocol::DocumentRef::Stream(author.stream);
        let view = other
            .node
            .load(&document, std::time::Duration::from_secs(60))
            .await;
        assert_eq!(*view.expect("loaded").document.tip(), author.tip);
    });
}
