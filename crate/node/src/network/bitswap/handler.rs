//! One connection's substreams: one outbound, opened when there is something to say and used again while the talk
//! goes on; inbound ones are read until the peer closes them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncWrite, FutureExt};
use futures_timer::Delay;
use libp2p::Stream;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};
use web_time::Instant;

use super::super::frame::{Reader, Writer};
use super::message::Message;
use super::{
    FRAME_TIMEOUT, MAX_FRAME_BYTES, MAX_INBOUND_STREAMS, MAX_PARTIAL_BYTES, PROTOCOL, SEND_TIMEOUT,
    STREAM_REUSE,
};

/// Streams being closed at once.
const MAX_CLOSING: usize = 16;

/// What a connection tells the behaviour.
#[derive(Debug)]
pub enum Said {
    /// A message came.
    Received(Message),
    /// The last message left.
    Sent,
    /// The last message could not be sent.
    Failed,
    /// The peer does not speak bitswap.
    Mute,
    /// The peer sent something that is not bitswap.
    Broken,
}

/// The outbound side. At most one message is on its way.
#[derive(Debug)]
enum Outbound {
    Closed,
    /// The message waits for a stream.
    Opening(Writer),
    /// A stream with nothing to write, until the timer ends.
    Open(Stream, Delay),
    /// `reused`: the stream may be dead already, then another one is opened.
    Writing {
        stream: Stream,
        writer: Writer,
        reused: bool,
        timeout: Delay,
    },
}

#[derive(Debug)]
struct Inbound {
    stream: Stream,
    reader: Reader,
    /// When the frame that is unfinished began.
    since: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub struct Handler {
    outbound: Outbound,
    wants_stream: bool,
    /// Streams whose end is being said; at most [`MAX_CLOSING`].
    closing: VecDeque<Stream>,
    inbound: VecDeque<Inbound>,
    sweep: Option<Delay>,
    said: VecDeque<Said>,
    mute: bool,
}

type Event = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), Said>;

impl Handler {
    pub(super) fn new() -> Handler {
        Handler {
            outbound: Outbound::Closed,
            wants_stream: false,
            closing: VecDeque::new(),
            inbound: VecDeque::new(),
            sweep: None,
            said: VecDeque::new(),
            mute: false,
        }
    }

    fn open(&mut self, writer: Writer) {
        self.outbound = Outbound::Opening(writer);
        self.wants_stream = true;
    }

