//! A node on this machine: its directory, its identity, its store, its transport.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, swarm};
use ostrakon_node::chains::ChainsConfig;
use ostrakon_node::network::public::Public;
use ostrakon_node::{Node, NodeConfig, Surroundings};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;

use crate::store::RedbStore;
use crate::{keys, transport, www};

/// What other peers are told this is.
pub const AGENT: &str = concat!("ostrakon/", env!("CARGO_PKG_VERSION"));

/// A node and the task that drives it. Stop it with [`Running::stop`].
pub struct Running {
    /// The node.
    pub node: Node,
    driver: JoinHandle<()>,
}

/// The directory given, or this user's.
pub fn directory(given: Option<&Path>, name: &str) -> Result<PathBuf, String> {
    if let Some(dir) = given {
        return Ok(dir.to_owned());
    }
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    match data {
        Some(data) => Ok(data.join("ostrakon").join(name)),
        None => {
            Err("There is no home directory to keep documents in: say where with --dir.".to_owned())
        }
    }
}

/// The file of documents in a peer's directory.
pub fn store_file(dir: &Path) -> PathBuf {
    dir.join("documents.redb")
}

/// Starts a node over `dir` inside a [`tokio::task::LocalSet`]. `Err` is one sentence for the user.
pub async fn start(
    dir: &Path,
    network: &str,
    listen: Vec<Multiaddr>,
    peers: Vec<Multiaddr>,
    chains: ChainsConfig,
) -> Result<Running, String> {
    let reach = (listen, peers, Public::default());
    start_public(dir, network, reach, chains, None).await
}

/// The same for a node that listens, dials and does in public as told, and whose bytes are counted in a registry.
pub(crate) async fn start_public(
    dir: &Path,
    network: &str,
    (listen, peers, public): (Vec<Multiaddr>, Vec<Multiaddr>, Public),
    chains: ChainsConfig,
    registry: Option<&mut Registry>,
) -> Result<Running, String> {
    keys::private_dir(dir).map_err(|error| format!("Cannot use {}: {error}.", dir.display()))?;
    listen.iter().try_for_each(is_free)?;
    let identity =
        keys::identity(&dir.join("keys"), "peer").map_err(|error| format!("{error}."))?;
    let store = store_file(dir);
    let store = RedbStore::open(&store)
        .map_err(|error| format!("Cannot open {}: {error}.", store.display()))?;
    let transport = transport::build(&identity, registry)
        .map_err(|error| format!("Cannot reach the network: {error}."))?;
    let config = NodeConfig {
        network: network.to_owned(),
        keypair: identity,
        peers,
        listen,
        agent: AGENT.to_owned(),
        types: Arc::default(),
    };
    let around = Surroundings {
        store,
        transport,
        swarm: swarm::Config::with_tokio_executor(),
        chains,
    };
    let (node, driving) = Node::start_public(config, around, public)
        .await
        .map_err(|error| format!("The peer does not start: {error}."))?;
    Ok(Running {
        node,
        driver: tokio::task::spawn_local(driving),
    })
}

/// Whether an address can be listened on; libp2p would not say why it cannot.
fn is_free(address: &Multiaddr) -> Result<(), String> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
        _ => return Ok(()),
    };
    let (address, bound) = match parts.next() {
        Some(Protocol::Tcp(port)) => {
            let address = SocketAddr::new(ip, port);
            (address, TcpListener::bind(address).map(drop))
        }
        Some(Protocol::Udp(port)) => {
            let address = SocketAddr::new(ip, port);
            (address, UdpSocket::bind(address).map(drop))
        }
        _ => return Ok(()),
    };
    bound.map_err(|error| www::busy(address, "--listen", &error))
}

impl Running {
    /// Ends the node once what it has begun to write is on disk.
    pub async fn stop(self) {
        self.node.stop().await;
        // A driver that panicked has said so on stderr; there is nothing left to end.
        let _ = self.driver.await;
    }
}

/// A node over the same directory that neither listens nor dials: for what a command does and ends.
pub async fn offline(dir: Option<&Path>) -> Result<Running, String> {
    let (dir, chains) = (directory(dir, "peer")?, ChainsConfig::default());
    start(&dir, "local-1", Vec::new(), Vec::new(), chains).await
}
