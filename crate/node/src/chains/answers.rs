use std::collections::VecDeque;

use ostrakon_protocol::anchor::rpc::chain_number;
use ostrakon_protocol::anchor::{AnchorAnswer, Anchors, Chains, Proof, TimePolicy};
use ostrakon_protocol::sorted::SortedMap;

use super::Key;

/// Answers remembered in memory. Of one that was forgotten the anchors stay as they are; it is asked for again when a
/// document is judged anew.
pub const MAX_ANSWERS: usize = 8_192;
/// How long it is believed that there is no such transaction, in seconds.
pub const ABSENT_FOR: u64 = 600;

/// What chains answered. No I/O: answers come in, and judging looks them up.
#[derive(Clone, Debug)]
pub struct Answers {
    chains: Chains,
    policy: TimePolicy,
    known: SortedMap<Key, AnchorAnswer>,
    /// Of those, the oldest first.
    order: VecDeque<Key>,
    /// Until when to believe that a transaction is absent, in unix seconds, the oldest first.
    absent: VecDeque<(u64, Key)>,
}

impl Default for Answers {
    fn default() -> Self {
        Self::new(Chains::Any, TimePolicy::Proven)
    }
}

impl Answers {
    /// No answers yet. Anchors count on these chains, and order branches by this policy.
    pub fn new(chains: Chains, policy: TimePolicy) -> Self {
        Self {
            chains,
            policy,
            known: SortedMap::new(),
            order: VecDeque::new(),
            absent: VecDeque::new(),
        }
    }

    /// Remembers an answer heard at `now`, in unix seconds.
    pub fn learn(&mut self, key: Key, answer: AnchorAnswer, now: u64) {
        self.forget_absent(now);
        if answer == AnchorAnswer::Unasked {
            return;
        }
        if answer == AnchorAnswer::Absent {
            let until = now.saturating_add(ABSENT_FOR);
            self.absent.push_back((until, key.clone()));
        }
        if self.known.insert(key.clone(), answer).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MAX_ANSWERS {
            let oldest = self.order.pop_front();
            oldest.and_then(|key| self.known.remove(&key));
        }
    }

    /// A transaction that nobody knew some time ago may be known by now.
    pub fn forget_absent(&mut self, now: u64) {
        while let Some((_, key)) = self.absent.pop_front_if(|(until, _)| *until <= now) {
            if self.known.get(&key) == Some(&AnchorAnswer::Absent) {
                self.known.remove(&key);
                self.order.retain(|other| *other != key);
            }
        }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// What is to be asked about a proof, if nothing is known of it.
    pub fn unknown(&self, proof: &Proof) -> Option<Key> {
        let key = Key::of(proof).filter(|_| self.chains.allow(&proof.chain_id))?;
        (!self.known.contains_key(&key)).then_some(key)
    }
}

impl Anchors for Answers {
    fn answer(&self, proof: &Proof) -> AnchorAnswer {
        if !self.chains.allow(&proof.chain_id) {
            return AnchorAnswer::Foreign;
        }
        match Key::of(proof) {
            Some(key) => self
                .known
                .get(&key)
                .cloned()
                .unwrap_or(AnchorAnswer::Unasked),
            // No transaction of such a chain has a name like this.
            None if chain_number(&proof.chain_id).is_ok() => AnchorAnswer::Absent,
            None => AnchorAnswer::Unasked,
        }
    }

    fn policy(&self) -> TimePolicy {
        self.policy
    }
}
