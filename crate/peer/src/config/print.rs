//! The settings as the file that would give them.

use std::fmt::{self, Display, Formatter};

use super::{LogFormat, Settings};

/// A string of TOML: what JSON escapes, TOML understands, and text from a terminal has no DEL in it.
fn quoted(value: impl Display) -> String {
    serde_json::Value::String(value.to_string()).to_string()
}

fn list(key: &str, values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.map(quoted).collect();
    match values.as_slice() {
        [] => format!("{key} = []"),
        values => format!("{key} = [\n  {},\n]", values.join(",\n  ")),
    }
}

impl Display for Settings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let texts = |addresses: &[libp2p::Multiaddr]| {
            let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            texts.into_iter()
        };
        let pins = self.pins.iter().map(ToString::to_string);
        let format = match self.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let metrics = match self.metrics {
            Some(address) => format!("metrics = {}", quoted(address)),
            None => r#"# metrics = "127.0.0.1:9464""#.to_owned(),
        };
        let quorum = match self.chains.rpc_quorum {
            Some(quorum) => format!("quorum = {quorum}"),
            None => "# quorum = 2".to_owned(),
        };
        let relay = &self.relay;
        write!(
            f,
            r#"# Configuration of `ostrakon peer --config FILE`. Flags go before what is written here.

# Name of the network, which is also its gossip topic: mainnet, testnet-clay, local-1, …
network = {network}

# Keys and documents; one process at a time.
directory = {directory}

# Where to listen: QUIC and TCP for peers, WebSocket for browsers. [] listens nowhere.
{listen}

# Where others reach this peer, if that is not where it listens: behind a proxy, a router or in a container.
# Like "/dns/peer.example.org/tcp/443/wss".
{announce}

# Peers to stay connected to, each ending in /p2p/ and its id.
{peers}

# Documents to fetch, keep and follow: StreamIDs or ceramic:// addresses.
{pins}

# What to hold beside them, and to exchange by Recon with peers that want the same:
# "all", "model:k…", "model:k…@did:…", "controller:did:…", "document:k…".
{interests}

# Where /metrics and /health are served; a port alone is one of this machine only. Nowhere unless it is said.
{metrics}

[chains]
# Nodes of blockchains to ask about anchors, as CHAIN=URL: "eip155:1=https://rpc.example".
{rpc}
# How many nodes of a chain must say the same; unless it is said, more than half.
{quorum}

[relay]
# Pass on the traffic of peers that nobody can dial. Wants `announce`.
enabled = {enabled}
# Peers that hold a reservation at once, and how long one holds.
reservations = {reservations}
reservation_seconds = {reservation_seconds}
# Circuits open at once, how long one stays open at most, and how many bytes it carries each way.
circuits = {circuits}
circuit_seconds = {circuit_seconds}
circuit_bytes = {circuit_bytes}

[log]
# "text", or "json" for one object to a line; on stderr.
format = "{format}"
# What is logged: error, warn, info, debug, or by module; RUST_LOG goes before it.
filter = {filter}
"#,
            network = quoted(&self.network),
            directory = quoted(self.directory.display()),
            listen = list("listen", texts(&self.listen)),
            announce = list("announce", texts(&self.public.announce)),
            peers = list("peers", texts(&self.peers)),
            pins = list("pins", pins),
            interests = list("interests", self.interests.iter().map(ToString::to_string)),
            rpc = list("rpc", self.chains.rpc.iter().cloned()),
            enabled = self.public.relay.is_some(),
            reservations = relay.reservations,
            reservation_seconds = relay.reservation_duration.as_secs(),
            circuits = relay.circuits,
            circuit_seconds = relay.circuit_duration.as_secs(),
            circuit_bytes = relay.circuit_bytes,
            filter = quoted(&self.log_filter),
        )
    }
}
