//! Anchors judged by what EVM nodes answered: every case of eth-anchor.json against what js-ceramic made of it.

mod common;

use std::sync::Arc;

use ostrakon_protocol::anchor::rpc::{Inquiry, Report, RpcError, chain_number, check_chain};
use ostrakon_protocol::anchor::transaction::{CONTRACT, Input, transaction_hash};
use ostrakon_protocol::anchor::{Address, Chains, Proof, Transaction, rpc::Question};
use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::{
    AnchorAnswer, Anchors, Block, Cid, CommitId, Document, Ipld, Refusal, StreamId, TimeStatus,
    World, cbor, event,
};
use serde_json::{Value, json};

/// The EVM node of one chain, replayed.
struct Replay {
    chains: Chains,
    /// Of `method`, `params` and `result`.
    answers: Vec<Value>,
}

impl Replay {
    fn of(chain: &str) -> Self {
        let file = common::file("eth-anchor.json");
        let answers = file["rpcRecordings"][chain].as_array().unwrap().clone();
        Self {
            chains: Chains::only([chain]),
            answers,
        }
    }

    fn ask(&self, question: &Question) -> Value {
        let fits = |answer: &&Value| {
            answer["method"] == question.method() && answer["params"] == question.params()
        };
        let found = self.answers.iter().find(fits);
        found.unwrap_or_else(|| panic!("{question:?} was not recorded"))["result"].clone()
    }

    fn report(&self, proof: &Proof) -> Result<Report, RpcError> {
        check_chain(&proof.chain_id, &self.ask(&Question::ChainId))?;
        let mut inquiry = Inquiry::new(transaction_hash(&proof.tx_hash).unwrap());
        loop {
            if let Some(report) = inquiry.answer(&self.ask(&inquiry.question()))? {
                return Ok(report);
            }
        }
    }
}

impl Anchors for Replay {
    fn answer(&self, proof: &Proof) -> AnchorAnswer {
        if !self.chains.allow(&proof.chain_id) {
            return AnchorAnswer::Foreign;
        }
        match self.report(proof).unwrap() {
            Report::Absent => AnchorAnswer::Absent,
            Report::Pending => AnchorAnswer::Unasked,
            Report::Mined(transaction) => {
                AnchorAnswer::Transaction(Arc::new(transaction), Arc::new(["anvil".into()]))
            }
        }
    }
}

struct Case {
    name: String,
    json: Value,
    stream: StreamId,
    tip: Cid,
}

fn cases() -> Vec<Case> {
    let cases = common::cases("eth-anchor.json").into_iter();
    cases
        .map(|json| {
            let tips = json["tips"].as_array().unwrap();
            let [tip] = &tips[..] else { panic!("one tip") };
            Case {
                name: json["name"].as_str().unwrap().to_owned(),
                stream: json["streamId"].as_str().unwrap().parse().unwrap(),
                tip: tip.as_str().unwrap().parse().unwrap(),
                json,
            }
        })
        .collect()
}

type Judged = (
    Result<Document, Refusal>,
    Result<Document, Refusal>,
    Vec<Refusal>,
);

impl Case {
    /// Strict and lenient.
    fn judge(&self, anchors: &dyn Anchors) -> Judged {
        let blocks = common::verified(&self.json);
        let now = common::unix(self.json["now"].as_str().unwrap());
        let world = World::new(now, anchors);
        let strict = load_commit(&CommitId::new(self.stream, self.tip), &blocks, &world);
        match hear_all(&self.stream, &[self.tip], &blocks, &world) {
            Ok((lenient, refusals)) => (strict, Ok(lenient), refusals),
            Err(refusal) => (strict, Err(refusal), Vec::new()),
        }
    }

    fn replay(&self) -> Replay {
        Replay::of(self.json["chain"].as_str().unwrap())
    }

    /// The code of the refusal when all of it must be valid; nothing if it is.
    fn code(&self) -> Option<&'static str> {
        self.judge(&self.replay())
            .0
            .err()
            .map(|refusal| refusal.code())
    }
}

