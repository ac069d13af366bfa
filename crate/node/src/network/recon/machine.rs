//! One conversation, as a state machine without I/O: messages and answers go in, messages and questions come out.
//!
//! The initiator says what it wants, the responder what both want. Then the initiator asks about ranges; wherever the sums of
//! both differ the range is split, until one side sees what the other lacks and sends it (as ceramic-one 0.58, byte for byte).
//!
//! What a hostile peer can do here, and what stops it: ask without end ([`MAX_REQUESTS`]), answer each question with more
//! ranges or with sums that are lies (the same, and [`MAX_STACK`]), ask for the same values again and again
//! ([`Refusal::AsksAgain`]), send values nobody wants or ranges nobody agreed on, or values faster than they are kept
//! ([`MAX_BATCH`], [`MAX_BATCH_BYTES`]: nothing is read meanwhile). What waits to be sent is ranges, not values, and at most
//! [`MAX_UNSENT`]; whoever does not read is not read from.

use std::collections::VecDeque;

use super::frame::{Body, Interest, Key, Kind, MAX_INTERESTS, Message, RangeHash};
use super::ring::Ring;

/// Range requests that wait for their answers (as ceramic-one).
pub const MAX_IN_FLIGHT: usize = 20;
/// Range requests that wait to be sent; real conversations go deep first and keep it short.
pub const MAX_STACK: usize = 8192;
/// Range requests in one conversation: sets of which some tens of thousands of keys differ in as many places. What more there
/// is waits for the next one.
pub const MAX_REQUESTS: usize = 1 << 16;
/// Values received in one conversation.
pub const MAX_VALUES: usize = 1 << 20;
/// Values that are kept together (as ceramic-one).
pub const MAX_BATCH: usize = 100;
/// Bytes of values that are kept together.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Things that wait to be sent before nothing more is read.
pub const MAX_UNSENT: usize = 256;
/// Values that are looked up together.
pub const MAX_LOOKUP: usize = 16;
/// A range with so few keys is not halved: each of them is named (as ceramic-one).
const FEW: u64 = 4;
/// Values that may be asked for beyond twice the number there are.
const SPARE_VALUES: usize = 1024;

/// Why a conversation ends before it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A message that is not this side's to hear, or not now.
    #[error("a message came out of turn")]
    OutOfTurn,
    /// More ranges that both want than [`MAX_INTERESTS`].
    #[error("more than {MAX_INTERESTS} ranges are wanted")]
    TooManyInterests,
    /// A range that ends before it starts, or that was not agreed on.
    #[error("a range lies outside what was agreed on")]
    Range,
    /// More questions than [`MAX_REQUESTS`] or [`MAX_STACK`]: the sums never become equal.
    #[error("the ranges have no end")]
    Endless,
    /// The peer asks again for what it got.
    #[error("the peer asks again for what it got")]
    AsksAgain,
    /// A value for a key that nobody asked for, or that is none.
    #[error("a value came that was not wanted")]
    NotWanted,
    /// More values than [`MAX_VALUES`].
    #[error("more than {MAX_VALUES} values")]
    TooManyValues,
    /// A value that can never be valid.
    #[error("a value can never be valid")]
    Invalid,
}

impl Refusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::OutOfTurn => "recon-out-of-turn",
            Refusal::TooManyInterests => "recon-too-many-interests",
            Refusal::Range => "recon-range",
            Refusal::Endless => "recon-endless",
            Refusal::AsksAgain => "recon-asks-again",
            Refusal::NotWanted => "recon-not-wanted",
            Refusal::TooManyValues => "recon-too-many-values",
            Refusal::Invalid => "recon-invalid-value",
        }
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this.
    Send(Message),
    /// Look up what these keys name, and answer with [`Conversation::found`].
    Find(Vec<Key>),
    /// Keep these, and answer with [`Conversation::kept`].
    Keep(Vec<(Key, Vec<u8>)>),
    /// The responder is done: the stream may go.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was agreed on yet.
    Greeting,
    Talking,
    /// The last values are being kept.
    Ending,
    /// All is said and kept.
    Ended,
}

#[derive(Debug)]
enum Out {
    Say(Body),
    /// All that is there from one key up to another.
    Values(Key, Key),
}

