//! Numbers of a proof, compared as JavaScript compares them: nobody says of what type a version or a timestamp is.

use ipld_core::ipld::Ipld;

/// What JavaScript makes of a value where it wants a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    value: f64,
    /// Whether it was a number to begin with.
    is_number: bool,
}

impl Number {
    /// Errors for what has parts: js would make a text of it first.
    pub(super) fn of(value: Option<&Ipld>) -> Option<Self> {
        let is_number = matches!(value, Some(Ipld::Integer(_) | Ipld::Float(_)));
        let value = match value {
            None => f64::NAN,
            Some(Ipld::Null | Ipld::Bool(false)) => 0.0,
            Some(Ipld::Bool(true)) => 1.0,
            Some(Ipld::Integer(number)) => *number as f64,
            Some(Ipld::Float(number)) => *number,
            Some(Ipld::String(text)) => of_text(text.trim_matches(super::is_js_space)),
            Some(Ipld::Bytes(_) | Ipld::List(_) | Ipld::Map(_) | Ipld::Link(_)) => return None,
        };
        Some(Self { value, is_number })
    }

    /// JavaScript's `===`.
    pub(super) fn is(self, number: u8) -> bool {
        self.is_number && self.value == f64::from(number)
    }

    pub(super) fn at_least_two(self) -> bool {
        self.value >= 2.0
    }
}

/// Decimal, or an integer to the base 16, 8 or 2 by its prefix.
fn of_text(text: &str) -> f64 {
    let prefixes = [
        ("0x", 16),
        ("0X", 16),
        ("0o", 8),
        ("0O", 8),
        ("0b", 2),
        ("0B", 2),
    ];
    for (prefix, base) in prefixes {
        if let Some(digits) = text.strip_prefix(prefix) {
            let digits = digits.chars().map(|digit| digit.to_digit(base));
            return digits
                .fold(None, |sum: Option<f64>, digit| {
                    Some(sum.unwrap_or(0.0) * f64::from(base) + digit.map_or(f64::NAN, f64::from))
                })
                .unwrap_or(f64::NAN);
        }
    }
    let plain = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // Rust reads the same decimals, and some words that JavaScript does not.
        _ if text.bytes().all(plain) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// JavaScript's `a < b`: two texts by their UTF-16, the rest as numbers. What is absent is neither less nor more.
pub(crate) fn earlier(a: Option<&Ipld>, b: Option<&Ipld>) -> bool {
    match (a, b) {
        (Some(Ipld::String(a)), Some(Ipld::String(b))) => a.encode_utf16().lt(b.encode_utf16()),
        _ => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.value < b.value,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_numbers_that_javascript_reads() {
        for (text, number) in [
            ("", 0.0),
            (" 12\n", 12.0),
            ("1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-7", -7.0),
            ("0x1F", 31.0),
            ("0b11", 3.0),
            ("0o17", 15.0),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(of_text(text.trim()), number, "{text:?}");
        }
        for text in [
            "0x", "0xg", "1 2", "inf", "nan", "NaN", "1_000", "-0x1", "infinity", "e3", ".",
        ] {
            assert!(of_text(text).is_nan(), "{text:?}");
        }
    }

    #[test]
    fn what_is_absent_is_never_earlier() {
        let one = Ipld::Integer(1);
        assert!(!earlier(None, Some(&one)));
        assert!(!earlier(Some(&one), None));
        assert!(earlier(Some(&Ipld::Null), Some(&one)));
        let text = |text: &str| Ipld::String(text.into());
        assert!(earlier(Some(&text("10")), Some(&text("9"))));
        assert!(!earlier(Some(&text("10")), Some(&Ipld::Integer(9))));
    }
}
