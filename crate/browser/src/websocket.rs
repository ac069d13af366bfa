//! WebSocket as a libp2p transport of a tab: dials, never listens.
//!
//! `libp2p-websocket-websys` leaves a reader asleep when the socket closes and a dial asleep when it fails, so that a lost
//! peer was noticed only by the next ping and a refused dial only by its timeout; and it flushes by a timer of 100 ms.
//! Here every event of the socket wakes whoever waits.
//!
//! What a hostile peer can do: send faster than it is read, which at [`MAX_UNREAD`] ends the connection, as a browser
//! cannot be told to wait; send text, which ends it too; never answer, which the timeouts above this layer end; close at
//! any moment.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::future::{FutureExt, Ready};
use futures::{AsyncRead, AsyncWrite};
use futures_timer::Delay;
use gloo::events::EventListener;
use js_sys::{ArrayBuffer, Uint8Array};
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::{Multiaddr, Protocol};
use send_wrapper::SendWrapper;
use thiserror::Error;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, MessageEvent};

/// Bytes that were received and not read yet. Muxer windows keep an honest peer far below.
pub const MAX_UNREAD: usize = 4 * 1024 * 1024;
/// Bytes given to the browser and not sent yet, above which writing waits.
const MAX_UNSENT: u32 = 1024 * 1024;
/// How soon a waiting writer looks again; no event tells when the browser has sent what it was given.
const SENT_AGAIN: Duration = Duration::from_millis(20);

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum WebSocketError {
    /// The browser refused to try: a malformed address, or an insecure one in a secure page.
    #[error("the browser does not dial {url}: {reason}")]
    Refused {
        /// The address.
        url: String,
        /// In the browser's words.
        reason: String,
    },
    /// Nobody answered there, or not as a WebSocket. Browsers do not tell more.
    #[error("nothing answers there")]
    Unanswered,
}

/// The transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebSocket;

