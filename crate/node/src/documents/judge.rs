//! Where this crate meets the verdicts of the protocol. Pure: the time comes in, as unix milliseconds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::{Chain, Step, Walk};
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::{DocumentRef, StreamId};
use ostrakon_protocol::refusal::Refusal;
use ostrakon_protocol::world::World;
use ostrakon_protocol::{Library, Types};

use super::{Source, View};
use crate::chains::Answers;
use crate::error::NodeError;
use crate::store::{MAX_RECORD_NEEDS, Record, Stored};

/// Branches up to which one that loses is kept. A stranger can write valid branches without end, and whatever replaces
/// them in the document stays on disk.
pub const MAX_LOSING: usize = 8;

/// What a chain did to a document.
pub(super) struct Judged {
    /// The document afterwards, if there is something new in it worth keeping.
    pub(super) changed: Option<Document>,
    /// Why not all of the chain was taken.
    pub(super) refusal: Option<Refusal>,
    /// Documents on which the verdict rests.
    pub(super) used: BTreeSet<StreamId>,
}

/// What the disk still had of a document.
pub(super) struct Known {
    /// What verified.
    pub(super) view: Option<View>,
    /// Tips whose chains are no longer whole.
    pub(super) lost: Vec<Cid>,
    /// A document without which a tip cannot be judged.
    pub(super) lacks: Option<DocumentRef>,
}

/// What this node knows beyond a document's own events.
#[derive(Default)]
pub(super) struct Knowledge {
    /// Documents that others need.
    pub(super) library: Library,
    /// The rules of each document type.
    pub(super) types: Arc<Types>,
    /// What chains answered.
    pub(super) answers: Answers,
}

impl Knowledge {
    pub(super) fn world(&self, now: u64) -> World<'_> {
        World {
            library: &self.library,
            types: &self.types,
            ..World::new(now / 1000, &self.answers)
        }
    }
}

/// `wanted` says that something waits for exactly this tip.
pub(super) fn arrived(
    knowledge: &Knowledge,
    held: Option<&Document>,
    chain: Chain,
    wanted: bool,
    now: u64,
) -> Judged {
    let world = knowledge.world(now);
    let Some(held) = held else {
        let verified = Document::verify(chain, &world);
        let used = knowledge.library.take_used();
        return match verified {
            Ok(document) => Judged {
                refusal: document.refused().cloned(),
                changed: Some(document),
                used,
            },
            Err(refusal) => Judged {
                changed: None,
                refusal: Some(refusal),
                used,
            },
        };
    };
    let mut next = held.clone();
    let heard = next.hear(chain, &world);
    let tips = next.tips();
    let worth = heard.changed || ((wanted || tips.len() <= MAX_LOSING) && tips != held.tips());
    Judged {
        changed: worth.then_some(next),
        refusal: heard.refused,
        used: knowledge.library.take_used(),
    }
}

/// Takes a document from disk down the same road as one from the network.
pub(super) fn stored(knowledge: &Knowledge, stored: Stored, now: u64) -> Known {
    let (mut record, blocks, damaged) = stored.verified();
    let mut document: Option<Document> = None;
    let mut lacks = None;
    for tip in &record.tips {
        let chain = match Walk::new(record.stream, *tip).advance(&blocks, document.as_ref()) {
            Ok(Step::Done(chain)) => chain,
            Ok(Step::Need(_)) | Err(_) => continue,
        };
        let judged = arrived(knowledge, document.as_ref(), chain, false, now);
        document = judged.changed.or(document);
        lacks = lacks.or(judged.refusal.as_ref().and_then(Refusal::wanted).copied());
    }
    let tips = document.as_ref().map(Document::tips).unwrap_or_default();
    let lost: Vec<Cid> = record
        .tips
        .iter()
        .filter(|tip| !tips.contains(tip))
        .copied()
        .collect();
    if damaged > 0 || (lacks.is_none() && !lost.is_empty()) {
        tracing::warn!(stream = %record.stream, damaged, lost = lost.len(), "part of a document on disk is damaged or valid no more");
    }
    let view = document.map(|document| {
        record.tips = tips;
        record.events = document.log().len().try_into().unwrap_or(u32::MAX);
        View {
            document: Arc::new(document),
            record,
            from: Source::Disk,
            doubts: BTreeMap::new(),
        }
    });
    Known { view, lost, lacks }
}

/// Events from here: all their blocks must be there, and all must be valid. Nothing if nothing changed.
pub(super) fn submitted(
    knowledge: &Knowledge,
    stream: StreamId,
    held: Option<&Document>,
    tips: &[Cid],
    blocks: &HashMap<Cid, Block>,
    now: u64,
) -> Result<Option<(Document, BTreeSet<StreamId>)>, NodeError> {
    let mut changed = None;
    let mut used = BTreeSet::new();
    for tip in tips {
        let held = changed.as_ref().or(held);
        let chain = match Walk::new(stream, *tip).advance(blocks, held)? {
            Step::Done(chain) => chain,
            Step::Need(cids) => {
                return Err(NodeError::Incomplete(cids.first().copied().unwrap_or(*tip)));
            }
        };
        let judged = arrived(knowledge, held, chain, false, now);
        used.extend(judged.used);
        if let Some(refusal) = judged.refusal {
            return Err(NodeError::Refused(refusal));
        }
        if let Some(next) = judged.changed {
            changed = Some(next);
        }
    }
    Ok(changed.map(|document| (document, used)))
}

/// What is to be noted of a document beside its blocks.
pub(super) struct Notes {
    /// Whether someone here asked for it.
    pub(super) asked: bool,
    /// Documents on which its newest events rest.
    pub(super) used: BTreeSet<StreamId>,
    /// The time, in unix milliseconds.
    pub(super) now: u64,
}

/// The record of a document, and those of its blocks that are not kept yet. Nothing if one of these is not there.
pub(super) fn record(
    old: Option<&View>,
    next: &Document,
    blocks: &HashMap<Cid, Block>,
    notes: Notes,
) -> Option<(Record, Vec<Block>)> {
    let kept: HashSet<Cid> = old
        .map(|old| old.document.block_cids().into_iter().collect())
        .unwrap_or_default();
    let new = next
        .block_cids()
        .into_iter()
        .filter(|cid| !kept.contains(cid));
    let new: Vec<Block> = new
        .map(|cid| blocks.get(&cid).cloned())
        .collect::<Option<_>>()?;
    let bytes: u64 = new.iter().map(|block| block.bytes().len() as u64).sum();
    let mut needs = old.map(|old| old.record.needs.clone()).unwrap_or_default();
    let others = (notes.used.into_iter()).filter(|id| id != next.stream() && !needs.contains(id));
    let others: Vec<StreamId> = others.collect();
    needs.extend(others);
    needs.truncate(MAX_RECORD_NEEDS);
    let record = Record {
        stream: *next.stream(),
        tips: next.tips(),
        events: next.log().len().try_into().unwrap_or(u32::MAX),
        bytes: old.map_or(0, |old| old.record.bytes).saturating_add(bytes),
        updated: notes.now,
        asked: notes.asked,
        needs,
    };
    Some((record, new))
}
