//! Failures as JavaScript sees them: `Error` objects with `code`, `message` and, where something can be done, `hint`.

use js_sys::{Error, Reflect};
use ostrakon_node::NodeError;
use ostrakon_node::store::StoreError;
#[cfg(feature = "pen")]
use ostrakon_node::writing::ThreeIdError;
#[cfg(feature = "pen")]
use ostrakon_protocol::author::AuthorError;
#[cfg(feature = "pen")]
use ostrakon_protocol::jose::jwe::JweError;
use ostrakon_protocol::refusal::Refusal;
use wasm_bindgen::JsValue;

#[cfg(feature = "pen")]
use crate::session::SessionError;

/// A failure on its way to JavaScript.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
}

impl Failure {
    /// A failure of this crate's own.
    pub fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
        }
    }

    /// The node was stopped.
    pub fn stopped() -> Failure {
        Failure::new("stopped", "the node was stopped")
    }
}

/// What can be done about a failure or a refusal, where something can.
pub fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "invalid-id" => "A StreamID, a CommitID or a ceramic:// address of one is wanted.",
        "stale" => {
            "Load the document, make the change once more, and write it after the tip it has now."
        }
        "write-lost" => {
            "Load the document: another branch of it wins. Make the change once more if it still fits."
        }
        "not-controller" => "Only its controller may write to it: sign in as that DID.",
        "unpublished" => {
            "Nobody else has these changes yet. Wait until status.online is true, or forget it with force: then they are lost."
        }
        "outbox-full" => "Connect to a peer: what waits to be published has no room for more.",
        "sign-rejected" => "The person declined: nothing was written.",
        "offline" => "Give createNode a peer's address, or wait until status.online is true.",
        "not-found" => "No peer here holds this document: check its id and the network's name.",
        "needs-document" => {
            "It rests on another document, such as its model, that no peer here holds: try again when one does, or import both."
        }
        "unsupported-type" => "No rules are known for documents of this type.",
        "did-method" => "The keys of did:key, did:pkh and did:3 are known here, and no others.",
        "needs-transaction" => {
            "Only the time of its anchor can allow this: name a node of that chain in createNode's chains, or let the node ask a wallet."
        }
        "session-unknown" => {
            "It was revoked, or begun in a tab that closed meanwhile: connect the wallet again."
        }
        "session-expired" => "Connect the wallet again for a new session.",
        "session-damaged" => "Revoke it, and connect the wallet again for a new session.",
        "session-limit" => "Revoke sessions that are no longer needed.",
        "three-id-none" => "Make one, or let a wallet of the one there is add this wallet.",
        "session-kind" => "Connect the wallet with kind: 'key'.",
        "session-external" => "Only the DID provider in the page has the key.",
        "crypto-unavailable" => {
            "Serve the page over https or from localhost, to a browser with WebCrypto."
        }
        "signer-unreachable" => {
            "The page that held the DID provider is gone: connect the provider again."
        }
        "signer-slow" => "Its user may not have seen the question: try again.",
        "not-kept" => "Load it first.",
        "cacao-resources" => {
            "The session does not extend to this document: name it, or its model, among the resources when the wallet is connected."
        }
        "document-exists" => "Load it, and update it.",
        "sign-timeout" => "Ask again when its user is there.",
        "cacao-expired" => {
            "The session of whoever wrote this was over: they sign in again and write it anew."
        }
        "source-unreachable" => {
            "Is the node's address right, and does it let pages of other origins ask (CORS)? Until it answers the anchor is claimed."
        }
        "source-slow" => "The anchor is claimed until its chain answers.",
        "chain-disagreement" => {
            "Name more nodes of this chain in createNode's chains, so that more than half agree."
        }
        "chain-too-few-sources" => {
            "The quorum of this chain is larger than the number of its nodes: see createNode's chains."
        }
        "rpc-other-chain" => "This is a node of another chain: see createNode's chains.",
        "store-full" => {
            "Forget documents, or ask the user for more room with navigator.storage.persist()."
        }
        "store-newer" => "Reload the page: a newer version of Ostrakon has been here.",
        "store-gone" => {
            "The site's data were deleted, or a newer version took them over: stop the node and create it again."
        }
        "store-corrupt" => {
            "Forget the document that the message names and load it again, or delete the database."
        }
        _ => return None,
    })
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> JsValue {
        let error = Error::new(&failure.message);
        // Setting a property of an object made here can't fail.
        let _ = Reflect::set(&error, &"code".into(), &failure.code.into());
        if let Some(hint) = hint(failure.code) {
            let _ = Reflect::set(&error, &"hint".into(), &hint.into());
        }
        error.into()
    }
}

/// Each of them has a code of its own, and its words are what it displays.
macro_rules! coded {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::new(error.code(), error.to_string())
            }
        }
    )+};
}

coded!(NodeError, Refusal, StoreError);
#[cfg(feature = "pen")]
coded!(AuthorError, JweError, SessionError, ThreeIdError);
