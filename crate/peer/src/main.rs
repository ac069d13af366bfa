//! The binary `ostrakon`.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use ostrakon_peer::cli::{Cli, Command, IdArgs, VerifyArgs};
use ostrakon_peer::{identify, verify};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

/// The answer is no.
const NO: ExitCode = ExitCode::FAILURE;
/// It could not be tried.
const CANNOT: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let outcome = match cli.command {
        Command::Id(args) => Ok(id(&args)),
        Command::Verify(args) => verify(&args),
    };
    outcome.unwrap_or_else(|sentence| {
        eprintln!("{sentence}");
        ExitCode::from(CANNOT)
    })
}

/// Prints a line; a reader that has gone away is no reason to panic.
fn print(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn id(args: &IdArgs) -> ExitCode {
    match identify::explain(&args.text) {
        Ok(explanation) if args.json => print(identify::to_json(&explanation)),
        Ok(explanation) => {
            for (label, value) in &explanation {
                match value {
                    Value::String(text) => print(format_args!("{label:<12} {text}")),
                    other => print(format_args!("{label:<12} {other:#}")),
                }
            }
        }
        Err(unknown) if args.json => {
            print(json!({ "error": { "code": unknown.code, "message": unknown.message } }));
            return NO;
        }
        Err(unknown) => {
            eprintln!("{unknown}");
            return NO;
        }
    }
    ExitCode::SUCCESS
}

fn verify(args: &VerifyArgs) -> Result<ExitCode, String> {
    let (blocks, question) = verify::read(args)?;
    let verdict = verify::judge(&blocks, &question);
    match &verdict {
        _ if args.json => print(verify::to_json(&verdict)),
        Ok(state) => print(format_args!("{state:#}")),
        Err(refused) => print(format_args!("refused ({}): {refused}", refused.code())),
    }
    Ok(if verdict.is_ok() {
        ExitCode::SUCCESS
    } else {
        NO
    })
}
