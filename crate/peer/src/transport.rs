//! How a native peer reaches others: QUIC, TCP, and WebSocket over TCP, the latter two with noise and yamux; js-ipfs knows only
//! mplex.

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::{SelectUpgrade, Version};
use libp2p::identity::Keypair;
use libp2p::metrics::BandwidthTransport;
use libp2p::{PeerId, Transport, dns, noise, quic, tcp, websocket, yamux};
use ostrakon_node::network::mplex;
use prometheus_client::registry::Registry;

/// How long a connection may take to be made and agreed on.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The identity cannot sign the handshake.
    #[error("noise: {0}")]
    Noise(#[from] noise::Error),
}

/// The transport of the peer with this identity. Bytes are counted in the registry, if there is one.
pub fn build(
    identity: &Keypair,
    registry: Option<&mut Registry>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let noise = noise::Config::new(identity)?;
    // Names are resolved below WebSocket, which asks for a certificate by name. It comes first, for what resolves names
    // takes any address.
    let sockets = secured(websocket::Config::new(named(tcp)), noise.clone());
    let others = named(|| {
        quic::tokio::Transport::new(quic::Config::new(identity))
            .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
            .or_transport(secured(tcp(), noise.clone()))
            .map(|either, _| either.into_inner())
            .boxed()
    });
    let all = sockets
        .or_transport(others)
        .map(|either, _| either.into_inner())
        .boxed();
    Ok(match registry {
        Some(registry) => BandwidthTransport::new(all, registry)
            .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
            .boxed(),
        None => all,
    })
}

/// Encrypts, authenticates and divides what a transport carries.
fn secured<T>(transport: T, noise: noise::Config) -> Boxed<(PeerId, StreamMuxerBox)>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    transport
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(SelectUpgrade::new(yamux::Config::default(), mplex::Config))
        .timeout(HANDSHAKE)
        .boxed()
}

/// Resolves names for a transport. A machine without name servers still reaches addresses.
fn named<T: Transport + Send + Unpin + 'static>(make: impl Fn() -> T) -> dns::tokio::Transport<T>
where
    T::Dial: Send,
    T::Error: Send,
{
    dns::tokio::Transport::system(make()).unwrap_or_else(|error| {
        tracing::debug!(%error, "names cannot be resolved");
        dns::tokio::Transport::custom(
            make(),
            dns::ResolverConfig::default(),
            dns::ResolverOpts::default(),
        )
    })
}
