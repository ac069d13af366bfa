//! JWE (RFC 7516) and DagJWE, as `dids` 5 makes and opens them: X25519 between DIDs, XChaCha20-Poly1305 for the content.
//!
//! Here are the written forms, general JSON and the dag-jose block. Both hold the same bytes, as dag-jose 5 writes them;
//! fields that are none of a JWE are passed over, as it and the RFC do. A hostile sender chooses all of it: a JWE has at most [`MAX_JWE_BYTES`] bytes and [`MAX_RECIPIENTS`] recipients, and
//! what the decoders of JSON and DAG-CBOR take nests no deeper than [`cbor::MAX_DEPTH`].

mod cipher;
mod decrypt;
mod encrypt;
mod keys;
mod readers;
mod value;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use ipld_core::ipld::Ipld;
use serde_json::Value;

use super::jws::base64;
use crate::block::BlockError;
use crate::did::DidError;
use crate::event::map_of;
use crate::{Block, cbor, json as ipld_json};

pub use encrypt::{Legible, Random};
pub use keys::{AgreementKey, DecryptionKey, KEY_ALGORITHM};
pub use readers::{MAX_READER_KEYS, ReaderKey, Readers};
pub use value::read as read_value;

/// How the content is encrypted.
pub const CONTENT_ALGORITHM: &str = "XC20P";

/// Most bytes of a JWE, all parts but the headers of its recipients together.
pub const MAX_JWE_BYTES: usize = 4 << 20;
/// Most recipients. Each is a key agreement that a reader may have to try.
pub const MAX_RECIPIENTS: usize = 1_024;

/// Why something is no JWE, or cannot be encrypted or decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// A part is missing, of the wrong type, or not base64url.
    #[error("not a JWE: {0}")]
    Format(&'static str),
    /// More than [`MAX_JWE_BYTES`].
    #[error("a JWE of {0} bytes is larger than {MAX_JWE_BYTES}")]
    TooLarge(usize),
    /// More than [`MAX_RECIPIENTS`].
    #[error("a JWE for {0} recipients is for more than {MAX_RECIPIENTS}")]
    TooManyRecipients(usize),
    /// Too large for a block.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Encrypted for nobody.
    #[error("a JWE needs at least one recipient")]
    NoRecipients,
    /// A recipient that does not resolve.
    #[error("the recipient does not resolve: {0}")]
    Did(#[from] DidError),
    /// A recipient nobody can encrypt to, such as a blockchain account.
    #[error(
        "{0} has no key to encrypt to; use a did:key of an ed25519 key, or a 3ID that lists a key for agreement"
    )]
    NoKey(String),
    /// An X25519 key that gives no shared secret.
    #[error("a key is malformed, or no secret can be agreed with it")]
    BadKey,
    /// Nothing to encrypt.
    #[error("no content: an empty one could not be decrypted again")]
    Empty,
    /// Fewer bytes than [`Random::bytes_for`].
    #[error("too little randomness was handed in")]
    Randomness,
    /// Content that is not encrypted with [`CONTENT_ALGORITHM`].
    #[error("the encryption {0} is not supported, only {CONTENT_ALGORITHM}")]
    Algorithm(String),
    /// No recipient is one of the keys, or something was changed on the way.
    #[error("not encrypted for this key, or changed since")]
    NotForThisKey,
    /// Content that is no value, where one was expected.
    #[error("the content is no value: {0}")]
    Value(&'static str),
    /// A document that does not list readers, or too many of their keys.
    #[error("not a list of readers' keys: {0}")]
    Readers(&'static str),
}

impl JweError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Format(_) => "jwe-format",
            Self::TooLarge(_) => "jwe-too-large",
            Self::TooManyRecipients(_) => "jwe-too-many-recipients",
            Self::Block(error) => error.code(),
            Self::NoRecipients => "jwe-no-recipients",
            Self::Did(error) => error.code(),
            Self::NoKey(_) => "jwe-no-key",
            Self::BadKey => "jwe-bad-key",
            Self::Empty => "jwe-empty",
            Self::Randomness => "jwe-randomness",
            Self::Algorithm(_) => "jwe-algorithm",
            Self::NotForThisKey => "jwe-not-for-this-key",
            Self::Value(_) => "jwe-value",
            Self::Readers(_) => "jwe-readers",
        }
    }
}

