use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::{EdwardsPoint, Scalar};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

struct Case {
    name: String,
    key: [u8; 32],
    message: Vec<u8>,
    signature: Vec<u8>,
    accept: bool,
}

fn vectors() -> Vec<Case> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/ed25519.json"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let hex = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    cases
        .map(|case| Case {
            name: case["name"].as_str().unwrap().to_owned(),
            key: hex(&case["key"]).try_into().unwrap(),
            message: hex(&case["message"]),
            signature: hex(&case["signature"]),
            accept: case["accept"].as_bool().unwrap(),
        })
        .collect()
}

fn batch<'a>(cases: impl IntoIterator<Item = &'a Case>) -> bool {
    let mut batch = Batch::default();
    let mut cases = cases.into_iter();
    cases.all(|case| {
        let (start, end) = case.message.split_at(case.message.len() / 2);
        batch.by(&case.key, start.to_vec());
        batch.queue(end, &case.signature)
    }) && batch.verify()
}

#[test]
fn an_encoding_is_canonical_if_the_point_is_written_like_that() {
    let mut points = 0;
    for low in 0..=255 {
        for (fill, sign) in [(0, 0), (0, 0x80), (0xff, 0), (0xff, 0x80)] {
            let mut bytes = [fill; 32];
            (bytes[0], bytes[31]) = (low, bytes[31] & 0x7f | sign);
            if let Ok(key) = VerifyingKey::from_bytes(&bytes) {
                points += 1;
                let written = key.to_edwards().compress().to_bytes();
                assert_eq!(is_canonical(&bytes), written == bytes, "{bytes:?}");
                assert_eq!(canonical(bytes), Some(written));
            }
        }
    }
    assert!(points > 400, "{points}");
}

#[test]
fn small_order_mixed_order_and_other_encodings_are_judged_as_noble_judges_them() {
    let cases = vectors();
    let wrong = cases
        .iter()
        .filter(|case| verify(&case.key, &case.message, &case.signature) != case.accept);
    let wrong: Vec<&str> = wrong.map(|case| case.name.as_str()).collect();
    println!(
        "ed25519.json: {} of {} agree",
        cases.len() - wrong.len(),
        cases.len()
    );
    assert!(cases.len() >= 372);
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_batch_of_one_agrees_with_the_single_check_on_every_known_point() {
    for case in vectors() {
        assert_eq!(batch([&case]), case.accept, "{}", case.name);
    }
}

#[test]
fn all_valid_ones_pass_together_and_none_of_the_invalid_ones_hides_among_them() {
    let (valid, invalid): (Vec<Case>, Vec<Case>) =
        vectors().into_iter().partition(|case| case.accept);
    assert!(batch(&valid));
    assert!(valid.chunks(32).all(batch));
    for one in &invalid {
        assert!(!batch(valid.iter().take(40).chain([one])), "{}", one.name);
    }
}

/// A signature made on purpose: small-order points added to the key and to R, and S off by what is asked.
fn crafted(seed: u8, key_torsion: usize, r_torsion: usize, off: u64) -> Case {
    let secret = Scalar::from(1_000_003_u64 + u64::from(seed));
    let nonce = Scalar::from(7_000_001_u64 + u64::from(seed));
    let key = EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[key_torsion];
    let r = EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[r_torsion];
    let (key, r) = (key.compress().to_bytes(), r.compress().to_bytes());
    let message = vec![seed; 40];
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(&message);
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let s = nonce + k * secret + Scalar::from(off);
    Case {
        name: String::new(),
        key,
        message,
        signature: [r, s.to_bytes()].concat(),
        accept: off == 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_batch_holds_exactly_if_each_of_its_signatures_does(
        made in prop::collection::vec((any::<u8>(), 0..8_usize, 0..8_usize, prop_oneof![9 => Just(0), 1 => 1..9_u64]), 0..24),
    ) {
        let cases: Vec<Case> = made.into_iter().map(|(seed, key, r, off)| crafted(seed, key, r, off)).collect();
        for case in &cases {
            prop_assert_eq!(verify(&case.key, &case.message, &case.signature), case.accept);
        }
        prop_assert_eq!(batch(&cases), cases.iter().all(|case| case.accept));
    }
}

#[test]
fn errors_that_cancel_each_other_out_are_still_found() {
    // S too large by d in one and too small by d in the other: the plain sum of the two equations is 0.
    let one = crafted(1, 0, 0, 5);
    let mut two = crafted(2, 0, 0, 0);
    let s = Scalar::from_canonical_bytes(two.signature[32..].try_into().unwrap()).unwrap();
    two.signature
        .splice(32.., (s - Scalar::from(5_u64)).to_bytes());
    assert!(!batch([&one, &two]));
    assert!(!batch([&two, &one]));
}

#[test]
fn the_coefficients_depend_on_every_byte_of_the_batch() {
    let coefficients = |key: u8, message: &[u8], signature: u8| {
        let mut batch = Batch::default();
        batch.by(&[key; 32], message[..1].to_vec());
        assert!(batch.queue(&message[1..], &[signature; 64]));
        assert!(batch.queue(b"next", &[signature; 64]));
        let mut bytes = [0; 160];
        let Ok(()) = Coefficients::of(batch.transcript).try_fill_bytes(&mut bytes);
        bytes
    };
    let one = coefficients(1, b"message", 3);
    assert_eq!(one, coefficients(1, b"message", 3));
    assert_ne!(one, coefficients(2, b"message", 3));
    assert_ne!(one, coefficients(1, b"messagd", 3));
    assert_ne!(one, coefficients(1, b"nessage", 3));
    assert_ne!(one, coefficients(1, b"message", 4));
    let drawn: std::collections::HashSet<&[u8]> = one.chunks(16).collect();
    assert_eq!(drawn.len(), 10);
}
