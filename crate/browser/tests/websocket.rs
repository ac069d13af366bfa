//! WebSocket in a real browser: addresses, and dials that fail. Connections that live and end are tried end to end.

#![cfg(target_arch = "wasm32")]

use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use libp2p::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError};
use libp2p::core::{Endpoint, Multiaddr};
use ostrakon_browser::websocket::{WebSocket, WebSocketError};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const DIALER: DialOpts = DialOpts {
    role: Endpoint::Dialer,
    port_use: PortUse::Reuse,
};

fn address(text: &str) -> Multiaddr {
    text.parse().expect("a multiaddress")
}

#[wasm_bindgen_test]
async fn a_dial_that_nobody_answers_fails_at_once() {
    let dial = WebSocket
        .dial(address("/ip4/127.0.0.1/tcp/59999/ws"), DIALER)
        .expect("an address it knows");
    match select(dial, Delay::new(Duration::from_secs(10))).await {
        Either::Left((outcome, _)) => {
            assert!(matches!(outcome, Err(WebSocketError::Unanswered)));
        }
        Either::Right(_) => panic!("the dial hangs"),
    }
}

#[wasm_bindgen_test]
fn every_form_of_websocket_address_is_dialled_and_no_other() {
    for known in [
        "/ip4/127.0.0.1/tcp/9/ws",
        "/ip6/::1/tcp/9/ws",
        "/dns4/localhost/tcp/9/ws/p2p/12D3KooWEPyHAehZ4qKhWQGBQfYe4L1uJchU63pPqytAFGbYUbB9",
        "/dns/localhost/tcp/9/wss",
        "/dns6/localhost/tcp/9/tls/ws",
    ] {
        assert!(WebSocket.dial(address(known), DIALER).is_ok(), "{known}");
    }
    for foreign in [
        "/ip4/127.0.0.1/tcp/9",
        "/ip4/127.0.0.1/udp/9/quic-v1",
        "/ip4/127.0.0.1/tcp/9/tls",
        "/tcp/9/ws",
        "/memory/1",
    ] {
        let refused = WebSocket.dial(address(foreign), DIALER);
        assert!(
            matches!(refused, Err(TransportError::MultiaddrNotSupported(_))),
            "{foreign}"
        );
    }
}

#[wasm_bindgen_test]
fn a_tab_never_listens() {
    let refused = WebSocket.listen_on(ListenerId::next(), address("/ip4/127.0.0.1/tcp/0/ws"));
    assert!(matches!(
        refused,
        Err(TransportError::MultiaddrNotSupported(_))
    ));
}
