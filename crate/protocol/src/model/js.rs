//! What JavaScript makes of a value where js-ceramic leans on its conversions.

use ipld_core::ipld::Ipld;

use crate::StreamId;
use crate::cbor::MAX_SAFE_INTEGER;
use crate::javascript;
use crate::state::truthy;

/// Every JavaScript object seems to have these keys.
const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Whether an object that lacks this key has it all the same, from its prototype.
pub(crate) fn is_inherited(key: &str) -> bool {
    INHERITED.contains(&key)
}

/// `value ? String(value) : ''`
pub(crate) fn text_or_nothing(value: Option<&Ipld>) -> String {
    let value = value.filter(|value| truthy(value));
    value.map(text).unwrap_or_default()
}

/// `String(value)`. Content nests no deeper than [`crate::patch::MAX_CONTENT_DEPTH`].
pub(crate) fn text(value: &Ipld) -> String {
    let listed = |texts: Vec<String>| texts.join(",");
    match value {
        Ipld::Null => "null".to_owned(),
        Ipld::Bool(bool) => bool.to_string(),
        Ipld::Integer(integer) => integer.to_string(),
        Ipld::Float(float) => number_text(*float),
        Ipld::String(text) => text.clone(),
        Ipld::Bytes(bytes) => listed(bytes.iter().map(u8::to_string).collect()),
        Ipld::List(list) => {
            let item = |item: &Ipld| match item {
                Ipld::Null => String::new(),
                item => text(item),
            };
            listed(list.iter().map(item).collect())
        }
        Ipld::Map(_) => "[object Object]".to_owned(),
        Ipld::Link(cid) => cid.to_string(),
    }
}

/// ECMA-262, Number::toString: the shortest digits, with an exponent from 1e21 on and below 1e-6.
pub(crate) fn number_text(float: f64) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    if !float.is_finite() {
        let text = float.to_string();
        return text.replace("inf", "Infinity");
    }
    let shortest = format!("{:e}", float.abs());
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if float < 0.0 { "-" } else { "" };
    let text = match exponent {
        // Rust writes all digits of a number without an exponent, and never more than it needs.
        -6..=20 => float.abs().to_string(),
        ..-6 => format!("{digits}e{exponent}"),
        _ => format!("{digits}e+{exponent}"),
    };
    format!("{sign}{text}")
}

/// The id in a text as js-ceramic finds it: the first run of letters and digits, after `ceramic://` or `/ceramic/` if it is
/// there, whatever surrounds it. What comes out counts for a model's rules only; nothing is loaded or shown by it.
pub(crate) fn stream_id(text: &str) -> Option<StreamId> {
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let prefixed = |text: &str, prefix| {
        let rest: &str = text.strip_prefix(prefix)?;
        rest.starts_with(is_word).then(|| rest.to_owned())
    };
    let mut starts = text.char_indices().map(|(at, _)| text.split_at(at).1);
    let rest = starts.find_map(|text| {
        let prefixed = prefixed(text, "ceramic://").or_else(|| prefixed(text, "/ceramic/"));
        prefixed.or_else(|| text.starts_with(is_word).then(|| text.to_owned()))
    })?;
    let (word, rest) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
    match prefixed(rest, "?commit=") {
        Some(_) => None,
        None => word.parse().ok(),
    }
}

/// `Number(value)`, for comparisons: not a number where JavaScript has none either.
pub(crate) fn number(value: &Ipld) -> f64 {
    match value {
        Ipld::Integer(integer) => *integer as f64,
        Ipld::Float(float) => *float,
        Ipld::Bool(bool) => f64::from(u8::from(*bool)),
        Ipld::Null => 0.0,
        other => javascript::number(&text(other)),
    }
}

