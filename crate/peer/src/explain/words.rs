//! Names and values as a person reads them.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ostrakon_protocol::cacao;
use ostrakon_protocol::{Cid, Ipld, StreamId, StreamType, json};
use serde_json::Value;

/// Letters kept at each end of an id that is cut.
const ENDS: (usize, usize) = (16, 6);

pub(super) fn kind(kind: StreamType) -> String {
    match kind {
        StreamType::TILE => "Tile".to_owned(),
        StreamType::CAIP10_LINK => "CAIP-10 link".to_owned(),
        StreamType::MODEL => "Model".to_owned(),
        StreamType::MODEL_INSTANCE => "Model instance".to_owned(),
        other => format!("Document of {other}"),
    }
}

pub(super) fn wallet(kind: cacao::Kind) -> &'static str {
    match kind {
        cacao::Kind::Eip191 => "an Ethereum wallet",
        cacao::Kind::Solana => "a Solana wallet",
        cacao::Kind::Tezos => "a Tezos wallet",
        cacao::Kind::Stacks => "a Stacks wallet",
        cacao::Kind::Webauthn => "a passkey",
    }
}

/// What one resource of a capability means.
pub(super) fn resource(resource: &str) -> String {
    match resource.strip_prefix("ceramic://") {
        Some("*") => "every document".to_owned(),
        Some(rest) => match (rest.strip_prefix("*?model="), rest.split_once("?payload=")) {
            (Some(model), _) => format!("every instance of the model {}", short(model)),
            (None, Some((stream, _))) => format!("{}, one event", short(stream)),
            (None, None) => short(rest),
        },
        None => preview(&resource.into(), 60),
    }
}

/// A header field: ids of documents as such.
pub(super) fn metadata(value: &Ipld) -> String {
    match value {
        Ipld::Bytes(bytes) => StreamId::from_bytes(bytes).map_or_else(
            |_| format!("0x{}", HEXLOWER.encode(bytes)),
            |id| id.to_string(),
        ),
        Ipld::String(text) => preview(&text.as_str().into(), 160)
            .trim_matches('"')
            .to_owned(),
        other => preview(&json::to_json(other), 160),
    }
}

/// The beginning and the end of a long id.
pub(super) fn short(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    let (head, tail) = ENDS;
    // `did:key:` and the like say more than letters.
    let head = id.rfind(':').map_or(head, |colon| colon.min(48) + 9);
    match letters.len() > head + tail + 1 {
        true => {
            let start: String = letters.iter().take(head).collect();
            let end: String = letters.iter().skip(letters.len() - tail).collect();
            format!("{start}…{end}")
        }
        false => id.to_owned(),
    }
}

/// Foreign text without the quotes.
pub(super) fn bare(text: &str, most: usize) -> String {
    preview(&text.into(), most).trim_matches('"').to_owned()
}

/// JSON on one line, cut where it gets long. Control characters are escaped, so foreign text moves no cursor.
pub(super) fn preview(value: &Value, most: usize) -> String {
    let text = value.to_string();
    let mut shown: String = text
        .chars()
        .take(most)
        .map(|c| if c.is_control() { '�' } else { c })
        .collect();
    if text.chars().count() > most {
        shown.push('…');
    }
    shown
}

pub(super) fn time(unix: u64) -> String {
    let moment = i64::try_from(unix)
        .ok()
        .and_then(|unix| Timestamp::from_second(unix).ok());
    moment.map_or_else(
        || format!("{unix} (unix seconds)"),
        |moment| moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A transaction as wallets and explorers write it.
pub(super) fn transaction(hash: &Cid) -> String {
    format!("0x{}", HEXLOWER.encode(hash.hash().digest()))
}

pub(super) fn count(number: usize, noun: &str) -> String {
    match (number, noun.ends_with("ch")) {
        (1, _) => format!("1 {noun}"),
        (_, true) => format!("{number} {noun}es"),
        (_, false) => format!("{number} {noun}s"),
    }
}
