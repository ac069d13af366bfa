//! The server's side without I/O: what one peer wants of us, what is being looked up for it, and what waits to be sent.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::sorted::{SortedMap, sorted_by_key};

use super::message::{Entry, Message};
use super::{
    INLINE_BYTES, MAX_ANSWERING, MAX_PRESENCES, MAX_QUEUE_BYTES, MAX_WANTS_SERVED, MESSAGE_BYTES,
    WantKind,
};

/// What a presence adds to a message, roughly.
const PRESENCE_BYTES: usize = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for its turn at the store.
    Queued,
    /// Handed to the store.
    Answering,
    /// The store has not got it; should it come, the peer still wants it.
    Absent,
}

#[derive(Clone, Copy, Debug)]
struct Want {
    kind: WantKind,
    send_dont_have: bool,
    state: State,
}

/// One peer's account.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    wants: SortedMap<Cid, Want>,
    queue: VecDeque<Cid>,
    /// Handed to the store, also if withdrawn meanwhile: an answer is still owed to us.
    answering: HashSet<Cid>,
    /// Absent ones, oldest first; may name some that are absent no more.
    absent: VecDeque<Cid>,
    blocks: VecDeque<Block>,
    block_bytes: usize,
    have: VecDeque<Cid>,
    dont_have: VecDeque<Cid>,
}

impl Ledger {
    /// Takes in a message's wants; says how many were refused.
    pub(super) fn receive(&mut self, full: bool, mut entries: Vec<Entry>) -> u64 {
        if full {
            let named: HashSet<Cid> = entries
                .iter()
                .filter(|entry| !entry.cancel)
                .map(|entry| entry.cid)
                .collect();
            self.wants.retain(|cid, _| named.contains(cid));
            self.drop_blocks(|cid| named.contains(cid));
        }
        let cancelled: HashSet<Cid> = entries
            .iter()
            .filter(|entry| entry.cancel)
            .map(|entry| entry.cid)
            .collect();
        if !cancelled.is_empty() {
            self.wants.retain(|cid, _| !cancelled.contains(cid));
            self.drop_blocks(|cid| !cancelled.contains(cid));
        }
        entries.retain(|entry| !entry.cancel);
        let mut refused = 0;
        let by_priority = entries
            .into_iter()
            .map(|entry| (Reverse(entry.priority), entry));
        for entry in sorted_by_key(by_priority) {
            if !self.want(&entry) {
                refused += 1;
                if entry.send_dont_have {
                    self.say(false, entry.cid);
                }
            }
        }
        refused
    }

    fn want(&mut self, entry: &Entry) -> bool {
        if let Some(want) = self.wants.get_mut(&entry.cid) {
            want.send_dont_have |= entry.send_dont_have;
            if entry.kind == WantKind::Block {
                want.kind = WantKind::Block;
            }
            if want.state == State::Absent {
                want.state = State::Queued;
                self.queue.push_back(entry.cid);
            }
            return true;
        }
        if self.wants.len() >= MAX_WANTS_SERVED && !self.evict() {
            return false;
        }
        let want = Want {
            kind: entry.kind,
            send_dont_have: entry.send_dont_have,
            state: State::Queued,
        };
        self.wants.insert(entry.cid, want);
        self.queue.push_back(entry.cid);
        // Withdrawn wants leave their place in the queue behind; a peer that wants and cancels for ever must not
        // make it grow.
        if self.queue.len() > 2 * MAX_WANTS_SERVED {
            let wants = &self.wants;
            let mut seen = HashSet::new();
            self.queue.retain(|cid| {
                wants
                    .get(cid)
                    .is_some_and(|want| want.state == State::Queued)
                    && seen.insert(*cid)
            });
        }
        true
    }

    /// Makes room by forgetting the oldest want we could not answer.
    fn evict(&mut self) -> bool {
        while let Some(cid) = self.absent.pop_front() {
            if self
                .wants
                .get(&cid)
                .is_some_and(|want| want.state == State::Absent)
            {
                self.wants.remove(&cid);
                return true;
            }
        }
        false
    }

