//! To be written.

pub mod network;
