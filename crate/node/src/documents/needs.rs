//! What waits for another document: a chain, a submission or what the disk has, that cannot be judged without a model, a
//! schema or a related document.
//!
//! Whoever writes a document that is followed here decides what it needs, and may be hostile:
//!
//! - it names many documents, or one after the other: [`MAX_WAITING`], [`MAX_WAITING_PER_DOCUMENT`],
//!   [`MAX_WAITING_BYTES`]; [`MAX_NEEDS`] for one chain; [`MAX_NEED_DEPTH`] where each leads to the next;
//! - it names what does not exist, or what waits for the document itself: after [`WAITING_FOR`] it is let go and tried
//!   again when it is announced again;
//! - it names what is not valid: nobody fetches that again for [`REFUSED_FOR`], [`MAX_FAILED`] of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::document::{MAX_RELATED, MAX_RELATED_DEPTH};
use ostrakon_protocol::id::{DocumentRef, StreamId};
use ostrakon_protocol::sorted::SortedMap;

use super::open::Job;
use crate::sync::{MAX_FETCHES_PER_DOCUMENT, REFUSED_FOR, Remembered};

/// Things that wait for another document.
pub const MAX_WAITING: usize = 128;
/// Of those, how many of one document.
pub const MAX_WAITING_PER_DOCUMENT: usize = 2 * MAX_FETCHES_PER_DOCUMENT;
/// Bytes of all chains that wait.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// Documents that one chain may wait for, one after the other (as the protocol allows a file).
pub const MAX_NEEDS: usize = MAX_RELATED;
/// How far one document can lead on to another, and that to the next (as the protocol allows a file).
pub const MAX_NEED_DEPTH: usize = MAX_RELATED_DEPTH;
/// How long a chain or a submission waits for one document.
pub const WAITING_FOR: Duration = Duration::from_secs(60);
/// How long a document on disk waits for another before what can be judged of it is shown.
pub const RESTORING_FOR: Duration = Duration::from_secs(5);
/// How long the newest form of a document is awaited from peers before the kept one must do.
pub const SETTLING_FOR: Duration = Duration::from_secs(3);
/// Needs remembered as impossible to meet.
pub const MAX_FAILED: usize = 1024;
/// Pause before a needed document is sought the second time; it doubles each time.
const FIRST_AGAIN: Duration = Duration::from_secs(4);

pub(super) struct Waiting {
    pub(super) stream: StreamId,
    pub(super) job: Job,
    pub(super) wanted: DocumentRef,
    until: Duration,
    bytes: usize,
}

/// A document that is sought because something waits for it.
pub(super) struct Seek {
    /// Who likely has it.
    pub(super) providers: Vec<PeerId>,
    /// Blocks that came with what waits.
    pub(super) blocks: Option<Arc<HashMap<Cid, Block>>>,
    /// Whether they were looked through.
    pub(super) tried: bool,
    pub(super) since: Duration,
    depth: usize,
    again: Duration,
    pause: Duration,
}

/// Why something cannot wait.
pub(super) enum Denied {
    /// Too much does.
    Full,
    /// It would be in vain.
    Never,
}

/// See the module.
pub(super) struct Needs {
    /// Oldest first.
    waiting: Vec<Waiting>,
    seeks: SortedMap<DocumentRef, Seek>,
    failed: Remembered<DocumentRef, ()>,
}

impl Default for Needs {
    fn default() -> Needs {
        Needs {
            waiting: Vec::new(),
            seeks: SortedMap::new(),
            failed: Remembered::new(MAX_FAILED),
        }
    }
}

impl Needs {
    /// Lets something wait, unless there is no room or no hope. `providers` and `blocks` may have what is wanted.
    pub(super) fn add(
        &mut self,
        stream: StreamId,
        job: Job,
        wanted: DocumentRef,
        (providers, blocks): (Vec<PeerId>, Option<Arc<HashMap<Cid, Block>>>),
        now: Duration,
    ) -> Result<(), (Job, Denied)> {
        let sought = || {
            self.seeks
                .iter()
                .filter(|(id, _)| *id.stream_id() == stream)
        };
        let depth = sought().map(|(_, seek)| seek.depth).max().unwrap_or(0) + 1;
        let circular =
            matches!(wanted, DocumentRef::Stream(other) if self.leads_to(&other, &stream));
        let failed = self.failed.get(&wanted, now).is_some();
        if failed || circular || job.met() >= MAX_NEEDS || depth > MAX_NEED_DEPTH {
            return Err((job, Denied::Never));
        }
        let bytes = job.bytes();
        let own = self.waiting.iter().filter(|one| one.stream == stream);
        if self.waiting.len() >= MAX_WAITING
            || own.count() >= MAX_WAITING_PER_DOCUMENT
            || self.bytes().saturating_add(bytes) > MAX_WAITING_BYTES
        {
            return Err((job, Denied::Full));
        }
        // What it came with also has what its needs need.
        let blocks = blocks.or_else(|| sought().find_map(|(_, seek)| seek.blocks.clone()));
        let seek = self.seeks.get_or_insert_with(wanted, || Seek {
            providers: Vec::new(),
            blocks: None,
            tried: false,
            since: now,
            depth,
            again: now.saturating_add(FIRST_AGAIN),
            pause: FIRST_AGAIN,
        });
        seek.depth = seek.depth.max(depth);
        crate::sync::provide(&mut seek.providers, &providers);
        if seek.blocks.is_none() || blocks.is_some() {
            seek.tried = false;
            seek.blocks = blocks;
        }
        let patience = match job {
            Job::Restore(..) => RESTORING_FOR,
            _ => WAITING_FOR,
        };
        self.waiting.push(Waiting {
            stream,
            job,
            wanted,
            until: now.saturating_add(patience),
            bytes,
        });
        Ok(())
    }

