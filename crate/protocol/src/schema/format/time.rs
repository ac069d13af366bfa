//! Dates, times and durations.

use std::cmp::Ordering;

use super::Reader;
use crate::javascript::is_space;

pub(super) fn is_date(text: &str) -> bool {
    let mut reader = Reader(text);
    let mut date = || {
        let year = reader.digits(4)?;
        let month = reader.take("-").then(|| reader.digits(2))??;
        let day = reader.take("-").then(|| reader.digits(2))??;
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (1..=days).contains(&day).then_some(reader.is_done())
    };
    date() == Some(true)
}

/// The parts of a time; the zone may be left out.
struct Time<'t> {
    hour: u32,
    minute: u32,
    second: u32,
    /// The digits of the time and the fraction, as they are written.
    digits: (&'t str, &'t str, &'t str, &'t str),
}

fn time(text: &str) -> Option<Time<'_>> {
    let mut reader = Reader(text);
    let (hour, minute, second) = (
        reader.digits(2)?,
        reader.take(":").then(|| reader.digits(2))??,
        reader.take(":").then(|| reader.digits(2))??,
    );
    let digits = (text.get(0..2)?, text.get(3..5)?, text.get(6..8)?);
    let from = reader.0;
    if reader.take(".") && reader.run(|c| c.is_ascii_digit()).is_empty() {
        return None;
    }
    let fraction = from.strip_suffix(reader.0)?;
    if !(reader.take("z") || reader.take("Z")) && (reader.take("+") || reader.take("-")) {
        reader.digits(2)?;
        if !reader.is_done() {
            reader.take(":");
            reader.digits(2)?;
        }
    }
    reader.is_done().then_some(Time {
        hour,
        minute,
        second,
        digits: (digits.0, digits.1, digits.2, fraction),
    })
}

pub(super) fn is_time(text: &str) -> bool {
    time(text).is_some_and(|time| {
        let leap = (time.hour, time.minute, time.second) == (23, 59, 60);
        leap || (time.hour <= 23 && time.minute <= 59 && time.second <= 59)
    })
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == 't' || c == 'T' || is_space(c))
}

pub(super) fn is_date_time(text: &str) -> bool {
    let mut parts = split(text);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(date), Some(time), None) => is_date(date) && is_time(time),
        _ => false,
    }
}

pub(super) fn compare_dates(a: &str, b: &str) -> Option<Ordering> {
    (!a.is_empty() && !b.is_empty()).then(|| compare_texts(a, b))
}

/// As JavaScript compares texts: by UTF-16 code units.
fn compare_texts(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

pub(super) fn compare_times(a: &str, b: &str) -> Option<Ordering> {
    let joined = |text| {
        let (hour, minute, second, fraction) = time(text)?.digits;
        Some([hour, minute, second, fraction].concat())
    };
    Some(joined(a)?.cmp(&joined(b)?))
}

pub(super) fn compare_date_times(a: &str, b: &str) -> Option<Ordering> {
    let (mut a, mut b) = (split(a), split(b));
    match compare_dates(a.next()?, b.next()?)? {
        Ordering::Equal => compare_times(a.next()?, b.next()?),
        order => Some(order),
    }
}

pub(super) fn is_duration(text: &str) -> bool {
    let mut reader = Reader(text);
    if !reader.take("P") || reader.is_done() {
        return false;
    }
    let mut weeks = reader;
    if !weeks.run(|c| c.is_ascii_digit()).is_empty() && weeks.take("W") && weeks.is_done() {
        return true;
    }
    let parts = |reader: &mut Reader, units: [&str; 3]| {
        for unit in units {
            let mut part = *reader;
            if !part.run(|c| c.is_ascii_digit()).is_empty() && part.take(unit) {
                *reader = part;
            }
        }
    };
    parts(&mut reader, ["Y", "M", "D"]);
    if reader.take("T") {
        if !reader.0.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        parts(&mut reader, ["H", "M", "S"]);
    }
    reader.is_done()
}
