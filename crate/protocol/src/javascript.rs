//! Texts as JavaScript reads them, where js-ceramic's verdict hangs on it (ECMA-262, StringToNumber).

/// What JavaScript trims and `\s` matches: white space and ends of lines.
pub(crate) fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// `Number(text)`: a decimal, an integer to the base 16, 8 or 2 by its prefix, 0 for nothing but space, else NaN.
///
/// Exact for 15 digits and powers of ten up to 22, so for every time and version; beyond it may be off in the last place.
/// The standard library would be exact, and bring 15 KB of tables and code into the module of a tab.
pub(crate) fn number(text: &str) -> f64 {
    let text = text.trim_matches(is_space);
    let base = match text.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => return decimal(text),
    };
    let digits = text.chars().skip(2).map(|digit| digit.to_digit(base));
    let sum = digits.fold(None, |sum: Option<f64>, digit| {
        Some(sum.unwrap_or(0.0) * f64::from(base) + digit.map_or(f64::NAN, f64::from))
    });
    sum.unwrap_or(f64::NAN)
}

fn decimal(text: &str) -> f64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, exponent) = match digits.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, whole(exponent)),
        None => (digits, Some(0)),
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (text, exponent) {
        ("", _) => 0.0,
        (_, _) if digits == "Infinity" => sign * f64::INFINITY,
        (_, Some(exponent))
            if all_digits(before)
                && all_digits(after)
                && digits.len() > usize::from(digits.contains('.')) =>
        {
            sign * scaled(before, after, exponent)
        }
        _ => f64::NAN,
    }
}

/// An exponent with its sign. No larger one makes a difference.
fn whole(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value: i32 = digits.parse().unwrap_or(i32::MAX);
    good.then(|| value.min(1_000_000).saturating_mul(sign))
}

fn scaled(before: &str, after: &str, exponent: i32) -> f64 {
    let mut value = 0_u64;
    let mut exponent = i64::from(exponent);
    let digits = before.bytes().map(|digit| (digit, false));
    for (digit, is_after) in digits.chain(after.bytes().map(|digit| (digit, true))) {
        let next = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit & 15)));
        match next {
            Some(next) => {
                value = next;
                exponent = exponent.saturating_sub(i64::from(is_after));
            }
            None => exponent = exponent.saturating_add(i64::from(!is_after)),
        }
    }
    if value == 0 {
        return 0.0;
    }
    let power = i32::try_from(exponent).unwrap_or(i32::MAX);
    // In two steps: what would be no double by itself may scale one.
    let (first, second) = (
        power.clamp(-300, 300),
        power.saturating_sub(power.clamp(-300, 300)),
    );
    scale(scale(value as f64, first), second)
}

fn scale(value: f64, power: i32) -> f64 {
    match power < 0 {
        true => value / 10_f64.powi(power.saturating_neg()),
        false => value * 10_f64.powi(power),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_numbers_that_javascript_reads() {
        for (text, expected) in [
            ("", 0.0),
            (" 12\n", 12.0),
            ("\u{feff}12", 12.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("0012.50", 12.5),
            ("-7", -7.0),
            ("+7", 7.0),
            ("1743465600", 1_743_465_600.0),
            ("1743465600.123", 1_743_465_600.123),
            ("0.1", 0.1),
            ("123456.789e-3", 123.456_789),
            ("1e22", 1e22),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("0e999999999999", 0.0),
            ("0x1F", 31.0),
            ("0b11", 3.0),
            ("0o17", 15.0),
            ("Infinity", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
        for text in [
            "0x", "0xg", "1 2", "inf", "nan", "NaN", "1_000", "-0x1", "infinity", "e3", ".", "1e",
            "1e+", "+", "--1", "1.2.3", "12a", "١",
        ] {
            assert!(number(text).is_nan(), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_with_fifteen_digits_is_read_as_the_standard_library_reads_it() {
        for text in [
            "9007199254740991",
            "4294967295.5",
            "0.000001",
            "99999.99999e10",
            "3e-10",
        ] {
            assert_eq!(number(text), text.parse::<f64>().unwrap(), "{text}");
        }
        for text in [
            "1.7976931348623157e308",
            "5e-324",
            "12345678901234567890123",
            "0.3333333333333333333",
        ] {
            let exact: f64 = text.parse().unwrap();
            let near = number(text);
            assert!(
                (near - exact).abs() <= exact * 4.0 * f64::EPSILON,
                "{text}: {near}"
            );
        }
    }
}
