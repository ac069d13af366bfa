//! Time events: the proof, the path to it, and what a chain answered.
//!
//! Anyone can write a time event. Its witness path, checked offline, shows that the event before it is under the root that
//! the proof names; that a transaction carries this root only a blockchain can say. Until one was asked the time is
//! *claimed*. A hostile sender can send a path without end or lead it through any block: [`MAX_PATH`] steps, each through
//! a list of links. What chains answer is judged in [`transaction`], and read in [`rpc`].

pub mod networks;
mod proof;
pub mod rpc;
pub mod transaction;
mod witness;

pub use networks::Chains;
pub use proof::Proof;
pub use transaction::{Address, Sources, Transaction};
pub use witness::MAX_PATH;
pub(crate) use witness::{Found, Witness};

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use cid::Cid;

/// Why a time event is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The proof block is not a proof.
    #[error("{0} is not an anchor proof")]
    BadProof(Cid),
    /// The path is not slash-separated indices, or has more than [`MAX_PATH`] of them.
    #[error("the witness path is malformed")]
    BadPath,
    /// A step leads nowhere, or through a block that is no list.
    #[error("the witness path leads nowhere at {0}")]
    DeadEnd(Cid),
    /// The path ends at another event.
    #[error("the witness path leads to {0}, not to the event before")]
    WrongEvent(Cid),
    /// A block of the path cannot be had.
    #[error("the witness block {0} is missing")]
    Missing(Cid),
    /// The chain knows no such transaction.
    #[error("there is no transaction {0}")]
    NoTransaction(Cid),
    /// The transaction does not carry the root in the form that the proof says.
    #[error("the root {0} is not in the transaction")]
    NotInTransaction(Cid),
    /// The raw form, after the last block in which it is valid.
    #[error("the transaction of block {block} must be a call of the anchor contract")]
    RawTooLate {
        /// The block of the transaction.
        block: u64,
        /// The last block; none on a chain that never had the raw form.
        after: Option<u64>,
    },
    /// The transaction was sent elsewhere.
    #[error("the transaction was not sent to the anchor contract {contract}", contract = transaction::CONTRACT)]
    WrongContract(Option<Address>),
    /// The network does not anchor there.
    #[error("anchors on the chain {0} do not count here")]
    ForeignChain(String),
}

impl AnchorError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadProof(_) => "anchor-bad-proof",
            Self::BadPath => "anchor-bad-path",
            Self::DeadEnd(_) => "anchor-dead-end",
            Self::WrongEvent(_) => "anchor-wrong-event",
            Self::Missing(_) => "anchor-missing-witness",
            Self::NoTransaction(_) => "anchor-no-transaction",
            Self::NotInTransaction(_) => "anchor-not-in-transaction",
            Self::RawTooLate { .. } => "anchor-raw-too-late",
            Self::WrongContract(_) => "anchor-wrong-contract",
            Self::ForeignChain(_) => "anchor-foreign-chain",
        }
    }
}

/// What a chain said about a proof's transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorAnswer {
    /// Nobody was asked, or nobody gave an answer to rely on.
    Unasked,
    /// There is no such transaction.
    Absent,
    /// The network does not anchor on this chain.
    Foreign,
    /// It was mined in a block of this time, in unix seconds, and carries the root: so says a table made by hand.
    Mined {
        /// The time of the block.
        time: u64,
    },
    /// It was mined. Whether it carries the root is judged.
    Transaction(Arc<Transaction>, Sources),
}

/// What an answer makes of a time event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Claimed,
    Proven {
        unix: u64,
        block: Option<u64>,
        by: Sources,
    },
}

impl AnchorAnswer {
    /// Judges a proof by this answer.
    pub(crate) fn judge(&self, proof: &Proof) -> Result<Verdict, AnchorError> {
        match self {
            Self::Unasked => Ok(Verdict::Claimed),
            Self::Absent => Err(AnchorError::NoTransaction(proof.tx_hash)),
            Self::Foreign => Err(AnchorError::ForeignChain(proof.chain_id.clone())),
            Self::Mined { time } => Ok(Verdict::Proven {
                unix: *time,
                block: None,
                by: Sources::default(),
            }),
            Self::Transaction(transaction, by) => {
                transaction.proves(proof)?;
                Ok(Verdict::Proven {
                    unix: transaction.time,
                    block: Some(transaction.block),
                    by: by.clone(),
                })
            }
        }
    }
}

/// Whoever knows what chains answered.
pub trait Anchors {
    /// The answer about the transaction of this proof.
    fn answer(&self, proof: &Proof) -> AnchorAnswer;

    /// Which anchors order branches.
    fn policy(&self) -> TimePolicy {
        TimePolicy::Proven
    }
}

/// Which anchors make a branch win over one that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimePolicy {
    /// Those that a chain was asked about. Nobody can roll back a document by inventing one.
    #[default]
    Proven,
    /// Claimed ones as well, after all proven ones: whoever could ask no chain agrees more often with js-ceramic, but believes
    /// any stranger who claims an anchor. A claim never shows that a capability was valid, and is shown as a claim.
    Claimed,
}

/// No chain was asked about anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unasked;

impl Anchors for Unasked {
    fn answer(&self, _: &Proof) -> AnchorAnswer {
        AnchorAnswer::Unasked
    }
}

/// A whole chain as a table: the `txHash` of each transaction and its time. What is not in it does not exist.
impl<S: BuildHasher> Anchors for HashMap<Cid, u64, S> {
    fn answer(&self, proof: &Proof) -> AnchorAnswer {
        match self.get(&proof.tx_hash) {
            Some(time) => AnchorAnswer::Mined { time: *time },
            None => AnchorAnswer::Absent,
        }
    }
}
