use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::Map;
use crate::json::{from_json, to_json};

fn content(json: Value) -> Content {
    Content::from(from_json(&json).unwrap())
}

fn patched(json: Value, patch: Value) -> Result<Value, PatchError> {
    let mut content = content(json);
    content.patch(&from_json(&patch).unwrap())?;
    Ok(to_json(content.value().unwrap()))
}

#[test]
fn every_case_seen_in_fast_json_patch_comes_out_the_same() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/patch-dialect.json")).unwrap();
    let mut disagreements = Vec::new();
    for case in &cases {
        let mut content = content(case["doc"].clone());
        let before = content.clone();
        let outcome = content.patch(&from_json(&case["patch"]).unwrap());
        let agrees = match (&outcome, case.get("result")) {
            (Ok(()), Some(result)) => {
                content.value() == Some(&from_json(result).unwrap())
                    && content.bytes() == Content::from(content.value().unwrap().clone()).bytes()
            }
            (Ok(()), None) => case.get("undefined").is_some() && content.value().is_none(),
            (Err(_), _) => case.get("error").is_some() && content == before,
        };
        if !agrees {
            let got = content.value().map(to_json);
            disagreements.push(format!("{case}\n  gave {outcome:?} {got:?}"));
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert!(cases.len() > 400);
}

#[test]
fn a_patch_that_copies_to_gigabytes_is_refused() {
    let double = |key| json!({"op": "copy", "from": "", "path": format!("/{key}")});
    let mut bomb = content(json!({"text": "x".repeat(1000)}));
    let before = bomb.clone();
    let patch = from_json(&(0..40).map(double).collect()).unwrap();
    let refused = bomb.patch(&patch).unwrap_err();
    assert!(matches!(
        refused,
        PatchError::TooLarge | PatchError::TooMuchWork
    ));
    assert_eq!(bomb, before);
}

#[test]
fn copying_and_removing_again_and_again_is_refused_by_its_work() {
    let pair = [
        json!({"op": "copy", "from": "/a", "path": "/b"}),
        json!({"op": "remove", "path": "/b"}),
    ];
    let patch: Value = pair.iter().cycle().take(3000).cloned().collect();
    let outcome = patched(json!({"a": "x".repeat(200_000)}), patch);
    assert_eq!(outcome, Err(PatchError::TooMuchWork));
}

#[test]
fn shifting_a_long_list_again_and_again_is_refused_by_its_work() {
    let patch = vec![json!({"op": "add", "path": "/0", "value": 0}); 100];
    let outcome = patched(Value::from(vec![0; 100_000]), Value::from(patch));
    assert_eq!(outcome, Err(PatchError::TooMuchWork));
}

#[test]
fn a_list_with_a_hole_of_billions_is_refused() {
    let patch = json!([{"op": "replace", "path": "/2147483647", "value": 0}]);
    assert_eq!(patched(json!([1]), patch), Err(PatchError::TooLarge));
}

#[test]
fn nesting_beyond_the_bound_is_refused() {
    let mut deep = json!(0);
    for _ in 0..MAX_CONTENT_DEPTH - 2 {
        deep = json!([deep]);
    }
    let patch = |path: &str| json!([{"op": "add", "path": path, "value": deep}]);
    assert!(patched(json!({}), patch("/a")).is_ok());
    let outcome = patched(json!({"a": {"b": {}}}), patch("/a/b/c"));
    assert_eq!(outcome, Err(PatchError::TooDeep));
}

#[test]
fn the_length_of_a_list_cannot_be_set() {
    let patch = json!([{"op": "add", "path": "/length", "value": 0}]);
    let outcome = patched(json!([1]), patch);
    assert_eq!(
        outcome.map_err(|error| error.code()),
        Err("patch-forbidden-path")
    );
}

#[test]
fn a_test_compares_whole_numbers_and_floats_as_javascript_does() {
    let mut content = Content::from(Ipld::List(vec![Ipld::Float(2.0)]));
    let patch = json!([{"op": "test", "path": "/0", "value": 2}]);
    assert_eq!(content.patch(&from_json(&patch).unwrap()), Ok(()));
}

fn value() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        (-3..9i128).prop_map(Ipld::Integer),
        "[a-c]{0,3}".prop_map(Ipld::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Ipld::List),
            prop::collection::btree_map("[a-c0-2]", inner, 0..4).prop_map(Ipld::Map),
        ]
    })
}

fn operation() -> impl Strategy<Value = Ipld> {
    let name = prop::sample::select(vec![
        "add", "replace", "remove", "move", "copy", "test", "_get", "odd",
    ]);
    let path = || "(/([a-c0-2]|-|10|x|)){0,3}";
    (name, path(), path(), prop::option::of(value())).prop_map(|(op, path, from, value)| {
        let text = |text: &str| Ipld::String(text.to_owned());
        let mut map = Map::from([
            ("op".to_owned(), text(op)),
            ("path".to_owned(), text(&path)),
            ("from".to_owned(), text(&from)),
        ]);
        map.extend(value.map(|value| ("value".to_owned(), value)));
        Ipld::Map(map)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_patch_that_fails_leaves_the_content_as_it_was(
        before in value(),
        patch in prop::collection::vec(operation(), 1..8),
    ) {
        let mut content = Content::from(before);
        let before = content.clone();
        match content.patch(&Ipld::List(patch)) {
            Err(_) => prop_assert_eq!(content, before),
            Ok(()) => {
                let again = content.value().cloned().map_or(0, |value| Content::from(value).bytes());
                prop_assert_eq!(content.bytes(), again);
            }
        }
    }
}

#[test]
fn content_cannot_grow_beyond_its_bound_patch_by_patch() {
    let mut content = content(json!({ "0": "x".repeat(1 << 20) }));
    let copy = |key: usize| {
        from_json(&json!([{"op": "copy", "from": "/0", "path": format!("/{key}")}])).unwrap()
    };
    let refused = (1..).find_map(|key| content.patch(&copy(key)).err());
    assert_eq!(refused, Some(PatchError::TooLarge));
    assert!(content.bytes() <= MAX_CONTENT_BYTES);
}

#[test]
fn whatever_one_block_can_hold_is_within_the_bound_of_content() {
    // Maps of one key are the worst: nested, each takes two bytes of a block; here, without the nesting, three.
    let list =
        vec![Ipld::Map(Map::from([(String::new(), Ipld::Null)])); crate::MAX_BLOCK_BYTES / 3];
    assert!(Content::from(Ipld::List(list)).bytes() <= MAX_CONTENT_BYTES);
}
