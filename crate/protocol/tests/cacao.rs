//! Capabilities, case by case against what js makes of them.

mod common;

use std::collections::BTreeMap;

use ostrakon_protocol::cacao::{Capability, Deed, Role};
use ostrakon_protocol::event::{self, Decoded};
use ostrakon_protocol::jose::verify_envelope;
use ostrakon_protocol::{Block, Cid, Event, Reason, StreamId, StreamType, car, cbor, json};
use serde_json::Value;

/// A capability's block is refused where js lets one pass, for these reasons.
const STRICTER: [(&str, &str); 14] = [
    ("unreadable end", "js takes an end it cannot read for none"),
    (
        "unreadable issue",
        "js takes a start it cannot read for none",
    ),
    ("end in words", "a date only some JavaScript engines read"),
    (
        "end that is no day",
        "V8 reads the 31st of June as the 1st of July",
    ),
    (
        "end without offset",
        "js reads it by the clock of the machine",
    ),
    ("resources a text", "js looks for a part of the text"),
    ("resources with a number", "js writes numbers into the text"),
    ("no resources at all", "js-ceramic refuses it later"),
    ("nonce of two lines", "its text can be read in two ways"),
    ("resource of two lines", "its text can be read in two ways"),
    ("domain missing", "js writes `undefined` into the text"),
    ("version missing", "js writes `undefined` into the text"),
    ("nonce a number", "js writes numbers into the text"),
    (
        "changed issuer without did:pkh",
        "js does not ask for a DID",
    ),
];

fn read(bytes: Vec<u8>) -> Result<Capability, Reason> {
    Ok(Capability::read(Block::dag_cbor(bytes).unwrap())?)
}

fn judge(bytes: Vec<u8>, at: u64) -> Result<(), Reason> {
    let capability = read(bytes)?;
    capability.verify()?;
    Ok(capability.valid_at(at)?)
}

#[test]
fn every_kind_of_signature_is_judged_as_js_judges_it() {
    let file = include_str!("cacao-kinds.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut used = BTreeMap::new();
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let verdict = judge(common::base64(&case["block"]), case["at"].as_u64().unwrap());
        let (kind, what) = name.split_once('/').unwrap();
        let stricter = STRICTER.iter().find(|(case, _)| *case == what);
        let key = match (&verdict, case["accept"].as_bool().unwrap(), stricter) {
            (Ok(()), true, _) => "accepted",
            (Err(_), false, _) => "refused",
            (Err(_), true, Some((what, reason))) => {
                println!("{name}: js accepts; {reason}");
                used.insert(*what, *reason);
                "refused, though js accepts"
            }
            _ => {
                wrong.push(format!("{name}: {verdict:?}, js: {}", case["reason"]));
                "wrong"
            }
        };
        *counts.entry((kind.to_owned(), key)).or_insert(0) += 1;
    }
    println!("{counts:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used, BTreeMap::from(STRICTER));
}

/// An event of the upstream suites and what js-ceramic's check of its signature said.
struct Signed<'a> {
    event: Event,
    blocks: &'a BTreeMap<Cid, Block>,
    model: StreamId,
}

impl Signed<'_> {
    /// As js-ceramic's `verifyCommitSignature`.
    fn judge(&self, controller: &str, at: u64) -> Result<(), Reason> {
        let init = match &self.event {
            Event::Init(init) => init.cid,
            Event::Data(data) => data.id.unwrap(),
            other => panic!("not signed: {other:?}"),
        };
        let envelope = self.event.envelope().unwrap();
        let signer = verify_envelope(envelope)?;
        assert_eq!(signer.cap, envelope.capability());
        let Some(cap) = signer.cap else {
            assert_eq!(signer.did, controller);
            return Ok(());
        };
        let capability = Capability::read(self.blocks[&cap].clone())?;
        let deed = Deed {
            signer: &signer.did,
            controller,
            stream: &StreamId::new(StreamType::MODEL_INSTANCE, init),
            payload: &envelope.payload,
            model: Some(&self.model),
        };
        match capability.allows(&deed)? {
            Role::Controller => Ok(()),
            Role::Delegate => Ok(capability.valid_at(at)?),
        }
    }
}

