//! Names of documents and of their versions (CIP-59), and the keys by which peers compare what they hold (CIP-124).
//!
//! Ids arrive in gossip, in links and from users, as text and as bytes. A hostile sender can make them endless, give one
//! id many spellings, or hide bytes behind its end. Text is at most [`MAX_TEXT`] letters, must match from its first letter
//! to its last, and every byte must belong to the id; whatever was accepted is printed in one spelling only.

mod commit;
mod event_id;
mod peer_key;
mod reference;
mod stream;
mod stream_type;

pub use commit::CommitId;
pub use event_id::{EventId, EventPrefix, MAX_EVENT_ID, network_id};
pub use peer_key::{MAX_PEER_ADDRESSES, MAX_PEER_KEY, PEER_KEY_END, PeerEntry};
pub use reference::DocumentRef;
pub use stream::StreamId;
pub use stream_type::StreamType;

use cid::Cid;
use multibase::Base;

/// Longest text read as an id. The longest real one, with `?commit=`, has about 210 letters.
pub const MAX_TEXT: usize = 512;

const STREAM_ID_CODEC: u64 = 0xce;

/// Why something is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text has no shape of CIP-59, or is too long.
    #[error("not a document id")]
    Malformed,
    /// The id is not base36 with the prefix `k`.
    #[error("a document id is written in base36, starting with k")]
    NotBase36,
    /// The bytes do not start with the streamid multicodec.
    #[error("does not include the streamid codec")]
    WrongCodec,
    /// The bytes end early or hold a number that is no varint.
    #[error("the id is cut short or holds a malformed number")]
    Truncated,
    /// A CID inside is malformed.
    #[error("the id holds a malformed CID")]
    BadCid,
    /// A CID inside has version 0, which no event has.
    #[error("version 0 CIDs name no event")]
    CidVersion,
    /// Bytes are left after the end of the id.
    #[error("bytes follow the end of the id")]
    TrailingBytes,
    /// A document's id was wanted, this names one of its versions.
    #[error("this id names a version of a document")]
    HasCommit,
    /// A version's id was wanted, this names a document.
    #[error("this id names no version of the document")]
    NoCommit,
}

impl IdError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "id-malformed",
            Self::NotBase36 => "id-not-base36",
            Self::WrongCodec => "id-wrong-codec",
            Self::Truncated => "id-truncated",
            Self::BadCid => "id-bad-cid",
            Self::CidVersion => "id-cid-version",
            Self::TrailingBytes => "id-trailing-bytes",
            Self::HasCommit => "id-has-commit",
            Self::NoCommit => "id-no-commit",
        }
    }
}

/// The head all ids share, read from the front of `bytes`; what follows it is left there.
fn read_head(bytes: &mut &[u8]) -> Result<StreamId, IdError> {
    if read_varint(bytes)? != STREAM_ID_CODEC {
        return Err(IdError::WrongCodec);
    }
    let kind = StreamType::new(read_varint(bytes)?);
    Ok(StreamId::new(kind, read_cid(bytes)?))
}

/// A varint as js reads it: spelled longer than needed is fine, since ids are never compared by their bytes as received.
fn read_varint(bytes: &mut &[u8]) -> Result<u64, IdError> {
    let mut value = 0u64;
    for shift in (0..56).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(IdError::Truncated)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(IdError::Truncated)
}

fn read_cid(bytes: &mut &[u8]) -> Result<Cid, IdError> {
    if bytes.starts_with(&[0x12, 0x20]) {
        return Err(IdError::CidVersion);
    }
    Cid::read_bytes(bytes).map_err(|_| IdError::BadCid)
}

/// A CID as text, in the bases that js reads without being told which.
fn parse_cid(text: &str) -> Result<Cid, IdError> {
    if text.starts_with("Qm") {
        return Err(IdError::CidVersion);
    }
    if !text.starts_with(['b', 'k', 'z']) {
        return Err(IdError::BadCid);
    }
    let (_, bytes) = multibase::decode(text).map_err(|_| IdError::BadCid)?;
    let mut rest = bytes.as_slice();
    let cid = read_cid(&mut rest)?;
    if !rest.is_empty() {
        return Err(IdError::BadCid);
    }
    Ok(cid)
}

fn write_head(stream: &StreamId) -> Vec<u8> {
    let mut out = Vec::with_capacity(80);
    let mut buffer = unsigned_varint::encode::u64_buffer();
    out.extend_from_slice(unsigned_varint::encode::u64(STREAM_ID_CODEC, &mut buffer));
    out.extend_from_slice(unsigned_varint::encode::u64(
        stream.stream_type().code(),
        &mut buffer,
    ));
    out.extend_from_slice(&stream.init().to_bytes());
    out
}

fn to_text(bytes: &[u8]) -> String {
    multibase::encode(Base::Base36Lower, bytes)
}

#[cfg(test)]
mod tests;
