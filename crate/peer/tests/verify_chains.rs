//! Anchors judged from the command line by what a chain's nodes answer.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;

use common::{cases, evidence, text, tips};
use ostrakon_peer::chains::ChainArgs;
use ostrakon_peer::verify::{self, Question};
use serde_json::{Value, json};

fn recordings() -> PathBuf {
    let path = "../../tests/vectors/eth-anchor.json";
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn now<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(work)
}

/// The strict and the lenient verdict, and what nobody could say.
fn judge(case: &Value, args: &ChainArgs) -> ([Value; 2], Vec<String>) {
    let mut evidence = evidence(case);
    let doubts = now(evidence.ask(args)).unwrap();
    let stream = text(&case["streamId"]).parse().unwrap();
    let verdict = |commit| {
        let question = Question {
            stream,
            commit,
            at_time: None,
        };
        verify::to_json(&verify::judge(&evidence, &question))
    };
    ([verdict(Some(tips(case)[0])), verdict(None)], doubts)
}

#[test]
fn every_anchor_in_a_real_transaction_is_judged_as_js_does_from_recorded_answers() {
    let args = ChainArgs {
        rpc_recording: vec![recordings()],
        ..ChainArgs::default()
    };
    let cases = cases("eth-anchor");
    for case in &cases {
        let (verdicts, doubts) = judge(case, &args);
        let expected = [&case["expected"]["strict"][0], &case["expected"]["lenient"]];
        for (verdict, expected) in verdicts.iter().zip(expected) {
            assert_eq!(
                verdict["accept"], expected["accept"],
                "{}: {verdict}",
                case["name"]
            );
            assert_eq!(verdict["state"], expected["state"], "{}", case["name"]);
        }
        assert!(doubts.is_empty(), "{}: {doubts:?}", case["name"]);
    }
    println!("eth-anchor.json: {} cases by recorded answers", cases.len());
    assert_eq!(cases.len(), 40);
}

/// Answers every request with what was recorded of a chain, by HTTP.
fn node(chain: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let file = std::fs::read(recordings()).unwrap();
        let file: Value = serde_json::from_slice(&file).unwrap();
        let answers = file["rpcRecordings"][chain].as_array().unwrap();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let request = loop {
                let mut some = [0; 1024];
                let read = stream.read(&mut some).unwrap();
                request.extend(&some[..read]);
                let body = request.windows(4).position(|end| end == b"\r\n\r\n");
                let body = body.map(|at| serde_json::from_slice::<Value>(&request[at + 4..]));
                if let Some(Ok(request)) = body {
                    break request;
                }
            };
            let fits = |one: &&Value| {
                one["method"] == request["method"] && one["params"] == request["params"]
            };
            let found = answers
                .iter()
                .find(fits)
                .map_or(&Value::Null, |one| &one["result"]);
            let body =
                json!({ "jsonrpc": "2.0", "id": request["id"], "result": found }).to_string();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    format!("http://{address}/a-secret-key")
}

#[test]
fn nodes_are_asked_over_http_and_a_quorum_of_them_is_believed() {
    let cases = cases("eth-anchor");
    let named = |name: &str| {
        cases
            .iter()
            .find(|case| text(&case["name"]) == name)
            .unwrap()
    };
    let case = named("eip155:1337/f(bytes32)-merkle-leaf-0 (block 9)");
    let honest = format!("eip155:1337={}", node("eip155:1337"));
    // A node of another chain, whatever it is said to be.
    let other = format!("eip155:1337={}", node("eip155:1"));
    let nobody = "eip155:1337=http://127.0.0.1:1/a-secret-key".to_owned();
    let ask = |rpc: &[&String]| {
        let rpc = rpc.iter().map(|rpc| (*rpc).clone()).collect();
        judge(
            case,
            &ChainArgs {
                rpc,
                ..ChainArgs::default()
            },
        )
    };
    let is_proven = |verdict: &Value| verdict["state"]["log"][1]["timestamp"].is_u64();

    let ([strict, _], doubts) = ask(&[&honest]);
    assert_eq!(strict["state"], case["expected"]["strict"][0]["state"]);
    assert!(doubts.is_empty());
    assert!(is_proven(&ask(&[&honest, &honest, &other]).0[0]));
    for few in [
        &[&honest, &other][..],
        &[&honest, &nobody],
        &[&nobody],
        &[&other],
    ] {
        let ([strict, _], doubts) = ask(few);
        assert!(!is_proven(&strict), "{strict}");
        assert_eq!(doubts.len(), 1);
        assert!(!doubts[0].contains("secret"), "{doubts:?}");
    }
}
