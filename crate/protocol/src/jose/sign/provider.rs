//! What a DID provider is asked for (EIP-2844), answered as key-did-provider-ed25519 4.0 does.
//!
//! The texts that are signed come from [`stable`]: a page may ask for any payload, and gets the same bytes everywhere.

use std::cmp::Ordering;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::Signer as _;
use serde_json::{Map, Value, json};
use zeroize::Zeroize as _;

use super::Ed25519Signer;
use crate::jose::jwe::DecryptionKey;
use crate::jose::jws::{Jws, JwsSignature};
use crate::jose::{JoseError, MAX_PROTECTED_BYTES, signing_input};

/// How long an answer to `did_authenticate` may be used, in seconds.
pub const AUTHENTICATION_SECONDS: u64 = 600;

impl Ed25519Signer {
    /// `did_createJWS`: signs a JSON payload, or a text that is base64url already. `protected` adds to the protected header,
    /// all but `alg` and `kid`. A capability of the signer's own is not added; who wants it says `cap`.
    ///
    /// # Errors
    /// [`JoseError::Format`] for a text that is not base64url, [`JoseError::HeaderTooLong`].
    pub fn create_jws(
        &self,
        payload: &Value,
        mut protected: Map<String, Value>,
    ) -> Result<Jws, JoseError> {
        let payload = match payload {
            Value::String(text) => BASE64URL_NOPAD
                .decode(text.as_bytes())
                .map_err(|_| JoseError::Format("a text to be signed must be base64url"))?,
            json => stable(json).into_bytes(),
        };
        protected.insert("alg".to_owned(), "EdDSA".into());
        protected.insert("kid".to_owned(), self.kid().into());
        let protected = stable(&Value::Object(protected)).into_bytes();
        if protected.len() > MAX_PROTECTED_BYTES {
            return Err(JoseError::HeaderTooLong(protected.len()));
        }
        let signature = self.key.sign(&signing_input(&protected, &payload));
        let signature = JwsSignature {
            protected: Some(protected.into()),
            header: None,
            signature: signature.to_bytes().to_vec().into(),
        };
        Ok(Jws {
            payload: payload.into(),
            signatures: vec![signature],
        })
    }

    /// `did_authenticate`: who this is, for the one who asked with `nonce`. `aud` and `paths` are repeated as they came;
    /// `now` is in unix seconds, the answer holds for [`AUTHENTICATION_SECONDS`].
    ///
    /// # Errors
    /// As [`Ed25519Signer::create_jws`].
    pub fn authenticate(
        &self,
        nonce: &str,
        aud: Option<&str>,
        paths: Option<&[String]>,
        now: u64,
    ) -> Result<Jws, JoseError> {
        let exp = now.saturating_add(AUTHENTICATION_SECONDS);
        let mut payload = Map::from_iter([
            ("did".to_owned(), json!(self.did)),
            ("exp".to_owned(), json!(exp)),
            ("nonce".to_owned(), json!(nonce)),
        ]);
        payload.extend(aud.map(|aud| ("aud".to_owned(), json!(aud))));
        payload.extend(paths.map(|paths| ("paths".to_owned(), json!(paths))));
        self.create_jws(&Value::Object(payload), Map::new())
    }

    /// `did_decryptJWE`: the key with which the same seed decrypts.
    pub fn decryption_key(&self) -> DecryptionKey {
        let mut secret = self.key.to_scalar_bytes();
        let key = DecryptionKey::from_secret(secret);
        secret.zeroize();
        key.of(&self.did)
    }

    /// The DID URL of the key.
    pub fn kid(&self) -> String {
        let fragment = self.did.strip_prefix("did:key:").unwrap_or_default();
        format!("{}#{fragment}", self.did)
    }
}

/// JSON with the fields of every object in the order in which js writes them once they were sorted.
fn stable(json: &Value) -> String {
    let mut text = String::new();
    write(json, &mut text);
    text
}

/// Not deeper than what was parsed into a [`Value`], which its parser bounds.
fn write(json: &Value, out: &mut String) {
    let separated = |out: &mut String, first: usize| {
        if first > 0 {
            out.push(',');
        }
    };
    match json {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| order(a, b));
            out.push('{');
            for (index, (name, value)) in entries.into_iter().enumerate() {
                separated(out, index);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                separated(out, index);
                write(value, out);
            }
            out.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            // js has no other numbers; 1.0 is written 1.
            Some(float) => out.push_str(&crate::json::float_to_json(float).to_string()),
            None => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

/// Indices of arrays first, by number, then texts by their UTF-16.
fn order(a: &str, b: &str) -> Ordering {
    let index = |text: &str| {
        let number = text.parse::<u32>().ok();
        number.filter(|number| *number < u32::MAX && number.to_string() == text)
    };
    match (index(a), index(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.encode_utf16().cmp(b.encode_utf16()),
    }
}

#[cfg(test)]
mod tests;
