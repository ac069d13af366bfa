//! What is wanted of one document, and the tips that were announced of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use ostrakon_protocol::document::Document;

use super::fetch::provide;
use super::{MAX_TIPS, MAX_TIPS_PER_PEER};

#[derive(Default)]
pub(super) struct Want {
    pub(super) held: Option<Arc<Document>>,
    pub(super) tips: VecDeque<Hint>,
    /// Questions since something changed: decides the pause.
    pub(super) asks: u32,
    /// When to ask again; nothing while nobody listens.
    pub(super) ask_at: Option<Duration>,
    /// Whether anyone offered a tip.
    pub(super) offered: bool,
    /// Whether a tip was announced that nobody had: those who answer with the one that is held may only be slower.
    pub(super) missed: bool,
    /// Whether only certain versions matter: nobody is asked for tips, and none is heard.
    pub(super) quiet: bool,
    /// Who is asked for the newest events.
    pub(super) asking: Option<PeerId>,
    /// Who was asked and does not keep the document.
    pub(super) strangers: Vec<PeerId>,
}

pub(super) struct Hint {
    pub(super) tip: Cid,
    pub(super) providers: Vec<PeerId>,
}

impl Want {
    pub(super) fn ask(&mut self, at: Duration) {
        self.ask_at = (!self.quiet).then_some(at);
    }

    /// The next tip to walk from. Who is asked for its newest events is about to send what it announced.
    pub(super) fn next_hint(&mut self) -> Option<Hint> {
        let sent =
            |hint: &Hint| self.asking.is_some() && hint.providers.first().copied() == self.asking;
        let place = self.tips.iter().position(|hint| !sent(hint))?;
        self.tips.remove(place)
    }

    pub(super) fn queue(&mut self, tip: Cid, peers: &[PeerId]) {
        let mut providers = Vec::new();
        provide(&mut providers, peers);
        let Some(first) = peers.first() else {
            // What the disk lost: bounded by what a record holds.
            return self.tips.push_front(Hint { tip, providers });
        };
        let theirs = |hint: &Hint| hint.providers.first() == Some(first);
        if self.tips.iter().filter(|hint| theirs(hint)).count() >= MAX_TIPS_PER_PEER {
            let oldest = self.tips.iter().position(theirs);
            oldest.and_then(|at| self.tips.remove(at));
        }
        if self.tips.len() < MAX_TIPS {
            self.tips.push_back(Hint { tip, providers });
        }
    }
}
