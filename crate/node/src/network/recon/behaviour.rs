//! When whom is talked to about what, and the rings that are compared.
//!
//! Whoever dialled begins (as ceramic-one 0.58), with one conversation at a time on a connection, about each kind in turn. A
//! conversation that failed is followed by a pause that doubles from [`FIRST_PAUSE`] to [`LONGEST_PAUSE`]; one that moved
//! something by [`FIRST_PAUSE`], and the longer nothing moves the longer, up to [`QUIET_PAUSE`].
//!
//! Addresses of peers are dealt with here: at most [`MAX_PEERS`] are kept, each signed by the peer it is about, none for longer
//! than [`LONGEST_PROMISE`].

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler, THandlerInEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use ostrakon_protocol::id::{PEER_KEY_END, PeerEntry};
use ostrakon_protocol::sorted::SortedMap;
use web_time::{Instant, SystemTime};

use super::frame::{Interest, Key, Kind, Message};
use super::handler::{Handler, Names, Order, Said};
use super::machine::{Conversation, Refusal, Step};
use super::ring::Ring;

/// The pause after a conversation that moved something, and after the first that failed.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after failures.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The longest pause while nothing moves.
pub const QUIET_PAUSE: Duration = Duration::from_secs(8);
/// Peers whose addresses are kept.
pub const MAX_PEERS: usize = 2048;
/// How far in the future an address may end.
pub const LONGEST_PROMISE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long this node says it can be reached where it listens (as ceramic-one: a day).
const PROMISE: Duration = Duration::from_secs(24 * 3600);
/// How often it says so again.
const PROMISE_AGAIN: Duration = Duration::from_secs(12 * 3600);
/// Bytes of messages that are handed to a connection at once.
const MAX_SEND: usize = 64 * 1024;

/// Names a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TalkId {
    /// With whom.
    pub peer: PeerId,
    connection: ConnectionId,
    id: u64,
}

impl TalkId {
    #[cfg(test)]
    pub(crate) fn new(peer: PeerId, connection: ConnectionId, id: u64) -> TalkId {
        TalkId {
            peer,
            connection,
            id,
        }
    }
}

/// What Recon has to say.
#[derive(Debug)]
pub enum Event {
    /// Look up the events that these keys name; answer with [`Behaviour::found`].
    Find(TalkId, Vec<Key>),
    /// These events came; answer with [`Behaviour::kept`].
    Keep {
        /// In which conversation.
        talk: TalkId,
        /// Their ids and CARs.
        values: Vec<(Key, Vec<u8>)>,
        /// Whether no more come: then all should be kept before the answer.
        last: bool,
    },
    /// A conversation is over.
    Over {
        /// Which.
        talk: TalkId,
        /// About what.
        kind: Kind,
        /// How many values came and went, or why it failed.
        outcome: Result<(usize, usize), &'static str>,
    },
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Conversations that came to their end.
    pub conversations: u64,
    /// Conversations that failed.
    pub failed: u64,
    /// Values received.
    pub received: u64,
    /// Values sent.
    pub sent: u64,
}

/// When a peer is talked to about one kind next.
#[derive(Clone, Copy, Debug)]
struct Turn {
    kind: Kind,
    at: Instant,
    pause: Duration,
    /// The peer does not know this kind.
    unspoken: bool,
}

#[derive(Debug)]
struct Talk {
    id: TalkId,
    conversation: Conversation,
    inbox: VecDeque<Message>,
    unsent: Vec<u8>,
    /// A stream that is not open yet, or is writing, takes nothing.
    busy: bool,
    /// The stream is not read until the inbox is empty.
    listens: bool,
}

#[derive(Debug, Default)]
struct Peer {
    /// And whether this side dialled.
    connections: Vec<(ConnectionId, bool)>,
    turns: Vec<Turn>,
    talks: Vec<Talk>,
}

/// The rings, and what is wanted of each.
#[derive(Debug, Default)]
struct Rings {
    rings: [Ring; 3],
    interests: [Vec<Interest>; 3],
}

impl Rings {
    fn place(kind: Kind) -> usize {
        match kind {
            Kind::Peer => 0,
            Kind::Model => 1,
            Kind::Tile => 2,
        }
    }

    fn ring(&self, kind: Kind) -> &Ring {
        let [peer, model, tile] = &self.rings;
        match kind {
            Kind::Peer => peer,
            Kind::Model => model,
            Kind::Tile => tile,
        }
    }

