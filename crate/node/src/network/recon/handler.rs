//! One connection's substreams: each is one conversation, its bytes made messages and the other way round.
//!
//! A hostile peer can open streams without end ([`MAX_CALLS`]), say nothing ([`PATIENCE`]) or talk faster than anyone listens
//! ([`MAX_HEARD`]: then the stream is not read).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite, FutureExt};
use futures_timer::Delay;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};

use super::frame::{Decoder, Kind, Message};

/// Conversations that a peer may have begun on one connection; one about each kind is what an honest one has.
pub const MAX_CALLS: usize = 3;
/// How long a conversation may stand still, on either way.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Messages heard before the behaviour has dealt with them.
pub const MAX_HEARD: usize = 64;
/// Bytes of messages heard before the behaviour has dealt with them, not counting the last.
pub const MAX_HEARD_BYTES: usize = 256 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

impl Kind {
    fn protocol(self) -> StreamProtocol {
        StreamProtocol::new(match self {
            Kind::Peer => "/ceramic/recon/0.1.0/peer",
            Kind::Model => "/ceramic/recon/0.1.0/model",
            Kind::Tile => "/ostrakon/recon/0.1.0/tile",
        })
    }
}

/// The kinds that are spoken about.
#[derive(Clone, Debug)]
pub struct Names(pub(super) Vec<Kind>);

impl UpgradeInfo for Names {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        let names: Vec<StreamProtocol> = self.0.iter().map(|kind| kind.protocol()).collect();
        names.into_iter()
    }
}

impl Names {
    fn take(self, stream: Stream, name: &StreamProtocol) -> (Option<Kind>, Stream) {
        let mut kinds = self.0.into_iter();
        (kinds.find(|kind| kind.protocol() == *name), stream)
    }
}

impl InboundUpgrade<Stream> for Names {
    type Output = (Option<Kind>, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        ready(Ok(self.take(stream, &name)))
    }
}

impl OutboundUpgrade<Stream> for Names {
    type Output = (Option<Kind>, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        ready(Ok(self.take(stream, &name)))
    }
}

/// What the behaviour wants of a connection. The number names a conversation: even ones this side began.
#[derive(Debug)]
pub enum Order {
    /// Begin a conversation.
    Open(u64, Kind),
    /// Send this; answered by [`Said::Sent`].
    Send(u64, Vec<u8>),
    /// What was heard was dealt with.
    Listen(u64),
    /// Drop the stream.
    Drop(u64),
}

/// What a connection tells the behaviour.
#[derive(Debug)]
pub enum Said {
    /// The peer begins a conversation.
    Called(u64, Kind),
    /// It takes part in a conversation that this side began.
    Opened(u64),
    /// These messages came. Nothing more is read before [`Order::Listen`].
    Heard(u64, Vec<Message>),
    /// All that was to be sent is sent.
    Sent(u64),
    /// The stream is gone, by the peer's will or for this reason.
    Gone(u64, Option<&'static str>),
    /// The peer does not speak about this.
    Unspoken(u64),
}

/// A stream and what is on its way.
struct Line {
    id: u64,
    stream: Stream,
    decoder: Decoder,
    listens: bool,
    ended: bool,
    unsent: Vec<u8>,
    sent: usize,
    patience: Delay,
}

/// See the module.
pub struct Handler {
    names: Names,
    lines: Vec<Line>,
    opening: VecDeque<(u64, Kind)>,
    asked: VecDeque<(u64, Kind)>,
    said: VecDeque<Said>,
    next: u64,
}

type Event = ConnectionHandlerEvent<Names, (), Said>;

impl Line {
    /// Writes what it can. Ready once all of it left.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while let Some(rest) = self.unsent.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let written = futures::ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.sent = self.sent.saturating_add(written);
            self.patience.reset(PATIENCE);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Reads what is there, as far as it makes messages.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Vec<Message>, Option<&'static str>> {
        let (mut heard, mut bytes) = (Vec::new(), 0_usize);
        let mut chunk = [0; READ_BYTES];
        loop {
            while heard.len() < MAX_HEARD && bytes < MAX_HEARD_BYTES {
                let before = self.decoder.held();
                match self.decoder.take() {
                    Ok(Some(message)) => heard.push(message),
                    Ok(None) => break,
                    Err(error) => return Err(Some(error.code())),
                }
                bytes = bytes.saturating_add(before.saturating_sub(self.decoder.held()));
            }
            if heard.len() >= MAX_HEARD || bytes >= MAX_HEARD_BYTES {
                return Ok(heard);
            }
            if self.ended {
                // What came before the end is heard first.
                return if heard.is_empty() {
                    Err(None)
                } else {
                    Ok(heard)
                };
            }
            match Pin::new(&mut self.stream).poll_read(cx, &mut chunk) {
                Poll::Pending => return Ok(heard),
                Poll::Ready(Ok(0) | Err(_)) => self.ended = true,
                Poll::Ready(Ok(read)) => self.decoder.push(chunk.get(..read).unwrap_or_default()),
            }
        }
    }

