//! 32 bytes that nobody else may know.

use zeroize::Zeroizing;

use super::SessionError;
use super::crypto;

/// A seed of an ed25519 key. It stays where it was made, so that no copy is left behind when it moves, and is wiped when it
/// is dropped. It can't be printed, cloned or written.
pub struct Seed(Box<Zeroizing<[u8; 32]>>);

impl Seed {
    /// A new one, of the platform's randomness.
    ///
    /// # Errors
    /// [`SessionError::Crypto`] if the browser has none.
    pub fn fresh() -> Result<Seed, SessionError> {
        let mut seed = Seed::zero();
        crypto::random(seed.fill())?;
        Ok(seed)
    }

    /// To be filled at once.
    pub(super) fn zero() -> Seed {
        Seed(Box::new(Zeroizing::new([0; 32])))
    }

    pub(super) fn fill(&mut self) -> &mut [u8] {
        &mut self.0[..]
    }

    /// For whoever makes the key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<&[u8; 32]> for Seed {
    fn from(bytes: &[u8; 32]) -> Seed {
        let mut seed = Seed::zero();
        seed.fill().copy_from_slice(bytes);
        seed
    }
}
