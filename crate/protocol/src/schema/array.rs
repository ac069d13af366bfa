//! Keywords for lists.

use serde_json::Value;

use super::SchemaError;
use super::compile::{Compiler, It, To, number, when};
use super::evaluated::Items;
use super::logic::{applicable, list_or_empty};
use super::rules::Types;
use super::step::{Branch, Limit, Node, Step};
use super::strict::schema_types;

type Compiled<T> = Result<T, SchemaError>;

impl<'a> Compiler<'a> {
    pub(super) fn arrays(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let mut steps = Node::new(it.brief);
        for (key, limit) in [("maxItems", Limit::Max), ("minItems", Limit::Min)] {
            if let Some(bound) = number(it, key)? {
                steps.push(Step::Count(limit, bound, key));
            }
        }
        if self.tracks() {
            if let Some(prefix) = it.schema.get("prefixItems") {
                let prefix = list_or_empty(prefix, "prefixItems must be a list")?;
                self.tuple(it, prefix, "prefixItems", &mut steps)?;
            }
            if let Some(schema) = it.schema.get("items") {
                applicable(schema)?;
                it.items = Items::All;
                let from = it
                    .schema
                    .get("prefixItems")
                    .and_then(Value::as_array)
                    .map(Vec::len);
                self.rest(it, schema, from, "items", &mut steps)?;
            }
        } else {
            self.older_items(it, &mut steps)?;
        }
        self.contains(it, &mut steps)?;
        if let Some(unique) = it.schema.get("uniqueItems") {
            match unique {
                Value::Bool(false) => {}
                Value::Bool(true) => {
                    let types = match it.schema.get("items") {
                        Some(Value::Object(items)) => schema_types(items)?,
                        _ => Types::NONE,
                    };
                    let plain = !types.meets(Types::OBJECT.with(Types::ARRAY));
                    steps.push(Step::Unique(if plain { types } else { Types::NONE }));
                }
                _ => return Err(SchemaError::Misused("uniqueItems must be true or false")),
            }
        }
        if self.tracks() {
            let limits = ["maxContains", "minContains"];
            if limits.iter().any(|key| it.schema.contains_key(*key))
                && !it.schema.contains_key("contains")
            {
                self.refuse("a limit of contains without it")?;
            }
            self.unevaluated_items(it, &mut steps)?;
        }
        when(Types::ARRAY, steps, node);
        Ok(())
    }

    /// `items` and `additionalItems` of draft-07.
    fn older_items(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let items = it.schema.get("items");
        if let Some(schema) = it.schema.get("additionalItems") {
            applicable(schema)?;
            match items {
                Some(Value::Array(first)) => {
                    it.items = Items::All;
                    self.rest(it, schema, Some(first.len()), "additionalItems", steps)?;
                }
                _ => self.refuse("additionalItems without a list of items")?,
            }
        }
        match items {
            None => Ok(()),
            Some(Value::Array(first)) => self.tuple(it, first, "items", steps),
            Some(schema) => {
                applicable(schema)?;
                it.items = Items::All;
                self.rest(it, schema, None, "items", steps)
            }
        }
    }

    fn tuple(
        &mut self,
        it: &mut It<'a>,
        schemas: &'a [Value],
        keyword: &'static str,
        steps: &mut Node,
    ) -> Compiled<()> {
        if self.strict() {
            let length = Some(schemas.len() as f64);
            let bound = |key: &str| it.schema.get(key).and_then(Value::as_f64);
            let closed =
                bound("maxItems") == length || it.schema.get("items") == Some(&Value::Bool(false));
            if bound("minItems") != length || !closed {
                return Err(SchemaError::Strict(
                    "the length of a tuple is not fixed".to_owned(),
                ));
            }
        }
        if self.tracks() && !schemas.is_empty() && it.items != Items::All {
            let mut merges = Vec::new();
            let (from, to) = (Items::First(schemas.len()), it.items);
            it.items = self.slots().merge_items(&mut merges, from, to, false);
            if !merges.is_empty() {
                steps.push(Step::All(Branch {
                    node: Node::new(it.brief),
                    merges,
                }));
            }
        }
        let mut compiled = Vec::new();
        for (index, schema) in schemas.iter().enumerate() {
            if !self.allows_all(schema)? {
                compiled.push((index, self.verdict(it, schema, To::Part)?));
            }
        }
        if !compiled.is_empty() {
            let flag = it.brief.then(|| self.slots().new_flag());
            steps.push(Step::Tuple(compiled, keyword, flag));
        }
        Ok(())
    }

    fn rest(
        &mut self,
        it: &mut It<'a>,
        schema: &'a Value,
        from: Option<usize>,
        keyword: &'static str,
        steps: &mut Node,
    ) -> Compiled<()> {
        if !self.allows_all(schema)? {
            let node = self.verdict(it, schema, To::Part)?;
            steps.push(Step::Each(from.unwrap_or(0), node, keyword));
        }
        Ok(())
    }

    fn contains(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let limits = match self.tracks() {
            true => (number(it, "minContains")?, number(it, "maxContains")?),
            false => (None, None),
        };
        let Some(schema) = it.schema.get("contains") else {
            return Ok(());
        };
        applicable(schema)?;
        let (min, max) = (limits.0.unwrap_or(1.0), limits.1);
        if max.is_none() && min == 0.0 {
            return self.refuse("contains with a minimum of 0 is ignored");
        }
        if max.is_some_and(|max| min > max) {
            self.refuse("minContains is above maxContains")?;
            steps.push(Step::Never("contains"));
            return Ok(());
        }
        if self.allows_all(schema)? {
            steps.push(Step::Count(Limit::Min, min, "contains"));
            if let Some(max) = max {
                steps.push(Step::Count(Limit::Max, max, "contains"));
            }
            return Ok(());
        }
        it.items = Items::All;
        let schema = self.verdict(it, schema, To::Part)?;
        steps.push(Step::Contains { schema, min, max });
        Ok(())
    }

    fn unevaluated_items(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let Some(schema) = it.schema.get("unevaluatedItems") else {
            return Ok(());
        };
        applicable(schema)?;
        let evaluated = match it.items {
            Items::All => return Ok(()),
            Items::Unset => Items::First(0),
            items => items,
        };
        if *schema == Value::Bool(false) || !self.allows_all(schema)? {
            let schema = self.verdict(it, schema, To::Part)?;
            steps.push(Step::UnevaluatedItems { evaluated, schema });
        }
        it.items = Items::All;
        Ok(())
    }
}