#[test]
fn events_of_the_upstream_suites_are_judged_as_js_ceramic_judges_them() {
    let mut verdicts = 0;
    for case in common::cases("repo-fixtures.json") {
        let Some(entries) = case["entries"].as_object() else {
            continue;
        };
        let car = car::read(&common::base64(&case["carBase64"])).unwrap();
        let blocks: BTreeMap<Cid, Block> = car
            .blocks
            .into_iter()
            .map(|block| (*block.cid(), block))
            .collect();
        for (name, entry) in entries {
            let Some(expected) = entry["verifyCommitSignature"].as_object() else {
                continue;
            };
            let root = &blocks[&entry["cid"].as_str().unwrap().parse().unwrap()];
            let Ok(Decoded::Event(event)) = event::decode(root, &blocks) else {
                panic!("{name} is no event");
            };
            let signed = Signed {
                event,
                blocks: &blocks,
                model: case["model"].as_str().unwrap().parse().unwrap(),
            };
            let by_session = expected
                .iter()
                .map(|(at, verdict)| (at, &case["controller"], verdict));
            let by_issuer = entry["verifyWithControllerCacaoIssuer"].as_object();
            let by_issuer = by_issuer
                .into_iter()
                .flatten()
                .map(|(at, verdict)| (at, &verdict["controller"], verdict));
            for (at, controller, verdict) in by_session.chain(by_issuer) {
                let ours = signed.judge(controller.as_str().unwrap(), common::unix(at));
                let accept = verdict["accept"].as_bool().unwrap();
                assert_eq!(
                    ours.is_ok(),
                    accept,
                    "{name} at {at}: {ours:?}, js: {verdict}"
                );
                verdicts += 1;
            }
        }
    }
    println!("repo-fixtures.json: {verdicts} verdicts");
    assert_eq!(verdicts, 120);
}

/// Who may write is decided without the model; the whole documents are compared in `documents.rs`.
#[test]
fn capabilities_for_a_model_are_judged_as_js_ceramic_judges_them() {
    for case in common::cases("cacao-model.json") {
        let blocks = common::verified(&case);
        let expected = &case["expected"]["strict"][0];
        let mut next = Some(case["tips"][0].as_str().unwrap().parse::<Cid>().unwrap());
        let mut events = Vec::new();
        while let Some(cid) = next {
            let Ok(Decoded::Event(event)) = event::decode(&blocks[&cid], &blocks) else {
                panic!("{} has no events", case["name"]);
            };
            next = event.prev().copied();
            events.push(event);
        }
        let Some(Event::Init(init)) = events.last() else {
            panic!("{} has no init event", case["name"]);
        };
        let controller = init.header.controllers[0].clone();
        let model = init.header.model().unwrap();
        let now = common::unix(case["now"].as_str().unwrap());
        let mut verdicts = events
            .into_iter()
            .filter(|event| event.envelope().is_some())
            .map(|event| {
                let blocks = &blocks;
                Signed {
                    event,
                    blocks,
                    model,
                }
                .judge(&controller, now)
            });
        let refused = verdicts.find_map(Result::err);
        let name = &case["name"];
        match &refused {
            None => assert_eq!(expected["accept"], true, "{name}"),
            Some(refused) => {
                assert_eq!(expected["accept"], false, "{name}");
                assert_eq!(refused.code(), "cacao-resources", "{name}");
            }
        }
    }
}

#[test]
fn the_capability_of_a_real_session_has_its_cid_and_its_signature() {
    let mut fixtures = common::cases("repo-fixtures.json");
    let mut take = |name: &str| {
        let found = fixtures.iter_mut().find(|case| case["name"] == name);
        found.unwrap().take()
    };
    let file = "validation/src/verifier/cacao_verifier.rs#";
    let star = take(&format!("{file}CACAO_STAR_RESOURCES"));
    let bytes = cbor::encode(&json::from_json(&star["json"]).unwrap()).unwrap();
    let block = Block::dag_cbor(bytes.clone()).unwrap();
    let car = take("event-svc/src/tests/migration.rs#CACAO_CAR");
    let archived = car["blocks"].as_array().unwrap();
    assert!(
        archived
            .iter()
            .any(|one| one["cid"] == block.cid().to_string())
    );
    let written = common::unix("2024-06-15T00:00:00.000Z");
    assert_eq!(judge(bytes, written), Ok(()));

    // The same signature under other resources is none.
    let model = take(&format!("{file}CACAO_MODEL_RESOURCES"));
    let bytes = cbor::encode(&json::from_json(&model["json"]).unwrap()).unwrap();
    assert_eq!(judge(bytes, written).unwrap_err().code(), "cacao-signature");
}
