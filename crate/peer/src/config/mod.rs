//! How a peer is set up: a file, and flags that go before what it says.
//!
//! Nothing is guessed. What is not understood is refused with its place (file and line, or flag) and what to do; `file` reads,
//! `print` writes what is in effect.

mod file;
mod print;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use ostrakon_node::Want;
use ostrakon_node::network::public::{Public, RelayLimits};
use ostrakon_protocol::DocumentRef;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use self::file::{File, Place};
use crate::chains::ChainArgs;
use crate::cli::PeerArgs;
use crate::running;

/// Largest configuration file, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Documents that a configuration can name to be kept.
pub const MAX_PINS: usize = 10_000;
/// Most reservations and circuits a relay can be told to take on.
pub const MAX_RELAYED: usize = 4096;
/// Longest name of a network, in bytes.
pub const MAX_NETWORK_BYTES: usize = 128;
/// What is logged unless somebody says otherwise.
pub const LOG_FILTER: &str = "warn";
/// Where a peer listens unless it is told: QUIC and TCP for other peers, WebSocket for browsers.
pub const LISTEN: [&str; 3] = [
    "/ip4/0.0.0.0/udp/4101/quic-v1",
    "/ip4/0.0.0.0/tcp/4101",
    "/ip4/0.0.0.0/tcp/4102/ws",
];

/// Why a peer cannot be set up as it was told.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("Cannot read {}: {source}. Name a file that this user can read with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error("{} is larger than {MAX_CONFIG_BYTES} bytes: is it the configuration?", .0.display())]
    TooLarge(PathBuf),
    /// The file is no TOML, or has a key or a type of value that there is not.
    #[error("{place}: {message}. What there is, ostrakon peer --print-config shows")]
    Syntax {
        /// File and line.
        place: String,
        /// What the reader of TOML says.
        message: String,
    },
    /// A value that means nothing here.
    #[error("{place}: {message}")]
    Value {
        /// File and line, or flag and value.
        place: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Values that do not go together, or none where one is needed.
    #[error("{0}")]
    Together(String),
}

impl ConfigError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-unreadable",
            Self::TooLarge(_) => "config-too-large",
            Self::Syntax { .. } => "config-syntax",
            Self::Value { .. } => "config-value",
            Self::Together(_) => "config-contradiction",
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object to a line, for what collects logs.
    Json,
}

/// What is in effect.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the network.
    pub network: String,
    /// Where keys and documents are.
    pub directory: PathBuf,
    /// Where to listen.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected to.
    pub peers: Vec<Multiaddr>,
    /// Documents to keep and follow.
    pub pins: Vec<DocumentRef>,
    /// What to hold beside them, and to exchange by Recon.
    pub interests: Vec<Want>,
    /// Where others reach this peer, and whether it relays.
    pub public: Public,
    /// Bounds of the relay, also while it is off.
    pub relay: RelayLimits,
    /// Where metrics and health are served.
    pub metrics: Option<SocketAddr>,
    /// Whom to ask about anchors.
    pub chains: ChainArgs,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, as RUST_LOG would say it.
    pub log_filter: String,
}

impl Settings {
    /// Reads the file, if one is named, and what the flags say instead.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn read(args: &PeerArgs) -> Result<Settings, ConfigError> {
        let file = match &args.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let chosen = |given: &[String], flag: &str, kept: Vec<Place>, default: &[&str]| {
            let flagged = |text: &String| Place::flag(flag, text);
            match (given, kept.is_empty()) {
                ([], true) => default.iter().map(|text| Place::flag(flag, text)).collect(),
                ([], false) => kept,
                (given, _) => given.iter().map(flagged).collect(),
            }
        };
        // `listen = []` is an answer as well.
        let default: &[&str] = if file.listens_nowhere { &[] } else { &LISTEN };
        let listen = each(
            chosen(&args.listen, "--listen", file.listen, default),
            listener,
        )?;
        let peers = each(chosen(&args.peer, "--peer", file.peers, &[]), dialled)?;
        let announce = each(
            chosen(&args.announce, "--announce", file.announce, &[]),
            announced,
        )?;
        let pins = chosen(&args.follow, "--follow", file.pins, &[]);
        if let Some(pin) = pins.get(MAX_PINS) {
            return Err(pin.error(format!(
                "there are more than {MAX_PINS} pins: have several peers share them"
            )));
        }
        let pins = each(pins, document)?;
        let interests = each(
            chosen(&args.interest, "--interest", file.interests, &[]),
            interest,
        )?;
        let relay = file.relay;
        let relays = args.relay.unwrap_or(file.relays);
        if relays && announce.is_empty() {
            return Err(ConfigError::Together(
                "A relay must say where others reach it: name its public addresses with --announce, or `announce` in the configuration.".to_owned(),
            ));
        }
        let network = match &args.network {
            Some(text) => Some(Place::flag("--network", text)),
            None => file.network,
        };
        let network = network.map(|place| place.map(network_name)).transpose()?;
        let metrics = match &args.metrics {
            Some(text) => Some(Place::flag("--metrics", text)),
            None => file.metrics,
        };
        let metrics = metrics.map(|place| place.map(socket)).transpose()?;
        let filter = file.log_filter.map(|place| place.map(log_filter));
        let given = args.directory.dir.clone().or(file.directory);
        let directory =
            running::directory(given.as_deref(), "peer").map_err(ConfigError::Together)?;
        Ok(Settings {
            network: network.unwrap_or_else(|| "local-1".to_owned()),
            directory,
            listen,
            peers,
            pins,
            interests,
            public: Public {
                announce,
                relay: relays.then_some(relay),
            },
            relay,
            metrics,
            chains: ChainArgs {
                rpc: each(chosen(&args.chains.rpc, "--rpc", file.rpc, &[]), chain_node)?,
                rpc_recording: args.chains.rpc_recording.clone(),
                rpc_quorum: args.chains.rpc_quorum.or(file.quorum),
            },
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
            log_filter: filter.transpose()?.unwrap_or_else(|| LOG_FILTER.to_owned()),
        })
    }
}

