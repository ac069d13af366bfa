//! The native peer. It touches files, sockets and terminals; what is true is decided in `ostrakon-protocol`, what a node
//! does in `ostrakon-node`.
#![forbid(unsafe_code)]

mod adopt;
pub mod chains;
pub mod cli;
pub mod config;
pub mod devnet;
pub mod evidence;
pub mod explain;
pub mod file;
pub mod identify;
pub mod keys;
mod living;
pub mod logging;
mod monitor;
pub mod peer;
pub mod recorded;
pub mod running;
mod samples;
pub mod stop;
pub mod store;
mod transport;
pub mod verify;
mod wallet;
pub mod write;
mod www;
