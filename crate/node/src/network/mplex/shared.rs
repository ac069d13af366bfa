//! What a connection and its streams share: the socket, what came from it for each stream, and what is to be sent.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use futures::{AsyncRead, AsyncWrite};
use ostrakon_protocol::sorted::SortedMap;

use super::frame::{Head, Id, Kind, decode, encode};
use super::waiting::Waiting;
use super::{FRAME_BYTES, MAX_HELD_BYTES, MAX_STREAMS, MAX_UNSENT_BYTES, UNSENT_BYTES};

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// How often one call reads before it lets others run.
const READS: usize = 64;

#[derive(Debug, Default)]
struct Stream {
    received: BytesMut,
    /// We will send no more.
    closed: bool,
    /// The peer will send no more.
    ended: bool,
    /// The peer is done with it altogether.
    reset: bool,
}

#[derive(Debug)]
pub(super) struct Shared<C> {
    io: C,
    /// The beginning of a frame's head, at most.
    input: BytesMut,
    /// What is still to come of a frame's body, and for whom, if for anybody.
    body: Option<(Option<Id>, usize)>,
    output: BytesMut,
    /// Whether something was written to `io` or `output` since the last flush.
    unflushed: bool,
    streams: SortedMap<Id, Stream>,
    /// Streams of the peer that nobody has taken yet.
    arrived: VecDeque<Id>,
    /// Bytes in all streams.
    held: usize,
    next: u64,
    broken: Option<ErrorKind>,
    waiting: Arc<Waiting>,
}

impl<C> Shared<C> {
    pub(super) fn new(io: C) -> Shared<C> {
        Shared {
            io,
            input: BytesMut::new(),
            body: None,
            output: BytesMut::new(),
            unflushed: false,
            streams: SortedMap::new(),
            arrived: VecDeque::new(),
            held: 0,
            next: 0,
            broken: None,
            waiting: Arc::default(),
        }
    }

