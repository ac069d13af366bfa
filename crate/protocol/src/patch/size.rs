//! How much memory a value takes, by a measure that is the same on all platforms, as validity hangs on it.

use ipld_core::ipld::Ipld;

use crate::event::Map;

/// What each value costs besides its text.
pub(super) const VALUE_BYTES: usize = 96;
/// What a map that is not empty costs besides.
const MAP_BYTES: usize = 1_336;

/// How large and how deep a value is.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

impl Size {
    /// Recursion ends because both decoded events and patched content are bounded in depth.
    pub(super) fn of(value: &Ipld) -> Self {
        let mut size = Self::default();
        match value {
            Ipld::String(text) => size.bytes = text.len(),
            Ipld::Bytes(bytes) => size.bytes = bytes.len(),
            Ipld::List(list) => list.iter().for_each(|item| size.hold(0, item)),
            Ipld::Map(map) => {
                size.bytes = map_bytes(map);
                map.iter()
                    .for_each(|(key, item)| size.hold(key.len(), item));
            }
            _ => {}
        }
        if matches!(value, Ipld::List(_) | Ipld::Map(_)) {
            size.depth = size.depth.saturating_add(1);
        }
        size.bytes = size.bytes.saturating_add(VALUE_BYTES);
        size
    }

    pub(super) fn bytes_of(value: &Ipld) -> usize {
        Self::of(value).bytes
    }

    fn hold(&mut self, key: usize, item: &Ipld) {
        let item = Self::of(item);
        self.bytes = self.bytes.saturating_add(key).saturating_add(item.bytes);
        self.depth = self.depth.max(item.depth);
    }
}

/// What the map itself costs, without its entries.
pub(super) fn map_bytes(map: &Map) -> usize {
    match map.is_empty() {
        true => 0,
        false => MAP_BYTES,
    }
}
