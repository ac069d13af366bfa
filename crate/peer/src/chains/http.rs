//! A JSON-RPC node over HTTP.

use std::cell::Cell;
use std::io::Read as _;
use std::time::Duration;

use async_trait::async_trait;
use ostrakon_node::chains::{ChainSource, SourceError};
use ostrakon_protocol::anchor::rpc::{MAX_RPC_ANSWER_BYTES, Question, RpcError};
use serde_json::Value;
use tokio::task::spawn_blocking;
use ureq::Agent;
use ureq::http::Uri;

/// How long one question may take. Whoever asks keeps the time for all of them.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A node at an address. Asked inside a tokio runtime.
pub struct HttpSource {
    agent: Agent,
    url: String,
    /// Its host, without whatever key the address holds.
    name: String,
    asked: Cell<u64>,
}

impl HttpSource {
    /// `Err` says what is wrong with the address.
    pub fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let (Some("http" | "https"), Some(host)) = (uri.scheme_str(), host) else {
            return Err("it must begin with http:// or https:// and a host".to_owned());
        };
        let name = match uri.port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0);
        Ok(Self {
            agent: config.build().into(),
            url: url.to_owned(),
            name,
            asked: Cell::new(0),
        })
    }
}

#[async_trait(?Send)]
impl ChainSource for HttpSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn ask(&self, question: &Question) -> Result<Value, SourceError> {
        let id = self.asked.get().wrapping_add(1);
        self.asked.set(id);
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let body = question.to_json(id).to_string();
        let answered = spawn_blocking(move || post(&agent, &url, &body)).await;
        let (status, body) = answered
            .map_err(|error| SourceError::Unreachable(error.to_string()))?
            .map_err(|error| match error {
                ureq::Error::Timeout(_) => SourceError::Slow,
                // Never the address: it may hold a key.
                error => SourceError::Unreachable(error.to_string()),
            })?;
        match question.result(id, &body) {
            // An error page is none of the node's words.
            Err(RpcError::NotRpc) if status != 200 => Err(SourceError::Unreachable(format!(
                "it answers with HTTP status {status}"
            ))),
            result => Ok(result?),
        }
    }
}

/// The status and the bytes that `url` answers; no more of them than are read.
pub(crate) fn post(agent: &Agent, url: &str, body: &str) -> Result<(u16, Vec<u8>), ureq::Error> {
    let request = agent.post(url).header("content-type", "application/json");
    let mut response = request.send(body)?;
    let most = MAX_RPC_ANSWER_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    response
        .body_mut()
        .as_reader()
        .take(most)
        .read_to_end(&mut bytes)?;
    Ok((response.status().as_u16(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_by_its_host_and_never_by_the_key_in_its_address() {
        let source = HttpSource::new("https://user:pw@rpc.example:8545/v3/secret?k=1").unwrap();
        assert_eq!(source.name(), "rpc.example:8545");
        assert_eq!(
            HttpSource::new("http://127.0.0.1:8545").unwrap().name(),
            "127.0.0.1:8545"
        );
        for bad in [
            "rpc.example",
            "ftp://rpc.example",
            "https://",
            "file:///etc/passwd",
            "",
        ] {
            assert!(HttpSource::new(bad).is_err(), "{bad}");
        }
    }
}
