//! When capabilities end (as js-ceramic judges them), and what the answers of chains change about it.
//!
//! A capability must have been valid when the event was written. That is the time of the first proven anchor after it;
//! without one it is now. So an event of a session waits for an anchor, and is dropped if none came in time, with all that
//! builds on it. What came before stays. The same goes for what an old version of a 3ID signed, only that it waits for an
//! anchor from the moment the newer version is known. While an anchor after it is only claimed, nobody can know: the event *lapses*, which
//! is to say it is held but counts for nothing until the chain was asked.

use std::collections::HashSet;
use std::sync::Arc;

use cid::Cid;

use super::{Node, Tree};
use crate::anchor::{AnchorError, Proof};
use crate::refusal::{Need, Refusal};
use crate::state::TimeStatus;

/// What the time of an anchor says about the capabilities of the events before it.
pub(in crate::document) enum Dated {
    /// They were valid.
    InTime,
    /// Not all were, but an anchor between, that nobody was asked about, may be earlier.
    Unsure,
    /// This is the oldest of those that certainly were not.
    Late(Refusal),
}

impl Tree {
    /// Dates the events since the last proven anchor up to `end` by the next one, if all were in time.
    pub(in crate::document) fn date(&mut self, end: &Cid, unix: u64) -> Dated {
        let mut hope = false;
        let mut unsure = false;
        let mut late = None;
        let since = |node: &Node| node.time.unix().is_none();
        for (cid, node) in self.back(end).take_while(|(_, node)| since(node)) {
            hope |= matches!(node.time, TimeStatus::Claimed { .. });
            let author = node.author.as_ref();
            match author.and_then(|author| author.valid_at(unix).err()) {
                Some(_) if hope => unsure = true,
                Some(reason) => late = Some(Refusal::of(*cid, reason)),
                None => {}
            }
        }
        match late {
            Some(refusal) => return Dated::Late(refusal),
            None if unsure => return Dated::Unsure,
            None => {}
        }
        self.mark_dated(*end);
        Dated::InTime
    }

    fn mark_dated(&mut self, end: Cid) {
        let mut next = Some(end);
        while let Some(node) = next.and_then(|cid| self.nodes.get_mut(&cid)) {
            if node.dated {
                break;
            }
            node.dated = true;
            next = node.link.prev;
        }
    }

    /// Marks anew what proven anchors date, after some were dropped.
    fn date_anew(&mut self) {
        self.nodes.values_mut().for_each(|node| node.dated = false);
        let proven = self
            .nodes
            .iter()
            .filter(|(_, node)| node.time.unix().is_some());
        let proven: Vec<Cid> = proven.map(|(cid, _)| *cid).collect();
        proven.into_iter().for_each(|cid| self.mark_dated(cid));
    }

    /// Proves or drops claimed anchors by what chains answered since. Whether there was an answer to any; and why the first
    /// that was dropped was. The ends of the branches must be chosen anew, after [`Tree::expire`].
    pub(in crate::document) fn answered(
        &mut self,
        answer: impl Fn(&Arc<Proof>) -> Result<TimeStatus, AnchorError>,
    ) -> (bool, Option<Refusal>) {
        let mut claims: Vec<(usize, Cid, Arc<Proof>)> = self
            .claims()
            .map(|(cid, node, proof)| (node.height, cid, proof.clone()))
            .collect();
        // Whatever an anchor builds on is judged before it.
        claims.sort_unstable_by_key(|(height, cid, _)| (*height, *cid));
        let mut refused = None;
        let mut changed = false;
        let mut proven = Vec::new();
        for (_, cid, proof) in claims {
            match (answer(&proof), self.nodes.get_mut(&cid)) {
                (Ok(time @ TimeStatus::Proven { .. }), Some(node)) => {
                    node.time = time;
                    node.dated = true;
                    proven.push((cid, proof));
                }
                (Err(error), Some(_)) => {
                    self.cut(&cid);
                    refused = refused.or(Some(Refusal::of(cid, error.into())));
                    changed = true;
                }
                _ => {}
            }
        }
        for (cid, proof) in proven {
            let Some((prev, unix)) = self.anchor(&cid) else {
                continue;
            };
            match self.date(&prev, unix) {
                Dated::InTime => changed = true,
                // What is before it may be valid without it, and is judged by the time that it is now.
                Dated::Late(refusal) => {
                    self.cut(&cid);
                    refused = refused.or(Some(refusal));
                    changed = true;
                }
                Dated::Unsure => {
                    if let Some(node) = self.nodes.get_mut(&cid) {
                        node.time = TimeStatus::Claimed { proof };
                        node.dated = false;
                    }
                }
            }
        }
        if refused.is_some() {
            self.date_anew();
        }
        (changed, refused)
    }