    /// The next want to hand to the store, if the peer reads what it got and the store keeps up.
    pub(super) fn next_wanted(&mut self) -> Option<(Cid, WantKind)> {
        if self.answering.len() >= MAX_ANSWERING || self.block_bytes >= MAX_QUEUE_BYTES {
            return None;
        }
        while let Some(cid) = self.queue.pop_front() {
            let Some(want) = self.wants.get_mut(&cid) else {
                continue;
            };
            // One that is with the store already (wanted, withdrawn, wanted again) gets that answer.
            if want.state == State::Queued {
                want.state = State::Answering;
                if self.answering.insert(cid) {
                    return Some((cid, want.kind));
                }
            }
        }
        None
    }

    /// What the store said.
    pub(super) fn answer(&mut self, cid: &Cid, block: Option<&Block>) {
        if !self.answering.remove(cid) {
            return;
        }
        let Some(want) = self.wants.get_mut(cid) else {
            return;
        };
        match block {
            Some(block) => self.give(block),
            None => {
                want.state = State::Absent;
                let say = want.send_dont_have;
                // Said once; the want stays in case the block comes.
                want.send_dont_have = false;
                self.absent.push_back(*cid);
                if self.absent.len() > 2 * MAX_WANTS_SERVED {
                    let wants = &self.wants;
                    let mut seen = HashSet::new();
                    self.absent.retain(|cid| {
                        wants
                            .get(cid)
                            .is_some_and(|want| want.state == State::Absent)
                            && seen.insert(*cid)
                    });
                }
                if say {
                    self.say(false, *cid);
                }
            }
        }
    }

    /// A block came to the store. True if this peer had asked for it in vain.
    pub(super) fn offer(&mut self, block: &Block) -> bool {
        let asked = self
            .wants
            .get(block.cid())
            .is_some_and(|want| want.state == State::Absent);
        if asked {
            if self.block_bytes >= MAX_QUEUE_BYTES {
                // Sent when the peer has read what it got.
                if let Some(want) = self.wants.get_mut(block.cid()) {
                    want.state = State::Queued;
                }
                self.queue.push_back(*block.cid());
            } else {
                self.give(block);
            }
        }
        asked
    }

    fn give(&mut self, block: &Block) {
        let Some(want) = self.wants.remove(block.cid()) else {
            return;
        };
        if want.kind == WantKind::Block || block.bytes().len() <= INLINE_BYTES {
            self.block_bytes += block.bytes().len();
            self.blocks.push_back(block.clone());
        } else {
            self.say(true, *block.cid());
        }
    }

    fn say(&mut self, have: bool, cid: Cid) {
        let list = if have {
            &mut self.have
        } else {
            &mut self.dont_have
        };
        // Beyond the bound the peer does not read; it will take silence for a no.
        if list.len() < MAX_PRESENCES {
            list.push_back(cid);
        }
    }

    fn drop_blocks(&mut self, keep: impl Fn(&Cid) -> bool) {
        let bytes = &mut self.block_bytes;
        self.blocks.retain(|block| {
            let kept = keep(block.cid());
            if !kept {
                *bytes = bytes.saturating_sub(block.bytes().len());
            }
            kept
        });
    }

    /// Moves what fits into a message.
    pub(super) fn fill(&mut self, message: &mut Message) {
        let mut bytes = 0;
        while bytes < MESSAGE_BYTES / 2 {
            let Some(cid) = self.dont_have.pop_front() else {
                break;
            };
            message.dont_have.push(cid);
            bytes += PRESENCE_BYTES;
        }
        while bytes < MESSAGE_BYTES / 2 {
            let Some(cid) = self.have.pop_front() else {
                break;
            };
            message.have.push(cid);
            bytes += PRESENCE_BYTES;
        }
        while let Some(next) = self.blocks.front() {
            bytes += next.bytes().len() + PRESENCE_BYTES;
            // One block always goes, so that nothing ever gets stuck.
            if bytes > MESSAGE_BYTES && !message.blocks.is_empty() {
                break;
            }
            let Some(block) = self.blocks.pop_front() else {
                break;
            };
            self.block_bytes = self.block_bytes.saturating_sub(block.bytes().len());
            message.blocks.push(block);
        }
    }
}
