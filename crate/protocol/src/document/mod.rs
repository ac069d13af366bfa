//! A verified document: its branches, the one that wins, its state.
//!
//! A [`Document`] is made by judging a [`Chain`] and grows by hearing more of them. It keeps every valid branch it heard
//! of, so the order of hearing never changes the winner. What is invalid is dropped before branches are compared: the
//! longest valid prefix of a chain counts, and an invalid anchor can neither win nor cut off anything.
//!
//! A stranger can write time events without end, each of them a branch. At most [`MAX_BRANCHES`] branches and
//! [`MAX_EVENTS`](crate::chain::MAX_EVENTS) events of [`MAX_CHAIN_BYTES`](crate::chain::MAX_CHAIN_BYTES) bytes are kept,
//! the worst are forgotten first, and the winner never; what was forgotten and becomes better is heard of again. An event
//! that the controller did not sign is refused before anything is replayed for it.
//!
//! An event of a session is valid only while its capability is, unless an anchor shows that it was written in time. One
//! that is not anchored is dropped when its capability ends: what came before it stays.

mod branches;
mod growth;
mod judging;
mod keys;
mod offline;
mod recheck;
mod tree;

pub use branches::Lost;
pub use judging::{Judging, judge_some};
pub use offline::{MAX_RELATED, MAX_RELATED_DEPTH, hear_all, load_commit, tips};

use std::collections::HashSet;
use std::sync::Arc;

use cid::Cid;

use growth::Growth;
use tree::{Node, Tree};

use crate::cacao::Capability;
use crate::chain::judge;
use crate::chain::{Chain, ChainError};
use crate::doctype::DocumentType;
use crate::event::Event;
use crate::jose::MAX_BATCH;
use crate::refusal::{Reason, Refusal};
use crate::sorted::SortedSet;
use crate::state::{Kind, LogEntry, State};
use crate::world::World;
use crate::{Block, StreamId};

/// Most branches of a document that are kept.
pub const MAX_BRANCHES: usize = 64;

/// What came of hearing a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Whether the document has another tip now.
    pub changed: bool,
    /// Why the chain was not taken, or not to its end.
    pub refused: Option<Refusal>,
}

/// A document, of which every event was verified.
#[derive(Clone, Debug)]
pub struct Document {
    stream: StreamId,
    /// Of a model instance; of a model the metamodel. A capability can be for all documents of one model.
    model: Option<StreamId>,
    rules: Arc<dyn DocumentType>,
    tree: Tree,
    /// The state at the winning tip.
    state: State,
    refused: Option<Refusal>,
    order: keys::Known,
}

impl Document {
    /// Judges a whole chain and keeps its longest valid prefix; [`Document::refused`] says why not more.
    ///
    /// Errors if not even the init event is valid. [`Judging`] does the same in small pieces.
    pub fn verify(chain: Chain, world: &World) -> Result<Self, Refusal> {
        Judging::new(chain).finish(world)
    }

    /// Judges a whole chain, every event of which must be valid.
    pub fn verify_whole(chain: Chain, world: &World) -> Result<Self, Refusal> {
        let document = Self::verify(chain, world)?;
        match document.refused {
            Some(refusal) => Err(refusal),
            None => Ok(document),
        }
    }

    /// Judges many chains, each of a document of its own, as [`Document::verify`] does. Signatures are gathered over all of
    /// them, so many short chains cost little more than a long one.
    pub fn verify_all(chains: Vec<Chain>, world: &World) -> Vec<Result<Self, Refusal>> {
        let mut judgings: Vec<Judging> = chains.into_iter().map(Judging::new).collect();
        for some in judgings.chunks_mut(MAX_BATCH) {
            while !judge_some(some.iter_mut(), MAX_BATCH, world) {}
        }
        let judged = judgings.into_iter();
        judged.map(|judging| judging.finish(world)).collect()
    }

    /// Hears of another branch, or of more of one. Never loses what is good; but drops what was written under a capability
    /// that has ended by now, unless it was anchored. [`Judging`] does the same in small pieces.
    pub fn hear(&mut self, chain: Chain, world: &World) -> Heard {
        let before = *self.tip();
        let outcome = Growth::of(self, chain);
        self.refused = outcome
            .and_then(|mut growth| {
                while !growth.is_over() {
                    let signatures = judge::signatures(growth.next(MAX_BATCH));
                    self.grow(&mut growth, signatures, world);
                }
                self.grown(growth, world)
            })
            .err();
        Heard {
            changed: before != *self.tip(),
            refused: self.refused.clone(),
        }
    }

    /// The state at any event that is held: replayed from the state that is held if the event builds on that, else from
    /// the init event.
    pub(crate) fn state_at(&self, cid: &Cid) -> Result<State, Reason> {
        let mut missing = Vec::new();
        for (cid, node) in self.tree.back(cid) {
            if self.state.tip() == Some(cid) {
                return self.replay(Some(self.state.clone()), missing.into_iter().rev());
            }
            missing.push(node);
        }
        self.replay(None, missing.into_iter().rev())
    }

