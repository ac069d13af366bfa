//! The grammar of patterns (ECMA-262 §22.2.1), and without the flag `u` that of its annex B.

use super::class::Class;
use super::{MAX_PATTERN_SIZE, PatternError};

/// How deep groups may nest.
const MAX_NESTING: usize = 64;

/// A pattern as a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Empty,
    Char(u32),
    Dot,
    Class(Class),
    Sequence(Vec<Tree>),
    Choice(Vec<Tree>),
    /// A group that captures, by its number from 1.
    Group(usize, Box<Tree>),
    Repeat {
        tree: Box<Tree>,
        min: u32,
        /// No limit if none.
        max: Option<u32>,
        greedy: bool,
        /// The groups within, which start anew each time.
        groups: (usize, usize),
    },
    Start,
    End,
    WordBoundary(bool),
    Look {
        tree: Box<Tree>,
        ahead: bool,
        negative: bool,
    },
    Back(usize),
}

pub(super) type Parsed<T> = Result<T, PatternError>;

pub(super) const SYNTAX: PatternError = PatternError::Syntax;

pub(super) fn parse(text: &str, unicode: bool) -> Parsed<Tree> {
    if text.len() > MAX_PATTERN_SIZE {
        return Err(PatternError::Unsupported);
    }
    let chars: Vec<u32> = match unicode {
        true => text.chars().map(u32::from).collect(),
        false => text.encode_utf16().map(u32::from).collect(),
    };
    let (count, named) = count_groups(&chars);
    let mut parser = Parser {
        chars,
        at: 0,
        unicode,
        count,
        // Without the flag, names mean something only where a group has one.
        names_matter: unicode || named,
        groups: 0,
        names: Vec::new(),
        referred: Vec::new(),
        unsupported: false,
        nesting: 0,
    };
    let tree = parser.choice()?;
    if parser.at < parser.chars.len() {
        return Err(SYNTAX);
    }
    let tree = parser.resolve(tree)?;
    if parser.unsupported {
        Err(PatternError::Unsupported)
    } else {
        Ok(tree)
    }
}

pub(super) struct Parser {
    pub chars: Vec<u32>,
    pub at: usize,
    pub unicode: bool,
    /// How many groups capture in the whole pattern.
    pub count: usize,
    pub names_matter: bool,
    pub groups: usize,
    pub names: Vec<(String, usize)>,
    pub referred: Vec<String>,
    pub unsupported: bool,
    pub nesting: usize,
}

impl Parser {
    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied().and_then(char::from_u32)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<char> {
        let code = self.chars.get(self.at.saturating_add(ahead)).copied();
        code.and_then(char::from_u32)
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    pub(super) fn next(&mut self) -> Option<u32> {
        let code = self.chars.get(self.at).copied();
        self.skip(1);
        code
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = text
            .chars()
            .enumerate()
            .all(|(index, c)| self.peek_at(index) == Some(c));
        if found {
            self.skip(text.len());
        }
        found
    }

    fn choice(&mut self) -> Parsed<Tree> {
        self.nesting = self.nesting.saturating_add(1);
        if self.nesting > MAX_NESTING {
            return Err(PatternError::Unsupported);
        }
        let mut ways = vec![self.sequence()?];
        while self.take("|") {
            ways.push(self.sequence()?);
        }
        self.nesting = self.nesting.saturating_sub(1);
        Ok(match ways.len() {
            1 => ways.pop().unwrap_or(Tree::Empty),
            _ => Tree::Choice(ways),
        })
    }

    fn sequence(&mut self) -> Parsed<Tree> {
        let mut parts = Vec::new();
        while self.at < self.chars.len() && !matches!(self.peek(), Some('|' | ')')) {
            let before = self.groups;
            let (part, repeatable) = self.term()?;
            parts.push(self.quantified(part, repeatable, before)?);
        }
        Ok(Tree::Sequence(parts))
    }

    fn quantified(&mut self, tree: Tree, repeatable: bool, before: usize) -> Parsed<Tree> {
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.braces()? {
                Some(range) => {
                    return self.repeat(tree, repeatable, before, range);
                }
                None => return Ok(tree),
            },
            _ => return Ok(tree),
        };
        self.skip(1);
        self.repeat(tree, repeatable, before, (min, max))
    }

    fn repeat(
        &mut self,
        tree: Tree,
        repeatable: bool,
        before: usize,
        (min, max): (u32, Option<u32>),
    ) -> Parsed<Tree> {
        if !repeatable || max.is_some_and(|max| max < min) {
            return Err(SYNTAX);
        }
        let greedy = !self.take("?");
        Ok(Tree::Repeat {
            tree: Box::new(tree),
            min,
            max,
            greedy,
            groups: (before, self.groups),
        })
    }

