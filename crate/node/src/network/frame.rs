//! Frames on a substream: an unsigned varint with the length, then the body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::{AsyncRead, AsyncWrite};

/// A length that needs more bytes than this is too large already.
const MAX_LENGTH_BYTES: usize = 4;
/// Bytes read at once. Memory for a frame grows with what has arrived, not with what was promised.
const READ_BYTES: usize = 8 * 1024;

/// Why a substream is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The transport failed or the peer reset the stream.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A frame longer than the reader takes.
    #[error("the frame is too large")]
    TooLarge,
    /// A length written with idle bytes.
    #[error("the frame's length is not minimal")]
    BadLength,
    /// The stream ended in the middle of a frame.
    #[error("the stream ended within a frame")]
    Truncated,
}

impl FrameError {
    /// Whether the peer, not the network, is to blame.
    pub(super) fn is_offence(&self) -> bool {
        matches!(self, FrameError::TooLarge | FrameError::BadLength)
    }
}

/// Collects one frame after another from a substream.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: BytesMut,
    most: usize,
}

impl Reader {
    /// Takes frames of so many bytes at most.
    pub(super) fn new(most: usize) -> Reader {
        Reader {
            buffer: BytesMut::new(),
            most,
        }
    }

    /// The next frame's body; `None` when the stream has ended between frames.
    pub(super) fn poll_frame<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, FrameError>> {
        let mut chunk = [0; READ_BYTES];
        loop {
            if let Some(frame) = self.take()? {
                return Poll::Ready(Ok(Some(frame)));
            }
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut chunk))?;
            match chunk.get(..read) {
                Some([]) if self.buffer.is_empty() => return Poll::Ready(Ok(None)),
                Some([]) | None => return Poll::Ready(Err(FrameError::Truncated)),
                Some(bytes) => self.buffer.extend_from_slice(bytes),
            }
        }
    }

    /// Bytes held of an unfinished frame.
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    fn take(&mut self) -> Result<Option<Bytes>, FrameError> {
        let (length, head) = match unsigned_varint::decode::usize(&self.buffer) {
            Ok((length, rest)) => (length, self.buffer.len() - rest.len()),
            Err(unsigned_varint::decode::Error::Insufficient)
                if self.buffer.len() < MAX_LENGTH_BYTES =>
            {
                return Ok(None);
            }
            Err(unsigned_varint::decode::Error::NotMinimal) => return Err(FrameError::BadLength),
            Err(_) => return Err(FrameError::TooLarge),
        };
        if length > self.most {
            return Err(FrameError::TooLarge);
        }
        if self.buffer.len() - head < length {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(head + length);
        Ok(Some(frame.split_off(head).freeze()))
    }
}

/// Writes one frame to the end and flushes it.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    written: usize,
}

impl Writer {
    pub(super) fn new(body: &[u8]) -> Writer {
        let mut buffer = unsigned_varint::encode::usize_buffer();
        let head = unsigned_varint::encode::usize(body.len(), &mut buffer);
        let mut bytes = Vec::with_capacity(head.len() + body.len());
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(body);
        Writer { bytes, written: 0 }
    }

    /// An empty frame follows.
    pub(super) fn with_end(mut self) -> Writer {
        self.bytes.push(0);
        self
    }

    #[cfg(test)]
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Starts over, on another stream.
    pub(super) fn rewind(&mut self) {
        self.written = 0;
    }

    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .bytes
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        Pin::new(stream).poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::bitswap::MAX_FRAME_BYTES;
    use futures::io::Cursor;

    fn read_all(bytes: &[u8]) -> Result<Vec<Bytes>, FrameError> {
        let mut stream = Cursor::new(bytes);
        let mut reader = Reader::new(MAX_FRAME_BYTES);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut frames = Vec::new();
        while let Poll::Ready(frame) = reader.poll_frame(&mut stream, &mut cx) {
            match frame? {
                Some(frame) => frames.push(frame),
                None => break,
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_written_one_after_another_are_read_one_after_another() {
        let bodies = [
            vec![],
            vec![7; 3],
            vec![1; 40_000],
            vec![2; MAX_FRAME_BYTES],
        ];
        let bytes: Vec<u8> = bodies
            .iter()
            .flat_map(|body| Writer::new(body).bytes)
            .collect();
        assert_eq!(read_all(&bytes).expect("frames"), bodies);
    }

    #[test]
    fn a_frame_that_promises_too_much_is_refused_before_it_arrives() {
        let bytes = Writer::new(&vec![0; MAX_FRAME_BYTES + 1]).bytes;
        assert!(matches!(read_all(&bytes[..4]), Err(FrameError::TooLarge)));
        assert!(matches!(read_all(&[0xff; 12]), Err(FrameError::TooLarge)));
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_is_an_error() {
        let bytes = Writer::new(&[9; 100]).bytes;
        assert!(matches!(read_all(&bytes[..50]), Err(FrameError::Truncated)));
    }

    #[test]
    fn an_empty_stream_is_no_frame() {
        assert!(read_all(&[]).expect("nothing").is_empty());
    }
}
