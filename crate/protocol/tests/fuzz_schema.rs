//! Schemas, patterns and contents nobody wrote, and real ones that were damaged: judged or refused, within the bounds.
//!
//! `cargo test` tries each target briefly; `cargo bolero test -p ostrakon-protocol --test fuzz_schema <name>` goes on.

mod common;

use common::{Input, inputs};
use ostrakon_protocol::schema::{Draft, Schema};
use serde_json::{Value, json};

const AJV: &str = include_str!("ajv-verdicts.json");

/// Schemas with a content each, as text.
fn samples() -> Vec<Vec<u8>> {
    let recorded: Value = serde_json::from_str(AJV).unwrap();
    let cases = recorded["cases"].as_array().unwrap().iter();
    cases
        .map(|case| {
            json!([case["schema"], case["contents"][0]])
                .to_string()
                .into_bytes()
        })
        .filter(|text| text.len() < 600)
        .collect()
}

#[test]
fn schemas_are_compiled_and_contents_judged_or_refused() {
    let samples = samples();
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let Ok(Value::Array(parts)) = serde_json::from_slice(&bytes) else {
                continue;
            };
            let [schema, content] = parts.as_slice() else {
                continue;
            };
            for draft in [Draft::Draft07, Draft::Draft2020] {
                let strict = Schema::compile(schema, draft);
                let lenient = Schema::compile_leniently(schema, draft);
                let verdict = lenient.as_ref().map(|schema| schema.validate(content));
                if let Ok(strict) = strict {
                    // Strict mode refuses schemas, never contents.
                    assert_eq!(
                        Ok(strict.validate(content)),
                        verdict,
                        "{schema} on {content}"
                    );
                    assert_eq!(strict.validate(content), strict.validate(content));
                }
            }
        }
    });
}

#[test]
fn patterns_are_matched_or_refused() {
    let samples: Vec<Vec<u8>> = samples()
        .iter()
        .filter_map(|text| {
            let case: Value = serde_json::from_slice(text).ok()?;
            Some(case[0]["pattern"].as_str()?.as_bytes().to_vec())
        })
        .filter(|pattern| !pattern.is_empty())
        .collect();
    assert!(samples.len() > 50);
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let pattern = String::from_utf8_lossy(&bytes);
            let schema = json!({ "pattern": pattern, "patternProperties": { &*pattern: { "format": "regex" } }, "properties": { "a": {} } });
            if let Ok(schema) = Schema::compile(&schema, Draft::Draft07) {
                for text in ["", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "é🙂\n", &pattern] {
                    let _ = schema.validate(&json!(text));
                    let _ = schema.validate(&json!({ text: text }));
                }
            }
        }
    });
}
