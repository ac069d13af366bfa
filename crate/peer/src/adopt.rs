//! Taking in what others write: tabs are not connected to each other, so what one of them announces must be with the peer
//! between them before another can have it.
//!
//! Anybody can announce anything. A document is kept only if it verifies, [`MAX_AT_ONCE`] are fetched at once, each for
//! [`PATIENCE`], and none once [`MAX_DOCUMENTS`] are kept.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ostrakon_node::{Node, NodeEvent};
use ostrakon_protocol::DocumentRef;

/// Documents on disk beyond which no more are taken in.
pub const MAX_DOCUMENTS: usize = 10_000;
/// Documents fetched at once.
pub const MAX_AT_ONCE: usize = 16;
/// How long one may take to be had.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Runs until the node stops.
pub async fn adopt(node: &Node) {
    let mut events = pin!(node.events());
    let mut fetched = FuturesUnordered::new();
    let mut under_way = HashSet::new();
    loop {
        let event = tokio::select! {
            Some((stream, outcome)) = fetched.next() => {
                under_way.remove(&stream);
                if let Err(error) = outcome {
                    tracing::debug!(%stream, %error, "an announced document was not to be had");
                }
                continue;
            }
            event = events.next(), if under_way.len() < MAX_AT_ONCE => event,
        };
        let stream = match event {
            Some(NodeEvent::Unknown { stream }) => stream,
            Some(_) => continue,
            None => return,
        };
        let kept = node.status().await.documents;
        if usize::try_from(kept).unwrap_or(usize::MAX) < MAX_DOCUMENTS && under_way.insert(stream) {
            fetched.push(async move {
                let document = DocumentRef::Stream(stream);
                (stream, node.load(&document, PATIENCE).await.map(drop))
            });
        }
    }
}
