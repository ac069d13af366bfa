//! A blockchain's node as a recording: what a real one answered to real questions, said again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use async_trait::async_trait;
use ostrakon_node::chains::{ChainSource, SourceError};
use ostrakon_protocol::anchor::rpc::Question;
use serde_json::{Value, json};

use crate::file;

/// The file, in the form of the test vectors, that has `rpcRecordings`.
const FILE: &str = "eth-anchor.json";
/// The chains that are offered. What the other recordings call Ethereum is a test chain that played it.
const OFFERED: [&str; 1] = ["eip155:1337"];
/// As JSON-RPC numbers what goes wrong: no such method.
const NO_METHOD: i64 = -32601;
const BAD_REQUEST: i64 = -32600;

/// Answers by CAIP-2 name of the chain.
#[derive(Clone, Debug, Default)]
pub struct Recordings(BTreeMap<String, Vec<Value>>);

impl Recordings {
    /// Reads the recordings in a directory of test vectors. `Err` is one sentence for the user.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let path = dir.join(FILE);
        let cannot = |why: String| {
            format!(
                "Cannot read the recorded answers in {}: {why}.",
                path.display()
            )
        };
        let bytes = fs::read(&path).map_err(|error| cannot(error.to_string()))?;
        let mut file: Value =
            serde_json::from_slice(&bytes).map_err(|error| cannot(error.to_string()))?;
        let chains =
            OFFERED
                .iter()
                .filter_map(|chain| match file["rpcRecordings"][*chain].take() {
                    Value::Array(answers) => Some(((*chain).to_owned(), answers)),
                    _ => None,
                });
        Ok(Self(chains.collect()))
    }

    /// Reads all recordings in a file: the chains at its top, or under `rpcRecordings`. `Err` is one sentence for the user.
    pub fn open(path: &Path) -> Result<Self, String> {
        let cannot = |why: &str| {
            format!(
                "Cannot read the recorded answers in {}: {why}.",
                path.display()
            )
        };
        let mut json: Value = serde_json::from_slice(&file::read(path)?)
            .map_err(|error| cannot(&error.to_string()))?;
        let json = match json.get_mut("rpcRecordings") {
            Some(recordings) => recordings.take(),
            None => json,
        };
        let Value::Object(chains) = json else {
            return Err(cannot("it is no JSON object of chains"));
        };
        let mut recordings = BTreeMap::new();
        for (chain, answers) in chains {
            let Value::Array(answers) = answers else {
                return Err(cannot(&format!("{chain} is no list of answers")));
            };
            recordings.insert(chain, answers);
        }
        Ok(Self(recordings))
    }

    /// A node for each chain, that says again what was recorded.
    pub fn sources(self) -> Vec<(String, Rc<dyn ChainSource>)> {
        let chains: Vec<String> = self.chains().map(str::to_owned).collect();
        let recordings = Rc::new(self);
        let source = |chain: String| {
            let recordings = recordings.clone();
            let source = Replay {
                chain: chain.clone(),
                recordings,
            };
            (chain, Rc::new(source) as Rc<dyn ChainSource>)
        };
        chains.into_iter().map(source).collect()
    }

    /// The chains.
    pub fn chains(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The answer to a JSON-RPC request; nothing if there is no recording of that chain.
    pub fn answer(&self, chain: &str, request: &[u8]) -> Option<Value> {
        let answers = self.0.get(chain)?;
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let (method, params) = (&request["method"], &request["params"]);
        let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
        let same = |recorded: &&Value| recorded["method"] == *method;
        let found = answers
            .iter()
            .filter(same)
            .find(|recorded| recorded["params"] == *params);
        match (found, answers.iter().any(|recorded| same(&recorded))) {
            (Some(recorded), _) => answer["result"] = recorded["result"].clone(),
            // So a node says that it knows no such thing.
            (None, true) => answer["result"] = Value::Null,
            (None, false) => {
                let code = match method {
                    Value::String(_) => NO_METHOD,
                    _ => BAD_REQUEST,
                };
                answer["error"] = json!({ "code": code, "message": "this was not recorded" });
            }
        }
        Some(answer)
    }
}

/// A chain's node that is a recording.
struct Replay {
    chain: String,
    recordings: Rc<Recordings>,
}

#[async_trait(?Send)]
impl ChainSource for Replay {
    fn name(&self) -> &str {
        "recording"
    }

    async fn ask(&self, question: &Question) -> Result<Value, SourceError> {
        let request = question.to_json(1).to_string();
        let answer = self.recordings.answer(&self.chain, request.as_bytes());
        let answer = answer.unwrap_or_default().to_string();
        Ok(question.result(1, answer.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recordings() -> Recordings {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");
        Recordings::read(dir.as_ref()).unwrap()
    }

    fn ask(method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = recordings().answer("eip155:1337", request.to_string().as_bytes());
        answer.unwrap()
    }

    #[test]
    fn a_question_that_was_recorded_is_answered_as_it_was() {
        let answer = ask("eth_chainId", json!([]));
        assert_eq!(answer["result"], "0x539");
        assert_eq!(answer["id"], 7);
    }

    #[test]
    fn a_transaction_that_nobody_recorded_does_not_exist() {
        let answer = ask("eth_getTransactionByHash", json!(["0x00"]));
        assert_eq!(answer.get("result"), Some(&Value::Null));
    }

    #[test]
    fn a_method_that_nobody_recorded_fails_and_so_does_what_is_no_request() {
        assert_eq!(
            ask("eth_sendTransaction", json!([]))["error"]["code"],
            -32601
        );
        let answer = recordings().answer("eip155:1337", b"nonsense").unwrap();
        assert_eq!(answer["error"]["code"], -32600);
        assert!(recordings().answer("eip155:1", b"{}").is_none());
    }
}
