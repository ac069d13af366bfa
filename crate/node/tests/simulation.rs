//! Several nodes' machines under one virtual clock, without I/O: messages and blocks are lost, doubled, reordered and
//! corrupted, stores refuse and lose, nodes crash and come back, and someone lies. Half of the documents name others,
//! which come late, in any order or never. Each seed is one history.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use ostrakon_node::View;
use ostrakon_node::answering::Answering;
use ostrakon_node::chains::Answers;
use ostrakon_node::documents::{
    CallId, Documents, Draft, Intent, MAX_OPEN, MAX_WAITING, Now, Output, Reply,
};
use ostrakon_node::network::chain_fetch::{AskId, End, Item, Part, Refusal, Want};
use ostrakon_node::store::{Change, Memory, Store, StoreError};
use ostrakon_protocol::World;
use ostrakon_protocol::anchor::Unasked;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::{Cid, CommitId, DocumentRef, StreamId, StreamType};

use common::{Author, forge, types};

const SEEDS: u64 = 200;
const NODES: usize = 4;
/// Documents that all nodes follow: tiles, then as many that name others.
const AUTHORS: usize = 4;
const TILES: usize = 2;
/// Tiles that nobody follows, and one node wrote.
const OTHERS: usize = 2;
/// How long everything goes wrong.
const STORM: Duration = Duration::from_secs(20);
/// How long it takes at most until all agree once nothing goes wrong any more: a few of the longest pauses.
const CALM: Duration = Duration::from_secs(1500);
/// Longer than it takes to read and judge what a disk has, for which no deadline is meant.
const DISK: Duration = Duration::from_millis(200);
/// More steps than any history takes: who gets here goes round in circles.
const MAX_STEPS: usize = 200_000;

#[test]
fn whatever_goes_wrong_nothing_false_is_shown_and_all_agree_in_the_end() {
    let one = std::env::var("SEED")
        .ok()
        .map(|seed| seed.parse().expect("SEED is a number"));
    let seeds = one.map_or(0..SEEDS, |seed| seed..seed + 1);
    let (mut waited, mut updated, mut created) = (0, 0, 0);
    let (mut parts, mut refusals) = (0, 0);
    for seed in seeds {
        // Shown only if it goes wrong.
        println!("SEED={seed}");
        let history = Simulation::new(seed).run();
        waited += u64::from(history.waited);
        updated += history.updated;
        created += history.created;
        parts += history.parts;
        refusals += history.refusals;
    }
    println!("something waited for another document in {waited} histories");
    println!("{updated} updates became the tip, {created} documents were made in batches");
    assert!(one.is_some() || waited > SEEDS / 2);
    println!("{parts} parts of whole chains came, {refusals} peers were not asked again");
    assert!(one.is_some() || (updated > 1000 && created > 500));
    assert!(one.is_some() || (parts > 1000 && refusals > 100));
}

/// Not random: the same for each seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn percent(&mut self, n: u64) -> bool {
        self.next() % 100 < n
    }

    fn millis(&mut self, range: std::ops::Range<usize>) -> Duration {
        Duration::from_millis((range.start + self.below(range.len())) as u64)
    }
}

fn peer(n: usize) -> PeerId {
    let key = Keypair::ed25519_from_bytes([n as u8; 32]).expect("32 bytes");
    key.public().to_peer_id()
}

#[derive(Clone)]
enum Speech {
    Update(StreamId, Cid),
    Query(StreamId),
    Response(StreamId, Cid),
}

enum Happening {
    Heard {
        from: usize,
        speech: Speech,
    },
    Opened(StreamId),
    LookedUp(StreamId),
    Listed,
    Committed(StreamId, Box<Change>),
    CommittedMany(CallId, Box<Change>),
    Settled(Box<Change>),
    /// Its turn to judge.
    Judge,
    /// A block's bytes as they come out of the wire, if they do.
    Bytes(Cid, Option<Vec<u8>>, usize),
    /// A part of an answer, as it comes out of the wire, and whether it is the last.
    Part(AskId, Result<Vec<Item>, Refusal>, bool),
}

struct SimNode {
    documents: Documents,
    disk: Memory,
    online: bool,
    /// Crashes so far; what belongs to an earlier life is void.
    life: u32,
    wanted: BTreeSet<Cid>,
    /// Whether its turn to judge will come.
    turn: bool,
    writing: BTreeSet<StreamId>,
    followed: BTreeMap<StreamId, CallId>,
    loads: BTreeMap<CallId, Duration>,
    /// Who answers its questions, in which life, and what is left of the answers.
    asks: BTreeMap<AskId, (usize, u32, Option<Answering>)>,
}

