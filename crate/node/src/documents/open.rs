//! A document in memory: one thing is done on it at a time, the others wait their turn.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::ChainError;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::{CommitId, DocumentRef, StreamId};
use ostrakon_protocol::refusal::{Need, Reason, Refusal};
use ostrakon_protocol::sorted::SortedSet;

use super::commit::{Cause, Committing};
use super::needs::{Denied, MAX_NEEDS};
use super::trial::{Judged, Known, Trial};
use super::{CallId, Documents, Kind, MAX_OPEN, Now, Output, Reply, View};
use crate::error::NodeError;
use crate::store::{Record, StoreError, Stored};
use crate::sync::{Arrived, Verdict};

#[derive(Default)]
pub(super) struct Open {
    /// The document as it is on disk; nothing if it is not kept.
    pub(super) view: Option<Arc<View>>,
    pub(super) doing: Doing,
    pub(super) jobs: VecDeque<Job>,
    /// Tips to look at once it is known what is kept.
    pub(super) hints: Vec<(Cid, Vec<PeerId>)>,
    /// Tips about which a chain must be asked first.
    pub(super) unasked: Vec<(Cid, Vec<PeerId>)>,
    /// What judging it lacked last.
    pub(super) lacks: Option<DocumentRef>,
    /// Whether peers said something of it since it is in memory.
    pub(super) fresh: bool,
    /// Whether the view is the beginning of the first chain that came, the rest of which waits.
    pub(super) partial: bool,
    /// Whether someone got it who is not waiting any more.
    pub(super) given: bool,
    /// The larger, the more recently used.
    used: u64,
}

impl Open {
    /// What is noted of it, or will be in a moment.
    pub(super) fn newest(&self) -> Option<&Record> {
        match &self.doing {
            Doing::Committing(committing) => Some(committing.record()),
            _ => self.view.as_ref().map(|view| &view.record),
        }
    }
}

#[derive(Default)]
pub(super) enum Doing {
    #[default]
    Nothing,
    Opening,
    /// What the disk has of it waits for another document.
    Lacking,
    Judging(Box<Trial>),
    Committing(Box<Committing>),
    /// It is to be forgotten, unless others need it.
    Weighing(CallId),
    /// Nobody asked if there is no call.
    Forgetting(Option<CallId>),
}

pub(super) enum Job {
    /// And for how many documents it waited so far; the same with [`Job::Restore`].
    Arrived(Box<Arrived>, usize),
    Submit(Box<Submission>),
    /// To judge what the disk has.
    Restore(Box<Stored>, usize),
    /// And whether writes that nobody else has may be lost.
    Forget(CallId, bool),
    Export(CallId),
    /// A chain answered about one of its anchors.
    Recheck,
}

/// Events from here.
pub(super) struct Submission {
    pub(super) call: CallId,
    pub(super) tips: Vec<Cid>,
    pub(super) blocks: Arc<HashMap<Cid, Block>>,
    /// What is to become of them.
    pub(super) intent: Intent,
    /// For how many documents it waited so far.
    pub(super) met: usize,
}

/// What is to become of events from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// They are judged, and nothing of them is kept; only of others that they need.
    Try,
    /// They are kept, and announced once if they bring a new tip.
    Keep,
    /// They came from a peer: as many of them as are valid are kept, and nothing is announced.
    Receive,
    /// They are kept, and a new tip is announced until somebody has it.
    Send,
    /// They make a new document, announced until somebody has it. One that is there is answered with as it is.
    Create,
    /// They come after this tip and make the next one, announced until somebody has it. If either is not so, nothing is kept.
    After(Cid),
}

impl Intent {
    /// Whether it is answered with the document.
    pub(super) fn is_write(self) -> bool {
        matches!(self, Intent::Create | Intent::After(_))
    }

    fn is_announced_until_seen(self) -> bool {
        self.is_write() || self == Intent::Send
    }
}

