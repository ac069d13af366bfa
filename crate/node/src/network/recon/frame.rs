//! The messages of Recon: CBOR values written back to back, without lengths (as ceramic-one 0.58 writes them).
//!
//! A hostile peer can promise values of any size, nest them, repeat fields, or trickle a message byte by byte. A message has at
//! most [`MAX_MESSAGE_BYTES`], nested [`MAX_DEPTH`] deep; it holds [`MAX_INTERESTS`] interests, [`MAX_RANGES`] ranges, keys of
//! [`Kind::max_key`] and a value of [`MAX_VALUE_BYTES`]. Each byte is looked at twice, however it arrives, and nothing is
//! reserved on a promise.

use ostrakon_protocol::id::{EventId, MAX_EVENT_ID, MAX_PEER_KEY};

use super::hash::SetHash;

/// Largest message, in bytes: each byte of a value is written as a number of at most two.
pub const MAX_MESSAGE_BYTES: usize = 2 * MAX_VALUE_BYTES + 64 * 1024;
/// Largest value, in bytes: the CAR of an event, of up to three large blocks.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// How deep messages nest; real ones reach 5.
pub const MAX_DEPTH: usize = 8;
/// Interests in one message.
pub const MAX_INTERESTS: usize = 1024;
/// Ranges in one answer; ceramic-one sends 5 at most.
pub const MAX_RANGES: usize = 64;
/// Longest name of a conversation, in bytes; ceramic-one's have 36.
pub const MAX_SYNC_ID: usize = 64;

/// A key, or a fencepost between keys.
pub type Key = Vec<u8>;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Where peers can be reached.
    Peer,
    /// Events of documents that have a model.
    Model,
    /// Events of documents without one: tiles and links of accounts. Only Ostrakon has this one.
    Tile,
}

impl Kind {
    /// All of them, in the order in which a peer is asked about them.
    pub const ALL: [Kind; 3] = [Kind::Peer, Kind::Model, Kind::Tile];

    /// Longest key, in bytes.
    pub fn max_key(self) -> usize {
        match self {
            Kind::Peer => MAX_PEER_KEY,
            Kind::Model | Kind::Tile => MAX_EVENT_ID,
        }
    }

    /// Whether this names something; else it stands between names.
    pub fn is_key(self, key: &[u8]) -> bool {
        match self {
            Kind::Peer => key.contains(&b'.'),
            Kind::Model | Kind::Tile => EventId::from_bytes(key).is_ok(),
        }
    }
}

/// What lies between two keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Before all of it.
    pub start: Key,
    /// After all of it.
    pub end: Key,
}

/// A range and the sum of the keys that the sender has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeHash {
    /// Where it starts; belongs to it.
    pub first: Key,
    /// The sum.
    pub hash: SetHash,
    /// Where it ends; does not belong to it.
    pub last: Key,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The initiator wants these.
    InterestRequest(Vec<Interest>),
    /// Both want these.
    InterestResponse(Vec<Interest>),
    /// The initiator has this there.
    RangeRequest(RangeHash),
    /// The responder has this there; ends one request.
    RangeResponse(Vec<RangeHash>),
    /// A key and what it names.
    Value(Key, Vec<u8>),
    /// The initiator is done.
    Finished,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The conversation's name, chosen by the initiator.
    pub sync_id: Option<String>,
    /// What is said.
    pub body: Body,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than [`MAX_MESSAGE_BYTES`].
    #[error("a message exceeds {MAX_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// Deeper than [`MAX_DEPTH`].
    #[error("a message nests deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More of something than a message may hold.
    #[error("a message holds too many {0}")]
    TooMany(&'static str),
    /// CBOR that Recon does not use: tags, floats, indefinite lengths.
    #[error("a message holds CBOR that Recon does not use")]
    Foreign,
    /// A field is missing, doubled or of another type.
    #[error("a message has a wrong {0}")]
    Malformed(&'static str),
}

impl FrameError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            FrameError::TooLarge => "recon-message-too-large",
            FrameError::TooDeep => "recon-message-too-deep",
            FrameError::TooMany(_) => "recon-message-too-many",
            FrameError::Foreign => "recon-message-foreign",
            FrameError::Malformed(_) => "recon-message-malformed",
        }
    }
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;

/// Collects bytes until they are messages.
#[derive(Debug)]
pub struct Decoder {
    kind: Kind,
    buffer: Vec<u8>,
    /// Up to where the message at the front was looked at.
    seen: usize,
    /// How many values are still to come, on each level.
    open: [u64; MAX_DEPTH],
    depth: usize,
}

