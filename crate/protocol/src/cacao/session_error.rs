use super::request::{MAX_RESOURCE, MAX_STATEMENT, MAX_WORDS};
use super::{CacaoError, MAX_RESOURCES};

/// Why nobody is asked for a session, or an answer makes none. Nothing was kept in either case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The account is none that can sign a capability.
    #[error(
        "{0:?} cannot sign for a session: name an account as eip155:1:0x… or solana:…:…, or a passkey as did:key:zDn…"
    )]
    Account(String),
    /// The site's name is not a host, with a port or without.
    #[error("{0:?} is not the name of a site: give its host, as location.host has it")]
    Domain(String),
    /// The session's own DID is none that can sign.
    #[error("{0:?} is not the DID of a session key: give a did:key that signs")]
    SessionKey(String),
    /// The statement is not printable ASCII on one line, or too long.
    #[error("the statement must be one line of at most {MAX_STATEMENT} printable ASCII characters")]
    Statement,
    /// A passkey shows nobody a statement.
    #[error("a passkey shows no text: leave the statement away")]
    StatementUnseen,
    /// No resources are named.
    #[error("name the documents or models that the session may write, or \"ceramic://*\" for all")]
    NoResources,
    /// A resource is not a URI of printable ASCII, or too long.
    #[error(
        "{0:?} is not a resource: a URI with a scheme, such as ceramic://*?model=…, of at most {MAX_RESOURCE} characters"
    )]
    Resource(String),
    /// More words than anybody signs.
    #[error(
        "the request is too large: at most {MAX_RESOURCES} resources and {MAX_WORDS} characters"
    )]
    TooLarge,
    /// The nonce is not 8 to 128 letters and digits.
    #[error("the nonce must be 8 to 128 random letters and digits")]
    Nonce,
    /// The id of the request is not printable ASCII without spaces.
    #[error("the request id must be at most 128 printable ASCII characters without spaces")]
    RequestId,
    /// A time before the year 0 or after 9999.
    #[error("the {0} of the session is not a time that can be written")]
    Time(&'static str),
    /// It would have ended before it began.
    #[error("the session would end before it begins: choose a later end")]
    Past,
    /// The answer is that of another kind of wallet.
    #[error("the answer is not one of the wallet that was asked")]
    OtherWallet,
    /// The answer came after the session's end.
    #[error("the wallet answered when the session had already ended: ask again")]
    Late,
    /// The signature is not written as wallets write one.
    #[error("the wallet's answer is not a signature: {0}")]
    Format(&'static str),
    /// The signature has another length than its kind has.
    #[error(
        "the wallet's signature has {got} bytes, not {want}; if the account is a contract, use one with a key of its own"
    )]
    Length {
        /// How many there are.
        got: usize,
        /// How many there should be.
        want: usize,
    },
    /// Another account of the wallet signed.
    #[error("the wallet signed with {0}: choose the account that was asked, or connect this one")]
    OtherAccount(String),
    /// The account did not sign what was asked.
    #[error(
        "the wallet did not sign what it was asked, or not with this account: ask again, or use another wallet"
    )]
    OtherText,
    /// Nobody said which passkey signed.
    #[error(
        "the passkey's DID is not known: create it on this site first, or sign twice so that it can be found"
    )]
    UnknownPasskey,
    /// Our own verifier refuses what was made.
    #[error(transparent)]
    Cacao(#[from] CacaoError),
}

impl SessionError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Account(_) => "session-account",
            Self::Domain(_) => "session-domain",
            Self::SessionKey(_) => "session-key",
            Self::Statement => "session-statement",
            Self::StatementUnseen => "session-statement-unseen",
            Self::NoResources => "session-no-resources",
            Self::Resource(_) => "session-resource",
            Self::TooLarge => "session-too-large",
            Self::Nonce => "session-nonce",
            Self::RequestId => "session-request-id",
            Self::Time(_) => "session-time",
            Self::Past => "session-expiry-past",
            Self::OtherWallet => "session-other-wallet",
            Self::Late => "session-late",
            Self::Format(_) => "session-signature-format",
            Self::Length { .. } => "session-signature-length",
            Self::OtherAccount(_) => "session-other-account",
            Self::OtherText => "session-other-text",
            Self::UnknownPasskey => "session-passkey-unknown",
            Self::Cacao(error) => error.code(),
        }
    }
}
