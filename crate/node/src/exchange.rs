//! Between Recon's rings and the documents: what is kept is offered, and what peers send goes down the road.
//!
//! What is sent by a peer is verified like everything else, by this node's own rules. A peer that sends what is no event ends
//! the conversation; an event that others take and these rules do not is passed over. Only documents that an interest covers
//! are taken. Of each conversation at most [`MAX_POOL_EVENTS`] events of [`MAX_POOL_BYTES`] wait for what they build on, at most
//! [`MAX_RECEIVING`] are judged at once, and who is slower than [`PATIENCE`] is not waited for.
//!
//! The rings are in memory. They are read again from the store when the node starts, and follow each transaction after that.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cid::Cid;
use futures::FutureExt;
use futures_timer::Delay;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::car;
use ostrakon_protocol::event::{Decoded, Event, decode};
use ostrakon_protocol::id::{EventId, EventPrefix, StreamId, StreamType};
use ostrakon_protocol::offer::{self, Place};
use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use crate::documents::CallId;
use crate::error::NodeError;
use crate::network::recon::{Behaviour, Interest, Key, Kind, TalkId};
use crate::store::{Change, Record, Stored};

/// Events that wait in one conversation for what they build on.
pub const MAX_POOL_EVENTS: usize = 4096;
/// Bytes of events that wait in one conversation.
pub const MAX_POOL_BYTES: usize = 32 * 1024 * 1024;
/// Tips from peers judged at once before more is read.
pub const MAX_RECEIVING: usize = 128;
/// How long the end of a conversation waits for what is being judged.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Interests of a node.
pub const MAX_WANTS: usize = 256;
/// Calls of this module are named from here on.
const FIRST_CALL: CallId = 1 << 63;

/// What a node wants to hold, and offers in return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Whatever there is.
    All,
    /// All instances of a model, or of one controller.
    Model(StreamId, Option<String>),
    /// All documents without a model, tiles and links of accounts, of one controller.
    Controller(String),
    /// One document. What its events are called is known once it is kept.
    Document(StreamId),
}

/// A text that names no interest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no interest; write all, model:k…, model:k…@did:…, controller:did:… or document:k…"
)]
pub struct BadWant(String);

impl BadWant {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        "interest-malformed"
    }
}

impl FromStr for Want {
    type Err = BadWant;

    fn from_str(text: &str) -> Result<Want, BadWant> {
        let bad = || BadWant(text.to_owned());
        let stream = |id: &str| id.parse::<StreamId>().map_err(|_| bad());
        let did = |did: &str| match did.starts_with("did:") {
            true => Ok(did.to_owned()),
            false => Err(bad()),
        };
        match text.split_once(':') {
            None if text == "all" => Ok(Want::All),
            Some(("model", rest)) => match rest.split_once('@') {
                Some((model, controller)) => {
                    Ok(Want::Model(stream(model)?, Some(did(controller)?)))
                }
                None => Ok(Want::Model(stream(rest)?, None)),
            },
            Some(("controller", controller)) => Ok(Want::Controller(did(controller)?)),
            Some(("document", id)) => Ok(Want::Document(stream(id)?)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Want::All => f.write_str("all"),
            Want::Model(model, None) => write!(f, "model:{model}"),
            Want::Model(model, Some(did)) => write!(f, "model:{model}@{did}"),
            Want::Controller(did) => write!(f, "controller:{did}"),
            Want::Document(stream) => write!(f, "document:{stream}"),
        }
    }
}

/// A kept document, as far as offering it goes.
struct Placed {
    place: Place,
    /// Something of it is not offered, nor what builds on that.
    held_back: bool,
}

/// An event that a peer sent.
struct Received {
    cid: Cid,
    prev: Option<Cid>,
    init: Cid,
}

/// What came in one conversation and is not kept yet.
#[derive(Default)]
struct Pool {
    events: Vec<Received>,
    blocks: HashMap<Cid, Block>,
    bytes: usize,
    /// Documents that are being judged.
    calls: SortedSet<StreamId>,
    /// Documents whose tips were tried without what they build on, with how many events of them there were.
    tried: SortedMap<StreamId, usize>,
    /// The peer waits for an answer; and whether it is for the last.
    waits: Option<bool>,
}

/// A tip to be judged.
pub(crate) struct Tip {
    pub(crate) call: CallId,
    pub(crate) stream: StreamId,
    pub(crate) tip: Cid,
    pub(crate) blocks: Arc<HashMap<Cid, Block>>,
}

/// See the module.
pub(crate) struct Exchange {
    /// None if this network has no place in Recon.
    network: Option<u64>,
    wants: Vec<Want>,
    places: HashMap<StreamId, Placed>,
    inits: HashMap<Cid, StreamId>,
    prefixes: HashMap<Vec<u8>, Vec<StreamId>>,
    loading: VecDeque<StreamId>,
    pools: SortedMap<TalkId, Pool>,
    calls: SortedMap<CallId, (TalkId, StreamId, Cid)>,
    next: CallId,
    patience: Option<Delay>,
}

impl Exchange {
    pub(crate) fn new(network: Option<u64>) -> Exchange {
        Exchange {
            network,
            wants: Vec::new(),
            places: HashMap::new(),
            inits: HashMap::new(),
            prefixes: HashMap::new(),
            loading: VecDeque::new(),
            pools: SortedMap::new(),
            calls: SortedMap::new(),
            next: FIRST_CALL,
            patience: None,
        }
    }

