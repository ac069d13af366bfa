//! Signing with an ed25519 seed, deterministically: the same seed and payload give the same envelope on every node.

mod provider;

pub use provider::AUTHENTICATION_SECONDS;

use cid::Cid;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;

use super::signing_input;
use crate::did::key::PublicKey;

/// An ed25519 key that signs as its `did:key`, or under a capability. The seed is wiped when it is dropped.
pub struct Ed25519Signer {
    key: SigningKey,
    did: String,
    capability: Option<Cid>,
}

impl Ed25519Signer {
    /// The signer of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Ed25519Signer {
        let key = SigningKey::from_bytes(seed);
        let did = PublicKey::did_of_ed25519(&key.verifying_key());
        Ed25519Signer {
            key,
            did,
            capability: None,
        }
    }

    /// From now on signs by leave of this capability, the CID of a CACAO's block (CIP-74): its issuer must have named this
    /// signer's DID as the audience.
    pub fn with_capability(self, capability: Cid) -> Ed25519Signer {
        Ed25519Signer {
            capability: Some(capability),
            ..self
        }
    }

    /// `did:key:z6Mk…`
    pub fn did(&self) -> &str {
        &self.did
    }

    /// The protected header js would write, with its keys in order, and the signature over it and `payload`.
    pub fn sign(&self, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let fragment = self.did.strip_prefix("did:key:").unwrap_or_default();
        let mut header = json!({ "alg": "EdDSA", "kid": format!("{}#{fragment}", self.did) });
        if let (Some(cid), Some(header)) = (&self.capability, header.as_object_mut()) {
            header.insert("cap".to_owned(), format!("ipfs://{cid}").into());
        }
        let protected = header.to_string().into_bytes();
        let signature = self.key.sign(&signing_input(&protected, payload));
        (protected, signature.to_bytes().to_vec())
    }
}
