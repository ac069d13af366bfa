//! `ostrakon create` and `ostrakon update`: documents written with a key on disk, into a CAR file.
//!
//! What an event looks like the protocol crate decides, and it verifies each before anything is written.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ostrakon_protocol::author::{
    AuthorError, Change, Edit, New, NewContent, NewInstance, NewLink, NewModel, NewTile, Relation,
    TileMetadata,
};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::event::Map;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, DocumentRef, Ipld, Refusal, StreamId, Unasked, World, car};
use serde_json::{Value, json};

use crate::cli::{CreateArgs, Meta, TypeName, UpdateArgs};
use crate::evidence::{self, Evidence};
use crate::{file, keys};

/// Most bytes of JSON that are read from standard input, as of a file.
const MAX_INPUT_BYTES: u64 = file::MAX_FILE_BYTES;

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
            Self::Lost => "write-lost",
        }
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
    /// The file it is in.
    pub file: PathBuf,
}

impl Written {
    /// As the program prints it.
    pub fn to_json(&self) -> Value {
        json!({ "stream": self.stream.to_string(), "tip": self.tip.to_string(), "file": self.file })
    }
}

/// `ostrakon create`.
pub fn create(args: &CreateArgs) -> Result<Written, WriteError> {
    let new = wanted(args)?;
    let signer = signer(&args.key.path()?)?;
    let mut blocks = HashMap::new();
    for path in &args.with {
        blocks.extend(evidence::archive(path)?.0);
    }
    let (kind, event) = new.init(signer.did(), keys::unique())?;
    let event = match event.needs_signature() {
        true => event.sign(&signer)?,
        false => event.unsigned(),
    };
    let tip = tip_of(&event)?;
    finish(StreamId::new(kind, tip), &[], blocks, &event, &args.out)
}

/// `ostrakon update`.
pub fn update(args: &UpdateArgs) -> Result<Written, WriteError> {
    let edit = edit(args)?;
    let base = args.base.as_ref().map(|text| evidence::cid("--base", text));
    let base = base.transpose()?;
    let signer = signer(&args.key.path()?)?;
    let path = &args.document;
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
    let event = match event.needs_signature() {
        true => event.sign(&signer)?,
        false => event.unsigned(),
    };
    let out = args.out.as_ref().unwrap_or(path);
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
        file: out.to_owned(),
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
