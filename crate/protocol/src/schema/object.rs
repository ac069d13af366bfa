//! Keywords for objects.

use serde_json::{Map, Value};

use super::SchemaError;
use super::compile::{Compiler, It, To, number, when};
use super::evaluated::{Merge, Props};
use super::logic::{applicable, list_or_empty, text};
use super::regex::Pattern;
use super::rules::{Types, is_inherited};
use super::step::{Branch, Limit, Node, Step};
use crate::sorted::SortedSet;

type Compiled<T> = Result<T, SchemaError>;

impl<'a> Compiler<'a> {
    pub(super) fn objects(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let mut steps = Node::new(it.brief);
        for (key, limit) in [("maxProperties", Limit::Max), ("minProperties", Limit::Min)] {
            if let Some(bound) = number(it, key)? {
                steps.push(Step::Size(limit, bound, key));
            }
        }
        self.required(it, &mut steps)?;
        if let Some(schema) = it.schema.get("propertyNames") {
            applicable(schema)?;
            if !self.allows_all(schema)? {
                let node = self.verdict(it, schema, To::Name)?;
                let flag = it.brief.then(|| self.slots().new_flag());
                steps.push(Step::Names(node, flag));
            }
        }
        self.additional(it, &mut steps)?;
        if let Some(dependencies) = object(it, "dependencies")? {
            let mut required = Vec::new();
            for (key, value) in dependencies.iter().filter(|(_, value)| value.is_array()) {
                dependency(key, value, &mut required)?;
            }
            if !required.is_empty() {
                steps.push(Step::DependentRequired(required));
            }
            let schemas = dependencies.iter().filter(|(_, value)| !value.is_array());
            self.dependent_schemas(it, schemas, &mut steps)?;
        }
        self.properties(it, &mut steps)?;
        self.pattern_properties(it, &mut steps)?;
        if self.tracks() {
            if let Some(dependencies) = object(it, "dependentRequired")? {
                let mut required = Vec::new();
                for (key, value) in dependencies {
                    dependency(key, value, &mut required)?;
                }
                if !required.is_empty() {
                    steps.push(Step::DependentRequired(required));
                }
            }
            if let Some(schemas) = object(it, "dependentSchemas")? {
                self.dependent_schemas(it, schemas.iter(), &mut steps)?;
            }
            self.unevaluated_properties(it, &mut steps)?;
        }
        when(Types::OBJECT, steps, node);
        Ok(())
    }

    fn required(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let Some(required) = it.schema.get("required") else {
            return Ok(());
        };
        let mut keys = Vec::new();
        let properties = it.schema.get("properties").and_then(Value::as_object);
        for key in list_or_empty(required, "required must be a list")? {
            let key = text(key, "required must list names")?;
            let stated = properties
                .is_some_and(|properties| properties.contains_key(key) || is_inherited(key));
            if self.strict() && !stated && !self.is_defined(it, key) {
                return Err(SchemaError::Strict(format!(
                    "the required property {key:?} is not defined"
                )));
            }
            keys.push(key.to_owned());
        }
        if !keys.is_empty() {
            steps.push(Step::Required(keys, "required"));
        }
        Ok(())
    }

    fn additional(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let Some(schema) = it.schema.get("additionalProperties") else {
            return Ok(());
        };
        applicable(schema)?;
        it.props = Props::All;
        if self.allows_all(schema)? {
            return Ok(());
        }
        let mut patterns = Vec::new();
        for pattern in names(it, "patternProperties") {
            patterns.push(self.pattern(pattern)?);
        }
        let mut properties = SortedSet::new();
        properties.extend(names(it, "properties").map(str::to_owned));
        let schema = self.verdict(it, schema, To::Part)?;
        steps.push(Step::Additional {
            properties,
            patterns,
            schema,
        });
        Ok(())
    }

    fn dependent_schemas(
        &mut self,
        it: &mut It<'a>,
        schemas: impl Iterator<Item = (&'a String, &'a Value)>,
        steps: &mut Node,
    ) -> Compiled<()> {
        let mut branches = Vec::new();
        for (key, schema) in schemas.filter(|(key, _)| *key != "__proto__") {
            if self.allows_all(schema)? {
                continue;
            }
            let (node, evaluated) = self.subschema(it, schema, To::Value)?;
            let merges = self.merge(it, evaluated, true);
            branches.push((key.clone(), Branch { node, merges }));
        }
        if !branches.is_empty() {
            steps.push(Step::DependentSchemas(branches));
        }
        Ok(())
    }

