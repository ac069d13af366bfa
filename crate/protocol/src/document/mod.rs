//! A verified document: its branches, the one that wins, its state.
//!
//! A [`Document`] is made by judging a [`Chain`] and grows by hearing more of them. It keeps every valid branch it heard
//! of, so the order of hearing never changes the winner. What is invalid is dropped before branches are compared: the
//! longest valid prefix of a chain counts, and an invalid anchor can neither win nor cut off anything.
//!
//! A stranger can write time events without end, each of them a branch. At most [`MAX_BRANCHES`] branches and
//! [`MAX_EVENTS`] events of [`MAX_CHAIN_BYTES`] bytes are kept, the worst are forgotten first, and the winner never; what
//! was forgotten and becomes better is heard of again. An event that the controller did not sign is refused before
//! anything is replayed for it.
//!
//! An event of a session is valid only while its capability is, unless an anchor shows that it was written in time. One
//! that is not anchored is dropped when its capability ends: what came before it stays.

mod offline;
mod tree;

pub use offline::{hear_all, load_commit};

use std::collections::HashSet;
use std::sync::Arc;

use cid::Cid;

use tree::{Node, Tree};

use crate::cacao::Capability;
use crate::chain::judge::{self, BATCH, Signed};
use crate::chain::{Chain, ChainError, Link, MAX_CHAIN_BYTES, MAX_EVENTS};
use crate::doctype::{Around, DocumentType, Written};
use crate::event::Event;
use crate::jose::JoseError;
use crate::refusal::{Reason, Refusal};
use crate::state::{Kind, LogEntry, State, TimeStatus};
use crate::world::World;
use crate::{Block, StreamId, StreamType};

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
    /// Of a model instance.
    model: Option<StreamId>,
    rules: Arc<dyn DocumentType>,
    tree: Tree,
    /// The state at the winning tip.
    state: State,
    refused: Option<Refusal>,
}

impl Document {
    /// Judges a whole chain and keeps its longest valid prefix; [`Document::refused`] says why not more.
    ///
    /// Errors if not even the init event is valid.
    pub fn verify(chain: Chain, world: &World) -> Result<Self, Refusal> {
        let stream = *chain.stream();
        if let Some(known) = chain.joins() {
            return Err(ChainError::UnknownParent(*known).into());
        }
        let refuse = |reason: Reason| Refusal::of(*stream.init(), reason);
        let rules = (world.types.rules(stream.stream_type())).map_err(refuse)?;
        let mut links = chain.into_links().into_iter();
        let link = links.next().ok_or(ChainError::Missing(*stream.init()))?;
        let Event::Init(init) = link.event().map_err(refuse)? else {
            return Err(ChainError::WrongDocument(link.cid).into());
        };
        let is_instance = stream.stream_type() == StreamType::MODEL_INSTANCE;
        let model = init.header.model().filter(|_| is_instance);
        let author = match judge::signature(&link) {
            None => None,
            signature => {
                let controller = init.header.controllers.first().map(String::as_str);
                let signature = signature.as_ref();
                let author =
                    judge::author(&stream, model.as_ref(), controller, &link, signature, world);
                Some(author.map_err(refuse)?)
            }
        };
        let state = rules.init(&init).map_err(refuse)?;
        let around = Around {
            stream: &stream,
            world,
        };
        let checked = rules.check(Written::Init(&init), &state, &around);
        checked.map_err(refuse)?;
        let state = judge::begin(state, &init, author.as_ref());
        let controller = state.controller().map(Arc::from);
        let mut document = Self {
            stream,
            model,
            rules,
            tree: Tree::new(link.cid),
            state,
            refused: None,
        };
        document
            .tree
            .insert(Arc::new(link), TimeStatus::None, author, controller);
        document.refused = document.grow(*stream.init(), links.collect(), world).err();
        match document.refused {
            // An anchor, or the lack of one, says that the init event was not written in time.
            Some(refusal) if refusal.event == Some(*stream.init()) => Err(refusal),
            _ => Ok(document),
        }
    }

    /// Judges a whole chain, every event of which must be valid.
    pub fn verify_whole(chain: Chain, world: &World) -> Result<Self, Refusal> {
        let document = Self::verify(chain, world)?;
        match document.refused {
            Some(refusal) => Err(refusal),
            None => Ok(document),
        }
    }

    /// Hears of another branch, or of more of one. Never loses what is good; but drops what was written under a capability
    /// that has ended by now, unless it was anchored.
    pub fn hear(&mut self, chain: Chain, world: &World) -> Heard {
        let before = *self.tip();
        self.refused = self.take(chain, world).err();
        Heard {
            changed: before != *self.tip(),
            refused: self.refused.clone(),
        }
    }

    fn take(&mut self, chain: Chain, world: &World) -> Result<(), Refusal> {
        if *chain.stream() != self.stream {
            return Err(ChainError::WrongDocument(*chain.stream().init()).into());
        }
        let mut parent = *chain.joins().unwrap_or(self.stream.init());
        let mut links = chain.into_links();
        let known = links.iter().take_while(|link| self.contains(&link.cid));
        let count = known.inspect(|link| parent = link.cid).count();
        self.grow(parent, links.split_off(count), world)
    }

