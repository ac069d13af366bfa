//! Judging, a little at a time: a long chain holds up neither the network nor other documents. Pure: the time comes in, as
//! unix milliseconds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::{Chain, Step, Walk};
use ostrakon_protocol::document::{Document, Judging, judge_some};
use ostrakon_protocol::id::{CommitId, DocumentRef, StreamId};
use ostrakon_protocol::refusal::Refusal;
use ostrakon_protocol::sorted::SortedSet;

use super::judge::Knowledge;
use super::open::{Doing, Job};
use super::{Documents, MAX_LOSING, Now, Source, View};
use crate::error::NodeError;
use crate::store::Record;

/// Events judged before anything else gets its turn: in a tab, some milliseconds.
pub const MAX_SLICE: usize = 128;

/// A job whose chains are being judged.
pub(super) struct Trial {
    pub(super) job: Job,
    /// Something waits for exactly this tip.
    sought: bool,
    /// As it was when the chain at hand was begun.
    held: Option<Arc<Document>>,
    changed: bool,
    judging: Option<Judging>,
    /// Those still to be walked from, and where their blocks are.
    tips: VecDeque<Cid>,
    blocks: Arc<HashMap<Cid, Block>>,
    /// What was noted about a document on disk, and how many of its blocks are damaged.
    record: Option<(Record, usize)>,
    refusal: Option<Refusal>,
    /// The first tip that leads nowhere.
    error: Option<NodeError>,
    used: SortedSet<StreamId>,
    /// When it began: all of it is judged as of then.
    now: u64,
}

/// What came of a trial.
pub(super) struct Judged {
    /// The document afterwards, if there is something new in it worth keeping.
    pub(super) changed: Option<Document>,
    /// Why not all was taken.
    pub(super) refusal: Option<Refusal>,
    /// The first tip that leads nowhere.
    pub(super) error: Option<NodeError>,
    /// Documents on which the verdict rests.
    pub(super) used: SortedSet<StreamId>,
}

/// What the disk still had of a document.
pub(super) struct Known {
    /// What verified.
    pub(super) view: Option<View>,
    /// Tips whose chains are no longer whole.
    pub(super) lost: Vec<Cid>,
}

impl Trial {
    fn new(job: Job, held: Option<Arc<Document>>, now: u64) -> Trial {
        Trial {
            job,
            sought: false,
            held,
            changed: false,
            judging: None,
            tips: VecDeque::new(),
            blocks: Arc::default(),
            record: None,
            refusal: None,
            error: None,
            used: SortedSet::new(),
            now,
        }
    }

    fn begin(&mut self, chain: Chain) {
        self.judging = Some(match &self.held {
            Some(held) => Judging::of(Document::clone(held), chain),
            None => Judging::new(chain),
        });
    }

    /// Begins with the next chain; false if there is none.
    fn next(&mut self, stream: StreamId) -> bool {
        // Of events from here all must be valid; of what the disk has whatever is.
        let strict = self.record.is_none();
        while let Some(tip) = self.tips.pop_front() {
            if !strict && self.held.as_ref().is_some_and(|held| held.contains(&tip)) {
                continue;
            }
            let outcome = match Walk::new(stream, tip).advance(&*self.blocks, self.held.as_deref())
            {
                Ok(Step::Done(chain)) => {
                    self.begin(chain);
                    return true;
                }
                Ok(Step::Need(cids)) => NodeError::Incomplete(cids.first().copied().unwrap_or(tip)),
                Err(error) => NodeError::Chain(error),
            };
            if strict {
                self.error = Some(outcome);
                return false;
            }
        }
        false
    }

    /// Ends the chain at hand.
    fn fold(&mut self, knowledge: &Knowledge) {
        let Some(judging) = self.judging.take() else {
            return;
        };
        let refusal = match judging.finish(&knowledge.world(self.now)) {
            Ok(document) => {
                let refusal = document.refused().cloned();
                if self.is_worth(&document) {
                    self.held = Some(Arc::new(document));
                    self.changed = true;
                }
                refusal
            }
            Err(refusal) => Some(refusal),
        };
        if self.record.is_none() && refusal.is_some() {
            self.tips.clear();
        }
        // What can be had is waited for first.
        let wants = |refusal: &Option<Refusal>| {
            refusal
                .as_ref()
                .is_some_and(|refusal| refusal.wanted().is_some())
        };
        if self.refusal.is_none() || (wants(&refusal) && !wants(&self.refusal)) {
            self.refusal = refusal;
        }
    }

    fn is_worth(&self, next: &Document) -> bool {
        let Some(held) = &self.held else {
            return true;
        };
        let tips = next.tips();
        held.tip() != next.tip()
            || ((self.sought || tips.len() <= MAX_LOSING) && tips != held.tips())
    }

    fn judged(self) -> (Job, Judged) {
        let changed = self.held.filter(|_| self.changed);
        let judged = Judged {
            changed: changed.map(Arc::unwrap_or_clone),
            refusal: self.refusal,
            error: self.error,
            used: self.used,
        };
        (self.job, judged)
    }

