//! Bitswap 1.2.0, client and server, as one libp2p behaviour: asks connected peers for blocks, and passes their wants
//! on to whoever keeps blocks.
//!
//! What a hostile peer can do, and what stops it:
//!
//! - send endless, huge or nested frames: [`MAX_FRAME_BYTES`], [`MAX_ITEMS`], [`MAX_PARTIAL_BYTES`], memory grows only
//!   with bytes that did arrive; [`MAX_OFFENCES`] bad frames and the connection is closed;
//! - open many substreams: [`MAX_INBOUND_STREAMS`];
//! - send wrong bytes or blocks nobody wants: each block is hashed, a block not asked for is dropped and counted;
//! - want everything, again and again: [`MAX_WANTS_SERVED`], [`MAX_ANSWERING`], [`MAX_QUEUE_BYTES`],
//!   [`MAX_PRESENCES`]; and it gets no more than it reads;
//! - never answer, or say that it has nothing: [`PATIENCE`], [`LONGEST_PATIENCE`], [`ANSWER_TIMEOUT`],
//!   [`LONGEST_ANSWER`], and another peer is asked.

mod behaviour;
mod handler;
mod ledger;
mod message;
mod wants;

use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use libp2p::swarm::StreamProtocol;
use ostrakon_protocol::block::Block;

pub use self::behaviour::Behaviour;
pub use self::message::{Message, MessageError};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
/// Largest frame read, in bytes: what the specification demands.
pub const MAX_FRAME_BYTES: usize = 2 * 1024 * 1024;
/// Size at which a message being written is full, in bytes; js-ipfs reads no larger ones than 4 MiB and writes these.
pub const MESSAGE_BYTES: usize = 512 * 1024;
/// Most wants, presences and blocks in one message, together.
pub const MAX_ITEMS: usize = 16_384;
/// Wants written into one message.
pub const ENTRIES_PER_MESSAGE: usize = 512;
/// Substreams one connection may hold open towards us.
pub const MAX_INBOUND_STREAMS: usize = 64;
/// Bytes of unfinished frames held for one connection.
pub const MAX_PARTIAL_BYTES: usize = 8 * 1024 * 1024;
/// How long a frame may rest unfinished.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(20);
/// How long writing one message may take.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the outbound substream is kept after use; Helia resets one after five idle seconds.
pub const STREAM_REUSE: Duration = Duration::from_secs(2);
/// Bad frames after which a peer is disconnected.
pub const MAX_OFFENCES: u32 = 4;
/// Wants remembered for one peer.
pub const MAX_WANTS_SERVED: usize = 4096;
/// Wants of one peer that are handed to the store at once.
pub const MAX_ANSWERING: usize = 32;
/// Bytes of blocks that wait to be sent to one peer before no further want of it is handed to the store.
pub const MAX_QUEUE_BYTES: usize = 2 * 1024 * 1024;
/// HAVE and DONT_HAVE answers that wait to be sent to one peer.
pub const MAX_PRESENCES: usize = 8192;
/// A block up to this size is sent at once to a peer that only asked whether we have it, in bytes (as js-ipfs does).
pub const INLINE_BYTES: usize = 1024;
/// Blocks asked of one peer at once.
pub const MAX_WANTS_SENT: usize = 512;
/// Silence after which a second peer is asked as well.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Silence after which a peer counts as not having a block.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one block may take at a peer that keeps sending others, before a second is asked as well.
pub const LONGEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long one block may take at a peer that keeps sending others. Long, for hundreds of large blocks may be on their
/// way over a slow line.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(120);

/// What a peer wants to know about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantKind {
    /// Its bytes.
    Block,
    /// Whether we have it.
    Have,
}

/// A want of a peer, to be answered with [`Behaviour::answer`].
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who asks.
    pub peer: PeerId,
    /// Which block.
    pub cid: Cid,
    /// What for.
    pub kind: WantKind,
}

/// What bitswap has to say.
#[derive(Debug)]
pub enum Event {
    /// A block that was asked for; its bytes hash to its CID.
    Block {
        /// The block.
        block: Block,
        /// Who sent it.
        from: PeerId,
    },
    /// No connected peer has it.
    Missing {
        /// Which block.
        cid: Cid,
    },
    /// A peer wants a block.
    Wanted(Wanted),
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blocks received that were asked for.
    pub blocks: u64,
    /// Blocks received that were not asked for, or no longer: dropped.
    pub unasked: u64,
    /// Blocks and wants in a form nobody here can use: dropped.
    pub unusable: u64,
    /// Frames that were not bitswap: the stream was closed.
    pub broken: u64,
    /// Blocks sent.
    pub served: u64,
    /// Wants refused because the peer has too many ([`MAX_WANTS_SERVED`]).
    pub refused: u64,
}

#[cfg(test)]
mod tests;
