//! Asking an account for a capability: the text it will sign, byte for byte as @didtools/pkh-ethereum 0.6 and pkh-solana 0.2
//! make it, or the challenge of a passkey as @didtools/key-webauthn 2.0 does.
//!
//! The words come from a page, which may be hostile or careless. What could be read in two ways, what js-ceramic or
//! ceramic-one would refuse afterwards, and what nobody would read is refused before anybody is asked to sign it: texts are
//! printable ASCII on one line, a statement has at most [`MAX_STATEMENT`] characters, all words together [`MAX_WORDS`].

use data_encoding::HEXLOWER;
use ipld_core::ipld::Ipld;
use jiff::Timestamp;
use jiff::tz::Offset;

use super::session_error::SessionError;
use super::text::Message;
use super::{CacaoError, Capability, Kind, MAX_RESOURCES, eip191, moment, webauthn};
use crate::did::pkh::Account;
use crate::did::{self, MAX_DID_BYTES};
use crate::encoding::base58;
use crate::event::{Map, map_of};
use crate::{Block, StreamId, cbor};

/// Longest statement, in characters. A wallet shows a few lines.
pub const MAX_STATEMENT: usize = 1_024;
/// Longest resource, in characters.
pub const MAX_RESOURCE: usize = 1_024;
/// Most characters of all words of a request together.
pub const MAX_WORDS: usize = 65_536;

/// The resource that stands for every document of the account.
pub const ANY_DOCUMENT: &str = "ceramic://*";

/// The resource of one document.
pub fn one_document(stream: &StreamId) -> String {
    format!("ceramic://{stream}")
}

/// The resource of all instances of a model.
pub fn instances_of(model: &StreamId) -> String {
    format!("ceramic://*?model={model}")
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A blockchain account, as CAIP-10 or as its `did:pkh`: `eip155:…` signs by `personal_sign`, `solana:…` as Solana does.
    Account(String),
    /// A passkey, and its `did:key:zDn…` if it is known: an authenticator tells its key only when it is created.
    Passkey(Option<String>),
}

/// A moment of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// In unix milliseconds, written as `YYYY-MM-DDTHH:MM:SS.mmmZ`: the only form that ceramic-one prints again as it was, so
    /// the only one under which it finds the signature.
    Unix(i64),
    /// Already written, and taken as it is, as js takes it.
    Written(String),
}

impl From<i64> for Moment {
    fn from(unix: i64) -> Self {
        Self::Unix(unix)
    }
}

impl Moment {
    /// The text, and the moment in unix milliseconds.
    fn write(&self, name: &'static str) -> Result<(String, i64), SessionError> {
        let read = |text: &String| Some((text.clone(), moment(text)?));
        let written = match self {
            Self::Unix(ms) => iso(*ms).map(|text| (text, *ms)),
            Self::Written(text) => read(text),
        };
        written.ok_or(SessionError::Time(name))
    }
}

/// What a site wants an account to sign.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// Who gives the capability.
    pub account: Asked,
    /// The site that asks: its host, as js-ceramic's libraries say it.
    pub domain: String,
    /// The `did:key` that gets it. EIP-4361 calls this the URI.
    pub uri: String,
    /// What the person reads.
    pub statement: Option<String>,
    /// What the session may write: [`ANY_DOCUMENT`], [`one_document`], [`instances_of`]. There is no default.
    pub resources: Vec<String>,
    /// Now.
    pub issued_at: Moment,
    /// When it ends. js gives a week.
    pub expires_at: Option<Moment>,
    /// When it begins, if not now. A passkey's always has one.
    pub not_before: Option<Moment>,
    /// Random; see [`nonce`].
    pub nonce: String,
    /// A word of the site's own.
    pub request_id: Option<String>,
}

/// Random bytes as the nonce of a request.
pub fn nonce(random: [u8; 16]) -> String {
    HEXLOWER.encode(&random)
}

/// A request that somebody may be asked: what to show, and what the answer is judged by.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) kind: Kind,
    /// Known from the start, but for some passkeys.
    pub(super) issuer: Option<String>,
    /// The payload but for the issuer.
    pub(super) payload: Map,
    pub(super) expires_at: Option<i64>,
    /// What is signed: a text's bytes, or a challenge.
    pub(super) message: Vec<u8>,
}