impl libp2p::Transport for WebSocket {
    type Output = Connection;
    type Error = WebSocketError;
    type ListenerUpgrade = Ready<Result<Connection, WebSocketError>>;
    type Dial = Dialling;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<WebSocketError>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Dialling, TransportError<WebSocketError>> {
        let Some(url) = url(&address).filter(|_| !options.role.is_listener()) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        match Inner::open(&url) {
            Ok(inner) => Ok(Dialling(Some(Connection(SendWrapper::new(inner))))),
            Err(error) => Err(TransportError::Other(WebSocketError::Refused {
                url,
                reason: error
                    .dyn_ref::<js_sys::Error>()
                    .map_or_else(String::new, |error| error.message().into()),
            })),
        }
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, WebSocketError>> {
        Poll::Pending
    }
}

/// `/ip4|ip6|dns*/…/tcp/…/ws`, `/wss` or `/tls/ws`, with whatever follows.
fn url(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => format!("[{ip}]"),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else {
        return None;
    };
    let (scheme, path) = match (parts.next()?, parts.next()) {
        (Protocol::Ws(path), _) => ("ws", path),
        (Protocol::Wss(path), _) | (Protocol::Tls, Some(Protocol::Ws(path))) => ("wss", path),
        _ => return None,
    };
    Some(format!("{scheme}://{host}:{port}{path}"))
}

/// A connection on its way; dropping it gives it up.
#[derive(Debug)]
pub struct Dialling(Option<Connection>);

impl Future for Dialling {
    type Output = Result<Connection, WebSocketError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self
            .0
            .as_ref()
            .map(|connection| connection.0.wait(context, Wait::Read));
        match state {
            Some(State::Connecting) => Poll::Pending,
            Some(State::Open) => Poll::Ready(self.0.take().ok_or(WebSocketError::Unanswered)),
            Some(State::Closed) | None => Poll::Ready(Err(WebSocketError::Unanswered)),
        }
    }
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Connection(SendWrapper<Inner>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Connecting,
    Open,
    Closed,
}

#[derive(Clone, Copy)]
enum Wait {
    Read,
    Write,
    Close,
}

/// What the socket's events change.
#[derive(Debug)]
struct Shared {
    state: State,
    unread: BytesMut,
    reader: Option<Waker>,
    writer: Option<Waker>,
    closer: Option<Waker>,
}

impl Shared {
    fn turn(&mut self, state: State) {
        self.state = state;
        for waker in [self.reader.take(), self.writer.take(), self.closer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

#[derive(Debug)]
struct Inner {
    socket: web_sys::WebSocket,
    shared: Rc<RefCell<Shared>>,
    pause: Option<Delay>,
    /// Unheard once dropped.
    _listeners: [EventListener; 4],
}

impl Inner {
    fn open(url: &str) -> Result<Inner, JsValue> {
        let socket = web_sys::WebSocket::new(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let shared = Rc::new(RefCell::new(Shared {
            state: State::Connecting,
            unread: BytesMut::new(),
            reader: None,
            writer: None,
            closer: None,
        }));
        let on = |event: &'static str, state: State| {
            let shared = shared.clone();
            EventListener::new(&socket, event, move |_| shared.borrow_mut().turn(state))
        };
        let listeners = [
            on("open", State::Open),
            on("close", State::Closed),
            on("error", State::Closed),
            EventListener::new(&socket, "message", {
                let (shared, socket) = (shared.clone(), socket.clone());
                move |event| {
                    let mut shared = shared.borrow_mut();
                    if !receive(&mut shared, event.unchecked_ref()) {
                        shared.turn(State::Closed);
                        let _ = socket.close();
                    }
                }
            }),
        ];
        Ok(Inner {
            socket,
            shared,
            pause: None,
            _listeners: listeners,
        })
    }

    /// The state now; the task is woken when it changes or, for a reader, when there is something to read.
    fn wait(&self, context: &Context<'_>, wait: Wait) -> State {
        let mut shared = self.shared.borrow_mut();
        let waker = Some(context.waker().clone());
        match wait {
            Wait::Read => shared.reader = waker,
            Wait::Write => shared.writer = waker,
            Wait::Close => shared.closer = waker,
        }
        shared.state
    }
}

/// Takes one message; `false` if the connection has to end.
fn receive(shared: &mut Shared, event: &MessageEvent) -> bool {
    let Ok(data) = event.data().dyn_into::<ArrayBuffer>() else {
        return false;
    };
    let bytes = Uint8Array::new(&data);
    let length = usize::try_from(bytes.length()).unwrap_or(usize::MAX);
    if shared.state == State::Closed || length > MAX_UNREAD.saturating_sub(shared.unread.len()) {
        return false;
    }
    shared.unread.extend_from_slice(&bytes.to_vec());
    if let Some(reader) = shared.reader.take() {
        reader.wake();
    }
    true
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let state = self.0.wait(context, Wait::Read);
        let mut shared = self.0.shared.borrow_mut();
        if shared.unread.is_empty() && state != State::Closed {
            return Poll::Pending;
        }
        // What came before the end is still read; then comes the end.
        let length = shared.unread.len().min(into.len());
        let (into, _) = into.split_at_mut(length);
        shared.unread.copy_to_slice(into);
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.0.wait(context, Wait::Write) {
            State::Connecting => return Poll::Pending,
            State::Closed => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            State::Open => {}
        }
        while self.0.socket.buffered_amount() > MAX_UNSENT {
            let pause = self.0.pause.get_or_insert_with(|| Delay::new(SENT_AGAIN));
            if pause.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            self.0.pause = None;
        }
        match self.0.socket.send_with_u8_array(bytes) {
            Ok(()) => Poll::Ready(Ok(bytes.len())),
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// What was written is the browser's to send.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.wait(context, Wait::Close) == State::Closed {
            return Poll::Ready(Ok(()));
        }
        let _ = self.0.socket.close();
        Poll::Pending
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.socket.close();
    }
}
