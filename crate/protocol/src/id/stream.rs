use std::fmt;
use std::str::FromStr;

use cid::Cid;

use super::{DocumentRef, IdError, StreamType, read_head, to_text, write_head};

/// The id of a document: its type and the CID of its init event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    kind: StreamType,
    init: Cid,
}

impl StreamId {
    /// The id of the document that starts with `init`.
    pub const fn new(kind: StreamType, init: Cid) -> Self {
        Self { kind, init }
    }

    /// The type of the document.
    pub const fn stream_type(&self) -> StreamType {
        self.kind
    }

    /// The CID of the init event.
    pub const fn init(&self) -> &Cid {
        &self.init
    }

    /// Reads exactly one StreamID.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, IdError> {
        match DocumentRef::from_bytes(bytes) {
            Ok(DocumentRef::Stream(stream)) => Ok(stream),
            Ok(DocumentRef::Commit(_)) => Err(IdError::HasCommit),
            // Not a commit either: name the surplus, not what it failed to be.
            Err(_) if read_head(&mut bytes).is_ok() => Err(IdError::TrailingBytes),
            Err(error) => Err(error),
        }
    }

    /// The one way to write this id in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        write_head(self)
    }

    /// `ceramic://k…`
    pub fn url(&self) -> String {
        format!("ceramic://{self}")
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_text(&self.to_bytes()))
    }
}

impl FromStr for StreamId {
    type Err = IdError;

    /// Reads every text of [`DocumentRef`] that names no version.
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.parse()? {
            DocumentRef::Stream(stream) => Ok(stream),
            DocumentRef::Commit(_) => Err(IdError::HasCommit),
        }
    }
}
