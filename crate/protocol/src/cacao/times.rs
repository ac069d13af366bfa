use jiff::civil::{Date, Time};

use super::{CacaoError, Words};

/// How far clocks may differ, in seconds.
pub const CLOCK_SKEW: u64 = 300;
/// How long a capability is honoured after its end, in seconds: its last events need time to be anchored.
pub const PHASE_OUT: u64 = 86_400;

const SKEW_MS: i64 = 300_000;
const PHASE_OUT_MS: i64 = 86_400_000;

/// The times of a capability, in unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    issued: Option<i64>,
    not_before: Option<i64>,
    expires: Option<i64>,
}

impl Times {
    /// js lets a time that it cannot read pass as no bound at all; here it is an error.
    pub(super) fn read(words: &Words) -> Result<Self, CacaoError> {
        let time = |text: &Option<String>, name| match text {
            Some(text) => parse(text).map(Some).ok_or(CacaoError::BadTime(name)),
            None => Ok(None),
        };
        Ok(Self {
            issued: time(&words.issued, "iat")?,
            not_before: time(&words.not_before, "nbf")?,
            expires: time(&words.expires, "exp")?,
        })
    }

    /// The end, in unix seconds.
    pub(super) fn expires(&self) -> Option<i64> {
        self.expires.map(|ms| ms.div_euclid(1_000))
    }

    /// Whether it was issued no later than `ms`.
    pub(super) fn issued_by(&self, ms: i64) -> bool {
        self.issued.is_some_and(|issued| issued <= ms)
    }

    pub(super) fn check(&self, unix: u64) -> Result<(), CacaoError> {
        let at = i64::try_from(unix).map_or(i64::MAX, |at| at.saturating_mul(1_000));
        let latest_start = at.saturating_add(SKEW_MS);
        let starts = [self.issued, self.not_before];
        if starts
            .into_iter()
            .flatten()
            .any(|start| start > latest_start)
        {
            return Err(CacaoError::NotYet);
        }
        match unix > self.last() {
            true => Err(CacaoError::Expired),
            false => Ok(()),
        }
    }

    /// The last second before it has expired.
    pub(super) fn last(&self) -> u64 {
        let last = |expires: i64| {
            let ms = expires.saturating_add(PHASE_OUT_MS).saturating_add(SKEW_MS);
            u64::try_from(ms.div_euclid(1_000)).unwrap_or(0)
        };
        self.expires.map_or(u64::MAX, last)
    }
}

/// A date and time as ECMAScript and RFC 3339 both have it, in unix milliseconds; a date alone is its midnight in UTC.
/// A time without an offset would mean another moment on every machine, and is none.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let (month, day) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    if parts.next().is_some() {
        return None;
    }
    let (time, offset) = match time {
        Some(time) => clock(time)?,
        None => (Time::midnight(), 0),
    };
    let since = date
        .to_datetime(time)
        .duration_since(Date::new(1970, 1, 1).ok()?.to_datetime(Time::midnight()));
    let ms = i64::try_from(since.as_millis()).ok()?;
    ms.checked_sub(offset)
}

/// `hh:mm[:ss[.fraction]]` and `Z` or `±hh:mm`: the time of day, and the offset in milliseconds.
fn clock(text: &str) -> Option<(Time, i64)> {
    let (time, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let (sign, offset) = match offset.split_at_checked(1)? {
                ("+", offset) => (60_000, offset),
                ("-", offset) => (-60_000, offset),
                _ => return None,
            };
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = i64::from(hours)
                .checked_mul(60)?
                .checked_add(minutes.into())?;
            (time, minutes.checked_mul(sign)?)
        }
    };
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let mut parts = time.split(':');
    let hour = small(parts.next()?)?;
    let minute = small(parts.next()?)?;
    let second = match (parts.next(), fraction) {
        (Some(second), _) => small(second)?,
        (None, None) => 0,
        (None, Some(_)) => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    let nanos = match fraction {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let ms: String = digits.chars().chain("00".chars()).take(3).collect();
            i32::from(number(&ms, 3)?).checked_mul(1_000_000)?
        }
        Some(_) => return None,
        None => 0,
    };
    Some((Time::new(hour, minute, second, nanos).ok()?, offset))
}

fn small(text: &str) -> Option<i8> {
    i8::try_from(number(text, 2)?).ok()
}

/// Exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i16> {
    let good = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(issued: &str, not_before: &str, expires: &str) -> Times {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Times::read(&Words {
            issued: text(issued),
            not_before: text(not_before),
            expires: text(expires),
            ..Words::default()
        })
        .unwrap()
    }

    #[test]
    fn dates_are_read_as_javascript_reads_them() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2025-05-31T00:00:00.000Z", 1_748_649_600_000),
            ("2025-05-31T00:00:00Z", 1_748_649_600_000),
            ("2025-05-31T00:00Z", 1_748_649_600_000),
            ("2025-05-31", 1_748_649_600_000),
            ("2025-05-31t00:00:00z", 1_748_649_600_000),
            ("2025-05-31 00:00:00Z", 1_748_649_600_000),
            ("2025-05-31T02:00:00+02:00", 1_748_649_600_000),
            ("2025-05-30T22:30:00.000-01:30", 1_748_649_600_000),
            ("2025-05-31T00:00:00.5Z", 1_748_649_600_500),
            ("2025-05-31T00:00:00.1239999999Z", 1_748_649_600_123),
            ("1969-12-31T23:59:59.999Z", -1),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_no_date() {
        for text in [
            "",
            "never",
            "T",
            "2025-05-31T",
            "2025-05-31T00:00:00",
            "2025-02-30T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-5-31T00:00:00Z",
            "2025-05-31T24:00:01Z",
            "2025-05-31T00:00:60Z",
            "2025-05-31T00:00:00.Z",
            "2025-05-31T00:00.5Z",
            "2025-05-31T00:00:00+24:00",
            "2025-05-31T00:00:00+2:00",
            "2025-05-31T00:00:00ZZ",
            "2025-05-31T00:00:00Z ",
            "2025-05-31-01",
            "+2025-05-31",
            "2025-05-31T00:00:00é+02:00",
            "1748649600",
            "９９９９-12-31",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_capability_starts_early_by_the_skew() {
        let issued = times("1970-01-01T00:10:00Z", "", "");
        assert_eq!(issued.check(299), Err(CacaoError::NotYet));
        assert_eq!(issued.check(300), Ok(()));
        let later = times("1970-01-01T00:00:00Z", "1970-01-01T00:10:00Z", "");
        assert_eq!(later.check(299), Err(CacaoError::NotYet));
        assert_eq!(later.check(300), Ok(()));
    }

    #[test]
    fn a_capability_ends_late_by_the_skew_and_a_day() {
        let day = times("", "", "1970-01-02T00:00:00Z");
        assert_eq!(day.check(86_400 + PHASE_OUT + CLOCK_SKEW), Ok(()));
        let after = 86_400 + PHASE_OUT + CLOCK_SKEW + 1;
        assert_eq!(day.check(after), Err(CacaoError::Expired));
        assert_eq!(day.check(u64::MAX), Err(CacaoError::Expired));
    }

    #[test]
    fn without_an_end_there_is_none() {
        assert_eq!(times("1970-01-01", "", "").check(u64::MAX), Ok(()));
    }

    #[test]
    fn the_end_is_shown_in_whole_seconds() {
        assert_eq!(times("", "", "1970-01-01T00:00:01.999Z").expires(), Some(1));
        assert_eq!(
            times("", "", "1969-12-31T23:59:59.999Z").expires(),
            Some(-1)
        );
    }
}
