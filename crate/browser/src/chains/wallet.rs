//! The user's own wallet, which lives in a page: `js/wallet.ts` asks it there.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use js_sys::{Function, Promise, Reflect};
use ostrakon_node::chains::{ChainSource, SourceError};
use ostrakon_protocol::anchor::rpc::{MAX_RPC_ANSWER_BYTES, Question, RpcError};
use ostrakon_protocol::sorted::SortedSet;
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The wallets of all pages.
#[derive(Clone)]
pub struct Wallets {
    /// `(chain, method, params as JSON) => Promise<answer as JSON>`
    ask: Function,
    /// The CAIP-2 names of the chains they are on.
    on: Rc<RefCell<SortedSet<String>>>,
}

impl Wallets {
    /// None yet.
    pub fn new(ask: Function) -> Wallets {
        let on = Rc::default();
        Wallets { ask, on }
    }

    /// Says on which chains there are wallets now.
    pub fn set(&self, chains: Vec<String>) {
        *self.on.borrow_mut() = chains.into_iter().collect();
    }

    /// Whichever of them is on this chain, by its CAIP-2 name.
    pub fn on(&self, chain_id: &str) -> WalletSource {
        WalletSource {
            chain_id: chain_id.to_owned(),
            wallets: self.clone(),
        }
    }
}

/// A wallet as a node of the chain that it is on.
pub struct WalletSource {
    chain_id: String,
    wallets: Wallets,
}

#[async_trait(?Send)]
impl ChainSource for WalletSource {
    fn name(&self) -> &str {
        "wallet"
    }

    fn is_there(&self) -> bool {
        self.wallets.on.borrow().contains(&self.chain_id)
    }

    async fn ask(&self, question: &Question) -> Result<Value, SourceError> {
        let params = question.params().to_string();
        let asked = self.wallets.ask.call3(
            &JsValue::NULL,
            &self.chain_id.as_str().into(),
            &question.method().into(),
            &params.into(),
        );
        let promise: Promise = asked.map_err(failed)?.dyn_into().map_err(failed)?;
        let answer = JsFuture::from(promise).await.map_err(failed)?;
        // Its length is known before any of it is copied.
        let text = answer
            .dyn_ref::<js_sys::JsString>()
            .filter(|text| text.length() as usize <= MAX_RPC_ANSWER_BYTES)
            .ok_or(RpcError::NotRpc)?;
        serde_json::from_str(&String::from(text)).map_err(|_| RpcError::NotRpc.into())
    }
}

/// What a provider throws has a message, mostly.
fn failed(error: JsValue) -> SourceError {
    let field = |name: &str| {
        let value = Reflect::get(&error, &name.into()).ok();
        value.and_then(|value| value.as_string())
    };
    if field("code").as_deref() == Some("source-slow") {
        return SourceError::Slow;
    }
    let message = field("message").unwrap_or_else(|| "the wallet failed".to_owned());
    SourceError::Unreachable(message.chars().take(200).collect())
}