    fn ring_mut(&mut self, kind: Kind) -> &mut Ring {
        let [peer, model, tile] = &mut self.rings;
        match kind {
            Kind::Peer => peer,
            Kind::Model => model,
            Kind::Tile => tile,
        }
    }

    fn interests(&self, kind: Kind) -> Vec<Interest> {
        match kind {
            Kind::Peer => vec![Interest {
                start: PeerEntry::fencepost(unix()).into_bytes(),
                end: PEER_KEY_END.as_bytes().to_vec(),
            }],
            _ => self
                .interests
                .get(Self::place(kind))
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// Whether this node has reason to talk about it: who wants no events needs no peers to have them from.
    fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Peer => self.interests.iter().any(|all| !all.is_empty()),
            _ => self
                .interests
                .get(Self::place(kind))
                .is_some_and(|all| !all.is_empty()),
        }
    }

    /// Keeps what peers say of themselves; what is no true entry ends the conversation.
    fn keep_peers(&mut self, values: Vec<(Key, Vec<u8>)>) -> Result<(), Refusal> {
        let latest = unix().saturating_add(LONGEST_PROMISE.as_secs());
        for (key, _) in values {
            let text = std::str::from_utf8(&key).map_err(|_| Refusal::Invalid)?;
            let entry = PeerEntry::from_key(text).map_err(|_| Refusal::Invalid)?;
            let ring = self.ring_mut(Kind::Peer);
            if entry.expiration <= latest && ring.len() < MAX_PEERS {
                ring.insert(&key);
            }
        }
        Ok(())
    }

    /// Forgets what peers said and does not hold any more.
    fn expire(&mut self) {
        let ring = self.ring_mut(Kind::Peer);
        let now = PeerEntry::fencepost(unix()).into_bytes();
        for key in ring.keys(&[], &now, usize::MAX) {
            ring.remove(&key);
        }
    }
}

