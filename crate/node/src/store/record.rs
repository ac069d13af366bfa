//! What is noted about a document beside its blocks.
//!
//! Whoever can write to the disk can write any record: it is decoded under the DAG-CBOR profile with
//! [`MAX_RECORD_TIPS`] and [`MAX_RECORD_NEEDS`], and nothing in it is believed before the document was verified from its
//! blocks.

use std::collections::BTreeMap;

use cid::Cid;
use ostrakon_protocol::Ipld;
use ostrakon_protocol::cbor;
use ostrakon_protocol::id::StreamId;

use super::StoreError;

/// Tips a record may hold.
pub const MAX_RECORD_TIPS: usize = 64;
/// Other documents a record may name.
pub const MAX_RECORD_NEEDS: usize = 1024;
/// The form that [`Record::to_bytes`] writes.
const VERSION: u64 = 1;

/// What is noted about a kept document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which document.
    pub stream: StreamId,
    /// The ends of its branches, the winner first.
    pub tips: Vec<Cid>,
    /// Events in the winning branch, init included.
    pub events: u32,
    /// Bytes of the document's blocks.
    pub bytes: u64,
    /// When it last changed here, in unix milliseconds.
    pub updated: u64,
    /// Whether someone here loaded, followed, imported or wrote it. Else it is kept because others cannot be judged
    /// without it: a model, a schema, a related instance.
    pub asked: bool,
    /// The documents without which this one cannot be judged; at most [`MAX_RECORD_NEEDS`].
    pub needs: Vec<StreamId>,
}

impl Record {
    /// The end of the winning branch.
    pub fn tip(&self) -> &Cid {
        // The init event is the tip of a document without any other.
        self.tips.first().unwrap_or(self.stream.init())
    }

    /// DAG-CBOR, with a version in it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the values cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let tips = self.tips.iter().map(|tip| Ipld::Link(*tip)).collect();
        let needs = self.needs.iter().map(|id| Ipld::Bytes(id.to_bytes()));
        let map = BTreeMap::from([
            ("asked".to_owned(), Ipld::Bool(self.asked)),
            ("bytes".to_owned(), Ipld::Integer(self.bytes.into())),
            ("events".to_owned(), Ipld::Integer(self.events.into())),
            ("needs".to_owned(), Ipld::List(needs.collect())),
            ("stream".to_owned(), Ipld::Bytes(self.stream.to_bytes())),
            ("tips".to_owned(), Ipld::List(tips)),
            ("updated".to_owned(), Ipld::Integer(self.updated.into())),
            ("v".to_owned(), Ipld::Integer(VERSION.into())),
        ]);
        cbor::encode(&Ipld::Map(map)).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// The other way.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer version wrote it, [`StoreError::Corrupt`] if it is no record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Record, StoreError> {
        let Ok(Ipld::Map(map)) = cbor::decode(bytes) else {
            return Err(corrupt());
        };
        let version = integer(&map, "v")?;
        if version > VERSION {
            return Err(StoreError::Newer {
                found: version,
                known: VERSION,
            });
        }
        let (Some(Ipld::Bytes(stream)), Some(Ipld::List(tips))) =
            (map.get("stream"), map.get("tips"))
        else {
            return Err(corrupt());
        };
        if tips.len() > MAX_RECORD_TIPS {
            return Err(corrupt());
        }
        let tips = tips.iter().map(|tip| match tip {
            Ipld::Link(cid) => Ok(*cid),
            _ => Err(corrupt()),
        });
        Ok(Record {
            // Records were written without these before other documents were kept.
            asked: !matches!(map.get("asked"), Some(Ipld::Bool(false))),
            needs: needs(map.get("needs"))?,
            stream: StreamId::from_bytes(stream).map_err(|_| corrupt())?,
            tips: tips.collect::<Result<_, _>>()?,
            events: integer(&map, "events")?.try_into().map_err(|_| corrupt())?,
            bytes: integer(&map, "bytes")?,
            updated: integer(&map, "updated")?,
        })
    }
}

fn needs(value: Option<&Ipld>) -> Result<Vec<StreamId>, StoreError> {
    let list = match value {
        None => return Ok(Vec::new()),
        Some(Ipld::List(list)) if list.len() <= MAX_RECORD_NEEDS => list,
        Some(_) => return Err(corrupt()),
    };
    let needs = list.iter().map(|id| match id {
        Ipld::Bytes(id) => StreamId::from_bytes(id).map_err(|_| corrupt()),
        _ => Err(corrupt()),
    });
    needs.collect()
}

fn integer(map: &BTreeMap<String, Ipld>, key: &str) -> Result<u64, StoreError> {
    match map.get(key) {
        Some(Ipld::Integer(value)) => u64::try_from(*value).map_err(|_| corrupt()),
        _ => Err(corrupt()),
    }
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("a document's record cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{block, stream};

    fn record() -> Record {
        let tips = vec![*block(1).cid(), *block(2).cid()];
        Record {
            stream: stream(7),
            tips,
            events: 3,
            bytes: 1 << 40,
            updated: 1_750_000_000_000,
            asked: false,
            needs: vec![stream(8), stream(9)],
        }
    }

    #[test]
    fn a_record_from_before_other_documents_were_kept_was_asked_for() {
        let bytes = record().to_bytes().unwrap();
        let Ipld::Map(mut map) = cbor::decode(&bytes).unwrap() else {
            panic!("a record is a map")
        };
        map.remove("asked");
        map.remove("needs");
        let old = Record::from_bytes(&cbor::encode(&Ipld::Map(map)).unwrap()).unwrap();
        assert_eq!((old.asked, old.needs.as_slice()), (true, &[][..]));
    }

    #[test]
    fn a_record_comes_back_from_its_bytes() {
        let record = record();
        assert_eq!(Record::from_bytes(&record.to_bytes().unwrap()), Ok(record));
    }

    #[test]
    fn a_record_of_a_newer_version_says_so() {
        let bytes = record().to_bytes().unwrap();
        let Ipld::Map(mut map) = cbor::decode(&bytes).unwrap() else {
            panic!("a record is a map")
        };
        map.insert("v".to_owned(), Ipld::Integer(2));
        let newer = cbor::encode(&Ipld::Map(map)).unwrap();
        assert_eq!(
            Record::from_bytes(&newer),
            Err(StoreError::Newer { found: 2, known: 1 })
        );
    }

    #[test]
    fn bytes_cut_off_anywhere_are_no_record() {
        let bytes = record().to_bytes().unwrap();
        for end in 0..bytes.len() {
            assert_eq!(
                Record::from_bytes(&bytes[..end]).unwrap_err().code(),
                "store-corrupt"
            );
        }
    }

    #[test]
    fn a_record_with_more_tips_than_any_document_has_is_refused() {
        let mut record = record();
        record.tips = vec![*block(1).cid(); MAX_RECORD_TIPS + 1];
        let refused = Record::from_bytes(&record.to_bytes().unwrap()).unwrap_err();
        assert_eq!(refused.code(), "store-corrupt");
    }

    #[test]
    fn a_record_that_needs_too_many_is_refused() {
        let mut record = record();
        record.needs = vec![stream(1); MAX_RECORD_NEEDS + 1];
        let refused = Record::from_bytes(&record.to_bytes().unwrap()).unwrap_err();
        assert_eq!(refused.code(), "store-corrupt");
    }
}
