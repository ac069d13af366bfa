use data_encoding::{BASE64, HEXLOWER};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::did::key::PublicKey;
use crate::jose::Ed25519Signer;
use crate::jose::jwe::{DecryptionKey, MAX_RECIPIENTS};

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jwe.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn did(seed: u8) -> String {
    Ed25519Signer::from_seed(&[seed; 32]).did().to_owned()
}

fn key(seed: u8) -> DecryptionKey {
    DecryptionKey::from_seed(&[seed; 32])
}

fn to(seeds: &[u8]) -> Vec<AgreementKey> {
    let keys = seeds
        .iter()
        .map(|seed| AgreementKey::of_did(&did(*seed)).unwrap());
    keys.flatten().collect()
}

/// Different in every byte, and the same in every run.
fn random(keys: usize) -> Random {
    let bytes = (0..Random::bytes_for(keys)).map(|n| (n * 7 + n / 256) as u8);
    Random::new(bytes.collect())
}

fn encrypted(content: &[u8], seeds: &[u8]) -> Jwe {
    Jwe::encrypt(
        content,
        &to(seeds),
        &Legible::default(),
        random(seeds.len()),
    )
    .unwrap()
}

#[test]
fn every_reader_of_the_vectors_gets_what_dids_gives_them() {
    let (mut opened, mut refused, mut values) = (0, 0, 0);
    for case in cases() {
        let jwe = Jwe::from_general(&case["jwe"]).unwrap();
        for reader in case["expected"]["byReader"].as_array().unwrap() {
            let seed = HEXLOWER
                .decode(reader["seedHex"].as_str().unwrap().as_bytes())
                .unwrap();
            let seed = seed.try_into().unwrap();
            let name = &case["name"];
            let signer = Ed25519Signer::from_seed(&seed);
            assert_eq!(signer.did(), reader["did"]);
            let keys = [DecryptionKey::from_seed(&seed)];
            let got = jwe.decrypt(&keys);
            assert_eq!(reader["accept"], got.is_ok(), "{name}: {:?}", got.err());
            match got {
                Ok(text) if case["op"] == "decryptDagJWE" => {
                    let value = value::read(&text).unwrap();
                    let shown = vector_json(&value);
                    assert_eq!(shown, reader["cleartext"], "{name}");
                    assert_eq!(*value::written(&value).unwrap(), *text, "{name}");
                    values += 1;
                }
                Ok(text) => {
                    if let Some(expected) = reader["cleartextBase64"].as_str() {
                        assert_eq!(BASE64.encode(&text), expected, "{name}");
                    }
                    opened += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!(
        "jwe.json: {opened} texts and {values} values decrypted alike, {refused} refused alike"
    );
    assert_eq!((opened, values, refused), (19, 9, 42));
}

/// As the vectors show links and bytes.
fn vector_json(value: &Ipld) -> Value {
    match value {
        Ipld::Bytes(bytes) => json!({ "$bytes": BASE64.encode(bytes) }),
        Ipld::List(list) => list.iter().map(vector_json).collect(),
        Ipld::Map(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), vector_json(value)))
            .collect(),
        other => crate::json::to_json(other),
    }
}

/// Every recipient of the vectors: their key id is the one we would write.
#[test]
fn the_keys_of_a_did_are_named_as_dids_names_them() {
    let mut named = 0;
    for case in cases() {
        for recipient in case["jwe"]["recipients"].as_array().into_iter().flatten() {
            let Some(kid) = recipient["header"]["kid"].as_str() else {
                continue;
            };
            let keys = AgreementKey::of_did(kid).unwrap();
            let kids: Vec<&str> = keys.iter().map(AgreementKey::kid).collect();
            assert_eq!(kids, [kid]);
            named += 1;
        }
    }
    assert!(named >= 30);
}

#[test]
fn what_is_encrypted_has_the_form_of_the_vectors() {
    let shape = |jwe: &Value| {
        let mut jwe = jwe.clone();
        for name in ["iv", "ciphertext", "tag"] {
            jwe[name] = json!(jwe[name].as_str().unwrap().len());
        }
        for recipient in jwe["recipients"].as_array_mut().unwrap() {
            recipient["encrypted_key"] = json!(recipient["encrypted_key"].as_str().unwrap().len());
            let header = recipient["header"].as_object_mut().unwrap();
            for name in ["iv", "tag"] {
                header[name] = json!(header[name].as_str().unwrap().len());
            }
            header["epk"]["x"] = json!(header["epk"]["x"].as_str().unwrap().len());
        }
        jwe
    };
    let mut compared = 0;
    for case in cases() {
        let Some(dids) = case["recipients"].as_array() else {
            continue;
        };
        let to: Vec<AgreementKey> = dids
            .iter()
            .flat_map(|did| AgreementKey::of_did(did.as_str().unwrap()).unwrap())
            .collect();
        let reader = &case["expected"]["byReader"][0];
        let seed = HEXLOWER
            .decode(reader["seedHex"].as_str().unwrap().as_bytes())
            .unwrap();
        let keys = [DecryptionKey::from_seed(&seed.try_into().unwrap())];
        let theirs = Jwe::from_general(&case["jwe"]).unwrap();
        let (none, random) = (Legible::default(), random(to.len()));
        let ours = match case["op"].as_str().unwrap() {
            "decryptDagJWE" => {
                let value = theirs.decrypt_value(&keys).unwrap();
                let ours = Jwe::encrypt_value(&value, &to, &none, random).unwrap();
                assert_eq!(ours.decrypt_value(&keys), Ok(value));
                ours
            }
            _ => {
                let text = theirs.decrypt(&keys).unwrap();
                let ours = Jwe::encrypt(&text, &to, &none, random).unwrap();
                assert_eq!(ours.decrypt(&keys), Ok(text));
                ours
            }
        };
        assert_eq!(
            shape(&ours.to_general()),
            shape(&case["jwe"]),
            "{}",
            case["name"]
        );
        compared += 1;
    }
    assert!(compared >= 10);
}

#[test]
fn the_protected_header_and_more_bytes_are_authenticated_and_written_as_dids_writes_them() {
    let legible = Legible {
        header: json!({ "custom": "open", "alg": "none", "enc": "none" })
            .as_object()
            .unwrap()
            .clone(),
        aad: Bytes::from_static(b"beside"),
    };
    let jwe = Jwe::encrypt(b"secret", &to(&[1]), &legible, random(1)).unwrap();
    assert_eq!(
        jwe.protected,
        r#"{"custom":"open","enc":"XC20P"}"#.as_bytes()
    );
    assert_eq!(**jwe.decrypt(&[key(1)]).unwrap(), *b"secret");
    for changed in [
        Jwe {
            aad: None,
            ..jwe.clone()
        },
        Jwe {
            aad: Some(Bytes::from_static(b"besides")),
            ..jwe.clone()
        },
        Jwe {
            protected: r#"{"custom":"shut","enc":"XC20P"}"#.into(),
            ..jwe.clone()
        },
    ] {
        assert_eq!(
            changed.decrypt(&[key(1)]).unwrap_err(),
            JweError::NotForThisKey
        );
    }
}

#[test]
fn a_change_of_any_bit_is_noticed() {
    let jwe = encrypted(b"attack at dawn", &[1]);
    let flip = |bytes: &Bytes, bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Bytes::from(bytes)
    };
    let mut tried = 0;
    for bit in 0..jwe.ciphertext.len() * 8 {
        let changed = Jwe {
            ciphertext: flip(&jwe.ciphertext, bit),
            ..jwe.clone()
        };
        assert_eq!(
            changed.decrypt(&[key(1)]).unwrap_err(),
            JweError::NotForThisKey
        );
        tried += 1;
    }
    for bit in 0..16 * 8 {
        let changed = Jwe {
            tag: flip(&jwe.tag, bit),
            ..jwe.clone()
        };
        assert_eq!(
            changed.decrypt(&[key(1)]).unwrap_err(),
            JweError::NotForThisKey
        );
        let mut changed = jwe.clone();
        let recipient = &mut changed.recipients.as_mut().unwrap()[0];
        recipient.encrypted_key = recipient
            .encrypted_key
            .as_ref()
            .map(|bytes| flip(bytes, bit));
        assert_eq!(
            changed.decrypt(&[key(1)]).unwrap_err(),
            JweError::NotForThisKey
        );
        tried += 2;
    }
    assert!(tried > 300);
}

#[test]
fn the_first_of_several_keys_that_fits_decrypts() {
    let jwe = encrypted(b"secret", &[1, 2, 3]);
    assert_eq!(**jwe.decrypt(&[key(9), key(3)]).unwrap(), *b"secret");
    assert_eq!(
        jwe.decrypt(&[key(9)]).unwrap_err().code(),
        "jwe-not-for-this-key"
    );
    assert_eq!(jwe.decrypt(&[]).unwrap_err().code(), "jwe-not-for-this-key");
}

#[test]
fn who_cannot_be_encrypted_to_is_named() {
    let code = |did: &str| AgreementKey::of_did(did).unwrap_err().code();
    let pkh = "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a";
    assert_eq!(code(pkh), "jwe-no-key");
    assert!(
        AgreementKey::of_did(pkh)
            .unwrap_err()
            .to_string()
            .contains(pkh)
    );
    // secp256k1 signs only.
    assert_eq!(
        code("did:key:zQ3shtHeqzAgR15CuzroByyepvmupnhkXVte3Un5Njxkpwfk9"),
        "jwe-no-key"
    );
    assert_eq!(
        code("did:3:kjzl6cwe1jw147vqbn6xnm30i4k94mxu1y9gz3oogtqagsqnz5jaivelwndm0et"),
        "did-3"
    );
    assert_eq!(code("did:web:example.org"), "did-method");
    assert_eq!(code("nobody"), "did-syntax");
}

#[test]
fn nothing_for_nobody_with_too_little_chance_or_too_much_content_is_encrypted() {
    let none = Legible::default();
    let code = |content: &[u8], to: &[AgreementKey], random| {
        Jwe::encrypt(content, to, &none, random).unwrap_err().code()
    };
    assert_eq!(code(b"x", &[], random(1)), "jwe-no-recipients");
    assert_eq!(code(b"", &to(&[1]), random(1)), "jwe-empty");
    assert_eq!(code(b"x", &to(&[1, 2]), random(1)), "jwe-randomness");
    assert_eq!(
        code(b"x", &to(&[1]), Random::new(Vec::new())),
        "jwe-randomness"
    );
    let crowd = vec![to(&[1])[0].clone(); MAX_RECIPIENTS + 1];
    assert_eq!(
        code(b"x", &crowd, random(crowd.len())),
        "jwe-too-many-recipients"
    );
    for size in [MAX_JWE_BYTES, MAX_JWE_BYTES + 1] {
        assert_eq!(code(&vec![0; size], &to(&[1]), random(1)), "jwe-too-large");
    }
    let deep = (0..=crate::cbor::MAX_DEPTH).fold(Ipld::Null, |inner, _| Ipld::List(vec![inner]));
    let error = Jwe::encrypt_value(&deep, &to(&[1]), &none, random(1)).unwrap_err();
    assert_eq!(error.code(), "jwe-value");
}

/// Points of small order: whoever else is asked, the secret would be zero.
#[test]
fn a_key_nobody_can_agree_with_is_refused_on_either_side() {
    let mut small = [0; 32];
    for first in [0, 1] {
        small[0] = first;
        let bad = AgreementKey {
            kid: "x".to_owned(),
            key: small,
        };
        let error = Jwe::encrypt(b"x", &[bad], &Legible::default(), random(1)).unwrap_err();
        assert_eq!(error.code(), "jwe-bad-key");
        let mut jwe = encrypted(b"x", &[1]).to_general();
        jwe["recipients"][0]["header"]["epk"]["x"] = json!(BASE64URL_NOPAD.encode(&small));
        let error = Jwe::from_general(&jwe)
            .unwrap()
            .decrypt(&[key(1)])
            .unwrap_err();
        assert_eq!(error.code(), "jwe-bad-key");
    }
}

#[test]
fn who_is_named_is_tried_first() {
    let mut jwe = encrypted(b"x", &[1, 2]).to_general();
    jwe["recipients"][0]["header"]["epk"]["x"] = json!(BASE64URL_NOPAD.encode(&[0; 32]));
    let read = |jwe: &Value| {
        let jwe = Jwe::from_general(jwe).unwrap();
        jwe.decrypt(&[key(2)]).map_err(|error| error.code())
    };
    assert_eq!(**read(&jwe).unwrap(), *b"x");
    // Who is not named tries all in turn.
    let kid = jwe["recipients"][1]["header"]["kid"].take();
    assert_eq!(read(&jwe), Err("jwe-bad-key"));
    // A name is no more than a hint.
    jwe["recipients"][0] = encrypted(b"x", &[1]).to_general()["recipients"][0].take();
    jwe["recipients"][0]["header"]["kid"] = kid;
    assert_eq!(**read(&jwe).unwrap(), *b"x");
}

/// The verdicts are did-jwt 7.4.7's.
#[test]
fn a_malformed_recipient_before_the_own_one_spoils_all_or_is_passed_over_as_in_js() {
    let good = encrypted(b"x", &[1, 2]).to_general();
    let judged = |change: &dyn Fn(&mut Value)| {
        let mut jwe = good.clone();
        change(&mut jwe["recipients"][0]);
        let jwe = Jwe::from_general(&jwe).unwrap();
        jwe.decrypt(&[key(2)])
            .map_or_else(|error| error.code(), |_| "opened")
    };
    assert_eq!(judged(&|_| ()), "opened");
    assert_eq!(judged(&|one| one["header"]["alg"] = json!("dir")), "opened");
    assert_eq!(judged(&|one| one["header"]["epk"] = json!(true)), "opened");
    assert_eq!(
        judged(&|one| one["header"]["epk"]["crv"] = json!("P-256")),
        "opened"
    );
    assert_eq!(
        judged(&|one| one["header"]["epk"] = json!({ "crv": "X25519" })),
        "opened"
    );
    assert_eq!(judged(&|one| one["header"]["iv"] = json!("AAAA")), "opened");
    assert_eq!(
        judged(&|one| one["header"]["apu"] = json!("AAAA")),
        "opened"
    );
    assert_eq!(judged(&|one| one["header"]["kid"] = json!(5)), "opened");
    for name in ["epk", "iv", "tag"] {
        for bad in [Value::Null, json!(""), json!(false), json!(0)] {
            let code = judged(&|one| one["header"][name] = bad.clone());
            assert_eq!(code, "jwe-format", "{name} {bad}");
        }
    }
    assert_eq!(
        judged(&|one| one["header"]["tag"] = json!("*")),
        "jwe-format"
    );
    assert_eq!(judged(&|one| one["header"]["apv"] = json!(7)), "jwe-format");
    assert_eq!(
        judged(&|one| one["header"]["epk"]["x"] = json!("AAAA")),
        "jwe-bad-key"
    );
    assert_eq!(judged(&|one| one["header"] = Value::Null), "jwe-format");
    assert_eq!(
        judged(&|one| one["encrypted_key"] = json!("")),
        "jwe-format"
    );
}

#[test]
fn fields_of_the_protected_header_go_before_those_of_a_recipient() {
    let legible = Legible {
        header: json!({ "iv": "AAAA" }).as_object().unwrap().clone(),
        ..Legible::default()
    };
    let jwe = Jwe::encrypt(b"x", &to(&[1]), &legible, random(1)).unwrap();
    assert_eq!(jwe.decrypt(&[key(1)]).unwrap_err(), JweError::NotForThisKey);
}

#[test]
fn content_that_is_no_value_is_refused_as_one() {
    let read = |bytes: &[u8]| {
        let jwe = encrypted(bytes, &[1]);
        jwe.decrypt_value(&[key(1)]).map_err(|error| error.code())
    };
    assert_eq!(read(&[1, 0x71, 0, 1, 0xf6]), Ok(Ipld::Null));
    // Only the length counts, not what follows.
    assert_eq!(read(&[1, 0x71, 0, 1, 0xf6, 7, 7]), Ok(Ipld::Null));
    for bad in [
        &[1][..],
        &[1, 0x71, 0, 2, 0xf6],
        &[1, 0x71, 0, 2, 0xf6, 0xf6],
        &[1, 0x55, 0, 1, 0xf6],
        &[1, 0x71, 0x12, 1, 0xf6],
        &[0x12, 0x20, 0, 0],
        &[1, 0x71, 0, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ] {
        assert_eq!(read(bad), Err("jwe-value"), "{bad:?}");
    }
}

#[test]
fn a_value_is_padded_to_whole_steps() {
    for length in 0..60 {
        let value = Ipld::Bytes(vec![7; length]);
        let bytes = value::written(&value).unwrap();
        assert!(bytes.len().is_multiple_of(24) && bytes.len() < length + 4 + 3 + 24);
        assert_eq!(value::read(&bytes), Ok(value));
    }
}

#[test]
fn a_did_key_and_its_seed_are_two_halves_of_one_key() {
    for seed in 0..20 {
        let signing = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey::Ed25519(signing.verifying_key()).key_agreement();
        assert_eq!(public, Some(key(seed).public()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_encrypted_is_decrypted_by_each_recipient_from_either_form(
        content in prop::collection::vec(any::<u8>(), 1..200),
        seeds in prop::collection::vec(0_u8..9, 1..5),
    ) {
        let jwe = encrypted(&content, &seeds);
        let text = Jwe::from_general(&jwe.to_general()).unwrap();
        let block = Jwe::from_block(jwe.to_block().unwrap().bytes()).unwrap();
        for seed in seeds {
            prop_assert_eq!(&**text.decrypt(&[key(seed)]).unwrap(), &content);
            prop_assert_eq!(&**block.decrypt(&[key(seed)]).unwrap(), &content);
        }
    }

    #[test]
    fn values_come_back(value in crate::cbor::tests::any_ipld()) {
        let value = crate::cbor::decode(&crate::cbor::encode(&value).unwrap()).unwrap();
        let jwe = Jwe::encrypt_value(&value, &to(&[1]), &Legible::default(), random(1)).unwrap();
        prop_assert_eq!(jwe.decrypt_value(&[key(1)]), Ok(value));
    }
}

#[test]
fn no_bytes_make_decrypting_panic() {
    let good = encrypted(b"secret", &[1, 2]).to_block().unwrap();
    let keys = [key(1)];
    bolero::check!().for_each(|bytes: &[u8]| {
        for bytes in [bytes.to_vec(), [good.bytes(), bytes].concat()] {
            if let Ok(jwe) = Jwe::from_block(&bytes) {
                let _ = jwe.decrypt_value(&keys);
            }
        }
        let mut changed = good.bytes().to_vec();
        for (at, byte) in bytes.iter().enumerate().take(20) {
            let at = (at * 97 + usize::from(*byte) * 3) % changed.len();
            changed[at] ^= byte;
        }
        if let Ok(jwe) = Jwe::from_block(&changed) {
            let _ = jwe.decrypt_value(&keys);
        }
        let _ = value::read(bytes);
    });
}
