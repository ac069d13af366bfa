//! Whole documents, case by case against what js-ceramic made of them.

mod common;

use common::case::{Case, cases, compare};
use ostrakon_protocol::Cid;

#[test]
fn tiles_are_what_js_makes_of_them() {
    compare("tile.json", |_| None);
}

#[test]
fn content_that_breaks_its_schema_is_refused_for_that() {
    let cases = cases("tile.json");
    let code = |name: &str| {
        cases
            .iter()
            .find(|case| case.name == name)
            .unwrap()
            .refusals()
    };
    for name in [
        "schema/genesis-violates",
        "schema/update-violates",
        "schema/format-bad",
    ] {
        assert!(code(name).contains(&"schema-mismatch"), "{name}");
    }
    for name in ["schema/streamid-instead-of-commitid", "schema/garbage"] {
        assert!(code(name).contains(&"schema-not-a-commit"), "{name}");
    }
}

#[test]
fn long_histories_are_what_js_makes_of_them() {
    compare("doc-chains.json", |_| None);
}

#[test]
fn models_are_what_js_makes_of_them() {
    compare("model.json", |_| None);
}

#[test]
fn model_instances_are_what_js_makes_of_them() {
    compare("model-instance.json", |_| None);
}

#[test]
fn anchors_are_what_js_makes_of_them() {
    compare("anchor.json", |_| None);
}

#[test]
fn what_was_written_under_capabilities_is_what_js_makes_of_it() {
    compare("cacao.json", |_| None);
    compare("cacao-model.json", |_| None);
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
