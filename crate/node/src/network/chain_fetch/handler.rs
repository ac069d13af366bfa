//! One connection's streams. One that this node opened carries one question at a time and its answer, and rests until the
//! next; one rests from the start, so that a question need not wait for a stream to be agreed on.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
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

use super::super::frame::{FrameError, Reader, Writer};
use super::message::{Item, Part, Want, decode_request};
use super::{
    ANSWER_TIMEOUT, AskId, GRACE, LEAST_RATE, MAX_FRAME_BYTES, MAX_IDLE, MAX_INBOUND_STREAMS,
    MAX_REQUEST_BYTES, PROTOCOL, Refusal, SEND_TIMEOUT,
};

/// How often silence is looked for while something is awaited.
const SWEEP: Duration = Duration::from_secs(1);

/// What the behaviour tells a connection.
#[derive(Debug)]
pub enum Order {
    /// Opens a stream to rest.
    Prepare,
    /// Sends a request.
    Ask(AskId, Vec<u8>),
    /// Reads on.
    GoOn(AskId),
    /// Nobody waits for this answer any more.
    Cancel(AskId),
    /// Sends a frame of an answer, the last one or not.
    Answer(u64, Vec<u8>, bool),
    /// Gives an answer up.
    HangUp(u64),
}

/// What a connection tells the behaviour.
#[derive(Debug)]
pub enum Said {
    /// A part of an answer came.
    Part(AskId, Vec<Item>),
    /// An answer is over.
    Ended(AskId, Option<Refusal>),
    /// A request came.
    Asked(u64, Vec<Want>),
    /// The last frame of an answer left, and more is to come.
    Sent(u64),
    /// Nobody waits for this answer any more.
    Gone(u64),
    /// An answer was sent to its end.
    Done(u64),
    /// Something came that is no request.
    Broken,
}

/// A question of ours.
#[derive(Debug)]
struct Question {
    id: AskId,
    request: Vec<u8>,
    /// Nothing while one is opened.
    stream: Option<Stream>,
    /// Whether the stream rested before: then it may be dead, and another one is opened.
    rested: bool,
    writer: Option<Writer>,
    reader: Reader,
    /// Whether anything was read of the answer.
    begun: bool,
    /// What came waits to be worked through.
    paused: bool,
    /// Since when it is waited for.
    since: Option<Instant>,
    /// How long it was waited for before that.
    waited: Duration,
    bytes: u64,
}

/// A stream of theirs.
#[derive(Debug)]
struct Inbound {
    number: u64,
    stream: Stream,
    reader: Reader,
    state: State,
    /// Since when a request is unfinished, or a frame does not leave.
    since: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Reading,
    /// The next frame is being made.
    Waiting,
    Writing(Writer, bool),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Handler {
    questions: VecDeque<Question>,
    idle: VecDeque<Stream>,
    inbound: VecDeque<Inbound>,
    said: VecDeque<Said>,
    /// Streams to open.
    wanted: usize,
    numbers: u64,
    sweep: Option<Delay>,
}

type Event = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), Said>;