    /// What of a document on disk is valid.
    pub(super) fn known(record: Option<(Record, usize)>, document: Option<Document>) -> Known {
        let Some((mut record, damaged)) = record else {
            return Known {
                view: None,
                lost: Vec::new(),
            };
        };
        let tips = document.as_ref().map(Document::tips).unwrap_or_default();
        let is_lost = |tip: &&Cid| !tips.contains(tip);
        let lost: Vec<Cid> = record.tips.iter().filter(is_lost).copied().collect();
        if damaged > 0 || !lost.is_empty() {
            tracing::warn!(stream = %record.stream, damaged, lost = lost.len(), "part of a document on disk is damaged or valid no more");
        }
        let view = document.map(|document| {
            record.tips = tips;
            record.events = document.log().len().try_into().unwrap_or(u32::MAX);
            View::new(document, record, Source::Disk)
        });
        Known { view, lost }
    }
}

impl Documents {
    /// Begins to judge what a job brings.
    pub(super) fn try_job(&mut self, stream: StreamId, job: Job, now: Now) {
        let view = self.view(&stream);
        let held = view.map(|view| view.document.clone());
        let mut trial = Trial::new(job, held, now.unix_ms);
        match &trial.job {
            Job::Arrived(arrived, _) => {
                let sought = DocumentRef::Commit(CommitId::new(stream, arrived.tip));
                let chain = arrived.chain.clone();
                trial.sought = self.needs.seek(&sought).is_some();
                trial.begin(chain);
            }
            Job::Submit(submission) => {
                trial.tips = submission.tips.iter().copied().collect();
                trial.blocks = submission.blocks.clone();
            }
            Job::Restore(stored, _) => {
                let (record, blocks, damaged) = stored.as_ref().clone().verified();
                // Twice: an anchor on a later branch can make good what was refused before.
                trial.tips = record.tips.iter().chain(&record.tips).copied().collect();
                trial.blocks = Arc::new(blocks);
                trial.record = Some((record, damaged));
                trial.held = None;
            }
            _ => return,
        }
        if let Some(open) = self.open.get_mut(&stream) {
            open.doing = Doing::Judging(Box::new(trial));
            // Short ones end at once.
            self.go_on(stream, now);
        }
    }

    /// Whether [`Documents::judge`] has something to do.
    pub fn is_judging(&self) -> bool {
        let judging = |open: &super::open::Open| matches!(open.doing, Doing::Judging(_));
        self.open.values().any(judging) || self.is_judging_batches()
    }

    /// Whether somebody here waits for that.
    pub fn is_judging_own(&self) -> bool {
        let own = |open: &super::open::Open| match &open.doing {
            Doing::Judging(trial) => matches!(trial.job, Job::Submit(_)),
            _ => false,
        };
        self.open.values().any(own) || self.is_judging_batches()
    }

    /// Judges the next [`MAX_SLICE`] events, of many documents together. Whoever had to wait comes first the next time.
    pub fn judge(&mut self, now: Now) {
        self.judge_trials(now);
        self.judge_batch();
    }

    fn judge_trials(&mut self, now: Now) {
        let turn = self.turn.take();
        let mut trials: Vec<(StreamId, &mut Trial)> = Vec::new();
        for (stream, open) in &mut self.open {
            if let Doing::Judging(trial) = &mut open.doing {
                trials.push((*stream, trial));
            }
        }
        let first = trials.iter().position(|(stream, _)| Some(*stream) >= turn);
        trials.rotate_left(first.unwrap_or(0));
        let Some(second) = trials.first().map(|(_, trial)| trial.now / 1000) else {
            return;
        };
        // Chains are judged as of when they began.
        let is_now = |trial: &Trial| trial.now / 1000 == second;
        let others = trials
            .iter()
            .find(|(_, trial)| !is_now(trial))
            .map(|(id, _)| *id);
        trials.retain(|(_, trial)| is_now(trial));
        let mut left = MAX_SLICE;
        let mut judged = Vec::new();
        let mut slice: Vec<&mut Judging> = Vec::new();
        for (stream, trial) in trials {
            let Some(judging) = &mut trial.judging else {
                judged.push(stream);
                continue;
            };
            if left == 0 {
                self.turn = self.turn.or(Some(stream));
                continue;
            }
            let events = judging.left();
            left = left.saturating_sub(events);
            judged.push(stream);
            slice.push(judging);
        }
        self.turn = self.turn.or(others);
        let world = self.knowledge.world(second.saturating_mul(1000));
        judge_some(slice, MAX_SLICE, &world);
        for (reader, used) in self.knowledge.library.take_used() {
            let open = reader.and_then(|reader| self.open.get_mut(&reader));
            if let Some(Doing::Judging(trial)) = open.map(|open| &mut open.doing) {
                trial.used.insert(used);
            }
        }
        for stream in judged {
            self.go_on(stream, now);
        }
        self.pump(now);
    }

    /// Ends what is judged, begins with the next chain, or with what follows from the verdict.
    fn go_on(&mut self, stream: StreamId, now: Now) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let Doing::Judging(trial) = &mut open.doing else {
            return;
        };
        let left = trial.judging.as_ref().map(Judging::left);
        if left.is_some_and(|left| left > 0) {
            return;
        }
        trial.fold(&self.knowledge);
        if trial.next(stream) {
            return;
        }
        let Doing::Judging(trial) = std::mem::take(&mut open.doing) else {
            return;
        };
        let record = trial.record.clone();
        let (job, judged) = trial.judged();
        match job {
            Job::Arrived(arrived, met) => self.judged_arrived(stream, *arrived, met, judged, now),
            Job::Submit(submission) => self.judged_submission(stream, *submission, judged, now),
            Job::Restore(stored, met) => {
                self.judged_stored(stream, (*stored, met), record, judged, now)
            }
            _ => {}
        }
        self.ready.push_back(stream);
    }
}
