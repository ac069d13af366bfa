//! Questions to an EVM node and its answers, in the words of Ethereum's JSON-RPC (EIP-1474; a wallet's EIP-1193 provider
//! takes the same). Nothing is sent here: a [`Question`] is a value, and so is what came back.
//!
//! Who answers may lie, be broken or be another chain's node. An answer is at most [`MAX_RPC_ANSWER_BYTES`] long; it must
//! repeat the hash that was asked for, and block and transaction must name each other, so that an answer to another
//! question is not taken for one to this. That the chain is the right one says `eth_chainId`, which is asked first. Whether
//! the source can be believed is not decided here.

use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use serde_json::{Value, json};

use super::transaction::{Address, Input, Transaction};

/// Longest answer to one question: a full block names some thousand transactions by 66 digits each.
pub const MAX_RPC_ANSWER_BYTES: usize = 4 << 20;

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// It is not JSON-RPC, or longer than [`MAX_RPC_ANSWER_BYTES`].
    #[error("the answer is not JSON-RPC")]
    NotRpc,
    /// The node says that it failed.
    #[error("the node answered with error {code}: {message}")]
    Failed {
        /// Its number.
        code: i64,
        /// What it says, at most 200 characters.
        message: String,
    },
    /// A field of the result is missing or of the wrong form.
    #[error("the answer to {method} has no valid {field}")]
    BadField {
        /// What was asked.
        method: &'static str,
        /// The field.
        field: &'static str,
    },
    /// The answer is about something else.
    #[error("the answer to {0} is about something else")]
    OtherThing(&'static str),
    /// The node is one of another chain.
    #[error("the node is of chain {0}")]
    OtherChain(u64),
    /// The chain is not one that has such nodes.
    #[error("the chain {0} is not of the EVM kind")]
    NotEvm(String),
}

impl RpcError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRpc => "rpc-not-rpc",
            Self::Failed { .. } => "rpc-failed",
            Self::BadField { .. } => "rpc-bad-field",
            Self::OtherThing(_) => "rpc-other-thing",
            Self::OtherChain(_) => "rpc-other-chain",
            Self::NotEvm(_) => "rpc-not-evm",
        }
    }
}

/// What an EVM node is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Of which chain it is.
    ChainId,
    /// For a transaction, by its hash.
    Transaction([u8; 32]),
    /// For a block without its transactions, by its hash.
    Block([u8; 32]),
}

impl Question {
    /// The name of the method.
    pub fn method(&self) -> &'static str {
        match self {
            Self::ChainId => "eth_chainId",
            Self::Transaction(_) => "eth_getTransactionByHash",
            Self::Block(_) => "eth_getBlockByHash",
        }
    }

    /// Its arguments: a list.
    pub fn params(&self) -> Value {
        match self {
            Self::ChainId => json!([]),
            Self::Transaction(hash) => json!([hex(hash)]),
            Self::Block(hash) => json!([hex(hash), false]),
        }
    }

    /// As a JSON-RPC request.
    pub fn to_json(&self, id: u64) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "method": self.method(), "params": self.params() })
    }

    /// The result in the text of a JSON-RPC response.
    ///
    /// # Errors
    /// It is none, not to this request, or says that the node failed.
    pub fn result(&self, id: u64, response: &[u8]) -> Result<Value, RpcError> {
        if response.len() > MAX_RPC_ANSWER_BYTES {
            return Err(RpcError::NotRpc);
        }
        let response: Value = serde_json::from_slice(response).map_err(|_| RpcError::NotRpc)?;
        let Value::Object(mut response) = response else {
            return Err(RpcError::NotRpc);
        };
        if let Some(error) = response.get("error").filter(|error| !error.is_null()) {
            let message = error.get("message").and_then(Value::as_str);
            return Err(RpcError::Failed {
                code: error.get("code").and_then(Value::as_i64).unwrap_or(0),
                message: message.unwrap_or_default().chars().take(200).collect(),
            });
        }
        if response.get("id").and_then(Value::as_u64) != Some(id) {
            return Err(RpcError::OtherThing(self.method()));
        }
        response.remove("result").ok_or(RpcError::NotRpc)
    }

    fn bad(&self, field: &'static str) -> RpcError {
        let method = self.method();
        RpcError::BadField { method, field }
    }
}

/// The number of an EVM chain, by its CAIP-2 name.
///
/// # Errors
/// It is not of the namespace `eip155`.
pub fn chain_number(chain_id: &str) -> Result<u64, RpcError> {
    let number = chain_id.strip_prefix("eip155:");
    number
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| RpcError::NotEvm(chain_id.to_owned()))
}

