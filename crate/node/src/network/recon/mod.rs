//! Recon: peers find out what one has and the other lacks, and send each other that (ceramic-one 0.58's protocol, byte for
//! byte).
//!
//! - [`hash`], [`ring`]: sums over ranges of keys.
//! - [`frame`]: the messages.
//! - [`machine`]: one conversation, without I/O.
//! - [`Behaviour`]: who is talked to when, over libp2p.

mod behaviour;
pub mod frame;
mod handler;
pub mod hash;
pub mod machine;
pub mod ring;

pub use behaviour::{
    Behaviour, Counts, Event, FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PROMISE, MAX_PEERS, QUIET_PAUSE,
    TalkId,
};
pub use frame::{Interest, Key, Kind};
pub use handler::{MAX_CALLS, MAX_HEARD, MAX_HEARD_BYTES, PATIENCE};
pub use machine::Refusal;
pub use ring::Ring;
