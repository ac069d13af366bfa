//! What a chain says about a transaction, and whether it carries a root (as js-ceramic 6.11 judges).
//!
//! A root is in a transaction in one of two forms, and the proof says which: *raw*, the input is the CID as text of base 16,
//! or *contract*, a call of `anchorDagCbor(bytes32)`. A proof of the second kind is marked `f(bytes32)`. Above a block of
//! each chain only the second is valid, and only when it was sent to the anchor contract.
//!
//! Anyone can send any transaction with any input: of the input [`MAX_INPUT`] bytes are kept, which is more than any form
//! reads.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use multihash::Multihash;

use super::{AnchorError, Proof};
use crate::block::{DAG_CBOR, SHA2_256};

/// Bytes of a transaction's input that are kept.
pub const MAX_INPUT: usize = 128;

/// The anchor contract, the same on all chains.
pub const CONTRACT: Address = Address([
    0x23, 0x10, 0x55, 0xa0, 0x85, 0x2d, 0x67, 0xc7, 0x10, 0x7a, 0xd0, 0xd0, 0xdf, 0xea, 0xb6, 0x02,
    0x78, 0xfe, 0x6a, 0xdc,
]);

/// How a proof says that its root is in a call of the contract.
const CONTRACT_FORM: &str = "f(bytes32)";

/// The first bytes of a call of `anchorDagCbor(bytes32)`.
const SELECTOR: [u8; 4] = [0x97, 0xad, 0x09, 0xeb];

/// An account or a contract.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(pub [u8; 20]);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is sent to the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// At most [`MAX_INPUT`] bytes.
    start: Bytes,
    /// Whether there was more.
    cut: bool,
}

impl Input {
    /// Keeps what matters.
    pub fn new(bytes: &[u8]) -> Self {
        let start = bytes.get(..MAX_INPUT).unwrap_or(bytes);
        Self {
            start: Bytes::copy_from_slice(start),
            cut: bytes.len() > MAX_INPUT,
        }
    }

    /// What was kept of one before: its first bytes, and whether there were more.
    pub fn kept(start: &[u8], cut: bool) -> Self {
        let input = Self::new(start);
        Self {
            cut: input.cut || cut,
            ..input
        }
    }

    /// The first bytes, at most [`MAX_INPUT`].
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// Whether there was more.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The names of those who said so.
pub type Sources = Arc<[Arc<str>]>;

/// A mined transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The number of its block.
    pub block: u64,
    /// The time of its block, in unix seconds.
    pub time: u64,
    /// To whom it was sent; nobody if it creates a contract.
    pub to: Option<Address>,
    /// What it carries.
    pub input: Input,
}

impl Transaction {
    /// Whether this is the transaction that a proof needs. What names it was compared before.
    ///
    /// # Errors
    /// The root is not in it, or not in the form that is valid at its block.
    pub fn proves(&self, proof: &Proof) -> Result<(), AnchorError> {
        let is_call = proof.tx_type.as_deref() == Some(CONTRACT_FORM);
        let carried = match is_call {
            true => self.is_call_with(&proof.root),
            false => self.is_text_of(&proof.root),
        };
        if !carried {
            return Err(AnchorError::NotInTransaction(proof.root));
        }
        let after = last_block_of_raw(&proof.chain_id);
        match after {
            Some(after) if self.block <= after => Ok(()),
            _ if !is_call => Err(AnchorError::RawTooLate {
                block: self.block,
                after,
            }),
            _ if self.to != Some(CONTRACT) => Err(AnchorError::WrongContract(self.to)),
            _ => Ok(()),
        }
    }

    /// The input is `0f` and the CID: the multibase prefix of base 16, written with a leading zero to fill the byte. js
    /// drops one zero digit and one digit more, whatever that is.
    fn is_text_of(&self, root: &Cid) -> bool {
        match self.input.start.split_first() {
            Some((0..=0x0f, cid)) => !self.input.cut && *cid == *root.to_bytes(),
            _ => false,
        }
    }

    /// The argument is a SHA-256 digest, of DAG-CBOR. What follows it is ignored.
    fn is_call_with(&self, root: &Cid) -> bool {
        let argument = self.input.start.strip_prefix(&SELECTOR);
        let digest = argument.and_then(|argument| argument.get(..32));
        let hash = digest.and_then(|digest| Multihash::wrap(SHA2_256, digest).ok());
        hash.is_some_and(|hash| Cid::new_v1(DAG_CBOR, hash) == *root)
    }
}

/// The last block of a chain in which the raw form, and any other contract, is valid. Of a chain not listed: none.
fn last_block_of_raw(chain_id: &str) -> Option<u64> {
    Some(match chain_id {
        "eip155:1" => 16_688_195,
        "eip155:3" => 1_000_000_000,
        "eip155:5" => 8_498_671,
        "eip155:100" => 26_509_835,
        "eip155:11155111" => 5_518_585,
        "eip155:1337" => 1,
        _ => return None,
    })
}

/// The 32 bytes by which an EVM chain knows the transaction of a proof.
///
/// # Errors
/// The name in the proof is not of that length, so there can be no such transaction.
pub fn transaction_hash(tx_hash: &Cid) -> Result<[u8; 32], AnchorError> {
    let digest = tx_hash.hash().digest();
    digest
        .try_into()
        .map_err(|_| AnchorError::NoTransaction(*tx_hash))
}
