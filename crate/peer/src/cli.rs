//! What can be asked of `ostrakon` on the command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::chains::ChainArgs;
use crate::config::LogFormat;
use crate::running;

const AFTER: &str = "\
Exit codes:
  0  done
  1  the answer is no: a document or file was refused, or is not known
  2  it could not be tried: wrong arguments, an unreadable file, a busy port

Kept documents and keys are in --dir, by default $XDG_DATA_HOME/ostrakon or ~/.local/share/ostrakon.
Set RUST_LOG (for instance RUST_LOG=info) to see what a peer does; it is written to stderr.";

/// A native peer of the Ceramic protocol: fetches doc-chains, verifies every event, keeps and serves them.
#[derive(Debug, Parser)]
#[command(name = "ostrakon", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a local network of one peer with documents in it, and serve the demo page.
    ///
    /// Imports the test documents, makes a few living ones whose controllers write every few seconds while somebody is
    /// connected, and prints the address of the page. `GET /devnet.json` says which documents there are.
    Devnet(DevnetArgs),
    /// Run a peer: keep documents, follow them on the network, serve their blocks.
    Peer(PeerArgs),
    /// Verify the documents in CAR files and keep them.
    Import(ImportArgs),
    /// Write a kept document as a CAR file.
    Export(ExportArgs),
    /// Explain a StreamID, CommitID, CID, DID or any address made of them.
    Id(IdArgs),
    /// Judge a document from a CAR file, with nothing else to go by.
    ///
    /// Lenient by default: prints the state a node holds after it has heard the announced tips. With --commit every
    /// event up to that one must be valid. No network is asked. What chains say about anchors comes from --rpc or
    /// --rpc-recording, and then an anchor on any other chain is invalid; without them an anchor transaction that is not in
    /// --anchor-times does not exist.
    Verify(VerifyArgs),
    /// Make or show the key that `create` and `update` sign with.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write a new document, kept in --dir or in a CAR file.
    ///
    /// The key of `ostrakon key` signs; its DID is the controller. The event is verified before anything is written. What is kept in
    /// --dir goes out to the peers named, or when `ostrakon peer` runs there.
    Create(CreateArgs),
    /// Write a change to a document that is kept in --dir, or in a CAR file.
    ///
    /// What is written is the difference to the content there is. Without --out a file is replaced, whole or not at all.
    Update(UpdateArgs),
    /// Tell the doc-chain of a document in a CAR file as a person would: who wrote what, when, with whose leave, and
    /// which rule refused what.
    Explain(ExplainArgs),
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and show its DID; a file that is there already is never overwritten.
    New(KeyNewArgs),
    /// Show the DID of a key.
    Show(KeyShowArgs),
}

/// Which key signs.
#[derive(Args, Clone, Debug)]
pub struct KeyFile {
    /// The key: a file of 32 bytes, an ed25519 seed, that nobody but you can read. Default: keys/controller in --dir.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    #[command(flatten)]
    pub directory: Directory,
}

impl KeyFile {
    /// The file that is meant. `Err` is one sentence for the user.
    pub fn path(&self) -> Result<PathBuf, String> {
        match &self.key {
            Some(path) => Ok(path.clone()),
            None => {
                Ok(running::directory(self.directory.dir.as_deref(), "peer")?
                    .join("keys/controller"))
            }
        }
    }
}

/// A document type whose documents can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TypeName {
    Tile,
    Model,
    ModelInstance,
    Caip10Link,
}

/// What the header of a tile says.
#[derive(Args, Clone, Debug)]
pub struct Meta {
    /// Of a tile: the CommitID of the schema that its content obeys.
    #[arg(long, value_name = "COMMITID")]
    pub schema: Option<String>,
    /// Of a tile: a free word to find documents by.
    #[arg(long, value_name = "WORD")]
    pub family: Option<String>,
    /// Of a tile: a free word to find documents by; may be repeated.
    #[arg(long, value_name = "WORD")]
    pub tag: Vec<String>,
}

impl Meta {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.schema.is_none() && self.family.is_none() && self.tag.is_empty()
    }
}

