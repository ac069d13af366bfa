//! The messages of bitswap 1.2.0 (specs.ipfs.tech/bitswap-protocol) and their protobuf form.

use bytes::Bytes;
use cid::{Cid, Version};
use ostrakon_protocol::block::{Block, DAG_CBOR, DAG_JOSE, SHA2_256};
use prost::Message as _;

use super::{MAX_ITEMS, WantKind};

const SHA2_256_BYTES: u64 = 32;

/// One want in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) cid: Cid,
    pub(super) priority: i32,
    pub(super) cancel: bool,
    pub(super) kind: WantKind,
    pub(super) send_dont_have: bool,
}

/// A message, checked: blocks are what their CIDs say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The wants replace all earlier ones.
    pub(super) full: bool,
    pub(super) entries: Vec<Entry>,
    pub(super) blocks: Vec<Block>,
    pub(super) have: Vec<Cid>,
    pub(super) dont_have: Vec<Cid>,
    /// Parts that were passed over: CIDs that are none, blocks of a kind Ceramic has not.
    pub(super) unusable: u64,
}

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not protobuf, or not of this shape.
    #[error("the frame is not a bitswap message")]
    Malformed,
    /// More than [`MAX_ITEMS`] parts.
    #[error("the message has too many parts")]
    TooManyItems,
}

impl MessageError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            MessageError::Malformed => "bitswap-malformed",
            MessageError::TooManyItems => "bitswap-too-many-items",
        }
    }
}

impl Message {
    /// Reads a frame's body.
    ///
    /// # Errors
    /// See [`MessageError`].
    pub fn decode(frame: Bytes) -> Result<Message, MessageError> {
        count_items(&frame)?;
        let wire = wire::Message::decode(frame).map_err(|_| MessageError::Malformed)?;
        let mut message = Message::default();
        if let Some(wantlist) = wire.wantlist {
            message.full = wantlist.full;
            for entry in wantlist.entries {
                let kind = match wire::WantType::try_from(entry.want_type) {
                    Ok(wire::WantType::Block) => WantKind::Block,
                    Ok(wire::WantType::Have) => WantKind::Have,
                    Err(_) => {
                        message.unusable += 1;
                        continue;
                    }
                };
                let Some(cid) = message.cid(&entry.block) else {
                    continue;
                };
                let (priority, cancel) = (entry.priority, entry.cancel);
                message.entries.push(Entry {
                    cid,
                    priority,
                    cancel,
                    kind,
                    send_dont_have: entry.send_dont_have,
                });
            }
        }
        for part in wire.payload {
            match block(&part.prefix, &part.data) {
                Some(block) => message.blocks.push(block),
                None => message.unusable += 1,
            }
        }
        for presence in wire.block_presences {
            let Some(cid) = message.cid(&presence.cid) else {
                continue;
            };
            match wire::PresenceType::try_from(presence.kind) {
                Ok(wire::PresenceType::Have) => message.have.push(cid),
                Ok(wire::PresenceType::DontHave) => message.dont_have.push(cid),
                Err(_) => message.unusable += 1,
            }
        }
        Ok(message)
    }

    fn cid(&mut self, bytes: &[u8]) -> Option<Cid> {
        // Bytes after the CID would make two wants out of one.
        let cid = Cid::try_from(bytes)
            .ok()
            .filter(|cid| cid.encoded_len() == bytes.len());
        if cid.is_none() {
            self.unusable += 1;
        }
        cid
    }

    /// The body of a frame.
    pub fn encode(&self) -> Vec<u8> {
        let entries = self.entries.iter().map(|entry| wire::Entry {
            block: entry.cid.to_bytes(),
            priority: entry.priority,
            cancel: entry.cancel,
            want_type: match entry.kind {
                WantKind::Block => wire::WantType::Block.into(),
                WantKind::Have => wire::WantType::Have.into(),
            },
            send_dont_have: entry.send_dont_have,
        });
        let presence = |kind: wire::PresenceType| {
            move |cid: &Cid| wire::BlockPresence {
                cid: cid.to_bytes(),
                kind: kind.into(),
            }
        };
        let wire = wire::Message {
            // Always there, as js-ipfs and kubo write it.
            wantlist: Some(wire::Wantlist {
                entries: entries.collect(),
                full: self.full,
            }),
            payload: self
                .blocks
                .iter()
                .map(|block| wire::Block {
                    prefix: prefix(block.cid()),
                    data: block.bytes().clone(),
                })
                .collect(),
            block_presences: self
                .have
                .iter()
                .map(presence(wire::PresenceType::Have))
                .chain(
                    self.dont_have
                        .iter()
                        .map(presence(wire::PresenceType::DontHave)),
                )
                .collect(),
            pending_bytes: 0,
        };
        wire.encode_to_vec()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.blocks.is_empty()
            && self.have.is_empty()
            && self.dont_have.is_empty()
    }
}

