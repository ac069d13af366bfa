//! DIDs and the documents they resolve to: `did:key` and `did:pkh`, without asking anyone, and `did:3` through a document that
//! was verified.
//!
//! A hostile sender chooses every byte of a DID. [`MAX_DID_BYTES`] bounds it before base58, whose cost is quadratic,
//! sees it. Nothing here looks at the network, so a DID cannot make a node fetch.
//!
//! The documents are those of key-did-resolver 4 and pkh-did-resolver 2 (the did:key and did:pkh methods), since what they list
//! decides which signatures js-ceramic accepts.

mod coordinates;
pub mod from_wallet;
pub mod key;
pub mod pkh;
pub mod three_id;

use std::fmt;

use serde_json::{Value, json};

use key::PublicKey;

/// Longest DID, or DID URL, that is looked at, in bytes. The longest `did:key` in use (P-521) has 110.
pub const MAX_DID_BYTES: usize = 1_024;

/// Why a DID did not resolve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    /// Longer than [`MAX_DID_BYTES`].
    #[error("a DID of {0} bytes is longer than {MAX_DID_BYTES}")]
    TooLong(usize),
    /// Not of the form `did:method:id`, with an optional path, query and fragment.
    #[error("not a DID")]
    Syntax,
    /// A `did:3`, which speaks through another document: see [`three_id`].
    #[error("a did:3 speaks through its own document")]
    ThreeId,
    /// A method that nobody here resolves.
    #[error("DIDs of the method {0:?} are not supported")]
    Method(String),
    /// A `did:key` that is not base58btc of a known kind of key.
    #[error("not a key this did:key can name: {0}")]
    Key(&'static str),
    /// A `did:pkh` whose account id is malformed or of a namespace without a document.
    #[error("not an account this did:pkh can name: {0}")]
    Account(&'static str),
}

impl DidError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "did-too-long",
            Self::Syntax => "did-syntax",
            Self::ThreeId => "did-3",
            Self::Method(_) => "did-method",
            Self::Key(_) => "did-key",
            Self::Account(_) => "did-account",
        }
    }
}

/// A DID without path, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(String);

impl Did {
    /// Reads a DID or a DID URL, whose path, query, fragment and parameters are dropped.
    pub fn parse(url: &str) -> Result<Did, DidError> {
        if url.len() > MAX_DID_BYTES {
            return Err(DidError::TooLong(url.len()));
        }
        let ends = |byte| matches!(byte, b'/' | b'?' | b'#' | b';');
        let end = url.bytes().position(ends).unwrap_or(url.len());
        let (did, _) = url.split_at_checked(end).ok_or(DidError::Syntax)?;
        let (method, id) = split(did).ok_or(DidError::Syntax)?;
        let good_method = !method.is_empty()
            && method
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let good_id = !id.is_empty()
            && !id.ends_with(':')
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-:%".contains(&b));
        if good_method && good_id {
            Ok(Did(did.to_owned()))
        } else {
            Err(DidError::Syntax)
        }
    }

    /// `did:method:id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `key`, `pkh`, …
    pub fn method(&self) -> &str {
        split(&self.0).map_or("", |(method, _)| method)
    }

    /// What follows the method.
    pub fn id(&self) -> &str {
        split(&self.0).map_or("", |(_, id)| id)
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn split(did: &str) -> Option<(&str, &str)> {
    did.strip_prefix("did:")?.split_once(':')
}

/// A resolved DID: the keys that speak for it.
#[derive(Clone, Debug, PartialEq)]
pub struct DidDocument {
    /// The DID itself.
    pub did: Did,
    /// Every key that may sign for it, in the order of the document.
    pub methods: Vec<VerificationMethod>,
}

/// One key of a DID document.
#[derive(Clone, Debug, PartialEq)]
pub struct VerificationMethod {
    /// The part after `#` in its id.
    pub fragment: String,
    /// What it verifies with.
    pub key: PublicKey,
}

/// Resolves a DID or DID URL from its own text.
pub fn resolve(url: &str) -> Result<DidDocument, DidError> {
    let did = Did::parse(url)?;
    let methods = match did.method() {
        "key" => vec![VerificationMethod {
            fragment: did.id().to_owned(),
            key: PublicKey::from_fingerprint(did.id())?,
        }],
        "pkh" => pkh::methods(did.id())?,
        "3" => return Err(DidError::ThreeId),
        other => return Err(DidError::Method(other.to_owned())),
    };
    Ok(DidDocument { did, methods })
}

impl DidDocument {
    /// The document as the JavaScript resolvers print it (`application/did+json`).
    pub fn to_json(&self) -> Value {
        let did = self.did.as_str();
        let ids: Vec<String> = self
            .methods
            .iter()
            .map(|m| format!("{did}#{}", m.fragment))
            .collect();
        let methods: Vec<Value> = self
            .methods
            .iter()
            .zip(&ids)
            .map(|(method, id)| {
                let mut entry = method.key.to_json();
                if let Some(entry) = entry.as_object_mut() {
                    entry.insert("id".into(), json!(id));
                    entry.insert("controller".into(), json!(did));
                }
                entry
            })
            .collect();
        let mut document = json!({
            "id": did,
            "verificationMethod": methods,
            "authentication": ids,
            "assertionMethod": ids,
        });
        if let (Some(document), "key") = (document.as_object_mut(), self.did.method()) {
            document.insert("capabilityDelegation".into(), json!(ids));
            document.insert("capabilityInvocation".into(), json!(ids));
            let agreement = self.methods.iter().find_map(|m| m.key.key_agreement());
            if let Some(x25519) = agreement {
                document.insert(
                    "keyAgreement".into(),
                    json!([{
                        "id": format!("{did}#{}", key::x25519_fingerprint(&x25519)),
                        "type": "X25519KeyAgreementKey2019",
                        "controller": did,
                        "publicKeyBase58": key::base58(&x25519),
                    }]),
                );
            }
        }
        document
    }
}

#[cfg(test)]
mod tests;
