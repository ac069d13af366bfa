//! URIs, their templates, and web addresses.

use super::{Reader, name};
use crate::javascript::is_space;

fn unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:".contains(c)
}

/// What may stand between two slashes of a path.
fn segment(c: char, quotes: bool) -> bool {
    unreserved(c) || c == '@' || (quotes && c == '"')
}

fn scheme(reader: &mut Reader) -> bool {
    let mut ahead = *reader;
    let name = ahead.run(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let found = name.starts_with(|c: char| c.is_ascii_alphabetic()) && ahead.take(":");
    if found {
        *reader = ahead;
    }
    found
}

/// An address in brackets, with whoever stands before it and the port after it.
fn bracketed(mut reader: Reader) -> Option<Reader> {
    let mut ahead = reader;
    ahead.escaped_run(unreserved);
    if ahead.take("@") {
        reader = ahead;
    }
    let (address, rest) = reader.0.strip_prefix('[')?.split_once(']')?;
    let future = || {
        let rest = address.strip_prefix(['v', 'V'])?;
        let (version, rest) = rest.split_once('.')?;
        let hex = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(hex && !rest.is_empty() && rest.chars().all(unreserved))
    };
    if !name::is_ipv6(address, true) && future() != Some(true) {
        return None;
    }
    reader.0 = rest;
    if reader.take(":") {
        reader.run(|c| c.is_ascii_digit());
    }
    (reader.is_done() || reader.0.starts_with(['/', '?', '#'])).then_some(reader)
}

/// Everything after the scheme. What else stands between two slashes and a path is a path as well, but for brackets.
fn hierarchy(mut reader: Reader, quotes: bool, may_be_empty: bool) -> bool {
    let host = reader.0.strip_prefix('/').and_then(|rest| {
        let double = rest
            .strip_prefix('/')
            .and_then(|rest| bracketed(Reader(rest)));
        double.or_else(|| bracketed(Reader(rest)))
    });
    let part = |c: char| segment(c, quotes) || c == '/';
    match host {
        Some(rest) => {
            reader = rest;
            reader.escaped_run(part);
        }
        None if reader.escaped_run(part) == 0 && !may_be_empty => return false,
        None => {}
    }
    for mark in ["?", "#"] {
        if reader.take(mark) {
            reader.escaped_run(|c| part(c) || c == '?');
        }
    }
    reader.is_done()
}

pub(super) fn is_uri(text: &str) -> bool {
    let mut reader = Reader(text);
    scheme(&mut reader) && hierarchy(reader, false, false)
}

pub(super) fn is_uri_reference(text: &str) -> bool {
    let mut reader = Reader(text);
    hierarchy(reader, true, true) || (scheme(&mut reader) && hierarchy(reader, true, true))
}

pub(super) fn is_uri_template(text: &str) -> bool {
    let mut reader = Reader(text);
    loop {
        reader.escaped_run(|c| {
            !c.is_ascii_control() && !" \"'<>%\\^`{|}".contains(c) || c == '\u{7f}'
        });
        if !reader.take("{") {
            return reader.is_done();
        }
        if !expression(&mut reader) {
            return false;
        }
    }
}

fn expression(reader: &mut Reader) -> bool {
    if reader
        .0
        .starts_with(['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|'])
    {
        reader.0 = reader.0.get(1..).unwrap_or_default();
    }
    loop {
        if reader.escaped_run(|c| c.is_ascii_alphanumeric() || c == '_') == 0 {
            return false;
        }
        if reader.take(":") {
            let digits = reader.run(|c| c.is_ascii_digit());
            if digits.is_empty() || digits.len() > 4 || digits.starts_with('0') {
                return false;
            }
        } else {
            reader.take("*");
        }
        if !reader.take(",") {
            return reader.take("}");
        }
    }
}

/// A web address with a public host. Letters are compared without case, which takes a long s for an s.
pub(super) fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let scheme = scheme.to_ascii_lowercase().replace('\u{17f}', "s");
    if !matches!(scheme.as_str(), "http" | "https" | "ftp") {
        return false;
    }
    let space = rest.find(is_space).unwrap_or(rest.len());
    if space < rest.len() {
        return false;
    }
    let after_at = rest.match_indices('@').filter(|(at, _)| *at > 0);
    let hosts = after_at.filter_map(|(at, _)| rest.get(at.checked_add(1)?..));
    std::iter::once(rest).chain(hosts).any(is_public_host)
}

fn is_public_host(text: &str) -> bool {
    let mut reader = Reader(text);
    let host = reader.run(|c| c != ':' && c != '/');
    if reader.take(":") && !(2..=5).contains(&reader.run(|c| c.is_ascii_digit()).len()) {
        return false;
    }
    (reader.is_done() || reader.0.starts_with('/')) && (is_public_ipv4(host) || is_domain(host))
}

fn is_public_ipv4(host: &str) -> bool {
    let octets: Vec<&str> = host.split('.').collect();
    let [a, b, c, d] = octets.as_slice() else {
        return false;
    };
    let number = |text: &str| {
        let digits =
            (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let middle = |text: &str| {
        number(text).is_some_and(|n| n <= 255 && (text.len() < 3 || !text.starts_with('0')))
    };
    let outer = |text: &str, most| {
        number(text).is_some_and(|n| (1..=most).contains(&n)) && !text.starts_with('0')
    };
    let private =
        matches!(
            (*a, *b),
            ("10" | "127", _) | ("169", "254") | ("192", "168")
        ) || (*a == "172" && b.len() == 2 && number(b).is_some_and(|n| (16..=31).contains(&n)));
    outer(a, 223) && middle(b) && middle(c) && outer(d, 254) && !private
}

fn is_domain(host: &str) -> bool {
    let beyond = |c: char| ('\u{a1}'..='\u{ffff}').contains(&c);
    let Some((names, top)) = host.rsplit_once('.') else {
        return false;
    };
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || beyond(c))
    };
    top.chars().count() >= 2
        && top.chars().all(|c| c.is_ascii_alphabetic() || beyond(c))
        && names.split('.').all(|label| label.split('-').all(part))
}
