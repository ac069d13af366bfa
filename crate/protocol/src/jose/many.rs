//! The signatures of many events at once.

use bytes::Bytes;

use super::ed25519::Batch;
use super::{Algorithm, Header, JoseError, Signer, base64, signing_input, verify_envelope};
use crate::did::{self, key};
use crate::event::Envelope;

/// Most signatures that are checked in one go. Twice as many would gain less than a twentieth.
pub const MAX_BATCH: usize = 1_024;

/// From so many on a batch is quicker than its signatures one by one.
const MIN_BATCH: usize = 2;

/// Verifies many envelopes, of any signers, those under ed25519 in batches of [`MAX_BATCH`]. Each verdict, in the order of
/// the envelopes, is that of [`verify_envelope`]: a batch that fails is checked one by one.
pub fn verify_envelopes(envelopes: &[Envelope]) -> Vec<Result<Signer, JoseError>> {
    let chunks = envelopes.chunks(MAX_BATCH);
    chunks.flat_map(verify_chunk).collect()
}

fn verify_chunk(envelopes: &[Envelope]) -> Vec<Result<Signer, JoseError>> {
    if envelopes.len() < MIN_BATCH {
        return envelopes.iter().map(verify_envelope).collect();
    }
    let mut batch = Batch::default();
    let mut last = None;
    let verdicts: Vec<_> = envelopes
        .iter()
        .map(|envelope| queue(envelope, &mut batch, &mut last).ok_or(envelope))
        .collect();
    let holds = batch.verify();
    let verdicts = verdicts.into_iter().zip(envelopes);
    verdicts
        .map(|(queued, envelope)| match queued {
            Ok(signer) if holds => Ok(signer),
            _ => verify_envelope(envelope),
        })
        .collect()
}

/// A header that was parsed, since the next event is mostly by the same signer.
struct Known {
    protected: Bytes,
    signer: Signer,
}

/// Adds an event's signature to the batch and says whose it is if the batch holds. `None` if it must be looked at alone: it
/// is of another kind, or something is wrong with it.
fn queue(envelope: &Envelope, batch: &mut Batch, last: &mut Option<Known>) -> Option<Signer> {
    let [one] = envelope.signatures.as_slice() else {
        return None;
    };
    let known = match last.take() {
        Some(known) if known.protected == one.protected => known,
        _ => read(&one.protected, batch)?,
    };
    let known = last.insert(known);
    let queued = batch.queue(&base64(&envelope.payload.to_bytes()), &one.signature);
    queued.then(|| known.signer.clone())
}

/// Has the batch know the one ed25519 key that a header names. That it is a point of the curve is for the batch to find out.
fn read(protected: &Bytes, batch: &mut Batch) -> Option<Known> {
    let header = Header::parse(protected).ok()?;
    let did = did::Did::parse(&header.kid).ok()?;
    let key = key::canonical_ed25519(&did)?;
    if header.alg != Algorithm::EdDsa {
        return None;
    }
    batch.by(&key, signing_input(protected, &[]));
    Some(Known {
        protected: protected.clone(),
        signer: Signer {
            did: did.to_string(),
            cap: header.cap,
        },
    })
}

#[cfg(test)]
mod tests;
