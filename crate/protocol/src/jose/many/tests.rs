use cid::Cid;
use proptest::prelude::*;

use super::*;
use crate::event::Signature;
use crate::jose::Ed25519Signer;

fn envelope(seed: u8, payload: u8) -> Envelope {
    let digest = cid::multihash::Multihash::wrap(0x12, &[payload; 32]).unwrap();
    let payload = Cid::new_v1(0x71, digest);
    let (protected, signature) = Ed25519Signer::from_seed(&[seed; 32]).sign(&payload.to_bytes());
    let signature = Signature {
        protected: protected.into(),
        signature: signature.into(),
    };
    Envelope {
        payload,
        signatures: vec![signature],
    }
}

/// What a sender may do to an event.
fn damaged(mut envelope: Envelope, damage: u8) -> Envelope {
    let Some(one) = envelope.signatures.first_mut() else {
        return envelope;
    };
    let mut bytes = one.signature.to_vec();
    let mut protected = one.protected.to_vec();
    match damage {
        0 => bytes[3] ^= 1,
        1 => bytes[40] ^= 1,
        2 => bytes.truncate(63),
        3 => bytes.fill(0),
        4 => protected.truncate(9),
        5 => protected =
            br#"{"alg":"ES256","kid":"did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"}"#
                .to_vec(),
        6 => protected = br#"{"alg":"EdDSA","kid":"did:key:z6MkTheKeyThatIsNone"}"#.to_vec(),
        7 => protected.extend_from_slice(b" "),
        8 => envelope.signatures.clear(),
        9 => envelope.signatures.push(envelope.signatures[0].clone()),
        _ => {}
    }
    if let [one] = envelope.signatures.as_mut_slice() {
        one.signature = bytes.into();
        one.protected = protected.into();
    }
    envelope
}

fn agree(envelopes: &[Envelope]) {
    let singles: Vec<_> = envelopes.iter().map(verify_envelope).collect();
    assert_eq!(verify_envelopes(envelopes), singles);
}

#[test]
fn one_bad_signature_leaves_every_other_verdict_as_it_is() {
    for damage in 0..10 {
        let mut envelopes: Vec<Envelope> = (0..20).map(|n| envelope(n % 3, n)).collect();
        let last = envelopes.remove(7);
        envelopes.insert(7, damaged(last, damage));
        let verdicts = verify_envelopes(&envelopes);
        assert!(verdicts[7].is_err(), "{damage}");
        assert_eq!(verdicts.iter().filter(|it| it.is_ok()).count(), 19);
        agree(&envelopes);
    }
}

#[test]
fn the_jws_of_the_vectors_are_judged_together_as_they_are_one_by_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jws.json");
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let blocks = file["cases"].as_array().unwrap().iter();
    let blocks = blocks.filter_map(|case| case["block"].as_str());
    let envelopes: Vec<Envelope> = blocks
        .filter_map(|block| {
            Envelope::read(&data_encoding::BASE64.decode(block.as_bytes()).unwrap()).ok()
        })
        .collect();
    assert!(envelopes.len() >= 10, "{}", envelopes.len());
    agree(&envelopes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_batch_gives_the_verdicts_of_its_signatures_one_by_one(
        made in prop::collection::vec((0..4_u8, any::<u8>(), 0..40_u8), 0..40),
    ) {
        let made = made.into_iter();
        let envelopes: Vec<Envelope> =
            made.map(|(seed, payload, damage)| damaged(envelope(seed, payload), damage)).collect();
        agree(&envelopes);
    }
}
