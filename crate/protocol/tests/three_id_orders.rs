//! A tile of a 3ID whose key changed, with branches: whatever is heard in whatever order, and whenever the change is known,
//! the outcome is the same.

mod common;

use std::sync::Arc;

use common::three_id::{Key, Place, Tile};
use ostrakon_protocol::anchor::{AnchorAnswer, Anchors, Proof};
use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::{Cid, CommitId, Document, Library, World};
use proptest::prelude::*;
use serde_json::json;

/// A step of the clock is 10,000 seconds, so a day is less than nine.
struct Clock;

const UNASKED: u8 = 0;
const ABSENT: u8 = 1;
const BEGUN: u8 = 20;
const ROTATED: u8 = 100;

impl Anchors for Clock {
    fn answer(&self, proof: &Proof) -> AnchorAnswer {
        match proof.tx_hash.hash().digest()[0] {
            UNASKED => AnchorAnswer::Unasked,
            ABSENT => AnchorAnswer::Absent,
            step => AnchorAnswer::Mined {
                time: u64::from(step) * 10_000,
            },
        }
    }
}

const WORLD: World = World::new(10_000_000, &Clock);

/// How an event of a random tree comes about.
#[derive(Clone, Debug)]
enum Act {
    /// By the old key, by the new one, by the new one without naming the version, by a key of no version.
    Write(u8),
    /// With what the chain will say of it.
    Anchor(u8),
}

fn act() -> impl Strategy<Value = (prop::sample::Index, Act)> {
    // Before either version, before the second, at the change, within a day of it, later.
    let says = vec![UNASKED, ABSENT, 10, 30, 50, 100, 108, 109, 150];
    let act = prop_oneof![
        4 => (0..4_u8).prop_map(Act::Write),
        3 => prop::sample::select(says).prop_map(Act::Anchor),
    ];
    (any::<prop::sample::Index>(), act)
}

struct Scene {
    place: Place,
    /// Before the key changed, and after.
    before: Tile,
    after: Tile,
    stream: ostrakon_protocol::StreamId,
    events: Vec<Cid>,
}

fn scene(acts: &[(prop::sample::Index, Act)]) -> Scene {
    let mut place = Place::default();
    let [manager, old, new, stranger] = [1, 2, 3, 4].map(Key::new);
    let mut three_id = place.three_id(&manager);
    place.keys(&mut three_id, &manager, &[&old]);
    let first = place.anchor(&mut three_id, BEGUN);
    let before = three_id;
    place.keys(&mut three_id, &manager, &[&new]);
    let second = place.anchor(&mut three_id, ROTATED);
    let mut tile = place.tile(&three_id.did(), "notes");
    let mut events = vec![tile.tip];
    for (number, (index, act)) in (0..).zip(acts) {
        // On one of the last, so that there are long branches as well.
        let near = &events[events.len().saturating_sub(5)..];
        tile.tip = *index.get(near);
        events.push(match act {
            Act::Write(0) => place.write(&mut tile, number, &old, &three_id.at(&first)),
            Act::Write(1) => place.write(&mut tile, number, &new, &three_id.at(&second)),
            Act::Write(2) => place.write(&mut tile, number, &new, &format!("{}#k", three_id.did())),
            Act::Write(_) => place.write(&mut tile, number, &stranger, &three_id.at(&second)),
            Act::Anchor(says) => place.anchor(&mut tile, *says),
        });
    }
    Scene {
        place,
        before,
        after: three_id,
        stream: tile.stream,
        events,
    }
}

impl Scene {
    fn hear(&self, tips: &[Cid], world: &World) -> Document {
        let heard = hear_all(&self.stream, tips, &self.place.blocks, world);
        heard.unwrap().0
    }

