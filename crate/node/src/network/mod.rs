//! The wire: one libp2p behaviour for tab and peer alike, and a thin wrapper that turns it into commands in and
//! [`NetworkEvent`]s out.
//!
//! What a stranger can do here, and what stops it: open connections ([`MAX_INCOMING`], [`MAX_CONNECTIONS_PER_PEER`],
//! [`MAX_PENDING`]); send garbage on the topic (`gossip` refuses it, which costs the sender score until it is
//! ignored); send blocks nobody asked for or ask for the world (`bitswap`); go silent (ping closes the connection
//! after [`PING_TIMEOUT`]). Every queue in here has a named bound.

pub mod bitswap;
pub mod chain_fetch;
pub mod gossip;
pub mod mplex;
#[cfg(feature = "recon")]
pub mod recon;

mod behaviour;
mod digest;
mod error;
mod event;
mod frame;
#[cfg(feature = "public-peer")]
pub mod public;
mod redial;

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use cid::Cid;
use futures::future::{poll_fn, select};
use futures::{FutureExt, StreamExt};
use futures_timer::Delay;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::gossipsub;
use libp2p::identity::Keypair;
use libp2p::swarm;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;
#[cfg(feature = "recon")]
use ostrakon_protocol::id::network_id;
use ostrakon_protocol::sorted::SortedMap;
use web_time::Instant;

use self::behaviour::Behaviour;
use self::gossip::{Message, RecentTips, Talk};
use self::redial::Redial;

pub use self::bitswap::{WantKind, Wanted};
pub use self::error::NetworkError;
pub use self::event::{NetworkEvent, PeerInfo};

/// Connections others may open to a node at once.
pub const MAX_INCOMING: u32 = 512;
/// Connections a node opens at once; apart from the others', so that nobody can keep it from its own peers.
pub const MAX_OUTGOING: u32 = 128;
/// Connections to one peer at once; two happen when both sides dial at the same moment.
pub const MAX_CONNECTIONS_PER_PEER: u32 = 4;
/// Connections being set up at once, each way.
pub const MAX_PENDING: u32 = 64;
/// A peer that has not answered a ping for this long is gone.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often an idle connection is pinged.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long a connection that no protocol uses stays open.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a node that ends waits for its peers to hear of it.
pub const LEAVING: Duration = Duration::from_millis(500);
/// Messages that wait for a peer who listens on the topic; the oldest gives way.
pub const MAX_UNSENT: usize = 64;
/// Longest agent name kept of what a peer says about itself, in bytes.
pub const MAX_AGENT_BYTES: usize = 128;

/// Who this node is and whom it calls.
#[derive(Clone)]
pub struct NetworkConfig {
    /// The network's name, for example `local-1`; the topic is `/ceramic/<network>` (as js-ceramic names its topics).
    pub network: String,
    /// The key behind this node's peer id.
    pub keypair: Keypair,
    /// Peers to keep a connection to.
    pub peers: Vec<Multiaddr>,
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// What this node calls itself to others, for example `ostrakon/0.1.0`.
    pub agent: String,
}

/// One node's place on the network. Nothing moves unless [`Network::poll`] or [`Network::next`] is called, also after
/// a command.
pub struct Network {
    swarm: Swarm<Behaviour>,
    topic: gossipsub::IdentTopic,
    peers: SortedMap<PeerId, PeerInfo>,
    redial: Redial,
    pace: gossip::Pace,
    unsent: VecDeque<Vec<u8>>,
    tips: RecentTips,
    talk: Talk,
    #[cfg(feature = "recon")]
    number: Option<u64>,
    events: VecDeque<NetworkEvent>,
    timer: Option<(Instant, Delay)>,
    #[cfg(feature = "public-peer")]
    counts: public::Counts,
}

