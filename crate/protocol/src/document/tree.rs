//! The tree of all valid events of a document that were heard of, and the order of its branches.

mod expiry;

pub(super) use expiry::Dated;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cid::Cid;

use super::MAX_BRANCHES;
use crate::anchor::TimePolicy;
use crate::chain::judge::Author;
use crate::chain::order::{Mark, Standing};
use crate::chain::{Link, MAX_CHAIN_BYTES, MAX_EVENTS};
use crate::did::three_id::Stamp;
use crate::sorted::{SortedMap, SortedSet, sorted_by_key};
use crate::state::TimeStatus;
use crate::{Block, Library, StreamId};

/// A valid event.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) link: Arc<Link>,
    /// Of a time event.
    pub(super) time: TimeStatus,
    pub(super) author: Option<Author>,
    /// Who must sign the next event. Only to refuse strangers early: the state decides.
    pub(super) controller: Option<Arc<str>>,
    /// How many events come before it.
    pub(super) height: usize,
    /// Of the blocks of its branch, from the init event to its own.
    pub(super) bytes: usize,
    /// Whether a proven anchor follows, on any branch, or this is one: its capability was valid then.
    dated: bool,
    /// Whether its capability ended, or that of the init event, but an anchor that nobody was asked about may show that it
    /// was in time. Until then it counts for nothing.
    lapsed: bool,
    /// Those that build on it.
    children: Vec<Cid>,
}

impl Node {
    /// The last second, in unix time, at which its capability is valid.
    fn expires(&self) -> u64 {
        self.author.as_ref().map_or(u64::MAX, Author::expires)
    }

    fn mark(&self, policy: TimePolicy) -> Mark {
        match &self.time {
            TimeStatus::None => Mark::Counts,
            TimeStatus::Claimed { .. } => match policy {
                TimePolicy::Proven => Mark::Claimed,
                TimePolicy::Claimed => Mark::Proven(u64::MAX),
            },
            TimeStatus::Proven { unix, .. } => Mark::Proven(*unix),
        }
    }
}

/// Valid events, by what they build on.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    init: Cid,
    nodes: HashMap<Cid, Node>,
    /// Of all blocks.
    bytes: usize,
    /// The ends of the branches, the winner first, those of branches with a lapsed event last.
    tips: Vec<Cid>,
    /// How many of them have none.
    live: usize,
    /// Which times order branches.
    policy: TimePolicy,
    /// Whether any event is lapsed.
    lapsed: bool,
    /// The 3IDs that signed, with what was known of each when it vouched for the first of them.
    vouchers: SortedMap<StreamId, Stamp>,
    /// Those of which more is known by now, but not enough to judge anew, with what is known.
    unsettled: SortedMap<StreamId, Stamp>,
    /// Up to when, in unix seconds, the capabilities of all events that are not dated are valid.
    expires: u64,
}

impl Tree {
    pub(super) fn new(init: Cid) -> Self {
        Self {
            init,
            nodes: HashMap::new(),
            bytes: 0,
            tips: vec![init],
            live: 1,
            policy: TimePolicy::default(),
            lapsed: false,
            vouchers: SortedMap::new(),
            unsettled: SortedMap::new(),
            expires: u64::MAX,
        }
    }

    /// Puts an event after the one it builds on.
    pub(super) fn insert(
        &mut self,
        link: Arc<Link>,
        time: TimeStatus,
        author: Option<Author>,
        controller: Option<Arc<str>>,
    ) {
        let cid = link.cid;
        let size = link.bytes();
        let before = link.prev.and_then(|prev| self.nodes.get_mut(&prev));
        let (height, bytes) = match before {
            Some(prev) => {
                prev.children.push(cid);
                (prev.height.saturating_add(1), prev.bytes)
            }
            None => (0, 0),
        };
        self.bytes = self.bytes.saturating_add(size);
        let node = Node {
            link,
            dated: time.unix().is_some(),
            time,
            author,
            controller,
            height,
            bytes: bytes.saturating_add(size),
            lapsed: false,
            children: Vec::new(),
        };
        self.expires = self.expires.min(node.expires());
        let author = node.author.as_ref();
        if let Some(vouched) = author.and_then(|author| author.vouched.as_ref()) {
            self.vouchers
                .get_or_insert_with(vouched.stream, || vouched.stamp);
        }
        self.nodes.insert(cid, node);
    }

    pub(super) fn get(&self, cid: &Cid) -> Option<&Node> {
        self.nodes.get(cid)
    }

