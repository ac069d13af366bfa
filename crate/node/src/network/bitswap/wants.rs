//! The client's side without I/O: which block is asked of whom, and what follows from each answer or silence.
//!
//! A block is asked of one peer. When that peer says DONT_HAVE, leaves, or is silent, the next best is asked, until one
//! sends it or nobody is left. Time is passed in.

use std::collections::{HashMap, HashSet, VecDeque};

use cid::Cid;
use libp2p::PeerId;
use web_time::Instant;

use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use super::message::{Entry, is_fetchable};
use super::{
    ANSWER_TIMEOUT, ENTRIES_PER_MESSAGE, LONGEST_ANSWER, LONGEST_PATIENCE, MAX_WANTS_SENT,
    PATIENCE, WantKind,
};

/// How far past answers count; see [`Peer::faith`].
const MOST_FAITH: i32 = 8;

/// Peers remembered as likely to have one block.
const MAX_PROVIDERS: usize = 16;
/// Wants looked at in vain before the rest is left for the next answer. Else 10,000 wants at one full peer would all be
/// looked at again for each block that comes.
const MAX_STUCK: usize = 64;

/// Where one want stands with one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Being asked since. `patient` until another peer is asked as well.
    Open { since: Instant, patient: bool },
    /// It said that it has not got it, or said nothing for too long.
    Over,
}

#[derive(Debug, Default)]
struct Want {
    providers: Vec<PeerId>,
    asks: SortedMap<PeerId, Ask>,
}

#[derive(Debug)]
struct Peer {
    /// False once it turned out not to speak bitswap.
    speaks: bool,
    open: HashSet<Cid>,
    outbox: VecDeque<Entry>,
    /// The wants that left for this peer start with a clean list.
    fresh: bool,
    heard: Instant,
    /// Rises with each block it sent, falls with each it had not or stayed silent about.
    faith: i32,
}

/// What is wanted, and of whom.
#[derive(Debug, Default)]
pub(super) struct Wants {
    wants: HashMap<Cid, Want>,
    peers: SortedMap<PeerId, Peer>,
    /// Wants that need a peer: new, turned down, or waiting for room at one.
    restless: VecDeque<Cid>,
    missing: VecDeque<Cid>,
    touched: SortedSet<PeerId>,
}

impl Wants {
    /// Starts asking for blocks, in this order.
    pub(super) fn add(
        &mut self,
        cids: impl IntoIterator<Item = Cid>,
        providers: &[PeerId],
        now: Instant,
    ) {
        for cid in cids {
            if !is_fetchable(&cid) {
                self.missing.push_back(cid);
                continue;
            }
            let restless = &mut self.restless;
            let want = self.wants.entry(cid).or_insert_with(|| {
                restless.push_back(cid);
                Want::default()
            });
            for provider in providers {
                if want.providers.len() < MAX_PROVIDERS && !want.providers.contains(provider) {
                    want.providers.push(*provider);
                }
            }
        }
        self.settle(now, MAX_STUCK);
    }

    /// Ends asking for a block: it is here, or nobody needs it any more. True if it was wanted.
    pub(super) fn end(&mut self, cid: &Cid, now: Instant) -> bool {
        let Some(want) = self.wants.remove(cid) else {
            return false;
        };
        for (peer, _) in want.asks {
            self.withdraw(&peer, cid);
        }
        self.settle(now, MAX_STUCK);
        true
    }

    /// A block came. True if it was wanted.
    pub(super) fn block(&mut self, from: PeerId, cid: &Cid, now: Instant) -> bool {
        if !self.wants.contains_key(cid) {
            return false;
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.heard = now;
            peer.faith = (peer.faith + 1).min(MOST_FAITH);
            peer.open.remove(cid);
        }
        if let Some(want) = self.wants.get_mut(cid) {
            // Who sent it need not be told that it is here.
            want.asks.remove(&from);
        }
        self.end(cid, now)
    }

