//! Whole chains asked of peers that answer such questions ([`crate::network::chain_fetch`]): of whom, what came, and what
//! follows when nothing or something else came. In the end there is bitswap.

use std::collections::VecDeque;
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::document::Document;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;

use super::fetch::Fetch;
use super::{Key, LONGEST_PAUSE, Output, Sync};
use crate::network::chain_fetch::{self, AskId, End, Item, MAX_DOCUMENTS, MAX_KNOWN, Refusal};

/// Questions to one peer at once; what is wanted meanwhile goes together into the next.
pub const MAX_ASKS_PER_PEER: usize = 2;
/// Bytes of one answer that nobody needs, while its document is not complete; and a quarter of those that were needed.
pub const MAX_WASTE: usize = 1024 * 1024;
/// Bytes of one document that come after it is complete before the rest is asked for anew.
pub const MAX_LEFTOVER: usize = 256 * 1024;
/// Bytes of whole chains that wait to be judged before no answer is read on.
pub const MAX_ARRIVED_BYTES: usize = 8 * 1024 * 1024;
/// What a block costs beside its bytes.
const BLOCK_COST: usize = 64;

/// A peer that answers.
#[derive(Default)]
struct Speaker {
    /// What is to be asked: of which document, and from which tip.
    queue: VecDeque<(StreamId, Option<Cid>)>,
    open: usize,
}

/// One document of a question.
struct Line {
    stream: StreamId,
    /// The tip that is walked from; nothing if the newest events are asked for.
    tip: Option<Cid>,
    /// The event that the answer begins with.
    from: Option<Cid>,
}

/// A question under way.
struct Ask {
    peer: PeerId,
    lines: Vec<Line>,
    /// The line that is answered, or is next.
    at: usize,
    /// Whether its answer began.
    begun: bool,
    /// The walk that its blocks are for.
    key: Option<Key>,
    /// Whether a block of it was needed.
    came: bool,
    needed: usize,
    waste: usize,
    leftover: usize,
}

/// Who answers, and what is asked.
#[derive(Default)]
pub(super) struct Asks {
    speakers: SortedMap<PeerId, Speaker>,
    asks: SortedMap<AskId, Ask>,
    next: AskId,
    /// Answers that are not read on.
    stalled: Vec<AskId>,
    /// Bytes of whole chains that wait to be judged.
    pub(super) arrived: usize,
}

impl Asks {
    pub(super) fn can_ask(&self) -> bool {
        !self.speakers.is_empty()
    }

    /// Whom of these to ask.
    pub(super) fn choose(&self, providers: &[PeerId], tried: &[PeerId]) -> Option<PeerId> {
        let untried = |peer: &&PeerId| !tried.contains(peer);
        match providers {
            [] => self.speakers.keys().find(untried).copied(),
            _ => {
                let mut able = providers.iter().filter(untried);
                able.find(|peer| self.speakers.contains_key(peer)).copied()
            }
        }
    }

    pub(super) fn queue(&mut self, peer: PeerId, stream: StreamId, tip: Option<Cid>) {
        if let Some(speaker) = self.speakers.get_mut(&peer) {
            speaker.queue.push_back((stream, tip));
        }
    }

    /// Answers that may be read on now.
    pub(super) fn stalled(&mut self) -> impl Iterator<Item = AskId> + use<> {
        let may = self.arrived <= MAX_ARRIVED_BYTES;
        let stalled = may.then(|| std::mem::take(&mut self.stalled));
        stalled.unwrap_or_default().into_iter()
    }
}

/// Events that a document holds, for others to stop at: its tips, and ever fewer the further back.
fn known(document: &Document) -> Vec<Cid> {
    let mut known = document.tips();
    known.truncate(MAX_KNOWN / 2);
    let log = document.log();
    let mut back = 1;
    while known.len() < MAX_KNOWN.saturating_sub(1)
        && let Some(entry) = log.len().checked_sub(back).and_then(|at| log.get(at))
    {
        if !known.contains(&entry.cid) {
            known.push(entry.cid);
        }
        back = back.saturating_mul(2);
    }
    let init = document.stream().init();
    if !known.contains(init) {
        known.push(*init);
    }
    known
}

