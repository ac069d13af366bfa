//! Decrypting, with the verdicts of did-jwt 7, which `dids` 5 uses: whoever holds a key tries every recipient.
//!
//! A hostile sender chooses every byte. Each recipient costs one key agreement and at most one decryption of the content,
//! and [`MAX_RECIPIENTS`](super::MAX_RECIPIENTS) and [`MAX_JWE_BYTES`](super::MAX_JWE_BYTES) bound both. Nothing is
//! returned that was not authenticated.

use data_encoding::BASE64URL_NOPAD;
use ipld_core::ipld::Ipld;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::keys::{DecryptionKey, KEY_ALGORITHM};
use super::{CONTENT_ALGORITHM, Jwe, JweError, Recipient, cipher, few, value};
use crate::json as ipld_json;

type Text = Zeroizing<Vec<u8>>;

impl Jwe {
    /// Decrypts with the first of these keys that one of the recipients is.
    ///
    /// # Errors
    /// [`JweError::NotForThisKey`] if none is, or something was changed; others for what is no JWE of this kind.
    pub fn decrypt(&self, keys: &[DecryptionKey]) -> Result<Text, JweError> {
        let protected = self.header()?;
        let recipients = self.recipients.as_deref().unwrap_or_default();
        few(recipients.len())?;
        if recipients.is_empty() {
            return Err(JweError::NoRecipients);
        }
        if recipients.iter().any(|one| {
            one.header.is_none() || one.encrypted_key.as_ref().is_none_or(|key| key.is_empty())
        }) {
            return Err(JweError::Format("a recipient has no header or no key"));
        }
        let recipients: Vec<Fields> = recipients
            .iter()
            .map(|one| Fields::of(one, &protected))
            .collect();
        for key in keys {
            // Whoever is named is tried first, since each try costs a key agreement; the others' headers must be in order all
            // the same.
            for named in [true, false] {
                for recipient in &recipients {
                    let wrapped = recipient.wrapped()?;
                    if named && !recipient.is_called(key) {
                        continue;
                    }
                    if let Some(wrapped) = wrapped
                        && let Some(content_key) = wrapped.open(key)?
                        && let Some(text) = self.opened(&content_key)
                    {
                        return Ok(text);
                    }
                }
            }
        }
        Err(JweError::NotForThisKey)
    }

    /// Decrypts a value: a DagJWE, as `decryptDagJWE` reads it.
    ///
    /// # Errors
    /// Those of [`Jwe::decrypt`], and [`JweError::Value`] for content that is no value.
    pub fn decrypt_value(&self, keys: &[DecryptionKey]) -> Result<Ipld, JweError> {
        value::read(&self.decrypt(keys)?)
    }

    /// The protected header, once the parts are there and it says that the content is encrypted as it must be.
    pub(super) fn header(&self) -> Result<Map<String, Value>, JweError> {
        let parts = [&self.protected, &self.iv, &self.ciphertext, &self.tag];
        if parts.into_iter().any(|part| part.is_empty()) {
            return Err(JweError::Format("a part is empty"));
        }
        let header: Map<String, Value> = serde_json::from_slice(&self.protected)
            .map_err(|_| JweError::Format("the protected header is not a JSON object"))?;
        match header.get("enc") {
            Some(Value::String(enc)) if enc == CONTENT_ALGORITHM => Ok(header),
            other => Err(JweError::Algorithm(
                other.map(Value::to_string).unwrap_or_default(),
            )),
        }
    }

    /// The content, if this is its key.
    pub(super) fn opened(&self, key: &[u8]) -> Option<Text> {
        let mut text = Zeroizing::new([&self.ciphertext[..], &self.tag].concat());
        cipher::open(key, &self.iv, &self.authenticated(), &mut text)?;
        Some(text)
    }

    /// What is authenticated beside the content: the protected header, and what else there is.
    pub(super) fn authenticated(&self) -> Vec<u8> {
        let mut text = BASE64URL_NOPAD.encode(&self.protected);
        if let Some(aad) = self.aad.as_ref().filter(|aad| !aad.is_empty()) {
            text.push('.');
            text.push_str(&BASE64URL_NOPAD.encode(aad));
        }
        text.into_bytes()
    }
}

/// The header of one recipient; what the protected header says goes first.
struct Fields<'a> {
    protected: &'a Map<String, Value>,
    own: Value,
    encrypted_key: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(recipient: &'a Recipient, protected: &'a Map<String, Value>) -> Self {
        Self {
            protected,
            own: recipient
                .header
                .as_ref()
                .map_or(Value::Null, ipld_json::to_json),
            encrypted_key: recipient.encrypted_key.as_deref().unwrap_or_default(),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.protected.get(name).or_else(|| self.own.get(name))
    }

    fn is_called(&self, key: &DecryptionKey) -> bool {
        let kid = self.get("kid").and_then(Value::as_str);
        kid.is_some_and(|kid| key.is_called(kid))
    }

    /// Nothing if it is wrapped in another way. Like js, which lets a malformed recipient spoil those after it: an error
    /// refuses the whole.
    fn wrapped(&self) -> Result<Option<Wrapped>, JweError> {
        if self.get("alg").and_then(Value::as_str) != Some(KEY_ALGORITHM) {
            return Ok(None);
        }
        let (iv, tag) = (bytes(self.get("iv"))?, bytes(self.get("tag"))?);
        let (Some(epk), Some(iv), Some(tag)) = (present(self.get("epk")), iv, tag) else {
            return Err(JweError::Format("a recipient's header lacks a field"));
        };
        if epk.get("crv").and_then(Value::as_str) != Some("X25519") {
            return Ok(None);
        }
        let Some(x) = epk.get("x") else {
            return Ok(None);
        };
        let x = bytes(Some(x))?.and_then(|x| <[u8; 32]>::try_from(x).ok());
        Ok(Some(Wrapped {
            ephemeral: x.ok_or(JweError::BadKey)?,
            apu: bytes(self.get("apu"))?.unwrap_or_default(),
            apv: bytes(self.get("apv"))?.unwrap_or_default(),
            iv,
            sealed: [self.encrypted_key, &tag].concat(),
        }))
    }
}

/// The content's key, as one recipient gets it.
struct Wrapped {
    ephemeral: [u8; 32],
    apu: Vec<u8>,
    apv: Vec<u8>,
    iv: Vec<u8>,
    sealed: Vec<u8>,
}

impl Wrapped {
    fn open(self, key: &DecryptionKey) -> Result<Option<Text>, JweError> {
        let wrapping = key.unwrapping(self.ephemeral, &self.apu, &self.apv);
        let wrapping = wrapping.ok_or(JweError::BadKey)?;
        let mut sealed = Zeroizing::new(self.sealed);
        let opened = cipher::open(&wrapping[..], &self.iv, &[], &mut sealed);
        Ok(opened.map(|()| sealed))
    }
}

/// What js takes for a value at all.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        _ => true,
    })
}

/// Base64 in either alphabet, as js reads it.
fn bytes(value: Option<&Value>) -> Result<Option<Vec<u8>>, JweError> {
    let bad = JweError::Format("a recipient's header has a field that is not base64url");
    match present(value) {
        None => Ok(None),
        Some(Value::String(text)) => {
            let digit = |c| match c {
                '+' => '-',
                '/' => '_',
                other => other,
            };
            let digits: String = text.chars().filter(|c| *c != '=').map(digit).collect();
            let bytes = BASE64URL_NOPAD.decode(digits.as_bytes());
            bytes.map(Some).map_err(|_| bad)
        }
        Some(_) => Err(bad),
    }
}
