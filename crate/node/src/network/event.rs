//! What the network tells its owner.

use std::time::Duration;

use cid::Cid;
use libp2p::{Multiaddr, PeerId};
use ostrakon_protocol::block::Block;

use super::bitswap::Wanted;
use super::chain_fetch;
use super::gossip::Message;
#[cfg(feature = "recon")]
use super::recon;

/// What is known about a connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its id.
    pub peer: PeerId,
    /// Where it was dialled or came from.
    pub address: Multiaddr,
    /// What it calls itself, once it said so; at most [`MAX_AGENT_BYTES`](super::MAX_AGENT_BYTES).
    pub agent: Option<String>,
    /// The last measured round trip.
    pub rtt: Option<Duration>,
}

/// What happened on the network.
#[derive(Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is handled at once, never kept in numbers"
)]
pub enum NetworkEvent {
    /// The first connection to a peer is up.
    PeerConnected {
        /// Who.
        peer: PeerId,
        /// Where.
        address: Multiaddr,
    },
    /// The last connection to a peer is gone.
    PeerDisconnected {
        /// Who.
        peer: PeerId,
        /// Where it was.
        address: Multiaddr,
    },
    /// A peer said its name, or its round trip was measured.
    PeerChanged(PeerInfo),
    /// A peer reads the topic from now on: what is published reaches it.
    PeerListens {
        /// Who.
        peer: PeerId,
    },
    /// A dial failed. Configured peers are dialled again by themselves.
    DialFailed {
        /// Whom, if known.
        peer: Option<PeerId>,
        /// Why, for people to read.
        reason: String,
    },
    /// This node is reachable at an address.
    Listening {
        /// Where.
        address: Multiaddr,
    },
    /// A well-formed message on the topic. Nothing in it is proven.
    Heard {
        /// The neighbour who passed it on: a first guess at who has the blocks.
        from: PeerId,
        /// Who signed it.
        source: PeerId,
        /// What it says.
        message: Message,
    },
    /// A block that was asked for; its bytes hash to its CID.
    Block {
        /// The block.
        block: Block,
        /// Who sent it.
        from: PeerId,
    },
    /// No connected peer has this block; asking is over. Ask again when peers come or the block is needed again.
    Missing {
        /// Which block.
        cid: Cid,
    },
    /// A peer answers questions for whole chains.
    PeerAnswersChains {
        /// Who.
        peer: PeerId,
    },
    /// A question for whole chains, or an answer to one.
    Chains(chain_fetch::Event),
    /// A peer wants a block. Each one must be given to [`Network::answer`](super::Network::answer), else the peer's next wants wait.
    Wanted(Wanted),
    /// Of a conversation about what this node holds; to be answered at [`Network::recon`](super::Network::recon).
    #[cfg(feature = "recon")]
    Recon(recon::Event),
}