impl Network {
    /// Puts the behaviours on a transport, starts listening and dialling.
    ///
    /// # Errors
    /// [`NetworkError::Start`], [`NetworkError::Listen`].
    pub fn new(
        config: NetworkConfig,
        transport: Boxed<(PeerId, StreamMuxerBox)>,
        swarm: swarm::Config,
    ) -> Result<Network, NetworkError> {
        let local = PeerId::from(config.keypair.public());
        let topic = gossip::topic(&config.network);
        #[cfg(feature = "recon")]
        let number = network_id(&config.network);
        let behaviour = Behaviour::new(
            &config.keypair,
            &topic,
            &config.agent,
            #[cfg(feature = "recon")]
            number.is_some(),
        )?;
        let swarm = swarm.with_idle_connection_timeout(IDLE_TIMEOUT);
        let mut swarm = Swarm::new(transport, behaviour, local, swarm);
        for address in config.listen {
            swarm
                .listen_on(address.clone())
                .map_err(|error| NetworkError::Listen {
                    address,
                    reason: error.to_string(),
                })?;
        }
        Ok(Network {
            swarm,
            topic,
            peers: SortedMap::new(),
            redial: Redial::new(local, config.peers, Instant::now()),
            pace: gossip::Pace::new(Instant::now()),
            unsent: VecDeque::new(),
            tips: RecentTips::default(),
            talk: Talk::default(),
            #[cfg(feature = "recon")]
            number,
            events: VecDeque::new(),
            timer: None,
            #[cfg(feature = "public-peer")]
            counts: public::Counts::default(),
        })
    }

    /// This node's id.
    pub fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Everyone connected.
    pub fn peers(&self) -> impl Iterator<Item = &PeerInfo> {
        self.peers.values()
    }

    /// Whether anyone is connected.
    pub fn is_online(&self) -> bool {
        !self.peers.is_empty()
    }

    /// The addresses this node listens on.
    pub fn listeners(&self) -> impl Iterator<Item = &Multiaddr> {
        self.swarm.listeners()
    }

    /// Dials once; the outcome is an event.
    ///
    /// # Errors
    /// [`NetworkError::Dial`] if the address cannot be dialled at all.
    pub fn dial(&mut self, address: Multiaddr) -> Result<(), NetworkError> {
        self.swarm
            .dial(dial_opts(&address))
            .map_err(|error| NetworkError::Dial {
                address,
                reason: error.to_string(),
            })
    }

    /// Dials every configured peer that is not connected, now: the device woke up or is online again.
    pub fn wake(&mut self) {
        self.redial.wake(Instant::now());
    }