    /// A library that knows the 3ID up to one of its events.
    fn library(&self, three_id: &Tile) -> Library {
        let mut library = Library::new();
        let chain = self.place.walk(&three_id.stream, &three_id.tip, None);
        let document = Document::verify_whole(chain, &WORLD).unwrap();
        library.admit(Arc::new(document), true);
        library
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_order_of_arrival_never_changes_the_winner_whoever_signed(
        acts in prop::collection::vec(act(), 1..16),
        order in Just((0..16_usize).collect::<Vec<_>>()).prop_shuffle(),
        announced in prop::collection::vec(any::<bool>(), 16),
    ) {
        let scene = scene(&acts);
        // Some are only known by what builds on them.
        let tip = |at: usize| scene.events.get(at).filter(|_| announced[at]).copied();
        let tips: Vec<Cid> = (0..16).filter_map(tip).collect();
        let shuffled: Vec<Cid> = order.iter().copied().filter_map(tip).collect();
        let one = scene.hear(&tips, &WORLD);
        let other = scene.hear(&shuffled, &WORLD);
        prop_assert_eq!(one.state().to_json(), other.state().to_json());
        let again = scene.hear(&one.tips(), &WORLD);
        prop_assert_eq!(one.state().to_json(), again.state().to_json());
    }

    #[test]
    fn a_change_of_keys_that_is_known_late_makes_the_document_that_it_would_have_made_at_first(
        acts in prop::collection::vec(act(), 1..16),
    ) {
        let scene = scene(&acts);
        let at_first = scene.hear(&scene.events, &WORLD);
        let (early, late) = (scene.library(&scene.before), scene.library(&scene.after));
        let world = |library| World { library, ..WORLD };
        // Only what one of the known versions may have signed is held.
        let mut document = Document::verify(
            scene.place.walk(&scene.stream, scene.stream.init(), None),
            &world(&early),
        ).unwrap();
        for tip in &scene.events {
            document.hear(scene.place.walk(&scene.stream, tip, Some(&document)), &world(&early));
        }
        let known = scene.events.iter().filter(|event| document.contains(event));
        let known = scene.hear(&known.copied().collect::<Vec<_>>(), &WORLD);
        document.recheck(&world(&late));
        // What one branch's anchor makes good is not lost because that branch comes later.
        for event in &scene.events {
            prop_assert_eq!(document.contains(event), known.contains(event));
        }
        for tip in &scene.events {
            document.hear(scene.place.walk(&scene.stream, tip, Some(&document)), &world(&late));
        }
        prop_assert_eq!(document.state().to_json(), at_first.state().to_json());
        prop_assert!(!document.recheck(&world(&late)).changed);
    }

    #[test]
    fn every_prefix_of_a_log_is_valid_by_itself_if_it_says_when_it_was_written(
        acts in prop::collection::vec(act(), 1..16),
    ) {
        let scene = scene(&acts);
        let document = scene.hear(&scene.events, &WORLD);
        for (index, entry) in document.log().iter().enumerate() {
            let state = document.at_commit(&entry.cid).unwrap();
            prop_assert_eq!(state.log(), &document.log()[..=index]);
            let commit = CommitId::new(scene.stream, entry.cid);
            match load_commit(&commit, &scene.place.blocks, &WORLD) {
                Ok(prefix) => {
                    prop_assert_eq!(prefix.log().len(), index + 1);
                    prop_assert_eq!(prefix.state().content(), state.content());
                }
                // The anchor that shows that it was in time comes later.
                Err(refusal) => {
                    prop_assert!(["three-id-revoked", "needs-transaction"].contains(&refusal.code()));
                    prop_assert!(document.log()[index..].iter().any(|later| later.time.unix().is_some()));
                }
            }
        }
    }
}

#[test]
fn the_trees_have_events_of_every_kind_on_their_winning_branch() {
    // Else the properties above would say little.
    let nth = |act| (any_index(), act);
    let scene = scene(&[
        nth(Act::Write(0)),
        nth(Act::Anchor(50)),
        nth(Act::Write(0)),
        nth(Act::Anchor(108)),
        nth(Act::Write(1)),
        nth(Act::Write(2)),
        nth(Act::Anchor(150)),
    ]);
    let document = scene.hear(&scene.events, &WORLD);
    assert_eq!(document.log().len(), 8);
    assert_eq!(document.state().to_json()["content"], json!({ "n": 5 }));
}

/// Always the last.
fn any_index() -> prop::sample::Index {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    loop {
        let index = any::<prop::sample::Index>()
            .new_tree(&mut runner)
            .unwrap()
            .current();
        if (1..=5).all(|len| index.index(len) == len - 1) {
            return index;
        }
    }
}
