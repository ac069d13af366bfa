//! From a tip back to its init event, block by block.
