//! Links of accounts, case by case against what js-ceramic made of them.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use common::case::compare;
use common::world::proof;
use data_encoding::HEXLOWER;
use k256::ecdsa::SigningKey;
use ostrakon_protocol::anchor::Proof;
use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::event::{Data, Init, Map, Time};
use ostrakon_protocol::{
    AnchorAnswer, Anchors, Block, Cid, CommitId, Document, Ipld, Refusal, StreamId, StreamType,
    Unasked, World, json,
};
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

#[test]
fn links_are_what_js_makes_of_them() {
    compare("caip10-link.json", |_| None);
}

/// A link under construction.
struct Link {
    stream: StreamId,
    blocks: BTreeMap<Cid, Block>,
    anchors: Told,
    tip: Cid,
}

impl Link {
    fn new(header: &Value) -> Self {
        let init = Init::payload(map(header), None).unwrap();
        let mut link = Self {
            stream: StreamId::new(StreamType::CAIP10_LINK, *init.cid()),
            blocks: BTreeMap::new(),
            anchors: Told::default(),
            tip: *init.cid(),
        };
        link.add(init);
        link
    }

    fn add(&mut self, block: Block) -> Cid {
        let cid = *block.cid();
        self.blocks.insert(cid, block);
        cid
    }

    /// A change after the tip, which stays.
    fn write(&mut self, proof: Ipld) -> Cid {
        let event = Data::payload(*self.stream.init(), self.tip, None, proof).unwrap();
        self.add(event)
    }

    /// An anchor after the tip, which stays. Nobody is asked about it if it has no time.
    fn anchor(&mut self, unix: Option<u64>) -> Cid {
        let proof = proof(self.tip, 2, u8::try_from(self.anchors.0.len()).unwrap());
        let Ipld::Map(fields) = ostrakon_protocol::cbor::decode(proof.bytes()).unwrap() else {
            panic!("a proof is a map");
        };
        let Ipld::Link(transaction) = fields["txHash"] else {
            panic!("a transaction is named by a link");
        };
        self.anchors.0.insert(transaction, unix);
        let time = Time::write(*self.stream.init(), self.tip, *proof.cid(), "").unwrap();
        self.add(proof);
        self.add(time)
    }

    fn load(&self, tip: Cid) -> Result<Document, Refusal> {
        let world = World::new(2_000_000_000, &self.anchors);
        load_commit(&CommitId::new(self.stream, tip), &self.blocks, &world)
    }

    fn code(&self, tip: Cid) -> &'static str {
        self.load(tip)
            .map_or_else(|refusal| refusal.code(), |_| "taken")
    }
}

/// What the chain says of transactions, if it was asked.
#[derive(Default)]
struct Told(HashMap<Cid, Option<u64>>);

impl Anchors for Told {
    fn answer(&self, proof: &Proof) -> AnchorAnswer {
        match self.0[&proof.tx_hash] {
            Some(time) => AnchorAnswer::Mined { time },
            None => AnchorAnswer::Unasked,
        }
    }
}

fn map(json: &Value) -> Map {
    match json::from_json(json).unwrap() {
        Ipld::Map(map) => map,
        other => panic!("not a map: {other:?}"),
    }
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("caip10-rules.json")).unwrap()
}

/// One of the recorded proofs, with other fields.
fn proof_with(file: &Value, did: &str, with: &Value) -> Value {
    let mut proof = file["proofs"][did].clone();
    for (name, value) in with.as_object().into_iter().flatten() {
        proof[name] = value.clone();
    }
    proof
}

/// The parts of a state that the recording has.
fn shown(document: &Document) -> Value {
    let state = document.state().to_json();
    json!({
        "content": state["content"],
        "metadata": state["metadata"],
        "next": state["next"],
        "signature": state["signature"],
        "anchored": state["anchorStatus"] == "ANCHORED",
    })
}

/// js makes a text of a list or a map, and a number of the text. Here they are refused where js might take them.
fn has_parts(step: &Value) -> bool {
    let time = &step["with"]["timestamp"];
    time.is_array() || time.is_object()
}