#[test]
fn anchors_in_real_transactions_are_what_js_makes_of_them() {
    let cases = cases();
    let mut accepted = 0;
    let mut found = Vec::new();
    for case in &cases {
        let expected = &case.json["expected"];
        let (strict, lenient, _) = case.judge(&case.replay());
        for (mode, got, js) in [
            ("strict", strict, &expected["strict"][0]),
            ("lenient", lenient, &expected["lenient"]),
        ] {
            let agrees = match &got {
                Ok(document) => {
                    accepted += usize::from(mode == "strict");
                    js["accept"] == true
                        && document.state().to_json() == js["state"]
                        && document.tip().to_string() == js["tip"]
                }
                Err(_) => js["accept"] == false,
            };
            if !agrees {
                found.push(format!("{} {mode}: {got:?}\n  js {js}", case.name));
            }
        }
    }
    println!(
        "eth-anchor.json: {} cases compared, {accepted} accepted, {} disagreements",
        cases.len(),
        found.len()
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!((cases.len(), accepted), (40, 13));
}

#[test]
fn each_refusal_of_an_anchor_says_which_rule_it_broke() {
    let expected = [
        ("f(bytes32)-to-other-address-late", "anchor-wrong-contract"),
        ("f(bytes32)-but-txType-missing", "anchor-not-in-transaction"),
        ("wrong-root", "anchor-dead-end"),
        ("wrong-path", "anchor-wrong-event"),
        ("unknown-tx", "anchor-no-transaction"),
        ("other-chainId-in-proof", "anchor-foreign-chain"),
        ("non-eip155-chainId", "anchor-foreign-chain"),
        ("unknown-txType", "anchor-not-in-transaction"),
        ("raw-late", "anchor-raw-too-late"),
        ("raw-late-claiming-f(bytes32)", "anchor-not-in-transaction"),
        ("f(bytes32)-wrong-selector", "anchor-not-in-transaction"),
        ("f(bytes32)-short-data", "anchor-not-in-transaction"),
        (
            "f(bytes32)-root-is-dag-jose-cid",
            "anchor-not-in-transaction",
        ),
    ];
    let cases = cases();
    for (name, code) in expected {
        let is_named = |case: &&Case| {
            let rest = case
                .name
                .split_once('/')
                .and_then(|(_, rest)| rest.strip_prefix(name));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
        };
        let named = cases.iter().filter(is_named);
        let codes: Vec<_> = named.map(Case::code).collect();
        assert_eq!(codes, [Some(code); 2], "{name}");
    }
}

#[test]
fn a_proven_anchor_says_by_whom_and_at_which_block() {
    let cases = cases();
    let case = |name: &str| cases.iter().find(|case| case.name.contains(name)).unwrap();
    let case = case("eip155:1/f(bytes32)-merkle-leaf-0");
    let document = case.judge(&case.replay()).0.unwrap();
    match &document.log().last().unwrap().time {
        TimeStatus::Proven { block, by, .. } => {
            assert_eq!(*block, Some(16_688_199));
            assert_eq!(**by, ["anvil".into()]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_anchor_that_nobody_was_asked_about_stays_claimed() {
    let case = &cases()[0];
    let document = case.judge(&ostrakon_protocol::Unasked).0.unwrap();
    let time = &document.log().last().unwrap().time;
    assert!(matches!(time, TimeStatus::Claimed { .. }));
}

const HASH: [u8; 32] = [7; 32];

fn hex(byte: u8) -> String {
    format!("0x{}", format!("{byte:02x}").repeat(32))
}

/// A transaction and its block, as a node shows them.
fn shown() -> (Value, Value) {
    let transaction = json!({
        "hash": hex(7), "blockHash": hex(8), "blockNumber": "0x10", "input": "0x97ad09eb", "to": null,
    });
    let block = json!({ "hash": hex(8), "number": "0x10", "timestamp": "0x64" });
    (transaction, block)
}

fn inquire(transaction: &Value, block: &Value) -> Result<Report, RpcError> {
    let mut inquiry = Inquiry::new(HASH);
    match inquiry.answer(transaction)? {
        Some(report) => Ok(report),
        None => Ok(inquiry.answer(block)?.unwrap()),
    }
}

fn with(value: &Value, field: &str, content: Value) -> Value {
    let mut value = value.clone();
    value[field] = content;
    value
}

#[test]
fn an_answer_about_something_else_is_none() {
    let (transaction, block) = shown();
    assert!(matches!(
        inquire(&transaction, &block),
        Ok(Report::Mined(_))
    ));
    for (transaction, block, code) in [
        (
            with(&transaction, "hash", json!(hex(9))),
            block.clone(),
            "rpc-other-thing",
        ),
        (
            transaction.clone(),
            with(&block, "hash", json!(hex(9))),
            "rpc-other-thing",
        ),
        (
            transaction.clone(),
            with(&block, "number", json!("0x11")),
            "rpc-other-thing",
        ),
        (
            with(&transaction, "blockHash", json!("0x12")),
            block.clone(),
            "rpc-bad-field",
        ),
        (
            with(&transaction, "blockNumber", json!("16")),
            block.clone(),
            "rpc-bad-field",
        ),
        (
            with(&transaction, "blockNumber", json!("0x+1")),
            block.clone(),
            "rpc-bad-field",
        ),
        (
            with(&transaction, "blockNumber", json!(16)),
            block.clone(),
            "rpc-bad-field",
        ),
        (
            with(&transaction, "input", json!("0x9")),
            block.clone(),
            "rpc-bad-field",
        ),
        (
            with(&transaction, "to", json!("0x12")),
            block.clone(),
            "rpc-bad-field",
        ),
        (
            transaction.clone(),
            with(&block, "timestamp", json!("0x10000000000000000")),
            "rpc-bad-field",
        ),
        (json!([]), block.clone(), "rpc-other-thing"),
    ] {
        assert_eq!(inquire(&transaction, &block).unwrap_err().code(), code);
    }
}

#[test]
fn a_transaction_that_waits_or_whose_block_is_gone_is_neither_mined_nor_absent() {
    let (transaction, block) = shown();
    let waiting = with(&transaction, "blockHash", Value::Null);
    assert_eq!(inquire(&waiting, &block), Ok(Report::Pending));
    assert_eq!(inquire(&transaction, &Value::Null), Ok(Report::Pending));
    assert_eq!(inquire(&Value::Null, &block), Ok(Report::Absent));
}

#[test]
fn a_node_of_another_chain_is_not_believed() {
    assert_eq!(check_chain("eip155:100", &json!("0x64")), Ok(()));
    let other = check_chain("eip155:1", &json!("0x64"));
    assert_eq!(other, Err(RpcError::OtherChain(100)));
    assert_eq!(chain_number("eip155:+1").unwrap_err().code(), "rpc-not-evm");
    assert_eq!(
        chain_number("inmemory:12345").unwrap_err().code(),
        "rpc-not-evm"
    );
}

#[test]
fn of_an_input_of_megabytes_only_the_start_is_kept() {
    let input = Input::new(&vec![1; 1 << 20]);
    assert_eq!(input.start().len(), 128);
    assert!(input.is_cut());
}

#[test]
fn a_response_is_read_by_its_id_and_an_error_says_what_the_node_says() {
    let question = Question::ChainId;
    let result = |text: &str| question.result(3, text.as_bytes());
    let fine = result(r#"{"jsonrpc":"2.0","id":3,"result":"0x1"}"#);
    assert_eq!(fine, Ok(json!("0x1")));
    let other = result(r#"{"jsonrpc":"2.0","id":4,"result":"0x1"}"#);
    assert_eq!(other.unwrap_err().code(), "rpc-other-thing");
    let failed = result(r#"{"id":3,"error":{"code":-32005,"message":"too many requests"}}"#);
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the node answered with error -32005: too many requests"
    );
    assert_eq!(result("<html>").unwrap_err().code(), "rpc-not-rpc");
    let long = vec![b' '; ostrakon_protocol::anchor::rpc::MAX_RPC_ANSWER_BYTES + 1];
    assert_eq!(question.result(3, &long).unwrap_err().code(), "rpc-not-rpc");
}

const DIGEST: [u8; 32] = [0xab; 32];

/// The DAG-CBOR root with [`DIGEST`], and a proof of it.
fn proof(chain: &str, tx_type: Option<&str>) -> Proof {
    let root = Cid::try_from([&[1, 0x71, 0x12, 32], &DIGEST[..]].concat()).unwrap();
    let text = |text: &str| Ipld::String(text.to_owned());
    let mut fields = event::Map::from([
        ("root".to_owned(), Ipld::Link(root)),
        ("txHash".to_owned(), Ipld::Link(root)),
        ("chainId".to_owned(), text(chain)),
    ]);
    fields.extend(tx_type.map(|tx_type| ("txType".to_owned(), text(tx_type))));
    let block = Block::dag_cbor(cbor::encode(&Ipld::Map(fields)).unwrap()).unwrap();
    Proof::read(&block).unwrap()
}

/// The refusal of a transaction of this block, to the contract or not.
fn judged(proof: &Proof, block: u64, to: Option<Address>, input: &[u8]) -> Option<&'static str> {
    let transaction = Transaction {
        block,
        time: 1,
        to,
        input: Input::new(input),
    };
    transaction.proves(proof).err().map(|error| error.code())
}

#[test]
fn the_raw_form_is_one_digit_of_any_kind_and_the_bytes_of_the_root_and_nothing_else() {
    let raw = proof("eip155:1", None);
    let cid = raw.root.to_bytes();
    let with = |first: &[u8], last: &[u8]| [first, &cid, last].concat();
    for (input, expected) in [
        (with(&[0x0f], &[]), None),
        (with(&[0x00], &[]), None),
        (with(&[0x0a], &[]), None),
        (with(&[0xff], &[]), Some("anchor-not-in-transaction")),
        (with(&[], &[]), Some("anchor-not-in-transaction")),
        (with(&[0x0f], &[0]), Some("anchor-not-in-transaction")),
        (
            with(&[0x0f], &[0; 1 << 20]),
            Some("anchor-not-in-transaction"),
        ),
        (Vec::new(), Some("anchor-not-in-transaction")),
    ] {
        assert_eq!(judged(&raw, 16_688_195, None, &input), expected);
    }
    assert_eq!(
        judged(&raw, 16_688_196, Some(CONTRACT), &with(&[0x0f], &[])),
        Some("anchor-raw-too-late")
    );
}

#[test]
fn the_contract_form_ignores_what_follows_and_must_go_to_the_contract_after_the_threshold() {
    let call = [&[0x97, 0xad, 0x09, 0xeb], &DIGEST[..]].concat();
    let long = [&call[..], &vec![1; 1 << 20]].concat();
    let form = Some("f(bytes32)");
    let mainnet = proof("eip155:1", form);
    for input in [&call, &long] {
        assert_eq!(judged(&mainnet, 16_688_195, None, input), None);
        assert_eq!(judged(&mainnet, 16_688_196, Some(CONTRACT), input), None);
        for elsewhere in [None, Some(Address([1; 20]))] {
            let refused = judged(&mainnet, 16_688_196, elsewhere, input);
            assert_eq!(refused, Some("anchor-wrong-contract"));
        }
    }
    // A chain without a threshold has it behind it.
    let rinkeby = proof("eip155:4", form);
    assert_eq!(judged(&rinkeby, 0, Some(CONTRACT), &call), None);
    assert_eq!(
        judged(&rinkeby, 0, None, &call),
        Some("anchor-wrong-contract")
    );
    // The proof says which form is read, and the form's own name says nothing of its selector.
    let unnamed = judged(&proof("eip155:1", Some("raw")), 1, None, &call);
    assert_eq!(unnamed, Some("anchor-not-in-transaction"));
    let other = [&[0xd7, 0xda, 0x97, 0x3a], &DIGEST[..]].concat();
    assert_eq!(
        judged(&mainnet, 1, None, &other),
        Some("anchor-not-in-transaction")
    );
}
