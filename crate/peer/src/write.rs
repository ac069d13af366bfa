//! `ostrakon create` and `ostrakon update`: documents written with a key on disk, kept by the
//! peer's store or in a CAR file.
//!
//! What an event looks like the protocol crate decides, and it verifies each before anything is written.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use ostrakon_node::chains::ChainsConfig;
use ostrakon_node::writing::LocalSigner;
use ostrakon_node::{Node, NodeError, NodeEvent, View};
use ostrakon_protocol::author::{
    AuthorError, Change, Edit, New, NewContent, NewInstance, NewLink, NewModel, NewTile, Relation,
    TileMetadata,
};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::event::Map;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, DocumentRef, Ipld, Refusal, StreamId, Unasked, World, car};
use serde_json::{Value, json};

use crate::cli::{CreateArgs, KeyFile, Meta, Reach, TypeName, UpdateArgs};
use crate::evidence::{self, Evidence};
use crate::{file, keys, running};

/// Most bytes of JSON that are read from standard input, as of a file.
const MAX_INPUT_BYTES: u64 = file::MAX_FILE_BYTES;

/// How long a peer may take to answer, a document to be found, and what was written to be taken.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a peer that has the newest event is still served: what that event builds on, and its payload, it asks for after it.
const LINGER: Duration = Duration::from_secs(3);

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It could not be tried; one sentence for the user.
    #[error("{0}")]
    Cannot(String),
    /// There is no such event.
    #[error("{0}.")]
    Author(#[from] AuthorError),
    /// The event is not valid: its document belongs to somebody else, or forbids it.
    #[error("{0}.{hint}", hint = hint(.0))]
    Refused(#[from] Refusal),
    /// The document is not at the version that was to be changed.
    #[error("the document is at {0} by now: look at it, and update that version.")]
    Stale(Cid),
    /// The node refuses it.
    #[error("{0}.")]
    Node(#[from] NodeError),
    /// The event is valid, and loses to another branch of the document.
    #[error("the change would lose to another branch of the document: nothing was written.")]
    Lost,
}

impl WriteError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cannot(_) => "cannot",
            Self::Author(error) => error.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::Stale(_) => "stale",
            Self::Node(error) => error.code(),
            Self::Lost => "write-lost",
        }
    }

    /// Whether it could not be tried, rather than that the answer is no.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Cannot(_) | Self::Node(NodeError::Store(_) | NodeError::Network(_))
        )
    }
}

fn hint(refusal: &Refusal) -> &'static str {
    match refusal.wanted() {
        Some(_) => " Name a CAR file that holds it with --with.",
        None => "",
    }
}

impl From<String> for WriteError {
    fn from(sentence: String) -> Self {
        Self::Cannot(sentence)
    }
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The document.
    pub stream: StreamId,
    /// Its newest event.
    pub tip: Cid,
    /// The file it is in, if it is not kept.
    pub file: Option<PathBuf>,
    /// Whether a peer has taken it; nothing if none was named.
    pub taken: Option<bool>,
}

impl Written {
    /// As the program prints it.
    pub fn to_json(&self) -> Value {
        let mut shown = json!({ "stream": self.stream.to_string(), "tip": self.tip.to_string() });
        if let Some(file) = &self.file {
            shown["file"] = json!(file);
        }
        if let Some(taken) = self.taken {
            shown["taken"] = json!(taken);
        }
        shown
    }
}

/// `ostrakon create`.
pub async fn create(args: &CreateArgs) -> Result<Written, WriteError> {
    let new = wanted(args)?;
    let signer = signer(&args.key.path()?)?;
    let Some(out) = &args.out else {
        let signer = LocalSigner::new(signer);
        return keep(&args.key, &args.reach, async |node| {
            node.create(&signer, &new).await
        })
        .await;
    };
    let mut blocks = HashMap::new();
    for path in &args.with {
        blocks.extend(evidence::archive(path)?.0);
    }
    let (stream, event) = new.written_by(&signer, keys::unique())?;
    finish(stream, &[], blocks, &event, out)
}

