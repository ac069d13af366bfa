//! Documents of a world that is only these blocks: a CAR, a test, a store without a network.

use cid::Cid;

use super::{Document, World};
use crate::chain::{Chain, ChainError, Step, Walk};
use crate::refusal::Refusal;
use crate::{Blocks, CommitId, StreamId};

/// What a node holds after hearing of these tips, in this order, and what it refused. A document whose tips all lead
/// nowhere is at its init event.
///
/// Errors if not even the init event is there and valid. Whether it is may depend on what builds on it, an anchor in time,
/// so a chain refused for its init event is heard again once another was taken.
pub fn hear_all(
    stream: &StreamId,
    tips: &[Cid],
    blocks: &dyn Blocks,
    world: &World,
) -> Result<(Document, Vec<Refusal>), Refusal> {
    let mut document: Option<Document> = None;
    let mut refusals = Vec::new();
    let mut waiting = Vec::new();
    let mut refused = None;
    for tip in tips {
        match (walk(stream, tip, blocks, document.as_ref()), &mut document) {
            (Ok(chain), Some(document)) => refusals.extend(document.hear(chain, world).refused),
            (Ok(chain), None) => match Document::verify(chain.clone(), world) {
                Ok(first) => {
                    refusals.extend(first.refused().cloned());
                    document = Some(first);
                }
                Err(refusal) => {
                    refused = refused.or(Some(refusal));
                    waiting.push(chain);
                }
            },
            (Err(error), _) => refusals.push(error.into()),
        }
    }
    let mut document = match (document, refused) {
        (Some(document), _) => document,
        (None, Some(refusal)) => return Err(refusal),
        (None, None) => Document::verify(walk(stream, stream.init(), blocks, None)?, world)?,
    };
    for chain in waiting {
        refusals.extend(document.hear(chain, world).refused);
    }
    Ok((document, refusals))
}

/// The document at one of its versions, every event of which must be there and valid.
pub fn load_commit(
    commit: &CommitId,
    blocks: &dyn Blocks,
    world: &World,
) -> Result<Document, Refusal> {
    let chain = walk(commit.stream_id(), commit.commit(), blocks, None)?;
    Document::verify_whole(chain, world)
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
