//! What chains are asked about anchors, and what their answers make of the documents. Answers come in as values.
//!
//! Whoever writes time events decides what is asked about: of one document [`MAX_ASKED_PER_DOCUMENT`] transactions at once, of
//! all [`MAX_ASKED`]. What came of a question goes to those documents only that asked it.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::anchor::AnchorAnswer;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::refusal::{Need, Reason, Refusal};
use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use super::commit::Cause;
use super::open::{Doing, Job};
use super::{Documents, MAX_HINTS, Now, Output, View};
use crate::chains::{Doubt, Key, MAX_WAITING};

/// Transactions of one document that are asked about at once.
pub const MAX_ASKED_PER_DOCUMENT: usize = 256;
/// Transactions of all documents that are asked about at once.
pub const MAX_ASKED: usize = MAX_WAITING;
/// Doubts that are noted with a document.
const MAX_DOUBTS: usize = 64;

/// Which documents wait for what is said about a transaction.
pub(super) type Asked = SortedMap<Key, SortedSet<StreamId>>;

impl Documents {
    /// To [`Output::Ask`].
    pub fn chain_answered(&mut self, key: Key, answer: AnchorAnswer, now: Now) {
        let waiting = self.asked.remove(&key).unwrap_or_default();
        let answers = &mut self.knowledge.answers;
        answers.learn(key, answer, now.unix_ms / 1000);
        for stream in waiting {
            self.judge_anew(stream, now);
        }
        self.pump(now);
    }

    /// Another way to answer [`Output::Ask`]: there is nobody to ask.
    pub fn chain_unasked(&mut self, key: &Key) {
        self.asked.remove(key);
    }

    /// Another way to answer [`Output::Ask`]: for the time being there is no telling.
    pub fn chain_doubted(&mut self, key: &Key, doubt: &Doubt) {
        for stream in self.asked.remove(key).unwrap_or_default() {
            let Some(open) = self.open.get_mut(&stream) else {
                continue;
            };
            let Some(view) = open.view.as_ref() else {
                continue;
            };
            if view.doubts.len() >= MAX_DOUBTS || view.doubts.get(key) == Some(doubt) {
                continue;
            }
            let mut view = View::clone(view);
            view.doubts.insert(key.clone(), doubt.clone());
            let view = Arc::new(view);
            open.view = Some(view.clone());
            self.show(&view);
        }
    }

    /// Asks again about everything that is not known: someone can be asked who could not be before.
    pub fn ask_chains(&mut self) {
        let open: Vec<StreamId> = self.open.keys().copied().collect();
        for stream in open {
            self.ask_chains_of(&stream);
        }
    }

    /// Asks about the anchors of a document that nobody confirmed.
    pub(super) fn ask_chains_of(&mut self, stream: &StreamId) {
        let Some(view) = self.view(stream) else {
            return;
        };
        let answers = &self.knowledge.answers;
        let claims = view.document.claims();
        let unknown = claims.iter().filter_map(|proof| answers.unknown(proof));
        let unknown: Vec<Key> = unknown.take(MAX_ASKED_PER_DOCUMENT).collect();
        for key in unknown {
            self.ask_chain(key, *stream);
        }
    }

    fn ask_chain(&mut self, key: Key, stream: StreamId) {
        if let Some(waiting) = self.asked.get_mut(&key) {
            waiting.insert(stream);
        } else if self.asked.len() < MAX_ASKED {
            self.asked.insert(key.clone(), SortedSet::from([stream]));
            self.outputs.push_back(Output::Ask(key));
        }
    }

    /// Asks the chain on which it depends whether the first event of a document is valid. Once it answered, the tip is heard
    /// again and what the disk has is read again. Whether the refusal is of that kind.
    pub(super) fn ask_first(
        &mut self,
        stream: StreamId,
        refusal: &Refusal,
        tip: Option<(Cid, Vec<PeerId>)>,
    ) -> bool {
        let Reason::Need(Need::Transaction { chain_id, tx_hash }) = &*refusal.reason else {
            return false;
        };
        let Some(key) = Key::named(chain_id, tx_hash) else {
            return false;
        };
        if let Some(open) = self.open.get_mut(&stream) {
            open.unasked.extend(tip);
            open.unasked.truncate(MAX_HINTS);
        }
        self.ask_chain(key, stream);
        true
    }

    fn judge_anew(&mut self, stream: StreamId, now: Now) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        if open.view.is_some() {
            if !open.jobs.iter().any(|job| matches!(job, Job::Recheck)) {
                open.jobs.push_back(Job::Recheck);
            }
        } else if matches!(open.doing, Doing::Nothing) {
            open.hints.append(&mut open.unasked);
            open.doing = Doing::Opening;
            self.outputs.push_back(Output::Open(stream));
        }
        self.run(stream, now);
    }

    pub(super) fn recheck(&mut self, stream: StreamId, now: Now) {
        let Some(view) = self.view(&stream).cloned() else {
            return;
        };
        let mut next = Document::clone(&view.document);
        let heard = next.recheck(&self.knowledge.world(now.unix_ms));
        self.knowledge.library.take_used();
        if heard.changed {
            let document = (next, SortedSet::new());
            self.commit(stream, document, &HashMap::new(), Cause::Answered, now);
        } else {
            self.ask_chains_of(&stream);
        }
    }
}
