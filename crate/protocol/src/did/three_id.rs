//! `did:3` (3ID, CIP-79): a DID whose keys are the anchored content of a tile, as 3id-did-resolver 6.4 and dids 5.0.3 judge
//! them.
//!
//! `did:3:<StreamID>` is the tile `{ "publicKeys": { name: "z…" } }`; a key that begins with `e7` signs, one with `ec` is for
//! agreement. Only what a time event follows counts, or the content of the init event. A DID URL names a version by
//! `?versionId=` (or `version-id`; an event, or 0 for the first) or by `?versionTime=`; else it is the newest. An old URL's
//! `?version=` says nothing, as in js.
//!
//! **When a key may sign.** A version begins with its anchor and ends with the next one. What an old version's key signed is
//! valid only if an anchor shows that it existed less than [`PHASE_OUT`] after the end; without an anchor it is not, from the
//! moment the newer version is known. Nor is it if the anchor is older than the version. So a signature under the newest
//! version without naming it dies with the next one: writers name the version.
//!
//! **Who may sign.** The DID itself, no other: js also asks for the `controllers` of its DID document, and a 3ID's has none.
//! The tile's own controller is a `did:key` and signs the tile's events like those of any tile.
//!
//! **What a claim says.** A time event that no chain was asked about gives no time. If the keys may have changed with it, what
//! depends on its time waits for the chain ([`Need::Transaction`]); if the controller wrote nothing since the anchor before,
//! it is passed over, or else any stranger could hold up every signature of a 3ID.
//!
//! **Version 0.** `did:3:<CID>`, of the years before, is the name of a document that only a gateway of a third party served.
//! It is no part of any event, so it is refused by name ([`ThreeIdError::Legacy`]), never taken on trust.
//!
//! A hostile sender can name any document as a 3ID, or a document itself as its own; nothing is looked up for a signer who
//! could not write anyway, and no document vouches for itself. A 3ID can have as many events as any document, but at most
//! [`MAX_VERSIONS`] sets of [`MAX_KEYS`] keys of [`MAX_KEY_CHARS`] characters; it is gone through once, however many events
//! stand on it.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use ipld_core::ipld::Ipld;

use super::Did;
use super::key::PublicKey;
use crate::anchor::Proof;
use crate::cacao::moment;
use crate::event::{Envelope, Signature};
use crate::jose::{Header, JoseError, signing_input, verify};
use crate::refusal::{Need, Reason};
use crate::state::{Kind, TimeStatus, truthy};
use crate::world::World;
use crate::{CommitId, Document, StreamId};

pub use crate::cacao::PHASE_OUT;

/// Most different sets of keys in the history of one 3ID.
pub const MAX_VERSIONS: usize = 4_096;
/// Most keys of one version, of either kind.
pub const MAX_KEYS: usize = 64;
/// Longest text of a key, in characters. Those in use have about 50.
pub const MAX_KEY_CHARS: usize = 128;

/// Why a 3ID does not vouch for a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThreeIdError {
    /// A 3ID of version 0, whose document only a third party could serve.
    #[error(
        "{0} is a 3ID of version 0: its document is not on the network, and a third party's word is not taken"
    )]
    Legacy(String),
    /// The id is not a StreamID as it is written.
    #[error("{0} does not name a document")]
    Id(String),
    /// The version is neither 0 nor a CID, or its time cannot be read.
    #[error("the {0} of the 3ID cannot be read")]
    Version(&'static str),
    /// The version is not part of the winning log of the 3ID.
    #[error("the 3ID has no version {0}")]
    UnknownVersion(Cid),
    /// The document would vouch for itself.
    #[error("a document cannot be the 3ID that signs it")]
    OwnDocument,
    /// This version lists no keys, or some that cannot be read.
    #[error("this version of the 3ID has no keys that can be read")]
    NoKeys,
    /// More than [`MAX_VERSIONS`] sets of keys.
    #[error("the 3ID changed its keys more than {MAX_VERSIONS} times")]
    TooManyVersions,
    /// A newer version replaced the key, and no anchor shows that the event was written in time.
    #[error("signed by a version of the 3ID that was replaced")]
    Revoked,
    /// The anchor of the event is older than the version.
    #[error("signed by a version of the 3ID that is newer than the event")]
    BeforeCreation,
}

impl ThreeIdError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Legacy(_) => "three-id-legacy",
            Self::Id(_) => "three-id-id",
            Self::Version(_) => "three-id-version",
            Self::UnknownVersion(_) => "three-id-unknown-version",
            Self::OwnDocument => "three-id-own-document",
            Self::NoKeys => "three-id-no-keys",
            Self::TooManyVersions => "three-id-too-many-versions",
            Self::Revoked => "three-id-revoked",
            Self::BeforeCreation => "three-id-before-creation",
        }
    }
}

