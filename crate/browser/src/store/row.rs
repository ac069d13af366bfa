//! The row of a document: the node's record of it and the list of its packs, so that a commit knows what it adds to
//! after one read, and what a document holds is known without opening a pack.
//!
//! What can be wrong: the bytes come from a disk that others may have touched. The list is as long as the bytes at hand
//! allow, its numbers only ever name packs of this document, and sums of them are made in 64 bits.
//!
//! Layout, numbers little-endian: `OSRW`, version `u8`, number of packs `u32`; for each pack its sequence, the bytes of its
//! blocks and their number, `u32` each; then the record, as the node writes it.

const MAGIC: &[u8; 4] = b"OSRW";
/// The format this version writes, and the newest it reads.
pub const VERSION: u8 = 1;

/// Below this a pack counts as small and may be merged; at least half a full pack would be wasted effort to move again.
pub const SMALL_PACK_BYTES: u32 = 128 * 1024;
/// A commit that would leave a document with more small packs than this merges them into one.
pub const MAX_SMALL_PACKS: usize = 16;

/// Why bytes are not a row of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RowError {
    /// It does not begin as a row does.
    #[error("it is not a row")]
    Magic,
    /// A newer version of Ostrakon wrote it.
    #[error("it has format {0}, newer than {VERSION}")]
    Newer(u8),
    /// It ends before its own list does.
    #[error("it is cut short")]
    Length,
    /// The packs are not in rising order.
    #[error("its packs are out of order")]
    Order,
}

/// One pack of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackInfo {
    /// Its place among the packs of its document, second part of its key.
    pub sequence: u32,
    /// Bytes of the blocks in it.
    pub bytes: u32,
    /// How many blocks are in it.
    pub blocks: u32,
}

/// What is kept of a document beside its packs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its packs, by rising sequence.
    pub packs: Vec<PackInfo>,
    /// The node's record, opaque here.
    pub record: Vec<u8>,
}

impl Row {
    /// Reads a row.
    pub fn read(bytes: &[u8]) -> Result<Row, RowError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(RowError::Magic)?;
        let (version, after) = rest.split_first().ok_or(RowError::Length)?;
        rest = after;
        if *version != VERSION {
            return Err(RowError::Newer(*version));
        }
        let count = number(&mut rest)? as usize;
        if count > rest.len() / 12 {
            return Err(RowError::Length);
        }
        let mut packs: Vec<PackInfo> = Vec::with_capacity(count);
        for _ in 0..count {
            let pack = PackInfo {
                sequence: number(&mut rest)?,
                bytes: number(&mut rest)?,
                blocks: number(&mut rest)?,
            };
            if packs
                .last()
                .is_some_and(|last| last.sequence >= pack.sequence)
            {
                return Err(RowError::Order);
            }
            packs.push(pack);
        }
        Ok(Row {
            packs,
            record: rest.to_vec(),
        })
    }

    /// The bytes of a row.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9 + self.packs.len() * 12 + self.record.len());
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&(self.packs.len() as u32).to_le_bytes());
        for pack in &self.packs {
            for number in [pack.sequence, pack.bytes, pack.blocks] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        out.extend_from_slice(&self.record);
        out
    }

    /// The sequence of the next pack; none when the numbers are used up, which only a forged row can bring about.
    pub fn next(&self) -> Option<u32> {
        self.packs
            .last()
            .map_or(Some(0), |last| last.sequence.checked_add(1))
    }

    /// The packs that a commit of `new` more bytes shall merge with its own: all the small ones if there would be too
    /// many, else none.
    pub fn merge(&self, new: usize) -> Vec<PackInfo> {
        let small = |pack: &&PackInfo| pack.bytes < SMALL_PACK_BYTES;
        let small: Vec<PackInfo> = self.packs.iter().filter(small).copied().collect();
        let more = usize::from(new > 0 && new < SMALL_PACK_BYTES as usize);
        if small.len() + more > MAX_SMALL_PACKS {
            small
        } else {
            Vec::new()
        }
    }

    /// Blocks in all packs.
    pub fn blocks(&self) -> u64 {
        self.packs.iter().map(|pack| u64::from(pack.blocks)).sum()
    }

    /// Bytes of all blocks.
    pub fn bytes(&self) -> u64 {
        self.packs.iter().map(|pack| u64::from(pack.bytes)).sum()
    }
}

fn number(rest: &mut &[u8]) -> Result<u32, RowError> {
    let (head, tail) = rest.split_first_chunk::<4>().ok_or(RowError::Length)?;
    *rest = tail;
    Ok(u32::from_le_bytes(*head))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn pack(sequence: u32, bytes: u32) -> PackInfo {
        PackInfo {
            sequence,
            bytes,
            blocks: 2,
        }
    }

    #[test]
    fn a_row_is_read_back_as_it_was_written() {
        let row = Row {
            packs: vec![pack(0, 500_000), pack(7, 1_400)],
            record: vec![1, 2, 3],
        };
        assert_eq!(Row::read(&row.write()), Ok(row.clone()));
        assert_eq!(
            (row.next(), row.blocks(), row.bytes()),
            (Some(8), 4, 501_400)
        );
    }

    #[test]
    fn a_row_cut_short_anywhere_in_its_list_is_refused() {
        let row = Row {
            packs: vec![pack(0, 1), pack(1, 1)],
            record: Vec::new(),
        }
        .write();
        for end in 0..row.len() {
            assert!(Row::read(&row[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused_before_memory_is_asked_for() {
        let mut row = Row::default().write();
        row[5..9].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Row::read(&row), Err(RowError::Length));
    }

    #[test]
    fn packs_out_of_order_and_other_versions_are_refused() {
        let row = Row {
            packs: vec![pack(1, 1), pack(1, 1)],
            record: Vec::new(),
        };
        assert_eq!(Row::read(&row.write()), Err(RowError::Order));
        let mut newer = Row::default().write();
        newer[4] = VERSION + 1;
        assert_eq!(Row::read(&newer), Err(RowError::Newer(VERSION + 1)));
    }

    #[test]
    fn the_seventeenth_small_pack_merges_the_small_ones_and_leaves_the_large() {
        let mut row = Row {
            packs: vec![pack(0, SMALL_PACK_BYTES)],
            record: Vec::new(),
        };
        row.packs.extend((1..=16).map(|n| pack(n, 1_400)));
        assert_eq!(row.merge(0), []);
        assert_eq!(row.merge(500_000), []);
        assert_eq!(row.merge(1_400), row.packs[1..]);
        row.packs.pop();
        assert_eq!(row.merge(1_400), []);
    }

    #[test]
    fn reading_any_bytes_never_panics_and_what_is_read_is_written_the_same() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Ok(row) = Row::read(bytes) {
                assert_eq!(row.write(), bytes);
                row.merge(1);
                row.next();
            }
        });
    }
}
