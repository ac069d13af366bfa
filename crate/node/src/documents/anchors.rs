//! What chains are asked about anchors, and what their answers make of the documents. Answers come in as values.
//!
//! Whoever writes time events decides what is asked about; how much of that is, [`crate::chains`] bounds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ostrakon_protocol::anchor::AnchorAnswer;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;

use super::commit::Cause;
use super::open::Job;
use super::{Documents, MAX_JOBS, Now, Output, View};
use crate::chains::{Doubt, Key};

/// Doubts that are noted with a document.
const MAX_DOUBTS: usize = 64;

impl Documents {
    /// To [`Output::Ask`].
    pub fn chain_answered(&mut self, key: Key, answer: AnchorAnswer, now: Now) {
        let answers = &mut self.knowledge.answers;
        answers.learn(key.clone(), answer, now.unix_ms / 1000);
        for stream in self.claiming(&key) {
            if let Some(open) = self.open.get_mut(&stream)
                && open.jobs.len() < MAX_JOBS
            {
                open.jobs.push_back(Job::Recheck);
                self.run(stream, now);
            }
        }
        self.pump(now);
    }

    /// The other way to answer [`Output::Ask`]: for the time being there is no telling.
    pub fn chain_doubted(&mut self, key: &Key, doubt: &Doubt) {
        for stream in self.claiming(key) {
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
        let asked: Vec<Output> = unknown.map(Output::Ask).collect();
        self.outputs.extend(asked);
    }

    /// Documents with an anchor that only this transaction can prove.
    fn claiming(&self, key: &Key) -> Vec<StreamId> {
        let claims = |view: &View| {
            let claims = view.document.claims();
            claims
                .iter()
                .any(|proof| Key::of(proof).as_ref() == Some(key))
        };
        let open = self.open.iter();
        open.filter(|(_, open)| open.view.as_deref().is_some_and(claims))
            .map(|(stream, _)| *stream)
            .collect()
    }

    pub(super) fn recheck(&mut self, stream: StreamId, now: Now) {
        let Some(view) = self.view(&stream).cloned() else {
            return;
        };
        let mut next = Document::clone(&view.document);
        let heard = next.recheck(&self.knowledge.world(now.unix_ms));
        self.knowledge.library.take_used();
        if heard.changed {
            let document = (next, BTreeSet::new());
            self.commit(stream, document, &HashMap::new(), Cause::Answered, now);
        }
    }
}
