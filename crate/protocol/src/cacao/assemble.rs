//! Making a capability of a request and a wallet's answer.
//!
//! A wallet may lie, or be no wallet: its answer is judged by the same verifier that judges strangers' capabilities, and
//! nothing comes of one that it refuses. Answers are short: a signature of more than [`MAX_ANSWER`] bytes, or more than
//! [`MAX_ACCOUNTS`] accounts beside it, is not looked at.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ipld_core::ipld::Ipld;
use p256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::request::{Ask, read, short};
use super::session_error::SessionError;
use super::{Capability, Kind, eip191, webauthn};
use crate::cbor;
use crate::did::pkh::Account;
use crate::encoding::base58;
use crate::event::Map;
use crate::jose::ed25519;

/// Most bytes of a part of an answer. Authenticators send a few hundred.
pub const MAX_ANSWER: usize = 16_384;
/// Most accounts of a wallet that are looked at to tell which one signed.
pub const MAX_ACCOUNTS: usize = 64;

/// What a wallet answered.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// Its signature.
    pub answer: Answer<'a>,
    /// The other addresses that it shows, if any: they only make a refusal clearer.
    pub accounts: &'a [String],
}

/// A signature, in the form of its kind.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// What `personal_sign` returns: 65 bytes as hexadecimal digits after `0x`.
    Ethereum(&'a str),
    /// What a Solana wallet returns: 64 bytes.
    Solana(&'a [u8]),
    /// What `navigator.credentials.get` returns.
    Passkey {
        /// The passkey's DID, if the request did not know it.
        did: Option<&'a str>,
        /// `response.signature`
        signature: &'a [u8],
        /// `response.authenticatorData`
        authenticator: &'a [u8],
        /// `response.clientDataJSON`
        client: &'a [u8],
    },
}

impl Capability {
    /// The capability that was asked for, signed. `now` is in unix milliseconds.
    ///
    /// The signature is written as the wallet wrote it, as js does, so the block is the one that js makes.
    pub fn assemble(ask: &Ask, proof: &Proof, now: i64) -> Result<Self, SessionError> {
        let (kind, issuer, signature) = match (ask.kind, proof.answer) {
            (Kind::Eip191, Answer::Ethereum(hex)) => {
                hex65(hex)?;
                ("eip191", ask.issuer.as_deref(), part("s", hex))
            }
            (Kind::Solana, Answer::Solana(bytes)) => {
                length(bytes.len(), 64)?;
                let text = multibase::Base::Base58Btc.encode(bytes);
                ("solana:ed25519", ask.issuer.as_deref(), part("s", &text))
            }
            (
                Kind::Webauthn,
                Answer::Passkey {
                    did,
                    signature,
                    authenticator,
                    client,
                },
            ) => {
                let issuer = match (ask.issuer.as_deref(), did) {
                    (Some(asked), Some(other)) if asked != other => {
                        return Err(SessionError::OtherAccount(short(other)));
                    }
                    (asked, other) => asked.or(other).ok_or(SessionError::UnknownPasskey)?,
                };
                if !webauthn::is_passkey(issuer) {
                    return Err(SessionError::Account(short(issuer)));
                }
                let signature = passkey_answer(signature, authenticator, client)?;
                ("webauthn:p256", Some(issuer), signature)
            }
            _ => return Err(SessionError::OtherWallet),
        };
        let mut whole = ask.unsigned(issuer);
        let mut signature = signature;
        signature.extend(part("t", kind));
        whole.insert("s".to_owned(), Ipld::Map(signature));
        let capability = read(whole)?;
        if capability.verify().is_err() {
            return Err(ask.who_else(proof));
        }
        let at = u64::try_from(now.div_euclid(1_000)).unwrap_or(0);
        capability.valid_at(at)?;
        match ask.expires_at {
            Some(end) if end <= now => Err(SessionError::Late),
            _ => Ok(capability),
        }
    }
}

impl Ask {
    /// Why a signature does not verify, as far as it can be told.
    fn who_else(&self, proof: &Proof) -> SessionError {
        let accounts = proof.accounts.iter().take(MAX_ACCOUNTS);
        let signed = |address: &&String| match proof.answer {
            Answer::Ethereum(hex) => {
                let signer = eip191::signer(&self.message, hex);
                let signer = signer.map(|signer| format!("0x{}", HEXLOWER.encode(&signer)));
                signer.is_some_and(|signer| signer.eq_ignore_ascii_case(plain(address)))
            }
            Answer::Solana(signature) => base58(plain(address))
                .and_then(|key| key.try_into().ok())
                .is_some_and(|key| ed25519::verify(&key, &self.message, signature)),
            Answer::Passkey { .. } => false,
        };
        if let Some(other) = { accounts }.find(signed) {
            return SessionError::OtherAccount(short(other));
        }
        match proof.answer {
            Answer::Passkey { client, .. } if webauthn::asked(client, &self.message) => {
                SessionError::OtherAccount("another passkey".to_owned())
            }
            _ => SessionError::OtherText,
        }
    }
}

/// The address of an account, if it is more than that.
fn plain(account: &str) -> &str {
    let of = |text| Account::parse(text).map(|account| account.address);
    of(account.strip_prefix("did:pkh:").unwrap_or(account)).unwrap_or(account)
}

/// The form of what `personal_sign` returns.
pub(crate) fn hex65(hex: &str) -> Result<(), SessionError> {
    const BAD: SessionError = SessionError::Format("no hexadecimal digits after 0x");
    let digits = hex.strip_prefix("0x").ok_or(BAD)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) || digits.len() % 2 != 0 {
        return Err(BAD);
    }
    length(digits.len() / 2, 65)
}

