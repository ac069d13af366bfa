//! An Ethereum account whose session keys write a tile for it.

use std::collections::BTreeMap;

use ed25519_dalek::Signer as _;
use k256::ecdsa::SigningKey;
use ostrakon_protocol::cacao::{CLOCK_SKEW, PHASE_OUT};
use ostrakon_protocol::event::{Data, Envelope, Init, Map, Signature, Time};
use ostrakon_protocol::jose::signing_input;
use ostrakon_protocol::{
    Block, Chain, Cid, Document, Heard, Ipld, Step, StreamId, StreamType, Walk, World, cbor, json,
};
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

use super::world::proof;

/// How late a capability still counts after its end, in seconds.
pub const GRACE: u64 = PHASE_OUT + CLOCK_SKEW;

/// An account, its tile, and every block written for it.
pub struct Account {
    key: SigningKey,
    session: ed25519_dalek::SigningKey,
    pub stream: StreamId,
    pub blocks: BTreeMap<Cid, Block>,
}

impl Account {
    /// The init event is signed under a capability without end, or with the end given, in unix seconds with all grace.
    pub fn new(end: Option<u64>) -> Self {
        Self::found(7, end)
    }

    /// Another account, with the same session key.
    pub fn of(seed: u8) -> Self {
        Self::found(seed, None)
    }

    fn found(seed: u8, end: Option<u64>) -> Self {
        let mut account = Self {
            key: SigningKey::from_slice(&[seed; 32]).unwrap(),
            session: ed25519_dalek::SigningKey::from_bytes(&[8; 32]),
            stream: StreamId::new(StreamType::TILE, *Block::dag_cbor(vec![]).unwrap().cid()),
            blocks: BTreeMap::new(),
        };
        let capability = account.capability(end);
        let header = json!({ "controllers": [account.did()], "unique": "AAAA" });
        let payload = Init::payload(map(&header), Some(value(&json!({ "n": 0 })))).unwrap();
        let init = account.sign(payload, Some(capability));
        account.stream = StreamId::new(StreamType::TILE, init);
        account
    }

    pub fn did(&self) -> String {
        let point = self.key.verifying_key().to_sec1_point(false);
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        let digits = data_encoding::HEXLOWER.encode(&hash[12..]);
        format!("did:pkh:eip155:1:0x{digits}")
    }

    /// Goes on with another session key.
    pub fn change_session(&mut self, seed: u8) {
        self.session = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    }

    /// The DID of the session key.
    pub fn session(&self) -> String {
        ostrakon_protocol::did::key::PublicKey::did_of_ed25519(&self.session.verifying_key())
    }

    /// A capability for the session key, for any document.
    pub fn capability(&mut self, end: Option<u64>) -> Cid {
        self.capability_for(&["ceramic://*"], end)
    }

    /// `end` is the last second at which it counts.
    pub fn capability_for(&mut self, resources: &[&str], end: Option<u64>) -> Cid {
        let end = end.map(|end| i64::try_from(end).unwrap() - i64::try_from(GRACE).unwrap());
        let end = end.map(|end| jiff::Timestamp::from_second(end).unwrap().to_string());
        let (account, session) = (self.did(), self.session());
        let address = account.rsplit(':').next().unwrap();
        let text = [
            "app.example wants you to sign in with your Ethereum account:",
            address,
            "",
            &format!("URI: {session}"),
            "Version: 1",
            "Chain ID: 1",
            "Nonce: k3J9x0aZ",
            "Issued At: 1960-01-01T00:00:00Z",
        ];
        let mut text = text.join("\n");
        text.extend(end.iter().map(|end| format!("\nExpiration Time: {end}")));
        if !resources.is_empty() {
            text.push_str("\nResources:");
        }
        text.extend(resources.iter().map(|resource| format!("\n- {resource}")));
        let message = format!("\u{19}Ethereum Signed Message:\n{}{text}", text.len());
        let hash = Keccak256::digest(message);
        let (signature, id) = self.key.sign_prehash_recoverable(&hash);
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + id.to_byte());
        let mut block = json!({
            "h": { "t": "eip4361" },
            "p": {
                "domain": "app.example", "iss": account, "aud": session, "version": "1", "nonce": "k3J9x0aZ",
                "iat": "1960-01-01T00:00:00Z", "resources": resources,
            },
            "s": { "t": "eip191", "s": format!("0x{}", data_encoding::HEXLOWER.encode(&bytes)) },
        });
        if let Some(end) = end {
            block["p"]["exp"] = end.into();
        }
        self.add(Block::dag_cbor(cbor::encode(&value(&block)).unwrap()).unwrap())
    }

    pub fn add(&mut self, block: Block) -> Cid {
        let cid = *block.cid();
        self.blocks.insert(cid, block);
        cid
    }

    /// A change by the session key under a capability: `n` becomes `value`.
    pub fn write(&mut self, prev: Cid, number: u64, capability: Option<Cid>) -> Cid {
        let patch = json!([{ "op": "replace", "path": "/n", "value": number }]);
        self.change(prev, &patch, &json!({}), capability)
    }

    pub fn change(
        &mut self,
        prev: Cid,
        patch: &Value,
        header: &Value,
        capability: Option<Cid>,
    ) -> Cid {
        let init = *self.stream.init();
        let payload = Data::payload(init, prev, Some(map(header)), value(patch)).unwrap();
        self.sign(payload, capability)
    }

    pub fn sign(&mut self, payload: Block, capability: Option<Cid>) -> Cid {
        let mut header = json!({ "alg": "EdDSA", "kid": self.session() });
        if let Some(capability) = capability {
            header["cap"] = format!("ipfs://{capability}").into();
        }
        let protected = header.to_string().into_bytes();
        let input = signing_input(&protected, &payload.cid().to_bytes());
        let signature = self.session.sign(&input).to_bytes().to_vec();
        let envelope = Envelope {
            payload: *payload.cid(),
            signatures: vec![Signature {
                protected: protected.into(),
                signature: signature.into(),
            }],
        };
        self.add(payload);
        self.add(envelope.write().unwrap())
    }

    /// A time event; see [`super::world::Told`] for what the chain says.
    pub fn anchor(&mut self, prev: Cid, says: u8, salt: u8) -> Cid {
        let proof = proof(prev, says, salt);
        let time = Time::write(*self.stream.init(), prev, *proof.cid(), "").unwrap();
        self.add(proof);
        self.add(time)
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

    pub fn hear(&self, document: &mut Document, tip: &Cid, world: &World) -> Heard {
        document.hear(self.walk(tip, Some(document)), world)
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