/// While a version's keys may sign, in unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tenure {
    updated: Option<u64>,
    next_update: Option<u64>,
}

impl Tenure {
    /// Whether an event may be signed whose first anchor has this time.
    pub(crate) fn check(&self, anchored: u64) -> Result<(), ThreeIdError> {
        let ended = |next: u64| anchored >= next.saturating_add(PHASE_OUT);
        match (self.updated, self.next_update) {
            (_, Some(next)) if ended(next) => Err(ThreeIdError::Revoked),
            (Some(updated), _) if anchored < updated => Err(ThreeIdError::BeforeCreation),
            _ => Ok(()),
        }
    }

    /// Whether an event may be signed that no anchor follows.
    pub(crate) fn is_current(&self) -> bool {
        self.next_update.is_none()
    }
}

/// That a 3ID signed, as it was known then.
#[derive(Clone, Debug)]
pub(crate) struct Vouched {
    pub(crate) stream: StreamId,
    pub(crate) stamp: Stamp,
    pub(crate) tenure: Tenure,
}

/// What was known of a 3ID: as long as it is the same, so is every verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    tip: Cid,
    /// An anchor that was passed over as a claim makes a version once it is proven.
    versions: usize,
    claimed: usize,
}

/// Which version a DID URL asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Newest,
    At(Cid),
    Time(u64),
}

/// A signature that a 3ID is said to have made.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) did: Did,
    pub(crate) cap: Option<Cid>,
    pub(crate) payload: Cid,
    header: Header,
    signature: Signature,
}

impl Claim {
    pub(crate) fn read(envelope: Envelope) -> Result<Self, JoseError> {
        let count = envelope.signatures.len();
        let mut signatures = envelope.signatures.into_iter();
        let (Some(signature), None) = (signatures.next(), signatures.next()) else {
            return Err(JoseError::SignatureCount(count));
        };
        let header = Header::parse(&signature.protected)?;
        Ok(Self {
            did: Did::parse(&header.kid)?,
            cap: header.cap,
            payload: envelope.payload,
            header,
            signature,
        })
    }

    /// That a key of the version signed, and while it may. `document` is the one that is written.
    pub(crate) fn verify(&self, document: &StreamId, world: &World) -> Result<Vouched, Reason> {
        let stream = stream_of(&self.did)?;
        if stream == *document {
            return Err(ThreeIdError::OwnDocument.into());
        }
        let wanted = wanted(&self.header.kid, &stream)?;
        let history = world.library.three_id(&stream)?;
        let version = match wanted {
            Wanted::Newest => history.newest(),
            Wanted::Time(unix) => history.at(unix)?,
            Wanted::At(event) => match history.events.get(&event) {
                Some(version) => *version,
                None => {
                    world.library.version(&CommitId::new(stream, event))?;
                    return Err(ThreeIdError::UnknownVersion(event).into());
                }
            },
        };
        let (keys, tenure) = history.version(version)?;
        let input = signing_input(&self.signature.protected, &self.payload.to_bytes());
        let signed = |key| verify(&input, self.header.alg, &self.signature.signature, key).is_ok();
        match keys.iter().any(signed) {
            true => Ok(Vouched {
                stream,
                stamp: history.stamp(),
                tenure,
            }),
            false => Err(JoseError::Signature.into()),
        }
    }
}

/// The document that holds the keys.
pub(crate) fn stream_of(did: &Did) -> Result<StreamId, ThreeIdError> {
    let id = did.id();
    match id.parse::<StreamId>() {
        // js finds the document by this text.
        Ok(stream) if stream.to_string() == id => Ok(stream),
        _ if Cid::try_from(id).is_ok() => Err(ThreeIdError::Legacy(did.to_string())),
        _ => Err(ThreeIdError::Id(did.to_string())),
    }
}

fn wanted(url: &str, stream: &StreamId) -> Result<Wanted, ThreeIdError> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    // The first of a name counts, and an empty value is none.
    let field = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
        value.filter(|value| !value.is_empty())
    };
    match (
        field("versionId").or(field("version-id")),
        field("versionTime"),
    ) {
        (Some("0"), _) => Ok(Wanted::At(*stream.init())),
        (Some(event), _) => {
            let event = Cid::try_from(event).map_err(|_| ThreeIdError::Version("versionId"))?;
            Ok(Wanted::At(event))
        }
        (None, Some(time)) => {
            let time = time.replace("%3A", ":").replace("%3a", ":");
            let unix = moment(&time).and_then(|ms| u64::try_from(ms.div_euclid(1_000)).ok());
            match unix.ok_or(ThreeIdError::Version("versionTime"))? {
                // js takes the moment 0 for none.
                0 => Ok(Wanted::Newest),
                unix => Ok(Wanted::Time(unix)),
            }
        }
        (None, None) => Ok(Wanted::Newest),
    }
}

