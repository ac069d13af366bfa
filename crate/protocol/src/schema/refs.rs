//! Where references lead: the names in a schema (`$id`, `$anchor`), JSON pointers, and the meta-schemas of the draft.

use std::rc::Rc;
use std::sync::OnceLock;

use serde_json::Value;

use super::compile::Compiler;
use super::equal;
use super::step::FunctionId;
use super::{Draft, Schema, SchemaError, uri};
use crate::sorted::{SortedMap, SortedSet};

pub(super) type EnvId = usize;

/// A schema that is compiled to a function of its own.
#[derive(Debug)]
pub(super) struct Env<'a> {
    pub schema: &'a Value,
    pub root: EnvId,
    pub base: Rc<str>,
    pub meta: bool,
    pub function: Option<FunctionId>,
    pub compiled: bool,
    /// Of a root: the names in it that no id leads to.
    pub local: SortedMap<String, &'a Value>,
    /// Of a root: where references led.
    pub found: SortedMap<String, Found<'a>>,
    pub dynamic_anchors: SortedSet<String>,
}

/// Where a reference leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// To a schema without references of its own, which is compiled in place.
    Inline(&'a Value),
    Function(EnvId),
}

/// What a name means.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Alias(String),
    Root(EnvId),
}

const DRAFT_07: &str = include_str!("meta/draft-07.json");
const DRAFT_2020: &str = include_str!("meta/2020-12.json");

/// The meta-schemas of a draft, without their annotations; the first is the one that schemas follow by default.
pub(super) fn meta_documents(draft: Draft) -> &'static [Value] {
    static DOCUMENTS: [OnceLock<Vec<Value>>; 2] = [OnceLock::new(), OnceLock::new()];
    let [seventh, next] = &DOCUMENTS;
    let (cell, text) = match draft {
        Draft::Draft07 => (seventh, DRAFT_07),
        Draft::Draft2020 => (next, DRAFT_2020),
    };
    cell.get_or_init(|| serde_json::from_str(text).unwrap_or_default())
}

/// The compiled meta-schema with this id.
pub(super) fn meta_schema(draft: Draft, id: &str) -> Option<&'static Schema> {
    static SCHEMAS: [OnceLock<Vec<(String, Schema)>>; 2] = [OnceLock::new(), OnceLock::new()];
    let [seventh, next] = &SCHEMAS;
    let cell = match draft {
        Draft::Draft07 => seventh,
        Draft::Draft2020 => next,
    };
    let schemas = cell.get_or_init(|| {
        meta_documents(draft)
            .iter()
            .filter_map(|document| {
                let id = uri::normal(document.get("$id")?.as_str()?).to_owned();
                let mut compiler = Compiler::new(draft, true).ok()?;
                let env = match compiler.names.get(&id)? {
                    Name::Root(env) => *env,
                    Name::Alias(_) => return None,
                };
                let start = compiler.compile_env(env).ok()?;
                Some((
                    id,
                    Schema {
                        program: compiler.program,
                        start,
                        size: 0,
                    },
                ))
            })
            .collect()
    });
    let id = uri::normal(id);
    let at = match id {
        "http://json-schema.org/schema" => schemas.first(),
        id => schemas.iter().find(|(name, _)| name == id),
    };
    at.map(|(_, schema)| schema)
}

