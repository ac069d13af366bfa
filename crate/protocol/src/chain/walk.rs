use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;

use super::{Chain, ChainError, Link};
use crate::StreamId;
use crate::anchor::{AnchorError, Found, Witness};
use crate::block::{Block, Blocks};
use crate::cacao::Capability;
use crate::document::Document;
use crate::event::{Decoded, Event, Time, decode};
use crate::refusal::{Need, Reason};

/// A capability as it was read, or why it could not be.
type Read = Result<Arc<Capability>, Arc<Reason>>;

/// Most events of one branch. The longest documents known have a few thousand.
pub const MAX_EVENTS: usize = 65_536;
/// Most bytes of blocks of one branch.
pub const MAX_CHAIN_BYTES: usize = 32 << 20;

/// A walk from a tip back to the init event, or to an event that is known already.
///
/// Does no I/O: [`Walk::advance`] goes as far as the blocks at hand allow and says what it needs. Whoever drives it brings
/// those blocks, or says with [`Walk::absent`] that nobody has them, and calls again.
#[derive(Clone, Debug)]
pub struct Walk {
    stream: StreamId,
    /// The event to look at next.
    cursor: Cid,
    /// The time event at the cursor while the blocks of its witness path are awaited.
    pending: Option<(Block, Time, Witness)>,
    /// Newest first.
    links: Vec<Link>,
    /// One serves many events.
    capabilities: HashMap<Cid, Read>,
    /// The protected header read last, which most events share, and the capability it names.
    header: (Bytes, Option<Cid>),
    bytes: usize,
    absent: HashSet<Cid>,
}

/// How far a walk came.
#[derive(Clone, Debug)]
// One is made for each walk that ends, and taken apart at once.
#[allow(clippy::large_enum_variant)]
pub enum Step {
    /// These blocks are wanted; with any of them the walk may go on. The first one it cannot do without for now, the
    /// others it will want soon.
    Need(Vec<Cid>),
    /// The whole chain.
    Done(Chain),
}

impl Walk {
    /// Starts at a tip that someone announced.
    pub fn new(stream: StreamId, tip: Cid) -> Self {
        Self {
            stream,
            cursor: tip,
            pending: None,
            links: Vec::new(),
            capabilities: HashMap::new(),
            header: (Bytes::new(), None),
            bytes: 0,
            absent: HashSet::new(),
        }
    }

    /// How many events were passed.
    pub fn events(&self) -> usize {
        self.links.len()
    }

    /// The event it is at: everything after it was passed.
    pub fn cursor(&self) -> &Cid {
        &self.cursor
    }

    /// Nobody has this block. The walk does without it if it is only part of a witness path or a capability, which makes
    /// that event invalid; otherwise it fails when it gets there.
    pub fn absent(&mut self, cid: &Cid) {
        self.absent.insert(*cid);
    }

    /// Goes on as far as `blocks` allow; stops at an event that `known` holds. Costs the same for each event, however
    /// often it is called.
    ///
    /// On an error the walk is over: the tip leads nowhere.
    pub fn advance(
        &mut self,
        blocks: &dyn Blocks,
        known: Option<&Document>,
    ) -> Result<Step, ChainError> {
        loop {
            if let Some((root, time, witness)) = self.pending.take()
                && let Some(need) = self.witness(root, time, witness, blocks)?
            {
                let prev = self.pending.as_ref().map(|(_, time, _)| time.prev);
                return Ok(self.need(need, prev, blocks, known));
            }
            if known.is_some_and(|known| known.contains(&self.cursor)) {
                return Ok(self.done(Some(self.cursor)));
            }
            if self.links.len() >= MAX_EVENTS {
                return Err(ChainError::TooLong);
            }
            let root = match self.find(&self.cursor, blocks) {
                Found::Block(root) => root,
                Found::Absent => return Err(ChainError::Missing(self.cursor)),
                Found::Wait => return Ok(Step::Need(vec![self.cursor])),
            };
            let event = match decode(&root, blocks) {
                Ok(Decoded::Event(event)) => event,
                Ok(Decoded::Need(cids)) => {
                    return match cids.iter().find(|cid| self.absent.contains(cid)) {
                        Some(cid) => Err(ChainError::Missing(*cid)),
                        None => Ok(Step::Need(cids)),
                    };
                }
                Err(error) => {
                    return Err(ChainError::BadEvent {
                        event: self.cursor,
                        error: Box::new(error),
                    });
                }
            };
            let capability = match self.capability(&event, blocks, known)? {
                ControlFlow::Continue(capability) => capability,
                ControlFlow::Break(need) => {
                    return Ok(self.need(need, event.prev().copied(), blocks, known));
                }
            };
            let is_init = self.cursor == *self.stream.init();
            match event {
                Event::Time(time) if !is_init => {
                    let witness = Witness::new(&time);
                    self.pending = Some((root, time, witness));
                }
                Event::Data(_) | Event::Unreadable(_) if !is_init => {
                    self.signed(&event, capability, root, blocks)?;
                }
                Event::Init(_) if is_init => {
                    self.signed(&event, capability, root, blocks)?;
                    return Ok(self.done(None));
                }
                _ => return Err(ChainError::WrongDocument(self.cursor)),
            }
        }
    }

