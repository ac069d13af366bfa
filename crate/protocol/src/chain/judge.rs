//! Judging one event after another.

use std::sync::Arc;

use super::Link;
use crate::anchor::{AnchorAnswer, AnchorError};
use crate::doctype::{DocumentType, RuleError};
use crate::document::World;
use crate::event::{Data, Event, Init, Time};
use crate::jose::{JoseError, Signer, verify_envelope};
use crate::refusal::{Need, Reason};
use crate::state::{Kind, LogEntry, State, TimeStatus};
use crate::{Cid, StreamId};

/// Events whose signatures are verified together, before the first of them is judged.
pub(crate) const BATCH: usize = 32;

/// Who signed an event, `None` if it is not signed. Whether they may is judged later.
pub(crate) fn signature(link: &Link) -> Option<Result<Signer, JoseError>> {
    let envelope = link.envelope()?;
    Some(match envelope {
        Ok(envelope) => verify_envelope(&envelope),
        Err(_) => Err(JoseError::Format("the envelope cannot be read")),
    })
}

/// The verified signer of an event that `controller` must have signed.
pub(crate) fn authority(
    signature: Option<&Result<Signer, JoseError>>,
    controller: Option<&str>,
) -> Result<Arc<str>, Reason> {
    let signer = match signature {
        None => return Err(RuleError::Unsigned.into()),
        Some(Err(error)) => return Err(error.clone().into()),
        Some(Ok(signer)) => signer,
    };
    let controller = controller.ok_or(RuleError::ControllerCount(0))?;
    if let Some(capability) = signer.cap {
        return Err(Need::Capability(capability).into());
    }
    match signer.did == controller {
        true => Ok(controller.into()),
        false if controller.starts_with("did:key:") => Err(RuleError::WrongSigner {
            signer: signer.did.clone(),
            controller: controller.to_owned(),
        }
        .into()),
        false => Err(RuleError::UnsupportedDid(controller.to_owned()).into()),
    }
}

/// The state after an init event whose signature was verified before.
pub(crate) fn begin(
    rules: &dyn DocumentType,
    init: &Init,
    signer: Option<Arc<str>>,
) -> Result<State, Reason> {
    let mut state = rules.init(init)?;
    state.log.push(LogEntry {
        cid: init.cid,
        kind: Kind::Init,
        prev: None,
        signer,
        time: TimeStatus::None,
    });
    Ok(state)
}

/// Applies a change whose signature was verified. On an error the state is what it was.
pub(crate) fn change(
    rules: &dyn DocumentType,
    state: &mut State,
    data: &Data,
    signer: Option<Arc<str>>,
) -> Result<(), Reason> {
    rules.data(state, data)?;
    state.log.push(LogEntry {
        cid: data.cid,
        kind: Kind::Data,
        prev: Some(data.prev),
        signer,
        time: TimeStatus::None,
    });
    Ok(())
}

/// The time of a time event, if it is valid.
pub(crate) fn time(link: &Link, world: &World) -> Result<TimeStatus, Reason> {
    let proof = match &link.witness {
        Some(witness) => witness.clone()?,
        None => return Err(AnchorError::Missing(link.cid).into()),
    };
    match world.anchors.answer(&proof) {
        AnchorAnswer::Unasked => Ok(TimeStatus::Claimed { proof }),
        AnchorAnswer::Mined { time } => Ok(TimeStatus::Proven { unix: time, proof }),
        AnchorAnswer::Absent => Err(AnchorError::NoTransaction(proof.tx_hash).into()),
    }
}

/// That an event is of this document. Early events do not say.
pub(crate) fn document(stream: &StreamId, event: &Event) -> Result<(), Reason> {
    let id: Option<Cid> = match event {
        Event::Init(_) | Event::Unreadable(_) => None,
        Event::Data(Data { id, .. }) | Event::Time(Time { id, .. }) => *id,
    };
    match id {
        Some(id) if id != *stream.init() => Err(RuleError::WrongDocument(id).into()),
        _ => Ok(()),
    }
}
