//! The difference between two contents, as fast-json-patch 3.1 finds it.

use ipld_core::ipld::Ipld;

use crate::event::Map;
use crate::json::to_json;

/// The patch that makes `new` of `old`, each of them as deep as [`MAX_CONTENT_DEPTH`](super::MAX_CONTENT_DEPTH) at most.
pub fn compare(old: &Ipld, new: &Ipld) -> Ipld {
    let mut job = Job {
        operations: Vec::new(),
    };
    let mut path = String::new();
    match (old, new) {
        (Ipld::Map(old), Ipld::Map(new)) => job.map(old, new, &mut path),
        (Ipld::List(old), Ipld::List(new)) => job.list(old, new, &mut path),
        _ if same(old, new) => {}
        // fast-json-patch writes several operations here, and applied they give something else.
        _ => job.push("replace", &path, Some(new)),
    }
    Ipld::List(job.operations)
}

struct Job {
    operations: Vec<Ipld>,
}

impl Job {
    fn push(&mut self, op: &str, path: &str, value: Option<&Ipld>) {
        let mut operation = Map::from([
            ("op".to_owned(), op.into()),
            ("path".to_owned(), path.into()),
        ]);
        operation.extend(value.map(|value| ("value".to_owned(), value.clone())));
        self.operations.push(Ipld::Map(operation));
    }

    /// Old keys from the last to the first, then new keys from the first to the last.
    fn map(&mut self, old: &Map, new: &Map, path: &mut String) {
        let length = path.len();
        for key in keys(old).iter().rev() {
            push_segment(path, key);
            match (old.get(*key), new.get(*key)) {
                (Some(old), Some(new)) => self.value(old, new, path),
                _ => self.push("remove", path, None),
            }
            path.truncate(length);
        }
        for key in keys(new) {
            if let (None, Some(value)) = (old.get(key), new.get(key)) {
                push_segment(path, key);
                self.push("add", path, Some(value));
                path.truncate(length);
            }
        }
    }

    fn list(&mut self, old: &[Ipld], new: &[Ipld], path: &mut String) {
        let length = path.len();
        for (index, value) in old.iter().enumerate().rev() {
            push_segment(path, &index.to_string());
            match new.get(index) {
                Some(new) => self.value(value, new, path),
                None => self.push("remove", path, None),
            }
            path.truncate(length);
        }
        for (index, value) in new.iter().enumerate().skip(old.len()) {
            push_segment(path, &index.to_string());
            self.push("add", path, Some(value));
            path.truncate(length);
        }
    }

    fn value(&mut self, old: &Ipld, new: &Ipld, path: &mut String) {
        match (old, new) {
            (Ipld::Map(old), Ipld::Map(new)) => self.map(old, new, path),
            (Ipld::List(old), Ipld::List(new)) => self.list(old, new, path),
            _ if same(old, new) => {}
            _ => self.push("replace", path, Some(new)),
        }
    }
}

/// A link or bytes stay what they are if the new content has them as they are shown.
fn same(old: &Ipld, new: &Ipld) -> bool {
    old == new || (matches!(old, Ipld::Link(_) | Ipld::Bytes(_)) && to_json(old) == to_json(new))
}

/// In the order in which JavaScript lists them.
fn keys(map: &Map) -> Vec<&str> {
    let mut keys: Vec<&str> = map.keys().map(String::as_str).collect();
    keys.sort_by_key(|key| (index(key).map_or(u64::MAX, u64::from), key.len()));
    keys
}

/// A key that JavaScript takes for an index comes before all others.
fn index(key: &str) -> Option<u32> {
    let digits = key.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = key == "0" || (digits && !key.starts_with('0'));
    let index: u32 = key.parse().ok().filter(|_| canonical)?;
    (index != u32::MAX).then_some(index)
}

fn push_segment(path: &mut String, segment: &str) {
    path.push('/');
    for character in segment.chars() {
        match character {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}