    fn close(&mut self, stream: Stream) {
        if self.closing.len() >= MAX_CLOSING {
            self.closing.pop_front();
        }
        self.closing.push_back(stream);
    }

    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> Option<Said> {
        loop {
            match std::mem::replace(&mut self.outbound, Outbound::Closed) {
                Outbound::Closed => return None,
                Outbound::Opening(writer) => {
                    self.outbound = Outbound::Opening(writer);
                    return None;
                }
                Outbound::Open(stream, mut until) => {
                    if until.poll_unpin(cx).is_pending() {
                        self.outbound = Outbound::Open(stream, until);
                        return None;
                    }
                    self.close(stream);
                }
                Outbound::Writing {
                    mut stream,
                    mut writer,
                    reused,
                    mut timeout,
                } => match writer.poll_write(&mut stream, cx) {
                    Poll::Ready(Ok(())) => {
                        self.outbound = Outbound::Open(stream, Delay::new(STREAM_REUSE));
                        return Some(Said::Sent);
                    }
                    Poll::Ready(Err(_)) if reused => {
                        writer.rewind();
                        self.open(writer);
                    }
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "a bitswap message was not sent");
                        return Some(Said::Failed);
                    }
                    Poll::Pending if timeout.poll_unpin(cx).is_ready() => {
                        return Some(Said::Failed);
                    }
                    Poll::Pending => {
                        self.outbound = Outbound::Writing {
                            stream,
                            writer,
                            reused,
                            timeout,
                        };
                        return None;
                    }
                },
            }
        }
    }

    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Option<Said> {
        // Each stream is looked at once; the one that spoke goes last, so that none talks the others down.
        for _ in 0..self.inbound.len() {
            let mut inbound = self.inbound.pop_front()?;
            match inbound.reader.poll_frame(&mut inbound.stream, cx) {
                Poll::Ready(Ok(Some(frame))) => match Message::decode(frame) {
                    Ok(message) => {
                        inbound.since = None;
                        self.inbound.push_back(inbound);
                        return Some(Said::Received(message));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "bad bitswap message");
                        return Some(Said::Broken);
                    }
                },
                Poll::Ready(Ok(None)) => self.close(inbound.stream),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "bad bitswap stream");
                    if error.is_offence() {
                        return Some(Said::Broken);
                    }
                }
                Poll::Pending => {
                    inbound.since = match inbound.reader.held() {
                        0 => None,
                        _ => inbound.since.or_else(|| Some(Instant::now())),
                    };
                    self.inbound.push_back(inbound);
                    let held: usize = self
                        .inbound
                        .iter()
                        .map(|inbound| inbound.reader.held())
                        .sum();
                    if held > MAX_PARTIAL_BYTES {
                        self.inbound.pop_back();
                        return Some(Said::Broken);
                    }
                }
            }
        }
        None
    }

    /// Drops frames that do not get on. A slow peer is not an offender.
    fn poll_sweep(&mut self, cx: &mut Context<'_>) {
        if self.inbound.iter().all(|inbound| inbound.since.is_none()) {
            self.sweep = None;
            return;
        }
        let sweep = self.sweep.get_or_insert_with(|| Delay::new(FRAME_TIMEOUT));
        while sweep.poll_unpin(cx).is_ready() {
            self.inbound.retain(|inbound| {
                inbound
                    .since
                    .is_none_or(|since| since.elapsed() < FRAME_TIMEOUT)
            });
            sweep.reset(FRAME_TIMEOUT);
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Message;
    type ToBehaviour = Said;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    /// A connection to a peer with blocks is kept: following a document is mostly waiting.
    fn connection_keep_alive(&self) -> bool {
        !self.mute
    }

    fn on_behaviour_event(&mut self, message: Message) {
        let writer = Writer::new(&message.encode());
        match std::mem::replace(&mut self.outbound, Outbound::Closed) {
            Outbound::Open(stream, _) => {
                let timeout = Delay::new(SEND_TIMEOUT);
                self.outbound = Outbound::Writing {
                    stream,
                    writer,
                    reused: true,
                    timeout,
                };
            }
            Outbound::Closed => self.open(writer),
            busy => {
                // The behaviour waits for `Sent`; were it not to, the second message would be the one that is lost.
                self.outbound = busy;
                self.said.push_back(Said::Failed);
            }
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, ReadyUpgrade<StreamProtocol>, ReadyUpgrade<StreamProtocol>>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => {
                if self.inbound.len() >= MAX_INBOUND_STREAMS {
                    // One at rest makes room; its peer opens another when it has something to say.
                    match self
                        .inbound
                        .iter()
                        .position(|inbound| inbound.reader.held() == 0)
                    {
                        Some(place) => drop(self.inbound.remove(place)),
                        None => return,
                    }
                }
                self.inbound.push_back(Inbound {
                    stream,
                    reader: Reader::new(MAX_FRAME_BYTES),
                    since: None,
                });
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                ..
            }) => match std::mem::replace(&mut self.outbound, Outbound::Closed) {
                Outbound::Opening(writer) => {
                    let timeout = Delay::new(SEND_TIMEOUT);
                    self.outbound = Outbound::Writing {
                        stream,
                        writer,
                        reused: false,
                        timeout,
                    };
                }
                other => self.outbound = other,
            },
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                if let Outbound::Opening(_) = self.outbound {
                    self.outbound = Outbound::Closed;
                }
                self.said.push_back(match error {
                    StreamUpgradeError::NegotiationFailed => {
                        self.mute = true;
                        Said::Mute
                    }
                    _ => Said::Failed,
                });
            }
            _ => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if std::mem::take(&mut self.wants_stream) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        let said = self
            .said
            .pop_front()
            .or_else(|| self.poll_outbound(cx))
            .or_else(|| self.poll_inbound(cx));
        if let Some(said) = said {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(said));
        }
        if self.wants_stream {
            return self.poll(cx);
        }
        self.closing
            .retain_mut(|stream| Pin::new(stream).poll_close(cx).is_pending());
        self.poll_sweep(cx);
        Poll::Pending
    }
}
