//! Whom the command line asks about anchors.

pub(crate) mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use futures::StreamExt as _;
use ostrakon_node::chains::{
    Answers, ChainSource, ChainsConfig, Doubt, Key, MAX_QUESTIONS, Outcome, Pace, Panel, Quorum,
};
use ostrakon_protocol::anchor::rpc::chain_number;
use ostrakon_protocol::anchor::{Chains, TimePolicy};

pub use http::HttpSource;

use crate::recorded::Recordings;

/// How often a source that gives no answer is asked on the command line, where somebody waits.
const ATTEMPTS: u32 = 3;

/// Whom to ask about anchors.
#[derive(Args, Clone, Debug, Default)]
pub struct ChainArgs {
    /// A node of a blockchain to ask about anchors, as CHAIN=URL: `eip155:1=https://rpc.example`. May be repeated, also for the
    /// same chain.
    #[arg(long, value_name = "CHAIN=URL")]
    pub rpc: Vec<String>,
    /// JSON file with what such a node answered before, by chain: {"eip155:1": [{"method", "params", "result"}, …]}, or that
    /// under "rpcRecordings". May be repeated.
    #[arg(long, value_name = "FILE.json")]
    pub rpc_recording: Vec<PathBuf>,
    /// How many nodes of a chain must say the same. Default: more than half of those given.
    #[arg(long, value_name = "NUMBER")]
    pub rpc_quorum: Option<usize>,
}

impl ChainArgs {
    /// Whether there is anybody to ask.
    pub fn any(&self) -> bool {
        !self.rpc.is_empty() || !self.rpc_recording.is_empty()
    }

    /// As a node takes it. `Err` is one sentence for the user.
    pub fn config(&self) -> Result<ChainsConfig, String> {
        let mut sources: Vec<(String, Rc<dyn ChainSource>)> = Vec::new();
        for given in &self.rpc {
            let (chain, url) = given.split_once('=').ok_or_else(|| {
                format!("--rpc {given}: it wants CHAIN=URL, like eip155:1=https://rpc.example.")
            })?;
            let chain = match chain.bytes().all(|byte| byte.is_ascii_digit()) {
                true => format!("eip155:{chain}"),
                false => chain.to_owned(),
            };
            chain_number(&chain).map_err(|error| format!("--rpc {given}: {error}."))?;
            let source =
                HttpSource::new(url).map_err(|error| format!("--rpc {given}: {error}."))?;
            sources.push((chain, Rc::new(source)));
        }
        for path in &self.rpc_recording {
            let recordings = Recordings::open(path)?;
            sources.extend(recordings.sources());
        }
        Ok(ChainsConfig {
            sources,
            quorum: self.rpc_quorum.map_or(Quorum::Majority, Quorum::AtLeast),
            ..ChainsConfig::default()
        })
    }
}

/// Asks about these transactions, and says about which nobody gave an answer to rely on. Anchors on any other chain than those
/// asked do not count, as with a js-ceramic node that is set up for one chain.
pub async fn ask(
    config: &ChainsConfig,
    keys: BTreeSet<Key>,
    now: u64,
) -> (Answers, Vec<(Key, Doubt)>) {
    let mut sources: BTreeMap<&str, Vec<Rc<dyn ChainSource>>> = BTreeMap::new();
    for (chain, source) in &config.sources {
        sources.entry(chain).or_default().push(source.clone());
    }
    let Pace { timeout, pause, .. } = config.pace;
    let panel = |(chain, sources)| (chain, Panel::new(chain, sources, config.quorum, timeout));
    let panels: BTreeMap<&str, Panel> = sources.into_iter().map(panel).collect();
    let asked = keys.into_iter().filter_map(|key| {
        let panel = panels.get(key.chain_id())?;
        Some(async move { (insist(panel, &key, pause).await, key) })
    });
    let outcomes = futures::stream::iter(asked).buffer_unordered(MAX_QUESTIONS);
    let outcomes: Vec<(Outcome, Key)> = outcomes.collect().await;
    let chains = Chains::only(panels.keys().copied());
    let mut answers = Answers::new(chains, TimePolicy::Proven);
    let mut doubts = Vec::new();
    for (outcome, key) in outcomes {
        match outcome {
            Outcome::Open(doubt) => doubts.push((key, doubt)),
            outcome => answers.learn(key, outcome.answer(), now),
        }
    }
    (answers, doubts)
}

/// Asks again while there is no answer.
async fn insist(panel: &Panel, key: &Key, pause: Duration) -> Outcome {
    for attempt in 1..ATTEMPTS {
        match panel.ask(key.hash()).await {
            Outcome::Open(Doubt::NoAnswer(..)) => tokio::time::sleep(pause * attempt).await,
            outcome => return outcome,
        }
    }
    panel.ask(key.hash()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rpc: &str) -> Result<ChainsConfig, String> {
        ChainArgs {
            rpc: vec![rpc.to_owned()],
            ..ChainArgs::default()
        }
        .config()
    }

    #[test]
    fn a_chain_is_given_by_its_name_or_its_number() {
        for chain in ["eip155:100", "100"] {
            let config = config(&format!("{chain}=http://localhost:8545/?key=a=b")).unwrap();
            assert_eq!(config.sources[0].0, "eip155:100");
            assert_eq!(config.sources[0].1.name(), "localhost:8545");
        }
    }

    #[test]
    fn what_is_no_chain_or_no_address_is_said_in_a_sentence() {
        for bad in [
            "http://localhost",
            "fil:1=http://localhost",
            "=http://localhost",
            "1=localhost",
        ] {
            let sentence = config(bad).err().unwrap();
            assert!(
                sentence.starts_with(&format!("--rpc {bad}: ")),
                "{sentence}"
            );
        }
    }
}
