//! A vector of a document: what there is, what a peer announces, and what js-ceramic made of it.

use std::collections::{BTreeMap, HashMap};

use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::{Block, Cid, CommitId, Document, Refusal, StreamId, World};
use serde_json::Value;

pub struct Case {
    pub name: String,
    pub stream: StreamId,
    pub tips: Vec<Cid>,
    pub blocks: BTreeMap<Cid, Block>,
    pub anchors: HashMap<Cid, u64>,
    pub now: u64,
    pub expected: Value,
}

pub fn cases(file: &str) -> Vec<Case> {
    super::cases(file).iter().map(case).collect()
}

fn case(json: &Value) -> Case {
    let cid = |text: &str| text.parse::<Cid>().unwrap();
    let tips = json["tips"].as_array().unwrap();
    let anchors = json["anchorTimes"].as_object().into_iter().flatten();
    Case {
        name: json["name"].as_str().unwrap().to_owned(),
        stream: json["streamId"].as_str().unwrap().parse().unwrap(),
        tips: tips.iter().map(|tip| cid(tip.as_str().unwrap())).collect(),
        blocks: super::verified(json),
        anchors: anchors
            .map(|(tx, time)| (cid(tx), time.as_u64().unwrap()))
            .collect(),
        now: super::unix(json["now"].as_str().unwrap()),
        expected: json["expected"].clone(),
    }
}

impl Case {
    pub fn world(&self) -> World<'_> {
        World::new(self.now, &self.anchors)
    }

    pub fn hear(&self, tips: &[Cid]) -> Result<(Document, Vec<Refusal>), Refusal> {
        hear_all(&self.stream, tips, &self.blocks, &self.world())
    }

    pub fn load(&self, tip: &Cid) -> Result<Document, Refusal> {
        load_commit(
            &CommitId::new(self.stream, *tip),
            &self.blocks,
            &self.world(),
        )
    }

    /// The winning tip of a conflict, where js has one.
    pub fn winner(&self) -> Option<&str> {
        self.expected["winner"].as_str()
    }

    /// Every refusal, of hearing and of loading, by its code.
    pub fn refusals(&self) -> Vec<&'static str> {
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
    pub fn disagreements(&self) -> Vec<String> {
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
pub fn compare(file: &str, left_out: impl Fn(&Case) -> Option<&'static str>) {
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
