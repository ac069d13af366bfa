//! The future behind a [`Node`](crate::Node): carries what happens into the machine and its orders out, to the network and
//! the store. It spawns nothing; the store's futures run beside the network, so neither waits for the other.

#[cfg(feature = "recon")]
mod exchanging;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use futures_timer::Delay;
use ostrakon_protocol::Types;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;
use web_time::{Instant, SystemTime};

use crate::answering::{Answered, Answering};
use crate::chains::{Answers, Asker, ChainsConfig, News};
use crate::documents::{CallId, Documents, Now, Output, Reply, View, archive};
use crate::error::NodeError;
#[cfg(feature = "recon")]
use crate::exchange::Exchange;
use crate::feed::Writer;
use crate::network::chain_fetch::{self, AnswerId};
use crate::network::gossip::{Message, query_id};
#[cfg(feature = "recon")]
use crate::network::recon::{Key, TalkId};
use crate::network::{Network, NetworkEvent, WantKind, Wanted};
use crate::node::{Call, Command};
use crate::status::{NodeEvent, PeerInfo, Status};
use crate::store::{Change, Outgoing, Record, Store, StoreError, Stored, Usage};

/// Blocks being read for peers at once. The network has its own bound for each peer.
pub const MAX_SERVING: usize = 256;
/// Answers with whole chains under way.
pub const MAX_ANSWERING: usize = 64;
/// How long a peer waits at most that asks for an event which is being fetched here. Shorter than its own patience.
pub const AWAITED_FOR: Duration = Duration::from_secs(2);
/// Reads and writes of the store under way before the user's next list of documents is refused.
pub const MAX_READS: usize = 1024;
/// Longest sleep: a browser takes longer ones for none.
pub const MAX_SLEEP: Duration = Duration::from_secs(600);
/// Unknown documents of which a slow listener still hears.
pub const MAX_UNKNOWN: usize = 64;
/// Listeners to the node's events.
pub const MAX_LISTENERS: usize = 64;
/// How long events are judged before whoever shares the thread gets a turn. A browser takes 4 ms to give it back.
pub const MAX_JUDGING: Duration = Duration::from_millis(8);

/// What a call is answered with.
pub(crate) enum Answer {
    View(Arc<View>),
    Views(Vec<Arc<View>>),
    Done,
    Archive(Vec<u8>),
}

type Replier<T> = oneshot::Sender<Result<T, NodeError>>;

/// What the store answered.
enum Read {
    Opened(StreamId, Result<Option<Stored>, StoreError>),
    LookedUp(StreamId, Result<Option<Record>, StoreError>),
    Listed(Result<Vec<Record>, StoreError>),
    /// And what of it is to be offered, in the same order.
    Committed(Vec<(StreamId, Result<(), StoreError>)>, Vec<Change>),
    CommittedMany(CallId, Change, Result<(), StoreError>),
    /// What is kept, to be offered.
    #[cfg(feature = "recon")]
    Kept(Result<Vec<Record>, StoreError>),
    /// One document of it.
    #[cfg(feature = "recon")]
    Loaded(Result<Option<Stored>, StoreError>),
    /// Events that a peer is to get.
    #[cfg(feature = "recon")]
    Found(TalkId, Vec<(Key, Vec<u8>)>),
    Settled(Result<(), StoreError>),
    Served(Wanted, Result<Option<Block>, StoreError>),
    Answered(AnswerId, Answered),
    /// Who waited for an event waits no more.
    Awaited(AnswerId),
    Usage(Result<Usage, StoreError>),
    /// Someone else was answered already.
    Nothing,
}

enum Event {
    Abandoned(CallId),
    Command(Command),
    Read(Read),
    Network(NetworkEvent),
    Chain(News),
    Time,
    /// These conversations waited long enough.
    #[cfg(feature = "recon")]
    Patience(Vec<TalkId>),
    /// There are events to judge, and time for it.
    Judge,
}

