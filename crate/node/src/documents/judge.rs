//! Where this crate meets the verdicts of the protocol. Pure: the time comes in, as unix milliseconds.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedSet;
use ostrakon_protocol::world::World;
use ostrakon_protocol::{Library, Types};

use super::View;
use crate::chains::Answers;
use crate::store::{MAX_RECORD_NEEDS, Record};

/// Branches up to which one that loses is kept. A stranger can write valid branches without end, and whatever replaces
/// them in the document stays on disk.
pub const MAX_LOSING: usize = 8;

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

/// What is to be noted of a document beside its blocks.
pub(super) struct Notes {
    /// Whether someone here asked for it.
    pub(super) asked: bool,
    /// Documents on which its newest events rest.
    pub(super) used: SortedSet<StreamId>,
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
    let new = match old {
        Some(old) => next.block_cids_since(&old.document),
        None => next.block_cids(),
    };
    let new = new.into_iter();
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