    /// A peer has not got a block.
    pub(super) fn dont_have(&mut self, from: PeerId, cid: &Cid, now: Instant) {
        let Some(ask) = self
            .wants
            .get_mut(cid)
            .and_then(|want| want.asks.get_mut(&from))
        else {
            return;
        };
        if *ask == Ask::Over {
            return;
        }
        *ask = Ask::Over;
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.heard = now;
            peer.faith = (peer.faith - 1).max(-MOST_FAITH);
            peer.open.remove(cid);
        }
        self.restless.push_back(*cid);
        self.settle(now, MAX_STUCK);
    }

    pub(super) fn connected(&mut self, id: PeerId, now: Instant) {
        if self.peers.contains_key(&id) {
            return;
        }
        let peer = Peer {
            speaks: true,
            open: HashSet::new(),
            outbox: VecDeque::new(),
            fresh: true,
            heard: now,
            faith: 0,
        };
        self.peers.insert(id, peer);
        self.settle(now, MAX_STUCK);
    }

    pub(super) fn disconnected(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        self.touched.remove(&id);
        for want in self.wants.values_mut() {
            want.asks.remove(&id);
        }
        self.restless.extend(peer.open);
        self.settle(now, MAX_STUCK);
    }

    /// A peer does not speak bitswap: it has nothing.
    pub(super) fn mute(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.speaks = false;
        peer.outbox.clear();
        self.turn_down_all(id, now);
    }

    /// A message to a peer was lost: whatever was asked of it counts as unanswered.
    pub(super) fn lost(&mut self, id: PeerId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.faith = (peer.faith - 2).max(-MOST_FAITH);
            peer.fresh = true;
            peer.outbox.clear();
        }
        self.turn_down_all(id, now);
    }

    fn turn_down_all(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        for cid in std::mem::take(&mut peer.open) {
            if let Some(ask) = self
                .wants
                .get_mut(&cid)
                .and_then(|want| want.asks.get_mut(&id))
            {
                *ask = Ask::Over;
                self.restless.push_back(cid);
            }
        }
        self.settle(now, MAX_STUCK);
    }

    /// Looks for silence. Call it at [`Wants::due`].
    pub(super) fn tick(&mut self, now: Instant) {
        let mut silent = Vec::new();
        for (id, peer) in &mut self.peers {
            for cid in &peer.open {
                let Some(Ask::Open { since, patient }) = self
                    .wants
                    .get_mut(cid)
                    .and_then(|want| want.asks.get_mut(id))
                else {
                    continue;
                };
                let quiet = now.saturating_duration_since(peer.heard.max(*since));
                if quiet >= ANSWER_TIMEOUT
                    || now.saturating_duration_since(*since) >= LONGEST_ANSWER
                {
                    silent.push((*id, *cid));
                } else if *patient
                    && (quiet >= PATIENCE
                        || now.saturating_duration_since(*since) >= LONGEST_PATIENCE)
                {
                    *patient = false;
                    self.restless.push_back(*cid);
                }
            }
        }
        for (id, cid) in silent {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.open.remove(&cid);
                peer.faith = (peer.faith - 2).max(-MOST_FAITH);
            }
            if let Some(want) = self.wants.get_mut(&cid) {
                want.asks.insert(id, Ask::Over);
                self.restless.push_back(cid);
            }
        }
        self.settle(now, usize::MAX);
    }

    /// Whether silence has to be looked for.
    pub(super) fn is_waiting(&self) -> bool {
        self.peers.values().any(|peer| !peer.open.is_empty())
    }

    /// A block nobody connected has; asking for it is over.
    pub(super) fn next_missing(&mut self) -> Option<Cid> {
        self.missing.pop_front()
    }

    /// A peer there may be something to send to.
    pub(super) fn next_touched(&mut self) -> Option<PeerId> {
        self.touched.pop_first()
    }

    /// What to tell a peer, and whether it replaces all it was told.
    pub(super) fn take_entries(&mut self, id: &PeerId) -> (Vec<Entry>, bool) {
        let Some(peer) = self.peers.get_mut(id) else {
            return (Vec::new(), false);
        };
        let count = peer.outbox.len().min(ENTRIES_PER_MESSAGE);
        let entries: Vec<Entry> = peer.outbox.drain(..count).collect();
        let fresh = !entries.is_empty() && std::mem::take(&mut peer.fresh);
        (entries, fresh)
    }

    /// Gives each restless want a peer, or gives it up.
    fn settle(&mut self, now: Instant, most_stuck: usize) {
        let mut stuck = Vec::new();
        for _ in 0..self.restless.len() {
            if stuck.len() >= most_stuck {
                break;
            }
            let Some(cid) = self.restless.pop_front() else {
                break;
            };
            let Some(want) = self.wants.get_mut(&cid) else {
                continue;
            };
            let eager = !want
                .asks
                .values()
                .any(|ask| matches!(ask, Ask::Open { patient: true, .. }));
            if !eager {
                continue;
            }
            let candidates = self
                .peers
                .iter()
                .filter(|(id, peer)| peer.speaks && !want.asks.contains_key(id));
            let rank = |id: &PeerId, peer: &Peer| {
                let named = want
                    .providers
                    .iter()
                    .position(|provider| provider == id)
                    .unwrap_or(usize::MAX);
                // Of those that were silent lately, none is better for being named.
                (
                    peer.open.len() >= MAX_WANTS_SENT,
                    peer.faith <= -4,
                    named,
                    -peer.faith,
                    peer.open.len(),
                )
            };
            let best = candidates
                .min_by_key(|(id, peer)| rank(id, peer))
                .map(|(id, _)| *id);
            match best.and_then(|id| Some((id, self.peers.get_mut(&id)?))) {
                Some((_, peer)) if peer.open.len() >= MAX_WANTS_SENT => {
                    stuck.push(cid);
                }
                Some((id, peer)) => {
                    want.asks.insert(
                        id,
                        Ask::Open {
                            since: now,
                            patient: true,
                        },
                    );
                    peer.open.insert(cid);
                    peer.outbox.push_back(Entry {
                        cid,
                        priority: 1,
                        cancel: false,
                        kind: WantKind::Block,
                        send_dont_have: true,
                    });
                    self.touched.insert(id);
                }
                None if want
                    .asks
                    .values()
                    .any(|ask| matches!(ask, Ask::Open { .. })) => {}
                None => {
                    let want = self.wants.remove(&cid);
                    for (peer, _) in want.into_iter().flat_map(|want| want.asks) {
                        self.withdraw(&peer, &cid);
                    }
                    self.missing.push_back(cid);
                }
            }
        }
        for cid in stuck.into_iter().rev() {
            self.restless.push_front(cid);
        }
    }

    /// Tells a peer that a block is no longer wanted, or takes back the want that has not left yet.
    fn withdraw(&mut self, id: &PeerId, cid: &Cid) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.open.remove(cid);
        if !peer.speaks {
            return;
        }
        let unsent = peer
            .outbox
            .iter()
            .position(|entry| entry.cid == *cid && !entry.cancel);
        match unsent {
            Some(place) => {
                peer.outbox.remove(place);
            }
            None => {
                peer.outbox.push_back(Entry {
                    cid: *cid,
                    priority: 1,
                    cancel: true,
                    kind: WantKind::Block,
                    send_dont_have: false,
                });
                self.touched.insert(*id);
            }
        }
    }
}