#[test]
fn the_rules_are_those_of_js_for_every_kind_of_timestamp_and_controller() {
    let file = recorded();
    let cases = file["cases"].as_array().unwrap();
    let (mut steps, mut taken, mut left_out) = (0, 0, 0);
    let mut wrong = Vec::new();
    for case in cases {
        let mut link = Link::new(&case["header"]);
        let verdicts = case["taken"].as_str().unwrap().chars();
        let all = case["steps"].as_array().unwrap();
        left_out += usize::from(all.iter().any(has_parts));
        for (step, verdict) in all.iter().zip(verdicts) {
            if has_parts(step) {
                let proof = proof_with(&file, step["by"].as_str().unwrap(), &step["with"]);
                let next = link.write(json::from_json(&proof).unwrap());
                assert_eq!(link.code(next), "proof-malformed");
                break;
            }
            let next = match (&step["anchor"], &step["by"], &step["data"]) {
                (Value::Number(time), ..) => link.anchor(time.as_u64()),
                (_, Value::String(did), _) => {
                    let proof = proof_with(&file, did, &step["with"]);
                    link.write(json::from_json(&proof).unwrap())
                }
                (.., data) => link.write(json::from_json(data).unwrap()),
            };
            steps += 1;
            let got = link.load(next);
            if got.is_ok() != (verdict == '1') {
                wrong.push(format!(
                    "{}: {step} {verdict} {:?}",
                    case["name"],
                    got.err()
                ));
            }
            if verdict == '1' {
                taken += 1;
                link.tip = next;
            }
        }
        if !all.iter().any(has_parts) {
            let state = link.load(link.tip).map(|document| shown(&document));
            if state.as_ref().ok() != Some(&case["state"]) {
                wrong.push(format!(
                    "{}: {state:?}\n  js {}",
                    case["name"], case["state"]
                ));
            }
        }
    }
    println!(
        "{} links of {steps} steps, of which js takes {taken}; {left_out} stop at a timestamp with parts; {} disagreements",
        cases.len(),
        wrong.len()
    );
    assert!(steps > 500 && wrong.is_empty(), "{}", wrong.join("\n"));
}

const DID: &str = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";

fn controlled_by(account: &Value) -> Value {
    json!({ "controllers": [account] })
}

/// A proof of an Ethereum account that the test holds, and the account.
fn signed(message: &str) -> Value {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let hash = Keccak256::digest(&point.as_bytes()[1..]);
    let account = format!("0x{}@eip155:1", HEXLOWER.encode(&hash[12..]));
    let text = format!("\u{19}Ethereum Signed Message:\n{}{message}", message.len());
    let (pair, id) = key.sign_prehash_recoverable(&Keccak256::digest(text));
    let signature = format!(
        "0x{}{:02x}",
        HEXLOWER.encode(&pair.to_bytes()),
        27 + id.to_byte()
    );
    json!({ "version": 2, "message": message, "signature": signature, "account": account, "timestamp": 5 })
}

#[test]
fn a_message_of_200_kilobytes_is_judged_in_no_time() {
    let proof = signed(&format!("{}{DID}", "did:x ".repeat(33_000)));
    let mut link = Link::new(&controlled_by(&proof["account"]));
    let next = link.write(json::from_json(&proof).unwrap());
    let start = Instant::now();
    let document = link.load(next).unwrap();
    assert!(start.elapsed().as_secs() < 2);
    assert_eq!(document.state().content(), Some(&Ipld::String(DID.into())));
    let entry = document.log().last().unwrap();
    let address = proof["account"]
        .as_str()
        .unwrap()
        .split('@')
        .next()
        .unwrap();
    assert_eq!(
        entry.signer.as_deref(),
        Some(&*format!("did:pkh:eip155:1:{address}"))
    );
    assert_eq!(entry.verified(), ["hash", "link", "signature", "rules"]);
}

#[test]
fn of_a_thousand_dids_in_a_message_the_first_counts() {
    let dids: Vec<String> = (0..1000)
        .map(|number| format!("did:test:{number}"))
        .collect();
    let proof = signed(&dids.join(" "));
    let mut link = Link::new(&controlled_by(&proof["account"]));
    let next = link.write(json::from_json(&proof).unwrap());
    let state = link.load(next).unwrap().state().to_json();
    assert_eq!(state["next"]["content"], "did:test:0");
}

#[test]
fn every_field_that_is_absent_or_of_another_type_is_refused_or_says_nothing() {
    let proof = signed(DID);
    let mut link = Link::new(&controlled_by(&proof["account"]));
    let values = [
        Ipld::Null,
        Ipld::Bool(true),
        Ipld::Integer(i128::from(u64::MAX)),
        Ipld::Float(-0.5),
        Ipld::String("\u{feff}é\0😀".into()),
        Ipld::Bytes(vec![0; 65]),
        Ipld::List(vec![Ipld::Null]),
        Ipld::Map(Map::new()),
        Ipld::Link(link.tip),
    ];
    let mut tried = 0;
    for field in [
        "message",
        "signature",
        "account",
        "version",
        "timestamp",
        "type",
    ] {
        for value in values.iter().map(Some).chain([None]) {
            let mut changed = map(&proof);
            match value {
                Some(value) => changed.insert(field.into(), value.clone()),
                None => changed.remove(field),
            };
            let next = link.write(Ipld::Map(changed));
            let code = link.code(next);
            let needed = ["message", "signature", "account"].contains(&field);
            let is_text = matches!(value, Some(Ipld::String(_)));
            let has_parts = matches!(
                value,
                Some(Ipld::Bytes(_) | Ipld::List(_) | Ipld::Map(_) | Ipld::Link(_))
            );
            match field {
                "account" if is_text => assert_eq!(code, "proof-account"),
                _ if needed && is_text => assert_eq!(code, "proof-signature"),
                _ if needed => assert_eq!(code, "proof-malformed", "{field}: {value:?}"),
                "version" | "timestamp" if has_parts => assert_eq!(code, "proof-malformed"),
                // What is no version is that of the time before there were versions.
                _ => assert_eq!(code, "taken", "{field}: {value:?}"),
            }
            tried += 1;
        }
    }
    println!("{tried} proofs with one field changed");
}

