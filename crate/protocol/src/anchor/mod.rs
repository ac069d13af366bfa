//! Time events: the proof, the path to it, and what a chain answered.
//!
//! Anyone can write a time event. Its witness path, checked offline, shows that the event before it is under the root that
//! the proof names; that a transaction carries this root only a blockchain can say. Until one was asked the time is
//! *claimed*. A hostile sender can send a path without end or lead it through any block: [`MAX_PATH`] steps, each through
//! a list of links.

mod proof;
mod witness;

pub use proof::Proof;
pub use witness::MAX_PATH;
pub(crate) use witness::{Found, Witness};

use std::collections::HashMap;
use std::hash::BuildHasher;

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
        }
    }
}

/// What a chain said about a proof's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorAnswer {
    /// Nobody was asked.
    Unasked,
    /// There is no such transaction, or it carries another root.
    Absent,
    /// It was mined in a block of this time, in unix seconds.
    Mined {
        /// The time of the block.
        time: u64,
    },
}

/// Whoever knows what chains answered.
pub trait Anchors {
    /// The answer about the transaction of this proof.
    fn answer(&self, proof: &Proof) -> AnchorAnswer;
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
