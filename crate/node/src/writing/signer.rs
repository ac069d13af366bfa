//! Who signs: a key at hand, or a wallet elsewhere.

use async_trait::async_trait;
use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::event::Signature;
use ostrakon_protocol::jose::Ed25519Signer;

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The person declined.
    #[error("the signature was declined")]
    Rejected,
    /// The session is over.
    #[error("the session is over: sign in again")]
    Expired,
    /// There was no answer for [`SIGNING_FOR`](super::SIGNING_FOR).
    #[error("the wallet did not answer in time")]
    Timeout,
    /// Anything else, for people to read.
    #[error("the wallet failed: {0}")]
    Failed(String),
}

impl SignError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            SignError::Rejected => "sign-rejected",
            SignError::Expired => "session-expired",
            SignError::Timeout => "sign-timeout",
            SignError::Failed(_) => "sign-failed",
        }
    }
}

/// Signs events for a controller. What it returns is verified like anybody's before it goes anywhere.
#[async_trait(?Send)]
pub trait Signer {
    /// The DID that owns what is created, and whose documents are updated.
    fn controller(&self) -> &str;

    /// A signature over a payload, named by its CID (what is signed is RFC 7515's input of the protected header and the
    /// bytes of the CID, as dids 5).
    ///
    /// # Errors
    /// [`SignError`]; then nothing is written.
    async fn sign(&self, payload: &Cid) -> Result<Signed, SignError>;
}

/// A signature.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The protected header and the signature.
    pub envelope: Signature,
    /// The block of the capability that the header names, if it does.
    pub capability: Option<Block>,
}

/// A key at hand.
pub struct LocalSigner {
    key: Ed25519Signer,
    controller: String,
    capability: Option<Block>,
}

impl LocalSigner {
    /// Signs as the `did:key` of the key.
    pub fn new(key: Ed25519Signer) -> LocalSigner {
        LocalSigner {
            controller: key.did().to_owned(),
            key,
            capability: None,
        }
    }

    /// Signs for someone else, by leave of this capability (CIP-74), which names the key as its audience.
    pub fn delegated(key: Ed25519Signer, controller: String, capability: Block) -> LocalSigner {
        LocalSigner {
            key: key.with_capability(*capability.cid()),
            controller,
            capability: Some(capability),
        }
    }
}

#[async_trait(?Send)]
impl Signer for LocalSigner {
    fn controller(&self) -> &str {
        &self.controller
    }

    async fn sign(&self, payload: &Cid) -> Result<Signed, SignError> {
        let (protected, signature) = self.key.sign(&payload.to_bytes());
        Ok(Signed {
            envelope: Signature {
                protected: protected.into(),
                signature: signature.into(),
            },
            capability: self.capability.clone(),
        })
    }
}