    /// `{n}`, `{n,}` or `{n,m}`. What only looks like it is text without the flag.
    fn braces(&mut self) -> Parsed<Option<(u32, Option<u32>)>> {
        let from = self.at;
        self.skip(1);
        let range = self.number().and_then(|min| {
            let max = match self.take(",") {
                false => Some(min),
                true if self.peek() == Some('}') => None,
                true => Some(self.number()?),
            };
            self.take("}").then_some((min, max))
        });
        if range.is_none() {
            if self.unicode {
                return Err(SYNTAX);
            }
            self.at = from;
        }
        Ok(range)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let mut number: Option<u32> = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let so_far = number.unwrap_or(0);
            number = Some(so_far.saturating_mul(10).saturating_add(digit));
            self.skip(1);
        }
        number
    }

    /// One term, and whether it can be repeated.
    fn term(&mut self) -> Parsed<(Tree, bool)> {
        let Some(code) = self.next() else {
            return Err(SYNTAX);
        };
        let Some(c) = char::from_u32(code) else {
            return Ok((Tree::Char(code), true));
        };
        Ok(match c {
            '^' => (Tree::Start, false),
            '$' => (Tree::End, false),
            '.' => (Tree::Dot, true),
            '(' => self.group()?,
            '[' => (Tree::Class(self.class()?), true),
            '\\' => match self.peek() {
                Some('b') => {
                    self.skip(1);
                    (Tree::WordBoundary(true), false)
                }
                Some('B') => {
                    self.skip(1);
                    (Tree::WordBoundary(false), false)
                }
                _ => (self.escape()?, true),
            },
            '*' | '+' | '?' => return Err(SYNTAX),
            '{' => {
                self.at = self.at.saturating_sub(1);
                // What would repeat something has nothing to repeat.
                if self.braces()?.is_some() {
                    return Err(SYNTAX);
                }
                self.skip(1);
                (Tree::Char(code), true)
            }
            '}' | ']' if self.unicode => return Err(SYNTAX),
            _ => (Tree::Char(code), true),
        })
    }

    fn group(&mut self) -> Parsed<(Tree, bool)> {
        let look = |parser: &mut Self, ahead, negative| -> Parsed<(Tree, bool)> {
            let tree = Box::new(parser.choice()?);
            let tree = Tree::Look {
                tree,
                ahead,
                negative,
            };
            Ok((tree, ahead && !parser.unicode))
        };
        let tree = if self.take("?:") {
            (self.choice()?, true)
        } else if self.take("?=") {
            look(self, true, false)?
        } else if self.take("?!") {
            look(self, true, true)?
        } else if self.take("?<=") {
            look(self, false, false)?
        } else if self.take("?<!") {
            look(self, false, true)?
        } else {
            self.groups = self.groups.saturating_add(1);
            let number = self.groups;
            if self.take("?<") {
                let name = self.group_name()?;
                if self.names.iter().any(|(other, _)| *other == name) {
                    return Err(SYNTAX);
                }
                self.names.push((name, number));
            } else if self.peek() == Some('?') {
                return Err(SYNTAX);
            }
            (Tree::Group(number, Box::new(self.choice()?)), true)
        };
        if self.take(")") {
            Ok(tree)
        } else {
            Err(SYNTAX)
        }
    }

    /// A name up to `>`.
    pub(super) fn group_name(&mut self) -> Parsed<String> {
        let mut units: Vec<u16> = Vec::new();
        loop {
            let code = self.next().ok_or(SYNTAX)?;
            match char::from_u32(code) {
                Some('>') => break,
                Some('\\') => {
                    let code = if self.take("u") {
                        self.unicode_escape(true)
                    } else {
                        None
                    };
                    let c = code.and_then(char::from_u32).ok_or(SYNTAX)?;
                    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                }
                Some(c) => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
                None => units.push(u16::try_from(code).map_err(|_| SYNTAX)?),
            }
        }
        let name = String::from_utf16(&units).map_err(|_| SYNTAX)?;
        let starts = name.starts_with(|c: char| c.is_alphabetic() || c == '$' || c == '_');
        let goes_on = |c: char| c.is_alphanumeric() || "$_\u{200c}\u{200d}".contains(c);
        if starts && name.chars().all(goes_on) {
            Ok(name)
        } else {
            Err(SYNTAX)
        }
    }

    /// Puts numbers for names.
    fn resolve(&self, tree: Tree) -> Parsed<Tree> {
        let all = |trees: Vec<Tree>| {
            trees
                .into_iter()
                .map(|tree| self.resolve(tree))
                .collect::<Parsed<Vec<_>>>()
        };
        let one = |tree: Box<Tree>| self.resolve(*tree).map(Box::new);
        Ok(match tree {
            Tree::Sequence(trees) => Tree::Sequence(all(trees)?),
            Tree::Choice(trees) => Tree::Choice(all(trees)?),
            Tree::Group(number, tree) => Tree::Group(number, one(tree)?),
            Tree::Repeat {
                tree,
                min,
                max,
                greedy,
                groups,
            } => Tree::Repeat {
                tree: one(tree)?,
                min,
                max,
                greedy,
                groups,
            },
            Tree::Look {
                tree,
                ahead,
                negative,
            } => Tree::Look {
                tree: one(tree)?,
                ahead,
                negative,
            },
            Tree::Back(number) if number > self.count => {
                let index = usize::MAX.saturating_sub(number).saturating_sub(1);
                let name = self.referred.get(index).ok_or(SYNTAX)?;
                let number = self.names.iter().find(|(other, _)| other == name);
                Tree::Back(number.ok_or(SYNTAX)?.1)
            }
            tree => tree,
        })
    }
}

/// How many groups capture, and whether one has a name.
fn count_groups(chars: &[u32]) -> (usize, bool) {
    let at = |index: usize| chars.get(index).copied().and_then(char::from_u32);
    let (mut count, mut named, mut in_class, mut index) = (0usize, false, false, 0usize);
    while index < chars.len() {
        match at(index) {
            Some('\\') => index = index.saturating_add(1),
            Some('[') => in_class = true,
            Some(']') => in_class = false,
            Some('(') if !in_class => {
                let next = |ahead: usize| at(index.saturating_add(ahead));
                let name = next(1) == Some('?')
                    && next(2) == Some('<')
                    && !matches!(next(3), Some('=' | '!'));
                if next(1) != Some('?') || name {
                    count = count.saturating_add(1);
                }
                named |= name;
            }
            _ => {}
        }
        index = index.saturating_add(1);
    }
    (count, named)
}
