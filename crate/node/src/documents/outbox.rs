//! What was written here until somebody else has it: the tip is announced when peers listen, again when one more comes and
//! after growing pauses, until a peer takes its block or names it. What waits is on disk, in the transaction of the write, and
//! comes back after a restart. A tip announced twice changes nothing for whoever hears it.
//!
//! Whether somebody has it is what peers say. One that takes a tip and drops it, or names one that it does not have, ends the
//! announcing here; whoever asks for the document later still gets its tip. What they can make grow: [`MAX_SEEN`] peers counted for
//! a document, of [`MAX_TRACKED`] documents beside those that wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use super::{Documents, Now, Output, View};
use crate::store::{Change, Outgoing, StoreError};
use crate::sync::LONGEST_PAUSE;

/// Documents of which something waits to be published; beyond it nothing is written until a peer has some of it.
pub const MAX_OUTBOX: usize = 65_536;
/// Documents written here whose peers are counted after they need not wait any more.
pub const MAX_TRACKED: usize = 4096;
/// Peers counted for one document.
pub const MAX_SEEN: usize = 64;
/// Tips announced at once.
pub const PUBLISHED_AT_ONCE: usize = 20;
/// Pause between two such rounds: together a fifth of what a neighbour takes from one peer.
pub const PUBLISH_PAUSE: Duration = Duration::from_millis(200);
/// Pause before a tip is announced again; it doubles each time.
pub const FIRST_REPEAT: Duration = Duration::from_secs(4);
/// How often one that lost to another branch is announced: whoever knows the winner need not take it.
pub const MAX_LOST_REPEATS: u32 = 4;

/// How far the newest event of a document got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It was written here, is on disk, and nobody was told.
    Local,
    /// It was announced, or came from others.
    Published,
    /// It was written here, and so many peers took it from here or announced it, since this node started; at most [`MAX_SEEN`].
    Seen(u32),
    /// A blockchain has it: its time is proven.
    Anchored,
}

/// A write from here that nobody else is known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Of which document.
    pub stream: StreamId,
    /// The newest event written here.
    pub tip: Cid,
    /// When the first event that waits was written, in unix milliseconds.
    pub since: u64,
    /// What it waits for.
    pub why: WaitingFor,
}

/// What a write waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// For a peer that listens, or its turn: it was not announced yet.
    Peers,
    /// It was announced, and nobody has taken it yet.
    Acknowledgement,
}

impl WaitingFor {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            WaitingFor::Peers => "no-peers",
            WaitingFor::Acknowledgement => "not-acknowledged",
        }
    }
}

struct Entry {
    tip: Cid,
    since: u64,
    /// Whether nobody is known to have it: then it is on disk as well.
    waits: bool,
    published: bool,
    lost: bool,
    /// When it is announced next.
    at: Duration,
    pause: Duration,
    /// Times that it was announced since it lost.
    in_vain: u32,
    seen: SortedSet<PeerId>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Outbox {
    entries: SortedMap<StreamId, Entry>,
    tips: SortedMap<Cid, StreamId>,
    /// Those that wait, by when they are announced next.
    due: SortedSet<(Duration, StreamId)>,
    /// No earlier than this.
    round_at: Duration,
    /// Those that do not wait, oldest first; some may be gone.
    seen: VecDeque<StreamId>,
    /// Not on disk yet: these need not wait any more.
    sent: Vec<(StreamId, Cid)>,
    /// These are on their way there.
    settling: Vec<(StreamId, Cid)>,
}

impl Outbox {
    fn resume(&mut self, outgoing: Vec<Outgoing>) {
        for one in outgoing {
            self.queue(one, Duration::ZERO);
        }
    }

    /// What is to be noted of a tip on disk.
    pub(super) fn outgoing(&self, stream: StreamId, tip: Cid, unix_ms: u64) -> Outgoing {
        let waiting = self.entries.get(&stream).filter(|entry| entry.waits);
        Outgoing {
            stream,
            tip,
            since: waiting.map_or(unix_ms, |entry| entry.since),
        }
    }

    /// Whether there is no room for so many more documents.
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.due.len().saturating_add(more) > MAX_OUTBOX
    }

    /// Whether something of a document waits.
    pub(super) fn waits(&self, stream: &StreamId) -> bool {
        self.entries.get(stream).is_some_and(|entry| entry.waits)
    }

