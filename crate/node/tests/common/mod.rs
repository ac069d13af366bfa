//! Documents and nodes for the tests of this crate.
#![allow(dead_code)] // each test uses a part

pub mod bench;
pub mod hooked;
pub mod nodes;
pub mod referring;

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::BASE64;
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::event::{self, Data, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, Ipld, StreamId};
use serde_json::Value;

/// One whole document of the vectors.
pub struct Vector {
    pub stream: StreamId,
    pub tip: Cid,
    pub blocks: Vec<Block>,
    /// The state at the tip, as js-ceramic says.
    pub state: Value,
}

/// The tiles of `doc-chains.json`.
pub fn tiles() -> Vec<Vector> {
    vectors(0)
}

/// The model instances of `doc-chains.json`, with the blocks of their models.
pub fn instances() -> Vec<Vector> {
    vectors(3)
}

fn vectors(kind: u64) -> Vec<Vector> {
    let json = file("doc-chains");
    let cases = json["cases"].as_array().unwrap().iter();
    cases
        .filter(|case| case["streamType"] == kind)
        .map(vector)
        .collect()
}

/// A file of vectors.
pub fn file(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let bytes = std::fs::read(path.join(name).with_extension("json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The blocks of a vector.
pub fn blocks(map: &Value) -> Vec<Block> {
    let block = |(cid, bytes): (&String, &Value)| {
        let bytes = BASE64.decode(bytes.as_str().unwrap().as_bytes()).unwrap();
        Block::verify(cid.parse().unwrap(), bytes).unwrap()
    };
    map.as_object().unwrap().iter().map(block).collect()
}

pub fn vector(case: &Value) -> Vector {
    Vector {
        stream: case["streamId"].as_str().unwrap().parse().unwrap(),
        tip: case["tips"][0].as_str().unwrap().parse().unwrap(),
        blocks: blocks(&case["blocks"]),
        state: case["expected"]["strict"][0]["state"].clone(),
    }
}

pub use referring::types;

/// A controller who writes one tile, or one document that names others.
pub struct Author {
    signer: Ed25519Signer,
    pub stream: StreamId,
    pub tip: Cid,
    /// Everything written so far.
    pub blocks: BTreeMap<Cid, Block>,
}

impl Author {
    pub fn new(seed: u8) -> Author {
        Author::begin(seed, BTreeMap::new())
    }

    /// One of many documents of a controller.
    pub fn unique(seed: u8, unique: u64) -> Author {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&unique.to_le_bytes());
        Author::make(seed, bytes, BTreeMap::new())
    }

    fn begin(seed: u8, content: BTreeMap<String, Ipld>) -> Author {
        Author::make(seed, [seed; 12], content)
    }

    fn make(seed: u8, unique: [u8; 12], mut content: BTreeMap<String, Ipld>) -> Author {
        let signer = Ed25519Signer::from_seed(&[seed; 32]);
        content.insert("n".to_owned(), Ipld::Integer(0));
        let tile = New::Tile(NewTile {
            content: Some(Ipld::Map(content)),
            ..NewTile::default()
        });
        let (stream, blocks) = tile.written_by(&signer, unique).unwrap();
        let blocks: BTreeMap<Cid, Block> = blocks
            .into_iter()
            .map(|block| (*block.cid(), block))
            .collect();
        Author {
            signer,
            stream,
            tip: *stream.init(),
            blocks,
        }
    }

    /// Sets `n` after the author's tip, and moves the tip.
    pub fn write(&mut self, n: i128) -> Vec<Block> {
        let blocks = self.write_after(self.tip, n);
        self.tip = *blocks.last().unwrap().cid();
        blocks
    }

    /// Sets `n` to a text after the author's tip, and moves the tip.
    pub fn write_text(&mut self, text: &str) {
        let value = Ipld::String(text.to_owned());
        let blocks = replace(&self.signer, &self.stream, self.tip, "/n", value);
        self.tip = *blocks.last().unwrap().cid();
        self.blocks
            .extend(blocks.into_iter().map(|block| (*block.cid(), block)));
    }

    /// Sets `n` after any event.
    pub fn write_after(&mut self, prev: Cid, n: i128) -> Vec<Block> {
        let blocks = update(&self.signer, &self.stream, prev, n);
        self.blocks
            .extend(blocks.iter().map(|block| (*block.cid(), block.clone())));
        blocks
    }

    /// Sets `n` after this author's tip in an event that names another document.
    pub fn write_for(&self, stream: &StreamId, n: i128) -> Vec<Block> {
        update(&self.signer, stream, self.tip, n)
    }

    pub fn all(&self) -> Vec<Block> {
        self.blocks.values().cloned().collect()
    }
}

/// What someone who is not the controller would write.
pub fn forge(stream: &StreamId, prev: Cid, n: i128) -> Vec<Block> {
    update(&Ed25519Signer::from_seed(&[255; 32]), stream, prev, n)
}

fn update(signer: &Ed25519Signer, stream: &StreamId, prev: Cid, n: i128) -> Vec<Block> {
    replace(signer, stream, prev, "/n", Ipld::Integer(n))
}

fn replace(
    signer: &Ed25519Signer,
    stream: &StreamId,
    prev: Cid,
    path: &str,
    value: Ipld,
) -> Vec<Block> {
    let text = |text: &str| Ipld::String(text.to_owned());
    let change = BTreeMap::from([
        ("op".to_owned(), text("replace")),
        ("path".to_owned(), text(path)),
        ("value".to_owned(), value),
    ]);
    change_of(signer, stream, prev, Ipld::List(vec![Ipld::Map(change)]))
}

/// A change of a tile after any event, whatever it says.
pub fn change_of(signer: &Ed25519Signer, stream: &StreamId, prev: Cid, patch: Ipld) -> Vec<Block> {
    let payload = Data::payload(*stream.init(), prev, Some(Map::new()), patch).unwrap();
    event::sign(payload, signer).unwrap()
}
