//! An ordered set of keys that knows the sum over any range of them.
//!
//! Keys lie in chunks of at most [`MAX_CHUNK`]; each chunk knows its own sum. A range costs the sums of its chunks and the
//! keys of two: with a million keys some thousand additions. Nothing is hashed twice.

use super::hash::SetHash;

/// Keys in one chunk.
pub const MAX_CHUNK: usize = 256;

#[derive(Clone, Debug)]
struct Entry {
    key: Box<[u8]>,
    hash: SetHash,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    entries: Vec<Entry>,
    hash: SetHash,
}

impl Chunk {
    fn of(entries: Vec<Entry>) -> Chunk {
        let hash = sum(&entries);
        Chunk { entries, hash }
    }

    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (*entry.key).cmp(key))
    }
}

fn sum(entries: &[Entry]) -> SetHash {
    let none = SetHash::default();
    entries.iter().fold(none, |sum, entry| sum.plus(entry.hash))
}

/// See the module. Ranges include their start and not their end.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// None of them is empty.
    chunks: Vec<Chunk>,
    len: usize,
}

impl Ring {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Which chunk a key is in, or would be.
    fn chunk_of(&self, key: &[u8]) -> usize {
        self.chunks.partition_point(|chunk| {
            let last = chunk.entries.last();
            last.is_some_and(|last| *last.key < *key)
        })
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        let chunk = self.chunks.get(self.chunk_of(key));
        chunk.is_some_and(|chunk| chunk.find(key).is_ok())
    }

    /// Adds a key; false if it is there.
    pub fn insert(&mut self, key: &[u8]) -> bool {
        let index = self.chunk_of(key).min(self.chunks.len().saturating_sub(1));
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::default());
        }
        let Some(chunk) = self.chunks.get_mut(index) else {
            return false;
        };
        let Err(at) = chunk.find(key) else {
            return false;
        };
        let hash = SetHash::of(key);
        let key = key.into();
        chunk.entries.insert(at, Entry { key, hash });
        chunk.hash = chunk.hash.plus(hash);
        self.len = self.len.saturating_add(1);
        if chunk.entries.len() > MAX_CHUNK {
            let upper = Chunk::of(chunk.entries.split_off(MAX_CHUNK / 2));
            chunk.hash = chunk.hash.minus(upper.hash);
            self.chunks.insert(index.saturating_add(1), upper);
        }
        true
    }

    /// Removes a key; false if it is not there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let index = self.chunk_of(key);
        let Some(chunk) = self.chunks.get_mut(index) else {
            return false;
        };
        let Ok(at) = chunk.find(key) else {
            return false;
        };
        let entry = chunk.entries.remove(at);
        chunk.hash = chunk.hash.minus(entry.hash);
        if chunk.entries.is_empty() {
            self.chunks.remove(index);
        }
        self.len = self.len.saturating_sub(1);
        true
    }

    /// The parts of the chunks that lie in a range.
    fn parts<'a>(
        &'a self,
        first: &'a [u8],
        last: &'a [u8],
    ) -> impl Iterator<Item = (&'a Chunk, &'a [Entry])> {
        let chunks = self.chunks.get(self.chunk_of(first)..).unwrap_or_default();
        chunks.iter().map_while(move |chunk| {
            let place = |key| chunk.find(key).unwrap_or_else(|at| at);
            let (start, end) = (place(first), place(last));
            let part = chunk.entries.get(start..end)?;
            (!part.is_empty()).then_some((chunk, part))
        })
    }

    /// The sum over a range.
    pub fn hash(&self, first: &[u8], last: &[u8]) -> SetHash {
        let none = SetHash::default();
        self.parts(first, last).fold(none, |total, (chunk, part)| {
            total.plus(match part.len() == chunk.entries.len() {
                true => chunk.hash,
                false => sum(part),
            })
        })
    }

    /// The key in a range that has `skip` before it there.
    pub fn nth(&self, first: &[u8], last: &[u8], mut skip: usize) -> Option<&[u8]> {
        for (_, part) in self.parts(first, last) {
            if let Some(entry) = part.get(skip) {
                // What borrows from the range does not outlive it; what is returned borrows from the ring.
                return self.key(&entry.key);
            }
            skip = skip.saturating_sub(part.len());
        }
        None
    }

    fn key(&self, key: &[u8]) -> Option<&[u8]> {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let at = chunk.find(key).ok()?;
        chunk.entries.get(at).map(|entry| &*entry.key)
    }

    /// At most `limit` keys of a range, in order.
    pub fn keys(&self, first: &[u8], last: &[u8], limit: usize) -> Vec<Vec<u8>> {
        let parts = self.parts(first, last).flat_map(|(_, part)| part);
        let keys = parts.map(|entry| entry.key.to_vec());
        keys.take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn plain(set: &BTreeSet<Vec<u8>>, first: &[u8], last: &[u8]) -> (SetHash, Vec<Vec<u8>>) {
        let keys: Vec<Vec<u8>> = set
            .iter()
            .filter(|key| first <= key.as_slice() && key.as_slice() < last)
            .cloned()
            .collect();
        let none = SetHash::default();
        let hash = keys
            .iter()
            .fold(none, |sum, key| sum.plus(SetHash::of(key)));
        (hash, keys)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_ring_says_what_a_plain_set_says(
            changes in prop::collection::vec((any::<bool>(), any::<u16>()), 0..1500),
            ranges in prop::collection::vec((any::<u16>(), any::<u16>()), 1..12),
        ) {
            let (mut ring, mut set) = (Ring::default(), BTreeSet::new());
            for (adds, number) in changes {
                let key = number.to_be_bytes().to_vec();
                match adds || number % 3 == 0 {
                    true => prop_assert_eq!(ring.insert(&key), set.insert(key)),
                    false => prop_assert_eq!(ring.remove(&key), set.remove(&key)),
                }
            }
            prop_assert_eq!(ring.len(), set.len());
            for (first, last) in ranges {
                let (first, last) = (first.to_be_bytes(), last.to_be_bytes());
                let (hash, keys) = plain(&set, &first, &last);
                prop_assert_eq!(ring.hash(&first, &last), hash);
                prop_assert_eq!(ring.keys(&first, &last, usize::MAX), keys.clone());
                for skip in [0, keys.len() / 2, keys.len()] {
                    prop_assert_eq!(ring.nth(&first, &last, skip), keys.get(skip).map(Vec::as_slice));
                }
                prop_assert_eq!(ring.contains(&first), set.contains(first.as_slice()));
            }
        }
    }

    #[test]
    fn a_ring_from_which_all_was_taken_is_as_at_first() {
        let mut ring = Ring::default();
        let keys: Vec<[u8; 4]> = (0..5000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
            .collect();
        for key in &keys {
            assert!(ring.insert(key));
        }
        assert_eq!(ring.hash(&[], &[0xff; 5]).count(), 5000);
        for key in &keys {
            assert!(ring.remove(key));
        }
        assert!(ring.is_empty() && ring.hash(&[], &[0xff; 5]).is_zero());
        assert_eq!(ring.nth(&[], &[0xff; 5], 0), None);
    }

    #[test]
    fn a_range_that_ends_before_it_starts_holds_nothing() {
        let mut ring = Ring::default();
        (0..1000_u32).for_each(|n| assert!(ring.insert(&n.to_be_bytes())));
        assert!(
            ring.hash(&900_u32.to_be_bytes(), &3_u32.to_be_bytes())
                .is_zero()
        );
    }
}
