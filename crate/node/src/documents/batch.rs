//! Many new documents at once: judged together, written in one transaction, and never all in memory as open documents.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::{Step, Walk};
use ostrakon_protocol::document::{Judging, judge_some};
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use super::{CallId, Documents, Now, Output, Reply, Source, View, judge};
use crate::error::NodeError;
use crate::store::{Change, Outgoing, StoreError};

/// Batches under way at once.
pub const MAX_BATCHES: usize = 4;
/// Events of a batch that are judged before anything else gets its turn.
pub const MAX_BATCH_SLICE: usize = 256;

/// A new document.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its id.
    pub stream: StreamId,
    /// The blocks of its init event, the event last.
    pub blocks: Vec<Block>,
}

/// See the module.
pub(super) struct Batch {
    call: CallId,
    stage: Stage,
}

enum Stage {
    Judging {
        streams: Vec<StreamId>,
        judgings: Vec<Judging>,
        blocks: HashMap<Cid, Block>,
        used: SortedMap<StreamId, SortedSet<StreamId>>,
        /// When it began: all of it is judged as of then.
        now: Now,
    },
    Committing(Vec<View>, Vec<Outgoing>),
}

impl Documents {
    /// Keeps new documents, which nobody may have heard of before: all of them or none. They are answered with in the same
    /// order.
    pub fn create_many(&mut self, call: CallId, drafts: Vec<Draft>, now: Now) {
        let begun = match self.batches.len() >= MAX_BATCHES {
            true => Err(NodeError::Busy),
            false => self.begin_batch(drafts, now),
        };
        match begun {
            Ok(stage) => self.batches.push(Batch { call, stage }),
            Err(error) => self.outputs.push_back(Output::Reply(call, Err(error))),
        }
    }

    fn begin_batch(&self, drafts: Vec<Draft>, now: Now) -> Result<Stage, NodeError> {
        if self.outbox.is_full(drafts.len()) {
            return Err(NodeError::OutboxFull);
        }
        let mut seen = SortedSet::new();
        let mut streams = Vec::with_capacity(drafts.len());
        let mut judgings = Vec::with_capacity(drafts.len());
        let mut blocks = HashMap::with_capacity(drafts.len().saturating_mul(2));
        for draft in drafts {
            let stream = draft.stream;
            // Somebody heard of it before: that is not what this is for.
            if self.open.contains_key(&stream) || !seen.insert(stream) {
                return Err(NodeError::Busy);
            }
            blocks.extend(draft.blocks.into_iter().map(|block| (*block.cid(), block)));
            let missing =
                |cid: Option<&Cid>| NodeError::Incomplete(cid.copied().unwrap_or(*stream.init()));
            match Walk::new(stream, *stream.init()).advance(&blocks, None) {
                Ok(Step::Done(chain)) => {
                    streams.push(stream);
                    judgings.push(Judging::new(chain));
                }
                Ok(Step::Need(cids)) => return Err(missing(cids.first())),
                Err(error) => return Err(NodeError::Chain(error)),
            }
        }
        Ok(Stage::Judging {
            streams,
            judgings,
            blocks,
            used: SortedMap::new(),
            now,
        })
    }

    /// Whether any is being judged.
    pub(super) fn is_judging_batches(&self) -> bool {
        let judging = |batch: &Batch| matches!(batch.stage, Stage::Judging { .. });
        self.batches.iter().any(judging)
    }

    /// Nobody waits for this one any more. A change that began is finished.
    pub(super) fn cancel_batch(&mut self, call: CallId) {
        let judging = |batch: &Batch| matches!(batch.stage, Stage::Judging { .. });
        self.batches
            .retain(|batch| batch.call != call || !judging(batch));
    }

