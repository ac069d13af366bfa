//! The behaviour: which question and which answer is on which connection.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler,
    THandlerInEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use super::handler::{Handler, Order, Said};
use super::message::{Part, Want, encode_request};
use super::{AnswerId, AskId, Event, MAX_ANSWERS_PER_PEER, MAX_OFFENCES, Refusal};

#[derive(Debug, Default)]
struct Peer {
    connections: Vec<ConnectionId>,
    /// Answers it waits for.
    answers: SortedSet<AnswerId>,
    offences: u32,
}

/// Chain fetch for a swarm; see the module above.
#[derive(Debug, Default)]
pub struct Behaviour {
    peers: SortedMap<PeerId, Peer>,
    /// Where a question was asked.
    asks: SortedMap<AskId, (PeerId, ConnectionId)>,
    events: VecDeque<ToSwarm<Event, Order>>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// A peer speaks the protocol: a stream is opened for the first question.
    pub fn prepare(&mut self, peer: &PeerId) {
        if let Some(connection) = self.connection(peer) {
            self.order(*peer, connection, Order::Prepare);
        }
    }

    /// Asks a peer. Ends in exactly one [`Event::Ended`], unless it is cancelled.
    pub fn ask(&mut self, ask: AskId, peer: PeerId, wants: &[Want]) {
        match self.connection(&peer) {
            Some(connection) => {
                self.asks.insert(ask, (peer, connection));
                self.order(peer, connection, Order::Ask(ask, encode_request(wants)));
            }
            None => self.tell(Event::Ended {
                ask,
                refusal: Some(Refusal::Unspoken),
            }),
        }
    }

    /// The last part of an answer was worked through.
    pub fn go_on(&mut self, ask: AskId) {
        if let Some((peer, connection)) = self.asks.get(&ask).copied() {
            self.order(peer, connection, Order::GoOn(ask));
        }
    }

    /// Stops listening to an answer.
    pub fn cancel(&mut self, ask: AskId) {
        if let Some((peer, connection)) = self.asks.remove(&ask) {
            self.order(peer, connection, Order::Cancel(ask));
        }
    }

    /// Sends the next part of an answer. Nothing more comes after the `last`, or an empty one.
    pub fn answer(&mut self, id: AnswerId, part: Part, last: bool) {
        let peer = self.peers.get(&id.peer);
        if peer.is_some_and(|peer| peer.answers.contains(&id)) {
            let order = Order::Answer(id.number, part.into_bytes(), last);
            self.order(id.peer, id.connection, order);
        }
    }

    /// Gives an answer up; the stream is closed.
    pub fn hang_up(&mut self, id: AnswerId) {
        if let Some(peer) = self.peers.get_mut(&id.peer)
            && peer.answers.remove(&id)
        {
            self.order(id.peer, id.connection, Order::HangUp(id.number));
        }
    }

    fn connection(&self, peer: &PeerId) -> Option<ConnectionId> {
        self.peers.get(peer)?.connections.first().copied()
    }

    fn order(&mut self, peer_id: PeerId, connection: ConnectionId, event: Order) {
        self.push(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event,
        });
    }

    fn tell(&mut self, event: Event) {
        self.push(ToSwarm::GenerateEvent(event));
    }

    fn push(&mut self, event: ToSwarm<Event, Order>) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn closed(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.connections.retain(|open| *open != connection);
        let answers = peer.answers.iter();
        let gone = answers.filter(|answer| answer.connection == connection);
        let gone: Vec<AnswerId> = gone.copied().collect();
        for answer in &gone {
            peer.answers.remove(answer);
        }
        if peer.connections.is_empty() {
            self.peers.remove(&id);
        }
        gone.into_iter()
            .for_each(|id| self.tell(Event::Gone { id }));
        let lost = self.asks.iter();
        let lost = lost.filter(|(_, (_, on))| *on == connection);
        for ask in lost.map(|(ask, _)| *ask).collect::<Vec<_>>() {
            self.ended(ask, Some(Refusal::Cut));
        }
    }

    fn ended(&mut self, ask: AskId, refusal: Option<Refusal>) {
        if self.asks.remove(&ask).is_some() {
            self.tell(Event::Ended { ask, refusal });
        }
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
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            }) => {
                let peer = self.peers.get_or_default(peer_id);
                peer.connections.push(connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => self.closed(peer_id, connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, id: PeerId, connection: ConnectionId, said: Said) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let named = |number| AnswerId {
            peer: id,
            connection,
            number,
        };
        match said {
            Said::Part(ask, items) => {
                if self.asks.contains_key(&ask) {
                    self.tell(Event::Part { ask, items });
                }
            }
            Said::Ended(ask, refusal) => self.ended(ask, refusal),
            Said::Asked(number, _) if peer.answers.len() >= MAX_ANSWERS_PER_PEER => {
                self.order(id, connection, Order::HangUp(number));
            }
            Said::Asked(number, wants) => {
                let id = named(number);
                peer.answers.insert(id);
                self.tell(Event::Asked { id, wants });
            }
            Said::Sent(number) => self.tell(Event::More { id: named(number) }),
            Said::Gone(number) => {
                let id = named(number);
                if peer.answers.remove(&id) {
                    self.tell(Event::Gone { id });
                }
            }
            Said::Done(number) => {
                peer.answers.remove(&named(number));
            }
            Said::Broken => {
                peer.offences = peer.offences.saturating_add(1);
                if peer.offences >= MAX_OFFENCES {
                    self.push(ToSwarm::CloseConnection {
                        peer_id: id,
                        connection: CloseConnection::All,
                    });
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