impl<'a> Compiler<'a> {
    /// Makes a schema known by its id, and all that is named in it.
    pub fn add_root(
        &mut self,
        schema: &'a Value,
        key: &str,
        meta: bool,
    ) -> Result<EnvId, SchemaError> {
        let id = schema
            .get("$id")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty());
        let base = uri::normal(id.unwrap_or(key)).to_owned();
        let mut local = SortedMap::new();
        if schema.is_object() {
            let mut walk = Walk {
                prefix: uri::Parts::parse(&base).document(),
                taken: SortedSet::new(),
                local: &mut local,
                names: &mut self.names,
                envs: &self.envs,
            };
            walk.visit(schema, String::new(), None, &base)?;
        }
        let env = self.new_env(schema, None, Rc::from(base.as_str()), meta)?;
        if let Some(env) = self.envs.get_mut(env) {
            env.local = local;
        }
        if !base.starts_with('#') {
            if !base.is_empty() && self.names.contains_key(&base) {
                return Err(SchemaError::Ambiguous(base));
            }
            self.names.insert(base, Name::Root(env));
        }
        Ok(env)
    }

    pub fn new_env(
        &mut self,
        schema: &'a Value,
        root: Option<EnvId>,
        base: Rc<str>,
        meta: bool,
    ) -> Result<EnvId, SchemaError> {
        let id = self.envs.len();
        self.spend(1)?;
        self.envs.push(Env {
            schema,
            root: root.unwrap_or(id),
            base,
            meta,
            function: None,
            compiled: false,
            local: SortedMap::new(),
            found: SortedMap::new(),
            dynamic_anchors: SortedSet::new(),
        });
        Ok(id)
    }

    /// Where a reference leads, compiled if it needs a function of its own.
    pub fn resolve(
        &mut self,
        root: EnvId,
        base: &Rc<str>,
        reference: &str,
    ) -> Result<Found<'a>, SchemaError> {
        let bad = || SchemaError::BadReference(reference.to_owned());
        let full = uri::resolve(base, reference);
        if let Some(found) = self.envs.get(root).and_then(|env| env.found.get(&full)) {
            return Ok(*found);
        }
        let env = match self.look_up(root, &full)? {
            Some(env) => env,
            None => {
                let local = self
                    .envs
                    .get(root)
                    .and_then(|env| env.local.get(&full).copied());
                self.new_env(local.ok_or_else(bad)?, Some(root), base.clone(), false)?
            }
        };
        let schema = self.envs.get(env).ok_or_else(bad)?.schema;
        let found = if self.has_reference(schema)? {
            Found::Function(self.compiled(env)?)
        } else {
            Found::Inline(schema)
        };
        if let Some(env) = self.envs.get_mut(root) {
            env.found.insert(full, found);
        }
        Ok(found)
    }

    fn look_up(&mut self, root: EnvId, full: &str) -> Result<Option<EnvId>, SchemaError> {
        match self.unalias(full) {
            Ok(env) => Ok(Some(env)),
            Err(name) => self.look_in(root, &name, 0),
        }
    }

    fn unalias(&self, name: &str) -> Result<EnvId, String> {
        let mut name = name;
        for _ in 0..64 {
            match self.names.get(name) {
                Some(Name::Alias(other)) => name = other,
                Some(Name::Root(env)) => return Ok(*env),
                None => break,
            }
        }
        Err(name.to_owned())
    }

    /// The schema at a reference that may end in a JSON pointer.
    fn look_in(
        &mut self,
        root: EnvId,
        full: &str,
        hops: usize,
    ) -> Result<Option<EnvId>, SchemaError> {
        let hops = hops.saturating_add(1);
        if hops > super::MAX_SCHEMA_DEPTH {
            return Err(SchemaError::TooDeep);
        }
        self.spend(1)?;
        let parts = uri::Parts::parse(full);
        let document = parts.document();
        let fragment = parts.fragment.as_deref().unwrap_or_default();
        let Some((schema, base)) = self
            .envs
            .get(root)
            .map(|env| (env.schema, env.base.clone()))
        else {
            return Ok(None);
        };
        let has_keys = schema.as_object().is_none_or(|schema| !schema.is_empty());
        if has_keys && document == uri::document(&base) {
            return self.point(root, fragment, hops);
        }
        let id = uri::normal(&document).to_owned();
        let env = match self.names.get(&id).cloned() {
            None => return Ok(None),
            Some(Name::Root(env)) => {
                if !self.envs.get(env).is_some_and(|env| env.compiled) {
                    self.compiled(env)?;
                }
                if id == uri::normal(full) {
                    return self.again(env, root).map(Some);
                }
                env
            }
            Some(Name::Alias(other)) => match self.look_in(root, &other, hops)? {
                Some(env) => env,
                None => return Ok(None),
            },
        };
        self.point(env, fragment, hops)
    }

    fn again(&mut self, env: EnvId, root: EnvId) -> Result<EnvId, SchemaError> {
        let Some((schema, base)) = self.envs.get(env).map(|env| (env.schema, env.base.clone()))
        else {
            return Ok(env);
        };
        self.new_env(schema, Some(root), base, false)
    }

    /// What a JSON pointer leads to; the ids on the way change what references in it mean.
    fn point(
        &mut self,
        env: EnvId,
        fragment: &str,
        hops: usize,
    ) -> Result<Option<EnvId>, SchemaError> {
        let (Some(steps), Some(env)) = (uri::pointer(fragment), self.envs.get(env)) else {
            return Ok(None);
        };
        let (mut schema, mut base, root) = (env.schema, env.base.clone(), env.root);
        for step in steps {
            let next = match schema {
                Value::Object(map) => map.get(&step),
                Value::Array(list) => step.parse::<usize>().ok().and_then(|index| list.get(index)),
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            schema = next;
            let holds_schemas = matches!(
                step.as_str(),
                "properties" | "patternProperties" | "enum" | "dependencies" | "definitions"
            );
            if let (false, Some(id)) = (holds_schemas, id_of(schema)) {
                base = Rc::from(uri::resolve(&base, id));
            }
        }
        if let Value::Object(map) = schema
            && let Some(reference) = map
                .get("$ref")
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
            && !self.has_rules(map, Some("$ref"))
        {
            let full = uri::resolve(&base, reference);
            if let Some(env) = self.look_in(root, &full, hops)? {
                return Ok(self.unless_root(env));
            }
        }
        let env = self.new_env(schema, Some(root), base, false)?;
        Ok(self.unless_root(env))
    }

    fn unless_root(&self, env: EnvId) -> Option<EnvId> {
        let this = self.envs.get(env)?;
        let root = self.envs.get(this.root)?;
        (!std::ptr::eq(this.schema, root.schema)).then_some(env)
    }

    fn has_reference(&mut self, value: &Value) -> Result<bool, SchemaError> {
        self.spend(1)?;
        Ok(match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let named = matches!(
                        key.as_str(),
                        "$ref"
                            | "$recursiveRef"
                            | "$recursiveAnchor"
                            | "$dynamicRef"
                            | "$dynamicAnchor"
                    );
                    if named || self.has_reference(value)? {
                        return Ok(true);
                    }
                }
                false
            }
            Value::Array(list) => {
                for value in list {
                    if self.has_reference(value)? {
                        return Ok(true);
                    }
                }
                false
            }
            _ => false,
        })
    }
}

