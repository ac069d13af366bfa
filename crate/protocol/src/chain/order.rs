//! Which of two branches wins (js-ceramic's conflict resolution, since 3.0).
//!
//! Only valid events are compared. An anchor that nobody asked a chain about (*claimed*) makes no branch anchored, and does
//! not make it longer either: else a stranger, who can write as many of them as he likes, could roll a document back.
//! For the same reason a proven anchor written once more, which costs nothing, beats nobody who built on the first.

use std::cmp::Ordering;

use cid::Cid;

/// What counts about a branch: its events after the fork, oldest first. The better one is the lesser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The time of the first proven time event.
    anchored: Option<u64>,
    /// Events up to and including it; all if there is none.
    length: usize,
    /// If the branch begins with that anchor: how many events the controller wrote after it. Two branches that begin with
    /// an anchor of the same time say the same about the event before. Else 0.
    after: usize,
    /// The bytes of the last CID that counts, as JavaScript compares them.
    last: String,
    /// The same of the last CID of all: between branches that differ in claimed anchors only.
    end: String,
}

impl Standing {
    /// Of the events after a fork, *newest first*: the CID, the proven time of a time event, whether it counts.
    pub(crate) fn of<'a>(events: impl Iterator<Item = (&'a Cid, Mark)>) -> Self {
        let mut standing = Self {
            anchored: None,
            length: 0,
            after: 0,
            last: String::new(),
            end: String::new(),
        };
        let mut written = 0_usize;
        for (cid, mark) in events {
            if standing.end.is_empty() {
                standing.end = js_text(cid);
            }
            if standing.last.is_empty() && mark != Mark::Claimed {
                standing.last = js_text(cid);
            }
            match mark {
                Mark::Claimed => {}
                Mark::Counts => {
                    standing.length = standing.length.saturating_add(1);
                    written = written.saturating_add(1);
                }
                // What comes after the first anchor does not count; this is the first one so far.
                Mark::Proven(time) => {
                    standing.anchored = Some(time);
                    standing.length = 1;
                }
            }
        }
        if standing.anchored.is_some() && standing.length == 1 {
            standing.after = written;
        }
        standing
    }
}

/// What an event means for its branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Written by a controller.
    Counts,
    /// A time event with a proven time, in unix seconds.
    Proven(u64),
    /// A time event that nobody asked a chain about.
    Claimed,
}

/// What makes the better of two branches better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advantage {
    /// It has a proven anchor, and the other one has none.
    Anchored,
    /// Its first proven anchor is earlier.
    AnchoredEarlier,
    /// It has more events up to its first proven anchor.
    Longer,
    /// Its controller wrote on after the same anchor.
    BuiltOn,
    /// Nothing but the CIDs of the last events decides: it has the lower one, compared as JavaScript does.
    LowerCid,
}

impl Standing {
    /// How two branches compare, and by what.
    pub(crate) fn compare(&self, other: &Self) -> (Ordering, Advantage) {
        let anchored = match (self.anchored, other.anchored) {
            (Some(a), Some(b)) => (a.cmp(&b), Advantage::AnchoredEarlier),
            (Some(_), None) => (Ordering::Less, Advantage::Anchored),
            (None, Some(_)) => (Ordering::Greater, Advantage::Anchored),
            (None, None) => (Ordering::Equal, Advantage::Anchored),
        };
        let steps = [
            (other.length.cmp(&self.length), Advantage::Longer),
            (other.after.cmp(&self.after), Advantage::BuiltOn),
            (self.last.cmp(&other.last), Advantage::LowerCid),
        ];
        let end = (self.end.cmp(&other.end), Advantage::LowerCid);
        let mut steps = std::iter::once(anchored).chain(steps);
        steps.find(|(order, _)| order.is_ne()).unwrap_or(end)
    }
}

impl Ord for Standing {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other).0
    }
}

impl PartialOrd for Standing {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `<` of JavaScript on byte arrays compares this text, not the bytes: 100 comes before 20, and 10 before 9.
fn js_text(cid: &Cid) -> String {
    let bytes: Vec<String> = cid.to_bytes().iter().map(u8::to_string).collect();
    bytes.join(",")
}

#[cfg(test)]
mod tests {
    use multihash::Multihash;

    use super::*;
    use crate::block::{DAG_CBOR, SHA2_256};

    fn cid(first: u8) -> Cid {
        let mut digest = [0; 32];
        digest[0] = first;
        Cid::new_v1(DAG_CBOR, Multihash::wrap(SHA2_256, &digest).unwrap())
    }

    fn standing(events: &[(u8, Mark)]) -> Standing {
        let cids: Vec<Cid> = events.iter().map(|(first, _)| cid(*first)).collect();
        Standing::of(cids.iter().zip(events.iter().map(|(_, mark)| *mark)).rev())
    }

    #[test]
    fn an_anchored_branch_beats_a_longer_one_that_is_not() {
        let anchored = standing(&[(1, Mark::Proven(9))]);
        assert!(anchored < standing(&[(0, Mark::Counts); 5]));
    }

    #[test]
    fn the_first_anchor_decides_however_early_a_later_one_is() {
        let early = standing(&[(1, Mark::Proven(5))]);
        assert!(early < standing(&[(0, Mark::Proven(6)), (0, Mark::Proven(1))]));
    }

    #[test]
    fn what_comes_after_the_first_anchor_does_not_make_a_branch_longer() {
        let short = standing(&[(0, Mark::Counts), (1, Mark::Proven(5))]);
        let tail = standing(&[(0, Mark::Proven(5)), (0, Mark::Counts), (0, Mark::Counts)]);
        assert!(short < tail);
    }

    #[test]
    fn the_last_cid_decides_between_equals_as_javascript_compares_it() {
        for (better, worse) in [(10, 9), (100, 20), (1, 2)] {
            let better = standing(&[(255, Mark::Counts), (better, Mark::Counts)]);
            assert!(better < standing(&[(0, Mark::Counts), (worse, Mark::Counts)]));
        }
    }

    #[test]
    fn an_anchor_written_once_more_does_not_roll_back_what_was_built_on_the_first() {
        let built_on = standing(&[(9, Mark::Proven(5)), (9, Mark::Counts)]);
        assert!(built_on < standing(&[(1, Mark::Proven(5))]));
        assert!(built_on < standing(&[(1, Mark::Proven(5)), (1, Mark::Proven(6))]));
        assert!(standing(&[(1, Mark::Proven(4))]) < built_on);
    }

    #[test]
    fn a_stranger_cannot_decide_between_equals_with_a_claimed_anchor() {
        let better = standing(&[(1, Mark::Counts)]);
        assert!(better < standing(&[(2, Mark::Counts), (0, Mark::Claimed)]));
    }

    #[test]
    fn anchors_nobody_was_asked_about_count_for_nothing() {
        let claims = standing(&[(0, Mark::Claimed); 9]);
        assert!(standing(&[(1, Mark::Counts)]) < claims);
    }
}
