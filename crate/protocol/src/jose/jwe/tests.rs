use data_encoding::BASE64;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jwe.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    match json["cases"].take() {
        Value::Array(cases) => cases,
        other => panic!("no cases but {other}"),
    }
}

fn block(case: &Value) -> Vec<u8> {
    BASE64
        .decode(case["block"].as_str().unwrap().as_bytes())
        .unwrap()
}

#[test]
fn every_envelope_is_read_and_written_as_dag_jose_does() {
    let cases = cases();
    let (mut blocks, mut texts, mut recipients) = (0, 0, 0);
    for case in &cases {
        let name = &case["name"];
        let jwe = Jwe::from_general(&case["jwe"]).unwrap();
        let written = jwe.to_block().unwrap();
        assert_eq!(written.bytes()[..], block(case), "{name}");
        assert_eq!(written.cid().to_string(), case["cid"], "{name}");
        blocks += 1;
        let read = Jwe::from_block(&block(case)).unwrap();
        assert_eq!(read, jwe, "{name}");
        assert_eq!(read.to_general(), case["jwe"], "{name}");
        texts += 1;
        recipients += read.recipients.map_or(0, |list| list.len());
    }
    println!(
        "jwe.json: {} envelopes, {blocks} blocks and {texts} texts written alike, {recipients} recipients",
        cases.len()
    );
    assert!(!cases.is_empty() && recipients > cases.len());
}

fn small() -> Value {
    json!({ "protected": "e30", "iv": "AA", "ciphertext": "AA", "tag": "AA" })
}

fn code(change: impl FnOnce(&mut Value)) -> &'static str {
    let mut json = small();
    change(&mut json);
    Jwe::from_general(&json).map_or_else(|error| error.code(), |_| "taken")
}

#[test]
fn what_lacks_a_part_or_has_one_of_another_type_is_no_jwe() {
    assert_eq!(code(|_| {}), "taken");
    for name in ["protected", "iv", "ciphertext", "tag"] {
        for bad in [Value::Null, json!(5), json!("/+"), json!("A"), json!("AB")] {
            assert_eq!(code(|jwe| jwe[name] = bad.clone()), "jwe-format", "{name}");
        }
        let mut value = cbor::decode(
            Jwe::from_general(&small())
                .unwrap()
                .to_block()
                .unwrap()
                .bytes(),
        );
        if let Ok(Ipld::Map(map)) = &mut value {
            map.insert(name.to_owned(), Ipld::String("AA".to_owned()));
        }
        let bytes = cbor::encode(&value.unwrap()).unwrap();
        assert_eq!(Jwe::from_block(&bytes).unwrap_err().code(), "jwe-format");
    }
    for (name, bad) in [
        ("aad", json!({})),
        ("recipients", json!({})),
        ("recipients", json!(["x"])),
        ("recipients", json!([{ "encrypted_key": 1 }])),
        ("recipients", json!([{ "header": "x" }])),
        ("unprotected", json!([])),
    ] {
        assert_eq!(code(|jwe| jwe[name] = bad), "jwe-format", "{name}");
    }
    for bytes in [&b""[..], b"\xa0", b"\x80", b"\xff", &[0x81; 1_000]] {
        assert_eq!(Jwe::from_block(bytes).unwrap_err().code(), "jwe-format");
    }
}

#[test]
fn padding_and_fields_of_no_meaning_are_passed_over() {
    let odd = json!({
        "protected": "e30=", "iv": "AA==", "ciphertext": "AA", "tag": "AA", "aad": null, "other": [1],
    });
    assert_eq!(Jwe::from_general(&odd), Jwe::from_general(&small()));
}

#[test]
fn a_crowd_of_recipients_is_refused_in_either_form() {
    let crowd = |count: usize| json!(vec![json!({}); count]);
    assert_eq!(
        code(|jwe| jwe["recipients"] = crowd(MAX_RECIPIENTS)),
        "taken"
    );
    assert_eq!(
        code(|jwe| jwe["recipients"] = crowd(MAX_RECIPIENTS + 1)),
        "jwe-too-many-recipients"
    );
    let mut jwe = Jwe::from_general(&small()).unwrap();
    let one = Recipient {
        encrypted_key: None,
        header: None,
    };
    jwe.recipients = Some(vec![one; MAX_RECIPIENTS + 1]);
    let error = Jwe::from_block(jwe.to_block().unwrap().bytes()).unwrap_err();
    assert_eq!(error.code(), "jwe-too-many-recipients");
}

#[test]
fn more_bytes_than_the_bound_are_refused_in_either_form() {
    let text = BASE64URL_NOPAD.encode(&vec![0; MAX_JWE_BYTES]);
    assert_eq!(code(|jwe| jwe["ciphertext"] = json!(text)), "jwe-too-large");
    let error = Jwe::from_block(&vec![0; MAX_JWE_BYTES + 1]).unwrap_err();
    assert_eq!(error.code(), "jwe-too-large");
    let mut jwe = Jwe::from_general(&small()).unwrap();
    jwe.ciphertext = vec![0; crate::MAX_BLOCK_BYTES].into();
    assert_eq!(jwe.to_block().unwrap_err().code(), "block-too-large");
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn any_header() -> impl Strategy<Value = Ipld> {
    prop::collection::btree_map("[a-z]{1,4}", "[ -~]{0,8}".prop_map(Ipld::String), 0..4)
        .prop_map(Ipld::Map)
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_in_either_form(
        parts in (bytes(), bytes(), bytes(), bytes()),
        aad in prop::option::of(bytes()),
        recipients in prop::option::of(prop::collection::vec(
            (prop::option::of(bytes()), prop::option::of(any_header())), 0..4)),
        unprotected in prop::option::of(any_header()),
    ) {
        let recipient = |(encrypted_key, header)| Recipient { encrypted_key, header };
        let jwe = Jwe {
            protected: parts.0,
            iv: parts.1,
            ciphertext: parts.2,
            tag: parts.3,
            aad,
            recipients: recipients.map(|list| list.into_iter().map(recipient).collect()),
            unprotected,
        };
        let block = jwe.to_block().unwrap();
        prop_assert_eq!(Jwe::from_block(block.bytes()), Ok(jwe.clone()));
        prop_assert_eq!(Jwe::from_general(&jwe.to_general()), Ok(jwe));
    }

    #[test]
    fn damaged_envelopes_are_read_or_refused_and_what_is_read_can_be_written(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let cases = cases();
        let mut bytes = block(&cases[which.index(cases.len())]);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(jwe) = Jwe::from_block(&bytes) {
            let again = jwe.to_block().unwrap();
            prop_assert_eq!(Jwe::from_block(again.bytes()), Ok(jwe));
        }
    }
}