    /// Whether a document waits, over whatever others, for a certain one.
    fn leads_to(&self, from: &StreamId, to: &StreamId) -> bool {
        let mut seen = vec![*from];
        let mut at = 0;
        while let Some(stream) = seen.get(at).copied() {
            if stream == *to {
                return true;
            }
            at += 1;
            for one in self.waiting.iter().filter(|one| one.stream == stream) {
                if !seen.contains(one.wanted.stream_id()) {
                    seen.push(*one.wanted.stream_id());
                }
            }
        }
        false
    }

    fn bytes(&self) -> usize {
        self.waiting
            .iter()
            .map(|one| one.bytes)
            .fold(0, usize::saturating_add)
    }

    /// What is sought of a document.
    pub(super) fn sought(&self, stream: &StreamId) -> Vec<DocumentRef> {
        let sought = self
            .seeks
            .keys()
            .filter(|wanted| wanted.stream_id() == stream);
        sought.copied().collect()
    }

    pub(super) fn seek(&mut self, wanted: &DocumentRef) -> Option<&mut Seek> {
        self.seeks.get_mut(wanted)
    }

    /// Whether something of a document waits.
    pub(super) fn waits(&self, stream: &StreamId) -> bool {
        self.waiting.iter().any(|one| one.stream == *stream)
    }

    /// Takes out what fits, and says what is not sought any more.
    fn take(&mut self, fits: impl Fn(&Waiting) -> bool) -> (Vec<Waiting>, Vec<StreamId>) {
        let taken: Vec<Waiting> = self.waiting.extract_if(.., |one| fits(one)).collect();
        let waiting = &self.waiting;
        let idle = |wanted: &DocumentRef| !waiting.iter().any(|one| one.wanted == *wanted);
        let mut dropped = Vec::new();
        self.seeks.retain(|wanted, _| {
            let idle = idle(wanted);
            if idle {
                dropped.push(*wanted.stream_id());
            }
            !idle
        });
        (taken, dropped)
    }

    /// What waited for this.
    pub(super) fn met(&mut self, wanted: &DocumentRef) -> (Vec<Waiting>, Vec<StreamId>) {
        self.take(|one| one.wanted == *wanted)
    }

    /// What waited for this in vain: it cannot be valid.
    pub(super) fn fail(
        &mut self,
        wanted: &DocumentRef,
        now: Duration,
    ) -> (Vec<Waiting>, Vec<StreamId>) {
        if self.seeks.contains_key(wanted) {
            self.failed
                .insert(*wanted, (), now.saturating_add(REFUSED_FOR), now);
        }
        self.met(wanted)
    }

    /// What of this document waited.
    pub(super) fn leave(&mut self, stream: &StreamId) -> (Vec<Waiting>, Vec<StreamId>) {
        self.take(|one| one.stream == *stream)
    }

    /// What waited too long.
    pub(super) fn expired(&mut self, now: Duration) -> (Vec<Waiting>, Vec<StreamId>) {
        self.take(|one| one.until <= now)
    }

    /// Documents to look for again.
    pub(super) fn due(&mut self, now: Duration) -> Vec<StreamId> {
        let mut due = Vec::new();
        for (wanted, seek) in self.seeks.iter_mut().filter(|(_, seek)| seek.again <= now) {
            seek.pause = seek.pause.saturating_mul(2);
            seek.again = now.saturating_add(seek.pause);
            due.push(*wanted.stream_id());
        }
        due
    }

    /// Someone came who may have what is sought.
    pub(super) fn hurry(&mut self, now: Duration) {
        for seek in self.seeks.values_mut() {
            seek.again = now;
            seek.pause = FIRST_AGAIN;
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let until = self.waiting.iter().map(|one| one.until);
        until
            .chain(self.seeks.values().map(|seek| seek.again))
            .min()
    }

    /// How many wait, and how many are sought.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.waiting.len(), self.seeks.len())
    }
}
