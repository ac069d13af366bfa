//! References, and what the schemas they lead to evaluate.

use serde_json::Value;

use super::SchemaError;
use super::compile::{Compiler, It, To};
use super::evaluated::{Evaluated, Items, Merge, Props};
use super::refs::{EnvId, Found};
use super::step::{Branch, Node, Step};

type Compiled<T> = Result<T, SchemaError>;

impl<'a> Compiler<'a> {
    /// `$ref`.
    pub(super) fn reference(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let text = it.schema.get("$ref").and_then(Value::as_str);
        let text = text.ok_or(SchemaError::Misused("$ref must be a string"))?;
        let root = self.envs.get(it.env).map_or(it.env, |env| env.root);
        let root_base = self.envs.get(root).map(|env| env.base.clone());
        if matches!(text, "#" | "#/") && root_base.as_ref() == Some(&it.base) {
            let merges = self.evaluated_by(it, root);
            let function = self.envs.get(root).and_then(|env| env.function);
            let function = function.ok_or_else(|| SchemaError::BadReference(text.to_owned()))?;
            node.push(Step::Call { function, merges });
            return Ok(());
        }
        match self.resolve(root, &it.base.clone(), text)? {
            Found::Inline(schema) => {
                let (inner, evaluated) = self.subschema(it, schema, To::Referrer)?;
                let merges = self.merge(it, evaluated, false);
                node.push(Step::All(Branch {
                    node: inner,
                    merges,
                }));
            }
            Found::Function(env) => {
                let merges = self.evaluated_by(it, env);
                let function = self.envs.get(env).and_then(|env| env.function);
                let function =
                    function.ok_or_else(|| SchemaError::BadReference(text.to_owned()))?;
                node.push(Step::Call { function, merges });
            }
        }
        Ok(())
    }

    /// What a call of this function evaluates, known now or only when it returns.
    pub(super) fn evaluated_by(&mut self, it: &mut It<'a>, env: EnvId) -> Vec<Merge> {
        let env = self.envs.get(env).filter(|env| env.compiled);
        let function = env.and_then(|env| env.function);
        let known = function.and_then(|function| self.program.functions.get(function));
        let known = known.map(|function| function.evaluated.clone());
        self.evaluated_from(it, known)
    }

    pub(super) fn evaluated_from(
        &mut self,
        it: &mut It<'a>,
        known: Option<Evaluated>,
    ) -> Vec<Merge> {
        let mut merges = Vec::new();
        if !self.tracks() {
            return merges;
        }
        let (props, items) = match known {
            Some(known) => (Some(known.props), Some(known.items)),
            None => (None, None),
        };
        if it.props != Props::All {
            match props {
                Some(Props::Unset) => {}
                Some(props) if !matches!(props, Props::Slot(_)) => {
                    it.props = self.slots.merge_props(&mut merges, props, &it.props, false);
                }
                _ => {
                    let slot = self.slots.new_props();
                    merges.push(Merge::LoadProps(slot));
                    it.props =
                        self.slots
                            .merge_props(&mut merges, Props::Slot(slot), &it.props, true);
                }
            }
        }
        if it.items != Items::All {
            match items {
                Some(Items::Unset) => {}
                Some(items) if !matches!(items, Items::Slot(_)) => {
                    it.items = self.slots.merge_items(&mut merges, items, it.items, false);
                }
                _ => {
                    let slot = self.slots.new_items();
                    merges.push(Merge::LoadItems(slot));
                    it.items =
                        self.slots
                            .merge_items(&mut merges, Items::Slot(slot), it.items, true);
                }
            }
        }
        merges
    }

    /// Takes over what a subschema evaluates.
    pub(super) fn merge(
        &mut self,
        it: &mut It<'a>,
        evaluated: Evaluated,
        variable: bool,
    ) -> Vec<Merge> {
        let mut merges = Vec::new();
        if self.tracks() {
            if it.props != Props::All && evaluated.props != Props::Unset {
                it.props =
                    self.slots
                        .merge_props(&mut merges, evaluated.props, &it.props, variable);
            }
            if it.items != Items::All && evaluated.items != Items::Unset {
                it.items = self
                    .slots
                    .merge_items(&mut merges, evaluated.items, it.items, variable);
            }
        }
        merges
    }
}
