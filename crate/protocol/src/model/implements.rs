//! Whether a model is what an interface asks for: its schema allows nothing that the interface's does not, and it has
//! the interface's relations, views and immutable fields.
//!
//! The comparison is by structure and knows only some keywords: those that js-ceramic 6.11 compares. References are
//! followed where a property or the items of a list are one, so a schema can send the comparison in circles
//! ([`MAX_NESTING`]) or to the same place again and again ([`MAX_COMPARISONS`]). Where js-ceramic's comparison fails with
//! an exception, on which no alternative is tried any more, ours stops.

use std::collections::HashSet;

use ipld_core::ipld::Ipld;

use super::fields::{get, resolve};
use super::js::{length, number, same};
use super::{Model, ModelError, Version};
use crate::StreamId;
use crate::event::Map;

/// Most steps of comparing a model with one interface.
pub const MAX_COMPARISONS: usize = 1 << 18;
/// Deepest nesting of the parts of schemas that are compared, references included.
pub const MAX_NESTING: usize = 256;

/// Checks a model against one of its interfaces.
pub(super) fn check(model: &Model, id: &StreamId, interface: &Model) -> Result<(), ModelError> {
    let mut comparison = Comparison {
        expected: interface.definition_schema(),
        given: model.definition_schema(),
        steps: MAX_COMPARISONS,
    };
    let missing = |part| ModelError::NotImplemented {
        interface: Box::new(*id),
        part,
    };
    let stopped = |stop| match stop {
        Stop::Incomparable => ModelError::Incomparable(Box::new(*id)),
        Stop::TooLong => ModelError::TooComplex(Box::new(*id)),
    };
    let (expected, given) = (comparison.expected, comparison.given);
    if !comparison
        .schema(Some(expected), Some(given), MAX_NESTING)
        .map_err(stopped)?
    {
        return Err(missing("schema"));
    }
    for part in ["relations", "views"] {
        if let Some(Ipld::Map(expected)) = interface.definition.get(part) {
            let none = Map::new();
            let given = match model.definition.get(part) {
                Some(Ipld::Map(given)) => given,
                _ => &none,
            };
            if !comparison.contains(given, expected).map_err(stopped)? {
                return Err(missing(part));
            }
        }
    }
    let given = model.immutable_fields();
    let kept = (interface.immutable_fields().iter()).all(|field| given.contains(field));
    match kept || interface.version() == Version::V1 {
        true => Ok(()),
        false => Err(missing("immutableFields")),
    }
}

/// Why no comparison came of it.
enum Stop {
    Incomparable,
    TooLong,
}

struct Comparison<'a> {
    /// The schema of the interface.
    expected: &'a Ipld,
    /// The schema of the model.
    given: &'a Ipld,
    /// Steps left.
    steps: usize,
}

type Outcome = Result<bool, Stop>;

