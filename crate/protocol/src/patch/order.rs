//! In which order JavaScript lists the keys of content: as they came to be, indices first.
//!
//! The difference of two contents is written in that order, so what is written is the same as js-ceramic's only if it is
//! known. It decides nothing else: a key whose order is not known takes that of DAG-CBOR.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;

use super::pointer::{Pointer, Slot};
use crate::event::Map;

/// The order of the keys in a value, and in all values within.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Order {
    /// Has no keys, or they are as DAG-CBOR has them.
    #[default]
    Plain,
    List(Vec<Order>),
    Map(Keys),
}

/// The keys of a map.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys {
    /// When each came to be; later ones have higher numbers.
    ages: BTreeMap<String, (usize, Order)>,
    newest: usize,
}

impl Keys {
    /// A key that is written: a new one is the youngest, one that was there stays where it is.
    pub(crate) fn write(&mut self, key: &str, order: Order) {
        match self.ages.get_mut(key) {
            Some((_, old)) => *old = order,
            None => {
                self.newest = self.newest.saturating_add(1);
                self.ages.insert(key.to_owned(), (self.newest, order));
            }
        }
    }
}

impl Order {
    /// That of a value which was just decoded.
    pub(crate) fn of(value: &Ipld) -> Self {
        match value {
            Ipld::List(list) => Self::List(list.iter().map(Self::of).collect()),
            Ipld::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| key.len());
                let mut keys = Keys::default();
                for (key, value) in entries {
                    keys.write(key, Self::of(value));
                }
                Self::Map(keys)
            }
            _ => Self::Plain,
        }
    }

    /// The keys of a map of which this is the order, as JavaScript lists them.
    pub(super) fn keys<'m>(&self, map: &'m Map) -> Vec<&'m str> {
        let mut keys: Vec<&str> = map.keys().map(String::as_str).collect();
        keys.sort_by_key(|key| {
            let age = match self {
                Self::Map(keys) => keys.ages.get(*key).map(|(age, _)| *age),
                _ => None,
            };
            let index = index(key).map_or(u64::MAX, u64::from);
            (index, age.unwrap_or(usize::MAX), key.len())
        });
        keys
    }

    /// That of the value under a key.
    pub(super) fn under(&self, key: &str) -> &Self {
        match self {
            Self::Map(keys) => keys.ages.get(key).map_or(&Self::Plain, |(_, order)| order),
            _ => &Self::Plain,
        }
    }

    /// That of an item.
    pub(super) fn at(&self, index: usize) -> &Self {
        match self {
            Self::List(items) => items.get(index).unwrap_or(&Self::Plain),
            _ => &Self::Plain,
        }
    }

    /// What a patch makes of it, which was applied to the content already.
    pub(crate) fn patch(&mut self, patch: &Ipld) {
        let Ipld::List(operations) = patch else {
            return;
        };
        for operation in operations {
            if let Ipld::Map(operation) = operation {
                self.apply(operation);
            }
        }
    }

    fn apply(&mut self, operation: &Map) -> Option<()> {
        let Some(Ipld::String(name)) = operation.get("op") else {
            return None;
        };
        let path = Pointer::read(operation.get("path")).ok()?;
        let from = || Pointer::read(operation.get("from")).ok();
        let value = || operation.get("value").map_or(Self::Plain, Self::of);
        match name.as_str() {
            "add" => self.put(&path, value(), true),
            "replace" => self.put(&path, value(), false),
            "remove" => self.take(&path).map(drop),
            "move" => {
                let moved = self.take(&from()?)?;
                self.put(&path, moved, true)
            }
            "copy" => {
                let from = from()?;
                let copied = match from.split() {
                    Some((last, parents)) => self.holder(parents)?.child(last)?.clone(),
                    None => self.clone(),
                };
                self.put(&path, copied, true)
            }
            _ => None,
        }
    }

    fn put(&mut self, path: &Pointer<'_>, value: Self, insert: bool) -> Option<()> {
        let Some((last, parents)) = path.split() else {
            *self = value;
            return Some(());
        };
        match self.holder(parents)? {
            Self::Map(keys) => keys.write(last, value),
            Self::List(items) if insert => {
                let at = Slot::of(last).splice(items.len());
                items.insert(at, value);
            }
            Self::List(items) => {
                let at = Slot::of(last).index(items.len())?;
                *items.get_mut(at)? = value;
            }
            Self::Plain => {}
        }
        Some(())
    }

    fn take(&mut self, path: &Pointer<'_>) -> Option<Self> {
        let Some((last, parents)) = path.split() else {
            return Some(std::mem::take(self));
        };
        match self.holder(parents)? {
            Self::Map(keys) => keys.ages.remove(last).map(|(_, order)| order),
            Self::List(items) => {
                let at = Slot::of(last).splice(items.len());
                (at < items.len()).then(|| items.remove(at))
            }
            Self::Plain => None,
        }
    }

    fn holder(&mut self, parents: &[Cow<'_, str>]) -> Option<&mut Self> {
        parents
            .iter()
            .try_fold(self, |holder, segment| holder.child(segment))
    }

    fn child(&mut self, segment: &str) -> Option<&mut Self> {
        match self {
            Self::Map(keys) => keys.ages.get_mut(segment).map(|(_, order)| order),
            Self::List(items) => {
                let at = Slot::of(segment).index(items.len())?;
                items.get_mut(at)
            }
            Self::Plain => None,
        }
    }
}

/// A key that JavaScript takes for an index comes before all others.
fn index(key: &str) -> Option<u32> {
    let digits = key.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = key == "0" || (digits && !key.starts_with('0'));
    let index: u32 = key.parse().ok().filter(|_| canonical)?;
    (index != u32::MAX).then_some(index)
}
