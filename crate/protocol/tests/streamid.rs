//! StreamIDs and CommitIDs against js: every case of streamid.json.

mod common;

use ostrakon_protocol::{Cid, CommitId, DocumentRef, StreamId, StreamType};
use serde_json::Value;

/// Where we refuse on purpose what js reads (DEVIATIONS.md).
const STRICTER: [(&str, &str); 3] = [
    (
        "commitTrailing",
        "bytes after the end would give one version many ids",
    ),
    (
        "whitespace",
        "an id is the whole text; js takes the first run of letters it finds",
    ),
    (
        "hashUrl",
        "an id is the whole text; js drops what follows it",
    ),
];

#[test]
fn every_id_is_read_and_written_as_js_does() {
    let cases = common::cases("streamid.json");
    let mut differ = Vec::new();
    for case in &cases {
        let name = format!("{}/{}", case["op"].as_str().unwrap(), label(case));
        let found = match case["op"].as_str().unwrap() {
            "encode" => encode(case),
            "parseString" => parse(case, |text: &str| {
                (text.parse().ok(), text.parse().ok(), text.parse().ok())
            }),
            "parseBytes" => {
                let bytes = common::base64(&case["input"]);
                parse(case, |_| {
                    (
                        StreamId::from_bytes(&bytes).ok(),
                        CommitId::from_bytes(&bytes).ok(),
                        DocumentRef::from_bytes(&bytes).ok(),
                    )
                })
            }
            other => panic!("unknown op {other}"),
        };
        if !found {
            differ.push(name);
        }
    }
    println!("streamid.json: {} cases", cases.len());
    for name in &differ {
        println!("  not as js: {name}");
    }
    let known: Vec<_> = STRICTER
        .iter()
        .map(|(name, _)| format!("parseString/{name}"))
        .collect();
    assert_eq!(differ, known);
    assert_eq!(cases.len(), 57);
}

fn label(case: &Value) -> String {
    match &case["name"] {
        Value::String(name) => name.clone(),
        _ => format!(
            "{}-{}",
            case["input"]["type"],
            case["input"]["cid"].as_str().unwrap()
        ),
    }
}

fn encode(case: &Value) -> bool {
    let cid = |name: &str| -> Cid { case["input"][name].as_str().unwrap().parse().unwrap() };
    let want = &case["expected"]["value"];
    let kind = StreamType::new(case["input"]["type"].as_u64().unwrap());
    let stream = StreamId::new(kind, cid("cid"));
    let commit = CommitId::new(stream, cid("tip"));
    let genesis = CommitId::new(stream, cid("cid"));
    want["string"] == stream.to_string()
        && common::base64(&want["bytes"]) == stream.to_bytes()
        && want["url"] == stream.url()
        && want["typeName"].as_str() == kind.name()
        && want["commitId"] == commit.to_string()
        && common::base64(&want["commitBytes"]) == commit.to_bytes()
        && want["commitUrl"] == commit.url()
        && want["genesisCommitId"] == genesis.to_string()
        && common::base64(&want["genesisCommitBytes"]) == genesis.to_bytes()
        && want["commitCid"] == genesis.commit().to_string()
}

type Read = (Option<StreamId>, Option<CommitId>, Option<DocumentRef>);

fn parse(case: &Value, read: impl Fn(&str) -> Read) -> bool {
    let (stream, commit, either) = read(case["input"].as_str().unwrap());
    let stream = stream.map(DocumentRef::Stream);
    let commit = commit.map(DocumentRef::Commit);
    let expected = case["expected"].as_object().unwrap();
    expected.iter().all(|(function, want)| {
        let got = match function.split_once('.').unwrap().0 {
            "StreamID" => &stream,
            "CommitID" => &commit,
            "StreamRef" => &either,
            other => panic!("unknown function {other}"),
        };
        match got {
            None => want["accept"] == false,
            Some(id) => want["accept"] == true && same(id, &want["value"]),
        }
    })
}

fn same(id: &DocumentRef, want: &Value) -> bool {
    let commit = match id {
        DocumentRef::Stream(_) => None,
        DocumentRef::Commit(commit) => Some(commit.commit().to_string()),
    };
    want["type"] == id.stream_id().stream_type().code()
        && want["cid"] == id.stream_id().init().to_string()
        && want["commit"].as_str() == commit.as_deref()
        && want
            .get("string")
            .is_none_or(|text| *text == id.to_string())
}
