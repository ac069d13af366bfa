//! A chain judged in small pieces, or beside others, gives what it gives alone and at once.

mod common;

use std::collections::HashMap;

use common::world::{ABSENT, Tile, UNASKED, WORLD};
use ostrakon_protocol::document::{Judging, judge_some};
use ostrakon_protocol::{Chain, Cid, Document, Refusal, Step, StreamId, Walk, World};
use proptest::prelude::*;
use serde_json::Value;

fn pieces(mut judging: Judging, events: usize, world: &World) -> Result<Document, Refusal> {
    while !judge_some([&mut judging], events, world) {}
    judging.finish(world)
}

/// What can be seen of a document.
fn seen(document: &Result<Document, Refusal>) -> (Option<Refusal>, Option<(Value, Vec<Cid>)>) {
    match document {
        Ok(it) => (
            it.refused().cloned(),
            Some((it.state().to_json(), it.tips())),
        ),
        Err(refusal) => (Some(refusal.clone()), None),
    }
}

fn chains(case: &Value) -> Vec<Chain> {
    let blocks = common::verified(case);
    let stream: StreamId = case["streamId"].as_str().unwrap().parse().unwrap();
    let tips = case["tips"].as_array().unwrap().iter();
    let walk = |tip: &Value| {
        let mut walk = Walk::new(stream, tip.as_str().unwrap().parse().unwrap());
        loop {
            match walk.advance(&blocks, None).ok()? {
                Step::Done(chain) => return Some(chain),
                Step::Need(cids) => cids.iter().for_each(|cid| walk.absent(cid)),
            }
        }
    };
    tips.filter_map(walk).collect()
}

#[test]
fn every_chain_of_the_vectors_is_judged_alike_whole_in_pieces_and_beside_others() {
    let mut judged = 0;
    for file in [
        "tile.json",
        "cacao.json",
        "anchor.json",
        "conflict.json",
        "doc-chains.json",
    ] {
        let mut worlds: HashMap<u64, (HashMap<Cid, u64>, Vec<Chain>)> = HashMap::new();
        for case in common::cases(file) {
            let now = common::unix(case["now"].as_str().unwrap());
            let (anchors, all) = worlds.entry(now).or_default();
            for (tx, time) in case["anchorTimes"].as_object().into_iter().flatten() {
                anchors.insert(tx.parse().unwrap(), time.as_u64().unwrap());
            }
            all.extend(chains(&case));
        }
        for (now, (anchors, all)) in worlds {
            let world = World::new(now, &anchors);
            let whole: Vec<_> = all
                .iter()
                .map(|chain| Document::verify(chain.clone(), &world))
                .collect();
            let together = Document::verify_all(all.clone(), &world);
            for ((chain, whole), together) in all.iter().zip(&whole).zip(&together) {
                let whole = seen(whole);
                assert_eq!(seen(together), whole);
                for events in [1, 3, 64] {
                    let judged = pieces(Judging::new(chain.clone()), events, &world);
                    assert_eq!(seen(&judged), whole);
                }
                judged += 1;
            }
        }
    }
    assert!(judged > 400, "{judged}");
}

#[test]
fn a_bad_signature_beside_them_spoils_no_other_document() {
    let mut tiles: Vec<(Tile, Cid)> = (0..20)
        .map(|n| {
            let mut tile = Tile::new();
            let tip = (1..=n % 4).fold(*tile.stream.init(), |tip, n| tile.write(tip, n));
            (tile, tip)
        })
        .collect();
    let (tile, tip) = &mut tiles[7];
    *tip = tile.write_as_stranger(*tip, 9);
    let chains = tiles.iter().map(|(tile, tip)| tile.walk(tip, None));
    let judged = Document::verify_all(chains.collect(), &WORLD);
    for (n, ((_, tip), document)) in tiles.iter().zip(&judged).enumerate() {
        let document = document.as_ref().unwrap();
        assert_eq!(document.tip() == tip, n != 7);
        assert_eq!(
            document.refused().map(Refusal::code),
            (n == 7).then_some("wrong-signer")
        );
    }
}

#[test]
fn nothing_is_left_to_judge_once_an_event_is_refused() {
    let mut tile = Tile::new();
    let mut tip = tile.write_as_stranger(*tile.stream.init(), 1);
    for n in 2..100 {
        tip = tile.write(tip, n);
    }
    let mut judging = Judging::new(tile.walk(&tip, None));
    assert_eq!(judging.left(), 100);
    assert!(judge_some([&mut judging], 2, &WORLD));
    assert_eq!(judging.left(), 0);
    assert_eq!(
        judging.finish(&WORLD).unwrap().refused().unwrap().code(),
        "wrong-signer"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_document_grows_alike_whole_and_in_pieces(
        steps in prop::collection::vec((0..8_usize, 0..6_u8), 1..24),
        cut in 0..24_usize,
        events in 1..9_usize,
    ) {
        let mut tile = Tile::new();
        let mut written = vec![*tile.stream.init()];
        for (n, (at, what)) in steps.into_iter().enumerate() {
            let prev = written[written.len().saturating_sub(1 + at)];
            written.push(match what {
                0 => tile.anchor(prev, UNASKED, n as u8),
                1 => tile.anchor(prev, 100 + n as u8, 0),
                2 => tile.anchor(prev, ABSENT, n as u8),
                3 => tile.write_as_stranger(prev, n as u64),
                _ => tile.write(prev, n as u64),
            });
        }
        let mut held = tile.document();
        tile.hear(&mut held, &written[cut % written.len()]);
        let chain = tile.walk(written.last().unwrap(), Some(&held));
        let mut whole = held.clone();
        let heard = whole.hear(chain.clone(), &WORLD);
        let mut judging = Judging::of(held.clone(), chain.clone());
        while !judge_some([&mut judging], events, &WORLD) {}
        let (document, also) = judging.heard(&WORLD).unwrap();
        prop_assert_eq!(also, heard);
        prop_assert_eq!(seen(&Ok(document)), seen(&Ok(whole)));
        let document = Judging::of(held, chain).finish(&WORLD);
        prop_assert!(document.is_ok());
    }
}
