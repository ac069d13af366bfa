//! A map and a set sorted by key, for where there are at most some ten thousand entries.
//!
//! They do what the standard library's B-trees do, but each kind of B-tree adds more than a kilobyte to what a tab
//! downloads, and each of these a tenth of that: whatever the entries are, a sorted vector of boxes is the same code.
//! Finding is a binary search, inserting and removing move the pointers behind, so what grows without a bound belongs
//! elsewhere.
use std::borrow::Borrow;
use std::fmt;
use std::slice;
use std::vec;

/// A map sorted by key: see the module.
#[derive(Clone, PartialEq, Eq)]
pub struct SortedMap<K, V>(Vec<Box<Entry<K, V>>>);

/// The key comes first in memory, so that looking it up is the same code whatever the value.
#[derive(Clone, PartialEq, Eq)]
#[repr(C)]
struct Entry<K, V> {
    key: K,
    value: V,
}

impl<K: Ord, V> SortedMap<K, V> {
    /// An empty one.
    pub const fn new() -> SortedMap<K, V> {
        SortedMap(Vec::new())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|entry| entry.key.borrow().cmp(key))
    }

    /// Whether there is an entry of this key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The value of this key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|entry| &entry.value)
    }

    /// The value of this key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|entry| &mut entry.value)
    }

    /// Puts the value in; returns the one it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => {
                let entry = self.0.get_mut(at)?;
                Some(std::mem::replace(&mut entry.value, value))
            }
            Err(at) => {
                self.0.insert(at, Box::new(Entry { key, value }));
                None
            }
        }
    }

    /// The value of this key, made first if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = self.find(&key).unwrap_or_else(|at| {
            let value = make();
            self.0.insert(at, Box::new(Entry { key, value }));
            at
        });
        #[expect(clippy::indexing_slicing, reason = "found or inserted right there")]
        &mut self.0[at].value
    }

    /// The value of this key, the default put in first if there is none.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// Takes the entry of this key out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).value)
    }

    /// Takes the entry of the smallest key out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        if self.is_empty() {
            return None;
        }
        let Entry { key, value } = *self.0.remove(0);
        Some((key, value))
    }

    /// Takes the entry of the greatest key out.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        let Entry { key, value } = *self.0.pop()?;
        Some((key, value))
    }

    /// Keeps the entries that fit.
    pub fn retain(&mut self, mut fits: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|entry| {
            let Entry { key, value } = &mut **entry;
            fits(key, value)
        });
    }

    /// All entries, by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter(self.0.iter())
    }

    /// All keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.0.iter().map(|entry| &entry.key)
    }

    /// All values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator {
        self.0.iter().map(|entry| &entry.value)
    }

    /// All values, by key, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|entry| &mut entry.value)
    }

    /// All entries, by key, their values to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut(self.0.iter_mut())
    }

    /// What becomes of the keys alone.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.0.into_iter().map(|entry| entry.key)
    }

    /// What becomes of the values alone, by key.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|entry| entry.value)
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> SortedMap<K, V> {
        SortedMap(Vec::new())
    }
}

impl<K: fmt::Debug + Ord, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> SortedMap<K, V> {
        let mut map = SortedMap::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> SortedMap<K, V> {
        entries.into_iter().collect()
    }
}

/// Sorts values by the keys beside them; values of equal keys stay in order.
pub fn sorted_by_key<K: Ord, V>(
    values: impl IntoIterator<Item = (K, V)>,
) -> impl Iterator<Item = V> {
    let values = values.into_iter().enumerate();
    let sorted: SortedMap<(K, usize), V> = values
        .map(|(at, (key, value))| ((key, at), value))
        .collect();
    sorted.into_values()
}

