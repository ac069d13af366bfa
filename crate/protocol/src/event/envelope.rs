use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{EventError, Map};
use crate::{Block, cbor};

/// The JWS around a payload, as DAG-JOSE writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The block that is signed.
    pub payload: Cid,
    /// As many as the sender put there; a valid event has exactly one.
    pub signatures: Vec<Signature>,
}

/// One signature of an [`Envelope`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The protected header: JSON, byte for byte as it was signed. Empty if there was none.
    pub protected: Bytes,
    /// The signature itself.
    pub signature: Bytes,
}

impl Envelope {
    /// The bytes that `signature` signs: `b64u(protected) "." b64u(payload CID)`.
    pub fn signing_input(&self, signature: &Signature) -> Vec<u8> {
        crate::jose::signing_input(&signature.protected, &self.payload.to_bytes())
    }

    /// The capability that the signer claims to act under; none if the protected header cannot be read.
    pub fn capability(&self) -> Option<Cid> {
        let first = self.signatures.first()?;
        crate::jose::Header::parse(&first.protected).ok()?.cap
    }

    /// Reads a DAG-JOSE block. Unknown fields are passed over, as js does.
    pub fn read(bytes: &[u8]) -> Result<Self, EventError> {
        let Ipld::Map(mut map) = cbor::decode(bytes)? else {
            return Err(EventError::BadEnvelope);
        };
        let (Some(Ipld::Bytes(payload)), Some(Ipld::List(signatures))) =
            (map.remove("payload"), map.remove("signatures"))
        else {
            return Err(EventError::BadEnvelope);
        };
        Ok(Self {
            payload: cbor::read_cid(&payload).ok_or(EventError::BadEnvelope)?,
            signatures: signatures
                .into_iter()
                .map(read_signature)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Writes the DAG-JOSE block.
    pub fn write(&self) -> Result<Block, EventError> {
        let signatures = self.signatures.iter().map(|one| {
            let mut map =
                Map::from([("signature".to_owned(), Ipld::Bytes(one.signature.to_vec()))]);
            if !one.protected.is_empty() {
                map.insert("protected".to_owned(), Ipld::Bytes(one.protected.to_vec()));
            }
            Ipld::Map(map)
        });
        let map = Map::from([
            ("payload".to_owned(), Ipld::Bytes(self.payload.to_bytes())),
            ("signatures".to_owned(), Ipld::List(signatures.collect())),
        ]);
        Ok(Block::dag_jose(cbor::encode(&Ipld::Map(map))?)?)
    }
}

fn read_signature(value: Ipld) -> Result<Signature, EventError> {
    let Ipld::Map(mut map) = value else {
        return Err(EventError::BadEnvelope);
    };
    let protected = match map.remove("protected") {
        Some(Ipld::Bytes(protected)) => protected.into(),
        Some(_) => return Err(EventError::BadEnvelope),
        None => Bytes::new(),
    };
    match map.remove("signature") {
        Some(Ipld::Bytes(signature)) => Ok(Signature {
            protected,
            signature: signature.into(),
        }),
        _ => Err(EventError::BadEnvelope),
    }
}
