//! What can be asked of `ostrakon` on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const AFTER: &str = "\
Exit codes:
  0  done
  1  the answer is no: a document or file was refused, or is not known
  2  it could not be tried: wrong arguments, an unreadable file, or the like";

/// A native peer of the Ceramic protocol: fetches doc-chains, verifies every event, keeps and serves them.
#[derive(Debug, Parser)]
#[command(name = "ostrakon", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Explain a StreamID, CommitID, CID, DID or any address made of them.
    Id(IdArgs),
    /// Judge a document from a CAR file, with nothing else to go by.
    ///
    /// Lenient by default: prints the state a node holds after it has heard the announced tips. With --commit every
    /// event up to that one must be valid. No network and no chain is asked: an anchor transaction that is not in
    /// --anchor-times does not exist.
    Verify(VerifyArgs),
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
    /// CARv1 file with every block there is.
    #[arg(value_name = "FILE.car")]
    pub file: PathBuf,
    /// The document.
    #[arg(long, value_name = "STREAMID")]
    pub stream: String,
    /// An announced tip; may be repeated, in order of arrival. Default: the roots of the CAR.
    #[arg(long, value_name = "CID")]
    pub tip: Vec<String>,
    /// Load this commit strictly: every event up to it must be valid.
    #[arg(long, value_name = "CID")]
    pub commit: Option<String>,
    /// The state as of this time (unix seconds): that of the last anchor not after it.
    #[arg(long, value_name = "UNIX", conflicts_with = "commit")]
    pub at_time: Option<u64>,
    /// The present, as RFC 3339. Default: this machine's clock.
    #[arg(long, value_name = "RFC3339")]
    pub now: Option<String>,
    /// JSON object of anchor transaction (txHash CID) to unix seconds: the whole blockchain.
    #[arg(long, value_name = "FILE.json")]
    pub anchor_times: Option<PathBuf>,
    /// Print the verdict as JSON.
    #[arg(long)]
    pub json: bool,
}
