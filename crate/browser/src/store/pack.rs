//! Packs: many blocks in one database record, because IndexedDB charges by the record and not by the byte.
//!
//! What can be wrong: the bytes come from a disk that others may have touched. Nothing is allocated before the length
//! that asks for it was compared with the bytes at hand ([`Pack::read`]), a pack over [`MAX_PACK_BYTES`] is not read at
//! all, and what a pack holds is a [`Block`] only after its hash was checked again, here or by the node.
//!
//! Layout, numbers little-endian: `OSPK`, version `u8`, count `u32`; for each block its CID's length `u8`, the CID and the
//! block's length `u32`; then the blocks, end to end.

use std::ops::Range;

use bytes::Bytes;
use cid::Cid;
use ostrakon_protocol::block::{Block, BlockError};

/// A pack is closed before it would outgrow this, so that one block costs no more than this to read.
pub const PACK_BYTES: usize = 512 * 1024;
/// No pack that [`write()`] makes is larger: the largest block alone, or [`PACK_BYTES`], and the index.
pub const MAX_PACK_BYTES: usize = 2 * PACK_BYTES;

const MAGIC: &[u8; 4] = b"OSPK";
/// The format this version writes, and the newest it reads.
pub const VERSION: u8 = 1;
const HEAD: usize = MAGIC.len() + 1 + 4;
/// Length of a CID, at least two bytes of CID, length of a block.
const MIN_ENTRY: usize = 1 + 2 + 4;

/// Why bytes are not a pack of ours.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It does not begin as a pack does.
    #[error("it is not a pack")]
    Magic,
    /// A newer version of Ostrakon wrote it.
    #[error("it has format {0}, newer than {VERSION}")]
    Newer(u8),
    /// Larger than any pack this version writes.
    #[error("it has {0} bytes, more than {MAX_PACK_BYTES}")]
    Large(usize),
    /// It ends before its own index says so, or after.
    #[error("its length does not agree with its index")]
    Length,
    /// An entry of the index names no CID.
    #[error("entry {0} has no readable CID")]
    Cid(usize),
    /// A block is not what its CID says.
    #[error("block {cid}: {reason}")]
    Block {
        /// The name the index gives it.
        cid: Box<Cid>,
        /// What the check found.
        reason: Box<BlockError>,
    },
}

/// A block as it is on disk: its name and what stands there, not hashed.
pub type Entry = (Cid, Bytes);

/// Packs blocks in the order given, as many to a pack as fit. No blocks, no packs.
pub fn write(blocks: &[Entry]) -> Vec<Vec<u8>> {
    let mut packs = Vec::new();
    let mut rest = blocks;
    while !rest.is_empty() {
        let (pack, left) = rest.split_at(fit(rest));
        packs.push(write_one(pack));
        rest = left;
    }
    packs
}

/// How many of the first blocks one pack takes: at least one.
pub fn fit(blocks: &[Entry]) -> usize {
    let mut size = HEAD;
    for (n, (cid, bytes)) in blocks.iter().enumerate() {
        size += 1 + cid.encoded_len() + 4 + bytes.len();
        if size > PACK_BYTES && n > 0 {
            return n;
        }
    }
    blocks.len()
}

pub(super) fn write_one(blocks: &[Entry]) -> Vec<u8> {
    let bodies: usize = blocks.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut out = Vec::with_capacity(HEAD + bodies + blocks.len() * 48);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&(blocks.len() as u32).to_le_bytes());
    for (cid, bytes) in blocks {
        let cid = cid.to_bytes();
        out.push(cid.len() as u8);
        out.extend_from_slice(&cid);
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    }
    for (_, bytes) in blocks {
        out.extend_from_slice(bytes);
    }
    out
}

/// A pack whose index was read and agrees with its length; its blocks are still to be hashed.
#[derive(Debug)]
pub struct Pack {
    bytes: Bytes,
    order: Vec<(Cid, Range<usize>)>,
}

impl Pack {
    /// Reads the index of a pack.
    pub fn read(bytes: impl Into<Bytes>) -> Result<Pack, PackError> {
        let bytes: Bytes = bytes.into();
        if bytes.len() > MAX_PACK_BYTES {
            return Err(PackError::Large(bytes.len()));
        }
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(PackError::Magic)?;
        let [version] = take(&mut rest)?;
        if version != VERSION {
            return Err(PackError::Newer(version));
        }
        let count = u32::from_le_bytes(take(&mut rest)?) as usize;
        if count > rest.len() / MIN_ENTRY {
            return Err(PackError::Length);
        }
        let mut lengths = Vec::with_capacity(count);
        let mut bodies = 0_usize;
        for entry in 0..count {
            let [length] = take(&mut rest)?;
            let (name, after) = rest
                .split_at_checked(length.into())
                .ok_or(PackError::Length)?;
            rest = after;
            let cid = Cid::try_from(name).map_err(|_| PackError::Cid(entry))?;
            if cid.encoded_len() != name.len() {
                return Err(PackError::Cid(entry));
            }
            let body = u32::from_le_bytes(take(&mut rest)?) as usize;
            bodies = bodies.checked_add(body).ok_or(PackError::Length)?;
            lengths.push((cid, body));
        }
        if bodies != rest.len() {
            return Err(PackError::Length);
        }
        let mut at = bytes.len() - bodies;
        let order = lengths
            .into_iter()
            .map(|(cid, length)| {
                let range = at..at + length;
                at = range.end;
                (cid, range)
            })
            .collect();
        Ok(Pack { bytes, order })
    }

