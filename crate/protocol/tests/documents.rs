//! Whole documents, case by case against what js-ceramic made of them.

mod common;

use common::case::{Case, cases, compare};
use ostrakon_protocol::{Cid, StreamType};

/// Cases that need a schema, which is not judged yet.
const SCHEMA: [&str; 10] = [
    "schema/ok",
    "schema/genesis-violates",
    "schema/update-violates",
    "schema/update-ok",
    "schema/extra-property",
    "schema/format-bad",
    "schema/format-ok",
    "schema/set-later-ok",
    "schema/set-later-violates",
    "schema/second-update-violates-after-valid",
];

#[test]
fn tiles_are_what_js_makes_of_them() {
    compare("tile.json", |case| {
        SCHEMA
            .contains(&case.name.as_str())
            .then_some("needs a schema")
    });
}

#[test]
fn what_needs_a_schema_is_refused_for_that_and_never_accepted() {
    let cases = cases("tile.json");
    let cases: Vec<&Case> = cases
        .iter()
        .filter(|case| SCHEMA.contains(&case.name.as_str()))
        .collect();
    assert_eq!(cases.len(), SCHEMA.len());
    for case in cases {
        let codes = case.refusals();
        assert!(
            codes.contains(&"needs-document"),
            "{}: {codes:?}",
            case.name
        );
        assert!(
            codes.iter().all(|code| *code == "needs-document"),
            "{}: {codes:?}",
            case.name
        );
        assert!(
            case.tips.iter().all(|tip| case.load(tip).is_err()),
            "{}",
            case.name
        );
    }
}

#[test]
fn long_histories_of_tiles_are_what_js_makes_of_them() {
    compare("doc-chains.json", |case| {
        (case.stream.stream_type() != StreamType::TILE).then_some("is a model instance")
    });
}

#[test]
fn documents_of_other_types_are_refused_by_name() {
    let cases = cases("doc-chains.json");
    let others = cases.iter().filter(|case| case.name.contains("-mid-"));
    for case in others {
        assert!(
            case.refusals()
                .iter()
                .all(|code| *code == "unsupported-type"),
            "{}",
            case.name
        );
        assert!(case.hear(&case.tips).is_err());
    }
}

#[test]
fn anchors_are_what_js_makes_of_them() {
    compare("anchor.json", |_| None);
}

#[test]
fn tiles_written_under_capabilities_are_what_js_makes_of_them() {
    compare("cacao.json", |_| None);
    // Their capabilities are judged in `cacao.rs`.
    compare("cacao-model.json", |_| Some("is a model instance"));
}

#[test]
fn forked_tiles_are_what_js_makes_of_them() {
    compare("conflict.json", |case| {
        case.winner()
            .is_none()
            .then_some("js names no winner; see the test of invalid events")
    });
}

#[test]
fn the_winner_is_the_one_of_js_in_whatever_order_the_tips_arrive() {
    let cases = cases("conflict.json");
    let named = cases
        .iter()
        .filter(|case| !case.expected["winner"].is_null());
    let mut orders = 0;
    for case in named {
        let winner = case.expected["winner"].as_str().unwrap();
        assert!(
            case.tips.len() <= 4,
            "{} has more tips than are tried in every order",
            case.name
        );
        for tips in permutations(&case.tips) {
            let (document, _) = case.hear(&tips).unwrap();
            assert_eq!(document.tip().to_string(), winner, "{}", case.name);
            orders += 1;
        }
    }
    println!("conflict.json: {orders} orders of arrival");
}

/// A deviation: js compares branches before it verifies them, so here its winner depends on the order of arrival, and in
/// the second case a branch with a bad signature cuts off the valid one. Ours is the branch that is valid to its end.
#[test]
fn an_invalid_event_neither_wins_nor_cuts_off_where_js_lets_the_order_decide() {
    let cases = cases("conflict.json");
    let unnamed: Vec<&Case> = cases
        .iter()
        .filter(|case| case.winner().is_none())
        .collect();
    let names: Vec<&str> = unnamed.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "invalid-anchor-branch-vs-longer-unanchored",
            "longer-branch-with-invalid-signature"
        ]
    );
    for case in unnamed {
        let strict = case.expected["strict"].as_array().unwrap();
        let [valid] = strict
            .iter()
            .filter(|one| one["accept"] == true)
            .collect::<Vec<_>>()[..]
        else {
            panic!("{} has one valid branch", case.name);
        };
        for tips in permutations(&case.tips) {
            let (document, _) = case.hear(&tips).unwrap();
            assert_eq!(document.state().to_json(), valid["state"], "{}", case.name);
        }
    }
}

fn permutations(tips: &[Cid]) -> Vec<Vec<Cid>> {
    let Some((first, rest)) = tips.split_first() else {
        return vec![Vec::new()];
    };
    let insert = |tail: Vec<Cid>| {
        (0..=tail.len()).map(move |at| {
            let mut tips = tail.clone();
            tips.insert(at, *first);
            tips
        })
    };
    permutations(rest).into_iter().flat_map(insert).collect()
}
