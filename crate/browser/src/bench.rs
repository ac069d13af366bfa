//! What the benchmarks call in the page: the real store and the real verification, timed where they happen.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use js_sys::Promise;
use ostrakon_node::store::{Change, Record, Store};
use ostrakon_node::writing::LocalSigner;
use ostrakon_node::{Node, NodeConfig, Surroundings};
use ostrakon_protocol::anchor::Unasked;
use ostrakon_protocol::author::{self, Edit, New, NewTile};
use ostrakon_protocol::did::key::PublicKey;
use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::jose::jwe::{AgreementKey, DecryptionKey, Jwe, Legible, Random};
use ostrakon_protocol::jose::{self, Algorithm, Ed25519Signer};
use ostrakon_protocol::{
    Block, Chain, CommitId, Document, Ipld, Library, Step, StreamId, StreamType, Walk, World, car,
};
use serde::Serialize;
use serde_json::Value;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::{future_to_promise, spawn_local};
use web_time::Instant;

use crate::error::Failure;
use crate::identity::identity;
use crate::session::crypto;
use crate::shapes::plain;
use crate::store::IndexedDb;
use crate::transport;

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
        asked: true,
        needs: Vec::new(),
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

/// Reads an archive and loads the version of a document that it holds: every block hashed, every signature checked.
/// Returns milliseconds.
#[wasm_bindgen(js_name = benchVerify)]
pub fn verify(commit: &str, archive: &[u8]) -> Result<f64, JsValue> {
    let commit = CommitId::from_str(commit).map_err(wrong)?;
    let start = Instant::now();
    let (_, blocks) = read(archive)?;
    let world = World::new(0, &Unasked);
    load_commit(&commit, &blocks, &world).map_err(wrong)?;
    Ok(ms(start.elapsed()))
}

/// Reads an archive whose roots are the init events of tiles and verifies them all, every block hashed, every signature
/// checked. Returns milliseconds.
#[wasm_bindgen(js_name = benchDocuments)]
pub fn documents(archive: &[u8]) -> Result<f64, JsValue> {
    let start = Instant::now();
    let (roots, blocks) = read(archive)?;
    let chains = chains(&roots, StreamType::TILE, &blocks)?;
    for document in Document::verify_all(chains, &World::new(0, &Unasked)) {
        document.map_err(wrong)?;
    }
    Ok(ms(start.elapsed()))
}

#[derive(Serialize)]
struct Instances {
    times: Vec<f64>,
    memory: Vec<usize>,
}

/// Verifies a model and the instances of it that are the roots of the archive, and keeps them all. Returns
/// `{ times, memory }`: the milliseconds of each thousand, and the bytes of memory in use before and after each.
#[wasm_bindgen(js_name = benchInstances, unchecked_return_type = "{ times: number[], memory: number[] }")]
pub fn instances(model: &str, archive: &[u8]) -> Result<JsValue, JsValue> {
    let (roots, blocks) = read(archive)?;
    let world = World::new(0, &Unasked);
    let model = StreamId::from_str(model).map_err(wrong)?;
    let (model, _) = hear_all(&model, &[], &blocks, &world).map_err(wrong)?;
    let mut library = Library::new();
    library.admit(Arc::new(model), true);
    let world = World {
        library: &library,
        ..world
    };
    let memory = || core::arch::wasm32::memory_size(0) << 16;
    let mut documents = Vec::with_capacity(roots.len());
    let mut measured = Instances {
        times: Vec::new(),
        memory: vec![memory()],
    };
    for some in roots.chunks(1_000) {
        let start = Instant::now();
        let chains = chains(some, StreamType::MODEL_INSTANCE, &blocks)?;
        for document in Document::verify_all(chains, &world) {
            documents.push(document.map_err(wrong)?);
        }
        measured.times.push(ms(start.elapsed()));
        measured.memory.push(memory());
    }
    Ok(plain(&measured)?)
}

/// Documents of one event each.
fn chains(
    roots: &[Cid],
    kind: StreamType,
    blocks: &HashMap<Cid, Block>,
) -> Result<Vec<Chain>, Failure> {
    let walk = |root: &Cid| {
        let stream = StreamId::new(kind, *root);
        match Walk::new(stream, *root).advance(blocks, None) {
            Ok(Step::Done(chain)) => Ok(chain),
            Ok(Step::Need(_)) => Err(wrong("a block is missing")),
            Err(error) => Err(wrong(error)),
        }
    };
    roots.iter().map(walk).collect()
}

/// Checks ES256K-R signatures of 65 bytes each, made by one key over `inputs`, which are of one length. Returns
/// milliseconds.
#[wasm_bindgen(js_name = benchRecover)]
pub fn recover(key: &[u8], signatures: &[u8], inputs: &[u8]) -> Result<f64, JsValue> {
    let key = PublicKey::Secp256k1(key.to_vec());
    let signatures = signatures.chunks(65);
    let length = inputs.len() / signatures.len().max(1);
    let start = Instant::now();
    for (signature, input) in signatures.zip(inputs.chunks(length.max(1))) {
        jose::verify(input, Algorithm::Es256kR, signature, &key).map_err(wrong)?;
    }
    Ok(ms(start.elapsed()))
}

