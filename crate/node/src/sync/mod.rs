//! How documents reach this node, as a state machine without I/O: what happened and the time go in, what to do comes out.
//!
//! Level-triggered: of every wanted document it compares what was announced with what is held, and asks again when a
//! peer starts to listen and after growing pauses. No message is needed twice, and none that is lost matters.
//!
//! A tip is a hint by a stranger. What a hostile one can do, and what stops it:
//!
//! - announce tips that do not exist, or are invalid: they are remembered ([`MAX_REFUSED`], [`MISSING_FOR`],
//!   [`REFUSED_FOR`]) and not fetched again for that time;
//! - announce many: [`MAX_TIPS`], [`MAX_TIPS_PER_PEER`], [`MAX_FETCHES`], [`MAX_FETCHES_PER_DOCUMENT`];
//! - announce endless chains: the walk's own bound on events, and [`MAX_GATHERED_BYTES`];
//! - answer what was not asked: [`Sync::was_asked`] for [`ASKED_FOR`], [`MAX_ASKED`];
//! - send whole chains of what nobody asked for: [`MAX_WASTE`], [`MAX_LEFTOVER`]; or faster than they are judged: an answer is
//!   not read on while [`MAX_ARRIVED_BYTES`] wait.

mod asks;
mod fetch;
mod remembered;
mod want;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::ChainError;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::{SortedMap, SortedSet};

pub use fetch::Arrived;
pub(crate) use fetch::provide;
use fetch::{Fetch, Progress};
pub(crate) use remembered::Remembered;
use want::{Hint, Want};

use crate::network::chain_fetch::{self, AskId, Refusal};
use asks::Asks;
pub use asks::{MAX_ARRIVED_BYTES, MAX_ASKS_PER_PEER, MAX_LEFTOVER, MAX_WASTE};

/// Tips walked at once.
pub const MAX_FETCHES: usize = 32;
/// Tips of one document walked at once.
pub const MAX_FETCHES_PER_DOCUMENT: usize = 4;
/// Tips of one document that wait to be walked.
pub const MAX_TIPS: usize = 16;
/// Of those, how many one peer may have announced; its newer ones replace its older ones.
pub const MAX_TIPS_PER_PEER: usize = 2;
/// Peers remembered as likely to have the blocks of one tip.
pub const MAX_PROVIDERS: usize = 8;
/// Bytes of blocks gathered by all walks together; beyond it the largest walk gives way.
pub const MAX_GATHERED_BYTES: usize = 64 * 1024 * 1024;
/// Tips remembered as refused.
pub const MAX_REFUSED: usize = 2048;
/// How long a tip is left alone whose blocks nobody had: those who are only slower have them by the next question, after
/// [`FIRST_PAUSE`]. Ends early when a peer comes.
pub const MISSING_FOR: Duration = Duration::from_millis(800);
/// How long a tip is left alone that was judged and not taken.
pub const REFUSED_FOR: Duration = Duration::from_secs(600);
/// Questions remembered to recognise their answers.
pub const MAX_ASKED: usize = 1024;
/// How long an answer may take (as js-ceramic).
pub const ASKED_FOR: Duration = Duration::from_secs(60);
/// Pause before a question is asked the second time; it doubles each time.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between two questions.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the machine wants done.
#[derive(Debug)]
pub enum Output {
    /// Ask the topic who holds this document.
    Query(StreamId),
    /// Fetch blocks, from these peers first.
    Get {
        /// Which blocks.
        cids: Vec<Cid>,
        /// Whom to ask first.
        providers: Vec<PeerId>,
    },
    /// Nobody needs this block any more.
    Cancel(Cid),
    /// Ask a peer for whole chains; what it answers comes by [`Sync::chain_part`] and [`Sync::chain_ended`].
    Chain {
        /// The question's name.
        ask: AskId,
        /// Whom.
        peer: PeerId,
        /// What.
        wants: Vec<chain_fetch::Want>,
    },
    /// Read on what answers a question.
    GoOn(AskId),
    /// Do not listen to an answer any more.
    Hush(AskId),
    /// A peer is not asked for chains any more.
    Refused {
        /// Who.
        peer: PeerId,
        /// Why.
        refusal: Refusal,
    },
    /// A whole chain is here and wants to be judged; the answer is [`Sync::judged`].
    Arrived(Box<Arrived>),
    /// A tip led nowhere.
    Failed {
        /// Of which document.
        stream: StreamId,
        /// Which tip.
        tip: Cid,
        /// Why.
        failure: Failure,
    },
}

