//! The messages of the topic as js-ceramic 6.11 writes and reads them: JSON text, checked field by field.
//!
//! What a hostile sender can do: send long or deep JSON (refused beyond [`MAX_MESSAGE_BYTES`]; the parser bounds depth),
//! name many tips in one response ([`MAX_TIPS`]), announce tips that do not exist (a tip is a hint, never believed).

use std::collections::BTreeMap;

use cid::Cid;
use cid::multibase::Base;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;
use ostrakon_protocol::{Ipld, cbor};
use serde::Serialize;
use serde_json::{Map, Value};

/// Longest message read or sent, in bytes. Real ones are below 400.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Most tips read from one response. Real ones name one.
pub const MAX_TIPS: usize = 64;
/// Longest query id kept, in bytes. Real ones have 46.
pub const MAX_ID_BYTES: usize = 256;

/// One message on the topic. Nothing in it is proven.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A document has a new tip.
    Update {
        /// Which document.
        stream: StreamId,
        /// Its tip, as the sender sees it.
        tip: Cid,
        /// The document's model, where it has one.
        model: Option<StreamId>,
    },
    /// Who holds this document, and with which tip?
    Query {
        /// Comes back in the response; see [`query_id`]. Receivers do not check it.
        id: String,
        /// Which document.
        stream: StreamId,
    },
    /// The answer to a query.
    Response {
        /// The query's id.
        id: String,
        /// Tip by the text of the StreamID; js-ceramic does not check that text, so neither is it checked here.
        tips: SortedMap<String, Cid>,
    },
    /// A node is alive; receivers ignore it.
    KeepAlive {
        /// The sender's clock, unix milliseconds.
        ts: f64,
        /// js-ceramic's version.
        ver: String,
        /// Its IPFS version.
        ipfs_ver: String,
    },
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("the message is too large")]
    TooLarge,
    /// Not JSON in UTF-8.
    #[error("the message is not JSON")]
    NotJson,
    /// JSON, but not an object.
    #[error("the message is not a JSON object")]
    NotObject,
    /// A `typ` that is a number but none of 0 to 3: another version's message, perhaps.
    #[error("the message is of a type nobody knows")]
    UnknownType,
    /// A field that is absent or is not what its type demands.
    #[error("the message's field {0:?} is absent or wrong")]
    Field(&'static str),
    /// More than [`MAX_TIPS`] tips.
    #[error("the message has too many tips")]
    TooManyTips,
    /// Well formed in the way of the nodes of 2020, which named documents by other ids.
    #[error("the message is of the form of 2020")]
    Old,
}

impl MessageError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            MessageError::TooLarge => "message-too-large",
            MessageError::NotJson => "message-not-json",
            MessageError::NotObject => "message-not-object",
            MessageError::UnknownType => "message-unknown-type",
            MessageError::Field(_) => "message-field",
            MessageError::TooManyTips => "message-too-many-tips",
            MessageError::Old => "message-old",
        }
    }

    /// Whether the message may well be honest speech of another version: not for us, and nobody's fault.
    pub fn is_foreign(&self) -> bool {
        matches!(self, MessageError::UnknownType | MessageError::Old)
    }
}

/// The wire forms, in js-ceramic's order of fields.
#[derive(Serialize)]
#[serde(untagged)]
enum Wire<'a> {
    Update {
        typ: u8,
        stream: String,
        tip: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    Query {
        typ: u8,
        stream: String,
        id: &'a str,
    },
    Response {
        typ: u8,
        id: &'a str,
        tips: Map<String, Value>,
    },
    KeepAlive {
        typ: u8,
        ts: Value,
        ver: &'a str,
        #[serde(rename = "ipfsVer")]
        ipfs_ver: &'a str,
    },
}

impl Message {
    /// The question for a document's tip, with the id every node gives it.
    pub fn query(stream: StreamId) -> Message {
        Message::Query {
            id: query_id(&stream),
            stream,
        }
    }

    /// The answer to a query.
    pub fn response(id: &str, stream: &StreamId, tip: Cid) -> Message {
        Message::Response {
            id: id.to_owned(),
            tips: SortedMap::from([(stream.to_string(), tip)]),
        }
    }

    /// The tip a response names for a document.
    pub fn tip_of(&self, stream: &StreamId) -> Option<&Cid> {
        match self {
            Message::Response { tips, .. } => tips.get(&stream.to_string()),
            _ => None,
        }
    }