    /// Whether anything is exchanged.
    pub(crate) fn is_on(&self) -> bool {
        self.network.is_some() && !self.wants.is_empty()
    }

    /// Whether a call is one of these.
    pub(crate) fn is_own(call: CallId) -> bool {
        call >= FIRST_CALL
    }

    /// What is wanted from now on. True if the kept documents are to be read first.
    pub(crate) fn want(&mut self, mut wants: Vec<Want>, recon: &mut Behaviour) -> bool {
        wants.truncate(MAX_WANTS);
        let was_on = self.is_on();
        self.wants = wants;
        self.tell(recon);
        self.is_on() && !was_on
    }

    /// The documents that the store keeps, to be read one by one.
    pub(crate) fn load(&mut self, records: Vec<Record>) {
        self.loading
            .extend(records.into_iter().map(|record| record.stream));
    }

    /// The next document to be read.
    pub(crate) fn next_load(&mut self) -> Option<StreamId> {
        self.loading.pop_front()
    }

    fn tell(&self, recon: &mut Behaviour) {
        let Some(network) = self.network else {
            return;
        };
        let (mut models, mut tiles) = (Vec::new(), Vec::new());
        let interest = |prefix: EventPrefix| {
            let (start, end) = prefix.range();
            Interest { start, end }
        };
        for want in &self.wants {
            match want {
                Want::All => {
                    let all = Interest {
                        start: Vec::new(),
                        end: vec![0xff],
                    };
                    models.push(all.clone());
                    tiles.push(all);
                }
                Want::Model(model, controller) => {
                    let model = offer::of_model(network, model);
                    models.push(interest(match controller {
                        Some(controller) => model.of_controller(controller),
                        None => model,
                    }));
                }
                Want::Controller(controller) => {
                    for kind in [StreamType::TILE, StreamType::CAIP10_LINK] {
                        let kind = offer::of_type(network, kind);
                        tiles.push(interest(kind.of_controller(controller)));
                    }
                }
                Want::Document(stream) => {
                    if let Some(Placed { place, .. }) = self.places.get(stream) {
                        let ring = if place.modelled {
                            &mut models
                        } else {
                            &mut tiles
                        };
                        ring.push(interest(place.prefix.clone()));
                    }
                }
            }
        }
        recon.want(Kind::Model, models);
        recon.want(Kind::Tile, tiles);
    }

    /// A document as the store has it.
    pub(crate) fn loaded(&mut self, stored: Stored, recon: &mut Behaviour) {
        let (record, blocks, _) = stored.verified();
        self.hold(&record.stream, &record.tips, &blocks, true, recon);
    }

