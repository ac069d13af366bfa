use std::fmt;
use std::str::FromStr;

use super::{CommitId, IdError, MAX_TEXT, StreamId, parse_cid, read_cid, read_head};

/// What a user pastes: a document, or one version of it.
///
/// Read from `k…`, `ceramic://k…` or `/ceramic/k…`, each optionally followed by `?commit=` and a CID or `0` (the init
/// event). `?version=…`, the query of 2020, is read and ignored as js-ceramic does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentRef {
    /// The document as it is now.
    Stream(StreamId),
    /// The document as it was at one event.
    Commit(CommitId),
}

impl DocumentRef {
    /// The document meant.
    pub const fn stream_id(&self) -> &StreamId {
        match self {
            Self::Stream(stream) => stream,
            Self::Commit(commit) => commit.stream_id(),
        }
    }

    /// Reads exactly one StreamID or CommitID.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, IdError> {
        let stream = read_head(&mut bytes)?;
        let commit = match bytes {
            [] => return Ok(Self::Stream(stream)),
            [0, rest @ ..] => {
                bytes = rest;
                *stream.init()
            }
            _ => read_cid(&mut bytes)?,
        };
        if !bytes.is_empty() {
            return Err(IdError::TrailingBytes);
        }
        Ok(Self::Commit(CommitId::new(stream, commit)))
    }
}

impl FromStr for DocumentRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > MAX_TEXT {
            return Err(IdError::Malformed);
        }
        let bare = text
            .strip_prefix("ceramic://")
            .or_else(|| text.strip_prefix("/ceramic/"))
            .unwrap_or(text);
        let (id, query) = match bare.split_once('?') {
            Some((id, query)) => (id, Some(query)),
            None => (bare, None),
        };
        if id.is_empty() {
            return Err(IdError::Malformed);
        }
        if !id.starts_with('k')
            || !id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        {
            return Err(IdError::NotBase36);
        }
        let (_, bytes) = multibase::decode(id).map_err(|_| IdError::NotBase36)?;
        let named = Self::from_bytes(&bytes)?;

        let Some(commit) = query.and_then(|q| q.strip_prefix("commit=")) else {
            return match query {
                Some(q) if !q.starts_with("version=") => Err(IdError::Malformed),
                _ => Ok(named),
            };
        };
        match named {
            Self::Stream(stream) if commit == "0" => {
                Ok(Self::Commit(CommitId::new(stream, *stream.init())))
            }
            Self::Stream(stream) => Ok(Self::Commit(CommitId::new(stream, parse_cid(commit)?))),
            Self::Commit(_) => Err(IdError::Malformed),
        }
    }
}

impl fmt::Display for DocumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(stream) => stream.fmt(f),
            Self::Commit(commit) => commit.fmt(f),
        }
    }
}

impl From<StreamId> for DocumentRef {
    fn from(stream: StreamId) -> Self {
        Self::Stream(stream)
    }
}

impl From<CommitId> for DocumentRef {
    fn from(commit: CommitId) -> Self {
        Self::Commit(commit)
    }
}
