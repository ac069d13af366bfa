//! Signing with an ed25519 seed, deterministically: the same seed and payload give the same envelope on every node.

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;

use super::signing_input;
use crate::did::key::PublicKey;

/// An ed25519 key that signs as its `did:key`. The seed is wiped when it is dropped.
pub struct Ed25519Signer {
    key: SigningKey,
    did: String,
}

impl Ed25519Signer {
    /// The signer of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Ed25519Signer {
        let key = SigningKey::from_bytes(seed);
        let did = PublicKey::did_of_ed25519(&key.verifying_key());
        Ed25519Signer { key, did }
    }

    /// `did:key:z6Mk…`
    pub fn did(&self) -> &str {
        &self.did
    }

    /// The protected header js would write, with its keys in order, and the signature over it and `payload`.
    pub fn sign(&self, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let fragment = self.did.strip_prefix("did:key:").unwrap_or_default();
        let header = json!({ "alg": "EdDSA", "kid": format!("{}#{fragment}", self.did) });
        let protected = header.to_string().into_bytes();
        let signature = self.key.sign(&signing_input(&protected, payload));
        (protected, signature.to_bytes().to_vec())
    }
}
