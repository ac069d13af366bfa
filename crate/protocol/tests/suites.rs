//! Official suites: Wycheproof for the three curves, and the test vectors of did:key.

mod common;

use std::collections::BTreeMap;

use common::file;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ostrakon_protocol::did::{self, key::PublicKey};
use ostrakon_protocol::jose::{Algorithm, verify};
use serde_json::Value;

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// A key by the multicodec that a `did:key` gives it.
fn key(codec: &[u8], bytes: &[u8]) -> PublicKey {
    let text = multibase::Base::Base58Btc.encode([codec, bytes].concat());
    PublicKey::from_fingerprint(&format!("z{text}")).unwrap()
}

/// Compares a file, apart from tests whose other verdict has a reason; each reason must still hold.
fn wycheproof(name: &str, alg: Algorithm, codec: &[u8], others: &[(u64, &str)]) {
    let (mut valid, mut invalid) = (0, 0);
    let mut wrong = Vec::new();
    for group in file(&format!("wycheproof/{name}.json"))["groups"]
        .as_array()
        .unwrap()
    {
        let key = key(codec, &hex(&group["key"]));
        for test in group["tests"].as_array().unwrap() {
            let got = verify(&hex(&test["msg"]), alg, &hex(&test["sig"]), &key).is_ok();
            let expected = test["result"] == "valid";
            valid += usize::from(expected);
            invalid += usize::from(!expected);
            let id = test["tcId"].as_u64().unwrap();
            let other = others.iter().find(|(known, _)| *known == id);
            if (got == expected) != other.is_none() {
                wrong.push(format!("{id}: {} {} {got}", test["comment"], test["flags"]));
            }
        }
    }
    println!(
        "wycheproof/{name}.json: {valid} valid, {invalid} invalid, {} judged otherwise: {others:?}",
        others.len()
    );
    assert!(valid > 80 && invalid > 60);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wycheproof_of_ed25519() {
    wycheproof("ed25519", Algorithm::EdDsa, &[0xed, 1], &[]);
}

/// Both forms of s are valid to the suite too.
#[test]
fn wycheproof_of_secp256k1() {
    wycheproof("secp256k1", Algorithm::Es256k, &[0xe7, 1], &[]);
}

#[test]
fn wycheproof_of_p256() {
    wycheproof("p256", Algorithm::Es256, &[0x80, 0x24], &[]);
}

/// The suite's documents list keys in other words than key-did-resolver 4 does, so keys are compared, not texts. Of P-521 that
/// resolver, and so ours, leaves out the zero byte that a coordinate may start with.
#[test]
fn the_test_vectors_of_did_key() {
    let base64 = |value: &Value| {
        BASE64URL_NOPAD
            .decode(value.as_str().unwrap().as_bytes())
            .unwrap()
    };
    let base58 = |value: &Value| {
        let text = value["publicKeyBase58"].as_str().unwrap();
        multibase::Base::Base58Btc.decode(text).unwrap()
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut shorter = 0;
    for case in file("did-key/did-key.json")["cases"].as_array().unwrap() {
        let did = case["did"].as_str().unwrap();
        let kind = case["type"].as_str().unwrap();
        *counts.entry(kind.to_owned()).or_default() += 1;
        let resolved = did::resolve(did);
        // Keys that sign no event are no signers, as to js; its resolver knows neither kind.
        if ["bls12381", "x25519"].contains(&kind) {
            assert_eq!(resolved.unwrap_err().code(), "did-key", "{did}");
            continue;
        }
        let document = resolved.unwrap().to_json();
        let [method] = document["verificationMethod"]
            .as_array()
            .unwrap()
            .as_slice()
        else {
            panic!("{did} has one key that signs");
        };
        let (jwk, ids) = (&case["keys"][0], case["ids"].as_array().unwrap());
        assert_eq!(document["id"], did);
        assert_eq!(method["id"], ids[0]);
        match kind {
            "ed25519" => {
                assert_eq!(base58(method), base64(&jwk["x"]));
                let agreement = &document["keyAgreement"][0];
                assert_eq!(agreement["id"], ids[1]);
                assert_eq!(base58(agreement), base64(&case["keys"][1]["x"]));
            }
            "secp256k1" => {
                let sign = 2 + (base64(&jwk["y"]).last().unwrap() & 1);
                assert_eq!(base58(method), [&[sign][..], &base64(&jwk["x"])].concat());
            }
            _ => {
                let ours = &method["publicKeyJwk"];
                assert_eq!((&ours["kty"], &ours["crv"]), (&jwk["kty"], &jwk["crv"]));
                for part in ["x", "y"] {
                    let number = |jwk: &Value| {
                        let bytes = base64(&jwk[part]);
                        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                        bytes[zeros..].to_vec()
                    };
                    assert_eq!(number(ours), number(jwk), "{did}");
                    shorter += usize::from(ours[part] != jwk[part]);
                }
            }
        }
    }
    println!("did-key/did-key.json: {counts:?}; {shorter} coordinates without their zero byte");
    assert_eq!(shorter, 4);
    assert!(counts.len() == 7 && counts.values().all(|count| *count == 3));
}
