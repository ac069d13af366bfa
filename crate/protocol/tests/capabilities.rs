//! Documents written under capabilities: when one ends, what was anchored stays, and one bad event takes nothing away.

mod common;

use common::session::Account;
use common::world::{ABSENT, Told, UNASKED};
use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::{
    Block, Cid, CommitId, Document, MAX_BLOCK_BYTES, Need, Reason, Refusal, Step, Walk, World,
};
use proptest::prelude::*;
use serde_json::json;

/// The last second at which the session of most of these tests counts.
const END: u64 = 100;

fn at(now: u64) -> World<'static> {
    World::new(now, &Told)
}

fn code(refused: Option<&Refusal>) -> Option<&'static str> {
    refused.map(Refusal::code)
}

#[test]
fn the_last_valid_tip_is_kept_when_a_capability_ended_before_a_later_event_was_anchored() {
    let mut account = Account::new(None);
    let ending = account.capability(Some(END));
    let first = account.write(*account.stream.init(), 1, Some(ending));
    let anchor = account.anchor(first, 50, 0);
    let second = account.write(anchor, 2, Some(ending));

    let mut document = Document::verify(account.walk(&second, None), &at(END)).unwrap();
    assert_eq!((document.tip(), document.refused()), (&second, None));

    // Later, whether it is kept in memory or loaded anew, the event that nobody anchored is gone and the others are not.
    let heard = account.hear(&mut document, &second, &at(END + 1));
    assert!(heard.changed);
    assert_eq!(code(heard.refused.as_ref()), Some("cacao-expired"));
    let anew = Document::verify(account.walk(&second, None), &at(END + 1)).unwrap();
    for document in [&document, &anew] {
        assert_eq!(document.tips(), [anchor]);
        assert_eq!(document.refused().unwrap().event, Some(second));
        assert_eq!(document.state().to_json()["content"], json!({ "n": 1 }));
    }

    // Every event of a version asked for must be valid.
    let load = |tip| {
        load_commit(
            &CommitId::new(account.stream, tip),
            &account.blocks,
            &at(END + 1),
        )
    };
    assert_eq!(code(load(second).err().as_ref()), Some("cacao-expired"));
    assert_eq!(load(anchor).unwrap().tip(), &anchor);
}

#[test]
fn what_was_anchored_in_time_is_valid_for_ever_in_whatever_order_it_is_heard() {
    let mut account = Account::new(Some(END));
    let init = *account.stream.init();
    let anchor = account.anchor(init, END as u8, 0);
    for tips in [&[init, anchor][..], &[anchor, init], &[anchor]] {
        let (document, _) =
            hear_all(&account.stream, tips, &account.blocks, &at(1_000_000)).unwrap();
        assert_eq!(document.tip(), &anchor);
    }
    // Without its anchor nothing says that it was in time.
    let alone = hear_all(&account.stream, &[init], &account.blocks, &at(END + 1));
    assert_eq!(code(alone.err().as_ref()), Some("cacao-expired"));
}

#[test]
fn an_anchor_that_came_too_late_or_that_no_chain_has_helps_nobody() {
    for says in [END as u8 + 1, ABSENT] {
        let mut account = Account::new(Some(END));
        let anchor = account.anchor(*account.stream.init(), says, 0);
        let late = hear_all(&account.stream, &[anchor], &account.blocks, &at(1_000));
        assert_eq!(code(late.err().as_ref()), Some("cacao-expired"));
    }
}

#[test]
fn an_anchor_that_nobody_asked_about_may_decide_so_it_must_be_asked_about() {
    let mut account = Account::new(None);
    let ending = account.capability(Some(END));
    let event = account.write(*account.stream.init(), 1, Some(ending));
    let claimed = account.anchor(event, UNASKED, 0);
    let mut document = Document::verify(account.walk(&claimed, None), &at(END)).unwrap();
    assert_eq!(document.tip(), &claimed);

    let heard = account.hear(&mut document, &claimed, &at(END + 1));
    let refusal = heard.refused.unwrap();
    assert_eq!(
        (refusal.code(), refusal.event),
        ("needs-transaction", Some(event))
    );
    let Reason::Need(Need::Transaction { chain_id, .. }) = *refusal.reason else {
        panic!("needs no transaction");
    };
    assert_eq!(chain_id, "inmemory:12345");
    assert_eq!(document.tip(), account.stream.init());
}