    /// Of a proven anchor: the event before, and the time.
    fn anchor(&self, cid: &Cid) -> Option<(Cid, u64)> {
        let node = self.get(cid)?;
        Some((node.link.prev?, node.time.unix()?))
    }

    /// Anchors that nobody was asked about, in no particular order.
    pub(in crate::document) fn claims(&self) -> impl Iterator<Item = (Cid, &Node, &Arc<Proof>)> {
        self.nodes
            .iter()
            .filter_map(|(cid, node)| match &node.time {
                TimeStatus::Claimed { proof } => Some((*cid, node, proof)),
                _ => None,
            })
    }

    /// Drops the events whose capability, or 3ID, has ended and that no anchor dated, with all that builds on them, or lets them
    /// lapse; says which was the oldest before `end`. The init event stays, for without it there is no document.
    ///
    /// The ends of the branches must be chosen anew.
    pub(in crate::document) fn expire(&mut self, end: &Cid, now: u64) -> Option<Refusal> {
        let before = self.outlived(end, now);
        let hopeful = self.hopeful();
        let undated = self.nodes.values().filter(|node| !node.dated);
        let outlived = undated.filter(|node| node.expires() < now);
        let mut outlived: HashSet<Cid> = outlived.map(|node| node.link.cid).collect();
        if outlived.remove(&self.init) {
            let init = self.nodes.get(&self.init);
            outlived.extend(init.iter().flat_map(|init| &init.children));
        }
        self.nodes.values_mut().for_each(|node| node.lapsed = false);
        for event in outlived {
            match hopeful.contains(&event) {
                true => {
                    if let Some(node) = self.nodes.get_mut(&event) {
                        node.lapsed = true;
                    }
                }
                false => self.cut(&event),
            }
        }
        self.lapsed = self.nodes.values().any(|node| node.lapsed);
        let undated = self.nodes.values().filter(|node| !node.dated);
        let ends = undated.map(Node::expires).filter(|end| *end >= now);
        self.expires = ends.min().unwrap_or(u64::MAX);
        before
    }

    /// Whether a claimed anchor is among the undated events up to here.
    pub(super) fn has_claim(&self, end: &Cid) -> bool {
        let undated = self.back(end).take_while(|(_, node)| !node.dated);
        let mut times = undated.map(|(_, node)| &node.time);
        times.any(|time| matches!(time, TimeStatus::Claimed { .. }))
    }

    /// Events that no anchor dated but a claimed one may.
    fn hopeful(&self) -> HashSet<Cid> {
        let mut hopeful = HashSet::new();
        for (claim, ..) in self.claims() {
            for (cid, node) in self.back(&claim) {
                if node.dated || !hopeful.insert(*cid) {
                    break;
                }
            }
        }
        hopeful
    }

    /// Whether an undated event may have outlived its capability.
    pub(in crate::document) fn may_expire(&self, now: u64) -> bool {
        self.lapsed || self.expires < now
    }

    /// The oldest event on the way to `end` that outlived its capability.
    fn outlived(&self, end: &Cid, now: u64) -> Option<Refusal> {
        let mut claim = None;
        let mut oldest = None;
        for (cid, node) in self.back(end).take_while(|(_, node)| !node.dated) {
            if let TimeStatus::Claimed { proof } = &node.time {
                claim = Some(proof);
            }
            if node.expires() < now {
                oldest = node.author.as_ref().map(|author| (*cid, author, claim));
            }
        }
        let (event, author, claim) = oldest?;
        // Nobody asked about the anchor that may show that it was in time.
        let reason = match claim {
            Some(proof) => Need::transaction(proof).into(),
            None => author.expired(),
        };
        Some(Refusal::of(event, reason))
    }
}