impl Job {
    /// Who waits for it.
    pub(super) fn call(&self) -> Option<CallId> {
        match self {
            Job::Arrived(..) | Job::Restore(..) | Job::Recheck => None,
            Job::Submit(submission) => Some(submission.call),
            Job::Forget(call, _) | Job::Export(call) => Some(*call),
        }
    }

    /// For how many documents it waited so far.
    pub(super) fn met(&self) -> usize {
        match self {
            Job::Arrived(_, met) | Job::Restore(_, met) => *met,
            Job::Submit(submission) => submission.met,
            Job::Forget(..) | Job::Export(_) | Job::Recheck => 0,
        }
    }

    /// Of what a stranger sent.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Job::Arrived(arrived, _) => arrived.bytes,
            Job::Restore(stored, _) => stored.blocks.iter().map(|(_, bytes)| bytes.len()).sum(),
            Job::Submit(_) | Job::Forget(..) | Job::Export(_) | Job::Recheck => 0,
        }
    }
}

/// Why a write cannot be made of the document as it is.
fn misplaced(stream: StreamId, held: Option<&View>, intent: Intent) -> Option<NodeError> {
    match (intent, held) {
        (Intent::After(_), None) => Some(NodeError::NotKept(stream)),
        (Intent::After(base), Some(held)) if *held.document.tip() != base => {
            let tip = CommitId::new(stream, *held.document.tip());
            Some(NodeError::Stale { tip: Box::new(tip) })
        }
        _ => None,
    }
}

fn is_unlinked(refusal: &Refusal) -> bool {
    matches!(*refusal.reason, Reason::Chain(ChainError::UnknownParent(_)))
}

fn is_unasked(refusal: &Refusal) -> bool {
    matches!(*refusal.reason, Reason::Need(Need::Transaction { .. }))
}

impl Documents {
    /// Makes sure that a document is in memory, or on its way there. False if there is no room.
    pub(super) fn enter(&mut self, stream: StreamId) -> bool {
        self.uses = self.uses.wrapping_add(1);
        let used = self.uses;
        if let Some(open) = self.open.get_mut(&stream) {
            open.used = used;
            return true;
        }
        if self.open.len() >= MAX_OPEN && !self.evict() {
            return false;
        }
        let open = Open {
            doing: Doing::Opening,
            used,
            ..Open::default()
        };
        self.open.insert(stream, open);
        self.outputs.push_back(Output::Open(stream));
        true
    }

    fn evict(&mut self) -> bool {
        let idle = |stream: &StreamId, open: &Open| {
            matches!(open.doing, Doing::Nothing)
                && open.jobs.is_empty()
                && !self.sync.is_busy(stream)
                && !self.needs.waits(stream)
                && self.needs.sought(stream).is_empty()
                && self.calls_on(stream).next().is_none()
        };
        let oldest = self
            .open
            .iter()
            .filter(|(stream, open)| idle(stream, open))
            .min_by_key(|(_, open)| open.used);
        let Some(stream) = oldest.map(|(stream, _)| *stream) else {
            return false;
        };
        self.close(&stream);
        true
    }

    pub(super) fn close(&mut self, stream: &StreamId) {
        self.open.remove(stream);
        self.sync.unwant(stream);
        self.leave(stream);
        // Nobody hears of its newest form any more.
        if self.knowledge.library.has(&DocumentRef::Stream(*stream)) {
            self.knowledge.library.remove(stream);
        }
    }

