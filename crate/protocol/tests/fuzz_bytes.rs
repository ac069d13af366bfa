//! Every decoder of foreign bytes against bytes nobody wrote, and against real bytes that were damaged.
//!
//! `cargo test` tries each target briefly; `cargo bolero test -p ostrakon-protocol --test fuzz_bytes <name>` goes on.

mod common;

use std::collections::HashMap;

use common::{Input, inputs};
use ostrakon_protocol::account::Proof;
use ostrakon_protocol::cacao::Capability;
use ostrakon_protocol::event::{self, Decoded, Envelope, Signature};
use ostrakon_protocol::{Block, CommitId, DocumentRef, Ipld, StreamId, car, cbor, json};
use serde_json::Value;

/// Some blocks of each kind.
fn samples() -> Vec<Vec<u8>> {
    let files = ["tile.json", "anchor.json", "cacao.json", "model.json"];
    let cases = files
        .iter()
        .flat_map(|file| common::cases(file).into_iter().take(6));
    let blocks = cases
        .flat_map(|case| common::blocks(&case))
        .map(|(_, bytes)| bytes);
    blocks
        .filter(|bytes| bytes.len() < 2_000)
        .take(200)
        .collect()
}

#[test]
fn cbor_is_read_or_refused_and_can_be_written_and_shown() {
    let samples = samples();
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let Ok(value) = cbor::decode(&bytes) else {
                continue;
            };
            let written = cbor::encode(&value).unwrap();
            assert!(cbor::decode(&written).is_ok());
            let _ = json::from_json(&json::to_json(&value)); // may be one level too deep
        }
    });
}

#[test]
fn archives_are_read_within_their_own_size() {
    let blocks: Vec<_> = samples()
        .into_iter()
        .take(8)
        .map(|bytes| Block::dag_cbor(bytes).unwrap())
        .collect();
    let samples = [
        car::write(&[*blocks[0].cid()], &blocks),
        car::write(&[], &blocks[..1]),
    ];
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let Ok(car) = car::read(&bytes) else {
                continue;
            };
            let size: usize = car.blocks.iter().map(|block| block.bytes().len()).sum();
            assert!(size <= bytes.len());
            for block in &car.blocks {
                assert!(Block::verify(*block.cid(), block.bytes().clone()).is_ok());
            }
            let again = car::read(&car::write(&car.roots, &car.blocks)).unwrap();
            assert_eq!((again.roots, again.blocks), (car.roots, car.blocks));
        }
    });
}

#[test]
fn ids_are_read_or_refused_and_printed_in_one_way() {
    let cases = common::cases("streamid.json");
    let bytes: Vec<_> = cases
        .iter()
        .filter(|case| case["op"] == "encode")
        .flat_map(|case| {
            ["bytes", "commitBytes"].map(|name| common::base64(&case["expected"]["value"][name]))
        })
        .collect();
    let texts: Vec<_> = cases
        .iter()
        .filter_map(|case| Some(case["input"].as_str()?.as_bytes().to_vec()))
        .filter(|text| !text.is_empty())
        .collect();
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&bytes, input) {
            let id = DocumentRef::from_bytes(&bytes);
            match id {
                Ok(DocumentRef::Stream(id)) => {
                    assert_eq!(StreamId::from_bytes(&id.to_bytes()), Ok(id))
                }
                Ok(DocumentRef::Commit(id)) => {
                    assert_eq!(CommitId::from_bytes(&id.to_bytes()), Ok(id))
                }
                Err(_) => assert!(StreamId::from_bytes(&bytes).is_err()),
            }
        }
        for text in inputs(&texts, input) {
            if let Ok(id) = String::from_utf8_lossy(&text).parse::<DocumentRef>() {
                assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    });
}

#[test]
fn events_are_read_or_refused_and_need_nothing_but_their_payload() {
    let samples = samples();
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let plain = Block::dag_cbor(bytes.clone()).unwrap();
            let jose = Block::dag_jose(bytes).unwrap();
            let around = Envelope {
                payload: *plain.cid(),
                signatures: vec![Signature {
                    protected: b"{}".to_vec().into(),
                    signature: vec![0; 64].into(),
                }],
            };
            let around = around.write().unwrap();
            let world = HashMap::from([(*plain.cid(), plain.clone())]);
            for root in [&plain, &jose, &around] {
                match event::decode(root, &world) {
                    Ok(Decoded::Event(event)) => assert_eq!(event.cid(), root.cid()),
                    Ok(Decoded::Need(cids)) => {
                        assert!(cids.len() == 1 && !world.contains_key(&cids[0]))
                    }
                    Err(error) => assert!(!error.code().is_empty()),
                }
            }
        }
    });
}

#[test]
fn capabilities_are_read_or_refused_and_damage_never_passes_for_another_issuer() {
    let file: Value = serde_json::from_str(include_str!("cacao-kinds.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let samples: Vec<Vec<u8>> = cases
        .filter(|case| case["name"].as_str().unwrap().ends_with("/all fields"))
        .map(|case| common::base64(&case["block"]))
        .collect();
    assert_eq!(samples.len(), 5);
    let issuers: Vec<String> = samples
        .iter()
        .map(|bytes| {
            let block = Block::dag_cbor(bytes.clone()).unwrap();
            Capability::read(block).unwrap().issuer().to_owned()
        })
        .collect();
    bolero::check!()
        .with_type::<(Input, u64)>()
        .for_each(|(input, at)| {
            for bytes in inputs(&samples, input) {
                let block = Block::dag_cbor(bytes).unwrap();
                match Capability::read(block) {
                    Ok(capability) => {
                        if capability.verify().is_ok() {
                            // Ethereum's addresses may change their case, and the namespace of an account is not signed.
                            let address = |did: &str| did.rsplit(':').next().map(str::to_lowercase);
                            let issuer = address(capability.issuer());
                            assert!(issuers.iter().any(|known| address(known) == issuer));
                        }
                        let valid = capability.valid_at(*at).is_ok();
                        assert!(!valid || *at <= capability.valid_until());
                    }
                    Err(error) => assert!(error.code().starts_with("cacao-")),
                }
            }
        });
}

#[test]
fn proofs_are_judged_or_refused_and_damage_never_passes_for_a_known_account() {
    let file: Value = serde_json::from_str(include_str!("caip10-proofs.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let proofs: Vec<Vec<u8>> = cases
        .filter(|case| case["name"].as_str().unwrap().ends_with("/plain"))
        .map(|case| cbor::encode(&json::from_json(&case["proof"]).unwrap()).unwrap())
        .collect();
    assert_eq!(proofs.len(), 11);
    let message = |bytes: &[u8]| match cbor::decode(bytes).unwrap() {
        Ipld::Map(mut map) => map.remove("message"),
        _ => None,
    };
    let messages: Vec<_> = proofs.iter().map(|bytes| message(bytes)).collect();
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&proofs, input) {
            let Ok(value) = cbor::decode(&bytes) else {
                continue;
            };
            let verdict = Proof::read(&value).and_then(|proof| proof.verify());
            match verdict {
                // Of Ethereum any signature is that of some account.
                Ok(account) if account.contains("@eip155:") => {}
                Ok(_) => assert!(messages.contains(&message(&bytes))),
                Err(error) => assert!(error.code().starts_with("proof-")),
            }
        }
    });
}
