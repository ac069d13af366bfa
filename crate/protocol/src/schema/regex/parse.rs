//! The grammar of patterns (ECMA-262 §22.2.1), and without the flag `u` that of its annex B.

use super::class::{Class, Item, Property};
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

type Parsed<T> = Result<T, PatternError>;

const SYNTAX: PatternError = PatternError::Syntax;

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

struct Parser {
    chars: Vec<u32>,
    at: usize,
    unicode: bool,
    /// How many groups capture in the whole pattern.
    count: usize,
    names_matter: bool,
    groups: usize,
    names: Vec<(String, usize)>,
    referred: Vec<String>,
    unsupported: bool,
    nesting: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied().and_then(char::from_u32)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        let code = self.chars.get(self.at.saturating_add(ahead)).copied();
        code.and_then(char::from_u32)
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    fn next(&mut self) -> Option<u32> {
        let code = self.chars.get(self.at).copied();
        self.skip(1);
        code
    }

    fn take(&mut self, text: &str) -> bool {
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

    fn number(&mut self) -> Option<u32> {
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
    fn group_name(&mut self) -> Parsed<String> {
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

    /// What follows a backslash, outside of a class.
    fn escape(&mut self) -> Parsed<Tree> {
        let c = self.peek();
        if let Some('1'..='9') = c {
            let from = self.at;
            let number = self.number().unwrap_or(0) as usize;
            if number <= self.count {
                return Ok(Tree::Back(number));
            }
            if self.unicode {
                return Err(SYNTAX);
            }
            self.at = from;
        }
        if c == Some('k') && self.names_matter {
            self.skip(1);
            if !self.take("<") {
                return Err(SYNTAX);
            }
            let name = self.group_name()?;
            self.referred.push(name);
            // Resolved when all names are known.
            return Ok(Tree::Back(usize::MAX.saturating_sub(self.referred.len())));
        }
        match self.class_escape()? {
            Some(item) => Ok(Tree::Class(Class {
                negated: false,
                items: vec![item],
            })),
            None => Ok(Tree::Char(self.char_escape(false)?)),
        }
    }

    /// `\d` and its like.
    fn class_escape(&mut self) -> Parsed<Option<Item>> {
        let item = match self.peek() {
            Some('d') => Item::Digit(true),
            Some('D') => Item::Digit(false),
            Some('w') => Item::Word(true),
            Some('W') => Item::Word(false),
            Some('s') => Item::Space(true),
            Some('S') => Item::Space(false),
            Some(c @ ('p' | 'P')) if self.unicode => {
                self.skip(1);
                if !self.take("{") {
                    return Err(SYNTAX);
                }
                let mut name = String::new();
                loop {
                    match self.next().and_then(char::from_u32) {
                        Some('}') => break,
                        Some(c) if c.is_ascii_alphanumeric() || c == '_' || c == '=' => {
                            name.push(c)
                        }
                        _ => return Err(SYNTAX),
                    }
                }
                return Ok(Some(match Property::named(&name) {
                    Some(property) => Item::Property(property, c == 'p'),
                    None => {
                        self.unsupported = true;
                        Item::Property(Property::Any, true)
                    }
                }));
            }
            _ => return Ok(None),
        };
        self.skip(1);
        Ok(Some(item))
    }

    /// The character that an escape means.
    fn char_escape(&mut self, in_class: bool) -> Parsed<u32> {
        let code = self.next().ok_or(SYNTAX)?;
        let Some(c) = char::from_u32(code) else {
            return if self.unicode { Err(SYNTAX) } else { Ok(code) };
        };
        Ok(match c {
            'f' => 0xc,
            'n' => 0xa,
            'r' => 0xd,
            't' => 0x9,
            'v' => 0xb,
            'b' if in_class => 0x8,
            '-' if in_class => code,
            '0'..='7' if !self.unicode => self.octal(c),
            '0' => match self.peek() {
                Some('0'..='9') => return Err(SYNTAX),
                _ => 0,
            },
            'c' => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.skip(1);
                    u32::from(letter) & 31
                }
                Some(c) if in_class && !self.unicode && (c.is_ascii_digit() || c == '_') => {
                    self.skip(1);
                    u32::from(c) & 31
                }
                _ if self.unicode => return Err(SYNTAX),
                _ => {
                    self.at = self.at.saturating_sub(1);
                    u32::from('\\')
                }
            },
            'x' => match self.hex(2) {
                Some(code) => code,
                None if self.unicode => return Err(SYNTAX),
                None => code,
            },
            'u' => match self.unicode_escape(self.unicode) {
                Some(code) => code,
                None if self.unicode => return Err(SYNTAX),
                None => code,
            },
            'k' if self.names_matter => return Err(SYNTAX),
            _ if self.unicode && !"^$\\.*+?()[]{}|/".contains(c) => return Err(SYNTAX),
            _ => code,
        })
    }

    /// Up to three octal digits, below 256.
    fn octal(&mut self, first: char) -> u32 {
        let mut code = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            let more = code.saturating_mul(8).saturating_add(digit);
            if more > 0o377 {
                break;
            }
            code = more;
            self.skip(1);
        }
        code
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let mut code = 0u32;
        for index in 0..digits {
            let digit = self.peek_at(index)?.to_digit(16)?;
            code = code.checked_mul(16)?.checked_add(digit)?;
        }
        self.skip(digits);
        Some(code)
    }

