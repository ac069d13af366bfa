//! What JavaScript gets: plain objects in the shapes of `js/types.ts`.
//!
//! What strangers wrote (content, metadata, state) goes through `JSON.parse` and not through property by property
//! assignment: a key `__proto__` then stays a key, and cannot become the object's prototype.

use data_encoding::HEXLOWER;
use js_sys::JSON;
use ostrakon_node::chains::Key;
use ostrakon_node::store::Record;
use ostrakon_node::{NodeEvent, Publication, Source, Status, View};
use ostrakon_protocol::anchor::Proof;
use ostrakon_protocol::anchor::transaction::transaction_hash;
use ostrakon_protocol::cacao;
use ostrakon_protocol::id::{CommitId, DocumentRef};
use ostrakon_protocol::json::to_json;
use ostrakon_protocol::refusal::Refusal;
use ostrakon_protocol::state::{Kind, LogEntry, TimeStatus};
use serde::Serialize;
use serde_wasm_bindgen::{Serializer, preserve};
use wasm_bindgen::JsValue;

use crate::error::{Failure, hint};

/// Resources of a capability that are shown. They may be thousands, and each event of a session names them again.
const MAX_RESOURCES: usize = 32;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    id: String,
    url: String,
    tip: String,
    commit_id: String,
    r#type: &'a str,
    #[serde(with = "preserve")]
    content: JsValue,
    #[serde(with = "preserve")]
    metadata: JsValue,
    #[serde(with = "preserve")]
    state: JsValue,
    log: Vec<Entry<'a>>,
    refused: Option<Refused>,
    source: &'a str,
    status: Published,
}

#[derive(Serialize)]
struct Published {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peers: Option<u32>,
}

#[derive(Serialize)]
struct Refused {
    code: &'static str,
    message: String,
    hint: Option<&'static str>,
    event: Option<String>,
}

#[derive(Serialize)]
struct Entry<'a> {
    cid: String,
    kind: &'a str,
    prev: Option<String>,
    signer: Option<&'a str>,
    capability: Option<Capability<'a>>,
    time: Time<'a>,
    verified: Vec<&'static str>,
}

#[derive(Serialize)]
struct Capability<'a> {
    cid: String,
    issuer: &'a str,
    kind: Option<&'static str>,
    resources: &'a [String],
    expires: Option<i64>,
}

#[derive(Serialize)]
struct Time<'a> {
    status: &'a str,
    at: Option<u64>,
    block: Option<u64>,
    by: Option<Vec<&'a str>>,
    chain: Option<&'a str>,
    transaction: Option<String>,
    doubt: Option<Doubt>,
}

#[derive(Serialize)]
struct Doubt {
    code: &'static str,
    message: String,
    hint: Option<&'static str>,
}

#[derive(Serialize)]
struct Summary {
    id: String,
    tip: String,
    events: u32,
    bytes: u64,
    updated: u64,
}

#[derive(Serialize)]
struct NodeStatus<'a> {
    online: bool,
    peers: Vec<Peer<'a>>,
    documents: u64,
    blocks: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Peer<'a> {
    id: String,
    address: String,
    agent: Option<&'a str>,
    rtt: Option<u64>,
}

#[derive(Serialize)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
enum Event<'a> {
    Peer {
        id: String,
        connected: bool,
        address: String,
    },
    Status(NodeStatus<'a>),
    Document {
        id: String,
        tip: String,
    },
    Outbox {
        id: String,
        tip: String,
        status: Published,
    },
    Lost {
        id: String,
        event: String,
        tip: String,
    },
}

/// A plain object: no `Map`, no `BigInt`, absent where Rust has `None`.
pub fn plain(value: &impl Serialize) -> Result<JsValue, Failure> {
    let serializer = Serializer::json_compatible().serialize_missing_as_null(false);
    value
        .serialize(&serializer)
        .map_err(|error| Failure::new("internal", error.to_string()))
}

/// The state that was asked for: the newest, that at a commit, or that at a time in unix seconds.
pub fn document(
    view: &View,
    reference: &DocumentRef,
    at_time: Option<f64>,
) -> Result<JsValue, Failure> {
    let document = &view.document;
    let earlier = match (reference, at_time) {
        (DocumentRef::Commit(_), Some(_)) => {
            let message = "a CommitID names one state, so there is none at another time";
            return Err(Failure::new("invalid-argument", message));
        }
        (DocumentRef::Commit(id), None) => Some(document.at_commit(id.commit())?),
        // Times before 1970 become 1970, NaN too.
        (DocumentRef::Stream(_), Some(unix)) => Some(document.at_time(unix as u64)?),
        (DocumentRef::Stream(_), None) => None,
    };
    let state = earlier.as_ref().unwrap_or(document.state());
    let json = state.to_json();
    let stream = document.stream();
    let tip = state
        .log()
        .last()
        .map_or(document.tip(), |entry| &entry.cid);
    plain(&Document {
        id: stream.to_string(),
        url: stream.url(),
        tip: tip.to_string(),
        commit_id: CommitId::new(*stream, *tip).to_string(),
        r#type: stream.stream_type().name().unwrap_or("unknown"),
        content: match state.content() {
            Some(content) => foreign(&to_json(content))?,
            None => JsValue::NULL,
        },
        metadata: foreign(metadata(&json))?,
        state: foreign(&json)?,
        log: state.log().iter().map(|one| entry(one, view)).collect(),
        refused: document
            .refused()
            .filter(|_| earlier.is_none())
            .map(refused),
        source: match view.from {
            Source::Disk => "disk",
            Source::Network => "network",
        },
        status: published(view.publication),
    })
}