    /// A transaction that is kept now.
    pub(crate) fn committed(&mut self, change: Change, recon: &mut Behaviour) {
        for change in change.into_list() {
            match change {
                Change::Put { record, blocks } => {
                    let blocks = blocks.into_iter().map(|block| (*block.cid(), block));
                    self.hold(
                        &record.stream,
                        &record.tips,
                        &blocks.collect(),
                        false,
                        recon,
                    );
                }
                Change::Forget(stream) => self.forget(&stream, recon),
                _ => {}
            }
        }
    }

    fn hold(
        &mut self,
        stream: &StreamId,
        tips: &[Cid],
        blocks: &HashMap<Cid, Block>,
        all: bool,
        recon: &mut Behaviour,
    ) {
        let Some(network) = self.network else {
            return;
        };
        if !self.places.contains_key(stream) {
            match offer::place(network, stream, blocks) {
                Some(place) => self.add(stream, place, recon),
                // It was kept before it was read.
                None if !all => return self.loading.push_back(*stream),
                None => return,
            }
        }
        let Some(placed) = self.places.get_mut(stream) else {
            return;
        };
        if placed.held_back {
            return;
        }
        let kind = kind_of(&placed.place);
        let known = |id: &EventId| recon.holds(kind, id.as_bytes());
        let (new, held_back) = offer::events(&placed.place, tips, blocks, &known);
        match held_back && !all {
            // What it builds on may only be in the store.
            true => self.loading.push_back(*stream),
            false => placed.held_back = held_back,
        }
        for id in new {
            recon.hold(kind, id.as_bytes());
        }
    }

    fn add(&mut self, stream: &StreamId, place: Place, recon: &mut Behaviour) {
        let prefix = place.prefix.as_bytes().to_vec();
        self.prefixes.entry(prefix).or_default().push(*stream);
        self.inits.insert(*stream.init(), *stream);
        let held_back = false;
        self.places.insert(*stream, Placed { place, held_back });
        if self.wants.contains(&Want::Document(*stream)) {
            self.tell(recon);
        }
    }

    fn forget(&mut self, stream: &StreamId, recon: &mut Behaviour) {
        let Some(Placed { place, .. }) = self.places.remove(stream) else {
            return;
        };
        self.inits.remove(stream.init());
        let (start, end) = place.prefix.range();
        recon.forget(kind_of(&place), &start, &end);
        if let Some(others) = self.prefixes.get_mut(place.prefix.as_bytes()) {
            others.retain(|other| other != stream);
            // Few documents share a prefix; whoever does is read again.
            let others = others.clone();
            for other in &others {
                if let Some(placed) = self.places.get_mut(other) {
                    placed.held_back = false;
                }
            }
            self.loading.extend(&others);
            if others.is_empty() {
                self.prefixes.remove(place.prefix.as_bytes());
            }
        }
    }

    /// In which documents these events are, each with its events in their order.
    pub(crate) fn places_of(&self, keys: &[Key]) -> Vec<(StreamId, Vec<(Key, Cid)>)> {
        let mut places: Vec<(StreamId, Vec<(Key, Cid)>)> = Vec::new();
        for key in keys {
            let Ok(id) = EventId::from_bytes(key) else {
                continue;
            };
            let streams = self.prefixes.get(id.prefix().as_bytes());
            for stream in streams.into_iter().flatten() {
                let Some(event) = id.event() else {
                    continue;
                };
                match places.last_mut() {
                    Some((last, events)) if last == stream => events.push((key.clone(), event)),
                    _ => places.push((*stream, vec![(key.clone(), event)])),
                }
            }
        }
        places
    }

