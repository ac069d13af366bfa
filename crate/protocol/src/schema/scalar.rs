//! Keywords for numbers and strings.

use super::compile::{Compiler, It, number, when};
use super::regex::Pattern;
use super::rules::Types;
use super::step::{Limit, Node, PatternId, Step};
use super::{SchemaError, format};

type Compiled<T> = Result<T, SchemaError>;

impl<'a> Compiler<'a> {
    pub(super) fn numbers(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let mut steps = Node::new(it.brief);
        for (key, limit) in [
            ("maximum", Limit::Max),
            ("minimum", Limit::Min),
            ("exclusiveMaximum", Limit::ExclusiveMax),
            ("exclusiveMinimum", Limit::ExclusiveMin),
        ] {
            if let Some(bound) = number(it, key)? {
                steps.push(Step::Number(limit, bound, key));
            }
        }
        if let Some(divisor) = number(it, "multipleOf")? {
            steps.push(Step::MultipleOf(divisor));
        }
        if let Some(format) = self.format(it)?
            && format.is_for_numbers()
        {
            steps.push(Step::NumberFormat(format));
        }
        when(Types::NUMBER, steps, node);
        Ok(())
    }

    pub(super) fn strings(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let mut steps = Node::new(it.brief);
        for (key, limit) in [("maxLength", Limit::Max), ("minLength", Limit::Min)] {
            if let Some(bound) = number(it, key)? {
                steps.push(Step::Length(limit, bound, key));
            }
        }
        if let Some(pattern) = it.schema.get("pattern") {
            let text = pattern
                .as_str()
                .ok_or(SchemaError::Misused("pattern must be a string"))?;
            steps.push(Step::Pattern(self.pattern(text)?));
        }
        let format = self.format(it)?;
        if let Some(format) = format
            && !format.is_for_numbers()
        {
            steps.push(Step::Format(format));
        }
        for (key, bound) in format::BOUNDS {
            let Some(value) = it.schema.get(key) else {
                continue;
            };
            let (Some(name), Some(limit)) = (it.schema.get("format"), value.as_str()) else {
                return Err(SchemaError::Misused(
                    "a limit of a format needs the format, and must be a string",
                ));
            };
            if self.meta || name.as_str().is_some_and(format::accepts_all) {
                continue;
            }
            match format {
                Some(format) if format.has_order() => {
                    steps.push(Step::FormatLimit(format, bound, limit.to_owned(), key));
                }
                None => {}
                Some(_) => return Err(SchemaError::Misused("values of this format have no order")),
            }
        }
        when(Types::STRING, steps, node);
        Ok(())
    }

    /// The format, if it is one that not everything has.
    pub(super) fn format(&self, it: &It<'a>) -> Compiled<Option<format::Format>> {
        let Some(name) = it.schema.get("format") else {
            return Ok(None);
        };
        let name = name
            .as_str()
            .ok_or(SchemaError::Misused("format must be a string"))?;
        if self.meta || format::accepts_all(name) {
            return Ok(None);
        }
        let format = format::Format::named(name);
        match format {
            None if self.refuses => Err(SchemaError::UnknownFormat(name.to_owned())),
            format => Ok(format),
        }
    }

    pub(super) fn pattern(&mut self, text: &str) -> Compiled<PatternId> {
        if let Some(id) = self.patterns.get(text) {
            return Ok(*id);
        }
        let id = self.program.patterns.len();
        self.program.patterns.push(Pattern::unicode(text)?);
        self.patterns.insert(text.to_owned(), id);
        Ok(id)
    }
}
