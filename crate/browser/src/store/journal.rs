//! What was committed and is not in its place yet: an update is one record here, and so are some fifty new documents, where their
//! places take four records for each.
//!
//! What can be wrong: the bytes come from a disk that others may have touched. Nothing is allocated before the length that
//! asks for it was compared with the bytes at hand, and blocks are read as those of any pack ([`Pack::read`]).
//!
//! Layout of a record, numbers little-endian: `OSJL`, version `u8`, count `u32`; for each note its kind `u8`, the length of its
//! text `u32`, the text, the length of its pack `u32` (0 if it has no blocks), the pack.

use bytes::Bytes;

use super::pack::{self, Entry, Pack, PackError};

/// A record is closed before it would outgrow this by more than one note. Chromium puts values from 64 KiB on into files of their own.
pub const RECORD_BYTES: usize = 48 * 1024;

const MAGIC: &[u8; 4] = b"OSJL";
/// The format this version writes, and the newest it reads.
pub const VERSION: u8 = 1;
/// Kind, length of the text, length of the pack.
const MIN_NOTE: usize = 1 + 4 + 4;

/// Why bytes are not a record of ours.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It does not begin as a record does.
    #[error("it is not of the journal")]
    Magic,
    /// A newer version of Ostrakon wrote it.
    #[error("it has format {0}, newer than {VERSION}")]
    Newer(u8),
    /// It ends before its own lengths say so, or after.
    #[error("its length does not agree with what is in it")]
    Length,
    /// The blocks of a note.
    #[error("its blocks: {0}")]
    Pack(#[from] PackError),
}

/// One change, opaque here but for its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it changes.
    pub kind: u8,
    /// To what.
    pub text: Bytes,
    /// The blocks it brings, not hashed.
    pub blocks: Vec<Entry>,
}

impl Note {
    /// Bytes it takes, roughly.
    pub fn size(&self) -> usize {
        let blocks = self.blocks.iter().map(|(_, bytes)| bytes.len() + 48);
        MIN_NOTE + self.text.len() + blocks.sum::<usize>()
    }
}

/// The bytes of a record.
pub fn write(notes: &[Note]) -> Vec<u8> {
    let size: usize = notes.iter().map(Note::size).sum();
    let mut out = Vec::with_capacity(9 + 16 + size);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&(notes.len() as u32).to_le_bytes());
    for note in notes {
        out.push(note.kind);
        let pack = match note.blocks.is_empty() {
            true => Vec::new(),
            false => pack::write_one(&note.blocks),
        };
        for part in [&note.text[..], &pack] {
            out.extend_from_slice(&(part.len() as u32).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}

/// The other way.
pub fn read(bytes: impl Into<Bytes>) -> Result<Vec<Note>, JournalError> {
    let mut rest: Bytes = bytes.into();
    if take(&mut rest, 4)? != MAGIC[..] {
        return Err(JournalError::Magic);
    }
    let version = byte(&mut rest)?;
    if version != VERSION {
        return Err(JournalError::Newer(version));
    }
    let count = number(&mut rest)?;
    if count > rest.len() / MIN_NOTE {
        return Err(JournalError::Length);
    }
    let mut notes = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = byte(&mut rest)?;
        let length = number(&mut rest)?;
        let text = take(&mut rest, length)?;
        let length = number(&mut rest)?;
        let pack = take(&mut rest, length)?;
        let blocks = match pack.is_empty() {
            true => Vec::new(),
            false => Pack::read(pack)?.entries().collect(),
        };
        notes.push(Note { kind, text, blocks });
    }
    match rest.is_empty() {
        true => Ok(notes),
        false => Err(JournalError::Length),
    }
}

fn take(rest: &mut Bytes, length: usize) -> Result<Bytes, JournalError> {
    match length <= rest.len() {
        true => Ok(rest.split_to(length)),
        false => Err(JournalError::Length),
    }
}

fn byte(rest: &mut Bytes) -> Result<u8, JournalError> {
    take(rest, 1)?.first().copied().ok_or(JournalError::Length)
}

fn number(rest: &mut Bytes) -> Result<usize, JournalError> {
    let bytes = take(rest, 4)?;
    let bytes = bytes.first_chunk().ok_or(JournalError::Length)?;
    Ok(u32::from_le_bytes(*bytes) as usize)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use ostrakon_protocol::block::Block;

    fn notes() -> Vec<Note> {
        let entry = |n: u8| {
            let block = Block::dag_cbor(vec![n; 40]).unwrap();
            (*block.cid(), block.bytes().clone())
        };
        let note = |kind, text: &'static [u8], blocks| Note {
            kind,
            text: Bytes::from_static(text),
            blocks,
        };
        vec![
            note(1, b"a record", vec![entry(1), entry(2)]),
            note(2, b"", Vec::new()),
            note(200, b"what is to come", Vec::new()),
        ]
    }

    #[test]
    fn notes_come_back_in_their_order() {
        assert_eq!(read(write(&notes())).unwrap(), notes());
        assert_eq!(read(write(&[])).unwrap(), []);
    }

    #[test]
    fn a_record_cut_short_or_lengthened_anywhere_is_refused() {
        let mut bytes = write(&notes());
        for end in 0..bytes.len() {
            assert!(read(bytes[..end].to_vec()).is_err(), "{end}");
        }
        bytes.push(0);
        assert!(matches!(read(bytes), Err(JournalError::Length)));
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused_before_memory_is_asked_for() {
        let mut bytes = write(&notes());
        bytes[5..9].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(read(bytes), Err(JournalError::Length)));
    }

    #[test]
    fn other_records_and_other_versions_are_refused() {
        let mut bytes = write(&notes());
        bytes[4] = 9;
        assert!(matches!(read(bytes.clone()), Err(JournalError::Newer(9))));
        bytes[0] = b'X';
        assert!(matches!(read(bytes), Err(JournalError::Magic)));
    }

    #[test]
    fn reading_any_bytes_never_panics_and_what_is_read_is_written_the_same() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let mut touched = write(&notes());
            for (at, byte) in touched.iter_mut().zip(bytes) {
                *at ^= byte;
            }
            for bytes in [bytes.to_vec(), [&b"OSJL\x01"[..], bytes].concat(), touched] {
                if let Ok(notes) = read(bytes.clone()) {
                    // An empty pack is written as none.
                    assert!(write(&notes).len() <= bytes.len());
                    assert_eq!(read(write(&notes)).unwrap(), notes);
                }
            }
        });
    }
}
