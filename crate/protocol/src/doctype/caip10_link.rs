//! Links of a blockchain account to a DID (CIP-7, as js-ceramic 6.11 judges them): the account is the controller, and a change
//! is a proof that its owner names a DID, or none.
//!
//! Nothing is signed but the proof, so anybody may bring one, and an old one again: what is older than what is known is refused.

use ipld_core::ipld::Ipld;

use super::{Around, DocumentType, RuleError, Written};
use crate::StreamType;
use crate::account::{Proof, earlier};
use crate::event::{Data, Init};
use crate::patch::Content;
use crate::refusal::{Need, Reason};
use crate::state::{Next, Signed, State, TimeStatus, truthy};

/// The metadata in which the time of the newest proof is kept.
const LAST_UPDATE: &str = "lastUpdate";

#[derive(Debug)]
pub(super) struct Caip10Link;

impl DocumentType for Caip10Link {
    fn init(&self, init: &Init) -> Result<State, Reason> {
        if init.content.as_ref().is_some_and(truthy) {
            return Err(RuleError::LinkWithContent.into());
        }
        if init.header.controllers.len() != 1 {
            return Err(RuleError::ControllerCount(init.header.controllers.len()).into());
        }
        Ok(State {
            kind: StreamType::CAIP10_LINK,
            content: Content::from(Ipld::Null),
            metadata: init.header.fields.clone(),
            next: Some(Next {
                content: Content::from(Ipld::Null),
                metadata: None,
            }),
            signed: Signed::Genesis,
            anchored: false,
            proof: None,
            model: None,
            log: Vec::new(),
        })
    }

    fn change(&self, state: &mut State, data: &Data) -> Result<(), Reason> {
        let proof = Proof::read(&data.data)?;
        check_age(state, proof.timestamp())?;
        let mut metadata = state.metadata.clone();
        match proof.timestamp() {
            Some(time) => metadata.insert(LAST_UPDATE.to_owned(), time.clone()),
            None => metadata.remove(LAST_UPDATE),
        };
        let did = proof.did().map(|did| Ipld::String(did.to_owned()));
        state.next = Some(Next {
            content: did.map(Content::from).unwrap_or_default(),
            metadata: Some(metadata),
        });
        state.signed = Signed::Signed;
        state.anchored = false;
        Ok(())
    }

    fn check(&self, event: Written, state: &State, _: &Around) -> Result<(), Reason> {
        let Written::Data(data) = event else {
            return Ok(());
        };
        let account = Proof::read(&data.data)?.verify()?;
        let controller = state.controller().unwrap_or_default();
        if !controller.contains('@') {
            return Err(RuleError::NotAnAccount(controller.to_owned()).into());
        }
        match account.to_lowercase() == controller.to_lowercase() {
            true => Ok(()),
            false => Err(RuleError::WrongAccount {
                account,
                controller: controller.to_owned(),
            }
            .into()),
        }
    }

    fn changes_are_signed(&self) -> bool {
        false
    }

    /// The account, whose proof was verified.
    fn signer(&self, state: &State) -> Option<String> {
        let (address, chain) = state.controller()?.split_once('@')?;
        Some(format!("did:pkh:{chain}:{address}"))
    }
}

/// A proof must not be older than the anchor before it, or without one than the proof before it. One without a timestamp never
/// is, so long as js has its way.
fn check_age(state: &State, timestamp: Option<&Ipld>) -> Result<(), Reason> {
    let old = match (state.signed, state.anchored) {
        (Signed::Genesis, _) => false,
        (_, false) => earlier(timestamp, state.metadata().get(LAST_UPDATE)),
        (_, true) => match state.log.last().map(|entry| &entry.time) {
            Some(TimeStatus::Proven { unix, .. }) => {
                earlier(timestamp, Some(&Ipld::Integer((*unix).into())))
            }
            Some(TimeStatus::Claimed { proof }) if timestamp.is_some() => {
                return Err(Need::transaction(proof).into());
            }
            _ => false,
        },
    };
    match old {
        true => Err(RuleError::ProofTooOld.into()),
        false => Ok(()),
    }
}
