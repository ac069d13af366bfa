//! Capabilities (CACAO, CAIP-74): a blockchain account, or a passkey, lets a session key write for it. As @didtools/cacao 3
//! and js-ceramic 6.11 verify them.
//!
//! The account signs a text that people can read in their wallet (EIP-4361, CAIP-122); the block holds its parts, not the
//! text, so it is written anew here exactly as js-ceramic does, and that must be what the account signed.
//!
//! A hostile sender chooses every byte of the block, and can name one in any event. A block holds at most
//! [`crate::MAX_BLOCK_BYTES`] bytes and [`MAX_RESOURCES`] resources; the text is hardly longer than the block and is written
//! at most three times; base58, whose cost is quadratic, sees at most [`MAX_BASE58`] characters; the signature of a
//! capability is verified once, however many events stand on it. The kind of a signature is taken from a fixed list.
//!
//! What js does *not* check is part of the protocol too: the type in the header, whether the namespace of the account
//! fits the kind of signature, the checksums of Tezos' texts, and any time of a passkey's capability.
//! Stricter than js, so that nothing means more than was signed: fields are texts, times are moments, and only the
//! statement has line breaks, since a text that can be taken apart in two ways lets one capability pass for another.

mod assemble;
mod eip191;
mod request;
mod session_error;
mod solana;
mod stacks;
mod text;
mod tezos;
mod times;
mod webauthn;

use std::sync::OnceLock;

use cid::Cid;
use ipld_core::ipld::Ipld;

use crate::block::DAG_CBOR;
use crate::did::MAX_DID_BYTES;
use crate::did::pkh::Account;
use crate::event::Map;
use crate::{Block, StreamId, cbor};

use text::Message;
use times::Times;

pub use crate::encoding::{MAX_BASE58, base58};
pub use assemble::{Answer, MAX_ACCOUNTS, MAX_ANSWER, Proof, passkey_candidates, passkey_did};
pub(crate) use assemble::{hex65, length};
pub(crate) use eip191::{checksum, pair};
pub use request::{
    ANY_DOCUMENT, Ask, Asked, MAX_RESOURCE, MAX_STATEMENT, MAX_WORDS, Moment, SessionRequest,
    instances_of, nonce, one_document,
};
pub(crate) use request::{is_host, signing_account};
pub use session_error::SessionError;
pub(crate) use times::parse as moment;
pub use times::{CLOCK_SKEW, PHASE_OUT};
#[cfg(test)]
pub(crate) use webauthn::did as did_of_passkey;

/// Most resources of one capability. Sessions name a few, or one for each model they write, some dozens.
pub const MAX_RESOURCES: usize = 4_096;

/// Why a capability is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacaoError {
    /// The block is not a DAG-CBOR map with the fields it needs.
    #[error("the capability is malformed: {0}")]
    Malformed(&'static str),
    /// A time that cannot be read.
    #[error("the capability's {0} is not a date and time")]
    BadTime(&'static str),
    /// It is not signed.
    #[error("the capability is not signed")]
    Unsigned,
    /// A kind of signature that is not verified.
    #[error("capabilities signed by {0:?} are not supported")]
    UnknownKind(String),
    /// The issuer is no account or key that can make this kind of signature.
    #[error("the issuer of the capability cannot make this kind of signature")]
    BadIssuer,
    /// The issuer did not sign this.
    #[error("the signature of the capability does not verify")]
    Signature,
    /// It is not valid yet.
    #[error("the capability is not valid yet")]
    NotYet,
    /// It has expired.
    #[error("the capability has expired")]
    Expired,
    /// It is for other documents.
    #[error("the capability does not extend to this document")]
    Resources,
    /// It was issued by someone who does not control the document.
    #[error("{issuer} issued the capability, but {controller} controls the document")]
    WrongIssuer {
        /// Who issued it.
        issuer: String,
        /// Who should have.
        controller: String,
    },
    /// It was issued to another key than the one that signed the event.
    #[error("the capability is for {audience}, but {signer} signed the event")]
    WrongAudience {
        /// Whom it is for.
        audience: String,
        /// Who signed.
        signer: String,
    },
}

impl CacaoError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "cacao-malformed",
            Self::BadTime(_) => "cacao-bad-time",
            Self::Unsigned => "cacao-unsigned",
            Self::UnknownKind(_) => "cacao-unknown-kind",
            Self::BadIssuer => "cacao-bad-issuer",
            Self::Signature => "cacao-signature",
            Self::NotYet => "cacao-not-yet-valid",
            Self::Expired => "cacao-expired",
            Self::Resources => "cacao-resources",
            Self::WrongIssuer { .. } => "cacao-wrong-issuer",
            Self::WrongAudience { .. } => "cacao-wrong-audience",
        }
    }
}

