//! What a document says after some of its events: content, metadata, and the log that led there.

use std::sync::Arc;

use cid::Cid;
use data_encoding::BASE64_NOPAD;
use ipld_core::ipld::Ipld;
use serde_json::{Map as JsonMap, Value, json};

use crate::StreamType;
use crate::anchor::{Proof, Sources};
use crate::cacao::Capability;
use crate::event::Map;
use crate::json::to_json;
use crate::model::{Model, js};
use crate::patch::Content;

/// The three kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first event.
    Init,
    /// A change.
    Data,
    /// An anchor.
    Time,
}

/// What is known about when an event was written, at the latest.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TimeStatus {
    /// No time event follows it.
    #[default]
    None,
    /// A witness path leads to a transaction that nobody was asked about.
    Claimed {
        /// What names the transaction.
        proof: Arc<Proof>,
    },
    /// The chain has the transaction.
    Proven {
        /// The time of its block, in unix seconds.
        unix: u64,
        /// What names the transaction.
        proof: Arc<Proof>,
        /// The number of the block, if the source said.
        block: Option<u64>,
        /// The names of the sources that agreed.
        by: Sources,
    },
}

impl TimeStatus {
    /// The proven time, in unix seconds.
    pub fn unix(&self) -> Option<u64> {
        match self {
            Self::Proven { unix, .. } => Some(*unix),
            _ => None,
        }
    }

    /// What names the transaction.
    pub fn proof(&self) -> Option<&Arc<Proof>> {
        match self {
            Self::None => None,
            Self::Claimed { proof } | Self::Proven { proof, .. } => Some(proof),
        }
    }
}

/// One event of a log that was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// The event.
    pub cid: Cid,
    /// Its kind.
    pub kind: Kind,
    /// The event before it.
    pub prev: Option<Cid>,
    /// The DID whose signature was verified; of the change of a link that of the account.
    pub signer: Option<Arc<str>>,
    /// The capability that the event names.
    pub capability: Option<Arc<Capability>>,
    /// Whether the signer wrote in the controller's name, by that capability. Else it is the controller.
    pub delegated: bool,
    /// Its time: that of the first time event at or after it.
    pub time: TimeStatus,
}

impl LogEntry {
    /// The capability by which the signer wrote in the controller's name; nothing if the signer is the controller.
    pub fn mandate(&self) -> Option<&Capability> {
        self.capability.as_deref().filter(|_| self.delegated)
    }

    /// What was checked of this event, in the order it was: `hash`, `link`, `signature`, `capability`, `rules`,
    /// `witness-path`, `transaction`.
    pub fn verified(&self) -> Vec<&'static str> {
        let mut checks = vec!["hash", "link"];
        checks.extend(self.signer.as_ref().map(|_| "signature"));
        checks.extend(self.delegated.then_some("capability"));
        match (self.kind, &self.time) {
            (Kind::Time, TimeStatus::Proven { .. }) => {
                checks.extend(["witness-path", "transaction"]);
            }
            (Kind::Time, _) => checks.push("witness-path"),
            _ => checks.push("rules"),
        }
        checks
    }
}

/// How the newest content came to be (js: `SignatureStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// By an init event that is not signed.
    Genesis = 0,
    /// By a signed event.
    Signed = 2,
}

/// Content and metadata that no time event follows yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Next {
    pub(crate) content: Content,
    /// Nothing if it does not change: only a new link has content that waits, and no metadata.
    pub(crate) metadata: Option<Map>,
}

/// The state of a document at one of its events.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(crate) kind: StreamType,
    pub(crate) content: Content,
    pub(crate) metadata: Map,
    pub(crate) next: Option<Next>,
    pub(crate) signed: Signed,
    pub(crate) anchored: bool,
    pub(crate) proof: Option<Arc<Proof>>,
    /// Of a model document.
    pub(crate) model: Option<Arc<Model>>,
    pub(crate) log: Vec<LogEntry>,
}

impl State {
    /// The type of the document.
    pub fn stream_type(&self) -> StreamType {
        self.kind
    }

    /// The newest content, anchored or not.
    pub fn content(&self) -> Option<&Ipld> {
        self.newest_content().value()
    }

    /// The newest metadata, anchored or not: the header of the init event with all changes since.
    pub fn metadata(&self) -> &Map {
        self.next
            .as_ref()
            .and_then(|next| next.metadata.as_ref())
            .unwrap_or(&self.metadata)
    }

