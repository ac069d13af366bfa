//! One bit of a signed event is another: whatever it is in, and however the rest is made to fit again, it is refused.

mod common;

use std::collections::BTreeMap;

use common::case::{Case, cases};
use ostrakon_protocol::document::load_commit;
use ostrakon_protocol::event::{Envelope, Signature};
use ostrakon_protocol::{Block, Cid, CommitId, Document, Refusal, StreamId, World};

/// The events looked at, by what signed them. All are the last of their document.
const EVENTS: [(&str, &str); 6] = [
    ("an ed25519 key", "tile.json"),
    ("a session of an Ethereum or Solana account", "cacao.json"),
    ("a session for one model", "cacao-model.json"),
    ("a model's author", "model.json"),
    ("a model instance's author", "model-instance.json"),
    ("a 3ID", "three-id.json"),
];
/// Of each file.
const EACH: usize = 1;

/// A signed event of a document that js accepts, with every block there is.
struct Signed {
    case: Case,
    event: Cid,
}

fn signed(file: &str) -> Vec<Signed> {
    let all = cases(file).into_iter();
    let signed = all.filter_map(|case| {
        let event = *case.tips.first()?;
        let is_signed = event.codec() == 0x85 && case.expected["strict"][0]["accept"] == true;
        (is_signed && case.load(&event).is_ok()).then_some(Signed { case, event })
    });
    signed.collect()
}

impl Signed {
    fn load(
        &self,
        stream: StreamId,
        event: Cid,
        blocks: &BTreeMap<Cid, Block>,
    ) -> Result<Document, Refusal> {
        let world: World = self.case.world();
        load_commit(&CommitId::new(stream, event), blocks, &world)
    }

    /// The document's id, if its last event becomes another.
    fn stream(&self, event: Cid) -> StreamId {
        let stream = self.case.stream;
        match self.event == *stream.init() {
            true => StreamId::new(stream.stream_type(), event),
            false => stream,
        }
    }

    /// Loads the document with another last event.
    fn with(&self, envelope: Block, more: Option<Block>) -> Result<Document, Refusal> {
        let event = *envelope.cid();
        let mut blocks = self.case.blocks.clone();
        blocks.extend(
            more.into_iter()
                .chain([envelope])
                .map(|block| (*block.cid(), block)),
        );
        self.load(self.stream(event), event, &blocks)
    }

    fn envelope(&self) -> Envelope {
        Envelope::read(self.case.blocks[&self.event].bytes()).unwrap()
    }
}

/// Every byte with one of its bits flipped, another for each.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).map(|at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << ((at * 5) % 8);
        flipped
    })
}

#[test]
fn a_flipped_bit_in_any_block_of_a_signed_event_is_refused() {
    for (whose, file) in EVENTS {
        let events = signed(file);
        let step = (events.len() / EACH).max(1);
        let mut refused = 0;
        for event in events.iter().step_by(step).take(EACH) {
            let envelope = event.envelope();
            let root = &event.case.blocks[&event.event];
            let payload = &event.case.blocks[&envelope.payload];

            // A block under its old name is no block at all.
            for block in [root, payload] {
                for bytes in flipped(block.bytes()) {
                    assert!(Block::verify(*block.cid(), bytes).is_err());
                    refused += 1;
                }
            }
            // Under a new name, with an envelope that names it.
            for bytes in flipped(payload.bytes()) {
                let Ok(other) = Block::dag_cbor(bytes) else {
                    continue;
                };
                let around = Envelope {
                    payload: *other.cid(),
                    ..envelope.clone()
                };
                let outcome = event.with(around.write().unwrap(), Some(other));
                assert!(outcome.is_err(), "{whose}: {}", event.case.name);
                refused += 1;
            }
            // The envelope itself.
            for bytes in flipped(root.bytes()) {
                let outcome = event.with(Block::dag_jose(bytes).unwrap(), None);
                assert!(outcome.is_err(), "{whose}: {}", event.case.name);
                refused += 1;
            }
            // The capability, with a header that names it.
            if let Some(cap) = envelope.capability() {
                let [one] = envelope.signatures.as_slice() else {
                    panic!("one signature")
                };
                let header = std::str::from_utf8(&one.protected).unwrap();
                for bytes in flipped(event.case.blocks[&cap].bytes()) {
                    let Ok(other) = Block::dag_cbor(bytes) else {
                        continue;
                    };
                    let header = header.replace(&cap.to_string(), &other.cid().to_string());
                    let one = Signature {
                        protected: header.into_bytes().into(),
                        ..one.clone()
                    };
                    let around = Envelope {
                        signatures: vec![one],
                        ..envelope.clone()
                    };
                    assert!(event.with(around.write().unwrap(), Some(other)).is_err());
                    refused += 1;
                }
            }
        }
        println!("{whose} ({file}): {refused} flipped bits, all refused");
        assert!(refused > 0, "{file} has an event to look at");
    }
}
