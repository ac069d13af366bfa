//! Schemas and what they say of contents: against Ajv's recorded verdicts, the official test suite, and hostile authors.

use std::fmt::Write as _;

use ostrakon_protocol::schema::{
    Draft, MAX_SCHEMA_DEPTH, MAX_SCHEMA_SIZE, MAX_SUBSCHEMAS, Schema, SchemaError,
};
use serde_json::{Map, Value, json};

const AJV: &str = include_str!("ajv-verdicts.json");

fn code(draft: Draft, schema: &Value, content: &Value) -> &'static str {
    let verdict = Schema::compile(schema, draft).and_then(|schema| schema.validate(content));
    verdict.map_or_else(|error| error.code(), |()| "valid")
}

/// One letter for each content, as they are recorded: `v`alid, `i`nvalid, schema `r`efused, and `x` where Ajv fails.
fn verdicts<'v>(
    compiled: Result<Schema, SchemaError>,
    contents: impl Iterator<Item = &'v Value>,
) -> String {
    let one = |content: &Value| match &compiled {
        Err(_) => 'r',
        Ok(schema) => match schema.validate(content) {
            Ok(()) => 'v',
            Err(SchemaError::Mismatch { .. }) => 'i',
            Err(_) => 'x',
        },
    };
    contents.map(one).collect()
}

fn draft(name: &Value) -> Draft {
    match name.as_str().unwrap() {
        "7" => Draft::Draft07,
        "2020" => Draft::Draft2020,
        other => panic!("{other} is no draft"),
    }
}

#[test]
fn verdicts_are_those_of_ajv_with_the_options_of_js_ceramic() {
    let recorded: Value = serde_json::from_str(AJV).unwrap();
    let mut count = 0;
    let mut wrong = String::new();
    for case in recorded["cases"].as_array().unwrap() {
        let contents = case["contents"].as_array().unwrap();
        let compiled = Schema::compile(&case["schema"], draft(&case["draft"]));
        let ours = verdicts(compiled, contents.iter());
        count += contents.len();
        if ours != case["ajv"].as_str().unwrap() {
            writeln!(wrong, "{case}\n    ours: {ours}").unwrap();
        }
    }
    println!(
        "Ajv {} and ajv-formats {}: {count} verdicts",
        recorded["ajv"], recorded["ajv-formats"]
    );
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 5_000);
}

/// Where Ajv judges otherwise than the suite wants: the start of the name of a file or of `file: group`, and why.
const NOT_AS_THE_SUITE: [(&str, &str); 16] = [
    (
        "refRemote",
        "nothing is fetched, so a reference out of the schema is refused",
    ),
    (
        "ref: ref overrides",
        "keywords beside $ref count in every draft",
    ),
    (
        "ref: $ref prevents",
        "keywords beside $ref count in every draft",
    ),
    (
        "ref: refs with relative uris and defs",
        "an $id beside $ref does not change what the $ref means",
    ),
    (
        "ref: relative refs with absolute uris",
        "an $id beside $ref does not change what the $ref means",
    ),
    (
        "ref: URN ref with nested pointer",
        "a name in a list of schemas is not looked for",
    ),
    (
        "properties: properties whose names are Javascript",
        "objects answer to what they inherit in JavaScript",
    ),
    (
        "required: required properties whose names are Javascript",
        "objects answer to what they inherit in JavaScript",
    ),
    (
        "dynamicRef",
        "$dynamicRef calls the function it stands in, or the first anchor on the way",
    ),
    (
        "optional/dynamicRef",
        "$dynamicRef calls the function it stands in, or the first anchor on the way",
    ),
    (
        "unevaluated",
        "what is evaluated is decided when compiling, for contains, if and nested items",
    ),
    ("format", "formats are demanded, not only noted"),
    ("optional/format/", "the formats are those of ajv-formats"),
    ("optional/content", "the content keywords say nothing"),
    (
        "optional/float-overflow",
        "a quotient that is no number is no multiple",
    ),
    (
        "optional/unknownKeyword",
        "an $id counts wherever it stands",
    ),
];

const CUSTOM: (&str, &str) = ("vocabulary", "meta-schemas of one's own are not known");

