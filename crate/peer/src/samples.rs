//! The devnet's sample documents: the tiles of the test vectors, each as the CAR a user would import.

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use ostrakon_protocol::{Block, Cid, car};
use serde_json::Value;

/// The files with documents in them.
const FILES: [&str; 4] = ["doc-chains", "tile", "conflict", "anchor"];

/// Documents of the other files that are worth a look, and why.
const SHOWN: [(&str, &str); 9] = [
    (
        "controller-transfer-new-signs",
        "Handed over to another controller",
    ),
    ("genesis-unsigned-no-data", "Unsigned and empty"),
    ("metadata-update-tags", "New tags"),
    ("tamper/sig-bit-middle", "Cut off before a forged event"),
    (
        "three-branches-different-fork-points",
        "Three branches, one winner",
    ),
    ("both-anchored-earlier-wins", "Two anchored branches"),
    ("two-anchors", "Anchored twice"),
    ("merkle-13-meta/leaf-12", "Anchored among thirteen"),
    ("merkle-2/wrong-path", "An anchor that proves nothing"),
];

/// One document and how to show it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Name of its vector.
    pub name: String,
    /// Its StreamID.
    pub stream: String,
    /// A few words on it, if it is to be offered.
    pub title: Option<String>,
    /// Its blocks, with the announced tips as roots.
    pub car: Vec<u8>,
}

/// Reads the tiles that js-ceramic accepts from the vector files in `dir`. `Err` is one sentence for the user.
pub fn read(dir: &Path) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for file in FILES {
        let path = dir.join(file).with_extension("json");
        let cannot = |why: String| {
            format!(
                "Cannot read the sample documents in {}: {why}. Say with --vectors where they are.",
                path.display()
            )
        };
        let bytes = fs::read(&path).map_err(|error| cannot(error.to_string()))?;
        let json: Value =
            serde_json::from_slice(&bytes).map_err(|error| cannot(error.to_string()))?;
        let cases = json["cases"]
            .as_array()
            .ok_or_else(|| cannot("it has no cases".to_owned()))?;
        let tiles = cases.iter().filter(|case| {
            case["streamType"] == 0 && case["expected"]["lenient"]["accept"] == true
        });
        samples.extend(tiles.filter_map(|case| sample(file, case)));
    }
    Ok(samples)
}

fn sample(file: &str, case: &Value) -> Option<Sample> {
    let name = case["name"].as_str()?;
    let roots: Option<Vec<Cid>> = case["tips"]
        .as_array()?
        .iter()
        .map(|tip| tip.as_str()?.parse().ok())
        .collect();
    // Some vectors hold blocks that are damaged on purpose; a peer would never be sent those under their name.
    let blocks: Vec<Block> = case["blocks"]
        .as_object()?
        .iter()
        .filter_map(|(cid, bytes)| {
            let bytes = BASE64.decode(bytes.as_str()?.as_bytes()).ok()?;
            Block::verify(cid.parse().ok()?, bytes).ok()
        })
        .collect();
    let title = match file {
        "doc-chains" => Some(history(case)),
        _ => SHOWN
            .iter()
            .find(|(shown, _)| *shown == name)
            .map(|(_, title)| (*title).to_owned()),
    };
    Some(Sample {
        name: name.to_owned(),
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
    use super::*;

    #[test]
    fn the_vectors_hold_documents_worth_offering() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");
        let samples = read(dir.as_ref()).unwrap();
        let offered: Vec<&str> = samples
            .iter()
            .filter_map(|sample| sample.title.as_deref())
            .collect();
        assert!(samples.len() > 200, "{}", samples.len());
        assert!(offered.contains(&"200 changes, 27 anchors"), "{offered:?}");
        for (name, title) in SHOWN {
            assert!(samples.iter().any(|sample| sample.name == name), "{name}");
            assert!(offered.contains(&title));
        }
        for sample in &samples {
            assert!(!car::read(&sample.car).unwrap().roots.is_empty());
        }
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