#[test]
fn a_proof_that_only_others_could_judge_changes_nothing_and_says_whom_to_ask() {
    let file: Value = serde_json::from_str(include_str!("caip10-proofs.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let mut codes = BTreeMap::new();
    for case in cases.filter(|case| {
        let name = case["name"].as_str().unwrap();
        case["note"].is_string() || ["fil-f3/plain", "polkadot-sr25519/plain"].contains(&name)
    }) {
        let proof = &case["proof"];
        let mut link = Link::new(&controlled_by(&proof["account"]));
        let next = link.write(json::from_json(proof).unwrap());
        let refusal = link.load(next).unwrap_err();
        assert!(refusal.to_string().contains("unverified"), "{refusal}");
        *codes.entry(refusal.code()).or_insert(0) += 1;
        let world = World::new(0, &link.anchors);
        let (document, _) = hear_all(&link.stream, &[next], &link.blocks, &world).unwrap();
        assert_eq!(document.tip(), link.stream.init());
        assert_eq!(document.state().content(), Some(&Ipld::Null));
    }
    println!("{codes:?}");
    assert!(codes["proof-needs-third-party"] >= 4);
    assert_eq!(codes["proof-unverified-scheme"], 2);
}

/// js asks the chain. Without an answer a proof may be too old, and is not taken for good.
#[test]
fn a_proof_after_an_anchor_that_nobody_asked_about_waits_for_the_answer() {
    let proof = |time: Value| {
        let mut proof = signed(DID);
        proof["timestamp"] = time;
        json::from_json(&proof).unwrap()
    };
    let mut link = Link::new(&controlled_by(&signed(DID)["account"]));
    link.tip = link.write(proof(json!(5)));
    let linked = link.tip;
    link.tip = link.anchor(None);
    let next = link.write(proof(json!(6)));
    assert_eq!(link.code(next), "needs-transaction");
    link.tip = linked;
    link.tip = link.anchor(Some(6));
    let next = link.write(proof(json!(6)));
    assert_eq!(link.code(next), "taken");
    let next = link.write(proof(json!(5)));
    assert_eq!(link.code(next), "proof-too-old");
}

/// A deviation: js takes a Cosmos proof that any key signed, whosever the account is.
#[test]
fn a_stranger_with_a_key_of_their_own_cannot_link_a_cosmos_account() {
    let file: Value = serde_json::from_str(include_str!("caip10-proofs.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    for (name, code) in [
        ("cosmos/plain", "taken"),
        ("cosmos/key of another", "proof-signature"),
    ] {
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        assert_eq!(case["accept"], true);
        let mut link = Link::new(&controlled_by(&case["proof"]["account"]));
        let next = link.write(json::from_json(&case["proof"]).unwrap());
        assert_eq!(link.code(next), code);
    }
}

/// js does not look at the signature of an init event either.
#[test]
fn an_init_event_with_content_or_two_controllers_is_no_link() {
    for (header, content, code) in [
        (json!({ "controllers": ["a@b:c"] }), json!(0), "taken"),
        (
            json!({ "controllers": ["a@b:c"] }),
            json!({}),
            "link-with-content",
        ),
        (
            json!({ "controllers": [] }),
            json!(null),
            "controller-count",
        ),
        (
            json!({ "controllers": ["a", "b"] }),
            json!(null),
            "controller-count",
        ),
    ] {
        let init = Init::payload(map(&header), Some(json::from_json(&content).unwrap())).unwrap();
        let stream = StreamId::new(StreamType::CAIP10_LINK, *init.cid());
        let blocks = BTreeMap::from([(*init.cid(), init)]);
        let commit = CommitId::new(stream, *stream.init());
        let loaded = load_commit(&commit, &blocks, &World::new(0, &Unasked));
        assert_eq!(
            loaded.map_or_else(|refusal| refusal.code(), |_| "taken"),
            code
        );
    }
}
