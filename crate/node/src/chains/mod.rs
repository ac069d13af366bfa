//! Asking blockchains about anchors.

mod source;

pub use source::{ChainSource, SourceError};