pub(crate) struct Driver<S> {
    network: Network,
    store: Rc<S>,
    documents: Documents,
    #[cfg(feature = "recon")]
    exchange: Exchange,
    /// Whether a document is being read to be offered.
    #[cfg(feature = "recon")]
    loading: bool,
    asker: Asker<S>,
    commands: mpsc::Receiver<Command>,
    abandoned: mpsc::UnboundedReceiver<CallId>,
    replies: SortedMap<CallId, Replier<Answer>>,
    followers: SortedMap<CallId, Writer<Arc<View>>>,
    listeners: Vec<Writer<NodeEvent>>,
    reads: FuturesUnordered<Pin<Box<dyn Future<Output = Read>>>>,
    serving: usize,
    /// Changes that wait for the transaction before, to go together in the next; and whether one is under way.
    changes: Vec<(StreamId, Change)>,
    committing: bool,
    /// Answers with whole chains; nothing while the next part is read.
    answering: SortedMap<AnswerId, Option<Answering>>,
    /// Those that wait for an event of a document that is being fetched here.
    awaiting: Vec<(StreamId, AnswerId)>,
    /// Whether the usage is being counted, and whether it changed since.
    counting: (bool, bool),
    status: Arc<Mutex<Status>>,
    usage: Usage,
    stale: bool,
    timer: Option<(Duration, Delay)>,
    /// The next turn at judging, and how long the one at hand took so far.
    turn: Option<Delay>,
    judged: Duration,
    started: Instant,
    stopping: Option<oneshot::Sender<()>>,
    /// How often a document got a new tip.
    #[cfg(feature = "public-peer")]
    changed: u64,
    /// Why what was last to be written could not be.
    #[cfg(feature = "public-peer")]
    failing: Option<StoreError>,
}

/// Makes changes of different documents together. If that fails, each by itself: one that cannot be made keeps no other from
/// being made.
async fn commit_all(
    store: &impl Store,
    changes: Vec<(StreamId, Change)>,
) -> Vec<(StreamId, Result<(), StoreError>)> {
    if changes.len() > 1 {
        let together = changes.iter().map(|(_, change)| change.clone()).collect();
        if store.commit(Change::Many(together)).await.is_ok() {
            return changes.into_iter().map(|(id, _)| (id, Ok(()))).collect();
        }
    }
    let mut written = Vec::with_capacity(changes.len());
    for (stream, change) in changes {
        written.push((stream, store.commit(change).await));
    }
    written
}

