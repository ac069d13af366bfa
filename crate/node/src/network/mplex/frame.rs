//! The head of a frame: a varint with the stream's number and what is said about it, and a varint with the body's length.

use bytes::{BufMut, BytesMut};
use unsigned_varint::{decode, encode};

use super::MAX_FRAME_BYTES;

/// A stream of a connection: each side counts its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) number: u64,
    /// Whether we opened it.
    pub(super) ours: bool,
}

/// What a frame says about its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Data,
    Close,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: Id,
    pub(super) kind: Kind,
    /// Bytes of the body, which follows.
    pub(super) length: usize,
}

/// Bytes that begin no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoFrame;

/// The head at the beginning of `bytes` and its own length; `None` if it has not arrived as a whole.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Head, usize)>, NoFrame> {
    let Some((head, rest)) = varint(bytes)? else {
        return Ok(None);
    };
    let Some((length, rest)) = varint(rest)? else {
        return Ok(None);
    };
    // The sender calls itself initiator (even flags) or receiver (odd ones).
    let (kind, ours) = match head & 7 {
        0 => (Kind::Open, false),
        1 => (Kind::Data, true),
        2 => (Kind::Data, false),
        3 => (Kind::Close, true),
        4 => (Kind::Close, false),
        5 => (Kind::Reset, true),
        6 => (Kind::Reset, false),
        _ => return Err(NoFrame),
    };
    let number = head >> 3;
    let length = usize::try_from(length).map_err(|_| NoFrame)?;
    if length > MAX_FRAME_BYTES {
        return Err(NoFrame);
    }
    let id = Id { number, ours };
    let head = Head { id, kind, length };
    Ok(Some((head, bytes.len().saturating_sub(rest.len()))))
}

fn varint(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, NoFrame> {
    match decode::u64(bytes) {
        Ok(found) => Ok(Some(found)),
        Err(decode::Error::Insufficient) => Ok(None),
        Err(_) => Err(NoFrame),
    }
}

/// Appends a frame.
pub(super) fn encode(into: &mut BytesMut, id: Id, kind: Kind, body: &[u8]) {
    let flag = match (kind, id.ours) {
        (Kind::Open, _) => 0,
        (Kind::Data, false) => 1,
        (Kind::Data, true) => 2,
        (Kind::Close, false) => 3,
        (Kind::Close, true) => 4,
        (Kind::Reset, false) => 5,
        (Kind::Reset, true) => 6,
    };
    let mut buffer = encode::u64_buffer();
    into.put_slice(encode::u64((id.number << 3) | flag, &mut buffer));
    let mut buffer = encode::usize_buffer();
    into.put_slice(encode::usize(body.len(), &mut buffer));
    into.put_slice(body);
}