/// The official suite (tests/vectors/json-schema). It is written for lenient validators; strict mode is compared, too.
fn suite(file: &str, draft: Draft) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/json-schema/"
    );
    let text = std::fs::read_to_string(format!("{path}{file}.json")).unwrap();
    let suite: Value = serde_json::from_str(&text).unwrap();
    let (mut count, mut agree, mut refused, mut wrong) = (0, 0, 0, Vec::new());
    let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
    for (name, groups) in suite["files"].as_object().unwrap() {
        for group in groups.as_array().unwrap() {
            let title = format!("{name}: {}", group["description"].as_str().unwrap());
            let tests = group["tests"].as_array().unwrap();
            let contents = || tests.iter().map(|test| &test["data"]);
            let lenient = verdicts(
                Schema::compile_leniently(&group["schema"], draft),
                contents(),
            );
            let strict = verdicts(Schema::compile(&group["schema"], draft), contents());
            if json!([lenient, strict]) != json!([group["lenient"], group["strict"]]) {
                wrong.push(title.clone());
            }
            refused += strict.matches('r').count();
            for (test, verdict) in tests.iter().zip(lenient.chars()) {
                count += 1;
                if (verdict == 'v') == (test["valid"] == true) {
                    agree += 1;
                    continue;
                }
                let why = NOT_AS_THE_SUITE.iter().chain([&CUSTOM]);
                match why.clone().find(|(start, _)| title.starts_with(start)) {
                    Some((_, why)) => *reasons.entry(why).or_default() += 1,
                    None => wrong.push(format!("{title}: {}", test["description"])),
                }
            }
        }
    }
    println!(
        "{file}: {count} tests, {agree} as the suite wants; strict mode refuses the schema of {refused}"
    );
    for (why, count) in reasons {
        println!("    {count} otherwise, as Ajv: {why}");
    }
    assert!(wrong.is_empty(), "not as Ajv: {wrong:#?}");
    assert!(agree * 20 > count * 18);
}

#[test]
fn the_official_suite_for_draft_07_agrees_but_where_ajv_does_not() {
    suite("draft7", Draft::Draft07);
}

#[test]
fn the_official_suite_for_draft_2020_12_agrees_but_where_ajv_does_not() {
    suite("draft2020-12", Draft::Draft2020);
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
        judge(&json!({ "name": "ab", "more": 1 })),
        "schema-mismatch"
    );
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
}

#[test]
fn a_mismatch_names_the_keyword_and_the_place() {
    let schema = json!({ "properties": { "a/b": { "items": { "anyOf": [{ "type": "null" }, { "minimum": 3 }] } } } });
    let schema = Schema::compile(&schema, Draft::Draft07).unwrap();
    let error = schema
        .validate(&json!({ "a/b": [null, 4, 1] }))
        .unwrap_err();
    let (keyword, at) = ("anyOf", "/a~1b/2".to_owned());
    assert_eq!(error, SchemaError::Mismatch { keyword, at });
}

