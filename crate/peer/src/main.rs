//! The binary `ostrakon`.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use data_encoding::HEXLOWER;
use ostrakon_node::NodeError;
use ostrakon_peer::cli::{
    Cli, Command, ExplainArgs, ExportArgs, IdArgs, ImportArgs, KeyCommand, KeyNewArgs, KeyShowArgs,
    PeerArgs, VerifyArgs, WorldArgs,
};
use ostrakon_peer::config::{LOG_FILTER, LogFormat, Settings};
use ostrakon_peer::evidence::Evidence;
use ostrakon_peer::explain::Story;
use ostrakon_peer::write::{WriteError, Written};
use ostrakon_peer::{devnet, file, identify, keys, logging, peer, running, stop, verify, write};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::jose::Ed25519Signer;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use zeroize::Zeroizing;

/// The answer is no.
const NO: u8 = 1;
/// It could not be tried.
const CANNOT: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // QUIC brings another provider of TLS than the rest, and rustls would not choose between two.
    // Err means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !matches!(cli.command, Command::Peer(_)) {
        logging::start(LogFormat::Text, LOG_FILTER);
    }
    let outcome = match cli.command {
        Command::Id(args) => Ok(id(&args)),
        Command::Verify(args) => wait_for(verify(&args)),
        Command::Explain(args) => wait_for(explain(&args)),
        Command::Devnet(args) => {
            wait_for(devnet::run(&args, stop::asked())).map(|()| ExitCode::SUCCESS)
        }
        Command::Peer(args) => run_peer(&args).map(|()| ExitCode::SUCCESS),
        Command::Import(args) => wait_for(import(&args)),
        Command::Export(args) => wait_for(export(&args)),
        Command::Create(args) => wait_for(async { written(write::create(&args).await, args.json) }),
        Command::Update(args) => wait_for(async { written(write::update(&args).await, args.json) }),
        Command::Key(KeyCommand::New(args)) => key_new(&args),
        Command::Key(KeyCommand::Show(args)) => key_show(&args),
    };
    outcome.unwrap_or_else(|sentence| {
        eprintln!("{sentence}");
        ExitCode::from(CANNOT)
    })
}

/// Drives everything of a node on this thread.
fn wait_for<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("Cannot start: {error}."))?;
    let outcome = LocalSet::new().block_on(&runtime, work);
    runtime.shutdown_background();
    outcome
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
            return NO.into();
        }
        Err(unknown) => {
            eprintln!("{unknown}");
            return NO.into();
        }
    }
    ExitCode::SUCCESS
}