/// Why a tip led nowhere.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Nobody had its blocks.
    Missing,
    /// It is no doc-chain.
    Chain(ChainError),
    /// More bytes than all walks together may gather.
    TooLarge,
}

/// What became of a chain that [`Output::Arrived`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The document knows the tip now, or knew it.
    Known,
    /// It is not valid, or not worth keeping.
    Refused,
    /// It could not be judged or kept now.
    Later,
    /// It waits for something else, and is judged again after that. Until then it is not fetched again.
    Waits,
}

/// One fetch: of this document, this tip.
type Key = (StreamId, Cid);

/// Who waits for a block.
#[derive(Default)]
struct Needed {
    keys: SortedSet<Key>,
    /// Whether it is being fetched by itself.
    fetched: bool,
}

/// See the module.
pub struct Sync {
    wants: SortedMap<StreamId, Want>,
    fetches: SortedMap<Key, Fetch>,
    needs: SortedMap<Cid, Needed>,
    asks: Asks,
    gathered: usize,
    refused: Remembered<Key, bool>,
    asked: Remembered<StreamId, ()>,
    listening: SortedSet<PeerId>,
    outputs: VecDeque<Output>,
}

impl Default for Sync {
    fn default() -> Sync {
        Sync {
            wants: SortedMap::new(),
            fetches: SortedMap::new(),
            needs: SortedMap::new(),
            asks: Asks::default(),
            gathered: 0,
            refused: Remembered::new(MAX_REFUSED),
            asked: Remembered::new(MAX_ASKED),
            listening: SortedSet::new(),
            outputs: VecDeque::new(),
        }
    }
}

impl Sync {
    /// Starts to want a document; asks for it at once.
    pub fn want(&mut self, stream: StreamId, now: Duration) {
        let want = self.wants.get_or_insert_with(stream, || Want {
            quiet: true,
            ..Want::default()
        });
        if std::mem::take(&mut want.quiet) {
            want.ask(now);
        }
    }

    /// Starts to want some versions of a document, each of which is to be sought.
    pub fn want_versions(&mut self, stream: StreamId) {
        self.wants.get_or_insert_with(stream, || Want {
            quiet: true,
            ..Want::default()
        });
    }

    /// Fetches a version of a wanted document that is wanted here, from these peers first.
    pub fn seek(&mut self, stream: &StreamId, tip: Cid, providers: &[PeerId], now: Duration) {
        let key = (*stream, tip);
        let Some(want) = self.wants.get_mut(stream) else {
            return;
        };
        let held = want.held.as_ref().is_some_and(|held| held.contains(&tip));
        let known = held || want.tips.iter().any(|hint| hint.tip == tip);
        if known || self.fetches.contains_key(&key) || self.refused.get(&key, now).is_some() {
            return;
        }
        want.offered = true;
        let mut hint = Hint {
            tip,
            providers: Vec::new(),
        };
        provide(&mut hint.providers, providers);
        // One for each call or need, and these are bounded.
        want.tips.push_front(hint);
        self.start(now);
    }

    /// Forgets that tips of a document were refused.
    pub fn reconsider_all(&mut self, stream: &StreamId) {
        self.refused.forget(|(of, _), _| of == stream);
    }

    /// Forgets that a tip was refused.
    pub fn reconsider(&mut self, stream: &StreamId, tip: &Cid) {
        self.refused.remove(&(*stream, *tip));
    }

    /// Stops wanting a document.
    pub fn unwant(&mut self, stream: &StreamId) {
        if self.wants.remove(stream).is_none() {
            return;
        }
        let keys: Vec<Key> = self
            .fetches
            .keys()
            .filter(|key| key.0 == *stream)
            .copied()
            .collect();
        for key in keys {
            self.end(&key);
        }
    }

