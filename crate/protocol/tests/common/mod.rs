//! The vectors that the tests of this crate share.
#![allow(dead_code)] // each test uses a part

pub mod case;
pub mod models;
pub mod session;
pub mod three_id;
pub mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::BASE64;
use ostrakon_protocol::{Block, Cid};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

/// One vector file.
pub fn file(name: &str) -> Value {
    let text = std::fs::read(folder().join(name)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The cases of one vector file.
pub fn cases(file: &str) -> Vec<Value> {
    let mut json = self::file(file);
    let Value::Array(mut cases) = json["cases"].take() else {
        panic!("{file} has no cases");
    };
    for case in &mut cases {
        if let Some(world) = case["world"].as_u64() {
            unfold(case, &json["worlds"][usize::try_from(world).unwrap()]);
        }
    }
    cases
}

/// What many cases share is written once.
fn unfold(case: &mut Value, world: &Value) {
    for name in ["blocks", "anchorTimes"] {
        let shared = world[name].as_object().unwrap().clone();
        case[name].as_object_mut().unwrap().extend(shared);
    }
    if case["expected"]["lenient"] == "same" {
        case["expected"]["lenient"] = case["expected"]["strict"][0].clone();
    }
}

/// The names of all vector files.
pub fn files() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    names.sort();
    names
}

/// The blocks of a case, as CID text and bytes: whatever the vector pairs, right or wrong.
pub fn blocks(case: &Value) -> Vec<(String, Vec<u8>)> {
    let blocks = case["blocks"].as_object();
    blocks
        .into_iter()
        .flatten()
        .map(|(cid, bytes)| (cid.clone(), base64(bytes)))
        .collect()
}

/// The blocks of a case that are what they claim to be.
pub fn verified(case: &Value) -> BTreeMap<Cid, Block> {
    blocks(case)
        .into_iter()
        .filter_map(|(cid, bytes)| Block::verify(cid.parse().unwrap(), bytes).ok())
        .map(|block| (*block.cid(), block))
        .collect()
}

/// A moment of the vectors in unix seconds; they have no smaller parts.
pub fn unix(text: &str) -> u64 {
    let moment: jiff::Timestamp = text.parse().unwrap();
    moment.as_second().try_into().unwrap()
}

pub fn base64(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// Bytes of no origin, and edits to a sample: each puts a byte somewhere.
pub type Input = (Vec<u8>, u16, Vec<(u16, u8)>);

/// The bytes as they are, and a sample with the edits made.
pub fn inputs(samples: &[Vec<u8>], (bytes, which, edits): &Input) -> [Vec<u8>; 2] {
    let mut damaged = samples[usize::from(*which) % samples.len()].clone();
    for (at, byte) in edits {
        let at = usize::from(*at) % damaged.len();
        damaged[at] = *byte;
    }
    [bytes.clone(), damaged]
}
