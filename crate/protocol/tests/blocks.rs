//! Every block of every vector file, through the door and back.

mod common;

use ostrakon_protocol::{Block, car, cbor};

/// Blocks that are wrong on purpose, by file, case and error.
const WRONG: [(&str, &str, &str); 2] = [
    (
        "tile.json",
        "tamper/payload-block-bytes-do-not-match-cid",
        "block-wrong-hash",
    ),
    (
        "tile.json",
        "limit/payload-over-256000-bytes",
        "block-too-large",
    ),
];

#[test]
fn only_the_blocks_that_are_wrong_on_purpose_are_refused() {
    let mut refused = Vec::new();
    let mut count = 0;
    for file in common::files() {
        for case in common::cases(&file) {
            for (cid, bytes) in common::blocks(&case) {
                count += 1;
                if let Err(error) = Block::verify(cid.parse().unwrap(), bytes) {
                    let name = case["name"].as_str().unwrap().to_owned();
                    refused.push((file.clone(), name, error.code()));
                }
            }
        }
    }
    println!("{count} blocks, refused: {}", refused.len());
    let wrong = WRONG.map(|(file, case, code)| (file.to_owned(), case.to_owned(), code));
    assert_eq!(refused, wrong);
}

#[test]
fn every_block_is_encoded_again_to_the_same_bytes() {
    let mut differ = Vec::new();
    let mut count = 0;
    for file in common::files() {
        for case in common::cases(&file) {
            for block in common::verified(&case).values() {
                count += 1;
                let again = cbor::decode(block.bytes()).and_then(|value| cbor::encode(&value));
                if again.as_deref() != Ok(&block.bytes()[..]) {
                    differ.push(format!("{file} {} {} {again:?}", case["name"], block.cid()));
                }
            }
        }
    }
    println!("{count} blocks, different: {differ:#?}");
    assert_eq!(differ, Vec::<String>::new());
}

#[test]
fn the_archives_of_other_implementations_are_written_again_to_the_same_bytes() {
    let mut count = 0;
    for case in common::cases("repo-fixtures.json") {
        let bytes = match (&case["carBase64"], case["kind"].as_str(), &case["value"]) {
            (base64 @ serde_json::Value::String(_), _, _) => common::base64(base64),
            (_, Some("car"), value) => multibase::decode(value.as_str().unwrap()).unwrap().1,
            _ => continue,
        };
        count += 1;
        let car = car::read(&bytes).unwrap();
        assert_eq!(car.refused, [], "{}", case["name"]);
        assert_eq!(
            car::write(&car.roots, &car.blocks),
            bytes,
            "{}",
            case["name"]
        );
        if let Some(blocks) = case["blocks"].as_array() {
            let names: Vec<_> = car
                .blocks
                .iter()
                .map(|block| block.cid().to_string())
                .collect();
            let want: Vec<_> = blocks
                .iter()
                .map(|block| block["cid"].as_str().unwrap())
                .collect();
            assert_eq!(names, want, "{}", case["name"]);
        }
    }
    println!("{count} archives");
    assert_eq!(count, 10);
}
