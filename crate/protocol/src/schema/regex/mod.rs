//! Regular expressions of ECMAScript 2023, in bounded time.
//!
//! `pattern` and `patternProperties` are what JavaScript's engine makes of them, so nothing less than its grammar gives Ajv's
//! verdicts: look-around, back references, code points under the flag `u`, and the older grammar without it. The matcher tries
//! one way after the other like any backtracking engine, but remembers the places where it failed, so that the time is linear
//! in the text unless there are back references; and all of it is counted against [`MAX_PATTERN_WORK`].

mod category;
mod class;
mod escape;
mod parse;
mod program;
mod run;

use super::SchemaError;
use super::evaluate::Stop;

/// The longest pattern, in bytes.
pub const MAX_PATTERN_SIZE: usize = 1 << 14;
/// The work that matching patterns may cost while one content is judged: about one for each character a pattern looks at.
pub const MAX_PATTERN_WORK: u64 = 8_000_000;

/// A compiled regular expression.
#[derive(Debug)]
pub(super) struct Pattern {
    program: program::Program,
    unicode: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatternError {
    /// It is no regular expression.
    Syntax,
    /// It is one, but too large, or asks for a property of characters that is not known here.
    Unsupported,
}

/// The work that may be spent.
pub(super) fn fuel() -> u64 {
    MAX_PATTERN_WORK
}

impl Pattern {
    /// A pattern with the flag `u`.
    pub fn unicode(text: &str) -> Result<Self, SchemaError> {
        Self::new(text, true)
    }

    /// A pattern without flags.
    pub fn plain(text: &str) -> Result<Self, SchemaError> {
        Self::new(text, false)
    }

    fn new(text: &str, unicode: bool) -> Result<Self, SchemaError> {
        let program = parse::parse(text, unicode).and_then(|tree| program::compile(&tree));
        match program {
            Ok(program) => Ok(Self { program, unicode }),
            Err(PatternError::Syntax) => Err(SchemaError::BadPattern(text.to_owned())),
            Err(PatternError::Unsupported) => Err(SchemaError::UnsupportedPattern(text.to_owned())),
        }
    }

    /// Whether the pattern matches anywhere in the text.
    pub fn matches(&self, text: &str, work: &mut u64) -> Result<bool, Stop> {
        let text: Vec<u32> = match self.unicode {
            true => text.chars().map(u32::from).collect(),
            false => text.encode_utf16().map(u32::from).collect(),
        };
        run::search(&self.program, &text, work).ok_or(Stop::TooMuchWork)
    }
}

/// Whether a text is a regular expression without flags, as the format `regex` has it, which also refuses `\Z`.
pub(super) fn is_plain_pattern(text: &str) -> bool {
    let ends = text.match_indices("\\Z").any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_some_and(|before| before != '\\')
    });
    !ends && parse::parse(text, false) != Err(PatternError::Syntax)
}

#[cfg(test)]
mod tests;
