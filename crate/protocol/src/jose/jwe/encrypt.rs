//! Encrypting as `dids` 5 does with did-jwt 7: XC20P for the content, [`KEY_ALGORITHM`] for its key.
//!
//! Who decrypts learns nothing of who encrypted: sign what must be believed. The length of the content shows, for a value
//! ([`Jwe::encrypt_value`]) rounded up to 24 bytes, and the `kid` names each recipient to everybody.

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use ipld_core::ipld::Ipld;
use serde_json::{Map, Value};
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize as _, Zeroizing};

use super::keys::{AgreementKey, KEY_ALGORITHM};
use super::{Jwe, JweError, MAX_JWE_BYTES, Recipient, cipher, few, fields, value};

/// What is authenticated beside the content, and stays legible to everybody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Legible {
    /// More of the protected header. `alg` and `enc` are not for the caller to say and are passed over.
    pub header: Map<String, Value>,
    /// More bytes; none is the same as an empty one.
    pub aad: Bytes,
}

/// Fresh bytes from the platform's generator, good for one encryption. Wiped when they are used up.
pub struct Random {
    bytes: Zeroizing<Vec<u8>>,
    used: usize,
}

impl Random {
    /// As many bytes as encrypting for so many keys takes.
    pub const fn bytes_for(keys: usize) -> usize {
        keys.saturating_add(1).saturating_mul(32 + 24)
    }

    /// Takes [`Random::bytes_for`] bytes nobody else has seen. Content encrypted twice with the same ones is not secret.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Zeroizing::new(bytes),
            used: 0,
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], JweError> {
        let rest = self.bytes.get(self.used..).unwrap_or_default();
        let taken = rest.first_chunk().ok_or(JweError::Randomness)?;
        self.used = self.used.saturating_add(N);
        Ok(*taken)
    }
}

impl Jwe {
    /// Encrypts bytes to every key.
    ///
    /// # Errors
    /// For no keys or more than [`MAX_RECIPIENTS`](super::MAX_RECIPIENTS), no content (`dids` would not open what it makes of
    /// that) or more than [`MAX_JWE_BYTES`], a key that no secret can be agreed with, and too little randomness.
    pub fn encrypt(
        content: &[u8],
        to: &[AgreementKey],
        legible: &Legible,
        mut random: Random,
    ) -> Result<Self, JweError> {
        if to.is_empty() {
            return Err(JweError::NoRecipients);
        }
        few(to.len())?;
        let content_key = Zeroizing::new(random.take::<32>()?);
        let iv = random.take()?;
        let wrapped = to.iter().map(|key| wrap(&content_key, key, &mut random));
        let recipients = wrapped.collect::<Result<_, _>>()?;
        let jwe = sealed(content, &content_key, iv, header(None, legible), legible)?;
        Self {
            recipients: Some(recipients),
            ..jwe
        }
        .bounded()
    }

    /// Encrypts a value: a DagJWE, as `createDagJWE` makes it.
    ///
    /// # Errors
    /// Those of [`Jwe::encrypt`], and [`JweError::Value`] for what DAG-CBOR cannot hold.
    pub fn encrypt_value(
        content: &Ipld,
        to: &[AgreementKey],
        legible: &Legible,
        random: Random,
    ) -> Result<Self, JweError> {
        Self::encrypt(&value::written(content)?, to, legible, random)
    }
}

/// Encrypts under a key that is there already.
pub(super) fn sealed(
    content: &[u8],
    key: &[u8; 32],
    iv: [u8; 24],
    header: String,
    legible: &Legible,
) -> Result<Jwe, JweError> {
    match content.len() {
        0 => return Err(JweError::Empty),
        1..=MAX_JWE_BYTES => {}
        more => return Err(JweError::TooLarge(more)),
    }
    let mut jwe = Jwe {
        protected: header.into(),
        iv: iv.to_vec().into(),
        ciphertext: Bytes::new(),
        tag: Bytes::new(),
        aad: Some(legible.aad.clone()).filter(|aad| !aad.is_empty()),
        recipients: None,
        unprotected: None,
    };
    let mut text = content.to_vec();
    let tag = cipher::seal(key, &iv, &jwe.authenticated(), &mut text)?;
    jwe.tag = tag.to_vec().into();
    jwe.ciphertext = text.into();
    jwe.bounded()
}

/// The protected header: `alg` first, then what the caller adds, then `enc`.
pub(super) fn header(algorithm: Option<&str>, legible: &Legible) -> String {
    let more = legible.header.iter();
    let more = more.filter(|(name, _)| !matches!(name.as_str(), "alg" | "enc"));
    let entry = |name: &str, value: &Value| format!("{}:{value}", Value::from(name));
    let alg = algorithm.map(|algorithm| entry("alg", &algorithm.into()));
    let more = more.map(|(name, value)| entry(name, value));
    let enc = entry("enc", &super::CONTENT_ALGORITHM.into());
    let all: Vec<String> = alg.into_iter().chain(more).chain([enc]).collect();
    format!("{{{}}}", all.join(","))
}

/// The content key, for one recipient.
fn wrap(
    content_key: &[u8; 32],
    to: &AgreementKey,
    random: &mut Random,
) -> Result<Recipient, JweError> {
    let mut seed = random.take::<32>()?;
    let iv = random.take()?;
    let ephemeral = StaticSecret::from(seed);
    seed.zeroize();
    let (public, wrapping) = to.wrapping(ephemeral)?;
    let mut wrapped = content_key.to_vec();
    let tag = cipher::seal(&wrapping, &iv, &[], &mut wrapped)?;
    let text = |bytes: &[u8]| Some(Ipld::String(BASE64URL_NOPAD.encode(bytes)));
    let word = |word: &str| Some(Ipld::String(word.to_owned()));
    let epk = fields([
        ("kty", word("OKP")),
        ("crv", word("X25519")),
        ("x", text(&public)),
    ]);
    let header = fields([
        ("iv", text(&iv)),
        ("tag", text(&tag)),
        ("kid", word(to.kid())),
        ("alg", word(KEY_ALGORITHM)),
        ("epk", Some(epk)),
    ]);
    Ok(Recipient {
        encrypted_key: Some(wrapped.into()),
        header: Some(header),
    })
}

#[cfg(test)]
mod tests;
