//! What happens on the network, and what follows from it.

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;

use super::open::{Doing, Job};
use super::{Documents, MAX_HINTS, MAX_JOBS, Now, Output};
use crate::network::chain_fetch::{AskId, Item, Refusal};
use crate::sync;

/// What happens on the network.
impl Documents {
    /// Whether anyone is connected.
    pub fn set_online(&mut self, online: bool) {
        self.online = online;
    }

    /// A peer reads the topic from now on.
    pub fn listens(&mut self, peer: PeerId, now: Now) {
        self.sync.listens(peer, now.ticks);
        self.needs.hurry(now.ticks);
        self.publish_anew(now);
        self.start_round(now);
        self.tick(now);
    }

    /// A peer is gone.
    pub fn leaves(&mut self, peer: &PeerId) {
        self.sync.leaves(peer);
    }

    /// Someone announced a tip; who likely has its blocks comes first in `providers`.
    pub fn announced(&mut self, stream: StreamId, tip: Cid, providers: &[PeerId], now: Now) {
        self.named_by(&tip, providers);
        match self.open.get_mut(&stream) {
            Some(open) if matches!(open.doing, Doing::Opening) => {
                if open.hints.len() < MAX_HINTS {
                    open.hints.push((tip, providers.to_vec()));
                }
            }
            Some(_) => {
                self.sync.hear(&stream, tip, providers, now.ticks);
                if !self.sync.is_busy(&stream) {
                    self.hears(&stream);
                }
            }
            None => self.look_up(stream, Some((tip, providers.to_vec()))),
        }
        self.pump(now);
    }

    /// Someone answered a question; nobody's answer if it was not asked.
    pub fn answered(&mut self, stream: StreamId, tip: Cid, providers: &[PeerId], now: Now) {
        self.named_by(&tip, providers);
        if self.sync.was_asked(&stream, now.ticks) {
            self.announced(stream, tip, providers, now);
        }
    }

    /// Someone asks who holds a document.
    pub fn asked(&mut self, stream: StreamId, now: Now) {
        self.strangers.ask(stream, now.ticks);
        self.answer_strangers(now);
    }

    /// A question could not be published.
    pub fn not_asked(&mut self, stream: &StreamId, now: Now) {
        self.sync.not_asked(stream, now.ticks);
    }

    /// A block arrived that was asked for.
    pub fn block(&mut self, block: &Block, from: PeerId, now: Now) {
        self.sync.block(block, from, now.ticks);
        self.pump(now);
    }

    /// Nobody has this block.
    pub fn missing(&mut self, cid: &Cid, now: Now) {
        self.sync.missing(cid, now.ticks);
        self.pump(now);
    }

    /// A peer answers questions for whole chains.
    pub fn answers_chains(&mut self, peer: PeerId, now: Now) {
        self.sync.speaks(peer, now.ticks);
        self.pump(now);
    }

    /// Whether this event of a document is about to be kept here.
    pub fn expects(&self, stream: &StreamId, event: &Cid) -> bool {
        let open = self.open.get(stream);
        let hinted = open.is_some_and(|open| open.hints.iter().any(|(tip, _)| tip == event));
        hinted || self.sync.expects(stream, event)
    }

    /// A part of what answers an [`Output::Chain`].
    pub fn chain_part(&mut self, ask: AskId, items: Vec<Item>, now: Now) {
        self.sync.chain_part(ask, items, now.ticks);
        self.pump(now);
    }

    /// What answers an [`Output::Chain`] is over.
    pub fn chain_ended(&mut self, ask: AskId, refusal: Option<Refusal>, now: Now) {
        self.sync.chain_ended(ask, refusal, now.ticks);
        self.pump(now);
    }

    pub(super) fn pass_on(&mut self, output: sync::Output, now: Now) {
        match output {
            sync::Output::Query(stream) => self.outputs.push_back(Output::Query(stream)),
            sync::Output::Get { cids, providers } => {
                self.outputs.push_back(Output::Get(cids, providers))
            }
            sync::Output::Cancel(cid) => self.outputs.push_back(Output::Cancel(cid)),
            sync::Output::Chain { ask, peer, wants } => {
                self.outputs.push_back(Output::Chain(ask, peer, wants));
            }
            sync::Output::GoOn(ask) => self.outputs.push_back(Output::GoOn(ask)),
            sync::Output::Hush(ask) => self.outputs.push_back(Output::Hush(ask)),
            sync::Output::Refused { peer, refusal } => {
                self.outputs.push_back(Output::RefusedChain(peer, refusal));
            }
            sync::Output::Arrived(arrived) => {
                let stream = arrived.stream;
                match self.open.get_mut(&stream) {
                    Some(open) if open.jobs.len() < MAX_JOBS => {
                        open.jobs.push_back(Job::Arrived(arrived, 0))
                    }
                    _ => self
                        .sync
                        .judged(&stream, &arrived.tip, sync::Verdict::Later, now.ticks),
                }
                self.run(stream, now);
            }
            sync::Output::Failed {
                stream,
                tip,
                failure,
            } => self.tip_failed(stream, tip, failure, now),
        }
    }
}
