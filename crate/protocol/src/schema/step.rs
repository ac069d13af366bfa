//! What a schema is compiled to: functions, each a tree of steps.

use serde_json::Value;

use super::evaluated::{Evaluated, Merge, Props};
use super::format::{Bound, Format};
use super::regex::Pattern;
use super::rules::Types;
use crate::sorted::SortedSet;

pub(super) type FunctionId = usize;
pub(super) type PatternId = usize;

/// A compiled schema.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub functions: Vec<Function>,
    pub patterns: Vec<Pattern>,
}

/// A schema that can be called: the root, or what a reference leads to.
#[derive(Debug, Default)]
pub(super) struct Function {
    pub body: Node,
    pub props_slots: usize,
    pub items_slots: usize,
    pub flag_slots: usize,
    pub evaluated: Evaluated,
}

/// A subschema: all its steps must hold.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub steps: Vec<Step>,
    /// Whether Ajv stops at the first step that does not hold, as it does where only the verdict counts.
    pub brief: bool,
}

impl Node {
    pub fn new(brief: bool) -> Self {
        Self {
            steps: Vec::new(),
            brief,
        }
    }

    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }
}

/// A subschema and what follows for the properties and items that count as evaluated when it holds.
#[derive(Debug)]
pub(super) struct Branch {
    pub node: Node,
    pub merges: Vec<Merge>,
}

/// Which end of a range a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Min,
    Max,
    ExclusiveMin,
    ExclusiveMax,
}

impl Limit {
    pub fn allows(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Min => value >= limit,
            Self::Max => value <= limit,
            Self::ExclusiveMin => value > limit,
            Self::ExclusiveMax => value < limit,
        }
    }
}

/// One thing that is demanded of a value.
#[derive(Debug)]
pub(super) enum Step {
    Never(&'static str),
    Types(Types),
    /// The steps, if the value is of this type.
    When(Types, Node),
    OneOf(Vec<Value>, &'static str),
    Not(Node),
    /// One of them at least. From the number on, none is looked at that cannot change the outcome.
    Any(Vec<Branch>, usize),
    ExactlyOne(Vec<Branch>),
    All(Branch),
    If {
        condition: Branch,
        then: Option<Branch>,
        otherwise: Option<Branch>,
    },
    Call {
        function: FunctionId,
        merges: Vec<Merge>,
    },
    /// Calls what was named so first on the way here, else the fallback.
    CallDynamic {
        anchor: Option<String>,
        named: Vec<Merge>,
        fallback: FunctionId,
        merges: Vec<Merge>,
    },
    /// From here on the name means this, unless it has a meaning already.
    Anchor(String, FunctionId),

    Number(Limit, f64, &'static str),
    MultipleOf(f64),
    NumberFormat(Format),

    Length(Limit, f64, &'static str),
    Pattern(PatternId),
    Format(Format),
    FormatLimit(Format, Bound, String, &'static str),

    Size(Limit, f64, &'static str),
    Required(Vec<String>, &'static str),
    /// With the variable that says that there was one; see [`Judge`](super::evaluate).
    Names(Node, Option<usize>),
    Properties(Vec<(String, Node)>),
    PatternProperties {
        /// The variable that notes what matched, and what it starts with.
        noted: Option<usize>,
        start: Vec<Merge>,
        patterns: Vec<(PatternId, Node)>,
    },
    Additional {
        properties: SortedSet<String>,
        patterns: Vec<PatternId>,
        schema: Node,
    },
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, Branch)>),
    UnevaluatedProperties {
        evaluated: Props,
        schema: Node,
    },

    Count(Limit, f64, &'static str),
    Unique(Types),
    /// The items at these places, with such a variable, too.
    Tuple(Vec<(usize, Node)>, &'static str, Option<usize>),
    /// Each item from an index on.
    Each(usize, Node, &'static str),
    Contains {
        schema: Node,
        min: f64,
        max: Option<f64>,
    },
    UnevaluatedItems {
        evaluated: super::evaluated::Items,
        schema: Node,
    },
}
