use serde_json::Value;

use super::*;

fn vectors() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/dids.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

#[test]
fn every_did_resolves_to_the_document_js_gives() {
    let cases = vectors();
    let mut disagreements = Vec::new();
    for case in &cases {
        let expected = &case["expected"];
        let got = resolve(case["did"].as_str().unwrap());
        let agrees = match &got {
            Ok(document) => {
                expected["accept"] == true && document.to_json() == expected["didDocument"]
            }
            Err(_) => expected["accept"] == false,
        };
        if !agrees {
            disagreements.push(format!(
                "{}: {:?} instead of {expected}",
                case["name"],
                got.map(|d| d.to_json())
            ));
        }
    }
    println!(
        "dids.json: {} of {} agree",
        cases.len() - disagreements.len(),
        cases.len()
    );
    assert!(cases.len() >= 36);
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn the_key_of_every_seed_is_written_as_the_did_js_writes() {
    let mut written = 0;
    for case in vectors() {
        let hex = |name: &str| {
            let text = case[name].as_str()?;
            data_encoding::HEXLOWER.decode(text.as_bytes()).ok()
        };
        let kind = case["name"].as_str().unwrap().split('-').next().unwrap();
        let did = match (kind, hex("seedHex"), hex("privateKeyHex")) {
            ("ed25519", Some(seed), _) => {
                let signer = crate::jose::Ed25519Signer::from_seed(&seed.try_into().unwrap());
                signer.did().to_owned()
            }
            ("secp256k1", _, Some(secret)) => {
                let key = k256::ecdsa::SigningKey::from_slice(&secret).unwrap();
                let point = key.verifying_key().to_sec1_point(true);
                format!("did:key:{}", key::secp256k1_fingerprint(point.as_bytes()))
            }
            ("p256", _, Some(secret)) => {
                let key = p256::ecdsa::SigningKey::from_slice(&secret).unwrap();
                crate::cacao::did_of_passkey(key.verifying_key())
            }
            _ => continue,
        };
        assert_eq!(did, case["did"].as_str().unwrap());
        written += 1;
    }
    assert_eq!(written, 9);
}

#[test]
fn path_query_and_fragment_are_no_part_of_a_did() {
    let did = "did:key:z6Mkn75VrUrWECJni4cgugBBGKYwExJpmQZQqu7gievFv6qf";
    for end in [
        "",
        "#x",
        "?versionTime=2021-01-01T00:00:00Z",
        "/a/b",
        ";service=a",
        "/a?b#c",
    ] {
        assert_eq!(Did::parse(&format!("{did}{end}")).unwrap().as_str(), did);
    }
}

#[test]
fn text_that_is_no_did_is_refused() {
    for text in [
        "",
        "did",
        "did:",
        "did:key",
        "did:key:",
        "did::x",
        "did:KEY:z",
        "did:key:a b",
        "key:z6Mk",
        "did:a:b:",
    ] {
        assert_eq!(Did::parse(text), Err(DidError::Syntax), "{text:?}");
    }
}

#[test]
fn a_did_that_never_ends_is_refused_before_it_is_decoded() {
    let endless = format!("did:key:z{}", "1".repeat(MAX_DID_BYTES));
    assert_eq!(resolve(&endless).unwrap_err().code(), "did-too-long");
}

#[test]
fn an_ed25519_point_with_two_encodings_has_one_did() {
    // y = 1 written as p + 1, and y = 1 itself, which has no X25519 image.
    let mut high = [0xff; 32];
    high[0] = 0xee;
    high[31] = 0x7f;
    let mut neutral = [0; 32];
    neutral[0] = 1;
    for bytes in [high, neutral] {
        let bytes = [&[0xed, 0x01], bytes.as_slice()].concat();
        let did = format!("did:key:z{}", multibase::Base::Base58Btc.encode(bytes));
        assert_eq!(resolve(&did).unwrap_err().code(), "did-key");
    }
}

#[test]
fn no_text_makes_resolving_panic() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for did in [
            text.to_string(),
            format!("did:pkh:{text}"),
            format!("did:key:z{text}"),
        ] {
            if let Ok(document) = resolve(&did) {
                assert_eq!(document.to_json()["id"], document.did.as_str());
            }
        }
    });
}

#[test]
fn no_key_bytes_make_resolving_panic() {
    bolero::check!().for_each(|key: &[u8]| {
        for code in [
            &[0xed, 1][..],
            &[0xe7, 1],
            &[0x80, 0x24],
            &[0x81, 0x24],
            &[0x82, 0x24],
        ] {
            let did = format!(
                "did:key:z{}",
                multibase::Base::Base58Btc.encode([code, key].concat())
            );
            if let Ok(document) = resolve(&did) {
                document.to_json();
            }
        }
    });
}
