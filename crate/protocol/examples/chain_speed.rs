//! How fast documents are verified: writes a tile of many signed events (`chain.car`) and as many tiles of one signed event,
//! each by another key (`documents.car`), to FOLDER, verifies each of the two ROUNDS times and prints the CommitID of the
//! first and the milliseconds of each round as JSON. `npm run bench` runs this beside the same in a page. For the page it
//! also writes ten times as many instances of one model (`instances.car`).
//!
//! `cargo run --release -p ostrakon-protocol --example chain_speed -- FOLDER EVENTS ROUNDS`

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::document::load_commit;
use ostrakon_protocol::event::{self, Data, Init, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{
    Block, Cid, CommitId, Document, Ipld, Step, StreamId, StreamType, Unasked, Walk, World, car,
    json,
};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let [folder, events, rounds] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: chain_speed FOLDER EVENTS ROUNDS")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let (commit, chain) = write_chain(events.parse()?)?;
    std::fs::write(folder.join("chain.car"), &chain)?;
    let documents = write_documents(events.parse()?)?;
    std::fs::write(folder.join("documents.car"), &documents)?;
    let (model, instances) = write_instances(10 * events.parse::<usize>()?)?;
    std::fs::write(folder.join("instances.car"), instances)?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds.parse()? {
        let [of_chain, of_documents] = &mut times;
        of_chain.push(timed(|| verify_chain(&commit, &chain))?);
        of_documents.push(timed(|| verify_documents(&documents))?);
    }
    let [chain, documents] = times;
    println!(
        "{}",
        json!({ "commit": commit.to_string(), "model": model.to_string(), "chain": chain, "documents": documents })
    );
    Ok(())
}

fn tile(content: &Value) -> Result<New, Box<dyn Error>> {
    Ok(New::Tile(NewTile {
        content: Some(json::from_json(content)?),
        ..NewTile::default()
    }))
}

/// A tile of `events` signed events, and its newest version.
fn write_chain(events: usize) -> Result<(CommitId, Vec<u8>), Box<dyn Error>> {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let content = json!({ "title": "A doc-chain", "count": 0 });
    let (stream, mut blocks) = tile(&content)?.written_by(&signer, [1; 12])?;
    let mut tip = *stream.init();
    for count in 1..events {
        let patch = json!([{ "op": "replace", "path": "/count", "value": count }]);
        let patch = json::from_json(&patch)?;
        let payload = Data::payload(*stream.init(), tip, Some(Map::new()), patch)?;
        let update = event::sign(payload, &signer)?;
        tip = *update.last().ok_or("an update has blocks")?.cid();
        blocks.extend(update);
    }
    Ok((CommitId::new(stream, tip), car::write(&[tip], &blocks)))
}

/// As many tiles, of one signed event each.
fn write_documents(count: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut roots = Vec::new();
    let mut blocks = Vec::new();
    for number in 0..count {
        let mut seed = [9; 32];
        for (byte, of) in seed.iter_mut().zip(number.to_le_bytes()) {
            *byte = of;
        }
        let content = json!({ "title": "A document", "number": number });
        let signer = Ed25519Signer::from_seed(&seed);
        let (stream, event) = tile(&content)?.written_by(&signer, [1; 12])?;
        roots.push(*stream.init());
        blocks.extend(event);
    }
    Ok(car::write(&roots, &blocks))
}

/// A model of notes, and so many of its instances, which are the roots.
fn write_instances(count: usize) -> Result<(StreamId, Vec<u8>), Box<dyn Error>> {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let mut blocks = Vec::new();
    let mut write = |model: &StreamId, unique: &[u8], content| -> Result<Cid, Box<dyn Error>> {
        let header = Map::from([
            (
                "controllers".to_owned(),
                vec![Ipld::from(signer.did())].into(),
            ),
            ("model".to_owned(), Ipld::Bytes(model.to_bytes())),
            ("sep".to_owned(), "model".into()),
            ("unique".to_owned(), Ipld::Bytes(unique.to_vec())),
        ]);
        let payload = Init::payload(header, Some(json::from_json(&content)?))?;
        let event = event::sign(payload, &signer)?;
        let cid = *event.last().ok_or("an event has blocks")?.cid();
        blocks.extend(event);
        Ok(cid)
    };
    let models: StreamId = "kh4q0ozorrgaq2mezktnrmdwleo1d".parse()?;
    let definition = json!({
        "version": "1.0", "name": "Note", "accountRelation": { "type": "list" },
        "schema": {
            "type": "object", "additionalProperties": false, "required": ["title"],
            "properties": {
                "title": { "type": "string", "maxLength": 100 },
                "number": { "type": "integer", "minimum": 0 },
                "at": { "type": "string", "format": "date-time" },
            },
        },
    });
    let model = StreamId::new(StreamType::MODEL, write(&models, b"", definition)?);
    let instances = (0..count)
        .map(|number| {
            let content =
                json!({ "title": "A note", "number": number, "at": "2025-01-01T00:00:00Z" });
            write(&model, &number.to_be_bytes(), content)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok((model, car::write(&instances, &blocks)))
}

fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}

/// The whole road, hashes and signatures included.
fn verify_chain(commit: &CommitId, archive: &[u8]) -> Result<(), Box<dyn Error>> {
    let (_, blocks) = read(archive)?;
    load_commit(commit, &blocks, &World::new(0, &Unasked))?;
    Ok(())
}

fn verify_documents(archive: &[u8]) -> Result<(), Box<dyn Error>> {
    let (roots, blocks) = read(archive)?;
    let mut chains = Vec::new();
    for root in roots {
        let stream = StreamId::new(StreamType::TILE, root);
        match Walk::new(stream, root).advance(&blocks, None)? {
            Step::Done(chain) => chains.push(chain),
            Step::Need(_) => return Err("a block is missing".into()),
        }
    }
    for document in Document::verify_all(chains, &World::new(0, &Unasked)) {
        document?;
    }
    Ok(())
}

type Archive = (Vec<Cid>, HashMap<Cid, Block>);

fn read(archive: &[u8]) -> Result<Archive, Box<dyn Error>> {
    let archive = car::read(archive)?;
    let blocks = archive.blocks.into_iter();
    let blocks = blocks.map(|block| (*block.cid(), block)).collect();
    Ok((archive.roots, blocks))
}
