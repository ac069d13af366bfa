//! Honest swarms over libp2p's memory transport.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, Transport, noise, yamux};
use tokio::time::timeout;

use super::super::*;

const LONG: Duration = Duration::from_secs(60);

pub fn swarm<B: NetworkBehaviour>(behaviour: B) -> Swarm<B> {
    let key = Keypair::generate_ed25519();
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&key).expect("noise"))
        .multiplex(yamux::Config::default())
        .boxed();
    let config =
        Config::with_executor(|task| drop(tokio::spawn(task))).with_idle_connection_timeout(LONG);
    Swarm::new(transport, behaviour, key.public().into(), config)
}

/// Different DAG-CBOR blocks of about this many bytes.
pub fn blocks(count: usize, bytes: usize) -> Vec<Block> {
    (0..count)
        .map(|number| {
            let mut body = vec![0; bytes.max(8)];
            body[..8].copy_from_slice(&(number as u64).to_be_bytes());
            Block::dag_cbor(body).expect("a block")
        })
        .collect()
}

/// Starts listening; the address carries the peer id.
pub async fn keep<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr
where
    B::ToSwarm: Debug,
{
    swarm
        .listen_on("/memory/0".parse().expect("an address"))
        .expect("listening");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address
                .with_p2p(*swarm.local_peer_id())
                .expect("no other id");
        }
    }
}

/// Connects two swarms of this task.
pub async fn connect<A: NetworkBehaviour, B: NetworkBehaviour>(
    a: &mut Swarm<A>,
    b: &mut Swarm<B>,
    address: Multiaddr,
) where
    A::ToSwarm: Debug,
    B::ToSwarm: Debug,
{
    a.dial(address).expect("a dial");
    while !(a.is_connected(b.local_peer_id()) && b.is_connected(a.local_peer_id())) {
        tokio::select! { _ = a.select_next_some() => {}, _ = b.select_next_some() => {} }
    }
}

/// A peer that holds these blocks, running on its own.
pub async fn serve(store: Vec<Block>) -> (PeerId, Multiaddr) {
    let mut server = Client {
        store,
        ..Client::new()
    };
    let address = server.listen().await;
    let id = *server.swarm.local_peer_id();
    tokio::spawn(async move { server.serve().await });
    (id, address)
}

/// A swarm with bitswap, and what it said.
pub struct Client {
    pub swarm: Swarm<Behaviour>,
    pub store: Vec<Block>,
    pub blocks: Vec<Block>,
    pub missing: Vec<Cid>,
    pub wanted: Vec<Wanted>,
}

impl Client {
    pub fn new() -> Client {
        Client {
            swarm: swarm(Behaviour::default()),
            store: Vec::new(),
            blocks: Vec::new(),
            missing: Vec::new(),
            wanted: Vec::new(),
        }
    }

    pub async fn listen(&mut self) -> Multiaddr {
        keep(&mut self.swarm).await
    }

    pub async fn dial(&mut self, address: &Multiaddr) {
        let before = self.swarm.connected_peers().count();
        self.swarm.dial(address.clone()).expect("a dial");
        while self.swarm.connected_peers().count() == before {
            self.step().await;
        }
    }

    pub fn counts(&self) -> Counts {
        self.swarm.behaviour().counts()
    }

    async fn step(&mut self) {
        match timeout(LONG, self.swarm.select_next_some())
            .await
            .expect("something happens")
        {
            SwarmEvent::Behaviour(Event::Block { block, .. }) => self.blocks.push(block),
            SwarmEvent::Behaviour(Event::Missing { cid }) => self.missing.push(cid),
            SwarmEvent::Behaviour(Event::Wanted(wanted)) => self.wanted.push(wanted),
            _ => {}
        }
    }

    pub async fn fetch(
        &mut self,
        wanted: &[Block],
        providers: &[PeerId],
    ) -> (Vec<Block>, Vec<Cid>) {
        self.swarm
            .behaviour_mut()
            .get(wanted.iter().map(|block| *block.cid()), providers);
        self.collect(wanted.len()).await
    }

    /// Waits for so many answers.
    pub async fn collect(&mut self, count: usize) -> (Vec<Block>, Vec<Cid>) {
        while self.blocks.len() + self.missing.len() < count {
            self.step().await;
        }
        (
            std::mem::take(&mut self.blocks),
            std::mem::take(&mut self.missing),
        )
    }

    pub async fn run_while(&mut self, go_on: impl Fn(Counts) -> bool) {
        let run = async {
            while go_on(self.counts()) {
                tokio::select! {
                    () = self.step() => {}
                    // Counting makes no event.
                    () = tokio::time::sleep(Duration::from_millis(10)) => {}
                }
            }
        };
        timeout(LONG, run).await.expect("counted");
    }

    pub async fn run_while_connected(&mut self, peer: PeerId) {
        while self.swarm.is_connected(&peer) {
            self.step().await;
        }
    }

    pub async fn run_until<T>(&mut self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            tokio::select! {
                value = &mut until => return value,
                () = self.step() => {}
            }
        }
    }

    /// Answers wants from the store as they come.
    pub async fn serve(&mut self) {
        self.serve_until(std::future::pending()).await
    }

    pub async fn serve_until<T>(&mut self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            for wanted in std::mem::take(&mut self.wanted) {
                let block = self
                    .store
                    .iter()
                    .find(|block| *block.cid() == wanted.cid)
                    .cloned();
                self.swarm.behaviour_mut().answer(wanted, block);
            }
            tokio::select! {
                value = &mut until => return value,
                event = self.swarm.select_next_some() => {
                    if let SwarmEvent::Behaviour(Event::Wanted(wanted)) = event {
                        self.wanted.push(wanted);
                    }
                }
            }
        }
    }
}
