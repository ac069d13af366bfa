//! Why a session does not do what it was asked.

use ostrakon_node::store::StoreError;
use ostrakon_protocol::cacao;
use ostrakon_protocol::did::from_wallet::KeyError;

use super::MAX_SESSIONS;

/// Why a session does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// There is no such session.
    #[error("there is no session {0:?}")]
    Unknown(String),
    /// Its time is over.
    #[error("the session for {0} has expired")]
    Expired(String),
    /// What is on disk of it is not what was written, or was written under another name.
    #[error("the session for {0} was changed on disk and is not used")]
    Damaged(String),
    /// There are [`MAX_SESSIONS`].
    #[error("there are {MAX_SESSIONS} sessions already")]
    TooMany,
    /// The browser does not encrypt or draw random numbers.
    #[error("the browser's cryptography failed: {0}")]
    Crypto(String),
    /// The session signs by a DID provider in a page, which was not asked.
    #[error("the session for {0} has no key here: its DID provider does this")]
    External(String),
    /// The account is none of this kind.
    #[error("the account is of another kind than the session that was asked for")]
    OtherKind,
    /// What should be base64url is not.
    #[error("the answer is not base64url")]
    Encoding,
    /// What nobody should be asked, or an answer that our own verifier refuses.
    #[error(transparent)]
    Refused(#[from] cacao::SessionError),
    /// A wallet's signature makes no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another kind of session is wanted.
    #[error(
        "a session of this kind can't do that: a wallet's key opens 3IDs, and a 3ID signs events only"
    )]
    Kind,
    /// The DID provider in a page failed, or answered something else.
    #[error("the DID provider failed: {message}")]
    Provider {
        /// As the page said it.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SessionError {
    pub(super) fn unknown(id: &str) -> Self {
        Self::Unknown(id.chars().take(64).collect())
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "session-unknown",
            Self::Expired(_) => "session-expired",
            Self::Damaged(_) => "session-damaged",
            Self::TooMany => "session-limit",
            Self::Crypto(_) => "crypto-unavailable",
            Self::External(_) => "session-external",
            Self::OtherKind => "session-account",
            Self::Encoding => "session-signature-format",
            Self::Refused(error) => error.code(),
            Self::Kind => "session-kind",
            Self::Key(error) => error.code(),
            Self::Provider { code, .. } => code,
            Self::Store(error) => error.code(),
        }
    }
}
