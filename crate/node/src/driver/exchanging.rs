//! Carries what Recon says to the exchange and the store, and back.

use std::collections::HashMap;

use ostrakon_protocol::car;
use ostrakon_protocol::offer;

use super::{Driver, Read};
use crate::documents::{CallId, Intent, Now};
use crate::error::NodeError;
use crate::exchange::Want;
use crate::network::recon::frame::MAX_VALUE_BYTES;
use crate::network::recon::{Event, Key, TalkId};
use crate::store::{Change, Record, Store, StoreError, Stored};

impl<S: Store> Driver<S> {
    pub(super) fn want(&mut self, wants: Vec<Want>) {
        if self.exchange.want(wants, self.network.recon()) {
            let store = self.store.clone();
            let read = async move { Read::Kept(store.records().await) };
            self.reads.push(Box::pin(read));
        }
    }

    pub(super) fn kept(&mut self, read: Result<Vec<Record>, StoreError>) {
        match read {
            Ok(records) => self.exchange.load(records),
            Err(error) => tracing::warn!(%error, "what is kept cannot be offered"),
        }
        self.load_next();
    }

    /// One document at a time, so that nobody waits for all of them.
    fn load_next(&mut self) {
        if self.loading {
            return;
        }
        let Some(stream) = self.exchange.next_load() else {
            return;
        };
        self.loading = true;
        let store = self.store.clone();
        let read = async move { Read::Loaded(store.document(&stream).await) };
        self.reads.push(Box::pin(read));
    }

    pub(super) fn loaded(&mut self, read: Result<Option<Stored>, StoreError>) {
        self.loading = false;
        match read {
            Ok(Some(stored)) => self.exchange.loaded(stored, self.network.recon()),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a document cannot be offered"),
        }
        self.load_next();
    }

    /// What is to be offered once it is written.
    pub(super) fn copy(&self, change: &Change) -> Change {
        match self.exchange.is_on() {
            true => change.clone(),
            false => Change::Many(Vec::new()),
        }
    }

    pub(super) fn offer(&mut self, change: Change, written: &Result<(), StoreError>) {
        if written.is_ok() {
            self.exchange.committed(change, self.network.recon());
            self.load_next();
        }
    }

    pub(super) fn digest_recon(&mut self, event: Event, now: Now) {
        match event {
            Event::Find(talk, keys) => self.find(talk, &keys),
            Event::Keep { talk, values, last } => {
                if let Err(why) = self.exchange.received(talk, values, last) {
                    tracing::debug!(peer = %talk.peer, why, "a peer sends what can never be valid");
                    self.exchange.over(&talk);
                    self.network.recon().refuse(talk);
                }
                self.receive(now);
            }
            Event::Over {
                talk,
                kind,
                outcome,
            } => {
                self.exchange.over(&talk);
                match outcome {
                    Ok((received, sent)) => {
                        tracing::debug!(peer = %talk.peer, ?kind, received, sent, "reconciled");
                    }
                    Err(why) => tracing::debug!(peer = %talk.peer, ?kind, why, "not reconciled"),
                }
            }
        }
    }

    fn find(&mut self, talk: TalkId, keys: &[Key]) {
        let places = self.exchange.places_of(keys);
        let store = self.store.clone();
        self.reads.push(Box::pin(async move {
            let mut found = Vec::new();
            for (stream, events) in places {
                let blocks = match store.document(&stream).await {
                    Ok(Some(stored)) => stored.verified().1,
                    Ok(None) => continue,
                    Err(error) => {
                        tracing::warn!(%stream, %error, "an event cannot be sent");
                        HashMap::new()
                    }
                };
                for (key, event) in events {
                    let Some(all) = offer::event_blocks(&event, &blocks) else {
                        continue;
                    };
                    let archive = car::write(&[event], &all);
                    if archive.len() <= MAX_VALUE_BYTES {
                        found.push((key, archive));
                    }
                }
            }
            Read::Found(talk, found)
        }));
    }

    /// Judges what came and can be judged, and lets conversations go on that need not wait.
    fn receive(&mut self, now: Now) {
        for tip in self.exchange.tips() {
            let events = (vec![tip.tip], tip.blocks);
            self.documents
                .submit(tip.call, tip.stream, events, Intent::Receive, now);
        }
        for talk in self.exchange.answers() {
            self.network.recon().kept(talk);
        }
    }

    /// A tip from a peer was judged.
    pub(super) fn received(&mut self, call: CallId, outcome: Result<(), NodeError>) {
        self.exchange.judged(call, &outcome, self.network.recon());
        self.receive(self.now());
    }
}
