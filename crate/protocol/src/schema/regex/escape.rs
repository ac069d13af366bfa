//! The grammar of escapes and of sets of characters.

use super::class::{Class, Item, Property};
use super::parse::{Parsed, Parser, SYNTAX, Tree};

impl Parser {
    /// What follows a backslash, outside of a class.
    pub(super) fn escape(&mut self) -> Parsed<Tree> {
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
    pub(super) fn class_escape(&mut self) -> Parsed<Option<Item>> {
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
    pub(super) fn char_escape(&mut self, in_class: bool) -> Parsed<u32> {
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
    pub(super) fn octal(&mut self, first: char) -> u32 {
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

    pub(super) fn hex(&mut self, digits: usize) -> Option<u32> {
        let mut code = 0u32;
        for index in 0..digits {
            let digit = self.peek_at(index)?.to_digit(16)?;
            code = code.checked_mul(16)?.checked_add(digit)?;
        }
        self.skip(digits);
        Some(code)
    }

    /// What follows `\u`; with the flag also in braces, and two surrogates are one character.
    pub(super) fn unicode_escape(&mut self, unicode: bool) -> Option<u32> {
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

    pub(super) fn class(&mut self) -> Parsed<Class> {
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
    pub(super) fn class_atom(&mut self) -> Parsed<Item> {
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
}
