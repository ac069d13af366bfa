//! Asking blockchains about anchors.
//!
//! A transaction is asked about once: the sources of its chain all at the same time, and what a quorum of them says counts
//! ([`Panel`]). What they said is remembered, in memory ([`Answers`]) and on disk ([`kept`]), where only a transaction that
//! was mined is final: one that nobody knows today may be mined tomorrow.
//!
//! Whoever writes time events decides what is asked about, and a source may lie, hang or send anything: at most
//! [`MAX_QUESTIONS`] transactions are asked about at once and [`MAX_WAITING`] wait, an answer takes [`Pace::timeout`] at most,
//! a question is given up after [`Pace::attempts`], and memory holds [`MAX_ANSWERS`] answers. A transaction about which the
//! sources do not agree stays unasked, so that none of them alone can prove an anchor or take one away.

mod answers;
mod asker;
pub mod kept;
mod panel;
mod source;
#[cfg(test)]
mod tests;

pub use answers::{ABSENT_FOR, Answers, MAX_ANSWERS};
pub use asker::{Asker, MAX_QUESTIONS, MAX_WAITING, News};
pub use panel::{Doubt, Outcome, Pace, Panel, Quorum};
pub use source::{ChainSource, SourceError};

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::anchor::rpc::chain_number;
use ostrakon_protocol::anchor::transaction::transaction_hash;
use ostrakon_protocol::anchor::{Chains, Proof, TimePolicy};
use ostrakon_protocol::sorted::SortedMap;

/// Longest name of a chain that is asked: `eip155:` and a number of 64 bits.
const MAX_CHAIN_NAME: usize = 27;

/// Makes a source for a chain, by its CAIP-2 name.
pub type Anywhere = Rc<dyn Fn(&str) -> Rc<dyn ChainSource>>;

/// Whom a node asks, and what it makes of the answers.
#[derive(Clone, Default)]
pub struct ChainsConfig {
    /// By the CAIP-2 name of their chain.
    pub sources: Vec<(String, Rc<dyn ChainSource>)>,
    /// A source for whatever chain is asked about, beside those: the user's wallet, wherever it is connected.
    pub anywhere: Option<Anywhere>,
    /// How many of a chain's sources must agree.
    pub quorum: Quorum,
    /// The same, for single chains.
    pub quorums: SortedMap<String, Quorum>,
    /// How patiently they are asked.
    pub pace: Pace,
    /// On which chains anchors count; those of the network if nothing else is said.
    pub chains: Option<Chains>,
    /// Which anchors order branches.
    pub policy: TimePolicy,
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    chain_id: Arc<str>,
    hash: [u8; 32],
}

impl Key {
    /// The one that a proof names; nothing if there can be none, or none that can be asked about.
    pub fn of(proof: &Proof) -> Option<Self> {
        Self::named(&proof.chain_id, &proof.tx_hash)
    }

    /// The same, by the name of the chain and its own.
    pub fn named(chain_id: &str, tx_hash: &Cid) -> Option<Self> {
        let is_short = chain_id.len() <= MAX_CHAIN_NAME;
        chain_number(chain_id).ok().filter(|_| is_short)?;
        Some(Self {
            chain_id: chain_id.into(),
            hash: transaction_hash(tx_hash).ok()?,
        })
    }

    /// The chain, by its CAIP-2 name.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// The transaction's hash.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

impl fmt::Display for Key {
    /// The chain, a slash and the hash in hex: under this name a store keeps the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/0x", self.chain_id)?;
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
