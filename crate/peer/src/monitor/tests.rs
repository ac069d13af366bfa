use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::body::{Bytes, to_bytes};
use libp2p::identity::Keypair;
use ostrakon_node::store::{Change, Memory, Outgoing, Record, Store, StoreError, Stored, Usage};
use ostrakon_node::{NodeConfig, Surroundings};
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, StreamId};
use tokio::task::LocalSet;

use super::*;
use crate::transport;

/// A disk that is pulled out, or full.
#[derive(Clone, Default)]
struct Disk {
    kept: Arc<Memory>,
    gone: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn there(&self) -> Result<(), StoreError> {
        match self.gone.load(Ordering::SeqCst) {
            true => Err(StoreError::Io("no such device".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait(?Send)]
impl Store for Disk {
    async fn commit(&self, change: Change) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Full("no space left".to_owned()));
        }
        self.kept.commit(change).await
    }

    async fn document(&self, stream: &StreamId) -> Result<Option<Stored>, StoreError> {
        self.kept.document(stream).await
    }

    async fn record(&self, stream: &StreamId) -> Result<Option<Record>, StoreError> {
        self.kept.record(stream).await
    }

    async fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        self.kept.block(cid).await
    }

    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.kept.records().await
    }

    async fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        self.kept.outbox().await
    }

    async fn answer(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.kept.answer(name).await
    }

    async fn keep_answer(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.kept.keep_answer(name, bytes).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.there()?;
        self.kept.usage().await
    }
}

/// A node over this disk, and what is asked about it.
async fn node(disk: Disk) -> (Node, Shared) {
    let keypair = Keypair::generate_ed25519();
    let around = Surroundings {
        store: disk,
        transport: transport::build(&keypair, None).unwrap(),
        swarm: libp2p::swarm::Config::with_tokio_executor(),
        chains: Default::default(),
    };
    let config = NodeConfig {
        network: "local-1".to_owned(),
        keypair,
        peers: Vec::new(),
        listen: Vec::new(),
        agent: "test".to_owned(),
        types: Arc::default(),
    };
    let (node, driving) = Node::start(config, around).await.unwrap();
    tokio::task::spawn_local(driving);
    let monitor = Monitor {
        node: node.clone(),
        registry: Registry::default(),
        store: PathBuf::from("none"),
        started: Instant::now(),
    };
    let slots = Semaphore::new(MAX_AT_ONCE);
    (node, Shared(Arc::new((monitor, slots))))
}

async fn text(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn healthy(shared: &Shared) -> (u16, String) {
    text(health(State(shared.clone())).await).await
}

#[tokio::test]
async fn a_node_is_well_until_its_disk_or_its_driver_is_gone() {
    let test = async {
        let disk = Disk::default();
        let (node, shared) = node(disk.clone()).await;
        assert_eq!(healthy(&shared).await.0, 200);

        disk.gone.store(true, Ordering::SeqCst);
        let (status, why) = healthy(&shared).await;
        assert_eq!(status, 503);
        assert!(why.contains("no such device"), "{why}");
        let (status, page) = text(metrics(State(shared.clone())).await).await;
        assert_eq!(status, 200, "what is wrong is told in metrics as well");
        assert!(page.contains("\nostrakon_up 0\n"), "{page}");

        disk.gone.store(false, Ordering::SeqCst);
        assert_eq!(healthy(&shared).await.0, 200);
        node.stop().await;
        let (status, why) = healthy(&shared).await;
        assert_eq!(status, 503);
        assert!(why.contains("stopped"), "{why}");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_disk_that_is_full_shows_until_something_is_written_again() {
    let test = async {
        let disk = Disk::default();
        let (node, shared) = node(disk.clone()).await;
        let signer = Ed25519Signer::from_seed(&[1; 32]);
        let tile = New::Tile(NewTile::default());
        let (stream, blocks) = tile.written_by(&signer, [1; 12]).unwrap();
        disk.full.store(true, Ordering::SeqCst);
        let tip = *stream.init();
        node.submit(stream, tip, blocks.clone()).await.unwrap_err();
        let (status, why) = healthy(&shared).await;
        assert_eq!(status, 503);
        assert!(why.contains("full"), "{why}");
        disk.full.store(false, Ordering::SeqCst);
        node.submit(stream, tip, blocks).await.unwrap();
        assert_eq!(healthy(&shared).await.0, 200);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn who_asks_too_often_is_told_so() {
    let test = async {
        let (_node, shared) = node(Disk::default()).await;
        let taken = shared.0.1.acquire_many(MAX_AT_ONCE as u32).await.unwrap();
        assert_eq!(healthy(&shared).await.0, 429);
        drop(taken);
        assert_eq!(healthy(&shared).await.0, 200);
    };
    LocalSet::new().run_until(test).await;
}
