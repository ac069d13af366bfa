//! How a native peer reaches others: TCP, and WebSocket over TCP, each with noise and yamux; js-ipfs knows only mplex.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::{SelectUpgrade, Version};
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, dns, noise, tcp, websocket, yamux};
use ostrakon_node::network::mplex;

/// How long a connection may take to be made and agreed on.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The identity cannot sign the handshake.
    #[error("noise: {0}")]
    Noise(#[from] noise::Error),
}

/// The transport of the peer with this identity.
pub fn build(identity: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let socket = || websocket::Config::new(tcp()).or_transport(tcp());
    // A machine without name servers still reaches addresses.
    let named = dns::tokio::Transport::system(socket()).unwrap_or_else(|error| {
        tracing::debug!(%error, "names cannot be resolved");
        dns::tokio::Transport::custom(
            socket(),
            dns::ResolverConfig::default(),
            dns::ResolverOpts::default(),
        )
    });
    Ok(named
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(identity)?)
        .multiplex(SelectUpgrade::new(yamux::Config::default(), mplex::Config))
        .timeout(HANDSHAKE)
        .boxed())
}
