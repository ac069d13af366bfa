//! Names of hosts, mailboxes and things, JSON pointers, and base64.

use super::Reader;

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// Letters and digits, with hyphens within.
fn is_label(label: &str) -> bool {
    label.starts_with(alphanumeric)
        && label.ends_with(alphanumeric)
        && label.chars().all(|c| c == '-' || alphanumeric(c))
}

pub(super) fn is_email(text: &str) -> bool {
    let Some((mailbox, host)) = text.split_once('@') else {
        return false;
    };
    let atom = |c: char| alphanumeric(c) || "!#$%&'*+/=?^_`{|}~-".contains(c);
    mailbox
        .split('.')
        .all(|part| !part.is_empty() && part.chars().all(atom))
        && host.contains('.')
        && host.split('.').all(is_label)
}

pub(super) fn is_hostname(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253
        && name
            .split('.')
            .all(|label| label.len() <= 63 && is_label(label))
}

/// A number up to 255; three digits at most.
fn is_octet(text: &str, zeros: bool) -> bool {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u8>().is_ok() && (zeros || text.len() == 1 || !text.starts_with('0'))
}

fn is_dotted(text: &str, zeros: bool) -> bool {
    text.split('.').count() == 4 && text.split('.').all(|octet| is_octet(octet, zeros))
}

pub(super) fn is_ipv4(text: &str) -> bool {
    is_dotted(text, true)
}

/// An IPv6 address; in some places the IPv4 address at its end may have leading zeros.
pub(super) fn is_ipv6(text: &str, zeros: bool) -> bool {
    let groups = |text: &str, last: bool| -> Option<usize> {
        if text.is_empty() {
            return Some(0);
        }
        let count = text.split(':').count();
        let mut total = 0usize;
        for (index, group) in text.split(':').enumerate() {
            let dotted = last && index.checked_add(1) == Some(count) && is_dotted(group, zeros);
            let hex = (1..=4).contains(&group.len())
                && group.bytes().all(|byte| byte.is_ascii_hexdigit());
            total = total.checked_add(match (dotted, hex) {
                (true, _) => 2,
                (_, true) => 1,
                _ => return None,
            })?;
        }
        Some(total)
    };
    match text.split_once("::") {
        None => groups(text, true) == Some(8),
        Some((left, right)) => match (groups(left, false), groups(right, true)) {
            (Some(left), Some(right)) => left.saturating_add(right) <= 7,
            _ => false,
        },
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    let text = match text.split_at_checked(9) {
        Some((urn, rest)) if urn.eq_ignore_ascii_case("urn:uuid:") => rest,
        _ => text,
    };
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

pub(super) fn is_json_pointer(text: &str) -> bool {
    let escapes = text
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']));
    text.is_empty() || (text.starts_with('/') && escapes)
}

pub(super) fn is_json_pointer_uri_fragment(text: &str) -> bool {
    let mut reader = Reader(text);
    if !reader.take("#") {
        return false;
    }
    if !reader.is_done() && !reader.0.starts_with('/') {
        return false;
    }
    loop {
        reader.escaped_run(|c| alphanumeric(c) || "_-.!$&'()*+,;:=@/".contains(c));
        if !(reader.take("~0") || reader.take("~1")) {
            return reader.is_done();
        }
    }
}

pub(super) fn is_relative_json_pointer(text: &str) -> bool {
    let mut reader = Reader(text);
    let digits = reader.run(|c| c.is_ascii_digit());
    let number = digits == "0" || (!digits.is_empty() && !digits.starts_with('0'));
    number && (reader.0 == "#" || is_json_pointer(reader.0))
}

/// Whether one of the lines is base64, or empty: ajv-formats looks no further.
pub(super) fn has_base64_line(text: &str) -> bool {
    let base64 = |line: &str| {
        let data = line
            .strip_suffix("==")
            .or_else(|| line.strip_suffix('='))
            .unwrap_or(line);
        let padding = line.len().saturating_sub(data.len());
        line.len().is_multiple_of(4)
            && (padding == 0 || !data.is_empty())
            && data
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
    };
    text.split(['\n', '\r', '\u{2028}', '\u{2029}']).any(base64)
}