fn published(publication: Publication) -> Published {
    let (state, peers) = match publication {
        Publication::Local => ("local", None),
        Publication::Published => ("published", None),
        Publication::Seen(peers) => ("seen", Some(peers)),
        Publication::Anchored => ("anchored", None),
    };
    Published { state, peers }
}

/// The newest there is in a state, in js-ceramic's form: there ids and bytes are texts.
fn metadata(state: &serde_json::Value) -> &serde_json::Value {
    let newest = state.get("next").unwrap_or(state);
    newest.get("metadata").unwrap_or(&serde_json::Value::Null)
}

/// What strangers wrote.
pub fn foreign(value: &serde_json::Value) -> Result<JsValue, Failure> {
    JSON::parse(&value.to_string())
        .map_err(|_| Failure::new("internal", "the browser does not read its own JSON"))
}

fn refused(refusal: &Refusal) -> Refused {
    Refused {
        code: refusal.code(),
        message: refusal.reason.to_string(),
        hint: hint(refusal.code()),
        event: refusal.event.map(|event| event.to_string()),
    }
}

fn kind(kind: cacao::Kind) -> &'static str {
    match kind {
        cacao::Kind::Eip191 => "ethereum",
        cacao::Kind::Solana => "solana",
        cacao::Kind::Tezos => "tezos",
        cacao::Kind::Stacks => "stacks",
        cacao::Kind::Webauthn => "passkey",
    }
}

/// As explorers of its chain write it.
fn transaction(proof: &Proof) -> String {
    match transaction_hash(&proof.tx_hash) {
        Ok(hash) if proof.chain_id.starts_with("eip155:") => {
            format!("0x{}", HEXLOWER.encode(&hash))
        }
        _ => proof.tx_hash.to_string(),
    }
}

/// Why it is not known whether the anchor of a claimed time is on its chain.
fn doubt(proof: &Proof, view: &View) -> Option<Doubt> {
    let doubt = view.doubts.get(&Key::of(proof)?)?;
    Some(Doubt {
        code: doubt.code(),
        message: doubt.to_string(),
        hint: hint(doubt.code()),
    })
}

fn entry<'a>(entry: &'a LogEntry, view: &View) -> Entry<'a> {
    let proof = entry.time.proof();
    let (block, by) = match &entry.time {
        TimeStatus::Proven { block, by, .. } => {
            (*block, Some(by.iter().map(|name| &**name).collect()))
        }
        TimeStatus::None | TimeStatus::Claimed { .. } => (None, None),
    };
    Entry {
        cid: entry.cid.to_string(),
        kind: match entry.kind {
            Kind::Init => "init",
            Kind::Data => "data",
            Kind::Time => "time",
        },
        prev: entry.prev.map(|prev| prev.to_string()),
        signer: entry.signer.as_deref(),
        capability: entry.mandate().map(|capability| Capability {
            cid: capability.cid().to_string(),
            issuer: capability.issuer(),
            kind: capability.kind().map(kind),
            resources: &capability.resources()[..capability.resources().len().min(MAX_RESOURCES)],
            expires: capability.expires(),
        }),
        time: Time {
            status: match entry.time {
                TimeStatus::None => "none",
                TimeStatus::Claimed { .. } => "claimed",
                TimeStatus::Proven { .. } => "proven",
            },
            at: entry.time.unix(),
            block,
            by,
            chain: proof.map(|proof| proof.chain_id.as_str()),
            transaction: proof.map(|proof| transaction(proof)),
            doubt: match &entry.time {
                TimeStatus::Claimed { proof } => doubt(proof, view),
                TimeStatus::None | TimeStatus::Proven { .. } => None,
            },
        },
        verified: entry.verified(),
    }
}

/// What is kept.
pub fn summaries(records: &[Record]) -> Result<JsValue, Failure> {
    let summary = |record: &Record| Summary {
        id: record.stream.to_string(),
        tip: record.tip().to_string(),
        events: record.events,
        bytes: record.bytes,
        updated: record.updated,
    };
    plain(&records.iter().map(summary).collect::<Vec<_>>())
}

/// How the node is.
pub fn status(status: &Status) -> Result<JsValue, Failure> {
    plain(&node_status(status))
}

fn node_status(status: &Status) -> NodeStatus<'_> {
    let peers = status.peers.iter().map(|peer| Peer {
        id: peer.peer.to_string(),
        address: peer.address.to_string(),
        agent: peer.agent.as_deref(),
        rtt: peer.rtt_ms,
    });
    NodeStatus {
        online: status.online,
        peers: peers.collect(),
        documents: status.documents,
        blocks: status.blocks,
        bytes: status.bytes,
    }
}

/// What happened, if it is of a kind that JavaScript knows.
pub fn event(event: &NodeEvent) -> Option<Result<JsValue, Failure>> {
    Some(plain(&match event {
        NodeEvent::Peer {
            peer,
            connected,
            address,
        } => Event::Peer {
            id: peer.to_string(),
            connected: *connected,
            address: address.to_string(),
        },
        NodeEvent::Status(status) => Event::Status(node_status(status)),
        NodeEvent::Document { stream, tip } => Event::Document {
            id: stream.to_string(),
            tip: tip.to_string(),
        },
        NodeEvent::Publication {
            stream,
            tip,
            publication,
        } => Event::Outbox {
            id: stream.to_string(),
            tip: tip.to_string(),
            status: published(*publication),
        },
        NodeEvent::WriteLost { stream, event, tip } => Event::Lost {
            id: stream.to_string(),
            event: event.to_string(),
            tip: tip.to_string(),
        },
        _ => return None,
    }))
}
