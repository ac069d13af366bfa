//! The calls of [`OstrakonNode`] that are about sessions.

use data_encoding::BASE64URL_NOPAD;
use js_sys::{Array, Promise, Uint8Array};
use ostrakon_protocol::cacao::passkey_did;
use ostrakon_protocol::did::from_wallet::KeyRequest;
use ostrakon_protocol::jose::jws::Jws;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;

use super::SessionError;
use super::begin::{KeyAnswer, Request, Signed, bytes};
use crate::error::Failure;
use crate::node::OstrakonNode;
use crate::shapes::{foreign, plain};

#[wasm_bindgen]
impl OstrakonNode {
    /// Begins a session of an account or a passkey: says what is to be signed.
    #[wasm_bindgen(js_name = beginSession)]
    pub fn begin_session(&self, request: JsValue) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let request: Request = read(request)?;
            plain(&sessions.begin(request)?)
        })
    }

    /// Keeps a session, if what was signed verifies.
    #[wasm_bindgen(js_name = completeSession)]
    pub fn complete_session(&self, session: String, proof: JsValue) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            // Whatever is wrong with the answer, nothing stays half-begun.
            let proof: Result<Signed, Failure> = read(proof);
            if proof.is_err() {
                sessions.revoke(&session).await?;
            }
            Ok(sessions.complete(&session, &proof?).await?.to_js())
        })
    }

    /// The text that makes an account's key for a site.
    #[wasm_bindgen(js_name = keyMessage)]
    pub fn key_message(&self, account: String, site: String) -> Promise {
        self.call(None, async move {
            let request = KeyRequest::new(&account, &site).map_err(SessionError::from)?;
            Ok(request.text().into())
        })
    }

    /// Keeps a session of the key that a wallet's signature makes.
    #[wasm_bindgen(js_name = openKeySession)]
    pub fn open_key_session(&self, answer: JsValue) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let answer: KeyAnswer = read(answer)?;
            Ok(sessions.open_key(&answer).await?.to_js())
        })
    }

    /// The session of a DID for which a page holds a provider.
    #[wasm_bindgen(js_name = openExternalSession)]
    pub fn open_external_session(&self, did: String) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let session = sessions.get(&did).ok().filter(|one| one.is_external());
            let session = session.ok_or_else(|| {
                Failure::new("signer-unreachable", "no page has a provider for this DID")
            })?;
            Ok(session.to_js())
        })
    }

    /// Says for which DIDs pages hold providers now.
    #[wasm_bindgen(js_name = setSigners)]
    pub fn set_signers(&self, dids: Vec<String>) {
        self.sessions.set_external(&dids);
    }

    /// All sessions, the oldest first.
    pub fn sessions(&self) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let all = sessions.list();
            Ok(all.iter().map(|one| one.to_js()).collect::<Array>().into())
        })
    }

    /// Ends a session and wipes its key.
    #[wasm_bindgen(js_name = revokeSession)]
    pub fn revoke_session(&self, session: String) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            sessions.revoke(&session).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// The DID of a new passkey, from its public key in DER and base64url.
    #[wasm_bindgen(js_name = passkeyDid)]
    pub fn passkey_did(&self, public_key: String) -> Promise {
        self.call(None, async move {
            let did = passkey_did(&bytes(&public_key)?).map_err(SessionError::from)?;
            Ok(did.into())
        })
    }

    /// The DIDs of the two passkeys of which one made this assertion.
    #[wasm_bindgen(js_name = passkeyCandidates)]
    pub fn passkey_candidates(&self, assertion: JsValue) -> Promise {
        self.call(None, async move {
            let signed: Signed = read(assertion)?;
            let dids = signed.candidates()?;
            Ok(dids
                .into_iter()
                .map(JsValue::from)
                .collect::<Array>()
                .into())
        })
    }

    /// A JWS in its general form (`did_createJWS`): the payload is base64url, the header a JSON object that is added to.
    #[wasm_bindgen(js_name = createJws)]
    pub fn create_jws(&self, session: String, payload: String, header: Option<String>) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let session = sessions.get(&session)?;
            let header: Map<String, Value> = match header {
                Some(text) => serde_json::from_str(&text).map_err(|error| invalid(&error))?,
                None => Map::new(),
            };
            if session.is_external() {
                let did = &session.about().did;
                let params = json!({ "did": did, "payload": payload, "protected": header });
                let answer = sessions.provider().jws(did, params).await?;
                return foreign(answer.get("jws").unwrap_or(&Value::Null));
            }
            let jws: Result<Jws, _> = session.signer()?.create_jws(&payload.into(), header);
            let jws = jws.map_err(|error| Failure::new(error.code(), error.to_string()))?;
            foreign(&jws.to_general())
        })
    }

    /// The capability by which a session writes, as a block in base64url; none if it signs as its DID itself.
    #[wasm_bindgen(js_name = sessionCapability)]
    pub fn session_capability(&self, session: String) -> Promise {
        let sessions = self.sessions.clone();
        self.call(None, async move {
            let session = sessions.get(&session)?;
            let text = session
                .capability()
                .map(|block| BASE64URL_NOPAD.encode(block.bytes()));
            Ok(text.into())
        })
    }
}

/// What a page handed over, in the shape it should have.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(value: JsValue) -> Result<T, Failure> {
    serde_wasm_bindgen::from_value(value).map_err(|error| invalid(&error))
}

pub(crate) fn invalid(error: &dyn std::fmt::Display) -> Failure {
    let message: String = error.to_string().chars().take(300).collect();
    Failure::new("invalid-argument", message)
}

/// Bytes for JavaScript.
pub(crate) fn to_js(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}
