//! What the later answers of chains, and newer versions of 3IDs, make of a document.

use std::sync::Arc;

use super::offline::hear_in_turn;
use super::tree::Node;
use super::{Document, Heard};
use crate::StreamId;
use crate::anchor::Proof;
use crate::chain::{Chain, Link, judge};
use crate::refusal::{Reason, Refusal};
use crate::sorted::SortedSet;
use crate::world::World;

impl Document {
    /// Judges anew what chains answered since: claimed anchors are proven, or dropped with what builds on them, capabilities
    /// are judged at the times now known, and branches are chosen anew. Signatures are not verified again. The document is
    /// then what it would be had the answers been known from the start; only where the init event itself turns out to be
    /// written too late it stays, alone.
    ///
    /// [`Heard::changed`] says here whether anything is different, be it only the status of an anchor.
    ///
    /// Where a 3ID that signed has other versions now ([`Document::three_ids`]), everything is judged anew, signatures too:
    /// what a replaced version signed is dropped unless an anchor shows that it was written in time. Nothing is dropped
    /// because something else is not known.
    pub fn recheck(&mut self, world: &World) -> Heard {
        if !self.tree.stale(world.library).is_empty() {
            let before = (self.tips(), self.state.clone());
            self.refused = self.judge_anew(world).err();
            return Heard {
                changed: before.0 != self.tips() || before.1 != self.state,
                refused: self.refused.clone(),
            };
        }
        let end = *self.tip();
        let (mut changed, mut refused) = self.tree.answered(|proof| judge::answered(proof, world));
        if changed || self.tree.may_expire(world.now) {
            let lapsed = self.tree.expire(&end, world.now);
            refused = refused.or(lapsed);
            self.tree.choose(world.anchors.policy());
            changed |= end != *self.tip();
        }
        if changed {
            let tip = *self.tip();
            let branch: Vec<&Node> = self.tree.back(&tip).map(|(_, node)| node).collect();
            match self.replay(None, branch.into_iter().rev()) {
                Ok(state) => self.state = state,
                Err(reason) => refused = Some(Refusal::of(tip, reason)),
            }
        }
        self.refused = refused.clone();
        Heard { changed, refused }
    }

    /// Hears everything once more, as it is known now. Errors if something was dropped, with the reason of the first; or if
    /// it cannot be judged because something is not known, and then it is left as it is.
    pub(super) fn judge_anew(&mut self, world: &World) -> Result<(), Refusal> {
        let tips = self.tips();
        let mut chains = tips.iter().map(|tip| {
            let links = self.tree.back(tip).map(|(_, node)| Link::clone(&node.link));
            Chain::whole(self.stream, links.collect())
        });
        let (anew, refusals) = hear_in_turn(None, |_| chains.next(), world);
        drop(chains);
        let is_need = |refusal: &&Refusal| matches!(*refusal.reason, Reason::Need(_));
        // What waits for an answer about its own anchor is held all the same.
        let is_held = |refusal: &Refusal| {
            let event = refusal.event.zip(anew.as_ref());
            event.is_some_and(|(event, document)| document.contains(&event))
        };
        let mut needs = refusals.iter().filter(is_need);
        let need = needs.find(|need| !is_held(need)).cloned();
        match (anew, need) {
            (Some(document), None) => *self = document,
            (_, Some(need)) => {
                self.tree.leave_unsettled(world.library);
                return Err(need);
            }
            (None, None) => {
                let init = *self.stream.init();
                self.tree.cut(&init);
                self.tree.choose(world.anchors.policy());
                let refuse = |reason| Refusal::of(init, reason);
                self.state = self.state_at(&init).map_err(refuse)?;
            }
        }
        refusals.into_iter().next().map_or(Ok(()), Err)
    }

    /// The 3IDs that signed: a newer version of one can change what is valid here.
    pub fn three_ids(&self) -> SortedSet<StreamId> {
        self.tree.vouchers().copied().collect()
    }

    /// What chains should be asked about: each transaction that a claimed anchor names, once.
    pub fn claims(&self) -> Vec<Arc<Proof>> {
        let claims = self.tree.claims().map(|(.., proof)| proof.clone());
        let mut claims: Vec<Arc<Proof>> = claims.collect();
        let name = |proof: &Arc<Proof>| (proof.chain_id.clone(), proof.tx_hash);
        claims.sort_by_cached_key(name);
        claims.dedup_by_key(|proof| name(proof));
        claims
    }
}