pub(crate) fn length(got: usize, want: usize) -> Result<(), SessionError> {
    match got == want {
        true => Ok(()),
        false => Err(SessionError::Length { got, want }),
    }
}

fn part(name: &str, text: &str) -> Map {
    Map::from([(name.to_owned(), Ipld::String(text.to_owned()))])
}

fn passkey_answer(
    signature: &[u8],
    authenticator: &[u8],
    client: &[u8],
) -> Result<Map, SessionError> {
    if [signature, authenticator, client]
        .iter()
        .any(|part| part.len() > MAX_ANSWER)
    {
        return Err(SessionError::Format("too large"));
    }
    if Signature::from_der(signature).is_err() {
        return Err(SessionError::Format("not ECDSA in DER"));
    }
    let aad = Map::from([
        ("authData".to_owned(), Ipld::Bytes(authenticator.to_vec())),
        ("clientDataJSON".to_owned(), Ipld::Bytes(client.to_vec())),
    ]);
    let aad = cbor::encode(&Ipld::Map(aad)).map_err(|_| SessionError::Format("too large"))?;
    let extra = Map::from([("aad".to_owned(), Ipld::Bytes(aad))]);
    let mut map = part("s", &BASE64URL_NOPAD.encode(signature));
    map.insert("m".to_owned(), Ipld::Map(extra));
    Ok(map)
}

/// The `did:key` of a new passkey, from what `response.getPublicKey()` returns: the key in DER, as a certificate has it.
pub fn passkey_did(public_key: &[u8]) -> Result<String, SessionError> {
    /// An uncompressed point of P-256, up to its tag.
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    const BAD: SessionError = SessionError::Format("not a P-256 key: ask for the algorithm -7");
    let point = public_key.strip_prefix(&HEAD).ok_or(BAD)?;
    let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| BAD)?;
    Ok(webauthn::did(&key))
}

/// The two passkeys, as `did:key`, of which one made this signature: who lets a passkey sign twice finds it as the one in
/// both answers. That is how js finds a passkey whose key nobody has kept.
pub fn passkey_candidates(
    signature: &[u8],
    authenticator: &[u8],
    client: &[u8],
) -> Result<Vec<String>, SessionError> {
    const BAD: SessionError = SessionError::Format("not ECDSA in DER");
    let pair = Signature::from_der(signature).map_err(|_| BAD)?;
    let message = [authenticator, &Sha256::digest(client)[..]].concat();
    let hash = Sha256::digest(&message);
    let candidate = |odd| {
        let id = RecoveryId::new(odd, false);
        VerifyingKey::recover_from_prehash(&hash, &pair, id).ok()
    };
    let found = [false, true].into_iter().filter_map(candidate);
    Ok(found.map(|key| webauthn::did(&key)).collect())
}
