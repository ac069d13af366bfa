//! A JSON-RPC node over HTTP.

use std::cell::Cell;

use async_trait::async_trait;
use js_sys::{Promise, Reflect, Uint8Array};
use ostrakon_node::chains::{ChainSource, SourceError};
use ostrakon_protocol::anchor::rpc::{MAX_RPC_ANSWER_BYTES, Question, RpcError};
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, RequestCache, RequestCredentials,
    RequestInit, Response,
};

#[wasm_bindgen]
extern "C" {
    /// That of a page and that of a worker.
    #[wasm_bindgen(js_name = fetch)]
    fn fetch(url: &str, init: &RequestInit) -> Promise;
}

/// A node at an address.
pub struct HttpSource {
    url: String,
    name: String,
    asked: Cell<u64>,
}

impl HttpSource {
    /// `name` is shown, so it holds no key to the node; `url` may.
    pub fn new(url: String, name: String) -> HttpSource {
        HttpSource {
            url,
            name,
            asked: Cell::new(0),
        }
    }

    /// The browser keeps from a page whether a server is down or forbids pages of other origins to read its answers.
    fn unreachable(&self) -> SourceError {
        let name = &self.name;
        SourceError::Unreachable(format!(
            "{name} is down, or does not let this page read its answers (CORS)"
        ))
    }
}

#[async_trait(?Send)]
impl ChainSource for HttpSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn ask(&self, question: &Question) -> Result<Value, SourceError> {
        let id = self.asked.get().wrapping_add(1);
        self.asked.set(id);
        let request = Request::new(&question.to_json(id).to_string())
            .map_err(|_| SourceError::Unreachable("this browser has no fetch".to_owned()))?;
        let response = JsFuture::from(fetch(&self.url, &request.init)).await;
        let response: Response = response
            .map_err(|_| self.unreachable())?
            .dyn_into()
            .map_err(|_| self.unreachable())?;
        let body = body(&response, &self.name).await?;
        match question.result(id, &body) {
            // An error page is none of the node's words.
            Err(RpcError::NotRpc) if !response.ok() => Err(SourceError::Unreachable(format!(
                "{} answered with HTTP status {}",
                self.name,
                response.status()
            ))),
            result => Ok(result?),
        }
    }
}

/// Ends with its question: what nobody waits for any longer is not fetched to its end.
struct Request {
    init: RequestInit,
    abort: AbortController,
}

impl Request {
    fn new(body: &str) -> Result<Request, JsValue> {
        let headers = Headers::new()?;
        headers.set("content-type", "application/json")?;
        let abort = AbortController::new()?;
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_headers(&headers);
        init.set_body(&body.into());
        init.set_signal(Some(&abort.signal()));
        // The node is told nothing of the user but the question.
        init.set_credentials(RequestCredentials::Omit);
        init.set_cache(RequestCache::NoStore);
        init.set_referrer("");
        Ok(Request { init, abort })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

async fn body(response: &Response, name: &str) -> Result<Vec<u8>, SourceError> {
    let broken = |_| SourceError::Unreachable(format!("the answer of {name} broke off"));
    let mut bytes = Vec::new();
    let Some(stream) = response.body() else {
        return Ok(bytes);
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let read = JsFuture::from(reader.read()).await.map_err(broken)?;
        let chunk = Reflect::get(&read, &"value".into()).map_err(broken)?;
        let Some(chunk) = chunk.dyn_ref::<Uint8Array>() else {
            return Ok(bytes);
        };
        if bytes.len() + chunk.length() as usize > MAX_RPC_ANSWER_BYTES {
            return Err(RpcError::NotRpc.into());
        }
        bytes.extend(chunk.to_vec());
    }
}
