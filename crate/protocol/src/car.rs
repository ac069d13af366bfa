//! CARv1 archives (ipld.io, CARv1): how events travel in files and over HTTP.
//!
//! A CAR comes from a file or a stranger. It can claim frames of 2^60 bytes, end anywhere, hold blocks under wrong names,
//! or repeat small frames without end. A frame may have [`MAX_FRAME_BYTES`], the header [`MAX_ROOTS`] roots, the whole
//! [`MAX_BLOCKS`] blocks and [`MAX_REFUSED`] others; nothing is reserved on a claim, and no block is handed out that does
//! not hash to its name.

use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;

use crate::block::{Block, BlockError};
use crate::cbor;
use crate::event::Map;

/// Largest frame, in bytes: ceramic-one's limit.
pub const MAX_FRAME_BYTES: usize = 4 << 20;
/// Most blocks in one archive.
pub const MAX_BLOCKS: usize = 1 << 20;
/// Most frames that may hold no block; with more, the archive is not worth reading.
pub const MAX_REFUSED: usize = 1_000;
/// Most roots in one archive.
pub const MAX_ROOTS: usize = 10_000;

/// Why bytes are not a CAR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarError {
    /// The bytes end inside a frame.
    #[error("the archive ends inside a frame")]
    Truncated,
    /// A length is not a varint.
    #[error("a frame has a malformed length")]
    BadLength,
    /// A frame is larger than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes exceeds the limit of {MAX_FRAME_BYTES}")]
    FrameTooLarge(u64),
    /// The header is not that of a CARv1.
    #[error("the header is not that of a CAR of version 1")]
    BadHeader,
    /// A frame does not start with a CID.
    #[error("a frame does not start with a CID")]
    BadCid,
    /// More roots than [`MAX_ROOTS`].
    #[error("more than {MAX_ROOTS} roots")]
    TooManyRoots,
    /// More than [`MAX_REFUSED`] frames hold no block of their name.
    #[error("more than {MAX_REFUSED} frames do not hold the block they name")]
    TooManyRefused,
    /// More blocks than [`MAX_BLOCKS`].
    #[error("more than {MAX_BLOCKS} blocks")]
    TooManyBlocks,
}

impl CarError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated => "car-truncated",
            Self::BadLength => "car-bad-length",
            Self::FrameTooLarge(_) => "car-frame-too-large",
            Self::BadHeader => "car-bad-header",
            Self::BadCid => "car-bad-cid",
            Self::TooManyRoots => "car-too-many-roots",
            Self::TooManyRefused => "car-too-many-refused",
            Self::TooManyBlocks => "car-too-many-blocks",
        }
    }
}

/// A CAR that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Car {
    /// The events that the archive is about; may be empty.
    pub roots: Vec<Cid>,
    /// The blocks, in the order of the archive.
    pub blocks: Vec<Block>,
    /// Frames that hold no block of that name. One bad block does not spoil the rest of an archive.
    pub refused: Vec<(Cid, BlockError)>,
}

/// Reads an archive and checks every block against its CID.
pub fn read(mut bytes: &[u8]) -> Result<Car, CarError> {
    let mut car = Car {
        roots: read_header(frame(&mut bytes)?)?,
        ..Car::default()
    };
    let mut frames = MAX_BLOCKS;
    while !bytes.is_empty() {
        frames = frames.checked_sub(1).ok_or(CarError::TooManyBlocks)?;
        let mut body = frame(&mut bytes)?;
        let cid = Cid::read_bytes(&mut body).map_err(|_| CarError::BadCid)?;
        match Block::verify(cid, Bytes::copy_from_slice(body)) {
            Ok(block) => car.blocks.push(block),
            Err(_) if car.refused.len() == MAX_REFUSED => return Err(CarError::TooManyRefused),
            Err(error) => car.refused.push((cid, error)),
        }
    }
    Ok(car)
}

/// Writes an archive. The order of the blocks is the caller's; for one event js-ceramic and ceramic-one fix it.
pub fn write<'a>(roots: &[Cid], blocks: impl IntoIterator<Item = &'a Block>) -> Vec<u8> {
    let header = Ipld::Map(Map::from([
        (
            "roots".to_owned(),
            Ipld::List(roots.iter().map(|cid| Ipld::Link(*cid)).collect()),
        ),
        ("version".to_owned(), Ipld::Integer(1)),
    ]));
    let mut out = Vec::new();
    // A map of links and one integer can always be encoded.
    push_frame(&mut out, &[], &cbor::encode(&header).unwrap_or_default());
    for block in blocks {
        push_frame(&mut out, &block.cid().to_bytes(), block.bytes());
    }
    out
}

fn push_frame(out: &mut Vec<u8>, name: &[u8], body: &[u8]) {
    let length = name.len().saturating_add(body.len());
    let mut buffer = unsigned_varint::encode::usize_buffer();
    out.extend_from_slice(unsigned_varint::encode::usize(length, &mut buffer));
    out.extend_from_slice(name);
    out.extend_from_slice(body);
}

fn frame<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], CarError> {
    use unsigned_varint::decode::{Error, u64};
    let (length, rest) = u64(bytes).map_err(|error| match error {
        Error::Insufficient => CarError::Truncated,
        _ => CarError::BadLength,
    })?;
    if length > MAX_FRAME_BYTES as u64 {
        return Err(CarError::FrameTooLarge(length));
    }
    let (body, rest) = rest
        .split_at_checked(length as usize)
        .ok_or(CarError::Truncated)?;
    *bytes = rest;
    Ok(body)
}

fn read_header(bytes: &[u8]) -> Result<Vec<Cid>, CarError> {
    let Ok(Ipld::Map(mut header)) = cbor::decode(bytes) else {
        return Err(CarError::BadHeader);
    };
    let (Some(Ipld::Integer(1)), Some(Ipld::List(roots))) =
        (header.remove("version"), header.remove("roots"))
    else {
        return Err(CarError::BadHeader);
    };
    if roots.len() > MAX_ROOTS {
        return Err(CarError::TooManyRoots);
    }
    roots
        .into_iter()
        .map(|root| match root {
            Ipld::Link(cid) => Ok(cid),
            _ => Err(CarError::BadHeader),
        })
        .collect()
}

#[cfg(test)]
mod tests;
