//! JSON Pointers as fast-json-patch reads them, and list indices as JavaScript reads those.

use std::borrow::Cow;

use ipld_core::ipld::Ipld;

use super::PatchError;
use crate::javascript;

/// A `path` or `from`.
pub(super) struct Pointer<'p> {
    segments: Vec<Cow<'p, str>>,
    undefined: bool,
}

impl<'p> Pointer<'p> {
    /// Reads a pointer. What stands before the first slash is dropped; where nothing follows, the segment is `undefined`.
    pub(super) fn read(value: Option<&'p Ipld>) -> Result<Self, PatchError> {
        let text = match value {
            Some(Ipld::String(text)) if text.is_empty() => {
                return Ok(Self {
                    segments: Vec::new(),
                    undefined: false,
                });
            }
            Some(Ipld::String(text)) => text.as_str(),
            None | Some(Ipld::Null | Ipld::Bool(false) | Ipld::Integer(0)) => "",
            Some(_) => return Err(PatchError::BadPointer),
        };
        let mut raw = text.split('/');
        let mut before = raw.next().unwrap_or_default();
        let mut segments = Vec::new();
        for segment in raw {
            let name = unescape(segment);
            if name == "__proto__" || (name == "prototype" && before == "constructor") {
                return Err(PatchError::Forbidden(name.into_owned()));
            }
            before = segment;
            segments.push(name);
        }
        let undefined = segments.is_empty();
        if undefined {
            segments.push(Cow::Borrowed("undefined"));
        }
        Ok(Self {
            segments,
            undefined,
        })
    }

    /// Whether this names the whole content.
    pub(super) fn is_whole(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether the segment is JavaScript's `undefined`: a key of that name in a map, an error in a list.
    pub(super) fn is_undefined(&self) -> bool {
        self.undefined
    }

    /// The last segment and those before it; `None` for the whole content.
    pub(super) fn split(&self) -> Option<(&str, &[Cow<'p, str>])> {
        let (last, parents) = self.segments.split_last()?;
        Some((last, parents))
    }
}

fn unescape(segment: &str) -> Cow<'_, str> {
    match segment.contains('~') {
        true => Cow::Owned(segment.replace("~1", "/").replace("~0", "~")),
        false => Cow::Borrowed(segment),
    }
}

/// A segment that meets a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Slot<'s> {
    /// All digits, as JavaScript's `~~` makes them a 32-bit integer; the empty text is 0.
    At(i32),
    /// `-`: after the last item.
    End,
    /// Anything else: a property of the list object, which JSON does not show.
    Name(&'s str),
}

impl<'s> Slot<'s> {
    pub(super) fn of(segment: &'s str) -> Self {
        if segment == "-" {
            return Self::End;
        }
        if !segment.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Name(segment);
        }
        // A double from 2^85 on is a multiple of 2^32, so what does not fit need not be read.
        let number: u128 = segment.parse().unwrap_or_default();
        let wrapped = number as f64 % 4_294_967_296.0;
        Self::At(wrapped as u32 as i32)
    }

    /// The item this names; `None` for what is no item of any list.
    pub(super) fn index(self, length: usize) -> Option<usize> {
        match self {
            Self::At(index) => usize::try_from(index).ok(),
            Self::End => Some(length),
            Self::Name(_) => None,
        }
    }

    /// Where `splice` starts: negative numbers count from the end, names that are no number are 0.
    pub(super) fn splice(self, length: usize) -> usize {
        let start = match self {
            Self::End => return length,
            Self::At(index) => f64::from(index),
            Self::Name(name) => javascript::number(name).trunc(),
        };
        let start = match start < 0.0 {
            true => (length as f64 + start).max(0.0),
            false => start,
        };
        (start as usize).min(length)
    }
}