fn unix() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// A name for a conversation, as ceramic-one gives them: a random UUID.
fn sync_id() -> String {
    let mut bytes = [0; 16];
    // Only a name: without randomness it is a poor one.
    let _ = getrandom::fill(&mut bytes);
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let mut text = format!("{number:032x}");
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// Recon for a swarm; see the module.
#[derive(Debug)]
pub struct Behaviour {
    /// None if this network has no Recon, or the key is one that Recon has no place for.
    keypair: Option<Keypair>,
    rings: Rings,
    peers: SortedMap<PeerId, Peer>,
    events: VecDeque<ToSwarm<Event, Order>>,
    addresses: Vec<Multiaddr>,
    /// What this node says of itself, and when it says so again.
    promise: Option<(Key, Instant)>,
    counts: Counts,
    next: u64,
    timer: Option<(Instant, Delay)>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// Of a node with this key; without one Recon is not spoken.
    pub fn new(keypair: Option<Keypair>) -> Behaviour {
        Behaviour {
            keypair,
            rings: Rings::default(),
            peers: SortedMap::new(),
            events: VecDeque::new(),
            addresses: Vec::new(),
            promise: None,
            counts: Counts::default(),
            next: 0,
            timer: None,
            waker: None,
        }
    }

    /// What is wanted from now on.
    pub fn want(&mut self, kind: Kind, interests: Vec<Interest>) {
        if let Some(own) = self.rings.interests.get_mut(Rings::place(kind))
            && *own != interests
        {
            *own = interests;
            self.hurry(kind);
        }
    }

    /// An event is held from now on, and offered.
    pub fn hold(&mut self, kind: Kind, key: &[u8]) {
        if self.rings.ring_mut(kind).insert(key) {
            self.hurry(kind);
        }
    }

    /// Whether an event is offered.
    pub fn holds(&self, kind: Kind, key: &[u8]) -> bool {
        self.rings.ring(kind).contains(key)
    }

    /// All events in a range are gone.
    pub fn forget(&mut self, kind: Kind, first: &[u8], last: &[u8]) {
        let ring = self.rings.ring_mut(kind);
        for key in ring.keys(first, last, usize::MAX) {
            ring.remove(&key);
        }
    }

    /// How many keys are held.
    pub fn held(&self, kind: Kind) -> usize {
        self.rings.ring(kind).len()
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where this node can be reached, which it tells others.
    pub fn set_addresses(&mut self, addresses: Vec<Multiaddr>) {
        if self.addresses != addresses {
            self.addresses = addresses;
            self.promise(Instant::now());
        }
    }

    /// Answers an [`Event::Find`]; what is not there any more is left out.
    pub fn found(&mut self, talk: TalkId, values: Vec<(Key, Vec<u8>)>) {
        if let Some(one) = self.talk(talk) {
            one.conversation.found(values);
            self.go_on(talk);
        }
    }

    /// Answers an [`Event::Keep`].
    pub fn kept(&mut self, talk: TalkId) {
        if let Some(one) = self.talk(talk) {
            one.conversation.kept();
            self.go_on(talk);
        }
    }

    /// A value of this conversation can never be valid: it ends at once.
    pub fn refuse(&mut self, talk: TalkId) {
        if self.talk(talk).is_some() {
            self.fail(talk, Refusal::Invalid.code());
        }
    }

    fn talk(&mut self, id: TalkId) -> Option<&mut Talk> {
        let talks = &mut self.peers.get_mut(&id.peer)?.talks;
        talks.iter_mut().find(|talk| talk.id == id)
    }

    /// Something is new: who was told long ago that nothing is hears of it soon.
    fn hurry(&mut self, kind: Kind) {
        let soon = Instant::now() + FIRST_PAUSE;
        for peer in self.peers.values_mut() {
            for turn in peer.turns.iter_mut().filter(|turn| turn.kind == kind) {
                // After failures the peer is left alone.
                if turn.pause <= QUIET_PAUSE {
                    turn.at = turn.at.min(soon);
                }
            }
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Says where this node can be reached, signed, in place of what it said before.
    fn promise(&mut self, now: Instant) {
        if let Some((key, _)) = self.promise.take() {
            self.rings.ring_mut(Kind::Peer).remove(&key);
        }
        let Some(keypair) = self.keypair.clone().filter(|_| !self.addresses.is_empty()) else {
            return;
        };
        let Ok(public) = keypair.public().try_into_ed25519() else {
            return;
        };
        let entry = PeerEntry {
            key: public.to_bytes(),
            expiration: unix().saturating_add(PROMISE.as_secs()),
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
        };
        // Err: more addresses than others read.
        if let Ok(key) = entry.to_key(|input| keypair.sign(input).unwrap_or_default()) {
            self.rings.ring_mut(Kind::Peer).insert(key.as_bytes());
            self.promise = Some((key.into_bytes(), now + PROMISE_AGAIN));
        }
    }

    fn order(&mut self, talk: TalkId, order: Order) {
        self.events.push_back(ToSwarm::NotifyHandler {
            peer_id: talk.peer,
            handler: NotifyHandler::One(talk.connection),
            event: order,
        });
    }

    /// Does in a conversation whatever can be done now.
    fn go_on(&mut self, id: TalkId) {
        self.wake();
        loop {
            let Some(peer) = self.peers.get_mut(&id.peer) else {
                return;
            };
            let Some(talk) = peer.talks.iter_mut().find(|talk| talk.id == id) else {
                return;
            };
            let kind = talk.conversation.kind();
            let ring = self.rings.ring(kind);
            // After the farewell there is nothing to say.
            if talk.conversation.is_over() && !talk.inbox.is_empty() {
                return self.fail(id, Refusal::OutOfTurn.code());
            }
            if talk.conversation.listens()
                && let Some(message) = talk.inbox.pop_front()
                && let Err(refusal) = talk.conversation.hear(message, ring)
            {
                return self.fail(id, refusal.code());
            }
            let step = match talk.unsent.len() < MAX_SEND {
                true => talk.conversation.poll(ring),
                false => Ok(None),
            };
            match step {
                Err(refusal) => return self.fail(id, refusal.code()),
                Ok(Some(Step::Send(message))) => message.write(kind, &mut talk.unsent),
                Ok(Some(Step::Find(keys))) if kind == Kind::Peer => {
                    // The key is all there is to say.
                    let keys = keys.into_iter().map(|key| (key, Vec::new()));
                    talk.conversation.found(keys.collect());
                }
                Ok(Some(Step::Find(keys))) => {
                    let find = Event::Find(id, keys);
                    self.events.push_back(ToSwarm::GenerateEvent(find));
                }
                Ok(Some(Step::Keep(values))) if kind == Kind::Peer => {
                    talk.conversation.kept();
                    if let Err(refusal) = self.rings.keep_peers(values) {
                        return self.fail(id, refusal.code());
                    }
                }
                Ok(Some(Step::Keep(values))) => {
                    let keep = Event::Keep {
                        talk: id,
                        values,
                        last: talk.conversation.is_ending(),
                    };
                    self.events.push_back(ToSwarm::GenerateEvent(keep));
                }
                Ok(Some(Step::Over)) if talk.busy => return self.send(id),
                Ok(Some(Step::Over)) if talk.unsent.is_empty() => {
                    self.order(id, Order::Drop(id.id));
                    return self.end(id, None);
                }
                Ok(Some(Step::Over)) => return self.send(id),
                Ok(None) if talk.inbox.is_empty() || !talk.conversation.listens() => {
                    return self.send(id);
                }
                Ok(None) => {}
            }
        }
    }

    /// Hands the connection what is to be sent, and lets it listen again.
    fn send(&mut self, id: TalkId) {
        let Some(talk) = self.talk(id) else {
            return;
        };
        let mut orders = Vec::new();
        if !talk.busy && !talk.unsent.is_empty() {
            talk.busy = true;
            orders.push(Order::Send(id.id, std::mem::take(&mut talk.unsent)));
        }
        // At its end the initiator listens for the end of the stream.
        let listens = talk.conversation.listens() || talk.conversation.is_over();
        if !talk.listens && talk.inbox.is_empty() && listens {
            talk.listens = true;
            orders.push(Order::Listen(id.id));
        }
        for order in orders {
            self.order(id, order);
        }
    }

    fn fail(&mut self, id: TalkId, why: &'static str) {
        self.order(id, Order::Drop(id.id));
        self.end(id, Some(why));
    }

    /// The stream is gone or going.
    fn end(&mut self, id: TalkId, why: Option<&'static str>) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(&id.peer) else {
            return;
        };
        let Some(at) = peer.talks.iter().position(|talk| talk.id == id) else {
            return;
        };
        let talk = peer.talks.swap_remove(at);
        let kind = talk.conversation.kind();
        let (received, sent) = talk.conversation.counts();
        let over = talk.conversation.is_over() && talk.unsent.is_empty();
        // A peer that did not close after the farewell got all the same.
        let outcome = match (why, over) {
            (_, true) => Ok((received, sent)),
            (Some(why), false) => Err(why),
            (None, false) => Err("recon-broken-off"),
        };
        self.counts.received = self.counts.received.saturating_add(received as u64);
        self.counts.sent = self.counts.sent.saturating_add(sent as u64);
        match outcome {
            Ok(_) => self.counts.conversations = self.counts.conversations.saturating_add(1),
            Err(_) => self.counts.failed = self.counts.failed.saturating_add(1),
        }
        let own = id.id.is_multiple_of(2);
        if let Some(turn) = peer.turns.iter_mut().find(|turn| turn.kind == kind && own) {
            let (pause, longest) = match outcome {
                Ok((0, 0)) => (turn.pause, QUIET_PAUSE),
                Ok(_) => (FIRST_PAUSE, QUIET_PAUSE),
                Err(_) => (turn.pause, LONGEST_PAUSE),
            };
            let pause = pause.min(longest);
            turn.at = now + pause;
            turn.pause = match outcome {
                Ok((received, sent)) if received > 0 || sent > 0 => FIRST_PAUSE,
                _ => pause.saturating_mul(2).min(longest),
            };
        }
        let over = Event::Over {
            talk: id,
            kind,
            outcome,
        };
        self.events.push_back(ToSwarm::GenerateEvent(over));
        self.wake();
    }

    /// Begins the conversation that is due first on a connection without one. Returns when the next is due.
    fn begin(&mut self, now: Instant) -> Option<Instant> {
        let mut due: Option<Instant> = None;
        let mut begun = Vec::new();
        for (id, peer) in &mut self.peers {
            let dialled = peer.connections.iter().find(|(_, dialled)| *dialled);
            let Some((connection, _)) = dialled.copied() else {
                continue;
            };
            if peer.talks.iter().any(|talk| talk.id.id.is_multiple_of(2)) {
                continue;
            }
            let turns = peer.turns.iter_mut();
            let spoken = turns.filter(|turn| !turn.unspoken && self.rings.wants(turn.kind));
            let Some(turn) = spoken.min_by_key(|turn| turn.at) else {
                continue;
            };
            if turn.at > now {
                due = Some(due.map_or(turn.at, |due| due.min(turn.at)));
                continue;
            }
            let talk = TalkId {
                peer: *id,
                connection,
                id: self.next,
            };
            self.next = self.next.saturating_add(2);
            begun.push((talk, turn.kind));
        }
        for (talk, kind) in begun {
            if kind == Kind::Peer {
                self.rings.expire();
            }
            let interests = self.rings.interests(kind);
            let conversation = Conversation::initiate(kind, interests, sync_id());
            self.add(talk, conversation, true);
            self.order(talk, Order::Open(talk.id, kind));
        }
        due
    }

    fn add(&mut self, id: TalkId, conversation: Conversation, busy: bool) {
        if let Some(peer) = self.peers.get_mut(&id.peer) {
            peer.talks.push(Talk {
                id,
                conversation,
                inbox: VecDeque::new(),
                unsent: Vec::new(),
                busy,
                listens: true,
            });
        }
    }

    fn handler(&self) -> Handler {
        Handler::new(Names(match self.keypair {
            Some(_) => Kind::ALL.to_vec(),
            None => Vec::new(),
        }))
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) if self.keypair.is_some() => {
                let dialled = matches!(endpoint, ConnectedPoint::Dialer { .. });
                let peer = self.peers.get_or_default(peer_id);
                peer.connections.push((connection_id, dialled));
                if peer.turns.is_empty() {
                    let at = Instant::now();
                    let turn = |kind| Turn {
                        kind,
                        at,
                        pause: FIRST_PAUSE,
                        unspoken: false,
                    };
                    peer.turns = Kind::ALL.map(turn).to_vec();
                }
                self.wake();
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => {
                let Some(peer) = self.peers.get_mut(&peer_id) else {
                    return;
                };
                peer.connections.retain(|(id, _)| *id != connection_id);
                let ended = peer.talks.iter().map(|talk| talk.id);
                let ended = ended.filter(|talk| talk.connection == connection_id);
                for talk in ended.collect::<Vec<_>>() {
                    self.end(talk, None);
                }
                let gone = self
                    .peers
                    .get(&peer_id)
                    .is_some_and(|peer| peer.connections.is_empty());
                if gone {
                    self.peers.remove(&peer_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, said: Said) {
        let name = |id| TalkId {
            peer,
            connection,
            id,
        };
        match said {
            Said::Called(id, kind) => {
                if kind == Kind::Peer {
                    self.rings.expire();
                }
                let conversation = Conversation::respond(kind, self.rings.interests(kind));
                self.add(name(id), conversation, false);
            }
            Said::Opened(id) | Said::Sent(id) => {
                if let Some(talk) = self.talk(name(id)) {
                    talk.busy = false;
                    self.go_on(name(id));
                }
            }
            Said::Heard(id, messages) => {
                if let Some(talk) = self.talk(name(id)) {
                    talk.inbox.extend(messages);
                    talk.listens = false;
                    self.go_on(name(id));
                }
            }
            Said::Gone(id, why) => self.end(name(id), why),
            Said::Unspoken(id) => {
                let kind = self.talk(name(id)).map(|talk| talk.conversation.kind());
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.talks.retain(|talk| talk.id != name(id));
                    for turn in peer.turns.iter_mut().filter(|turn| Some(turn.kind) == kind) {
                        turn.unspoken = true;
                    }
                }
                self.wake();
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            let now = Instant::now();
            let due = self.begin(now);
            if !self.events.is_empty() {
                continue;
            }
            let again = self.promise.as_ref().map(|(_, at)| *at);
            if again.is_some_and(|at| at <= now) {
                self.promise(now);
                continue;
            }
            self.waker = Some(cx.waker().clone());
            let Some(at) = [due, again].into_iter().flatten().min() else {
                self.timer = None;
                return Poll::Pending;
            };
            if self.timer.as_ref().is_none_or(|(set, _)| *set != at) {
                // A browser takes longer sleeps for none.
                let sleep = at.saturating_duration_since(now).min(LONGEST_PAUSE);
                self.timer = Some((at, Delay::new(sleep)));
            }
            let Some((_, delay)) = &mut self.timer else {
                return Poll::Pending;
            };
            if delay.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
    }
}
