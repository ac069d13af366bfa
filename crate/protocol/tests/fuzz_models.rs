//! Definitions of models that nobody would write, and real ones that were damaged, with instances of what became of them.
//!
//! `cargo test` tries briefly; `cargo bolero test -p ostrakon-protocol --test fuzz_models <name>` goes on.

mod common;

use common::models::Writer;
use common::{Input, inputs};
use ostrakon_protocol::{cbor, json};
use serde_json::{Value, json};

fn samples() -> Vec<Vec<u8>> {
    let file: Value = serde_json::from_str(include_str!("model-verdicts.json")).unwrap();
    let definitions = ["definitions", "pairs"].map(|kind| file[kind].as_array().unwrap().clone());
    let accepted = definitions
        .into_iter()
        .flatten()
        .filter(|case| case.get("reason").is_none());
    accepted
        .map(|case| cbor::encode(&json::from_json(&case["definition"]).unwrap()).unwrap())
        .take(60)
        .collect()
}

#[test]
fn definitions_are_read_or_refused_and_so_are_their_instances() {
    let samples = samples();
    assert_eq!(samples.len(), 60);
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let Ok(definition) = cbor::decode(&bytes) else {
                continue;
            };
            let mut writer = Writer::new();
            let model = writer.model_of(definition);
            let refused = match writer.hear(&model) {
                Ok(document) => {
                    assert!(document.state().model().is_some());
                    let contents = [
                        json!({}),
                        json!({ "a": "a", "b": 1, "c": true, "d": ["x"] }),
                    ];
                    contents.into_iter().find_map(|content| {
                        let instance = writer.instance(&model, content);
                        writer.hear(&instance).err()
                    })
                }
                Err(refusal) => Some(refusal),
            };
            assert!(refused.is_none_or(|refusal| !refusal.code().is_empty()));
        }
    });
}
