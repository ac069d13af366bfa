//! One document waits for another: it is loaded like any other, from what came with the first, from disk or from peers,
//! kept for the others' sake, and then the first is judged again. Level-triggered: whatever happens to the needed document,
//! what is sought of it is compared with what is held.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::block::{Block, Blocks};
use ostrakon_protocol::chain::{Step, Walk};
use ostrakon_protocol::document::{Document, tips};
use ostrakon_protocol::id::{DocumentRef, StreamId};
use ostrakon_protocol::refusal::{Need, Refusal};

use super::needs::{Denied, SETTLING_FOR, Waiting};
use super::open::{Doing, Job};
use super::{Documents, Now, Output};
use crate::error::NodeError;
use crate::sync::{Arrived, Verdict};

impl Documents {
    /// Lets a job wait until another document is known; gives it back if it cannot.
    pub(super) fn wait(
        &mut self,
        stream: StreamId,
        job: Job,
        wanted: DocumentRef,
        now: Now,
    ) -> Result<(), (Job, Denied)> {
        let with = match &job {
            Job::Arrived(arrived, _) => (arrived.providers.clone(), None),
            Job::Submit(submission) => (Vec::new(), Some(submission.blocks.clone())),
            _ => (Vec::new(), None),
        };
        if !self.enter(*wanted.stream_id()) {
            return Err((job, Denied::Full));
        }
        self.ready.push_back(*wanted.stream_id());
        self.needs.add(stream, job, wanted, with, now.ticks)?;
        if let DocumentRef::Commit(commit) = &wanted {
            self.sync.reconsider(commit.stream_id(), commit.commit());
        }
        if let Some(open) = self.open.get_mut(&stream) {
            open.lacks = Some(wanted);
        }
        Ok(())
    }

    /// Gives what is held of a document to those that wait for it.
    pub(super) fn meet(&mut self, stream: &StreamId, now: Now) {
        let Some(view) = self.view(stream).cloned() else {
            return;
        };
        for wanted in self.needs.sought(stream) {
            let whole = matches!(wanted, DocumentRef::Stream(_));
            let met = match &wanted {
                DocumentRef::Commit(commit) => view.document.contains(commit.commit()),
                DocumentRef::Stream(_) => {
                    let since = self.needs.seek(&wanted).map(|seek| seek.since);
                    let late =
                        |at: std::time::Duration| now.ticks >= at.saturating_add(SETTLING_FOR);
                    let heard = self.open.get(stream).is_some_and(|open| open.fresh);
                    !self.sync.is_busy(stream) && (!self.online || heard || since.is_some_and(late))
                }
            };
            if met {
                self.knowledge.library.admit(view.document.clone(), whole);
                let (waiting, dropped) = self.needs.met(&wanted);
                self.ready.extend(dropped);
                for one in waiting {
                    self.go_on_with(one);
                }
            }
        }
    }

    /// A document by whose newest form others were judged has a newer one: these are judged anew, and what was refused of
    /// them may be heard again.
    pub(super) fn renew(&mut self, stream: &StreamId) {
        let held = self.view(stream).map(|view| view.document.clone());
        let newest = DocumentRef::Stream(*stream);
        let Some(document) = held.filter(|_| self.knowledge.library.has(&newest)) else {
            return;
        };
        self.knowledge.library.admit(document, true);
        for (id, open) in &mut self.open {
            let view = open.view.as_ref();
            if view.is_some_and(|view| view.record.needs.contains(stream)) {
                self.sync.reconsider_all(id);
                if !open.jobs.iter().any(|job| matches!(job, Job::Recheck)) {
                    open.jobs.push_back(Job::Recheck);
                    self.ready.push_back(*id);
                }
            }
        }
    }

    fn go_on_with(&mut self, waiting: Waiting) {
        if let Some(open) = self.open.get_mut(&waiting.stream) {
            if matches!(open.doing, Doing::Lacking) {
                open.doing = Doing::Nothing;
            }
            open.lacks = None;
            open.jobs.push_front(waiting.job);
            self.ready.push_back(waiting.stream);
        }
    }

    /// Judges what came with those that wait, before anyone else is asked. Whether there is something to judge now.
    pub(super) fn look_in_blocks(&mut self, stream: &StreamId) -> bool {
        let mut found = false;
        for wanted in self.needs.sought(stream) {
            let Some(seek) = self.needs.seek(&wanted).filter(|seek| !seek.tried) else {
                continue;
            };
            seek.tried = true;
            let Some(blocks) = seek.blocks.clone() else {
                continue;
            };
            let tips = match &wanted {
                DocumentRef::Commit(commit) => vec![*commit.commit()],
                DocumentRef::Stream(stream) => match tips(stream, &*blocks) {
                    none if none.is_empty() => vec![*stream.init()],
                    tips => tips,
                },
            };
            let Some(open) = self.open.get_mut(stream) else {
                return false;
            };
            let held = open.view.as_ref().map(|view| view.document.clone());
            for tip in tips {
                if let Some(arrived) = gather(*stream, tip, &blocks, held.as_deref()) {
                    open.jobs.push_back(Job::Arrived(Box::new(arrived), 0));
                    found = true;
                }
            }
        }
        found
    }