impl Decoder {
    /// For the messages about one kind of keys.
    pub fn new(kind: Kind) -> Decoder {
        Decoder {
            kind,
            buffer: Vec::new(),
            seen: 0,
            open: [0; MAX_DEPTH],
            depth: 0,
        }
    }

    /// Takes what arrived. Messages should be taken out before more is put in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait for the rest of their message.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// The next message, if all of it is here. After an error nothing more can be read.
    ///
    /// # Errors
    /// Those of [`FrameError`].
    pub fn take(&mut self) -> Result<Option<Message>, FrameError> {
        if !self.scan()? {
            return Ok(None);
        }
        let end = std::mem::take(&mut self.seen);
        let message = read_message(self.buffer.get(..end).unwrap_or_default(), self.kind)?;
        self.buffer.drain(..end);
        Ok(Some(message))
    }

    /// Finds the end of the message at the front. False if it is not here yet.
    fn scan(&mut self) -> Result<bool, FrameError> {
        loop {
            let rest = self.buffer.get(self.seen..).unwrap_or_default();
            let Some((major, argument, length)) = head(rest)? else {
                return Ok(false);
            };
            let size = usize::try_from(argument).unwrap_or(usize::MAX);
            let inside = match major {
                BYTES | TEXT => size,
                _ => 0,
            };
            let end = self.seen.saturating_add(length).saturating_add(inside);
            let too_large = size > MAX_MESSAGE_BYTES && matches!(major, BYTES | TEXT | LIST | MAP);
            if end > MAX_MESSAGE_BYTES || too_large {
                return Err(FrameError::TooLarge);
            }
            if end > self.buffer.len() {
                return Ok(false);
            }
            self.seen = end;
            let items = match major {
                LIST => argument,
                MAP => argument.saturating_mul(2),
                _ => 0,
            };
            if items > 0 {
                *self.open.get_mut(self.depth).ok_or(FrameError::TooDeep)? = items;
                self.depth = self.depth.saturating_add(1);
            } else if self.is_complete() {
                return Ok(true);
            }
        }
    }

    /// One more value is here: whether that was the last of the message.
    fn is_complete(&mut self) -> bool {
        while let Some(level) = self.depth.checked_sub(1) {
            let Some(left) = self.open.get_mut(level) else {
                return true;
            };
            *left = left.saturating_sub(1);
            if *left > 0 {
                return false;
            }
            self.depth = level;
        }
        true
    }
}

/// The major type, the number beside it, and how many bytes they take. Nothing if they are not all here.
fn head(bytes: &[u8]) -> Result<Option<(u8, u64, usize)>, FrameError> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let (major, info) = (first >> 5, first & 0x1f);
    // Of the simple values only false, true and null.
    if major == 6 || (major == 7 && !(20..=22).contains(&info)) || info > 27 {
        return Err(FrameError::Foreign);
    }
    let wide = match info {
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return Ok(Some((major, u64::from(info), 1))),
    };
    let Some(number) = rest.get(..wide) else {
        return Ok(None);
    };
    let number = number
        .iter()
        .fold(0, |all, byte| all << 8 | u64::from(*byte));
    Ok(Some((major, number, 1 + wide)))
}

/// Reads one value after another out of a message that is all here.
struct Reader<'a> {
    bytes: &'a [u8],
    kind: Kind,
}

const CUT: FrameError = FrameError::Malformed("length");

