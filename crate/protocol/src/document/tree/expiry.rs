//! When capabilities end (as js-ceramic judges them).
//!
//! A capability must have been valid when the event was written. That is the time of the first proven anchor after it;
//! without one it is now. So an event of a session waits for an anchor, and is dropped if none came in time, with all that
//! builds on it. What came before stays. The same goes for what an old version of a 3ID signed, only that it waits for an
//! anchor from the moment the newer version is known.

use cid::Cid;

use super::{Node, Tree};
use crate::refusal::{Need, Refusal};
use crate::state::TimeStatus;

impl Tree {
    /// Dates the events since the last proven anchor up to `end` by the next one. Errors with the oldest of them whose
    /// capability, or 3ID, was not valid then.
    pub(in crate::document) fn date(&mut self, end: &Cid, unix: u64) -> Result<(), Refusal> {
        let since = |node: &Node| node.time.unix().is_none();
        let events = self.back(end).take_while(|(_, node)| since(node));
        let invalid = events
            .filter_map(|(cid, node)| Some((*cid, node.author.as_ref()?.valid_at(unix).err()?)));
        if let Some((oldest, reason)) = invalid.last() {
            return Err(Refusal::of(oldest, reason));
        }
        let mut next = Some(*end);
        while let Some(node) = next.and_then(|cid| self.nodes.get_mut(&cid)) {
            if node.dated {
                break;
            }
            node.dated = true;
            next = node.link.prev;
        }
        Ok(())
    }

    /// Drops the events whose capability, or 3ID, has ended and that no anchor dated, with all that builds on them; says which
    /// was the oldest before `end`. The init event stays, for without it there is no document.
    ///
    /// The ends of the branches must be chosen anew.
    pub(in crate::document) fn expire(&mut self, end: &Cid, now: u64) -> Option<Refusal> {
        let before = self.outlived(end, now);
        let undated = self.nodes.values().filter(|node| !node.dated);
        let outlived = undated.filter(|node| node.expires() < now);
        let outlived: Vec<Cid> = outlived.map(|node| node.link.cid).collect();
        outlived.iter().for_each(|event| self.cut(event));
        let undated = self.nodes.values().filter(|node| !node.dated);
        self.expires = undated.map(Node::expires).min().unwrap_or(u64::MAX);
        before
    }

    /// Whether an undated event may have outlived its capability.
    pub(in crate::document) fn may_expire(&self, now: u64) -> bool {
        self.expires < now
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
