//! The documents of a node: load, follow, forget, export, submit. A state machine without I/O, like [`crate::sync`]
//! which it drives: calls, news and answers of the store go in, answers and orders come out.
//!
//! There is one road to a [`View`]: blocks, walk, verification, one transaction. What comes from disk takes it again on
//! every open, so nothing rests on trust in the disk.
//!
//! What strangers can do here is announce and ask, about documents kept or not: [`MAX_LOOKUPS`] reads of the store at
//! once, [`MAX_OWED`] answers that wait, one answer per document and [`ANSWER_PAUSE`]. What the node's own user can do
//! is call: [`MAX_CALLS`]; memory holds [`MAX_OPEN`] documents, the rest is on disk.

mod anchors;
pub mod archive;
mod batch;
mod calls;
mod commit;
mod forget;
mod judge;
mod needs;
mod news;
mod open;
mod outbox;
mod strangers;
mod trial;
mod waiting;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::Types;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::{DocumentRef, StreamId};
use ostrakon_protocol::sorted::SortedMap;

use crate::chains::{Answers, Doubt, Key};
use crate::error::NodeError;
use crate::network::chain_fetch::{self, AskId, Refusal};
use crate::store::{Change, Record, StoreError, Stored};
use crate::sync::Sync;
use anchors::Asked;
pub use anchors::{MAX_ASKED, MAX_ASKED_PER_DOCUMENT};
use batch::Batch;
pub use batch::{Draft, MAX_BATCH_SLICE, MAX_BATCHES};
use calls::{Call, Kind};
pub use forget::{MAX_SWEPT, SWEPT_AFTER};
use judge::Knowledge;
pub use judge::MAX_LOSING;
use needs::Needs;
pub use needs::{
    MAX_FAILED, MAX_NEED_DEPTH, MAX_NEEDS, MAX_WAITING, MAX_WAITING_BYTES,
    MAX_WAITING_PER_DOCUMENT, RESTORING_FOR, SETTLING_FOR, WAITING_FOR,
};
pub use open::Intent;
use open::{Doing, Job, Open, Submission};
use outbox::Outbox;
pub use outbox::{
    FIRST_REPEAT, MAX_LOST_REPEATS, MAX_OUTBOX, MAX_SEEN, MAX_TRACKED, PUBLISH_PAUSE,
    PUBLISHED_AT_ONCE, Publication, Waiting, WaitingFor,
};
use strangers::Strangers;
pub use trial::MAX_SLICE;

/// Documents in memory at once.
pub const MAX_OPEN: usize = 256;
/// Calls under way at once.
pub const MAX_CALLS: usize = 1024;
/// Things that wait their turn on one document.
pub const MAX_JOBS: usize = 32;
/// Documents looked up at once because a stranger spoke of them.
pub const MAX_LOOKUPS: usize = 32;
/// Tips remembered while their document is looked up or opened.
pub const MAX_HINTS: usize = 8;
/// Questions of others that wait for an answer.
pub const MAX_OWED: usize = 256;
/// Pause between two answers about the same document.
pub const ANSWER_PAUSE: Duration = Duration::from_millis(250);
/// Kept documents that are not in memory and asked about in one round.
pub const MAX_ROUND: usize = 4096;
/// Pause between two questions of a round.
pub const ROUND_PAUSE: Duration = Duration::from_millis(200);

/// A verified document, as kept.
#[derive(Clone, Debug)]
pub struct View {
    /// The document.
    pub document: Arc<Document>,
    /// What is noted about it.
    pub record: Record,
    /// Where it was last changed from.
    pub from: Source,
    /// Why there is no telling about transactions that its anchors name.
    pub doubts: SortedMap<Key, Doubt>,
    /// How far its newest event got.
    pub publication: Publication,
}

impl View {
    fn new(document: Document, record: Record, from: Source) -> View {
        View {
            document: Arc::new(document),
            record,
            from,
            doubts: SortedMap::new(),
            publication: Publication::Published,
        }
    }
}

/// Where a document's newest event came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was kept already, or written here.
    Disk,
    /// It arrived since.
    Network,
}

/// The time, as the machine needs it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since some fixed moment; never runs backwards.
    pub ticks: Duration,
    /// Unix milliseconds.
    pub unix_ms: u64,
}

/// Names a call.
pub type CallId = u64;

/// What a call is answered with.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The document that was loaded or written.
    View(Arc<View>),
    /// The documents that were made.
    Views(Vec<Arc<View>>),
    /// It is done.
    Done,
}