/// Something encrypted, and for whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Jwe {
    /// The protected header: JSON, as it was authenticated.
    pub protected: Bytes,
    /// The initialisation vector.
    pub iv: Bytes,
    /// What is encrypted.
    pub ciphertext: Bytes,
    /// The authentication tag.
    pub tag: Bytes,
    /// More that was authenticated.
    pub aad: Option<Bytes>,
    /// Those who can decrypt it; none if the key is not wrapped.
    pub recipients: Option<Vec<Recipient>>,
    /// The header that nobody authenticated.
    pub unprotected: Option<Ipld>,
}

/// Someone who can decrypt a [`Jwe`].
#[derive(Clone, Debug, PartialEq)]
pub struct Recipient {
    /// The content's key, encrypted for them.
    pub encrypted_key: Option<Bytes>,
    /// How: algorithm, key id, ephemeral key.
    pub header: Option<Ipld>,
}

impl Jwe {
    /// Reads the general JSON form. Padding is tolerated, as dag-jose does.
    pub fn from_general(json: &Value) -> Result<Self, JweError> {
        let bytes = |entry: &Value, name| match present(entry.get(name)) {
            Some(text) => base64(text)
                .map(Some)
                .map_err(|_| JweError::Format("a part is not base64url")),
            None => Ok(None),
        };
        let header = |entry: &Value, name| match present(entry.get(name)) {
            Some(header @ Value::Object(_)) => ipld_json::from_json(header)
                .map(Some)
                .map_err(|_| JweError::Format("an unreadable header")),
            Some(_) => Err(JweError::Format("a header is not an object")),
            None => Ok(None),
        };
        let part = |name| bytes(json, name)?.ok_or(JweError::Format("a part is missing"));
        let recipients = match present(json.get("recipients")) {
            Some(Value::Array(list)) => Some(list),
            Some(_) => return Err(JweError::Format("the recipients are not a list")),
            None => None,
        };
        let recipients = recipients.map(|list| {
            few(list.len())?;
            let recipients = list.iter().map(|entry| match entry {
                Value::Object(_) => Ok(Recipient {
                    encrypted_key: bytes(entry, "encrypted_key")?,
                    header: header(entry, "header")?,
                }),
                _ => Err(JweError::Format("a recipient is not an object")),
            });
            recipients.collect::<Result<Vec<_>, _>>()
        });
        let jwe = Self {
            protected: part("protected")?,
            iv: part("iv")?,
            ciphertext: part("ciphertext")?,
            tag: part("tag")?,
            aad: bytes(json, "aad")?,
            recipients: recipients.transpose()?,
            unprotected: header(json, "unprotected")?,
        };
        jwe.bounded()
    }

    /// The general JSON form.
    pub fn to_general(&self) -> Value {
        let text = |bytes: &Bytes| Value::String(BASE64URL_NOPAD.encode(bytes));
        let recipient = |one: &Recipient| {
            object([
                ("encrypted_key", one.encrypted_key.as_ref().map(text)),
                ("header", one.header.as_ref().map(ipld_json::to_json)),
            ])
        };
        let recipients = |list: &Vec<Recipient>| list.iter().map(recipient).collect();
        object([
            ("protected", Some(text(&self.protected))),
            ("iv", Some(text(&self.iv))),
            ("ciphertext", Some(text(&self.ciphertext))),
            ("tag", Some(text(&self.tag))),
            ("aad", self.aad.as_ref().map(text)),
            ("recipients", self.recipients.as_ref().map(recipients)),
            (
                "unprotected",
                self.unprotected.as_ref().map(ipld_json::to_json),
            ),
        ])
    }

