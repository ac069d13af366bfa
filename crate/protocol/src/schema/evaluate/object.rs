//! Keywords for objects.

use serde_json::{Map, Value};

use super::super::evaluated::{Frame, Merge, Props, SeenProps};
use super::super::rules::is_inherited;
use super::super::step::{Branch, Node, PatternId, Step};
use super::{All, Given, Judge, Verdict};
use crate::sorted::SortedSet;

type Object = Map<String, Value>;

impl<'p> Judge<'p> {
    pub(super) fn object(
        &mut self,
        step: &'p Step,
        map: &Object,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        match step {
            Step::Size(limit, bound, keyword) => {
                self.hold(limit.allows(map.len() as f64, *bound), keyword)
            }
            Step::Required(keys, keyword) => {
                self.spend(keys.len() as u64)?;
                self.hold(keys.iter().all(|key| has(map, key)), keyword)
            }
            Step::Names(node, flag) => self.names(node, *flag, map, frame, brief),
            Step::Properties(properties) => self.properties(properties, map, frame, brief),
            Step::Additional {
                properties,
                patterns,
                schema,
            } => self.additional((properties, patterns, schema), map, frame, brief),
            Step::PatternProperties {
                noted,
                start,
                patterns,
            } => self.pattern_properties((*noted, start, patterns), map, frame, brief),
            Step::DependentRequired(dependencies) => {
                for (key, required) in dependencies {
                    self.spend(required.len() as u64)?;
                    if has(map, key) && !required.iter().all(|key| has(map, key)) {
                        return self.broken("dependentRequired");
                    }
                }
                Ok(true)
            }
            Step::UnevaluatedProperties { evaluated, schema } => {
                self.unevaluated_properties((evaluated, schema), map, frame, brief)
            }
            _ => Ok(true),
        }
    }

    fn names(
        &mut self,
        node: &'p Node,
        flag: Option<usize>,
        map: &Object,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        for key in map.keys() {
            self.spend(key.len() as u64 / 16)?;
            let mut holds = self.node(node, Some(&Value::String(key.clone())), frame)?;
            if !holds {
                holds = self.broken("propertyNames")?;
            }
            frame.set_flag(flag, holds);
            if !all.and(self, holds) {
                break;
            }
        }
        self.leaves = all.holds && flag.is_some_and(|flag| !frame.flag(flag));
        all.verdict(self)
    }

    fn properties(
        &mut self,
        properties: &'p [(String, Node)],
        map: &Object,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        self.spend(properties.len() as u64)?;
        for (key, node) in properties {
            if has(map, key) {
                let holds = self.node(node, map.get(key), frame)?;
                if !all.under(self, holds, key) {
                    break;
                }
            }
        }
        all.verdict(self)
    }

    fn additional(
        &mut self,
        (properties, patterns, schema): (&'p SortedSet<String>, &'p [PatternId], &'p Node),
        map: &Object,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        for (key, value) in map {
            self.spend(1)?;
            if properties.contains(key) || self.any_matches(patterns, key)? {
                continue;
            }
            let holds = self.part(schema, Some(value), frame, "additionalProperties")?;
            if !all.under(self, holds, key) {
                break;
            }
        }
        all.verdict(self)
    }

    fn pattern_properties(
        &mut self,
        (noted, start, patterns): (Option<usize>, &'p [Merge], &'p [(PatternId, Node)]),
        map: &Object,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        frame.apply(start, &self.returned);
        for (pattern, node) in patterns {
            for (key, value) in map {
                self.spend(1)?;
                if !self.matches(*pattern, key)? {
                    continue;
                }
                let holds = self.node(node, Some(value), frame)?;
                if let Some(slot) = noted {
                    frame.note(slot, key)?;
                }
                if !all.under(self, holds, key) {
                    return all.verdict(self);
                }
            }
        }
        all.verdict(self)
    }

    pub(super) fn dependent_schemas(
        &mut self,
        dependencies: &'p [(String, Branch)],
        map: &Object,
        given: Given,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        for (key, branch) in dependencies {
            if has(map, key) {
                let holds = self.branch(branch, given, frame)?;
                if !all.and(self, holds) {
                    break;
                }
            }
        }
        all.verdict(self)
    }

    fn unevaluated_properties(
        &mut self,
        (evaluated, schema): (&'p Props, &'p Node),
        map: &Object,
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        let seen = match evaluated {
            Props::Slot(_) => frame.seen_props(evaluated),
            _ => SeenProps::Unset,
        };
        for (key, value) in map {
            self.spend(1)?;
            let known = match evaluated {
                Props::These(keys) => keys.contains(key),
                _ => seen.has(key),
            };
            if !known {
                let holds = self.part(schema, Some(value), frame, "unevaluatedProperties")?;
                if !all.under(self, holds, key) {
                    break;
                }
            }
        }
        all.verdict(self)
    }

    fn any_matches(&mut self, patterns: &[PatternId], text: &str) -> Verdict {
        for pattern in patterns {
            if self.matches(*pattern, text)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether an object answers to the key.
fn has(map: &Object, key: &str) -> bool {
    map.contains_key(key) || is_inherited(key)
}
