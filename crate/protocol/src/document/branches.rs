//! The branches that lost.

use cid::Cid;

use super::Document;
use crate::chain::Advantage;

/// A branch that lost, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its end.
    pub tip: Cid,
    /// The last event that it shares with the winner.
    pub fork: Cid,
    /// What the winner has over it.
    pub advantage: Advantage,
}

impl Document {
    /// The branches that lost, the best first.
    pub fn lost(&self) -> Vec<Lost> {
        let winner = self.tip();
        let losers = self.tree.ranked().iter().skip(1);
        let lost = losers.filter_map(|tip| {
            let fork = self.tree.fork(winner, tip)?;
            let standing = self.tree.standing(winner, &fork);
            let (_, advantage) = standing.compare(&self.tree.standing(tip, &fork));
            Some(Lost {
                tip: *tip,
                fork,
                advantage,
            })
        });
        lost.collect()
    }
}
