//! What only a peer with a public address does: say at which addresses it is reached, pass on the traffic of peers that
//! nobody can dial (circuit relay v2), and count for its operator. Nothing of this is in the tab.
//!
//! What a stranger can do here: reserve a place and never use it, open circuits and pour bytes through them. What stops it:
//! [`RelayLimits`], one number for each, and libp2p's own pace for each peer and each IP address.

use std::time::Duration;

use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, PeerId, relay};

use super::{Network, bitswap, chain_fetch};

/// Peers that hold a reservation at once, unless the operator says otherwise.
pub const MAX_RESERVATIONS: usize = 128;
/// Reservations of one peer at once.
pub const MAX_RESERVATIONS_PER_PEER: usize = 4;
/// How long a reservation holds before it is made again, unless the operator says otherwise.
pub const RESERVATION_DURATION: Duration = Duration::from_secs(60 * 60);
/// Circuits open at once, unless the operator says otherwise.
pub const MAX_CIRCUITS: usize = 64;
/// Circuits of one peer at once.
pub const MAX_CIRCUITS_PER_PEER: usize = 4;
/// How long a circuit stays open at most, unless the operator says otherwise.
pub const MAX_CIRCUIT_DURATION: Duration = Duration::from_secs(10 * 60);
/// Bytes that one circuit carries at most each way, unless the operator says otherwise: a few thousand events.
pub const MAX_CIRCUIT_BYTES: u64 = 16 << 20;

/// What a peer that others can reach does besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Public {
    /// Where others reach this peer, as it cannot see for itself: behind a proxy, a router, a container.
    pub announce: Vec<Multiaddr>,
    /// Pass on the traffic of peers that cannot be dialled, within these bounds. A relay offers its announced addresses only.
    pub relay: Option<RelayLimits>,
}

/// How much a relay takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Peers that hold a reservation at once.
    pub reservations: usize,
    /// How long a reservation holds.
    pub reservation_duration: Duration,
    /// Circuits open at once.
    pub circuits: usize,
    /// How long one stays open at most.
    pub circuit_duration: Duration,
    /// Bytes that one carries at most each way.
    pub circuit_bytes: u64,
}

impl Default for RelayLimits {
    fn default() -> Self {
        RelayLimits {
            reservations: MAX_RESERVATIONS,
            reservation_duration: RESERVATION_DURATION,
            circuits: MAX_CIRCUITS,
            circuit_duration: MAX_CIRCUIT_DURATION,
            circuit_bytes: MAX_CIRCUIT_BYTES,
        }
    }
}

impl RelayLimits {
    fn behaviour(&self, local: PeerId) -> relay::Behaviour {
        let config = relay::Config {
            max_reservations: self.reservations,
            max_reservations_per_peer: MAX_RESERVATIONS_PER_PEER.min(self.reservations),
            reservation_duration: self.reservation_duration,
            max_circuits: self.circuits,
            max_circuits_per_peer: MAX_CIRCUITS_PER_PEER.min(self.circuits),
            max_circuit_duration: self.circuit_duration,
            max_circuit_bytes: self.circuit_bytes,
            ..relay::Config::default()
        };
        relay::Behaviour::new(local, config)
    }
}

/// What the network counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By bitswap.
    pub blocks: bitswap::Counts,
    /// Answers to questions for whole chains that ended well.
    pub chains_received: u64,
    /// Such answers that broke off or were refused.
    pub chains_failed: u64,
    /// Questions of peers for whole chains.
    pub chains_asked: u64,
    /// Messages on the topic that were heard.
    pub messages: u64,
    /// Messages on the topic that were refused, which costs their sender score.
    pub garbage: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// Peers that hold a reservation now.
    pub reservations: u64,
    /// Reservations refused.
    pub reservations_refused: u64,
    /// Circuits open now.
    pub circuits: u64,
    /// Circuits opened.
    pub circuits_opened: u64,
    /// Circuits refused.
    pub circuits_refused: u64,
}

/// One more.
pub(super) fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl Network {
    /// Takes up what a public peer does. Before the first poll: a relay must hear of the addresses that are listened on.
    pub fn make_public(&mut self, public: Public) {
        let local = self.peer_id();
        if let Some(limits) = public.relay {
            self.swarm.behaviour_mut().relay = Toggle::from(Some(limits.behaviour(local)));
        }
        for address in public.announce {
            self.swarm.add_external_address(address);
        }
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        Counts {
            blocks: self.blocks_counted(),
            ..self.counts
        }
    }

    pub(super) fn count_chains(&mut self, event: &chain_fetch::Event) {
        match event {
            chain_fetch::Event::Ended { refusal: None, .. } => {
                add(&mut self.counts.chains_received)
            }
            chain_fetch::Event::Ended { .. } => add(&mut self.counts.chains_failed),
            chain_fetch::Event::Asked { .. } => add(&mut self.counts.chains_asked),
            _ => {}
        }
    }

    pub(super) fn digest_relay(&mut self, event: &relay::Event) {
        use relay::Event;
        let counts = &mut self.counts;
        match event {
            Event::ReservationReqAccepted { renewed: false, .. } => add(&mut counts.reservations),
            Event::ReservationClosed { .. } | Event::ReservationTimedOut { .. } => {
                counts.reservations = counts.reservations.saturating_sub(1);
            }
            Event::ReservationReqDenied { .. } => add(&mut counts.reservations_refused),
            Event::CircuitReqAccepted { .. } => {
                add(&mut counts.circuits);
                add(&mut counts.circuits_opened);
            }
            Event::CircuitReqDenied { .. } => add(&mut counts.circuits_refused),
            Event::CircuitClosed { .. } => counts.circuits = counts.circuits.saturating_sub(1),
            _ => {}
        }
        tracing::debug!(?event, "relay");
    }
}
