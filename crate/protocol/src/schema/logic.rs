//! Keywords for values of every type: constants, logic, and references by a name that depends on the way.

use serde_json::Value;

use super::SchemaError;
use super::compile::{Compiler, It, To};
use super::evaluated::{Items, Props};
use super::step::{Branch, FunctionId, Node, Step};

type Compiled<T> = Result<T, SchemaError>;

impl<'a> Compiler<'a> {
    pub(super) fn general(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let schema = it.schema;
        if self.tracks() {
            self.dynamic(it, node)?;
        }
        if schema.contains_key("id") {
            return Err(SchemaError::Misused("the keyword id is of older drafts"));
        }
        if schema.contains_key("$ref") {
            self.reference(it, node)?;
        }
        if let Some(value) = schema.get("const") {
            node.push(Step::OneOf(vec![value.clone()], "const"));
        }
        if let Some(value) = schema.get("enum") {
            let values = list(value, "enum must be a list with at least one value")?;
            node.push(Step::OneOf(values.clone(), "enum"));
        }
        if let Some(inner) = schema.get("not") {
            applicable(inner)?;
            if self.allows_all(inner)? {
                node.push(Step::Never("not"));
            } else {
                node.push(Step::Not(self.verdict(it, inner, To::Aside)?));
            }
        }
        if let Some(branches) = schema.get("anyOf") {
            self.any_of(it, branches, node)?;
        }
        if let Some(branches) = schema.get("oneOf") {
            let mut compiled = Vec::new();
            for inner in list_or_empty(branches, "oneOf must be a list")? {
                compiled.push(if self.allows_all(inner)? {
                    Branch {
                        node: Node::new(it.brief),
                        merges: Vec::new(),
                    }
                } else {
                    let (node, evaluated) = self.subschema(it, inner, To::Value)?;
                    let merges = self.merge(it, evaluated, true);
                    Branch { node, merges }
                });
            }
            node.push(Step::ExactlyOne(compiled));
        }
        if let Some(branches) = schema.get("allOf") {
            for inner in list_or_empty(branches, "allOf must be a list")? {
                if !self.allows_all(inner)? {
                    let (inner, evaluated) = self.subschema(it, inner, To::Value)?;
                    let merges = self.merge(it, evaluated, false);
                    node.push(Step::All(Branch {
                        node: inner,
                        merges,
                    }));
                }
            }
        }
        self.conditional(it, node)
    }

    fn any_of(&mut self, it: &mut It<'a>, branches: &'a Value, node: &mut Node) -> Compiled<()> {
        let branches = list_or_empty(branches, "anyOf must be a list")?;
        let mut always = false;
        for inner in branches {
            always = always || self.allows_all(inner)?;
        }
        if always && !self.tracks() {
            return Ok(());
        }
        let mut compiled = Vec::new();
        let mut all_count = 0usize;
        for inner in branches {
            let (node, evaluated) = self.subschema(it, inner, To::Value)?;
            if self.tracks() && (it.props != Props::All || it.items != Items::All) {
                all_count = all_count.saturating_add(1);
            }
            let merges = self.merge(it, evaluated, true);
            compiled.push(Branch { node, merges });
        }
        node.push(Step::Any(compiled, all_count));
        Ok(())
    }

