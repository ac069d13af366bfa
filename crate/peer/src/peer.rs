//! `ostrakon peer`: keeps documents, follows them, serves their blocks.

use std::fmt::Display;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::Multiaddr;
use ostrakon_node::{NodeEvent, Want};
use ostrakon_protocol::DocumentRef;
use serde_json::json;

use crate::cli::PeerArgs;
use crate::running;

/// How long a document that is to be followed may take to be found.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs until `stop` is done, telling `say` what happens. `Err` is one sentence for the user.
pub async fn run(
    args: &PeerArgs,
    stop: impl Future<Output = ()>,
    say: impl Fn(&dyn Display),
) -> Result<(), String> {
    let dir = running::directory(args.directory.dir.as_deref(), "peer")?;
    let addresses = |option: &str, texts: &[String]| -> Result<Vec<Multiaddr>, String> {
        texts
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|error| format!("{option} {text}: {error}."))
            })
            .collect()
    };
    let (listen, peers) = (
        addresses("--listen", &args.listen)?,
        addresses("--peer", &args.peer)?,
    );
    let follow: Vec<DocumentRef> = args
        .follow
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|error| format!("--follow {text}: {error}."))
        })
        .collect::<Result<_, _>>()?;
    let interests: Vec<Want> = args
        .interest
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|error| format!("--interest: {error}."))
        })
        .collect::<Result<_, _>>()?;
    let running = running::start(
        &dir,
        &args.network,
        listen.clone(),
        peers,
        args.chains.config()?,
    )
    .await?;
    let node = &running.node;
    node.want(interests).await;
    let status = node.status().await;
    if args.json {
        let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
        say(
            &json!({ "peerId": status.peer_id.to_string(), "network": args.network, "listen": listen, "directory": dir }),
        );
    } else {
        say(&format_args!(
            "peer {} on {}, {} documents in {}",
            status.peer_id,
            args.network,
            status.documents,
            dir.display()
        ));
        listen
            .iter()
            .for_each(|address| say(&format_args!("listens on {address}/p2p/{}", status.peer_id)));
    }
    let fetch = async {
        let fetched = follow
            .iter()
            .map(|document| async move { (document, node.load(document, PATIENCE).await) });
        for (document, outcome) in futures::future::join_all(fetched).await {
            if let Err(error) = outcome {
                tracing::warn!(%document, %error, "cannot follow");
            }
        }
        std::future::pending::<()>().await;
    };
    let listen = async {
        let mut events = std::pin::pin!(node.events());
        while let Some(event) = events.next().await {
            match event {
                NodeEvent::Peer {
                    peer,
                    connected,
                    address,
                } if args.json => say(&json!({
                    "event": "peer", "peer": peer.to_string(), "connected": connected, "address": address.to_string(),
                })),
                NodeEvent::Peer {
                    peer, connected, ..
                } => {
                    say(&format_args!(
                        "{peer} {}",
                        if connected { "connected" } else { "left" }
                    ));
                }
                NodeEvent::Document { stream, tip } if args.json => say(&json!({
                    "event": "document", "stream": stream.to_string(), "tip": tip.to_string(),
                })),
                NodeEvent::Document { stream, tip } => {
                    say(&format_args!("{stream} is now at {tip}"))
                }
                _ => {}
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = fetch => {}
        () = listen => {}
    }
    running.stop().await;
    Ok(())
}
