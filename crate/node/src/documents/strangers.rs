//! What is said on the topic about documents that are not in memory, and what others ask.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;

use super::{
    ANSWER_PAUSE, Documents, MAX_HINTS, MAX_LOOKUPS, MAX_OWED, MAX_ROUND, Now, Output, ROUND_PAUSE,
};
use crate::store::{Record, StoreError};
use crate::sync::{LONGEST_PAUSE, Remembered};

/// A document being looked up.
#[derive(Default)]
pub(super) struct LookUp {
    pub(super) tips: Vec<(Cid, Vec<PeerId>)>,
    pub(super) answer: bool,
}

pub(super) struct Strangers {
    pub(super) lookups: SortedMap<StreamId, LookUp>,
    /// Whom we owe an answer about, and when it may go out.
    owed: SortedMap<StreamId, Duration>,
    /// Until when no second answer goes out.
    answered: Remembered<StreamId, Duration>,
    round: VecDeque<StreamId>,
    round_at: Option<Duration>,
    listing: bool,
}

impl Default for Strangers {
    fn default() -> Strangers {
        Strangers {
            lookups: SortedMap::new(),
            owed: SortedMap::new(),
            answered: Remembered::new(MAX_OWED),
            round: VecDeque::new(),
            round_at: None,
            listing: false,
        }
    }
}

impl Strangers {
    pub(super) fn ask(&mut self, stream: StreamId, now: Duration) {
        if self.owed.len() < MAX_OWED {
            let due = self.answered.get(&stream, now).copied().unwrap_or(now);
            self.owed.get_or_insert_with(stream, || due);
        }
    }

    pub(super) fn deadline(&self, heard: bool) -> Option<Duration> {
        let round = self.round_at.filter(|_| heard);
        self.owed.values().copied().chain(round).min()
    }
}

impl Documents {
    /// Reads the record of a document that is not in memory, to see whether a tip is news, or to answer a question.
    pub(super) fn look_up(&mut self, stream: StreamId, tip: Option<(Cid, Vec<PeerId>)>) {
        let lookups = &mut self.strangers.lookups;
        if !lookups.contains_key(&stream) {
            if lookups.len() >= MAX_LOOKUPS {
                return;
            }
            self.outputs.push_back(Output::LookUp(stream));
        }
        let lookup = lookups.get_or_default(stream);
        match tip {
            Some(tip) if lookup.tips.len() < MAX_HINTS => lookup.tips.push(tip),
            Some(_) => {}
            None => lookup.answer = true,
        }
    }

    pub(super) fn answer_strangers(&mut self, now: Now) {
        let due: Vec<StreamId> = self
            .strangers
            .owed
            .iter()
            .filter(|(_, at)| **at <= now.ticks)
            .map(|(stream, _)| *stream)
            .collect();
        for stream in due {
            self.strangers.owed.remove(&stream);
            match self.view(&stream).map(|view| *view.document.tip()) {
                Some(tip) => self.respond(stream, tip, now),
                None => self.look_up(stream, None),
            }
        }
    }

    pub(super) fn respond(&mut self, stream: StreamId, tip: Cid, now: Now) {
        let until = now.ticks.saturating_add(ANSWER_PAUSE);
        self.strangers
            .answered
            .insert(stream, until, until, now.ticks);
        self.outputs.push_back(Output::Respond(stream, tip));
    }

    /// Asks about the kept documents that are not in memory, soon.
    pub(super) fn start_round(&mut self, now: Now) {
        if self.strangers.round.is_empty() && !self.strangers.listing {
            self.strangers.round_at = Some(now.ticks);
        }
    }

    pub(super) fn fill_round(&mut self, read: Result<Vec<Record>, StoreError>, now: Now) {
        if !std::mem::take(&mut self.strangers.listing) {
            return;
        }
        self.strangers.round_at = Some(now.ticks);
        match read {
            Ok(records) => {
                let mut latest = SortedMap::new();
                for record in records.into_iter().filter(|record| record.asked) {
                    latest.insert((Reverse(record.updated), record.stream), ());
                    if latest.len() > MAX_ROUND {
                        latest.pop_last();
                    }
                }
                self.strangers.round = latest.into_keys().map(|(_, stream)| stream).collect();
            }
            Err(error) => tracing::warn!(%error, "the kept documents cannot be listed"),
        }
        if self.strangers.round.is_empty() {
            self.strangers.round_at = Some(now.ticks.saturating_add(LONGEST_PAUSE));
        }
    }

    pub(super) fn go_round(&mut self, now: Now) {
        if !self.sync.is_heard() || self.strangers.round_at.is_none_or(|at| at > now.ticks) {
            return;
        }
        // What is in memory asks for itself.
        while let Some(stream) = self.strangers.round.pop_front() {
            if !self.sync.wants(&stream) {
                self.sync.asks(stream, now.ticks);
                self.outputs.push_back(Output::Query(stream));
                let pause = if self.strangers.round.is_empty() {
                    LONGEST_PAUSE
                } else {
                    ROUND_PAUSE
                };
                self.strangers.round_at = Some(now.ticks.saturating_add(pause));
                return;
            }
            if self.strangers.round.is_empty() {
                self.strangers.round_at = Some(now.ticks.saturating_add(LONGEST_PAUSE));
                return;
            }
        }
        if !self.strangers.listing {
            self.strangers.listing = true;
            self.strangers.round_at = None;
            self.outputs.push_back(Output::List);
        }
    }
}