    /// Closes every connection to a peer.
    pub fn disconnect(&mut self, peer: PeerId) {
        // Err means that there was none.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Says something on the topic. Queries leave at [`gossip::QUERIES_PER_SECOND`] at most; what nobody listens to
    /// yet waits, up to [`MAX_UNSENT`] messages.
    ///
    /// # Errors
    /// [`NetworkError::QueryLimit`], [`NetworkError::TooLarge`].
    pub fn publish(&mut self, message: &Message) -> Result<(), NetworkError> {
        let bytes = message.to_bytes();
        if bytes.len() > gossip::MAX_MESSAGE_BYTES {
            return Err(NetworkError::TooLarge);
        }
        if matches!(message, Message::Query { .. }) {
            if !self.pace.push(bytes) {
                return Err(NetworkError::QueryLimit);
            }
            self.ask_paced(Instant::now());
        } else {
            self.send(bytes);
        }
        Ok(())
    }

    /// Starts fetching blocks; `providers` are asked first. Each CID ends in exactly one [`NetworkEvent::Block`] or
    /// [`NetworkEvent::Missing`], unless it is cancelled. A CID that is being fetched already is not fetched twice.
    pub fn get(&mut self, cids: impl IntoIterator<Item = Cid>, providers: &[PeerId]) {
        self.swarm.behaviour_mut().bitswap.get(cids, providers);
    }

    /// Stops fetching a block.
    pub fn cancel(&mut self, cid: &Cid) {
        self.swarm.behaviour_mut().bitswap.cancel(cid);
    }

    /// Answers a [`NetworkEvent::Wanted`].
    pub fn answer(&mut self, wanted: Wanted, block: Option<Block>) {
        self.swarm.behaviour_mut().bitswap.answer(wanted, block);
    }

    /// A block is kept from now on: peers who asked for it earlier and are still waiting get it.
    pub fn offer(&mut self, block: &Block) {
        self.swarm.behaviour_mut().bitswap.offer(block);
    }

    /// Asks a peer for whole chains. Ends in exactly one [`chain_fetch::Event::Ended`], unless it is cancelled.
    pub fn ask_chains(
        &mut self,
        ask: chain_fetch::AskId,
        peer: PeerId,
        wants: &[chain_fetch::Want],
    ) {
        self.swarm.behaviour_mut().chains.ask(ask, peer, wants);
    }

    /// What answers the questions of peers for whole chains, and reads on or cancels what answers ours.
    pub fn chains(&mut self) -> &mut chain_fetch::Behaviour {
        &mut self.swarm.behaviour_mut().chains
    }

    /// Forgets that a tip was announced, so that the next announcement is heard again: its blocks could not be had.
    pub fn unhear(&mut self, stream: &StreamId, tip: &Cid) {
        self.tips.forget(stream, tip);
    }

    /// The network's number in Recon, if it has one.
    #[cfg(feature = "recon")]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// What is compared with other peers, and how that goes.
    #[cfg(feature = "recon")]
    pub fn recon(&mut self) -> &mut recon::Behaviour {
        &mut self.swarm.behaviour_mut().recon
    }

    /// What bitswap counted since the start.
    pub fn blocks_counted(&self) -> bitswap::Counts {
        self.swarm.behaviour().bitswap.counts()
    }

    /// The next event.
    pub async fn next(&mut self) -> NetworkEvent {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Ends all connections, and waits until they have ended, [`LEAVING`] at most. js-ipfs takes a peer that comes back before
    /// it has noticed the end for one it still knows, and tells it nothing any more.
    pub async fn leave(&mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // Err means that it is gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let gone = poll_fn(|cx| {
            while self.swarm.connected_peers().next().is_some() {
                if self.swarm.poll_next_unpin(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        });
        select(gone, Delay::new(LEAVING)).await;
    }

    /// The next event, if there is one.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<NetworkEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            let now = Instant::now();
            self.redial_due(now);
            self.ask_paced(now);
            match self.swarm.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => self.digest(event),
                // A swarm never ends; if it did, there would be nothing to say.
                Poll::Ready(None) => return Poll::Pending,
                Poll::Pending if self.events.is_empty() => {
                    if self.poll_timer(cx, now).is_pending() {
                        return Poll::Pending;
                    }
                }
                Poll::Pending => {}
            }
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let Some(at) = [self.redial.due(), self.pace.due()]
            .into_iter()
            .flatten()
            .min()
        else {
            self.timer = None;
            return Poll::Pending;
        };
        let stale = self
            .timer
            .as_ref()
            .is_none_or(|(set_for, _)| *set_for != at);
        if stale {
            self.timer = Some((at, Delay::new(at.saturating_duration_since(now))));
        }
        let Some((_, delay)) = &mut self.timer else {
            return Poll::Pending;
        };
        if delay.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.timer = None;
        Poll::Ready(())
    }

    fn redial_due(&mut self, now: Instant) {
        while let Some((peer, addresses)) = self.redial.next(now) {
            let opts = match (peer, addresses.as_slice()) {
                (None, [address]) => dial_opts(address),
                (None, _) => break,
                (Some(peer), _) => DialOpts::peer_id(peer)
                    .addresses(addresses.clone())
                    .condition(PeerCondition::Disconnected)
                    .build(),
            };
            let id = opts.connection_id();
            self.redial.dialling(peer, &addresses, id, now);
            if let Err(error) = self.swarm.dial(opts) {
                tracing::debug!(%error, "cannot dial a configured peer");
                self.redial.failed(id, now);
            }
        }
    }

    fn ask_paced(&mut self, now: Instant) {
        while let Some(bytes) = self.pace.pop(now) {
            self.send(bytes);
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        use gossipsub::PublishError::{AllQueuesFull, NoPeersSubscribedToTopic};
        match self
            .swarm
            .behaviour_mut()
            .gossip
            .publish(self.topic.clone(), bytes.clone())
        {
            Ok(_) => {}
            Err(NoPeersSubscribedToTopic | AllQueuesFull(_)) => {
                // The same question asked twice while offline is one question.
                if !self.unsent.contains(&bytes) {
                    if self.unsent.len() >= MAX_UNSENT {
                        self.unsent.pop_front();
                    }
                    self.unsent.push_back(bytes);
                }
            }
            Err(error) => tracing::warn!(%error, "a message was not published"),
        }
    }
}

fn dial_opts(address: &Multiaddr) -> DialOpts {
    DialOpts::unknown_peer_id().address(address.clone()).build()
}

#[cfg(test)]
mod tests;
