//! What is written, event by event against what the npm packages of js-ceramic wrote for the same input and key.

mod common;

use std::collections::{BTreeMap, HashMap};

use common::world::WORLD;
use data_encoding::BASE64;
use ostrakon_protocol::author::{
    Change, Edit, New, NewContent, NewInstance, NewLink, NewModel, NewTile, Relation, TileMetadata,
    Unsigned,
};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::event::Map;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, Document, Ipld, StreamId, StreamType, json as ipld_json};
use serde_json::{Value, json};

/// Every block there is.
type Blocks = BTreeMap<Cid, Block>;

fn key(number: &Value) -> Ed25519Signer {
    let byte = number
        .as_u64()
        .map_or(7, |byte| u8::try_from(byte).unwrap());
    Ed25519Signer::from_seed(&[byte; 32])
}

fn content(text: &Value) -> Option<NewContent> {
    Some(NewContent::parse(text.as_str()?).unwrap())
}

fn value(text: &Value) -> Ipld {
    content(text).unwrap().value().clone()
}

fn texts(list: &Value) -> Option<Vec<String>> {
    let texts = list.as_array()?.iter();
    Some(
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect(),
    )
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn new(case: &Value, models: &HashMap<String, StreamId>) -> New {
    match case["type"].as_str().unwrap() {
        "tile" => {
            let given = &case["metadata"];
            New::Tile(NewTile {
                content: content(&case["content"]).map(|content| content.value().clone()),
                metadata: TileMetadata {
                    family: text(&given["family"]),
                    schema: text(&given["schema"]),
                    tags: texts(&given["tags"]),
                    forbid_controller_change: given["forbidControllerChange"] == true,
                },
                deterministic: case["deterministic"] == true,
            })
        }
        "caip10Link" => New::Caip10Link(NewLink {
            account: text(&case["account"]).unwrap(),
        }),
        "model" => New::Model(NewModel {
            definition: value(&case["content"]),
        }),
        "modelInstance" => New::ModelInstance(NewInstance {
            model: models[case["model"].as_str().unwrap()],
            relation: match case["relation"].as_str().unwrap() {
                "list" => Relation::List(value(&case["content"])),
                "single" => Relation::Single,
                "set" => Relation::Set(texts(&case["set"]).unwrap()),
                other => panic!("{other}"),
            },
            context: text(&case["context"]).map(|id| id.parse().unwrap()),
        }),
        other => panic!("{other}"),
    }
}

fn edit(recorded: &Value) -> Edit {
    let header = match ipld_json::from_json(&recorded["metadata"]).unwrap() {
        Ipld::Map(header) => header,
        _ => Map::new(),
    };
    let change = match content(&recorded["content"]) {
        Some(content) => Change::Content(content),
        None if recorded["patch"].is_string() => Change::Patch(value(&recorded["patch"])),
        None => Change::None,
    };
    Edit { change, header }
}

/// Keeps the blocks of an event and returns its CID.
fn keep(blocks: &mut Blocks, event: Unsigned, key: &Ed25519Signer) -> Cid {
    let written = event.written_by(key).unwrap();
    let event = *written.last().unwrap().cid();
    blocks.extend(written.into_iter().map(|block| (*block.cid(), block)));
    event
}

fn unique(text: &Value) -> [u8; 12] {
    let bytes = text
        .as_str()
        .map(|text| BASE64.decode(text.as_bytes()).unwrap());
    bytes.map_or([0; 12], |bytes| bytes.try_into().unwrap())
}

#[test]
fn what_is_written_is_what_js_ceramic_writes_and_our_verifier_takes_it() {
    let (mut blocks, mut models) = (Blocks::new(), HashMap::new());
    let (mut documents, mut edits) = (0, 0);
    let mut wrong = Vec::new();
    for case in common::cases("authoring.json") {
        let name = case["name"].as_str().unwrap();
        let signer = key(&case["key"]);
        let (kind, init) = new(&case, &models)
            .init(signer.did(), unique(&case["unique"]))
            .unwrap();
        let mut tip = keep(&mut blocks, init, &signer);
        let stream = StreamId::new(kind, tip);
        documents += 1;
        if case["streamId"] != *stream.to_string() || case["init"] != *tip.to_string() {
            wrong.push(format!("{name}: {stream}"));
            continue;
        }
        if kind == StreamType::MODEL {
            models.insert(name.to_owned(), stream);
        }
        for recorded in case["edits"].as_array().unwrap() {
            let document = heard(&stream, tip, &blocks);
            let change = edit(recorded).after(&document).unwrap();
            tip = keep(&mut blocks, change, &key(&recorded["key"]));
            edits += 1;
            if recorded["event"] != *tip.to_string() {
                wrong.push(format!("{name}: {recorded}"));
                break;
            }
        }
        // A proof may be refused, for reasons of its own: what the npm package writes it does not judge.
        if case["type"] != "caip10Link" {
            let document = heard(&stream, tip, &blocks);
            let shown = document
                .state()
                .content()
                .map_or(Value::Null, ipld_json::to_json);
            if case.get("state").is_some_and(|state| *state != shown) {
                wrong.push(format!("{name}: {shown}\n  js {}", case["state"]));
            }
        }
    }
    println!(
        "authoring.json: {documents} documents, {edits} edits, {} differ",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(documents > 100 && edits > 350);
}

/// The document at this tip, all of whose events our verifier takes.
fn heard(stream: &StreamId, tip: Cid, blocks: &Blocks) -> Document {
    let (document, refusals) = hear_all(stream, &[tip], blocks, &WORLD).unwrap();
    if stream.stream_type() != StreamType::CAIP10_LINK {
        assert!(refusals.is_empty(), "{stream}: {refusals:?}");
        assert_eq!(*document.tip(), tip);
    }
    document
}

fn code(new: New) -> &'static str {
    let controller = Ed25519Signer::from_seed(&[7; 32]);
    let init = new.init(controller.did(), [0; 12]);
    init.map_or_else(|error| error.code(), |_| "written")
}

fn ipld(value: Value) -> Ipld {
    ipld_json::from_json(&value).unwrap()
}

fn map(value: Value) -> Map {
    match ipld(value) {
        Ipld::Map(map) => map,
        other => panic!("not a map: {other:?}"),
    }
}

fn tile(content: Option<Value>) -> NewTile {
    NewTile {
        content: content.map(ipld),
        ..NewTile::default()
    }
}

/// js-ceramic refuses these as well, apart from the two whose reason is told.
#[test]
fn what_cannot_be_written_is_refused_before_anything_is() {
    let deterministic = |content, family: Option<&str>| {
        New::Tile(NewTile {
            deterministic: true,
            metadata: TileMetadata {
                family: family.map(str::to_owned),
                ..TileMetadata::default()
            },
            ..tile(content)
        })
    };
    let schema = |schema: &str| {
        New::Tile(NewTile {
            metadata: TileMetadata {
                schema: Some(schema.to_owned()),
                ..TileMetadata::default()
            },
            ..tile(Some(json!({ "a": 1 })))
        })
    };
    let link = |account: &str| {
        New::Caip10Link(NewLink {
            account: account.to_owned(),
        })
    };
    let model = |definition| {
        New::Model(NewModel {
            definition: ipld(definition),
        })
    };
    let stream = "kjzl6cwe1jw147dvq16zluojmraqvwdmbh61dx9e0c59i344lcrsgqfohexp60s";
    let instance = New::ModelInstance(NewInstance {
        model: stream.parse().unwrap(),
        relation: Relation::Single,
        context: None,
    });
    let large = "x".repeat(ostrakon_protocol::MAX_BLOCK_BYTES);
    let deep = (0..300).fold(Ipld::Null, |inner, _| Ipld::List(vec![inner]));
    for (new, expected) in [
        (deterministic(None, None), "deterministic-without-words"),
        (
            deterministic(Some(json!({ "a": 1 })), Some("f")),
            "deterministic-content",
        ),
        (deterministic(Some(Value::Null), Some("")), "written"),
        (schema("abc"), "schema-not-a-commit"),
        (schema(stream), "schema-not-a-commit"),
        (link("0xabc"), "not-an-account"),
        (link("eip155:1:0xabc:d"), "not-an-account"),
        (
            model(json!({ "version": "3.0", "name": "N" })),
            "model-bad-field",
        ),
        (model(json!(null)), "model-bad-field"),
        (
            model(json!({ "version": "1.0", "name": "N", "x": 1 })),
            "model-unexpected-field",
        ),
        (instance, "not-a-model"),
        (
            New::Tile(tile(Some(json!({ "a": large })))),
            "content-too-large",
        ),
        // Every reader drops it, js-ceramic too.
        (
            New::Tile(tile(Some(json!({ "a": [{ "__proto__": 1 }] })))),
            "content-forbidden-key",
        ),
        // js-ceramic has no bound but its stack.
        (
            New::Tile(NewTile {
                content: Some(deep),
                ..NewTile::default()
            }),
            "cbor-too-deep",
        ),
        (
            New::Tile(NewTile {
                content: Some(Ipld::Float(f64::NAN)),
                ..NewTile::default()
            }),
            "cbor-not-finite",
        ),
    ] {
        let shown: String = format!("{new:?}").chars().take(200).collect();
        assert_eq!(code(new), expected, "{shown}");
    }
    let nobody = New::Tile(tile(None)).init("nobody", [0; 12]);
    assert_eq!(nobody.unwrap_err().code(), "controller-not-a-did");
}

/// A document of this kind, and what becomes of an edit to it.
fn edited(new: &New, edit: &Edit) -> &'static str {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let mut blocks = Blocks::new();
    let (kind, init) = new.init(signer.did(), [0; 12]).unwrap();
    let tip = keep(&mut blocks, init, &signer);
    let document = heard(&StreamId::new(kind, tip), tip, &blocks);
    edit.after(&document)
        .map_or_else(|error| error.code(), |_| "written")
}