/// Milliseconds that `count` encryptions of 1,000 bytes for these DIDs take, each written as JSON.
#[wasm_bindgen(js_name = benchEncrypt)]
pub fn encrypt(count: u32, to: Vec<String>) -> Result<f64, JsValue> {
    let content = [7; 1_000];
    let start = Instant::now();
    for _ in 0..count {
        let keys = to.iter().map(|did| AgreementKey::of_did(did));
        let keys: Result<Vec<_>, _> = keys.collect();
        let keys = keys.map_err(wrong)?.concat();
        let mut random = vec![0; Random::bytes_for(keys.len())];
        crypto::random(&mut random).map_err(wrong)?;
        let (legible, random) = (Legible::default(), Random::new(random));
        let jwe = Jwe::encrypt(&content, &keys, &legible, random).map_err(wrong)?;
        std::hint::black_box(jwe.to_general().to_string());
    }
    Ok(ms(start.elapsed()))
}

/// Milliseconds that decrypting these takes, a list in JSON, with one after the other of these seeds, of 32 bytes each.
#[wasm_bindgen(js_name = benchDecrypt)]
pub fn decrypt(secrets: &str, seeds: &[u8]) -> Result<f64, JsValue> {
    let secrets: Vec<Value> = serde_json::from_str(secrets).map_err(wrong)?;
    let texts: Vec<String> = secrets.iter().map(Value::to_string).collect();
    let seeds = seeds.as_chunks::<32>().0.iter();
    let keys: Vec<_> = seeds.map(|seed| [DecryptionKey::from_seed(seed)]).collect();
    let start = Instant::now();
    for (text, key) in texts.iter().zip(keys.iter().cycle()) {
        let json: Value = serde_json::from_str(text).map_err(wrong)?;
        let jwe = Jwe::from_general(&json).map_err(wrong)?;
        let clear = jwe.decrypt(key).map_err(wrong)?;
        std::hint::black_box(clear.len());
    }
    Ok(ms(start.elapsed()))
}

/// Roots and blocks.
fn read(archive: &[u8]) -> Result<(Vec<Cid>, HashMap<Cid, Block>), Failure> {
    let archive = car::read(archive).map_err(wrong)?;
    let blocks = archive.blocks.into_iter();
    let blocks = blocks.map(|block| (*block.cid(), block)).collect();
    Ok((archive.roots, blocks))
}

#[derive(Serialize)]
struct WritingTimes {
    create: f64,
    update: f64,
}

/// Creates `count` tiles in one call, then updates one of them `updates` times, each after the other was answered: from call to
/// durable, on a node of its own with a new database. Resolves to `{ create, update }` in milliseconds.
#[wasm_bindgen(js_name = benchWriting, unchecked_return_type = "Promise<{ create: number, update: number }>")]
pub fn writing(name: String, count: u32, updates: u32) -> Promise {
    future_to_promise(async move { Ok(write(&name, count, updates).await?) })
}

async fn write(name: &str, count: u32, updates: u32) -> Result<JsValue, Failure> {
    let store = IndexedDb::open(name).await?;
    let keypair = identity(&store).await?;
    let config = NodeConfig {
        network: "bench".to_owned(),
        peers: Vec::new(),
        listen: Vec::new(),
        agent: "bench".to_owned(),
        types: Arc::default(),
        keypair: keypair.clone(),
    };
    let around = Surroundings {
        store,
        transport: transport::transport(&keypair).map_err(wrong)?,
        swarm: transport::swarm(),
        chains: Default::default(),
    };
    let (node, driver) = Node::start(config, around).await?;
    spawn_local(driver);
    let signer = LocalSigner::new(Ed25519Signer::from_seed(&[7; 32]));
    let text = |n: u32| Ipld::String(format!("what number {n} says"));
    let tile = |n: u32| {
        New::Tile(NewTile {
            content: Some(Ipld::Map([("text".to_owned(), text(n))].into())),
            ..NewTile::default()
        })
    };
    let new: Vec<New> = (0..count).map(tile).collect();
    let start = Instant::now();
    let views = node.create_many(&signer, &new).await?;
    let create = start.elapsed();
    let first = views.first().ok_or_else(|| wrong("nothing was made"))?;
    let stream = *first.document.stream();
    if node.documents().await?.len() != count as usize {
        return Err(wrong("not all documents are there"));
    }
    let start = Instant::now();
    for n in 0..updates {
        let content = Ipld::Map([("text".to_owned(), text(count + n))].into());
        let edit = Edit {
            change: author::Change::Content(content.into()),
            header: Default::default(),
        };
        node.update(&signer, &stream, &edit, None).await?;
    }
    let update = start.elapsed();
    node.stop().await;
    plain(&WritingTimes {
        create: ms(create),
        update: ms(update),
    })
}

fn wrong(error: impl Display) -> Failure {
    Failure::new("bench", error.to_string())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
