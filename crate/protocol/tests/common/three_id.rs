//! A 3ID whose keys change, and a tile it writes.

use std::collections::BTreeMap;

use k256::ecdsa::{Signature as Ecdsa, SigningKey, signature::Signer as _};
use ostrakon_protocol::event::{Data, Envelope, Init, Map, Signature, Time};
use ostrakon_protocol::jose::signing_input;
use ostrakon_protocol::{
    Block, Chain, Cid, Document, Ipld, Step, StreamId, StreamType, Walk, json,
};
use serde_json::{Value, json};

use super::world::proof;

/// A secp256k1 key, by its number.
pub struct Key(SigningKey);

impl Key {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn text(&self) -> String {
        let point = self.0.verifying_key().to_sec1_point(true);
        let bytes = [&[0xe7, 1], point.as_bytes()].concat();
        format!("z{}", multibase::Base::Base58Btc.encode(bytes))
    }

    pub fn did(&self) -> String {
        format!("did:key:{}", self.text())
    }
}

/// Every block there is.
#[derive(Default)]
pub struct Place {
    pub blocks: BTreeMap<Cid, Block>,
    salt: u8,
}

/// A tile: its id, and the event to build on.
#[derive(Clone, Copy)]
pub struct Tile {
    pub stream: StreamId,
    pub tip: Cid,
}

impl Tile {
    pub fn did(&self) -> String {
        format!("did:3:{}", self.stream)
    }

    /// The DID URL of its version at an event.
    pub fn at(&self, event: &Cid) -> String {
        format!("{}?version-id={event}#k", self.did())
    }
}

impl Place {
    fn add(&mut self, block: Block) -> Cid {
        let cid = *block.cid();
        self.blocks.insert(cid, block);
        cid
    }

    fn sign(&mut self, payload: Block, key: &Key, kid: &str) -> Cid {
        let protected = json!({ "alg": "ES256K", "kid": kid })
            .to_string()
            .into_bytes();
        let input = signing_input(&protected, &payload.cid().to_bytes());
        let signature: Ecdsa = key.0.sign(&input);
        let envelope = Envelope {
            payload: *payload.cid(),
            signatures: vec![Signature {
                protected: protected.into(),
                signature: signature.to_bytes().to_vec().into(),
            }],
        };
        self.add(payload);
        self.add(envelope.write().unwrap())
    }

    /// An unsigned tile without content, the only one of its controller.
    pub fn tile(&mut self, controller: &str, family: &str) -> Tile {
        let header = json!({ "controllers": [controller], "family": family });
        let init = self.add(Init::payload(map(&header), None).unwrap());
        let stream = StreamId::new(StreamType::TILE, init);
        Tile { stream, tip: init }
    }

    /// A tile with a signed init event.
    pub fn signed(&mut self, controller: &str, content: &Value, key: &Key, kid: &str) -> Tile {
        let header = map(&json!({ "controllers": [controller], "unique": "AAAA" }));
        let payload = Init::payload(header, Some(value(content))).unwrap();
        let init = self.sign(payload, key, kid);
        let stream = StreamId::new(StreamType::TILE, init);
        Tile { stream, tip: init }
    }

    /// A 3ID without keys.
    pub fn three_id(&mut self, manager: &Key) -> Tile {
        self.tile(&manager.did(), "3id")
    }

    pub fn change(
        &mut self,
        tile: &mut Tile,
        patch: &Value,
        header: &Value,
        key: &Key,
        kid: &str,
    ) -> Cid {
        let payload = Data::payload(
            *tile.stream.init(),
            tile.tip,
            Some(map(header)),
            value(patch),
        );
        tile.tip = self.sign(payload.unwrap(), key, kid);
        tile.tip
    }

    /// `n` becomes a number.
    pub fn write(&mut self, tile: &mut Tile, number: u64, key: &Key, kid: &str) -> Cid {
        let patch = json!([{ "op": "add", "path": "/n", "value": number }]);
        self.change(tile, &patch, &json!({}), key, kid)
    }

    /// These are the keys of a 3ID from the next anchor on.
    pub fn keys(&mut self, three_id: &mut Tile, manager: &Key, keys: &[&Key]) -> Cid {
        let names = (0_u8..).map(|n| n.to_string());
        let keys: BTreeMap<String, String> = names.zip(keys.iter().map(|key| key.text())).collect();
        let patch = json!([{ "op": "add", "path": "/publicKeys", "value": keys }]);
        self.change(three_id, &patch, &json!({}), manager, &manager.did())
    }

    /// See [`super::world::Told`] for what the chain says.
    pub fn anchor(&mut self, tile: &mut Tile, says: u8) -> Cid {
        self.salt = self.salt.wrapping_add(1);
        let proof = proof(tile.tip, says, self.salt);
        let time = Time::write(*tile.stream.init(), tile.tip, *proof.cid(), "").unwrap();
        self.add(proof);
        tile.tip = self.add(time);
        tile.tip
    }

    pub fn walk(&self, stream: &StreamId, tip: &Cid, known: Option<&Document>) -> Chain {
        let mut walk = Walk::new(*stream, *tip);
        loop {
            match walk.advance(&self.blocks, known).unwrap() {
                Step::Done(chain) => return chain,
                Step::Need(cids) => cids.iter().for_each(|cid| walk.absent(cid)),
            }
        }
    }
}

fn value(json: &Value) -> Ipld {
    json::from_json(json).unwrap()
}

fn map(json: &Value) -> Map {
    match value(json) {
        Ipld::Map(map) => map,
        other => panic!("not a map: {other:?}"),
    }
}
