//! Judging one event after another.

use std::sync::Arc;

use super::Link;
use crate::anchor::{AnchorError, Proof, Verdict};
use crate::cacao::{CacaoError, Capability, Deed, Role};
use crate::did::DidError;
use crate::did::three_id::{Claim, ThreeIdError, Vouched};
use crate::doctype::{DocumentType, RuleError};
use crate::event::{Data, Envelope, Event, Init, Time};
use crate::jose::{JoseError, Signer, verify_envelopes};
use crate::refusal::{Need, Reason};
use crate::state::{Kind, LogEntry, State, TimeStatus};
use crate::world::World;
use crate::{Cid, StreamId};

/// A verified signature. Whether the signer may write is judged later.
pub(crate) struct Signed {
    signer: Signer,
    /// With what was signed.
    envelope: Envelope,
}

/// The signature of an event; `None` if it is not signed.
pub(crate) type Signature = Option<Result<Signed, JoseError>>;

/// Verifies the signatures of events, together.
pub(crate) fn signatures<'a>(links: impl IntoIterator<Item = &'a Link>) -> Vec<Signature> {
    let mut envelopes = Vec::new();
    let read = |link: &'a Link| {
        Some(match link.envelope()? {
            Ok(envelope) => {
                envelopes.push(envelope);
                Ok(())
            }
            Err(_) => Err(JoseError::Format("the envelope cannot be read")),
        })
    };
    let read: Vec<Option<Result<(), JoseError>>> = links.into_iter().map(read).collect();
    let signers = verify_envelopes(&envelopes);
    let mut signers = signers.into_iter().zip(envelopes);
    let mut signed = |()| match signers.next() {
        Some((signer, envelope)) => signer.map(|signer| Signed { signer, envelope }),
        None => Err(JoseError::Signature),
    };
    read.into_iter()
        .map(|read| Some(read?.and_then(&mut signed)))
        .collect()
}

/// Takes the event apart, without reading its envelope once more if it was read for the signature.
pub(crate) fn event(link: &Link, signature: &mut Signature) -> Result<Event, Reason> {
    match signature {
        // What is left behind is only asked for its payload.
        Some(Ok(signed)) => {
            let signatures = std::mem::take(&mut signed.envelope.signatures);
            let payload = signed.envelope.payload;
            link.event_in(Envelope {
                payload,
                signatures,
            })
        }
        _ => link.event(),
    }
}

/// Who wrote an event, once that was verified. Whether a capability was valid at the time is judged with the anchors.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    /// The DID that signed.
    pub(crate) signer: Arc<str>,
    /// The capability that the event names.
    pub(crate) capability: Option<Arc<Capability>>,
    /// Whether the signer needs it to write for the controller.
    role: Role,
    /// If a 3ID signed: which, and while its key may.
    pub(crate) vouched: Option<Arc<Vouched>>,
}

impl Author {
    /// The last second, in unix time, at which it is valid if nothing anchors it.
    pub(crate) fn expires(&self) -> u64 {
        match &self.vouched {
            Some(vouched) if !vouched.tenure.is_current() => 0,
            _ => self.mandate().map_or(u64::MAX, Capability::valid_until),
        }
    }

    /// Why it is not valid once it has expired.
    pub(crate) fn expired(&self) -> Reason {
        match &self.vouched {
            Some(vouched) if !vouched.tenure.is_current() => ThreeIdError::Revoked.into(),
            _ => CacaoError::Expired.into(),
        }
    }

    /// Whether it is valid if this is the time of its first anchor, in unix seconds.
    pub(crate) fn valid_at(&self, anchored: u64) -> Result<(), Reason> {
        if let Some(vouched) = &self.vouched {
            vouched.tenure.check(anchored)?;
        }
        match self.mandate() {
            Some(mandate) => Ok(mandate.valid_at(anchored)?),
            None => Ok(()),
        }
    }

    /// The capability that must be valid at the time of the event.
    pub(crate) fn mandate(&self) -> Option<&Capability> {
        match self.role {
            Role::Delegate => self.capability.as_deref(),
            Role::Controller => None,
        }
    }
}