/// Says what was written, or why nothing was.
fn written(outcome: Result<Written, WriteError>, as_json: bool) -> Result<ExitCode, String> {
    match outcome {
        Ok(written) if as_json => print(written.to_json()),
        Ok(written) => {
            print(written.stream);
            if written.taken == Some(false) {
                eprintln!(
                    "It is kept, but no peer has taken it yet: ostrakon peer goes on announcing it."
                );
            }
        }
        Err(error) if error.is_failure() => return Err(error.to_string()),
        Err(error) if as_json => {
            print(json!({ "error": { "code": error.code(), "message": error.to_string() } }));
            return Ok(NO.into());
        }
        Err(error) => {
            eprintln!("{error}");
            return Ok(NO.into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn key_new(args: &KeyNewArgs) -> Result<ExitCode, String> {
    let path = args.file.path()?;
    let seed = keys::new(&path).map_err(|error| format!("{error}."))?;
    let did = Ed25519Signer::from_seed(&seed).did().to_owned();
    if args.json {
        print(json!({ "did": did, "file": path }));
    } else {
        print(did);
        eprintln!(
            "Its secret is in {}: keep a copy, nobody else has one.",
            path.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn key_show(args: &KeyShowArgs) -> Result<ExitCode, String> {
    let path = args.file.path()?;
    let seed = keys::read(&path).map_err(|error| format!("{error}."))?;
    let did = Ed25519Signer::from_seed(&seed).did().to_owned();
    let secret = (args.secret).then(|| Zeroizing::new(HEXLOWER.encode(&*seed)));
    if args.json {
        let mut shown = json!({ "did": did, "file": path });
        if let Some(secret) = &secret {
            shown["secret"] = json!(secret.as_str());
        }
        print(shown);
    } else {
        print(did);
        secret.iter().for_each(|secret| print(secret.as_str()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the chains' nodes that were named, and says what they could not say.
async fn ask(evidence: &mut Evidence, args: &WorldArgs) -> Result<(), String> {
    let doubts = evidence.ask(&args.chains).await?;
    doubts.iter().for_each(|doubt| eprintln!("{doubt}"));
    Ok(())
}

async fn verify(args: &VerifyArgs) -> Result<ExitCode, String> {
    let (mut evidence, question) = verify::read(args)?;
    ask(&mut evidence, &args.world).await?;
    let verdict = verify::judge(&evidence, &question);
    match &verdict {
        _ if args.json => print(verify::to_json(&verdict)),
        Ok(state) => print(format_args!("{state:#}")),
        Err(refused) => print(format_args!("refused ({}): {refused}", refused.code())),
    }
    Ok(ExitCode::from(if verdict.is_ok() { 0 } else { NO }))
}

async fn explain(args: &ExplainArgs) -> Result<ExitCode, String> {
    let mut evidence = Evidence::read(&args.world)?;
    ask(&mut evidence, &args.world).await?;
    let documents = match &args.stream {
        Some(stream) => vec![(verify::stream(stream)?, evidence.tips.clone())],
        None => evidence.documents(),
    };
    if documents.is_empty() {
        return Err(format!(
            "No tip in {} leads to the first event of a document; say with --tip which events were announced.",
            args.world.file.display()
        ));
    }
    let mut code = ExitCode::SUCCESS;
    for (stream, tips) in documents {
        let outcome = hear_all(&stream, &tips, &evidence.blocks, &evidence.world());
        if outcome.is_err() {
            code = NO.into();
        }
        print(Story {
            stream: &stream,
            outcome: &outcome,
            blocks: &evidence.blocks,
        });
    }
    Ok(code)
}

fn run_peer(args: &PeerArgs) -> Result<(), String> {
    let settings = Settings::read(args).map_err(|error| error.to_string())?;
    if args.print_config {
        print(&settings);
        return Ok(());
    }
    logging::start(settings.log_format, &settings.log_filter);
    wait_for(peer::run(&settings, args.json, stop::asked(), |line| {
        print(line)
    }))
}

async fn import(args: &ImportArgs) -> Result<ExitCode, String> {
    let running = running::offline(args.directory.dir.as_deref()).await?;
    let mut worst = 0;
    for path in &args.files {
        let bytes = match file::read(path) {
            Ok(bytes) => bytes,
            Err(sentence) => {
                eprintln!("{sentence}");
                worst = CANNOT;
                continue;
            }
        };
        match running.node.import_car(&bytes).await {
            Ok(streams) => {
                let ids: Vec<String> = streams.iter().map(ToString::to_string).collect();
                if args.json {
                    print(json!({ "file": path, "documents": ids }));
                } else {
                    ids.iter().for_each(print);
                }
            }
            Err(error) => worst = worst.max(failed(&error, args.json, Some(path))),
        }
    }
    running.stop().await;
    Ok(ExitCode::from(worst))
}

/// Says what a node refused, and which kind of failure that is.
fn failed(error: &NodeError, as_json: bool, file: Option<&PathBuf>) -> u8 {
    let (code, message) = (error.code(), error.to_string());
    match file {
        _ if as_json => {
            print(json!({ "file": file, "error": { "code": code, "message": message } }))
        }
        Some(file) => eprintln!("{}: {message}", file.display()),
        None => eprintln!("{message}"),
    }
    match error {
        NodeError::Store(_) | NodeError::Network(_) => CANNOT,
        _ => NO,
    }
}

async fn export(args: &ExportArgs) -> Result<ExitCode, String> {
    let stream = match args.stream.parse() {
        Ok(ostrakon_protocol::DocumentRef::Stream(stream)) => stream,
        Ok(ostrakon_protocol::DocumentRef::Commit(commit)) => *commit.stream_id(),
        Err(error) => return Err(format!("{}: {error}.", args.stream)),
    };
    let running = running::offline(args.directory.dir.as_deref()).await?;
    let exported = running.node.export_car(&stream).await;
    running.stop().await;
    let car = match exported {
        Ok(car) => car,
        Err(error) => return Ok(failed(&error, args.json, None).into()),
    };
    let path = args
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{stream}.car")));
    if path.as_os_str() == "-" {
        io::stdout()
            .write_all(&car)
            .map_err(|error| format!("Cannot write: {error}."))?;
        return Ok(ExitCode::SUCCESS);
    }
    fs::write(&path, &car).map_err(|error| format!("Cannot write {}: {error}.", path.display()))?;
    if args.json {
        print(json!({ "file": path, "stream": stream.to_string(), "bytes": car.len() }));
    } else {
        print(path.display());
    }
    Ok(ExitCode::SUCCESS)
}