    /// Remembers nothing of a document any more.
    pub fn forget(&mut self, stream: &StreamId) {
        self.unwant(stream);
        self.refused.forget(|(of, _), _| of == stream);
    }

    /// Says what is held of a wanted document now.
    pub fn hold(&mut self, stream: &StreamId, document: Arc<Document>) {
        if let Some(want) = self.wants.get_mut(stream) {
            want.tips
                .retain(|hint| !document.tips().contains(&hint.tip));
            want.held = Some(document);
        }
    }

    /// Whether a document is wanted.
    pub fn wants(&self, stream: &StreamId) -> bool {
        self.wants.contains_key(stream)
    }

    /// Whether anyone offered a tip of this document since it is wanted.
    pub fn was_offered(&self, stream: &StreamId) -> bool {
        self.wants.get(stream).is_some_and(|want| want.offered)
    }

    /// Whether a walk of this document is under way, or waits.
    pub fn is_busy(&self, stream: &StreamId) -> bool {
        self.wants
            .get(stream)
            .is_some_and(|want| !want.tips.is_empty())
            || self.walking(stream) > 0
    }

    /// Whether this tip of a document is walked from, or will be.
    pub fn expects(&self, stream: &StreamId, tip: &Cid) -> bool {
        let want = self.wants.get(stream);
        want.is_some_and(|want| want.tips.iter().any(|hint| hint.tip == *tip))
            || self.fetches.contains_key(&(*stream, *tip))
    }

    /// Whether anyone hears what is published.
    pub fn is_heard(&self) -> bool {
        !self.listening.is_empty()
    }

    /// Notes that a question goes out for a document that is not wanted here, so that its answer is heard.
    pub fn asks(&mut self, stream: StreamId, now: Duration) {
        self.asked
            .insert(stream, (), now.saturating_add(ASKED_FOR), now);
    }

    /// Whether an answer about this document is expected.
    pub fn was_asked(&self, stream: &StreamId, now: Duration) -> bool {
        self.asked.get(stream, now).is_some()
    }

    /// The question could not be sent; it will be asked again.
    pub fn not_asked(&mut self, stream: &StreamId, now: Duration) {
        if let Some(want) = self.wants.get_mut(stream) {
            want.ask(now.saturating_add(FIRST_PAUSE));
        }
    }

    /// Someone says that this is a tip of a wanted document. Peers likely to have its blocks come first in `providers`;
    /// none means that the disk says so.
    pub fn hear(&mut self, stream: &StreamId, tip: Cid, providers: &[PeerId], now: Duration) {
        let Some(want) = self.wants.get_mut(stream).filter(|want| !want.quiet) else {
            return;
        };
        want.offered = true;
        if let Some(held) = want.held.as_ref().filter(|held| held.contains(&tip)) {
            if *held.tip() == tip && !want.missed {
                want.ask(now.saturating_add(LONGEST_PAUSE));
            }
            return;
        }
        if self.refused.get(&(*stream, tip), now).is_some() {
            return;
        }
        if let Some(fetch) = self.fetches.get_mut(&(*stream, tip)) {
            fetch.provide(providers);
        } else if let Some(hint) = want.tips.iter_mut().find(|hint| hint.tip == tip) {
            provide(&mut hint.providers, providers);
        } else {
            want.queue(tip, providers);
        }
        self.start(now);
    }

    /// A block arrived that was asked for.
    pub fn block(&mut self, block: &Block, from: PeerId, now: Duration) {
        let needed = self.needs.remove(block.cid()).unwrap_or_default();
        self.give(block, from, needed.keys, now);
        self.bound_gathered(now);
        self.start(now);
    }

    fn give(&mut self, block: &Block, from: PeerId, keys: SortedSet<Key>, now: Duration) {
        for key in keys {
            let Some(fetch) = self.fetches.get_mut(&key) else {
                continue;
            };
            self.gathered = self.gathered.saturating_add(fetch.take(block, from));
            self.advance(key, now);
        }
    }

