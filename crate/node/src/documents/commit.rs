//! A verified document on its way into the store: written in one transaction, shown only after that.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::refusal::Refusal;
use ostrakon_protocol::sorted::SortedSet;

use super::open::{Doing, Intent};
use super::{CallId, Documents, Now, Output, Publication, Reply, Source, View, judge};
use crate::error::NodeError;
use crate::store::{Change, Outgoing, Record, StoreError};
use crate::sync::Verdict;

/// A verified document on its way to the store.
pub(super) struct Committing {
    view: View,
    blocks: Vec<Block>,
    cause: Cause,
}

impl Committing {
    pub(super) fn record(&self) -> &Record {
        &self.view.record
    }
}

pub(super) enum Cause {
    /// A tip from the network, and what else is to be said of it.
    Tip(Cid, Option<Refusal>, Verdict),
    /// The beginning of a chain from the network, the rest of which waits.
    Part,
    /// Events from here, and what is to be noted of their tip until others have it.
    Submit(CallId, Intent, Option<Outgoing>),
    /// Someone here asked for what was kept for others.
    Asked,
    /// A chain answered about one of its anchors.
    Answered,
}

impl Documents {
    pub(super) fn commit(
        &mut self,
        stream: StreamId,
        (next, used): (Document, SortedSet<StreamId>),
        blocks: &HashMap<Cid, Block>,
        cause: Cause,
        now: Now,
    ) {
        let held = self.view(&stream).cloned();
        let notes = judge::Notes {
            asked: held.as_ref().is_some_and(|view| view.record.asked)
                || matches!(cause, Cause::Submit(..) | Cause::Asked)
                || self.is_asked_for(&stream),
            used,
            now: now.unix_ms,
        };
        let Some((record, blocks)) = judge::record(held.as_deref(), &next, blocks, notes) else {
            // A document that names blocks nobody saw is not kept.
            tracing::error!(%stream, "a verified document lacks blocks");
            return self.drop_cause(
                stream,
                cause,
                StoreError::Corrupt("blocks are missing".to_owned()),
                now,
            );
        };
        let from = match (&cause, held) {
            (Cause::Tip(..) | Cause::Part | Cause::Submit(_, Intent::Receive, _), _) => {
                Source::Network
            }
            (Cause::Asked | Cause::Answered, Some(held)) => held.from,
            (Cause::Submit(..) | Cause::Asked | Cause::Answered, _) => Source::Disk,
        };
        let view = View::new(next, record.clone(), from);
        let outgoing = match &cause {
            Cause::Submit(_, _, outgoing) => outgoing.clone(),
            _ => None,
        };
        if let Some(open) = self.open.get_mut(&stream) {
            open.doing = Doing::Committing(Box::new(Committing {
                view,
                blocks: blocks.clone(),
                cause,
            }));
            let put = Change::Put { record, blocks };
            let change = match outgoing {
                Some(outgoing) => Change::Many(vec![put, Change::Queue(outgoing)]),
                None => put,
            };
            self.outputs.push_back(Output::Commit(stream, change));
        }
    }

    /// The store has written, or not.
    pub(super) fn finish(&mut self, stream: StreamId, written: Result<(), StoreError>, now: Now) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        match (std::mem::replace(&mut open.doing, Doing::Nothing), written) {
            (Doing::Committing(committing), Ok(())) => {
                let Committing {
                    mut view,
                    blocks,
                    cause,
                } = *committing;
                match &cause {
                    Cause::Submit(_, _, Some(outgoing)) => {
                        self.outbox.queue(outgoing.clone(), now.ticks);
                    }
                    _ => self.note_move(&view.document),
                }
                view.publication = self.outbox.publication(&view.document);
                let view = Arc::new(view);
                let Some(open) = self.open.get_mut(&stream) else {
                    return;
                };
                let old = open.view.replace(view.clone());
                // Of what comes from others nothing else is expected.
                let before = old.as_ref().map(|old| old.publication);
                let told = before.unwrap_or(Publication::Published) != view.publication;
                let moved =
                    (old.as_ref()).is_none_or(|old| old.document.tip() != view.document.tip());
                let news = view.record.asked && old.is_none_or(|old| !old.record.asked);
                open.lacks = None;
                self.sync.hold(&stream, view.document.clone());
                self.outputs.push_back(Output::Offer(blocks));
                // An anchor that is proven now is worth showing.
                let differs = moved || matches!(cause, Cause::Answered);
                if differs {
                    self.show(&view);
                }
                if news || (differs && view.record.asked) {
                    self.outputs.push_back(Output::Changed(view.clone()));
                }
                if told && view.record.asked {
                    let (tip, publication) = (*view.document.tip(), view.publication);
                    self.announce_publication(stream, tip, publication);
                }
                // Also one whose anchor is proven now: what rests on it may have waited for that.
                if differs {
                    self.renew(&stream);
                }
                match cause {
                    Cause::Submit(call, intent, outgoing) => {
                        if moved && outgoing.is_none() && intent != Intent::Receive {
                            self.outputs
                                .push_back(Output::Update(stream, *view.document.tip()));
                        }
                        let reply = match intent.is_write() {
                            true => Reply::View(view.clone()),
                            false => Reply::Done,
                        };
                        self.reply(call, Ok(reply));
                    }
                    Cause::Tip(tip, refusal, verdict) => {
                        self.judged(stream, tip, refusal, verdict, now);
                    }
                    Cause::Part | Cause::Asked | Cause::Answered => {}
                }
                self.ask_chains_of(&stream);
            }
            (Doing::Committing(committing), Err(error)) => {
                self.drop_cause(stream, committing.cause, error, now)
            }
            (Doing::Forgetting(call), written) => self.forgotten(stream, call, written),
            (doing, _) => open.doing = doing,
        }
    }

    /// Nothing changed, because the store failed.
    fn drop_cause(&mut self, stream: StreamId, cause: Cause, error: StoreError, now: Now) {
        match cause {
            Cause::Submit(call, ..) => self.reply(call, Err(NodeError::Store(error))),
            Cause::Tip(tip, ..) => {
                tracing::warn!(%stream, %error, "a verified document could not be kept");
                for id in self.loads_on(&stream) {
                    self.reply(id, Err(NodeError::Store(error.clone())));
                }
                self.judged(stream, tip, None, Verdict::Later, now);
            }
            Cause::Part | Cause::Asked | Cause::Answered => {
                for id in self.loads_on(&stream) {
                    self.reply(id, Err(NodeError::Store(error.clone())));
                }
            }
        }
    }
}