/// The time, in unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl<S: Store> Driver<S> {
    pub(crate) fn new(
        network: Network,
        (store, outgoing): (S, Vec<Outgoing>),
        commands: mpsc::Receiver<Command>,
        abandoned: mpsc::UnboundedReceiver<CallId>,
        status: Arc<Mutex<Status>>,
        types: Arc<Types>,
        (answers, chains): (Answers, ChainsConfig),
    ) -> Driver<S> {
        let mut documents = Documents::new(types, answers);
        documents.resume(outgoing);
        let usage = {
            let status = status.lock().unwrap_or_else(PoisonError::into_inner);
            Usage {
                documents: status.documents,
                blocks: status.blocks,
                bytes: status.bytes,
            }
        };
        let store = Rc::new(store);
        Driver {
            #[cfg(feature = "recon")]
            exchange: Exchange::new(network.number()),
            #[cfg(feature = "recon")]
            loading: false,
            network,
            asker: Asker::new(store.clone(), &chains),
            store,
            documents,
            commands,
            abandoned,
            replies: SortedMap::new(),
            followers: SortedMap::new(),
            listeners: Vec::new(),
            reads: FuturesUnordered::new(),
            serving: 0,
            changes: Vec::new(),
            committing: false,
            answering: SortedMap::new(),
            awaiting: Vec::new(),
            counting: (false, false),
            status,
            usage,
            stale: false,
            timer: None,
            turn: None,
            judged: Duration::ZERO,
            started: Instant::now(),
            stopping: None,
            #[cfg(feature = "public-peer")]
            changed: 0,
            #[cfg(feature = "public-peer")]
            failing: None,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let event = poll_fn(|cx| self.poll(cx)).await;
            self.digest(event);
            while let Some(output) = self.documents.poll() {
                self.obey(output);
            }
            self.commit();
            if self.stale {
                self.tell_status();
            }
            if self.stopping.is_some() && self.documents.is_written() {
                break;
            }
        }
        let stopping = self.stopping.take();
        if stopping.is_some() {
            self.network.leave().await;
        }
        // The store is closed and every call has failed before the caller of stop goes on.
        drop(self);
        if let Some(stopped) = stopping {
            let _ = stopped.send(());
        }
    }

    fn now(&self) -> Now {
        Now {
            ticks: self.started.elapsed(),
            unix_ms: unix_ms(),
        }
    }

    /// The network comes last: it alone can have something new for ever.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(Some(id)) = self.abandoned.poll_next_unpin(cx) {
            return Poll::Ready(Event::Abandoned(id));
        }
        if self.stopping.is_none()
            && let Poll::Ready(Some(command)) = self.commands.poll_next_unpin(cx)
        {
            return Poll::Ready(Event::Command(command));
        }
        if let Poll::Ready(Some(read)) = self.reads.poll_next_unpin(cx) {
            return Poll::Ready(Event::Read(read));
        }
        if let Poll::Ready(news) = self.asker.poll(cx) {
            return Poll::Ready(Event::Chain(news));
        }
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Event::Time);
        }
        #[cfg(feature = "recon")]
        if let Poll::Ready(talks) = self.exchange.poll_patience(cx) {
            return Poll::Ready(Event::Patience(talks));
        }
        if self.poll_turn(cx).is_ready() {
            return Poll::Ready(Event::Judge);
        }
        self.network.poll(cx).map(Event::Network)
    }

    /// Between two turns at judging whoever shares the thread runs: a browser delivers messages only then.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.documents.is_judging() {
            self.turn = None;
            self.judged = Duration::ZERO;
            return Poll::Pending;
        }
        // What comes from others waits a little, so that more of it is judged together.
        if self.judged < MAX_JUDGING && self.documents.is_judging_own() {
            return Poll::Ready(());
        }
        let turn = self.turn.get_or_insert_with(|| Delay::new(Duration::ZERO));
        if turn.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.turn = None;
        self.judged = Duration::ZERO;
        Poll::Ready(())
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.documents.deadline() else {
            self.timer = None;
            return Poll::Pending;
        };
        if self
            .timer
            .as_ref()
            .is_none_or(|(set_for, _)| *set_for != at)
        {
            self.timer = Some((
                at,
                Delay::new(at.saturating_sub(self.started.elapsed()).min(MAX_SLEEP)),
            ));
        }
        let Some((_, delay)) = &mut self.timer else {
            return Poll::Pending;
        };
        if delay.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.timer = None;
        Poll::Ready(())
    }

    fn digest(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Abandoned(id) => {
                self.replies.remove(&id);
                self.followers.remove(&id);
                self.documents.cancel(id, now);
            }
            Event::Command(command) => self.digest_command(command, now),
            Event::Read(read) => self.digest_read(read, now),
            Event::Network(event) => self.digest_network(event, now),
            Event::Chain(News::Answered(key, outcome)) => {
                self.documents.chain_answered(key, outcome.answer(), now)
            }
            Event::Chain(News::Nobody(key)) => self.documents.chain_unasked(&key),
            Event::Chain(News::GaveUp(key, doubt)) => {
                tracing::debug!(transaction = %key, %doubt, code = doubt.code(), "a chain is not asked any more");
                self.documents.chain_doubted(&key, &doubt);
            }
            Event::Time => self.documents.tick(now),
            #[cfg(feature = "recon")]
            Event::Patience(talks) => {
                for talk in talks {
                    self.network.recon().kept(talk);
                }
            }
            Event::Judge => {
                self.documents.judge(now);
                let took = self.started.elapsed().saturating_sub(now.ticks);
                self.judged = self.judged.saturating_add(took);
            }
        }
    }

    fn digest_command(&mut self, command: Command, now: Now) {
        match command {
            Command::Call(id, call, reply) => {
                if reply.is_canceled() {
                    return;
                }
                self.replies.insert(id, reply);
                match call {
                    Call::Load(document, timeout) => {
                        let deadline = now.ticks.saturating_add(timeout);
                        self.documents.load(id, &document, deadline, now);
                    }
                    Call::Submit(stream, tips, blocks, intent) => {
                        let events = (tips, blocks);
                        self.documents.submit(id, stream, events, intent, now);
                    }
                    Call::CreateMany(drafts) => self.documents.create_many(id, drafts, now),
                    Call::Forget(stream, may_be_lost) => {
                        self.documents.forget(id, stream, may_be_lost, now)
                    }
                    Call::Export(stream) => self.documents.export(id, stream, now),
                }
            }
            Command::Follow(id, stream, writer) => {
                if !writer.is_closed() {
                    self.followers.insert(id, writer);
                    self.documents.follow(id, stream, now);
                }
            }
            Command::Records(reply) if self.reads.len() >= MAX_READS => {
                let _ = reply.send(Err(NodeError::Busy));
            }
            Command::Records(reply) => {
                let store = self.store.clone();
                self.reads.push(Box::pin(async move {
                    // Err means that nobody waits for it any more.
                    let _ = reply.send(store.records().await.map_err(NodeError::Store));
                    Read::Nothing
                }));
            }
            Command::Outbox(reply) => {
                // Err means that nobody waits for it any more.
                let _ = reply.send(self.documents.outbox());
            }
            Command::Listen(writer) => {
                self.listeners.retain(|listener| !listener.is_closed());
                if self.listeners.len() < MAX_LISTENERS {
                    writer.push(NodeEvent::Status(self.read_status()), |_| false);
                    self.listeners.push(writer);
                }
            }
            #[cfg(feature = "public-peer")]
            Command::Probe(reply) => self.probe(reply),
            Command::Dial(address) => {
                if let Err(error) = self.network.dial(address) {
                    tracing::warn!(%error, "an address cannot be dialled");
                }
            }
            Command::Wake => {
                self.network.wake();
                self.asker.wake();
                self.documents.ask_chains();
            }
            #[cfg(feature = "recon")]
            Command::Want(wants) => self.want(wants),
            Command::Stop(stopped) => self.stopping = Some(stopped),
        }
    }

    fn digest_read(&mut self, read: Read, now: Now) {
        match read {
            Read::Opened(stream, read) => self.documents.opened(stream, read, now),
            Read::LookedUp(stream, read) => self.documents.looked_up(stream, read, now),
            Read::Listed(read) => self.documents.listed(read, now),
            Read::Committed(all, changes) => {
                self.committing = false;
                #[cfg(feature = "public-peer")]
                {
                    let failed = all.iter().find_map(|(_, written)| written.as_ref().err());
                    self.failing = failed.cloned();
                }
                for ((stream, written), change) in all.into_iter().zip(changes) {
                    self.offer(change, &written);
                    if let Err(error) = &written {
                        tracing::warn!(%stream, %error, code = error.code(), "nothing was written");
                    }
                    self.documents.committed(stream, written, now);
                    self.end_waiting(|(of, _)| *of == stream);
                }
                self.count();
            }
            Read::CommittedMany(call, change, written) => {
                #[cfg(feature = "public-peer")]
                {
                    self.failing = written.as_ref().err().cloned();
                }
                self.offer(change, &written);
                self.documents.committed_many(call, written, now);
                self.count();
            }
            #[cfg(feature = "recon")]
            Read::Kept(read) => self.kept(read),
            #[cfg(feature = "recon")]
            Read::Loaded(read) => self.loaded(read),
            #[cfg(feature = "recon")]
            Read::Found(talk, values) => self.network.recon().found(talk, values),
            Read::Settled(written) => self.documents.settled(written),
            Read::Served(wanted, read) => {
                self.serving = self.serving.saturating_sub(1);
                let block = read.unwrap_or_else(|error| {
                    tracing::warn!(cid = %wanted.cid, %error, "a block cannot be read");
                    None
                });
                if block.is_some() && wanted.kind == WantKind::Block {
                    self.documents.served(&wanted.cid, wanted.peer);
                }
                self.network.answer(wanted, block);
            }
            Read::Answered(id, answered) => self.answered(id, answered),
            Read::Awaited(id) => self.end_waiting(|(_, waiting)| *waiting == id),
            Read::Usage(read) => {
                let (_, again) = std::mem::take(&mut self.counting);
                match read {
                    Ok(usage) if usage != self.usage => {
                        self.usage = usage;
                        self.stale = true;
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "the store cannot be counted"),
                }
                if again {
                    self.count();
                }
            }
            Read::Nothing => {}
        }
    }

    fn digest_network(&mut self, event: NetworkEvent, now: Now) {
        match event {
            NetworkEvent::PeerConnected { peer, address } => self.tell_peer(peer, true, address),
            NetworkEvent::PeerDisconnected { peer, address } => {
                self.documents.leaves(&peer);
                self.tell_peer(peer, false, address);
            }
            NetworkEvent::PeerChanged(_) | NetworkEvent::Listening { .. } => self.stale = true,
            NetworkEvent::PeerListens { peer } => self.documents.listens(peer, now),
            NetworkEvent::DialFailed { peer, reason } => {
                tracing::debug!(?peer, reason, "a dial failed")
            }
            NetworkEvent::Heard {
                from,
                source,
                message,
            } => self.hear(&[source, from], message, now),
            NetworkEvent::Block { block, from } => self.documents.block(&block, from, now),
            NetworkEvent::Missing { cid } => self.documents.missing(&cid, now),
            NetworkEvent::Wanted(wanted) => self.serve(wanted),
            NetworkEvent::PeerAnswersChains { peer } => self.documents.answers_chains(peer, now),
            NetworkEvent::Chains(event) => self.digest_chains(event, now),
            #[cfg(feature = "recon")]
            NetworkEvent::Recon(event) => self.digest_recon(event, now),
        }
    }

    fn digest_chains(&mut self, event: chain_fetch::Event, now: Now) {
        match event {
            chain_fetch::Event::Part { ask, items } => {
                self.documents.chain_part(ask, items, now);
            }
            chain_fetch::Event::Ended { ask, refusal } => {
                self.documents.chain_ended(ask, refusal, now);
            }
            chain_fetch::Event::Asked { id, .. } if self.answering.len() >= MAX_ANSWERING => {
                self.network.chains().hang_up(id);
            }
            chain_fetch::Event::Asked { id, wants } => {
                let answering = Answering::new(wants);
                match answering.next() {
                    Some((stream, tip)) if self.documents.expects(stream, tip) => {
                        self.awaiting.push((*stream, id));
                        self.answering.insert(id, Some(answering));
                        self.reads.push(Box::pin(async move {
                            Delay::new(AWAITED_FOR).await;
                            Read::Awaited(id)
                        }));
                    }
                    _ => self.answer(id, answering),
                }
            }
            chain_fetch::Event::More { id } => {
                if let Some(rest) = self.answering.get_mut(&id).and_then(Option::take) {
                    self.answer(id, rest);
                }
            }
            chain_fetch::Event::Gone { id } => {
                self.answering.remove(&id);
                self.awaiting.retain(|(_, waiting)| *waiting != id);
            }
        }
    }

    /// Answers those that waited for an event.
    fn end_waiting(&mut self, which: impl Fn(&(StreamId, AnswerId)) -> bool) {
        let (now, left) = std::mem::take(&mut self.awaiting)
            .into_iter()
            .partition(which);
        self.awaiting = left;
        let now: Vec<(StreamId, AnswerId)> = now;
        for (_, id) in now {
            if let Some(rest) = self.answering.get_mut(&id).and_then(Option::take) {
                self.answer(id, rest);
            }
        }
    }

    /// Reads the next part of an answer.
    fn answer(&mut self, id: AnswerId, answering: Answering) {
        self.answering.insert(id, None);
        let store = self.store.clone();
        self.reads.push(Box::pin(async move {
            Read::Answered(id, answering.read(&*store).await)
        }));
    }

    fn answered(&mut self, id: AnswerId, answered: Answered) {
        let Some(rest) = self.answering.get_mut(&id) else {
            return;
        };
        match answered.last {
            true => drop(self.answering.remove(&id)),
            false => *rest = Some(answered.rest),
        }
        for tip in answered.tips {
            self.documents.served(&tip, id.peer);
        }
        self.network
            .chains()
            .answer(id, answered.part, answered.last);
    }

    fn hear(&mut self, providers: &[libp2p::PeerId], message: Message, now: Now) {
        match message {
            Message::Update { stream, tip, .. } => {
                self.documents.announced(stream, tip, providers, now)
            }
            Message::Query { stream, .. } => self.documents.asked(stream, now),
            Message::Response { id, tips } => {
                for (stream, tip) in tips {
                    // An answer names the question it answers, or is none.
                    if let Ok(stream) = stream.parse::<StreamId>()
                        && query_id(&stream) == id
                    {
                        self.documents.answered(stream, tip, providers, now);
                    }
                }
            }
            Message::KeepAlive { .. } => {}
        }
    }

    fn serve(&mut self, wanted: Wanted) {
        if self.serving >= MAX_SERVING {
            // The peer asks elsewhere, or again.
            self.network.answer(wanted, None);
            return;
        }
        self.serving = self.serving.saturating_add(1);
        let store = self.store.clone();
        self.reads.push(Box::pin(async move {
            let read = store.block(&wanted.cid).await;
            Read::Served(wanted, read)
        }));
    }

    fn obey(&mut self, output: Output) {
        let store = self.store.clone();
        match output {
            #[cfg(feature = "recon")]
            Output::Reply(id, reply) if Exchange::is_own(id) => self.received(id, reply.map(drop)),
            Output::Reply(id, reply) => {
                if let Some(sender) = self.replies.remove(&id) {
                    // Err means that nobody waits for it any more.
                    let _ = sender.send(reply.map(|reply| match reply {
                        Reply::View(view) => Answer::View(view),
                        Reply::Views(views) => Answer::Views(views),
                        Reply::Done => Answer::Done,
                    }));
                }
            }
            Output::Export(id, document) => {
                let Some(sender) = self.replies.remove(&id) else {
                    return;
                };
                self.reads.push(Box::pin(async move {
                    let archive = match store.document(document.stream()).await {
                        Ok(Some(stored)) => match archive::needed(&*store, &stored).await {
                            Ok(needed) => archive::write(&document, stored, needed),
                            Err(error) => Err(NodeError::Store(error)),
                        },
                        Ok(None) => Err(NodeError::NotKept(*document.stream())),
                        Err(error) => Err(NodeError::Store(error)),
                    };
                    let _ = sender.send(archive.map(Answer::Archive));
                    Read::Nothing
                }));
            }
            Output::Show(id, view) => {
                if let Some(follower) = self.followers.get(&id) {
                    follower.push(view, |_| true);
                }
            }
            Output::End(id) => {
                self.followers.remove(&id);
            }
            Output::Changed(view) => {
                #[cfg(feature = "public-peer")]
                {
                    self.changed = self.changed.saturating_add(1);
                }
                let event = NodeEvent::Document {
                    stream: *view.document.stream(),
                    tip: *view.document.tip(),
                };
                self.tell(event, |_| false);
            }
            Output::Unknown(stream) => {
                // Strangers can say this without end, and what else happens must not give way to it.
                let left = Cell::new(MAX_UNKNOWN);
                self.tell(NodeEvent::Unknown { stream }, |event| match event {
                    NodeEvent::Unknown { stream: other } if *other == stream => true,
                    NodeEvent::Unknown { .. } => {
                        left.set(left.get().saturating_sub(1));
                        left.get() == 0
                    }
                    _ => false,
                });
            }
            Output::Open(stream) => {
                self.reads.push(Box::pin(async move {
                    Read::Opened(stream, store.document(&stream).await)
                }));
            }
            Output::LookUp(stream) => {
                self.reads.push(Box::pin(async move {
                    Read::LookedUp(stream, store.record(&stream).await)
                }));
            }
            Output::List => self
                .reads
                .push(Box::pin(async move { Read::Listed(store.records().await) })),
            Output::Commit(stream, change) => self.changes.push((stream, change)),
            Output::CommitMany(call, change) => {
                let copy = self.copy(&change);
                self.reads.push(Box::pin(async move {
                    Read::CommittedMany(call, copy, store.commit(change).await)
                }));
            }
            Output::Settle(change) => {
                self.reads.push(Box::pin(async move {
                    Read::Settled(store.commit(change).await)
                }));
            }
            Output::Publication {
                stream,
                tip,
                publication,
            } => {
                let event = NodeEvent::Publication {
                    stream,
                    tip,
                    publication,
                };
                let same = |old: &NodeEvent| matches!(old, NodeEvent::Publication { stream: of, .. } if *of == stream);
                self.tell(event, same);
            }
            Output::Lost { stream, event, tip } => {
                let event = NodeEvent::WriteLost { stream, event, tip };
                self.tell(event, |_| false);
            }
            Output::Respond(stream, tip) => {
                self.publish(&Message::response(&query_id(&stream), &stream, tip))
            }
            Output::Update(stream, tip) => self.publish(&Message::Update {
                stream,
                tip,
                model: None,
            }),
            Output::Query(stream) => {
                if let Err(error) = self.network.publish(&Message::query(stream)) {
                    tracing::debug!(%stream, %error, "a question waits");
                    self.documents.not_asked(&stream, self.now());
                }
            }
            Output::Get(cids, providers) => self.network.get(cids, &providers),
            Output::Cancel(cid) => self.network.cancel(&cid),
            Output::Chain(ask, peer, wants) => self.network.ask_chains(ask, peer, &wants),
            Output::GoOn(ask) => self.network.chains().go_on(ask),
            Output::Hush(ask) => self.network.chains().cancel(ask),
            Output::RefusedChain(peer, refusal) => {
                tracing::debug!(%peer, %refusal, code = refusal.code(), "a peer is not asked for chains any more");
            }
            Output::Offer(blocks) => blocks.iter().for_each(|block| self.network.offer(block)),
            Output::Unhear(stream, tip) => self.network.unhear(&stream, &tip),
            Output::Ask(key) => self.asker.want(key),
        }
    }

    /// Writes what waits, of all documents in one transaction: each one costs as much as many blocks do.
    fn commit(&mut self) {
        if self.committing || self.changes.is_empty() {
            return;
        }
        self.committing = true;
        let changes = std::mem::take(&mut self.changes);
        let copies = changes.iter().map(|(_, change)| self.copy(change));
        let copies = copies.collect();
        let store = self.store.clone();
        self.reads.push(Box::pin(async move {
            Read::Committed(commit_all(&*store, changes).await, copies)
        }));
    }

    fn publish(&mut self, message: &Message) {
        if let Err(error) = self.network.publish(message) {
            tracing::warn!(%error, "a message was not published");
        }
    }

    #[cfg(feature = "public-peer")]
    fn probe(&mut self, reply: Replier<crate::status::Vitals>) {
        let refused = match &self.failing {
            Some(failure) => Some(NodeError::Store(failure.clone())),
            None if self.reads.len() >= MAX_READS => Some(NodeError::Busy),
            None => None,
        };
        if let Some(error) = refused {
            let _ = reply.send(Err(error));
            return;
        }
        let outbox = self.documents.outbox().len();
        let mut vitals = crate::status::Vitals {
            status: self.read_status(),
            network: self.network.counts(),
            tips_accepted: self.changed,
            tips_refused: self.documents.refused,
            outbox: u64::try_from(outbox).unwrap_or(u64::MAX),
        };
        let store = self.store.clone();
        self.reads.push(Box::pin(async move {
            let counted = store.usage().await.map_err(NodeError::Store);
            // Err means that nobody waits for it any more.
            let _ = reply.send(counted.map(|usage| {
                vitals.status.documents = usage.documents;
                vitals.status.blocks = usage.blocks;
                vitals.status.bytes = usage.bytes;
                vitals
            }));
            Read::Nothing
        }));
    }

    fn count(&mut self) {
        if self.counting.0 {
            self.counting.1 = true;
            return;
        }
        self.counting = (true, false);
        let store = self.store.clone();
        self.reads
            .push(Box::pin(async move { Read::Usage(store.usage().await) }));
    }

    fn tell_peer(&mut self, peer: libp2p::PeerId, connected: bool, address: libp2p::Multiaddr) {
        self.documents.set_online(self.network.is_online());
        self.tell(
            NodeEvent::Peer {
                peer,
                connected,
                address,
            },
            |_| false,
        );
        self.stale = true;
    }

    fn tell(&mut self, event: NodeEvent, replaces: impl Fn(&NodeEvent) -> bool) {
        self.listeners.retain(|listener| !listener.is_closed());
        for listener in &self.listeners {
            listener.push(event.clone(), &replaces);
        }
    }

    fn read_status(&self) -> Status {
        Status {
            online: self.network.is_online(),
            peer_id: self.network.peer_id(),
            peers: self.network.peers().map(PeerInfo::from).collect(),
            addresses: self.network.listeners().cloned().collect(),
            documents: self.usage.documents,
            blocks: self.usage.blocks,
            bytes: self.usage.bytes,
        }
    }

    fn tell_status(&mut self) {
        self.stale = false;
        let status = self.read_status();
        let mut known = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == status {
            return;
        }
        *known = status.clone();
        drop(known);
        self.tell(NodeEvent::Status(status), |event| {
            matches!(event, NodeEvent::Status(_))
        });
    }
}

/// Without Recon nothing is offered.
#[cfg(not(feature = "recon"))]
impl<S: Store> Driver<S> {
    fn copy(&self, _: &Change) -> Change {
        Change::Many(Vec::new())
    }

    fn offer(&mut self, _: Change, _: &Result<(), StoreError>) {}
}
