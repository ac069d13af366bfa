//! Documents with branches: whatever is heard in whatever order, the outcome is the same, and nothing good is lost.

mod common;

use common::world::{ABSENT, Tile, UNASKED, WORLD};
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::chain::MAX_EVENTS;
use ostrakon_protocol::document::{MAX_BRANCHES, hear_all, load_commit};
use ostrakon_protocol::event::Data;
use ostrakon_protocol::{Cid, CommitId, Document, Ipld, Kind, Step, TimeStatus, Walk};
use proptest::prelude::*;
use serde_json::json;

/// How an event of a random tree comes about.
#[derive(Clone, Debug)]
enum Act {
    Write,
    WriteBadly,
    WriteAsStranger,
    /// With what the chain will say of it.
    Anchor(u8),
}

fn act() -> impl Strategy<Value = (prop::sample::Index, Act)> {
    let act = prop_oneof![
        6 => Just(Act::Write),
        1 => Just(Act::WriteBadly),
        1 => Just(Act::WriteAsStranger),
        // Few times, so that some are equal.
        4 => (0..5u8).prop_map(Act::Anchor),
    ];
    (any::<prop::sample::Index>(), act)
}

/// Builds a tree: each event stands on any of those before it. Gives all events, init first.
fn grow(tile: &mut Tile, acts: &[(prop::sample::Index, Act)]) -> Vec<Cid> {
    let mut events = vec![*tile.stream.init()];
    for (number, (index, act)) in (0..).zip(acts) {
        let prev = *index.get(&events);
        events.push(match act {
            Act::Write => tile.write(prev, number),
            Act::WriteBadly => {
                tile.patch(prev, json!([{ "op": "test", "path": "/n", "value": "no" }]))
            }
            Act::WriteAsStranger => tile.write_as_stranger(prev, number),
            Act::Anchor(says) => tile.anchor(prev, *says, number as u8),
        });
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_order_of_arrival_never_changes_the_outcome(
        acts in prop::collection::vec(act(), 1..24),
        order in Just((0..25usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut tile = Tile::new();
        let events = grow(&mut tile, &acts);
        let (one, _) = hear_all(&tile.stream, &events, &tile.blocks, &WORLD).unwrap();
        let shuffled: Vec<Cid> = order.iter().filter_map(|at| events.get(*at)).copied().collect();
        let (other, _) = hear_all(&tile.stream, &shuffled, &tile.blocks, &WORLD).unwrap();
        prop_assert_eq!(one.tips(), other.tips());
        prop_assert_eq!(one.state(), other.state());
        prop_assert_eq!(one.block_cids(), other.block_cids());
    }

    #[test]
    fn every_prefix_of_a_valid_log_is_valid_and_says_the_same(
        acts in prop::collection::vec(act(), 1..24),
    ) {
        let mut tile = Tile::new();
        let events = grow(&mut tile, &acts);
        let (document, _) = hear_all(&tile.stream, &events, &tile.blocks, &WORLD).unwrap();
        for (index, entry) in document.log().iter().enumerate() {
            let commit = CommitId::new(tile.stream, entry.cid);
            let prefix = load_commit(&commit, &tile.blocks, &WORLD).unwrap();
            prop_assert_eq!(prefix.log().len(), index + 1);
            let state = document.at_commit(&entry.cid).unwrap();
            prop_assert_eq!(prefix.state().content(), state.content());
            prop_assert_eq!(prefix.state().metadata(), state.metadata());
            prop_assert_eq!(state.log(), &document.log()[..=index]);
        }
        prop_assert_eq!(&document.at_commit(document.tip()).unwrap(), document.state());
    }

    #[test]
    fn the_blocks_of_a_document_are_enough_to_have_it_again(
        acts in prop::collection::vec(act(), 1..24),
    ) {
        let mut tile = Tile::new();
        let events = grow(&mut tile, &acts);
        let (document, _) = hear_all(&tile.stream, &events, &tile.blocks, &WORLD).unwrap();
        let kept = document.block_cids();
        tile.blocks.retain(|cid, _| kept.contains(cid));
        prop_assert_eq!(tile.blocks.len(), kept.len());
        let (again, refusals) = hear_all(&tile.stream, &document.tips(), &tile.blocks, &WORLD).unwrap();
        prop_assert_eq!(refusals, vec![]);
        prop_assert_eq!(again.tips(), document.tips());
        prop_assert_eq!(again.state(), document.state());
    }
}

/// Says after each event what the document is.
fn heard(tile: &Tile, tips: &[Cid]) -> Document {
    let mut document = tile.document();
    for tip in tips {
        tile.hear(&mut document, tip);
    }
    document
}

/// A deviation: js asks the chain at once and knows no claims.
#[test]
fn claimed_anchors_of_a_stranger_cannot_roll_a_document_back() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let written = tile.write(init, 1);
    let mut claim = init;
    for salt in 0..9 {
        claim = tile.anchor(claim, UNASKED, salt);
    }
    let document = heard(&tile, &[written, claim]);
    assert_eq!(document.tip(), &written);
    assert_eq!(document.tips(), [written, claim]);
}

#[test]
fn a_claimed_anchor_applies_but_shows_that_it_is_only_claimed() {
    let mut tile = Tile::new();
    let written = tile.write(*tile.stream.init(), 1);
    let claim = tile.anchor(written, UNASKED, 0);
    let document = heard(&tile, &[claim]);
    assert_eq!(document.tip(), &claim);
    for entry in document.log() {
        assert!(matches!(entry.time, TimeStatus::Claimed { .. }));
    }
    let state = document.state().to_json();
    assert_eq!(state["anchorStatus"], "ANCHORED");
    assert_eq!(state["log"][2].get("timestamp"), None);
}

/// A deviation: in js such an anchor counts as the earliest possible and cuts the log off.
#[test]
fn an_anchor_that_the_chain_does_not_have_cuts_nothing_off() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let first = tile.write(init, 1);
    let second = tile.write(first, 2);
    let forged = tile.anchor(first, ABSENT, 0);
    let mut document = heard(&tile, &[second]);
    let outcome = tile.hear(&mut document, &forged);
    assert!(!outcome.changed);
    assert_eq!(outcome.refused.unwrap().code(), "anchor-no-transaction");
    assert_eq!(document.tips(), [second]);
}

#[test]
fn a_change_by_a_stranger_is_refused_wherever_it_stands() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let first = tile.write(init, 1);
    let second = tile.write(first, 2);
    let mut document = heard(&tile, &[second]);
    for prev in [init, first, second] {
        let forged = tile.write_as_stranger(prev, 3);
        let outcome = tile.hear(&mut document, &forged);
        assert_eq!(outcome.refused.unwrap().code(), "wrong-signer");
        assert_eq!(document.tips(), [second]);
    }
}

