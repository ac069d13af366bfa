//! Compiles a schema, and refuses what Ajv refuses.
//!
//! Keywords are taken in Ajv's order, since some of its strict checks, and what counts as evaluated, depend on it.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::evaluated::{Evaluated, Items, Props, Slots};
use super::refs::{Env, EnvId, Name, meta_documents};
use super::rules::Types;
use super::step::{Branch, Function, FunctionId, Node, PatternId, Program, Step};
use super::strict::{default_dialect, schema_types, truthy};
use super::{Draft, MAX_SCHEMA_DEPTH, MAX_SUBSCHEMAS, SchemaError, uri};
use crate::sorted::{SortedMap, SortedSet};

/// The work that compiling may cost: looking for references in what a reference leads to.
const MAX_COMPILE_WORK: usize = 1 << 24;

/// The id of a schema that has none. No schema can know it.
const NAMELESS: &str = "ostrakon-nameless-schema";

pub(super) struct Compiler<'a> {
    pub draft: Draft,
    /// Whether unknown keywords and the like are refused, as they are unless somebody asks otherwise.
    pub refuses: bool,
    pub program: Program,
    pub names: SortedMap<String, Name>,
    pub envs: Vec<Env<'a>>,
    /// Whether what is compiled is part of the meta-schemas, for which strict mode is off.
    pub meta: bool,
    running: Vec<EnvId>,
    pub patterns: SortedMap<String, PatternId>,
    defined: Vec<SortedSet<&'a str>>,
    pub slots: Slots,
    subschemas: usize,
    depth: usize,
    work: usize,
    /// What patterns may still cost while compiling.
    pub pattern_work: u64,
}

/// A subschema that is being compiled, and what is known around it.
pub(super) struct It<'a> {
    pub schema: &'a Map<String, Value>,
    /// The same as a value.
    pub value: &'a Value,
    pub env: EnvId,
    pub function: FunctionId,
    pub base: Rc<str>,
    /// Whether this is the whole function.
    pub top: bool,
    /// The types that the value can have by what was stated so far.
    pub types: Types,
    /// Whether only the verdict counts.
    pub brief: bool,
    /// Which set of defined properties is meant.
    pub defined: usize,
    pub props: Props,
    pub items: Items,
}

/// How a subschema is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// To the same value.
    Value,
    /// To the same value, where it need not hold.
    Aside,
    /// To the same value, from a reference.
    Referrer,
    /// To a part of it.
    Part,
    /// To the name of a property.
    Name,
}

type Compiled<T> = Result<T, SchemaError>;

impl<'a> Compiler<'a> {
    /// A compiler that knows the meta-schemas of the draft.
    pub fn new(draft: Draft, refuses: bool) -> Compiled<Self> {
        let mut compiler = Self {
            draft,
            refuses,
            program: Program::default(),
            names: SortedMap::new(),
            envs: Vec::new(),
            meta: false,
            running: Vec::new(),
            patterns: SortedMap::new(),
            defined: Vec::new(),
            slots: Slots::default(),
            subschemas: 0,
            depth: 0,
            work: 0,
            pattern_work: super::regex::MAX_PATTERN_WORK,
        };
        for document in meta_documents(draft) {
            compiler.add_root(document, "", true)?;
        }
        if let Some(Name::Root(first)) = compiler.names.get(default_dialect(draft)).cloned() {
            compiler.names.insert(
                "http://json-schema.org/schema".to_owned(),
                Name::Root(first),
            );
        }
        Ok(compiler)
    }

    pub fn compile(&mut self, schema: &'a Value) -> Compiled<FunctionId> {
        let key = match self.draft {
            Draft::Draft07 => "",
            Draft::Draft2020 => NAMELESS,
        };
        let env = self.add_root(schema, key, false)?;
        self.compile_env(env)
    }

    /// Compiles a schema to a function; one that is being compiled already is called recursively.
    pub fn compiled(&mut self, env: EnvId) -> Compiled<EnvId> {
        if self.envs.get(env).is_some_and(|env| env.compiled) {
            return Ok(env);
        }
        let same = self.running.iter().find(|running| {
            match (self.envs.get(**running), self.envs.get(env)) {
                (Some(a), Some(b)) => {
                    std::ptr::eq(a.schema, b.schema) && a.root == b.root && a.base == b.base
                }
                _ => false,
            }
        });
        if let Some(same) = same {
            return Ok(*same);
        }
        self.compile_env(env)?;
        Ok(env)
    }

    pub fn compile_env(&mut self, id: EnvId) -> Compiled<FunctionId> {
        let function = self.program.functions.len();
        self.program.functions.push(Function::default());
        let Some(env) = self.envs.get_mut(id) else {
            return Ok(function);
        };
        env.function = Some(function);
        let (schema, base, meta) = (env.schema, env.base.clone(), env.meta);
        let (outer_meta, outer_slots) = (self.meta, std::mem::take(&mut self.slots));
        self.meta = meta || outer_meta;
        self.running.push(id);

        let mut body = Node::default();
        let mut evaluated = Evaluated::default();
        match schema {
            Value::Object(map) => {
                let mut it = It {
                    schema: map,
                    value: schema,
                    env: id,
                    function,
                    base,
                    top: true,
                    types: Types::NONE,
                    brief: false,
                    defined: self.new_defined(),
                    props: Props::Unset,
                    items: Items::Unset,
                };
                body = self.node(&mut it)?;
                evaluated = Evaluated {
                    props: it.props,
                    items: it.items,
                };
            }
            other => body.steps.extend(self.odd_schema(other)?),
        }

        self.running.pop();
        let slots = std::mem::replace(&mut self.slots, outer_slots);
        self.meta = outer_meta;
        if let Some(slot) = self.program.functions.get_mut(function) {
            *slot = Function {
                body,
                props_slots: slots.props,
                items_slots: slots.items,
                flag_slots: slots.flags,
                evaluated,
            };
        }
        if let Some(env) = self.envs.get_mut(id) {
            env.compiled = true;
        }
        Ok(function)
    }

