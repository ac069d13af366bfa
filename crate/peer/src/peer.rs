//! `ostrakon peer`: keeps documents, follows them, serves their blocks.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use ostrakon_node::{Node, NodeEvent, Status};
use ostrakon_protocol::DocumentRef;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::config::Settings;
use crate::monitor::{self, Monitor};
use crate::{running, www};

/// How long a pinned document may take to be found.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to leave a pinned document that was not to be had before looking again.
const PAUSE: Duration = Duration::from_secs(60);
/// Pinned documents looked for at once.
const MAX_AT_ONCE: usize = 16;

/// Runs until `stop` is done, telling `say` what happens, in JSON if asked. `Err` is one sentence for the user.
pub async fn run(
    settings: &Settings,
    in_json: bool,
    stop: impl Future<Output = ()>,
    say: impl Fn(&dyn Display),
) -> Result<(), String> {
    let mut registry = Registry::default();
    let counted = settings.metrics.is_some().then_some(&mut registry);
    let asked = match settings.metrics {
        Some(address) => Some(www::bind(address, "--metrics").await?),
        None => None,
    };
    let (listen, peers) = (settings.listen.clone(), settings.peers.clone());
    let running = running::start_public(
        &settings.directory,
        &settings.network,
        (listen, peers, settings.public.clone()),
        settings.chains.config()?,
        counted,
    )
    .await?;
    let node = &running.node;
    node.want(settings.interests.clone()).await;
    let status = node.status().await;
    let monitored = asked.as_ref().and_then(|asked| asked.local_addr().ok());
    if in_json {
        let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
        let mut hello = json!({
            "peerId": status.peer_id.to_string(), "network": settings.network, "listen": listen, "directory": settings.directory,
        });
        if let Some(address) = monitored {
            hello["metrics"] = json!(address.to_string());
        }
        say(&hello);
    } else {
        say(&format_args!(
            "peer {} on {}, {} documents in {}",
            status.peer_id,
            settings.network,
            status.documents,
            settings.directory.display()
        ));
        if let Some(address) = monitored {
            say(&format_args!(
                "http://{address}/metrics, http://{address}/health"
            ));
        }
    }
    let serve = async {
        let Some(listener) = asked else {
            return std::future::pending().await;
        };
        let monitor = Monitor {
            node: node.clone(),
            registry,
            store: running::store_file(&settings.directory),
            started: Instant::now(),
        };
        www::serve(listener, monitor::router(monitor)).await
    };
    let listen = async {
        let mut events = std::pin::pin!(node.events());
        let mut told = BTreeSet::new();
        while let Some(event) = events.next().await {
            match (event, in_json) {
                (NodeEvent::Status(status), _) => addresses(&status, &mut told, in_json, &say),
                (event, true) => tell_json(&event, &say),
                (event, false) => tell(&event, &say),
            }
        }
    };
    let outcome = tokio::select! {
        () = stop => Ok(()),
        () = pin(node, &settings.pins) => Ok(()),
        () = listen => Err("The node has ended by itself: what it said before is above.".to_owned()),
        ended = serve => Err(format!("Metrics are no longer served: {ended:?}.")),
    };
    running.stop().await;
    tracing::info!("ended");
    outcome
}

/// Fetches what is pinned, and what cannot be had again and again. What is kept the node follows by itself. Never ends.
async fn pin(node: &Node, pins: &[DocumentRef]) {
    let slots = Semaphore::new(MAX_AT_ONCE);
    let fetched = pins.iter().map(async |document| {
        loop {
            // Those that pause leave their turn to others.
            let turn = slots.acquire().await;
            let outcome = node.load(document, PATIENCE).await;
            drop(turn);
            let Err(error) = outcome else {
                break;
            };
            tracing::warn!(%document, %error, code = error.code(), "a pinned document cannot be had yet");
            tokio::time::sleep(PAUSE).await;
        }
        tracing::info!(%document, "pinned");
    });
    futures::future::join_all(fetched).await;
    std::future::pending::<()>().await;
}

/// Tells where the node listens, each address once.
fn addresses(
    status: &Status,
    told: &mut BTreeSet<String>,
    in_json: bool,
    say: &impl Fn(&dyn Display),
) {
    for address in &status.addresses {
        let address = format!("{address}/p2p/{}", status.peer_id);
        if told.contains(&address) {
            continue;
        }
        match in_json {
            true => say(&json!({ "event": "listening", "address": address })),
            false => say(&format_args!("listens on {address}")),
        }
        told.insert(address);
    }
}

fn tell_json(event: &NodeEvent, say: &impl Fn(&dyn Display)) {
    match event {
        NodeEvent::Peer {
            peer,
            connected,
            address,
        } => say(&json!({
            "event": "peer", "peer": peer.to_string(), "connected": connected, "address": address.to_string(),
        })),
        NodeEvent::Document { stream, tip } => say(&json!({
            "event": "document", "stream": stream.to_string(), "tip": tip.to_string(),
        })),
        _ => {}
    }
}

fn tell(event: &NodeEvent, say: &impl Fn(&dyn Display)) {
    match event {
        NodeEvent::Peer {
            peer, connected, ..
        } => {
            let what = if *connected { "connected" } else { "left" };
            say(&format_args!("{peer} {what}"));
        }
        NodeEvent::Document { stream, tip } => say(&format_args!("{stream} is now at {tip}")),
        _ => {}
    }
}