    /// Events that a peer sent. Err: this is no peer to talk to.
    pub(crate) fn received(
        &mut self,
        talk: TalkId,
        values: Vec<(Key, Vec<u8>)>,
        last: bool,
    ) -> Result<(), &'static str> {
        let Some(network) = self.network else {
            return Ok(());
        };
        let pool = self.pools.get_or_default(talk);
        for (key, value) in values {
            let id = EventId::from_bytes(&key).map_err(|error| error.code())?;
            let archive = car::read(&value).map_err(|error| error.code())?;
            let cid = id.event().ok_or("recon-invalid-value")?;
            if id.network() != Some(network)
                || archive.roots != [cid]
                || !archive.refused.is_empty()
            {
                return Err("recon-invalid-value");
            }
            let blocks = archive
                .blocks
                .into_iter()
                .map(|block| (*block.cid(), block));
            let blocks: HashMap<Cid, Block> = blocks.collect();
            let root = blocks.get(&cid).ok_or("recon-invalid-value")?;
            let Decoded::Event(event) = decode(root, &blocks).map_err(|error| error.code())? else {
                return Err("recon-invalid-value");
            };
            let init = match &event {
                Event::Init(_) => Some(cid),
                Event::Data(data) => data.id,
                Event::Time(time) => time.id,
                Event::Unreadable(_) => None,
            };
            // Others take events without looking at where their keys say that they stand.
            let Some(init) = init.filter(|init| init.to_bytes().ends_with(init_tail(&id))) else {
                continue;
            };
            let bytes = value.len().saturating_add(pool.bytes);
            if pool.events.len() >= MAX_POOL_EVENTS || bytes > MAX_POOL_BYTES {
                // It comes again.
                continue;
            }
            if let Event::Init(event) = &event {
                let stream = StreamId::new(event.stream_type(), cid);
                let placed = offer::place(network, &stream, &blocks);
                if placed.is_none_or(|place| place.prefix != id.prefix()) {
                    continue;
                }
            }
            pool.bytes = bytes;
            pool.events.push(Received {
                cid,
                prev: event.prev().copied(),
                init,
            });
            pool.blocks.extend(blocks);
        }
        pool.waits = Some(last);
        Ok(())
    }

    /// What of all conversations' events can be judged now.
    pub(crate) fn tips(&mut self) -> Vec<Tip> {
        let mut tips = Vec::new();
        for talk in self.pools.keys().copied().collect::<Vec<_>>() {
            self.tips_of(talk, &mut tips);
        }
        tips
    }

    fn tips_of(&mut self, talk: TalkId, tips: &mut Vec<Tip>) {
        let Some(pool) = self.pools.get_mut(&talk) else {
            return;
        };
        let mut by_init: SortedMap<Cid, Vec<&Received>> = SortedMap::new();
        for event in &pool.events {
            by_init.get_or_default(event.init).push(event);
        }
        for (init, events) in by_init.iter() {
            if self.calls.len() >= MAX_RECEIVING {
                return;
            }
            // Its type is in its init event, which is here or kept.
            let held = self.inits.get(init).copied();
            let Some(stream) = held.or_else(|| {
                let root = pool.blocks.get(init)?;
                match decode(root, &pool.blocks) {
                    Ok(Decoded::Event(Event::Init(event))) => {
                        Some(StreamId::new(event.stream_type(), *init))
                    }
                    _ => None,
                }
            }) else {
                continue;
            };
            let tried = pool.tried.get(&stream).copied();
            if pool.calls.contains(&stream) || tried == Some(events.len()) {
                continue;
            }
            pool.tried.insert(stream, events.len());
            pool.calls.insert(stream);
            let mut blocks = HashMap::new();
            for event in events {
                for block in offer::event_blocks(&event.cid, &pool.blocks).unwrap_or_default() {
                    blocks.insert(*block.cid(), block);
                }
            }
            let blocks = Arc::new(blocks);
            let is_tip = |cid: &Cid| !events.iter().any(|event| event.prev == Some(*cid));
            for event in events.iter().filter(|event| is_tip(&event.cid)) {
                let call = self.next;
                self.next = self.next.saturating_add(1);
                self.calls.insert(call, (talk, stream, event.cid));
                tips.push(Tip {
                    call,
                    stream,
                    tip: event.cid,
                    blocks: blocks.clone(),
                });
            }
        }
    }