impl Question {
    fn new(id: AskId, request: Vec<u8>) -> Question {
        Question {
            id,
            request,
            stream: None,
            rested: false,
            writer: None,
            reader: Reader::new(MAX_FRAME_BYTES),
            begun: false,
            paused: false,
            since: None,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    fn take(&mut self, stream: Stream, rested: bool) {
        self.writer = Some(Writer::new(&self.request));
        self.stream = Some(stream);
        self.rested = rested;
    }

    /// One step: nothing if it waits, else what is to be said; `None` inside if another stream is needed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        if let Some(writer) = &mut self.writer {
            match writer.poll_write(stream, cx) {
                Poll::Ready(Ok(())) => self.writer = None,
                Poll::Ready(Err(_)) => return Poll::Ready(self.cut()),
                Poll::Pending => {
                    self.since.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
        if self.paused {
            return Poll::Pending;
        }
        let frame = match self.reader.poll_frame(stream, cx) {
            Poll::Ready(Ok(Some(frame))) => frame,
            Poll::Ready(Ok(None) | Err(FrameError::Io(_) | FrameError::Truncated)) => {
                return Poll::Ready(self.cut());
            }
            Poll::Ready(Err(FrameError::TooLarge)) => return self.end(Some(Refusal::TooLarge)),
            Poll::Ready(Err(FrameError::BadLength)) => return self.end(Some(Refusal::Malformed)),
            Poll::Pending => {
                self.since.get_or_insert_with(Instant::now);
                return Poll::Pending;
            }
        };
        self.begun = true;
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(since.elapsed());
        }
        self.bytes = self.bytes.saturating_add(frame.len() as u64);
        if frame.is_empty() {
            return self.end(None);
        }
        match Part::decode(&frame) {
            Ok(items) => {
                self.paused = true;
                Poll::Ready(Some(Said::Part(self.id, items)))
            }
            Err(refusal) => self.end(Some(refusal)),
        }
    }

    fn end(&self, refusal: Option<Refusal>) -> Poll<Option<Said>> {
        Poll::Ready(Some(Said::Ended(self.id, refusal)))
    }

    /// The stream is dead.
    fn cut(&mut self) -> Option<Said> {
        if self.rested && !self.begun {
            self.stream = None;
            return None;
        }
        Some(Said::Ended(self.id, Some(Refusal::Cut)))
    }

    /// Whether it was waited for too long.
    fn is_late(&self) -> Option<Refusal> {
        let now = self.since?.elapsed();
        let waited = self.waited.saturating_add(now);
        let least = waited.as_secs().saturating_mul(LEAST_RATE);
        match now {
            // A frame that is on its way takes as long as the line is slow.
            _ if now >= ANSWER_TIMEOUT && self.reader.held() == 0 => Some(Refusal::Silent),
            _ if waited >= GRACE
                && self.bytes.saturating_add(self.reader.held() as u64) < least =>
            {
                Some(Refusal::Slow)
            }
            _ => None,
        }
    }
}

impl Handler {
    fn poll_questions(&mut self, cx: &mut Context<'_>) -> Option<Said> {
        for _ in 0..self.questions.len() {
            let mut question = self.questions.pop_front()?;
            match question.poll(cx) {
                Poll::Pending => self.questions.push_back(question),
                Poll::Ready(None) => {
                    self.wanted = self.wanted.saturating_add(1);
                    self.questions.push_back(question);
                }
                Poll::Ready(Some(Said::Ended(id, refusal))) => {
                    if let (None, Some(stream)) = (refusal, question.stream) {
                        self.rest(stream);
                    }
                    return Some(Said::Ended(id, refusal));
                }
                Poll::Ready(Some(said)) => {
                    self.questions.push_back(question);
                    return Some(said);
                }
            }
        }
        None
    }

    fn rest(&mut self, stream: Stream) {
        let waiting = self.questions.iter_mut();
        match waiting
            .into_iter()
            .find(|question| question.stream.is_none())
        {
            Some(question) => question.take(stream, true),
            None if self.idle.len() < MAX_IDLE => self.idle.push_back(stream),
            None => {}
        }
    }

    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Option<Said> {
        for _ in 0..self.inbound.len() {
            let mut inbound = self.inbound.pop_front()?;
            let number = inbound.number;
            match &mut inbound.state {
                State::Waiting => self.inbound.push_back(inbound),
                State::Reading => match inbound.reader.poll_frame(&mut inbound.stream, cx) {
                    Poll::Ready(Ok(Some(frame))) => {
                        let Ok(wants) = decode_request(&frame) else {
                            return Some(Said::Broken);
                        };
                        self.numbers = self.numbers.saturating_add(1);
                        inbound.number = self.numbers;
                        (inbound.state, inbound.since) = (State::Waiting, None);
                        self.inbound.push_back(inbound);
                        return Some(Said::Asked(self.numbers, wants));
                    }
                    Poll::Ready(Ok(None)) => {}
                    Poll::Ready(Err(error)) if error.is_offence() => return Some(Said::Broken),
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => {
                        inbound.since = match inbound.reader.held() {
                            0 => None,
                            _ => inbound.since.or_else(|| Some(Instant::now())),
                        };
                        self.inbound.push_back(inbound);
                    }
                },
                State::Writing(writer, last) => match writer.poll_write(&mut inbound.stream, cx) {
                    Poll::Ready(Ok(())) => {
                        let last = *last;
                        inbound.since = None;
                        inbound.state = match last {
                            true => State::Reading,
                            false => State::Waiting,
                        };
                        // The next request may be there already.
                        self.inbound.push_front(inbound);
                        return Some(match last {
                            true => Said::Done(number),
                            false => Said::Sent(number),
                        });
                    }
                    Poll::Ready(Err(_)) => return Some(Said::Gone(number)),
                    Poll::Pending => {
                        inbound.since.get_or_insert_with(Instant::now);
                        self.inbound.push_back(inbound);
                    }
                },
            }
        }
        None
    }

    /// Looks for what does not get on.
    fn poll_sweep(&mut self, cx: &mut Context<'_>) {
        let asked = self.questions.iter().any(|one| one.since.is_some());
        if !asked && self.inbound.iter().all(|inbound| inbound.since.is_none()) {
            self.sweep = None;
            return;
        }
        let sweep = self.sweep.get_or_insert_with(|| Delay::new(SWEEP));
        while sweep.poll_unpin(cx).is_ready() {
            let said = &mut self.said;
            self.questions.retain(|question| match question.is_late() {
                Some(refusal) => {
                    said.push_back(Said::Ended(question.id, Some(refusal)));
                    false
                }
                None => true,
            });
            self.inbound.retain(|inbound| {
                let late = (inbound.since).is_some_and(|since| since.elapsed() >= SEND_TIMEOUT);
                if late && !matches!(inbound.state, State::Reading) {
                    said.push_back(Said::Gone(inbound.number));
                }
                !late
            });
            sweep.reset(SWEEP);
        }
    }

    fn opened(&mut self, stream: Stream) {
        let mut waiting = self.questions.iter_mut();
        match waiting.find(|question| question.stream.is_none()) {
            Some(question) => question.take(stream, false),
            None if self.idle.len() < MAX_IDLE => self.idle.push_back(stream),
            None => {}
        }
    }

    fn answering(&mut self, number: u64) -> Option<&mut Inbound> {
        let mut inbound = self.inbound.iter_mut();
        inbound.find(|inbound| inbound.number == number && matches!(inbound.state, State::Waiting))
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = Said;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn connection_keep_alive(&self) -> bool {
        !self.questions.is_empty()
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Prepare => {
                if self.idle.is_empty() && self.questions.is_empty() {
                    self.wanted = self.wanted.saturating_add(1);
                }
            }
            Order::Ask(id, request) => {
                let mut question = Question::new(id, request);
                match self.idle.pop_front() {
                    Some(stream) => question.take(stream, true),
                    None => self.wanted = self.wanted.saturating_add(1),
                }
                self.questions.push_back(question);
            }
            Order::GoOn(id) => {
                let mut questions = self.questions.iter_mut();
                if let Some(question) = questions.find(|question| question.id == id) {
                    question.paused = false;
                }
            }
            Order::Cancel(id) => self.questions.retain(|question| question.id != id),
            Order::Answer(number, body, last) => {
                if let Some(inbound) = self.answering(number) {
                    let writer = match (body.is_empty(), last) {
                        (true, _) => Writer::new(&[]),
                        (false, true) => Writer::new(&body).with_end(),
                        (false, false) => Writer::new(&body),
                    };
                    inbound.state = State::Writing(writer, last || body.is_empty());
                }
            }
            Order::HangUp(number) => self.inbound.retain(|inbound| {
                inbound.number != number || matches!(inbound.state, State::Reading)
            }),
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
                    // One at rest makes room; its peer opens another when it has something to ask.
                    let at_rest = |inbound: &Inbound| {
                        matches!(inbound.state, State::Reading) && inbound.reader.held() == 0
                    };
                    match self.inbound.iter().position(at_rest) {
                        Some(place) => drop(self.inbound.remove(place)),
                        None => return,
                    }
                }
                self.inbound.push_back(Inbound {
                    number: 0,
                    stream,
                    reader: Reader::new(MAX_REQUEST_BYTES),
                    state: State::Reading,
                    since: None,
                });
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                ..
            }) => self.opened(stream),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                let refusal = match error {
                    StreamUpgradeError::NegotiationFailed => Refusal::Unspoken,
                    _ => Refusal::Cut,
                };
                let waits = |question: &Question| question.stream.is_none();
                if let Some(place) = self.questions.iter().position(waits)
                    && let Some(question) = self.questions.remove(place)
                {
                    self.said.push_back(Said::Ended(question.id, Some(refusal)));
                }
            }
            _ => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(left) = self.wanted.checked_sub(1) {
                self.wanted = left;
                let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            let said = (self.said.pop_front())
                .or_else(|| self.poll_questions(cx))
                .or_else(|| self.poll_inbound(cx));
            if let Some(said) = said {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(said));
            }
            if self.wanted > 0 {
                continue;
            }
            self.poll_sweep(cx);
            if self.said.is_empty() {
                return Poll::Pending;
            }
        }
    }
}
