//! How a tab reaches peers: WebSocket, secured by noise, shared by yamux, or by mplex with who knows nothing else.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::{SelectUpgrade, Version};
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, swarm, yamux};
use ostrakon_node::network::mplex;

use crate::websocket::WebSocket;

/// How long a connection may take to be made and agreed on: one that never ends would take the place of others.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// The transport of a tab with this identity.
pub fn transport(identity: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    Ok(WebSocket
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(identity)?)
        .multiplex(SelectUpgrade::new(yamux::Config::default(), mplex::Config))
        .timeout(HANDSHAKE)
        .boxed())
}

/// Connections run as tasks of the tab's own event loop.
pub fn swarm() -> swarm::Config {
    swarm::Config::with_wasm_executor()
}
