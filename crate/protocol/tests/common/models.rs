//! Models and instances whose controller the tests are.

use std::collections::HashMap;

use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::event::{self, Data, Init, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{
    Block, Cid, CommitId, Document, Ipld, Refusal, StreamId, StreamType, World, json,
};
use serde_json::Value;

pub const METAMODEL: &str = "kh4q0ozorrgaq2mezktnrmdwleo1d";

/// Nobody asked a chain.
static NO_ANCHORS: ostrakon_protocol::Unasked = ostrakon_protocol::Unasked;

/// One controller, and every block written.
pub struct Writer {
    pub blocks: HashMap<Cid, Block>,
    pub key: Ed25519Signer,
    written: u64,
}

impl Writer {
    pub fn new() -> Self {
        Self {
            blocks: HashMap::new(),
            key: Ed25519Signer::from_seed(&[7; 32]),
            written: 0,
        }
    }

    pub fn world(&self) -> World<'static> {
        World::new(1_000, &NO_ANCHORS)
    }

    pub fn model(&mut self, definition: &Value) -> StreamId {
        self.model_of(json::from_json(definition).unwrap())
    }

    pub fn model_of(&mut self, definition: Ipld) -> StreamId {
        let header = model_header(self.key.did());
        let init = self.sign(Init::payload(header, Some(definition)).unwrap());
        StreamId::new(StreamType::MODEL, init)
    }

    /// An instance of a model with a list or no relation.
    pub fn instance(&mut self, model: &StreamId, content: Value) -> StreamId {
        self.written += 1;
        let unique = self.written.to_be_bytes();
        let header = self.header(model, Some(&unique));
        let content = json::from_json(&content).unwrap();
        let init = self.sign(Init::payload(header, Some(content)).unwrap());
        StreamId::new(StreamType::MODEL_INSTANCE, init)
    }

    /// An instance whose id follows from its metadata.
    pub fn deterministic(&mut self, model: &StreamId, unique: Option<&str>) -> StreamId {
        let header = self.header(model, unique.map(str::as_bytes));
        let init = self.add(Init::payload(header, Some(Ipld::Null)).unwrap());
        StreamId::new(StreamType::MODEL_INSTANCE, init)
    }

    /// An instance with whatever header and content.
    pub fn any_instance(
        &mut self,
        model: &StreamId,
        header: Map,
        content: Ipld,
        signed: bool,
    ) -> StreamId {
        let mut whole = self.header(model, None);
        whole.extend(header);
        let payload = Init::payload(whole, Some(content)).unwrap();
        let init = match signed {
            true => self.sign(payload),
            false => self.add(payload),
        };
        StreamId::new(StreamType::MODEL_INSTANCE, init)
    }

    pub fn update(&mut self, stream: &StreamId, prev: Cid, patch: Value) -> Cid {
        self.change(stream, prev, patch, None)
    }

    pub fn change(
        &mut self,
        stream: &StreamId,
        prev: Cid,
        patch: Value,
        header: Option<&Value>,
    ) -> Cid {
        let header = header.map(|header| match json::from_json(header).unwrap() {
            Ipld::Map(header) => header,
            other => panic!("{other:?} is no header"),
        });
        let patch = json::from_json(&patch).unwrap();
        self.sign(Data::payload(*stream.init(), prev, header, patch).unwrap())
    }

    pub fn hear(&self, stream: &StreamId) -> Result<Document, Refusal> {
        let heard = hear_all(stream, &[], &self.blocks, &self.world());
        heard.map(|(document, _)| document)
    }

    pub fn load(&self, stream: &StreamId, tip: &Cid) -> Result<Document, Refusal> {
        load_commit(&CommitId::new(*stream, *tip), &self.blocks, &self.world())
    }

    fn header(&self, model: &StreamId, unique: Option<&[u8]>) -> Map {
        let mut header = Map::from([
            (
                "controllers".to_owned(),
                vec![Ipld::from(self.key.did())].into(),
            ),
            ("model".to_owned(), Ipld::Bytes(model.to_bytes())),
            ("sep".to_owned(), "model".into()),
        ]);
        header.extend(unique.map(|unique| ("unique".to_owned(), Ipld::Bytes(unique.to_vec()))));
        header
    }

    fn sign(&mut self, payload: Block) -> Cid {
        let [payload, event] = event::sign(payload, &self.key).unwrap().try_into().unwrap();
        self.add(payload);
        self.add(event)
    }

    fn add(&mut self, block: Block) -> Cid {
        let cid = *block.cid();
        self.blocks.insert(cid, block);
        cid
    }
}

/// What a model's init event says, not signed yet.
pub fn model_payload(controller: &str, definition: &Value) -> Block {
    let definition = json::from_json(definition).unwrap();
    Init::payload(model_header(controller), Some(definition)).unwrap()
}

fn model_header(controller: &str) -> Map {
    let metamodel: StreamId = METAMODEL.parse().unwrap();
    Map::from([
        (
            "controllers".to_owned(),
            vec![Ipld::from(controller)].into(),
        ),
        ("model".to_owned(), Ipld::Bytes(metamodel.to_bytes())),
        ("sep".to_owned(), "model".into()),
    ])
}