/// Who wrote an event that `controller`, or someone with a capability of theirs, must have signed. `model` is that of a
/// model instance. That a capability has begun is judged here: what no anchor can show to be late.
pub(crate) fn author(
    stream: &StreamId,
    model: Option<&StreamId>,
    controller: Option<&str>,
    link: &Link,
    signature: Option<&Result<Signed, JoseError>>,
    world: &World,
) -> Result<Author, Reason> {
    let claim = match signature {
        Some(Err(JoseError::Signer(DidError::ThreeId))) => {
            let envelope = link.envelope().ok_or(RuleError::Unsigned)??;
            Some(Claim::read(envelope)?)
        }
        _ => None,
    };
    let (signer, cap, payload) = match (signature, &claim) {
        (_, Some(claim)) => (claim.did.as_str(), claim.cap, &claim.payload),
        (Some(Ok(Signed { signer, envelope })), _) => {
            (signer.did.as_str(), signer.cap, &envelope.payload)
        }
        (Some(Err(error)), _) => return Err(error.clone().into()),
        (None, _) => return Err(RuleError::Unsigned.into()),
    };
    let controller = controller.ok_or(RuleError::ControllerCount(0))?;
    let (capability, role) = match (cap, &link.capability) {
        (None, _) => (None, own(signer, controller)?),
        (Some(_), Some(Ok(capability))) => {
            let deed = Deed {
                signer,
                controller,
                stream,
                payload,
                model,
            };
            let role = capability.allows(&deed)?;
            (Some(capability.clone()), role)
        }
        (Some(_), Some(Err(reason))) => return Err(Reason::clone(reason)),
        (Some(cid), None) => return Err(Need::Capability(cid).into()),
    };
    // Last, so that no stranger can have a document looked up.
    let vouched = claim.as_ref().map(|claim| claim.verify(stream, world));
    let author = Author {
        signer: signer.into(),
        capability,
        role,
        vouched: vouched.transpose()?.map(Arc::new),
    };
    match author.mandate().map(|mandate| mandate.valid_at(world.now)) {
        Some(Err(CacaoError::NotYet)) => Err(CacaoError::NotYet.into()),
        _ => Ok(author),
    }
}

/// Without a capability the controller must have signed.
fn own(signer: &str, controller: &str) -> Result<Role, RuleError> {
    let resolves = |did: &str| {
        ["did:key:", "did:pkh:", "did:3:"]
            .iter()
            .any(|it| did.starts_with(it))
    };
    match signer == controller {
        true => Ok(Role::Controller),
        false if resolves(controller) => Err(RuleError::WrongSigner {
            signer: signer.to_owned(),
            controller: controller.to_owned(),
        }),
        false => Err(RuleError::UnsupportedDid(controller.to_owned())),
    }
}

/// Notes the init event in the log of the state that it made.
pub(crate) fn begin(mut state: State, init: &Init, author: Option<&Author>) -> State {
    state.log.push(entry(init.cid, Kind::Init, None, author));
    state
}

/// Notes a change in the log of the state to which it was applied.
pub(crate) fn record(
    state: &mut State,
    data: &Data,
    author: Option<&Author>,
    rules: &dyn DocumentType,
) {
    let mut entry = entry(data.cid, Kind::Data, Some(data.prev), author);
    if !rules.changes_are_signed() {
        entry.signer = rules.signer(state).map(Arc::from);
    }
    state.log.push(entry);
}

fn entry(cid: Cid, kind: Kind, prev: Option<Cid>, author: Option<&Author>) -> LogEntry {
    LogEntry {
        cid,
        kind,
        prev,
        signer: author.map(|author| author.signer.clone()),
        capability: author.and_then(|author| author.capability.clone()),
        delegated: author.is_some_and(|author| author.mandate().is_some()),
        time: TimeStatus::None,
    }
}

/// The time of a time event, if it is valid.
pub(crate) fn time(link: &Link, world: &World) -> Result<TimeStatus, Reason> {
    let proof = match &link.witness {
        Some(witness) => witness.clone()?,
        None => return Err(AnchorError::Missing(link.cid).into()),
    };
    Ok(answered(&proof, world)?)
}

/// What chains say about an anchor.
pub(crate) fn answered(proof: &Arc<Proof>, world: &World) -> Result<TimeStatus, AnchorError> {
    let verdict = world.anchors.answer(proof).judge(proof)?;
    let proof = proof.clone();
    Ok(match verdict {
        Verdict::Claimed => TimeStatus::Claimed { proof },
        Verdict::Proven { unix, block, by } => TimeStatus::Proven {
            unix,
            proof,
            block,
            by,
        },
    })
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
