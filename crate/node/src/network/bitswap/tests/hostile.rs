//! A peer that opens bitswap substreams and writes whatever bytes it likes.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, Swarm};
use tokio::sync::mpsc;

use super::super::message::wire;
use super::super::*;
use crate::network::frame::Writer;

/// A frame with this message.
pub fn frame(message: &Message) -> Vec<u8> {
    raw_frame(&message.encode())
}

fn raw_frame(body: &[u8]) -> Vec<u8> {
    Writer::new(body).into_bytes()
}

/// Frames that no peer may send.
pub fn garbage_frames() -> Vec<Vec<u8>> {
    let entries = [0x0a, 0x00].repeat(MAX_ITEMS + 1);
    let mut length = unsigned_varint::encode::usize_buffer();
    let mut empty_entries = vec![0x0a];
    empty_entries.extend_from_slice(unsigned_varint::encode::usize(entries.len(), &mut length));
    empty_entries.extend_from_slice(&entries);
    vec![
        // A length beyond the bound, and one without end.
        vec![0x81, 0x80, 0x80, 0x01],
        vec![0xff; 16],
        // No protobuf.
        raw_frame(&[0xff; 100]),
        // A wantlist of empty entries, each of which costs two bytes.
        raw_frame(&empty_entries),
        // Empty payloads.
        raw_frame(&[0x1a, 0x00].repeat(MAX_ITEMS + 1)),
        // A block longer than its message.
        raw_frame(&[0x1a, 0x20, 0x12, 0x7f, 1, 2, 3]),
    ]
}

/// Writes raw bytes on a fresh substream to a peer.
pub fn send(swarm: &mut Swarm<Raw>, to: PeerId, bytes: Vec<u8>) {
    swarm.behaviour_mut().queue.push_back((to, bytes));
}

/// Runs a swarm and nothing else.
pub async fn dumb<B: NetworkBehaviour>(mut swarm: Swarm<B>)
where
    B::ToSwarm: Debug,
{
    loop {
        swarm.select_next_some().await;
    }
}

pub async fn run_until<T>(swarm: &mut Swarm<Raw>, until: impl Future<Output = T>) -> T {
    tokio::pin!(until);
    loop {
        tokio::select! {
            value = &mut until => return value,
            _ = swarm.select_next_some() => {}
        }
    }
}

/// Writes what it is told to, and passes on what it hears.
pub struct Raw {
    queue: VecDeque<(PeerId, Vec<u8>)>,
    heard: mpsc::UnboundedSender<Message>,
}

impl Raw {
    pub fn new() -> (Swarm<Raw>, mpsc::UnboundedReceiver<Message>) {
        let (heard, receiver) = mpsc::unbounded_channel();
        (
            super::swarms::swarm(Raw {
                queue: VecDeque::new(),
                heard,
            }),
            receiver,
        )
    }
}

pub struct RawHandler {
    queue: VecDeque<Vec<u8>>,
    heard: mpsc::UnboundedSender<Message>,
}

impl ConnectionHandler for RawHandler {
    type FromBehaviour = Vec<u8>;
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

    fn on_behaviour_event(&mut self, bytes: Vec<u8>) {
        self.queue.push_back(bytes);
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
                    // The other side may close at any time.
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.flush().await;
                    // Kept open, as an attacker would.
                    std::future::pending::<()>().await;
                });
            }
            ConnectionEvent::FullyNegotiatedInbound(opened) => {
                let (mut stream, heard) = (opened.protocol, self.heard.clone());
                tokio::spawn(async move {
                    while let Ok(length) = unsigned_varint::aio::read_usize(&mut stream).await {
                        let mut body = vec![0; length];
                        if stream.read_exact(&mut body).await.is_err() {
                            return;
                        }
                        let message = Message::decode(Bytes::from(body)).expect("a message");
                        let _ = heard.send(message);
                    }
                });
            }
            _ => {}
        }
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Vec<u8>, std::convert::Infallible>>
    {
        match self.queue.pop_front() {
            Some(bytes) => {
                let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), bytes);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            None => Poll::Pending,
        }
    }
}

impl NetworkBehaviour for Raw {
    type ConnectionHandler = RawHandler;
    type ToSwarm = std::convert::Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<RawHandler, ConnectionDenied> {
        Ok(RawHandler {
            queue: VecDeque::new(),
            heard: self.heard.clone(),
        })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<RawHandler, ConnectionDenied> {
        Ok(RawHandler {
            queue: VecDeque::new(),
            heard: self.heard.clone(),
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
        match self.queue.pop_front() {
            Some((peer_id, event)) => Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::Any,
                event,
            }),
            None => Poll::Pending,
        }
    }
}

/// The schema the tests write by hand is the one the code reads.
#[test]
fn the_wire_form_is_the_one_of_the_specification() {
    use prost::Message as _;
    let block = Block::dag_cbor(&b"\xa0"[..]).expect("a block");
    let message = Message {
        full: true,
        entries: vec![super::want(&block)],
        blocks: vec![block.clone()],
        dont_have: vec![*block.cid()],
        ..Message::default()
    };
    let cid = block.cid().to_bytes();
    assert_eq!(cid.len(), 36);
    let mut expected = vec![0x0a, 46, 0x0a, 42, 0x0a, 36];
    expected.extend_from_slice(&cid);
    // priority 1, sendDontHave true; full true.
    expected.extend_from_slice(&[0x10, 1, 0x28, 1, 0x10, 1]);
    // payload: prefix {1, dag-cbor, sha2-256, 32}, data.
    expected.extend_from_slice(&[0x1a, 9, 0x0a, 4, 1, 0x71, 0x12, 0x20, 0x12, 1, 0xa0]);
    // presence: cid, DontHave.
    expected.extend_from_slice(&[0x22, 40, 0x0a, 36]);
    expected.extend_from_slice(&cid);
    expected.extend_from_slice(&[0x10, 1]);
    assert_eq!(message.encode(), expected);
    assert_eq!(Message::decode(Bytes::from(expected.clone())), Ok(message));
    assert_eq!(
        wire::Message::decode(&expected[..])
            .expect("protobuf")
            .encode_to_vec(),
        expected
    );
}
