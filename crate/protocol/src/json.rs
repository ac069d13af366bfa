//! Between DAG-CBOR values and JSON, with the numbers of JavaScript.
//!
//! What `JSON.stringify` of a state shows for what JSON lacks: a link as `{"/": "<cid>"}`, bytes as an object with one
//! numbered key per byte. JSON text from outside is bounded by whoever parses it into a [`Value`]; values nest no deeper
//! than [`cbor::MAX_DEPTH`], else they are refused.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use serde_json::{Map, Number, Value};

use crate::cbor::{self, CborError};

/// The JSON that js shows for this value.
pub fn to_json(value: &Ipld) -> Value {
    match value {
        Ipld::Null => Value::Null,
        Ipld::Bool(bool) => Value::Bool(*bool),
        Ipld::Integer(integer) => integer_to_json(*integer),
        Ipld::Float(float) => float_to_json(*float),
        Ipld::String(text) => Value::String(text.clone()),
        Ipld::Bytes(bytes) => object(
            bytes
                .iter()
                .enumerate()
                .map(|(index, byte)| (index.to_string(), Value::from(*byte))),
        ),
        Ipld::List(list) => Value::Array(list.iter().map(to_json).collect()),
        Ipld::Map(map) => object(map.iter().map(|(key, value)| (key.clone(), to_json(value)))),
        Ipld::Link(cid) => object([("/".to_owned(), Value::String(cid.to_string()))]),
    }
}

/// An object of these fields. One by one: collecting would bring a sorting algorithm along.
pub(crate) fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    let mut object = Map::new();
    object.extend(fields);
    Value::Object(object)
}

/// The value that js would encode for this JSON. Objects stay objects, also those that look like links or bytes.
pub fn from_json(value: &Value) -> Result<Ipld, CborError> {
    read(value, cbor::MAX_DEPTH)
}

fn read(value: &Value, depth: usize) -> Result<Ipld, CborError> {
    Ok(match value {
        Value::Null => Ipld::Null,
        Value::Bool(bool) => Ipld::Bool(*bool),
        Value::Number(number) => cbor::number(number.as_f64().ok_or(CborError::NotFinite)?)?,
        Value::String(text) => Ipld::String(text.clone()),
        Value::Array(list) => {
            let depth = depth.checked_sub(1).ok_or(CborError::TooDeep)?;
            Ipld::List(
                list.iter()
                    .map(|item| read(item, depth))
                    .collect::<Result<_, _>>()?,
            )
        }
        Value::Object(map) => {
            let depth = depth.checked_sub(1).ok_or(CborError::TooDeep)?;
            let mut entries = BTreeMap::new();
            for (key, value) in map {
                entries.insert(key.clone(), read(value, depth)?);
            }
            Ipld::Map(entries)
        }
    })
}

fn integer_to_json(integer: i128) -> Value {
    match (u64::try_from(integer), i64::try_from(integer)) {
        (Ok(integer), _) => Value::from(integer),
        (_, Ok(integer)) => Value::from(integer),
        _ => float_to_json(integer as f64),
    }
}

/// Whole numbers are printed without a fraction; what is not finite is `null`, as in js.
pub(crate) fn float_to_json(float: f64) -> Value {
    let whole = float.fract() == 0.0;
    if whole && float >= 0.0 && float < u64::MAX as f64 {
        return Value::from(float as u64);
    }
    if whole && float < 0.0 && float >= i64::MIN as f64 {
        return Value::from(float as i64);
    }
    Number::from_f64(float).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn numbers_are_printed_as_js_prints_them() {
        let printed = |value: Ipld| to_json(&value).to_string();
        assert_eq!(printed(Ipld::Float(1.0)), "1");
        assert_eq!(printed(Ipld::Float(-0.0)), "0");
        assert_eq!(printed(Ipld::Float(0.1)), "0.1");
        assert_eq!(
            printed(Ipld::Float(9_007_199_254_740_992.0)),
            "9007199254740992"
        );
        assert_eq!(
            printed(Ipld::Float(-9_223_372_036_854_775_808.0)),
            "-9223372036854775808"
        );
        assert_eq!(printed(Ipld::Float(1e300)), "1e+300");
        assert_eq!(
            printed(Ipld::Integer(i128::from(u64::MAX))),
            "18446744073709551615"
        );
    }

    #[test]
    fn numbers_are_read_as_js_encodes_them() {
        let read = |text: &str| from_json(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(read("1.0"), Ipld::Integer(1));
        assert_eq!(read("-0.0"), Ipld::Integer(0));
        assert_eq!(read("1e3"), Ipld::Integer(1000));
        assert_eq!(
            read("9007199254740991"),
            Ipld::Integer(9_007_199_254_740_991)
        );
        assert_eq!(
            read("9007199254740993"),
            Ipld::Float(9_007_199_254_740_992.0)
        );
        assert_eq!(read("0.5"), Ipld::Float(0.5));
    }

    #[test]
    fn links_and_bytes_are_shown_as_json_stringify_shows_them() {
        let cid = *crate::Block::dag_cbor(&b"\xa0"[..]).unwrap().cid();
        assert_eq!(to_json(&Ipld::Link(cid)), json!({ "/": cid.to_string() }));
        assert_eq!(
            to_json(&Ipld::Bytes(vec![7, 255])),
            json!({ "0": 7, "1": 255 })
        );
    }

    #[test]
    fn json_nested_too_deep_is_refused() {
        let nested = |depth| (0..depth).fold(Value::Null, |inner, _| json!([inner]));
        assert!(from_json(&nested(cbor::MAX_DEPTH)).is_ok());
        assert_eq!(
            from_json(&nested(cbor::MAX_DEPTH + 1)),
            Err(CborError::TooDeep)
        );
    }

    proptest! {
        #[test]
        fn json_that_was_shown_is_read_again(value in crate::cbor::tests::any_ipld()) {
            let once = from_json(&to_json(&value)).unwrap();
            prop_assert_eq!(from_json(&to_json(&once)), Ok(once));
        }
    }
}