    /// The capability that an event names, if any; each is read once. Or the block to wait for.
    fn capability(
        &mut self,
        event: &Event,
        blocks: &dyn Blocks,
        known: Option<&Document>,
    ) -> Result<ControlFlow<Cid, Option<Read>>, ChainError> {
        let Some(envelope) = event.envelope() else {
            return Ok(ControlFlow::Continue(None));
        };
        let protected = envelope.signatures.first().map(|first| &first.protected);
        if let Some(protected) = protected.filter(|protected| **protected != self.header.0) {
            self.header = (protected.clone(), envelope.capability());
        }
        let Some(cid) = protected.and(self.header.1) else {
            return Ok(ControlFlow::Continue(None));
        };
        if let Some(read) = self.capabilities.get(&cid) {
            return Ok(ControlFlow::Continue(Some(read.clone())));
        }
        let held = known.and_then(|known| known.capability(&cid));
        let read = match (held, self.find(&cid, blocks)) {
            (Some(held), _) => Ok(held),
            (None, Found::Wait) => return Ok(ControlFlow::Break(cid)),
            (None, Found::Absent) => Err(Arc::new(Need::Capability(cid).into())),
            (None, Found::Block(block)) => {
                let bytes = block.bytes().len();
                let read = Capability::read(block).map(Arc::new);
                if read.is_err() {
                    // It is no block of any link, but it was fetched.
                    self.count(bytes)?;
                }
                read.map_err(|error| Arc::new(error.into()))
            }
        };
        self.capabilities.insert(cid, read.clone());
        Ok(ControlFlow::Continue(Some(read)))
    }

    /// Takes an event whose blocks are its capability, if it names one, its payload, if it is signed, and itself.
    fn signed(
        &mut self,
        event: &Event,
        capability: Option<Read>,
        root: Block,
        blocks: &dyn Blocks,
    ) -> Result<(), ChainError> {
        let envelope = event.envelope();
        let payload = envelope.and_then(|envelope| blocks.get(&envelope.payload));
        let link = Link {
            cid: self.cursor,
            prev: event.prev().copied(),
            witness: None,
            blocks: (capability.iter().flatten())
                .map(|capability| capability.block().clone())
                .chain(payload)
                .chain([root])
                .collect(),
            capability,
        };
        self.count(link.bytes())?;
        self.cursor = link.prev.unwrap_or(self.cursor);
        self.links.push(link);
        Ok(())
    }

    /// Takes a time event if its witness path can be judged; else gives the block it waits for.
    fn witness(
        &mut self,
        root: Block,
        time: Time,
        mut witness: Witness,
        blocks: &dyn Blocks,
    ) -> Result<Option<Cid>, ChainError> {
        let Some(outcome) = witness.advance(&mut |cid| self.find(cid, blocks)) else {
            let need = *witness.next();
            self.pending = Some((root, time, witness));
            return Ok(Some(need));
        };
        if let (Err(AnchorError::Missing(proof)), true) = (&outcome, witness.awaits_proof()) {
            return Err(ChainError::Missing(*proof));
        }
        let link = Link {
            cid: time.cid,
            prev: Some(time.prev),
            witness: Some(outcome),
            capability: None,
            blocks: std::iter::once(root).chain(witness.blocks).collect(),
        };
        self.count(link.bytes())?;
        self.cursor = time.prev;
        self.links.push(link);
        Ok(None)
    }

    /// While a block beside the way is awaited, the event before can be fetched as well.
    fn need(
        &self,
        beside: Cid,
        prev: Option<Cid>,
        blocks: &dyn Blocks,
        known: Option<&Document>,
    ) -> Step {
        let mut need = vec![beside];
        need.extend(prev.filter(|prev| {
            *prev != beside
                && matches!(self.find(prev, blocks), Found::Wait)
                && !known.is_some_and(|known| known.contains(prev))
        }));
        Step::Need(need)
    }

    fn find(&self, cid: &Cid, blocks: &dyn Blocks) -> Found {
        match blocks.get(cid) {
            Some(block) => Found::Block(block),
            None if self.absent.contains(cid) => Found::Absent,
            None => Found::Wait,
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), ChainError> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes > MAX_CHAIN_BYTES {
            true => Err(ChainError::TooLarge),
            false => Ok(()),
        }
    }

    fn done(&mut self, joins: Option<Cid>) -> Step {
        let mut links = std::mem::take(&mut self.links);
        links.reverse();
        Step::Done(Chain {
            stream: self.stream,
            joins,
            links,
        })
    }
}
