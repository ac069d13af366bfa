//! Models and their instances beyond the vectors: what they share, what they lead to, and how far.

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use common::models::{METAMODEL, Writer};
use common::session::Account;
use ostrakon_protocol::document::{MAX_RELATED_DEPTH, hear_all, load_commit};
use ostrakon_protocol::event::Map;
use ostrakon_protocol::library::Library;
use ostrakon_protocol::model::{MAX_IMPLEMENTS_DEPTH, Model};
use ostrakon_protocol::{
    Block, Cid, CommitId, Document, Ipld, Refusal, StreamId, StreamType, World, json,
};
use serde_json::{Value, json};

fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn list(schema: Value) -> Value {
    json!({ "version": "1.0", "name": "N", "schema": schema, "accountRelation": { "type": "list" } })
}

fn v2(schema: Value, interface: bool, implements: &[StreamId]) -> Value {
    let implements: Vec<_> = implements.iter().map(StreamId::to_string).collect();
    json!({
        "version": "2.0", "name": "N", "schema": schema, "accountRelation": { "type": "list" },
        "interface": interface, "implements": implements,
    })
}

fn code<T>(outcome: Result<T, Refusal>) -> &'static str {
    outcome.err().map_or("accepted", |refusal| refusal.code())
}

/// A model of notes that point to other notes.
fn notes(writer: &mut Writer) -> StreamId {
    let mut definition = v2(
        object(json!({ "text": { "type": "string" }, "next": { "type": "string" } })),
        false,
        &[],
    );
    definition["relations"] = json!({ "next": { "type": "document", "model": null } });
    writer.model(&definition)
}

/// Puts ids in the place of names, or takes them away again.
fn translate(value: &Value, words: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => words.get(text).unwrap_or(text).clone().into(),
        Value::Array(list) => list.iter().map(|item| translate(item, words)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), translate(value, words)))
            .collect(),
        other => other.clone(),
    }
}