/// What becomes of a range that the other side has the sum of.
enum Compared {
    Equal,
    /// The other side has nothing there, or only the first key.
    OtherLacks,
    Differs(Vec<RangeHash>),
}

/// See the module.
#[derive(Debug)]
pub struct Conversation {
    kind: Kind,
    initiates: bool,
    sync_id: Option<String>,
    own: Vec<Interest>,
    agreed: Vec<Interest>,
    stage: Stage,
    out: VecDeque<Out>,
    found: VecDeque<(Key, Vec<u8>)>,
    finding: bool,
    stack: Vec<RangeHash>,
    in_flight: usize,
    batch: Vec<(Key, Vec<u8>)>,
    batch_bytes: usize,
    keeping: bool,
    requests: usize,
    received: usize,
    sent: usize,
}

impl Conversation {
    /// Begins one that this side wants; `sync_id` names it in both sides' logs.
    pub fn initiate(kind: Kind, own: Vec<Interest>, sync_id: String) -> Conversation {
        let mut conversation = Conversation::new(kind, own, Some(sync_id));
        let interests = conversation.own.clone();
        conversation.say(Body::InterestRequest(interests));
        conversation
    }

    /// Answers one that the other side wants.
    pub fn respond(kind: Kind, own: Vec<Interest>) -> Conversation {
        Conversation::new(kind, own, None)
    }

    fn new(kind: Kind, mut own: Vec<Interest>, sync_id: Option<String>) -> Conversation {
        own.truncate(MAX_INTERESTS);
        Conversation {
            kind,
            initiates: sync_id.is_some(),
            sync_id,
            own,
            agreed: Vec::new(),
            stage: Stage::Greeting,
            out: VecDeque::new(),
            found: VecDeque::new(),
            finding: false,
            stack: Vec::new(),
            in_flight: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            keeping: false,
            requests: 0,
            received: 0,
            sent: 0,
        }
    }

    /// What is compared.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Values received and sent so far.
    pub fn counts(&self) -> (usize, usize) {
        (self.received, self.sent)
    }

    /// Whether the next message may be given to [`Conversation::hear`].
    pub fn listens(&self) -> bool {
        !self.keeping && self.out.len() < MAX_UNSENT && self.stage != Stage::Ended
    }

