//! What a node does: finds documents on the network, verifies them, keeps them and follows them. Generic over its
//! surroundings: nothing here knows whether it runs in a tab or natively.
//!
//! - [`store`]: where documents are kept.
//! - [`network`]: how peers are spoken to.
//! - [`sync`]: which tips are fetched, and when to ask again; no I/O.
//! - [`documents`]: load, follow, forget, import, export, submit; no I/O.
//! - [`writing`]: create and update documents.
//! - [`answering`]: what peers get that ask for whole chains.
//! - [`Want`]: what is exchanged with other peers whether or not somebody here asked for it.
//! - [`chains`]: what blockchains are asked about anchors.
//! - [`Node`]: all of it at work.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod answering;
pub mod chains;
pub mod documents;
mod driver;
mod error;
#[cfg(feature = "recon")]
mod exchange;
mod feed;
pub mod network;
mod node;
mod status;
pub mod store;
pub mod sync;
pub mod writing;

pub use documents::{Publication, Source, View, Waiting, WaitingFor};
pub use error::NodeError;
#[cfg(feature = "recon")]
pub use exchange::{BadWant, MAX_POOL_BYTES, MAX_POOL_EVENTS, MAX_RECEIVING, MAX_WANTS, Want};
pub use node::{Node, NodeConfig, Surroundings};
#[cfg(feature = "public-peer")]
pub use status::Vitals;
pub use status::{NodeEvent, PeerInfo, Status};