/// What the npm handler said of events that a generator wrote.
#[test]
fn histories_of_instances_are_judged_as_js_ceramic_judges_them() {
    let text = match std::env::var("INSTANCE_VERDICTS") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => include_str!("instance-verdicts.json").to_owned(),
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let mut writer = Writer::new();
    let mut ids = HashMap::new();
    for name in ["plain", "face", "impl"] {
        let model = writer.model(&translate(&file["models"][name], &ids));
        ids.insert(format!("model:{name}"), model.to_string());
    }
    for (name, model) in file["documents"].as_object().unwrap() {
        let model = ids[&format!("model:{}", model.as_str().unwrap())]
            .parse()
            .unwrap();
        let document = writer.instance(&model, json!({}));
        ids.insert(format!("doc:{name}"), document.to_string());
    }
    let absent = Block::dag_cbor(&b"\xa0"[..]).unwrap();
    let absent = StreamId::new(StreamType::MODEL_INSTANCE, *absent.cid());
    ids.insert("doc:none".to_owned(), absent.to_string());
    let names = ids
        .iter()
        .map(|(name, id)| (id.clone(), name.clone()))
        .collect();

    let mut wrong = Vec::new();
    let (mut accepted, mut events) = (0, 0);
    let mut compare = |outcome: Result<Document, Refusal>, expected: &Value| {
        events += 1;
        let agrees = match (&outcome, expected.get("reason")) {
            (Err(_), reason) => reason.is_some(),
            (Ok(_), Some(_)) => false,
            (Ok(document), None) => {
                let state = document.state().to_json();
                translate(&state["content"], &names) == expected["content"]
                    && state["metadata"].get("shouldIndex") == expected.get("shouldIndex")
            }
        };
        if !agrees {
            let ours = outcome.as_ref().map(|document| document.state().to_json());
            wrong.push(format!("{ours:?}\n  js {expected}"));
        }
        accepted += usize::from(outcome.is_ok());
        outcome.is_ok()
    };
    for history in file["histories"].as_array().unwrap() {
        let model = writer.model(&translate(&history["definition"], &ids));
        let init = &history["init"];
        let mut header = Map::new();
        if let Some(unique) = init["unique"].as_str() {
            header.insert("unique".to_owned(), Ipld::Bytes(unique.as_bytes().to_vec()));
        }
        if let Some(context) = init["context"].as_str() {
            let context: StreamId = ids[context].parse().unwrap();
            header.insert("context".to_owned(), Ipld::Bytes(context.to_bytes()));
        }
        let content = json::from_json(&translate(&init["data"], &ids)).unwrap();
        let signed = init["signed"].as_bool().unwrap();
        let instance = writer.any_instance(&model, header, content, signed);
        if !compare(writer.hear(&instance), history) {
            continue;
        }
        let mut tip = *instance.init();
        for event in history["events"].as_array().unwrap() {
            let patch = translate(&event["data"], &ids);
            let next = writer.change(&instance, tip, patch, event.get("header"));
            if compare(writer.load(&instance, &next), event) {
                tip = next;
            }
        }
    }
    println!(
        "instance-verdicts.json: {events} events, {accepted} accepted, {} disagreements",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn instances_of_one_model_share_it_and_its_compiled_schema() {
    let mut writer = Writer::new();
    let model = writer.model(&list(object(json!({ "n": { "type": "integer" } }))));
    let world = writer.world();
    let (document, _) = hear_all(&model, &[], &writer.blocks, &world).unwrap();
    let mut library = Library::new();
    library.admit(Arc::new(document), true);
    let shared: Arc<Model> = library.model(&model).unwrap();
    let schema = shared.schema().unwrap() as *const _;
    let world = World {
        library: &library,
        ..world
    };
    let instances: Vec<_> = (0..10_000)
        .map(|n| writer.instance(&model, json!({ "n": n })))
        .collect();
    let mut times = Vec::new();
    for some in instances.chunks(2_500) {
        let start = Instant::now();
        for instance in some {
            // The blocks hold the model too, but what the library has is not judged again.
            hear_all(instance, &[], &writer.blocks, &world).unwrap();
        }
        times.push(start.elapsed());
    }
    let again = library.model(&model).unwrap();
    assert!(Arc::ptr_eq(&again, &shared));
    assert!(std::ptr::eq(again.schema().unwrap(), schema));
    println!("2,500 instances each: {times:?}");
    assert!(times[3] < times[0] * 3 + std::time::Duration::from_millis(200));
}

#[test]
fn a_model_whose_schema_does_not_compile_is_a_model_without_instances() {
    let mut writer = Writer::new();
    let schema = object(json!({ "n": { "type": "integer", "frobnicate": 1 } }));
    let model = writer.model(&list(schema));
    assert_eq!(code(writer.hear(&model)), "accepted");
    let instance = writer.instance(&model, json!({ "n": 1 }));
    assert_eq!(code(writer.hear(&instance)), "instance-schema");
}

#[test]
fn an_instance_whose_model_nobody_has_waits_for_it() {
    let mut writer = Writer::new();
    let model = writer.model(&list(object(json!({}))));
    let instance = writer.instance(&model, json!({}));
    writer.blocks.remove(model.init());
    assert_eq!(code(writer.hear(&instance)), "needs-document");
}

#[test]
fn an_instance_may_point_to_itself() {
    let mut writer = Writer::new();
    let model = notes(&mut writer);
    let note = writer.instance(&model, json!({ "text": "a" }));
    let next = json!([{ "op": "add", "path": "/next", "value": note.to_string() }]);
    let tip = writer.update(&note, *note.init(), next);
    let state = writer.load(&note, &tip).unwrap().state().to_json();
    assert_eq!(state["content"]["next"], note.to_string());
}

/// The first run of letters and digits counts, as js-ceramic has it.
#[test]
fn a_field_that_names_a_document_is_read_as_js_ceramic_reads_it() {
    let mut writer = Writer::new();
    let model = notes(&mut writer);
    let note = writer.instance(&model, json!({ "text": "a" }));
    for (text, verdict) in [
        (note.to_string(), "accepted"),
        (note.url(), "accepted"),
        (format!(" {note}#part"), "accepted"),
        (format!("a {note}"), "instance-relation"),
        (format!("{note}?commit=0"), "instance-relation"),
        (model.to_string(), "instance-relation"),
        (String::new(), "instance-relation"),
    ] {
        let instance = writer.instance(&model, json!({ "next": text }));
        assert_eq!(code(writer.hear(&instance)), verdict, "{text:?}");
    }
}

/// A deviation where the schema says nothing about the number: js-ceramic takes it, and cannot write the state down.
#[test]
fn whole_numbers_that_javascript_cannot_hold_are_refused() {
    let mut writer = Writer::new();
    let schema = object(json!({ "n": { "type": "number" }, "any": true }));
    let model = writer.model(&list(schema.clone()));
    let greatest = 9_007_199_254_740_991_i128;
    for (field, number, verdict) in [
        ("n", Ipld::Integer(greatest), "accepted"),
        ("n", Ipld::Float(1e300), "accepted"),
        ("n", Ipld::Integer(greatest + 1), "instance-big-integer"),
        ("any", Ipld::Integer(-greatest - 1), "instance-big-integer"),
    ] {
        let content = Ipld::Map(Map::from([(field.to_owned(), number)]));
        let unique = Map::from([("unique".to_owned(), Ipld::Bytes(vec![1]))]);
        let instance = writer.any_instance(&model, unique, content, true);
        assert_eq!(code(writer.hear(&instance)), verdict);
    }
    let Ipld::Map(mut definition) = json::from_json(&list(schema)).unwrap() else {
        panic!("a definition is a map");
    };
    if let Some(Ipld::Map(schema)) = definition.get_mut("schema") {
        schema.insert("default".to_owned(), Ipld::Integer(greatest + 1));
    }
    let model = writer.model_of(Ipld::Map(definition));
    assert_eq!(code(writer.hear(&model)), "model-big-integer");
}

/// A deviation: in js-ceramic the second of these models could have no instances once the first one had.
#[test]
fn two_models_may_have_schemas_of_one_name() {
    let mut writer = Writer::new();
    for kind in ["string", "integer"] {
        let mut schema = object(json!({ "a": { "type": kind } }));
        schema["$id"] = "https://example.org/a".into();
        let model = writer.model(&list(schema));
        let texts = writer.instance(&model, json!({ "a": "text" }));
        let numbers = writer.instance(&model, json!({ "a": 1 }));
        let (good, bad) = match kind {
            "string" => (texts, numbers),
            _ => (numbers, texts),
        };
        assert_eq!(code(writer.hear(&good)), "accepted");
        assert_eq!(code(writer.hear(&bad)), "instance-schema");
    }
}

#[test]
fn instances_may_point_to_each_other() {
    let mut writer = Writer::new();
    let model = notes(&mut writer);
    let one = writer.instance(&model, json!({ "text": "one" }));
    let two = writer.instance(&model, json!({ "text": "two", "next": one.to_string() }));
    let next = json!([{ "op": "add", "path": "/next", "value": two.to_string() }]);
    let tip = writer.update(&one, *one.init(), next);
    assert_eq!(code(writer.load(&one, &tip)), "accepted");
    assert_eq!(code(writer.hear(&two)), "accepted");
}

#[test]
fn a_chain_of_instances_is_followed_to_its_bound() {
    let mut writer = Writer::new();
    let model = notes(&mut writer);
    let mut note = writer.instance(&model, json!({ "text": "last" }));
    let mut chain = vec![note];
    for _ in 0..1_000 {
        note = writer.instance(&model, json!({ "next": note.to_string() }));
        chain.push(note);
    }
    assert_eq!(code(writer.hear(&chain[MAX_RELATED_DEPTH / 2])), "accepted");
    let start = Instant::now();
    assert_eq!(code(writer.hear(&chain[1_000])), "needs-document");
    println!(
        "a chain of a thousand instances was refused after {:?}",
        start.elapsed()
    );
}

#[test]
fn a_thousand_models_in_a_row_are_refused() {
    let mut writer = Writer::new();
    let schema = object(json!({ "a": { "type": "string" } }));
    let mut chain = vec![writer.model(&v2(schema.clone(), true, &[]))];
    for number in 0..1_000 {
        let model = writer.model(&v2(schema.clone(), true, &[chain[number]]));
        chain.push(model);
    }
    assert_eq!(code(writer.hear(&chain[MAX_IMPLEMENTS_DEPTH])), "accepted");
    assert_eq!(
        code(writer.hear(&chain[MAX_IMPLEMENTS_DEPTH + 1])),
        "model-interfaces-too-deep"
    );
    let start = Instant::now();
    assert_eq!(code(writer.hear(&chain[1_000])), "needs-document");
    println!(
        "a thousand models in a row were refused after {:?}",
        start.elapsed()
    );
}

#[test]
fn content_that_copies_itself_beyond_sixteen_megabytes_is_refused() {
    let mut writer = Writer::new();
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let model = writer.model(&list(object(json!({ "a": texts }))));
    let text = "x".repeat(200_000);
    let instance = writer.instance(&model, json!({ "a": [text] }));
    let copies = |count| vec![json!({ "op": "copy", "from": "/a/0", "path": "/a/-" }); count];
    let small = writer.update(&instance, *instance.init(), copies(78).into());
    assert_eq!(code(writer.load(&instance, &small)), "accepted");
    let large = writer.update(&instance, *instance.init(), copies(79).into());
    assert_eq!(code(writer.load(&instance, &large)), "instance-too-large");
}

#[test]
fn values_that_tell_a_set_apart_are_written_as_in_javascript() {
    let mut writer = Writer::new();
    let mut definition = v2(
        object(
            json!({ "n": { "type": "number" }, "b": { "type": "boolean" }, "t": { "type": "string" } }),
        ),
        false,
        &[],
    );
    definition["schema"]["required"] = json!(["n", "b", "t"]);
    definition["accountRelation"] = json!({ "type": "set", "fields": ["n", "b", "t"] });
    let model = writer.model(&definition);
    for (content, unique) in [
        (json!({ "n": 1.5, "b": true, "t": "x|y" }), "1.5|true|x|y"),
        (json!({ "n": 0, "b": false, "t": "" }), "||"),
        (json!({ "n": 1e21, "b": true, "t": "é" }), "1e+21|true|é"),
        (json!({ "n": -1e-7, "b": true, "t": "0" }), "-1e-7|true|0"),
        (
            json!({ "n": 123456789012345680000.0, "b": true, "t": " " }),
            "123456789012345680000|true| ",
        ),
    ] {
        let instance = writer.deterministic(&model, Some(unique));
        let set = json!([{ "op": "replace", "path": "", "value": content }]);
        let tip = writer.update(&instance, *instance.init(), set);
        assert_eq!(code(writer.load(&instance, &tip)), "accepted", "{unique}");
        let other = writer.deterministic(&model, Some(&format!("{unique} ")));
        let set = json!([{ "op": "replace", "path": "", "value": content }]);
        let tip = writer.update(&other, *other.init(), set);
        assert_eq!(
            code(writer.load(&other, &tip)),
            "instance-set-fields",
            "{unique}"
        );
    }
}

#[test]
fn a_refused_change_leaves_no_trace_in_content_or_metadata() {
    let mut writer = Writer::new();
    let model = writer.model(&list(object(json!({ "n": { "type": "integer" } }))));
    let instance = writer.instance(&model, json!({ "n": 1 }));
    let bad = json!([{ "op": "replace", "path": "/n", "value": "text" }]);
    let header = json!({ "shouldIndex": false });
    let tip = writer.change(&instance, *instance.init(), bad, Some(&header));
    let world = writer.world();
    let (document, refusals) = hear_all(&instance, &[tip], &writer.blocks, &world).unwrap();
    assert_eq!(refusals[0].code(), "instance-schema");
    let state = document.state().to_json();
    assert_eq!(state["content"], json!({ "n": 1 }));
    assert_eq!(state["metadata"].get("shouldIndex"), None);
    assert_eq!(document.log().len(), 1);
}

#[test]
fn a_session_may_write_models_if_its_capability_names_the_metamodel() {
    let definition = list(object(json!({})));
    for (resource, verdict) in [
        (format!("ceramic://*?model={METAMODEL}"), "accepted"),
        (
            "ceramic://*?model=kjzl6hvfrbw6c5u9a4ol6l5brkug20hcqrdzuvx2xrix73ia7c3bdxn7zedt2y1"
                .to_owned(),
            "cacao-resources",
        ),
    ] {
        let mut account = Account::new(None);
        let capability = account.capability_for(&[&resource], None);
        let payload = common::models::model_payload(&account.did(), &definition);
        let init = account.sign(payload, Some(capability));
        let model = StreamId::new(StreamType::MODEL, init);
        let anchors = HashMap::<Cid, u64>::new();
        let world = World::new(1_000, &anchors);
        assert_eq!(
            code(hear_all(&model, &[], &account.blocks, &world)),
            verdict
        );
        let commit = CommitId::new(model, init);
        assert_eq!(code(load_commit(&commit, &account.blocks, &world)), verdict);
    }
}