    /// Compiles a subschema.
    pub fn subschema(
        &mut self,
        it: &mut It<'a>,
        schema: &'a Value,
        to: To,
    ) -> Compiled<(Node, Evaluated)> {
        if matches!(to, To::Part | To::Name) {
            it.defined = self.new_defined();
        }
        let Value::Object(map) = schema else {
            let mut node = Node::new(it.brief);
            node.steps.extend(self.odd_schema(schema)?);
            return Ok((node, Evaluated::default()));
        };
        let mut inner = It {
            schema: map,
            value: schema,
            env: it.env,
            function: it.function,
            base: it.base.clone(),
            top: false,
            types: match to {
                To::Value | To::Aside => it.types,
                To::Name => Types::STRING,
                To::Part | To::Referrer => Types::NONE,
            },
            brief: it.brief || to == To::Aside,
            defined: it.defined,
            props: Props::Unset,
            items: Items::Unset,
        };
        let node = self.node(&mut inner)?;
        let evaluated = Evaluated {
            props: inner.props,
            items: inner.items,
        };
        Ok((node, evaluated))
    }

    /// A subschema of which only the verdict counts.
    pub fn verdict(&mut self, it: &mut It<'a>, schema: &'a Value, to: To) -> Compiled<Node> {
        Ok(self.subschema(it, schema, to)?.0)
    }

    /// What is no object: booleans, and by a reference to somewhere anything else.
    fn odd_schema(&mut self, schema: &Value) -> Compiled<Option<Step>> {
        self.count()?;
        match schema {
            Value::Bool(false) => Ok(Some(Step::Never("false schema"))),
            _ if !self.refuses => Ok(None),
            Value::String(text) if !text.is_empty() => {
                Err(SchemaError::UnknownKeyword("0".to_owned()))
            }
            Value::Array(list) if !list.is_empty() => {
                Err(SchemaError::UnknownKeyword("0".to_owned()))
            }
            _ => Ok(None),
        }
    }

    fn node(&mut self, it: &mut It<'a>) -> Compiled<Node> {
        self.count()?;
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_SCHEMA_DEPTH {
            return Err(SchemaError::TooDeep);
        }
        let node = self.object_schema(it);
        self.depth = self.depth.saturating_sub(1);
        node
    }

    fn object_schema(&mut self, it: &mut It<'a>) -> Compiled<Node> {
        self.check_known(it.schema)?;
        if !self.has_rules(it.schema, None) {
            return Ok(Node::new(it.brief));
        }
        if !it.top
            && let Some(id) = it
                .schema
                .get("$id")
                .and_then(Value::as_str)
                .filter(|id| !id.is_empty())
        {
            it.base = Rc::from(uri::resolve(&it.base, id));
        }
        if it.schema.get("$async").is_some_and(truthy) {
            return Err(SchemaError::Misused("an asynchronous schema"));
        }
        let mut node = Node::new(it.brief);
        let types = schema_types(it.schema)?;
        let stated = (!types.is_empty()).then_some(Step::Types(types));
        if it.schema.get("$ref").is_some_and(truthy) && !self.has_rules(it.schema, Some("$ref")) {
            self.reference(it, &mut node)?;
            return Ok(node);
        }
        if self.strict() {
            self.check_types(it, types)?;
        }
        let mut general = Node::new(it.brief);
        self.general(it, &mut general)?;
        if it.brief {
            // Ajv notes a wrong type, and still goes through these.
            node.push(Step::All(Branch {
                node: general,
                merges: Vec::new(),
            }));
            node.steps.extend(stated);
        } else {
            node.steps.extend(stated);
            node.steps.extend(general.steps);
        }
        self.numbers(it, &mut node)?;
        self.strings(it, &mut node)?;
        self.arrays(it, &mut node)?;
        self.objects(it, &mut node)?;
        Ok(node)
    }

    pub fn slots(&mut self) -> &mut Slots {
        &mut self.slots
    }

    pub fn is_defined(&self, it: &It<'a>, key: &str) -> bool {
        self.defined
            .get(it.defined)
            .is_some_and(|defined| defined.contains(key))
    }

    pub fn define(&mut self, it: &It<'a>, key: &'a str) {
        if let Some(defined) = self.defined.get_mut(it.defined) {
            defined.insert(key);
        }
    }

    fn new_defined(&mut self) -> usize {
        self.defined.push(SortedSet::new());
        self.defined.len().saturating_sub(1)
    }

    fn count(&mut self) -> Compiled<()> {
        self.subschemas = self.subschemas.saturating_add(1);
        if self.subschemas > MAX_SUBSCHEMAS {
            return Err(SchemaError::TooLarge);
        }
        Ok(())
    }

    pub fn spend(&mut self, work: usize) -> Compiled<()> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_COMPILE_WORK {
            return Err(SchemaError::TooLarge);
        }
        Ok(())
    }
}

/// Adds the steps for values of a type, if there are any.
pub(super) fn when(types: Types, steps: Node, node: &mut Node) {
    if !steps.steps.is_empty() {
        node.push(Step::When(types, steps));
    }
}

/// A keyword whose value must be a number.
pub(super) fn number(it: &It, key: &str) -> Compiled<Option<f64>> {
    match it.schema.get(key) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(_) => Err(SchemaError::Misused("a limit must be a number")),
    }
}
