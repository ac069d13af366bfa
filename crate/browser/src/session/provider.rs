//! DID providers (EIP-2844), which live in pages: `js/did-provider.ts` asks them there.
//!
//! A provider may answer anything. Its answer has at most [`MAX_ANSWER`] bytes; a signature is taken if it is of what was
//! asked, and the event that it makes is verified like a stranger's before it goes anywhere.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use js_sys::{Function, JsString, Promise, Reflect};
use ostrakon_node::writing::Signed;
use ostrakon_protocol::event::Signature;
use ostrakon_protocol::jose::jws::Jws;
use ostrakon_protocol::{Block, Cid};
use serde_json::{Value, json};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use zeroize::Zeroizing;

use super::SessionError;

/// Longest answer of a provider, in bytes of its JSON: what it decrypts has at most 4 MiB.
pub const MAX_ANSWER: usize = 8 << 20;
/// All keys that Ceramic knows sign with 64 bytes, or 65 where the key is to be recovered.
const SIGNATURE_BYTES: std::ops::RangeInclusive<usize> = 64..=65;
/// Longest message of a provider that is repeated, in characters.
const MAX_MESSAGE: usize = 200;

/// The providers of all pages.
pub struct Provider {
    /// `(did, method, params as JSON) => Promise<answer as JSON>`
    ask: Function,
}

impl Provider {
    pub fn new(ask: Function) -> Provider {
        Provider { ask }
    }

    /// The signature of an event's payload.
    pub async fn sign(&self, did: &str, payload: &Cid) -> Result<Signed, SessionError> {
        let text = BASE64URL_NOPAD.encode(&payload.to_bytes());
        let params = json!({ "did": did, "payload": text });
        let answer = self.jws(did, params).await?;
        let jws = Jws::from_general(answer.get("jws").unwrap_or(&Value::Null));
        let jws = jws.map_err(|_| unusable("its answer is no JWS"))?;
        let [one] = jws.signatures.as_slice() else {
            return Err(unusable("it gave not one signature"));
        };
        let (Some(protected), true) = (&one.protected, *jws.payload == payload.to_bytes()) else {
            return Err(unusable("it signed something else"));
        };
        if !SIGNATURE_BYTES.contains(&one.signature.len()) {
            return Err(unusable("its signature has the wrong length"));
        }
        let capability = match answer.get("capability").and_then(Value::as_str) {
            Some(text) => Some(block(text).ok_or_else(|| unusable("its capability is no block"))?),
            None => None,
        };
        Ok(Signed {
            envelope: Signature {
                protected: protected.clone(),
                signature: one.signature.clone(),
            },
            capability,
        })
    }

    /// `did_createJWS`
    pub async fn jws(&self, did: &str, params: Value) -> Result<Value, SessionError> {
        let text = self.ask(did, "did_createJWS", &params).await?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        match answer.get("jws") {
            Some(_) => Ok(answer),
            None => Err(unusable("its answer is no JWS")),
        }
    }

    /// `did_decryptJWE`
    pub async fn decrypt(
        &self,
        did: &str,
        jwe: &Value,
    ) -> Result<Zeroizing<Vec<u8>>, SessionError> {
        let params = json!({ "did": did, "jwe": jwe });
        let text = self.ask(did, "did_decryptJWE", &params).await?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let clear = answer.get("cleartext").and_then(Value::as_str);
        let clear = clear.and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let clear = clear.ok_or_else(|| unusable("its answer is no clear text"))?;
        Ok(Zeroizing::new(clear))
    }

    async fn ask(&self, did: &str, method: &str, params: &Value) -> Result<String, SessionError> {
        let asked = self.ask.call3(
            &JsValue::NULL,
            &did.into(),
            &method.into(),
            &params.to_string().into(),
        );
        let promise: Promise = asked.map_err(failed)?.dyn_into().map_err(failed)?;
        let answer = JsFuture::from(promise).await.map_err(failed)?;
        // Its length is known before any of it is copied.
        let text = answer.dyn_ref::<JsString>();
        let text = text.filter(|text| text.length() as usize <= MAX_ANSWER);
        text.map(String::from)
            .ok_or_else(|| unusable("its answer is too long"))
    }
}

fn block(text: &str) -> Option<Block> {
    Block::dag_cbor(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()
}

fn unusable(what: &str) -> SessionError {
    SessionError::Provider {
        code: "did-provider-unusable",
        message: what.to_owned(),
    }
}

/// What a page says of a provider that failed.
fn failed(error: JsValue) -> SessionError {
    let field = |name: &str| {
        let value = Reflect::get(&error, &name.into()).ok();
        value.and_then(|value| value.as_string())
    };
    let message = field("message").unwrap_or_else(|| "no reason was given".to_owned());
    SessionError::Provider {
        code: match field("code").as_deref() {
            Some("signer-unreachable") => "signer-unreachable",
            Some("signer-slow") => "signer-slow",
            Some("wallet-rejected") => "wallet-rejected",
            _ => "did-provider-failed",
        },
        message: message.chars().take(MAX_MESSAGE).collect(),
    }
}
