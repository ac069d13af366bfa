//! `ostrakon verify` against the verdicts and states of the real JavaScript implementation.

mod common;

use common::{cases, evidence, text, tips};
use ostrakon_peer::verify::{Question, judge};
use serde_json::Value;

fn question(case: &Value) -> Question {
    Question {
        stream: text(&case["streamId"]).parse().unwrap(),
        commit: None,
        at_time: None,
    }
}

/// Whether the verdict and, if there is one, the state are those of `expected`; else what is different.
fn difference(case: &Value, question: &Question, expected: &Value) -> Option<String> {
    match judge(&evidence(case), question) {
        Ok(state) if expected["accept"] == true && state == expected["state"] => None,
        Err(_) if expected["accept"] == false => None,
        Ok(state) if expected["accept"] == true => {
            Some(format!("state {state}\n  expected {}", expected["state"]))
        }
        Ok(_) => Some(format!("accepted; js says {}", expected["reason"])),
        Err(refused) => Some(format!("refused: {} {refused}", refused.code())),
    }
}

/// Runs every case that `chosen` takes, leniently and strictly; names each disagreement.
fn agree(file: &str, chosen: impl Fn(&Value) -> bool, least: usize) {
    let cases: Vec<Value> = cases(file)
        .into_iter()
        .filter(|case| chosen(case))
        .collect();
    let mut judged = 0;
    let mut disagreements = Vec::new();
    for case in &cases {
        let mut try_one = |name: String, question: &Question, expected: &Value| {
            judged += 1;
            if let Some(what) = difference(case, question, expected) {
                disagreements.push(format!("{file} {} {name}: {what}", case["name"]));
            }
        };
        let lenient = question(case);
        try_one("lenient".to_owned(), &lenient, &case["expected"]["lenient"]);
        for (at, expected) in case["expected"]["strict"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            let strict = Question {
                commit: Some(tips(case)[at]),
                ..lenient.clone()
            };
            try_one(format!("strict[{at}]"), &strict, expected);
        }
    }
    println!(
        "{file}: {} of {judged} verdicts agree",
        judged - disagreements.len()
    );
    assert!(judged >= least, "only {judged} verdicts");
    assert!(
        disagreements.is_empty(),
        "{} disagree\n{}",
        disagreements.len(),
        disagreements.join("\n")
    );
}

#[test]
fn links_are_judged_as_js_judges_them() {
    agree("caip10-link", |_| true, 104);
}

#[test]
fn tiles_that_need_no_schema_are_judged_as_js_judges_them() {
    agree(
        "tile",
        |case| !text(&case["name"]).starts_with("schema/"),
        212,
    );
}

#[test]
fn tiles_written_under_capabilities_are_judged_as_js_judges_them() {
    agree("cacao", |_| true, 240);
}

#[test]
fn whole_histories_of_tiles_end_in_the_state_js_computes() {
    agree("doc-chains", |case| case["streamType"] == 0, 60);
}

#[test]
fn conflicts_that_name_a_winner_are_won_by_it() {
    agree(
        "conflict",
        |case| !case["expected"]["winner"].is_null(),
        150,
    );
}

#[test]
fn anchors_are_judged_as_js_judges_them() {
    agree("anchor", |_| true, 106);
}