    /// Reads a dag-jose block.
    pub fn from_block(bytes: &[u8]) -> Result<Self, JweError> {
        if bytes.len() > MAX_JWE_BYTES {
            return Err(JweError::TooLarge(bytes.len()));
        }
        let Ok(Ipld::Map(mut map)) = cbor::decode(bytes) else {
            return Err(JweError::Format("not a DAG-CBOR map"));
        };
        let mut part =
            |name| byte_string(map.remove(name))?.ok_or(JweError::Format("a part is missing"));
        let (protected, iv) = (part("protected")?, part("iv")?);
        let (ciphertext, tag) = (part("ciphertext")?, part("tag")?);
        let recipients = match map.remove("recipients") {
            Some(Ipld::List(list)) => {
                few(list.len())?;
                let recipients = list.into_iter().map(|entry| match entry {
                    Ipld::Map(mut entry) => Ok(Recipient {
                        encrypted_key: byte_string(entry.remove("encrypted_key"))?,
                        header: header(entry.remove("header"))?,
                    }),
                    _ => Err(JweError::Format("a recipient is not a map")),
                });
                Some(recipients.collect::<Result<Vec<_>, _>>()?)
            }
            Some(_) => return Err(JweError::Format("the recipients are not a list")),
            None => None,
        };
        let jwe = Self {
            protected,
            iv,
            ciphertext,
            tag,
            aad: byte_string(map.remove("aad"))?,
            recipients,
            unprotected: header(map.remove("unprotected"))?,
        };
        jwe.bounded()
    }

    /// Writes the dag-jose block.
    pub fn to_block(&self) -> Result<Block, JweError> {
        let bytes = |bytes: &Bytes| Ipld::Bytes(bytes.to_vec());
        let recipient = |one: &Recipient| {
            fields([
                ("encrypted_key", one.encrypted_key.as_ref().map(bytes)),
                ("header", one.header.clone()),
            ])
        };
        let recipients = |list: &Vec<Recipient>| Ipld::List(list.iter().map(recipient).collect());
        let whole = fields([
            ("protected", Some(bytes(&self.protected))),
            ("iv", Some(bytes(&self.iv))),
            ("ciphertext", Some(bytes(&self.ciphertext))),
            ("tag", Some(bytes(&self.tag))),
            ("aad", self.aad.as_ref().map(bytes)),
            ("recipients", self.recipients.as_ref().map(recipients)),
            ("unprotected", self.unprotected.clone()),
        ]);
        let whole = cbor::encode(&whole);
        let whole = whole.map_err(|_| JweError::Format("a header that DAG-CBOR cannot hold"))?;
        Ok(Block::dag_jose(whole)?)
    }

    fn bounded(self) -> Result<Self, JweError> {
        let keys = self.recipients.iter().flatten();
        let keys = keys.filter_map(|one| one.encrypted_key.as_ref());
        let parts = [&self.protected, &self.iv, &self.ciphertext, &self.tag];
        let parts = parts.into_iter().chain(&self.aad).chain(keys);
        match parts.map(Bytes::len).fold(0, usize::saturating_add) {
            0..=MAX_JWE_BYTES => Ok(self),
            size => Err(JweError::TooLarge(size)),
        }
    }
}

fn few(recipients: usize) -> Result<(), JweError> {
    match recipients {
        0..=MAX_RECIPIENTS => Ok(()),
        many => Err(JweError::TooManyRecipients(many)),
    }
}

/// `null` is absent.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn byte_string(value: Option<Ipld>) -> Result<Option<Bytes>, JweError> {
    match value {
        Some(Ipld::Bytes(bytes)) => Ok(Some(bytes.into())),
        Some(_) => Err(JweError::Format("a part is not a byte string")),
        None => Ok(None),
    }
}

fn header(value: Option<Ipld>) -> Result<Option<Ipld>, JweError> {
    match value {
        Some(header @ Ipld::Map(_)) => Ok(Some(header)),
        Some(_) => Err(JweError::Format("a header is not a map")),
        None => Ok(None),
    }
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter();
    ipld_json::object(fields.filter_map(|(name, value)| Some((name.to_owned(), value?))))
}

fn fields<const N: usize>(fields: [(&str, Option<Ipld>); N]) -> Ipld {
    Ipld::Map(map_of(fields))
}

#[cfg(test)]
mod tests;