    /// Every block, in order, not hashed. They share the pack's memory.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.order
            .iter()
            .map(|(cid, range)| (*cid, self.bytes.slice(range.clone())))
    }

    /// One block, hashed again. It has memory of its own, so that it does not keep the pack alive.
    pub fn get(&self, cid: &Cid) -> Option<Result<Block, PackError>> {
        let (_, range) = self.order.iter().find(|(name, _)| name == cid)?;
        let body = Bytes::copy_from_slice(self.bytes.get(range.clone())?);
        let block = Block::verify(*cid, body);
        Some(block.map_err(|reason| PackError::Block {
            cid: Box::new(*cid),
            reason: Box::new(reason),
        }))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], PackError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(PackError::Length)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn block(n: u32, size: usize) -> Block {
        let mut bytes = vec![(n % 251) as u8; size - 4];
        bytes.extend_from_slice(&n.to_be_bytes());
        Block::dag_cbor(bytes).unwrap()
    }

    fn entry(n: u32, size: usize) -> Entry {
        let block = block(n, size);
        (*block.cid(), block.bytes().clone())
    }

    #[test]
    fn blocks_come_back_in_the_order_they_were_packed() {
        let blocks: Vec<Entry> = (0..2_000).map(|n| entry(n, 700)).collect();
        let packs = write(&blocks);
        assert_eq!(packs.len(), 3);
        assert!(packs.iter().all(|pack| pack.len() <= PACK_BYTES));
        let back = packs
            .into_iter()
            .flat_map(|pack| Pack::read(pack).unwrap().entries().collect::<Vec<_>>());
        assert!(back.eq(blocks));
        assert!(write(&[]).is_empty());
    }

    #[test]
    fn one_block_is_found_by_its_name() {
        let blocks: Vec<Entry> = (0..9).map(|n| entry(n, 100)).collect();
        let pack = Pack::read(write(&blocks).remove(0)).unwrap();
        assert_eq!(pack.get(&blocks[7].0).unwrap().unwrap(), block(7, 100));
        assert!(pack.get(block(9, 100).cid()).is_none());
    }

    #[test]
    fn a_changed_byte_in_a_block_is_named_by_its_cid_and_spares_the_others() {
        let blocks = [entry(1, 100), entry(2, 100)];
        let mut bytes = write(&blocks).remove(0);
        *bytes.last_mut().unwrap() ^= 1;
        let pack = Pack::read(bytes).unwrap();
        assert_eq!(pack.get(&blocks[0].0).unwrap().unwrap(), block(1, 100));
        let error = pack.get(&blocks[1].0).unwrap().unwrap_err();
        assert!(matches!(error, PackError::Block { cid, .. } if *cid == blocks[1].0));
    }

    #[test]
    fn a_pack_cut_short_or_lengthened_anywhere_is_refused() {
        let mut bytes = write(&[entry(1, 50), entry(2, 60)]).remove(0);
        for end in 0..bytes.len() {
            assert!(Pack::read(bytes[..end].to_vec()).is_err(), "{end}");
        }
        bytes.push(0);
        assert!(matches!(Pack::read(bytes), Err(PackError::Length)));
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused_before_memory_is_asked_for() {
        let mut bytes = write(&[entry(1, 50)]).remove(0);
        bytes[5..9].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(Pack::read(bytes), Err(PackError::Length)));
    }

    #[test]
    fn other_versions_and_oversized_packs_are_refused() {
        let mut bytes = write(&[entry(1, 50)]).remove(0);
        bytes[4] = 9;
        assert!(matches!(Pack::read(bytes), Err(PackError::Newer(9))));
        assert!(matches!(
            Pack::read(vec![0; MAX_PACK_BYTES + 1]),
            Err(PackError::Large(_))
        ));
    }

    #[test]
    fn reading_any_bytes_never_panics_and_yields_only_blocks_that_hash_to_their_names() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let mut touched = write(&[entry(1, 40), entry(2, 300)]).remove(0);
            for (at, byte) in touched.iter_mut().zip(bytes) {
                *at ^= byte;
            }
            for bytes in [bytes.to_vec(), [&b"OSPK\x01"[..], bytes].concat(), touched] {
                let Ok(pack) = Pack::read(bytes.clone()) else {
                    continue;
                };
                let entries: Vec<Entry> = pack.entries().collect();
                for (cid, bytes) in &entries {
                    if let Some(Ok(block)) = pack.get(cid) {
                        assert_eq!(Block::verify(*cid, block.bytes().clone()), Ok(block));
                        assert!(bytes.len() < MAX_PACK_BYTES);
                    }
                }
                assert!(entries.is_empty() || write(&entries) == [bytes]);
            }
        });
    }
}
