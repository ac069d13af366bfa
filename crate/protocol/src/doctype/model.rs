//! Models: a definition that never changes (as js-ceramic 6.11 judges it). Only time events follow the init event.

use ipld_core::ipld::Ipld;
use std::sync::Arc;

use super::{Around, DocumentType, RuleError, Written};
use crate::event::{Data, Init, Map};
use crate::model::{METAMODEL, Model, ModelError};
use crate::patch::Content;
use crate::refusal::Reason;
use crate::state::{Signed, State};
use crate::{StreamId, StreamType};

#[derive(Debug)]
pub(super) struct ModelRules;

impl DocumentType for ModelRules {
    fn init(&self, init: &Init) -> Result<State, Reason> {
        if init.envelope.is_none() {
            return Err(RuleError::Unsigned.into());
        }
        let [controller] = init.header.controllers.as_slice() else {
            return Err(RuleError::ControllerCount(init.header.controllers.len()).into());
        };
        let metamodel = init.header.model().filter(|id| id.to_bytes() == METAMODEL);
        let metamodel = metamodel.ok_or(ModelError::NotAModel)?;
        let model = Model::read(init.content.as_ref())?;
        let content = init.content.clone().unwrap_or(Ipld::Null);
        let controller = Ipld::String(controller.clone());
        Ok(State {
            kind: StreamType::MODEL,
            content: Content::from(content),
            metadata: Map::from([
                ("controllers".to_owned(), Ipld::List(vec![controller])),
                ("model".to_owned(), Ipld::String(metamodel.to_string())),
            ]),
            next: None,
            signed: Signed::Signed,
            anchored: false,
            proof: None,
            model: Some(Arc::new(model)),
            log: Vec::new(),
        })
    }

    fn change(&self, _state: &mut State, _data: &Data) -> Result<(), Reason> {
        Err(ModelError::Final.into())
    }

    /// The interfaces must be known.
    fn check(&self, _event: Written, state: &State, around: &Around) -> Result<(), Reason> {
        let model = state.model().ok_or(ModelError::NotAModel)?;
        let library = around.world.library;
        let load = |id: &StreamId| library.model(id);
        let interfaces: Vec<_> = model.implements().map(load).collect::<Result<_, _>>()?;
        model.check_interfaces(&interfaces, &load)
    }
}
