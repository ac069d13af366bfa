//! Passkeys: a P-256 key in an authenticator signs the name of the capability itself, since it shows nobody a text.

use cid::Cid;
use data_encoding::BASE64URL_NOPAD;
use ipld_core::ipld::Ipld;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::CacaoError;
use crate::encoding::base58;
use crate::event::Map;
use crate::{Block, cbor};

/// The multicodec of a P-256 key, 0x1200.
const P256: [u8; 2] = [0x80, 0x24];

/// What an authenticator answered, and what it should have been asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Assertion {
    signature: Vec<u8>,
    authenticator: Vec<u8>,
    client: Vec<u8>,
    /// The capability without issuer and signature: its key is not known before it signs.
    challenge: Cid,
}

impl Assertion {
    /// Reads `s.s` and `s.m.aad`; `unsigned` is the capability without its signature, and loses its issuer.
    pub(super) fn read(
        signature: &str,
        extra: Option<Ipld>,
        unsigned: &mut Map,
    ) -> Result<Self, CacaoError> {
        const BAD: CacaoError = CacaoError::Malformed("not the answer of an authenticator");
        let Some(Ipld::Map(mut extra)) = extra else {
            return Err(BAD);
        };
        let Some(Ipld::Bytes(aad)) = extra.remove("aad") else {
            return Err(BAD);
        };
        let Ok(Ipld::Map(mut aad)) = cbor::decode(&aad) else {
            return Err(BAD);
        };
        let (Some(Ipld::Bytes(authenticator)), Some(Ipld::Bytes(client))) =
            (aad.remove("authData"), aad.remove("clientDataJSON"))
        else {
            return Err(BAD);
        };
        if let Some(Ipld::Map(payload)) = unsigned.get_mut("p") {
            payload.remove("iss");
        }
        let challenge = challenge(std::mem::take(unsigned))?;
        Ok(Self {
            signature: base64(signature).ok_or(BAD)?,
            authenticator,
            client,
            challenge,
        })
    }

    /// That the key of this `did:key` signed the challenge. Which page asked, and whether a person was present, js does
    /// not look at.
    pub(super) fn verify(&self, issuer: &str) -> Result<(), CacaoError> {
        let key = passkey(issuer).ok_or(CacaoError::BadIssuer)?;
        self.verify_by(&key).ok_or(CacaoError::Signature)
    }

    fn verify_by(&self, key: &VerifyingKey) -> Option<()> {
        let signed = [&self.authenticator, &Sha256::digest(&self.client)[..]].concat();
        let signature = Signature::from_der(&self.signature)
            .or_else(|_| Signature::from_slice(&self.signature))
            .ok()?;
        key.verify(&signed, &signature).ok()?;
        asked(&self.client, &self.challenge.to_bytes()).then_some(())
    }
}

/// The name of a capability without issuer and signature: what the authenticator signs.
pub(super) fn challenge(unsigned: Map) -> Result<Cid, CacaoError> {
    const BAD: CacaoError = CacaoError::Malformed("not the answer of an authenticator");
    let bytes = cbor::encode(&Ipld::Map(unsigned)).map_err(|_| BAD)?;
    Ok(*Block::dag_cbor(bytes).map_err(|_| BAD)?.cid())
}

/// Whether the browser says that it asked for a signature over this challenge.
pub(super) fn asked(client: &[u8], challenge: &[u8]) -> bool {
    let Ok(client) = serde_json::from_slice::<Value>(client) else {
        return false;
    };
    let said = client.get("challenge").and_then(Value::as_str);
    let said = said.and_then(base64).is_some_and(|said| said == challenge);
    said && client
        .get("type")
        .is_some_and(|kind| kind == "webauthn.get")
}

/// Whether this DID is one that a passkey can have.
pub(super) fn is_passkey(did: &str) -> bool {
    passkey(did).is_some()
}

/// The `did:key` of a passkey: the compressed point, as js writes it.
pub(crate) fn did(key: &VerifyingKey) -> String {
    let point = key.to_sec1_point(true);
    let digits = multibase::Base::Base58Btc.encode([&P256, point.as_bytes()].concat());
    format!("did:key:z{digits}")
}

/// The P-256 key in a `did:key`, compressed or not. The third form that `did:key` has, coordinates alone, is none here.
fn passkey(issuer: &str) -> Option<VerifyingKey> {
    let bytes = base58(issuer.strip_prefix("did:key:z")?)?;
    let key = bytes.strip_prefix(&P256)?;
    match key.first()? {
        2..=4 => VerifyingKey::from_sec1_bytes(key).ok(),
        _ => None,
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    BASE64URL_NOPAD.decode(digits).ok()
}
