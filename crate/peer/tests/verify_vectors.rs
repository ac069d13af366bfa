//! `ostrakon verify` against the verdicts and states of the real JavaScript implementation.

use std::collections::HashMap;

use data_encoding::BASE64;
use ostrakon_peer::verify::{Question, judge};
use ostrakon_protocol::{Block, Cid, car};
use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn tips(case: &Value) -> Vec<Cid> {
    case["tips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tip| text(tip).parse().unwrap())
        .collect()
}

/// The case's world by way of a CAR, as a user would hand it over: damaged blocks and all.
fn blocks(case: &Value) -> HashMap<Cid, Block> {
    let header = car::write(&tips(case), []);
    let mut file = header;
    for (cid, bytes) in case["blocks"].as_object().unwrap() {
        let cid = cid.parse::<Cid>().unwrap().to_bytes();
        let bytes = BASE64.decode(text(bytes).as_bytes()).unwrap();
        let mut length = (cid.len() + bytes.len()) as u64;
        while length >= 0x80 {
            file.push(length as u8 | 0x80);
            length >>= 7;
        }
        file.push(length as u8);
        file.extend([cid, bytes].concat());
    }
    car::read(&file)
        .unwrap()
        .blocks
        .into_iter()
        .map(|block| (*block.cid(), block))
        .collect()
}

fn question(case: &Value) -> Question {
    let times = case["anchorTimes"].as_object().into_iter().flatten();
    Question {
        stream: text(&case["streamId"]).parse().unwrap(),
        tips: tips(case),
        commit: None,
        at_time: None,
        now: text(&case["now"])
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second() as u64,
        anchor_times: times
            .map(|(cid, time)| (cid.parse().unwrap(), time.as_u64().unwrap()))
            .collect(),
    }
}

/// Whether the verdict and, if there is one, the state are those of `expected`; else what is different.
fn difference(case: &Value, question: &Question, expected: &Value) -> Option<String> {
    match judge(&blocks(case), question) {
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
                commit: Some(lenient.tips[at]),
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
