//! The protocols a node speaks, as one behaviour.

use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{connection_limits, gossipsub, identify, ping};
#[cfg(feature = "public-peer")]
use libp2p::{relay, swarm::behaviour::toggle::Toggle};

#[cfg(feature = "recon")]
use super::recon;
use super::{
    MAX_CONNECTIONS_PER_PEER, MAX_INCOMING, MAX_OUTGOING, MAX_PENDING, NetworkError, PING_INTERVAL,
    PING_TIMEOUT, bitswap, chain_fetch, gossip,
};

/// The same for tab and peer, but for the relay, which no tab can be.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "BehaviourEvent")]
pub(super) struct Behaviour {
    // First, so that a refused connection never reaches the others.
    limits: connection_limits::Behaviour,
    pub(super) bitswap: bitswap::Behaviour,
    pub(super) chains: chain_fetch::Behaviour,
    pub(super) gossip: gossip::Gossipsub,
    #[cfg(feature = "recon")]
    pub(super) recon: recon::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    #[cfg(feature = "public-peer")]
    pub(super) relay: Toggle<relay::Behaviour>,
}

/// What the protocols have to say.
#[derive(Debug)]
pub(super) enum BehaviourEvent {
    Bitswap(bitswap::Event),
    Chains(chain_fetch::Event),
    Gossip(gossipsub::Event),
    #[cfg(feature = "recon")]
    Recon(recon::Event),
    Identify(Box<identify::Event>),
    Ping(ping::Event),
    #[cfg(feature = "public-peer")]
    Relay(relay::Event),
}

impl Behaviour {
    pub(super) fn new(
        keypair: &Keypair,
        topic: &gossipsub::IdentTopic,
        agent: &str,
        #[cfg(feature = "recon")] speaks_recon: bool,
    ) -> Result<Behaviour, NetworkError> {
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_established_incoming(Some(MAX_INCOMING))
            .with_max_established_outgoing(Some(MAX_OUTGOING))
            .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER))
            .with_max_pending_incoming(Some(MAX_PENDING))
            .with_max_pending_outgoing(Some(MAX_PENDING));
        // The version js-ipfs, kubo and ceramic-one say.
        let identify = identify::Config::new("ipfs/0.1.0".to_owned(), keypair.public())
            .with_agent_version(agent.to_owned())
            .with_cache_size(0);
        let ping = ping::Config::new()
            .with_interval(PING_INTERVAL)
            .with_timeout(PING_TIMEOUT);
        // Recon knows peers by their ed25519 keys, and networks by numbers.
        #[cfg(feature = "recon")]
        let is_ed25519 = keypair.public().try_into_ed25519().is_ok();
        #[cfg(feature = "recon")]
        let recon = (speaks_recon && is_ed25519).then(|| keypair.clone());
        Ok(Behaviour {
            limits: connection_limits::Behaviour::new(limits),
            bitswap: bitswap::Behaviour::default(),
            chains: chain_fetch::Behaviour::default(),
            gossip: gossip::behaviour(keypair, topic)?,
            #[cfg(feature = "recon")]
            recon: recon::Behaviour::new(recon),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            #[cfg(feature = "public-peer")]
            relay: Toggle::from(None),
        })
    }
}

impl From<bitswap::Event> for BehaviourEvent {
    fn from(event: bitswap::Event) -> Self {
        BehaviourEvent::Bitswap(event)
    }
}

impl From<chain_fetch::Event> for BehaviourEvent {
    fn from(event: chain_fetch::Event) -> Self {
        BehaviourEvent::Chains(event)
    }
}

impl From<gossipsub::Event> for BehaviourEvent {
    fn from(event: gossipsub::Event) -> Self {
        BehaviourEvent::Gossip(event)
    }
}

#[cfg(feature = "recon")]
impl From<recon::Event> for BehaviourEvent {
    fn from(event: recon::Event) -> Self {
        BehaviourEvent::Recon(event)
    }
}

impl From<identify::Event> for BehaviourEvent {
    fn from(event: identify::Event) -> Self {
        BehaviourEvent::Identify(Box::new(event))
    }
}

impl From<ping::Event> for BehaviourEvent {
    fn from(event: ping::Event) -> Self {
        BehaviourEvent::Ping(event)
    }
}

#[cfg(feature = "public-peer")]
impl From<relay::Event> for BehaviourEvent {
    fn from(event: relay::Event) -> Self {
        BehaviourEvent::Relay(event)
    }
}

impl From<std::convert::Infallible> for BehaviourEvent {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