impl<'a> Reader<'a> {
    fn head(&mut self) -> Result<(u8, u64), FrameError> {
        let (major, number, length) = head(self.bytes)?.ok_or(CUT)?;
        self.take(length)?;
        Ok((major, number))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(CUT)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn string(&mut self, wanted: u8, name: &'static str) -> Result<&'a [u8], FrameError> {
        match self.head()? {
            (major, length) if major == wanted => {
                self.take(usize::try_from(length).map_err(|_| CUT)?)
            }
            _ => Err(FrameError::Malformed(name)),
        }
    }

    fn text(&mut self, name: &'static str) -> Result<&'a str, FrameError> {
        let bytes = self.string(TEXT, name)?;
        std::str::from_utf8(bytes).map_err(|_| FrameError::Malformed(name))
    }

    fn number(&mut self, name: &'static str) -> Result<u64, FrameError> {
        match self.head()? {
            (0, number) => Ok(number),
            _ => Err(FrameError::Malformed(name)),
        }
    }

    fn count(&mut self, wanted: u8, name: &'static str) -> Result<usize, FrameError> {
        match self.head()? {
            (major, count) if major == wanted => usize::try_from(count).map_err(|_| CUT),
            _ => Err(FrameError::Malformed(name)),
        }
    }

    fn skip(&mut self, depth: usize) -> Result<(), FrameError> {
        let deeper = || depth.checked_sub(1).ok_or(FrameError::TooDeep);
        let (major, argument) = self.head()?;
        let items = match major {
            BYTES | TEXT => {
                self.take(usize::try_from(argument).map_err(|_| CUT)?)?;
                0
            }
            LIST => argument,
            MAP => argument.saturating_mul(2),
            _ => 0,
        };
        for _ in 0..items {
            self.skip(deeper()?)?;
        }
        Ok(())
    }

    /// Hands each field of a map to its reader; one that is not known is passed over.
    fn fields(
        &mut self,
        name: &'static str,
        mut each: impl FnMut(&mut Self, &str) -> Result<bool, FrameError>,
    ) -> Result<(), FrameError> {
        for _ in 0..self.count(MAP, name)? {
            let field = self.text(name)?;
            if !each(self, field)? {
                self.skip(MAX_DEPTH)?;
            }
        }
        Ok(())
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        limit: usize,
        each: impl Fn(&mut Self) -> Result<T, FrameError>,
    ) -> Result<Vec<T>, FrameError> {
        let count = self.count(LIST, name)?;
        if count > limit {
            return Err(FrameError::TooMany(name));
        }
        (0..count).map(|_| each(self)).collect()
    }

    fn key(&mut self) -> Result<Key, FrameError> {
        let key = match self.kind {
            Kind::Peer => self.text("key")?.as_bytes(),
            Kind::Model | Kind::Tile => self.string(BYTES, "key")?,
        };
        match key.len() > self.kind.max_key() {
            true => Err(FrameError::TooMany("bytes of a key")),
            false => Ok(key.to_vec()),
        }
    }

    fn interest(&mut self) -> Result<Interest, FrameError> {
        let (mut start, mut end) = (None, None);
        self.fields("interest", |reader, field| {
            let place = match field {
                "start" => &mut start,
                "end" => &mut end,
                _ => return Ok(false),
            };
            once(place, reader.key()?, "interest")
        })?;
        match (start, end) {
            (Some(start), Some(end)) => Ok(Interest { start, end }),
            _ => Err(FrameError::Malformed("interest")),
        }
    }

    fn range(&mut self) -> Result<RangeHash, FrameError> {
        let (mut first, mut hash, mut last) = (None, None, None);
        self.fields("range", |reader, field| match field {
            "first" => once(&mut first, reader.key()?, "range"),
            "last" => once(&mut last, reader.key()?, "range"),
            "hash" => once(&mut hash, reader.hash()?, "range"),
            _ => Ok(false),
        })?;
        match (first, hash, last) {
            (Some(first), Some(hash), Some(last)) => Ok(RangeHash { first, hash, last }),
            _ => Err(FrameError::Malformed("range")),
        }
    }

    fn hash(&mut self) -> Result<SetHash, FrameError> {
        let (mut hash, mut count) = (None, None);
        self.fields("hash", |reader, field| match field {
            "hash" => once(&mut hash, reader.string(BYTES, "hash")?, "hash"),
            "count" => once(&mut count, reader.number("hash")?, "hash"),
            _ => Ok(false),
        })?;
        let hash = hash
            .zip(count)
            .and_then(|(hash, count)| SetHash::from_bytes(hash, count));
        hash.ok_or(FrameError::Malformed("hash"))
    }

    fn value(&mut self) -> Result<Body, FrameError> {
        let (mut key, mut value) = (None, None);
        self.fields("value", |reader, field| match field {
            "key" => once(&mut key, reader.key()?, "value"),
            "value" => {
                let byte = |reader: &mut Self| {
                    let number = reader.number("value")?;
                    u8::try_from(number).map_err(|_| FrameError::Malformed("value"))
                };
                once(
                    &mut value,
                    reader.list("value", MAX_VALUE_BYTES, byte)?,
                    "value",
                )
            }
            _ => Ok(false),
        })?;
        match (key, value) {
            (Some(key), Some(value)) => Ok(Body::Value(key, value)),
            _ => Err(FrameError::Malformed("value")),
        }
    }

    fn body(&mut self) -> Result<Body, FrameError> {
        const NAME: &str = "body";
        if let (TEXT, _) = head(self.bytes)?.map(|head| (head.0, head.1)).ok_or(CUT)? {
            return match self.text(NAME)? {
                "Finished" => Ok(Body::Finished),
                _ => Err(FrameError::Malformed(NAME)),
            };
        }
        if self.count(MAP, NAME)? != 1 {
            return Err(FrameError::Malformed(NAME));
        }
        let interests = |reader: &mut Self| reader.list("interests", MAX_INTERESTS, Self::interest);
        match self.text(NAME)? {
            "InterestRequest" => interests(self).map(Body::InterestRequest),
            "InterestResponse" => interests(self).map(Body::InterestResponse),
            "RangeRequest" => self.range().map(Body::RangeRequest),
            "RangeResponse" => self
                .list("ranges", MAX_RANGES, Self::range)
                .map(Body::RangeResponse),
            "Value" => self.value(),
            _ => Err(FrameError::Malformed(NAME)),
        }
    }
}

/// Notes a field, which no map has twice.
fn once<T>(place: &mut Option<T>, value: T, name: &'static str) -> Result<bool, FrameError> {
    match place.replace(value) {
        None => Ok(true),
        Some(_) => Err(FrameError::Malformed(name)),
    }
}

fn read_message(bytes: &[u8], kind: Kind) -> Result<Message, FrameError> {
    let (mut sync_id, mut body) = (None, None);
    let mut reader = Reader { bytes, kind };
    reader.fields("message", |reader, field| match field {
        "sync_id" if reader.bytes.first() == Some(&0xf6) => Ok(false),
        "sync_id" => {
            let id = reader.text("sync_id")?;
            if id.len() > MAX_SYNC_ID {
                return Err(FrameError::TooMany("bytes of a name"));
            }
            once(&mut sync_id, id.to_owned(), "sync_id")
        }
        "body" => once(&mut body, reader.body()?, "message"),
        _ => Ok(false),
    })?;
    let body = body.ok_or(FrameError::Malformed("message"))?;
    Ok(Message { sync_id, body })
}

impl Message {
    /// Writes it at the end of `out`.
    pub fn write(&self, kind: Kind, out: &mut Vec<u8>) {
        let mut writer = Writer { out, kind };
        writer.head(MAP, if self.sync_id.is_some() { 2 } else { 1 });
        if let Some(id) = &self.sync_id {
            writer.text("sync_id");
            writer.text(id);
        }
        writer.text("body");
        match &self.body {
            Body::Finished => writer.text("Finished"),
            Body::InterestRequest(interests) => writer.interests("InterestRequest", interests),
            Body::InterestResponse(interests) => writer.interests("InterestResponse", interests),
            Body::RangeRequest(range) => {
                writer.variant("RangeRequest");
                writer.range(range);
            }
            Body::RangeResponse(ranges) => {
                writer.variant("RangeResponse");
                writer.head(LIST, ranges.len());
                ranges.iter().for_each(|range| writer.range(range));
            }
            Body::Value(key, value) => {
                writer.variant("Value");
                writer.head(MAP, 2);
                writer.text("key");
                writer.key(key);
                writer.text("value");
                writer.head(LIST, value.len());
                // One number for each byte: that is what ceramic-one reads.
                value
                    .iter()
                    .for_each(|byte| writer.head(0, usize::from(*byte)));
            }
        }
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    kind: Kind,
}

impl Writer<'_> {
    fn head(&mut self, major: u8, number: usize) {
        let major = major << 5;
        let [.., b3, b2, b1, b0] = (number as u64).to_be_bytes();
        match number {
            0..=23 => self.out.push(major | b0),
            24..=0xff => self.out.extend([major | 24, b0]),
            0x100..=0xffff => self.out.extend([major | 25, b1, b0]),
            0x1_0000..=0xffff_ffff => self.out.extend([major | 26, b3, b2, b1, b0]),
            _ => {
                self.out.push(major | 27);
                self.out.extend((number as u64).to_be_bytes());
            }
        }
    }

    fn string(&mut self, major: u8, bytes: &[u8]) {
        self.head(major, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.string(TEXT, text.as_bytes());
    }

    fn key(&mut self, key: &[u8]) {
        let major = match self.kind {
            Kind::Peer => TEXT,
            Kind::Model | Kind::Tile => BYTES,
        };
        self.string(major, key);
    }

    fn variant(&mut self, name: &str) {
        self.head(MAP, 1);
        self.text(name);
    }

    fn interests(&mut self, name: &str, interests: &[Interest]) {
        self.variant(name);
        self.head(LIST, interests.len());
        for interest in interests {
            self.head(MAP, 2);
            self.text("start");
            self.key(&interest.start);
            self.text("end");
            self.key(&interest.end);
        }
    }

    fn range(&mut self, range: &RangeHash) {
        self.head(MAP, 3);
        self.text("first");
        self.key(&range.first);
        self.text("hash");
        self.head(MAP, 2);
        self.text("hash");
        self.string(BYTES, &range.hash.to_bytes());
        self.text("count");
        self.head(0, usize::try_from(range.hash.count()).unwrap_or(usize::MAX));
        self.text("last");
        self.key(&range.last);
    }
}

#[cfg(test)]
mod tests;
