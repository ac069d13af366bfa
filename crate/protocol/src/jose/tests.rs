use data_encoding::{BASE64, HEXLOWER};
use proptest::prelude::*;
use serde_json::Value;

use super::jws::Jws;
use super::*;
use sha2::{Digest as _, Sha256};

use crate::did::key::PublicKey;

fn vectors() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jws.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn cid_of(block: &[u8]) -> String {
    let digest = cid::multihash::Multihash::<64>::wrap(0x12, &Sha256::digest(block)).unwrap();
    Cid::new_v1(0x85, digest).to_string()
}

fn block_of(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// Whether a signature is accepted, and for whom, as `DID.verifyJWS` sees it.
fn verdict_agrees(case: &Value, got: Result<Signer, JoseError>) -> bool {
    let issuer = case["options"]["issuer"].as_str();
    let expected = &case["expected"];
    match got {
        Ok(signer) if issuer.is_none_or(|issuer| issuer == signer.did) => {
            expected["accept"] == true && expected["kid"].as_str().unwrap().starts_with(&signer.did)
        }
        _ => expected["accept"] == false,
    }
}

/// A block as dag-jose encodes and decodes it.
fn block_agrees(jws: &Jws, block: &[u8], cid: &Value, decoded: &Value) -> bool {
    jws.to_block().is_ok_and(|bytes| bytes == block)
        && *cid == cid_of(block)
        && Jws::from_block(block)
            .is_ok_and(|read| decoded.is_null() || read.to_general() == *decoded)
}

fn agrees(case: &Value) -> bool {
    let expected = &case["expected"];
    match case["op"].as_str().unwrap() {
        "jws" => {
            let compact = Jws::from_compact(case["compact"].as_str().unwrap());
            let same = match (&compact, Jws::from_general(&case["jws"])) {
                (Ok(compact), general) => general.is_ok_and(|general| general == *compact),
                (Err(_), _) => true,
            };
            same && verdict_agrees(case, compact.and_then(|jws| jws.verify()))
        }
        "dagjws" => {
            let jws = Jws::from_general(&case["jws"]).unwrap();
            let block = block_of(&case["block"]);
            case["payloadCid"] == *jws.link().unwrap().to_string()
                && block_agrees(&jws, &block, &case["cid"], &case["decoded"])
                && verdict_agrees(case, Jws::from_block(&block).unwrap().verify())
        }
        "dagjws-tampered" => {
            let jws = Jws::from_general(&case["jws"]);
            let encoded = match &jws {
                Ok(jws) if case["encode"]["accept"] == true => {
                    block_agrees(jws, &block_of(&case["block"]), &case["cid"], &Value::Null)
                }
                _ => case["encode"]["accept"] == jws.is_ok(),
            };
            encoded && verdict_agrees(case, jws.and_then(|jws| jws.verify()))
        }
        "dagjose-encode" => {
            let jws = match &case["input"] {
                Value::String(compact) => Jws::from_compact(compact),
                general => Jws::from_general(general),
            };
            let value = &expected["value"];
            match jws.and_then(|jws| jws.to_block().map(|_| jws)) {
                Ok(jws) => {
                    expected["accept"] == true
                        && block_agrees(
                            &jws,
                            &block_of(&value["block"]),
                            &value["cid"],
                            &value["decoded"],
                        )
                }
                Err(_) => expected["accept"] == false,
            }
        }
        "dagjose-decode" => match Jws::from_block(&block_of(&case["block"])) {
            Ok(jws) => expected["accept"] == true && jws.to_general() == expected["value"],
            Err(_) => expected["accept"] == false,
        },
        other => panic!("no such op: {other}"),
    }
}

#[test]
fn every_jws_is_judged_as_js_judges_it() {
    let cases = vectors();
    let disagreements: Vec<String> = cases
        .iter()
        .filter(|case| !agrees(case))
        .map(|case| {
            format!(
                "{} {}: expected {}",
                case["op"], case["name"], case["expected"]
            )
        })
        .collect();
    println!(
        "jws.json: {} of {} agree",
        cases.len() - disagreements.len(),
        cases.len()
    );
    assert!(cases.len() >= 68);
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn signing_with_a_seed_gives_the_bytes_js_gives() {
    let mut compared = 0;
    for case in vectors() {
        let (Some(seed), "dagjws") = (case["seedHex"].as_str(), case["op"].as_str().unwrap())
        else {
            continue;
        };
        let seed: [u8; 32] = HEXLOWER
            .decode(seed.as_bytes())
            .unwrap()
            .try_into()
            .unwrap();
        let signer = Ed25519Signer::from_seed(&seed);
        let given = Jws::from_general(&case["jws"]).unwrap();
        let (protected, signature) = signer.sign(&given.payload);
        assert_eq!(signer.did(), case["did"]);
        assert_eq!(
            Some(protected),
            given.signatures[0]
                .protected
                .as_ref()
                .map(|bytes| bytes.to_vec())
        );
        assert_eq!(signature, given.signatures[0].signature);
        compared += 1;
    }
    assert!(compared >= 3);
}

/// Made by dids 5.0.3.
#[test]
fn the_seed_of_sevens_signs_as_published() {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    assert_eq!(
        signer.did(),
        "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z"
    );
    let payload: Cid = "bafyreia5ycca77ovehaxzmwnwljwz7sulaitjz3v7nir4jphuhvry32mba"
        .parse()
        .unwrap();
    let (protected, signature) = signer.sign(&payload.to_bytes());
    assert!(
        data_encoding::BASE64URL_NOPAD
            .encode(&signature)
            .starts_with("-vdPA2Z4kIjVjq58")
    );
    let one = jws::JwsSignature {
        protected: Some(protected.into()),
        header: None,
        signature: signature.into(),
    };
    let block = Jws {
        payload: payload.to_bytes().into(),
        signatures: vec![one],
    }
    .to_block()
    .unwrap();
    assert_eq!(
        cid_of(&block),
        "bagcqcerauis5lpa5yn4w2llrk2j7am5b7giy2h6p3644ezgcu6i7gsfr2dgq"
    );
}

/// A signed header with `kid`, as the seed of sevens writes it.
/// Made by dids 5.0.3, with a capability for this key.
#[test]
fn what_is_signed_under_a_capability_is_what_js_signs() {
    let capability = "bafyreih3yhlkmb42t5rt3f6k72wr32saa253qtaszoez3uokt5svjyprhe";
    let signer = Ed25519Signer::from_seed(&[7; 32]).with_capability(capability.parse().unwrap());
    let payload: Cid = "bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae"
        .parse()
        .unwrap();
    let (protected, signature) = signer.sign(&payload.to_bytes());
    let did = signer.did();
    let fragment = did.strip_prefix("did:key:").unwrap();
    let header =
        format!(r##"{{"alg":"EdDSA","cap":"ipfs://{capability}","kid":"{did}#{fragment}"}}"##);
    assert_eq!(String::from_utf8(protected).unwrap(), header);
    assert_eq!(
        data_encoding::BASE64URL_NOPAD.encode(&signature),
        "ynilBks4AwHgPoD9AZoniAo7bvD5zUMh6hkvpN0NCVfJLKckRFw_YYuOCCJ_TqZ3W88PYQV1oglmIYpQBBZWDg"
    );
}

fn signed(kid: &str, more: &str) -> Result<Signer, JoseError> {
    use ed25519_dalek::Signer as _;
    let protected = format!(r#"{{"alg":"EdDSA","kid":"{kid}"{more}}}"#);
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let signature = key.sign(&signing_input(protected.as_bytes(), b"payload"));
    verify_one(b"payload", protected.as_bytes(), &signature.to_bytes())
}

#[test]
fn the_fragment_of_the_kid_does_not_matter() {
    let did = Ed25519Signer::from_seed(&[7; 32]).did().to_owned();
    for end in [
        "",
        "#wrong",
        "?version=1",
        "?versionTime=2020-01-01T00:00:00Z#x",
    ] {
        assert_eq!(signed(&format!("{did}{end}"), "").unwrap().did, did);
    }
}

#[test]
fn a_capability_is_handed_on_and_a_malformed_one_refused() {
    let did = Ed25519Signer::from_seed(&[7; 32]).did().to_owned();
    let cid = "bafyreia5ycca77ovehaxzmwnwljwz7sulaitjz3v7nir4jphuhvry32mba";
    let signer = signed(&did, &format!(r#","cap":"ipfs://{cid}""#)).unwrap();
    assert_eq!(signer.cap.unwrap().to_string(), cid);
    assert_eq!(
        signed(&did, r#","cap":"ipfs://nonsense""#)
            .unwrap_err()
            .code(),
        "jws-header"
    );
    assert_eq!(
        signed(&did, r#","cap":7"#).unwrap_err().code(),
        "jws-header"
    );
}

#[test]
fn another_key_in_the_kid_is_refused() {
    let other = Ed25519Signer::from_seed(&[8; 32]).did().to_owned();
    assert_eq!(signed(&other, "").unwrap_err(), JoseError::Signature);
    assert_eq!(
        signed(
            "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a",
            ""
        )
        .unwrap_err(),
        JoseError::Signature
    );
    assert_eq!(signed("did:3:kjzl6", "").unwrap_err().code(), "did-3");
    assert_eq!(signed("", "").unwrap_err(), JoseError::NoKid);
}

#[test]
fn a_header_says_what_is_wrong_with_it() {
    let code = |text: &str| Header::parse(text.as_bytes()).unwrap_err().code();
    assert_eq!(code(""), "jws-header");
    assert_eq!(code("[]"), "jws-header");
    assert_eq!(code(r#"{"alg":"EdDSA"}"#), "jws-no-kid");
    assert_eq!(code(r#"{"kid":"did:key:z"}"#), "jws-header");
    for alg in ["none", "ES384", "ES512", "HS256", "eddsa"] {
        assert_eq!(
            code(&format!(r#"{{"alg":"{alg}","kid":"did:key:z"}}"#)),
            "jws-algorithm"
        );
    }
    assert_eq!(
        code(&" ".repeat(MAX_PROTECTED_BYTES + 1)),
        "jws-header-too-long"
    );
}

#[test]
fn padding_in_the_compact_form_is_refused() {
    let good = vectors()[0]["compact"].as_str().unwrap().to_owned();
    assert!(Jws::from_compact(&good).is_ok());
    for bad in [
        format!("{good}="),
        format!("{good}."),
        good.replacen('.', "..", 1),
        String::new(),
    ] {
        assert_eq!(Jws::from_compact(&bad).unwrap_err().code(), "jws-format");
    }
}

/// S + L is the same number modulo the group order; accepting it would give every event two envelopes.
#[test]
fn an_ed25519_signature_with_a_large_s_is_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let (protected, mut signature) = signer.sign(b"payload");
    assert!(verify_one(b"payload", &protected, &signature).is_ok());
    let mut carry = 0_u16;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(
        verify_one(b"payload", &protected, &signature),
        Err(JoseError::Signature)
    );
}

#[test]
fn a_recovered_key_must_be_the_one_named() {
    let key = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let (signature, id) = key.sign_recoverable(b"input");
    let public = PublicKey::Secp256k1(key.verifying_key().to_sec1_bytes().to_vec());
    let good = [signature.to_vec(), vec![id.to_byte()]].concat();
    let turned = [signature.to_vec(), vec![id.to_byte() ^ 1]].concat();
    assert!(verify(b"input", Algorithm::Es256kR, &good, &public).is_ok());
    assert!(verify(b"input", Algorithm::Es256kR, &good[..64], &public).is_ok());
    assert!(verify(b"input", Algorithm::Es256kR, &turned, &public).is_err());
    assert!(verify(b"output", Algorithm::Es256kR, &good, &public).is_err());
    assert!(verify(b"input", Algorithm::Es256k, &good, &public).is_err());
}

#[test]
fn an_algorithm_that_does_not_fit_the_key_is_refused() {
    use p256::ecdsa::signature::Signer as _;
    let key = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let signature: p256::ecdsa::Signature = key.sign(b"input");
    let sec1 = key.verifying_key().to_sec1_bytes().to_vec();
    assert!(
        verify(
            b"input",
            Algorithm::Es256,
            &signature.to_vec(),
            &PublicKey::P256(sec1.clone())
        )
        .is_ok()
    );
    for alg in [Algorithm::EdDsa, Algorithm::Es256k, Algorithm::Es256kR] {
        assert!(
            verify(
                b"input",
                alg,
                &signature.to_vec(),
                &PublicKey::P256(sec1.clone())
            )
            .is_err()
        );
    }
    assert!(
        verify(
            b"input",
            Algorithm::Es256,
            &signature.to_vec(),
            &PublicKey::Secp256k1(sec1)
        )
        .is_err()
    );
}

/// A valid signature of each algorithm, with its parts.
fn samples() -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let parts = |case: &Value| {
        let jws = Jws::from_general(&case["jws"]).unwrap();
        let one = jws.signatures[0].clone();
        (
            jws.payload.to_vec(),
            one.protected.unwrap().to_vec(),
            one.signature.to_vec(),
        )
    };
    vectors()
        .iter()
        .filter(|case| case["op"] == "dagjws")
        .map(parts)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_flipped_bit_anywhere_in_a_signed_event_is_refused(sample in prop::sample::select(samples()), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (mut payload, mut protected, mut signature) = sample;
        prop_assert!(verify_one(&payload, &protected, &signature).is_ok());
        let place = at.index(payload.len() + protected.len() + signature.len());
        let byte = payload.iter_mut().chain(&mut protected).chain(&mut signature).nth(place).unwrap();
        *byte ^= 1 << bit;
        prop_assert!(verify_one(&payload, &protected, &signature).is_err());
    }
}

#[test]
fn no_header_bytes_make_parsing_panic() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = Header::parse(bytes);
    });
}

#[test]
fn no_bytes_make_reading_a_jws_panic_and_what_is_read_is_written_alike() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(jws) = Jws::from_block(bytes) {
            assert_eq!(Jws::from_block(&jws.to_block().unwrap()).unwrap(), jws);
            let _ = jws.verify();
        }
        if let Some(jws) = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| Jws::from_compact(text).ok())
        {
            let _ = jws.verify();
        }
        if let Ok(json) = serde_json::from_slice::<Value>(bytes) {
            let _ = Jws::from_general(&json);
        }
    });
}
