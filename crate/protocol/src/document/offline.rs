//! Documents of a world that is only these blocks: a CAR, a test, a store without a network.

use cid::Cid;

use super::{Document, World};
use crate::chain::{Chain, ChainError, Step, Walk};
use crate::refusal::Refusal;
use crate::{Blocks, CommitId, StreamId};

/// What a node holds after hearing of these tips, in this order, and what it refused. A document whose tips all lead
/// nowhere is at its init event.
///
/// Errors if not even the init event is there and valid.
pub fn hear_all(
    stream: &StreamId,
    tips: &[Cid],
    blocks: &dyn Blocks,
    world: &World,
) -> Result<(Document, Vec<Refusal>), Refusal> {
    let init = walk(stream, stream.init(), blocks, None)?;
    let mut document = Document::verify(init, world)?;
    let mut refusals = Vec::new();
    for tip in tips {
        match walk(stream, tip, blocks, Some(&document)) {
            Ok(chain) => refusals.extend(document.hear(chain, world).refused),
            Err(error) => refusals.push(error.into()),
        }
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
