//! A document in memory: one thing is done on it at a time, the others wait their turn.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::ChainError;
use ostrakon_protocol::id::{CommitId, StreamId};
use ostrakon_protocol::refusal::{Reason, Refusal};

use super::commit::{Cause, Committing};
use super::{CallId, Documents, Kind, MAX_OPEN, Now, Output, Reply, View, judge};
use crate::error::NodeError;
use crate::store::{Change, StoreError};
use crate::sync::{Arrived, Failure, Verdict};

pub(super) struct Open {
    /// The document as it is on disk; nothing if it is not kept.
    pub(super) view: Option<Arc<View>>,
    pub(super) doing: Doing,
    pub(super) jobs: VecDeque<Job>,
    /// Tips to look at once it is known what is kept.
    pub(super) hints: Vec<(Cid, Vec<PeerId>)>,
    /// The larger, the more recently used.
    used: u64,
}

pub(super) enum Doing {
    Nothing,
    Opening,
    Committing(Box<Committing>),
    Forgetting(CallId),
}

pub(super) enum Job {
    Arrived(Box<Arrived>),
    Submit(CallId, Vec<Cid>, Arc<HashMap<Cid, Block>>),
    Forget(CallId),
    Export(CallId),
}

impl Job {
    /// Who waits for it.
    pub(super) fn call(&self) -> Option<CallId> {
        match self {
            Job::Arrived(_) => None,
            Job::Submit(call, ..) | Job::Forget(call) | Job::Export(call) => Some(*call),
        }
    }
}

fn is_unlinked(refusal: &Refusal) -> bool {
    matches!(*refusal.reason, Reason::Chain(ChainError::UnknownParent(_)))
}