    /// Takes as many of the events as are valid; errors with the reason why not all.
    fn grow(&mut self, parent: Cid, links: Vec<Link>, world: &World) -> Result<(), Refusal> {
        let node = self.node(&parent)?;
        let height = node.height;
        if height.saturating_add(links.len()) >= MAX_EVENTS {
            return Err(ChainError::TooLong.into());
        }
        let bytes = links
            .iter()
            .map(Link::bytes)
            .fold(node.bytes, usize::saturating_add);
        if bytes > MAX_CHAIN_BYTES {
            return Err(ChainError::TooLarge.into());
        }
        let links: Vec<Arc<Link>> = links.into_iter().map(Arc::new).collect();
        let mut branch = Branch {
            end: parent,
            state: None,
            untimely: None,
        };
        let mut outcome = links.chunks(BATCH).try_for_each(|batch| {
            let signatures: Vec<_> = batch.iter().map(|link| judge::signature(link)).collect();
            batch
                .iter()
                .zip(signatures)
                .try_for_each(|(link, signature)| {
                    self.judge(&mut branch, link, signature.as_ref(), world)
                        .map_err(|reason| Refusal::of(link.cid, reason))
                })
        });
        let mut changed = branch.end != parent;
        if let Some(refusal) = branch.untimely.take() {
            // What was held before is valid without this anchor and stays, so the order of hearing does not matter.
            let untimely = refusal.event.and_then(|event| self.tree.get(&event));
            let untimely = untimely.map_or(0, |node| node.height);
            let first = untimely.max(height.saturating_add(1));
            let first = (self.tree.back(&branch.end)).find(|(_, node)| node.height == first);
            if let Some(first) = first.map(|(cid, _)| *cid) {
                self.tree.cut(&first);
            }
            outcome = Err(refusal);
        }
        if self.tree.may_expire(world.now) {
            changed = true;
            outcome = match self.tree.expire(&branch.end, world.now) {
                Some(refusal) => Err(refusal),
                None => outcome,
            };
        }
        if changed {
            self.tree.choose();
            self.settle(branch)?;
        }
        outcome
    }

    /// Judges the event after the end of a branch, and makes it the new end.
    fn judge(
        &mut self,
        branch: &mut Branch,
        link: &Arc<Link>,
        signature: Option<&Result<Signed, JoseError>>,
        world: &World,
    ) -> Result<(), Reason> {
        let mut controller = self.node(&branch.end)?.controller.clone();
        let mut author = None;
        let mut time = TimeStatus::None;
        let event = link.event()?;
        judge::document(&self.stream, &event)?;
        match event {
            Event::Init(_) => return Err(ChainError::WrongDocument(link.cid).into()),
            Event::Unreadable(event) => return Err(event.error.into()),
            Event::Time(_) => {
                time = judge::time(link, world)?;
                if let Some(unix) = time.unix()
                    && let Err(refusal) = self.tree.date(&branch.end, unix)
                {
                    let reason = (*refusal.reason).clone();
                    branch.untimely = Some(refusal);
                    return Err(reason);
                }
                if let Some(state) = &mut branch.state {
                    state.anchor(link.cid, link.prev, time.clone());
                }
            }
            Event::Data(data) => {
                let model = self.model.as_ref();
                let author_by = |controller: Option<&str>| match self.rules.changes_are_signed() {
                    true => judge::author(&self.stream, model, controller, link, signature, world)
                        .map(Some),
                    false => Ok(None),
                };
                // Taken, so that nobody sees what a change left of it that was refused.
                let mut state = match branch.state.take() {
                    Some(state) => state,
                    None => {
                        author_by(controller.as_deref())?;
                        self.state_at(&branch.end)?
                    }
                };
                author = author_by(state.controller())?;
                self.rules.change(&mut state, &data)?;
                let around = Around {
                    stream: &self.stream,
                    world,
                };
                self.rules.check(Written::Data(&data), &state, &around)?;
                judge::record(&mut state, &data, author.as_ref());
                if controller.as_deref() != state.controller() {
                    controller = state.controller().map(Arc::from);
                }
                branch.state = Some(state);
            }
        }
        self.tree.insert(link.clone(), time, author, controller);
        branch.end = link.cid;
        Ok(())
    }

    /// Takes the state of the winner.
    fn settle(&mut self, branch: Branch) -> Result<(), Refusal> {
        let tip = *self.tip();
        if self.state.tip() == Some(&tip) {
            return Ok(());
        }
        self.state = match branch.state {
            Some(state) if branch.end == tip => state,
            _ => self
                .state_at(&tip)
                .map_err(|reason| Refusal::of(tip, reason))?,
        };
        Ok(())
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
                    judge::record(state, &data, author);
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

    /// The ends of all valid branches, the winner first; at most [`MAX_BRANCHES`].
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

    /// The state at an event of the winning branch. Times that later anchors gave are kept (as js-ceramic does).
    pub fn at_commit(&self, commit: &Cid) -> Result<State, Refusal> {
        let mut log = self.state.log.iter();
        match log.position(|entry| entry.cid == *commit) {
            Some(index) => self.at(index),
            None => Err(Refusal::of(*commit, Reason::NotInLog)),
        }
    }

    /// The state at the last time event proven to be no later than `unix` seconds; without one, at the init event.
    pub fn at_time(&self, unix: u64) -> Result<State, Refusal> {
        let anchored = self.state.log.iter().rposition(|entry| {
            let time = entry.time.unix();
            entry.kind == Kind::Time && time.is_some_and(|time| time <= unix)
        });
        self.at(anchored.unwrap_or(0))
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

/// A branch while it grows.
struct Branch {
    end: Cid,
    /// The state at the end, once something needs it.
    state: Option<State>,
    /// Of the oldest event whose capability was not valid at the time of the anchor after it.
    untimely: Option<Refusal>,
}
