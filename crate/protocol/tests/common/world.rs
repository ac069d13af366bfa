//! A small world of documents whose keys the tests hold, and a chain that says what it is told to.

use std::collections::HashMap;

use multihash::Multihash;
use ostrakon_protocol::anchor::{AnchorAnswer, Anchors, Proof};
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::event::{self, Data, Map, Time};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{
    Block, Chain, Cid, Document, Ipld, Step, StreamId, Walk, World, cbor, json,
};
use serde_json::{Value, json};

/// A tile of one controller, and every block written for it.
pub struct Tile {
    pub stream: StreamId,
    pub blocks: HashMap<Cid, Block>,
    pub key: Ed25519Signer,
}

impl Tile {
    pub fn new() -> Self {
        let key = Ed25519Signer::from_seed(&[1; 32]);
        let tile = New::Tile(NewTile {
            content: Some(json::from_json(&json!({ "n": 0 })).unwrap()),
            ..NewTile::default()
        });
        let (stream, blocks) = tile.written_by(&key, [0; 12]).unwrap();
        let blocks = blocks
            .into_iter()
            .map(|block| (*block.cid(), block))
            .collect();
        Self {
            stream,
            blocks,
            key,
        }
    }

    pub fn add(&mut self, blocks: impl IntoIterator<Item = Block>) -> Cid {
        let mut last = *self.stream.init();
        for block in blocks {
            last = *block.cid();
            self.blocks.insert(last, block);
        }
        last
    }

    /// A change by the controller: `n` becomes `value`.
    pub fn write(&mut self, prev: Cid, value: u64) -> Cid {
        self.patch(
            prev,
            json!([{ "op": "replace", "path": "/n", "value": value }]),
        )
    }

    pub fn patch(&mut self, prev: Cid, patch: Value) -> Cid {
        let payload = self.payload(prev, &patch);
        self.add(event::sign(payload, &self.key).unwrap())
    }

    fn payload(&self, prev: Cid, patch: &Value) -> Block {
        let patch = json::from_json(patch).unwrap();
        Data::payload(*self.stream.init(), prev, Some(Map::new()), patch).unwrap()
    }

    /// A change that another key signed.
    pub fn write_as_stranger(&mut self, prev: Cid, value: u64) -> Cid {
        let key = Ed25519Signer::from_seed(&[2; 32]);
        let patch = json!([{ "op": "replace", "path": "/n", "value": value }]);
        let payload = self.payload(prev, &patch);
        self.add(event::sign(payload, &key).unwrap())
    }

    /// A time event over a tree of one leaf. What the chain says about it is in the transaction: see [`Told`].
    pub fn anchor(&mut self, prev: Cid, says: u8, salt: u8) -> Cid {
        let proof = proof(prev, says, salt);
        let time = Time::write(*self.stream.init(), prev, *proof.cid(), "").unwrap();
        self.add([proof, time])
    }

    pub fn walk(&self, tip: &Cid, known: Option<&Document>) -> Chain {
        let mut walk = Walk::new(self.stream, *tip);
        loop {
            match walk.advance(&self.blocks, known).unwrap() {
                Step::Done(chain) => return chain,
                Step::Need(cids) => cids.iter().for_each(|cid| walk.absent(cid)),
            }
        }
    }

    pub fn document(&self) -> Document {
        Document::verify(self.walk(self.stream.init(), None), &WORLD).unwrap()
    }

    pub fn hear(&self, document: &mut Document, tip: &Cid) -> ostrakon_protocol::Heard {
        document.hear(self.walk(tip, Some(document)), &WORLD)
    }
}

/// The proof that a transaction carries this root.
pub fn proof(root: Cid, says: u8, salt: u8) -> Block {
    let mut digest = [0; 32];
    digest[0] = says;
    digest[1] = salt;
    let transaction = Cid::new_v1(0x93, Multihash::wrap(0x1b, &digest).unwrap());
    let text = |text: &str| Ipld::String(text.to_owned());
    let fields = [
        ("root", Ipld::Link(root)),
        ("txHash", Ipld::Link(transaction)),
        ("chainId", text("inmemory:12345")),
        ("txType", text("f(bytes32)")),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Block::dag_cbor(cbor::encode(&Ipld::Map(Map::from(fields))).unwrap()).unwrap()
}

/// A chain whose answer is the first byte of the transaction: 0 was not asked, 1 does not exist, the rest is the time.
pub struct Told;

pub const UNASKED: u8 = 0;
pub const ABSENT: u8 = 1;

impl Anchors for Told {
    fn answer(&self, proof: &Proof) -> AnchorAnswer {
        match proof.tx_hash.hash().digest()[0] {
            UNASKED => AnchorAnswer::Unasked,
            ABSENT => AnchorAnswer::Absent,
            time => AnchorAnswer::Mined {
                time: u64::from(time),
            },
        }
    }
}

pub const WORLD: World = World::new(1_000, &Told);
