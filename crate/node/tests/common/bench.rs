//! One node's machine without I/O, and a store that answers at once.
#![allow(dead_code)] // each test uses a part

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use ostrakon_node::NodeError;
use ostrakon_node::chains::Answers;
use ostrakon_node::documents::{CallId, Documents, Intent, Now, Output, Publication, Reply};
use ostrakon_node::network::chain_fetch::{AskId, Refusal, Want};
use ostrakon_node::store::{Memory, Record, Store};
use ostrakon_protocol::{Block, Cid, DocumentRef, StreamId};

use super::{Author, types};

pub const SECOND: Duration = Duration::from_secs(1);

/// The machine and a store that answers at once.
pub struct Bench {
    pub documents: Documents,
    pub disk: Memory,
    pub now: Duration,
    pub calls: CallId,
    pub unix_ms: u64,
}

/// What came out, besides what the store was told.
#[derive(Default)]
pub struct Outcome {
    pub replies: Vec<(CallId, Result<Reply, NodeError>)>,
    pub queries: Vec<StreamId>,
    pub gets: Vec<Cid>,
    pub cancelled: Vec<Cid>,
    /// Questions for whole chains.
    pub chains: Vec<(AskId, PeerId, Vec<Want>)>,
    /// Answers to read on, and those that nobody listens to any more.
    pub read_on: Vec<AskId>,
    pub hushed: Vec<AskId>,
    /// Peers that are not asked any more.
    pub refused: Vec<(PeerId, Refusal)>,
    pub responses: Vec<StreamId>,
    pub lookups: usize,
    pub shown: usize,
    pub ended: usize,
    pub updates: Vec<(StreamId, Cid)>,
    pub told: Vec<(Cid, Publication)>,
    /// Events that lost, and to what.
    pub lost: Vec<(Cid, Cid)>,
}

pub fn peer(n: u8) -> PeerId {
    Keypair::ed25519_from_bytes([n; 32])
        .unwrap()
        .public()
        .to_peer_id()
}

