//! Ed25519: one signature, or many at once.
//!
//! **The rule** is that of js-ceramic, whose did-jwt calls `@noble/curves` with its defaults, which is ZIP 215 but for what k is
//! the hash of:
//!
//! 1. A and R are encodings of points, canonical or not: an encoding of y of p or more, or of x = 0 with its sign set, will
//!    do. (That the key of a `did:key` must be canonical is judged where DIDs are resolved.)
//! 2. S is below the order L of the prime-order group.
//! 3. \[8\](\[S\]B − R − \[k\]A) = 0, with k = SHA-512(R ‖ A ‖ message) over the canonical encodings of R and A. ZIP 215 takes the
//!    bytes as received; so an encoding that is not canonical is first replaced by the one that is.
//!
//! **Many at once**: for coefficients z of 128 bits, 1 and 2 are checked for each signature, and instead of 3 that
//! \[8\] Σ z(\[S\]B − R − \[k\]A) = 0. Multiplied by the cofactor every term lies in the group of the prime order L, so:
//!
//! - if each signature obeys the rule each term is 0, and so is the sum: **the batch never refuses what the rule accepts**;
//! - if one term is not 0, then for any choice of the other coefficients at most one value of its own z makes the sum 0. As
//!   z is drawn after everything else is fixed this happens with a probability of 2⁻¹²⁸: **the batch never accepts what the
//!   rule refuses**, except for one who can afford the work of breaking the curve itself.
//!
//! Both hinge on the cofactor. Without it a term may have a part of order 2, 4 or 8, which z cancels one time in eight; that
//! is why equation 3 must not be the one without the 8 that RFC 8032 allows as well.
//!
//! Nothing is drawn at random: the coefficients are SHA-512 of the whole batch, keys, signatures and messages (Fiat and
//! Shamir's way, in which a signature itself is made). A sender who wants other coefficients must change what they are the
//! hash of, at one try in 2¹²⁸ each. So a batch is a pure function of its bytes, on every machine. What messages by one key
//! have in common, the same header, is hashed once.

use std::convert::Infallible;

use ed25519_dalek::VerifyingKey;
use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};
use rand_core::{TryCryptoRng, TryRng, utils};
use sha2::{Digest as _, Sha512};

/// Whether `signature`, of 64 bytes, is one over `message` under `key`.
pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let key = canonical(*key).and_then(|key| VerificationKey::try_from(key).ok());
    matches!((key, read(signature)), (Some(key), Some(signature)) if key.verify(&signature, message).is_ok())
}

/// R and S. Both halves are checked where the signature is.
fn read(signature: &[u8]) -> Option<Signature> {
    let (r, s) = signature.split_first_chunk()?;
    Some(Signature::from_components(
        canonical(*r)?,
        s.try_into().ok()?,
    ))
}

/// Whether these bytes are how RFC 8032 writes a point, if they are one at all: y below p = 2²⁵⁵ − 19, and no sign where x is 0,
/// at y = ±1.
pub(crate) fn is_canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    let all = |it: u8| middle.iter().all(|byte| *byte == it);
    match (*low, *high) {
        (1, 0x80) => !all(0),
        (0xec, 0xff) | (0xed.., 0x7f | 0xff) => !all(0xff),
        _ => true,
    }
}

/// The canonical encoding of what `point` may encode in another way; `None` if that is no point.
fn canonical(point: [u8; 32]) -> Option<[u8; 32]> {
    match is_canonical(&point) {
        true => Some(point),
        false => {
            let point = VerifyingKey::from_bytes(&point).ok()?;
            Some(point.to_edwards().compress().to_bytes())
        }
    }
}

/// Signatures to be checked at once.
#[derive(Default)]
pub(super) struct Batch {
    verifier: batch::Verifier,
    transcript: Sha512,
    /// The key that is spoken of; none as long as there is none that can be valid.
    key: Option<[u8; 32]>,
    /// The message, of which the first bytes are those that all by this key begin with.
    message: Vec<u8>,
    common: usize,
}

impl Batch {
    /// What follows is signed by `key`, over messages that begin with `start`.
    pub(super) fn by(&mut self, key: &[u8; 32], start: Vec<u8>) {
        self.key = canonical(*key);
        self.message = start;
        self.common = self.message.len();
        // Never a length of a message's end, so nothing can be read in two ways.
        self.transcript.update([0xff; 8]);
        self.transcript.update(key);
        self.absorb(0);
    }

    /// Adds a signature over a message that ends with `end`; false, and nothing happens, if it can never be valid.
    pub(super) fn queue(&mut self, end: &[u8], signature: &[u8]) -> bool {
        let (Some(key), Some(parsed)) = (self.key, read(signature)) else {
            return false;
        };
        self.message.truncate(self.common);
        self.message.extend_from_slice(end);
        self.absorb(self.common);
        self.transcript.update(parsed.to_bytes());
        let key = VerificationKeyBytes::from(key);
        self.verifier.queue((key, parsed, &self.message));
        true
    }

    /// The message from this byte on is part of what the coefficients are the hash of.
    fn absorb(&mut self, from: usize) {
        let bytes = self.message.get(from..).unwrap_or_default();
        self.transcript.update((bytes.len() as u64).to_le_bytes());
        self.transcript.update(bytes);
    }

    /// Whether every signature is valid. If not, each must be checked by itself.
    pub(super) fn verify(self) -> bool {
        let coefficients = Coefficients::of(self.transcript);
        self.verifier.verify(coefficients).is_ok()
    }
}

/// The coefficients of a batch: SHA-512 of its transcript's hash and a counter, again and again.
struct Coefficients {
    seed: [u8; 64],
    counter: u64,
    block: [u8; 64],
    used: usize,
}

impl Coefficients {
    fn of(transcript: Sha512) -> Self {
        Self {
            seed: transcript.finalize().into(),
            counter: 0,
            block: [0; 64],
            used: 64,
        }
    }
}

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            if self.used >= self.block.len() {
                let hash = Sha512::new().chain_update(self.seed);
                let hash = hash.chain_update(self.counter.to_le_bytes());
                self.block = hash.finalize().into();
                self.counter = self.counter.wrapping_add(1);
                self.used = 0;
            }
            *byte = self.block.get(self.used).copied().unwrap_or_default();
            self.used = self.used.saturating_add(1);
        }
        Ok(())
    }
}

// What ed25519-zebra asks for: nobody can predict them before the batch is fixed.
impl TryCryptoRng for Coefficients {}

#[cfg(test)]
mod tests;
