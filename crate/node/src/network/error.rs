//! What can go wrong with a command to the network.

use libp2p::Multiaddr;

/// Why the network refused a command.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The parts could not be put together; the text says which.
    #[error("the network cannot start: {0}")]
    Start(String),
    /// An address nobody can listen on here.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the transport said.
        reason: String,
    },
    /// An address nobody can dial from here.
    #[error("cannot dial {address}: {reason}")]
    Dial {
        /// The address.
        address: Multiaddr,
        /// What the transport said.
        reason: String,
    },
    /// More questions than the network takes are waiting ([`QUERY_QUEUE`](super::gossip::QUERY_QUEUE)).
    #[error("too many queries are waiting")]
    QueryLimit,
    /// A message longer than others accept ([`MAX_MESSAGE_BYTES`](super::gossip::MAX_MESSAGE_BYTES)).
    #[error("the message is too large")]
    TooLarge,
}

impl NetworkError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            NetworkError::Start(_) => "network-start",
            NetworkError::Listen { .. } => "network-listen",
            NetworkError::Dial { .. } => "network-dial",
            NetworkError::QueryLimit => "network-query-limit",
            NetworkError::TooLarge => "network-message-too-large",
        }
    }
}
