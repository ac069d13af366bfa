//! Tiles: any JSON, changed by patches, with a controller that can pass it on (CIP-8, as js-ceramic 6.11 judges it).

use ipld_core::ipld::Ipld;
use serde_json::Value;

use super::{Around, DocumentType, RuleError, Written};
use crate::event::{Data, Init, Map};
use crate::json::to_json;
use crate::patch::Content;
use crate::refusal::Reason;
use crate::state::{Next, Signed, State, field, truthy};
use crate::{DocumentRef, StreamType};

#[derive(Debug)]
pub(super) struct Tile;

impl DocumentType for Tile {
    fn init(&self, init: &Init) -> Result<State, Reason> {
        let content = init.content.clone().filter(truthy);
        let signed = match (&init.envelope, &content) {
            (Some(_), _) => Signed::Signed,
            (None, None) => Signed::Genesis,
            (None, Some(_)) => return Err(RuleError::Unsigned.into()),
        };
        match init.header.controllers.as_slice() {
            [did] if did.starts_with("did:") => {}
            [other] => return Err(RuleError::BadController(other.clone()).into()),
            other => return Err(RuleError::ControllerCount(other.len()).into()),
        }
        Ok(State {
            kind: StreamType::TILE,
            content: Content::from(content.unwrap_or(Ipld::Map(Map::new()))),
            metadata: init.header.fields.clone(),
            next: None,
            signed,
            anchored: false,
            proof: None,
            model: None,
            log: Vec::new(),
        })
    }

    fn change(&self, state: &mut State, data: &Data) -> Result<(), Reason> {
        let header = data.header.as_ref().ok_or(RuleError::NoHeader)?;
        check_controllers(&state.metadata, header)?;
        let mut metadata = state.metadata().clone();
        metadata.extend(header.clone());

        match &mut state.next {
            Some(next) if !matches!(next.content.value(), None | Some(Ipld::Null)) => {
                next.content.patch(&data.data)?;
                next.metadata = Some(metadata);
            }
            _ => {
                let mut content = state.content.clone();
                content.patch(&data.data)?;
                state.next = Some(Next {
                    content,
                    metadata: Some(metadata),
                });
            }
        }
        state.signed = Signed::Signed;
        state.anchored = false;
        Ok(())
    }

    fn check(&self, _: Written, state: &State, around: &Around) -> Result<(), Reason> {
        check_schema(state, around)
    }
}

/// Rules of the anchored metadata bind; those of a change that is not anchored do not yet.
fn check_controllers(metadata: &Map, header: &Map) -> Result<(), Reason> {
    let controllers = field(header, "controllers").filter(|value| truthy(value));
    match controllers {
        None => {}
        Some(Ipld::List(list)) => match list.as_slice() {
            [Ipld::String(did)] if !did.is_empty() => {}
            [other] => return Err(RuleError::BadController(format!("{other:?}")).into()),
            other => return Err(RuleError::ControllerCount(other.len()).into()),
        },
        Some(other) => return Err(RuleError::BadController(format!("{other:?}")).into()),
    }
    let fixed = metadata.get("forbidControllerChange");
    if fixed.is_some_and(truthy)
        && controllers.is_some()
        && controllers != metadata.get("controllers")
    {
        return Err(RuleError::ControllerFixed.into());
    }
    match header.get("forbidControllerChange") {
        Some(change) if Some(change) != fixed => Err(RuleError::ForbidControllerChange.into()),
        _ => Ok(()),
    }
}

/// The newest content is what the schema of the newest metadata demands; an anchor or a chain decides nothing here.
fn check_schema(state: &State, around: &Around) -> Result<(), Reason> {
    let Some(schema) = field(state.metadata(), "schema").filter(|value| truthy(value)) else {
        return Ok(());
    };
    let commit = match schema {
        Ipld::String(text) => match text.parse() {
            Ok(DocumentRef::Commit(commit)) => commit,
            _ => return Err(RuleError::BadSchema.into()),
        },
        _ => return Err(RuleError::BadSchema.into()),
    };
    let schema = around.world.library.schema(&commit)?;
    let content = state.content().map_or(Value::Null, to_json);
    Ok(schema.validate(&content).map_err(RuleError::from)?)
}
