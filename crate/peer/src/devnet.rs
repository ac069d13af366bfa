//! `ostrakon devnet`: a network of one peer with documents in it, and the demo page.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use ostrakon_node::{Node, View};
use ostrakon_protocol::{DocumentRef, StreamId, json as ipld_json};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use crate::adopt::adopt;
use crate::cli::DevnetArgs;
use crate::keys::{self, Seed};
use crate::living::{Living, STORIES, Story};
use crate::recorded::Recordings;
use crate::running::{self, Running};
use crate::samples;
use crate::wallet::Wallet;
use crate::www::{self, Chain, Devnet, Offer, Shared, WALLET};

/// Name of the network.
pub const NETWORK: &str = "local-1";
/// For what is on disk already: the node has only to read it.
const AT_HAND: Duration = Duration::from_secs(10);

/// Runs until `stop` is done. `Err` is one sentence for the user.
pub async fn run(args: &DevnetArgs, stop: impl Future<Output = ()>) -> Result<(), String> {
    let dir = running::directory(args.directory.dir.as_deref(), "devnet")?;
    let http = www::bind(SocketAddr::new(args.host, args.port), "--port").await?;
    for (port, option) in [(args.ws_port, "--ws-port"), (args.tcp_port, "--tcp-port")] {
        // The node would find out too, but in the background and in libp2p's words.
        drop(www::bind(SocketAddr::new(args.host, port), option).await?);
    }
    let listen = [
        tcp(args, args.ws_port).with(Protocol::Ws("/".into())),
        tcp(args, args.tcp_port),
    ];
    let running = running::start(
        &dir,
        NETWORK,
        listen.to_vec(),
        Vec::new(),
        args.chains.config()?,
    )
    .await?;
    let outcome = serve(args, &dir, http, &running, stop).await;
    running.stop().await;
    outcome
}

async fn serve(
    args: &DevnetArgs,
    dir: &Path,
    http: tokio::net::TcpListener,
    running: &Running,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let node = &running.node;
    let status = node.status().await;
    let recordings = Recordings::read(&args.vectors)?;
    let wallet = match &args.wallet {
        Some(url) => Some(Wallet::find(url).await?),
        None => None,
    };
    let peers = vec![format!("{}/p2p/{}", websocket(args), status.peer_id)];
    let devnet = Devnet {
        network: NETWORK.to_owned(),
        peers: peers.clone(),
        chains: recordings.chains().map(offered).collect(),
        wallet: wallet.as_ref().map(|wallet| Chain {
            id: wallet.chain().to_owned(),
            rpc: WALLET.trim_start_matches('/').to_owned(),
        }),
        documents: Vec::new(),
    };
    let shared: Shared = Arc::new(RwLock::new(devnet));
    let address = http
        .local_addr()
        .map_err(|error| format!("Cannot listen: {error}."))?;
    let server = tokio::spawn(www::serve(
        http,
        www::router(&args.www, shared.clone(), recordings, wallet),
    ));

    let samples = import_samples(node, &args.vectors).await?;
    let mut living = Vec::new();
    for story in STORIES {
        let seed =
            keys::seed(&dir.join("keys"), story.name()).map_err(|error| format!("{error}."))?;
        let document = begin(node, story, &seed)
            .await
            .map_err(|error| format!("{}: {error}.", story.title()))?;
        living.push((document, seed));
    }
    offer(&shared, &living, &samples);

    let url = format!(
        "http://{}:{}/",
        if args.host.is_unspecified() {
            "localhost".to_owned()
        } else {
            host(args)
        },
        address.port()
    );
    if args.json {
        println!(
            "{}",
            json!({ "url": url, "network": NETWORK, "peers": peers, "directory": dir })
        );
    } else {
        println!("{url}");
    }
    if !args.www.join("index.html").is_file() {
        eprintln!(
            "There is no page in {}: build it, or say with --www where it is.",
            args.www.display()
        );
    }
    let write = async {
        if args.every == 0 {
            std::future::pending::<()>().await;
        }
        // One after the other, so that each document has its turn in that time.
        let turns = u32::try_from(living.len()).unwrap_or(1).max(1);
        let mut clock = tokio::time::interval(Duration::from_secs(args.every) / turns);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for turn in 0_usize.. {
            clock.tick().await;
            if node.status().await.peers.is_empty() {
                continue; // nobody is there to see it
            }
            let at = turn % living.len();
            if let Some((document, seed)) = living.get_mut(at) {
                match go_on(node, document, seed).await {
                    Ok(true) => offer(&shared, &living, &samples),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "a living document could not be written"),
                }
            }
        }
    };
    tokio::select! {
        () = stop => Ok(()),
        () = write => Ok(()),
        () = adopt(node) => Ok(()),
        ended = server => Err(format!("The page is no longer served: {ended:?}.")),
    }
}