/// A CID that nobody has the block of.
pub fn nowhere(n: u32) -> Cid {
    *Block::dag_cbor([&[0x58, 4][..], &n.to_be_bytes()].concat())
        .unwrap()
        .cid()
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            documents: Documents::new(types(), Answers::default()),
            disk: Memory::default(),
            now: SECOND,
            calls: 0,
            unix_ms: 1_750_000_000_000,
        }
    }

    pub fn clock(&self) -> Now {
        Now {
            ticks: self.now,
            unix_ms: self.unix_ms,
        }
    }

    pub fn drain(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            self.obey(&mut outcome);
            if !self.documents.is_judging() {
                return outcome;
            }
            let now = self.clock();
            self.documents.judge(now);
        }
    }

    /// Does what is wanted; judging waits.
    pub fn obey(&mut self, outcome: &mut Outcome) {
        while let Some(output) = self.documents.poll() {
            let now = self.clock();
            match output {
                Output::Open(stream) => {
                    let read = self.disk.document(&stream).now_or_never().unwrap();
                    self.documents.opened(stream, read, now);
                }
                Output::LookUp(stream) => {
                    outcome.lookups += 1;
                    let read = self.disk.record(&stream).now_or_never().unwrap();
                    self.documents.looked_up(stream, read, now);
                }
                Output::List => {
                    let read = self.disk.records().now_or_never().unwrap();
                    self.documents.listed(read, now);
                }
                Output::Commit(stream, change) => {
                    let written = self.disk.commit(change).now_or_never().unwrap();
                    self.documents.committed(stream, written, now);
                }
                Output::CommitMany(call, change) => {
                    let written = self.disk.commit(change).now_or_never().unwrap();
                    self.documents.committed_many(call, written, now);
                }
                Output::Settle(change) => {
                    let written = self.disk.commit(change).now_or_never().unwrap();
                    self.documents.settled(written);
                }
                Output::Update(stream, tip) => outcome.updates.push((stream, tip)),
                Output::Publication {
                    tip, publication, ..
                } => outcome.told.push((tip, publication)),
                Output::Lost { event, tip, .. } => outcome.lost.push((event, tip)),
                Output::Reply(id, reply) => outcome.replies.push((id, reply)),
                Output::Query(stream) => outcome.queries.push(stream),
                Output::Get(cids, _) => outcome.gets.extend(cids),
                Output::Cancel(cid) => outcome.cancelled.push(cid),
                Output::Chain(ask, peer, wants) => outcome.chains.push((ask, peer, wants)),
                Output::GoOn(ask) => outcome.read_on.push(ask),
                Output::Hush(ask) => outcome.hushed.push(ask),
                Output::RefusedChain(peer, why) => outcome.refused.push((peer, why)),
                Output::Respond(stream, _) => outcome.responses.push(stream),
                Output::Show(..) => outcome.shown += 1,
                Output::End(_) => outcome.ended += 1,
                Output::Changed(_)
                | Output::Export(..)
                | Output::Offer(_)
                | Output::Unhear(..)
                | Output::Unknown(_)
                | Output::Ask(_) => {}
            }
        }
    }

    pub fn pass(&mut self, time: Duration) -> Outcome {
        self.now += time;
        let now = self.clock();
        self.documents.tick(now);
        self.drain()
    }

    pub fn id(&mut self) -> CallId {
        self.calls += 1;
        self.calls
    }

    pub fn load(&mut self, stream: StreamId) -> CallId {
        let (id, now, deadline) = (self.id(), self.clock(), self.now + SECOND * 3600);
        self.documents
            .load(id, &DocumentRef::Stream(stream), deadline, now);
        id
    }

    pub fn keep(&mut self, author: &Author) {
        self.submit(author, author.blocks.clone());
        let outcome = self.drain();
        assert!(matches!(outcome.replies[..], [(_, Ok(Reply::Done))]));
    }

    pub fn announce(&mut self, stream: StreamId, tip: Cid, from: u8) {
        let now = self.clock();
        self.documents.announced(stream, tip, &[peer(from)], now);
    }

    pub fn listen(&mut self, from: u8) -> Outcome {
        self.connect(from);
        self.drain()
    }

    pub fn connect(&mut self, from: u8) {
        let now = self.clock();
        self.documents.listens(peer(from), now);
    }

    /// Starts anew from what is on disk.
    pub fn restart(&mut self) {
        self.documents = Documents::new(types(), Answers::default());
        let outgoing = self.disk.outbox().now_or_never().unwrap();
        self.documents.resume(outgoing.unwrap());
    }

    /// A node that is connected to someone who has these blocks and answers at once.
    pub fn serve(&mut self, blocks: &BTreeMap<Cid, Block>) -> Outcome {
        let mut all = Outcome::default();
        loop {
            let outcome = self.drain();
            all.replies.extend(outcome.replies);
            all.queries.extend(outcome.queries);
            all.shown += outcome.shown;
            all.updates.extend(outcome.updates);
            all.told.extend(outcome.told);
            all.lost.extend(outcome.lost);
            all.gets.extend(&outcome.gets);
            if outcome.gets.is_empty() {
                return all;
            }
            for cid in outcome.gets {
                let now = self.clock();
                match blocks.get(&cid) {
                    Some(block) => self.documents.block(block, peer(1), now),
                    None => self.documents.missing(&cid, now),
                }
            }
        }
    }

    /// Lets time pass, with someone there who has these blocks.
    pub fn wait(&mut self, time: Duration, blocks: &BTreeMap<Cid, Block>) -> Outcome {
        let end = self.now + time;
        let mut all = Outcome::default();
        while self.now < end {
            let next = self
                .documents
                .deadline()
                .map_or(end, |at| at.clamp(self.now, end));
            let step = next.saturating_sub(self.now).max(Duration::from_millis(1));
            self.now += step;
            let now = self.clock();
            self.documents.tick(now);
            let outcome = self.serve(blocks);
            all.replies.extend(outcome.replies);
            all.gets.extend(outcome.gets);
        }
        all
    }

    pub fn record(&self, stream: &StreamId) -> Option<Record> {
        self.disk.record(stream).now_or_never().unwrap().unwrap()
    }

    pub fn submit(&mut self, author: &Author, blocks: BTreeMap<Cid, Block>) -> CallId {
        let (id, now) = (self.id(), self.clock());
        let blocks = Arc::new(blocks.into_iter().collect());
        self.documents.submit(
            id,
            author.stream,
            (vec![author.tip], blocks),
            Intent::Send,
            now,
        );
        id
    }

    pub fn forget(&mut self, stream: StreamId) -> Outcome {
        let (id, now) = (self.id(), self.clock());
        self.documents.forget(id, stream, true, now);
        self.drain()
    }
}