/// `Uint8Array.from(value)`
pub(crate) fn bytes(value: &Ipld) -> Vec<u8> {
    let byte = |item: &Ipld| match number(item) {
        number if number.is_finite() => number.trunc().rem_euclid(256.0) as u8,
        _ => 0,
    };
    match value {
        Ipld::Bytes(bytes) => bytes.clone(),
        Ipld::List(list) => list.iter().map(byte).collect(),
        Ipld::String(text) => text
            .chars()
            .map(|c| byte(&Ipld::String(c.into())))
            .collect(),
        _ => Vec::new(),
    }
}

/// `a === b`: objects are never the same, as they come from different documents.
pub(crate) fn same(a: &Ipld, b: &Ipld) -> bool {
    match (a, b) {
        (Ipld::Null, Ipld::Null) => true,
        (Ipld::Bool(a), Ipld::Bool(b)) => a == b,
        (Ipld::String(a), Ipld::String(b)) => a == b,
        (Ipld::Integer(a), Ipld::Integer(b)) => a == b,
        (Ipld::Integer(_) | Ipld::Float(_), Ipld::Integer(_) | Ipld::Float(_)) => {
            number(a) == number(b)
        }
        _ => false,
    }
}

/// Whether there is a whole number that JavaScript cannot hold exactly. It reads such a one as a `BigInt`, which is no number
/// to a schema and cannot be written as JSON; where JavaScript writes a number as large, it writes a float.
pub(crate) fn has_big_integer(value: &Ipld) -> bool {
    match value {
        Ipld::Integer(integer) => integer.saturating_abs() > MAX_SAFE_INTEGER,
        Ipld::List(list) => list.iter().any(has_big_integer),
        Ipld::Map(map) => map.values().any(has_big_integer),
        _ => false,
    }
}

/// `value.length`; not a number of what has none.
pub(crate) fn length(value: &Ipld) -> f64 {
    match value {
        Ipld::String(text) => text.encode_utf16().count() as f64,
        Ipld::List(list) => list.len() as f64,
        Ipld::Bytes(bytes) => bytes.len() as f64,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_javascript() {
        for (float, text) in [
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000001, "0.000001"),
            (0.0000015, "0.0000015"),
            (1e-7, "1e-7"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_993.0, "9007199254740992"),
        ] {
            assert_eq!(number_text(float), text);
        }
    }

    #[test]
    fn an_id_is_found_wherever_js_ceramic_finds_it() {
        let id = "kh4q0ozorrgaq2mezktnrmdwleo1d";
        for text in [
            id.to_owned(),
            format!("ceramic://{id}"),
            format!("/ceramic/{id}"),
            format!(" é ceramic://{id}#part"),
            format!("{id},{id}"),
            format!("{id}?version=1"),
            format!("//ceramic/{id}?commit="),
        ] {
            assert!(stream_id(&text).is_some(), "{text}");
        }
        for text in [
            format!("x {id}"),
            format!("ceramic:// {id}"),
            format!("{id}?commit=0"),
            format!("x/ceramic/{id}"),
            format!("{id}a"),
            id.to_uppercase(),
            String::new(),
        ] {
            assert_eq!(stream_id(&text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_bytes_becomes_some() {
        assert_eq!(bytes(&"1x 9".into()), [1, 0, 0, 9]);
        let list: Vec<Ipld> = vec![257.into(), (-1).into(), Ipld::Float(2.9), "7".into()];
        assert_eq!(bytes(&Ipld::List(list)), [1, 255, 2, 7]);
        assert!(bytes(&Ipld::Bool(true)).is_empty());
    }

    #[test]
    fn falsy_values_become_nothing_and_lists_are_joined() {
        let list = Ipld::List(vec![1.into(), Ipld::Null, Ipld::List(vec!["b".into()])]);
        assert_eq!(text_or_nothing(Some(&list)), "1,,b");
        for falsy in [Ipld::Null, false.into(), 0.into(), "".into()] {
            assert_eq!(text_or_nothing(Some(&falsy)), "");
        }
        assert_eq!(text_or_nothing(None), "");
        assert_eq!(text_or_nothing(Some(&true.into())), "true");
        assert_eq!(
            text_or_nothing(Some(&Ipld::Map(Default::default()))),
            "[object Object]"
        );
    }
}
