//! What a hostile sender tries: each is refused with a code, at once, and changes nothing.

mod common;

use common::session::Account;
use common::world::{Tile, WORLD};
use multihash::Multihash;
use ostrakon_protocol::event::{Envelope, Signature};
use ostrakon_protocol::{Block, Cid, Document, Ipld, car, cbor, json};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What hearing of a tip is refused with, and that the document is as before.
fn refused(tile: &Tile, tip: &Cid) -> &'static str {
    let mut document = tile.document();
    let before = document.state().clone();
    let heard = tile.hear(&mut document, tip);
    assert_eq!(document.state(), &before);
    heard.refused.expect("refused").code()
}

#[test]
fn an_event_with_ten_thousand_signatures_is_refused_without_checking_one() {
    let mut tile = Tile::new();
    let good = tile.write(*tile.stream.init(), 1);
    let mut envelope = Envelope::read(tile.blocks[&good].bytes()).unwrap();
    let nothing = Signature {
        protected: Default::default(),
        signature: Default::default(),
    };
    envelope.signatures.resize(10_000, nothing);
    let root = envelope.write().unwrap();
    let payload = tile.blocks[&envelope.payload].clone();
    let tip = tile.add([payload, root]);
    assert_eq!(refused(&tile, &tip), "jws-signature-count");
}

#[test]
fn a_capability_of_a_megabyte_is_no_block_and_the_event_that_names_it_is_refused() {
    let bytes = cbor::encode(&Ipld::Bytes(vec![0; 1 << 20])).unwrap();
    let digest = Sha256::digest(&bytes);
    let huge = Cid::new_v1(0x71, Multihash::wrap(0x12, &digest).unwrap());
    let refusal = Block::verify(huge, bytes).unwrap_err();
    assert_eq!(refusal.code(), "block-too-large");

    let mut account = Account::new(None);
    let init = *account.stream.init();
    let tip = account.write(init, 1, Some(huge));
    let mut document = Document::verify(account.walk(&init, None), &WORLD).unwrap();
    let heard = account.hear(&mut document, &tip, &WORLD);
    assert_eq!(heard.refused.expect("refused").code(), "needs-capability");
    assert_eq!(document.tip(), &init);
}

#[test]
fn a_patch_that_copies_itself_to_gigabytes_is_refused_and_leaves_the_content() {
    let mut tile = Tile::new();
    let grow = json!([{ "op": "add", "path": "/a", "value": "x".repeat(1_000) }]);
    let mut operations = grow.as_array().unwrap().clone();
    for copy in 0..64 {
        operations.push(json!({ "op": "copy", "from": "", "path": format!("/copy{copy}") }));
    }
    let tip = tile.patch(*tile.stream.init(), operations.into());
    let code = refused(&tile, &tip);
    assert!(code.starts_with("patch-too-"), "{code}");
}

#[test]
fn numbers_at_the_edge_of_json_keep_their_value_or_are_refused() {
    for number in [
        json!(9_007_199_254_740_991_i64),
        json!(-9_007_199_254_740_991_i64),
        json!(1.797_693_134_862_315_7e308),
        json!(5e-324),
        json!(0.1),
        json!(-0.5),
    ] {
        let mut tile = Tile::new();
        let patch = json!([{ "op": "replace", "path": "/n", "value": number }]);
        let tip = tile.patch(*tile.stream.init(), patch);
        let mut document = tile.document();
        assert_eq!(tile.hear(&mut document, &tip).refused, None);
        assert_eq!(document.state().to_json()["next"]["content"]["n"], number);
    }
    // What is no JSON number cannot even be written as an event.
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(cbor::encode(&Ipld::Float(float)).is_err());
        let mut bytes = vec![0xfb];
        bytes.extend(float.to_be_bytes());
        assert!(cbor::decode(&bytes).is_err());
    }
    // More than JavaScript's numbers hold: there it becomes a BigInt, and here it keeps its value too.
    let large = cbor::decode(&[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).unwrap();
    assert_eq!(json::to_json(&large), json!(u64::MAX));
}

#[test]
fn a_car_that_claims_two_to_the_sixty_bytes_is_refused_at_once() {
    let good = car::write(&[*Tile::new().stream.init()], []);
    let claim = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    for file in [claim.to_vec(), [good.as_slice(), &claim].concat()] {
        let code = car::read(&file).unwrap_err().code();
        assert!(code.starts_with("car-"), "{code}");
    }
}
