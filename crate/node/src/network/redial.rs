//! Keeps the configured peers connected: exponential back-off with jitter, and at once on demand. No I/O, time is
//! passed in.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use web_time::Instant;

/// Configured peers a node keeps dialling; the rest of the list is not used.
pub const MAX_TARGETS: usize = 64;
/// Addresses of one configured peer.
pub const MAX_ADDRESSES: usize = 8;
/// The wait after a first failure; it doubles with each further one.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, before jitter.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A connection that lasted this long proves the peer well, and the next wait is the first again.
pub const PROVEN: Duration = Duration::from_secs(30);

/// How long a dial may take before it counts as failed; a browser waits for minutes.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// A dial younger than this is left alone by a wake.
const FRESH_DIAL: Duration = Duration::from_secs(2);

#[derive(Debug)]
enum State {
    /// Dial at this time.
    Waiting(Instant),
    Dialling(ConnectionId, Instant),
    Connected(PeerId, Instant),
}

#[derive(Debug)]
struct Target {
    peer: Option<PeerId>,
    addresses: Vec<Multiaddr>,
    failures: u32,
    state: State,
}

/// The configured peers and where each stands.
#[derive(Debug)]
pub(super) struct Redial {
    local: PeerId,
    targets: Vec<Target>,
}

impl Redial {
    pub(super) fn new(local: PeerId, addresses: Vec<Multiaddr>, now: Instant) -> Redial {
        let mut targets: Vec<Target> = Vec::new();
        for address in addresses {
            let peer = address.iter().last().and_then(|part| match part {
                Protocol::P2p(peer) => Some(peer),
                _ => None,
            });
            if peer == Some(local) {
                continue;
            }
            let known = targets.iter_mut().find(|target| match peer {
                Some(_) => target.peer == peer,
                None => target.addresses.contains(&address),
            });
            if let Some(target) = known {
                if !target.addresses.contains(&address) && target.addresses.len() < MAX_ADDRESSES {
                    target.addresses.push(address);
                }
            } else if targets.len() < MAX_TARGETS {
                targets.push(Target {
                    peer,
                    addresses: vec![address],
                    failures: 0,
                    state: State::Waiting(now),
                });
            }
        }
        Redial { local, targets }
    }

    /// Who is to be dialled now: the caller dials and says [`Redial::dialling`].
    pub(super) fn next(&self, now: Instant) -> Option<(Option<PeerId>, Vec<Multiaddr>)> {
        self.targets
            .iter()
            .find(|target| target.due().is_some_and(|at| at <= now))
            .map(|target| (target.peer, target.addresses.clone()))
    }

    /// When there is next something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.targets.iter().filter_map(Target::due).min()
    }

    pub(super) fn dialling(
        &mut self,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        id: ConnectionId,
        now: Instant,
    ) {
        let target = self
            .targets
            .iter_mut()
            .find(|target| target.peer == peer && target.addresses == addresses);
        if let Some(target) = target {
            target.state = State::Dialling(id, now);
        }
    }

    pub(super) fn failed(&mut self, id: ConnectionId, now: Instant) {
        let local = self.local;
        for target in &mut self.targets {
            if matches!(target.state, State::Dialling(dialled, _) if dialled == id) {
                target.back_off(&local, now);
            }
        }
    }

    pub(super) fn connected(&mut self, peer: PeerId, id: ConnectionId, now: Instant) {
        for target in &mut self.targets {
            let dialled = matches!(target.state, State::Dialling(dialled, _) if dialled == id);
            if dialled || target.peer == Some(peer) {
                target.state = State::Connected(peer, now);
            }
        }
    }

    /// The last connection to a peer is gone.
    pub(super) fn disconnected(&mut self, peer: PeerId, now: Instant) {
        let local = self.local;
        for target in &mut self.targets {
            if let State::Connected(held, since) = target.state
                && held == peer
            {
                if now.saturating_duration_since(since) >= PROVEN {
                    target.failures = 0;
                }
                target.back_off(&local, now);
            }
        }
    }

    pub(super) fn wake(&mut self, now: Instant) {
        for target in &mut self.targets {
            // A dial from before the sleep may hang for minutes; another one harms nobody.
            let hangs = match target.state {
                State::Waiting(_) => true,
                State::Dialling(_, since) => now.saturating_duration_since(since) >= FRESH_DIAL,
                State::Connected(..) => false,
            };
            if hangs {
                target.state = State::Waiting(now);
                target.failures = 0;
            }
        }
    }
}