fn no_version(stream: StreamId, commit: Cid) -> NodeError {
    NodeError::CommitNotFound(Box::new(CommitId::new(stream, commit)))
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
            view: None,
            doing: Doing::Opening,
            jobs: VecDeque::new(),
            hints: Vec::new(),
            used,
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
    }

    /// The store could not read a document. It can still be forgotten.
    pub(super) fn fail_open(&mut self, stream: StreamId, error: &StoreError, now: Now) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        open.jobs.retain(|job| matches!(job, Job::Forget(_)));
        let forgets: Vec<CallId> = open.jobs.iter().filter_map(Job::call).collect();
        let calls: Vec<CallId> = self.calls_on(&stream).collect();
        for id in calls.into_iter().filter(|id| !forgets.contains(id)) {
            self.reply(id, Err(NodeError::Store(error.clone())));
        }
        self.run(stream, now);
    }

    pub(super) fn calls_on(&self, stream: &StreamId) -> impl Iterator<Item = CallId> {
        let stream = *stream;
        self.calls
            .iter()
            .filter(move |(_, call)| call.stream == stream)
            .map(|(id, _)| *id)
    }

    pub(super) fn reply(&mut self, id: CallId, reply: Result<Reply, NodeError>) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        let output = match call.kind {
            Kind::Follow => Output::End(id),
            Kind::Load(_) | Kind::Job => Output::Reply(id, reply),
        };
        self.outputs.push_back(output);
    }

    /// Does on a document whatever can be done now.
    pub(super) fn run(&mut self, stream: StreamId, now: Now) {
        self.answer_loads(&stream);
        while let Some(open) = self.open.get_mut(&stream) {
            if !matches!(open.doing, Doing::Nothing) {
                return;
            }
            match open.jobs.pop_front() {
                Some(job) => self.perform(stream, job, now),
                None => return self.rest(stream, now),
            }
        }
    }

    pub(super) fn answer_loads(&mut self, stream: &StreamId) {
        let Some(view) = self.view(stream).cloned() else {
            return;
        };
        let ready = |kind: Kind| match kind {
            Kind::Load(None) => true,
            Kind::Load(Some(commit)) => view.document.log().iter().any(|entry| entry.cid == commit),
            Kind::Follow | Kind::Job => false,
        };
        let ready: Vec<CallId> = self
            .calls_on(stream)
            .filter(|id| self.calls.get(id).is_some_and(|call| ready(call.kind)))
            .collect();
        for id in ready {
            self.reply(id, Ok(Reply::View(view.clone())));
        }
    }

    /// Nothing is left to do: what is kept or waited for is wanted, the rest goes.
    fn rest(&mut self, stream: StreamId, now: Now) {
        let waited = self.calls_on(&stream).next().is_some();
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        if open.view.is_none() && !waited {
            self.close(&stream);
            return;
        }
        let hints = std::mem::take(&mut open.hints);
        let document = open.view.as_ref().map(|view| view.document.clone());
        if !self.sync.wants(&stream) {
            self.sync.want(stream, now.ticks);
            if let Some(document) = document {
                self.sync.hold(&stream, document);
            }
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
            self.sync.hear(&stream, commit, &[], now.ticks);
        }
        self.sync.tick(now.ticks);
    }

    fn perform(&mut self, stream: StreamId, job: Job, now: Now) {
        let Some(open) = self.open.get(&stream) else {
            return;
        };
        // What nobody waits for any more is not begun.
        if job
            .call()
            .is_some_and(|call| !self.calls.contains_key(&call))
        {
            return;
        }
        let held = open.view.clone();
        match job {
            Job::Arrived(arrived) => self.judge_arrived(stream, held, *arrived, now),
            Job::Submit(call, tips, blocks) => {
                let document = held.as_ref().map(|view| &*view.document);
                match judge::submitted(stream, document, &tips, &blocks, now.unix_ms) {
                    Ok(Some(next)) => {
                        self.commit(stream, held, next, &blocks, Cause::Submit(call), now)
                    }
                    Ok(None) => self.reply(call, Ok(Reply::Done)),
                    Err(error) => self.reply(call, Err(error)),
                }
            }
            Job::Export(call) => match held {
                Some(view) => {
                    if self.calls.remove(&call).is_some() {
                        self.outputs
                            .push_back(Output::Export(call, view.document.clone()));
                    }
                }
                None => self.reply(call, Err(NodeError::NotKept(stream))),
            },
            Job::Forget(call) => {
                if let Some(open) = self.open.get_mut(&stream) {
                    open.doing = Doing::Forgetting(call);
                    self.outputs
                        .push_back(Output::Commit(stream, Change::Forget(stream)));
                }
            }
        }
    }

    fn judge_arrived(
        &mut self,
        stream: StreamId,
        held: Option<Arc<View>>,
        arrived: Arrived,
        now: Now,
    ) {
        let Arrived {
            tip,
            chain,
            blocks,
            incomplete,
            ..
        } = arrived;
        let judged = judge::arrived(
            held.as_ref().map(|view| &*view.document),
            chain,
            now.unix_ms,
        );
        let known = held
            .as_ref()
            .is_some_and(|view| view.document.contains(&tip));
        let verdict = match &judged.refusal {
            Some(_) if incomplete => Verdict::Later,
            // It was linked to a branch that is gone since.
            Some(refusal) if is_unlinked(refusal) => Verdict::Later,
            None if known || judged.changed.is_some() => Verdict::Known,
            // Not valid, or one more branch that lost.
            _ => Verdict::Refused,
        };
        match judged.changed {
            Some(next) => self.commit(
                stream,
                held,
                next,
                &blocks,
                Cause::Tip(tip, judged.refusal, verdict),
                now,
            ),
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
    }

    pub(super) fn loads_on(&self, stream: &StreamId) -> Vec<CallId> {
        let loads = |id: &CallId| {
            self.calls
                .get(id)
                .is_some_and(|call| matches!(call.kind, Kind::Load(_)))
        };
        self.calls_on(stream).filter(loads).collect()
    }

    pub(super) fn judged(
        &mut self,
        stream: StreamId,
        tip: Cid,
        refusal: Option<Refusal>,
        verdict: Verdict,
        now: Now,
    ) {
        self.sync.judged(&stream, &tip, verdict, now.ticks);
        if verdict == Verdict::Later {
            self.outputs.push_back(Output::Unhear(stream, tip));
            return;
        }
        // Whoever waits for exactly this version need not wait any longer.
        for id in self.calls_for_version(&stream, &tip) {
            let error = match &refusal {
                Some(refusal) => NodeError::Refused(refusal.clone()),
                None => no_version(stream, tip),
            };
            self.reply(id, Err(error));
        }
    }

    pub(super) fn tip_failed(&mut self, stream: StreamId, tip: Cid, failure: Failure) {
        let error = |failure: &Failure| match failure {
            Failure::Missing => None,
            Failure::Chain(error) => Some(NodeError::Chain(error.clone())),
            Failure::TooLarge => Some(NodeError::TooLarge(stream)),
        };
        if matches!(failure, Failure::Missing) {
            self.outputs.push_back(Output::Unhear(stream, tip));
        }
        for id in self.calls_for_version(&stream, &tip) {
            if let Some(error) = error(&failure) {
                self.reply(id, Err(error));
            }
        }
    }

    fn calls_for_version(&self, stream: &StreamId, tip: &Cid) -> Vec<CallId> {
        let waits = |id: &CallId| {
            self.calls
                .get(id)
                .is_some_and(|call| call.kind == Kind::Load(Some(*tip)))
        };
        self.calls_on(stream).filter(waits).collect()
    }

    pub(super) fn show(&mut self, view: &Arc<View>) {
        let stream = *view.document.stream();
        let follows = |id: &CallId| {
            self.calls
                .get(id)
                .is_some_and(|call| call.kind == Kind::Follow)
        };
        let followers: Vec<CallId> = self.calls_on(&stream).filter(follows).collect();
        for id in followers {
            self.outputs.push_back(Output::Show(id, view.clone()));
        }
    }

    /// A call's time is over: says what it waited for.
    pub(super) fn expire(&mut self, id: CallId, now: Now) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let stream = call.stream;
        let held = self.view(&stream).is_some();
        let error = match call.kind {
            Kind::Load(Some(commit)) if held => no_version(stream, commit),
            _ if self.sync.was_offered(&stream) => NodeError::Unavailable(stream),
            _ if self.online => NodeError::NotFound(stream),
            _ => NodeError::Offline(stream),
        };
        self.reply(id, Err(error));
        self.run(stream, now);
    }
}
