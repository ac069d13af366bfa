//! Letting documents go. One that others need, and that nobody here asks for any more, stays for their sake but is neither
//! listed nor followed; once no kept document needs it, it goes as well.

use std::time::Duration;

use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedSet;

use super::open::{Doing, Open};
use super::{CallId, Documents, MAX_OPEN, Now, Output};
use crate::error::NodeError;
use crate::store::{Change, Record, StoreError};

/// Documents kept for others that are removed at once, after no other needs them.
pub const MAX_SWEPT: usize = 32;
/// How long a document kept for others is left alone: those may not have been judged yet.
pub const SWEPT_AFTER: Duration = Duration::from_secs(600);

impl Documents {
    /// Everything that is kept was listed: now it is known what others need.
    pub(super) fn weigh(&mut self, records: &[Record], now: Now) {
        let open = self.open.values().filter_map(Open::newest);
        let needs = |record: &Record| {
            let own = record.stream;
            let needs = record.needs.clone().into_iter();
            needs.filter(move |id| *id != own)
        };
        let needed: SortedSet<StreamId> = records.iter().chain(open).flat_map(needs).collect();
        let weighed = self
            .open
            .iter()
            .filter_map(|(stream, open)| match open.doing {
                Doing::Weighing(call) => Some((*stream, call)),
                _ => None,
            });
        for (stream, call) in weighed.collect::<Vec<_>>() {
            let record = records.iter().find(|record| record.stream == stream);
            let change = match record.filter(|_| needed.contains(&stream)) {
                Some(record) => {
                    let put = Change::Put {
                        record: Record {
                            asked: false,
                            ..record.clone()
                        },
                        blocks: Vec::new(),
                    };
                    // What was written here was given up.
                    let sent = self.outbox.remove(&stream);
                    let sent = sent.map(|tip| Change::Sent(stream, tip));
                    Change::Many([put].into_iter().chain(sent).collect())
                }
                None => Change::Forget(stream),
            };
            self.begin_forgetting(stream, Some(call), change);
        }
        let settled = |record: &&Record| {
            let age = now.unix_ms.saturating_sub(record.updated);
            !record.asked && u128::from(age) > SWEPT_AFTER.as_millis()
        };
        let swept = records.iter().filter(settled);
        let swept = swept.filter(|record| !needed.contains(&record.stream));
        for record in swept.take(MAX_SWEPT) {
            if !self.open.contains_key(&record.stream) && self.open.len() < MAX_OPEN {
                self.begin_forgetting(record.stream, None, Change::Forget(record.stream));
            }
        }
    }

    fn begin_forgetting(&mut self, stream: StreamId, call: Option<CallId>, change: Change) {
        let open = self.open.get_or_default(stream);
        open.doing = Doing::Forgetting(call);
        self.outputs.push_back(Output::Commit(stream, change));
    }

    /// The store could not say what is kept.
    pub(super) fn fail_weighing(&mut self, error: &StoreError) {
        let weighed = self
            .open
            .iter_mut()
            .filter_map(|(_, open)| match open.doing {
                Doing::Weighing(call) => {
                    open.doing = Doing::Nothing;
                    Some(call)
                }
                _ => None,
            });
        for call in weighed.collect::<Vec<_>>() {
            self.reply(call, Err(NodeError::Store(error.clone())));
        }
    }

    /// The store let a document go, or not.
    pub(super) fn forgotten(
        &mut self,
        stream: StreamId,
        call: Option<CallId>,
        written: Result<(), StoreError>,
    ) {
        match (call, written) {
            (Some(call), Err(error)) => self.reply(call, Err(NodeError::Store(error))),
            (None, Err(error)) => {
                tracing::warn!(%stream, %error, "a document could not be removed")
            }
            (call, Ok(())) => {
                if let Some(call) = call {
                    self.reply(call, Ok(super::Reply::Done));
                    let calls: Vec<CallId> = self.calls_on(&stream).collect();
                    for id in calls {
                        self.reply(id, Err(NodeError::Forgotten(stream)));
                    }
                }
                self.outbox.remove(&stream);
                self.sync.forget(&stream);
                self.knowledge.library.remove(&stream);
                let sought = !self.needs.sought(&stream).is_empty();
                match self.open.get_mut(&stream) {
                    // Meanwhile it is wanted again.
                    Some(open)
                        if sought || self.calls.values().any(|call| call.stream == stream) =>
                    {
                        open.view = None;
                        open.doing = Doing::Opening;
                        self.outputs.push_back(Output::Open(stream));
                    }
                    _ => self.close(&stream),
                }
            }
        }
    }
}