#[test]
fn a_flood_of_branches_is_bounded_and_never_drowns_the_winner() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let written = tile.write(init, 1);
    let mut document = heard(&tile, &[written]);
    for salt in 0..=255 {
        let junk = tile.anchor(init, UNASKED, salt);
        assert!(!tile.hear(&mut document, &junk).changed);
    }
    assert_eq!(document.tips().len(), MAX_BRANCHES);
    assert_eq!(document.tip(), &written);
    // A branch that was forgotten comes back when it becomes the better one.
    for salt in 0..=255 {
        let forgotten = tile.anchor(init, UNASKED, salt);
        if !document.contains(&forgotten) {
            let first = tile.write(forgotten, 2);
            let second = tile.write(first, 3);
            assert!(tile.hear(&mut document, &second).changed);
            assert_eq!(document.tip(), &second);
            return;
        }
    }
    panic!("no branch was forgotten");
}

#[test]
fn a_version_keeps_the_times_that_later_anchors_gave() {
    let mut tile = Tile::new();
    let first = tile.write(*tile.stream.init(), 1);
    let second = tile.write(first, 2);
    let anchor = tile.anchor(second, 50, 0);
    let third = tile.write(anchor, 3);
    let document = heard(&tile, &[third]);
    let version = document.at_commit(&first).unwrap();
    let times: Vec<_> = version
        .log()
        .iter()
        .map(|entry| entry.time.unix())
        .collect();
    assert_eq!(times, [Some(50), Some(50)]);
    assert_eq!(
        document
            .at_commit(&tile.write(third, 9))
            .unwrap_err()
            .code(),
        "not-in-log"
    );
}

#[test]
fn a_document_at_a_time_is_its_last_anchor_proven_by_then() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let first = tile.write(init, 1);
    let early = tile.anchor(first, 50, 0);
    let second = tile.write(early, 2);
    let late = tile.anchor(second, 80, 1);
    let third = tile.write(late, 3);
    let claimed = tile.anchor(third, UNASKED, 2);
    let document = heard(&tile, &[claimed]);
    let at = |unix| document.at_time(unix).unwrap().log().last().unwrap().cid;
    assert_eq!(
        [at(49), at(50), at(79), at(80), at(9_999)],
        [init, early, early, late, late]
    );
    // Nothing makes a chain's anchors follow each other in time.
    let back = tile.anchor(claimed, 60, 3);
    let document = heard(&tile, &[back]);
    let at = |unix| document.at_time(unix).unwrap().log().last().unwrap().cid;
    assert_eq!([at(70), at(80)], [early, back]);
}

