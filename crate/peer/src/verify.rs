//! `ostrakon verify`: a document judged from a CAR file, with nothing else to go by.
//!
//! The file is the world: a block that is not in it, or whose bytes do not hash to its name, does not exist, and an anchor
//! transaction that is not among the given times was never mined. What is true the protocol crate decides; this module
//! only brings the blocks and asks.

use std::collections::HashMap;
use std::str::FromStr as _;

use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::{Block, Cid, CommitId, DocumentRef, Refusal, StreamId, World, car};
use serde_json::{Value, json};

use crate::cli::VerifyArgs;
use crate::file;

/// What is asked about a document.
#[derive(Clone, Debug)]
pub struct Question {
    /// The document.
    pub stream: StreamId,
    /// The announced tips, in order of arrival.
    pub tips: Vec<Cid>,
    /// Load this commit, every event up to which must be valid, instead of what the tips lead to.
    pub commit: Option<Cid>,
    /// Ask for the state at this time, in unix seconds.
    pub at_time: Option<u64>,
    /// The present, in unix seconds.
    pub now: u64,
    /// The blockchain: when each transaction was mined, in unix seconds.
    pub anchor_times: HashMap<Cid, u64>,
}

/// What the file and the arguments ask, and the blocks there are. `Err` is one sentence for the user.
pub fn read(args: &VerifyArgs) -> Result<(HashMap<Cid, Block>, Question), String> {
    let shown = args.file.display();
    let bytes = file::read(&args.file)?;
    let car =
        car::read(&bytes).map_err(|error| format!("{shown} is not a readable CAR: {error}."))?;
    let stream = match DocumentRef::from_str(&args.stream) {
        Ok(DocumentRef::Stream(stream)) => stream,
        Ok(DocumentRef::Commit(_)) => {
            return Err("--stream wants a StreamID; give the version as --commit.".to_owned());
        }
        Err(error) => return Err(format!("--stream {}: {error}.", args.stream)),
    };
    let cid = |option: &str, text: &String| {
        Cid::try_from(text.as_str()).map_err(|error| format!("{option} {text}: {error}."))
    };
    let tips = match args.tip.as_slice() {
        [] => car.roots,
        given => given
            .iter()
            .map(|text| cid("--tip", text))
            .collect::<Result<_, _>>()?,
    };
    let commit = args
        .commit
        .as_ref()
        .map(|text| cid("--commit", text))
        .transpose()?;
    if tips.is_empty() && commit.is_none() {
        return Err(format!(
            "{shown} names no roots; say with --tip which events were announced."
        ));
    }
    let now = match &args.now {
        Some(text) => text
            .parse::<jiff::Timestamp>()
            .map_err(|error| format!("--now {text}: {error}."))?,
        None => jiff::Timestamp::now(),
    };
    let question = Question {
        stream,
        tips,
        commit,
        at_time: args.at_time,
        now: u64::try_from(now.as_second()).unwrap_or(0),
        anchor_times: match &args.anchor_times {
            Some(path) => anchor_times(&file::read(path)?)
                .map_err(|error| format!("{}: {error}.", path.display()))?,
            None => HashMap::new(),
        },
    };
    Ok((
        car.blocks
            .into_iter()
            .map(|block| (*block.cid(), block))
            .collect(),
        question,
    ))
}

fn anchor_times(text: &[u8]) -> Result<HashMap<Cid, u64>, String> {
    let times: HashMap<String, u64> = serde_json::from_slice(text)
        .map_err(|error| format!("not a JSON object of txHash CID to unix seconds: {error}"))?;
    let named = times
        .into_iter()
        .map(|(name, time)| match Cid::try_from(name.as_str()) {
            Ok(cid) => Ok((cid, time)),
            Err(error) => Err(format!("{name:?}: {error}")),
        });
    named.collect()
}

/// The state of the document in js-ceramic's serialised form, or why there is none.
pub fn judge(blocks: &HashMap<Cid, Block>, question: &Question) -> Result<Value, Refusal> {
    let world = World::new(question.now, &question.anchor_times);
    let state = match (question.commit, question.at_time) {
        (Some(commit), _) => load_commit(&CommitId::new(question.stream, commit), blocks, &world)?
            .at_commit(&commit)?,
        (None, Some(time)) => hear_all(&question.stream, &question.tips, blocks, &world)?
            .0
            .at_time(time)?,
        (None, None) => hear_all(&question.stream, &question.tips, blocks, &world)?
            .0
            .state()
            .clone(),
    };
    Ok(state.to_json())
}

/// The verdict as the program prints it.
pub fn to_json(verdict: &Result<Value, Refusal>) -> Value {
    match verdict {
        Ok(state) => json!({ "accept": true, "state": state }),
        Err(refusal) => {
            json!({ "accept": false, "error": { "code": refusal.code(), "message": refusal.to_string() } })
        }
    }
}
