//! A session as the signer of events: its key, asked anew for each, those of its 3ID, or a provider in a page.

use std::rc::Rc;

use async_trait::async_trait;
use ostrakon_node::Node;
use ostrakon_node::writing::{SignError, Signed, Signer};
use ostrakon_protocol::Cid;
use ostrakon_protocol::event::Signature;

use super::{Session, SessionError, Sessions};

/// Signs for a session, while it lasts.
pub struct SessionSigner {
    session: Rc<Session>,
    sessions: Sessions,
    node: Node,
}

impl Sessions {
    /// Who signs for a session: at once refused if it cannot.
    ///
    /// # Errors
    /// [`SessionError::Unknown`], [`SessionError::Expired`], [`SessionError::Damaged`].
    pub fn signer(&self, id: &str, node: &Node) -> Result<SessionSigner, SessionError> {
        let session = self.get(id)?;
        if !session.is_external() && session.three_id().is_none() {
            session.signer()?;
        }
        Ok(SessionSigner {
            session,
            sessions: self.clone(),
            node: node.clone(),
        })
    }
}

#[async_trait(?Send)]
impl Signer for SessionSigner {
    fn controller(&self) -> &str {
        &self.session.about.did
    }

    async fn sign(&self, payload: &Cid) -> Result<Signed, SignError> {
        if self.session.is_external() {
            let provider = self.sessions.provider();
            return Ok(provider.sign(self.controller(), payload).await?);
        }
        if let Some(three_id) = self.session.three_id() {
            let three_id = three_id.lock().await;
            let signer = self.node.three_id_signer(&three_id).await;
            let signer = signer.map_err(|error| SignError::Failed(error.to_string()))?;
            return Ok(Signed {
                envelope: signer.sign(payload),
                capability: None,
            });
        }
        let (protected, signature) = self.session.signer()?.sign(&payload.to_bytes());
        Ok(Signed {
            envelope: Signature {
                protected: protected.into(),
                signature: signature.into(),
            },
            capability: self.session.capability.clone(),
        })
    }
}

impl From<SessionError> for SignError {
    fn from(error: SessionError) -> SignError {
        match error.code() {
            "session-expired" => SignError::Expired,
            "wallet-rejected" => SignError::Rejected,
            "signer-slow" => SignError::Timeout,
            _ => SignError::Failed(error.to_string()),
        }
    }
}

/// Signs nothing: for what needs no signature.
pub struct NoSigner(pub String);

#[async_trait(?Send)]
impl Signer for NoSigner {
    fn controller(&self) -> &str {
        &self.0
    }

    async fn sign(&self, _: &Cid) -> Result<Signed, SignError> {
        Err(SignError::Failed("nobody was asked to sign".to_owned()))
    }
}