pub(super) fn id_of(schema: &Value) -> Option<&str> {
    schema.get("$id")?.as_str().filter(|id| !id.is_empty())
}

/// Goes through a schema and writes down what is named in it.
struct Walk<'w, 'a> {
    prefix: String,
    taken: SortedSet<String>,
    local: &'w mut SortedMap<String, &'a Value>,
    names: &'w mut SortedMap<String, Name>,
    envs: &'w [Env<'a>],
}

impl<'a> Walk<'_, 'a> {
    fn visit(
        &mut self,
        schema: &'a Value,
        at: String,
        parent: Option<&str>,
        base: &str,
    ) -> Result<(), SchemaError> {
        let Value::Object(map) = schema else {
            return Ok(());
        };
        let mut base = base.to_owned();
        if parent.is_some() {
            if let Some(id) = map.get("$id").and_then(Value::as_str) {
                base = self.name(schema, id, &base, &at)?;
            }
            for key in ["$anchor", "$dynamicAnchor"] {
                if let Some(anchor) = map.get(key).and_then(Value::as_str) {
                    if !is_anchor(anchor) {
                        return Err(SchemaError::BadReference(anchor.to_owned()));
                    }
                    self.name(schema, &format!("#{anchor}"), &base, &at)?;
                }
            }
        }
        for (key, value) in map {
            match value {
                Value::Array(list) => {
                    if matches!(key.as_str(), "items" | "allOf" | "anyOf" | "oneOf") {
                        for (index, item) in list.iter().enumerate() {
                            self.visit(item, format!("{at}/{key}/{index}"), Some(&at), &base)?;
                        }
                    }
                }
                Value::Object(values)
                    if matches!(
                        key.as_str(),
                        "$defs"
                            | "definitions"
                            | "properties"
                            | "patternProperties"
                            | "dependencies"
                    ) =>
                {
                    for (name, value) in values {
                        let name = name.replace('~', "~0").replace('/', "~1");
                        self.visit(value, format!("{at}/{key}/{name}"), Some(&at), &base)?;
                    }
                }
                value => {
                    if !matches!(key.as_str(), "default" | "enum" | "const") {
                        self.visit(value, format!("{at}/{key}"), Some(&at), &base)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn name(
        &mut self,
        schema: &'a Value,
        reference: &str,
        base: &str,
        at: &str,
    ) -> Result<String, SchemaError> {
        let resolved = if base.is_empty() {
            reference.to_owned()
        } else {
            uri::resolve(base, reference)
        };
        let full = uri::normal(&resolved).to_owned();
        if !self.taken.insert(full.clone()) {
            return Err(SchemaError::Ambiguous(full));
        }
        let mut known = self.names.get(&full);
        if let Some(Name::Alias(other)) = known {
            known = self.names.get(other);
        }
        if let Some(Name::Root(env)) = known {
            let same = self
                .envs
                .get(*env)
                .is_some_and(|env| equal::same(env.schema, schema));
            return if same {
                Ok(full)
            } else {
                Err(SchemaError::Ambiguous(full))
            };
        }
        let place = format!("{}{at}", self.prefix);
        if full != uri::normal(&place) {
            if full.starts_with('#') {
                self.local.insert(full.clone(), schema);
            } else {
                self.names.insert(full.clone(), Name::Alias(place));
            }
        }
        Ok(full)
    }
}

fn is_anchor(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}
