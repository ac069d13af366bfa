//! Numbers of a proof, compared as JavaScript compares them: nobody says of what type a version or a timestamp is.

use ipld_core::ipld::Ipld;

use crate::javascript;

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
            Some(Ipld::String(text)) => javascript::number(text),
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
