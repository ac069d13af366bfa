//! Writing events: what a controller with an ed25519 key puts into the world.
