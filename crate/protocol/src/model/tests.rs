use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::json::from_json;
use crate::refusal::Need;
use crate::{DocumentRef, StreamType};

fn read(definition: &Value) -> Result<Model, ModelError> {
    Model::read(Some(&from_json(definition).unwrap()))
}

fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn interface(schema: Value) -> Value {
    json!({
        "version": "2.0", "name": "I", "interface": true, "implements": [], "schema": schema,
        "accountRelation": { "type": "none" },
    })
}

/// A model that says it implements what has the id [`id`] of 0.
fn implementing(schema: Value) -> Value {
    let mut definition = interface(schema);
    definition["interface"] = false.into();
    definition["implements"] = json!([id(0).to_string()]);
    definition
}

fn id(number: u64) -> StreamId {
    let block = crate::Block::dag_cbor(crate::cbor::encode(&Ipld::Integer(number.into())).unwrap());
    StreamId::new(StreamType::MODEL, *block.unwrap().cid())
}

fn code(outcome: Result<(), Reason>) -> &'static str {
    outcome.err().map_or("accepted", |reason| reason.code())
}

/// Judges a model, given the models that can be loaded.
fn judge(model: &Model, known: &BTreeMap<StreamId, Arc<Model>>) -> Result<(), Reason> {
    let load = |id: &StreamId| {
        let model = known.get(id).cloned();
        model.ok_or_else(|| Need::document(DocumentRef::Stream(*id)).into())
    };
    let interfaces: Vec<_> = model.implements().map(load).collect::<Result<_, _>>()?;
    model.check_interfaces(&interfaces, &load)
}

fn judge_pair(expected: &Value, given: &Value) -> Result<(), Reason> {
    let known = BTreeMap::from([(id(0), Arc::new(read(&interface(expected.clone()))?))]);
    judge(&read(&implementing(given.clone()))?, &known)
}