impl SessionRequest {
    /// Checks every word and writes what is to be signed.
    pub fn ask(&self) -> Result<Ask, SessionError> {
        let (kind, issuer) = self.issuer()?;
        self.check(kind)?;
        let (payload, expires_at) = self.payload(kind)?;
        let mut ask = Ask {
            kind,
            issuer,
            payload,
            expires_at,
            message: Vec::new(),
        };
        ask.message = match kind {
            Kind::Webauthn => webauthn::challenge(ask.unsigned(None))?.to_bytes(),
            _ => ask.text()?.into_bytes(),
        };
        Ok(ask)
    }

    fn issuer(&self) -> Result<(Kind, Option<String>), SessionError> {
        let text = match &self.account {
            Asked::Account(text) => text,
            Asked::Passkey(None) => return Ok((Kind::Webauthn, None)),
            Asked::Passkey(Some(did)) if webauthn::is_passkey(did) => {
                return Ok((Kind::Webauthn, Some(did.clone())));
            }
            Asked::Passkey(Some(did)) => return Err(SessionError::Account(short(did))),
        };
        let (kind, did) =
            signing_account(text).ok_or_else(|| SessionError::Account(short(text)))?;
        Ok((kind, Some(did)))
    }

    fn check(&self, kind: Kind) -> Result<(), SessionError> {
        let words = [&self.domain, &self.uri, &self.nonce].into_iter();
        let words = words.chain(&self.statement).chain(&self.request_id);
        let words = words.chain(&self.resources).map(String::len);
        let size = words.fold(0, usize::saturating_add);
        if size > MAX_WORDS || self.resources.len() > MAX_RESOURCES {
            return Err(SessionError::TooLarge);
        }
        if !is_host(&self.domain) {
            return Err(SessionError::Domain(short(&self.domain)));
        }
        let key = self.uri.starts_with("did:key:") && self.uri.len() <= MAX_DID_BYTES;
        if !key || did::resolve(&self.uri).is_err() || self.uri.contains(['#', '?', '/', ';']) {
            return Err(SessionError::SessionKey(short(&self.uri)));
        }
        match &self.statement {
            Some(_) if kind == Kind::Webauthn => return Err(SessionError::StatementUnseen),
            Some(text) if !is_line(text, MAX_STATEMENT) => return Err(SessionError::Statement),
            _ => {}
        }
        if self.resources.is_empty() {
            return Err(SessionError::NoResources);
        }
        if let Some(bad) = self.resources.iter().find(|resource| !is_uri(resource)) {
            return Err(SessionError::Resource(short(bad)));
        }
        let letters = |b: u8| b.is_ascii_alphanumeric();
        if !(8..=128).contains(&self.nonce.len()) || !self.nonce.bytes().all(letters) {
            return Err(SessionError::Nonce);
        }
        if (self.request_id.as_ref()).is_some_and(|id| !is_word(id, 128)) {
            return Err(SessionError::RequestId);
        }
        Ok(())
    }

    /// The payload without the issuer, and when the session ends.
    fn payload(&self, kind: Kind) -> Result<(Map, Option<i64>), SessionError> {
        let time = |moment: Option<&Moment>, name| moment.map(|it| it.write(name)).transpose();
        let not_before = match kind {
            Kind::Webauthn => self.not_before.as_ref().or(Some(&self.issued_at)),
            _ => self.not_before.as_ref(),
        };
        let issued_at = self.issued_at.write("beginning")?;
        let not_before = time(not_before, "beginning")?;
        let expires_at = time(self.expires_at.as_ref(), "end")?;
        let begin = not_before
            .as_ref()
            .map_or(issued_at.1, |(_, ms)| issued_at.1.max(*ms));
        let end = expires_at.as_ref().map(|(_, ms)| *ms);
        if end.is_some_and(|end| end <= begin) {
            return Err(SessionError::Past);
        }
        let text = |time: Option<(String, i64)>| time.map(|(text, _)| text);
        let words = [
            ("domain", Some(self.domain.clone())),
            ("aud", Some(self.uri.clone())),
            ("version", Some("1".to_owned())),
            ("nonce", Some(self.nonce.clone())),
            ("iat", text(Some(issued_at))),
            ("nbf", text(not_before)),
            ("exp", text(expires_at)),
            ("statement", self.statement.clone()),
            ("requestId", self.request_id.clone()),
        ];
        let words = words.map(|(name, word)| (name, word.map(Ipld::String)));
        let mut payload = map_of(words);
        let resources = self.resources.iter().cloned().map(Ipld::String).collect();
        payload.insert("resources".to_owned(), Ipld::List(resources));
        Ok((payload, end))
    }
}

