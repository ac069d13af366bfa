//! Keywords for lists.

use serde_json::Value;

use super::super::equal;
use super::super::evaluated::{Frame, Items, SeenItems};
use super::super::rules::Types;
use super::super::step::{Node, Step};
use super::{All, Judge, Verdict, has_type};

impl<'p> Judge<'p> {
    pub(super) fn array(
        &mut self,
        step: &'p Step,
        list: &[Value],
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        match step {
            Step::Count(limit, bound, keyword) => {
                self.hold(limit.allows(list.len() as f64, *bound), keyword)
            }
            Step::Unique(types) => self.unique(*types, list),
            Step::Tuple(schemas, keyword, flag) => {
                self.tuple((schemas, keyword, *flag), list, frame, brief)
            }
            Step::Each(from, node, keyword) => {
                self.each((*from, node, keyword), list, frame, brief)
            }
            Step::Contains { schema, min, max } => self.contains((schema, *min, *max), list, frame),
            Step::UnevaluatedItems { evaluated, schema } => {
                self.unevaluated_items(*evaluated, schema, list, frame, brief)
            }
            _ => Ok(true),
        }
    }

    fn unique(&mut self, types: Types, list: &[Value]) -> Verdict {
        let distinct = if types.is_empty() {
            let items: Vec<&Value> = list.iter().collect();
            equal::unique(&items, |work| self.spend(work))?
        } else {
            self.spend(list.iter().map(equal::weight).sum())?;
            let fitting = list.iter().filter(|item| has_type(Some(item), types));
            equal::unique_plain(&mut fitting.collect(), types.count() > 1)
        };
        self.hold(distinct, "uniqueItems")
    }

    fn tuple(
        &mut self,
        (schemas, keyword, flag): (&'p [(usize, Node)], &'static str, Option<usize>),
        list: &[Value],
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        for (index, node) in schemas {
            if let Some(item) = list.get(*index) {
                let holds = self.part(node, Some(item), frame, keyword)?;
                frame.set_flag(flag, holds);
                if !all.under(self, holds, index) {
                    break;
                }
            } else if flag.is_some_and(|flag| !frame.flag(flag)) {
                self.leaves = true;
                break;
            }
        }
        all.verdict(self)
    }

    fn each(
        &mut self,
        (from, node, keyword): (usize, &'p Node, &'static str),
        list: &[Value],
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let mut all = All::new(brief);
        for (index, item) in list.iter().enumerate().skip(from) {
            let holds = self.part(node, Some(item), frame, keyword)?;
            if !all.under(self, holds, &index) {
                break;
            }
        }
        all.verdict(self)
    }

    fn contains(
        &mut self,
        (schema, min, max): (&'p Node, f64, Option<f64>),
        list: &[Value],
        frame: &mut Frame,
    ) -> Verdict {
        let mut count = 0.0;
        for item in list {
            if self.node(schema, Some(item), frame)? {
                count += 1.0;
                if max.is_none_or(|max| count > max) && count >= min {
                    break;
                }
            }
        }
        let holds = count >= min && max.is_none_or(|max| count <= max);
        self.hold(holds, "contains")
    }

    fn unevaluated_items(
        &mut self,
        evaluated: Items,
        schema: &'p Node,
        list: &[Value],
        frame: &mut Frame,
        brief: bool,
    ) -> Verdict {
        let from = match frame.seen_items(evaluated) {
            // Ajv compares with a variable that was never set: nothing is too long for it.
            SeenItems::Unset => return Ok(true),
            SeenItems::First(count) => count,
            // And `true` counts as 1, but is no index.
            SeenItems::All if list.len() > 1 => {
                let holds = self.part(schema, None, frame, "unevaluatedItems")?;
                if !holds {
                    return Ok(false);
                }
                2
            }
            SeenItems::All => return Ok(true),
        };
        self.each((from, schema, "unevaluatedItems"), list, frame, brief)
    }
}
