//! mplex 6.7.0, the muxer of js-ipfs (specs: libp2p/mplex): many streams on one connection, without windows.
//!
//! `libp2p-mplex` keeps whole frames of up to a megabyte, thirty-two for each of 128 streams; told to wait instead, it
//! wakes its task without end while a full stream has no reader, which in a tab lets nothing else run any more. This one
//! counts bytes and sleeps.
//!
//! What a hostile peer can do, and what stops it:
//!
//! - send to streams that nobody reads: at [`MAX_HELD_BYTES`] the connection is not read any more, until somebody reads
//!   the streams or the unanswered ping ends it;
//! - open streams without end: [`MAX_STREAMS`], the next ones are reset;
//! - take no answers while it makes us write some: [`MAX_UNSENT_BYTES`] ends the connection;
//! - send huge frames or none at all: [`MAX_FRAME_BYTES`], and memory grows only with bytes that did arrive.

mod frame;
mod shared;
mod waiting;

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};

use self::frame::Id;
use self::shared::Shared;

/// The protocol's name.
pub const PROTOCOL: &str = "/mplex/6.7.0";
/// Largest frame read, in bytes (as the specification).
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// Largest body of a frame written, in bytes.
pub const FRAME_BYTES: usize = 32 * 1024;
/// Bytes received on one connection and not read yet, all streams together, before it is not read any further.
pub const MAX_HELD_BYTES: usize = 1024 * 1024;
/// Streams of one connection, those of each side apart.
pub const MAX_STREAMS: usize = 128;
/// Bytes not sent yet above which writers wait.
pub const UNSENT_BYTES: usize = 64 * 1024;
/// Bytes not sent yet above which the connection ends: only what is said without being asked, as resets, gets there.
pub const MAX_UNSENT_BYTES: usize = 4 * UNSENT_BYTES;

/// The upgrade that makes a connection a [`Muxer`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Config;

impl UpgradeInfo for Config {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL)
    }
}

impl<C> InboundConnectionUpgrade<C> for Config {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io)))
    }
}

impl<C> OutboundConnectionUpgrade<C> for Config {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io)))
    }
}

/// One connection.
#[derive(Debug)]
pub struct Muxer<C>(Arc<Mutex<Shared<C>>>);

/// One stream of a connection. Dropped before both sides have ended it, it is reset.
#[derive(Debug)]
pub struct Substream<C> {
    id: Id,
    shared: Arc<Mutex<Shared<C>>>,
}

/// Nothing in here panics, so no lock is poisoned; if one were, the state behind it would still be sound.
fn lock<C>(shared: &Mutex<Shared<C>>) -> MutexGuard<'_, Shared<C>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C> Muxer<C> {
    fn new(io: C) -> Muxer<C> {
        Muxer(Arc::new(Mutex::new(Shared::new(io))))
    }

    fn stream(&self, id: Id) -> Substream<C> {
        let shared = self.0.clone();
        Substream { id, shared }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Substream<C>;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream<C>>> {
        let arrived = lock(&self.0).poll_arrived(cx);
        arrived.map_ok(|id| self.stream(id))
    }

    fn poll_outbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream<C>>> {
        let opened = lock(&self.0).poll_open(cx);
        opened.map_ok(|id| self.stream(id))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_close(cx)
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        // Addresses do not change; reading goes on in `poll_inbound`.
        Poll::Pending
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncRead for Substream<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.shared).poll_read(self.id, cx, into)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Substream<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.shared).poll_write(self.id, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.shared).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.shared).poll_end(self.id, cx)
    }
}

impl<C> Drop for Substream<C> {
    fn drop(&mut self) {
        lock(&self.shared).forget(self.id);
    }
}

#[cfg(test)]
mod tests;
