//! Documents as CAR files.
//!
//! An archive comes from anyone. It is bounded by the reader of [`car`], its blocks are hashed, and everything its roots
//! lead to must be there and valid before any of it is kept; blocks they do not lead to, and that judging does not need,
//! are left out. What is written here can be judged by itself: with a document come those it needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::car;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::document::MAX_RELATED;
use ostrakon_protocol::event::{Decoded, Event, decode};
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use crate::error::NodeError;
use crate::store::{Store, StoreError, Stored};

/// One document of an archive, not judged yet.
#[derive(Debug)]
pub struct Import {
    /// Which document.
    pub stream: StreamId,
    /// Its tips, in the archive's order.
    pub tips: Vec<Cid>,
    /// The archive's blocks, all of them.
    pub blocks: Arc<HashMap<Cid, Block>>,
}

/// The documents that an archive's roots belong to. The first whose events do not lead back to an init event refuses all.
///
/// # Errors
/// [`NodeError::Car`], [`NodeError::Block`], [`NodeError::NoRoots`], [`NodeError::Event`], [`NodeError::Incomplete`].
pub fn read(bytes: &[u8]) -> Result<Vec<Import>, NodeError> {
    let archive = car::read(bytes)?;
    if let Some((cid, error)) = archive.refused.into_iter().next() {
        tracing::debug!(%cid, %error, "a block of an archive is refused");
        return Err(NodeError::Block(error));
    }
    let blocks: HashMap<Cid, Block> = archive
        .blocks
        .into_iter()
        .map(|block| (*block.cid(), block))
        .collect();
    if archive.roots.is_empty() {
        return Err(NodeError::NoRoots);
    }
    let blocks = Arc::new(blocks);
    let mut known = HashMap::new();
    let mut tips: SortedMap<StreamId, Vec<Cid>> = SortedMap::new();
    let mut order = Vec::new();
    for root in archive.roots {
        let seen = known.contains_key(&root);
        let stream = stream_of(root, &blocks, &mut known)?;
        let tips = tips.get_or_default(stream);
        if tips.is_empty() {
            order.push(stream);
        }
        // An event that another root leads through is no tip.
        if !seen {
            tips.push(root);
        }
    }
    let mut imports = Vec::with_capacity(order.len());
    for stream in order {
        let tips = tips.remove(&stream).unwrap_or_default();
        imports.push(Import {
            stream,
            tips,
            blocks: blocks.clone(),
        });
    }
    Ok(imports)
}

/// A kept document as an archive: its tips as roots, its blocks from the init event on, then those of the documents that
/// judging it needs.
///
/// # Errors
/// [`NodeError::Incomplete`] if the disk lost a block.
pub fn write(
    document: &Document,
    stored: Stored,
    needed: Vec<Stored>,
) -> Result<Vec<u8>, NodeError> {
    let (_, blocks, _) = stored.verified();
    let find = |cid: Cid| blocks.get(&cid).ok_or(NodeError::Incomplete(cid));
    let own = document.block_cids();
    let seen: HashSet<Cid> = own.iter().copied().collect();
    let mut archived = own.into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let needed: SortedMap<Cid, Block> = needed
        .into_iter()
        .flat_map(|stored| stored.verified().1)
        .filter(|(cid, _)| !seen.contains(cid))
        .collect();
    archived.extend(needed.values());
    Ok(car::write(&document.tips(), archived))
}

/// The documents that judging one needs, and those that these need; [`MAX_RELATED`] at most. One that is not kept is left
/// out.
///
/// # Errors
/// Those of the store.
pub async fn needed(store: &impl Store, stored: &Stored) -> Result<Vec<Stored>, StoreError> {
    let mut seen: SortedSet<StreamId> = SortedSet::from([stored.record.stream]);
    let mut wanted = stored.record.needs.clone();
    let mut needed = Vec::new();
    while let Some(stream) = wanted.pop() {
        if seen.len() > MAX_RELATED || !seen.insert(stream) {
            continue;
        }
        if let Some(stored) = store.document(&stream).await? {
            wanted.extend(&stored.record.needs);
            needed.push(stored);
        }
    }
    Ok(needed)
}

/// Follows the links from an event to the first one, and names the document. No event is passed twice, whatever the roots.
fn stream_of(
    root: Cid,
    blocks: &HashMap<Cid, Block>,
    known: &mut HashMap<Cid, StreamId>,
) -> Result<StreamId, NodeError> {
    let mut passed = Vec::new();
    let mut cid = root;
    let stream = loop {
        if let Some(stream) = known.get(&cid) {
            break *stream;
        }
        passed.push(cid);
        let block = blocks.get(&cid).ok_or(NodeError::Incomplete(cid))?;
        match decode(block, blocks)? {
            Decoded::Need(cids) => {
                return Err(NodeError::Incomplete(cids.first().copied().unwrap_or(cid)));
            }
            Decoded::Event(Event::Init(init)) => break StreamId::new(init.stream_type(), cid),
            // A chain that came back to itself would have broken a hash; it would still end here.
            Decoded::Event(event) => match event.prev() {
                Some(prev) if passed.len() <= blocks.len() => cid = *prev,
                _ => return Err(NodeError::Incomplete(cid)),
            },
        }
    };
    known.extend(passed.into_iter().map(|cid| (cid, stream)));
    Ok(stream)
}
