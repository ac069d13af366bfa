//! What a node tells about itself.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use ostrakon_protocol::Cid;
use ostrakon_protocol::id::StreamId;

use crate::documents::Publication;
use crate::network;

/// How a node is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether any peer is connected.
    pub online: bool,
    /// This node's id.
    pub peer_id: PeerId,
    /// Everyone connected.
    pub peers: Vec<PeerInfo>,
    /// Where this node can be reached.
    pub addresses: Vec<Multiaddr>,
    /// Documents kept.
    pub documents: u64,
    /// Their blocks.
    pub blocks: u64,
    /// The bytes of these blocks.
    pub bytes: u64,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its id.
    pub peer: PeerId,
    /// Where it was dialled or came from.
    pub address: Multiaddr,
    /// What it calls itself, once it said so.
    pub agent: Option<String>,
    /// The last measured round trip, in milliseconds, rounded up.
    pub rtt_ms: Option<u64>,
}

impl From<&network::PeerInfo> for PeerInfo {
    fn from(info: &network::PeerInfo) -> PeerInfo {
        let milliseconds =
            |rtt: Duration| u64::try_from(rtt.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        PeerInfo {
            peer: info.peer,
            address: info.address.clone(),
            agent: info.agent.clone(),
            rtt_ms: info.rtt.map(milliseconds),
        }
    }
}

/// How a public peer is doing, for its operator.
#[cfg(feature = "public-peer")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// As everyone sees it, with what the store says now.
    pub status: Status,
    /// What the network counted.
    pub network: network::public::Counts,
    /// How often a document got a new tip, from here or from elsewhere.
    pub tips_accepted: u64,
    /// Announced tips that were fetched, judged and refused.
    pub tips_refused: u64,
    /// Documents with writes from here that no peer is known to have.
    pub outbox: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A peer came or went.
    Peer {
        /// Who.
        peer: PeerId,
        /// Which of the two.
        connected: bool,
        /// Where.
        address: Multiaddr,
    },
    /// Something in the status changed. Of several that nobody read yet only the last is delivered.
    Status(Status),
    /// A document has a new tip, is kept for the first time, or has an anchor that a chain has confirmed now.
    Document {
        /// Which.
        stream: StreamId,
        /// Its newest event.
        tip: Cid,
    },
    /// The newest event of a document got further: it was announced, a peer has it, a blockchain has it.
    Publication {
        /// Of which document.
        stream: StreamId,
        /// The event.
        tip: Cid,
        /// How far.
        publication: Publication,
    },
    /// An event that was written here, and had become the tip, lost to another branch that came later. It is kept and
    /// announced like any branch, but its change is not part of the document.
    WriteLost {
        /// Of which document.
        stream: StreamId,
        /// The event.
        event: Cid,
        /// The tip that won.
        tip: Cid,
    },
    /// Somebody announced a document that is not kept here. Of many that nobody read yet only some are delivered: a document
    /// that still matters is announced again.
    Unknown {
        /// Which.
        stream: StreamId,
    },
}
