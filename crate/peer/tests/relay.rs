//! The relay, used by clients of libp2p as peers that nobody can dial would.

#![cfg(unix)]

#[path = "common/process.rs"]
mod process;

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify, noise, ping, relay, yamux};
use process::{Peer, free_port};

const WAIT: Duration = process::WAIT;

#[derive(NetworkBehaviour)]
struct Client {
    relay: relay::client::Behaviour,
    ping: ping::Behaviour,
    identify: identify::Behaviour,
}

fn client() -> Swarm<Client> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            Default::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key, relay| Client {
            relay,
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(Duration::from_millis(200)),
            ),
            identify: identify::Behaviour::new(identify::Config::new(
                "/test".to_owned(),
                key.public(),
            )),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(WAIT))
        .build()
}

/// A relay with these words of configuration; its address.
fn start(dir: &Path, limits: &str) -> (Peer, Multiaddr) {
    let address = format!("/ip4/127.0.0.1/tcp/{}", free_port());
    let config = dir.join("relay.toml");
    let text = format!(
        "listen = [\"{address}\"]\nannounce = [\"{address}\"]\nmetrics = \"0\"\n[relay]\nenabled = true\n{limits}"
    );
    std::fs::write(&config, text).unwrap();
    let mut relay = Peer::start(&dir.join("data"), &["--config", config.to_str().unwrap()]);
    let address = relay.address("/tcp/").parse().unwrap();
    (relay, address)
}

fn circuit(relay: &Multiaddr) -> Multiaddr {
    relay.clone().with(libp2p::multiaddr::Protocol::P2pCircuit)
}

async fn until<T>(
    swarm: &mut Swarm<Client>,
    mut meant: impl FnMut(SwarmEvent<ClientEvent>) -> Option<T>,
) -> T {
    let met = async {
        loop {
            if let Some(met) = meant(swarm.select_next_some().await) {
                return met;
            }
        }
    };
    tokio::time::timeout(WAIT, met).await.expect("in time")
}

/// Takes a reservation; whether it was given.
async fn reserve(swarm: &mut Swarm<Client>, relay: &Multiaddr) -> bool {
    swarm.listen_on(circuit(relay)).unwrap();
    until(swarm, |event| match event {
        SwarmEvent::Behaviour(ClientEvent::Relay(
            relay::client::Event::ReservationReqAccepted { .. },
        )) => Some(true),
        SwarmEvent::ListenerClosed { .. } => Some(false),
        _ => None,
    })
    .await
}

/// Keeps a client going beside the test.
fn drive(mut swarm: Swarm<Client>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    })
}

fn value(page: &str, name: &str) -> Option<u64> {
    let line = page
        .lines()
        .find(|line| line.split(' ').next() == Some(name))?;
    line.split_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn two_peers_that_cannot_dial_each_other_meet_through_a_relay() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, address) = start(dir.path(), "");
    let (mut hidden, mut other) = (client(), client());
    let id: PeerId = *hidden.local_peer_id();
    assert!(reserve(&mut hidden, &address).await);
    let hidden = drive(hidden);
    let there = circuit(&address).with_p2p(id).unwrap();
    other.dial(there).unwrap();
    let rtt = until(&mut other, |event| match event {
        SwarmEvent::Behaviour(ClientEvent::Ping(ping::Event { peer, result, .. }))
            if peer == id =>
        {
            Some(result)
        }
        _ => None,
    });
    assert!(rtt.await.is_ok());
    let (_, page) = relay.get("/metrics");
    assert_eq!(
        value(&page, "ostrakon_relay_reservations"),
        Some(1),
        "{page}"
    );
    assert_eq!(value(&page, "ostrakon_relay_circuits"), Some(1), "{page}");
    hidden.abort();
}

#[tokio::test]
async fn a_relay_takes_on_no_more_than_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, address) = start(dir.path(), "reservations = 1\ncircuits = 1\n");
    let (mut first, mut second) = (client(), client());
    let id: PeerId = *first.local_peer_id();
    assert!(reserve(&mut first, &address).await);
    assert!(!reserve(&mut second, &address).await);
    let first = drive(first);
    let there = circuit(&address).with_p2p(id).unwrap();
    let mut met = Vec::new();
    let mut clients = Vec::new();
    for mut caller in [client(), client()] {
        caller.dial(there.clone()).unwrap();
        let outcome = until(&mut caller, |event| match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == id => Some(true),
            SwarmEvent::OutgoingConnectionError { .. } => Some(false),
            _ => None,
        });
        met.push(outcome.await);
        clients.push(drive(caller));
    }
    assert_eq!(met, [true, false]);
    let (_, page) = relay.get("/metrics");
    assert_eq!(
        value(&page, "ostrakon_relay_reservations_refused_total"),
        Some(1),
        "{page}"
    );
    assert_eq!(
        value(&page, "ostrakon_relay_circuits_refused_total"),
        Some(1),
        "{page}"
    );
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    first.abort();
}

#[tokio::test]
async fn a_circuit_ends_when_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let (_relay, address) = start(dir.path(), "circuit_seconds = 2\n");
    let (mut hidden, mut other) = (client(), client());
    let id: PeerId = *hidden.local_peer_id();
    assert!(reserve(&mut hidden, &address).await);
    let hidden = drive(hidden);
    other.dial(circuit(&address).with_p2p(id).unwrap()).unwrap();
    until(&mut other, |event| match event {
        SwarmEvent::ConnectionClosed { peer_id, .. } if peer_id == id => Some(()),
        _ => None,
    })
    .await;
    hidden.abort();
}

#[tokio::test]
async fn a_peer_that_is_not_told_to_relay_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    let mut peer = Peer::start(dir.path(), &listen);
    let address: Multiaddr = peer.address("/tcp/").parse().unwrap();
    assert!(!reserve(&mut client(), &address).await);
}