type Keys = Result<Arc<[PublicKey]>, ThreeIdError>;

/// When a version began.
#[derive(Clone, Debug)]
enum Begin {
    /// The init event has no time of its own.
    Init,
    At(u64),
    /// The chain must be asked.
    Claimed(Arc<Proof>),
}

#[derive(Clone, Debug)]
struct Version {
    begin: Begin,
    keys: Keys,
}

/// The versions of a 3ID: its init event, and each anchor of its log that counts.
#[derive(Clone, Debug)]
pub(crate) struct History {
    tip: Cid,
    versions: Vec<Version>,
    /// Of each event of the log, the version it falls into.
    events: HashMap<Cid, usize>,
    /// Versions that are later than all before, with their times.
    latest: Vec<(u64, usize)>,
    /// Versions whose time only the chain knows.
    claimed: Vec<usize>,
}

impl History {
    /// Goes through the winning log.
    pub(crate) fn of(document: &Document) -> Result<Self, Reason> {
        let mut history = Self {
            tip: *document.tip(),
            versions: Vec::new(),
            events: HashMap::new(),
            latest: Vec::new(),
            claimed: Vec::new(),
        };
        let mut sets = Sets::default();
        // Whether something was written that no anchor followed yet.
        let mut pending = false;
        document.play(|state| {
            let Some(entry) = state.log().last() else {
                return Ok(());
            };
            let begin = match (entry.kind, &entry.time) {
                (Kind::Init, _) => Some(Begin::Init),
                (Kind::Time, TimeStatus::Claimed { proof, .. }) => {
                    pending.then(|| Begin::Claimed(proof.clone()))
                }
                (Kind::Time, time) => time.unix().map(Begin::At),
                (Kind::Data, _) => None,
            };
            if let Some(begin) = begin {
                history.add(begin, sets.keys(state.content.value())?);
                pending = false;
            }
            pending |= entry.kind == Kind::Data;
            let version = history.newest();
            history.events.insert(entry.cid, version);
            Ok(())
        })?;
        Ok(history)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            tip: self.tip,
            versions: self.versions.len(),
            claimed: self.claimed.len(),
        }
    }

    fn add(&mut self, begin: Begin, keys: Keys) {
        let index = self.versions.len();
        match begin {
            Begin::At(unix) if self.latest.last().is_none_or(|(last, _)| *last < unix) => {
                self.latest.push((unix, index));
            }
            Begin::Claimed(_) => self.claimed.push(index),
            Begin::At(_) | Begin::Init => {}
        }
        self.versions.push(Version { begin, keys });
    }

    fn newest(&self) -> usize {
        self.versions.len().saturating_sub(1)
    }

    /// The last version before the first anchor that is later than `unix`.
    fn at(&self, unix: u64) -> Result<usize, Need> {
        let mut found = 0;
        for (index, version) in self.versions.iter().enumerate() {
            match &version.begin {
                Begin::At(time) if *time > unix => break,
                Begin::Claimed(proof) => return Err(Need::transaction(proof)),
                Begin::At(_) | Begin::Init => found = index,
            }
        }
        Ok(found)
    }

    /// The keys of a version, and while they may sign.
    fn version(&self, index: usize) -> Result<(&[PublicKey], Tenure), Reason> {
        let version = self.versions.get(index).ok_or(ThreeIdError::NoKeys)?;
        // The first anchor says when the init event was there.
        let begun = match version.begin {
            Begin::Init => index.saturating_add(1),
            _ => index,
        };
        let updated = match self.versions.get(begun).map(|version| &version.begin) {
            Some(Begin::At(unix)) => Some(*unix),
            Some(Begin::Claimed(proof)) => return Err(Need::transaction(proof).into()),
            Some(Begin::Init) | None => None,
        };
        let later = (self.latest).partition_point(|(unix, _)| Some(*unix) <= updated);
        let next = self.latest.get(later);
        let open = self.claimed.partition_point(|claimed| *claimed <= begun);
        if let Some(open) = self.claimed.get(open)
            && next.is_none_or(|(_, next)| open < next)
            && let Some(Begin::Claimed(proof)) = self.versions.get(*open).map(|open| &open.begin)
        {
            return Err(Need::transaction(proof).into());
        }
        let keys = version.keys.as_ref().map_err(ThreeIdError::clone)?;
        let tenure = Tenure {
            updated,
            next_update: next.map(|(unix, _)| *unix),
        };
        Ok((keys, tenure))
    }
}

/// The sets of keys seen so far, of which a change makes a new one.
#[derive(Default)]
struct Sets {
    last: Option<(Option<Vec<String>>, Keys)>,
    count: usize,
}

