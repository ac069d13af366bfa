//! Writing: an event is made from the verified document, signed, verified by our own verifier, and committed together with its
//! entry in the outbox, in one transaction; only then a call is answered. Whatever is refused on the way was not written.
//!
//! Two calls that update one document come one after the other. The second composes its event on what the first left, unless
//! it named the version that it is based on: then it is told [`NodeError::Stale`]. The same holds if an event from the network
//! wins while a wallet is asked. A valid event that would not become the tip is refused with [`NodeError::Lost`]. One that was the
//! tip and loses later, to a branch that arrives then, is told by [`NodeEvent::WriteLost`](crate::NodeEvent::WriteLost).
//!
//! Nobody else writes here but the node's own user, who is bounded by [`MAX_TURNS`], [`MAX_MANY`] and [`MAX_MANY_BYTES`], and by
//! [`MAX_OUTBOX`](crate::documents::MAX_OUTBOX) documents that wait to be published.

mod signer;
mod three_id;
mod turns;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cid::Cid;
use futures::future::{Either, select};
use futures::stream::{self, StreamExt, TryStreamExt};
use futures_timer::Delay;
use ostrakon_protocol::author::{AuthorError, Edit, New, Relation, Unsigned};
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::{CommitId, DocumentRef, StreamId};
use web_time::Instant;

use crate::documents::{Draft, Intent, MAX_NEEDS, View};
use crate::driver::Answer;
use crate::error::NodeError;
use crate::node::{Call, Node};

pub use signer::{LocalSigner, SignError, Signed, Signer};
pub use three_id::{ThreeId, ThreeIdError};
pub use turns::MAX_TURNS;
pub(crate) use turns::Turns;

/// Documents that one call creates.
pub const MAX_MANY: usize = 10_000;
/// Bytes of all their blocks.
pub const MAX_MANY_BYTES: usize = 64 * 1024 * 1024;
/// How long a wallet may take for one signature.
pub const SIGNING_FOR: Duration = Duration::from_secs(600);
/// How often an event is composed anew because the document changed meanwhile.
pub const MAX_TRIES: usize = 4;
/// How long peers are asked for a document whose id follows from what it is, before it is begun (as js-ceramic).
pub const ASKED_FIRST: Duration = Duration::from_secs(3);
/// How long signatures are made before anything else gets its turn.
const SLICE: Duration = Duration::from_millis(8);
/// Documents whose ids follow from what they are, made at once by one call.
const FIXED_AT_ONCE: usize = 32;

impl Node {
    /// A new document.
    ///
    /// If its id follows from what it is (a deterministic tile, a link, a model, an instance that an account has one of) and there is
    /// such a document, it is returned as it is and nothing is written. One that is not kept here is looked for at peers first, for
    /// [`ASKED_FIRST`], unless it is signed.
    ///
    /// # Errors
    /// [`NodeError::Author`] or [`NodeError::Refused`] if it cannot be, [`NodeError::Sign`], [`NodeError::NeedsDocument`],
    /// [`NodeError::OutboxFull`], [`NodeError::Store`]; then nothing is written.
    pub async fn create(&self, signer: &dyn Signer, new: &New) -> Result<View, NodeError> {
        let (draft, signed) = draft(signer, new).await?;
        if is_fixed(new) && !signed {
            let online = self
                .status
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .online;
            let patience = if online { ASKED_FIRST } else { Duration::ZERO };
            let document = DocumentRef::Stream(draft.stream);
            match self.load(&document, patience).await {
                Err(NodeError::NotFound(_) | NodeError::Offline(_) | NodeError::Unavailable(_)) => {
                }
                found => return found,
            }
        }
        let event = *draft.stream.init();
        self.write(draft.stream, event, draft.blocks, Intent::Create)
            .await
    }

    /// Many new documents, in the same order. Those with ids of their own are written in one transaction, all or none; before
    /// them, one by one, those whose ids follow from what they are, as [`Node::create`] does: what was written of these stays if
    /// something fails later, and is found again.
    ///
    /// # Errors
    /// [`NodeError::TooMany`], [`NodeError::Busy`], and those of [`Node::create`].
    pub async fn create_many(
        &self,
        signer: &dyn Signer,
        new: &[New],
    ) -> Result<Vec<View>, NodeError> {
        if new.len() > MAX_MANY {
            return Err(NodeError::TooMany);
        }
        let fixed = new.iter().filter(|new| is_fixed(new));
        let fixed = stream::iter(fixed.map(|new| self.create(signer, new)));
        let fixed: Vec<View> = fixed.buffered(FIXED_AT_ONCE).try_collect().await?;
        let mut drafts = Vec::with_capacity(new.len().saturating_sub(fixed.len()));
        let (mut bytes, mut began) = (0_usize, Instant::now());
        for new in new.iter().filter(|new| !is_fixed(new)) {
            let (draft, _) = draft(signer, new).await?;
            let size: usize = draft.blocks.iter().map(|block| block.bytes().len()).sum();
            bytes = bytes.saturating_add(size);
            if bytes > MAX_MANY_BYTES {
                return Err(NodeError::TooMany);
            }
            drafts.push(draft);
            if began.elapsed() >= SLICE {
                Delay::new(Duration::ZERO).await;
                began = Instant::now();
            }
        }
        let mut made = self.keep_many(drafts).await?.into_iter();
        let mut fixed = fixed.into_iter();
        let views = new.iter().map(|new| match is_fixed(new) {
            true => fixed.next(),
            false => made.next().map(|view| View::clone(&view)),
        });
        let views: Option<Vec<View>> = views.collect();
        views.ok_or(NodeError::Stopped)
    }