/// The same value with the keys of objects in the opposite order, and whole numbers written as fractions.
fn respelled(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries = map.iter().rev();
            let entries =
                entries.map(|(key, value)| format!("{}: {}", json!(key), respelled(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => format!(
            "[ {} ]",
            list.iter().map(respelled).collect::<Vec<_>>().join(", ")
        ),
        Value::Number(number) if number.as_i64().is_some_and(|n| n.abs() < 1 << 40) => {
            format!("{number}.0")
        }
        value => value.to_string(),
    }
}

#[test]
fn neither_the_order_of_keys_nor_the_spelling_of_numbers_changes_a_verdict() {
    let recorded: Value = serde_json::from_str(AJV).unwrap();
    let again = |value: &Value| -> Value { serde_json::from_str(&respelled(value)).unwrap() };
    for case in recorded["cases"].as_array().unwrap() {
        let contents: Vec<Value> = case["contents"]
            .as_array()
            .unwrap()
            .iter()
            .map(again)
            .collect();
        let compiled = Schema::compile(&again(&case["schema"]), draft(&case["draft"]));
        assert_eq!(
            verdicts(compiled, contents.iter()),
            case["ajv"].as_str().unwrap(),
            "{case}"
        );
    }
}

#[test]
fn an_exponential_schema_is_stopped() {
    let mut definitions = Map::new();
    for level in 0..40 {
        let next = json!({ "$ref": format!("#/definitions/level{}", level + 1) });
        definitions.insert(format!("level{level}"), json!({ "allOf": [next, next] }));
    }
    definitions.insert(
        "level40".to_owned(),
        json!({ "type": "object", "$ref": "#/definitions/end" }),
    );
    definitions.insert("end".to_owned(), json!(true));
    let schema = json!({ "definitions": definitions, "$ref": "#/definitions/level0" });
    assert_eq!(
        code(Draft::Draft07, &schema, &json!({})),
        "schema-too-much-work"
    );
}

#[test]
fn a_schema_nested_ten_thousand_deep_is_refused() {
    for (key, levels) in [
        ("not", 10_000),
        ("items", MAX_SCHEMA_DEPTH + 10),
        ("allOf", 10_000),
    ] {
        let nest = |schema| {
            let inner = match key {
                "allOf" => Value::Array(vec![schema]),
                _ => schema,
            };
            Value::Object(Map::from_iter([(key.to_owned(), inner)]))
        };
        let schema = (0..levels).fold(Value::Bool(true), |schema, _| nest(schema));
        let code = code(Draft::Draft07, &schema, &json!([]));
        assert_eq!(code, "schema-too-deep", "{key}");
        // Letting go of it step by step takes more room than a test's thread has.
        std::mem::forget(schema);
    }
}

#[test]
fn a_long_chain_of_references_is_refused() {
    let chain = |length: usize| {
        let link = |at: usize| {
            (
                format!("d{at}"),
                json!({ "not": { "$ref": format!("#/definitions/d{}", at + 1) } }),
            )
        };
        let mut definitions: Map<String, Value> = (0..length).map(link).collect();
        definitions.insert(format!("d{length}"), json!({ "type": "null" }));
        json!({ "definitions": definitions, "$ref": "#/definitions/d0" })
    };
    assert_eq!(code(Draft::Draft07, &chain(40), &json!(null)), "valid");
    assert_eq!(
        code(Draft::Draft07, &chain(10_000), &json!(null)),
        "schema-too-deep"
    );
}

#[test]
fn a_huge_schema_is_refused_and_a_large_one_is_judged() {
    let choice = |count: usize| json!({ "enum": (0..count).map(|n| format!("{n:010}")).collect::<Vec<_>>() });
    assert_eq!(
        code(Draft::Draft07, &choice(20_000), &json!("0000019999")),
        "valid"
    );
    assert_eq!(
        code(Draft::Draft07, &choice(20_000), &json!("no")),
        "schema-mismatch"
    );
    assert_eq!(
        code(
            Draft::Draft07,
            &choice(MAX_SCHEMA_SIZE / 11 + 1),
            &json!("no")
        ),
        "schema-too-large"
    );
}

#[test]
fn what_references_expand_to_is_bounded() {
    let properties: Map<String, Value> = (0..300)
        .map(|at| (format!("p{at}"), json!({ "minimum": at })))
        .collect();
    let referrers: Map<String, Value> = (0..300)
        .map(|at| (format!("r{at}"), json!({ "$ref": "#/definitions/large" })))
        .collect();
    let schema = json!({ "definitions": { "large": { "properties": properties } }, "properties": referrers });
    const { assert!(300 * 300 > MAX_SUBSCHEMAS) };
    assert_eq!(
        code(Draft::Draft07, &schema, &json!({})),
        "schema-too-large"
    );
}

#[test]
fn a_schema_that_refers_to_itself_without_progress_is_stopped() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "anyOf": [true, { "not": { "$ref": "#" } }], "not": { "$ref": "#" } }),
        json!({ "definitions": { "a": { "$ref": "#/definitions/b" }, "b": { "$ref": "#/definitions/a" } }, "$ref": "#/definitions/a" }),
    ] {
        let code = code(Draft::Draft07, &schema, &json!({}));
        assert!(
            ["schema-too-much-work", "schema-too-deep"].contains(&code),
            "{schema}: {code}"
        );
    }
}

#[test]
fn content_as_deep_as_an_event_can_hold_is_judged() {
    let schema =
        json!({ "properties": { "next": { "$ref": "#" } }, "additionalProperties": false });
    let nest = |end: Value| (0..250).fold(end, |content, _| json!({ "next": content }));
    assert_eq!(code(Draft::Draft07, &schema, &nest(json!({}))), "valid");
    assert_eq!(
        code(Draft::Draft07, &schema, &nest(json!({ "last": 1 }))),
        "schema-mismatch"
    );
    let endless = (0..700).fold(json!({}), |content, _| json!({ "next": content }));
    assert_eq!(
        code(Draft::Draft07, &schema, &endless),
        "schema-too-much-work"
    );
}