    /// Whether all was said and kept, so that the end of the stream, however it comes, is no failure.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Ended && self.out.is_empty()
    }

    /// A message came.
    ///
    /// # Errors
    /// Any [`Refusal`]: nothing more is to be said to this peer in this conversation.
    pub fn hear(&mut self, message: Message, ring: &Ring) -> Result<(), Refusal> {
        if self.sync_id.is_none() {
            self.sync_id = message.sync_id;
        }
        match (message.body, self.initiates, self.stage) {
            (Body::InterestRequest(wanted), false, Stage::Greeting) => self.agree(&wanted),
            (Body::InterestResponse(agreed), true, Stage::Greeting) => self.begin(agreed, ring),
            (Body::RangeRequest(range), false, Stage::Talking) => self.answer(range, ring),
            (Body::RangeResponse(ranges), true, Stage::Talking) => self.answered(ranges, ring),
            (Body::Value(key, value), _, Stage::Talking) => self.value(key, value, ring),
            (Body::Finished, false, Stage::Talking) => {
                self.stage = Stage::Ending;
                Ok(())
            }
            _ => Err(Refusal::OutOfTurn),
        }
    }

    /// What both want; the responder's.
    fn agree(&mut self, wanted: &[Interest]) -> Result<(), Refusal> {
        let mut both = Vec::new();
        for own in &self.own {
            for other in wanted {
                let start = (&own.start).max(&other.start);
                let end = (&own.end).min(&other.end);
                if start >= end {
                    continue;
                }
                if both.len() >= MAX_INTERESTS {
                    return Err(Refusal::TooManyInterests);
                }
                both.push(Interest {
                    start: start.clone(),
                    end: end.clone(),
                });
            }
        }
        self.agreed.clone_from(&both);
        self.stage = Stage::Talking;
        self.say(Body::InterestResponse(both));
        Ok(())
    }

    /// Both want this, says the responder.
    fn begin(&mut self, agreed: Vec<Interest>, ring: &Ring) -> Result<(), Refusal> {
        let own = &self.own;
        let within = |it: &Interest| is_within(own, &it.start, &it.end);
        if !agreed.iter().all(within) {
            return Err(Refusal::Range);
        }
        self.stage = Stage::Talking;
        let ranges = agreed.iter().map(|interest| RangeHash {
            first: interest.start.clone(),
            hash: ring.hash(&interest.start, &interest.end),
            last: interest.end.clone(),
        });
        let ranges = ranges.collect();
        self.agreed = agreed;
        self.ask(ranges)?;
        self.end_if_done();
        Ok(())
    }

    /// The initiator asks about a range.
    fn answer(&mut self, range: RangeHash, ring: &Ring) -> Result<(), Refusal> {
        self.requests = self.requests.saturating_add(1);
        if self.requests > MAX_REQUESTS {
            return Err(Refusal::Endless);
        }
        match self.compare(&range, ring)? {
            Compared::Equal => self.say(Body::RangeResponse(vec![range])),
            Compared::Differs(ranges) => self.say(Body::RangeResponse(ranges)),
            Compared::OtherLacks => {
                self.out.push_back(Out::Values(range.first, range.last));
                self.say(Body::RangeResponse(Vec::new()));
            }
        }
        Ok(())
    }

    /// The responder answers one question, and perhaps asks in return.
    fn answered(&mut self, ranges: Vec<RangeHash>, ring: &Ring) -> Result<(), Refusal> {
        self.in_flight = self.in_flight.checked_sub(1).ok_or(Refusal::OutOfTurn)?;
        self.ask_more();
        for range in ranges {
            match self.compare(&range, ring)? {
                Compared::Equal => {}
                Compared::Differs(ranges) => self.ask(ranges)?,
                Compared::OtherLacks => self.out.push_back(Out::Values(range.first, range.last)),
            }
        }
        self.end_if_done();
        Ok(())
    }

    fn value(&mut self, key: Key, value: Vec<u8>, ring: &Ring) -> Result<(), Refusal> {
        let wanted = |it: &Interest| it.start <= key && key < it.end;
        if !self.kind.is_key(&key) || !self.agreed.iter().any(wanted) {
            return Err(Refusal::NotWanted);
        }
        self.received = self.received.saturating_add(1);
        if self.received > MAX_VALUES {
            return Err(Refusal::TooManyValues);
        }
        if !ring.contains(&key) {
            self.batch_bytes = self.batch_bytes.saturating_add(value.len());
            self.batch.push((key, value));
        }
        Ok(())
    }

    fn compare(&self, range: &RangeHash, ring: &Ring) -> Result<Compared, Refusal> {
        let RangeHash { first, hash, last } = range;
        if first >= last || !is_within(&self.agreed, first, last) {
            return Err(Refusal::Range);
        }
        let own = ring.hash(first, last);
        let part = |first: &Key, last: &Key| RangeHash {
            first: first.clone(),
            hash: ring.hash(first, last),
            last: last.clone(),
        };
        if own == *hash {
            return Ok(Compared::Equal);
        }
        if own.is_zero() {
            return Ok(Compared::Differs(vec![part(first, last)]));
        }
        let is_key = self.kind.is_key(first);
        if hash.is_zero() || (is_key && hash.count() == 1) {
            // Where the range starts with a key that is not here, the other side has it and nothing else.
            return Ok(match ring.nth(first, last, 0) {
                Some(own) if is_key && own != first.as_slice() => {
                    let own = own.to_vec();
                    Compared::Differs(vec![part(first, &own), part(&own, last)])
                }
                _ => Compared::OtherLacks,
            });
        }
        if own.count() > FEW {
            let half = usize::try_from(own.count() / 2).unwrap_or(usize::MAX);
            let middle = ring.nth(first, last, half).map(<[u8]>::to_vec);
            let parts = middle.map(|middle| vec![part(first, &middle), part(&middle, last)]);
            return Ok(Compared::Differs(parts.unwrap_or_default()));
        }
        let mut cuts = ring.keys(first, last, usize::MAX);
        if cuts.first() != Some(first) {
            cuts.insert(0, first.clone());
        }
        cuts.push(last.clone());
        let pairs = cuts.windows(2);
        let parts = pairs.filter_map(|pair| Some(part(pair.first()?, pair.last()?)));
        Ok(Compared::Differs(parts.collect()))
    }

    /// Asks about these as far as [`MAX_IN_FLIGHT`] allows, and about the rest later, the last first.
    fn ask(&mut self, ranges: Vec<RangeHash>) -> Result<(), Refusal> {
        self.requests = self.requests.saturating_add(ranges.len());
        if self.requests > MAX_REQUESTS {
            return Err(Refusal::Endless);
        }
        for range in ranges {
            match self.in_flight < MAX_IN_FLIGHT {
                true => self.request(range),
                false => self.stack.push(range),
            }
        }
        match self.stack.len() > MAX_STACK {
            true => Err(Refusal::Endless),
            false => Ok(()),
        }
    }

    fn ask_more(&mut self) {
        while self.in_flight < MAX_IN_FLIGHT {
            match self.stack.pop() {
                Some(range) => self.request(range),
                None => return,
            }
        }
    }

    fn request(&mut self, range: RangeHash) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.say(Body::RangeRequest(range));
    }

    fn end_if_done(&mut self) {
        if self.in_flight == 0 && self.stack.is_empty() {
            self.stage = Stage::Ending;
        }
    }

    fn say(&mut self, body: Body) {
        self.out.push_back(Out::Say(body));
    }

    /// What these keys name; one that is gone is left out. Answers [`Step::Find`].
    pub fn found(&mut self, values: Vec<(Key, Vec<u8>)>) {
        self.finding = false;
        self.found.extend(values);
    }

    /// The values are kept, or on their way there. Answers [`Step::Keep`].
    pub fn kept(&mut self) {
        self.keeping = false;
    }

    /// Whether the values of a [`Step::Keep`] are the last.
    pub fn is_ending(&self) -> bool {
        self.stage == Stage::Ending
    }

    /// The next thing to do, if there is one now.
    ///
    /// # Errors
    /// [`Refusal::AsksAgain`].
    pub fn poll(&mut self, ring: &Ring) -> Result<Option<Step>, Refusal> {
        let full = self.batch.len() >= MAX_BATCH || self.batch_bytes >= MAX_BATCH_BYTES;
        let ending = self.stage == Stage::Ending;
        if !self.keeping && (full || (ending && !self.batch.is_empty())) {
            self.keeping = true;
            self.batch_bytes = 0;
            return Ok(Some(Step::Keep(std::mem::take(&mut self.batch))));
        }
        if ending && !self.keeping {
            self.stage = Stage::Ended;
            if self.initiates {
                self.say(Body::Finished);
            }
        }
        if self.finding {
            return Ok(None);
        }
        if let Some((key, value)) = self.found.pop_front() {
            return Ok(Some(self.message(Body::Value(key, value))));
        }
        loop {
            match self.out.pop_front() {
                Some(Out::Say(body)) => return Ok(Some(self.message(body))),
                Some(Out::Values(first, last)) => {
                    let keys = ring.keys(&first, &last, MAX_LOOKUP);
                    let Some(latest) = keys.last() else {
                        continue;
                    };
                    if keys.len() == MAX_LOOKUP {
                        // The smallest that is greater.
                        let next = [latest.as_slice(), &[0]].concat();
                        self.out.push_front(Out::Values(next, last));
                    }
                    self.sent = self.sent.saturating_add(keys.len());
                    let enough = ring.len().saturating_mul(2).saturating_add(SPARE_VALUES);
                    if self.sent > enough {
                        return Err(Refusal::AsksAgain);
                    }
                    self.finding = true;
                    return Ok(Some(Step::Find(keys)));
                }
                None if self.stage == Stage::Ended && !self.initiates => {
                    return Ok(Some(Step::Over));
                }
                None => return Ok(None),
            }
        }
    }

    fn message(&self, body: Body) -> Step {
        Step::Send(Message {
            sync_id: self.sync_id.clone(),
            body,
        })
    }
}

fn is_within(interests: &[Interest], first: &Key, last: &Key) -> bool {
    let mut interests = interests.iter();
    interests.any(|interest| interest.start <= *first && *last <= interest.end)
}

#[cfg(test)]
mod tests;
