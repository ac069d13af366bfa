//! Recon: peers find out what one has and the other lacks, and send each other that (ceramic-one 0.58's protocol, byte for
//! byte).
//!
//! - [`hash`], [`ring`]: sums over ranges of keys.
//! - [`frame`]: the messages.
//! - [`machine`]: one conversation, without I/O.

pub mod frame;
pub mod hash;
pub mod machine;
pub mod ring;

pub use frame::{Interest, Key, Kind};
pub use machine::Refusal;
pub use ring::Ring;
