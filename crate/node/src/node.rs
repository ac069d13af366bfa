//! The handle to a node. The work is done by the future that [`Node::start`] returns beside it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cid::Cid;
use futures::channel::{mpsc, oneshot};
use futures::{SinkExt, Stream, StreamExt, stream};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use ostrakon_protocol::Types;
use ostrakon_protocol::anchor::Chains;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::{DocumentRef, StreamId};

use crate::chains::{Answers, ChainsConfig};
use crate::documents::archive::{self, Import};
use crate::documents::{CallId, Draft, Intent, View, Waiting};
use crate::driver::{self, Driver};
use crate::error::NodeError;
#[cfg(feature = "recon")]
use crate::exchange::Want;
use crate::feed::{Writer, feed};
use crate::network::{Network, NetworkConfig};
use crate::status::{NodeEvent, Status};
use crate::store::{Record, Store};
use crate::writing::Turns;

/// Events that wait for a slow listener; beyond it the oldest are lost.
pub const MAX_EVENTS: usize = 256;

/// Who this node is and whom it calls.
#[derive(Clone)]
pub struct NodeConfig {
    /// The network's name, for example `local-1` (as js-ceramic names its topics).
    pub network: String,
    /// The key behind this node's peer id.
    pub keypair: Keypair,
    /// Peers to keep a connection to.
    pub peers: Vec<Multiaddr>,
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// What this node calls itself to others, for example `ostrakon/0.1.0`.
    pub agent: String,
    /// The document types that can be judged: those of Ceramic, and others with rules of their own.
    pub types: Arc<Types>,
}

/// What the platform provides.
pub struct Surroundings<S> {
    /// Where documents are kept.
    pub store: S,
    /// How bytes reach peers: encrypted, authenticated, multiplexed.
    pub transport: Boxed<(PeerId, StreamMuxerBox)>,
    /// Says who runs the connections' tasks.
    pub swarm: libp2p::swarm::Config,
    /// Who can be asked about anchors; nobody by default.
    pub chains: ChainsConfig,
}

/// A running node. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node {
    commands: mpsc::Sender<Command>,
    /// Names of calls whose callers gave up: never more than there are calls.
    abandoned: mpsc::UnboundedSender<CallId>,
    calls: Arc<AtomicU64>,
    pub(crate) status: Arc<Mutex<Status>>,
    /// Whose turn it is to write to which document.
    pub(crate) turns: Turns,
}

pub(crate) enum Command {
    Call(
        CallId,
        Call,
        oneshot::Sender<Result<driver::Answer, NodeError>>,
    ),
    Follow(CallId, StreamId, Writer<Arc<View>>),
    Records(oneshot::Sender<Result<Vec<Record>, NodeError>>),
    Outbox(oneshot::Sender<Vec<Waiting>>),
    Listen(Writer<NodeEvent>),
    #[cfg(feature = "public-peer")]
    Probe(oneshot::Sender<Result<crate::status::Vitals, NodeError>>),
    Dial(Multiaddr),
    Wake,
    #[cfg(feature = "recon")]
    Want(Vec<Want>),
    Stop(oneshot::Sender<()>),
}

pub(crate) enum Call {
    Load(DocumentRef, Duration),
    Submit(StreamId, Vec<Cid>, Arc<HashMap<Cid, Block>>, Intent),
    CreateMany(Vec<Draft>),
    /// And whether writes that nobody else has may be lost.
    Forget(StreamId, bool),
    Export(StreamId),
}

impl Node {
    /// Starts a node: reads how much the store keeps, joins the network. Nothing happens unless the future is polled; it
    /// ends once the node was stopped.
    ///
    /// # Errors
    /// [`NodeError::Store`] if the store cannot be read, [`NodeError::Network`] if the network cannot be joined.
    pub async fn start<S: Store>(
        config: NodeConfig,
        around: Surroundings<S>,
    ) -> Result<(Node, impl Future<Output = ()> + use<S>), NodeError> {
        let (node, driver) = Node::assemble(config, around, |_| {}).await?;
        Ok((node, driver.run()))
    }

    /// The same for a peer that others can reach.
    ///
    /// # Errors
    /// As [`Node::start`].
    #[cfg(feature = "public-peer")]
    pub async fn start_public<S: Store>(
        config: NodeConfig,
        around: Surroundings<S>,
        public: crate::network::public::Public,
    ) -> Result<(Node, impl Future<Output = ()> + use<S>), NodeError> {
        let prepare = |network: &mut Network| network.make_public(public);
        let (node, driver) = Node::assemble(config, around, prepare).await?;
        Ok((node, driver.run()))
    }