    /// The blocks of all events, in no order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.nodes.values().flat_map(|node| &node.link.blocks)
    }

    /// The ends of the branches, the winner first, those of branches with a lapsed event last.
    pub(super) fn tips(&self) -> &[Cid] {
        &self.tips
    }

    /// Those without a lapsed event.
    pub(super) fn ranked(&self) -> &[Cid] {
        self.tips.get(..self.live).unwrap_or(&self.tips)
    }

    /// The 3IDs that signed.
    pub(super) fn vouchers(&self) -> impl Iterator<Item = &StreamId> {
        self.vouchers.keys()
    }

    /// Of the 3IDs that signed, those that have other versions now than when they vouched.
    pub(super) fn stale(&self, library: &Library) -> SortedMap<StreamId, Stamp> {
        let vouchers = self.vouchers.iter();
        let stale = vouchers.filter_map(|(stream, then)| {
            let now = library.three_id(stream).ok()?.stamp();
            (now != *then).then_some((*stream, now))
        });
        stale.collect()
    }

    /// Whether there are any of which more is known than when it was tried last.
    pub(super) fn is_stale(&self, library: &Library) -> bool {
        let mut stale = self.stale(library).into_iter();
        stale.any(|(stream, now)| self.unsettled.get(&stream) != Some(&now))
    }

    /// Notes that what is known of them by now is not enough.
    pub(super) fn leave_unsettled(&mut self, library: &Library) {
        self.unsettled = self.stale(library);
    }

    /// Of all blocks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events from one back to the init event.
    pub(super) fn back(&self, from: &Cid) -> impl Iterator<Item = (&Cid, &Node)> {
        let first = self.nodes.get_key_value(from);
        std::iter::successors(first, |(_, node)| {
            self.nodes.get_key_value(node.link.prev.as_ref()?)
        })
    }

    /// Ranks the branches, and forgets the worst of too many.
    pub(super) fn choose(&mut self, policy: TimePolicy) {
        self.policy = policy;
        self.tips = self.rank(self.init);
        self.live = self.tips.len();
        if self.lapsed {
            let ends = self
                .nodes
                .iter()
                .filter(|(_, node)| node.children.is_empty());
            let asleep = ends
                .map(|(cid, _)| *cid)
                .filter(|cid| !self.tips.contains(cid));
            // Heard again in this order, each finds the claim that it hopes for.
            let asleep = asleep.map(|cid| (!self.has_claim(&cid), cid));
            let asleep: SortedSet<(bool, Cid)> = asleep.collect();
            self.tips.extend(asleep.into_iter().map(|(_, cid)| cid));
        }
        while self.tips.len() > 1 && self.is_too_large() {
            if let Some(worst) = self.tips.pop() {
                self.forget(worst);
            }
        }
    }

    fn is_too_large(&self) -> bool {
        self.tips.len() > MAX_BRANCHES
            || self.nodes.len() > MAX_EVENTS
            || self.bytes > MAX_CHAIN_BYTES
    }

    /// The ends of all branches from an event on, the best first. Each fork is decided by the best of what follows each of
    /// its arms, so it does not matter in which order they were heard.
    fn rank(&self, mut at: Cid) -> Vec<Cid> {
        loop {
            let arms = self.nodes.get(&at).map_or(&[][..], |node| &node.children);
            let counts = |arm: &&Cid| self.get(arm).is_some_and(|node| !node.lapsed);
            let arms: Vec<&Cid> = arms.iter().filter(counts).collect();
            match arms.as_slice() {
                [] => return vec![at],
                [only] => at = **only,
                // Each fork adds a branch, so the recursion is no deeper than there are branches.
                arms => {
                    let arms = arms.iter().map(|arm| {
                        let tips = self.rank(**arm);
                        (tips.first().map(|tip| self.standing(tip, &at)), tips)
                    });
                    let arms = sorted_by_key(arms);
                    return arms.flatten().collect();
                }
            }
        }
    }

    /// The last event that two branches share.
    pub(super) fn fork(&self, one: &Cid, other: &Cid) -> Option<Cid> {
        let shared: HashSet<&Cid> = self.back(one).map(|(cid, _)| cid).collect();
        self.back(other)
            .map(|(cid, _)| *cid)
            .find(|cid| shared.contains(cid))
    }

    /// How a branch looks from the event where it forks off.
    pub(super) fn standing(&self, tip: &Cid, fork: &Cid) -> Standing {
        let arm = self.back(tip).take_while(|(cid, _)| *cid != fork);
        Standing::of(arm.map(|(cid, node)| (cid, node.mark(self.policy))))
    }

    /// Drops an event and all that builds on it; of the init event only the latter.
    pub(super) fn cut(&mut self, event: &Cid) {
        let Some(node) = self.nodes.get_mut(event) else {
            return;
        };
        let mut doomed = match node.link.prev {
            None => std::mem::take(&mut node.children),
            Some(prev) => {
                if let Some(before) = self.nodes.get_mut(&prev) {
                    before.children.retain(|child| child != event);
                }
                vec![*event]
            }
        };
        while let Some(node) = doomed.pop().and_then(|cid| self.nodes.remove(&cid)) {
            self.bytes = self.bytes.saturating_sub(node.link.bytes());
            doomed.extend(node.children);
        }
    }

    /// Forgets a branch back to where it forks off, or to where it slept from.
    fn forget(&mut self, tip: Cid) {
        let mut last = Some(tip);
        while let Some(node) = last.take().and_then(|cid| self.nodes.remove(&cid)) {
            self.bytes = self.bytes.saturating_sub(node.link.bytes());
            let prev = node.link.prev;
            if let Some(before) = prev.and_then(|prev| self.nodes.get_mut(&prev)) {
                before.children.retain(|child| *child != node.link.cid);
                let is_end = before.children.is_empty();
                last = prev.filter(|prev| is_end && !self.tips.contains(prev));
            }
        }
    }
}