/// What the npm packages said of definitions that a generator wrote: `tests/model-verdicts.json`.
#[test]
fn definitions_and_interfaces_are_judged_as_js_ceramic_judges_them() {
    let path = std::env::var("MODEL_VERDICTS").ok();
    let text = match path {
        Some(path) => std::fs::read_to_string(path).unwrap(),
        None => include_str!("../../tests/model-verdicts.json").to_owned(),
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let interface: StreamId = file["interface"].as_str().unwrap().parse().unwrap();
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    for kind in ["definitions", "pairs"] {
        for case in file[kind].as_array().unwrap() {
            let known = match case.get("interface") {
                Some(definition) => {
                    BTreeMap::from([(interface, Arc::new(read(definition).unwrap()))])
                }
                None => BTreeMap::new(),
            };
            let model = read(&case["definition"]).map_err(Reason::from);
            let verdict = model.and_then(|model| judge(&model, &known));
            let accept = case.get("reason").is_none();
            *counts.entry((kind, accept)).or_insert(0) += 1;
            if verdict.is_ok() != accept {
                wrong.push(format!("{verdict:?}, but js {}", case));
            }
        }
    }
    println!(
        "model-verdicts.json: {counts:?}, {} disagreements",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// js-ceramic accepts each of them.
#[test]
fn real_models_of_the_network_implement_their_interfaces() {
    let file = include_str!("../../../../tests/vectors/repo-fixtures.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let cases = cases.filter(|case| case["name"].as_str().unwrap().starts_with("real-model/"));
    let known: BTreeMap<StreamId, Arc<Model>> = cases
        .map(|case| {
            let id = case["json"]["streamId"].as_str().unwrap().parse().unwrap();
            let model = read(&case["json"]["state"]["content"]).unwrap();
            (id, Arc::new(model))
        })
        .collect();
    assert_eq!(known.len(), 4);
    for model in known.values() {
        assert_eq!(code(judge(model, &known)), "accepted", "{model:?}");
        assert!(model.schema().is_ok(), "{model:?}");
    }
    let stamp = known
        .values()
        .find(|model| model.name() == "GitcoinPassportStamp");
    assert_eq!(stamp.unwrap().implements().len(), 2);
}

#[test]
fn an_interface_that_refers_to_itself_cannot_be_implemented() {
    let round = json!({ "$ref": "#" });
    let mut schema = object(json!({ "again": round }));
    assert_eq!(code(judge_pair(&schema, &schema)), "model-too-complex");
    // Neither by way of a chain of definitions that ends where it began.
    schema["properties"]["again"] = json!({ "$ref": "#/$defs/A" });
    schema["$defs"] = json!({
        "A": object(json!({ "b": { "$ref": "#/$defs/B" } })),
        "B": object(json!({ "a": { "$ref": "#/$defs/A" } })),
    });
    assert_eq!(code(judge_pair(&schema, &schema)), "model-too-complex");
}

#[test]
fn an_interface_whose_references_double_at_each_step_is_refused_in_time() {
    let mut schema = object(json!({ "d0": { "$ref": "#/$defs/d0" } }));
    for number in 0..60 {
        let next = json!({ "$ref": format!("#/$defs/d{}", number + 1) });
        schema["$defs"][format!("d{number}")] = object(json!({ "a": next, "b": next }));
    }
    schema["$defs"]["d60"] = json!({ "type": "null" });
    let start = std::time::Instant::now();
    assert_eq!(code(judge_pair(&schema, &schema)), "model-too-complex");
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn alternatives_within_alternatives_are_compared_within_the_bound() {
    let leaf = |text: &str| json!({ "type": "string", "const": text });
    let written =
        |text: &str| (0..6).fold(leaf(text), |inner, _| json!({ "allOf": [inner, inner] }));
    let expected = object(json!({ "a": written("x") }));
    assert_eq!(code(judge_pair(&expected, &expected)), "accepted");
    let other = object(json!({ "a": written("y") }));
    assert_eq!(code(judge_pair(&expected, &other)), "model-not-implemented");
}

#[test]
fn interfaces_of_interfaces_are_refused_where_they_nest_too_deep() {
    let schema = object(json!({ "a": { "type": "string" } }));
    let mut known = BTreeMap::new();
    let mut refused = None;
    for number in 0..40 {
        let mut definition = interface(schema.clone());
        if number > 0 {
            definition["implements"] = json!([id(number - 1).to_string()]);
        }
        let model = Arc::new(read(&definition).unwrap());
        match judge(&model, &known) {
            Ok(()) => known.insert(id(number), model),
            Err(reason) => {
                refused = Some((number, reason.code()));
                break;
            }
        };
    }
    assert_eq!(refused, Some((17, "model-interfaces-too-deep")));
    // The same if nobody remembers how deep they are.
    let fresh: BTreeMap<_, _> = (0..17)
        .map(|number| {
            let definition = Ipld::Map(known[&id(number)].definition.clone());
            (
                id(number),
                Arc::new(Model::read(Some(&definition)).unwrap()),
            )
        })
        .collect();
    let mut definition = interface(schema);
    definition["implements"] = json!([id(16).to_string()]);
    let outcome = judge(&read(&definition).unwrap(), &fresh);
    assert_eq!(code(outcome), "model-interfaces-too-deep");
}

#[test]
fn more_interfaces_than_the_bound_are_refused() {
    let mut definition = implementing(object(json!({ "a": { "type": "string" } })));
    definition["implements"] = vec![id(0).to_string(); MAX_INTERFACES].into();
    assert!(read(&definition).is_ok());
    definition["implements"] = vec![id(0).to_string(); MAX_INTERFACES + 1].into();
    assert_eq!(read(&definition), Err(ModelError::TooManyInterfaces));
}

#[test]
fn a_model_that_names_an_interface_nobody_has_waits_for_it() {
    let model = read(&implementing(object(json!({})))).unwrap();
    assert_eq!(code(judge(&model, &BTreeMap::new())), "needs-document");
}

#[test]
fn each_part_of_an_interface_is_asked_for() {
    let part = |expected: Value, given: Value| {
        let whole = |part: Value| object(json!({ "a": part }));
        code(judge_pair(&whole(expected), &whole(given)))
    };
    let tighter = [
        (
            json!({ "type": "string", "maxLength": 5 }),
            json!({ "type": "string", "maxLength": 4 }),
        ),
        (
            json!({ "type": "string", "maxLength": 1 }),
            json!({ "type": "string", "const": "é" }),
        ),
        (
            json!({ "type": "integer", "minimum": 5 }),
            json!({ "type": "integer", "const": 5 }),
        ),
        (
            json!({ "type": "string", "enum": ["a", "b"] }),
            json!({ "type": "string", "enum": ["b"] }),
        ),
        (
            json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] }),
            json!({ "type": "string" }),
        ),
    ];
    for (expected, given) in tighter {
        assert_eq!(part(expected.clone(), given.clone()), "accepted", "{given}");
        assert_eq!(
            part(given.clone(), expected.clone()),
            "model-not-implemented",
            "{given}"
        );
    }
    assert_eq!(part(json!({}), json!({})), "model-incomparable");
    assert_eq!(part(json!(true), json!(true)), "accepted");
    let two = json!({ "type": ["string", "null"] });
    assert_eq!(part(two.clone(), two), "model-not-implemented");
}
