//! Deep equality as fast-deep-equal has it, the library Ajv compares with.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::evaluate::Stop;
use crate::sorted::SortedSet;

/// Whether two values are equal. Objects with keys named like what every object inherits upset the original; see [`odd`].
pub(super) fn equal(a: &Value, b: &Value) -> Result<bool, Stop> {
    Ok(match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !equal(a, b)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => {
            if !same_constructor(a, b) {
                return Ok(false);
            }
            if a.contains_key("valueOf") || a.contains_key("toString") {
                return Err(Stop::Unjudgeable);
            }
            if a.len() != b.len() || a.keys().any(|key| !b.contains_key(key)) {
                return Ok(false);
            }
            for (key, value) in a {
                if let Some(other) = b.get(key)
                    && !equal(value, other)?
                {
                    return Ok(false);
                }
            }
            true
        }
        (a, b) => plainly_same(a, b),
    })
}

/// Equality without the oddities, for comparing schemas.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    a == b
}

/// Values that are not made of others.
fn plainly_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) => a == b,
        _ => false,
    }
}

/// The original compares what is found under the key `constructor` by identity.
fn same_constructor(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    match (a.get("constructor"), b.get("constructor")) {
        (None, None) => true,
        (Some(a), Some(b)) => plainly_same(a, b),
        _ => false,
    }
}

/// Whether a value holds an object with a key that makes the original fail, or compare by identity.
fn odd(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(odd),
        Value::Object(map) => {
            ["constructor", "valueOf", "toString"]
                .iter()
                .any(|key| map.contains_key(*key))
                || map.values().any(odd)
        }
        _ => false,
    }
}

/// Whether no two items are equal; `spend` is told of the work.
pub(super) fn unique(
    items: &[&Value],
    mut spend: impl FnMut(u64) -> Result<(), Stop>,
) -> Result<bool, Stop> {
    if items.iter().any(|item| odd(item)) {
        for (index, a) in items.iter().enumerate().rev() {
            for b in items.iter().take(index).rev() {
                spend(weight(a))?;
                if equal(a, b)? {
                    return Ok(false);
                }
            }
        }
        return Ok(true);
    }
    for item in items {
        spend(weight(item))?;
    }
    Ok(all_differ(&mut items.to_vec()))
}

/// How much work comparing a value is.
pub(super) fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 / 16,
        Value::Array(list) => list.iter().map(weight).sum::<u64>(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.len() as u64 / 16).saturating_add(weight(value)))
            .sum(),
        _ => 0,
    }
    .saturating_add(1)
}

/// Some order of all values, in which only what is equal is equal.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(_), Value::Number(_)) => number(a).total_cmp(&number(b)),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            let pairs = a.iter().zip(b).map(|(a, b)| order(a, b));
            pairs.fold(Ordering::Equal, Ordering::then)
        }),
        (Value::Object(a), Value::Object(b)) => {
            let sorted =
                |map: &Map<String, Value>| -> SortedSet<String> { map.keys().cloned().collect() };
            let keys = sorted(a);
            keys.iter().cmp(sorted(b).iter()).then_with(|| {
                let pairs = keys
                    .iter()
                    .filter_map(|key| Some(order(a.get(key)?, b.get(key)?)));
                pairs.fold(Ordering::Equal, Ordering::then)
            })
        }
        (a, b) => kind(a).cmp(&kind(b)),
    }
}

/// A number as JavaScript has it; there is one zero.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default() + 0.0
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Whether no two of these are the same; they are neither lists nor objects. Ajv notes them as the keys of an object, where
/// one text cannot be noted unless it tells texts from other types.
pub(super) fn unique_plain(items: &mut Vec<&Value>, several_types: bool) -> bool {
    if !several_types {
        items.retain(|item| item.as_str() != Some("__proto__"));
    }
    all_differ(items)
}

fn all_differ(items: &mut [&Value]) -> bool {
    items.sort_unstable_by(|a, b| order(a, b));
    items.is_sorted_by(|a, b| order(a, b).is_lt())
}
