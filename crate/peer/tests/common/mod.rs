//! The cases of the vectors as a user would hand them over.

use std::collections::HashMap;

use data_encoding::BASE64;
use ostrakon_peer::evidence::{Evidence, Said};
use ostrakon_protocol::{Block, Cid, car};
use serde_json::Value;

pub fn cases(file: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub fn tips(case: &Value) -> Vec<Cid> {
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

pub fn evidence(case: &Value) -> Evidence {
    let times = case["anchorTimes"].as_object().into_iter().flatten();
    Evidence {
        blocks: blocks(case),
        tips: tips(case),
        now: text(&case["now"])
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second() as u64,
        chains: Said::Times(
            times
                .map(|(cid, time)| (cid.parse().unwrap(), time.as_u64().unwrap()))
                .collect(),
        ),
    }
}