    fn bound_gathered(&mut self, now: Duration) {
        while self.gathered > MAX_GATHERED_BYTES {
            let largest = self
                .fetches
                .iter()
                .max_by_key(|(_, fetch)| fetch.bytes())
                .map(|(key, _)| *key);
            let Some(key) = largest else { break };
            self.fail(key, Failure::TooLarge, now);
        }
    }

    /// Nobody has this block.
    pub fn missing(&mut self, cid: &Cid, now: Duration) {
        let Some(needed) = self.needs.get_mut(cid) else {
            return self.start(now);
        };
        // Who waits for a whole chain may still get it.
        needed.fetched = false;
        for key in needed.keys.clone() {
            let Some(fetch) = self.fetches.get_mut(&key) else {
                continue;
            };
            if fetch.by.is_some() {
                continue;
            }
            if let Some(needed) = self.needs.get_mut(cid) {
                needed.keys.remove(&key);
                if needed.keys.is_empty() {
                    self.needs.remove(cid);
                }
            }
            fetch.miss(cid);
            self.advance(key, now);
        }
        self.start(now);
    }

    /// What became of a chain that [`Output::Arrived`].
    pub fn judged(&mut self, stream: &StreamId, tip: &Cid, verdict: Verdict, now: Duration) {
        let key = (*stream, *tip);
        self.end(&key);
        match verdict {
            Verdict::Known => {
                if let Some(want) = self.wants.get_mut(stream) {
                    want.asks = 0;
                    want.missed = false;
                    want.ask(now.saturating_add(LONGEST_PAUSE));
                }
            }
            Verdict::Refused | Verdict::Waits => self.refuse(key, false, now),
            Verdict::Later => {
                self.refuse(key, true, now);
                self.ask_later(stream, now);
            }
        }
        self.start(now);
    }

    /// A peer reads the topic: whatever is wanted is asked, and what nobody had may be there now.
    pub fn listens(&mut self, peer: PeerId, now: Duration) {
        self.listening.insert(peer);
        self.refused.forget(|_, missing| *missing);
        for want in self.wants.values_mut() {
            want.asks = 0;
            want.ask(now);
        }
    }

    /// A peer is gone.
    pub fn leaves(&mut self, peer: &PeerId) {
        self.listening.remove(peer);
        self.stops_speaking(peer);
    }