/// `ostrakon update`.
pub async fn update(args: &UpdateArgs) -> Result<Written, WriteError> {
    let edit = edit(args)?;
    let base = args.base.as_ref().map(|text| evidence::cid("--base", text));
    let base = base.transpose()?;
    let signer = signer(&args.key.path()?)?;
    let path = Path::new(&args.document);
    match args.document.parse() {
        Ok(DocumentRef::Commit(_)) => {
            let sentence =
                "A version never changes: name the document, and the version with --base.";
            return Err(WriteError::Cannot(sentence.to_owned()));
        }
        Ok(DocumentRef::Stream(_)) if args.out.is_some() => {
            let sentence = "--out is for a document in a file; this one is kept.";
            return Err(WriteError::Cannot(sentence.to_owned()));
        }
        Ok(DocumentRef::Stream(stream)) => {
            let signer = LocalSigner::new(signer);
            return keep(&args.key, &args.reach, async |node| {
                node.load(&DocumentRef::Stream(stream), PATIENCE).await?;
                node.update(&signer, &stream, &edit, base.as_ref()).await
            })
            .await;
        }
        Err(error) if !path.exists() => {
            let sentence = format!(
                "{} is neither a file nor a document: {error}.",
                args.document
            );
            return Err(WriteError::Cannot(sentence));
        }
        Err(_) if !args.reach.peer.is_empty() => {
            let sentence = "--peer is for documents that are kept: import the file first.";
            return Err(WriteError::Cannot(sentence.to_owned()));
        }
        Err(_) => {}
    }
    let (blocks, tips) = evidence::archive(path)?;
    let evidence = Evidence::of(blocks, tips);
    let stream = match evidence.documents().as_slice() {
        [(stream, _)] => *stream,
        [] => {
            let sentence = "leads to the first event of a document";
            return Err(format!("No root of {} {sentence}.", path.display()).into());
        }
        _ => {
            let sentence = "has more than one document as its roots, and one is changed at a time";
            return Err(format!("{} {sentence}.", path.display()).into());
        }
    };
    let world = World::new(evidence.now, &Unasked);
    let (document, _) = hear_all(&stream, &evidence.tips, &evidence.blocks, &world)?;
    if base.is_some_and(|base| base != *document.tip()) {
        return Err(WriteError::Stale(*document.tip()));
    }
    let event = edit.after(&document)?;
    let event = event.written_by(&signer)?;
    let out = args.out.as_deref().unwrap_or(path);
    finish(stream, &evidence.tips, evidence.blocks, &event, out)
}

/// Verifies the event with all that is known, and writes all of it down.
fn finish(
    stream: StreamId,
    tips: &[Cid],
    mut blocks: HashMap<Cid, Block>,
    event: &[Block],
    out: &Path,
) -> Result<Written, WriteError> {
    let tip = tip_of(event)?;
    let known: Vec<Block> = blocks.values().cloned().collect();
    blocks.extend(event.iter().map(|block| (*block.cid(), block.clone())));
    let evidence = Evidence::of(blocks, [tips, &[tip]].concat());
    let world = World::new(evidence.now, &Unasked);
    let (document, refusals) = hear_all(&stream, &evidence.tips, &evidence.blocks, &world)?;
    if *document.tip() != tip {
        return Err(match refusals.into_iter().last() {
            Some(refusal) => refusal.into(),
            None => WriteError::Lost,
        });
    }
    // In the order in which they build on each other: what was there, then the event.
    let mut order: Vec<&Block> = known.iter().collect();
    order.sort_by_key(|block| *block.cid());
    order.extend(event.iter().filter(|block| !known.contains(block)));
    replace(out, &car::write(&[tip], order))
        .map_err(|error| format!("Cannot write {}: {error}.", out.display()))?;
    Ok(Written {
        stream,
        tip,
        file: Some(out.to_owned()),
        taken: None,
    })
}

/// Lets `write` work with the node over the peer's store, and waits until a peer has what it wrote, if any was named.
async fn keep(
    key: &KeyFile,
    reach: &Reach,
    write: impl AsyncFnOnce(&Node) -> Result<View, NodeError>,
) -> Result<Written, WriteError> {
    let dir = running::directory(key.directory.dir.as_deref(), "peer")?;
    let peers = reach
        .peer
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|error| format!("--peer {text}: {error}."))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let named = !peers.is_empty();
    let chains = ChainsConfig::default();
    let running = running::start(&dir, &reach.network, Vec::new(), peers, chains).await?;
    let mut events = Box::pin(running.node.events());
    let online = async {
        while let Some(event) = events.next().await {
            if matches!(event, NodeEvent::Status(status) if status.online) {
                break;
            }
        }
    };
    if named {
        // Whoever comes too late hears of it all the same; a document that is not kept must be asked for, though.
        let _ = tokio::time::timeout(PATIENCE, online).await;
    }
    let outcome = write(&running.node).await;
    let outcome = match outcome {
        Ok(view) if named => {
            let (stream, tip) = (*view.document.stream(), *view.document.tip());
            let taken = async {
                loop {
                    // Level, not edge: what waits is what nobody has.
                    let waits = running.node.outbox().await?;
                    if !waits.iter().any(|waiting| waiting.stream == stream) {
                        return Ok::<_, NodeError>(());
                    }
                    events.next().await;
                }
            };
            let taken = matches!(tokio::time::timeout(PATIENCE, taken).await, Ok(Ok(())));
            if taken {
                tokio::time::sleep(LINGER).await;
            }
            Ok((stream, tip, Some(taken)))
        }
        Ok(view) => Ok((*view.document.stream(), *view.document.tip(), None)),
        Err(error) => Err(error),
    };
    running.stop().await;
    let (stream, tip, taken) = outcome?;
    Ok(Written {
        stream,
        tip,
        file: None,
        taken,
    })
}

/// A crash leaves the file as it was or as it is to be.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let written = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn tip_of(event: &[Block]) -> Result<Cid, WriteError> {
    let tip = event.last().map(|block| *block.cid());
    tip.ok_or_else(|| WriteError::Cannot("There is no event to write.".to_owned()))
}

