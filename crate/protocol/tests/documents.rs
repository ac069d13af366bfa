//! Whole documents, case by case against what js-ceramic made of them.

mod common;

use std::collections::{BTreeMap, HashMap};

use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::{Block, Cid, CommitId, Document, Refusal, StreamId, StreamType, World};
use serde_json::Value;

struct Case {
    name: String,
    stream: StreamId,
    tips: Vec<Cid>,
    blocks: BTreeMap<Cid, Block>,
    anchors: HashMap<Cid, u64>,
    now: u64,
    expected: Value,
}

fn cases(file: &str) -> Vec<Case> {
    common::cases(file).iter().map(case).collect()
}

fn case(json: &Value) -> Case {
    let cid = |text: &str| text.parse::<Cid>().unwrap();
    let tips = json["tips"].as_array().unwrap();
    let anchors = json["anchorTimes"].as_object().into_iter().flatten();
    Case {
        name: json["name"].as_str().unwrap().to_owned(),
        stream: json["streamId"].as_str().unwrap().parse().unwrap(),
        tips: tips.iter().map(|tip| cid(tip.as_str().unwrap())).collect(),
        blocks: common::verified(json),
        anchors: anchors
            .map(|(tx, time)| (cid(tx), time.as_u64().unwrap()))
            .collect(),
        now: common::unix(json["now"].as_str().unwrap()),
        expected: json["expected"].clone(),
    }
}

impl Case {
    fn world(&self) -> World<'_> {
        World::new(self.now, &self.anchors)
    }

    fn hear(&self, tips: &[Cid]) -> Result<(Document, Vec<Refusal>), Refusal> {
        hear_all(&self.stream, tips, &self.blocks, &self.world())
    }

    fn load(&self, tip: &Cid) -> Result<Document, Refusal> {
        load_commit(
            &CommitId::new(self.stream, *tip),
            &self.blocks,
            &self.world(),
        )
    }

    /// The winning tip of a conflict, where js has one.
    fn winner(&self) -> Option<&str> {
        self.expected["winner"].as_str()
    }

    /// Every refusal, of hearing and of loading, by its code.
    fn refusals(&self) -> Vec<&'static str> {
        let mut codes: Vec<_> = match self.hear(&self.tips) {
            Ok((_, refusals)) => refusals.iter().map(Refusal::code).collect(),
            Err(refusal) => vec![refusal.code()],
        };
        codes.extend(
            self.tips
                .iter()
                .filter_map(|tip| Some(self.load(tip).err()?.code())),
        );
        codes
    }

    /// How this case disagrees with js, if it does.
    fn disagreements(&self) -> Vec<String> {
        let lenient = self.hear(&self.tips).map(|(document, _)| document);
        let mut found: Vec<String> = disagreement("lenient", lenient, &self.expected["lenient"])
            .into_iter()
            .collect();
        let strict = self.expected["strict"].as_array().unwrap();
        assert_eq!(strict.len(), self.tips.len());
        for (tip, expected) in self.tips.iter().zip(strict) {
            found.extend(disagreement("strict", self.load(tip), expected));
        }
        found
            .into_iter()
            .map(|what| format!("{}: {what}", self.name))
            .collect()
    }
}

fn disagreement(mode: &str, got: Result<Document, Refusal>, expected: &Value) -> Option<String> {
    match (got, expected["accept"].as_bool().unwrap()) {
        (Err(_), false) => None,
        (Err(refusal), true) => Some(format!("{mode} refused: {refusal}")),
        (Ok(_), false) => Some(format!("{mode} accepted, but js: {}", expected["reason"])),
        (Ok(document), true) => {
            let state = document.state().to_json();
            let tip = expected["tip"].as_str().unwrap();
            if state == expected["state"] && document.tip().to_string() == tip {
                return None;
            }
            Some(format!(
                "{mode} differs\n  ours {state}\n  js   {}",
                expected["state"]
            ))
        }
    }
}

/// Compares a file, apart from the cases of which the reason to leave them out is given.
fn compare(file: &str, left_out: impl Fn(&Case) -> Option<&'static str>) {
    let cases = cases(file);
    let mut found = Vec::new();
    let mut compared = 0;
    for case in &cases {
        match left_out(case) {
            Some(reason) => println!("{file}: {} left out: {reason}", case.name),
            None => {
                compared += 1;
                found.extend(case.disagreements());
            }
        }
    }
    println!(
        "{file}: {} cases, {compared} compared, {} disagreements",
        cases.len(),
        found.len()
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

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