/// All of a CID but the digest: version, codec, hash function, digest length.
fn prefix(cid: &Cid) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8);
    let version = match cid.version() {
        Version::V0 => 0,
        Version::V1 => 1,
    };
    for number in [
        version,
        cid.codec(),
        cid.hash().code(),
        u64::from(cid.hash().size()),
    ] {
        let mut buffer = unsigned_varint::encode::u64_buffer();
        bytes.extend_from_slice(unsigned_varint::encode::u64(number, &mut buffer));
    }
    bytes
}

/// Whether a block of this name can come out of a message here: Ceramic's are all of one hash and two codecs.
pub(super) fn is_fetchable(cid: &Cid) -> bool {
    cid.version() == Version::V1
        && cid.hash().code() == SHA2_256
        && u64::from(cid.hash().size()) == SHA2_256_BYTES
        && matches!(cid.codec(), DAG_CBOR | DAG_JOSE)
}

/// The block that a payload is: its CID follows from the bytes, so wrong bytes are simply another block.
fn block(prefix: &[u8], data: &[u8]) -> Option<Block> {
    let (version, rest) = unsigned_varint::decode::u64(prefix).ok()?;
    let (codec, rest) = unsigned_varint::decode::u64(rest).ok()?;
    let (hash, rest) = unsigned_varint::decode::u64(rest).ok()?;
    let (length, rest) = unsigned_varint::decode::u64(rest).ok()?;
    if version != 1 || hash != SHA2_256 || length != SHA2_256_BYTES || !rest.is_empty() {
        return None;
    }
    // A copy, so that a small block does not keep the whole frame in memory.
    let data = Bytes::copy_from_slice(data);
    match codec {
        DAG_CBOR => Block::dag_cbor(data).ok(),
        DAG_JOSE => Block::dag_jose(data).ok(),
        _ => None,
    }
}

/// Counts parts before anything is allocated for them: an empty part costs its sender two bytes and us a hundred.
fn count_items(frame: &[u8]) -> Result<(), MessageError> {
    let mut items = 0;
    for field in Fields(frame) {
        let (number, body) = field?;
        items += 1;
        if number == 1 {
            for inner in Fields(body) {
                inner?;
                items += 1;
            }
        }
        if items > MAX_ITEMS {
            return Err(MessageError::TooManyItems);
        }
    }
    Ok(())
}

/// The fields of a protobuf message, one level deep, without copying: number and body (empty for numbers).
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self) -> Option<(u64, &'a [u8])> {
        let (key, rest) = unsigned_varint::decode::u64(self.0).ok()?;
        let (body, rest) = match key & 7 {
            0 => (&[][..], unsigned_varint::decode::u64(rest).ok()?.1),
            1 => (&[][..], rest.get(8..)?),
            2 => {
                let (length, rest) = unsigned_varint::decode::u64(rest).ok()?;
                rest.split_at_checked(usize::try_from(length).ok()?)?
            }
            5 => (&[][..], rest.get(4..)?),
            _ => return None,
        };
        self.0 = rest;
        Some((key >> 3, body))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, &'a [u8]), MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(MessageError::Malformed))
    }
}

/// The protobuf schema of the specification.
pub(super) mod wire {
    use bytes::Bytes;

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Message {
        #[prost(message, optional, tag = "1")]
        pub wantlist: Option<Wantlist>,
        #[prost(message, repeated, tag = "3")]
        pub payload: Vec<Block>,
        #[prost(message, repeated, tag = "4")]
        pub block_presences: Vec<BlockPresence>,
        #[prost(int32, tag = "5")]
        pub pending_bytes: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Wantlist {
        #[prost(message, repeated, tag = "1")]
        pub entries: Vec<Entry>,
        #[prost(bool, tag = "2")]
        pub full: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Entry {
        #[prost(bytes = "vec", tag = "1")]
        pub block: Vec<u8>,
        #[prost(int32, tag = "2")]
        pub priority: i32,
        #[prost(bool, tag = "3")]
        pub cancel: bool,
        #[prost(enumeration = "WantType", tag = "4")]
        pub want_type: i32,
        #[prost(bool, tag = "5")]
        pub send_dont_have: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Block {
        #[prost(bytes = "vec", tag = "1")]
        pub prefix: Vec<u8>,
        #[prost(bytes = "bytes", tag = "2")]
        pub data: Bytes,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct BlockPresence {
        #[prost(bytes = "vec", tag = "1")]
        pub cid: Vec<u8>,
        #[prost(enumeration = "PresenceType", tag = "2")]
        pub kind: i32,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub enum WantType {
        Block = 0,
        Have = 1,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub enum PresenceType {
        Have = 0,
        DontHave = 1,
    }
}