fn signer(path: &Path) -> Result<Ed25519Signer, WriteError> {
    let seed = keys::read(path).map_err(|error| match error {
        keys::KeyError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            format!(
                "There is no key in {}: make one with ostrakon key new.",
                path.display()
            )
        }
        error => format!("{error}."),
    })?;
    Ok(Ed25519Signer::from_seed(&seed))
}

/// What `create` is asked for.
fn wanted(args: &CreateArgs) -> Result<New, WriteError> {
    let content = args
        .file
        .as_deref()
        .map(content)
        .transpose()?
        .map(NewContent::into_value);
    let cannot = |sentence: &str| WriteError::Cannot(sentence.to_owned());
    let needed = |content: Option<Ipld>, of: &str| {
        content.ok_or_else(|| WriteError::Cannot(format!("Name the file with {of}.")))
    };
    let is_tile = args.kind == TypeName::Tile;
    if !is_tile && (!args.meta.is_empty() || args.deterministic) {
        return Err(cannot(
            "--schema, --family, --tag and --deterministic are for tiles.",
        ));
    }
    if (args.kind == TypeName::ModelInstance) != args.model.is_some() {
        return Err(cannot("A model instance, and nothing else, has a --model."));
    }
    if (args.kind == TypeName::Caip10Link) != args.account.is_some() {
        return Err(cannot(
            "A CAIP-10 link, and nothing else, has an --account.",
        ));
    }
    Ok(match (args.kind, &args.model, &args.account) {
        (TypeName::ModelInstance, Some(model), _) => {
            let stream = |option: &str, text: &str| match text.parse() {
                Ok(DocumentRef::Stream(stream)) => Ok(stream),
                Ok(DocumentRef::Commit(_)) => Err(format!(
                    "{option} wants the id of a document, not of a version."
                )),
                Err(error) => Err(format!("{option} {text}: {error}.")),
            };
            let context = args.context.as_ref().map(|text| stream("--context", text));
            let relation = match (content, args.unique.as_slice(), args.single) {
                (Some(content), [], false) => Relation::List(content),
                (None, [], true) => Relation::Single,
                (None, values @ [_, ..], false) => Relation::Set(values.to_vec()),
                _ => {
                    return Err(cannot(
                        "A model instance has a file with its content, or is --single, or has --unique values: an event of its own brings the content of the last two.",
                    ));
                }
            };
            New::ModelInstance(NewInstance {
                model: stream("--model", model)?,
                relation,
                context: context.transpose()?,
            })
        }
        (TypeName::Caip10Link, _, Some(account)) => New::Caip10Link(NewLink {
            account: account.clone(),
        }),
        (TypeName::Model, ..) => New::Model(NewModel {
            definition: needed(content, "the definition of the model")?,
        }),
        _ => New::Tile(NewTile {
            content: match args.deterministic {
                true => content,
                false => Some(needed(content, "the content of the tile")?),
            },
            metadata: TileMetadata {
                family: args.meta.family.clone(),
                schema: args.meta.schema.clone(),
                tags: (!args.meta.tag.is_empty()).then(|| args.meta.tag.clone()),
                forbid_controller_change: false,
            },
            deterministic: args.deterministic,
        }),
    })
}

/// What `update` is asked for.
fn edit(args: &UpdateArgs) -> Result<Edit, WriteError> {
    let content = args.file.as_deref().map(content).transpose()?;
    let change = match content {
        Some(patch) if args.patch => Change::Patch(patch.into_value()),
        Some(content) => Change::Content(content),
        None if args.meta.is_empty() && args.controller.is_none() => {
            return Err(WriteError::Cannot(
                "Name the file with the new content, or say what else is to change.".to_owned(),
            ));
        }
        None => Change::None,
    };
    let Meta {
        schema,
        family,
        tag,
    } = &args.meta;
    let list = |texts: &[String]| Ipld::List(texts.iter().cloned().map(Ipld::String).collect());
    let fields = [
        ("schema", schema.clone().map(Ipld::String)),
        ("family", family.clone().map(Ipld::String)),
        ("tags", (!tag.is_empty()).then(|| list(tag))),
        (
            "controllers",
            args.controller.clone().map(|did| list(&[did])),
        ),
    ];
    let header: Map = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    Ok(Edit { change, header })
}

/// The JSON in a file; `-` is standard input.
fn content(path: &Path) -> Result<NewContent, WriteError> {
    let bytes = match path.to_str() {
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .take(MAX_INPUT_BYTES)
                .read_to_end(&mut bytes)
                .map_err(|error| format!("Cannot read the standard input: {error}."))?;
            bytes
        }
        _ => file::read(path)?,
    };
    let not_json =
        |error: &dyn std::fmt::Display| format!("{} is not JSON: {error}.", path.display());
    let json = std::str::from_utf8(&bytes).map_err(|error| not_json(&error))?;
    match NewContent::parse(json) {
        Err(AuthorError::NotJson(error)) => Err(not_json(&error).into()),
        read => Ok(read?),
    }
}
