use std::sync::Arc;

use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{AnchorError, Proof};
use crate::event::Time;
use crate::{Block, cbor};

/// Longest witness path, in steps. A tree of all events ever written would not need 64.
pub const MAX_PATH: usize = 128;

/// What came of looking for a block.
pub(crate) enum Found {
    Block(Block),
    /// Nobody has it.
    Absent,
    /// Not here yet.
    Wait,
}

/// The way from a proof down to the anchored event, walked as its blocks arrive.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    prev: Cid,
    /// The block to look at next: the proof, then nodes of the tree.
    next: Cid,
    proof: Option<Arc<Proof>>,
    /// Indices yet to follow, the last one first.
    path: Result<Vec<usize>, AnchorError>,
    /// Blocks passed, in CAR order.
    pub(crate) blocks: Vec<Block>,
}

impl Witness {
    pub(crate) fn new(time: &Time) -> Self {
        Self {
            prev: time.prev,
            next: time.proof,
            proof: None,
            path: parse(&time.path),
            blocks: Vec::new(),
        }
    }

    /// Whether the block awaited is the proof itself, without which nothing can be said about the event.
    pub(crate) fn awaits_proof(&self) -> bool {
        self.proof.is_none()
    }

    /// The block awaited.
    pub(crate) fn next(&self) -> &Cid {
        &self.next
    }

    /// Goes as far as the blocks allow. `None`: waits for [`Witness::next`].
    pub(crate) fn advance(
        &mut self,
        find: &mut dyn FnMut(&Cid) -> Found,
    ) -> Option<Result<Arc<Proof>, AnchorError>> {
        loop {
            let path = match &mut self.path {
                Ok(path) => path,
                Err(error) => return Some(Err(error.clone())),
            };
            if let (Some(proof), []) = (&self.proof, path.as_slice()) {
                return Some(match self.next == self.prev {
                    true => Ok(proof.clone()),
                    false => Err(AnchorError::WrongEvent(self.next)),
                });
            }
            let block = match find(&self.next) {
                Found::Block(block) => block,
                Found::Absent => return Some(Err(AnchorError::Missing(self.next))),
                Found::Wait => return None,
            };
            let step = match self.proof {
                None => Proof::read(&block).map(|proof| {
                    let root = proof.root;
                    self.proof = Some(Arc::new(proof));
                    root
                }),
                Some(_) => child(&block, path.pop()),
            };
            self.blocks.push(block);
            match step {
                Ok(next) => self.next = next,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn child(node: &Block, index: Option<usize>) -> Result<Cid, AnchorError> {
    match (cbor::decode(node.bytes()), index) {
        (Ok(Ipld::List(list)), Some(index)) => match list.get(index) {
            Some(Ipld::Link(cid)) => Ok(*cid),
            _ => Err(AnchorError::DeadEnd(*node.cid())),
        },
        _ => Err(AnchorError::DeadEnd(*node.cid())),
    }
}

fn parse(path: &str) -> Result<Vec<usize>, AnchorError> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let indices = path
        .rsplit('/')
        .take(MAX_PATH.saturating_add(1))
        .map(|text| {
            let index: usize = text.parse().map_err(|_| AnchorError::BadPath)?;
            // Exactly as JavaScript would write it: no sign, no leading zero.
            (index.to_string() == text)
                .then_some(index)
                .ok_or(AnchorError::BadPath)
        });
    let indices: Vec<usize> = indices.collect::<Result<_, _>>()?;
    match indices.len() > MAX_PATH {
        true => Err(AnchorError::BadPath),
        false => Ok(indices),
    }
}
