//! A verified document: its branches, its winner, its state.
