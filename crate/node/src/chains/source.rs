use async_trait::async_trait;
use ostrakon_protocol::anchor::rpc::{Question, RpcError};
use serde_json::Value;

/// A node of a blockchain, or a wallet that speaks to one.
///
/// A question has the shape of EIP-1193: [`Question::method`] and [`Question::params`], and the answer is the bare result.
/// So a provider takes it as it is, and JSON-RPC over HTTP wraps it with [`Question::to_json`] and unwraps the response
/// with [`Question::result`]. Of an answer no more than
/// [`MAX_RPC_ANSWER_BYTES`](ostrakon_protocol::anchor::rpc::MAX_RPC_ANSWER_BYTES) may be read. A source need not keep
/// time, retry or remember: whoever asks does. Its futures may be dropped at any moment.
#[async_trait(?Send)]
pub trait ChainSource: 'static {
    /// By what the user knows it, for example the host of its address. Shown beside what it proved, so without secrets.
    fn name(&self) -> &str;

    /// Whether it can be asked at the moment. A wallet that is not connected, or is on another chain, is not there: it is
    /// not asked, and no majority waits for it.
    fn is_there(&self) -> bool {
        true
    }

    /// Asks once.
    ///
    /// # Errors
    /// [`SourceError`]; the question may be asked again later.
    async fn ask(&self, question: &Question) -> Result<Value, SourceError>;
}

/// Why a source gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached, or there is none at the moment: a wallet that is not connected.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("did not answer in time")]
    Slow,
    /// What came is no answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl SourceError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "source-unreachable",
            Self::Slow => "source-slow",
            Self::Rpc(error) => error.code(),
        }
    }
}
