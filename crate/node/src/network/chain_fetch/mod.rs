//! Whole chains in one answer, between nodes that speak [`PROTOCOL`]; bitswap, which takes a round trip for each event, is
//! for everyone else. The bytes are described in `docs/network.md`.
//!
//! An answer comes newest event first. So each block is named by one that came before it or is the tip that was asked for:
//! whoever asks can tell at once what belongs to the answer, and after a cut asks again from where it stopped.
//!
//! What a hostile peer can do, and what stops it:
//!
//! - as one that is asked: send wrong bytes (each block is hashed: [`Refusal::WrongHash`]), huge frames
//!   ([`MAX_FRAME_BYTES`]) or frames of crumbs ([`MAX_ITEMS`]), no end of them (whoever asked stops listening, see
//!   [`crate::sync`]), nothing ([`ANSWER_TIMEOUT`]) or little ([`LEAST_RATE`]); it is never ahead of whoever asked by more than
//!   one frame and what the connection holds;
//! - as one that asks: ask for too much ([`MAX_REQUEST_BYTES`], [`MAX_DOCUMENTS`], [`MAX_KNOWN`]) or too often
//!   ([`MAX_INBOUND_STREAMS`], [`MAX_ANSWERS_PER_PEER`]), or read slowly: the next frame is made once the last one has
//!   left, and one that does not leave for [`SEND_TIMEOUT`] ends the answer. [`MAX_OFFENCES`] bad requests close the connection.

mod behaviour;
mod handler;
mod message;

use std::time::Duration;

use libp2p::PeerId;
use libp2p::swarm::{ConnectionId, StreamProtocol};

pub use self::behaviour::Behaviour;
pub use self::message::{End, Item, Part, Want, decode_request, encode_request};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/ostrakon/chain/1");
/// Most documents in one request.
pub const MAX_DOCUMENTS: usize = 128;
/// Most events that may be named as known, for each document.
pub const MAX_KNOWN: usize = 32;
/// Largest request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// Size at which a frame of an answer is full, in bytes; the largest block still goes in.
pub const FRAME_BYTES: usize = 128 * 1024;
/// Largest frame of an answer that is read, in bytes.
pub const MAX_FRAME_BYTES: usize = 512 * 1024;
/// Most parts of one frame.
pub const MAX_ITEMS: usize = 8192;
/// How long an answer may say nothing at all.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may be waited for before its rate counts, all waiting together.
pub const GRACE: Duration = Duration::from_secs(10);
/// What an answer must bring from then on, in bytes for each second that it is waited for.
pub const LEAST_RATE: u64 = 1024;
/// How long writing one frame may take.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Streams at rest kept for the next request, of those that this node opened on one connection.
pub const MAX_IDLE: usize = 2;
/// Streams that one connection may hold open towards us.
pub const MAX_INBOUND_STREAMS: usize = 8;
/// Answers under way to one peer.
pub const MAX_ANSWERS_PER_PEER: usize = 4;
/// Bad requests after which a peer is disconnected.
pub const MAX_OFFENCES: u32 = 4;

/// Names a request of ours.
pub type AskId = u64;

/// Names an answer that a peer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnswerId {
    /// Who asked.
    pub peer: PeerId,
    /// On which connection.
    pub connection: ConnectionId,
    /// The number of the request there.
    pub number: u64,
}

/// Why an answer ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The peer is gone, or does not speak the protocol. Ask by bitswap.
    #[error("the peer does not answer whole chains: its blocks are fetched one by one")]
    Unspoken,
    /// The stream ended or broke. Ask again from where it stopped.
    #[error("the answer was cut off: the rest is asked for again")]
    Cut,
    /// A frame is not of the protocol.
    #[error("the answer is not in the form of the protocol: this peer is not asked again")]
    Malformed,
    /// A frame of more than [`MAX_FRAME_BYTES`], or more than [`MAX_ITEMS`] parts.
    #[error("a frame of the answer is too large: this peer is not asked again")]
    TooLarge,
    /// Bytes that do not hash to the CID they came with.
    #[error("a block of the answer is not what its name says: this peer is not asked again")]
    WrongHash,
    /// Nothing for [`ANSWER_TIMEOUT`].
    #[error("the peer took the question and says nothing: others are asked")]
    Silent,
    /// Less than [`LEAST_RATE`].
    #[error("the answer comes too slowly: others are asked")]
    Slow,
    /// Blocks that no event of what was asked for names.
    #[error("the answer has blocks nobody asked for: this peer is not asked again")]
    Unasked,
    /// It ends as if it were whole, and nothing came.
    #[error("the peer says that it has the events and sends none: others are asked")]
    Empty,
}

impl Refusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unspoken => "chain-fetch-unspoken",
            Refusal::Cut => "chain-fetch-cut",
            Refusal::Malformed => "chain-fetch-malformed",
            Refusal::TooLarge => "chain-fetch-frame-too-large",
            Refusal::WrongHash => "chain-fetch-wrong-hash",
            Refusal::Silent => "chain-fetch-silent",
            Refusal::Slow => "chain-fetch-slow",
            Refusal::Unasked => "chain-fetch-unasked-blocks",
            Refusal::Empty => "chain-fetch-empty",
        }
    }

    /// Whether the peer is not to be asked again.
    pub fn is_final(&self) -> bool {
        !matches!(self, Refusal::Cut)
    }
}

/// What the protocol has to say.
#[derive(Debug)]
pub enum Event {
    /// A part of an answer. The next one comes after [`Behaviour::go_on`].
    Part {
        /// To which question.
        ask: AskId,
        /// What came, in order.
        items: Vec<Item>,
    },
    /// An answer is over.
    Ended {
        /// To which question.
        ask: AskId,
        /// Nothing if it ended well.
        refusal: Option<Refusal>,
    },
    /// A peer asks. Each question ends with [`Behaviour::answer`] of a last part, or [`Behaviour::hang_up`].
    Asked {
        /// How to answer.
        id: AnswerId,
        /// What it wants.
        wants: Vec<Want>,
    },
    /// The last part has left: the next one may be given.
    More {
        /// Of which answer.
        id: AnswerId,
    },
    /// The peer does not wait for this answer any more.
    Gone {
        /// Which.
        id: AnswerId,
    },
}

#[cfg(test)]
mod tests;