#[test]
fn a_change_that_its_document_does_not_know_is_refused() {
    let header = |header| Edit {
        change: Change::None,
        header: map(header),
    };
    let content = |text: &str| Edit {
        change: Change::Content(NewContent::parse(text).unwrap()),
        header: Map::new(),
    };
    let patch = |patch| Edit {
        change: Change::Patch(ipld(patch)),
        header: Map::new(),
    };
    let a_tile = New::Tile(tile(Some(json!({ "a": 1 }))));
    let did = "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z";
    for (edit, expected) in [
        (header(json!({})), "written"),
        (header(json!({ "controllers": [did] })), "written"),
        (
            header(json!({ "controllers": [did, did] })),
            "controller-count",
        ),
        (header(json!({ "controllers": [] })), "controller-count"),
        (
            header(json!({ "controllers": [""] })),
            "controller-not-a-did",
        ),
        (header(json!({ "controllers": did })), "metadata-bad"),
        (header(json!({ "schema": "abc" })), "schema-not-a-commit"),
        (header(json!({ "schema": null })), "schema-not-a-commit"),
        (header(json!({ "family": 1 })), "metadata-bad"),
        (header(json!({ "tags": [1] })), "metadata-bad"),
        (header(json!({ "unique": "x" })), "metadata-fixed"),
        (header(json!({ "deterministic": true })), "metadata-fixed"),
        (
            header(json!({ "forbidControllerChange": true })),
            "metadata-fixed",
        ),
        (header(json!({ "famliy": "f" })), "metadata-unknown"),
        (content("null"), "written"),
        (content(r#"{"__proto__":1}"#), "content-forbidden-key"),
        (patch(json!({ "op": "add" })), "patch-not-a-patch"),
    ] {
        assert_eq!(edited(&a_tile, &edit), expected, "{edit:?}");
    }
    let link = New::Caip10Link(NewLink {
        account: "eip155:1:0xAbCdEf0123456789aBcDeF0123456789AbCdEf01".to_owned(),
    });
    for (edit, expected) in [
        (patch(json!([])), "link-needs-proof"),
        (header(json!({})), "link-needs-proof"),
        (header(json!({ "family": "f" })), "metadata-unknown"),
        (content(r#"{"message":"m"}"#), "proof-malformed"),
    ] {
        assert_eq!(edited(&link, &edit), expected, "{edit:?}");
    }
    let model = New::Model(NewModel {
        definition: ipld(json!({
            "version": "1.0", "name": "N", "accountRelation": { "type": "list" },
            "schema": { "type": "object", "properties": {}, "additionalProperties": false },
        })),
    });
    assert_eq!(edited(&model, &content("{}")), "model-final");
}

#[test]
fn an_instance_has_no_metadata_to_change_but_whether_it_is_listed() {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let mut blocks = Blocks::new();
    let definition = json!({
        "version": "1.0", "name": "N", "accountRelation": { "type": "single" },
        "schema": { "type": "object", "properties": {}, "additionalProperties": false },
    });
    let model = New::Model(NewModel {
        definition: ipld(definition),
    });
    let (kind, init) = model.init(signer.did(), [0; 12]).unwrap();
    let model = StreamId::new(kind, keep(&mut blocks, init, &signer));
    let instance = New::ModelInstance(NewInstance {
        model,
        relation: Relation::Single,
        context: None,
    });
    let (kind, init) = instance.init(signer.did(), [0; 12]).unwrap();
    let tip = keep(&mut blocks, init, &signer);
    let document = heard(&StreamId::new(kind, tip), tip, &blocks);
    for (header, expected) in [
        (json!({ "shouldIndex": false }), "written"),
        (json!({ "shouldIndex": "no" }), "metadata-bad"),
        (json!({ "controllers": [signer.did()] }), "metadata-fixed"),
        (json!({ "modelVersion": 1 }), "metadata-unknown"),
    ] {
        let edit = Edit {
            change: Change::None,
            header: map(header.clone()),
        };
        let outcome = edit.after(&document);
        let code = outcome.map_or_else(|error| error.code(), |_| "written");
        assert_eq!(code, expected, "{header}");
    }
}

/// An account owns the document; a session key writes it under a capability.
#[test]
fn what_a_session_key_writes_for_an_account_is_taken() {
    let mut account = common::session::Account::new(None);
    account.change_session(9);
    let capability = account.capability(None);
    let signer = Ed25519Signer::from_seed(&[9; 32]).with_capability(capability);
    let new = New::Tile(tile(Some(json!({ "n": 0 }))));
    let (kind, init) = new.init(&account.did(), [0; 12]).unwrap();
    let tip = keep(&mut account.blocks, init, &signer);
    let stream = StreamId::new(kind, tip);
    let document = heard(&stream, tip, &account.blocks);
    let edit = edit(&json!({ "content": r#"{"n":1}"# }));
    let tip = keep(&mut account.blocks, edit.after(&document).unwrap(), &signer);
    let document = heard(&stream, tip, &account.blocks);
    assert!(document.log().iter().all(|entry| entry.delegated));
    assert_eq!(document.state().content(), Some(&ipld(json!({ "n": 1 }))));

    // Without the capability it would be a stranger's.
    let (_, init) = new.init(&account.did(), [1; 12]).unwrap();
    let tip = keep(
        &mut account.blocks,
        init,
        &Ed25519Signer::from_seed(&[9; 32]),
    );
    let stream = StreamId::new(kind, tip);
    let refusal = hear_all(&stream, &[tip], &account.blocks, &WORLD).unwrap_err();
    assert_eq!(refusal.code(), "wrong-signer");
}

#[test]
fn an_event_that_makes_an_id_or_carries_its_own_proof_is_not_signed() {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let link = New::Caip10Link(NewLink {
        account: "eip155:1:0xAbCdEf0123456789aBcDeF0123456789AbCdEf01".to_owned(),
    });
    let (_, init) = link.init(signer.did(), [0; 12]).unwrap();
    assert!(!init.needs_signature());
    assert_eq!(init.sign(&signer).unwrap_err().code(), "event-not-signed");
}

#[test]
fn an_explicit_patch_of_any_tile_repeats_the_metadata() {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let mut blocks = Blocks::new();
    let new = New::Tile(NewTile {
        metadata: TileMetadata {
            family: Some("f".to_owned()),
            ..TileMetadata::default()
        },
        ..tile(Some(json!({ "a": 1 })))
    });
    let (kind, init) = new.init(signer.did(), [0; 12]).unwrap();
    let tip = keep(&mut blocks, init, &signer);
    let stream = StreamId::new(kind, tip);
    let edit = Edit {
        change: Change::Patch(ipld(json!([{ "op": "replace", "path": "/a", "value": 2 }]))),
        header: Map::new(),
    };
    let change = edit.after(&heard(&stream, tip, &blocks)).unwrap();
    let payload = ostrakon_protocol::cbor::decode(change.payload().bytes()).unwrap();
    let header = ipld_json::to_json(&payload)["header"].take();
    assert_eq!(
        header,
        json!({ "controllers": [signer.did()], "family": "f" })
    );
    let tip = keep(&mut blocks, change, &signer);
    let document = heard(&stream, tip, &blocks);
    assert_eq!(document.state().content(), Some(&ipld(json!({ "a": 2 }))));
}

/// A document that grows and is written to again and again, also on another branch than before.
#[test]
fn what_is_written_to_a_held_document_is_what_is_written_to_one_just_loaded() {
    let mut tile = common::world::Tile::new();
    let init = *tile.stream.init();
    let mut held = tile.document();
    let (mut tips, mut edits) = (vec![init], 0);
    for case in common::cases("authoring.json") {
        let of_tile =
            case["type"] == "tile" && case["name"].as_str().unwrap().starts_with("random");
        let contents = case["edits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|edit| &edit["content"]);
        for content in contents.filter(|_| of_tile) {
            let edit = edit(&json!({ "content": content }));
            let blocks: Blocks = tile.blocks.clone().into_iter().collect();
            let loaded = heard(&tile.stream, *held.tip(), &blocks);
            let written = edit.after(&held).unwrap();
            assert_eq!(written, edit.after(&loaded).unwrap());
            // Now and then another branch, which is anchored, takes the lead.
            edits += 1;
            let mut tip = *written.clone().sign(&tile.key).unwrap()[1].cid();
            tile.add(written.sign(&tile.key).unwrap());
            if edits % 10 == 0 && edits < 100 {
                let fork = tips[tips.len() / 2];
                let patch = json!([{ "op": "replace", "path": "", "value": { "z": 1, "a": edits, "bb": 2 } }]);
                let other = tile.patch(fork, patch);
                tip = tile.anchor(other, u8::try_from(200 - edits).unwrap(), 0);
            }
            tile.hear(&mut held, &tip);
            tips.push(*held.tip());
        }
    }
    let forks = held.tips().len();
    println!("{edits} edits to one tile with {forks} branches");
    assert!(edits > 200 && forks > 5);
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "NaN",
        "undefined",
        "{a:1}",
        "[1,]",
        "1e999",
        "\"\\ud800\"",
    ] {
        let outcome = NewContent::parse(text);
        assert_eq!(
            outcome.map_err(|error| error.code()),
            Err("content-not-json"),
            "{text:?}"
        );
    }
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    assert_eq!(
        NewContent::parse(&deep).unwrap_err().code(),
        "content-not-json"
    );
}
