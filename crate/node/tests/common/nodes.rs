//! Nodes over libp2p's memory transport.
#![allow(dead_code)] // each test uses a part

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, MemoryTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Transport, noise, swarm, yamux};
use ostrakon_node::chains::ChainsConfig;
use ostrakon_node::network::chain_fetch;
use ostrakon_node::network::gossip::Message;
use ostrakon_node::network::{Network, NetworkConfig, NetworkEvent};
use ostrakon_node::store::{Memory, Store};
use ostrakon_node::{Node, NodeConfig, NodeError, Surroundings, View};
use ostrakon_protocol::document::Document;
use ostrakon_protocol::{Block, Cid, Ipld, StreamId, json};
use serde_json::Value;
use tokio::task::JoinHandle;

/// Longer than anything here takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

pub struct Running {
    pub node: Node,
    pub address: Multiaddr,
    pub task: JoinHandle<()>,
}

impl Running {
    /// What a crash does: the driver goes, and nothing is finished.
    pub async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Runs a test and the drivers of its nodes on one thread.
pub fn run(test: impl Future<Output = ()>) {
    run_within(LONG * 2, test);
}

/// The same for one that takes longer.
pub fn run_within(longest: Duration, test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        tokio::time::timeout(longest, test)
            .await
            .expect("the test takes too long")
    });
}

/// A free place in memory.
pub fn place() -> Multiaddr {
    static NEXT: AtomicU64 = AtomicU64::new(9_000_000);
    Multiaddr::empty().with(Protocol::Memory(NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn transport(keypair: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed()
}

fn swarm() -> swarm::Config {
    swarm::Config::with_executor(|task| drop(tokio::spawn(task)))
}

/// A node that calls these peers.
pub async fn start<S: Store>(store: S, peers: &[&Running]) -> Running {
    try_start(store, peers).await.unwrap()
}

pub async fn try_start<S: Store>(store: S, peers: &[&Running]) -> Result<Running, NodeError> {
    start_with(store, peers, ChainsConfig::default()).await
}

/// A node that asks these chains.
pub async fn start_with<S: Store>(
    store: S,
    peers: &[&Running],
    chains: ChainsConfig,
) -> Result<Running, NodeError> {
    start_on("test", store, peers, chains).await
}

/// A node on a network of this name.
pub async fn start_on<S: Store>(
    network: &str,
    store: S,
    peers: &[&Running],
    chains: ChainsConfig,
) -> Result<Running, NodeError> {
    let keypair = Keypair::generate_ed25519();
    let address = place();
    let around = Surroundings {
        store,
        transport: transport(&keypair),
        swarm: swarm(),
        chains,
    };
    let config = NodeConfig {
        network: network.to_owned(),
        keypair,
        peers: peers.iter().map(|peer| peer.address.clone()).collect(),
        listen: vec![address.clone()],
        agent: "ostrakon/test".to_owned(),
        types: super::types(),
    };
    let (node, driver) = Node::start(config, around).await?;
    Ok(Running {
        node,
        address,
        task: tokio::task::spawn_local(driver),
    })
}

pub async fn start_empty(peers: &[&Running]) -> Running {
    start(Memory::default(), peers).await
}

/// A peer that does only what it is told.
pub fn stranger(peers: &[&Running]) -> Network {
    stranger_on("test", peers)
}

/// The same on a network of this name.
pub fn stranger_on(network: &str, peers: &[&Running]) -> Network {
    let keypair = Keypair::generate_ed25519();
    let transport = transport(&keypair);
    let config = NetworkConfig {
        network: network.to_owned(),
        keypair,
        peers: peers.iter().map(|peer| peer.address.clone()).collect(),
        listen: Vec::new(),
        agent: "stranger".to_owned(),
    };
    Network::new(config, transport, swarm()).unwrap()
}

/// The first item that fits.
pub async fn until<T>(
    stream: &mut (impl Stream<Item = T> + Unpin),
    mut fits: impl FnMut(&T) -> bool,
) -> T {
    let search = async {
        loop {
            let item = stream.next().await.expect("the stream goes on");
            if fits(&item) {
                return item;
            }
        }
    };
    tokio::time::timeout(LONG, search)
        .await
        .expect("it happens in time")
}

pub fn content(document: &Document) -> Value {
    json::to_json(document.state().content().unwrap_or(&Ipld::Null))
}

/// The `n` that an author of these tests wrote last.
pub fn n(view: &Arc<View>) -> i64 {
    content(&view.document)["n"].as_i64().unwrap()
}

/// A peer that says what it is told to and serves what it is given, but has no scruples.
pub struct Liar {
    pub peer: PeerId,
    say: mpsc::UnboundedSender<Message>,
    /// Blocks that peers asked it for.
    pub asked: Rc<RefCell<Vec<Cid>>>,
}

impl Liar {
    /// Connects, and goes on once its words are heard. Without blocks it never answers anybody.
    pub async fn start(peers: &[&Running], blocks: Option<Vec<Block>>) -> Liar {
        let mut network = stranger(peers);
        let (say, mut said) = mpsc::unbounded::<Message>();
        let asked = Rc::new(RefCell::new(Vec::new()));
        let liar = Liar {
            peer: network.peer_id(),
            say,
            asked: asked.clone(),
        };
        let mut listening = 0;
        while listening < peers.len() {
            if let NetworkEvent::PeerListens { .. } = network.next().await {
                listening += 1;
            }
        }
        tokio::task::spawn_local(async move {
            loop {
                tokio::select! {
                    message = said.next() => match message {
                        Some(message) => network.publish(&message).unwrap(),
                        None => return,
                    },
                    event = network.next() => match event {
                        NetworkEvent::Wanted(wanted) => {
                            asked.borrow_mut().push(wanted.cid);
                            if let Some(blocks) = &blocks {
                                let block = blocks.iter().find(|block| *block.cid() == wanted.cid).cloned();
                                network.answer(wanted, block);
                            }
                        }
                        NetworkEvent::Chains(chain_fetch::Event::Asked { id, wants }) => match blocks {
                            // It serves blocks one by one.
                            Some(_) => network.chains().hang_up(id),
                            None => asked.borrow_mut().extend(wants.iter().map(|want| *want.stream.init())),
                        },
                        _ => {}
                    },
                }
            }
        });
        liar
    }

    pub fn say(&self, message: Message) {
        self.say.unbounded_send(message).unwrap();
    }

    pub fn announce(&self, stream: StreamId, tip: Cid) {
        self.say(Message::Update {
            stream,
            tip,
            model: None,
        });
    }
}
