//! A document type of this suite's own: a tile whose content names the documents without which it cannot be judged.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostrakon_protocol::doctype::{Around, DocumentType, Written};
use ostrakon_protocol::event::{Data, Init};
use ostrakon_protocol::{
    Block, Cid, DocumentRef, Ipld, Reason, State, StreamId, StreamType, Types,
};

use super::{Author, replace};

/// Its number, which Ceramic does not use.
pub const REFERRING: StreamType = StreamType::new(77);

#[derive(Debug)]
struct Referring(Arc<dyn DocumentType>);

impl DocumentType for Referring {
    fn init(&self, init: &Init) -> Result<State, Reason> {
        self.0.init(init)
    }

    fn change(&self, state: &mut State, data: &Data) -> Result<(), Reason> {
        self.0.change(state, data)
    }

    fn check(&self, event: Written, state: &State, around: &Around) -> Result<(), Reason> {
        if let Some(Ipld::Map(content)) = state.content()
            && let Some(Ipld::List(needs)) = content.get("needs")
        {
            for need in needs {
                let Ipld::String(need) = need else { continue };
                match need.parse().expect("written by this suite") {
                    DocumentRef::Commit(commit) => around.world.library.version(&commit)?,
                    DocumentRef::Stream(stream) => around.world.library.document(&stream)?,
                };
            }
        }
        self.0.check(event, state, around)
    }
}

/// Ceramic's types and this one.
pub fn types() -> Arc<Types> {
    let mut types = Types::ceramic();
    let tile = types.rules(StreamType::TILE).expect("tiles are known");
    types.add(REFERRING, Arc::new(Referring(tile)));
    Arc::new(types)
}

fn list(needs: &[DocumentRef]) -> Ipld {
    Ipld::List(
        needs
            .iter()
            .map(|need| Ipld::String(need.to_string()))
            .collect(),
    )
}

impl Author {
    /// A controller whose document needs others from the start.
    pub fn referring(seed: u8, needs: &[DocumentRef]) -> Author {
        let mut author = Author::begin(seed, BTreeMap::from([("needs".to_owned(), list(needs))]));
        author.stream = StreamId::new(REFERRING, author.tip);
        author
    }

    /// Names others from now on, and moves the tip.
    pub fn refer(&mut self, needs: &[DocumentRef]) -> Vec<Block> {
        let blocks = self.refer_after(self.tip, needs);
        self.tip = *blocks.last().expect("an event").cid();
        blocks
    }

    /// Names others in an event after any other.
    pub fn refer_after(&mut self, prev: Cid, needs: &[DocumentRef]) -> Vec<Block> {
        let blocks = replace(&self.signer, &self.stream, prev, "/needs", list(needs));
        self.blocks
            .extend(blocks.iter().map(|block| (*block.cid(), block.clone())));
        blocks
    }
}