#[test]
fn a_walk_asks_for_one_event_after_the_other_and_stops_at_what_is_known() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let first = tile.write(init, 1);
    let anchor = tile.anchor(first, 50, 0);
    let last = tile.write(anchor, 2);
    let known = heard(&tile, &[first]);

    let mut here = std::collections::HashMap::new();
    let mut walk = Walk::new(tile.stream, last);
    let mut asked = Vec::new();
    let chain = loop {
        match walk.advance(&here, Some(&known)).unwrap() {
            Step::Done(chain) => break chain,
            Step::Need(cids) => {
                let cid = cids[0];
                asked.push(cid);
                here.insert(cid, tile.blocks[&cid].clone());
            }
        }
    };
    // Envelope and payload, the time event and its proof.
    assert_eq!(asked.len(), 4);
    assert_eq!(chain.joins(), Some(&first));
    assert_eq!(chain.cids().len(), 2);
}

#[test]
fn a_witness_that_nobody_has_makes_the_anchor_invalid_and_nothing_else() {
    let mut tile = Tile::new();
    let written = tile.write(*tile.stream.init(), 1);
    let node = ostrakon_protocol::cbor::encode(&Ipld::List(vec![Ipld::Link(written), Ipld::Null]));
    let node = ostrakon_protocol::Block::dag_cbor(node.unwrap()).unwrap();
    let proof = common::world::proof(*node.cid(), 50, 0);
    let time =
        ostrakon_protocol::event::Time::write(*tile.stream.init(), written, *proof.cid(), "0");
    let anchor = tile.add([proof, time.unwrap()]);
    let mut document = tile.document();
    let outcome = tile.hear(&mut document, &anchor);
    assert_eq!(outcome.refused.unwrap().code(), "anchor-missing-witness");
    assert_eq!(document.tip(), &written);

    tile.add([node]);
    assert_eq!(tile.hear(&mut document, &anchor).refused, None);
    assert_eq!(document.tip(), &anchor);
    assert_eq!(document.log()[2].kind, Kind::Time);
}

#[test]
fn a_proof_that_nobody_has_ends_the_walk() {
    let mut tile = Tile::new();
    let anchor = tile.anchor(*tile.stream.init(), 50, 0);
    let proof = *common::world::proof(*tile.stream.init(), 50, 0).cid();
    tile.blocks.remove(&proof);
    let mut walk = Walk::new(tile.stream, anchor);
    let Step::Need(cids) = walk.advance(&tile.blocks, None).unwrap() else {
        panic!("the proof is missing");
    };
    assert_eq!(cids, [proof]);
    walk.absent(&proof);
    assert_eq!(
        walk.advance(&tile.blocks, None).unwrap_err().code(),
        "chain-missing-block"
    );
}

#[test]
fn a_chain_of_another_document_or_without_end_is_refused() {
    let mut tile = Tile::new();
    let key = ostrakon_protocol::jose::Ed25519Signer::from_seed(&[3; 32]);
    let other = New::Tile(NewTile::default());
    let (_, other) = other.written_by(&key, [9; 12]).unwrap();
    let other = tile.add(other);
    let outcome = Walk::new(tile.stream, other).advance(&tile.blocks, None);
    assert_eq!(outcome.unwrap_err().code(), "chain-wrong-document");

    let mut last = *tile.stream.init();
    for _ in 0..MAX_EVENTS {
        let event = Data::payload(*tile.stream.init(), last, None, Ipld::Null).unwrap();
        last = tile.add([event]);
    }
    let outcome = Walk::new(tile.stream, last).advance(&tile.blocks, None);
    assert_eq!(outcome.unwrap_err().code(), "chain-too-long");
}

#[test]
fn a_chain_of_more_bytes_than_can_be_held_is_refused() {
    let mut tile = Tile::new();
    let mut last = *tile.stream.init();
    let padding = Ipld::String("x".repeat(250_000));
    for _ in 0..200 {
        let event = Data::payload(*tile.stream.init(), last, None, padding.clone()).unwrap();
        last = tile.add([event]);
    }
    let outcome = Walk::new(tile.stream, last).advance(&tile.blocks, None);
    assert_eq!(outcome.unwrap_err().code(), "chain-too-large");
}

/// A deviation: js keeps a half-applied patch in its content.
#[test]
fn a_rejected_patch_leaves_no_trace_in_the_state() {
    let mut tile = Tile::new();
    let written = tile.write(*tile.stream.init(), 1);
    let before = heard(&tile, &[written]);
    let half = json!([
        { "op": "replace", "path": "/n", "value": "half" },
        { "op": "test", "path": "/n", "value": "whole" },
    ]);
    let bad = tile.patch(written, half);
    let mut document = before.clone();
    let outcome = tile.hear(&mut document, &bad);
    assert_eq!(outcome.refused.unwrap().code(), "patch-test-failed");
    assert_eq!(document.state(), before.state());
}
