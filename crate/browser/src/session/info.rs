//! What people and pages may know of a session.

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use crate::shapes::plain;

/// Who vouches for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// An Ethereum account, by a capability.
    Ethereum,
    /// A Solana account, by a capability.
    Solana,
    /// A passkey, by a capability.
    Passkey,
    /// A key made from a wallet's signature, which is the DID itself.
    Key,
    /// A 3ID, whose keychain a wallet's key opened.
    #[serde(rename = "3id")]
    ThreeId,
    /// A DID provider of a page.
    External,
}

/// A session but for its key and capability. Kept on disk as JSON, to which the key is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Who owns what it writes.
    pub did: String,
    /// The DID that signs; [`About::did`] itself if it does.
    pub key: String,
    /// Who vouches for it.
    pub kind: SessionKind,
    /// What it may write; nothing is named for one that is its DID itself, and may write all that is the DID's.
    pub resources: Vec<String>,
    /// Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Unix milliseconds.
    pub created_at: u64,
}

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is there.
    Opened,
    /// It will end soon.
    Expiring,
    /// It has ended.
    Expired,
    /// Somebody ended it.
    Revoked,
}

#[derive(Serialize)]
struct Info<'a> {
    session: &'a str,
    #[serde(flatten)]
    about: &'a About,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
}

impl About {
    /// Of one that is not kept.
    pub(super) fn passing(kind: SessionKind, did: String, now: u64) -> About {
        About {
            key: did.clone(),
            did,
            kind,
            resources: Vec::new(),
            expires_at: None,
            created_at: now,
        }
    }

    /// Whether its time is over at `now`, in unix milliseconds.
    pub fn is_over(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    pub(super) fn to_js(&self, id: &str, change: Option<Change>) -> JsValue {
        let info = Info {
            session: id,
            about: self,
            change,
        };
        // Texts and numbers are always written.
        plain(&info).unwrap_or_default()
    }
}

/// A message for the pages of all tabs.
pub(super) fn event(data: JsValue) -> JsValue {
    #[derive(Serialize)]
    struct Event {
        event: &'static str,
        #[serde(with = "serde_wasm_bindgen::preserve")]
        data: JsValue,
    }
    let event = Event {
        event: "session",
        data,
    };
    plain(&event).unwrap_or_default()
}