    /// What is sought of a document is wanted from peers.
    pub(super) fn seek(&mut self, stream: &StreamId, now: Now) {
        for wanted in self.needs.sought(stream) {
            if let (DocumentRef::Commit(commit), Some(seek)) = (&wanted, self.needs.seek(&wanted)) {
                self.sync
                    .seek(stream, *commit.commit(), &seek.providers, now.ticks);
            }
        }
    }

    /// What waited too long is let go, and what is still needed is sought again.
    pub(super) fn tick_needs(&mut self, now: Now) {
        let (expired, dropped) = self.needs.expired(now.ticks);
        self.ready.extend(dropped);
        for one in expired {
            self.let_go(one, Verdict::Later, now);
        }
        self.ready.extend(self.needs.due(now.ticks));
    }

    /// What waits for this version waits in vain.
    pub(super) fn fail_need(&mut self, wanted: DocumentRef, now: Now) {
        let (failed, dropped) = self.needs.fail(&wanted, now.ticks);
        self.ready.extend(dropped);
        for one in failed {
            self.let_go(one, Verdict::Refused, now);
        }
    }

    /// A job gets what it could not wait for, or waited for in vain.
    pub(super) fn let_go(&mut self, waiting: Waiting, verdict: Verdict, now: Now) {
        let Waiting {
            stream,
            job,
            wanted,
            ..
        } = waiting;
        self.give_up(stream, job, wanted, verdict, now);
        self.ready.push_back(stream);
    }

    pub(super) fn give_up(
        &mut self,
        stream: StreamId,
        job: Job,
        wanted: DocumentRef,
        verdict: Verdict,
        now: Now,
    ) {
        match job {
            Job::Arrived(arrived, _) => {
                if self.view(&stream).is_none() && verdict == Verdict::Refused {
                    for id in self.loads_on(&stream) {
                        let error = NodeError::NeedsDocument(Box::new((stream, wanted)));
                        self.reply(id, Err(error));
                    }
                }
                let refusal = Refusal::from(Need::Document(Box::new(wanted)));
                self.judged(stream, arrived.tip, Some(refusal), verdict, now);
            }
            Job::Submit(submission) => {
                let error = NodeError::NeedsDocument(Box::new((stream, wanted)));
                self.reply(submission.call, Err(error));
            }
            Job::Restore(stored, _) => {
                if let Some(open) = self.open.get_mut(&stream)
                    && matches!(open.doing, Doing::Lacking)
                {
                    open.doing = Doing::Nothing;
                    self.settle(stream, stored);
                }
            }
            Job::Forget(..) | Job::Export(_) | Job::Recheck => {}
        }
    }

    /// Nothing of a document waits any more: it is closed.
    pub(super) fn leave(&mut self, stream: &StreamId) {
        let (waiting, dropped) = self.needs.leave(stream);
        self.ready.extend(dropped);
        for one in waiting {
            if let Job::Arrived(arrived, _) = one.job {
                self.sync.reconsider(stream, &arrived.tip);
                self.outputs.push_back(Output::Unhear(*stream, arrived.tip));
            }
        }
    }
}

/// A chain whose blocks are all at hand.
fn gather(
    stream: StreamId,
    tip: Cid,
    blocks: &Arc<HashMap<Cid, Block>>,
    held: Option<&Document>,
) -> Option<Arrived> {
    let passed = Passed {
        all: blocks,
        found: RefCell::default(),
    };
    let mut walk = Walk::new(stream, tip);
    let mut incomplete = false;
    let chain = loop {
        match walk.advance(&passed, held).ok()? {
            Step::Done(chain) => break chain,
            Step::Need(cids) => {
                incomplete = true;
                cids.iter().for_each(|cid| walk.absent(cid));
            }
        }
    };
    let blocks = passed.found.into_inner();
    Some(Arrived {
        stream,
        tip,
        chain,
        bytes: blocks.values().map(|block| block.bytes().len()).sum(),
        blocks,
        incomplete,
        providers: Vec::new(),
    })
}

/// The blocks that a walk passes.
struct Passed<'a> {
    all: &'a HashMap<Cid, Block>,
    found: RefCell<HashMap<Cid, Block>>,
}

impl Blocks for Passed<'_> {
    fn get(&self, cid: &Cid) -> Option<Block> {
        let block = self.all.get(cid)?;
        self.found.borrow_mut().insert(*cid, block.clone());
        Some(block.clone())
    }
}
