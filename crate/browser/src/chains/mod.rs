//! Whom a tab can ask about anchors: JSON-RPC nodes over HTTP ([`http`]) and the user's own wallet ([`wallet`]).
//!
//! Who answers may lie; what an answer is worth is not decided here. It may also never end, be endless, or not be JSON:
//! bytes are counted while they come and given up beyond
//! [`MAX_RPC_ANSWER_BYTES`](ostrakon_protocol::anchor::rpc::MAX_RPC_ANSWER_BYTES), and whoever asks keeps the time.

pub mod http;
pub mod wallet;

use std::rc::Rc;

use ostrakon_node::chains::{ChainSource, ChainsConfig, Quorum};
use ostrakon_protocol::anchor::TimePolicy;
use serde::Deserialize;

use http::HttpSource;
use wallet::Wallets;

/// A chain as the façade describes it.
#[derive(Deserialize)]
pub struct ChainOptions {
    id: String,
    quorum: Option<usize>,
    nodes: Vec<NodeOptions>,
}

/// A JSON-RPC node: its address, and what is shown of it.
#[derive(Deserialize)]
pub struct NodeOptions {
    url: String,
    name: String,
}

/// Which anchors order branches.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Those that a chain confirmed.
    #[default]
    Proven,
    /// After them also the others.
    Claimed,
}

/// Whom the node asks: these, and whatever wallets there will be.
pub fn config(chains: Vec<ChainOptions>, policy: Policy, wallets: &Wallets) -> ChainsConfig {
    let wallets = wallets.clone();
    let mut config = ChainsConfig {
        anywhere: Some(Rc::new(move |chain| Rc::new(wallets.on(chain)))),
        policy: match policy {
            Policy::Proven => TimePolicy::Proven,
            Policy::Claimed => TimePolicy::Claimed,
        },
        ..ChainsConfig::default()
    };
    for ChainOptions { id, quorum, nodes } in chains {
        if let Some(quorum) = quorum {
            config.quorums.insert(id.clone(), Quorum::AtLeast(quorum));
        }
        for NodeOptions { url, name } in nodes {
            let source: Rc<dyn ChainSource> = Rc::new(HttpSource::new(url, name));
            config.sources.push((id.clone(), source));
        }
    }
    config
}
