//! Schemas and what they say of contents.

use ostrakon_protocol::schema::{Draft, Schema};
use serde_json::{Value, json};

fn code(draft: Draft, schema: &Value, content: &Value) -> &'static str {
    let verdict = Schema::compile(schema, draft).and_then(|schema| schema.validate(content));
    verdict.map_or_else(|error| error.code(), |()| "valid")
}

#[test]
fn a_model_schema_is_judged_in_strict_mode() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "name": { "type": "string", "maxLength": 3 }, "list": { "$ref": "#/$defs/List" } },
        "$defs": { "List": { "type": "array", "items": { "type": "integer" } } },
        "additionalProperties": false,
        "required": ["name"],
    });
    let judge = |content: &Value| code(Draft::Draft2020, &schema, content);
    assert_eq!(judge(&json!({ "name": "ab", "list": [1, 2.0] })), "valid");
    assert_eq!(judge(&json!({ "name": "🙂🙂🙂" })), "valid");
    assert_eq!(judge(&json!({ "name": "abcd" })), "schema-mismatch");
    assert_eq!(
        judge(&json!({ "name": "ab", "list": [1.5] })),
        "schema-mismatch"
    );
    assert_eq!(
        judge(&json!({ "name": "ab", "more": 1 })),
        "schema-mismatch"
    );
    assert_eq!(judge(&json!({})), "schema-mismatch");
    let loose = json!({ "properties": { "name": { "type": "string" } } });
    assert_eq!(
        code(Draft::Draft2020, &loose, &json!({})),
        "schema-not-strict"
    );
    assert_eq!(
        code(Draft::Draft07, &loose, &json!({ "name": 1 })),
        "schema-mismatch"
    );
    assert_eq!(
        code(Draft::Draft07, &json!({ "type": "strong" }), &json!({})),
        "not-a-schema"
    );
    assert_eq!(
        code(Draft::Draft2020, &json!({ "type": "strong" }), &json!({})),
        "not-a-schema"
    );
}
