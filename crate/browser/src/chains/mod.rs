//! Whom a tab can ask about anchors: JSON-RPC nodes over HTTP ([`http`]) and the user's own wallet ([`wallet`]).
//!
//! Who answers may lie; what an answer is worth is not decided here. It may also never end, be endless, or not be JSON:
//! bytes are counted while they come and given up beyond
//! [`MAX_RPC_ANSWER_BYTES`](ostrakon_protocol::anchor::rpc::MAX_RPC_ANSWER_BYTES), and whoever asks keeps the time.

pub mod http;
pub mod wallet;
