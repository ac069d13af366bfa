//! What is noted about a write from here until somebody else has it.
//!
//! Whoever can write to the disk can write any entry: it is decoded under the DAG-CBOR profile, and only ever names an event
//! that is offered to peers if the document has it.

use std::collections::BTreeMap;

use cid::Cid;
use ostrakon_protocol::Ipld;
use ostrakon_protocol::cbor;
use ostrakon_protocol::id::StreamId;

use super::StoreError;

/// The form that [`Outgoing::to_bytes`] writes.
const VERSION: u64 = 1;

/// A tip that was written here and that nobody else is known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Of which document.
    pub stream: StreamId,
    /// The newest event written here.
    pub tip: Cid,
    /// When the first of those that wait was written, in unix milliseconds.
    pub since: u64,
}

impl Outgoing {
    /// DAG-CBOR, with a version in it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the values cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let map = BTreeMap::from([
            ("since".to_owned(), Ipld::Integer(self.since.into())),
            ("stream".to_owned(), Ipld::Bytes(self.stream.to_bytes())),
            ("tip".to_owned(), Ipld::Link(self.tip)),
            ("v".to_owned(), Ipld::Integer(VERSION.into())),
        ]);
        cbor::encode(&Ipld::Map(map)).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// The other way.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer version wrote it, [`StoreError::Corrupt`] if it is no such entry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Outgoing, StoreError> {
        let corrupt = || StoreError::Corrupt("an entry of the outbox cannot be read".to_owned());
        let Ok(Ipld::Map(map)) = cbor::decode(bytes) else {
            return Err(corrupt());
        };
        let integer = |key| match map.get(key) {
            Some(Ipld::Integer(value)) => u64::try_from(*value).map_err(|_| corrupt()),
            _ => Err(corrupt()),
        };
        let found = integer("v")?;
        if found > VERSION {
            return Err(StoreError::Newer {
                found,
                known: VERSION,
            });
        }
        match (map.get("stream"), map.get("tip")) {
            (Some(Ipld::Bytes(stream)), Some(Ipld::Link(tip))) => Ok(Outgoing {
                stream: StreamId::from_bytes(stream).map_err(|_| corrupt())?,
                tip: *tip,
                since: integer("since")?,
            }),
            _ => Err(corrupt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{block, stream};

    fn outgoing() -> Outgoing {
        Outgoing {
            stream: stream(7),
            tip: *block(1).cid(),
            since: 1_750_000_000_000,
        }
    }

    #[test]
    fn an_entry_comes_back_from_its_bytes_and_from_no_part_of_them() {
        let bytes = outgoing().to_bytes().unwrap();
        assert_eq!(Outgoing::from_bytes(&bytes), Ok(outgoing()));
        for end in 0..bytes.len() {
            let error = Outgoing::from_bytes(&bytes[..end]).unwrap_err();
            assert_eq!(error.code(), "store-corrupt");
        }
    }

    #[test]
    fn an_entry_of_a_newer_version_says_so() {
        let Ipld::Map(mut map) = cbor::decode(&outgoing().to_bytes().unwrap()).unwrap() else {
            panic!("an entry is a map")
        };
        map.insert("v".to_owned(), Ipld::Integer(2));
        let newer = cbor::encode(&Ipld::Map(map)).unwrap();
        let error = Outgoing::from_bytes(&newer).unwrap_err();
        assert_eq!(error, StoreError::Newer { found: 2, known: 1 });
    }
}
