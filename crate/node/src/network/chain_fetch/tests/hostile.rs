//! A peer that opens streams of the protocol and writes whatever bytes it likes.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, StreamProtocol, SubstreamProtocol, SwarmEvent, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream};

use super::super::PROTOCOL;

/// A frame with this body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    [
        unsigned_varint::encode::usize(body.len(), &mut buffer),
        body,
    ]
    .concat()
}

/// What it does with a question.
#[derive(Clone)]
pub enum Script {
    /// Writes this, and keeps the stream open.
    Say(Vec<u8>),
    /// Writes a byte of it at a time.
    Drip(Vec<u8>),
}

pub struct Hostile {
    script: Script,
    /// What is written at once, each on a stream of its own.
    asks: Vec<Vec<u8>>,
}

impl Hostile {
    /// Listens, and does that with every question.
    pub async fn answers(script: Script) -> Multiaddr {
        let mut swarm = super::swarm(Hostile {
            script,
            asks: vec![],
        });
        let address = super::listen(&mut swarm).await;
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        address
    }

    /// Writes each of these as a question, until it is disconnected.
    pub async fn asks(to: Multiaddr, asks: Vec<Vec<u8>>) {
        let script = Script::Say(vec![]);
        let mut swarm = super::swarm(Hostile { script, asks });
        swarm.dial(to).expect("dials");
        while !matches!(
            swarm.select_next_some().await,
            SwarmEvent::ConnectionClosed { .. }
        ) {}
    }
}

pub struct Handler {
    script: Script,
    asks: VecDeque<Vec<u8>>,
}

async fn play(mut stream: Stream, script: Script) {
    let mut request = [0; 16];
    let _ = stream.read(&mut request).await;
    match script {
        Script::Say(bytes) => {
            // The other side may close at any time.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
        }
        Script::Drip(bytes) => {
            for byte in bytes {
                let _ = stream.write_all(&[byte]).await;
                let _ = stream.flush().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Kept open, as an attacker would.
    std::future::pending::<()>().await;
}

impl ConnectionHandler for Handler {
    type FromBehaviour = std::convert::Infallible;
    type ToBehaviour = std::convert::Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Vec<u8>;

    fn listen_protocol(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, event: std::convert::Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            ReadyUpgrade<StreamProtocol>,
            ReadyUpgrade<StreamProtocol>,
            (),
            Vec<u8>,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(opened) => {
                let (mut stream, bytes) = (opened.protocol, opened.info);
                tokio::spawn(async move {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.flush().await;
                    std::future::pending::<()>().await;
                });
            }
            ConnectionEvent::FullyNegotiatedInbound(opened) => {
                tokio::spawn(play(opened.protocol, self.script.clone()));
            }
            _ => {}
        }
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Vec<u8>, std::convert::Infallible>>
    {
        match self.asks.pop_front() {
            Some(bytes) => {
                let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), bytes);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            None => Poll::Pending,
        }
    }
}

impl NetworkBehaviour for Hostile {
    type ConnectionHandler = Handler;
    type ToSwarm = std::convert::Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler {
            script: self.script.clone(),
            asks: self.asks.clone().into(),
        })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler {
            script: self.script.clone(),
            asks: self.asks.clone().into(),
        })
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
