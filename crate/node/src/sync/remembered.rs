//! Things remembered for a time, and never more than a given number of them.

use std::collections::VecDeque;

use ostrakon_protocol::sorted::SortedMap;
use std::time::Duration;

pub(crate) struct Remembered<K, V> {
    entries: SortedMap<K, Entry<V>>,
    /// Oldest first; an entry whose number does not fit was replaced or forgotten since.
    order: VecDeque<(u64, K)>,
    next: u64,
    limit: usize,
}

struct Entry<V> {
    value: V,
    until: Duration,
    number: u64,
}

impl<K: Ord + Clone, V> Remembered<K, V> {
    pub(crate) fn new(limit: usize) -> Remembered<K, V> {
        Remembered {
            entries: SortedMap::new(),
            order: VecDeque::new(),
            next: 0,
            limit,
        }
    }

    /// Remembers until then; what expired, and beyond the limit the oldest, is forgotten.
    pub(crate) fn insert(&mut self, key: K, value: V, until: Duration, now: Duration) {
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.order.push_back((number, key.clone()));
        self.entries.insert(
            key,
            Entry {
                value,
                until,
                number,
            },
        );
        while let Some((number, key)) = self.order.front() {
            let entry = self
                .entries
                .get(key)
                .filter(|entry| entry.number == *number);
            match entry {
                Some(entry) if entry.until > now && self.entries.len() <= self.limit => break,
                Some(_) => {
                    self.entries.remove(key);
                }
                None => {}
            }
            self.order.pop_front();
        }
        if self.order.len() > self.limit.saturating_mul(2) {
            let entries = &self.entries;
            self.order.retain(|(number, key)| {
                entries
                    .get(key)
                    .is_some_and(|entry| entry.number == *number)
            });
        }
    }

    pub(crate) fn get(&self, key: &K, now: Duration) -> Option<&V> {
        self.entries
            .get(key)
            .filter(|entry| entry.until > now)
            .map(|entry| &entry.value)
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }

    pub(crate) fn forget(&mut self, which: impl Fn(&K, &V) -> bool) {
        self.entries.retain(|key, entry| !which(key, &entry.value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_remembered_expires() {
        let mut remembered = Remembered::new(10);
        remembered.insert(1, 'a', SECOND * 2, SECOND);
        assert_eq!(remembered.get(&1, SECOND), Some(&'a'));
        assert_eq!(remembered.get(&1, SECOND * 2), None);
    }

    #[test]
    fn never_more_than_the_limit_and_the_oldest_goes_first() {
        let mut remembered = Remembered::new(10);
        for n in 0..1000 {
            remembered.insert(n, (), SECOND * 100, SECOND);
            remembered.insert(n, (), SECOND * 200, SECOND);
            assert!(remembered.entries.len() <= 10 && remembered.order.len() <= 20);
        }
        let left: Vec<i32> = (0..1000)
            .filter(|n| remembered.get(n, SECOND).is_some())
            .collect();
        assert_eq!(left, (990..1000).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_forgotten_is_forgotten_at_once() {
        let mut remembered = Remembered::new(10);
        remembered.insert(1, true, SECOND * 2, SECOND);
        remembered.insert(2, false, SECOND * 2, SECOND);
        remembered.forget(|_, value| *value);
        assert_eq!(
            (remembered.get(&1, SECOND), remembered.get(&2, SECOND)),
            (None, Some(&false))
        );
    }
}