    /// A tip is on disk, in place of an earlier one.
    pub(super) fn queue(&mut self, outgoing: Outgoing, now: Duration) {
        let Outgoing { stream, tip, since } = outgoing;
        self.remove(&stream);
        let entry = Entry {
            tip,
            since,
            waits: true,
            published: false,
            lost: false,
            at: now,
            pause: FIRST_REPEAT,
            in_vain: 0,
            seen: SortedSet::new(),
        };
        self.due.insert((now, stream));
        self.tips.insert(tip, stream);
        self.entries.insert(stream, entry);
    }

    /// Says nothing of it to the disk.
    pub(super) fn remove(&mut self, stream: &StreamId) -> Option<Cid> {
        let entry = self.entries.remove(stream)?;
        self.due.remove(&(entry.at, *stream));
        self.tips.remove(&entry.tip);
        entry.waits.then_some(entry.tip)
    }

    /// It need not wait any more.
    fn release(&mut self, stream: &StreamId) {
        if let Some(tip) = self.remove(stream) {
            self.sent.push((*stream, tip));
        }
    }

    /// A peer has an event. The document it is of, if that says something new.
    fn note(&mut self, event: &Cid, peer: PeerId) -> Option<StreamId> {
        let stream = *self.tips.get(event)?;
        let entry = self.entries.get_mut(&stream)?;
        if entry.seen.len() >= MAX_SEEN || !entry.seen.insert(peer) {
            return None;
        }
        if std::mem::take(&mut entry.waits) {
            self.due.remove(&(entry.at, stream));
            self.sent.push((stream, entry.tip));
            self.seen.push_back(stream);
            while self.seen.len() > MAX_TRACKED {
                let oldest = self.seen.pop_front();
                if let Some(oldest) = oldest.filter(|oldest| !self.waits(oldest)) {
                    self.remove(&oldest);
                }
            }
        }
        Some(stream)
    }

    /// A document has another tip. The event from here that lost by it, if one did.
    fn moved(&mut self, document: &Document) -> Option<Cid> {
        let stream = document.stream();
        let entry = self.entries.get_mut(stream)?;
        let tip = entry.tip;
        if tip == *document.tip() {
            (entry.lost, entry.in_vain) = (false, 0);
            return None;
        }
        if document.log().iter().rev().any(|event| event.cid == tip) {
            // Someone built on it.
            self.release(stream);
            return None;
        }
        let known = std::mem::replace(&mut entry.lost, true);
        if !document.contains(&tip) {
            // There is nothing left that could be handed out.
            self.release(stream);
        }
        (!known).then_some(tip)
    }

    /// The next tips to announce.
    fn publish(&mut self, now: Duration) -> Vec<(StreamId, Cid)> {
        let mut round = Vec::new();
        if self.round_at > now {
            return round;
        }
        while round.len() < PUBLISHED_AT_ONCE
            && let Some((at, stream)) = self.due.first().copied()
            && at <= now
        {
            self.due.remove(&(at, stream));
            let Some(entry) = self.entries.get_mut(&stream) else {
                continue;
            };
            if entry.lost {
                entry.in_vain = entry.in_vain.saturating_add(1);
            }
            if entry.in_vain > MAX_LOST_REPEATS {
                self.release(&stream);
                continue;
            }
            entry.published = true;
            entry.at = now.saturating_add(entry.pause);
            entry.pause = entry.pause.saturating_mul(2).min(LONGEST_PAUSE);
            self.due.insert((entry.at, stream));
            round.push((stream, entry.tip));
        }
        if !round.is_empty() {
            self.round_at = now.saturating_add(PUBLISH_PAUSE);
        }
        round
    }

    /// Someone came who has not heard of it.
    fn hurry(&mut self, now: Duration) {
        for (_, stream) in std::mem::take(&mut self.due) {
            if let Some(entry) = self.entries.get_mut(&stream) {
                (entry.at, entry.pause) = (now, FIRST_REPEAT);
                self.due.insert((now, stream));
            }
        }
    }

    pub(super) fn deadline(&self, heard: bool) -> Option<Duration> {
        let (at, _) = self.due.first().filter(|_| heard)?;
        Some(self.round_at.max(*at))
    }

    pub(super) fn publication(&self, document: &Document) -> Publication {
        let newest = document.log().last();
        if newest.is_some_and(|event| event.time.unix().is_some()) {
            return Publication::Anchored;
        }
        let entry = self.entries.get(document.stream());
        match entry.filter(|entry| entry.tip == *document.tip()) {
            Some(entry) => entry.publication(),
            None => Publication::Published,
        }
    }
}

impl Entry {
    fn publication(&self) -> Publication {
        match u32::try_from(self.seen.len()) {
            Ok(0) if self.waits && !self.published => Publication::Local,
            Ok(0) => Publication::Published,
            Ok(count) => Publication::Seen(count),
            Err(_) => Publication::Seen(u32::MAX),
        }
    }
}