    fn conditional(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let (condition, then, otherwise) = (
            it.schema.get("if"),
            it.schema.get("then"),
            it.schema.get("else"),
        );
        for clause in [condition, then, otherwise].into_iter().flatten() {
            applicable(clause)?;
        }
        let Some(condition) = condition else {
            return match then.or(otherwise) {
                Some(_) => self.refuse("then or else without if"),
                None => Ok(()),
            };
        };
        if then.is_none() && otherwise.is_none() {
            return self.refuse("if without then and else");
        }
        let clause = |this: &Self, schema: Option<&'a Value>| -> Compiled<Option<&'a Value>> {
            match schema {
                Some(schema) if !this.allows_all(schema)? => Ok(Some(schema)),
                _ => Ok(None),
            }
        };
        let (then, otherwise) = (clause(self, then)?, clause(self, otherwise)?);
        if then.is_none() && otherwise.is_none() {
            return Ok(());
        }
        let (inner, evaluated) = self.subschema(it, condition, To::Aside)?;
        let merges = self.merge(it, evaluated, false);
        let condition = Branch {
            node: inner,
            merges,
        };
        let mut clause = |schema: Option<&'a Value>| -> Compiled<Option<Branch>> {
            let Some(schema) = schema else {
                return Ok(None);
            };
            let (node, evaluated) = self.subschema(it, schema, To::Value)?;
            let merges = self.merge(it, evaluated, true);
            Ok(Some(Branch { node, merges }))
        };
        let (then, otherwise) = (clause(then)?, clause(otherwise)?);
        node.push(Step::If {
            condition,
            then,
            otherwise,
        });
        Ok(())
    }

    fn dynamic(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let schema = it.schema;
        if let Some(anchor) = schema.get("$dynamicAnchor") {
            let anchor = text(anchor, "$dynamicAnchor must be a string")?;
            self.anchor(it, anchor, node)?;
        }
        if let Some(reference) = schema.get("$dynamicRef") {
            self.dynamic_reference(it, reference, node)?;
        }
        match schema.get("$recursiveAnchor") {
            None => {}
            Some(Value::Bool(true)) => self.anchor(it, "", node)?,
            Some(Value::Bool(false)) => {
                self.refuse("$recursiveAnchor: false is ignored")?;
            }
            Some(_) => {
                return Err(SchemaError::Misused(
                    "$recursiveAnchor must be true or false",
                ));
            }
        }
        if let Some(reference) = schema.get("$recursiveRef") {
            self.dynamic_reference(it, reference, node)?;
        }
        Ok(())
    }

    fn anchor(&mut self, it: &mut It<'a>, anchor: &str, node: &mut Node) -> Compiled<()> {
        let root = self.envs.get(it.env).map_or(it.env, |env| env.root);
        let base = self
            .envs
            .get(root)
            .map(|env| env.base.clone())
            .unwrap_or_default();
        if let Some(root) = self.envs.get_mut(root) {
            root.dynamic_anchors.insert(anchor.to_owned());
        }
        let function = if it.top {
            it.function
        } else {
            let env = self.new_env(it.value, Some(root), base, false)?;
            let env = self.compiled(env)?;
            self.envs
                .get(env)
                .and_then(|env| env.function)
                .unwrap_or(it.function)
        };
        node.push(Step::Anchor(anchor.to_owned(), function));
        Ok(())
    }

    /// A name that was given on the way means that; otherwise Ajv calls the function that it is in, whatever is named so.
    fn dynamic_reference(
        &mut self,
        it: &mut It<'a>,
        reference: &Value,
        node: &mut Node,
    ) -> Compiled<()> {
        let reference = text(reference, "$dynamicRef must be a string")?;
        let Some(anchor) = reference.strip_prefix('#') else {
            return Err(SchemaError::BadReference(reference.to_owned()));
        };
        let root = self
            .envs
            .get(it.env)
            .and_then(|env| self.envs.get(env.root));
        let known = root.is_some_and(|root| root.dynamic_anchors.contains(anchor));
        let fallback: FunctionId = it.function;
        let named = if known {
            self.evaluated_from(it, None)
        } else {
            Vec::new()
        };
        let merges = self.evaluated_from(it, None);
        node.push(Step::CallDynamic {
            anchor: known.then(|| anchor.to_owned()),
            named,
            fallback,
            merges,
        });
        Ok(())
    }
}

/// What Ajv takes where a subschema belongs.
pub(super) fn applicable(schema: &Value) -> Compiled<()> {
    match schema {
        Value::Object(_) | Value::Bool(_) => Ok(()),
        _ => Err(SchemaError::Misused(
            "a subschema must be an object or a boolean",
        )),
    }
}

pub(super) fn text<'v>(value: &'v Value, error: &'static str) -> Compiled<&'v str> {
    value.as_str().ok_or(SchemaError::Misused(error))
}

pub(super) fn list<'v>(value: &'v Value, error: &'static str) -> Compiled<&'v Vec<Value>> {
    let list = value.as_array().filter(|list| !list.is_empty());
    list.ok_or(SchemaError::Misused(error))
}

pub(super) fn list_or_empty<'v>(value: &'v Value, error: &'static str) -> Compiled<&'v Vec<Value>> {
    value.as_array().ok_or(SchemaError::Misused(error))
}
