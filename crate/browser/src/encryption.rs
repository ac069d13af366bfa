//! The calls of [`OstrakonNode`] that encrypt and decrypt.

use std::time::Duration;

use js_sys::{Object, Promise, Reflect};
use ostrakon_node::Node;
use ostrakon_protocol::id::{DocumentRef, StreamId};
use ostrakon_protocol::jose::jwe::{
    AgreementKey, Jwe, JweError, Legible, MAX_RECIPIENTS, Random, Readers, read_value,
};
use ostrakon_protocol::json::{from_json, to_json};
use serde_json::{Map, Value};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::node::OstrakonNode;
use crate::session::calls::{invalid, to_js};
use crate::session::{Sessions, crypto};
use crate::shapes::foreign;

/// How long the document of a 3ID may take to arrive.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(20);
/// The `cty` of bytes that are no value (RFC 7516, without its `application/`): both kinds come back as what they were.
const BYTES: &str = "octet-stream";

#[wasm_bindgen]
impl OstrakonNode {
    /// Encrypts bytes, or JSON (as a text) if there are none, to DIDs.
    pub fn encrypt(
        &self,
        bytes: Option<Vec<u8>>,
        json: Option<String>,
        to: Vec<String>,
    ) -> Promise {
        let node = self.node.clone();
        self.call(None, async move {
            let (bytes, json) = (bytes.map(Zeroizing::new), json.map(Zeroizing::new));
            let keys = keys_of_all(&node, &to).await?;
            let random = chance(keys.len())?;
            let jwe = match (bytes, json) {
                (Some(bytes), _) => {
                    let legible = Legible {
                        header: Map::from_iter([("cty".to_owned(), BYTES.into())]),
                        ..Legible::default()
                    };
                    Jwe::encrypt(&bytes, &keys, &legible, random)?
                }
                (None, json) => {
                    let value: Value = serde_json::from_str(&json.unwrap_or_default())
                        .map_err(|error| invalid(&error))?;
                    let value = from_json(&value).map_err(|error| invalid(&error))?;
                    Jwe::encrypt_value(&value, &keys, &Legible::default(), random)?
                }
            };
            foreign(&jwe.to_general())
        })
    }

    /// The content of a document that says who reads, once these do and no others: `readers` is what it says now, as JSON, if
    /// it exists. The seed that they share is made here and leaves only encrypted.
    #[wasm_bindgen(js_name = rotateReaders)]
    pub fn rotate_readers(&self, readers: Option<String>, to: Vec<String>) -> Promise {
        let node = self.node.clone();
        self.call(None, async move {
            let mut readers = match readers {
                Some(content) => read_readers(&content)?,
                None => Readers::default(),
            };
            let keys = keys_of_all(&node, &to).await?;
            let mut seed = Zeroizing::new([0; 32]);
            crypto::random(&mut seed[..])?;
            readers.rotate(&seed, &keys, chance(keys.len())?)?;
            foreign(&readers.to_content())
        })
    }

    /// What was encrypted for a session's key: `{ bytes }`, or `{ json }` if it was a value. With `readers`, the content of
    /// the document that says who reads, what was encrypted for the DID that they share.
    pub fn decrypt(&self, session: String, jwe: String, readers: Option<String>) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let (jwe, json) = parse(&jwe)?;
            let clear = match readers {
                None => clear(&sessions, &session, &jwe, &json).await?,
                Some(content) => {
                    let readers = read_readers(&content)?;
                    let entry = readers.entry(&jwe).ok_or(JweError::NotForThisKey)?;
                    let (seed, json) = (entry.seed(), entry.seed().to_general());
                    let seed = clear(&sessions, &session, seed, &json).await?;
                    jwe.decrypt(&[entry.key(&seed).ok_or(JweError::NotForThisKey)?])?
                }
            };
            let marked = serde_json::from_slice::<Value>(&jwe.protected)
                .is_ok_and(|header| header.get("cty").is_some_and(|cty| cty == BYTES));
            let value = match marked {
                true => None,
                false => read_value(&clear).ok(),
            };
            let (name, content) = match value {
                Some(value) => ("json", foreign(&to_json(&value))?),
                None => ("bytes", to_js(&clear)),
            };
            let object = Object::new();
            // Setting a property of an object made here can't fail.
            let _ = Reflect::set(&object, &name.into(), &content);
            Ok(object.into())
        })
    }

    /// The bytes that were encrypted for a session's key (`did_decryptJWE`).
    #[wasm_bindgen(js_name = decryptJwe)]
    pub fn decrypt_jwe(&self, session: String, jwe: String) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let (jwe, json) = parse(&jwe)?;
            Ok(to_js(&clear(&sessions, &session, &jwe, &json).await?))
        })
    }
}

fn parse(text: &str) -> Result<(Jwe, Value), Failure> {
    let json: Value = serde_json::from_str(text).map_err(|error| invalid(&error))?;
    Ok((Jwe::from_general(&json)?, json))
}

async fn clear(
    sessions: &Sessions,
    session: &str,
    jwe: &Jwe,
    json: &Value,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let session = sessions.get(session)?;
    if session.is_external() {
        return Ok(sessions
            .provider()
            .decrypt(&session.about().did, json)
            .await?);
    }
    if let Some(three_id) = session.three_id() {
        let keys = three_id.lock().await.keyring().decryption_keys();
        return Ok(jwe.decrypt(&keys)?);
    }
    let key = session.signer()?.decryption_key();
    Ok(jwe.decrypt(&[key])?)
}

fn read_readers(content: &str) -> Result<Readers, Failure> {
    let content: Value = serde_json::from_str(content).map_err(|error| invalid(&error))?;
    Ok(Readers::from_content(&content)?)
}

fn chance(keys: usize) -> Result<Random, Failure> {
    let mut random = vec![0; Random::bytes_for(keys)];
    crypto::random(&mut random)?;
    Ok(Random::new(random))
}

async fn keys_of_all(node: &Node, dids: &[String]) -> Result<Vec<AgreementKey>, Failure> {
    if dids.len() > MAX_RECIPIENTS {
        return Err(invalid(&format!("more than {MAX_RECIPIENTS} recipients")));
    }
    let mut keys = Vec::new();
    for did in dids {
        keys.extend(keys_of(node, did).await?);
    }
    Ok(keys)
}

/// The keys to which a DID is encrypted.
async fn keys_of(node: &Node, did: &str) -> Result<Vec<AgreementKey>, Failure> {
    let bare = did
        .split(['?', '#'])
        .next()
        .and_then(|did| did.strip_prefix("did:3:"));
    let Some(stream) = bare.and_then(|id| id.parse::<StreamId>().ok()) else {
        return Ok(AgreementKey::of_did(did)?);
    };
    let view = node
        .load(&DocumentRef::Stream(stream), DOCUMENT_TIMEOUT)
        .await?;
    Ok(AgreementKey::of_three_id(did, &view.document)?)
}