    /// What follows `\u`; with the flag also in braces, and two surrogates are one character.
    fn unicode_escape(&mut self, unicode: bool) -> Option<u32> {
        if unicode && self.peek() == Some('{') {
            let from = self.at;
            self.skip(1);
            let mut code: Option<u32> = None;
            while let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) {
                code = Some(code.unwrap_or(0).saturating_mul(16).saturating_add(digit));
                self.skip(1);
            }
            if let Some(code) = code
                && code <= 0x10_ffff
                && self.take("}")
            {
                return Some(code);
            }
            self.at = from;
            return None;
        }
        let high = self.hex(4)?;
        if unicode
            && (0xd800..0xdc00).contains(&high)
            && self.peek() == Some('\\')
            && self.peek_at(1) == Some('u')
        {
            let from = self.at;
            self.skip(2);
            if let Some(low @ 0xdc00..=0xdfff) = self.hex(4) {
                let units = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
                return char::decode_utf16(units).next()?.ok().map(u32::from);
            }
            self.at = from;
        }
        Some(high)
    }

    fn class(&mut self) -> Parsed<Class> {
        let mut class = Class {
            negated: self.take("^"),
            items: Vec::new(),
        };
        loop {
            if self.take("]") {
                return Ok(class);
            }
            let first = self.class_atom()?;
            if self.peek() != Some('-') || matches!(self.peek_at(1), Some(']') | None) {
                class.items.push(first);
                continue;
            }
            self.skip(1);
            let last = self.class_atom()?;
            match (first, last) {
                (Item::Range(first, _), Item::Range(last, _)) if first <= last => {
                    class.items.push(Item::Range(first, last));
                }
                (Item::Range(..), Item::Range(..)) => return Err(SYNTAX),
                _ if self.unicode => return Err(SYNTAX),
                (first, last) => {
                    let hyphen = u32::from('-');
                    class
                        .items
                        .extend([first, Item::Range(hyphen, hyphen), last]);
                }
            }
        }
    }

    /// One character as a range, or an escape for several.
    fn class_atom(&mut self) -> Parsed<Item> {
        if !self.take("\\") {
            let code = self.next().ok_or(SYNTAX)?;
            return Ok(Item::Range(code, code));
        }
        if let Some(item) = self.class_escape()? {
            return Ok(item);
        }
        let code = self.char_escape(true)?;
        Ok(Item::Range(code, code))
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