    /// What became of a tip.
    pub(crate) fn judged(
        &mut self,
        call: CallId,
        outcome: &Result<(), NodeError>,
        recon: &Behaviour,
    ) {
        let Some((talk, stream, tip)) = self.calls.remove(&call) else {
            return;
        };
        let more = self.calls.values();
        let more = more
            .filter(|(of, one, _)| *of == talk && *one == stream)
            .count();
        let placed = self.places.get(&stream);
        let is_kept = |cid: &Cid| {
            placed.is_some_and(|placed| {
                let id = placed.place.prefix.event(cid);
                placed.held_back || recon.holds(kind_of(&placed.place), id.as_bytes())
            })
        };
        let waits = match outcome {
            Ok(()) => false,
            Err(NodeError::Incomplete(_)) => true,
            Err(error) => {
                tracing::debug!(%stream, %tip, %error, code = error.code(), "an event from a peer is not taken");
                false
            }
        };
        let Some(pool) = self.pools.get_mut(&talk) else {
            return;
        };
        let init = stream.init();
        pool.events.retain(|event| {
            event.init != *init || !(is_kept(&event.cid) || (!waits && event.cid == tip))
        });
        if more == 0 {
            pool.calls.remove(&stream);
        }
        if !pool.events.iter().any(|event| event.init == *init) {
            pool.tried.remove(&stream);
        }
        if pool.events.is_empty() {
            pool.blocks.clear();
            pool.bytes = 0;
        }
    }

    /// The conversations that may go on.
    pub(crate) fn answers(&mut self) -> Vec<TalkId> {
        let busy = self.calls.len() >= MAX_RECEIVING;
        let mut answers = Vec::new();
        let mut ended = Vec::new();
        let mut patient = false;
        for (talk, pool) in self.pools.iter_mut() {
            match pool.waits {
                Some(false) if !busy => {}
                Some(true) if !busy && pool.calls.is_empty() => ended.push(*talk),
                Some(_) => {
                    patient = true;
                    continue;
                }
                None => continue,
            }
            pool.waits = None;
            answers.push(*talk);
        }
        for talk in ended {
            self.over(&talk);
        }
        match patient {
            true => drop(self.patience.get_or_insert_with(|| Delay::new(PATIENCE))),
            false => self.patience = None,
        }
        answers
    }

    /// Ready with those who waited long enough.
    pub(crate) fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Vec<TalkId>> {
        let Some(delay) = &mut self.patience else {
            return Poll::Pending;
        };
        if delay.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.patience = None;
        let pools = self.pools.iter_mut();
        let waiting = pools.filter_map(|(talk, pool)| pool.waits.take().map(|_| *talk));
        Poll::Ready(waiting.collect())
    }

    /// A conversation is over: what is being judged goes on, what waited in it comes again in another.
    pub(crate) fn over(&mut self, talk: &TalkId) {
        self.pools.remove(talk);
    }
}

fn kind_of(place: &Place) -> Kind {
    match place.modelled {
        true => Kind::Model,
        false => Kind::Tile,
    }
}