/// Whom to hand to what is written.
#[derive(Args, Clone, Debug)]
pub struct Reach {
    /// Multiaddress of a peer that is to take it, ending in /p2p/…; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<String>,
    /// Name of their network.
    #[arg(long, default_value = "local-1")]
    pub network: String,
}

#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// The content as JSON, of a model its definition; `-` for standard input. What starts empty has none.
    #[arg(value_name = "FILE.json")]
    pub file: Option<PathBuf>,
    /// The type of the document.
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value = "tile")]
    pub kind: TypeName,
    #[command(flatten)]
    pub meta: Meta,
    /// Of a tile: the one that the controller has for its family and tags. It starts empty.
    #[arg(long)]
    pub deterministic: bool,
    /// Of a model instance: its model.
    #[arg(long, value_name = "STREAMID")]
    pub model: Option<String>,
    /// Of a model instance: the document in whose context it stands.
    #[arg(long, value_name = "STREAMID")]
    pub context: Option<String>,
    /// Of a model instance: the only one that the controller has of its model. It starts empty.
    #[arg(long)]
    pub single: bool,
    /// Of a model instance: the value of a field by which the model tells instances apart; may be repeated, in the model's order.
    #[arg(long, value_name = "TEXT")]
    pub unique: Vec<String>,
    /// Of a CAIP-10 link: the account, such as eip155:1:0xab16….
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// File to write, instead of keeping the document.
    #[arg(long, short, value_name = "FILE.car", conflicts_with = "peer")]
    pub out: Option<PathBuf>,
    /// CAR file with what judging the document takes, such as its model; may be repeated. Its blocks are written down as well.
    #[arg(long, value_name = "FILE.car", requires = "out")]
    pub with: Vec<PathBuf>,
    #[command(flatten)]
    pub key: KeyFile,
    #[command(flatten)]
    pub reach: Reach,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct UpdateArgs {
    /// StreamID or ceramic:// address of a document that is kept, or that a peer has; or a CAR file.
    #[arg(value_name = "STREAMID|FILE.car")]
    pub document: String,
    /// The whole new content as JSON, of a CAIP-10 link the proof; `-` for standard input.
    #[arg(value_name = "FILE.json")]
    pub file: Option<PathBuf>,
    /// The file is a JSON Patch, which is written as it is.
    #[arg(long, requires = "file")]
    pub patch: bool,
    #[command(flatten)]
    pub meta: Meta,
    /// Of a tile: the DID that owns it from now on.
    #[arg(long, value_name = "DID")]
    pub controller: Option<String>,
    /// Write only if this is the newest event.
    #[arg(long, value_name = "CID")]
    pub base: Option<String>,
    #[command(flatten)]
    pub key: KeyFile,
    #[command(flatten)]
    pub reach: Reach,
    /// File to write, if not the same.
    #[arg(long, short, value_name = "FILE.car", conflicts_with = "peer")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct KeyNewArgs {
    #[command(flatten)]
    pub file: KeyFile,
    /// Print the DID as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct KeyShowArgs {
    #[command(flatten)]
    pub file: KeyFile,
    /// Print the secret seed as well, in hex: whoever sees it can write in your name, for good.
    #[arg(long)]
    pub secret: bool,
    /// Print the DID as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where a peer keeps what it keeps.
#[derive(Args, Clone, Debug)]
pub struct Directory {
    /// Directory of the peer's keys and documents; only one process can use it at a time.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct DevnetArgs {
    /// Port of the page and of /devnet.json.
    #[arg(long, default_value_t = 7070)]
    pub port: u16,
    /// Port on which browsers connect (WebSocket).
    #[arg(long, default_value_t = 4102)]
    pub ws_port: u16,
    /// Port on which other native peers connect (TCP); 0 takes any that is free.
    #[arg(long, default_value_t = 0)]
    pub tcp_port: u16,
    /// Address to listen on; 0.0.0.0 lets a phone on the same network in.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    #[command(flatten)]
    pub directory: Directory,
    /// The built demo page.
    #[arg(long, value_name = "DIR", default_value = "www/dist")]
    pub www: PathBuf,
    /// Test vectors whose documents are imported.
    #[arg(long, value_name = "DIR", default_value = "tests/vectors")]
    pub vectors: PathBuf,
    /// Seconds between two writes to one living document; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub every: u64,
    #[command(flatten)]
    pub chains: ChainArgs,
    /// Address of a wallet for the page: anvil, or another JSON-RPC node that holds keys worth nothing.
    #[arg(long, value_name = "URL")]
    pub wallet: Option<String>,
    /// Print what would be printed as JSON, one object to a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct PeerArgs {
    /// Configuration file (TOML); flags go before what it says, lists as a whole.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration that is in effect, with comments, as a file for --config, and end.
    #[arg(long)]
    pub print_config: bool,
    /// Name of the network, which is also its gossip topic: mainnet, testnet-clay, local-1, … [default: local-1]
    #[arg(long)]
    pub network: Option<String>,
    /// Multiaddress to listen on; may be repeated. [default: UDP 4101 (QUIC), TCP 4101, TCP 4102 (WebSocket), each on every
    /// IPv4 address]
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// Multiaddress at which others reach this peer, if it is not where it listens; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    pub announce: Vec<String>,
    /// Multiaddress of a peer to stay connected to, ending in /p2p/…; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<String>,
    /// Document to fetch and follow: a StreamID or ceramic:// address; may be repeated.
    #[arg(long, visible_alias = "pin", value_name = "STREAMID")]
    pub follow: Vec<String>,
    /// What to hold beside that, and to exchange by Recon with peers that want the same: all, model:k…, model:k…@did:…,
    /// controller:did:…, document:k…; may be repeated.
    #[arg(long, value_name = "INTEREST")]
    pub interest: Vec<String>,
    /// Pass on the traffic of peers that nobody can dial (circuit relay v2); wants --announce.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub relay: Option<bool>,
    /// Serve /metrics and /health there: ADDRESS:PORT, or a port of 127.0.0.1.
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// How log lines look. [default: text]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    #[command(flatten)]
    pub chains: ChainArgs,
    #[command(flatten)]
    pub directory: Directory,
    /// Print events as JSON, one object to a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// CARv1 files.
    #[arg(required = true, value_name = "FILE.car")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub directory: Directory,
    /// Print one JSON object per file.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// StreamID or ceramic:// address of a kept document.
    #[arg(value_name = "STREAMID")]
    pub stream: String,
    /// File to write; default STREAMID.car, and `-` for stdout.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub directory: Directory,
    /// Print the result as JSON (not with `-o -`).
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct IdArgs {
    /// The text to explain.
    pub text: String,
    /// Explain in JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The document.
    #[arg(long, value_name = "STREAMID")]
    pub stream: String,
    #[command(flatten)]
    pub world: WorldArgs,
    /// Load this commit strictly: every event up to it must be valid.
    #[arg(long, value_name = "CID")]
    pub commit: Option<String>,
    /// The state as of this time (unix seconds): that of the last anchor not after it.
    #[arg(long, value_name = "UNIX", conflicts_with = "commit")]
    pub at_time: Option<u64>,
    /// Print the verdict as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The document. Default: every document that a tip belongs to.
    #[arg(long, value_name = "STREAMID")]
    pub stream: Option<String>,
    #[command(flatten)]
    pub world: WorldArgs,
}

/// All there is to judge by.
#[derive(Args, Clone, Debug)]
pub struct WorldArgs {
    /// CARv1 file with every block there is.
    #[arg(value_name = "FILE.car")]
    pub file: PathBuf,
    /// An announced tip; may be repeated, in order of arrival. Default: the roots of the CAR.
    #[arg(long, value_name = "CID")]
    pub tip: Vec<String>,
    /// The present, as RFC 3339. Default: this machine's clock.
    #[arg(long, value_name = "RFC3339")]
    pub now: Option<String>,
    /// JSON object of anchor transaction (txHash CID) to unix seconds: the whole blockchain.
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["rpc", "rpc_recording"])]
    pub anchor_times: Option<PathBuf>,
    #[command(flatten)]
    pub chains: ChainArgs,
}