/// What the machine wants done.
#[derive(Debug)]
pub enum Output {
    /// A call is over.
    Reply(CallId, Result<Reply, NodeError>),
    /// A follower's document is this now.
    Show(CallId, Arc<View>),
    /// A follower's document is gone.
    End(CallId),
    /// A document has a new tip, or is kept for the first time.
    Changed(Arc<View>),
    /// A call is over once it got the archive of this document.
    Export(CallId, Arc<Document>),
    /// Read a document; answer with [`Documents::opened`].
    Open(StreamId),
    /// Read a record; answer with [`Documents::looked_up`].
    LookUp(StreamId),
    /// Read all records; answer with [`Documents::listed`].
    List,
    /// Write; answer with [`Documents::committed`].
    Commit(StreamId, Change),
    /// Write; answer with [`Documents::committed_many`].
    CommitMany(CallId, Change),
    /// Write; answer with [`Documents::settled`]. Nothing waits for it.
    Settle(Change),
    /// How far the newest event of a document got.
    Publication {
        /// Which document.
        stream: StreamId,
        /// The event.
        tip: Cid,
        /// How far.
        publication: Publication,
    },
    /// An event that was written here lost to another branch, after it had won.
    Lost {
        /// Of which document.
        stream: StreamId,
        /// The event.
        event: Cid,
        /// The tip now.
        tip: Cid,
    },
    /// Publish that we hold this document with this tip.
    Respond(StreamId, Cid),
    /// Publish a new tip.
    Update(StreamId, Cid),
    /// Publish a question.
    Query(StreamId),
    /// Fetch blocks, from these peers first.
    Get(Vec<Cid>, Vec<PeerId>),
    /// Stop fetching a block.
    Cancel(Cid),
    /// Ask a peer for whole chains; answer with [`Documents::chain_part`] and [`Documents::chain_ended`].
    Chain(AskId, PeerId, Vec<chain_fetch::Want>),
    /// Read on what answers a question.
    GoOn(AskId),
    /// Do not listen to an answer any more.
    Hush(AskId),
    /// A peer is not asked for chains any more.
    RefusedChain(PeerId, Refusal),
    /// Somebody announced a document that is not kept.
    Unknown(StreamId),
    /// These blocks are kept now.
    Offer(Vec<Block>),
    /// A tip could not be had: hear it again when it is announced again.
    Unhear(StreamId, Cid),
    /// Ask a chain; answer with [`Documents::chain_answered`].
    Ask(Key),
}

/// See the module.
#[derive(Default)]
pub struct Documents {
    open: SortedMap<StreamId, Open>,
    calls: SortedMap<CallId, Call>,
    sync: Sync,
    strangers: Strangers,
    needs: Needs,
    asked: Asked,
    outbox: Outbox,
    batches: Vec<Batch>,
    knowledge: Knowledge,
    /// Where something may be done that could not before.
    ready: VecDeque<StreamId>,
    /// Whose turn it is to be judged.
    turn: Option<StreamId>,
    online: bool,
    uses: u64,
    outputs: VecDeque<Output>,
    /// Announced tips that were judged and refused.
    #[cfg(feature = "public-peer")]
    pub(crate) refused: u64,
}

impl Documents {
    /// A machine that knows these document types, and so far these answers of chains.
    pub fn new(types: Arc<Types>, answers: Answers) -> Documents {
        let mut documents = Documents::default();
        documents.knowledge.types = types;
        documents.knowledge.answers = answers;
        documents
    }
}

/// What the node's user asks for. Every call but a follow ends in one [`Output::Reply`] or [`Output::Export`].
impl Documents {
    /// A document, from disk if it is kept, else from the network before the deadline. It is followed from then on.
    pub fn load(&mut self, id: CallId, document: &DocumentRef, deadline: Duration, now: Now) {
        let commit = match document {
            DocumentRef::Stream(_) => None,
            DocumentRef::Commit(commit) => Some(*commit.commit()),
        };
        let call = Call {
            stream: *document.stream_id(),
            kind: Kind::Load(commit),
            deadline: Some(deadline),
        };
        self.call(id, call, None, now);
    }

    /// A document now, and after every change, until [`Documents::cancel`].
    pub fn follow(&mut self, id: CallId, stream: StreamId, now: Now) {
        self.call(
            id,
            Call {
                stream,
                kind: Kind::Follow,
                deadline: None,
            },
            None,
            now,
        );
        if let Some(view) = self.open.get(&stream).and_then(|open| open.view.clone()) {
            self.outputs.push_back(Output::Show(id, view));
        }
    }

    /// Events from here: all of them must be valid.
    pub fn submit(
        &mut self,
        call: CallId,
        stream: StreamId,
        (tips, blocks): (Vec<Cid>, Arc<HashMap<Cid, Block>>),
        intent: Intent,
        now: Now,
    ) {
        let submission = Submission {
            call,
            tips,
            blocks,
            intent,
            met: 0,
        };
        self.call(
            call,
            Call::job(stream),
            Some(Job::Submit(Box::new(submission))),
            now,
        );
    }

    /// Removes a document from here. One that others need stays for their sake until none does, but is neither listed nor
    /// followed. One with writes that nobody else has is removed only if these `may_be_lost`.
    pub fn forget(&mut self, id: CallId, stream: StreamId, may_be_lost: bool, now: Now) {
        let job = Job::Forget(id, may_be_lost);
        self.call(id, Call::job(stream), Some(job), now);
    }