#[test]
fn a_pattern_that_never_ends_is_stopped() {
    let pattern = |pattern: &str, text: &str| {
        code(Draft::Draft07, &json!({ "pattern": pattern }), &json!(text))
    };
    let text = "a".repeat(100_000) + "!";
    // Where other engines take exponential time this one is linear, but for references back.
    assert_eq!(pattern("^(a+)+$", &text), "schema-mismatch");
    assert_eq!(pattern("^(a|a)*$", &text), "schema-mismatch");
    assert_eq!(pattern("^(?:(?=(?:a|aa)+$)a)*$", &text[..1_000]), "valid");
    assert_eq!(pattern("^(a+)+(b)?\\2c$", &text), "schema-too-much-work");
    assert_eq!(
        pattern("(?:(?:a{1000}){1000}){1000}", &text),
        "schema-unsupported-pattern"
    );
    assert_eq!(
        pattern(&"(".repeat(10_000), &text),
        "schema-unsupported-pattern"
    );
    let many: Vec<String> = (0..1_000)
        .map(|n| "a".repeat(1_000) + &n.to_string())
        .collect();
    let schema = json!({ "items": { "pattern": "^(a+)+(b)?\\2c$" } });
    assert_eq!(
        code(Draft::Draft07, &schema, &json!(many)),
        "schema-too-much-work"
    );
}

#[test]
fn what_a_pattern_may_ask_of_characters() {
    let judge = |pattern: &str, text: &str| {
        code(
            Draft::Draft2020,
            &json!({ "type": "string", "pattern": pattern }),
            &json!(text),
        )
    };
    assert_eq!(judge("^\\p{Lu}\\p{Alphabetic}+\\p{Nd}$", "Ñandú7"), "valid");
    assert_eq!(judge("^\\p{Lu}$", "ñ"), "schema-mismatch");
    assert_eq!(
        judge("\\p{Script=Greek}", "α"),
        "schema-unsupported-pattern"
    );
}

#[test]
fn numbers_at_the_edge_of_json_are_judged_as_javascript_has_them() {
    let judge = |schema: &str, content: &str| {
        let parse = |text| serde_json::from_str::<Value>(text).unwrap();
        code(Draft::Draft07, &parse(schema), &parse(content))
    };
    for (schema, content, expected) in [
        (
            r#"{ "type": "integer" }"#,
            "1.7976931348623157e308",
            "valid",
        ),
        (r#"{ "type": "integer" }"#, "5e-324", "schema-mismatch"),
        (
            r#"{ "const": 18446744073709551615 }"#,
            "18446744073709551616",
            "valid",
        ),
        (
            r#"{ "const": 9007199254740993 }"#,
            "9007199254740992",
            "valid",
        ),
        (
            r#"{ "maximum": -9223372036854775808 }"#,
            "-9223372036854775807",
            "valid",
        ),
        (r#"{ "multipleOf": 0.5 }"#, "1e308", "schema-mismatch"),
        (r#"{ "multipleOf": 5e-324 }"#, "1", "schema-mismatch"),
        (r#"{ "multipleOf": 0.01 }"#, "0.07", "schema-mismatch"),
        (r#"{ "maxLength": 1e300 }"#, "\"a\"", "valid"),
        (r#"{ "minItems": 1e300 }"#, "[]", "schema-mismatch"),
        (r#"{ "uniqueItems": true }"#, "[0, -0.0]", "schema-mismatch"),
        (r#"{ "enum": [1e0] }"#, "1", "valid"),
    ] {
        assert_eq!(judge(schema, content), expected, "{schema} on {content}");
    }
}

#[test]
fn many_equal_items_are_compared_in_bounded_time() {
    let items: Vec<Value> = (0..50_000)
        .map(|n| json!({ "n": n, "list": [n % 7] }))
        .collect();
    let schema = json!({ "uniqueItems": true });
    assert_eq!(code(Draft::Draft07, &schema, &json!(items)), "valid");
    let odd: Vec<Value> = (0..50_000).map(|n| json!({ "constructor": n })).collect();
    assert_eq!(
        code(Draft::Draft07, &schema, &json!(odd)),
        "schema-too-much-work"
    );
}

#[test]
fn an_asynchronous_schema_is_refused() {
    let schema = json!({ "$async": true, "type": "string" });
    assert_eq!(
        code(Draft::Draft07, &schema, &json!(1)),
        "schema-misused-keyword"
    );
}

#[test]
fn a_schema_cannot_be_its_own_meta_schema() {
    let schema = json!({ "$id": "http://example.com/own", "$schema": "http://example.com/own" });
    assert_eq!(code(Draft::Draft07, &schema, &json!(1)), "schema-dialect");
}

#[test]
fn a_schema_is_judged_alone() {
    let first = json!({ "$id": "http://example.com/one", "type": "string" });
    let other = json!({ "$ref": "http://example.com/one" });
    assert_eq!(code(Draft::Draft2020, &first, &json!("a")), "valid");
    assert_eq!(code(Draft::Draft2020, &first, &json!("a")), "valid");
    assert_eq!(
        code(Draft::Draft2020, &other, &json!("a")),
        "schema-bad-reference"
    );
}