    /// The DID that may write the next event.
    pub fn controller(&self) -> Option<&str> {
        let first = |metadata| match field(metadata, "controllers") {
            Some(Ipld::List(list)) => match list.first() {
                Some(Ipld::String(did)) => Some(did.as_str()),
                _ => None,
            },
            _ => None,
        };
        first(self.metadata()).or_else(|| first(&self.metadata))
    }

    /// The definition, read and checked, if this is a model document.
    pub fn model(&self) -> Option<&Arc<Model>> {
        self.model.as_ref()
    }

    /// The events that led here, init first.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The newest of those events.
    pub(crate) fn tip(&self) -> Option<&Cid> {
        self.log.last().map(|entry| &entry.cid)
    }

    /// js reads `next.content ?? content`: unanchored content that is null hides nothing.
    pub(crate) fn newest_content(&self) -> &Content {
        match &self.next {
            Some(next) if !matches!(next.content.value(), None | Some(Ipld::Null)) => &next.content,
            _ => &self.content,
        }
    }

    /// Applies a time event (the same for every document type).
    pub(crate) fn anchor(&mut self, cid: Cid, prev: Option<Cid>, time: TimeStatus) {
        // Its time is also that of the events before it, back to the last time event.
        let waiting = self.log.iter_mut().rev();
        for entry in waiting.take_while(|entry| entry.kind != Kind::Time) {
            entry.time = time.clone();
        }
        self.proof = time.proof().cloned();
        self.log.push(LogEntry {
            cid,
            kind: Kind::Time,
            prev,
            signer: None,
            capability: None,
            delegated: false,
            time,
        });
        self.anchored = true;
        if let Some(next) = self.next.take() {
            if next.content.value().is_some_and(truthy) {
                self.content = next.content;
            }
            if let Some(metadata) = next.metadata {
                self.metadata = metadata;
            }
        }
    }

    /// Only of tiles js-ceramic shows bytes in `unique` as JSON does.
    fn shown_metadata(&self) -> Value {
        let mut metadata = self.metadata.clone();
        if self.kind != StreamType::TILE
            && let Some(unique) = metadata.get_mut("unique")
            && truthy(unique)
        {
            *unique = Ipld::String(BASE64_NOPAD.encode(&js::bytes(unique)));
        }
        to_json(&Ipld::Map(metadata))
    }

    /// The state as js-ceramic serialises it.
    pub fn to_json(&self) -> Value {
        let object = |map: &Map| to_json(&Ipld::Map(map.clone()));
        let mut state = JsonMap::new();
        let mut set = |name: &str, value: Option<Value>| {
            state.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("type", Some(self.kind.code().into()));
        set("doctype", self.kind.name().map(Value::from));
        set("content", self.content.value().map(to_json));
        set("metadata", Some(self.shown_metadata()));
        set(
            "next",
            self.next.as_ref().map(|next| {
                let mut shown = JsonMap::new();
                shown.extend(
                    next.content
                        .value()
                        .map(|content| ("content".to_owned(), to_json(content))),
                );
                let metadata = next.metadata.as_ref().map(object);
                shown.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
                Value::Object(shown)
            }),
        );
        set("signature", Some(Value::from(self.signed as u8)));
        set(
            "anchorStatus",
            Some(Value::from(match self.anchored {
                true => "ANCHORED",
                false => "NOT_REQUESTED",
            })),
        );
        set(
            "anchorProof",
            self.proof.as_ref().map(|proof| proof.to_json()),
        );
        let entry = |entry: &LogEntry| {
            let mut shown = json!({ "cid": entry.cid.to_string(), "type": entry.kind as u8 });
            if let Value::Object(shown) = &mut shown {
                let mut set = |name: &str, value: Option<Value>| {
                    shown.extend(value.map(|value| (name.to_owned(), value)));
                };
                set("timestamp", entry.time.unix().map(Value::from));
                let capability = entry.capability.as_ref();
                let expires = capability.and_then(|capability| capability.expires());
                set("expirationTime", expires.map(Value::from));
            }
            shown
        };
        set("log", Some(self.log.iter().map(entry).collect()));
        Value::Object(state)
    }
}

/// A field of a map, if it is there and not `null`.
pub(crate) fn field<'m>(map: &'m Map, name: &str) -> Option<&'m Ipld> {
    map.get(name).filter(|value| **value != Ipld::Null)
}

/// What JavaScript takes for true.
pub(crate) fn truthy(value: &Ipld) -> bool {
    match value {
        Ipld::Null | Ipld::Bool(false) | Ipld::Integer(0) => false,
        Ipld::Float(float) => *float != 0.0,
        Ipld::String(text) => !text.is_empty(),
        _ => true,
    }
}