    async fn assemble<S: Store>(
        config: NodeConfig,
        around: Surroundings<S>,
        prepare: impl FnOnce(&mut Network),
    ) -> Result<(Node, Driver<S>), NodeError> {
        let usage = around.store.usage().await?;
        let outgoing = around.store.outbox().await?;
        let NodeConfig {
            network,
            keypair,
            peers,
            listen,
            agent,
            types,
        } = config;
        let chains = around.chains;
        let counting = chains.chains.clone();
        let counting = counting.unwrap_or_else(|| Chains::of_network(&network));
        let answers = Answers::new(counting, chains.policy);
        let config = NetworkConfig {
            network,
            keypair,
            peers,
            listen,
            agent,
        };
        let mut network = Network::new(config, around.transport, around.swarm)?;
        prepare(&mut network);
        let status = Arc::new(Mutex::new(Status {
            online: false,
            peer_id: network.peer_id(),
            peers: Vec::new(),
            addresses: Vec::new(),
            documents: usage.documents,
            blocks: usage.blocks,
            bytes: usage.bytes,
        }));
        // One slot for each caller, who waits for the answer; how many may call is the machine's to say.
        let (commands, receiver) = mpsc::channel(0);
        let (abandoned, gone) = mpsc::unbounded();
        let driver = Driver::new(
            network,
            (around.store, outgoing),
            receiver,
            gone,
            status.clone(),
            types,
            (answers, chains),
        );
        let node = Node {
            commands,
            abandoned,
            calls: Arc::default(),
            status,
            turns: Turns::default(),
        };
        Ok((node, driver))
    }

    /// A document: from disk at once if it is kept, else from the network; followed from then on. A reference to a version
    /// gives the document with that version in its log. Other documents that judging it needs (its model, its schema) are
    /// loaded and kept as well. Dropping the future cancels.
    ///
    /// # Errors
    /// After `timeout`: [`NodeError::Offline`], [`NodeError::NotFound`], [`NodeError::Unavailable`],
    /// [`NodeError::NeedsDocument`] or [`NodeError::CommitNotFound`]; before: [`NodeError::Refused`] if it cannot be valid, [`NodeError::Store`].
    pub async fn load(&self, document: &DocumentRef, timeout: Duration) -> Result<View, NodeError> {
        match self.call(Call::Load(*document, timeout)).await? {
            driver::Answer::View(view) => Ok(View::clone(&view)),
            _ => Err(NodeError::Stopped),
        }
    }

    /// A document as it is now, and after every change; asks the network for one that is not kept. A slow reader misses
    /// what lies between. Ends when the document is forgotten, the node stops, or too much is under way.
    pub fn follow(&self, stream: &StreamId) -> impl Stream<Item = Arc<View>> + use<> {
        let id = self.next_call();
        let (writer, reader) = feed(1);
        let abandon = Abandon {
            id,
            to: self.abandoned.clone(),
        };
        self.tell(Command::Follow(id, *stream, writer));
        stream::unfold((reader, abandon), |(mut reader, abandon)| async move {
            Some((reader.next().await?, (reader, abandon)))
        })
    }

