//! The behaviour: joins the client's and the server's books with the connections.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cid::Cid;
use futures::FutureExt;
use futures_timer::Delay;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler,
    THandlerInEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use ostrakon_protocol::block::Block;
use ostrakon_protocol::sorted::SortedMap;
use web_time::Instant;

use super::handler::{Handler, Said};
use super::ledger::Ledger;
use super::message::Message;
use super::wants::Wants;
use super::{Counts, Event, MAX_OFFENCES, Wanted};

/// How often silence is looked for while answers are awaited.
const TICK: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
struct Peer {
    connections: Vec<ConnectionId>,
    ledger: Ledger,
    /// The message that has not left yet, and where it was given.
    in_flight: Option<(ConnectionId, Message)>,
    offences: u32,
    mute: bool,
}

/// Bitswap for a swarm; see the module above.
#[derive(Debug, Default)]
pub struct Behaviour {
    wants: Wants,
    peers: SortedMap<PeerId, Peer>,
    /// Peers with something to send or to look up.
    restless: VecDeque<PeerId>,
    events: VecDeque<ToSwarm<Event, Message>>,
    counts: Counts,
    tick: Option<Delay>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// Starts fetching blocks; `providers` are asked first. Each CID ends in exactly one [`Event::Block`] or
    /// [`Event::Missing`], unless it is cancelled.
    pub fn get(&mut self, cids: impl IntoIterator<Item = Cid>, providers: &[PeerId]) {
        self.wants.add(cids, providers, Instant::now());
        self.wake();
    }

    /// Stops fetching a block.
    pub fn cancel(&mut self, cid: &Cid) {
        self.wants.end(cid, Instant::now());
        self.wake();
    }

    /// Answers an [`Event::Wanted`]: the block, or that there is none.
    pub fn answer(&mut self, wanted: Wanted, block: Option<Block>) {
        // A block of another CID is no answer.
        let block = block.filter(|block| *block.cid() == wanted.cid);
        if let Some(peer) = self.peers.get_mut(&wanted.peer) {
            peer.ledger.answer(&wanted.cid, block.as_ref());
            self.restless.push_back(wanted.peer);
            self.wake();
        }
    }

    /// A block is kept from now on: peers who asked for it in vain get it.
    pub fn offer(&mut self, block: &Block) {
        for (id, peer) in &mut self.peers {
            if peer.ledger.offer(block) {
                self.restless.push_back(*id);
            }
        }
        self.wake();
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn receive(&mut self, from: PeerId, message: Message) {
        let now = Instant::now();
        self.counts.unusable = self.counts.unusable.saturating_add(message.unusable);
        for block in message.blocks {
            if self.wants.block(from, block.cid(), now) {
                self.counts.blocks += 1;
                self.events
                    .push_back(ToSwarm::GenerateEvent(Event::Block { block, from }));
            } else {
                self.counts.unasked += 1;
            }
        }
        for cid in message.dont_have {
            self.wants.dont_have(from, &cid, now);
        }
        // HAVE is an answer to a question this client does not ask: it asks for the block itself.
        if (message.full || !message.entries.is_empty())
            && let Some(peer) = self.peers.get_mut(&from)
        {
            self.counts.refused += peer.ledger.receive(message.full, message.entries);
            self.restless.push_back(from);
        }
    }

    /// Hands wants of a peer to the store, and the next message to its connection.
    fn serve(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| !peer.mute) else {
            return;
        };
        while let Some((cid, kind)) = peer.ledger.next_wanted() {
            self.events
                .push_back(ToSwarm::GenerateEvent(Event::Wanted(Wanted {
                    peer: id,
                    cid,
                    kind,
                })));
        }
        if peer.in_flight.is_some() {
            return;
        }
        let Some(connection) = peer.connections.first().copied() else {
            return;
        };
        let (entries, full) = self.wants.take_entries(&id);
        let mut message = Message {
            full,
            entries,
            ..Message::default()
        };
        peer.ledger.fill(&mut message);
        if message.is_empty() {
            return;
        }
        self.counts.served = self
            .counts
            .served
            .saturating_add(message.blocks.len() as u64);
        peer.in_flight = Some((connection, message.clone()));
        self.events.push_back(ToSwarm::NotifyHandler {
            peer_id: id,
            handler: NotifyHandler::One(connection),
            event: message,
        });
    }

    fn closed(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.connections.retain(|open| *open != connection);
        let Some(next) = peer.connections.first().copied() else {
            self.peers.remove(&id);
            self.wants.disconnected(id, Instant::now());
            return;
        };
        if let Some((used, message)) = &mut peer.in_flight
            && *used == connection
        {
            *used = next;
            let event = message.clone();
            self.events.push_back(ToSwarm::NotifyHandler {
                peer_id: id,
                handler: NotifyHandler::One(next),
                event,
            });
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
        Ok(Handler::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new())
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
                if peer.connections.len() == 1 {
                    self.wants.connected(peer_id, Instant::now());
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => {
                self.closed(peer_id, connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, id: PeerId, connection: ConnectionId, said: Said) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let ours = peer
            .in_flight
            .as_ref()
            .is_some_and(|(used, _)| *used == connection);
        match said {
            Said::Received(message) => self.receive(id, message),
            Said::Sent if ours => {
                peer.in_flight = None;
                self.restless.push_back(id);
            }
            Said::Failed if ours => {
                peer.in_flight = None;
                self.wants.lost(id, now);
                self.restless.push_back(id);
            }
            Said::Mute => {
                peer.in_flight = None;
                peer.mute = true;
                self.wants.mute(id, now);
            }
            Said::Broken => {
                self.counts.broken += 1;
                peer.offences += 1;
                if peer.offences >= MAX_OFFENCES {
                    let connection = CloseConnection::All;
                    self.events.push_back(ToSwarm::CloseConnection {
                        peer_id: id,
                        connection,
                    });
                }
            }
            Said::Sent | Said::Failed => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if let Some(cid) = self.wants.next_missing() {
                return Poll::Ready(ToSwarm::GenerateEvent(Event::Missing { cid }));
            }
            if let Some(id) = self
                .restless
                .pop_front()
                .or_else(|| self.wants.next_touched())
            {
                self.serve(id);
                continue;
            }
            if !self.wants.is_waiting() {
                self.tick = None;
                break;
            }
            let tick = self.tick.get_or_insert_with(|| Delay::new(TICK));
            if tick.poll_unpin(cx).is_pending() {
                break;
            }
            tick.reset(TICK);
            self.wants.tick(Instant::now());
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