    /// Judges a little of the first one.
    pub(super) fn judge_batch(&mut self) {
        let judging = |batch: &Batch| matches!(batch.stage, Stage::Judging { .. });
        let Some(at) = self.batches.iter().position(judging) else {
            return;
        };
        let Some(batch) = self.batches.get_mut(at) else {
            return;
        };
        let Stage::Judging {
            judgings,
            used,
            now,
            ..
        } = &mut batch.stage
        else {
            return;
        };
        let world = self.knowledge.world(now.unix_ms);
        let over = judge_some(judgings.iter_mut(), MAX_BATCH_SLICE, &world);
        for (reader, read) in self.knowledge.library.take_used() {
            if let Some(reader) = reader {
                used.get_or_default(reader).insert(read);
            }
        }
        if !over {
            return;
        }
        let batch = self.batches.remove(at);
        match self.finish_batch(batch.stage) {
            Ok((views, outgoing, change)) => {
                let stage = Stage::Committing(views, outgoing);
                let call = batch.call;
                self.batches.push(Batch { call, stage });
                self.outputs.push_back(Output::CommitMany(call, change));
            }
            Err(error) => {
                let reply = Output::Reply(batch.call, Err(error));
                self.outputs.push_back(reply);
            }
        }
    }

    /// All are judged: what is to be written, if all are good.
    fn finish_batch(
        &mut self,
        stage: Stage,
    ) -> Result<(Vec<View>, Vec<Outgoing>, Change), NodeError> {
        let Stage::Judging {
            streams,
            judgings,
            blocks,
            mut used,
            now,
        } = stage
        else {
            return Err(NodeError::Stopped);
        };
        let world = self.knowledge.world(now.unix_ms);
        let mut views = Vec::with_capacity(judgings.len());
        let mut all_outgoing = Vec::with_capacity(judgings.len());
        let mut changes = Vec::with_capacity(judgings.len().saturating_mul(2));
        for (stream, judging) in streams.into_iter().zip(judgings) {
            let document = judging
                .finish(&world)
                .and_then(|document| match document.refused() {
                    Some(refusal) => Err(refusal.clone()),
                    None => Ok(document),
                })
                .map_err(|refusal| match refusal.wanted().copied() {
                    Some(wanted) => NodeError::NeedsDocument(Box::new((stream, wanted))),
                    None => NodeError::Refused(refusal),
                })?;
            let notes = judge::Notes {
                asked: true,
                used: used.remove(&stream).unwrap_or_default(),
                now: now.unix_ms,
            };
            let (record, new) = judge::record(None, &document, &blocks, notes)
                .ok_or(NodeError::Incomplete(*stream.init()))?;
            let outgoing = self.outbox.outgoing(stream, *document.tip(), now.unix_ms);
            changes.push(Change::Put {
                record: record.clone(),
                blocks: new,
            });
            changes.push(Change::Queue(outgoing.clone()));
            all_outgoing.push(outgoing);
            views.push(View::new(document, record, Source::Disk));
        }
        Ok((views, all_outgoing, Change::Many(changes)))
    }

    /// To [`Output::CommitMany`].
    pub fn committed_many(&mut self, call: CallId, written: Result<(), StoreError>, now: Now) {
        let committing =
            |batch: &Batch| batch.call == call && matches!(batch.stage, Stage::Committing(..));
        let Some(at) = self.batches.iter().position(committing) else {
            return;
        };
        let Stage::Committing(views, outgoing) = self.batches.remove(at).stage else {
            return;
        };
        let reply = written.map_err(NodeError::Store).map(|()| {
            for one in outgoing {
                self.outbox.queue(one, now.ticks);
            }
            let mut shown = Vec::with_capacity(views.len());
            for mut view in views {
                view.publication = self.outbox.publication(&view.document);
                let view = Arc::new(view);
                self.outputs.push_back(Output::Changed(view.clone()));
                shown.push(view);
            }
            Reply::Views(shown)
        });
        self.outputs.push_back(Output::Reply(call, reply));
        self.publish(now);
        self.pump(now);
    }

    /// Whether any is on its way to the store.
    pub(super) fn is_committing_batches(&self) -> bool {
        let committing = |batch: &Batch| matches!(batch.stage, Stage::Committing(..));
        self.batches.iter().any(committing)
    }
}