    /// When [`Sync::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        if self.listening.is_empty() && !self.asks.can_ask() {
            return None;
        }
        self.wants.values().filter_map(|want| want.ask_at).min()
    }

    /// Asks what is due.
    pub fn tick(&mut self, now: Duration) {
        self.start(now);
        if self.listening.is_empty() && !self.asks.can_ask() {
            return;
        }
        let due = |want: &Want| want.ask_at.is_some_and(|at| at <= now);
        let streams: Vec<StreamId> = self
            .wants
            .iter()
            .filter(|(_, want)| due(want))
            .map(|(id, _)| *id)
            .collect();
        for stream in streams {
            self.ask_newest(&stream);
            self.ask_later(&stream, now);
            if !self.listening.is_empty() {
                self.asks(stream, now);
                self.outputs.push_back(Output::Query(stream));
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.flush_asks();
        }
        self.outputs.pop_front()
    }

    fn ask_later(&mut self, stream: &StreamId, now: Duration) {
        if let Some(want) = self.wants.get_mut(stream) {
            let pause = FIRST_PAUSE
                .saturating_mul(1 << want.asks.min(16))
                .min(LONGEST_PAUSE);
            want.asks = want.asks.saturating_add(1);
            want.ask(now.saturating_add(pause));
        }
    }

    fn walking(&self, stream: &StreamId) -> usize {
        self.fetches.keys().filter(|key| key.0 == *stream).count()
    }

    /// Starts waiting tips while there is room.
    fn start(&mut self, now: Duration) {
        let waiting = |(id, want): (&StreamId, &Want)| (!want.tips.is_empty()).then_some(*id);
        let streams: Vec<StreamId> = self.wants.iter().filter_map(waiting).collect();
        for stream in streams {
            while self.fetches.len() < MAX_FETCHES
                && self.walking(&stream) < MAX_FETCHES_PER_DOCUMENT
            {
                let Some(hint) = self.wants.get_mut(&stream).and_then(Want::next_hint) else {
                    break;
                };
                let key = (stream, hint.tip);
                if let Some(fetch) = self.fetches.get_mut(&key) {
                    fetch.provide(&hint.providers);
                    continue;
                }
                let mut fetch = Fetch::new(stream, hint.tip, hint.providers);
                fetch.by = self.asks.choose(fetch.providers(), &[]);
                let by = fetch.by;
                self.fetches.insert(key, fetch);
                self.advance(key, now);
                if let Some(peer) = by.filter(|_| self.fetches.contains_key(&key)) {
                    self.asks.queue(peer, stream, Some(hint.tip));
                }
            }
        }
    }

    fn advance(&mut self, key: Key, now: Duration) {
        let held = self.wants.get(&key.0).and_then(|want| want.held.clone());
        let Some(fetch) = self.fetches.get_mut(&key) else {
            return;
        };
        match fetch.advance(held.as_deref()) {
            Progress::Need(cids) => {
                let one_by_one = fetch.by.is_none();
                for cid in &cids {
                    self.needs.get_or_default(*cid).keys.insert(key);
                }
                if one_by_one {
                    self.get(&key, cids);
                }
            }
            Progress::Done(arrived) => {
                self.release(&key);
                self.gathered = self.gathered.saturating_sub(arrived.bytes);
                self.asks.arrived = self.asks.arrived.saturating_add(arrived.bytes);
                self.outputs.push_back(Output::Arrived(arrived));
            }
            Progress::Failed(failure) => self.fail(key, failure, now),
        }
    }

    /// Fetches blocks one by one that a walk waits for.
    fn get(&mut self, key: &Key, mut cids: Vec<Cid>) {
        let Some(fetch) = self.fetches.get(key) else {
            return;
        };
        let needs = &mut self.needs;
        cids.retain(|cid| {
            let needed = needs.get_mut(cid);
            needed.is_some_and(|needed| !std::mem::replace(&mut needed.fetched, true))
        });
        if !cids.is_empty() {
            let providers = fetch.providers().to_vec();
            self.outputs.push_back(Output::Get { cids, providers });
        }
    }

    fn fail(&mut self, key: Key, failure: Failure, now: Duration) {
        self.end(&key);
        let missing = matches!(failure, Failure::Missing);
        self.refuse(key, missing, now);
        if missing {
            if let Some(want) = self.wants.get_mut(&key.0)
                && !std::mem::replace(&mut want.missed, true)
            {
                want.asks = 0;
            }
            self.ask_later(&key.0, now);
        }
        self.outputs.push_back(Output::Failed {
            stream: key.0,
            tip: key.1,
            failure,
        });
    }

    fn refuse(&mut self, key: Key, missing: bool, now: Duration) {
        let until = now.saturating_add(if missing { MISSING_FOR } else { REFUSED_FOR });
        self.refused.insert(key, missing, until, now);
    }

    fn end(&mut self, key: &Key) {
        self.release(key);
        if let Some(fetch) = self.fetches.remove(key) {
            self.gathered = self.gathered.saturating_sub(fetch.bytes());
            self.asks.arrived = self.asks.arrived.saturating_sub(fetch.arrived());
            self.outputs.extend(self.asks.stalled().map(Output::GoOn));
        }
    }

    /// A walk waits for nothing any more.
    fn release(&mut self, key: &Key) {
        let waiting = self
            .fetches
            .get_mut(key)
            .map(Fetch::release)
            .unwrap_or_default();
        for cid in waiting {
            let Some(needed) = self.needs.get_mut(&cid) else {
                continue;
            };
            needed.keys.remove(key);
            if needed.keys.is_empty()
                && let Some(needed) = self.needs.remove(&cid)
                && needed.fetched
            {
                self.outputs.push_back(Output::Cancel(cid));
            }
        }
    }
}