    /// A kept document as an archive.
    pub fn export(&mut self, id: CallId, stream: StreamId, now: Now) {
        self.call(id, Call::job(stream), Some(Job::Export(id)), now);
    }

    /// Nobody waits for this call any more. A change that began is finished.
    pub fn cancel(&mut self, id: CallId, now: Now) {
        self.cancel_batch(id);
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        self.run(call.stream, now);
        self.pump(now);
    }

    fn call(&mut self, id: CallId, call: Call, job: Option<Job>, now: Now) {
        let stream = call.stream;
        let full = self
            .open
            .get(&stream)
            .is_some_and(|open| open.jobs.len() >= MAX_JOBS);
        if self.calls.len() >= MAX_CALLS || full || !self.enter(stream) {
            let busy = match call.kind {
                Kind::Follow => Output::End(id),
                _ => Output::Reply(id, Err(NodeError::Busy)),
            };
            self.outputs.push_back(busy);
            return;
        }
        self.calls.insert(id, call);
        if let Some(open) = self.open.get_mut(&stream) {
            open.jobs.extend(job);
        }
        self.run(stream, now);
        self.pump(now);
    }
}

/// What the store answers.
impl Documents {
    /// To [`Output::Open`].
    pub fn opened(&mut self, stream: StreamId, read: Result<Option<Stored>, StoreError>, now: Now) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        if !matches!(open.doing, Doing::Opening) {
            return;
        }
        open.doing = Doing::Nothing;
        match read {
            Err(error) => self.fail_open(stream, &error, now),
            Ok(None) => {
                self.drop_outgoing(&stream);
                self.run(stream, now);
            }
            Ok(Some(stored)) => {
                open.jobs.push_front(Job::Restore(Box::new(stored), 0));
                self.run(stream, now);
            }
        }
        self.pump(now);
    }

    /// To [`Output::Commit`].
    pub fn committed(&mut self, stream: StreamId, written: Result<(), StoreError>, now: Now) {
        self.finish(stream, written, now);
        self.publish(now);
        self.run(stream, now);
        self.pump(now);
    }

    /// To [`Output::LookUp`].
    pub fn looked_up(
        &mut self,
        stream: StreamId,
        read: Result<Option<Record>, StoreError>,
        now: Now,
    ) {
        let Some(lookup) = self.strangers.lookups.remove(&stream) else {
            return;
        };
        let record = match read {
            Ok(Some(record)) => record,
            Ok(None) if !lookup.tips.is_empty() => {
                return self.outputs.push_back(Output::Unknown(stream));
            }
            _ => return,
        };
        let news = record.asked;
        if lookup.answer {
            self.respond(stream, *record.tip(), now);
        }
        for (tip, providers) in lookup.tips {
            if news && !record.tips.contains(&tip) && self.enter(stream) {
                self.announced(stream, tip, &providers, now);
            }
        }
        self.pump(now);
    }

    /// To [`Output::List`].
    pub fn listed(&mut self, read: Result<Vec<Record>, StoreError>, now: Now) {
        match &read {
            Ok(records) => self.weigh(records, now),
            Err(error) => self.fail_weighing(error),
        }
        self.fill_round(read, now);
        self.tick(now);
    }
}

/// Time, and what comes out.
impl Documents {
    /// When [`Documents::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let awaited = self.calls.values().filter(|call| !self.is_opening(call));
        let calls = awaited.filter_map(|call| call.deadline);
        calls
            .chain(self.sync.deadline())
            .chain(self.strangers.deadline(self.sync.is_heard()))
            .chain(self.needs.deadline())
            .chain(self.outbox.deadline(self.sync.is_heard()))
            .min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now) {
        let late =
            |call: &Call| call.deadline.is_some_and(|at| at <= now.ticks) && !self.is_opening(call);
        let late: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, call)| late(call))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.expire(id, now);
        }
        let versions: Vec<StreamId> = self
            .calls
            .values()
            .filter(|call| call.waits_for_version())
            .map(|call| call.stream)
            .collect();
        for stream in versions {
            self.run(stream, now);
        }
        self.tick_needs(now);
        self.sync.tick(now.ticks);
        self.answer_strangers(now);
        self.publish(now);
        self.go_round(now);
        self.pump(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether no change is on its way to the store.
    pub fn is_written(&self) -> bool {
        !self.is_committing_batches()
            && !self
                .open
                .values()
                .any(|open| matches!(open.doing, Doing::Committing(_) | Doing::Forgetting(_)))
    }

    /// A kept document that is in memory.
    pub fn view(&self, stream: &StreamId) -> Option<&Arc<View>> {
        self.open.get(stream)?.view.as_ref()
    }

    /// How much waits for other documents, and how many of these are sought.
    pub fn waiting_count(&self) -> (usize, usize) {
        self.needs.count()
    }

    /// Documents in memory.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn pump(&mut self, now: Now) {
        loop {
            if let Some(output) = self.sync.poll() {
                self.pass_on(output, now);
            } else if let Some(stream) = self.ready.pop_front() {
                self.run(stream, now);
            } else {
                return;
            }
        }
    }
}
