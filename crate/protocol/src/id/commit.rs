use std::fmt;
use std::str::FromStr;

use cid::Cid;

use super::{DocumentRef, IdError, StreamId, to_text, write_head};

/// The id of one version of a document: the document and the event after which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId {
    stream: StreamId,
    commit: Cid,
}

impl CommitId {
    /// The version of `stream` at the event `commit`.
    pub const fn new(stream: StreamId, commit: Cid) -> Self {
        Self { stream, commit }
    }

    /// The document.
    pub const fn stream_id(&self) -> &StreamId {
        &self.stream
    }

    /// The CID of the event.
    pub const fn commit(&self) -> &Cid {
        &self.commit
    }

    /// Reads exactly one CommitID.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        match DocumentRef::from_bytes(bytes)? {
            DocumentRef::Commit(commit) => Ok(commit),
            DocumentRef::Stream(_) => Err(IdError::NoCommit),
        }
    }

    /// The one way to write this id in bytes: the init event is written as a single 0.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = write_head(&self.stream);
        if self.commit == *self.stream.init() {
            out.push(0);
        } else {
            out.extend_from_slice(&self.commit.to_bytes());
        }
        out
    }

    /// `ceramic://k…`
    pub fn url(&self) -> String {
        format!("ceramic://{self}")
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_text(&self.to_bytes()))
    }
}

impl FromStr for CommitId {
    type Err = IdError;

    /// Reads every text of [`DocumentRef`] that names a version.
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.parse()? {
            DocumentRef::Commit(commit) => Ok(commit),
            DocumentRef::Stream(_) => Err(IdError::NoCommit),
        }
    }
}
