//! One tip on its way: the walk from it back to what is known, and the blocks gathered so far.

use std::collections::HashMap;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::{Chain, Step, Walk};
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedSet;

use super::{Failure, MAX_PROVIDERS};

/// A chain whose blocks are all here, linked but not judged.
#[derive(Debug)]
pub struct Arrived {
    /// Of which document.
    pub stream: StreamId,
    /// The tip it ends in.
    pub tip: Cid,
    /// The chain.
    pub chain: Chain,
    /// Its blocks.
    pub blocks: HashMap<Cid, Block>,
    /// How large they are together.
    pub bytes: usize,
    /// Whether some block that may matter was not to be had: a refusal may be temporary.
    pub incomplete: bool,
    /// Who had its blocks.
    pub providers: Vec<PeerId>,
}

pub(super) enum Progress {
    /// Blocks that were not asked for before.
    Need(Vec<Cid>),
    Done(Box<Arrived>),
    Failed(Failure),
}

pub(super) struct Fetch {
    stream: StreamId,
    tip: Cid,
    /// Nothing once the chain arrived and is being judged.
    walk: Option<Walk>,
    blocks: HashMap<Cid, Block>,
    bytes: usize,
    waiting: SortedSet<Cid>,
    providers: Vec<PeerId>,
    incomplete: bool,
    /// Who is asked for the whole of it; until then nothing is fetched block by block.
    pub(super) by: Option<PeerId>,
    /// Whom that was asked of in vain.
    pub(super) tried: Vec<PeerId>,
    /// Bytes that wait to be judged.
    arrived: usize,
}

/// Adds peers to those likely to have the blocks.
pub(crate) fn provide(known: &mut Vec<PeerId>, peers: &[PeerId]) {
    for peer in peers {
        if known.len() < MAX_PROVIDERS && !known.contains(peer) {
            known.push(*peer);
        }
    }
}

impl Fetch {
    pub(super) fn new(stream: StreamId, tip: Cid, providers: Vec<PeerId>) -> Fetch {
        Fetch {
            stream,
            tip,
            walk: Some(Walk::new(stream, tip)),
            blocks: HashMap::new(),
            bytes: 0,
            waiting: SortedSet::new(),
            providers,
            incomplete: false,
            by: None,
            tried: Vec::new(),
            arrived: 0,
        }
    }

    pub(super) fn provide(&mut self, peers: &[PeerId]) {
        provide(&mut self.providers, peers);
    }

    pub(super) fn providers(&self) -> &[PeerId] {
        &self.providers
    }

    pub(super) fn release(&mut self) -> SortedSet<Cid> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that wait to be judged.
    pub(super) fn arrived(&self) -> usize {
        self.arrived
    }

    /// Whether it waits for this block.
    pub(super) fn awaits(&self, cid: &Cid) -> bool {
        self.waiting.contains(cid)
    }

    /// The blocks it waits for.
    pub(super) fn waiting(&self) -> Vec<Cid> {
        self.waiting.iter().copied().collect()
    }

    /// The event that it is at; nothing once the chain arrived.
    pub(super) fn cursor(&self) -> Option<Cid> {
        self.walk.as_ref().map(|walk| *walk.cursor())
    }

    /// Returns how many bytes were gathered.
    pub(super) fn take(&mut self, block: &Block, from: PeerId) -> usize {
        if !self.waiting.remove(block.cid()) {
            return 0;
        }
        // Whoever had one block likely has the next.
        if self.providers.first() != Some(&from) {
            self.providers.retain(|peer| *peer != from);
            self.providers.insert(0, from);
            self.providers.truncate(MAX_PROVIDERS);
        }
        let bytes = block.bytes().len();
        self.bytes = self.bytes.saturating_add(bytes);
        self.blocks.insert(*block.cid(), block.clone());
        bytes
    }

    pub(super) fn miss(&mut self, cid: &Cid) {
        if self.waiting.remove(cid) {
            self.incomplete = true;
            if let Some(walk) = &mut self.walk {
                walk.absent(cid);
            }
        }
    }

    pub(super) fn advance(&mut self, held: Option<&Document>) -> Progress {
        let Some(walk) = &mut self.walk else {
            return Progress::Need(Vec::new());
        };
        match walk.advance(&self.blocks, held) {
            Ok(Step::Need(cids)) => Progress::Need(
                cids.into_iter()
                    .filter(|cid| self.waiting.insert(*cid))
                    .collect(),
            ),
            Ok(Step::Done(chain)) => {
                self.walk = None;
                let bytes = std::mem::take(&mut self.bytes);
                self.arrived = bytes;
                Progress::Done(Box::new(Arrived {
                    stream: self.stream,
                    tip: self.tip,
                    chain,
                    blocks: std::mem::take(&mut self.blocks),
                    bytes,
                    incomplete: self.incomplete,
                    providers: std::mem::take(&mut self.providers),
                }))
            }
            Err(_) if self.incomplete => Progress::Failed(Failure::Missing),
            Err(error) => Progress::Failed(Failure::Chain(error)),
        }
    }
}
