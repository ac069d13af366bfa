//! Time events: the proof, the path to it, and what a chain answered.