/// What peers say that answer whole chains.
impl Sync {
    /// A peer answers such questions from now on: it is asked about whatever is wanted.
    pub fn speaks(&mut self, peer: PeerId, now: Duration) {
        if self.asks.speakers.contains_key(&peer) {
            return;
        }
        self.asks.speakers.insert(peer, Speaker::default());
        let wanted = self.wants.iter().filter(|(_, want)| !want.quiet);
        for stream in wanted.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.ask_newest(&stream);
            if self.listening.is_empty() {
                self.ask_later(&stream, now);
            }
        }
    }

    /// A part of an answer came.
    pub fn chain_part(&mut self, id: AskId, items: Vec<Item>, now: Duration) {
        let Some(mut ask) = self.asks.asks.remove(&id) else {
            return;
        };
        for item in items {
            let step = match item {
                Item::Begin { index, tip } => self.begin(&mut ask, index, tip, now),
                Item::Block(block) => self.take(&mut ask, &block, now),
                Item::End { index, end } => self.end_line(&mut ask, index, end, now),
            };
            if let Err(refusal) = step {
                self.outputs.push_back(Output::Hush(id));
                self.asks.asks.insert(id, ask);
                return self.chain_ended(id, Some(refusal), now);
            }
        }
        self.bound_gathered(now);
        self.start(now);
        // A refusal on the way may have ended it.
        if self.asks.speakers.contains_key(&ask.peer) {
            self.asks.asks.insert(id, ask);
            match self.asks.arrived > MAX_ARRIVED_BYTES {
                true => self.asks.stalled.push(id),
                false => self.outputs.push_back(Output::GoOn(id)),
            }
        }
    }

    /// An answer is over.
    pub fn chain_ended(&mut self, id: AskId, refusal: Option<Refusal>, now: Duration) {
        let Some(mut ask) = self.asks.asks.remove(&id) else {
            return;
        };
        self.asks.stalled.retain(|stalled| *stalled != id);
        let peer = ask.peer;
        if let Some(speaker) = self.asks.speakers.get_mut(&peer) {
            speaker.open = speaker.open.saturating_sub(1);
        }
        match refusal {
            Some(refusal) if refusal.is_final() => {
                self.outputs.push_back(Output::Refused { peer, refusal });
                self.drop_lines(&mut ask);
                self.stops_speaking(&peer);
            }
            Some(_) => {
                // It went on until now, so it goes on from there; else it is not asked again for this one.
                let came = std::mem::take(&mut ask.came);
                match ask.begun {
                    true if came => self.ask_again(&ask),
                    _ => self.turn_down(&ask),
                }
                ask.at = ask.at.saturating_add(1);
                (ask.begun, ask.key) = (false, None);
                while ask.at < ask.lines.len() {
                    self.ask_again(&ask);
                    ask.at = ask.at.saturating_add(1);
                }
            }
            None => self.drop_lines(&mut ask),
        }
        self.start(now);
    }

    /// A peer answers no more.
    pub(super) fn stops_speaking(&mut self, peer: &PeerId) {
        let Some(speaker) = self.asks.speakers.remove(peer) else {
            return;
        };
        let theirs = self.asks.asks.iter().filter(|(_, ask)| ask.peer == *peer);
        for id in theirs.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.outputs.push_back(Output::Hush(id));
            self.asks.stalled.retain(|stalled| *stalled != id);
            if let Some(mut ask) = self.asks.asks.remove(&id) {
                self.drop_lines(&mut ask);
            }
        }
        for (stream, tip) in speaker.queue {
            self.ask_others(*peer, &stream, tip);
        }
    }

    /// Asks for the newest events of a wanted document, if there is anyone who was not asked yet.
    pub(super) fn ask_newest(&mut self, stream: &StreamId) {
        let Some(want) = self.wants.get_mut(stream) else {
            return;
        };
        if want.quiet || want.asking.is_some() {
            return;
        }
        let able = self.asks.speakers.iter();
        let able = able.filter(|(peer, _)| !want.strangers.contains(peer));
        let least = able.min_by_key(|(_, speaker)| speaker.queue.len());
        want.asking = least.map(|(peer, _)| *peer);
        match want.asking {
            Some(peer) => self.asks.queue(peer, *stream, None),
            // The next time all of them may have it.
            None => want.strangers.clear(),
        }
    }

    /// Sends what is to be asked.
    pub(super) fn flush_asks(&mut self) {
        let asks = &mut self.asks;
        for (peer, speaker) in &mut asks.speakers {
            while speaker.open < MAX_ASKS_PER_PEER && !speaker.queue.is_empty() {
                let (mut lines, mut wants) = (Vec::new(), Vec::new());
                while lines.len() < MAX_DOCUMENTS
                    && let Some((stream, tip)) = speaker.queue.pop_front()
                {
                    let Some(want) = self.wants.get(&stream) else {
                        continue;
                    };
                    let from = match tip {
                        Some(tip) => match self.fetches.get(&(stream, tip)) {
                            Some(fetch) if fetch.by == Some(*peer) => fetch.cursor(),
                            _ => continue,
                        },
                        None => None,
                    };
                    if tip.is_some() && from.is_none() {
                        continue;
                    }
                    let held = want.held.as_deref();
                    wants.push(chain_fetch::Want {
                        stream,
                        tip: from,
                        known: held.map(known).unwrap_or_default(),
                    });
                    lines.push(Line { stream, tip, from });
                }
                if lines.is_empty() {
                    continue;
                }
                let ask = asks.next;
                asks.next = ask.wrapping_add(1);
                let peer = *peer;
                let under_way = Ask {
                    peer,
                    lines,
                    at: 0,
                    begun: false,
                    key: None,
                    came: false,
                    needed: 0,
                    waste: 0,
                    leftover: 0,
                };
                asks.asks.insert(ask, under_way);
                speaker.open = speaker.open.saturating_add(1);
                self.outputs.push_back(Output::Chain { ask, peer, wants });
            }
        }
    }

    /// Goes to a line of a question; those that were passed over are not answered.
    fn go_to(&mut self, ask: &mut Ask, index: usize) -> Result<(), Refusal> {
        if index < ask.at || index >= ask.lines.len() || (ask.begun && index != ask.at) {
            return Err(Refusal::Unasked);
        }
        while ask.at < index {
            self.turn_down(ask);
            ask.at = ask.at.saturating_add(1);
        }
        Ok(())
    }

    fn begin(
        &mut self,
        ask: &mut Ask,
        index: usize,
        tip: Cid,
        now: Duration,
    ) -> Result<(), Refusal> {
        if ask.begun {
            return Err(Refusal::Unasked);
        }
        self.go_to(ask, index)?;
        let Some(line) = ask.lines.get(index) else {
            return Err(Refusal::Unasked);
        };
        if line.from.is_some_and(|from| from != tip) {
            return Err(Refusal::Unasked);
        }
        (ask.begun, ask.came, ask.leftover) = (true, false, 0);
        let key = (line.stream, line.tip.unwrap_or(tip));
        ask.key = match line.tip {
            Some(_) => Some(key),
            None => self.begin_newest(key, ask.peer, now).then_some(key),
        };
        Ok(())
    }

    /// Whether the blocks of this tip are needed.
    fn begin_newest(&mut self, key: Key, peer: PeerId, now: Duration) -> bool {
        let Some(want) = self.wants.get_mut(&key.0).filter(|want| !want.quiet) else {
            return false;
        };
        want.offered = true;
        let held = want.held.as_ref();
        if held.is_some_and(|held| held.contains(&key.1)) || self.refused.get(&key, now).is_some() {
            return false;
        }
        want.tips.retain(|hint| hint.tip != key.1);
        if let Some(fetch) = self.fetches.get_mut(&key) {
            fetch.provide(&[peer]);
            if fetch.by.is_none() {
                fetch.by = Some(peer);
            }
            return true;
        }
        let mut fetch = Fetch::new(key.0, key.1, vec![peer]);
        fetch.by = Some(peer);
        self.fetches.insert(key, fetch);
        self.advance(key, now);
        true
    }

    fn take(&mut self, ask: &mut Ask, block: &Block, now: Duration) -> Result<(), Refusal> {
        if !ask.begun {
            return Err(Refusal::Unasked);
        }
        let size = block.bytes().len().saturating_add(BLOCK_COST);
        let fetch = ask.key.as_ref().and_then(|key| self.fetches.get(key));
        let fetch = fetch.filter(|fetch| fetch.cursor().is_some());
        match fetch.map(|fetch| fetch.awaits(block.cid())) {
            Some(true) => {
                ask.came = true;
                ask.needed = ask.needed.saturating_add(size);
                let needed = self.needs.remove(block.cid()).unwrap_or_default();
                if needed.fetched {
                    self.outputs.push_back(Output::Cancel(*block.cid()));
                }
                self.give(block, ask.peer, needed.keys, now);
            }
            // Some is sent twice, or held as part of another event.
            Some(false) => {
                ask.waste = ask.waste.saturating_add(size);
                if ask.waste > MAX_WASTE.saturating_add(ask.needed / 4) {
                    return Err(Refusal::Unasked);
                }
            }
            None => {
                ask.leftover = ask.leftover.saturating_add(size);
                if ask.leftover > MAX_LEFTOVER {
                    return Err(Refusal::Cut);
                }
            }
        }
        Ok(())
    }

    fn end_line(
        &mut self,
        ask: &mut Ask,
        index: usize,
        end: End,
        now: Duration,
    ) -> Result<(), Refusal> {
        self.go_to(ask, index)?;
        let Some(line) = ask.lines.get(index) else {
            return Err(Refusal::Unasked);
        };
        let stream = line.stream;
        let key = ask.key.or(line.tip.map(|tip| (stream, tip)));
        let lacks = key.is_some_and(|key| {
            let fetch = self.fetches.get(&key);
            fetch.is_some_and(|fetch| fetch.by == Some(ask.peer) && fetch.cursor().is_some())
        });
        match end {
            End::Whole if lacks && !ask.came => return Err(Refusal::Empty),
            End::Known if line.tip.is_none() => {
                if let Some(want) = self.wants.get_mut(&stream) {
                    want.asking = None;
                    want.strangers.clear();
                    if want.held.is_some() && !want.missed {
                        want.ask(now.saturating_add(LONGEST_PAUSE));
                    }
                }
            }
            End::Whole | End::Broken | End::Known => self.go_on_by_blocks(ask),
            End::Unknown | End::NoTip => self.turn_down(ask),
        }
        (ask.begun, ask.key) = (false, None);
        ask.at = ask.at.saturating_add(1);
        Ok(())
    }

    /// What the answer lacks comes block by block.
    fn go_on_by_blocks(&mut self, ask: &Ask) {
        let Some(line) = ask.lines.get(ask.at) else {
            return;
        };
        if line.tip.is_none()
            && let Some(want) = self.wants.get_mut(&line.stream)
        {
            want.asking = None;
            want.strangers.clear();
        }
        let key = ask.key.or(line.tip.map(|tip| (line.stream, tip)));
        if let Some(key) = key
            && let Some(fetch) = self.fetches.get_mut(&key)
            && fetch.by == Some(ask.peer)
        {
            fetch.by = None;
            let waiting = fetch.waiting();
            self.get(&key, waiting);
        }
    }

    /// The peer had nothing to say about the line at hand.
    fn turn_down(&mut self, ask: &Ask) {
        let Some(line) = ask.lines.get(ask.at) else {
            return;
        };
        self.ask_others(ask.peer, &line.stream, line.tip);
        if let (None, Some(key)) = (line.tip, ask.key) {
            self.ask_others(ask.peer, &key.0, Some(key.1));
        }
    }

    /// None of the lines that are left is answered.
    fn drop_lines(&mut self, ask: &mut Ask) {
        while ask.at < ask.lines.len() {
            self.turn_down(ask);
            (ask.begun, ask.key) = (false, None);
            ask.at = ask.at.saturating_add(1);
        }
    }

    /// Asks the same peer for the rest of the line at hand.
    fn ask_again(&mut self, ask: &Ask) {
        let Some(line) = ask.lines.get(ask.at) else {
            return;
        };
        match (line.tip, ask.key) {
            (None, None) if !ask.begun => self.asks.queue(ask.peer, line.stream, None),
            (None, key) => {
                if let Some(want) = self.wants.get_mut(&line.stream) {
                    want.asking = None;
                }
                if let Some((stream, tip)) = key {
                    self.asks.queue(ask.peer, stream, Some(tip));
                }
            }
            (Some(tip), _) => self.asks.queue(ask.peer, line.stream, Some(tip)),
        }
    }

    /// Asks someone else for what a peer did not send, or for its blocks one by one.
    fn ask_others(&mut self, peer: PeerId, stream: &StreamId, tip: Option<Cid>) {
        let Some(tip) = tip else {
            if let Some(want) = self.wants.get_mut(stream)
                && want.asking == Some(peer)
            {
                want.asking = None;
                want.strangers.push(peer);
                self.ask_newest(stream);
            }
            return;
        };
        let key = (*stream, tip);
        let Some(fetch) = self.fetches.get_mut(&key) else {
            return;
        };
        if fetch.by != Some(peer) {
            return;
        }
        fetch.tried.push(peer);
        fetch.by = self.asks.choose(fetch.providers(), &fetch.tried);
        match fetch.by {
            Some(next) => self.asks.queue(next, *stream, Some(tip)),
            None => {
                let waiting = fetch.waiting();
                self.get(&key, waiting);
            }
        }
    }
}
