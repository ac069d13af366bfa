//! Documents to sync: writes DOCUMENTS tiles of EVENTS signed events each, and beside them the first of them as it was after
//! each event, to FOLDER: `all.car`, `1.car`, `2.car`, …; prints the ids as JSON. For `npm run bench -- sync`.
//!
//! `cargo run --release -p ostrakon-protocol --example sync_documents -- FOLDER DOCUMENTS EVENTS HISTORIES`

use std::error::Error;
use std::path::Path;

use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::event::{self, Data, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{car, json};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let [folder, documents, events, histories] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: sync_documents FOLDER DOCUMENTS EVENTS HISTORIES")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let (documents, events): (u64, usize) = (documents.parse()?, events.parse()?);
    let histories: usize = histories.parse()?;
    let (mut roots, mut blocks, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..documents {
        let mut seed = [9; 32];
        for (byte, of) in seed.iter_mut().zip(number.to_le_bytes()) {
            *byte = of;
        }
        let signer = Ed25519Signer::from_seed(&seed);
        let content = json::from_json(&json!({ "title": "A document", "count": 0 }))?;
        let tile = New::Tile(NewTile {
            content: Some(content),
            ..NewTile::default()
        });
        let (stream, mut chain) = tile.written_by(&signer, [1; 12])?;
        let mut tip = *stream.init();
        for count in 1..=events {
            if number == 0 && count <= histories {
                let name = format!("{count}.car");
                std::fs::write(folder.join(name), car::write(&[tip], &chain))?;
            }
            if count == events {
                break;
            }
            let patch = json!([{ "op": "replace", "path": "/count", "value": count }]);
            let patch = json::from_json(&patch)?;
            let payload = Data::payload(*stream.init(), tip, Some(Map::new()), patch)?;
            let update = event::sign(payload, &signer)?;
            tip = *update.last().ok_or("an update has blocks")?.cid();
            chain.extend(update);
        }
        roots.push(tip);
        blocks.extend(chain);
        ids.push(stream.to_string());
    }
    std::fs::write(folder.join("all.car"), car::write(&roots, &blocks))?;
    println!("{}", json!(ids));
    Ok(())
}
