//! A document while it takes a chain: one event after another, and what is done when the last one was judged.

use std::sync::Arc;

use cid::Cid;

use super::Document;
use super::tree::{Dated, Tree};
use crate::chain::judge::{self, Signature};
use crate::chain::{Chain, ChainError, Link, MAX_CHAIN_BYTES, MAX_EVENTS};
use crate::doctype::{Around, Written};
use crate::event::Event;
use crate::refusal::{Reason, Refusal};
use crate::state::{State, TimeStatus};
use crate::world::World;
use crate::{StreamId, StreamType};

/// A chain that a document is taking. Between two events nothing of the document can be relied on but this.
pub(super) struct Growth {
    /// The event on which it builds, and its height.
    parent: Cid,
    height: usize,
    /// What was not judged yet.
    links: std::vec::IntoIter<Link>,
    branch: Branch,
    /// Why an event was refused. Then it is over.
    refused: Option<Refusal>,
}

/// A branch while it grows.
struct Branch {
    end: Cid,
    /// The state at the end, once something needs it.
    state: Option<State>,
    /// Of the oldest event whose capability was not valid at the time of the anchor after it.
    untimely: Option<Refusal>,
}

impl Growth {
    /// Of what a document does not hold yet.
    pub(super) fn of(document: &Document, chain: Chain) -> Result<Self, Refusal> {
        if *chain.stream() != document.stream {
            return Err(ChainError::WrongDocument(*chain.stream().init()).into());
        }
        let mut parent = *chain.joins().unwrap_or(document.stream.init());
        let mut links = chain.into_links();
        let known = (links.iter()).take_while(|link| document.contains(&link.cid));
        let count = known.inspect(|link| parent = link.cid).count();
        Self::new(document, parent, links.split_off(count).into_iter())
    }

    pub(super) fn new(
        document: &Document,
        parent: Cid,
        links: std::vec::IntoIter<Link>,
    ) -> Result<Self, Refusal> {
        let node = document.node(&parent)?;
        let height = node.height;
        if height.saturating_add(links.len()) >= MAX_EVENTS {
            return Err(ChainError::TooLong.into());
        }
        let sizes = links.as_slice().iter().map(Link::bytes);
        if sizes.fold(node.bytes, usize::saturating_add) > MAX_CHAIN_BYTES {
            return Err(ChainError::TooLarge.into());
        }
        Ok(Self {
            parent,
            height,
            links,
            branch: Branch {
                end: parent,
                state: None,
                untimely: None,
            },
            refused: None,
        })
    }

    /// How many events are left to judge.
    pub(super) fn left(&self) -> usize {
        match self.refused {
            Some(_) => 0,
            None => self.links.len(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left() == 0
    }

    /// The next events, `most` at most.
    pub(super) fn next(&self, most: usize) -> &[Link] {
        let links = self.links.as_slice();
        links.get(..most.min(self.left())).unwrap_or(links)
    }
}

impl Document {
    /// Judges the first event of a chain.
    pub(super) fn begin(
        stream: StreamId,
        link: Link,
        signature: Signature,
        world: &World,
    ) -> Result<Self, Refusal> {
        let refuse = |reason: Reason| Refusal::of(*stream.init(), reason);
        let rules = (world.types.rules(stream.stream_type())).map_err(refuse)?;
        let Event::Init(init) = link.event().map_err(refuse)? else {
            return Err(ChainError::WrongDocument(link.cid).into());
        };
        let kind = stream.stream_type();
        let has_model = kind == StreamType::MODEL_INSTANCE || kind == StreamType::MODEL;
        let model = init.header.model().filter(|_| has_model);
        let author = match signature.filter(|_| rules.changes_are_signed()) {
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
            order: Default::default(),
        };
        document
            .tree
            .insert(Arc::new(link), TimeStatus::None, author, controller);
        Ok(document)
    }

    /// Judges as many events as signatures are given, those of [`Growth::next`].
    pub(super) fn grow(
        &mut self,
        growth: &mut Growth,
        signatures: impl IntoIterator<Item = Signature>,
        world: &World,
    ) {
        for signature in signatures {
            let Some(link) = growth.links.next().filter(|_| growth.refused.is_none()) else {
                break;
            };
            let cid = link.cid;
            let judged = self.judge(&mut growth.branch, link, signature, world);
            growth.refused = judged.map_err(|reason| Refusal::of(cid, reason)).err();
        }
    }

    /// Makes up its mind about all that was judged; errors with the reason why not all was taken.
    pub(super) fn grown(&mut self, growth: Growth, world: &World) -> Result<(), Refusal> {
        let Growth {
            parent,
            height,
            mut branch,
            refused,
            ..
        } = growth;
        let mut outcome = refused.map_or(Ok(()), Err);
        let mut changed = branch.end != parent;
        if let Some(refusal) = branch.untimely.take() {
            // What was held before is valid without this anchor and stays, so the order of hearing does not matter.
            let untimely = refusal.event.and_then(|event| self.tree.get(&event));
            let untimely = untimely.map_or(0, |node| node.height);
            let first = untimely.max(height.saturating_add(1));
            let first = (self.tree.back(&branch.end)).find(|(_, node)| node.height == first);
            if let Some((first, prev)) = first.map(|(cid, node)| (*cid, node.link.prev)) {
                self.tree.cut(&first);
                branch.end = prev.unwrap_or(parent);
                branch.state = None;
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
            self.tree.choose(world.anchors.policy());
            self.settle(branch)?;
        }
        if self.tree.is_stale(world.library) {
            outcome = outcome.and(self.judge_anew(world));
        }
        outcome
    }

    /// Judges the event after the end of a branch, and makes it the new end.
    fn judge(
        &mut self,
        branch: &mut Branch,
        link: Link,
        mut signature: Signature,
        world: &World,
    ) -> Result<(), Reason> {
        let mut controller = self.node(&branch.end)?.controller.clone();
        let mut author = None;
        let mut time = TimeStatus::None;
        let event = judge::event(&link, &mut signature)?;
        judge::document(&self.stream, &event)?;
        match event {
            Event::Init(_) => return Err(ChainError::WrongDocument(link.cid).into()),
            Event::Unreadable(event) => return Err(event.error.into()),
            Event::Time(_) => {
                time = judge::time(&link, world)?;
                if let TimeStatus::Proven { unix, proof, .. } = &time {
                    match self.tree.date(&branch.end, *unix) {
                        Dated::InTime => {}
                        Dated::Unsure => {
                            let proof = proof.clone();
                            time = TimeStatus::Claimed { proof };
                        }
                        Dated::Late(refusal) => {
                            let reason = (*refusal.reason).clone();
                            branch.untimely = Some(refusal);
                            return Err(reason);
                        }
                    }
                }
                if let Some(state) = &mut branch.state {
                    state.anchor(link.cid, link.prev, time.clone());
                }
            }
            Event::Data(data) => {
                let model = self.model.as_ref();
                let author_by = |controller: Option<&str>| match self.rules.changes_are_signed() {
                    true => judge::author(
                        &self.stream,
                        model,
                        controller,
                        &link,
                        signature.as_ref(),
                        world,
                    )
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
                judge::record(&mut state, &data, author.as_ref(), &*self.rules);
                if controller.as_deref() != state.controller() {
                    controller = state.controller().map(Arc::from);
                }
                branch.state = Some(state);
            }
        }
        branch.end = link.cid;
        self.tree.insert(Arc::new(link), time, author, controller);
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
}