    /// Applies events that were judged before.
    fn replay<'a>(
        &self,
        state: Option<State>,
        nodes: impl Iterator<Item = &'a Node>,
    ) -> Result<State, Reason> {
        let mut state = state;
        for node in nodes {
            let author = node.author.as_ref();
            let link = &node.link;
            match (link.event()?, &mut state) {
                (Event::Init(init), _) => {
                    state = Some(judge::begin(self.rules.init(&init)?, &init, author));
                }
                (Event::Data(data), Some(state)) => {
                    self.rules.change(state, &data)?;
                    judge::record(state, &data, author, &*self.rules);
                }
                (Event::Time(_), Some(state)) => {
                    state.anchor(link.cid, link.prev, node.time.clone());
                }
                // Nothing comes before the init event, and what cannot be read was never kept.
                (_, None) | (Event::Unreadable(_), _) => {}
            }
        }
        Ok(state.ok_or(ChainError::Missing(*self.stream.init()))?)
    }

    /// Shows the state after each event of the winning branch, the init event first. Times are as each event saw them.
    pub(crate) fn play(
        &self,
        mut each: impl FnMut(&State) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let mut state = None;
        for node in self
            .log()
            .iter()
            .filter_map(|entry| self.tree.get(&entry.cid))
        {
            let next = self.replay(state.take(), std::iter::once(node))?;
            each(&next)?;
            state = Some(next);
        }
        Ok(())
    }

    fn node(&self, cid: &Cid) -> Result<&Node, ChainError> {
        self.tree.get(cid).ok_or(ChainError::UnknownParent(*cid))
    }

    /// The document's id.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The newest event of the winning branch.
    pub fn tip(&self) -> &Cid {
        self.tree.tips().first().unwrap_or(self.stream.init())
    }

    /// The ends of all valid branches, the winner first; at most [`MAX_BRANCHES`]. Last come those that a chain must be asked
    /// about before anyone can say whether they are valid.
    pub fn tips(&self) -> Vec<Cid> {
        self.tree.tips().to_vec()
    }

    /// The state at the tip.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The events of the winning branch, init first.
    pub fn log(&self) -> &[LogEntry] {
        self.state.log()
    }

    /// Bytes of all its blocks.
    pub fn bytes(&self) -> usize {
        self.tree.bytes()
    }

    /// Whether an event is part of any valid branch.
    pub fn contains(&self, event: &Cid) -> bool {
        self.tree.get(event).is_some()
    }

    /// A capability, if one of the newest events names it: then the next one will, too.
    pub(crate) fn capability(&self, cid: &Cid) -> Option<Arc<Capability>> {
        let newest = self.log().iter().rev().take(4);
        let mut named = newest.filter_map(|entry| entry.capability.as_ref());
        named.find(|capability| capability.cid() == cid).cloned()
    }

    /// Why the chain heard last was not taken, or not to its end.
    pub fn refused(&self) -> Option<&Refusal> {
        self.refused.as_ref()
    }

    /// Every block of every branch that is kept, each once: the winner's first, from the init event on, the blocks of
    /// each event in CAR order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut seen = HashSet::new();
        let mut blocks = Vec::new();
        for tip in self.tree.tips() {
            let mut branch: Vec<&Node> = self.tree.back(tip).map(|(_, node)| node).collect();
            branch.reverse();
            let held = branch.iter().flat_map(|node| &node.link.blocks);
            blocks.extend(held.filter(|block| seen.insert(*block.cid())).cloned());
        }
        blocks
    }

    /// The names of [`Document::blocks`].
    pub fn block_cids(&self) -> Vec<Cid> {
        self.blocks().iter().map(|block| *block.cid()).collect()
    }

    /// The names of those that are not among the blocks of `older`, which is this document before it heard of more.
    pub fn block_cids_since(&self, older: &Self) -> Vec<Cid> {
        let mut new: Vec<Cid> = Vec::new();
        for tip in self.tree.tips() {
            let branch = self.tree.back(tip);
            let branch = branch.take_while(|(event, _)| !older.contains(event));
            let mut branch: Vec<&Node> = branch.map(|(_, node)| node).collect();
            branch.reverse();
            let held = branch.iter().flat_map(|node| &node.link.blocks);
            new.extend(held.map(|block| *block.cid()));
        }
        let mut left: SortedSet<Cid> = new.iter().copied().collect();
        if !left.is_empty() {
            for block in older.tree.blocks() {
                left.remove(block.cid());
            }
        }
        new.retain(|cid| left.remove(cid));
        new
    }

    /// The state at an event of the winning branch. Times that later anchors gave are kept (as js-ceramic does).
    pub fn at_commit(&self, commit: &Cid) -> Result<State, Refusal> {
        let mut log = self.state.log.iter();
        match log.position(|entry| entry.cid == *commit) {
            Some(index) => self.at(index),
            None => Err(Refusal::of(*commit, Reason::NotInLog)),
        }
    }

    /// The state at the last time event before the first that is proven to be later than `unix` seconds; without one, at the
    /// init event.
    pub fn at_time(&self, unix: u64) -> Result<State, Refusal> {
        let log = self.state.log.iter().enumerate();
        let anchors = log.filter(|(_, entry)| entry.kind == Kind::Time);
        let proven = anchors.filter_map(|(index, entry)| Some((index, entry.time.unix()?)));
        let by_then = proven.take_while(|(_, time)| *time <= unix);
        self.at(by_then.last().map_or(0, |(index, _)| index))
    }

    fn at(&self, index: usize) -> Result<State, Refusal> {
        let log = self.state.log.iter().take(index.saturating_add(1));
        let nodes = log.clone().filter_map(|entry| self.tree.get(&entry.cid));
        let refuse = |reason: Reason| Refusal::of(*self.stream.init(), reason);
        let mut state = self.replay(None, nodes).map_err(refuse)?;
        for (entry, known) in state.log.iter_mut().zip(log) {
            entry.time = known.time.clone();
        }
        Ok(state)
    }
}
