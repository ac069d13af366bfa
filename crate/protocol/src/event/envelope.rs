use bytes::Bytes;
use cid::Cid;

use super::EventError;
use crate::jose::Ed25519Signer;
use crate::jose::jws::{Jws, JwsSignature};
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
        let protected = &self.signatures.first()?.protected;
        // A name in JSON is written out, or with escapes.
        let named = protected.windows(3).any(|part| part == b"cap") || protected.contains(&b'\\');
        named.then(|| crate::jose::Header::parse(protected).ok()?.cap)?
    }

    /// Reads a DAG-JOSE block. Unknown fields are passed over, as js does.
    pub fn read(bytes: &[u8]) -> Result<Self, EventError> {
        match plain(bytes) {
            Some(envelope) => Ok(envelope),
            None => Self::read_any(bytes),
        }
    }

    fn read_any(bytes: &[u8]) -> Result<Self, EventError> {
        let jws = Jws::from_value(cbor::decode(bytes)?).map_err(|_| EventError::BadEnvelope)?;
        let signatures = jws.signatures.into_iter().map(|one| Signature {
            protected: one.protected.unwrap_or_default(),
            signature: one.signature,
        });
        Ok(Self {
            payload: cbor::read_cid(&jws.payload).ok_or(EventError::BadEnvelope)?,
            signatures: signatures.collect(),
        })
    }

    /// Writes the DAG-JOSE block.
    pub fn write(&self) -> Result<Block, EventError> {
        let signatures = self.signatures.iter().map(|one| JwsSignature {
            protected: Some(one.protected.clone()).filter(|protected| !protected.is_empty()),
            header: None,
            signature: one.signature.clone(),
        });
        let jws = Jws {
            payload: self.payload.to_bytes().into(),
            signatures: signatures.collect(),
        };
        Ok(Block::dag_jose(cbor::encode(&jws.to_value())?)?)
    }
}

/// Signs any payload. Returns the blocks in CAR order, the event last. What a controller may write
/// [`author`](crate::author) knows.
pub fn sign(payload: Block, signer: &Ed25519Signer) -> Result<Vec<Block>, EventError> {
    let (protected, signature) = signer.sign(&payload.cid().to_bytes());
    let signature = Signature {
        protected: protected.into(),
        signature: signature.into(),
    };
    let envelope = Envelope {
        payload: *payload.cid(),
        signatures: vec![signature],
    };
    let event = envelope.write()?;
    Ok(vec![payload, event])
}

/// An envelope as nearly all are written, with one signature and nothing besides: read without the detour over values, in
/// a fraction of the time. `None` says nothing but that it is written in another way.
fn plain(bytes: &[u8]) -> Option<Envelope> {
    let rest = bytes.strip_prefix(b"\xa2\x67payload")?;
    let (payload, rest) = byte_string_at(rest)?;
    let rest = rest.strip_prefix(b"\x6asignatures\x81\xa2\x69protected")?;
    let (protected, rest) = byte_string_at(rest)?;
    let (signature, rest) = byte_string_at(rest.strip_prefix(b"\x69signature")?)?;
    let signature = Signature {
        protected: Bytes::copy_from_slice(protected),
        signature: Bytes::copy_from_slice(signature),
    };
    rest.is_empty().then_some(Envelope {
        payload: cbor::read_cid(payload)?,
        signatures: vec![signature],
    })
}

/// A byte string of less than 64 KiB whose length is written as short as it must be, and what follows it.
fn byte_string_at(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes {
        [head @ 0x40..=0x57, rest @ ..] => (usize::from(head & 0x1f), rest),
        [0x58, length @ 24..=0xff, rest @ ..] => (usize::from(*length), rest),
        [0x59, high @ 1..=0xff, low, rest @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jose::Ed25519Signer;

    /// A written envelope with payload, header and signature of any length.
    fn written(protected: Vec<u8>, signature: Vec<u8>, count: usize) -> Vec<u8> {
        let one = Signature {
            protected: protected.into(),
            signature: signature.into(),
        };
        let envelope = Envelope {
            payload: *Block::dag_cbor(&b"\xa0"[..]).unwrap().cid(),
            signatures: vec![one; count],
        };
        envelope.write().unwrap().bytes().to_vec()
    }

    #[test]
    fn what_a_signer_writes_is_read_without_a_detour() {
        let (protected, signature) = Ed25519Signer::from_seed(&[7; 32]).sign(b"payload");
        let bytes = written(protected, signature, 1);
        assert_eq!(plain(&bytes).unwrap(), Envelope::read_any(&bytes).unwrap());
    }

    #[test]
    fn a_capability_is_found_however_its_name_is_written() {
        let cid = *Block::dag_cbor(&b"\xa0"[..]).unwrap().cid();
        for (name, found) in [
            ("cap", true),
            (r"\u0063ap", true),
            (r"c\u0061p", true),
            ("cup", false),
        ] {
            let protected =
                format!(r#"{{"alg":"EdDSA","kid":"did:key:z","{name}":"ipfs://{cid}"}}"#);
            let one = Signature {
                protected: protected.into(),
                signature: Bytes::new(),
            };
            let envelope = Envelope {
                payload: cid,
                signatures: vec![one],
            };
            assert_eq!(envelope.capability(), found.then_some(cid), "{name}");
        }
    }

    proptest! {
        #[test]
        fn an_envelope_reads_alike_with_and_without_the_detour(
            lengths in (0..300_usize, 0..70_usize, 0..3_usize),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let (protected, signature, count) = lengths;
            let mut bytes = written(vec![b'p'; protected], vec![b's'; signature], count);
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Some(read) = plain(&bytes) {
                prop_assert_eq!(Ok(read), Envelope::read_any(&bytes));
            }
        }
    }
}
