//! Requests and the parts of answers, and their bytes.

use bytes::Bytes;
use cid::Cid;
use ostrakon_protocol::block::{Block, BlockError};
use ostrakon_protocol::id::StreamId;
use unsigned_varint::{decode, encode};

use super::{FRAME_BYTES, MAX_DOCUMENTS, MAX_ITEMS, MAX_KNOWN, Refusal};

const BEGIN: u8 = 0;
const BLOCK: u8 = 1;
const END: u8 = 2;

/// What is asked about one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which document.
    pub stream: StreamId,
    /// The event to start from, going back; nothing for the newest that the peer has.
    pub tip: Option<Cid>,
    /// Where to stop; at most [`MAX_KNOWN`].
    pub known: Vec<Cid>,
}

/// How the part of an answer about one document ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All that the peer has was sent, to an event that is known or the init event.
    Whole,
    /// The newest event that the peer has is among the known ones.
    Known,
    /// The peer does not keep this document.
    Unknown,
    /// The peer keeps the document, but not this event.
    NoTip,
    /// The peer cannot go on here.
    Broken,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Blocks of this document follow, from this event back.
    Begin {
        /// The document's place in the request.
        index: usize,
        /// The event.
        tip: Cid,
    },
    /// The next block.
    Block(Block),
    /// That is all about this document.
    End {
        /// The document's place in the request.
        index: usize,
        /// Why.
        end: End,
    },
}

/// The body of a request.
pub fn encode_request(wants: &[Want]) -> Vec<u8> {
    let mut out = Vec::new();
    for want in wants.iter().take(MAX_DOCUMENTS) {
        put_bytes(&mut out, &want.stream.to_bytes());
        put_bytes(&mut out, &want.tip.map_or(Vec::new(), |tip| tip.to_bytes()));
        let known = want.known.get(..MAX_KNOWN).unwrap_or(&want.known);
        put_number(&mut out, known.len());
        for cid in known {
            put_bytes(&mut out, &cid.to_bytes());
        }
    }
    out
}

/// Reads the body of a request.
///
/// # Errors
/// [`Refusal::Malformed`], [`Refusal::TooLarge`] beyond [`MAX_DOCUMENTS`] or [`MAX_KNOWN`].
pub fn decode_request(frame: &[u8]) -> Result<Vec<Want>, Refusal> {
    let mut rest = frame;
    let mut wants = Vec::new();
    while !rest.is_empty() {
        if wants.len() >= MAX_DOCUMENTS {
            return Err(Refusal::TooLarge);
        }
        let stream = take_bytes(&mut rest)?;
        let stream = StreamId::from_bytes(stream).map_err(|_| Refusal::Malformed)?;
        let tip = match take_bytes(&mut rest)? {
            [] => None,
            bytes => Some(cid(bytes)?),
        };
        let count = take_number(&mut rest)?;
        if count > MAX_KNOWN {
            return Err(Refusal::TooLarge);
        }
        let known = (0..count).map(|_| cid(take_bytes(&mut rest)?));
        let known = known.collect::<Result<_, _>>()?;
        wants.push(Want { stream, tip, known });
    }
    match wants.is_empty() {
        true => Err(Refusal::Malformed),
        false => Ok(wants),
    }
}

/// The body of a frame of an answer while it is put together.
#[derive(Debug, Default)]
pub struct Part(Vec<u8>);

impl Part {
    /// Adds what comes next.
    pub fn push(&mut self, item: &Item) {
        let out = &mut self.0;
        match item {
            Item::Begin { index, tip } => {
                out.push(BEGIN);
                put_number(out, *index);
                put_bytes(out, &tip.to_bytes());
            }
            Item::Block(block) => {
                out.push(BLOCK);
                put_bytes(out, &block.cid().to_bytes());
                put_bytes(out, block.bytes());
            }
            Item::End { index, end } => {
                out.push(END);
                put_number(out, *index);
                out.push(match end {
                    End::Whole => 0,
                    End::Known => 1,
                    End::Unknown => 2,
                    End::NoTip => 3,
                    End::Broken => 4,
                });
            }
        }
    }

    /// Whether it is to be sent before anything is added.
    pub fn is_full(&self) -> bool {
        self.0.len() >= FRAME_BYTES
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Reads the body of a frame; each block is hashed.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::TooLarge`] beyond [`MAX_ITEMS`] or for a block, [`Refusal::WrongHash`].
    pub fn decode(frame: &[u8]) -> Result<Vec<Item>, Refusal> {
        let mut rest = frame;
        let mut items = Vec::new();
        while let Some((kind, left)) = rest.split_first() {
            rest = left;
            if items.len() >= MAX_ITEMS {
                return Err(Refusal::TooLarge);
            }
            items.push(match *kind {
                BEGIN => Item::Begin {
                    index: take_number(&mut rest)?,
                    tip: cid(take_bytes(&mut rest)?)?,
                },
                BLOCK => {
                    let cid = cid(take_bytes(&mut rest)?)?;
                    // A copy, so that a small block does not keep the whole frame in memory.
                    let bytes = Bytes::copy_from_slice(take_bytes(&mut rest)?);
                    Item::Block(Block::verify(cid, bytes).map_err(|error| match error {
                        BlockError::TooLarge(_) => Refusal::TooLarge,
                        BlockError::WrongHash(_) | BlockError::UnknownHash(_) => Refusal::WrongHash,
                    })?)
                }
                END => Item::End {
                    index: take_number(&mut rest)?,
                    end: match take(&mut rest, 1)? {
                        [0] => End::Whole,
                        [1] => End::Known,
                        [2] => End::Unknown,
                        [3] => End::NoTip,
                        [4] => End::Broken,
                        _ => return Err(Refusal::Malformed),
                    },
                },
                _ => return Err(Refusal::Malformed),
            });
        }
        Ok(items)
    }
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(encode::usize(number, &mut encode::usize_buffer()));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take_number(rest: &mut &[u8]) -> Result<usize, Refusal> {
    let (number, left) = decode::usize(rest).map_err(|_| Refusal::Malformed)?;
    *rest = left;
    Ok(number)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Refusal> {
    let (taken, left) = rest.split_at_checked(count).ok_or(Refusal::Malformed)?;
    *rest = left;
    Ok(taken)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
    let count = take_number(rest)?;
    take(rest, count)
}

/// Bytes after the CID would make two names of one.
fn cid(bytes: &[u8]) -> Result<Cid, Refusal> {
    let cid = Cid::try_from(bytes).map_err(|_| Refusal::Malformed)?;
    match cid.encoded_len() == bytes.len() {
        true => Ok(cid),
        false => Err(Refusal::Malformed),
    }
}
