//! Documents of a world that is only these blocks: a CAR, a test, a store without a network.
//!
//! What the judging of one needs of another is looked up in the same blocks and judged first. A hostile file can name
//! documents without end: at most [`MAX_RELATED`] are judged for one, each leading on to at most [`MAX_RELATED_DEPTH`].

use std::collections::HashSet;
use std::sync::Arc;

use cid::Cid;

use super::Document;
use crate::block::Archive;
use crate::chain::{Chain, ChainError, Step, Walk};
use crate::event::{Decoded, Event, decode};
use crate::library::Library;
use crate::refusal::{Need, Refusal};
use crate::sorted::SortedSet;
use crate::world::World;
use crate::{Blocks, CommitId, DocumentRef, StreamId};

/// Most other documents that are judged for the sake of one.
pub const MAX_RELATED: usize = 1_024;
/// How far one document can lead on to another, and that to the next.
pub const MAX_RELATED_DEPTH: usize = 128;

/// What a node holds after hearing of these tips, in this order, and what it refused. A document whose tips all lead
/// nowhere is at its init event.
///
/// Other documents that judging it needs come from `world.library` or from the same blocks. Errors if not even the init
/// event is there and valid. What is valid may depend on what builds on it, an anchor in time, so a chain that was refused
/// is heard again at the end.
pub fn hear_all(
    stream: &StreamId,
    tips: &[Cid],
    blocks: &dyn Archive,
    world: &World,
) -> Result<(Document, Vec<Refusal>), Refusal> {
    let mut related = Related::new(blocks, world);
    let mut document = None;
    loop {
        let outcome = hear(stream, tips, blocks, &related.world(world), document);
        let refusals = match &outcome {
            Ok((_, refusals)) => refusals.as_slice(),
            Err(refusal) => std::slice::from_ref(refusal),
        };
        let wanted: Vec<_> = refusals.iter().filter_map(Refusal::wanted).collect();
        if !related.find(wanted.into_iter().copied(), world) {
            return outcome;
        }
        document = outcome.ok().map(|(document, _)| document);
    }
}

/// The document at one of its versions, every event of which must be there and valid. Other documents as in [`hear_all`].
pub fn load_commit(
    commit: &CommitId,
    blocks: &dyn Archive,
    world: &World,
) -> Result<Document, Refusal> {
    let mut related = Related::new(blocks, world);
    loop {
        let outcome = load(commit, None, blocks, &related.world(world));
        let wanted = outcome.as_ref().err().and_then(Refusal::wanted).copied();
        if !related.find(wanted, world) {
            return outcome;
        }
    }
}

fn hear(
    stream: &StreamId,
    tips: &[Cid],
    blocks: &dyn Blocks,
    world: &World,
    document: Option<Document>,
) -> Result<(Document, Vec<Refusal>), Refusal> {
    let mut missing = Vec::new();
    let mut tips = tips.iter();
    let next = |known: Option<&Document>| {
        let walked = tips.by_ref().map(|tip| walk(stream, tip, blocks, known));
        let mut chains = walked.filter_map(|chain| {
            chain
                .map_err(|error: ChainError| missing.push(error.into()))
                .ok()
        });
        chains.next()
    };
    let (document, refusals) = hear_in_turn(document, next, world);
    let document = match (document, refusals.first()) {
        (Some(document), _) => document,
        (None, Some(refusal)) => return Err(refusal.clone()),
        (None, None) => Document::verify(walk(stream, stream.init(), blocks, None)?, world)?,
    };
    missing.extend(refusals);
    Ok((document, missing))
}

/// Hears one chain after the other, each as `next` gives it, who is told what is held by then. Returns what is held at the
/// end, and why chains were refused.
///
/// What another branch brings, an anchor above all, can make good what was refused before: so a chain that was refused is
/// heard once more.
pub(super) fn hear_in_turn(
    mut document: Option<Document>,
    mut next: impl FnMut(Option<&Document>) -> Option<Chain>,
    world: &World,
) -> (Option<Document>, Vec<Refusal>) {
    let mut refused = Vec::new();
    while let Some(chain) = next(document.as_ref()) {
        let refusal = hear_one(&mut document, chain.clone(), world);
        refused.extend(refusal.map(|refusal| (chain, refusal)));
    }
    if document.is_none() {
        return (
            None,
            refused.into_iter().map(|(_, refusal)| refusal).collect(),
        );
    }
    let again = refused.into_iter();
    let refusals = again.filter_map(|(chain, _)| hear_one(&mut document, chain, world));
    let refusals = refusals.collect();
    (document, refusals)
}