fn each<T>(
    places: Vec<Place>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, ConfigError> {
    places.iter().map(|place| place.map(&read)).collect()
}

fn multiaddr(text: &str) -> Result<Multiaddr, String> {
    text.parse().map_err(|error| {
        format!("\"{text}\" is no multiaddress ({error}): write it like /ip4/0.0.0.0/tcp/4101")
    })
}

/// An address that one of the transports can listen on.
fn listener(text: &str) -> Result<Multiaddr, String> {
    let address = multiaddr(text)?;
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    match parts.as_slice() {
        [
            Protocol::Ip4(_) | Protocol::Ip6(_),
            Protocol::Tcp(_) | Protocol::Udp(_),
            rest @ ..,
        ] => match (parts.get(1), rest) {
            (Some(Protocol::Tcp(_)), [] | [Protocol::Ws(_)])
            | (Some(Protocol::Udp(_)), [Protocol::QuicV1]) => Ok(address),
            (_, [Protocol::Wss(_)] | [Protocol::Tls, Protocol::Ws(_)]) => Err(format!(
                "\"{text}\" would need a certificate: listen on /ws, put a proxy that has one in front, and announce the address with /wss"
            )),
            _ => Err(cannot_listen(text)),
        },
        _ => Err(cannot_listen(text)),
    }
}

fn cannot_listen(text: &str) -> String {
    format!(
        "\"{text}\" cannot be listened on: use /ip4/ADDRESS/tcp/PORT, …/tcp/PORT/ws or …/udp/PORT/quic-v1, with ip6 as well"
    )
}

/// A peer that one of the transports can dial.
fn dialled(text: &str) -> Result<Multiaddr, String> {
    let address = multiaddr(text)?;
    match address.iter().last() {
        Some(Protocol::P2p(_)) => Ok(address),
        _ => Err(format!(
            "\"{text}\" does not say who is there: add /p2p/ and the id of the peer"
        )),
    }
}

/// An address at which others can reach this peer; who it is they learn elsewhere.
fn announced(text: &str) -> Result<Multiaddr, String> {
    let mut address = multiaddr(text)?;
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    let unspecified = match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_unspecified(),
        Some(Protocol::Ip6(ip)) => ip.is_unspecified(),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)) => {
            false
        }
        _ => true,
    };
    match unspecified {
        true => Err(format!(
            "nobody can dial \"{text}\": announce what others see, like /dns/peer.example.org/tcp/443/wss"
        )),
        false => Ok(address),
    }
}

fn document(text: &str) -> Result<DocumentRef, String> {
    text.parse().map_err(|error| {
        format!("\"{text}\": {error}: name a document by its StreamID or ceramic:// address")
    })
}

fn interest(text: &str) -> Result<Want, String> {
    text.parse::<Want>()
        .map_err(|error| error.to_string().trim_end_matches('.').to_owned())
}

fn chain_node(text: &str) -> Result<String, String> {
    let alone = ChainArgs {
        rpc: vec![text.to_owned()],
        ..ChainArgs::default()
    };
    match alone.config() {
        Ok(_) => Ok(text.to_owned()),
        Err(sentence) => Err(sentence
            .trim_start_matches("--rpc ")
            .trim_end_matches('.')
            .to_owned()),
    }
}

fn network_name(text: &str) -> Result<String, String> {
    let fine = |letter: char| letter.is_ascii_graphic();
    match !text.is_empty() && text.len() <= MAX_NETWORK_BYTES && text.chars().all(fine) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "\"{}\" is no name of a network: use mainnet, testnet-clay, local-1 or the like",
            text.escape_debug()
        )),
    }
}

/// A port alone is one of this machine only.
fn socket(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into());
    }
    text.parse().map_err(|_| {
        format!(
            "\"{text}\" is no address with a port: write it like 127.0.0.1:9464, or the port alone"
        )
    })
}

fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "\"{text}\" is no filter ({error}): write it like warn, info or ostrakon_node=debug,warn"
        )),
    }
}

/// Seconds that a relay can be told; none is no bound.
fn seconds(number: u64) -> Result<Duration, String> {
    match number {
        0 => Err("0 seconds is no time: turn the relay off, or give a longer one".to_owned()),
        1..=86_400 => Ok(Duration::from_secs(number)),
        _ => Err("it is longer than a day, 86400 seconds: give less".to_owned()),
    }
}

fn relayed(number: u64) -> Result<usize, String> {
    match usize::try_from(number) {
        Ok(0) => Err("0 relays nothing: turn the relay off, or give more".to_owned()),
        Ok(number) if number <= MAX_RELAYED => Ok(number),
        _ => Err(format!(
            "it is more than a relay takes on, {MAX_RELAYED}: give less"
        )),
    }
}

fn circuit_bytes(number: u64) -> Result<u64, String> {
    match number {
        0 => Err("0 bytes are no circuit: turn the relay off, or give more".to_owned()),
        number => Ok(number),
    }
}

/// Reads the file at `path` within its bound.
fn text_of(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read as _;
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_CONFIG_BYTES.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge(path.to_owned()));
    }
    Ok(text)
}