/// Checks the answer to [`Question::ChainId`].
///
/// # Errors
/// It is another chain, or none.
pub fn check_chain(chain_id: &str, answer: &Value) -> Result<(), RpcError> {
    let wanted = chain_number(chain_id)?;
    match quantity(Some(answer)) {
        Some(number) if number == wanted => Ok(()),
        Some(number) => Err(RpcError::OtherChain(number)),
        None => Err(Question::ChainId.bad("result")),
    }
}

/// What a node says about a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It knows no such transaction.
    Absent,
    /// It knows of it, but not of a block that has it: it was not mined yet, or its block is not of the chain any more.
    Pending,
    /// It is in a block.
    Mined(Transaction),
}

/// Asking one node about one transaction: two questions, the second about what the first was answered.
#[derive(Clone, Debug)]
pub struct Inquiry {
    hash: [u8; 32],
    found: Option<Found>,
}

#[derive(Clone, Debug)]
struct Found {
    block_hash: [u8; 32],
    block: u64,
    to: Option<Address>,
    input: Input,
}

impl Inquiry {
    /// About the transaction of this hash.
    pub fn new(hash: [u8; 32]) -> Self {
        Self { hash, found: None }
    }

    /// What to ask next.
    pub fn question(&self) -> Question {
        match &self.found {
            None => Question::Transaction(self.hash),
            Some(found) => Question::Block(found.block_hash),
        }
    }

    /// Takes the answer to [`Inquiry::question`]. `None`: there is one more question.
    ///
    /// # Errors
    /// It is no answer to the question.
    pub fn answer(&mut self, answer: &Value) -> Result<Option<Report>, RpcError> {
        let question = self.question();
        let Some(found) = &self.found else {
            if answer.is_null() {
                return Ok(Some(Report::Absent));
            }
            self.found = self.transaction(answer, &question)?;
            let unmined = self.found.is_none().then_some(Report::Pending);
            return Ok(unmined);
        };
        if answer.is_null() {
            return Ok(Some(Report::Pending));
        }
        if hash(answer.get("hash")) != Some(found.block_hash) {
            return Err(RpcError::OtherThing(question.method()));
        }
        let number = quantity(answer.get("number")).ok_or_else(|| question.bad("number"))?;
        if number != found.block {
            return Err(RpcError::OtherThing(question.method()));
        }
        let time = quantity(answer.get("timestamp")).ok_or_else(|| question.bad("timestamp"))?;
        Ok(Some(Report::Mined(Transaction {
            block: found.block,
            time,
            to: found.to,
            input: found.input.clone(),
        })))
    }

    /// `None` if it was not mined.
    fn transaction(&self, answer: &Value, question: &Question) -> Result<Option<Found>, RpcError> {
        if hash(answer.get("hash")) != Some(self.hash) {
            return Err(RpcError::OtherThing(question.method()));
        }
        let block_hash = match answer.get("blockHash") {
            None | Some(Value::Null) => return Ok(None),
            some => hash(some).ok_or_else(|| question.bad("blockHash"))?,
        };
        let to = match answer.get("to") {
            None | Some(Value::Null) => None,
            some => Some(Address(fixed(some).ok_or_else(|| question.bad("to"))?)),
        };
        // Some nodes name it as a request for a transaction does.
        let input = answer.get("input").or_else(|| answer.get("data"));
        Ok(Some(Found {
            block_hash,
            block: quantity(answer.get("blockNumber"))
                .ok_or_else(|| question.bad("blockNumber"))?,
            to,
            input: Input::new(&bytes(input).ok_or_else(|| question.bad("input"))?),
        }))
    }
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", HEX.encode(bytes))
}

fn digits(value: Option<&Value>) -> Option<&str> {
    value?.as_str()?.strip_prefix("0x")
}

/// A number: hex digits, at most 64 bits.
fn quantity(value: Option<&Value>) -> Option<u64> {
    let digits = digits(value)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

fn bytes(value: Option<&Value>) -> Option<Vec<u8>> {
    HEX.decode(digits(value)?.as_bytes()).ok()
}

fn fixed<const N: usize>(value: Option<&Value>) -> Option<[u8; N]> {
    bytes(value)?.try_into().ok()
}

fn hash(value: Option<&Value>) -> Option<[u8; 32]> {
    fixed(value)
}
