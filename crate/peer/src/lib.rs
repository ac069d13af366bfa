//! The native peer. It touches files, sockets and terminals; what is true is decided in `ostrakon-protocol`, what a node
//! does in `ostrakon-node`.
#![forbid(unsafe_code)]

pub mod cli;
pub mod identify;
pub mod keys;
pub mod samples;
pub mod store;
pub mod transport;
pub mod verify;
pub mod www;