    fn properties(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let Some(properties) = object(it, "properties")? else {
            return Ok(());
        };
        let mut all = SortedSet::new();
        all.extend(names(it, "properties").map(str::to_owned));
        for key in names(it, "properties") {
            self.define(it, key);
        }
        if self.tracks() && !all.is_empty() && it.props != Props::All {
            let mut merges = Vec::new();
            it.props =
                self.slots()
                    .merge_props(&mut merges, Props::These(all), &it.props.clone(), false);
            if !merges.is_empty() {
                steps.push(Step::All(Branch {
                    node: Node::new(it.brief),
                    merges,
                }));
            }
        }
        let mut compiled = Vec::new();
        for (key, schema) in properties.iter().filter(|(key, _)| *key != "__proto__") {
            if self.allows_all(schema)? {
                continue;
            }
            compiled.push((key.clone(), self.verdict(it, schema, To::Part)?));
            self.define(it, key);
        }
        if !compiled.is_empty() {
            steps.push(Step::Properties(compiled));
        }
        Ok(())
    }

    fn pattern_properties(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let Some(schemas) = object(it, "patternProperties")? else {
            return Ok(());
        };
        let mut all_allow_all = true;
        for key in names(it, "patternProperties") {
            if let Some(schema) = schemas.get(key) {
                all_allow_all &= self.allows_all(schema)?;
            }
        }
        if all_allow_all && (!self.tracks() || it.props == Props::All) {
            return Ok(());
        }
        let mut start = Vec::new();
        if it.props != Props::All && !matches!(it.props, Props::Slot(_)) {
            let slot = self.slots().new_props();
            let known = match std::mem::take(&mut it.props) {
                Props::These(keys) => Props::These(keys),
                _ => Props::These(SortedSet::new()),
            };
            start.push(Merge::SetProps(slot, known));
            it.props = Props::Slot(slot);
        }
        let noted = match it.props {
            Props::Slot(slot) if self.tracks() => Some(slot),
            _ => None,
        };
        let mut patterns = Vec::new();
        for pattern in names(it, "patternProperties") {
            let Some(schema) = schemas.get(pattern) else {
                continue;
            };
            self.check_no_property_matches(it, pattern)?;
            let id = self.pattern(pattern)?;
            let node = if self.allows_all(schema)? {
                Node::new(it.brief)
            } else {
                self.verdict(it, schema, To::Part)?
            };
            patterns.push((id, node));
        }
        steps.push(Step::PatternProperties {
            noted,
            start,
            patterns,
        });
        Ok(())
    }

    /// In strict mode no property may be named by a pattern, too. Here Ajv reads the pattern without the flag `u`.
    fn check_no_property_matches(&mut self, it: &It<'a>, pattern: &str) -> Compiled<()> {
        let Some(properties) = it.schema.get("properties").and_then(Value::as_object) else {
            return Ok(());
        };
        if properties.is_empty() || !self.refuses() {
            return Ok(());
        }
        let pattern = Pattern::plain(pattern)?;
        for key in properties.keys() {
            if pattern.matches(key, &mut self.pattern_work)? {
                return Err(SchemaError::Strict(format!(
                    "the property {key:?} matches a pattern as well"
                )));
            }
        }
        Ok(())
    }

    fn unevaluated_properties(&mut self, it: &mut It<'a>, steps: &mut Node) -> Compiled<()> {
        let Some(schema) = it.schema.get("unevaluatedProperties") else {
            return Ok(());
        };
        applicable(schema)?;
        let evaluated = std::mem::replace(&mut it.props, Props::All);
        if evaluated == Props::All || (*schema != Value::Bool(false) && self.allows_all(schema)?) {
            return Ok(());
        }
        let schema = self.verdict(it, schema, To::Part)?;
        steps.push(Step::UnevaluatedProperties { evaluated, schema });
        Ok(())
    }
}

/// A keyword whose value must be an object.
fn object<'a>(it: &It<'a>, key: &str) -> Compiled<Option<&'a Map<String, Value>>> {
    match it.schema.get(key) {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(SchemaError::Misused(
            "properties and dependencies are given as an object",
        )),
    }
}

/// The keys of such an object that Ajv looks at.
fn names<'a>(it: &It<'a>, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let map = it.schema.get(key).and_then(Value::as_object);
    let keys = map.into_iter().flat_map(Map::keys).map(String::as_str);
    keys.filter(|key| *key != "__proto__")
}

fn dependency(key: &str, value: &Value, required: &mut Vec<(String, Vec<String>)>) -> Compiled<()> {
    let keys = list_or_empty(value, "what a property depends on must be a list")?;
    let keys: Compiled<Vec<String>> = keys
        .iter()
        .map(|key| Ok(text(key, "what a property depends on must be names")?.to_owned()))
        .collect();
    let keys = keys?;
    if !keys.is_empty() && key != "__proto__" {
        required.push((key.to_owned(), keys));
    }
    Ok(())
}
