//! The devnet's sample documents: some of the test vectors, each as the CAR a user would import.

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use ostrakon_protocol::{Block, Cid, car};
use serde_json::Value;

/// Whole histories, all of which are offered.
const HISTORIES: &str = "doc-chains";

/// Documents of other files that are worth a look, and why. Each is another document, and valid to its end.
const SHOWN: [(&str, &str, &str); 26] = [
    (
        "eth-anchor",
        "eip155:1337/raw-in-first-blocks (block 1)",
        "Anchored in a real transaction",
    ),
    (
        "eth-anchor",
        "eip155:1337/f(bytes32)-merkle-leaf-1 (block 9)",
        "Anchored with others by the contract",
    ),
    (
        "eth-anchor",
        "eip155:1337/f(bytes32)-with-trailing-data",
        "A transaction with more in it",
    ),
    (
        "eth-anchor",
        "eip155:1337/raw-late (block 10)",
        "Anchored in a form that is out of date",
    ),
    (
        "eth-anchor",
        "eip155:1337/f(bytes32)-to-other-address-late (block 11)",
        "Anchored at a wrong address",
    ),
    (
        "cacao",
        "eth/no-expiry-loaded-years-later",
        "Written by leave of an Ethereum wallet",
    ),
    (
        "cacao",
        "eth2-p256session/no-expiry-loaded-years-later",
        "The same with another kind of key",
    ),
    (
        "caip10-link",
        "eth/relink-newer",
        "An account linked to a DID, twice",
    ),
    (
        "caip10-link",
        "sol/link",
        "A Solana account linked to a DID",
    ),
    (
        "caip10-link",
        "eth-polygon/anchored",
        "A link with an anchor",
    ),
    (
        "model-instance",
        "list/four-updates",
        "An instance of a model",
    ),
    (
        "model-instance",
        "single/update",
        "The one instance of its account",
    ),
    (
        "model-instance",
        "set/fields-match",
        "Named by two of its fields",
    ),
    (
        "model-instance",
        "relation/ok",
        "An instance that names another",
    ),
    ("model", "views-relation-count", "A model"),
    (
        "model",
        "implements-ok",
        "A model that keeps to an interface",
    ),
    ("tile", "schema/update-ok", "Held to a schema"),
    ("tile", "schema/set-later-ok", "Given a schema later"),
    (
        "tile",
        "controller-transfer-new-signs",
        "Handed over to another controller",
    ),
    (
        "tile",
        "deterministic-0-updated",
        "Named by its family, begun unsigned",
    ),
    ("tile", "genesis-unsigned-no-data", "Unsigned and empty"),
    ("tile", "array-content", "A list instead of an object"),
    (
        "conflict",
        "three-branches-different-fork-points",
        "Three branches, one winner",
    ),
    (
        "conflict",
        "both-anchored-earlier-wins",
        "Two anchored branches",
    ),
    (
        "anchor",
        "merkle-13-meta/leaf-12",
        "Anchored among thirteen",
    ),
    ("anchor", "two-anchors", "Anchored twice"),
];

/// One document and how to show it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Name of its vector.
    pub name: String,
    /// Its StreamID.
    pub stream: String,
    /// A few words on it.
    pub title: String,
    /// Its blocks, with the announced tips as roots.
    pub car: Vec<u8>,
}

/// Reads the sample documents from the vector files in `dir`. `Err` is one sentence for the user.
pub fn read(dir: &Path) -> Result<Vec<Sample>, String> {
    let mut samples: Vec<Sample> = Vec::new();
    for shown in SHOWN.chunk_by(|(left, ..), (right, ..)| left == right) {
        let cases = match shown {
            [(file, ..), ..] => cases(dir, file)?,
            [] => Vec::new(),
        };
        for (_, name, title) in shown {
            let case = cases.iter().find(|case| case["name"] == *name);
            samples.extend(case.and_then(|case| sample(case, (*title).to_owned())));
        }
    }
    let tiles = cases(dir, HISTORIES)?;
    let tiles = tiles.iter().filter(|case| case["streamType"] == 0);
    samples.extend(tiles.filter_map(|case| sample(case, history(case))));
    Ok(samples)
}

fn cases(dir: &Path, file: &str) -> Result<Vec<Value>, String> {
    let path = dir.join(file).with_extension("json");
    let cannot = |why: String| {
        format!(
            "Cannot read the sample documents in {}: {why}. Say with --vectors where they are.",
            path.display()
        )
    };
    let bytes = fs::read(&path).map_err(|error| cannot(error.to_string()))?;
    let mut json: Value =
        serde_json::from_slice(&bytes).map_err(|error| cannot(error.to_string()))?;
    match json["cases"].take() {
        Value::Array(cases) => Ok(cases),
        _ => Err(cannot("it has no cases".to_owned())),
    }
}

fn sample(case: &Value, title: String) -> Option<Sample> {
    let roots: Option<Vec<Cid>> = case["tips"]
        .as_array()?
        .iter()
        .map(|tip| tip.as_str()?.parse().ok())
        .collect();
    let block = |(cid, bytes): (&String, &Value)| {
        let bytes = BASE64.decode(bytes.as_str()?.as_bytes()).ok()?;
        Block::verify(cid.parse().ok()?, bytes).ok()
    };
    let blocks: Vec<Block> = case["blocks"]
        .as_object()?
        .iter()
        .filter_map(block)
        .collect();
    Some(Sample {
        name: case["name"].as_str()?.to_owned(),
        stream: case["streamId"].as_str()?.to_owned(),
        title,
        car: car::write(&roots?, &blocks),
    })
}

fn history(case: &Value) -> String {
    let changes = case["commits"].as_u64().unwrap_or(1).saturating_sub(1);
    let plural =
        |count: u64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match case["anchors"].as_u64() {
        Some(anchors) if anchors > 0 => format!(
            "{}, {}",
            plural(changes, "change"),
            plural(anchors, "anchor")
        ),
        _ => format!("{}, not anchored", plural(changes, "change")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_vectors_hold_every_sample_and_each_is_another_document() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");
        let samples = read(dir.as_ref()).unwrap();
        assert!(samples.len() > 30, "{}", samples.len());
        assert!(
            samples
                .iter()
                .any(|sample| sample.title == "200 changes, 27 anchors")
        );
        for (_, name, _) in SHOWN {
            assert!(samples.iter().any(|sample| sample.name == name), "{name}");
        }
        let streams: HashSet<&str> = samples
            .iter()
            .map(|sample| sample.stream.as_str())
            .collect();
        assert_eq!(streams.len(), samples.len());
    }

    #[test]
    fn a_wrong_directory_is_said_in_one_sentence() {
        let error = read("/nowhere".as_ref()).unwrap_err();
        assert!(
            error.contains("--vectors") && error.contains("/nowhere"),
            "{error}"
        );
    }
}