    /// What there is to say about it now; the flag says whether the stream is to go.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<(Said, bool)> {
        let writes = !self.unsent.is_empty();
        if writes {
            match self.write(cx) {
                Poll::Ready(Ok(())) => {
                    self.unsent = Vec::new();
                    self.sent = 0;
                    return Some((Said::Sent(self.id), false));
                }
                Poll::Ready(Err(_)) => return Some((Said::Gone(self.id, None), true)),
                Poll::Pending => {}
            }
        }
        if self.listens {
            match self.read(cx) {
                Ok(heard) if heard.is_empty() => {}
                Ok(heard) => {
                    self.listens = false;
                    self.patience.reset(PATIENCE);
                    return Some((Said::Heard(self.id, heard), false));
                }
                Err(why) => return Some((Said::Gone(self.id, why), true)),
            }
        }
        // While this side thinks, the peer is not to blame.
        let waits = self.listens || writes;
        if waits && self.patience.poll_unpin(cx).is_ready() {
            return Some((Said::Gone(self.id, Some("recon-silent")), true));
        }
        None
    }
}

impl Handler {
    pub(super) fn new(names: Names) -> Handler {
        Handler {
            names,
            lines: Vec::new(),
            opening: VecDeque::new(),
            asked: VecDeque::new(),
            said: VecDeque::new(),
            next: 1,
        }
    }

    fn line(&mut self, id: u64) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.id == id)
    }

    fn add(&mut self, id: u64, kind: Kind, stream: Stream) {
        self.lines.push(Line {
            id,
            stream,
            decoder: Decoder::new(kind),
            listens: true,
            ended: false,
            unsent: Vec::new(),
            sent: 0,
            patience: Delay::new(PATIENCE),
        });
    }

    fn called(&mut self, kind: Option<Kind>, stream: Stream) {
        let calls = self.lines.iter().filter(|line| line.id % 2 == 1).count();
        // One too many is reset.
        if let Some(kind) = kind.filter(|_| calls < MAX_CALLS) {
            let id = self.next;
            self.next = self.next.saturating_add(2);
            self.add(id, kind, stream);
            self.said.push_back(Said::Called(id, kind));
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = Said;
    type InboundProtocol = Names;
    type OutboundProtocol = Names;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Names> {
        SubstreamProtocol::new(self.names.clone(), ())
    }

    fn connection_keep_alive(&self) -> bool {
        !self.lines.is_empty() || !self.asked.is_empty()
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Open(id, kind) => self.opening.push_back((id, kind)),
            Order::Send(id, bytes) => {
                if let Some(line) = self.line(id) {
                    line.unsent = bytes;
                    line.sent = 0;
                    line.patience.reset(PATIENCE);
                }
            }
            Order::Listen(id) => {
                if let Some(line) = self.line(id) {
                    line.listens = true;
                    line.patience.reset(PATIENCE);
                }
            }
            Order::Drop(id) => self.lines.retain(|line| line.id != id),
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Names, Names>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (kind, stream),
                ..
            }) => self.called(kind, stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (_, stream),
                ..
            }) => {
                // Streams come in the order in which they were asked for.
                if let Some((id, kind)) = self.asked.pop_front() {
                    self.add(id, kind, stream);
                    self.said.push_back(Said::Opened(id));
                }
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                if let Some((id, _)) = self.asked.pop_front() {
                    self.said.push_back(match error {
                        StreamUpgradeError::NegotiationFailed => Said::Unspoken(id),
                        _ => Said::Gone(id, None),
                    });
                }
            }
            _ => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        // One at a time, for nothing says which of several streams came.
        if self.asked.is_empty()
            && let Some((id, kind)) = self.opening.pop_front()
        {
            self.asked.push_back((id, kind));
            let protocol = SubstreamProtocol::new(Names(vec![kind]), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if let Some(said) = self.said.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(said));
        }
        for at in 0..self.lines.len() {
            let Some((said, over)) = self.lines.get_mut(at).and_then(|line| line.poll(cx)) else {
                continue;
            };
            if over {
                self.lines.swap_remove(at);
            }
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(said));
        }
        Poll::Pending
    }
}