#[test]
fn a_late_anchor_takes_away_what_came_with_it_but_not_what_was_heard_before() {
    let mut account = Account::new(None);
    let ending = account.capability(Some(END));
    let first = account.write(*account.stream.init(), 1, Some(ending));
    let second = account.write(first, 2, Some(ending));
    let late = account.anchor(second, END as u8 + 1, 0);

    let mut document = Document::verify(account.walk(&first, None), &at(END)).unwrap();
    let heard = account.hear(&mut document, &late, &at(END));
    assert_eq!(code(heard.refused.as_ref()), Some("cacao-expired"));
    assert_eq!(document.tips(), [first]);
    let chain = account.walk(&late, None);
    assert_eq!(
        Document::verify(chain, &at(END)).unwrap().tip(),
        account.stream.init()
    );
}

#[test]
fn a_capability_that_nobody_has_costs_its_own_event_and_nothing_before_it() {
    let mut account = Account::new(None);
    let lost = account.capability_for(&["ceramic://*", "ceramic://lost"], None);
    let first = account.write(*account.stream.init(), 1, Some(lost));
    account.blocks.remove(&lost);
    let document = Document::verify(account.walk(&first, None), &at(50)).unwrap();
    assert_eq!(document.tip(), account.stream.init());
    assert_eq!(code(document.refused()), Some("needs-capability"));

    // A block that is no capability is as good as none.
    for (bytes, expected) in [
        (&b"\xa0"[..], "cacao-malformed"),
        (b"\xff", "cacao-malformed"),
    ] {
        let junk = account.add(Block::dag_cbor(bytes).unwrap());
        let event = account.write(*account.stream.init(), 1, Some(junk));
        let document = Document::verify(account.walk(&event, None), &at(50)).unwrap();
        assert_eq!(code(document.refused()), Some(expected));
    }
}

#[test]
fn a_capability_of_a_megabyte_is_no_block_and_so_is_missing() {
    let large = vec![b'x'; 1_000_000];
    let named = Cid::new_v1(
        0x71,
        multihash::Multihash::wrap(0x12, &sha2_of(&large)).unwrap(),
    );
    let refused = Block::verify(named, large).unwrap_err();
    assert_eq!(refused.code(), "block-too-large");

    let mut account = Account::new(None);
    let event = account.write(*account.stream.init(), 1, Some(named));
    let document = Document::verify(account.walk(&event, None), &at(50)).unwrap();
    assert_eq!(code(document.refused()), Some("needs-capability"));
}