impl Ask {
    /// How it is to be signed.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The DID in whose name the session will write, if it is known yet.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// What is signed: the text of a wallet, in UTF-8 (all of it ASCII), or the challenge of a passkey.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The capability without its signature.
    pub(super) fn unsigned(&self, issuer: Option<&str>) -> Map {
        let kind = match self.kind {
            // js has called Ethereum's so since before there was CAIP-122.
            Kind::Eip191 => "eip4361",
            _ => "caip122",
        };
        let header = Map::from([("t".to_owned(), Ipld::String(kind.to_owned()))]);
        let mut payload = self.payload.clone();
        if let Some(issuer) = issuer {
            payload.insert("iss".to_owned(), Ipld::String(issuer.to_owned()));
        }
        Map::from([
            ("h".to_owned(), Ipld::Map(header)),
            ("p".to_owned(), Ipld::Map(payload)),
        ])
    }

    /// The text that the verifier will write anew.
    fn text(&self) -> Result<String, SessionError> {
        let capability = read(self.unsigned(self.issuer()))?;
        let account = Account::of_did(capability.issuer()).ok_or(CacaoError::BadIssuer)?;
        let message = Message::of(&capability, &account)?;
        Ok(match self.kind {
            Kind::Eip191 => {
                let digits = account.address.trim_start_matches("0x");
                message.write(eip191::CHAIN, &eip191::checksum(digits))
            }
            _ => message.write("Solana", account.address),
        })
    }
}

/// How an account signs, and its DID. js writes Ethereum's accounts in small letters, and only texts with EIP-55's checksum.
pub(crate) fn signing_account(text: &str) -> Option<(Kind, String)> {
    let account = Account::parse(text.strip_prefix("did:pkh:").unwrap_or(text))?;
    let (reference, address) = (account.reference, account.address);
    match account.namespace {
        "eip155" => {
            let digits = address.strip_prefix("0x")?;
            let good = digits.len() == 40
                && digits.bytes().all(|b| b.is_ascii_hexdigit())
                && !reference.starts_with('0')
                && reference.bytes().all(|b| b.is_ascii_digit());
            let address = address.to_ascii_lowercase();
            good.then(|| {
                (
                    Kind::Eip191,
                    format!("did:pkh:eip155:{reference}:{address}"),
                )
            })
        }
        "solana" => {
            base58(address).filter(|key| key.len() == 32)?;
            Some((
                Kind::Solana,
                format!("did:pkh:solana:{reference}:{address}"),
            ))
        }
        _ => None,
    }
}

/// Writes a capability and reads it as anybody would.
pub(super) fn read(whole: Map) -> Result<Capability, CacaoError> {
    const TOO_LARGE: CacaoError = CacaoError::Malformed("too large");
    let bytes = cbor::encode(&Ipld::Map(whole)).map_err(|_| TOO_LARGE)?;
    Capability::read(Block::dag_cbor(bytes).map_err(|_| TOO_LARGE)?)
}

/// The beginning of a foreign text, for a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(128).collect()
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`
fn iso(ms: i64) -> Option<String> {
    // Not by adding to the epoch: that brings 20 KB of jiff's errors into the module.
    let at = Offset::UTC.to_datetime(Timestamp::from_millisecond(ms).ok()?);
    if at.year() < 0 {
        return None;
    }
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond(),
    ))
}

/// A host name or address, and perhaps a port.
pub(crate) fn is_host(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    (1..=255).contains(&text.len()) && text.bytes().all(good)
}

fn is_line(text: &str, most: usize) -> bool {
    let good = |b: u8| b == b' ' || b.is_ascii_graphic();
    (1..=most).contains(&text.len()) && text.bytes().all(good)
}

fn is_word(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A scheme (RFC 3986) and something after it.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let good = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    is_word(text, MAX_RESOURCE)
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(good)
        && !rest.is_empty()
}