/// The entries of a [`SortedMap`], by key.
pub struct Iter<'a, K, V>(slice::Iter<'a, Box<Entry<K, V>>>);

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<(&'a K, &'a V)> {
        self.0.next().map(|entry| (&entry.key, &entry.value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

impl<'a, K: Ord, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

/// The entries of a [`SortedMap`], by key, their values to be changed.
pub struct IterMut<'a, K, V>(slice::IterMut<'a, Box<Entry<K, V>>>);

impl<'a, K, V> Iterator for IterMut<'a, K, V> {
    type Item = (&'a K, &'a mut V);

    fn next(&mut self) -> Option<(&'a K, &'a mut V)> {
        let Entry { key, value } = &mut **self.0.next()?;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<'a, K: Ord, V> IntoIterator for &'a mut SortedMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> IterMut<'a, K, V> {
        self.iter_mut()
    }
}

/// What becomes of the entries of a [`SortedMap`], by key.
pub struct IntoIter<K, V>(vec::IntoIter<Box<Entry<K, V>>>);

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        let Entry { key, value } = *self.0.next()?;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<K: Ord, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> IntoIter<K, V> {
        IntoIter(self.0.into_iter())
    }
}

/// A sorted set: see the module.
#[derive(Clone, PartialEq, Eq)]
pub struct SortedSet<T>(SortedMap<T, ()>);

impl<T: Ord> SortedSet<T> {
    /// An empty one.
    pub const fn new() -> SortedSet<T> {
        SortedSet(SortedMap::new())
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is in it.
    pub fn contains<Q: Ord + ?Sized>(&self, one: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(one)
    }

    /// Puts one in; says whether it was not yet there.
    pub fn insert(&mut self, one: T) -> bool {
        self.0.insert(one, ()).is_none()
    }

    /// Takes one out; says whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, one: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.remove(one).is_some()
    }

    /// The smallest.
    pub fn first(&self) -> Option<&T> {
        self.iter().next()
    }

    /// Takes the smallest out.
    pub fn pop_first(&mut self) -> Option<T> {
        self.0.pop_first().map(|(one, ())| one)
    }

    /// All, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.0.keys()
    }

    /// Keeps those that fit.
    pub fn retain(&mut self, mut fits: impl FnMut(&T) -> bool) {
        self.0.retain(|one, ()| fits(one));
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> SortedSet<T> {
        SortedSet(SortedMap::default())
    }
}

impl<T: fmt::Debug + Ord> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, all: I) {
        for one in all {
            self.insert(one);
        }
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> SortedSet<T> {
        let mut set = SortedSet::new();
        set.extend(all);
        set
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for SortedSet<T> {
    fn from(all: [T; N]) -> SortedSet<T> {
        all.into_iter().collect()
    }
}

impl<T: Ord> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = std::iter::Map<IntoIter<T, ()>, fn((T, ())) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|(one, ())| one)
    }
}

impl<'a, T: Ord> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = std::iter::Map<Iter<'a, T, ()>, fn((&'a T, &'a ())) -> &'a T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(one, ())| one)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_answers_as_a_b_tree_does(steps in prop::collection::vec((0u8..8, 0u8..16, any::<u8>()), 0..200)) {
            let (mut map, mut tree) = (SortedMap::new(), BTreeMap::new());
            for (step, key, value) in steps {
                match step {
                    0 | 1 => prop_assert_eq!(map.insert(key, value), tree.insert(key, value)),
                    2 => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                    3 => prop_assert_eq!(map.get_mut(&key), tree.get_mut(&key)),
                    4 => prop_assert_eq!(map.get_or_default(key), tree.entry(key).or_default()),
                    5 => {
                        prop_assert_eq!(map.pop_first(), tree.pop_first());
                        prop_assert_eq!(map.pop_last(), tree.pop_last());
                    }
                    6 => {
                        map.retain(|one, held| *one != key && *held != value);
                        tree.retain(|one, held| *one != key && *held != value);
                    }
                    _ => {
                        let more = [(key, value), (value % 16, key), (3, 3)];
                        map.extend(more);
                        tree.extend(more);
                    }
                }
                prop_assert_eq!(map.len(), tree.len());
                prop_assert_eq!(map.get(&key), tree.get(&key));
                prop_assert_eq!(map.contains_key(&value), tree.contains_key(&value));
                prop_assert!(map.iter().eq(&tree));
                prop_assert!(map.iter_mut().eq(&mut tree));
                prop_assert!(map.keys().eq(tree.keys()) && map.values().eq(tree.values()));
            }
            prop_assert!(map.clone().into_keys().eq(tree.clone().into_keys()));
            prop_assert!(map.into_iter().eq(tree));
        }
    }

    #[test]
    fn what_has_equal_keys_stays_in_order() {
        let sorted = sorted_by_key([(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')]);
        assert_eq!(sorted.collect::<String>(), "bdac");
    }

    #[test]
    fn a_set_holds_each_once_and_in_order() {
        let mut set = SortedSet::from([3, 1, 2, 3]);
        assert!(!set.insert(1) && set.insert(0) && set.remove(&2) && !set.remove(&2));
        assert_eq!(set.first(), Some(&0));
        assert_eq!(set.pop_first(), Some(0));
        assert!(set.iter().eq(&[1, 3]) && set.into_iter().eq([1, 3]));
    }
}