/// How a capability is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An Ethereum account, by `personal_sign`.
    Eip191,
    /// A Solana account.
    Solana,
    /// A Tezos account of the kind tz1.
    Tezos,
    /// A Stacks account of the main network.
    Stacks,
    /// A passkey.
    Webauthn,
}

impl Kind {
    fn of_name(name: &str) -> Option<Self> {
        match name {
            "eip191" => Some(Self::Eip191),
            "solana:ed25519" => Some(Self::Solana),
            "tezos:ed25519" => Some(Self::Tezos),
            "stacks:secp256k1" => Some(Self::Stacks),
            "webauthn:p256" => Some(Self::Webauthn),
            _ => None,
        }
    }
}

/// What a session wants to do under a capability.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// The DID whose signature of the event was verified, without fragment.
    pub signer: &'a str,
    /// The DID that controls the document.
    pub controller: &'a str,
    /// The document.
    pub stream: &'a StreamId,
    /// The payload of the event.
    pub payload: &'a Cid,
    /// The model of the document, if it is an instance of one.
    pub model: Option<&'a StreamId>,
}

/// In whose name a deed is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// In the controller's, by the capability.
    Delegate,
    /// The signer is the controller. Of the capability only its resources count.
    Controller,
}

/// A capability as its block says. What it allows, and whether it is signed, is asked of it.
#[derive(Debug)]
pub struct Capability {
    block: Block,
    issuer: String,
    audience: String,
    resources: Vec<String>,
    times: Times,
    words: Words,
    signature: Result<Signature, CacaoError>,
    /// Whether the signature is the issuer's, once somebody asked.
    verdict: OnceLock<Result<(), CacaoError>>,
}

/// Parts of the signed text that mean nothing to us. Absent and empty are the same, as in js.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    domain: Option<String>,
    version: Option<String>,
    nonce: Option<String>,
    issued: Option<String>,
    expires: Option<String>,
    not_before: Option<String>,
    statement: Option<String>,
    request: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Signature {
    /// Over the text.
    Text(Kind, String),
    /// Over the block without issuer and signature.
    Webauthn(webauthn::Assertion),
}

/// A block of bytes is named by its CID.
impl PartialEq for Capability {
    fn eq(&self, other: &Self) -> bool {
        self.cid() == other.cid()
    }
}

impl Capability {
    /// Reads the block. Its signature is looked at when it counts.
    pub fn read(block: Block) -> Result<Self, CacaoError> {
        const NOT_A_MAP: CacaoError = CacaoError::Malformed("not a DAG-CBOR map");
        if block.cid().codec() != DAG_CBOR {
            return Err(NOT_A_MAP);
        }
        let Ok(Ipld::Map(mut whole)) = cbor::decode(block.bytes()) else {
            return Err(NOT_A_MAP);
        };
        let signature = whole.remove("s");
        let Some(Ipld::Map(payload)) = whole.get("p") else {
            return Err(CacaoError::Malformed("no payload"));
        };
        let required = |name, error| word(payload, name)?.ok_or(CacaoError::Malformed(error));
        let issuer = required("iss", "no issuer")?;
        let audience = required("aud", "no audience")?;
        if issuer.len().max(audience.len()) > MAX_DID_BYTES {
            return Err(CacaoError::Malformed("too long a DID"));
        }
        let words = Words {
            domain: word(payload, "domain")?,
            version: word(payload, "version")?,
            nonce: word(payload, "nonce")?,
            issued: word(payload, "iat")?,
            expires: word(payload, "exp")?,
            not_before: word(payload, "nbf")?,
            statement: word(payload, "statement")?,
            request: word(payload, "requestId")?,
        };
        Ok(Self {
            times: Times::read(&words)?,
            resources: resources(payload)?,
            signature: read_signature(signature, &mut whole),
            issuer,
            audience,
            words,
            block,
            verdict: OnceLock::new(),
        })
    }

    /// Names it.
    pub fn cid(&self) -> &Cid {
        self.block.cid()
    }

    /// The bytes it was read from.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The site that asked for it, in the issuer's words.
    pub fn domain(&self) -> Option<&str> {
        self.words.domain.as_deref()
    }

    /// The DID that gave it: `did:pkh:…`, or the `did:key:…` of a passkey.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The DID it was given to.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The documents it is for, as written.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// How it is signed, if in a way that is verified here.
    pub fn kind(&self) -> Option<Kind> {
        match &self.signature {
            Ok(Signature::Text(kind, _)) => Some(*kind),
            Ok(Signature::Webauthn(_)) => Some(Kind::Webauthn),
            Err(_) => None,
        }
    }

    /// When it ends, in unix seconds, before skew and phase-out.
    pub fn expires(&self) -> Option<i64> {
        self.times.expires()
    }