impl Target {
    /// When to dial, if it is to be dialled. A dial without an outcome is given up after [`DIAL_TIMEOUT`].
    fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(at) => Some(at),
            State::Dialling(_, since) => Some(since + DIAL_TIMEOUT),
            State::Connected(..) => None,
        }
    }

    fn back_off(&mut self, local: &PeerId, now: Instant) {
        let wait = FIRST_WAIT
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_WAIT);
        // Half to three halves of the wait. Many tabs lose one peer in the same moment; what spreads them is that
        // their ids differ, so a hash does where no random source is at hand.
        let mut hasher = DefaultHasher::new();
        (local, &self.addresses, self.failures).hash(&mut hasher);
        let permille = u32::try_from(hasher.finish() % 1000).unwrap_or(0);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting(now + wait / 2 + wait * permille / 1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    fn with_peer(text: &str, peer: PeerId) -> Multiaddr {
        address(text).with(Protocol::P2p(peer))
    }

    #[test]
    fn waits_grow_up_to_a_bound_and_a_wake_ends_them() {
        let peer = PeerId::random();
        let mut now = Instant::now();
        let mut redial = Redial::new(
            PeerId::random(),
            vec![with_peer("/ip4/1.2.3.4/tcp/1/ws", peer)],
            now,
        );
        let mut waits = Vec::new();
        for _ in 0..12 {
            let (whom, addresses) = redial.next(now).expect("due");
            let id = ConnectionId::new_unchecked(waits.len());
            redial.dialling(whom, &addresses, id, now);
            assert!(redial.next(now).is_none(), "one dial at a time");
            redial.failed(id, now);
            let due = redial.due().expect("another try");
            waits.push(due - now);
            now = due;
        }
        assert!(
            waits
                .iter()
                .all(|wait| *wait >= FIRST_WAIT / 2 && *wait <= LONGEST_WAIT * 3 / 2),
            "{waits:?}"
        );
        assert!(
            waits[0] <= FIRST_WAIT * 3 / 2 && waits[11] >= LONGEST_WAIT / 2,
            "{waits:?}"
        );
        let (whom, addresses) = redial.next(now).expect("due");
        let id = ConnectionId::new_unchecked(99);
        redial.dialling(whom, &addresses, id, now);
        redial.failed(id, now);
        assert!(redial.next(now).is_none());
        redial.wake(now);
        assert!(redial.next(now).is_some(), "a wake dials at once");
    }

    #[test]
    fn a_dial_without_an_outcome_is_tried_again_at_once_after_a_wake() {
        let mut now = Instant::now();
        let mut redial = Redial::new(
            PeerId::random(),
            vec![address("/ip4/1.2.3.4/tcp/1/ws")],
            now,
        );
        for number in 0..3 {
            let (whom, addresses) = redial.next(now).expect("due");
            redial.dialling(whom, &addresses, ConnectionId::new_unchecked(number), now);
            redial.wake(now);
            assert!(redial.next(now).is_none(), "it has only just begun");
            now += if number == 0 {
                DIAL_TIMEOUT
            } else {
                FRESH_DIAL
            };
            redial.wake(now);
        }
        assert!(redial.next(now).is_some());
    }

    #[test]
    fn addresses_of_one_peer_are_one_target_and_our_own_is_none() {
        let (local, peer) = (PeerId::random(), PeerId::random());
        let now = Instant::now();
        let list = vec![
            with_peer("/ip4/1.2.3.4/tcp/1", peer),
            with_peer("/ip4/1.2.3.4/tcp/2/ws", peer),
            with_peer("/ip4/1.2.3.4/tcp/3", local),
            address("/ip4/1.2.3.4/tcp/4"),
            address("/ip4/1.2.3.4/tcp/4"),
        ];
        let redial = Redial::new(local, list, now);
        assert_eq!(redial.targets.len(), 2);
        assert_eq!(redial.targets[0].addresses.len(), 2);
    }

    #[test]
    fn a_peer_who_called_first_is_not_dialled_until_it_leaves() {
        let peer = PeerId::random();
        let now = Instant::now();
        let mut redial = Redial::new(
            PeerId::random(),
            vec![with_peer("/ip4/1.2.3.4/tcp/1", peer)],
            now,
        );
        redial.connected(peer, ConnectionId::new_unchecked(1), now);
        assert!(redial.next(now + LONGEST_WAIT).is_none());
        redial.disconnected(peer, now + PROVEN);
        assert!(redial.due().expect("a try") <= now + PROVEN + FIRST_WAIT * 3 / 2);
    }

    #[test]
    fn a_peer_that_takes_connections_and_drops_them_is_dialled_ever_less() {
        let peer = PeerId::random();
        let mut now = Instant::now();
        let mut redial = Redial::new(
            PeerId::random(),
            vec![with_peer("/ip4/1.2.3.4/tcp/1", peer)],
            now,
        );
        for number in 0..10 {
            redial.connected(peer, ConnectionId::new_unchecked(number), now);
            redial.disconnected(peer, now);
            now = redial.due().expect("a try");
        }
        redial.connected(peer, ConnectionId::new_unchecked(99), now);
        redial.disconnected(peer, now);
        assert!(redial.due().expect("a try") >= now + LONGEST_WAIT / 2);
    }
}
