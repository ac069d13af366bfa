//! What the benchmarks call in the page: the real store and the real verification, timed where they happen.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::time::Duration;

use cid::Cid;
use js_sys::Promise;
use ostrakon_node::store::{Change, Record, Store};
use ostrakon_protocol::anchor::Unasked;
use ostrakon_protocol::author::{TileMetadata, tile_init, tile_update};
use ostrakon_protocol::document::{World, load_commit};
use ostrakon_protocol::event::EventError;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, CommitId, Ipld, StreamId, StreamType, car};
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;
use web_time::Instant;

use crate::error::Failure;
use crate::shapes::plain;
use crate::store::IndexedDb;

#[derive(Serialize)]
struct StoreTimes {
    write: f64,
    read: f64,
}

/// Keeps one document of `count` blocks of `size` bytes in a new database and reads it back, each block hashed.
/// Resolves to `{ write, read }` in milliseconds.
#[wasm_bindgen(js_name = benchStore, unchecked_return_type = "Promise<{ write: number, read: number }>")]
pub fn store(name: String, count: u32, size: u32) -> Promise {
    future_to_promise(async move { Ok(run(&name, count, size).await?) })
}

async fn run(name: &str, count: u32, size: u32) -> Result<JsValue, Failure> {
    // As hard to compress as signatures and CIDs are: a database that compresses must not look fast for it.
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise as u8
    };
    let blocks = (0..count)
        .map(|_| Block::dag_cbor((0..size).map(|_| next()).collect::<Vec<u8>>()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(wrong)?;
    let Some(first) = blocks.first() else {
        return Err(wrong("no blocks"));
    };
    let stream = StreamId::new(StreamType::TILE, *first.cid());
    let record = Record {
        stream,
        tips: Vec::new(),
        events: count,
        bytes: u64::from(count) * u64::from(size),
        updated: 0,
    };
    let store = IndexedDb::open(name).await?;
    let start = Instant::now();
    store.commit(Change::Put { record, blocks }).await?;
    let written = Instant::now();
    let stored = store
        .document(&stream)
        .await?
        .ok_or_else(|| wrong("not there"))?;
    let (_, blocks, damaged) = stored.verified();
    let read = written.elapsed();
    if blocks.len() != count as usize || damaged != 0 {
        return Err(wrong("not all blocks came back"));
    }
    plain(&StoreTimes {
        write: ms(written - start),
        read: ms(read),
    })
}

#[derive(Serialize)]
struct VerifyTimes {
    verify: f64,
}

/// Makes an archive of one document with `events` signed events, then reads it and verifies the document: every block
/// hashed, every signature checked. Returns `{ verify }` in milliseconds, without the making.
#[wasm_bindgen(js_name = benchVerify, unchecked_return_type = "{ verify: number }")]
pub fn verify(events: u32) -> Result<JsValue, JsValue> {
    let (tip, archive) = chain(events).map_err(wrong)?;
    let start = Instant::now();
    let blocks: HashMap<Cid, Block> = car::read(&archive)
        .map_err(wrong)?
        .blocks
        .into_iter()
        .map(|block| (*block.cid(), block))
        .collect();
    let world = World {
        now: 1_700_000_000,
        anchors: &Unasked,
    };
    let document = load_commit(&tip, &blocks, &world).map_err(wrong)?;
    let verify = start.elapsed();
    if document.log().len() != events as usize {
        return Err(wrong("not all events were verified").into());
    }
    Ok(plain(&VerifyTimes { verify: ms(verify) })?)
}

fn chain(events: u32) -> Result<(CommitId, Vec<u8>), EventError> {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let content = |n| Ipld::Map(BTreeMap::from([("count".to_owned(), Ipld::Integer(n))]));
    let metadata = TileMetadata::default();
    let (stream, mut blocks) = tile_init(&signer, Some(content(0)), &metadata, [0; 12])?;
    let mut tip = *stream.init();
    for n in 1..events {
        let change = Ipld::Map(BTreeMap::from([
            ("op".to_owned(), Ipld::String("replace".to_owned())),
            ("path".to_owned(), Ipld::String("/count".to_owned())),
            ("value".to_owned(), Ipld::Integer(n.into())),
        ]));
        let patch = Ipld::List(vec![change]);
        let event = tile_update(&signer, &stream, tip, patch, BTreeMap::new())?;
        tip = event.last().map_or(tip, |block| *block.cid());
        blocks.extend(event);
    }
    Ok((CommitId::new(stream, tip), car::write(&[tip], &blocks)))
}

fn wrong(error: impl Display) -> Failure {
    Failure::new("bench", error.to_string())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