/// The bytes of the init event's CID that are in an id.
fn init_tail(id: &EventId) -> &[u8] {
    let prefix = id.prefix().as_bytes().len();
    id.as_bytes()
        .get(prefix.saturating_sub(4)..prefix)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;
    use libp2p::swarm::ConnectionId;
    use ostrakon_protocol::author::{New, NewTile};
    use ostrakon_protocol::jose::Ed25519Signer;

    use super::*;

    const NETWORK: u64 = 7;

    fn made(seed: u8) -> (StreamId, HashMap<Cid, Block>) {
        written(seed, [seed; 12])
    }

    fn written(seed: u8, unique: [u8; 12]) -> (StreamId, HashMap<Cid, Block>) {
        let signer = Ed25519Signer::from_seed(&[seed; 32]);
        let tile = New::Tile(NewTile::default());
        let (stream, blocks) = tile.written_by(&signer, unique).unwrap();
        let blocks = blocks.into_iter().map(|block| (*block.cid(), block));
        (stream, blocks.collect())
    }

    fn value(stream: &StreamId, blocks: &HashMap<Cid, Block>) -> (Key, Vec<u8>) {
        let place = offer::place(NETWORK, stream, blocks).unwrap();
        let key = place.prefix.event(stream.init()).into();
        let all = offer::event_blocks(stream.init(), blocks).unwrap();
        (key, car::write(&[*stream.init()], &all))
    }

    fn talk() -> TalkId {
        TalkId::new(PeerId::random(), ConnectionId::new_unchecked(1), 1)
    }

    #[test]
    fn what_is_no_event_or_another_than_its_key_names_ends_the_conversation() {
        let ((stream, blocks), (other, others)) = (made(1), made(2));
        let (key, good) = value(&stream, &blocks);
        let (_, foreign) = value(&other, &others);
        let mut damaged = good.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let elsewhere = EventPrefix::of_separator(8, "type", &[]).of_controller("did:key:z");
        let elsewhere = elsewhere.of_document(stream.init()).event(stream.init());
        let bad = [
            (key.clone(), b"no CAR".to_vec(), "car-truncated"),
            (
                key.clone(),
                good[..good.len() - 1].to_vec(),
                "car-truncated",
            ),
            (key.clone(), damaged, "recon-invalid-value"),
            (key.clone(), foreign, "recon-invalid-value"),
            (elsewhere.into(), good.clone(), "recon-invalid-value"),
            (vec![1, 2, 3], good.clone(), "id-wrong-codec"),
        ];
        for (key, value, why) in bad {
            let mut exchange = Exchange::new(Some(NETWORK));
            let received = exchange.received(talk(), vec![(key, value)], false);
            assert!(received.is_err(), "{why}");
        }
        let mut exchange = Exchange::new(Some(NETWORK));
        assert_eq!(exchange.received(talk(), vec![(key, good)], false), Ok(()));
        assert_eq!(exchange.tips().len(), 1);
    }

    #[test]
    fn an_event_whose_key_names_another_place_is_passed_over() {
        let (stream, blocks) = made(1);
        let (_, good) = value(&stream, &blocks);
        let place = EventPrefix::of_separator(NETWORK, "model", b"x").of_controller("did:key:z");
        let key = place.of_document(stream.init()).event(stream.init()).into();
        let mut exchange = Exchange::new(Some(NETWORK));
        assert_eq!(exchange.received(talk(), vec![(key, good)], true), Ok(()));
        assert!(exchange.tips().is_empty());
        assert_eq!(exchange.answers().len(), 1);
    }

    #[test]
    fn no_more_is_judged_at_once_than_the_bound_and_the_peer_waits_meanwhile() {
        let mut exchange = Exchange::new(Some(NETWORK));
        let talk = talk();
        let values: Vec<(Key, Vec<u8>)> = (0..=MAX_RECEIVING)
            .map(|number| {
                let mut unique = [0; 12];
                unique[..8].copy_from_slice(&number.to_le_bytes()[..8]);
                let (stream, blocks) = written(3, unique);
                value(&stream, &blocks)
            })
            .collect();
        exchange.received(talk, values, false).unwrap();
        assert_eq!(exchange.tips().len(), MAX_RECEIVING);
        assert!(exchange.answers().is_empty());
        let recon = Behaviour::new(None);
        exchange.judged(FIRST_CALL, &Ok(()), &recon);
        assert_eq!(exchange.answers(), [talk]);
        assert_eq!(exchange.tips().len(), 1);
    }

    #[test]
    fn interests_are_written_as_they_are_read_and_everything_else_is_refused() {
        let id = "kjzl6cwe1jw147dvq16zluojmraqvwdmbh61dx9e0c59i344lcrsgqfohexp60s";
        let good = [
            "all".to_owned(),
            format!("model:{id}"),
            format!("model:{id}@did:key:z6Mk"),
            "controller:did:pkh:eip155:1:0xab".to_owned(),
            format!("document:{id}"),
        ];
        for text in good {
            assert_eq!(text.parse::<Want>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "everything",
            "model:",
            "model:k@x",
            "controller:z6Mk",
            "document:x",
            "tile:x",
        ] {
            let error = text.parse::<Want>().unwrap_err();
            assert_eq!(error.code(), "interest-malformed", "{text}");
        }
    }
}
