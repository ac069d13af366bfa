//! From what the swarm says to what the node hears.

use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, identify, ping};
#[cfg(feature = "recon")]
use ostrakon_protocol::id::MAX_PEER_ADDRESSES;
use web_time::Instant;

use super::behaviour::BehaviourEvent;
use super::gossip::Message;
#[cfg(feature = "public-peer")]
use super::public;
use super::{MAX_AGENT_BYTES, Network, NetworkEvent, PeerInfo, bitswap, chain_fetch};

impl Network {
    pub(super) fn digest(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(event) => self.digest_behaviour(event, now),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let address = without_peer(endpoint.get_remote_address());
                self.redial.connected(peer_id, connection_id, now);
                if !self.peers.contains_key(&peer_id) {
                    let info = PeerInfo {
                        peer: peer_id,
                        address: address.clone(),
                        agent: None,
                        rtt: None,
                    };
                    self.peers.insert(peer_id, info);
                    self.events.push_back(NetworkEvent::PeerConnected {
                        peer: peer_id,
                        address,
                    });
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established,
                cause,
                ..
            } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                if num_established == 0 {
                    self.redial.disconnected(peer_id, now);
                    self.talk.forget(&peer_id);
                    if let Some(info) = self.peers.remove(&peer_id) {
                        let address = info.address;
                        self.events.push_back(NetworkEvent::PeerDisconnected {
                            peer: peer_id,
                            address,
                        });
                    }
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => {
                self.redial.failed(connection_id, now);
                #[cfg(feature = "public-peer")]
                public::add(&mut self.counts.dials_failed);
                let reason = error.to_string();
                self.events.push_back(NetworkEvent::DialFailed {
                    peer: peer_id,
                    reason,
                });
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                #[cfg(feature = "recon")]
                self.tell_addresses();
                self.events.push_back(NetworkEvent::Listening { address });
            }
            _ => {}
        }
    }

    fn digest_behaviour(&mut self, event: BehaviourEvent, now: Instant) {
        match event {
            BehaviourEvent::Bitswap(bitswap::Event::Block { block, from }) => {
                self.events.push_back(NetworkEvent::Block { block, from });
            }
            BehaviourEvent::Bitswap(bitswap::Event::Missing { cid }) => {
                self.events.push_back(NetworkEvent::Missing { cid });
            }
            BehaviourEvent::Bitswap(bitswap::Event::Wanted(wanted)) => {
                self.events.push_back(NetworkEvent::Wanted(wanted));
            }
            BehaviourEvent::Chains(event) => {
                #[cfg(feature = "public-peer")]
                self.count_chains(&event);
                self.events.push_back(NetworkEvent::Chains(event));
            }
            #[cfg(feature = "recon")]
            BehaviourEvent::Recon(event) => self.events.push_back(NetworkEvent::Recon(event)),
            #[cfg(feature = "public-peer")]
            BehaviourEvent::Relay(event) => self.digest_relay(&event),
            BehaviourEvent::Gossip(event) => self.digest_gossip(event, now),
            BehaviourEvent::Identify(event) => {
                if let identify::Event::Received { peer_id, info, .. } = *event {
                    let agent = shorten(info.agent_version);
                    if info.protocols.contains(&chain_fetch::PROTOCOL) {
                        self.swarm.behaviour_mut().chains.prepare(&peer_id);
                        self.events
                            .push_back(NetworkEvent::PeerAnswersChains { peer: peer_id });
                    }
                    self.change(peer_id, |known| known.agent = Some(agent));
                }
            }
            BehaviourEvent::Ping(ping::Event {
                peer,
                result: Ok(rtt),
                ..
            }) => {
                self.change(peer, |known| known.rtt = Some(rtt));
            }
            BehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result: Err(failure),
            }) => {
                // A peer that does not know ping is not gone.
                if !matches!(failure, ping::Failure::Unsupported) {
                    tracing::debug!(%peer, %failure, "a peer went silent");
                    self.swarm.close_connection(connection);
                }
            }
        }
    }

    fn digest_gossip(&mut self, event: gossipsub::Event, now: Instant) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                let verdict = self.judge(propagation_source, message, now);
                #[cfg(feature = "public-peer")]
                public::add(match &verdict {
                    MessageAcceptance::Reject => &mut self.counts.garbage,
                    _ => &mut self.counts.messages,
                });
                self.swarm
                    .behaviour_mut()
                    .gossip
                    .report_message_validation_result(&message_id, &propagation_source, verdict);
            }
            gossipsub::Event::Subscribed { peer_id, topic } if topic == self.topic.hash() => {
                self.events
                    .push_back(NetworkEvent::PeerListens { peer: peer_id });
                for bytes in std::mem::take(&mut self.unsent) {
                    self.send(bytes);
                }
            }
            _ => {}
        }
    }

    /// Whether a message is passed on, and whether it speaks against the neighbour it came from.
    fn judge(
        &mut self,
        from: PeerId,
        message: gossipsub::Message,
        now: Instant,
    ) -> MessageAcceptance {
        if !self.talk.may_say(from, now) {
            return MessageAcceptance::Reject;
        }
        match (Message::parse(&message.data), message.source) {
            (Ok(said), Some(source)) => {
                self.hear(from, source, said);
                MessageAcceptance::Accept
            }
            (Err(error), _) if error.is_foreign() => MessageAcceptance::Ignore,
            (Err(error), _) => {
                tracing::debug!(%from, %error, "garbage on the topic");
                MessageAcceptance::Reject
            }
            (Ok(_), None) => MessageAcceptance::Reject,
        }
    }

    fn hear(&mut self, from: PeerId, source: PeerId, message: Message) {
        if let Message::Update { stream, tip, .. } = &message
            && !self.tips.hear(stream, tip)
        {
            return;
        }
        self.events.push_back(NetworkEvent::Heard {
            from,
            source,
            message,
        });
    }

    /// Others hear where this node can be reached.
    #[cfg(feature = "recon")]
    fn tell_addresses(&mut self) {
        let own = *self.swarm.local_peer_id();
        let full = |address: &Multiaddr| without_peer(address).with(Protocol::P2p(own));
        let addresses = self.swarm.listeners().map(full).take(MAX_PEER_ADDRESSES);
        let addresses = addresses.collect();
        self.swarm.behaviour_mut().recon.set_addresses(addresses);
    }

    fn change(&mut self, peer: PeerId, apply: impl FnOnce(&mut PeerInfo)) {
        if let Some(info) = self.peers.get_mut(&peer) {
            apply(info);
            self.events
                .push_back(NetworkEvent::PeerChanged(info.clone()));
        }
    }
}

/// The address alone: who is there is said elsewhere.
fn without_peer(address: &Multiaddr) -> Multiaddr {
    address
        .iter()
        .filter(|part| !matches!(part, Protocol::P2p(_)))
        .collect()
}

fn shorten(mut text: String) -> String {
    let end = text.floor_char_boundary(MAX_AGENT_BYTES);
    text.truncate(end);
    text.retain(|letter| !letter.is_control());
    text
}
