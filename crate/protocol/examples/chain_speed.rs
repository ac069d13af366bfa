//! How fast a doc-chain is verified: writes a tile of many signed events as a CAR to FILE, loads it ROUNDS times and prints
//! its CommitID and the milliseconds of each round as JSON. `npm run bench` runs this beside the same in a page.
//!
//! `cargo run --release -p ostrakon-protocol --example chain_speed -- FILE EVENTS ROUNDS`

use std::collections::HashMap;
use std::error::Error;
use std::time::Instant;

use ostrakon_protocol::author::{TileMetadata, tile_init, tile_update};
use ostrakon_protocol::document::load_commit;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, CommitId, Unasked, World, car, json};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let [file, events, rounds] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: chain_speed FILE EVENTS ROUNDS")?;
    let (commit, archive) = write(events.parse()?)?;
    std::fs::write(file, &archive)?;
    let times = (0..rounds.parse()?)
        .map(|_| verify(&commit, &archive))
        .collect::<Result<Vec<_>, _>>()?;
    println!(
        "{}",
        json!({ "commit": commit.to_string(), "times": times })
    );
    Ok(())
}

/// A tile of `events` signed events, and its newest version.
fn write(events: usize) -> Result<(CommitId, Vec<u8>), Box<dyn Error>> {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let content = json::from_json(&json!({ "title": "A doc-chain", "count": 0 }))?;
    let (stream, mut blocks) =
        tile_init(&signer, Some(content), &TileMetadata::default(), [1; 12])?;
    let mut tip = *stream.init();
    for count in 1..events {
        let patch = json!([{ "op": "replace", "path": "/count", "value": count }]);
        let patch = json::from_json(&patch)?;
        let update = tile_update(&signer, &stream, tip, patch, Default::default())?;
        tip = *update.last().ok_or("an update has blocks")?.cid();
        blocks.extend(update);
    }
    Ok((CommitId::new(stream, tip), car::write(&[tip], &blocks)))
}

/// The whole road, hashes and signatures included; returns milliseconds.
fn verify(commit: &CommitId, archive: &[u8]) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    let blocks: HashMap<Cid, Block> = car::read(archive)?
        .blocks
        .into_iter()
        .map(|block| (*block.cid(), block))
        .collect();
    let world = World::new(0, &Unasked);
    load_commit(commit, &blocks, &world)?;
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}