impl Sets {
    /// The keys of the anchored content.
    fn keys(&mut self, content: Option<&Ipld>) -> Result<Keys, ThreeIdError> {
        let texts = texts(content);
        if let Some((last, keys)) = &self.last
            && *last == texts
        {
            return Ok(keys.clone());
        }
        self.count = self.count.saturating_add(1);
        if self.count > MAX_VERSIONS {
            return Err(ThreeIdError::TooManyVersions);
        }
        let keys = texts.as_deref().and_then(read).ok_or(ThreeIdError::NoKeys);
        self.last = Some((texts, keys.clone()));
        Ok(keys)
    }
}

/// The texts of the keys; nothing if there are none, too many, or some that are no texts.
fn texts(content: Option<&Ipld>) -> Option<Vec<String>> {
    let Some(Ipld::Map(content)) = content else {
        return None;
    };
    let keys: Vec<&Ipld> = match content.get("publicKeys").filter(|keys| truthy(keys))? {
        Ipld::Map(keys) if keys.len() <= MAX_KEYS => keys.values().collect(),
        Ipld::List(keys) if keys.len() <= MAX_KEYS => keys.iter().collect(),
        _ => return None,
    };
    let texts = keys.into_iter().map(|key| match key {
        Ipld::String(text) if text.len() <= MAX_KEY_CHARS => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

/// The keys that may sign. js looks at neither the first character nor the second byte, and would let the keys for agreement
/// sign as well.
fn read(texts: &[String]) -> Option<Arc<[PublicKey]>> {
    let mut keys = Vec::new();
    for text in texts {
        let digits: String = text.chars().skip(1).collect();
        let bytes = multibase::Base::Base58Btc.decode(digits).ok()?;
        if let [0xe7, _, key @ ..] = bytes.as_slice() {
            keys.push(PublicKey::Secp256k1(key.to_vec()));
        }
    }
    Some(keys.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(key: &str) -> Ipld {
        let key = Ipld::String(key.to_owned());
        let keys = Ipld::List(vec![key]);
        Ipld::Map([("publicKeys".to_owned(), keys)].into())
    }

    #[test]
    fn keys_that_change_more_often_than_anybody_needs_are_refused() {
        let mut sets = Sets::default();
        for number in 0..MAX_VERSIONS {
            assert!(sets.keys(Some(&content(&number.to_string()))).is_ok());
            assert!(sets.keys(Some(&content(&number.to_string()))).is_ok());
        }
        let error = sets.keys(Some(&content("one more"))).unwrap_err();
        assert_eq!(error.code(), "three-id-too-many-versions");
    }

    #[test]
    fn too_many_keys_and_too_long_ones_are_none() {
        let list = |key: &str, count| Ipld::List(vec![Ipld::String(key.to_owned()); count]);
        let keys = |keys: Ipld| {
            let content = Ipld::Map([("publicKeys".to_owned(), keys)].into());
            Sets::default().keys(Some(&content)).unwrap()
        };
        assert!(keys(list("z111", MAX_KEYS)).is_ok());
        assert!(keys(list("z111", MAX_KEYS + 1)).is_err());
        assert!(keys(list(&"1".repeat(MAX_KEY_CHARS), 1)).is_ok());
        assert!(keys(list(&"1".repeat(MAX_KEY_CHARS + 1), 1)).is_err());
    }

    #[test]
    fn a_version_whose_time_cannot_be_read_is_refused() {
        let did = "did:3:kjzl6cwe1jw147vqbn6xnm30i4k94mxu1y9gz3oogtqagsqnz5jaivelwndm0et";
        let stream = stream_of(&Did::parse(did).unwrap()).unwrap();
        for time in ["yesterday", "2025-01-01T00:00:00", "1960-01-01T00:00:00Z"] {
            let error = wanted(&format!("{did}?versionTime={time}"), &stream).unwrap_err();
            assert_eq!(error.code(), "three-id-version", "{time}");
        }
        let newest = wanted(&format!("{did}?version=0#k"), &stream);
        assert_eq!(newest, Ok(Wanted::Newest));
    }

    #[test]
    fn no_did_url_makes_finding_its_version_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let stream = "kjzl6cwe1jw147vqbn6xnm30i4k94mxu1y9gz3oogtqagsqnz5jaivelwndm0et";
            let text = String::from_utf8_lossy(bytes);
            for url in [format!("did:3:{stream}{text}"), format!("did:3:{text}")] {
                if let Ok(stream) = Did::parse(&url).map(|did| stream_of(&did)) {
                    let _ = stream.and_then(|stream| wanted(&url, &stream));
                }
            }
            let _ = Sets::default().keys(Some(&content(&text)));
        });
    }
}