    /// The store could not read a document. It can still be forgotten.
    pub(super) fn fail_open(&mut self, stream: StreamId, error: &StoreError, now: Now) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        open.jobs.retain(|job| matches!(job, Job::Forget(..)));
        let forgets: Vec<CallId> = open.jobs.iter().filter_map(Job::call).collect();
        let calls: Vec<CallId> = self.calls_on(&stream).collect();
        for id in calls.into_iter().filter(|id| !forgets.contains(id)) {
            self.reply(id, Err(NodeError::Store(error.clone())));
        }
        self.run(stream, now);
    }

    /// Does on a document whatever can be done now.
    pub(super) fn run(&mut self, stream: StreamId, now: Now) {
        self.meet(&stream, now);
        self.answer_loads(&stream);
        while let Some(open) = self.open.get_mut(&stream) {
            match open.doing {
                Doing::Nothing => {}
                Doing::Lacking => return self.forget_anyway(stream, now),
                _ => return,
            }
            if self.is_asked_since(&stream) {
                return self.note_asked(stream, now);
            }
            let Some(open) = self.open.get_mut(&stream) else {
                return;
            };
            match open.jobs.pop_front() {
                Some(job) => self.perform(stream, job, now),
                None if self.look_in_blocks(&stream) => {}
                None => return self.rest(stream, now),
            }
        }
    }

    /// What the disk has waits for another document; that does not keep it from being forgotten.
    fn forget_anyway(&mut self, stream: StreamId, now: Now) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let forget = |job: &Job| matches!(job, Job::Forget(..));
        let Some(job) = open.jobs.iter().position(forget) else {
            return;
        };
        let Some(job) = open.jobs.remove(job) else {
            return;
        };
        open.doing = Doing::Nothing;
        self.leave(&stream);
        self.perform(stream, job, now);
    }

    /// Someone asked for what was kept for others only: noted before they get it.
    fn note_asked(&mut self, stream: StreamId, now: Now) {
        if let Some(view) = self.view(&stream).cloned() {
            let document = (Document::clone(&view.document), SortedSet::new());
            self.commit(stream, document, &HashMap::new(), Cause::Asked, now);
        }
    }

    /// Nothing is left to do: what is kept or waited for is wanted, the rest goes.
    fn rest(&mut self, stream: StreamId, now: Now) {
        let waited = self.calls_on(&stream).next().is_some();
        let sought = self.needs.sought(&stream);
        let newest = DocumentRef::Stream(stream);
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let asked = open.view.as_ref().is_some_and(|view| view.record.asked);
        let followed = asked
            || waited
            || sought.contains(&newest)
            || (open.view.is_some() && self.knowledge.library.has(&newest));
        if !followed && sought.is_empty() {
            self.close(&stream);
            return;
        }
        let hints = std::mem::take(&mut open.hints);
        let document = open.view.as_ref().map(|view| view.document.clone());
        let begins = !self.sync.wants(&stream);
        match followed {
            true => self.sync.want(stream, now.ticks),
            false => self.sync.want_versions(stream),
        }
        if let Some(document) = document.filter(|_| begins) {
            self.sync.hold(&stream, document);
        }
        for (tip, providers) in hints {
            self.sync.hear(&stream, tip, &providers, now.ticks);
        }
        let versions = self
            .calls
            .values()
            .filter(|call| call.stream == stream)
            .filter_map(|call| match call.kind {
                Kind::Load(commit) => commit,
                _ => None,
            });
        for commit in versions.collect::<Vec<_>>() {
            self.sync.seek(&stream, commit, &[], now.ticks);
        }
        self.seek(&stream, now);
        self.sync.tick(now.ticks);
    }

    fn perform(&mut self, stream: StreamId, job: Job, now: Now) {
        // What nobody waits for any more is not begun.
        if job
            .call()
            .is_some_and(|call| !self.calls.contains_key(&call))
        {
            return;
        }
        match job {
            Job::Arrived(..) | Job::Submit(_) | Job::Restore(..) => self.try_job(stream, job, now),
            Job::Recheck => self.recheck(stream, now),
            Job::Export(call) => match self.view(&stream).cloned() {
                Some(view) => {
                    if self.calls.remove(&call).is_some() {
                        self.outputs
                            .push_back(Output::Export(call, view.document.clone()));
                    }
                }
                None => self.reply(call, Err(NodeError::NotKept(stream))),
            },
            Job::Forget(call, false) if self.outbox.waits(&stream) => {
                self.reply(call, Err(NodeError::Unpublished(stream)));
            }
            Job::Forget(call, _) => {
                if let Some(open) = self.open.get_mut(&stream) {
                    open.doing = Doing::Weighing(call);
                    self.outputs.push_back(Output::List);
                }
            }
        }
    }

    pub(super) fn judged_submission(
        &mut self,
        stream: StreamId,
        submission: Submission,
        judged: Judged,
        now: Now,
    ) {
        let held = self.view(&stream).cloned();
        let (call, intent) = (submission.call, submission.intent);
        if let (Intent::Receive, Some(next), None) = (intent, &judged.changed, &judged.error) {
            let cause = Cause::Submit(call, intent, None);
            let next = (next.clone(), judged.used);
            return self.commit(stream, next, &submission.blocks, cause, now);
        }
        let misplaced = misplaced(stream, held.as_deref(), intent);
        let judged = match (misplaced.or(judged.error), judged.refusal) {
            (Some(error), _) => Err(error),
            (None, Some(refusal)) => Err(NodeError::Refused(refusal)),
            (None, None) => Ok(judged.changed.map(|next| (next, judged.used))),
        };
        match judged {
            Ok(_) if intent == Intent::Try => self.reply(call, Ok(Reply::Done)),
            Ok(Some((next, used))) => {
                let tip = *next.tip();
                let moved = held.is_none_or(|held| *held.document.tip() != tip);
                // What others have not got yet is not less theirs to have because a file brought more of it.
                let announced = intent.is_announced_until_seen() || self.outbox.waits(&stream);
                let outgoing =
                    (moved && announced).then(|| self.outbox.outgoing(stream, tip, now.unix_ms));
                if outgoing.is_some() && !self.outbox.waits(&stream) && self.outbox.is_full(1) {
                    return self.reply(call, Err(NodeError::OutboxFull));
                }
                let lost = submission.tips.first().filter(|own| **own != tip);
                if let (Intent::After(_), Some(event)) = (intent, lost) {
                    let lost = CommitId::new(stream, *event);
                    return self.reply(call, Err(NodeError::Lost(Box::new(lost))));
                }
                let cause = Cause::Submit(call, intent, outgoing);
                self.commit(stream, (next, used), &submission.blocks, cause, now);
            }
            Ok(None) => match held {
                Some(view) if !view.record.asked => {
                    let document = (Document::clone(&view.document), SortedSet::new());
                    let cause = Cause::Submit(call, intent, None);
                    self.commit(stream, document, &HashMap::new(), cause, now);
                }
                Some(view) if intent.is_write() => self.reply(call, Ok(Reply::View(view))),
                _ => self.reply(call, Ok(Reply::Done)),
            },
            Err(NodeError::Refused(refusal)) => match refusal.wanted().copied() {
                Some(wanted) => {
                    let job = Job::Submit(Box::new(Submission {
                        met: submission.met.saturating_add(1),
                        ..submission
                    }));
                    self.wait_or_give_up(stream, job, wanted, now);
                }
                None => self.reply(call, Err(NodeError::Refused(refusal))),
            },
            Err(error) => self.reply(call, Err(error)),
        }
    }

    /// What the disk has was judged.
    pub(super) fn judged_stored(
        &mut self,
        stream: StreamId,
        (stored, met): (Stored, usize),
        record: Option<(Record, usize)>,
        judged: Judged,
        now: Now,
    ) {
        let wanted = judged.refusal.as_ref().and_then(Refusal::wanted).copied();
        let Some(wanted) = wanted.filter(|_| met < MAX_NEEDS) else {
            if let (None, Some(refusal)) = (&judged.changed, &judged.refusal) {
                self.ask_first(stream, refusal, None);
            }
            return self.hold(stream, Trial::known(record, judged.changed));
        };
        if let Some(open) = self.open.get_mut(&stream) {
            open.doing = Doing::Lacking;
        }
        let job = Job::Restore(Box::new(stored), met.saturating_add(1));
        self.wait_or_give_up(stream, job, wanted, now);
    }

    /// Takes of what the disk has as much as can be judged.
    pub(super) fn settle(&mut self, stream: StreamId, stored: Box<Stored>) {
        if let Some(open) = self.open.get_mut(&stream) {
            open.jobs.push_front(Job::Restore(stored, MAX_NEEDS));
        }
    }

    fn hold(&mut self, stream: StreamId, known: Known) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        // What the disk lost may still be had from others.
        open.hints
            .extend(known.lost.into_iter().map(|tip| (tip, Vec::new())));
        let view = known.view.map(|mut view| {
            self.note_move(&view.document);
            view.publication = self.outbox.publication(&view.document);
            Arc::new(view)
        });
        if let Some(open) = self.open.get_mut(&stream) {
            open.view = view.clone();
        }
        if let Some(view) = view {
            self.show(&view);
            self.ask_chains_of(&stream);
        }
        self.ready.push_back(stream);
    }

    fn wait_or_give_up(&mut self, stream: StreamId, job: Job, wanted: DocumentRef, now: Now) {
        if let Err((job, denied)) = self.wait(stream, job, wanted, now) {
            let verdict = match denied {
                Denied::Full => Verdict::Later,
                Denied::Never => Verdict::Refused,
            };
            self.give_up(stream, job, wanted, verdict, now);
        }
    }

    pub(super) fn judged_arrived(
        &mut self,
        stream: StreamId,
        arrived: Arrived,
        met: usize,
        judged: Judged,
        now: Now,
    ) {
        let held = self.view(&stream).cloned();
        let tip = arrived.tip;
        let known = held
            .as_ref()
            .is_some_and(|view| view.document.contains(&tip));
        let wanted = judged.refusal.as_ref().and_then(Refusal::wanted).copied();
        let kept = known
            || judged
                .changed
                .as_ref()
                .is_some_and(|next| next.contains(&tip));
        let unknown = held.is_none() && judged.changed.is_none();
        let from_whom = Some((tip, arrived.providers.clone()));
        let refusal = judged.refusal.as_ref().filter(|_| unknown);
        let asks = refusal.is_some_and(|refusal| self.ask_first(stream, refusal, from_whom));
        let verdict = match &judged.refusal {
            Some(_) if wanted.is_some() => Verdict::Waits,
            Some(_) if asks => Verdict::Later,
            // Kept, and asleep until a chain answers.
            Some(refusal) if kept && is_unasked(refusal) => Verdict::Known,
            Some(_) if arrived.incomplete => Verdict::Later,
            // It was linked to a branch that is gone since.
            Some(refusal) if is_unlinked(refusal) => Verdict::Later,
            None if known || judged.changed.is_some() => Verdict::Known,
            // Not valid, or one more branch that lost.
            _ => Verdict::Refused,
        };
        if wanted.is_some() {
            self.sync.judged(&stream, &tip, verdict, now.ticks);
        }
        match judged.changed {
            Some(next) => {
                let cause = match wanted {
                    Some(_) => Cause::Part,
                    None => Cause::Tip(tip, judged.refusal, verdict),
                };
                if let (None, Some(_), Some(open)) = (&held, wanted, self.open.get_mut(&stream)) {
                    open.partial = true;
                }
                self.commit(stream, (next, judged.used), &arrived.blocks, cause, now);
            }
            None if wanted.is_some() => {}
            None => {
                if held.is_none() && verdict == Verdict::Refused {
                    // Its init event is named by its id: nobody will ever have a valid one.
                    if let Some(refusal) = &judged.refusal {
                        for id in self.loads_on(&stream) {
                            self.reply(id, Err(NodeError::Refused(refusal.clone())));
                        }
                    }
                }
                self.judged(stream, tip, judged.refusal, verdict, now);
            }
        }
        if let Some(wanted) = wanted {
            let job = Job::Arrived(Box::new(arrived), met.saturating_add(1));
            self.wait_or_give_up(stream, job, wanted, now);
        }
    }
}
