//! The devnet's wallet: another program on this machine, such as anvil, that holds keys which everybody knows. The devnet's
//! server passes questions of the page on to it, because a page may ask its own origin and nobody else.
//!
//! Whoever reaches the server can ask. So only [`PASSED`] is passed on: nothing that spends, mines or changes the wallet.

use std::time::Duration;

use ostrakon_protocol::anchor::rpc::MAX_RPC_ANSWER_BYTES;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use ureq::Agent;
use ureq::http::Uri;

use crate::chains::http;

/// What a page may ask for.
const PASSED: [&str; 5] = [
    "eth_accounts",
    "eth_chainId",
    "eth_getBlockByHash",
    "eth_getTransactionByHash",
    "personal_sign",
];
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// As EIP-1193 numbers what goes wrong.
const UNSUPPORTED: i64 = 4200;
const DISCONNECTED: i64 = 4900;

/// Where the wallet is, and on which chain.
#[derive(Clone, Debug)]
pub struct Wallet {
    agent: Agent,
    url: String,
    /// CAIP-2.
    chain: String,
}

impl Wallet {
    /// Finds out whether a wallet answers at `url`. `Err` is one sentence for the user.
    pub async fn find(url: &str) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("--wallet {url}: {error}."))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(format!("--wallet {url}: it must begin with http://."));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0);
        let mut wallet = Self {
            agent: config.build().into(),
            url: url.to_owned(),
            chain: String::new(),
        };
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
        let answer = wallet.answer(question.to_string().as_bytes()).await;
        let number = answer["result"]
            .as_str()
            .and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok());
        let number = number.ok_or_else(|| format!("--wallet {url}: no wallet answers there."))?;
        wallet.chain = format!("eip155:{number}");
        Ok(wallet)
    }

    /// The chain it is on, CAIP-2.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The answer to a JSON-RPC request.
    pub async fn answer(&self, request: &[u8]) -> Value {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let id = request["id"].clone();
        let fails = |code: i64, message: &str| json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
        let passed = request["method"]
            .as_str()
            .is_some_and(|method| PASSED.contains(&method));
        if !passed {
            return fails(UNSUPPORTED, "the devnet's wallet does not do this");
        }
        let (agent, url, body) = (self.agent.clone(), self.url.clone(), request.to_string());
        let answered = spawn_blocking(move || http::post(&agent, &url, &body)).await;
        match answered {
            Ok(Ok((200, body))) if body.len() <= MAX_RPC_ANSWER_BYTES => {
                serde_json::from_slice(&body).unwrap_or_default()
            }
            _ => fails(DISCONNECTED, "the devnet's wallet does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A wallet that says of every question that its answer is `result`, and the questions it was asked.
    fn wallet(result: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heard, asked) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut part = [0; 1024];
                while !request.ends_with(b"}") {
                    let read = stream.read(&mut part).unwrap();
                    request.extend_from_slice(&part[..read]);
                }
                let _ = heard.send(String::from_utf8(request).unwrap());
                let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
                let length = body.len();
                let head = "content-type: application/json\r\nconnection: close";
                let answer =
                    format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (url, asked)
    }

    #[tokio::test]
    async fn a_wallet_is_asked_to_sign_and_never_to_spend() {
        let (url, asked) = wallet(r#""0x7a69""#);
        let wallet = Wallet::find(&url).await.unwrap();
        assert_eq!(wallet.chain(), "eip155:31337");
        assert!(asked.recv().unwrap().contains("eth_chainId"));
        let ask = async |method: &str| {
            let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] });
            wallet.answer(request.to_string().as_bytes()).await
        };
        assert_eq!(ask("personal_sign").await["result"], "0x7a69");
        assert!(asked.recv().unwrap().contains("personal_sign"));
        for method in ["eth_sendTransaction", "anvil_setBalance", "eth_sign", ""] {
            assert_eq!(ask(method).await["error"]["code"], UNSUPPORTED, "{method}");
        }
        for request in ["", "nonsense", r#"[{"method":"personal_sign"}]"#] {
            let answer = wallet.answer(request.as_bytes()).await;
            assert_eq!(answer["error"]["code"], UNSUPPORTED, "{request}");
        }
        assert!(asked.try_recv().is_err(), "none of these was passed on");
    }

    #[tokio::test]
    async fn where_no_wallet_is_the_user_is_told() {
        let (url, _asked) = wallet("null");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = format!("http://{}", nobody.local_addr().unwrap());
        drop(nobody);
        for url in [url.as_str(), &gone, "ftp://x", "anvil", ""] {
            let sentence = Wallet::find(url).await.unwrap_err();
            assert!(sentence.starts_with("--wallet"), "{sentence}");
        }
    }
}
