//! Who asked for what, and what they are told.

use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use ostrakon_protocol::id::{CommitId, DocumentRef, StreamId};
use ostrakon_protocol::refusal::Refusal;

use super::needs::MAX_NEED_DEPTH;
use super::open::{Doing, Job};
use super::{CallId, Documents, Now, Output, Reply, View};
use crate::error::NodeError;
use crate::sync::{Failure, Verdict};

pub(super) struct Call {
    pub(super) stream: StreamId,
    pub(super) kind: Kind,
    pub(super) deadline: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The document, with this version in it.
    Load(Option<Cid>),
    Follow,
    /// Answered by the job it brought.
    Job,
}

impl Call {
    /// One that is answered by the job it brings.
    pub(super) fn job(stream: StreamId) -> Call {
        Call {
            stream,
            kind: Kind::Job,
            deadline: None,
        }
    }

    pub(super) fn waits_for_version(&self) -> bool {
        matches!(self.kind, Kind::Load(Some(_)))
    }
}

fn no_version(stream: StreamId, commit: Cid) -> NodeError {
    NodeError::CommitNotFound(Box::new(CommitId::new(stream, commit)))
}

impl Documents {
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

    /// Whether a call waits for the disk, which a deadline is not meant for; be it for what the disk has of another document.
    pub(super) fn is_opening(&self, call: &Call) -> bool {
        let mut stream = call.stream;
        for _ in 0..MAX_NEED_DEPTH {
            match self.open.get(&stream).map(|open| (&open.doing, open.lacks)) {
                Some((Doing::Lacking, Some(wanted))) => stream = *wanted.stream_id(),
                Some((Doing::Opening, _)) => return true,
                Some((Doing::Judging(trial), _)) => return matches!(trial.job, Job::Restore(..)),
                _ => return false,
            }
        }
        false
    }

    /// Whether someone here loads or follows a document.
    pub(super) fn is_asked_for(&self, stream: &StreamId) -> bool {
        let asks = |call: &Call| call.stream == *stream && call.kind != Kind::Job;
        self.calls.values().any(asks)
    }

    /// Whether someone is to get a document that was kept for others only.
    pub(super) fn is_asked_since(&self, stream: &StreamId) -> bool {
        let Some(open) = self.open.get(stream) else {
            return false;
        };
        let others = open.view.as_ref().is_some_and(|view| !view.record.asked);
        others && (open.given || self.calls_on(stream).any(|id| self.is_ready(stream, id)))
    }

    /// Whether what is held of a document is what a call waits for.
    fn is_ready(&self, stream: &StreamId, id: CallId) -> bool {
        let open = self.open.get(stream);
        let Some((open, view)) = open.and_then(|open| Some((open, open.view.as_ref()?))) else {
            return false;
        };
        match self.calls.get(&id).map(|call| call.kind) {
            // Of what was kept for others there may be more, and of what begins to come as well.
            Some(Kind::Load(None)) => {
                let asked = view.record.asked || open.fresh || !self.online;
                asked && !(open.partial && self.needs.waits(stream))
            }
            Some(Kind::Load(Some(commit))) => {
                view.document.log().iter().any(|entry| entry.cid == commit)
            }
            Some(Kind::Follow) => true,
            Some(Kind::Job) | None => false,
        }
    }

    pub(super) fn answer_loads(&mut self, stream: &StreamId) {
        let Some(view) = self.view(stream).filter(|view| view.record.asked).cloned() else {
            return;
        };
        for id in self.loads_on(stream) {
            if self.is_ready(stream, id) {
                self.reply(id, Ok(Reply::View(view.clone())));
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
        self.hears(&stream);
        match verdict {
            Verdict::Later => {
                self.outputs.push_back(Output::Unhear(stream, tip));
                return;
            }
            Verdict::Waits => return,
            Verdict::Refused => {
                #[cfg(feature = "public-peer")]
                {
                    self.refused = self.refused.saturating_add(1);
                }
                self.fail_need(DocumentRef::Commit(CommitId::new(stream, tip)), now);
                if self.view(&stream).is_none() {
                    self.fail_need(DocumentRef::Stream(stream), now);
                }
            }
            Verdict::Known => {}
        }
        self.answer_loads(&stream);
        // Whoever waits for exactly this version need not wait any longer.
        for id in self.calls_for_version(&stream, &tip) {
            let error = match &refusal {
                Some(refusal) => NodeError::Refused(refusal.clone()),
                None => no_version(stream, tip),
            };
            self.reply(id, Err(error));
        }
    }

    /// Peers said something of a document: what is held of it is as new as can be known.
    pub(super) fn hears(&mut self, stream: &StreamId) {
        if let Some(open) = self.open.get_mut(stream) {
            open.fresh = true;
            self.ready.push_back(*stream);
        }
    }

    pub(super) fn tip_failed(&mut self, stream: StreamId, tip: Cid, failure: Failure, now: Now) {
        let error = |failure: &Failure| match failure {
            Failure::Missing => None,
            Failure::Chain(error) => Some(NodeError::Chain(error.clone())),
            Failure::TooLarge => Some(NodeError::TooLarge(stream)),
        };
        match failure {
            Failure::Missing => self.outputs.push_back(Output::Unhear(stream, tip)),
            _ => self.fail_need(DocumentRef::Commit(CommitId::new(stream, tip)), now),
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
        let (stream, kind) = (call.stream, call.kind);
        let Some(open) = self.open.get_mut(&stream) else {
            return self.reply(id, Err(NodeError::NotFound(stream)));
        };
        if let (Kind::Load(None), Some(view)) = (kind, open.view.clone()) {
            // Nobody brought more of it.
            open.given = true;
            self.reply(id, Ok(Reply::View(view)));
            return self.run(stream, now);
        }
        let held = open.view.is_some();
        let error = match kind {
            _ if open.lacks.is_some() => {
                let wanted = open.lacks.unwrap_or(DocumentRef::Stream(stream));
                NodeError::NeedsDocument(Box::new((stream, wanted)))
            }
            Kind::Load(Some(commit)) if held => no_version(stream, commit),
            _ if self.sync.was_offered(&stream) => NodeError::Unavailable(stream),
            _ if self.online => NodeError::NotFound(stream),
            _ => NodeError::Offline(stream),
        };
        self.reply(id, Err(error));
        self.run(stream, now);
    }
}
