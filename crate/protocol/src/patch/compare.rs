//! The difference between two contents, as fast-json-patch 3.1 finds it: key by key and index by index, the old ones from the last to
//! the first, then what is new from the first to the last.

use ipld_core::ipld::Ipld;

use super::order::Order;
use crate::event::Map;
use crate::json::to_json;

/// The patch that makes `new` of `old`, where the keys of both are in the order of DAG-CBOR.
///
/// Contents of another kind (a list in place of a map, a text) are replaced as a whole, where fast-json-patch writes operations that
/// make something else. Links and bytes, which it takes apart, are replaced as well, but left alone if `new` has
/// them as they are shown.
pub fn compare(old: &Ipld, new: &Ipld) -> Ipld {
    Difference::of((old, &Order::Plain), (new, &Order::Plain)).patch
}

/// A patch, and whether the order of the old keys has a say in it.
pub(crate) struct Difference {
    pub(crate) patch: Ipld,
    pub(crate) ordered: bool,
}

impl Difference {
    /// The patch that makes the second content of the first, as deep as values can be at most.
    pub(crate) fn of(old: (&Ipld, &Order), new: (&Ipld, &Order)) -> Self {
        let mut job = Job::default();
        job.value(old, new);
        Self {
            patch: Ipld::List(job.operations),
            ordered: job.ordered,
        }
    }
}

#[derive(Default)]
struct Job {
    operations: Vec<Ipld>,
    path: String,
    ordered: bool,
}

impl Job {
    fn value(&mut self, old: (&Ipld, &Order), new: (&Ipld, &Order)) {
        match (old.0, new.0) {
            (Ipld::Map(a), Ipld::Map(b)) => self.map((a, old.1), (b, new.1)),
            (Ipld::List(a), Ipld::List(b)) => self.list((a, old.1), (b, new.1)),
            (a, b) if same(a, b) => {}
            (_, b) => self.push("replace", Some(b)),
        }
    }

    fn map(&mut self, (old, was): (&Map, &Order), (new, becomes): (&Map, &Order)) {
        let mut changed = 0_usize;
        for key in was.keys(old).into_iter().rev() {
            let before = self.operations.len();
            self.step(key, |job| match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => {
                    job.value((old, was.under(key)), (new, becomes.under(key)));
                }
                _ => job.push("remove", None),
            });
            changed = changed.saturating_add(usize::from(self.operations.len() > before));
        }
        self.ordered |= changed > 1;
        for key in becomes.keys(new) {
            if let (None, Some(value)) = (old.get(key), new.get(key)) {
                self.step(key, |job| job.push("add", Some(value)));
            }
        }
    }

    fn list(&mut self, (old, was): (&[Ipld], &Order), (new, becomes): (&[Ipld], &Order)) {
        for (index, value) in old.iter().enumerate().rev() {
            self.step(&index.to_string(), |job| match new.get(index) {
                Some(new) => job.value((value, was.at(index)), (new, becomes.at(index))),
                None => job.push("remove", None),
            });
        }
        for (index, value) in new.iter().enumerate().skip(old.len()) {
            self.step(&index.to_string(), |job| job.push("add", Some(value)));
        }
    }

    /// Goes one segment down the path, and back.
    fn step(&mut self, segment: &str, then: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        for character in segment.chars() {
            match character {
                '~' => self.path.push_str("~0"),
                '/' => self.path.push_str("~1"),
                other => self.path.push(other),
            }
        }
        then(self);
        self.path.truncate(length);
    }

    fn push(&mut self, op: &str, value: Option<&Ipld>) {
        let mut operation = Map::from([
            ("op".to_owned(), op.into()),
            ("path".to_owned(), self.path.as_str().into()),
        ]);
        operation.extend(value.map(|value| ("value".to_owned(), value.clone())));
        self.operations.push(Ipld::Map(operation));
    }
}

fn same(old: &Ipld, new: &Ipld) -> bool {
    old == new || (matches!(old, Ipld::Link(_) | Ipld::Bytes(_)) && to_json(old) == to_json(new))
}

#[cfg(test)]
mod tests;
