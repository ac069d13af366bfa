use data_encoding::HEXLOWER;

use super::*;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jws.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

#[test]
fn every_ed25519_jws_over_an_object_or_a_text_is_written_as_js_writes_it() {
    let (mut objects, mut texts) = (0, 0);
    for case in cases() {
        let Some(seed) = case["seedHex"].as_str() else {
            continue;
        };
        let seed = HEXLOWER.decode(seed.as_bytes()).unwrap();
        let signer = Ed25519Signer::from_seed(&seed.try_into().unwrap());
        let payload = match case["op"].as_str().unwrap() {
            "jws" => &case["payload"],
            "dagjws" => &case["jws"]["payload"],
            _ => continue,
        };
        let jws = signer.create_jws(payload, Map::new()).unwrap();
        let written = jws.to_general();
        assert_eq!(
            written["payload"], case["jws"]["payload"],
            "{}",
            case["name"]
        );
        assert_eq!(
            written["signatures"], case["jws"]["signatures"],
            "{}",
            case["name"]
        );
        assert_eq!(jws.verify().unwrap().did, case["did"]);
        match payload {
            Value::String(_) => texts += 1,
            _ => objects += 1,
        }
    }
    println!("jws.json: {objects} objects and {texts} texts signed alike");
    assert_eq!((objects, texts), (2, 4));
}

#[test]
fn fields_are_written_in_the_order_of_js() {
    let json = json!({ "b": 1.0, "a": [{ "z": null, "10": true, "9": "\"" }], "\u{e000}": 1, "😀": 2, "01": 3 });
    assert_eq!(
        stable(&json),
        "{\"01\":3,\"a\":[{\"9\":\"\\\"\",\"10\":true,\"z\":null}],\"b\":1,\"😀\":2,\"\u{e000}\":1}"
    );
}

#[test]
fn an_answer_to_did_authenticate_says_who_to_whom_and_until_when() {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let paths = ["/a".to_owned()];
    let jws = signer
        .authenticate("abc", Some("me"), Some(&paths), 1_000)
        .unwrap();
    let payload: Value = serde_json::from_slice(&jws.payload).unwrap();
    let expected =
        json!({ "did": signer.did(), "aud": "me", "nonce": "abc", "paths": ["/a"], "exp": 1_600 });
    assert_eq!(payload, expected);
    assert_eq!(jws.verify().unwrap().did, signer.did());
    let jws = signer.authenticate("abc", None, None, 0).unwrap();
    let payload: Value = serde_json::from_slice(&jws.payload).unwrap();
    assert_eq!(
        payload,
        json!({ "did": signer.did(), "nonce": "abc", "exp": 600 })
    );
}

#[test]
fn a_caller_adds_to_the_header_but_names_neither_key_nor_algorithm() {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let protected = json!({ "cap": "ipfs://bafyreih3yhlkmb42t5rt3f6k72wr32saa253qtaszoez3uokt5svjyprhe", "alg": "none", "kid": "did:key:z" });
    let protected = protected.as_object().unwrap().clone();
    let jws = signer.create_jws(&json!({}), protected).unwrap();
    let signed = jws.verify().unwrap();
    assert_eq!(signed.did, signer.did());
    assert!(signed.cap.is_some());
}

#[test]
fn a_text_that_is_not_base64url_and_a_long_header_are_not_signed() {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    for text in ["hello", "a.b", "YQ==", "+/+/", " "] {
        let error = signer.create_jws(&json!(text), Map::new()).unwrap_err();
        assert_eq!(error.code(), "jws-format", "{text}");
    }
    let long = Map::from_iter([("x".to_owned(), json!("x".repeat(MAX_PROTECTED_BYTES)))]);
    let error = signer.create_jws(&json!({}), long).unwrap_err();
    assert_eq!(error.code(), "jws-header-too-long");
}
