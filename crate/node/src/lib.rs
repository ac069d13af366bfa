//! What a node does: finds documents on the network, verifies them, keeps them and follows them. Generic over its
//! surroundings: nothing here knows whether it runs in a tab or natively.
//!
//! - [`store`]: where documents are kept.
//! - [`network`]: how peers are spoken to.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod network;
pub mod store;
