//! What the later answers of chains make of a document.

use std::sync::Arc;

use super::tree::Node;
use super::{Document, Heard};
use crate::anchor::Proof;
use crate::chain::judge;
use crate::refusal::Refusal;
use crate::world::World;

impl Document {
    /// Judges anew what chains answered since: claimed anchors are proven, or dropped with what builds on them, capabilities
    /// are judged at the times now known, and branches are chosen anew. Signatures are not verified again. The document is
    /// then what it would be had the answers been known from the start; only where the init event itself turns out to be
    /// written too late it stays, alone.
    ///
    /// [`Heard::changed`] says here whether anything is different, be it only the status of an anchor.
    pub fn recheck(&mut self, world: &World) -> Heard {
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
