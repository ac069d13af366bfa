//! Chains that answer late: whatever was heard before and whenever they answer, the document becomes what it would have been.

mod common;

use common::session::Account;
use common::world::{ABSENT, Tile, Told, UNASKED};
use ostrakon_protocol::anchor::{Proof, TimePolicy};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::{AnchorAnswer, Anchors, Cid, Document, TimeStatus, Unasked, World};
use proptest::prelude::*;
use serde_json::json;

/// The last second at which the session counts.
const END: u64 = 100;
const NOW: u64 = 1_000;

/// Answers about some transactions only: by the second byte of their hash.
struct Partly(Vec<bool>);

impl Anchors for Partly {
    fn answer(&self, proof: &Proof) -> AnchorAnswer {
        let salt = usize::from(proof.tx_hash.hash().digest()[1]);
        match self.0.get(salt) {
            Some(true) => Told.answer(proof),
            _ => AnchorAnswer::Unasked,
        }
    }
}

fn told() -> World<'static> {
    World::new(NOW, &Told)
}

#[derive(Clone, Debug)]
enum Act {
    /// Under a capability without end, or with one.
    Write(bool),
    Anchor(u8),
}

fn act() -> impl Strategy<Value = (prop::sample::Index, Act)> {
    let says = prop::sample::select(vec![UNASKED, ABSENT, 50, 60, END as u8, END as u8 + 1, 200]);
    let act = prop_oneof![
        3 => any::<bool>().prop_map(Act::Write),
        4 => says.prop_map(Act::Anchor),
    ];
    (any::<prop::sample::Index>(), act)
}

/// Builds a tree: each event stands on one of the last before it. Gives all events, init first.
fn grow(account: &mut Account, acts: &[(prop::sample::Index, Act)]) -> Vec<Cid> {
    let ending = account.capability(Some(END));
    let endless = account.capability(None);
    let mut events = vec![*account.stream.init()];
    for (number, (index, act)) in (0..).zip(acts) {
        let near = &events[events.len().saturating_sub(4)..];
        let prev = *index.get(near);
        events.push(match act {
            Act::Write(ends) => {
                account.write(prev, number, Some(if *ends { ending } else { endless }))
            }
            Act::Anchor(says) => account.anchor(prev, *says, number as u8),
        });
    }
    events
}

fn hear(account: &Account, tips: &[Cid], world: &World) -> Document {
    hear_all(&account.stream, tips, &account.blocks, world)
        .unwrap()
        .0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn answers_that_come_later_make_the_document_that_they_would_have_made_at_first(
        acts in prop::collection::vec(act(), 1..20),
        steps in prop::collection::vec(prop::collection::vec(any::<bool>(), 20), 0..4),
    ) {
        let mut account = Account::new(None);
        let events = grow(&mut account, &acts);
        // Twice, as peers announce: what builds on a session that ended is only kept once its anchor is known.
        let events = [&events[..], &events].concat();
        let at_first = hear(&account, &events, &told());

        let mut later = hear(&account, &events, &World::new(NOW, &Unasked));
        let mut known = vec![false; 20];
        for step in steps {
            known.iter_mut().zip(step).for_each(|(known, now)| *known |= now);
            let answers = Partly(known.clone());
            let world = World::new(NOW, &answers);
            later.recheck(&world);
            let mut by_then = hear(&account, &events, &world);
            by_then.recheck(&world);
            prop_assert_eq!(later.state(), by_then.state());
            prop_assert_eq!(later.tips(), by_then.tips(), "by then");
        }
        later.recheck(&told());
        prop_assert_eq!(later.state(), at_first.state());
        prop_assert_eq!(later.tips(), at_first.tips(), "at first");
        prop_assert_eq!(later.block_cids(), at_first.block_cids(), "blocks");
        prop_assert!(!later.recheck(&told()).changed);

        // Nor does it matter that it was on disk between.
        let kept = hear(&account, &events, &World::new(NOW, &Unasked));
        let mut again = hear(&account, &kept.tips(), &World::new(NOW, &Unasked));
        prop_assert_eq!(again.tips(), kept.tips(), "kept");
        again.recheck(&told());
        prop_assert_eq!(again.state(), at_first.state());
    }
}

