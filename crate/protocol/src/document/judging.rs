//! Judging a chain a little at a time, or many chains side by side.
//!
//! Most of the work is in signatures, and many are checked together for a third of what each costs alone
//! ([`crate::jose::verify_envelopes`]). So whoever judges hands over all it has:
//!
//! ```
//! # use ostrakon_protocol::{Chain, World, document::{Document, Judging, judge_some}, refusal::Refusal};
//! /// Judges chains without ever holding up the thread of a tab for more than about three milliseconds.
//! async fn judge(
//!     chains: Vec<Chain>,
//!     world: &World<'_>,
//!     others_may_run: impl AsyncFn(),
//! ) -> Vec<Result<Document, Refusal>> {
//!     let mut judgings: Vec<Judging> = chains.into_iter().map(Judging::new).collect();
//!     while !judge_some(&mut judgings, 64, world) {
//!         others_may_run().await;
//!     }
//!     judgings.into_iter().map(|judging| judging.finish(world)).collect()
//! }
//! ```
//!
//! The pieces make no difference: what comes out is what [`Document::verify`] and [`Document::hear`] make of the same
//! chain in the same world.

use super::growth::Growth;
use super::{Document, Heard};
use crate::chain::judge::{self, Signature};
use crate::chain::{Chain, ChainError, Link};
use crate::refusal::Refusal;
use crate::world::World;
use crate::{Cid, StreamId};

/// A chain that is being judged. Nothing is shown of the document before it is finished.
pub struct Judging {
    stage: Stage,
    /// The tip of a document that was held before.
    before: Option<Cid>,
}

// There are few of them, and each moves through all stages.
#[allow(clippy::large_enum_variant)]
enum Stage {
    /// The init event comes first.
    Start(StreamId, std::vec::IntoIter<Link>),
    Growing(Document, Growth),
    /// Nothing is to be judged.
    Over(Result<Document, Refusal>),
}

impl Judging {
    /// Of a document that is not held yet.
    pub fn new(chain: Chain) -> Self {
        let stream = *chain.stream();
        let stage = match chain.joins() {
            Some(known) => Stage::Over(Err(ChainError::UnknownParent(*known).into())),
            None => Stage::Start(stream, chain.into_links().into_iter()),
        };
        Self {
            stage,
            before: None,
        }
    }

    /// Of another branch, or of more of one, for a document that is held.
    pub fn of(document: Document, chain: Chain) -> Self {
        let before = Some(*document.tip());
        let stage = match Growth::of(&document, chain) {
            Ok(growth) => Stage::Growing(document, growth),
            Err(refusal) => Stage::Over(Ok(Document {
                refused: Some(refusal),
                ..document
            })),
        };
        Self { stage, before }
    }

    /// How many events are left to judge. It may end at once where one is refused.
    pub fn left(&self) -> usize {
        match &self.stage {
            Stage::Start(_, links) => links.len().max(1),
            Stage::Growing(_, growth) => growth.left(),
            Stage::Over(_) => 0,
        }
    }

    /// Ends it, with whatever is left: what [`Document::verify`] returns, or the document that was held, with
    /// [`Document::refused`] saying why not all of the chain was taken.
    pub fn finish(mut self, world: &World) -> Result<Document, Refusal> {
        while !judge_some([&mut self], crate::jose::MAX_BATCH, world) {}
        let new = self.before.is_none();
        match self.stage {
            Stage::Growing(mut document, growth) => {
                document.refused = document.grown(growth, world).err();
                match document.refused {
                    // An anchor, or the lack of one, says that the init event was not written in time.
                    Some(refusal) if new && refusal.event == Some(*document.stream.init()) => {
                        Err(refusal)
                    }
                    _ => Ok(document),
                }
            }
            Stage::Over(outcome) => outcome,
            Stage::Start(stream, _) => Err(ChainError::Missing(*stream.init()).into()),
        }
    }

    /// The same for a document that was held, as [`Document::hear`] tells it.
    pub fn heard(self, world: &World) -> Result<(Document, Heard), Refusal> {
        let before = self.before;
        let document = self.finish(world)?;
        let heard = Heard {
            changed: before != Some(*document.tip()),
            refused: document.refused.clone(),
        };
        Ok((document, heard))
    }

    fn next(&self, most: usize) -> &[Link] {
        match &self.stage {
            Stage::Start(_, links) => links.as_slice().get(..most).unwrap_or(links.as_slice()),
            Stage::Growing(_, growth) => growth.next(most),
            Stage::Over(_) => &[],
        }
    }

    /// Judges as many events as there are signatures.
    fn take(&mut self, mut signatures: impl Iterator<Item = Signature>, world: &World) {
        match &self.stage {
            Stage::Start(stream, _) => world.library.read_for(stream),
            Stage::Growing(document, _) => world.library.read_for(&document.stream),
            Stage::Over(_) => {}
        }
        if let Stage::Start(stream, links) = &mut self.stage {
            let (stream, mut links) = (*stream, std::mem::take(links));
            let begun = match (links.next(), signatures.next()) {
                (Some(link), Some(signature)) => Document::begin(stream, link, signature, world),
                _ => Err(ChainError::Missing(*stream.init()).into()),
            };
            let begun = begun.map(|document| {
                let growth = Growth::new(&document, *stream.init(), links);
                (document, growth)
            });
            self.stage = match begun {
                Ok((document, Ok(growth))) => Stage::Growing(document, growth),
                Ok((document, Err(refusal))) => Stage::Over(Ok(Document {
                    refused: Some(refusal),
                    ..document
                })),
                Err(refusal) => Stage::Over(Err(refusal)),
            };
        }
        if let Stage::Growing(document, growth) = &mut self.stage {
            document.grow(growth, signatures, world);
        }
    }
}

/// Judges the next `events` events of these chains, their signatures together; true when none is left.
///
/// In a tab an event takes 30 to 50 µs, the less the more there are, and about 130 µs where one of the signatures is invalid and
/// all have to be checked one by one. 64 is a good number where others wait. Use the same `now` for all pieces of a chain; what
/// else is known of the world may grow between them. Asking what comes before a branch that forks off far back, which
/// replays the document, is not divided.
pub fn judge_some<'a>(
    judgings: impl IntoIterator<Item = &'a mut Judging>,
    events: usize,
    world: &World,
) -> bool {
    let mut budget = events.max(1);
    let mut some = Vec::new();
    let mut all = true;
    for judging in judgings {
        if judging.left() > 0 && budget > 0 {
            let count = judging.left().min(budget);
            budget = budget.saturating_sub(count);
            some.push((count, judging));
        } else {
            all &= judging.left() == 0;
        }
    }
    let links = some
        .iter()
        .flat_map(|(count, judging)| judging.next(*count));
    let mut signatures = judge::signatures(links).into_iter();
    for (count, judging) in some {
        // All of its own, even if it ends before.
        let own: Vec<Signature> = signatures.by_ref().take(count).collect();
        judging.take(own.into_iter(), world);
        all &= judging.left() == 0;
    }
    all
}