    /// A stream was dropped.
    pub(super) fn forget(&mut self, id: Id) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        self.held = self.held.saturating_sub(stream.received.len());
        let over = stream.reset || (stream.closed && stream.ended);
        if !over {
            let kind = match stream.ended {
                true => Kind::Close,
                false => Kind::Reset,
            };
            self.say(id, kind);
        }
        // There may be room now for bytes or for another stream, and there is something to send.
        self.waiting.wake_all();
    }

    /// Something that nobody waits for to be sent.
    fn say(&mut self, id: Id, kind: Kind) {
        if self.output.len() > MAX_UNSENT_BYTES {
            self.fail(ErrorKind::OutOfMemory);
        }
        if self.broken.is_none() {
            encode(&mut self.output, id, kind, &[]);
            self.unflushed = true;
        }
    }

    fn fail(&mut self, kind: ErrorKind) -> Error {
        self.broken = Some(kind);
        self.output = BytesMut::new();
        self.waiting.wake_all();
        kind.into()
    }

    fn check(&self) -> Result<()> {
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn count(&self, ours: bool) -> usize {
        self.streams.keys().filter(|id| id.ours == ours).count()
    }

    /// Hands what was read to its streams. Whoever waits for another stream than `reader` is woken.
    fn sort(&mut self, reader: Option<Id>) -> Result<()> {
        let mut news = false;
        loop {
            if let Some((id, left)) = self.body {
                let count = left.min(self.input.len());
                if count == 0 {
                    break;
                }
                let bytes = self.input.split_to(count);
                self.body = (count < left).then(|| (id, left - count));
                // Of streams that are gone, and after their end, bytes may still be on their way.
                let stream = id.and_then(|id| self.streams.get_mut(&id));
                if let Some(stream) = stream.filter(|stream| !stream.ended && !stream.reset) {
                    stream.received.extend_from_slice(&bytes);
                    self.held = self.held.saturating_add(count);
                    news |= id != reader;
                }
            } else {
                let found = decode(&self.input).map_err(|_| self.fail(ErrorKind::InvalidData))?;
                let Some((head, length)) = found else {
                    break;
                };
                self.input.advance(length);
                self.begin(head)?;
                news |= head.kind != Kind::Data && Some(head.id) != reader;
            }
        }
        if news {
            self.waiting.wake_all();
        }
        Ok(())
    }

    fn begin(&mut self, head: Head) -> Result<()> {
        let Head { id, kind, length } = head;
        if kind == Kind::Open {
            if self.streams.contains_key(&id) {
                return Err(self.fail(ErrorKind::InvalidData));
            }
            if self.count(false) >= MAX_STREAMS {
                self.say(id, Kind::Reset);
            } else {
                self.streams.insert(id, Stream::default());
                self.arrived.push_back(id);
            }
        } else if let Some(stream) = self.streams.get_mut(&id) {
            stream.ended |= kind == Kind::Close;
            stream.reset |= kind == Kind::Reset;
        }
        // Other frames than those with data may have a body, too, as a stream's name; nobody reads it.
        if length > 0 {
            self.body = Some(((kind == Kind::Data).then_some(id), length));
        }
        self.check()
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Shared<C> {
    /// The next stream that the peer opened.
    pub(super) fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Result<Id>> {
        for _ in 0..READS {
            if let Some(id) = self.arrived.pop_front() {
                return Poll::Ready(Ok(id));
            }
            ready!(self.poll_more(cx, None))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Id>> {
        self.check()?;
        if self.count(true) >= MAX_STREAMS {
            self.waiting.add(cx);
            return Poll::Pending;
        }
        ready!(self.poll_room(cx))?;
        let (number, ours) = (self.next, true);
        self.next = number.saturating_add(1);
        let id = Id { number, ours };
        encode(&mut self.output, id, Kind::Open, &[]);
        self.unflushed = true;
        self.streams.insert(id, Stream::default());
        Poll::Ready(Ok(id))
    }

    pub(super) fn poll_read(
        &mut self,
        id: Id,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<Result<usize>> {
        for _ in 0..READS {
            let Some(stream) = self.streams.get_mut(&id) else {
                return Poll::Ready(Err(ErrorKind::NotConnected.into()));
            };
            let count = stream.received.len().min(into.len());
            if let (Some(into), Some(from)) = (into.get_mut(..count), stream.received.get(..count))
                && count > 0
            {
                into.copy_from_slice(from);
                stream.received.advance(count);
                if stream.received.is_empty() {
                    // An emptied buffer would keep its memory, in each stream.
                    stream.received = BytesMut::new();
                }
                let full = self.held >= MAX_HELD_BYTES;
                self.held = self.held.saturating_sub(count);
                if full && self.held < MAX_HELD_BYTES {
                    self.waiting.wake_all();
                }
                return Poll::Ready(Ok(count));
            }
            if stream.ended || into.is_empty() {
                return Poll::Ready(Ok(0));
            }
            if stream.reset {
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            }
            ready!(self.poll_more(cx, Some(id)))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(super) fn poll_write(
        &mut self,
        id: Id,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        self.check()?;
        match self.streams.get(&id) {
            Some(stream) if !stream.closed && !stream.reset => {}
            Some(_) => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            None => return Poll::Ready(Err(ErrorKind::NotConnected.into())),
        }
        ready!(self.poll_room(cx))?;
        let body = bytes.get(..FRAME_BYTES).unwrap_or(bytes);
        if !body.is_empty() {
            encode(&mut self.output, id, Kind::Data, body);
            self.unflushed = true;
        }
        Poll::Ready(Ok(body.len()))
    }

    /// Ends our side of a stream.
    pub(super) fn poll_end(&mut self, id: Id, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.check()?;
        let open = |stream: &Stream| !stream.closed && !stream.reset;
        if self.streams.get(&id).is_some_and(open) {
            ready!(self.poll_room(cx))?;
            encode(&mut self.output, id, Kind::Close, &[]);
            self.unflushed = true;
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.closed = true;
            }
        }
        self.poll_flush(cx)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.check()?;
        ready!(self.poll_send(cx))?;
        if self.unflushed {
            let waker = self.waker(cx);
            let flushed = Pin::new(&mut self.io).poll_flush(&mut Context::from_waker(&waker));
            ready!(flushed).map_err(|error| self.fail(error.kind()))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.broken.is_none() {
            ready!(self.poll_flush(cx))?;
        }
        let waker = self.waker(cx);
        Pin::new(&mut self.io).poll_close(&mut Context::from_waker(&waker))
    }

    /// Reads once.
    fn poll_more(&mut self, cx: &mut Context<'_>, reader: Option<Id>) -> Poll<Result<()>> {
        self.check()?;
        // What was said without being waited for leaves along the way.
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        let waker = self.waker(cx);
        if self.held >= MAX_HELD_BYTES {
            return Poll::Pending;
        }
        let mut chunk = [0; READ_BYTES];
        let io = Pin::new(&mut self.io);
        let read = ready!(io.poll_read(&mut Context::from_waker(&waker), &mut chunk))
            .map_err(|error| self.fail(error.kind()))?;
        match chunk.get(..read) {
            Some([]) | None => return Poll::Ready(Err(self.fail(ErrorKind::UnexpectedEof))),
            Some(bytes) => self.input.extend_from_slice(bytes),
        }
        Poll::Ready(self.sort(reader))
    }

    /// Waits until something more may be written.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.output.len() < UNSENT_BYTES {
            true => Poll::Ready(Ok(())),
            false => self.poll_send(cx),
        }
    }

    /// Gives everything to the socket, without flushing it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let full = self.output.len() >= UNSENT_BYTES;
        while !self.output.is_empty() {
            let waker = self.waker(cx);
            let io = Pin::new(&mut self.io);
            let sent = ready!(io.poll_write(&mut Context::from_waker(&waker), &self.output))
                .map_err(|error| self.fail(error.kind()))?;
            if sent == 0 {
                return Poll::Ready(Err(self.fail(ErrorKind::WriteZero)));
            }
            self.output.advance(sent);
        }
        if full {
            self.output = BytesMut::new();
            self.waiting.wake_all();
        }
        Poll::Ready(Ok(()))
    }

    /// Whatever the socket waits for, all who wait for the connection have to look.
    fn waker(&self, cx: &Context<'_>) -> Waker {
        self.waiting.add(cx);
        Waker::from(self.waiting.clone())
    }
}