fn sha2_of(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

#[test]
fn the_largest_capability_that_is_a_block_is_judged() {
    let mut account = Account::new(None);
    let resource = format!("ceramic://{}", "x".repeat(1_000));
    let mut resources = vec!["ceramic://*"];
    resources.resize(MAX_BLOCK_BYTES / 1_020, &resource);
    let large = account.capability_for(&resources, None);
    let event = account.write(*account.stream.init(), 1, Some(large));
    let document = Document::verify(account.walk(&event, None), &at(50)).unwrap();
    assert_eq!((document.tip(), document.refused()), (&event, None));
}

#[test]
fn a_walk_asks_for_a_capability_once_however_many_events_stand_on_it() {
    let mut account = Account::new(None);
    let session = account.capability_for(&["ceramic://*", "ceramic://one"], None);
    let mut tip = *account.stream.init();
    for number in 1..20 {
        tip = account.write(tip, number, Some(session));
    }
    let mut known = account.blocks.clone();
    let block = known.remove(&session).unwrap();
    let mut walk = Walk::new(account.stream, tip);
    let Step::Need(need) = walk.advance(&known, None).unwrap() else {
        panic!("needs no capability");
    };
    assert_eq!(need, [session]);
    known.insert(session, block);
    let Step::Done(chain) = walk.advance(&known, None).unwrap() else {
        panic!("needs more than the capability");
    };
    let document = Document::verify(chain, &at(50)).unwrap();
    assert_eq!(document.tip(), &tip);
    assert!(document.block_cids().contains(&session));

    // And not at all once the document was written to under it.
    let next = account.write(tip, 20, Some(session));
    account.blocks.remove(&session);
    assert_eq!(account.walk(&next, Some(&document)).cids().len(), 1);
}

#[test]
fn a_capability_serves_only_its_documents_its_session_and_its_account() {
    let mut account = Account::new(None);
    let init = *account.stream.init();
    let stream = account.stream.to_string();
    let refused = |account: &mut Account, capability| {
        let event = account.write(init, 1, capability);
        let document = Document::verify(account.walk(&event, None), &at(50)).unwrap();
        code(document.refused())
    };
    for (resource, expected) in [
        (format!("ceramic://{stream}"), None),
        (format!("ceramic://{stream}x"), Some("cacao-resources")),
        (format!("ceramic://{stream}/"), Some("cacao-resources")),
        (format!("ceramic://{stream}?"), Some("cacao-resources")),
        ("ceramic://".to_owned(), Some("cacao-resources")),
        ("ceramic://*?model=*".to_owned(), Some("cacao-resources")),
        ("CERAMIC://*".to_owned(), Some("cacao-resources")),
    ] {
        let capability = account.capability_for(&[&resource], None);
        assert_eq!(
            refused(&mut account, Some(capability)),
            expected,
            "{resource}"
        );
    }
    assert_eq!(refused(&mut account, None), Some("wrong-signer"));

    // Of another account, for the same session key.
    let mut other = Account::of(9);
    let foreign = other.capability(None);
    account.blocks.append(&mut other.blocks);
    assert_eq!(
        refused(&mut account, Some(foreign)),
        Some("cacao-wrong-issuer")
    );

    // By another session key.
    let capability = account.capability(None);
    account.change_session(3);
    assert_eq!(
        refused(&mut account, Some(capability)),
        Some("cacao-wrong-audience")
    );
}

#[test]
fn a_session_key_that_controls_the_document_itself_needs_no_capability_to_be_valid() {
    let mut account = Account::new(None);
    let init = *account.stream.init();
    let ended = account.capability(Some(1));
    let elsewhere = account.capability_for(&["ceramic://elsewhere"], None);
    let header = json!({ "controllers": [account.session()] });
    let session = account.capability(None);
    let given = account.change(init, &json!([]), &header, Some(session));
    let own = account.write(given, 1, Some(ended));
    let document = Document::verify(account.walk(&own, None), &at(1_000)).unwrap();
    assert_eq!((document.tip(), document.refused()), (&own, None));
    let [_, given_entry, own_entry] = document.log() else {
        panic!("the log has three entries");
    };
    assert!(given_entry.delegated && given_entry.verified().contains(&"capability"));
    assert!(!own_entry.delegated && !own_entry.verified().contains(&"capability"));

    // Only where it says it serves is looked at.
    let misplaced = account.write(own, 2, Some(elsewhere));
    let document = Document::verify(account.walk(&misplaced, None), &at(1_000)).unwrap();
    assert_eq!(code(document.refused()), Some("cacao-resources"));
}

/// How an event of a random tree comes about.
#[derive(Clone, Debug)]
enum Act {
    /// Under a capability: one that ended, one that has not.
    Write { ended: bool },
    /// With what the chain will say of it.
    Anchor(u8),
}

fn act() -> impl Strategy<Value = (prop::sample::Index, Act)> {
    let act = prop_oneof![
        3 => any::<bool>().prop_map(|ended| Act::Write { ended }),
        // Not asked, absent, in time, too late.
        2 => prop::sample::select(vec![0, 1, 50, 90, 150, 200]).prop_map(Act::Anchor),
    ];
    (any::<prop::sample::Index>(), act)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_order_of_arrival_never_changes_the_winner_whatever_has_expired(
        acts in prop::collection::vec(act(), 1..20),
        order in Just((0..20usize).collect::<Vec<_>>()).prop_shuffle(),
        announced in prop::collection::vec(any::<bool>(), 20),
        init_ends in any::<bool>(),
    ) {
        let mut account = Account::new(init_ends.then_some(END));
        let (ended, running) = (account.capability(Some(END)), account.capability(None));
        let mut events = vec![*account.stream.init()];
        for (number, (index, act)) in (0..).zip(&acts) {
            let prev = *index.get(&events);
            events.push(match act {
                Act::Write { ended: true } => account.write(prev, number, Some(ended)),
                Act::Write { ended: false } => account.write(prev, number, Some(running)),
                Act::Anchor(says) => account.anchor(prev, *says, number as u8),
            });
        }
        // Some are only known by what builds on them.
        let tip = |at: usize| events.get(at).filter(|_| announced[at]).copied();
        let tips: Vec<Cid> = (0..20).filter_map(tip).collect();
        let shuffled: Vec<Cid> = order.iter().copied().filter_map(tip).collect();
        let hear = |tips: &[Cid]| {
            hear_all(&account.stream, tips, &account.blocks, &at(1_000)).map(|(document, _)| document)
        };
        match (hear(&tips), hear(&shuffled)) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(one.state().to_json(), other.state().to_json());
                // What is kept is enough to have the same again.
                let again = hear(&one.tips()).unwrap();
                prop_assert_eq!(one.state().to_json(), again.state().to_json());
                prop_assert_eq!(one.tips(), again.tips());
            }
            (one, other) => prop_assert!(one.is_err() && other.is_err()),
        }
    }
}