    /// What is kept because someone here loaded, followed, imported or wrote it. What is kept only because others need it is
    /// not listed here; [`Node::status`] counts it.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn documents(&self) -> Result<Vec<Record>, NodeError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Records(sender)).await?;
        let mut records = receiver.await.map_err(|_| NodeError::Stopped)??;
        records.retain(|record| record.asked);
        Ok(records)
    }

    /// Removes a document and stops following it. Nothing happens if it is not kept. One that other kept documents need
    /// stays on disk until none of them is left, but is not listed any more.
    ///
    /// # Errors
    /// [`NodeError::Unpublished`] if it has writes from here that nobody else has, [`NodeError::Store`].
    pub async fn forget(&self, stream: &StreamId) -> Result<(), NodeError> {
        self.call(Call::Forget(*stream, false)).await.map(drop)
    }

    /// The same for a document whose unpublished writes may be lost: nobody will ever see them.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn discard(&self, stream: &StreamId) -> Result<(), NodeError> {
        self.call(Call::Forget(*stream, true)).await.map(drop)
    }

    /// What was written here and nobody else is known to have, and why it waits.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn outbox(&self) -> Result<Vec<Waiting>, NodeError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Outbox(sender)).await?;
        receiver.await.map_err(|_| NodeError::Stopped)
    }

    /// Keeps the documents that an archive's roots belong to, and announces them. Others that judging them needs are looked
    /// for in the archive, on disk and on the network. A bad archive imports nothing; if the store fails, the documents
    /// before are kept whole.
    ///
    /// # Errors
    /// Those of [`archive::read`], [`NodeError::Chain`], [`NodeError::Refused`], [`NodeError::NeedsDocument`],
    /// [`NodeError::Store`].
    pub async fn import_car(&self, bytes: &[u8]) -> Result<Vec<StreamId>, NodeError> {
        let imports = archive::read(bytes)?;
        for import in &imports {
            let tips = import.tips.clone();
            let blocks = import.blocks.clone();
            self.call(Call::Submit(import.stream, tips, blocks, Intent::Try))
                .await?;
        }
        let mut streams = Vec::with_capacity(imports.len());
        for import in imports {
            let Import {
                stream,
                tips,
                blocks,
            } = import;
            self.call(Call::Submit(stream, tips, blocks, Intent::Keep))
                .await?;
            streams.push(stream);
        }
        Ok(streams)
    }

    /// A kept document as an archive, its tips as roots.
    ///
    /// # Errors
    /// [`NodeError::NotKept`], [`NodeError::Incomplete`] if the disk lost a block, [`NodeError::Store`].
    pub async fn export_car(&self, stream: &StreamId) -> Result<Vec<u8>, NodeError> {
        match self.call(Call::Export(*stream)).await? {
            driver::Answer::Archive(bytes) => Ok(bytes),
            _ => Err(NodeError::Stopped),
        }
    }

    /// Events from here up to `tip`: verified, kept, and announced until somebody has them. The blocks of events that are
    /// kept already may be left out.
    ///
    /// # Errors
    /// [`NodeError::Incomplete`], [`NodeError::Chain`], [`NodeError::Refused`], [`NodeError::NeedsDocument`],
    /// [`NodeError::OutboxFull`], [`NodeError::Store`]; then nothing is kept.
    pub async fn submit(
        &self,
        stream: StreamId,
        tip: Cid,
        blocks: Vec<Block>,
    ) -> Result<(), NodeError> {
        let blocks: HashMap<Cid, Block> = blocks
            .into_iter()
            .map(|block| (*block.cid(), block))
            .collect();
        let blocks = Arc::new(blocks);
        self.call(Call::Submit(stream, vec![tip], blocks, Intent::Send))
            .await
            .map(drop)
    }

    /// What happens from now on, the current status first. Ends when the node stops; at once if there are too many listeners.
    pub fn events(&self) -> impl Stream<Item = NodeEvent> + use<> {
        let (writer, reader) = feed(MAX_EVENTS);
        self.tell(Command::Listen(writer));
        reader
    }

    /// How the node is doing.
    pub async fn status(&self) -> Status {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How the node is doing, asked of its driver and its store: an answer means that both work.
    ///
    /// # Errors
    /// [`NodeError::Stopped`], [`NodeError::Busy`]; [`NodeError::Store`] if the store cannot be read, or what was last to be
    /// written could not be.
    #[cfg(feature = "public-peer")]
    pub async fn vitals(&self) -> Result<crate::status::Vitals, NodeError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Probe(sender)).await?;
        receiver.await.map_err(|_| NodeError::Stopped)?
    }

    /// Dials once. Whether it worked is an event.
    pub async fn dial(&self, address: Multiaddr) {
        let _ = self.send(Command::Dial(address)).await;
    }

    /// Dials the configured peers that are not connected, and asks chains what is not known, now: the device woke up, is
    /// online again, or has a wallet.
    pub async fn wake(&self) {
        let _ = self.send(Command::Wake).await;
    }

    /// What this node wants to hold from now on, in place of what it wanted before; [`MAX_WANTS`](crate::MAX_WANTS) at most.
    /// With a peer that wants the same it exchanges all events in that, both ways (by Recon, as ceramic-one does), and keeps
    /// what is valid. Nothing happens on a network of which Recon does not know (one that is not Ceramic's, nor `local-` and a
    /// number). Also a node that wants nothing answers, and says so.
    #[cfg(feature = "recon")]
    pub async fn want(&self, wants: Vec<Want>) {
        let _ = self.send(Command::Want(wants)).await;
    }

    /// Finishes what is being written, and ends the driver. Calls under way fail with [`NodeError::Stopped`].
    pub async fn stop(self) {
        let (sender, receiver) = oneshot::channel();
        if self.send(Command::Stop(sender)).await.is_ok() {
            let _ = receiver.await;
        }
    }

    fn next_call(&self) -> CallId {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    async fn send(&self, command: Command) -> Result<(), NodeError> {
        self.commands
            .clone()
            .send(command)
            .await
            .map_err(|_| NodeError::Stopped)
    }

    /// A new handle has a slot of its own, so this never finds the queue full; without a driver the command is dropped,
    /// and with it whatever waits for it ends.
    fn tell(&self, command: Command) {
        let _ = self.commands.clone().try_send(command);
    }

    pub(crate) async fn call(&self, call: Call) -> Result<driver::Answer, NodeError> {
        let id = self.next_call();
        let (sender, receiver) = oneshot::channel();
        let _abandon = Abandon {
            id,
            to: self.abandoned.clone(),
        };
        self.send(Command::Call(id, call, sender)).await?;
        receiver.await.map_err(|_| NodeError::Stopped)?
    }
}

/// Tells the driver that nobody waits for a call any more.
struct Abandon {
    id: CallId,
    to: mpsc::UnboundedSender<CallId>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        // A driver that is gone needs no telling.
        let _ = self.to.unbounded_send(self.id);
    }
}
