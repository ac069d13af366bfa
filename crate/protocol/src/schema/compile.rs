//! Compiles a schema, and refuses what Ajv refuses.
//!
//! Keywords are taken in Ajv's order, since some of its strict checks, and what counts as evaluated, depend on it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::evaluated::{Evaluated, Items, Merge, Props, Slots};
use super::refs::{Env, EnvId, Found, Name, meta_documents};
use super::regex::Pattern;
use super::rules::{self, Keyword, Types, is_inherited};
use super::step::{Branch, Function, FunctionId, Limit, Node, PatternId, Program, Step};
use super::{Draft, MAX_SCHEMA_DEPTH, MAX_SCHEMA_SIZE, MAX_SUBSCHEMAS, SchemaError, format, uri};

/// The work that compiling may cost: looking for references in what a reference leads to.
const MAX_COMPILE_WORK: usize = 1 << 24;

/// The id of a schema that has none. No schema can know it.
const NAMELESS: &str = "ostrakon-nameless-schema";

pub(super) struct Compiler<'a> {
    pub draft: Draft,
    /// Whether unknown keywords and the like are refused, as they are unless somebody asks otherwise.
    refuses: bool,
    pub program: Program,
    pub names: BTreeMap<String, Name>,
    pub envs: Vec<Env<'a>>,
    /// Whether what is compiled is part of the meta-schemas, for which strict mode is off.
    meta: bool,
    running: Vec<EnvId>,
    patterns: BTreeMap<String, PatternId>,
    defined: Vec<BTreeSet<&'a str>>,
    slots: Slots,
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
            names: BTreeMap::new(),
            envs: Vec::new(),
            meta: false,
            running: Vec::new(),
            patterns: BTreeMap::new(),
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

    /// Whether Ajv's whole strict mode applies.
    pub fn strict(&self) -> bool {
        self.refuses && self.draft == Draft::Draft2020 && !self.meta
    }

    /// Whether Ajv keeps track of what is evaluated.
    pub fn tracks(&self) -> bool {
        self.draft == Draft::Draft2020
    }

    pub fn refuses(&self) -> bool {
        self.refuses
    }

    /// Refuses what the strict mode of both drafts does.
    pub fn refuse(&self, text: &str) -> Compiled<()> {
        match self.refuses {
            true => Err(SchemaError::Strict(text.to_owned())),
            false => Ok(()),
        }
    }

    fn check_known(&self, schema: &Map<String, Value>) -> Compiled<()> {
        if !self.refuses {
            return Ok(());
        }
        match schema
            .keys()
            .find(|key| rules::keyword(self.draft, key) == Keyword::Unknown)
        {
            Some(key) => Err(SchemaError::UnknownKeyword(key.clone())),
            None => Ok(()),
        }
    }

    /// Whether a schema says anything about values, apart from the keyword.
    pub fn has_rules(&self, schema: &Map<String, Value>, but: Option<&str>) -> bool {
        let mut keys = schema.keys().filter(|key| Some(key.as_str()) != but);
        keys.any(|key| matches!(rules::keyword(self.draft, key), Keyword::Rule(_)))
    }

    /// Whether a schema allows everything, which Ajv sees at a glance and then leaves out.
    pub fn allows_all(&self, schema: &Value) -> Compiled<bool> {
        match schema {
            Value::Bool(allows) => Ok(*allows),
            Value::Object(map) => {
                self.check_known(map)?;
                Ok(!self.has_rules(map, None))
            }
            Value::Null => Err(SchemaError::Misused("null is no schema")),
            _ if !self.refuses => Ok(true),
            Value::Array(list) if !list.is_empty() => {
                Err(SchemaError::UnknownKeyword("0".to_owned()))
            }
            Value::String(text) if !text.is_empty() => {
                Err(SchemaError::UnknownKeyword("0".to_owned()))
            }
            _ => Ok(true),
        }
    }

    /// Ajv's `strictTypes`.
    fn check_types(&self, it: &mut It<'a>, types: Types) -> Compiled<()> {
        let strict = |text: String| Err(SchemaError::Strict(text));
        if !types.is_empty() {
            if it.types.is_empty() {
                it.types = types;
            } else {
                if types.each().any(|one| !it.types.covers(one)) {
                    return strict("the type is not one that the context allows".to_owned());
                }
                let mut narrow = Types::NONE;
                for one in it.types.each() {
                    if types.covers(one) {
                        narrow = narrow.with(one);
                    } else if one == Types::NUMBER && types.meets(Types::INTEGER) {
                        narrow = narrow.with(Types::INTEGER);
                    }
                }
                it.types = narrow;
            }
        }
        if types.count() > 1 && !(types.count() == 2 && types.meets(Types::NULL)) {
            return strict("several types".to_owned());
        }
        for key in it.schema.keys().filter(|key| !is_inherited(key)) {
            if let Keyword::Rule(wanted) = rules::keyword(self.draft, key)
                && !wanted.is_empty()
            {
                let number = wanted.meets(Types::NUMBER) && it.types.meets(Types::INTEGER);
                if !number && !it.types.meets(wanted) {
                    return strict(format!("{key:?} without its type"));
                }
            }
        }
        Ok(())
    }

    fn numbers(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let mut steps = Node::new(it.brief);
        for (key, limit) in [
            ("maximum", Limit::Max),
            ("minimum", Limit::Min),
            ("exclusiveMaximum", Limit::ExclusiveMax),
            ("exclusiveMinimum", Limit::ExclusiveMin),
        ] {
            if let Some(bound) = number(it, key)? {
                steps.push(Step::Number(limit, bound, key));
            }
        }
        if let Some(divisor) = number(it, "multipleOf")? {
            steps.push(Step::MultipleOf(divisor));
        }
        if let Some(format) = self.format(it)?
            && format.is_for_numbers()
        {
            steps.push(Step::NumberFormat(format));
        }
        when(Types::NUMBER, steps, node);
        Ok(())
    }

    fn strings(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
        let mut steps = Node::new(it.brief);
        for (key, limit) in [("maxLength", Limit::Max), ("minLength", Limit::Min)] {
            if let Some(bound) = number(it, key)? {
                steps.push(Step::Length(limit, bound, key));
            }
        }
        if let Some(pattern) = it.schema.get("pattern") {
            let text = pattern
                .as_str()
                .ok_or(SchemaError::Misused("pattern must be a string"))?;
            steps.push(Step::Pattern(self.pattern(text)?));
        }
        let format = self.format(it)?;
        if let Some(format) = format
            && !format.is_for_numbers()
        {
            steps.push(Step::Format(format));
        }
        for (key, bound) in format::BOUNDS {
            let Some(value) = it.schema.get(key) else {
                continue;
            };
            let (Some(name), Some(limit)) = (it.schema.get("format"), value.as_str()) else {
                return Err(SchemaError::Misused(
                    "a limit of a format needs the format, and must be a string",
                ));
            };
            if self.meta || name.as_str().is_some_and(format::accepts_all) {
                continue;
            }
            match format {
                Some(format) if format.has_order() => {
                    steps.push(Step::FormatLimit(format, bound, limit.to_owned(), key));
                }
                None => {}
                Some(_) => return Err(SchemaError::Misused("values of this format have no order")),
            }
        }
        when(Types::STRING, steps, node);
        Ok(())
    }

    /// The format, if it is one that not everything has.
    fn format(&self, it: &It<'a>) -> Compiled<Option<format::Format>> {
        let Some(name) = it.schema.get("format") else {
            return Ok(None);
        };
        let name = name
            .as_str()
            .ok_or(SchemaError::Misused("format must be a string"))?;
        if self.meta || format::accepts_all(name) {
            return Ok(None);
        }
        let format = format::Format::named(name);
        match format {
            None if self.refuses => Err(SchemaError::UnknownFormat(name.to_owned())),
            format => Ok(format),
        }
    }

    pub fn pattern(&mut self, text: &str) -> Compiled<PatternId> {
        if let Some(id) = self.patterns.get(text) {
            return Ok(*id);
        }
        let id = self.program.patterns.len();
        self.program.patterns.push(Pattern::unicode(text)?);
        self.patterns.insert(text.to_owned(), id);
        Ok(id)
    }

    /// `$ref`.
    pub fn reference(&mut self, it: &mut It<'a>, node: &mut Node) -> Compiled<()> {
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
    fn evaluated_by(&mut self, it: &mut It<'a>, env: EnvId) -> Vec<Merge> {
        let env = self.envs.get(env).filter(|env| env.compiled);
        let function = env.and_then(|env| env.function);
        let known = function.and_then(|function| self.program.functions.get(function));
        let known = known.map(|function| function.evaluated.clone());
        self.evaluated_from(it, known)
    }

    pub fn evaluated_from(&mut self, it: &mut It<'a>, known: Option<Evaluated>) -> Vec<Merge> {
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
    pub fn merge(&mut self, it: &mut It<'a>, evaluated: Evaluated, variable: bool) -> Vec<Merge> {
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
        self.defined.push(BTreeSet::new());
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

/// What JavaScript takes for true.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bool) => *bool,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The types that a schema states, with `nullable`.
pub(super) fn schema_types(schema: &Map<String, Value>) -> Compiled<Types> {
    let named = |name: &Value| {
        let types = name.as_str().and_then(Types::named);
        types.ok_or(SchemaError::Misused(
            "type must name one of the seven types, or several",
        ))
    };
    let mut types = Types::NONE;
    match schema.get("type") {
        None => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::Array(list)) => {
            for name in list {
                types = types.with(named(name)?);
            }
        }
        Some(name) => types = named(name)?,
    }
    match schema.get("nullable") {
        Some(Value::Bool(false)) if types.meets(Types::NULL) => {
            return Err(SchemaError::Misused(
                "nullable: false contradicts the type null",
            ));
        }
        Some(_) if types.is_empty() => return Err(SchemaError::Misused("nullable without a type")),
        Some(Value::Bool(true)) => types = types.with(Types::NULL),
        Some(Value::Bool(false)) | None => {}
        Some(_) => return Err(SchemaError::Misused("nullable must be true or false")),
    }
    Ok(types)
}

fn default_dialect(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft07 => "http://json-schema.org/draft-07/schema",
        Draft::Draft2020 => "https://json-schema.org/draft/2020-12/schema",
    }
}

/// The meta-schema to judge a schema by; none for a boolean.
pub(super) fn dialect(schema: &Value, draft: Draft) -> Compiled<Option<&str>> {
    match schema {
        Value::Bool(_) => Ok(None),
        Value::Object(map) => match map.get("$schema") {
            None => Ok(Some(default_dialect(draft))),
            Some(Value::String(text)) if text.is_empty() => Ok(Some(default_dialect(draft))),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(SchemaError::Misused("$schema must be a string")),
        },
        _ => Err(SchemaError::Misused("a schema is an object or a boolean")),
    }
}

/// What a schema measures; one that is too large or too deep is refused.
pub(super) fn measure(schema: &Value) -> Compiled<usize> {
    fn size(value: &Value, depth: usize, left: &mut usize) -> Compiled<()> {
        let depth = depth.checked_sub(1).ok_or(SchemaError::TooDeep)?;
        let mut take = |bytes: usize| -> Compiled<()> {
            *left = left.checked_sub(bytes).ok_or(SchemaError::TooLarge)?;
            Ok(())
        };
        match value {
            Value::String(text) => take(text.len().saturating_add(1)),
            Value::Array(list) => {
                take(1)?;
                list.iter().try_for_each(|value| size(value, depth, left))
            }
            Value::Object(map) => {
                take(1)?;
                map.iter().try_for_each(|(key, value)| {
                    *left = left.checked_sub(key.len()).ok_or(SchemaError::TooLarge)?;
                    size(value, depth, left)
                })
            }
            _ => take(1),
        }
    }
    let mut left = MAX_SCHEMA_SIZE;
    size(schema, MAX_SCHEMA_DEPTH.saturating_mul(2), &mut left)?;
    Ok(MAX_SCHEMA_SIZE.saturating_sub(left))
}