fn offered(chain: &str) -> Chain {
    Chain {
        id: chain.to_owned(),
        rpc: format!("rpc/{chain}"),
    }
}

/// Where a browser dials.
fn websocket(args: &DevnetArgs) -> Multiaddr {
    tcp(args, args.ws_port).with(Protocol::Ws("/".into()))
}

fn tcp(args: &DevnetArgs, port: u16) -> Multiaddr {
    Multiaddr::from(args.host).with(Protocol::Tcp(port))
}

fn host(args: &DevnetArgs) -> String {
    SocketAddr::new(args.host, 0)
        .to_string()
        .trim_end_matches(":0")
        .to_owned()
}

/// Keeps the sample documents that are not kept yet.
async fn import_samples(node: &Node, vectors: &Path) -> Result<Vec<Offer>, String> {
    let kept: Vec<String> = match node.documents().await {
        Ok(records) => records
            .iter()
            .map(|record| record.stream.to_string())
            .collect(),
        Err(error) => return Err(format!("Cannot read the kept documents: {error}.")),
    };
    let mut offers = Vec::new();
    for sample in samples::read(vectors)? {
        if !kept.contains(&sample.stream)
            && let Err(error) = node.import_car(&sample.car).await
        {
            tracing::warn!(name = sample.name, %error, "a sample document was refused");
            continue;
        }
        offers.push(Offer {
            id: sample.stream,
            title: sample.title,
            living: false,
        });
    }
    Ok(offers)
}

/// The newest generation of a story, as it is kept or as it begins.
async fn begin(
    node: &Node,
    story: Story,
    seed: &[u8; 32],
) -> Result<Living, Box<dyn std::error::Error>> {
    for generation in 0.. {
        let (mut living, blocks) = Living::begin(story, seed, generation)?;
        let known = node
            .documents()
            .await?
            .iter()
            .any(|record| record.stream == *living.stream());
        if !known {
            node.submit(*living.stream(), *living.tip(), blocks).await?;
        }
        stand(node, &mut living).await?;
        if !living.is_full() {
            return Ok(living);
        }
    }
    Err("no generation is left".into())
}

/// Writes one event; `true` when the document was full and another took its place.
async fn go_on(
    node: &Node,
    living: &mut Living,
    seed: &[u8; 32],
) -> Result<bool, Box<dyn std::error::Error>> {
    if living.is_full() {
        *living = begin(node, living.story, seed).await?;
        return Ok(true);
    }
    let blocks = living.write(jiff::Timestamp::now().as_second())?;
    let tip = blocks
        .last()
        .map(|block| *block.cid())
        .unwrap_or(*living.tip());
    node.submit(*living.stream(), tip, blocks).await?;
    stand(node, living).await?;
    Ok(false)
}

/// Takes the document as the node has it.
async fn stand(node: &Node, living: &mut Living) -> Result<(), Box<dyn std::error::Error>> {
    let stream: StreamId = *living.stream();
    let view: View = node.load(&DocumentRef::Stream(stream), AT_HAND).await?;
    let content = view
        .document
        .state()
        .content()
        .map_or(Value::Null, ipld_json::to_json);
    let events = u32::try_from(view.document.log().len()).unwrap_or(u32::MAX);
    living.resume(*view.document.tip(), content, events);
    Ok(())
}

fn offer(shared: &Shared, living: &[(Living, Seed)], samples: &[Offer]) {
    let moving = living.iter().map(|(document, _)| Offer {
        id: document.stream().to_string(),
        title: document.story.title().to_owned(),
        living: true,
    });
    let documents = moving.chain(samples.iter().cloned()).collect();
    shared
        .write()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .documents = documents;
}