    /// The bytes js-ceramic would send.
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = match self {
            Message::Update { stream, tip, model } => Wire::Update {
                typ: 0,
                stream: stream.to_string(),
                tip: tip.to_string(),
                model: model.as_ref().map(StreamId::to_string),
            },
            Message::Query { id, stream } => Wire::Query {
                typ: 1,
                stream: stream.to_string(),
                id,
            },
            Message::Response { id, tips: named } => {
                let mut tips = Map::new();
                tips.extend(
                    named
                        .iter()
                        .map(|(stream, tip)| (stream.clone(), tip.to_string().into())),
                );
                Wire::Response { typ: 2, id, tips }
            }
            Message::KeepAlive { ts, ver, ipfs_ver } => Wire::KeepAlive {
                typ: 3,
                ts: number(*ts),
                ver,
                ipfs_ver,
            },
        };
        // Text keys and finite numbers only: this form can always be written.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads what came over the topic. Fields beyond the known are passed over; `doc` stands for `stream` as it did
    /// until 2021.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Message, MessageError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(MessageError::TooLarge);
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|_| MessageError::NotJson)?;
        let Value::Object(fields) = value else {
            return Err(MessageError::NotObject);
        };
        let typ = fields
            .get("typ")
            .and_then(Value::as_f64)
            .ok_or(MessageError::Field("typ"))?;
        match typ {
            0.0 => update(&fields),
            1.0 if is_of_2020(&fields) => Err(MessageError::Old),
            1.0 => Ok(Message::Query {
                id: id(&fields)?,
                stream: document(&fields)?,
            }),
            2.0 => Ok(Message::Response {
                id: id(&fields)?,
                tips: tips(&fields)?,
            }),
            3.0 => Ok(Message::KeepAlive {
                ts: fields
                    .get("ts")
                    .and_then(Value::as_f64)
                    .ok_or(MessageError::Field("ts"))?,
                ver: text(&fields, "ver")?.to_owned(),
                ipfs_ver: text(&fields, "ipfsVer")?.to_owned(),
            }),
            _ => Err(MessageError::UnknownType),
        }
    }
}

/// The id of the query for a document: base64url of the sha2-256 multihash of the DAG-CBOR of
/// `{typ: 1, stream: "<text>"}` (js-ceramic's `pubsub-message`). A pure function of the document, so every node asks under the same id.
pub fn query_id(stream: &StreamId) -> String {
    let question = BTreeMap::from([
        ("typ".to_owned(), Ipld::Integer(1)),
        ("stream".to_owned(), Ipld::String(stream.to_string())),
    ]);
    let hash = cbor::encode(&Ipld::Map(question))
        .ok()
        .and_then(|bytes| Block::dag_cbor(bytes).ok());
    // A map of a number and a short text can always be written.
    hash.map(|block| Base::Base64Url.encode(block.cid().hash().to_bytes()))
        .unwrap_or_default()
}

fn update(fields: &Map<String, Value>) -> Result<Message, MessageError> {
    if is_of_2020(fields) {
        return Err(MessageError::Old);
    }
    let stream = document(fields)?;
    let tip = cid(fields.get("tip")).ok_or(MessageError::Field("tip"))?;
    let model = match fields.get("model") {
        None => None,
        Some(model) => Some(stream_id(Some(model)).ok_or(MessageError::Field("model"))?),
    };
    Ok(Message::Update { stream, tip, model })
}

/// `{typ: 0, id, cid, doctype}` and `{typ: 1, id, doctype}`, before November 2020.
fn is_of_2020(fields: &Map<String, Value>) -> bool {
    fields.contains_key("doctype") && !fields.contains_key("stream") && !fields.contains_key("doc")
}

fn tips(fields: &Map<String, Value>) -> Result<SortedMap<String, Cid>, MessageError> {
    match fields.get("tips") {
        // An empty list passes for an empty record in js-ceramic.
        Some(Value::Array(list)) if list.is_empty() => Ok(SortedMap::new()),
        Some(Value::Object(tips)) if tips.len() > MAX_TIPS => Err(MessageError::TooManyTips),
        Some(Value::Object(tips)) => tips
            .iter()
            .map(|(stream, tip)| {
                Ok((
                    stream.clone(),
                    cid(Some(tip)).ok_or(MessageError::Field("tips"))?,
                ))
            })
            .collect(),
        _ => Err(MessageError::Field("tips")),
    }
}

fn document(fields: &Map<String, Value>) -> Result<StreamId, MessageError> {
    let named = if fields.contains_key("stream") {
        "stream"
    } else {
        "doc"
    };
    stream_id(fields.get(named)).ok_or(MessageError::Field("stream"))
}

fn stream_id(value: Option<&Value>) -> Option<StreamId> {
    value?.as_str()?.parse().ok()
}

fn cid(value: Option<&Value>) -> Option<Cid> {
    Cid::try_from(value?.as_str()?).ok()
}

fn id(fields: &Map<String, Value>) -> Result<String, MessageError> {
    let id = text(fields, "id")?;
    if id.len() > MAX_ID_BYTES {
        Err(MessageError::Field("id"))
    } else {
        Ok(id.to_owned())
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, MessageError> {
    fields
        .get(name)
        .and_then(Value::as_str)
        .ok_or(MessageError::Field(name))
}

/// A number as JavaScript writes it: whole ones without a point.
fn number(value: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and small just before"
    )]
    if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_991.0 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}
