//! Where this crate meets the verdicts of the protocol. Pure: the time comes in, as unix milliseconds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::anchor::Unasked;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::{Chain, Step, Walk};
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::refusal::Refusal;
use ostrakon_protocol::world::World;

use super::{Source, View};
use crate::error::NodeError;
use crate::store::{Record, Stored};

/// Branches up to which one that loses is kept. A stranger can write valid branches without end, and whatever replaces
/// them in the document stays on disk.
pub const MAX_LOSING: usize = 8;

/// What a chain did to a document.
pub(super) struct Judged {
    /// The document afterwards, if there is something new in it worth keeping.
    pub(super) changed: Option<Document>,
    /// Why not all of the chain was taken.
    pub(super) refusal: Option<Refusal>,
}

/// What the disk still had of a document.
pub(super) struct Known {
    /// What verified.
    pub(super) view: Option<View>,
    /// Tips whose chains are no longer whole.
    pub(super) lost: Vec<Cid>,
}

fn world(now: u64) -> World<'static> {
    World::new(now / 1000, &Unasked)
}

pub(super) fn arrived(held: Option<&Document>, chain: Chain, now: u64) -> Judged {
    let world = world(now);
    let Some(held) = held else {
        return match Document::verify(chain, &world) {
            Ok(document) => Judged {
                refusal: document.refused().cloned(),
                changed: Some(document),
            },
            Err(refusal) => Judged {
                changed: None,
                refusal: Some(refusal),
            },
        };
    };
    let mut next = held.clone();
    let heard = next.hear(chain, &world);
    let tips = next.tips();
    let worth = heard.changed || (tips.len() <= MAX_LOSING && tips != held.tips());
    Judged {
        changed: worth.then_some(next),
        refusal: heard.refused,
    }
}

/// Takes a document from disk down the same road as one from the network.
pub(super) fn stored(stored: Stored, now: u64) -> Known {
    let (mut record, blocks, damaged) = stored.verified();
    let mut document: Option<Document> = None;
    for tip in &record.tips {
        let chain = match Walk::new(record.stream, *tip).advance(&blocks, document.as_ref()) {
            Ok(Step::Done(chain)) => chain,
            Ok(Step::Need(_)) | Err(_) => continue,
        };
        if let Some(next) = arrived(document.as_ref(), chain, now).changed {
            document = Some(next);
        }
    }
    let tips = document.as_ref().map(Document::tips).unwrap_or_default();
    let lost: Vec<Cid> = record
        .tips
        .iter()
        .filter(|tip| !tips.contains(tip))
        .copied()
        .collect();
    if damaged > 0 || !lost.is_empty() {
        tracing::warn!(stream = %record.stream, damaged, lost = lost.len(), "part of a document on disk is damaged or valid no more");
    }
    let view = document.map(|document| {
        record.tips = tips;
        record.events = document.log().len().try_into().unwrap_or(u32::MAX);
        View {
            document: Arc::new(document),
            record,
            from: Source::Disk,
        }
    });
    Known { view, lost }
}

/// Events from here: all their blocks must be there, and all must be valid. Nothing if nothing changed.
pub(super) fn submitted(
    stream: StreamId,
    held: Option<&Document>,
    tips: &[Cid],
    blocks: &HashMap<Cid, Block>,
    now: u64,
) -> Result<Option<Document>, NodeError> {
    let mut changed = None;
    for tip in tips {
        let held = changed.as_ref().or(held);
        let chain = match Walk::new(stream, *tip).advance(blocks, held)? {
            Step::Done(chain) => chain,
            Step::Need(cids) => {
                return Err(NodeError::Incomplete(cids.first().copied().unwrap_or(*tip)));
            }
        };
        let judged = arrived(held, chain, now);
        if let Some(refusal) = judged.refusal {
            return Err(NodeError::Refused(refusal));
        }
        if let Some(next) = judged.changed {
            changed = Some(next);
        }
    }
    Ok(changed)
}

/// The record of a document, and those of its blocks that are not kept yet. Nothing if one of these is not there.
pub(super) fn record(
    stream: StreamId,
    old: Option<(&Document, u64)>,
    next: &Document,
    blocks: &HashMap<Cid, Block>,
    now: u64,
) -> Option<(Record, Vec<Block>)> {
    let kept: HashSet<Cid> = old
        .map(|(document, _)| document.block_cids().into_iter().collect())
        .unwrap_or_default();
    let new = next
        .block_cids()
        .into_iter()
        .filter(|cid| !kept.contains(cid));
    let new: Vec<Block> = new
        .map(|cid| blocks.get(&cid).cloned())
        .collect::<Option<_>>()?;
    let bytes: u64 = new.iter().map(|block| block.bytes().len() as u64).sum();
    let record = Record {
        stream,
        tips: next.tips(),
        events: next.log().len().try_into().unwrap_or(u32::MAX),
        bytes: old.map_or(0, |(_, bytes)| bytes).saturating_add(bytes),
        updated: now,
    };
    Some((record, new))
}
