//! Blocks: bytes that are known to hash to their CID.
//!
//! A hostile sender can pair any bytes with any CID, name a hash nobody can check, or send a block without end.
//! [`Block::verify`] is the only way from foreign bytes to a [`Block`]: it knows one hash (sha2-256, full length) and
//! refuses more than [`MAX_BLOCK_BYTES`].

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use bytes::Bytes;
use cid::{Cid, Version};
use multihash::Multihash;
use sha2::{Digest, Sha256};

/// Largest block of an event, in bytes (js-ceramic since 2020-12-09).
pub const MAX_BLOCK_BYTES: usize = 256_000;

/// Multicodec of plain DAG-CBOR: unsigned events, payloads, proofs, capabilities.
pub const DAG_CBOR: u64 = 0x71;
/// Multicodec of DAG-JOSE: the envelope of a signed event.
pub const DAG_JOSE: u64 = 0x85;
/// Multihash code of sha2-256.
pub const SHA2_256: u64 = 0x12;

/// Why bytes are not the block they claim to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes hash to something else.
    #[error("the bytes do not hash to {0}")]
    WrongHash(Cid),
    /// The CID names a hash that this node cannot check, or version 0.
    #[error("{0} is not a version 1 CID with a sha2-256 hash")]
    UnknownHash(Cid),
    /// More bytes than any block may have.
    #[error("a block of {0} bytes exceeds the limit of {MAX_BLOCK_BYTES}")]
    TooLarge(usize),
}

impl BlockError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongHash(_) => "block-wrong-hash",
            Self::UnknownHash(_) => "block-unknown-hash",
            Self::TooLarge(_) => "block-too-large",
        }
    }
}

/// Bytes that hash to their CID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    bytes: Bytes,
}

impl Block {
    /// Checks foreign bytes against the CID they claim.
    pub fn verify(cid: Cid, bytes: impl Into<Bytes>) -> Result<Self, BlockError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLarge(bytes.len()));
        }
        if cid.version() != Version::V1 || cid.hash().code() != SHA2_256 {
            return Err(BlockError::UnknownHash(cid));
        }
        if cid.hash().digest() != Sha256::digest(&bytes).as_slice() {
            return Err(BlockError::WrongHash(cid));
        }
        Ok(Self { cid, bytes })
    }

    /// Names DAG-CBOR bytes that we wrote ourselves. Errors only if they are too large.
    pub fn dag_cbor(bytes: impl Into<Bytes>) -> Result<Self, BlockError> {
        Self::name(DAG_CBOR, bytes.into())
    }

    /// Names DAG-JOSE bytes that we wrote ourselves. Errors only if they are too large.
    pub fn dag_jose(bytes: impl Into<Bytes>) -> Result<Self, BlockError> {
        Self::name(DAG_JOSE, bytes.into())
    }

    fn name(codec: u64, bytes: Bytes) -> Result<Self, BlockError> {
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLarge(bytes.len()));
        }
        // Never an error: a multihash has room for 64 bytes, the digest has 32.
        let hash = Multihash::wrap(SHA2_256, Sha256::digest(&bytes).as_slice())
            .map_err(|_| BlockError::TooLarge(bytes.len()))?;
        Ok(Self {
            cid: Cid::new_v1(codec, hash),
            bytes,
        })
    }

    /// The name of the bytes.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Somewhere blocks can be looked up at once, without waiting.
pub trait Blocks {
    /// The block with this CID, if it is here. Cloning a block shares its bytes.
    fn get(&self, cid: &Cid) -> Option<Block>;
}

impl<S: BuildHasher> Blocks for HashMap<Cid, Block, S> {
    fn get(&self, cid: &Cid) -> Option<Block> {
        HashMap::get(self, cid).cloned()
    }
}

impl Blocks for BTreeMap<Cid, Block> {
    fn get(&self, cid: &Cid) -> Option<Block> {
        BTreeMap::get(self, cid).cloned()
    }
}

/// All blocks there are.
pub trait Archive: Blocks {
    /// Their names.
    fn cids(&self) -> Vec<Cid>;
}

impl<S: BuildHasher> Archive for HashMap<Cid, Block, S> {
    fn cids(&self) -> Vec<Cid> {
        self.keys().copied().collect()
    }
}

impl Archive for BTreeMap<Cid, Block> {
    fn cids(&self) -> Vec<Cid> {
        self.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_hash_to_the_cid_become_a_block() {
        let ours = Block::dag_cbor(&b"\xa0"[..]).unwrap();
        assert_eq!(
            ours.cid().to_string(),
            "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"
        );
        assert_eq!(Block::verify(*ours.cid(), &b"\xa0"[..]), Ok(ours));
    }

    #[test]
    fn bytes_of_another_block_are_refused() {
        let cid = *Block::dag_cbor(&b"\xa0"[..]).unwrap().cid();
        assert_eq!(
            Block::verify(cid, &b"\xa1"[..]),
            Err(BlockError::WrongHash(cid))
        );
    }

    #[test]
    fn a_digest_cut_short_is_refused() {
        let digest = Sha256::digest(b"\xa0");
        let cid = Cid::new_v1(DAG_CBOR, Multihash::wrap(SHA2_256, &digest[..4]).unwrap());
        assert_eq!(
            Block::verify(cid, &b"\xa0"[..]),
            Err(BlockError::WrongHash(cid))
        );
    }

    #[test]
    fn a_hash_nobody_can_check_is_refused_even_if_it_holds_the_bytes() {
        let cid = Cid::new_v1(DAG_CBOR, Multihash::wrap(0, b"\xa0").unwrap());
        assert_eq!(
            Block::verify(cid, &b"\xa0"[..]),
            Err(BlockError::UnknownHash(cid))
        );
    }

    #[test]
    fn the_largest_block_is_256000_bytes() {
        assert!(Block::dag_cbor(vec![0; MAX_BLOCK_BYTES]).is_ok());
        let large = vec![0; MAX_BLOCK_BYTES + 1];
        assert_eq!(
            Block::dag_cbor(large),
            Err(BlockError::TooLarge(MAX_BLOCK_BYTES + 1))
        );
    }
}