#[test]
fn what_is_to_be_asked_is_each_transaction_once() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let first = tile.anchor(init, UNASKED, 1);
    let again = tile.anchor(first, UNASKED, 1);
    let proven = tile.anchor(again, 50, 2);
    let mut document = tile.document();
    tile.hear(&mut document, &proven);
    let claims = document.claims();
    assert_eq!(claims.len(), 1, "{claims:?}");
    document.recheck(&told());
    assert_eq!(document.claims(), claims);
}

#[test]
fn an_event_whose_session_ended_waits_asleep_for_the_answer_about_its_anchor() {
    let mut account = Account::new(None);
    let init = *account.stream.init();
    let ending = account.capability(Some(END));
    let event = account.write(init, 1, Some(ending));
    let anchor = account.anchor(event, END as u8, 0);
    let mut document = hear(&account, &[anchor], &World::new(NOW, &Unasked));
    assert_eq!(document.tip(), &init);
    assert_eq!(document.tips(), [init, anchor]);
    assert_eq!(document.refused().unwrap().code(), "needs-transaction");

    // It can be built on, and is as asleep.
    let endless = account.capability(None);
    let second = account.write(anchor, 2, Some(endless));
    account.hear(&mut document, &second, &World::new(NOW, &Unasked));
    assert_eq!(document.tips(), [init, second]);

    let heard = document.recheck(&told());
    assert_eq!((heard.changed, heard.refused), (true, None));
    assert_eq!(document.tips(), [second]);
    assert_eq!(
        document.state().to_json()["next"]["content"],
        json!({ "n": 2 })
    );
    assert!(document.claims().is_empty());
}

#[test]
fn an_anchor_that_no_chain_has_goes_with_what_builds_on_it_and_says_why() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let anchor = tile.anchor(init, ABSENT, 0);
    let written = tile.write(anchor, 1);
    let unasked = World::new(NOW, &Unasked);
    let mut document = Document::verify(tile.walk(&written, None), &unasked).unwrap();
    assert_eq!(document.tip(), &written);
    let heard = document.recheck(&told());
    assert_eq!(heard.refused.unwrap().code(), "anchor-no-transaction");
    assert_eq!(document.tips(), [init]);
    assert_eq!(document.state().to_json()["content"], json!({ "n": 0 }));
}

#[test]
fn strangers_cannot_fill_a_document_with_branches_that_sleep() {
    let mut account = Account::new(None);
    let init = *account.stream.init();
    let ending = account.capability(Some(END));
    let endless = account.capability(None);
    let event = account.write(init, 1, Some(ending));
    let good = account.write(init, 2, Some(endless));
    let claims: Vec<Cid> = (0..200)
        .map(|salt| account.anchor(event, UNASKED, salt))
        .collect();
    let tips = [&claims[..], &[good]].concat();
    let document = hear(&account, &tips, &World::new(NOW, &Unasked));
    assert_eq!(document.tip(), &good);
    assert_eq!(
        document.tips().len(),
        ostrakon_protocol::document::MAX_BRANCHES
    );
}

/// What the user asks for who cannot ask any chain: then a claim counts, but is shown as one.
#[test]
fn a_claimed_anchor_orders_branches_only_where_that_was_asked_for() {
    struct Trusting;
    impl Anchors for Trusting {
        fn answer(&self, proof: &Proof) -> AnchorAnswer {
            Told.answer(proof)
        }
        fn policy(&self) -> TimePolicy {
            TimePolicy::Claimed
        }
    }
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let written = tile.write(init, 1);
    let longer = tile.write(written, 2);
    let claimed = tile.anchor(init, UNASKED, 0);
    let tips = [longer, claimed];
    let hear = |anchors| {
        let world = World::new(NOW, anchors);
        hear_all(&tile.stream, &tips, &tile.blocks, &world)
            .unwrap()
            .0
    };
    assert_eq!(hear(&Told).tip(), &longer);
    let trusting = hear(&Trusting);
    assert_eq!(trusting.tip(), &claimed);
    let time = &trusting.log().last().unwrap().time;
    assert!(matches!(time, TimeStatus::Claimed { .. }));

    // A proven anchor is before every claimed one.
    let proven = tile.anchor(init, 200, 1);
    let tips = [claimed, proven];
    let world = World::new(NOW, &Trusting);
    let (document, _) = hear_all(&tile.stream, &tips, &tile.blocks, &world).unwrap();
    assert_eq!(document.tip(), &proven);
}
