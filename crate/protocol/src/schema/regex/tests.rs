use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::unicode(pattern)
        .unwrap()
        .matches(text, &mut fuel())
        .unwrap()
}

#[test]
fn patterns_match_as_in_javascript() {
    for (pattern, text, expected) in [
        ("^[a-z]+$", "abc", true),
        ("^[a-z]+$", "abc\n", false),
        ("b", "abc", true),
        ("^.$", "🙂", true),
        ("^\\u{1F642}$", "🙂", true),
        ("^\\uD83D\\uDE42$", "🙂", true),
        ("^(a|ab)(c|bcd)(d*)$", "abcd", true),
        ("(?<=\\$)\\d+(?!\\.)$", "cost $42", true),
        ("(?<!\\$)\\b\\d+$", "cost $42", false),
        ("^(\\w+) \\1$", "hello hello", true),
        ("^(\\w+) \\1$", "hello world", false),
        ("^(?<q>['\"]).*\\k<q>$", "'a\"'", true),
        ("^(?:a?){3}a{3}$", "aaa", true),
        ("^(a*)*$", "aaab", false),
        ("^(?:a|(b))*\\1$", "ba", true),
        ("^a{2,3}?$", "aaaa", false),
        ("^[^\\d\\s]$", "x", true),
        ("\\bfoo\\b", "a foo.", true),
        ("^\\s$", "\u{feff}", true),
        ("^\\p{Alphabetic}+$", "Ünïcode", true),
        ("^[]$", "a", false),
        ("^[^]$", "\n", true),
        ("(?=(a+))a*b\\1", "baaabac", true),
        ("(?<=([ab]+)([bc]+))$", "abc", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for pattern in [
        "(",
        ")",
        "[",
        "a**",
        "a{2,1}",
        "{1}",
        "\\",
        "(?<a>x)(?<a>y)",
        "\\2(a)",
        "[b-a]",
        "\\-",
        "\\k<a>",
        "(?i:a)",
        "]",
        "}",
        "a{",
        "\\u{110000}",
        "[\\d-x]",
        "(?=a)*",
        "\\c",
        "\\01",
        "\\p{",
        "x{1",
    ] {
        let error = Pattern::unicode(pattern).unwrap_err();
        assert_eq!(error, SchemaError::BadPattern(pattern.to_owned()));
    }
}

#[test]
fn without_the_flag_the_older_grammar_holds() {
    for pattern in [
        "a{", "]", "}", "\\-", "\\2(a)", "[\\d-x]", "(?=a)*", "\\c", "\\01", "{", "x{1", "\\u{61}",
        "\\p{L}",
    ] {
        assert!(is_plain_pattern(pattern), "{pattern}");
    }
    for pattern in ["(", "a**", "{1}", "[b-a]", "(?<=a)*", "a{2,1}", "x\\Z"] {
        assert!(!is_plain_pattern(pattern), "{pattern}");
    }
}

#[test]
fn a_pattern_that_backtracks_without_end_is_stopped_or_linear() {
    let text = "a".repeat(5_000) + "!";
    let mut work = fuel();
    let linear = Pattern::unicode("^(a+)+$").unwrap();
    assert_eq!(linear.matches(&text, &mut work), Ok(false));
    assert!(fuel() - work < 1_000_000);
    let hopeless = Pattern::unicode("^(a+)+(b)?\\2c$").unwrap();
    assert_eq!(hopeless.matches(&text, &mut fuel()), Err(Stop::TooMuchWork));
}

#[test]
fn categories_are_those_of_unicode() {
    let sets = ["Cn", "N", "Cc", "L", "Lu", "Ll", "Z"].map(|name| category::named(name).unwrap());
    for c in (0..=0x10_ffff).filter_map(char::from_u32) {
        let category = category::of(u32::from(c));
        let [unassigned, number, control, letter, upper, lower, space] =
            sets.map(|set| category & set != 0);
        if unassigned {
            continue;
        }
        assert_eq!(number, c.is_numeric(), "{c:?}");
        assert_eq!(control, c.is_control(), "{c:?}");
        assert!(!letter || c.is_alphabetic(), "{c:?}");
        assert!(!upper || c.is_uppercase(), "{c:?}");
        assert!(!lower || c.is_lowercase(), "{c:?}");
        assert!(!space || c.is_whitespace(), "{c:?}");
    }
    assert!(matches(
        "^\\p{L}\\p{P}\\p{Sc}\\p{digit}\\P{Letter}$",
        "ß!€৪ "
    ));
    assert!(matches("^\\p{Mn}$", "\u{301}") && matches("^\\p{Cn}$", "\u{378}"));
}
