//! What is true in the Ceramic protocol: bytes in, verdict out.
//!
//! Nothing here does I/O, reads a clock, draws randomness or waits. Whatever verification needs from outside is handed in
//! as a value. The main road is a straight line, and each step is a type that only the step before can make:
//!
//! ```text
//! bytes ──hash──▶ Block ──decode──▶ Event ──link──▶ Chain ──signatures, anchors, rules──▶ Document
//! ```
//!
//! Every byte that reaches this crate may come from someone hostile, so outside tests nothing may panic.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

pub mod account;
pub mod anchor;
pub mod author;
pub mod block;
pub mod cacao;
pub mod car;
pub mod cbor;
pub mod chain;
pub mod did;
pub mod doctype;
pub mod document;
mod encoding;
pub mod event;
pub mod id;
mod javascript;
pub mod jose;
pub mod json;
pub mod library;
pub mod model;
pub mod offer;
pub mod patch;
pub mod refusal;
pub mod schema;
pub mod sorted;
pub mod state;
pub mod world;

pub use anchor::{AnchorAnswer, Anchors, Unasked};
pub use block::{Block, Blocks, MAX_BLOCK_BYTES};
pub use chain::{Chain, Step, Walk};
pub use cid::Cid;
pub use doctype::Types;
pub use document::{Document, Heard};
pub use event::Event;
pub use id::{CommitId, DocumentRef, StreamId, StreamType};
pub use ipld_core::ipld::Ipld;
pub use library::Library;
pub use refusal::{Need, Reason, Refusal};
pub use state::{Kind, LogEntry, State, TimeStatus};
pub use world::World;
