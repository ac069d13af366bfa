use proptest::prelude::*;
use serde_json::Value;

use super::super::Content;
use super::*;
use crate::author::NewContent;
use crate::json::{from_json, to_json};

/// A value without what JSON lacks.
fn any_json() -> impl Strategy<Value = Ipld> {
    crate::cbor::tests::any_ipld().prop_map(|value| from_json(&to_json(&value)).unwrap())
}

/// One of a few keys and small values, so that two of them have much in common.
fn any_small() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        (0..3_i128).prop_map(Ipld::Integer),
        "[ab]?".prop_map(Ipld::String),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Ipld::List),
            prop::collection::btree_map("[ab~/01-]{0,2}", inner, 0..5).prop_map(Ipld::Map),
        ]
    })
}

fn patched(old: &Ipld, patch: &Ipld) -> Ipld {
    let mut content = Content::from(old.clone());
    content.patch(patch).unwrap();
    content.value().unwrap().clone()
}

proptest! {
    #[test]
    fn the_difference_makes_the_new_of_the_old(old in any_json(), new in any_json()) {
        prop_assert_eq!(patched(&old, &compare(&old, &new)), new);
    }

    #[test]
    fn the_difference_of_what_is_much_alike_makes_the_new_of_the_old(old in any_small(), new in any_small()) {
        prop_assert_eq!(patched(&old, &compare(&old, &new)), new);
    }

    #[test]
    fn nothing_differs_from_itself(value in crate::cbor::tests::any_ipld()) {
        prop_assert_eq!(compare(&value, &value), Ipld::List(Vec::new()));
    }

    /// Patches at random, one after the other: whatever order is made of them, the difference is right.
    #[test]
    fn the_order_of_keys_decides_nothing_but_the_order_of_operations(
        contents in prop::collection::vec(any_small(), 2..6),
    ) {
        let mut order = Order::of(&contents[0]);
        for pair in contents.windows(2) {
            let difference = Difference::of((&pair[0], &order), (&pair[1], &Order::Plain));
            prop_assert_eq!(&patched(&pair[0], &difference.patch), &pair[1]);
            let mut ordered = sorted(&difference.patch);
            let mut plain = sorted(&compare(&pair[0], &pair[1]));
            ordered.sort();
            plain.sort();
            prop_assert_eq!(ordered, plain);
            order.patch(&difference.patch);
        }
    }
}

fn sorted(patch: &Ipld) -> Vec<String> {
    let Ipld::List(operations) = patch else {
        panic!("not a list");
    };
    operations
        .iter()
        .map(|one| to_json(one).to_string())
        .collect()
}

#[test]
fn differences_are_those_of_fast_json_patch() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/json-compare.json"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let mut operations = 0;
    for case in cases {
        let read = |name: &str| NewContent::parse(case[name].as_str().unwrap()).unwrap();
        let (old, new) = (read("old"), read("new"));
        let difference = Difference::of((old.value(), old.order()), (new.value(), new.order()));
        let expected = from_json(&case["patch"]).unwrap();
        assert_eq!(difference.patch, expected, "{case}");
        assert_eq!(patched(old.value(), &expected), *new.value(), "{case}");
        operations += case["patch"].as_array().unwrap().len();
    }
    println!(
        "json-compare.json: {} pairs, {operations} operations, all alike",
        cases.len()
    );
    assert!(cases.len() > 300);
}

/// A deviation: fast-json-patch replaces the whole once for each old key and then adds every item once more.
#[test]
fn content_of_another_kind_is_replaced_as_a_whole() {
    let json = |text: &str| NewContent::parse(text).unwrap().value().clone();
    for (old, new) in [
        (r#"{"a":1,"b":2}"#, "[1]"),
        ("[1]", "{}"),
        ("{}", r#""text""#),
        ("1", "{}"),
    ] {
        let patch = compare(&json(old), &json(new));
        let expected = format!(r#"[{{"op":"replace","path":"","value":{new}}}]"#);
        assert_eq!(patch, json(&expected), "{old}");
        assert_eq!(patched(&json(old), &patch), json(new));
    }
}

/// A deviation: fast-json-patch takes a link apart into the fields of the library that holds it.
#[test]
fn a_link_that_is_given_as_it_is_shown_stays_a_link() {
    let cid = *crate::Block::dag_cbor(&b"\xa0"[..]).unwrap().cid();
    let map = |link| {
        Ipld::Map(Map::from([
            ("a".to_owned(), link),
            ("b".to_owned(), Ipld::Bytes(vec![7])),
        ]))
    };
    let old = map(Ipld::Link(cid));
    let shown = from_json(&to_json(&old)).unwrap();
    assert_eq!(compare(&old, &shown), Ipld::List(Vec::new()));
    let other = map(Ipld::Bool(true));
    assert_eq!(patched(&old, &compare(&old, &other)), other);
}
