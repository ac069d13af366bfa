//! `ostrakon verify`: a document judged from a CAR file, with nothing else to go by. What is true the protocol crate
//! decides; this module only asks.

use std::str::FromStr as _;

use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::{Cid, CommitId, DocumentRef, Refusal, StreamId};
use serde_json::{Value, json};

use crate::cli::VerifyArgs;
use crate::evidence::{self, Evidence};

/// What is asked about a document.
#[derive(Clone, Debug)]
pub struct Question {
    /// The document.
    pub stream: StreamId,
    /// Load this commit, every event up to which must be valid, instead of what the tips lead to.
    pub commit: Option<Cid>,
    /// Ask for the state at this time, in unix seconds.
    pub at_time: Option<u64>,
}

/// What the arguments ask, and what there is to judge by. `Err` is one sentence for the user.
pub fn read(args: &VerifyArgs) -> Result<(Evidence, Question), String> {
    let evidence = Evidence::read(&args.world)?;
    let question = Question {
        stream: stream(&args.stream)?,
        commit: (args.commit.as_ref())
            .map(|text| evidence::cid("--commit", text))
            .transpose()?,
        at_time: args.at_time,
    };
    if evidence.tips.is_empty() && question.commit.is_none() {
        return Err(format!(
            "{} names no roots; say with --tip which events were announced.",
            args.world.file.display()
        ));
    }
    Ok((evidence, question))
}

/// The document that `--stream` names.
pub fn stream(text: &str) -> Result<StreamId, String> {
    match DocumentRef::from_str(text) {
        Ok(DocumentRef::Stream(stream)) => Ok(stream),
        Ok(DocumentRef::Commit(_)) => {
            Err("--stream wants a StreamID; give the version as --commit.".to_owned())
        }
        Err(error) => Err(format!("--stream {text}: {error}.")),
    }
}

/// The state of the document in js-ceramic's serialised form, or why there is none.
pub fn judge(evidence: &Evidence, question: &Question) -> Result<Value, Refusal> {
    let Evidence { blocks, tips, .. } = evidence;
    let (stream, world) = (&question.stream, evidence.world());
    let state = match (question.commit, question.at_time) {
        (Some(commit), _) => {
            load_commit(&CommitId::new(*stream, commit), blocks, &world)?.at_commit(&commit)?
        }
        (None, Some(time)) => hear_all(stream, tips, blocks, &world)?.0.at_time(time)?,
        (None, None) => hear_all(stream, tips, blocks, &world)?.0.state().clone(),
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
