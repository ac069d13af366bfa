//! Judges content by a compiled schema.

mod array;
mod object;

use serde_json::Value;

use super::evaluated::{Frame, Merge, SeenItems, SeenProps};
use super::rules::Types;
use super::step::{Branch, FunctionId, Node, PatternId, Program, Step};
use super::{MAX_CONTENT_DEPTH, MAX_SCHEMA_WORK, SchemaError, equal};
use crate::sorted::SortedMap;

/// A value, or what Ajv finds where an object has none but answers all the same: a function, or nothing. No type fits it.
type Given<'v> = Option<&'v Value>;

type Verdict = Result<bool, Stop>;

/// Why a value cannot be judged. Small, because judging goes deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    TooMuchWork,
    Unjudgeable,
}

impl From<Stop> for SchemaError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TooMuchWork => Self::TooMuchWork,
            Stop::Unjudgeable => Self::Unjudgeable,
        }
    }
}

/// Judges a value by one of the functions.
pub(super) fn run(
    program: &Program,
    start: FunctionId,
    content: &Value,
) -> Result<(), SchemaError> {
    let mut judge = Judge {
        program,
        anchors: SortedMap::new(),
        returned: Default::default(),
        work: MAX_SCHEMA_WORK,
        pattern_work: super::regex::fuel(),
        depth: MAX_CONTENT_DEPTH,
        leaves: false,
        fault: "",
        path: Vec::new(),
    };
    if judge.call(start, Some(content))? {
        return Ok(());
    }
    let mut at = String::new();
    for step in judge.path.iter().rev() {
        at.push('/');
        at.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    Err(SchemaError::Mismatch {
        keyword: judge.fault,
        at,
    })
}

/// A verdict of several. Ajv looks at all of them, so that it can report each error, or stops at the first that does not hold.
/// Which of the two it does shows where one of them never ends.
struct All {
    holds: bool,
    brief: bool,
    fault: Option<(&'static str, Vec<String>)>,
}

impl All {
    fn new(brief: bool) -> Self {
        Self {
            holds: true,
            brief,
            fault: None,
        }
    }

    /// One more; whether to go on.
    fn and(&mut self, judge: &mut Judge, holds: bool) -> bool {
        if !holds && self.holds {
            self.holds = false;
            self.fault = Some((judge.fault, std::mem::take(&mut judge.path)));
        }
        self.holds || !self.brief
    }

    /// One more, of a part of the value.
    fn under(&mut self, judge: &mut Judge, holds: bool, part: &impl ToString) -> bool {
        if !holds && self.holds {
            judge.path.push(part.to_string());
        }
        self.and(judge, holds)
    }

    fn verdict(self, judge: &mut Judge) -> Verdict {
        if let Some((fault, path)) = self.fault {
            (judge.fault, judge.path) = (fault, path);
        }
        Ok(self.holds)
    }
}

/// Where Ajv stops early, it has variables that are not set if there was nothing to judge, and then skips the rest of the
/// keywords for that type of value without an error. `leaves` says so; the variables live as long as a call.
struct Judge<'p> {
    program: &'p Program,
    /// What the names of `$dynamicRef` mean by now.
    anchors: SortedMap<&'p str, FunctionId>,
    /// What the last function that returned had evaluated.
    returned: (SeenProps, SeenItems),
    work: u64,
    pattern_work: u64,
    depth: usize,
    leaves: bool,
    /// The keyword that was broken last, and where, innermost step first.
    fault: &'static str,
    path: Vec<String>,
}

impl<'p> Judge<'p> {
    fn call(&mut self, function: FunctionId, given: Given) -> Verdict {
        let program = self.program;
        let Some(function) = program.functions.get(function) else {
            return Ok(true);
        };
        let mut frame = Frame {
            props: vec![SeenProps::Unset; function.props_slots],
            items: vec![SeenItems::Unset; function.items_slots],
            flags: vec![false; function.flag_slots],
        };
        let verdict = self.node(&function.body, given, &mut frame)?;
        self.returned = (
            frame.seen_props(&function.evaluated.props),
            frame.seen_items(function.evaluated.items),
        );
        Ok(verdict)
    }

    /// Whether all steps of a subschema hold.
    fn node(&mut self, node: &'p Node, given: Given, frame: &mut Frame) -> Verdict {
        self.depth = self.depth.checked_sub(1).ok_or(Stop::TooMuchWork)?;
        let verdict = self.steps(node, given, frame);
        self.depth = self.depth.saturating_add(1);
        verdict
    }

    fn steps(&mut self, node: &'p Node, given: Given, frame: &mut Frame) -> Verdict {
        let mut all = All::new(node.brief);
        for step in &node.steps {
            self.spend(1)?;
            let holds = self.step(step, given, frame, node.brief)?;
            if !all.and(self, holds) || std::mem::take(&mut self.leaves) {
                break;
            }
        }
        all.verdict(self)
    }

    fn step(&mut self, step: &'p Step, given: Given, frame: &mut Frame, brief: bool) -> Verdict {
        match step {
            Step::When(types, node) => match has_type(given, *types) {
                true => self.steps(node, given, frame),
                false => Ok(true),
            },
            Step::All(branch) => {
                let holds = self.node(&branch.node, given, frame)?;
                if holds || !brief {
                    frame.apply(&branch.merges, &self.returned);
                }
                Ok(holds)
            }
            Step::Call { function, merges } => self.call_for(*function, merges, given, frame),
            Step::Not(_) | Step::Any(..) | Step::ExactlyOne(_) | Step::If { .. } => {
                self.logic(step, given, frame)
            }
            Step::CallDynamic { .. } => self.call_dynamic(step, given, frame, brief),
            Step::Anchor(name, function) => {
                self.anchors.get_or_insert_with(name, || *function);
                Ok(true)
            }
            Step::Never(keyword) => self.broken(keyword),
            Step::Types(types) => match has_type(given, *types) {
                true => Ok(true),
                false => self.broken("type"),
            },
            Step::OneOf(values, keyword) => self.one_of(values, keyword, given),
            step => match given {
                Some(Value::Object(map)) => match step {
                    Step::DependentSchemas(dependencies) => {
                        self.dependent_schemas(dependencies, map, given, frame, brief)
                    }
                    step => self.object(step, map, frame, brief),
                },
                Some(Value::Array(list)) => self.array(step, list, frame, brief),
                Some(Value::String(text)) => self.string(step, text),
                Some(Value::Number(number)) => {
                    self.number(step, number.as_f64().unwrap_or_default())
                }
                _ => Ok(true),
            },
        }
    }

    fn call_for(
        &mut self,
        function: FunctionId,
        merges: &'p [Merge],
        given: Given,
        frame: &mut Frame,
    ) -> Verdict {
        if !self.call(function, given)? {
            return Ok(false);
        }
        frame.apply(merges, &self.returned);
        Ok(true)
    }

    fn call_dynamic(
        &mut self,
        step: &'p Step,
        given: Given,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let Step::CallDynamic {
            anchor,
            named,
            fallback,
            merges,
        } = step
        else {
            return Ok(true);
        };
        let target = anchor
            .as_deref()
            .and_then(|anchor| self.anchors.get(anchor).copied());
        let (target, merges) = match target {
            Some(target) => (target, named),
            None => (*fallback, merges),
        };
        if !self.call_for(target, merges, given, frame)? {
            return Ok(false);
        }
        // Ajv hides the outcome from itself here, and skips what follows.
        self.leaves = brief;
        Ok(true)
    }

    fn one_of(&mut self, values: &[Value], keyword: &'static str, given: Given) -> Verdict {
        if let Some(given) = given {
            for value in values {
                self.spend(equal::weight(value))?;
                if equal::equal(given, value)? {
                    return Ok(true);
                }
            }
        }
        self.broken(keyword)
    }

    fn logic(&mut self, step: &'p Step, given: Given, frame: &mut Frame) -> Verdict {
        match step {
            Step::Not(node) => match self.node(node, given, frame)? {
                true => self.broken("not"),
                false => Ok(true),
            },
            Step::Any(branches, all_count) => {
                let mut verdict = false;
                for (index, branch) in branches.iter().enumerate() {
                    if verdict && index > *all_count {
                        break;
                    }
                    verdict |= self.branch(branch, given, frame)?;
                }
                self.hold(verdict, "anyOf")
            }
            Step::ExactlyOne(branches) => {
                let mut verdict = false;
                for branch in branches {
                    if self.node(&branch.node, given, frame)? {
                        if verdict {
                            return self.broken("oneOf");
                        }
                        verdict = true;
                        frame.apply(&branch.merges, &self.returned);
                    }
                }
                self.hold(verdict, "oneOf")
            }
            Step::If {
                condition,
                then,
                otherwise,
            } => {
                let holds = self.node(&condition.node, given, frame)?;
                frame.apply(&condition.merges, &self.returned);
                match if holds { then } else { otherwise } {
                    Some(branch) => self.branch(branch, given, frame),
                    None => Ok(true),
                }
            }
            _ => Ok(true),
        }
    }

    fn branch(&mut self, branch: &'p Branch, given: Given, frame: &mut Frame) -> Verdict {
        let verdict = self.node(&branch.node, given, frame)?;
        if verdict {
            frame.apply(&branch.merges, &self.returned);
        }
        Ok(verdict)
    }

    fn string(&mut self, step: &Step, text: &str) -> Verdict {
        self.spend(text.len() as u64 / 16)?;
        match step {
            Step::Length(limit, bound, keyword) => {
                self.hold(limit.allows(text.chars().count() as f64, *bound), keyword)
            }
            Step::Pattern(pattern) => {
                let matches = self.matches(*pattern, text)?;
                self.hold(matches, "pattern")
            }
            Step::Format(format) => {
                let verdict = format.accepts(text);
                self.hold(verdict, "format")
            }
            Step::FormatLimit(format, bound, limit, keyword) => {
                let verdict = format
                    .compare(text, limit)
                    .is_none_or(|order| bound.allows(order));
                self.hold(verdict, keyword)
            }
            _ => Ok(true),
        }
    }

    fn number(&mut self, step: &Step, number: f64) -> Verdict {
        match step {
            Step::Number(limit, bound, keyword) => self.hold(limit.allows(number, *bound), keyword),
            Step::MultipleOf(divisor) => {
                // Ajv prints the quotient and reads it again up to the first letter, so it ends where exponents begin.
                let quotient = number / divisor;
                let whole = quotient.fract() == 0.0 && quotient.abs() < 1e21;
                self.hold(*divisor != 0.0 && whole, "multipleOf")
            }
            Step::NumberFormat(format) => self.hold(format.accepts_number(number), "format"),
            _ => Ok(true),
        }
    }

    /// A subschema of a part; one that allows nothing is reported as the keyword it belongs to.
    fn part(
        &mut self,
        node: &'p Node,
        given: Given,
        frame: &mut Frame,
        keyword: &'static str,
    ) -> Verdict {
        if let [Step::Never(_)] = node.steps.as_slice() {
            return self.broken(keyword);
        }
        self.node(node, given, frame)
    }

    fn matches(&mut self, pattern: PatternId, text: &str) -> Verdict {
        match self.program.patterns.get(pattern) {
            Some(pattern) => pattern.matches(text, &mut self.pattern_work),
            None => Ok(true),
        }
    }

    fn hold(&mut self, holds: bool, keyword: &'static str) -> Verdict {
        if holds {
            Ok(true)
        } else {
            self.broken(keyword)
        }
    }

    fn broken(&mut self, keyword: &'static str) -> Verdict {
        self.fault = keyword;
        self.path.clear();
        Ok(false)
    }

    fn spend(&mut self, work: u64) -> Result<(), Stop> {
        self.work = self.work.checked_sub(work).ok_or(Stop::TooMuchWork)?;
        Ok(())
    }
}

fn has_type(given: Given, types: Types) -> bool {
    types.meets(match given {
        None => return false,
        Some(Value::Null) => Types::NULL,
        Some(Value::Bool(_)) => Types::BOOLEAN,
        Some(Value::String(_)) => Types::STRING,
        Some(Value::Array(_)) => Types::ARRAY,
        Some(Value::Object(_)) => Types::OBJECT,
        Some(Value::Number(number)) => {
            let whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
            if whole {
                Types::NUMBER.with(Types::INTEGER)
            } else {
                Types::NUMBER
            }
        }
    })
}
