//! What two peers compare instead of keys: a sum that does not depend on the order (as ceramic-one 0.58: SHA-256 of each key
//! as eight little-endian numbers of 32 bits, each added by itself), and how many keys are in it.

use sha2::{Digest, Sha256};

/// Bytes of a sum on the wire.
pub const HASH_BYTES: usize = 32;

/// The sum over a set of keys, and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetHash {
    lanes: [u32; 8],
    count: u64,
}

impl SetHash {
    /// Of one key.
    pub fn of(key: &[u8]) -> SetHash {
        SetHash::from_bytes(&Sha256::digest(key), 1).unwrap_or_default()
    }

    /// From the wire: no bytes are the sum of nothing.
    pub fn from_bytes(bytes: &[u8], count: u64) -> Option<SetHash> {
        let mut lanes = [0; 8];
        if !bytes.is_empty() {
            let bytes: &[u8; HASH_BYTES] = bytes.try_into().ok()?;
            for (lane, four) in lanes.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *lane = u32::from_le_bytes(*four);
            }
        }
        Some(SetHash { lanes, count })
    }

    /// To the wire: nothing for the sum of nothing.
    pub fn to_bytes(self) -> Vec<u8> {
        match self.is_zero() {
            true => Vec::new(),
            false => self
                .lanes
                .iter()
                .flat_map(|lane| lane.to_le_bytes())
                .collect(),
        }
    }

    /// Whether it is the sum of nothing.
    pub fn is_zero(self) -> bool {
        self.lanes == [0; 8]
    }

    /// How many keys are in it.
    pub fn count(self) -> u64 {
        self.count
    }

    /// With another set added, of other keys.
    pub fn plus(mut self, other: SetHash) -> SetHash {
        for (lane, other) in self.lanes.iter_mut().zip(other.lanes) {
            *lane = lane.wrapping_add(other);
        }
        self.count = self.count.wrapping_add(other.count);
        self
    }

    /// Without a set that is part of it.
    pub fn minus(mut self, other: SetHash) -> SetHash {
        for (lane, other) in self.lanes.iter_mut().zip(other.lanes) {
            *lane = lane.wrapping_sub(other);
        }
        self.count = self.count.wrapping_sub(other.count);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_one_key_is_its_sha256() {
        let digest = Sha256::digest(b"hello world");
        let hash = SetHash::of(b"hello world");
        assert_eq!((hash.to_bytes().as_slice(), hash.count()), (&digest[..], 1));
    }

    #[test]
    fn the_order_does_not_matter_and_what_is_taken_away_is_gone() {
        let keys = [b"one".as_slice(), b"two", b"three"].map(SetHash::of);
        let [one, two, three] = keys;
        assert_eq!(one.plus(two).plus(three), three.plus(one).plus(two));
        assert_eq!(one.plus(two).minus(one), two);
        assert!(one.minus(one).to_bytes().is_empty());
    }

    #[test]
    fn sums_of_another_length_are_none() {
        for length in [1, 31, 33, 64] {
            assert_eq!(SetHash::from_bytes(&vec![1; length], 1), None);
        }
        assert!(SetHash::from_bytes(&[0; 32], 0).unwrap().is_zero());
    }
}
