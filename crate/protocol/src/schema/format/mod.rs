//! The formats of ajv-formats 2 in its full mode, as it judges them: some are looser than the standards they are named after.

mod name;
mod time;
mod uri;

use std::cmp::Ordering;

/// A format that not every value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    Time,
    DateTime,
    Duration,
    Uri,
    UriReference,
    UriTemplate,
    Url,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Regex,
    Uuid,
    JsonPointer,
    JsonPointerUriFragment,
    RelativeJsonPointer,
    Byte,
    Int32,
    Int64,
    /// `float` and `double`: any number.
    Number,
}

/// Formats that say nothing.
pub(super) fn accepts_all(name: &str) -> bool {
    matches!(name, "password" | "binary")
}

impl Format {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Self::Date,
            "time" => Self::Time,
            "date-time" => Self::DateTime,
            "duration" => Self::Duration,
            "uri" => Self::Uri,
            "uri-reference" => Self::UriReference,
            "uri-template" => Self::UriTemplate,
            "url" => Self::Url,
            "email" => Self::Email,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "regex" => Self::Regex,
            "uuid" => Self::Uuid,
            "json-pointer" => Self::JsonPointer,
            "json-pointer-uri-fragment" => Self::JsonPointerUriFragment,
            "relative-json-pointer" => Self::RelativeJsonPointer,
            "byte" => Self::Byte,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float" | "double" => Self::Number,
            _ => return None,
        })
    }

    pub fn is_for_numbers(self) -> bool {
        matches!(self, Self::Int32 | Self::Int64 | Self::Number)
    }

    /// Whether limits can be set to its values.
    pub fn has_order(self) -> bool {
        matches!(self, Self::Date | Self::Time | Self::DateTime)
    }

    pub fn accepts_number(self, number: f64) -> bool {
        match self {
            Self::Int32 => {
                number.fract() == 0.0 && (-2_147_483_648.0..=2_147_483_647.0).contains(&number)
            }
            Self::Int64 => number.fract() == 0.0,
            _ => true,
        }
    }

    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::Date => time::is_date(text),
            Self::Time => time::is_time(text),
            Self::DateTime => time::is_date_time(text),
            Self::Duration => time::is_duration(text),
            Self::Uri => uri::is_uri(text),
            Self::UriReference => uri::is_uri_reference(text),
            Self::UriTemplate => uri::is_uri_template(text),
            Self::Url => uri::is_url(text),
            Self::Email => name::is_email(text),
            Self::Hostname => name::is_hostname(text),
            Self::Ipv4 => name::is_ipv4(text),
            Self::Ipv6 => name::is_ipv6(text, false),
            Self::Regex => super::regex::is_plain_pattern(text),
            Self::Uuid => name::is_uuid(text),
            Self::JsonPointer => name::is_json_pointer(text),
            Self::JsonPointerUriFragment => name::is_json_pointer_uri_fragment(text),
            Self::RelativeJsonPointer => name::is_relative_json_pointer(text),
            Self::Byte => name::has_base64_line(text),
            Self::Int32 | Self::Int64 | Self::Number => true,
        }
    }

    /// How a value stands to a limit, if the two can be compared.
    pub fn compare(self, text: &str, limit: &str) -> Option<Ordering> {
        match self {
            Self::Date => time::compare_dates(text, limit),
            Self::Time => time::compare_times(text, limit),
            Self::DateTime => time::compare_date_times(text, limit),
            _ => None,
        }
    }
}

/// A limit of values that have a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Max,
    Min,
    ExclusiveMax,
    ExclusiveMin,
}

/// The keywords for them.
pub(super) const BOUNDS: [(&str, Bound); 4] = [
    ("formatMaximum", Bound::Max),
    ("formatMinimum", Bound::Min),
    ("formatExclusiveMaximum", Bound::ExclusiveMax),
    ("formatExclusiveMinimum", Bound::ExclusiveMin),
];

impl Bound {
    pub fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Max => order.is_le(),
            Self::Min => order.is_ge(),
            Self::ExclusiveMax => order.is_lt(),
            Self::ExclusiveMin => order.is_gt(),
        }
    }
}

/// Reads a text from the left.
#[derive(Clone, Copy)]
struct Reader<'t>(&'t str);

impl<'t> Reader<'t> {
    fn is_done(self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// As many characters as fit.
    fn run(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        run
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }

    /// A percent sign and two hexadecimal digits.
    fn escape(&mut self) -> bool {
        let rest = self
            .0
            .strip_prefix('%')
            .and_then(|rest| rest.split_at_checked(2));
        match rest {
            Some((hex, rest)) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// As many as fit, escapes among them; how many.
    fn escaped_run(&mut self, fits: impl Fn(char) -> bool) -> usize {
        let before = self.0.len();
        loop {
            self.run(&fits);
            if !self.escape() {
                return before.saturating_sub(self.0.len());
            }
        }
    }
}