impl Documents {
    /// What the store's outbox had when the node started.
    pub fn resume(&mut self, outgoing: Vec<Outgoing>) {
        self.outbox.resume(outgoing);
    }

    /// What was written here and nobody else is known to have.
    pub fn outbox(&self) -> Vec<Waiting> {
        let entries = self.outbox.entries.iter();
        let waiting = entries.filter(|(_, entry)| entry.waits);
        let waiting = waiting.map(|(stream, entry)| Waiting {
            stream: *stream,
            tip: entry.tip,
            since: entry.since,
            why: match entry.published {
                true => WaitingFor::Acknowledgement,
                false => WaitingFor::Peers,
            },
        });
        waiting.collect()
    }

    /// A peer took a block from here.
    pub fn served(&mut self, cid: &Cid, peer: PeerId) {
        self.seen_by(cid, peer);
    }

    /// To [`Output::Settle`].
    pub fn settled(&mut self, written: Result<(), StoreError>) {
        let mut settling = std::mem::take(&mut self.outbox.settling);
        match written {
            Ok(()) => self.flush_sent(),
            // It is tried again with the next ones. If there are none, these are announced once more after the next start.
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be written");
                self.outbox.sent.append(&mut settling);
                self.outbox.sent.truncate(MAX_OUTBOX);
            }
        }
    }

    /// The first of these says that it has an event; the next may only have passed that on.
    pub(super) fn named_by(&mut self, event: &Cid, who: &[PeerId]) {
        if let Some(peer) = who.first() {
            self.seen_by(event, *peer);
        }
    }

    /// A peer has an event.
    fn seen_by(&mut self, event: &Cid, peer: PeerId) {
        if let Some(stream) = self.outbox.note(event, peer) {
            self.flush_sent();
            self.tell_publication(stream);
        }
    }

    /// Announces what is due, if anybody listens.
    pub(super) fn publish(&mut self, now: Now) {
        if !self.sync.is_heard() {
            return;
        }
        for (stream, tip) in self.outbox.publish(now.ticks) {
            self.outputs.push_back(Output::Update(stream, tip));
            self.tell_publication(stream);
        }
        self.flush_sent();
    }

    /// Someone listens from now on.
    pub(super) fn publish_anew(&mut self, now: Now) {
        self.outbox.hurry(now.ticks);
    }

    /// Another tip was written to disk, or read from it.
    pub(super) fn note_move(&mut self, document: &Document) {
        if let Some(event) = self.outbox.moved(document) {
            let (stream, tip) = (*document.stream(), *document.tip());
            self.outputs.push_back(Output::Lost { stream, event, tip });
        }
        self.flush_sent();
    }

    /// What is in the outbox of a document that is not there.
    pub(super) fn drop_outgoing(&mut self, stream: &StreamId) {
        self.outbox.release(stream);
        self.flush_sent();
    }

    /// Tells the disk what need not wait any more; what comes meanwhile goes together.
    fn flush_sent(&mut self) {
        if !self.outbox.settling.is_empty() || self.outbox.sent.is_empty() {
            return;
        }
        // Of one document the last counts: an earlier one is not there any more.
        let sent: SortedMap<StreamId, Cid> = self.outbox.sent.drain(..).collect();
        self.outbox.settling = sent.into_iter().collect();
        let sent = self.outbox.settling.iter();
        let sent = sent.map(|(stream, tip)| Change::Sent(*stream, *tip));
        self.outputs
            .push_back(Output::Settle(Change::Many(sent.collect())));
    }

    /// How far a document's newest event got may have changed.
    fn tell_publication(&mut self, stream: StreamId) {
        let Some(entry) = self.outbox.entries.get(&stream) else {
            return;
        };
        let (tip, publication) = (entry.tip, entry.publication());
        let view = self.view(&stream).cloned();
        let Some(view) = view else {
            return self.announce_publication(stream, tip, publication);
        };
        let publication = self.outbox.publication(&view.document);
        if publication == view.publication {
            return;
        }
        let view = Arc::new(View {
            publication,
            ..View::clone(&view)
        });
        if let Some(open) = self.open.get_mut(&stream) {
            open.view = Some(view.clone());
        }
        self.show(&view);
        self.announce_publication(stream, *view.document.tip(), publication);
    }

    pub(super) fn announce_publication(
        &mut self,
        stream: StreamId,
        tip: Cid,
        publication: Publication,
    ) {
        let told = Output::Publication {
            stream,
            tip,
            publication,
        };
        self.outputs.push_back(told);
    }
}