    /// Whether it lets the signer do this at all, and the issuer signed it. When is another question:
    /// [`Capability::valid_at`].
    pub fn allows(&self, deed: &Deed) -> Result<Role, CacaoError> {
        if !self.extends_to(deed) {
            return Err(CacaoError::Resources);
        }
        let issued = same_issuer(deed.controller, &self.issuer);
        match (issued, self.audience == deed.signer) {
            (true, true) => self.verify().map(|()| Role::Delegate),
            _ if deed.signer == deed.controller => Ok(Role::Controller),
            (true, false) => Err(CacaoError::WrongAudience {
                audience: self.audience.clone(),
                signer: deed.signer.to_owned(),
            }),
            (false, _) => Err(CacaoError::WrongIssuer {
                issuer: self.issuer.clone(),
                controller: deed.controller.to_owned(),
            }),
        }
    }

    /// Whether one of the resources is that of the document: compared as texts, one does not imply another.
    fn extends_to(&self, deed: &Deed) -> bool {
        let has = |wanted: &str| self.resources.iter().any(|resource| resource == wanted);
        let document = || format!("ceramic://{}", deed.stream);
        has("ceramic://*")
            || has(&document())
            || has(&format!("{}?payload={}", document(), deed.payload))
            || (deed.model).is_some_and(|model| has(&format!("ceramic://*?model={model}")))
    }

    /// That the issuer signed it.
    pub fn verify(&self) -> Result<(), CacaoError> {
        let verdict = || match &self.signature {
            Ok(Signature::Text(kind, signature)) => self.verify_text(*kind, signature),
            Ok(Signature::Webauthn(assertion)) => assertion.verify(&self.issuer),
            Err(error) => Err(error.clone()),
        };
        self.verdict.get_or_init(verdict).clone()
    }

    fn verify_text(&self, kind: Kind, signature: &str) -> Result<(), CacaoError> {
        let account = Account::of_did(&self.issuer).ok_or(CacaoError::BadIssuer)?;
        let message = Message::of(self, &account)?;
        let verify = match kind {
            Kind::Eip191 => eip191::verify,
            Kind::Solana => solana::verify,
            Kind::Tezos => tezos::verify,
            Kind::Stacks => stacks::verify,
            Kind::Webauthn => return Err(CacaoError::BadIssuer),
        };
        verify(&message, signature).ok_or(CacaoError::Signature)
    }

    /// Whether it is valid at a time, in unix seconds: that of the first anchor after the event, or now. Ends late by
    /// [`CLOCK_SKEW`] and [`PHASE_OUT`]. A passkey's capability always is, since js does not look.
    pub fn valid_at(&self, unix: u64) -> Result<(), CacaoError> {
        match self.kind() {
            Some(Kind::Webauthn) => Ok(()),
            _ => self.times.check(unix),
        }
    }

    /// The last second, in unix time, at which it is valid, if it is at all.
    pub fn valid_until(&self) -> u64 {
        match self.kind() {
            Some(Kind::Webauthn) => u64::MAX,
            _ => self.times.last(),
        }
    }
}

/// Whether two DIDs are the same issuer: Ethereum's addresses are written in either case.
fn same_issuer(controller: &str, issuer: &str) -> bool {
    controller == issuer
        || (controller.starts_with("did:pkh:eip155:")
            && controller.to_lowercase() == issuer.to_lowercase())
}

/// A text of the payload; absent, null and empty are the same to js.
fn word(payload: &Map, name: &'static str) -> Result<Option<String>, CacaoError> {
    match payload.get(name) {
        None | Some(Ipld::Null) => Ok(None),
        Some(Ipld::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(CacaoError::Malformed("a field is not a text")),
    }
}

fn resources(payload: &Map) -> Result<Vec<String>, CacaoError> {
    const BAD: CacaoError = CacaoError::Malformed("no list of resources");
    let Some(Ipld::List(list)) = payload.get("resources") else {
        return Err(BAD);
    };
    if list.len() > MAX_RESOURCES {
        return Err(CacaoError::Malformed("too many resources"));
    }
    let texts = list.iter().map(|resource| match resource {
        Ipld::String(text) => Ok(text.clone()),
        _ => Err(BAD),
    });
    texts.collect()
}

fn read_signature(signature: Option<Ipld>, unsigned: &mut Map) -> Result<Signature, CacaoError> {
    let Some(Ipld::Map(mut signature)) = signature else {
        return Err(CacaoError::Unsigned);
    };
    let (Some(Ipld::String(kind)), Some(Ipld::String(text))) =
        (signature.remove("t"), signature.remove("s"))
    else {
        return Err(CacaoError::Unsigned);
    };
    match Kind::of_name(&kind) {
        Some(Kind::Webauthn) => webauthn::Assertion::read(&text, signature.remove("m"), unsigned)
            .map(Signature::Webauthn),
        Some(kind) => Ok(Signature::Text(kind, text)),
        None => Err(CacaoError::UnknownKind(kind.chars().take(32).collect())),
    }
}

#[cfg(test)]
mod tests;
