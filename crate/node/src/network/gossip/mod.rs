//! The topic `/ceramic/<network>`: how gossipsub is set up, how fast this node asks, and which tips it heard already.
//!
//! What a stranger can do: sign and send anything. Gossipsub checks the signature ([`ValidationMode::Strict`]) and holds
//! every message back until this node has parsed it, so garbage is not passed on, and each piece costs the neighbour
//! that sent it [`GARBAGE_WEIGHT`] times the square of how many it sent lately, until it is ignored altogether.
//! So does flooding beyond [`MESSAGES_PER_SECOND`]. Subscriptions to topics other than ours are not kept. Repeats are dropped by message id for [`REMEMBERED`], and by
//! content through [`RecentTips`].

mod message;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, MessageAuthenticity, PeerScoreParams,
    PeerScoreThresholds, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;
use web_time::Instant;

use super::NetworkError;

pub use self::message::{
    MAX_ID_BYTES, MAX_MESSAGE_BYTES, MAX_TIPS, Message, MessageError, query_id,
};

/// Largest gossipsub frame, several messages together, in bytes: what go-libp2p takes.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// How long a message id is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(120);
/// Queries sent per second at most (as js-ceramic).
pub const QUERIES_PER_SECOND: usize = 10;
/// Queries that wait for their turn; beyond it they are refused (as js-ceramic).
pub const QUERY_QUEUE: usize = 10 * QUERIES_PER_SECOND;
/// Messages one neighbour may pass on per second; more counts as garbage. The busiest network there was had a tenth.
pub const MESSAGES_PER_SECOND: u32 = 500;
/// Announced tips that are remembered to drop repeats (as js-ceramic).
pub const TIPS_REMEMBERED: usize = 500;
/// Score per squared piece of garbage: nine within a few seconds and the neighbour is ignored for a while.
pub const GARBAGE_WEIGHT: f64 = -1.0;
/// How fast garbage is forgiven, as the part that is left after each second.
const GARBAGE_DECAY: f64 = 0.97;

/// Gossipsub, deaf to other topics.
pub(super) type Gossipsub = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// The topic of a network (as js-ceramic names its topics).
pub(super) fn topic(network: &str) -> IdentTopic {
    IdentTopic::new(format!("/ceramic/{network}"))
}

pub(super) fn behaviour(keypair: &Keypair, topic: &IdentTopic) -> Result<Gossipsub, NetworkError> {
    let start = |what: String| NetworkError::Start(what);
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(MAX_FRAME_BYTES)
        .duplicate_cache_time(REMEMBERED)
        // To every neighbour that listens, at once: a tab that has just come up is in nobody's mesh yet, and a
        // hidden tab's heartbeat is slow.
        .flood_publish(true)
        .build()
        .map_err(|error| start(error.to_string()))?;
    let filter = WhitelistSubscriptionFilter(HashSet::from([topic.hash()]));
    let signed = MessageAuthenticity::Signed(keypair.clone());
    let mut gossip = Gossipsub::new_with_subscription_filter(signed, config, filter)
        .map_err(|e| start(e.to_owned()))?;
    gossip
        .with_peer_score(score(topic), thresholds())
        .map_err(start)?;
    gossip
        .subscribe(topic)
        .map_err(|error| start(error.to_string()))?;
    Ok(gossip)
}

/// Only garbage costs. Rewards for being quick or long in the mesh would let a neighbour buy the right to send some.
fn score(topic: &IdentTopic) -> PeerScoreParams {
    let topic_score = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: GARBAGE_WEIGHT,
        invalid_message_deliveries_decay: GARBAGE_DECAY,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic.hash(), topic_score)]),
        app_specific_weight: 0.0,
        // Many tabs share the address of one household, office or devnet.
        ip_colocation_factor_weight: 0.0,
        retain_score: Duration::from_secs(600),
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -10.0,
        publish_threshold: -40.0,
        graylist_threshold: -80.0,
        ..Default::default()
    }
}

/// Lets [`QUERIES_PER_SECOND`] queries through and keeps the next [`QUERY_QUEUE`].
#[derive(Debug)]
pub(super) struct Pace {
    sent: VecDeque<Instant>,
    queue: VecDeque<Vec<u8>>,
    now: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace {
            sent: VecDeque::new(),
            queue: VecDeque::new(),
            now,
        }
    }

    /// Takes a query in; false if the queue is full. One that waits already is not asked twice.
    pub(super) fn push(&mut self, bytes: Vec<u8>) -> bool {
        if self.queue.contains(&bytes) {
            return true;
        }
        if self.queue.len() >= QUERY_QUEUE {
            return false;
        }
        self.queue.push_back(bytes);
        true
    }

    /// The next query that may leave now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.now = now;
        while self
            .sent
            .front()
            .is_some_and(|sent| now.saturating_duration_since(*sent) >= Duration::from_secs(1))
        {
            self.sent.pop_front();
        }
        if self.sent.len() >= QUERIES_PER_SECOND {
            return None;
        }
        let bytes = self.queue.pop_front()?;
        self.sent.push_back(now);
        Some(bytes)
    }

    /// When the next query may leave, if one waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.queue.front()?;
        match self.sent.front() {
            Some(sent) if self.sent.len() >= QUERIES_PER_SECOND => {
                Some(*sent + Duration::from_secs(1))
            }
            _ => Some(self.now),
        }
    }
}

/// Counts what each neighbour says, for even well-formed messages cost memory for [`REMEMBERED`].
#[derive(Debug, Default)]
pub(super) struct Talk(SortedMap<PeerId, (Instant, u32)>);

impl Talk {
    /// Whether a neighbour keeps to [`MESSAGES_PER_SECOND`].
    pub(super) fn may_say(&mut self, neighbour: PeerId, now: Instant) -> bool {
        let (since, count) = self.0.get_or_insert_with(neighbour, || (now, 0));
        if now.saturating_duration_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= MESSAGES_PER_SECOND
    }

    /// A neighbour has left.
    pub(super) fn forget(&mut self, neighbour: &PeerId) {
        self.0.remove(neighbour);
    }
}

/// The last [`TIPS_REMEMBERED`] announced tips, by stream and tip: the same tip named for another stream is another
/// announcement, so nobody can hide one by misnaming it first.
#[derive(Debug, Default)]
pub struct RecentTips {
    seen: SortedMap<(StreamId, Cid), u64>,
    clock: u64,
}

impl RecentTips {
    /// Whether this announcement is news.
    pub fn hear(&mut self, stream: &StreamId, tip: &Cid) -> bool {
        self.clock += 1;
        let news = self.seen.insert((*stream, *tip), self.clock).is_none();
        if self.seen.len() > TIPS_REMEMBERED {
            let oldest = self
                .seen
                .iter()
                .min_by_key(|(_, heard)| **heard)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                self.seen.remove(&oldest);
            }
        }
        news
    }

    /// The next announcement of this tip is news again.
    pub fn forget(&mut self, stream: &StreamId, tip: &Cid) {
        self.seen.remove(&(*stream, *tip));
    }
}

#[cfg(test)]
mod tests;