impl<'a> Comparison<'a> {
    fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::TooLong)?;
        Ok(())
    }

    /// Compares two parts. After a difference it goes on, as what follows may be incomparable.
    fn schema(
        &mut self,
        expected: Option<&'a Ipld>,
        given: Option<&'a Ipld>,
        depth: usize,
    ) -> Outcome {
        self.spend(1)?;
        let depth = depth.checked_sub(1).ok_or(Stop::TooLong)?;
        if let Some(Ipld::Bool(expected)) = expected {
            return Ok(given == Some(&Ipld::Bool(*expected)));
        }
        if let Some(Ipld::Bool(_)) = given {
            return Ok(false);
        }
        let (Some(expected), Some(given)) = (there(expected), there(given)) else {
            return Err(Stop::Incomparable);
        };
        let titled = is_same("title", expected, given);
        let same = if let Some(Ipld::List(all)) = get(expected, "allOf") {
            self.each_matched(all, get(given, "allOf"), depth)?
        } else if let Some(Ipld::List(any)) = get(expected, "anyOf") {
            match get(given, "anyOf") {
                Some(Ipld::List(given)) => self.any_matched(any, given, depth)?,
                _ => self.any_matched(any, std::slice::from_ref(given), depth)?,
            }
        } else if let Some(Ipld::List(one)) = get(expected, "oneOf") {
            self.each_matched(one, get(given, "oneOf"), depth)?
        } else {
            self.typed(expected, given, depth)?
        };
        Ok(titled && same)
    }

    fn typed(&mut self, expected: &'a Ipld, given: &'a Ipld, depth: usize) -> Outcome {
        let kind = match (get(expected, "type"), get(given, "type")) {
            (Some(kind), Some(other)) if same(kind, other) => kind,
            (None, None) => return Err(Stop::Incomparable),
            // Lists of types are never the same.
            _ => return Ok(false),
        };
        match kind {
            Ipld::String(kind) => match kind.as_str() {
                "array" => self.array(expected, given, depth),
                "object" => self.object(expected, given, depth),
                "integer" | "number" => Ok(number_schema(expected, given)),
                "string" => self.string(expected, given),
                "boolean" => Ok(is_same("const", expected, given)),
                "null" => Ok(true),
                _ => Err(Stop::Incomparable),
            },
            _ => Err(Stop::Incomparable),
        }
    }

    fn array(&mut self, expected: &'a Ipld, given: &'a Ipld, depth: usize) -> Outcome {
        let most = at_most("maxItems", expected, given);
        let least = at_least("minItems", expected, given);
        let (Some(items), Some(given)) = (get(expected, "items"), get(given, "items")) else {
            return Ok(false);
        };
        let items = self.follow(items, self.expected)?;
        let given = self.follow(given, self.given)?;
        if items.is_none() || given.is_none() {
            return Ok(false);
        }
        Ok(self.schema(items, given, depth)? && most && least)
    }

    fn object(&mut self, expected: &'a Ipld, given: &'a Ipld, depth: usize) -> Outcome {
        let mut matches = self.includes(get(given, "required"), get(expected, "required"))?;
        let Some(Ipld::Map(properties)) = get(expected, "properties") else {
            return Ok(matches);
        };
        for (name, expected) in properties {
            let given = get(given, "properties").and_then(|given| get(given, name));
            match given {
                None => {
                    self.spend(1)?;
                    matches = false;
                }
                Some(given) => {
                    let expected = self.follow(expected, self.expected)?;
                    let given = self.follow(given, self.given)?;
                    matches &= self.schema(expected, given, depth)?;
                }
            }
        }
        Ok(matches)
    }

    fn string(&mut self, expected: &'a Ipld, given: &'a Ipld) -> Outcome {
        let constant = get(given, "const");
        let listed = match (get(expected, "enum"), constant, get(given, "enum")) {
            (None, ..) => true,
            (Some(_), None, None) => false,
            (Some(values), Some(constant), _) => {
                self.includes_all(values, std::slice::from_ref(constant))?
            }
            (Some(values), None, Some(Ipld::List(given))) => {
                !given.is_empty() && self.includes_all(values, given)?
            }
            (Some(_), None, Some(_)) => return Err(Stop::Incomparable),
        };
        let bounded = match constant {
            None => at_most("maxLength", expected, given) && at_least("minLength", expected, given),
            Some(constant) => {
                let length = length(constant);
                let bound = |name| get(expected, name).map(number);
                !bound("maxLength").is_some_and(|most| length > most)
                    && !bound("minLength").is_some_and(|least| length < least)
            }
        };
        let same = is_same("const", expected, given) && is_same("pattern", expected, given);
        Ok(listed && bounded && same)
    }

    /// As many alternatives, and one for each that is expected.
    fn each_matched(
        &mut self,
        expected: &'a [Ipld],
        given: Option<&'a Ipld>,
        depth: usize,
    ) -> Outcome {
        let Some(Ipld::List(given)) = given else {
            return Ok(false);
        };
        if expected.len() != given.len() {
            return Ok(false);
        }
        let mut matched = true;
        for expected in expected {
            matched &= self.any_matched(std::slice::from_ref(expected), given, depth)?;
        }
        Ok(matched)
    }

    /// Any alternative for any that is expected.
    fn any_matched(&mut self, expected: &'a [Ipld], given: &'a [Ipld], depth: usize) -> Outcome {
        for expected in expected {
            for given in given {
                if self.schema(Some(expected), Some(given), depth)? {
                    return Ok(true);
                }
            }
        }
        Ok(expected.is_empty())
    }

    /// What a part points to, if it is a reference.
    fn follow(&self, part: &'a Ipld, schema: &'a Ipld) -> Result<Option<&'a Ipld>, Stop> {
        match get(part, "$ref") {
            Some(reference) => resolve(reference, schema).ok_or(Stop::Incomparable),
            None => Ok(there(Some(part))),
        }
    }

    /// Whether a list has all that is expected.
    fn includes(&mut self, given: Option<&Ipld>, expected: Option<&Ipld>) -> Outcome {
        match (given, expected) {
            (_, None) => Ok(true),
            (given, Some(Ipld::List(expected))) => match given {
                Some(given) => self.includes_all(given, expected),
                None => Ok(expected.is_empty()),
            },
            _ => Err(Stop::Incomparable),
        }
    }

    /// Whether each value is in the list.
    fn includes_all(&mut self, list: &Ipld, values: &[Ipld]) -> Outcome {
        let Ipld::List(list) = list else {
            return Err(Stop::Incomparable);
        };
        self.spend(list.len().saturating_add(values.len()))?;
        let list: HashSet<Simple> = list.iter().filter_map(Simple::new).collect();
        let is_in = |value| Simple::new(value).is_some_and(|value| list.contains(&value));
        Ok(values.iter().all(is_in))
    }

    /// Whether a map has all that is expected, however deep (lodash's `isMatch`): more keys do no harm.
    fn contains(&mut self, given: &Map, expected: &Map) -> Outcome {
        for (key, expected) in expected {
            match given.get(key) {
                Some(given) if self.contained(given, expected)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn contained(&mut self, given: &Ipld, expected: &Ipld) -> Outcome {
        self.spend(1)?;
        match (given, expected) {
            (Ipld::Map(given), Ipld::Map(expected)) => self.contains(given, expected),
            (Ipld::List(given), Ipld::List(expected)) => self.list_contained(given, expected),
            (Ipld::Bytes(given), Ipld::Bytes(expected)) => Ok(given == expected),
            (Ipld::Link(given), Ipld::Link(expected)) => Ok(given == expected),
            (given, expected) => Ok(same(given, expected)),
        }
    }

    /// In any order; the first that fits is taken.
    fn list_contained(&mut self, given: &[Ipld], expected: &[Ipld]) -> Outcome {
        let mut left: Vec<&Ipld> = given.iter().collect();
        for expected in expected {
            let mut found = None;
            for (index, given) in left.iter().enumerate() {
                if self.contained(given, expected)? {
                    found = Some(index);
                    break;
                }
            }
            match found {
                Some(index) => left.remove(index),
                None => return Ok(false),
            };
        }
        Ok(true)
    }
}

fn there(value: Option<&Ipld>) -> Option<&Ipld> {
    value.filter(|value| **value != Ipld::Null)
}

/// A value that can be found in a list: JavaScript never finds an object again.
#[derive(PartialEq, Eq, Hash)]
enum Simple<'a> {
    Null,
    Bool(bool),
    Number(u64),
    Text(&'a str),
}

impl<'a> Simple<'a> {
    fn new(value: &'a Ipld) -> Option<Self> {
        match value {
            Ipld::Null => Some(Self::Null),
            Ipld::Bool(bool) => Some(Self::Bool(*bool)),
            Ipld::Integer(_) | Ipld::Float(_) => {
                // Adding makes zero of minus zero.
                Some(Self::Number((number(value) + 0.0).to_bits()))
            }
            Ipld::String(text) => Some(Self::Text(text)),
            _ => None,
        }
    }
}

/// Whether a keyword that is expected is given with the same value.
fn is_same(name: &str, expected: &Ipld, given: &Ipld) -> bool {
    match get(expected, name) {
        None => true,
        Some(expected) => get(given, name).is_some_and(|given| same(expected, given)),
    }
}

/// Whether an upper bound that is expected is given, and as tight.
fn at_most(name: &str, expected: &Ipld, given: &Ipld) -> bool {
    within(name, expected, given, |given, most| given > most)
}

/// Whether a lower bound that is expected is given, and as tight.
fn at_least(name: &str, expected: &Ipld, given: &Ipld) -> bool {
    within(name, expected, given, |given, least| given < least)
}

fn within(name: &str, expected: &Ipld, given: &Ipld, breaks: fn(f64, f64) -> bool) -> bool {
    match (get(expected, name), get(given, name)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(given)) => !breaks(number(given), number(bound)),
    }
}

/// Numbers: a constant must be within the bounds, else the bounds must be.
fn number_schema(expected: &Ipld, given: &Ipld) -> bool {
    let constant = get(given, "const").map(number);
    let bound = |name: &str, breaks: fn(f64, f64) -> bool, equal: bool| match constant {
        None => within(name, expected, given, breaks),
        Some(constant) => !get(expected, name)
            .map(number)
            .is_some_and(|bound| breaks(constant, bound) || (equal && constant == bound)),
    };
    is_same("const", expected, given)
        && bound("maximum", |given, most| given > most, false)
        && bound("minimum", |given, least| given < least, false)
        && bound("exclusiveMaximum", |given, most| given > most, true)
        && bound("exclusiveMinimum", |given, least| given < least, true)
}