struct Simulation {
    chance: Chance,
    now: Duration,
    storm: bool,
    /// By time and order: which node, in which life, what.
    queue: BTreeMap<(Duration, u64), (usize, u32, Happening)>,
    order: u64,
    calls: CallId,
    nodes: Vec<SimNode>,
    authors: Vec<Author>,
    /// Those of documents that nobody follows.
    others: Vec<Author>,
    written: i128,
    /// Every event a controller signed.
    valid: HashSet<Cid>,
    /// Tips of submissions that were accepted, by document.
    accepted: BTreeMap<StreamId, Vec<Cid>>,
    submitted: BTreeMap<CallId, (StreamId, Cid)>,
    lies: BTreeMap<Cid, Block>,
    /// Whether nodes ask each other for whole chains.
    chains: bool,
    /// How many parts of answers came, and how many peers were not asked again.
    parts: u64,
    refusals: u64,
    /// Whether disks may lose something.
    lossy: bool,
    /// Whether one did.
    damaged: bool,
    /// Where something is being forgotten: only in one place at a time.
    forgetting: Option<(usize, CallId)>,
    peers: Vec<PeerId>,
    waited: bool,
    /// Documents made so far, whether or not they were kept.
    made: u64,
    drafted: Vec<(usize, Vec<StreamId>)>,
    /// How many of them were.
    created: usize,
    /// Updates that became the tip.
    updated: usize,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let others = (0..OTHERS).map(|n| Author::new(n as u8 + 100)).collect();
        let author = |n: usize| match n < TILES {
            true => Author::new(n as u8 + 1),
            false => Author::referring(n as u8 + 1, &[]),
        };
        let authors: Vec<Author> = (0..AUTHORS).map(author).collect();
        let node = || SimNode {
            documents: Documents::new(types(), Answers::default()),
            disk: Memory::default(),
            online: false,
            life: 0,
            wanted: BTreeSet::new(),
            turn: false,
            writing: BTreeSet::new(),
            followed: BTreeMap::new(),
            loads: BTreeMap::new(),
            asks: BTreeMap::new(),
        };
        Simulation {
            chance: Chance(seed),
            now: Duration::from_secs(1),
            storm: true,
            queue: BTreeMap::new(),
            order: 0,
            calls: 0,
            nodes: (0..NODES).map(|_| node()).collect(),
            valid: authors.iter().map(|author| author.tip).collect(),
            authors,
            others,
            written: 0,
            accepted: BTreeMap::new(),
            submitted: BTreeMap::new(),
            lies: BTreeMap::new(),
            chains: !seed.is_multiple_of(4),
            parts: 0,
            refusals: 0,
            lossy: seed.is_multiple_of(3),
            damaged: false,
            forgetting: None,
            peers: (0..=NODES).map(peer).collect(),
            waited: false,
            made: 0,
            drafted: Vec::new(),
            created: 0,
            updated: 0,
        }
    }

    /// To its end.
    fn run(mut self) -> Simulation {
        self.storm = false;
        for at in 0..AUTHORS {
            let home = self.chance.below(NODES);
            self.submit(home, at, self.authors[at].tip, Intent::Send);
        }
        for at in 0..OTHERS {
            self.valid.insert(self.others[at].tip);
            for n in 1..5 {
                self.others[at].write(n);
                self.valid.insert(self.others[at].tip);
            }
            let (home, id, now) = (self.chance.below(NODES), self.next_call(), self.clock());
            let author = &self.others[at];
            let blocks = Arc::new(author.blocks.clone().into_iter().collect());
            self.nodes[home].documents.submit(
                id,
                author.stream,
                (vec![author.tip], blocks),
                Intent::Send,
                now,
            );
            self.drain(home);
        }
        for node in 0..NODES {
            self.come_online(node);
            self.follow_all(node);
        }
        self.pass(self.now + Duration::from_secs(1));
        self.storm = true;
        let end = self.now + STORM;
        let mut next = self.now;
        while self.now < end {
            next += self.chance.millis(20..500);
            self.pass(next);
            self.mischief();
        }
        self.storm = false;
        // Whatever is being forgotten is gone after that.
        self.pass(self.now + Duration::from_secs(1));
        for node in 0..NODES {
            self.come_online(node);
            self.follow_all(node);
        }
        self.pass(self.now + CALM);
        self.agree();
        // What is on disk is what was shown.
        let before: Vec<_> = (0..NODES).map(|node| self.tips(node)).collect();
        for node in 0..NODES {
            self.crash(node);
            self.follow_all(node);
        }
        self.pass(self.now + CALM);
        self.agree();
        let after: Vec<_> = (0..NODES).map(|node| self.tips(node)).collect();
        // A disk that lost a part of a better branch may get it back.
        assert!(self.damaged || before == after);
        self
    }

    fn clock(&self) -> Now {
        Now {
            ticks: self.now,
            unix_ms: 1_750_000_000_000 + self.now.as_millis() as u64,
        }
    }

    fn tips(&self, node: usize) -> Vec<Option<Cid>> {
        let tip = |author: &Author| {
            self.nodes[node]
                .documents
                .view(&author.stream)
                .map(|view| *view.document.tip())
        };
        self.authors.iter().map(tip).collect()
    }

    fn agree(&self) {
        for (at, streams) in &self.drafted {
            let kept = |stream: &&StreamId| {
                let record = self.nodes[*at].disk.record(stream).now_or_never();
                record.expect("at once").expect("readable").is_some()
            };
            let kept = streams.iter().filter(kept).count();
            assert!(kept == 0 || kept == streams.len(), "all or none");
        }
        for node in &self.nodes {
            let on_disk = node.disk.outbox().now_or_never().expect("at once");
            let mut on_disk = on_disk.expect("readable");
            on_disk.sort_by_key(|outgoing| outgoing.stream);
            let waiting = node.documents.outbox();
            let pairs = waiting.iter().map(|one| (one.stream, one.tip));
            let same = on_disk.iter().map(|one| (one.stream, one.tip)).eq(pairs);
            assert!(same, "what waits is on disk");
            // What all follow, somebody has; the rest waits for someone who asks.
            let followed = |stream| self.authors.iter().any(|author| author.stream == stream);
            assert!(self.damaged || !waiting.iter().any(|one| followed(one.stream)));
        }
        let all: Vec<_> = (0..NODES).map(|node| self.tips(node)).collect();
        for node in &self.nodes {
            assert_eq!(
                node.documents.waiting_count(),
                (0, 0),
                "nothing waits for ever"
            );
        }
        for tips in &all {
            assert_eq!(tips, &all[0], "all hold the same");
            assert!(tips.iter().all(Option::is_some), "and hold something");
        }
        if self.damaged {
            return;
        }
        // No disk lost anything, so it is what one gets who hears of all that was accepted.
        let types = types();
        let world = World {
            types: &types,
            ..World::new(1_750_000_000, &Unasked)
        };
        let all_authors = self.authors.iter().chain(&self.others);
        let blocks: BTreeMap<Cid, Block> = all_authors
            .flat_map(|author| author.blocks.clone())
            .collect();
        for (author, tip) in self.authors.iter().zip(&all[0]) {
            let tips = &self.accepted[&author.stream];
            let (best, refused) = hear_all(&author.stream, tips, &blocks, &world).expect("valid");
            assert_eq!((Some(*best.tip()), refused.len()), (*tip, 0));
        }
    }

    /// Lets everything happen up to then.
    fn pass(&mut self, until: Duration) {
        for _ in 0..MAX_STEPS {
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let deadlines = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(n, node)| Some((node.documents.deadline()?, n)));
            let deadline = deadlines.min();
            match (queued, deadline) {
                (queued, Some((at, node)))
                    if at <= until && queued.is_none_or(|queued| at <= queued) =>
                {
                    self.now = self.now.max(at);
                    let now = self.clock();
                    self.nodes[node].documents.tick(now);
                    self.drain(node);
                }
                (Some(at), _) if at <= until => {
                    self.now = self.now.max(at);
                    let (_, (node, life, happening)) =
                        self.queue.pop_first().expect("there is one");
                    self.happen(node, life, happening);
                    self.drain(node);
                }
                _ => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("no end");
    }

    fn later(&mut self, node: usize, delay: Duration, happening: Happening) {
        self.order += 1;
        let life = self.nodes[node].life;
        self.queue
            .insert((self.now + delay, self.order), (node, life, happening));
    }

    fn happen(&mut self, at: usize, life: u32, happening: Happening) {
        let now = self.clock();
        let (storm, life_now) = (self.storm, self.nodes[at].life);
        if life != life_now {
            return;
        }
        let fails = storm && self.chance.percent(5);
        let node = &mut self.nodes[at];
        match happening {
            Happening::Heard { from, speech } => {
                if !node.online {
                    return;
                }
                let from = [self.peers[from]];
                match speech {
                    Speech::Update(stream, tip) => {
                        node.documents.announced(stream, tip, &from, now)
                    }
                    Speech::Query(stream) => node.documents.asked(stream, now),
                    Speech::Response(stream, tip) => {
                        node.documents.answered(stream, tip, &from, now)
                    }
                }
            }
            Happening::Opened(stream) => {
                let read = node.disk.document(&stream).now_or_never().expect("at once");
                node.documents.opened(stream, read, now);
            }
            Happening::LookedUp(stream) => {
                let read = node.disk.record(&stream).now_or_never().expect("at once");
                node.documents.looked_up(stream, read, now);
            }
            Happening::Listed => {
                let read = node.disk.records().now_or_never().expect("at once");
                node.documents.listed(read, now);
            }
            Happening::Committed(stream, change) => {
                node.writing.remove(&stream);
                let written = match fails {
                    true => Err(StoreError::Full("for now".to_owned())),
                    false => node.disk.commit(*change).now_or_never().expect("at once"),
                };
                node.documents.committed(stream, written, now);
            }
            Happening::CommittedMany(call, change) => {
                let written = match fails {
                    true => Err(StoreError::Full("for now".to_owned())),
                    false => node.disk.commit(*change).now_or_never().expect("at once"),
                };
                node.documents.committed_many(call, written, now);
            }
            Happening::Settled(change) => {
                let written = match fails {
                    true => Err(StoreError::Full("for now".to_owned())),
                    false => node.disk.commit(*change).now_or_never().expect("at once"),
                };
                node.documents.settled(written);
            }
            Happening::Judge => {
                node.turn = false;
                node.documents.judge(now);
            }
            Happening::Part(ask, part, last) => {
                if !node.asks.contains_key(&ask) {
                    return;
                }
                let refusal = match part {
                    Ok(items) => {
                        self.parts += 1;
                        node.documents.chain_part(ask, items, now);
                        None
                    }
                    Err(refusal) => Some(refusal),
                };
                if refusal.is_some() || last {
                    node.asks.remove(&ask);
                    node.documents.chain_ended(ask, refusal, now);
                }
            }
            Happening::Bytes(cid, bytes, from) => {
                if !node.wanted.remove(&cid) {
                    return;
                }
                match bytes.map(|bytes| Block::verify(cid, bytes)) {
                    Some(Ok(block)) => node.documents.block(&block, self.peers[from], now),
                    _ => node.documents.missing(&cid, now),
                }
            }
        }
    }

    /// Does what a node wants done.
    fn drain(&mut self, at: usize) {
        while let Some(output) = self.nodes[at].documents.poll() {
            assert!(self.nodes[at].documents.open_count() <= MAX_OPEN);
            let (waiting, _) = self.nodes[at].documents.waiting_count();
            assert!(waiting <= MAX_WAITING);
            self.waited |= waiting > 0;
            let soon = self.chance.millis(1..30);
            match output {
                Output::Reply(id, reply) => self.replied(at, id, reply),
                Output::Show(_, view) => self.check(at, &view),
                Output::Changed(view) => self.check(at, &view),
                Output::End(id) => self.nodes[at]
                    .followed
                    .retain(|_, follower| *follower != id),
                Output::Export(..)
                | Output::Offer(_)
                | Output::Unhear(..)
                | Output::Unknown(_)
                | Output::Ask(_)
                | Output::Publication { .. }
                | Output::Lost { .. } => {}
                Output::CommitMany(call, change) => {
                    self.later(at, soon, Happening::CommittedMany(call, Box::new(change)));
                }
                Output::Settle(change) => {
                    self.later(at, soon, Happening::Settled(Box::new(change)));
                }
                Output::Open(stream) => self.later(at, soon, Happening::Opened(stream)),
                Output::LookUp(stream) => self.later(at, soon, Happening::LookedUp(stream)),
                Output::List => self.later(at, soon, Happening::Listed),
                Output::Commit(stream, change) => {
                    assert!(
                        self.nodes[at].writing.insert(stream),
                        "one write of a document at a time"
                    );
                    self.later(at, soon, Happening::Committed(stream, Box::new(change)));
                }
                Output::Respond(stream, tip) => self.say(at, Speech::Response(stream, tip)),
                Output::Update(stream, tip) => self.say(at, Speech::Update(stream, tip)),
                Output::Query(stream) => {
                    if self.storm && self.chance.percent(5) {
                        let now = self.clock();
                        self.nodes[at].documents.not_asked(&stream, now);
                    } else {
                        self.say(at, Speech::Query(stream));
                    }
                }
                Output::Get(cids, _) => cids.into_iter().for_each(|cid| self.fetch(at, cid)),
                Output::Chain(ask, peer, wants) => self.ask(at, ask, peer, wants),
                Output::GoOn(ask) => self.next_part(at, ask),
                Output::Hush(ask) => {
                    self.nodes[at].asks.remove(&ask);
                }
                Output::RefusedChain(..) => self.refusals += 1,
                Output::Cancel(cid) => {
                    assert!(
                        self.nodes[at].wanted.remove(&cid),
                        "only what was asked for is cancelled"
                    );
                }
            }
        }
        let node = &mut self.nodes[at];
        if node.documents.is_judging() && !std::mem::replace(&mut node.turn, true) {
            let soon = self.chance.millis(0..5);
            self.later(at, soon, Happening::Judge);
        }
    }

    fn say(&mut self, from: usize, speech: Speech) {
        if !self.nodes.get(from).is_none_or(|node| node.online) {
            return;
        }
        for to in (0..NODES).filter(|to| *to != from) {
            let copies = match self.storm {
                true if self.chance.percent(20) => 0,
                true if self.chance.percent(20) => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let delay = self.chance.millis(1..300);
                self.later(
                    to,
                    delay,
                    Happening::Heard {
                        from,
                        speech: speech.clone(),
                    },
                );
            }
        }
    }

    fn fetch(&mut self, at: usize, cid: Cid) {
        assert!(
            self.nodes[at].wanted.insert(cid),
            "what is being fetched is not asked for again"
        );
        let holders = (0..NODES).filter(|node| self.nodes[*node].online && self.nodes[at].online);
        let found =
            holders.filter_map(
                |node| match self.nodes[node].disk.block(&cid).now_or_never() {
                    Some(Ok(Some(block))) => Some((node, block)),
                    _ => None,
                },
            );
        let found = found
            .chain(self.lies.get(&cid).map(|block| (NODES, block.clone())))
            .next();
        let lost = self.storm && self.chance.percent(10);
        let (delay, bytes, from) = match found {
            Some((from, block)) if !lost => {
                if let Some(holder) = self.nodes.get_mut(from) {
                    holder.documents.served(&cid, self.peers[at]);
                    self.drain(from);
                }
                let mut bytes = block.bytes().to_vec();
                if self.storm && self.chance.percent(5) {
                    let at = self.chance.below(bytes.len());
                    bytes[at] ^= 1 << self.chance.below(8);
                }
                (self.chance.millis(1..100), Some(bytes), from)
            }
            Some(_) => (Duration::from_secs(5), None, 0),
            None => (self.chance.millis(1..200), None, 0),
        };
        self.later(at, delay, Happening::Bytes(cid, bytes, from));
    }

    /// A question for whole chains.
    fn ask(&mut self, at: usize, ask: AskId, peer: PeerId, wants: Vec<Want>) {
        let to = self.peers.iter().position(|known| *known == peer);
        let to = to.expect("a peer");
        let answering = match self.nodes.get(to) {
            Some(_) => Some(Answering::new(wants)),
            None => {
                self.answer_lies(at, ask, &wants);
                None
            }
        };
        let life = self.nodes.get(to).map_or(0, |node| node.life);
        self.nodes[at].asks.insert(ask, (to, life, answering));
        self.next_part(at, ask);
    }

    /// The next part of an answer, or why there is none.
    fn next_part(&mut self, at: usize, ask: AskId) {
        let Some((to, life, answering)) = self.nodes[at].asks.get_mut(&ask) else {
            return;
        };
        let (to, life) = (*to, *life);
        // A liar says all at once.
        let Some(answering) = answering.take() else {
            return;
        };
        let there = &self.nodes[to];
        if there.life != life || !there.online || !self.nodes[at].online {
            let why = self.chance.percent(50);
            let refusal = if why { Refusal::Cut } else { Refusal::Unspoken };
            let delay = self.chance.millis(1..100);
            return self.later(at, delay, Happening::Part(ask, Err(refusal), true));
        }
        if self.storm && self.chance.percent(5) {
            let silence = Duration::from_secs(5);
            return self.later(
                at,
                silence,
                Happening::Part(ask, Err(Refusal::Silent), true),
            );
        }
        let answered = answering.read(&there.disk).now_or_never().expect("at once");
        for tip in answered.tips {
            self.nodes[to].documents.served(&tip, self.peers[at]);
        }
        self.drain(to);
        let mut bytes = answered.part.into_bytes();
        if self.storm && self.chance.percent(5) && !bytes.is_empty() {
            let place = self.chance.below(bytes.len());
            bytes[place] ^= 1 << self.chance.below(8);
        }
        let delay = self.chance.millis(1..100);
        match Part::decode(&bytes) {
            Ok(mut items) => {
                // In pieces, of which only the first ones may come.
                let cut = self.storm && self.chance.percent(15);
                if cut {
                    items.truncate(self.chance.below(items.len() + 1));
                }
                let last = answered.last && !cut;
                if let Some((_, _, rest)) = self.nodes[at].asks.get_mut(&ask) {
                    *rest = (!last && !cut).then_some(answered.rest);
                }
                self.later(at, delay, Happening::Part(ask, Ok(items), last));
                if cut {
                    let delay = delay + self.chance.millis(1..10);
                    self.later(at, delay, Happening::Part(ask, Err(Refusal::Cut), true));
                }
            }
            Err(refusal) => self.later(at, delay, Happening::Part(ask, Err(refusal), true)),
        }
    }

    /// What someone answers who has nothing.
    fn answer_lies(&mut self, at: usize, ask: AskId, wants: &[Want]) {
        let mut items = Vec::new();
        for (index, want) in wants.iter().enumerate() {
            let lies: Vec<&Block> = self.lies.values().collect();
            let tip = match lies.len() {
                0 => *want.stream.init(),
                some => *lies[self.chance.below(some)].cid(),
            };
            let tip = want.tip.filter(|_| self.chance.percent(80)).unwrap_or(tip);
            if self.chance.percent(80) {
                items.push(Item::Begin { index, tip });
                items.extend(lies.into_iter().cloned().map(Item::Block));
            }
            let end = match self.chance.below(5) {
                0 => End::Whole,
                1 => End::Known,
                2 => End::Unknown,
                3 => End::NoTip,
                _ => End::Broken,
            };
            items.push(Item::End { index, end });
        }
        let delay = self.chance.millis(1..100);
        self.later(at, delay, Happening::Part(ask, Ok(items), true));
    }

    fn replied(&mut self, at: usize, id: CallId, reply: Result<Reply, ostrakon_node::NodeError>) {
        if let Some(deadline) = self.nodes[at].loads.remove(&id) {
            assert!(self.now <= deadline + DISK, "in time");
        }
        let submitted = self.submitted.remove(&id);
        self.forgetting = self.forgetting.filter(|(_, call)| *call != id);
        match reply {
            Ok(Reply::View(view)) => {
                self.check(at, &view);
                if let Some((stream, tip)) = submitted {
                    assert_eq!(view.document.tip(), &tip, "what was written is the tip");
                    self.updated += 1;
                    self.accepted.entry(stream).or_default().push(tip);
                }
            }
            Ok(Reply::Views(views)) => {
                self.created += views.len();
                for view in &views {
                    self.check(at, view);
                }
            }
            Ok(Reply::Done) => {
                if let Some((stream, tip)) = submitted {
                    self.accepted.entry(stream).or_default().push(tip);
                }
            }
            Err(error) => assert!(
                [
                    "store-full",
                    "offline",
                    "not-found",
                    "unavailable",
                    "commit-not-found",
                    "forgotten",
                    "incomplete",
                    "needs-document",
                    "busy",
                    "stale",
                    "write-lost",
                    "not-kept"
                ]
                .contains(&error.code()),
                "{error}"
            ),
        }
    }

    /// Whatever is shown was signed by its controller, and is on disk.
    fn check(&self, at: usize, view: &Arc<View>) {
        let document = &view.document;
        assert!(
            document
                .log()
                .iter()
                .all(|entry| self.valid.contains(&entry.cid))
        );
        let record = self.nodes[at]
            .disk
            .record(document.stream())
            .now_or_never()
            .expect("at once")
            .expect("readable");
        let record = record.expect("kept before it is shown");
        for need in &record.needs {
            let kept = self.nodes[at].disk.record(need).now_or_never();
            let kept = kept.expect("at once").expect("readable");
            assert!(
                self.damaged || kept.is_some(),
                "what it needs is kept as well"
            );
        }
        assert!(self.damaged || record.tips.contains(document.tip()));
    }

    fn mischief(&mut self) {
        let at = self.chance.below(NODES);
        let author = self.chance.below(AUTHORS);
        let stream = self.authors[author].stream;
        match self.chance.below(13) {
            0..3 => self.write(at, author),
            12 => self.create(at),
            3 => self.crash(at),
            4 => self.nodes[at].online = false,
            5 => self.come_online(at),
            6 => self.load(at, stream),
            7 if self.lossy => self.forget(at, stream),
            8 if self.lossy => self.damage(at, author),
            _ => self.lie(at, author),
        }
        if self.chance.percent(30) {
            self.come_online(at);
            self.follow_all(at);
        }
        self.drain(at);
    }

    /// The controller uses a node to write after what it shows.
    fn write(&mut self, at: usize, author: usize) {
        let stream = self.authors[author].stream;
        let Some(view) = self.nodes[at].documents.view(&stream) else {
            return;
        };
        self.written += 1;
        let prev = *view.document.tip();
        let blocks = match author >= TILES && self.chance.percent(50) {
            true => {
                let needs = self.name_others();
                self.authors[author].refer_after(prev, &needs)
            }
            false => self.authors[author].write_after(prev, self.written),
        };
        let tip = *blocks.last().expect("an event").cid();
        self.valid.insert(tip);
        // Some come too late: the document moves on before their turn.
        match self.chance.percent(70) {
            true => self.submit(at, author, tip, Intent::After(prev)),
            false => self.submit(at, author, tip, Intent::Send),
        }
    }

    /// Makes documents that nobody follows, all in one transaction.
    fn create(&mut self, at: usize) {
        let count = 1 + self.chance.below(5);
        let drafts = (0..count).map(|_| {
            self.made += 1;
            let author = Author::unique(50, self.made);
            self.valid.insert(author.tip);
            Draft {
                stream: author.stream,
                blocks: author.blocks.values().cloned().collect(),
            }
        });
        let drafts: Vec<Draft> = drafts.collect();
        let streams = drafts.iter().map(|draft| draft.stream).collect();
        self.drafted.push((at, streams));
        let (id, now) = (self.next_call(), self.clock());
        self.nodes[at].documents.create_many(id, drafts, now);
    }

    /// Other documents, as they are or were at some event.
    fn name_others(&mut self) -> Vec<DocumentRef> {
        let count = 1 + self.chance.below(2);
        let mut named = Vec::new();
        for _ in 0..count {
            let tiles = self.authors[..TILES].iter().chain(&self.others);
            let at = self.chance.below(TILES + OTHERS);
            let author = tiles.clone().nth(at).expect("there is one");
            let (stream, init) = (author.stream, *author.stream.init());
            // What a disk lost cannot be had again, so then only what all hold is named.
            let events = author.blocks.keys().filter(|cid| self.valid.contains(cid));
            let events: Vec<Cid> = match self.lossy {
                true => vec![init],
                false => events.copied().chain([init, author.tip]).collect(),
            };
            let commit = events[self.chance.below(events.len())];
            named.push(DocumentRef::Commit(CommitId::new(stream, commit)));
        }
        named
    }

    fn submit(&mut self, at: usize, author: usize, tip: Cid, intent: Intent) {
        let id = self.next_call();
        let author = &self.authors[author];
        self.submitted.insert(id, (author.stream, tip));
        let blocks = Arc::new(author.blocks.clone().into_iter().collect());
        let (stream, now) = (author.stream, self.clock());
        self.nodes[at]
            .documents
            .submit(id, stream, (vec![tip], blocks), intent, now);
        self.drain(at);
    }

    fn load(&mut self, at: usize, stream: StreamId) {
        let id = self.next_call();
        let (now, deadline) = (self.clock(), self.now + self.chance.millis(1..5000));
        self.nodes[at].loads.insert(id, deadline);
        self.nodes[at]
            .documents
            .load(id, &DocumentRef::Stream(stream), deadline, now);
        if self.chance.percent(20) {
            self.nodes[at].loads.remove(&id);
            self.nodes[at].documents.cancel(id, now);
        }
    }

    fn forget(&mut self, at: usize, stream: StreamId) {
        // Not where the only copy may be: what everyone has lost, nobody can bring back.
        let whole = |node: usize| {
            let read = self.nodes[node].disk.document(&stream).now_or_never();
            let (record, _, damaged) = read.expect("at once").expect("readable")?.verified();
            (damaged == 0).then_some(*record.tip())
        };
        let tip = whole(at);
        let elsewhere = (0..NODES).any(|node| node != at && whole(node) == tip);
        if tip.is_none() || !elsewhere || self.forgetting.is_some() {
            return;
        }
        // What was accepted here may be gone with it, unless it won elsewhere.
        self.damaged = true;
        let (id, now) = (self.next_call(), self.clock());
        self.forgetting = Some((at, id));
        self.nodes[at].followed.remove(&stream);
        self.nodes[at].documents.forget(id, stream, true, now);
    }

    fn damage(&mut self, at: usize, author: usize) {
        let nth = self.chance.below(self.authors[author].blocks.len());
        let cid = *self.authors[author]
            .blocks
            .keys()
            .nth(nth)
            .expect("there is one");
        let holds = |node: usize| {
            matches!(
                self.nodes[node].disk.block(&cid).now_or_never(),
                Some(Ok(Some(_)))
            )
        };
        let elsewhere = (0..NODES).any(|node| node != at && holds(node));
        if holds(at) && elsewhere && self.forgetting.is_none() {
            self.damaged = true;
            self.nodes[at].disk.damage(&cid);
            self.crash(at);
        }
    }

    fn lie(&mut self, at: usize, author: usize) {
        let (stream, now) = (self.authors[author].stream, self.clock());
        let known: Vec<Cid> = self
            .valid
            .iter()
            .chain(self.lies.keys())
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let prev = known[self.chance.below(known.len())];
        if author >= TILES && self.chance.percent(40) {
            return self.name_nothing(author);
        }
        let lie = forge(&stream, prev, self.chance.next() as i128);
        let tip = match self.chance.below(4) {
            0 => *Author::new(self.chance.below(200) as u8).stream.init(),
            1 => *lie[0].cid(),
            2 => self.authors[(author + 1) % AUTHORS]
                .stream
                .init()
                .to_owned(),
            _ => {
                self.lies
                    .extend(lie.iter().map(|block| (*block.cid(), block.clone())));
                *lie[1].cid()
            }
        };
        match self.chance.below(5) {
            // A block nobody asked for, and bad news nobody asked for.
            0 if !self.nodes[at].wanted.contains(lie[1].cid()) => {
                self.nodes[at]
                    .documents
                    .block(&lie[1], self.peers[NODES], now);
            }
            1 if !self.nodes[at].wanted.contains(&tip) => {
                self.nodes[at].documents.missing(&tip, now)
            }
            2 => self.say(NODES, Speech::Response(stream, tip)),
            3 => self.nodes[at].documents.asked(stream, now),
            _ => self.say(NODES, Speech::Update(stream, tip)),
        }
    }

    /// A controller names what does not exist, after an event of its own.
    fn name_nothing(&mut self, author: usize) {
        let own = self.authors[author].blocks.keys();
        let own: Vec<Cid> = own
            .filter(|cid| self.valid.contains(cid))
            .copied()
            .collect();
        let prev = own[self.chance.below(own.len())];
        let nowhere = *forge(
            &self.authors[author].stream,
            prev,
            self.chance.next() as i128,
        )[1]
        .cid();
        let nothing = CommitId::new(StreamId::new(StreamType::TILE, nowhere), nowhere);
        let blocks = self.authors[author].refer_after(prev, &[DocumentRef::Commit(nothing)]);
        let tip = *blocks.last().expect("an event").cid();
        self.lies
            .extend(blocks.into_iter().map(|block| (*block.cid(), block)));
        let stream = self.authors[author].stream;
        self.say(NODES, Speech::Update(stream, tip));
    }

    fn crash(&mut self, at: usize) {
        self.forgetting = self.forgetting.filter(|(node, _)| *node != at);
        self.end_writes(at);
        let node = &mut self.nodes[at];
        node.documents = Documents::new(types(), Answers::default());
        let outgoing = node.disk.outbox().now_or_never().expect("at once");
        node.documents.resume(outgoing.expect("readable"));
        node.life += 1;
        node.wanted.clear();
        node.turn = false;
        node.writing.clear();
        node.followed.clear();
        node.loads.clear();
        node.asks.clear();
        node.online = false;
        self.come_online(at);
        self.drain(at);
    }

    /// A write that was under way in a crash is whole or absent, and is so before anyone reads again.
    fn end_writes(&mut self, at: usize) {
        let node = &self.nodes[at];
        for (of, life, happening) in self.queue.values() {
            let (Happening::Committed(_, change)
            | Happening::CommittedMany(_, change)
            | Happening::Settled(change)) = happening
            else {
                continue;
            };
            if (*of, *life) == (at, node.life) && self.chance.percent(50) {
                let change = Change::clone(change);
                let written = node.disk.commit(change).now_or_never();
                written.expect("at once").expect("kept");
            }
        }
    }

    fn come_online(&mut self, at: usize) {
        let now = self.clock();
        self.nodes[at].online = true;
        self.nodes[at].documents.set_online(true);
        for other in (0..NODES).filter(|other| *other != at) {
            if self.nodes[other].online {
                let (here, there) = (self.peers[at], self.peers[other]);
                self.nodes[at].documents.listens(there, now);
                self.nodes[other].documents.listens(here, now);
                // One of them knows bitswap only.
                if self.chains && at != 0 {
                    self.nodes[other].documents.answers_chains(here, now);
                }
                if self.chains && other != 0 {
                    self.nodes[at].documents.answers_chains(there, now);
                }
                self.drain(other);
            }
        }
        if self.chains && self.storm {
            let liar = self.peers[NODES];
            self.nodes[at].documents.answers_chains(liar, now);
        }
        self.drain(at);
    }

    fn follow_all(&mut self, at: usize) {
        let now = self.clock();
        for stream in self
            .authors
            .iter()
            .map(|author| author.stream)
            .collect::<Vec<_>>()
        {
            if !self.nodes[at].followed.contains_key(&stream) {
                let id = self.next_call();
                self.nodes[at].followed.insert(stream, id);
                self.nodes[at].documents.follow(id, stream, now);
            }
        }
        self.drain(at);
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        self.calls
    }
}