fn hear_one(document: &mut Option<Document>, chain: Chain, world: &World) -> Option<Refusal> {
    match document {
        Some(document) => document.hear(chain, world).refused,
        None => match Document::verify(chain, world) {
            Ok(first) => document.insert(first).refused().cloned(),
            Err(refusal) => Some(refusal),
        },
    }
}

/// A version of a document, which may be held already in part.
fn load(
    commit: &CommitId,
    held: Option<&Document>,
    blocks: &dyn Blocks,
    world: &World,
) -> Result<Document, Refusal> {
    let chain = walk(commit.stream_id(), commit.commit(), blocks, held)?;
    let Some(held) = held else {
        return Document::verify_whole(chain, world);
    };
    let mut document = held.clone();
    match document.hear(chain, world).refused {
        Some(refusal) => Err(refusal),
        None => Ok(document),
    }
}

/// The other documents that judging one needs.
struct Related<'a> {
    blocks: &'a dyn Archive,
    library: Library,
    /// Not to be had, or invalid.
    failed: SortedSet<DocumentRef>,
    judged: usize,
}

impl<'a> Related<'a> {
    fn new(blocks: &'a dyn Archive, world: &World) -> Self {
        Self {
            blocks,
            library: world.library.clone(),
            failed: SortedSet::new(),
            judged: 0,
        }
    }

    fn world<'w>(&'w self, world: &World<'w>) -> World<'w> {
        World {
            library: &self.library,
            ..*world
        }
    }

    /// Looks for documents that are wanted. Whether any was found.
    fn find(&mut self, wanted: impl IntoIterator<Item = DocumentRef>, world: &World) -> bool {
        let mut found = false;
        for wanted in wanted {
            let mut way = vec![wanted];
            while let Some(wanted) = way.last().copied() {
                match self.judge(&wanted, world) {
                    Ok((document, whole)) => {
                        self.library.admit(Arc::new(document), whole);
                        way.pop();
                    }
                    Err(refusal) => match refusal.wanted() {
                        Some(next) if self.may_judge(next, &way) => way.push(*next),
                        _ => {
                            self.failed.insert(wanted);
                            way.pop();
                        }
                    },
                }
            }
            found |= self.library.has(&wanted) && !self.failed.contains(&wanted);
        }
        found
    }

    fn may_judge(&self, next: &DocumentRef, way: &[DocumentRef]) -> bool {
        !self.failed.contains(next) && !way.contains(next) && way.len() < MAX_RELATED_DEPTH
    }

    fn judge(&mut self, wanted: &DocumentRef, world: &World) -> Result<(Document, bool), Refusal> {
        self.judged = self.judged.saturating_add(1);
        if self.judged > MAX_RELATED || self.failed.contains(wanted) {
            return Err(Need::document(*wanted).into());
        }
        let world = self.world(world);
        match wanted {
            DocumentRef::Commit(commit) => {
                let held = self.library.held(commit.stream_id());
                Ok((load(commit, held, self.blocks, &world)?, false))
            }
            DocumentRef::Stream(stream) => {
                let tips = tips(stream, self.blocks);
                let (document, refusals) = hear(stream, &tips, self.blocks, &world, None)?;
                match refusals
                    .into_iter()
                    .find(|refusal| refusal.wanted().is_some())
                {
                    Some(refusal) => Err(refusal),
                    None => Ok((document, true)),
                }
            }
        }
    }
}

/// The events of a document on which no other one of these builds. Nothing of it was verified.
pub fn tips(stream: &StreamId, blocks: &dyn Archive) -> Vec<Cid> {
    let mut events = Vec::new();
    let mut before = HashSet::new();
    for cid in blocks.cids() {
        let Some(Ok(Decoded::Event(event))) = blocks.get(&cid).map(|block| decode(&block, blocks))
        else {
            continue;
        };
        let id = match &event {
            Event::Data(data) => data.id,
            Event::Time(time) => time.id,
            Event::Init(_) | Event::Unreadable(_) => None,
        };
        if id == Some(*stream.init()) {
            before.extend(event.prev().copied());
            events.push(cid);
        }
    }
    events.retain(|cid| !before.contains(cid));
    let events: SortedSet<Cid> = events.into_iter().collect();
    events.into_iter().collect()
}

fn walk(
    stream: &StreamId,
    tip: &Cid,
    blocks: &dyn Blocks,
    known: Option<&Document>,
) -> Result<Chain, ChainError> {
    let mut walk = Walk::new(*stream, *tip);
    loop {
        match walk.advance(blocks, known)? {
            Step::Done(chain) => return Ok(chain),
            Step::Need(cids) => cids.iter().for_each(|cid| walk.absent(cid)),
        }
    }
}