    /// Changes a document that is kept here, after its tip. With a `base` only if that is the tip.
    ///
    /// # Errors
    /// [`NodeError::Stale`] if the tip is another, or others were quicker [`MAX_TRIES`] times; [`NodeError::NotKept`],
    /// [`NodeError::NotController`]; [`NodeError::Busy`] if more than [`MAX_TURNS`] wait; [`NodeError::Author`] or
    /// [`NodeError::Refused`] if the change cannot be, [`NodeError::Lost`] if it would not become the tip; [`NodeError::Sign`],
    /// [`NodeError::NeedsDocument`], [`NodeError::OutboxFull`], [`NodeError::Store`]. Then nothing is written.
    pub async fn update(
        &self,
        signer: &dyn Signer,
        stream: &StreamId,
        edit: &Edit,
        base: Option<&Cid>,
    ) -> Result<View, NodeError> {
        let _turn = self.turns.take(*stream).await.ok_or(NodeError::Busy)?;
        let mut tries = 1;
        loop {
            let view = self.kept(stream).await?;
            let tip = *view.document.tip();
            if base.is_some_and(|base| *base != tip) {
                let tip = Box::new(CommitId::new(*stream, tip));
                return Err(NodeError::Stale { tip });
            }
            let unsigned = edit.after(&view.document)?;
            let controller = view.document.state().controller().unwrap_or_default();
            if unsigned.needs_signature() && controller != signer.controller() {
                let controller = controller.to_owned();
                return Err(NodeError::NotController(Box::new((*stream, controller))));
            }
            let blocks = sign(signer, unsigned).await?;
            let event = event(&blocks)?;
            let written = self.write(*stream, event, blocks, Intent::After(tip)).await;
            match written {
                Err(NodeError::Stale { .. }) if base.is_none() && tries < MAX_TRIES => tries += 1,
                other => return other,
            }
        }
    }

    /// A document that is kept here, from disk if need be.
    async fn kept(&self, stream: &StreamId) -> Result<View, NodeError> {
        let document = DocumentRef::Stream(*stream);
        let view = self.load(&document, Duration::ZERO).await;
        view.map_err(|error| match error {
            NodeError::NotFound(_) | NodeError::Offline(_) | NodeError::Unavailable(_) => {
                NodeError::NotKept(*stream)
            }
            other => other,
        })
    }

    async fn write(
        &self,
        stream: StreamId,
        event: Cid,
        blocks: Vec<Block>,
        intent: Intent,
    ) -> Result<View, NodeError> {
        let call = Call::Submit(stream, vec![event], by_cid(blocks), intent);
        match self.call(call).await? {
            Answer::View(view) => Ok(View::clone(&view)),
            _ => Err(NodeError::Stopped),
        }
    }

    /// Keeps new documents in one transaction, once what they rest on is known.
    async fn keep_many(&self, drafts: Vec<Draft>) -> Result<Vec<Arc<View>>, NodeError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let mut met = 0;
        loop {
            match self.call(Call::CreateMany(drafts.clone())).await {
                Ok(Answer::Views(views)) => return Ok(views),
                Ok(_) => return Err(NodeError::Stopped),
                Err(NodeError::NeedsDocument(needs)) if met < MAX_NEEDS => {
                    // One of them waits as any document does; then what it needs is known to all.
                    let needy = drafts.iter().find(|draft| draft.stream == needs.0);
                    let Some(draft) = needy else {
                        return Err(NodeError::NeedsDocument(needs));
                    };
                    let (stream, event) = (draft.stream, *draft.stream.init());
                    let blocks = by_cid(draft.blocks.clone());
                    self.call(Call::Submit(stream, vec![event], blocks, Intent::Try))
                        .await?;
                    met += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the id follows from what the document is.
fn is_fixed(new: &New) -> bool {
    match new {
        New::Tile(tile) => tile.deterministic,
        New::Caip10Link(_) | New::Model(_) => true,
        New::ModelInstance(instance) => !matches!(instance.relation, Relation::List(_)),
    }
}

/// The init event, and whether it is signed.
async fn draft(signer: &dyn Signer, new: &New) -> Result<(Draft, bool), NodeError> {
    let mut unique = [0; 12];
    getrandom::fill(&mut unique).map_err(|error| NodeError::Random(error.to_string()))?;
    let (kind, unsigned) = new.init(signer.controller(), unique)?;
    let signed = unsigned.needs_signature();
    let blocks = sign(signer, unsigned).await?;
    let stream = StreamId::new(kind, event(&blocks)?);
    Ok((Draft { stream, blocks }, signed))
}

/// The blocks of an event, itself last.
async fn sign(signer: &dyn Signer, unsigned: Unsigned) -> Result<Vec<Block>, NodeError> {
    if !unsigned.needs_signature() {
        return Ok(unsigned.unsigned());
    }
    let payload = *unsigned.payload().cid();
    // A key at hand answers at once, and no timer is set.
    let patience = pin!(async { Delay::new(SIGNING_FOR).await });
    let signed = match select(signer.sign(&payload), patience).await {
        Either::Left((signed, _)) => signed?,
        Either::Right(_) => return Err(NodeError::Sign(SignError::Timeout)),
    };
    let blocks = unsigned.signed_by(signed.envelope)?;
    Ok(signed.capability.into_iter().chain(blocks).collect())
}

fn event(blocks: &[Block]) -> Result<Cid, AuthorError> {
    let event = blocks.last().map(|block| *block.cid());
    event.ok_or(AuthorError::NoSignature)
}

fn by_cid(blocks: Vec<Block>) -> Arc<HashMap<Cid, Block>> {
    let blocks = blocks.into_iter().map(|block| (*block.cid(), block));
    Arc::new(blocks.collect())
}
