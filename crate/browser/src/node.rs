//! [`OstrakonNode`]: the class that JavaScript sees. It translates; what it says comes from the node.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, FutureExt, LocalBoxFuture, Shared, select};
use futures::stream::{AbortHandle, Abortable};
use futures::{Stream, StreamExt};
use gloo::events::EventListener;
use js_sys::{Array, Function, Promise, Uint8Array};
use libp2p::Multiaddr;
use ostrakon_node::{Node, NodeConfig, Surroundings};
use ostrakon_protocol::id::{DocumentRef, StreamId};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{future_to_promise, spawn_local};
use web_sys::{AbortSignal, Event};

use crate::chains::wallet::Wallets;
use crate::chains::{self, ChainOptions, Policy};
use crate::error::Failure;
use crate::identity::identity;
#[cfg(feature = "pen")]
use crate::session::{Sessions, vault::Vault};
use crate::shapes;
use crate::store::IndexedDb;
use crate::{panic, transport};

/// The longest time a browser's timer can wait, ms; an endless timeout becomes this.
const MAX_TIMEOUT: f64 = i32::MAX as f64;

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StartOptions {
    network: String,
    peers: Vec<String>,
    #[cfg(feature = "pen")]
    interests: Vec<String>,
    name: String,
    agent: String,
    chains: Vec<ChainOptions>,
    time_policy: Policy,
}

impl Default for StartOptions {
    fn default() -> Self {
        StartOptions {
            network: "local-1".into(),
            peers: Vec::new(),
            #[cfg(feature = "pen")]
            interests: Vec::new(),
            name: "ostrakon".into(),
            agent: concat!("ostrakon/", env!("CARGO_PKG_VERSION")).into(),
            chains: Vec::new(),
            time_policy: Policy::default(),
        }
    }
}

/// A node of this tab.
#[wasm_bindgen]
pub struct OstrakonNode {
    pub(crate) node: Node,
    #[cfg(feature = "pen")]
    pub(crate) sessions: Sessions,
    peer_id: String,
    wallets: Wallets,
    stop: Cell<Option<oneshot::Sender<()>>>,
    stopped: Shared<oneshot::Receiver<()>>,
    /// Back online: peers are dialled at once, not when their pause is over.
    _online: EventListener,
}

#[wasm_bindgen]
impl OstrakonNode {
    /// Opens the database and starts the network. The crate's documentation describes this and all that follows.
    pub async fn start(
        options: JsValue,
        on_event: Function,
        ask_wallet: Function,
        ask_signer: Function,
    ) -> Result<OstrakonNode, JsValue> {
        panic::install();
        Ok(start(options, on_event, ask_wallet, ask_signer).await?)
    }

    /// The node's name on the network.
    #[wasm_bindgen(getter, js_name = peerId)]
    pub fn peer_id(&self) -> String {
        self.peer_id.clone()
    }

    /// A document, a version of it, or its state at a time in unix seconds.
    pub fn load(
        &self,
        reference: &str,
        timeout_ms: f64,
        at_time: Option<f64>,
        signal: Option<AbortSignal>,
    ) -> Promise {
        let (node, reference) = (self.node.clone(), parse::<DocumentRef>(reference));
        self.call(signal, async move {
            let reference = reference?;
            let view = node.load(&reference, timeout(timeout_ms)).await?;
            shapes::document(&view, &reference, at_time)
        })
    }

    /// Calls back with each state of a document.
    pub fn follow(
        &self,
        reference: &str,
        on_state: Function,
        on_end: Option<Function>,
    ) -> Result<Following, JsValue> {
        let DocumentRef::Stream(stream) = parse(reference)? else {
            return Err(Failure::new(
                "invalid-id",
                "a CommitID names one state, which can't be followed",
            )
            .into());
        };
        let states = self.node.follow(&stream);
        let reference = DocumentRef::Stream(stream);
        let states = states.map(move |view| shapes::document(&view, &reference, None));
        let (handle, registration) = AbortHandle::new_pair();
        let stopped = self.stopped.clone();
        spawn_local(async move {
            let work = pin!(deliver(states, on_state));
            let Ok(end) = Abortable::new(select(work, stopped), registration).await else {
                return;
            };
            if let Some(on_end) = on_end {
                let error = match end {
                    Either::Left((Err(error), _)) => error,
                    _ => JsValue::UNDEFINED,
                };
                // Nobody is left to tell if this throws.
                let _ = on_end.call1(&JsValue::NULL, &error);
            }
        });
        Ok(Following { handle })
    }

    /// What is kept.
    pub fn documents(&self) -> Promise {
        let node = self.node.clone();
        self.call(
            None,
            async move { shapes::summaries(&node.documents().await?) },
        )
    }

    /// Removes a document. With `discard` also one with changes that nobody else has.
    pub fn forget(&self, id: &str, discard: Option<bool>) -> Promise {
        let (node, id) = (self.node.clone(), parse::<StreamId>(id));
        self.call(None, async move {
            match discard {
                Some(true) => node.discard(&id?).await?,
                _ => node.forget(&id?).await?,
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Keeps the documents of an archive.
    #[wasm_bindgen(js_name = importCar)]
    pub fn import_car(&self, bytes: Vec<u8>) -> Promise {
        let node = self.node.clone();
        self.call(None, async move {
            let streams = node.import_car(&bytes).await?;
            Ok(streams
                .iter()
                .map(|stream| JsValue::from(stream.to_string()))
                .collect::<Array>()
                .into())
        })
    }

    /// A kept document as an archive.
    #[wasm_bindgen(js_name = exportCar)]
    pub fn export_car(&self, id: &str) -> Promise {
        let (node, id) = (self.node.clone(), parse::<StreamId>(id));
        self.call(None, async move {
            Ok(Uint8Array::from(node.export_car(&id?).await?.as_slice()).into())
        })
    }

    /// How the node is.
    pub fn status(&self) -> Promise {
        let node = self.node.clone();
        self.call(None, async move { shapes::status(&node.status().await) })
    }

    /// Says on which chains there are wallets now, by their CAIP-2 names.
    #[wasm_bindgen(js_name = setWallets)]
    pub fn set_wallets(&self, chains: Vec<String>) {
        self.wallets.set(chains);
        let node = self.node.clone();
        spawn_local(async move { node.wake().await });
    }

    /// Ends the node; calls under way fail.
    pub fn stop(&self) -> Promise {
        #[cfg(feature = "pen")]
        self.sessions.close();
        let node = self.stop.take().map(|stop| {
            let _ = stop.send(());
            self.node.clone()
        });
        future_to_promise(async move {
            if let Some(node) = node {
                node.stop().await;
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

type Work = LocalBoxFuture<'static, Result<JsValue, Failure>>;

impl OstrakonNode {
    /// Runs a call until it is done, aborted, or the node stops.
    pub(crate) fn call(
        &self,
        signal: Option<AbortSignal>,
        work: impl Future<Output = Result<JsValue, Failure>> + 'static,
    ) -> Promise {
        // Boxed, so that making a promise of it is the same code for every call.
        self.promise(signal, Box::pin(work))
    }

    fn promise(&self, signal: Option<AbortSignal>, work: Work) -> Promise {
        let stopped = self.stopped.clone();
        future_to_promise(async move {
            let ends = pin!(async {
                match select(stopped, pin!(aborted(signal))).await {
                    Either::Left(_) => Failure::stopped(),
                    Either::Right(_) => Failure::new("aborted", "the call was aborted"),
                }
            });
            // Whether it may still begin is asked first.
            match select(ends, work).await {
                Either::Left((failure, _)) => Err(failure.into()),
                Either::Right((result, _)) => result.map_err(JsValue::from),
            }
        })
    }
}

/// A document that is being followed.
#[wasm_bindgen]
pub struct Following {
    handle: AbortHandle,
}

#[wasm_bindgen]
impl Following {
    /// No callback is called any more.
    pub fn stop(&self) {
        self.handle.abort();
    }
}

#[cfg_attr(not(feature = "pen"), expect(unused_variables))]
async fn start(
    options: JsValue,
    on_event: Function,
    ask_wallet: Function,
    ask_signer: Function,
) -> Result<OstrakonNode, Failure> {
    let invalid = |error: &dyn std::fmt::Display| {
        Failure::new(
            "invalid-argument",
            format!("the options are not valid: {error}"),
        )
    };
    let options: StartOptions =
        serde_wasm_bindgen::from_value(options).map_err(|error| invalid(&error))?;
    let peer = |text: &String| {
        Multiaddr::from_str(text).map_err(|error| {
            Failure::new(
                "invalid-address",
                format!("{text} is not a peer's address: {error}"),
            )
        })
    };
    let peers = options
        .peers
        .iter()
        .map(peer)
        .collect::<Result<Vec<_>, _>>()?;
    #[cfg(feature = "pen")]
    let interest = |text: &String| {
        text.parse::<ostrakon_node::Want>()
            .map_err(|error| Failure::new("invalid-argument", error.to_string()))
    };
    #[cfg(feature = "pen")]
    let interests = options
        .interests
        .iter()
        .map(interest)
        .collect::<Result<Vec<_>, _>>()?;
    let store = IndexedDb::open(&options.name).await?;
    let keypair = identity(&store).await?;
    let transport = transport::transport(&keypair)
        .map_err(|error| Failure::new("no-transport", error.to_string()))?;
    let peer_id = keypair.public().to_peer_id().to_string();
    let config = NodeConfig {
        network: options.network,
        keypair,
        peers,
        listen: Vec::new(),
        agent: options.agent,
        types: Arc::default(),
    };
    #[cfg(feature = "pen")]
    let vault = Vault::new(store.clone());
    #[cfg(feature = "pen")]
    let sessions = Sessions::open(vault, on_event.clone(), ask_signer).await?;
    let wallets = Wallets::new(ask_wallet);
    let around = Surroundings {
        chains: chains::config(options.chains, options.time_policy, &wallets),
        store,
        transport,
        swarm: transport::swarm(),
    };
    let (node, driver) = Node::start(config, around).await?;
    spawn_local(driver);
    #[cfg(feature = "pen")]
    node.want(interests).await;
    let (stop, stopped) = oneshot::channel();
    let stopped = stopped.shared();
    let events = node
        .events()
        .filter_map(async |event| shapes::event(&event));
    let until = stopped.clone();
    spawn_local(async move {
        // A listener that throws has ended the events: it is ours, in js/.
        let _ = select(pin!(deliver(events, on_event)), until).await;
    });
    let waking = node.clone();
    let wake = move |_: &Event| {
        let node = waking.clone();
        spawn_local(async move { node.wake().await });
    };
    let _online = EventListener::new(&js_sys::global().unchecked_into(), "online", wake);
    Ok(OstrakonNode {
        node,
        #[cfg(feature = "pen")]
        sessions,
        peer_id,
        wallets,
        stop: Some(stop).into(),
        stopped,
        _online,
    })
}

/// Calls a function with each value, until one of the two fails.
async fn deliver(
    values: impl Stream<Item = Result<JsValue, Failure>>,
    to: Function,
) -> Result<(), JsValue> {
    let mut values = pin!(values);
    while let Some(value) = values.next().await {
        to.call1(&JsValue::NULL, &value?)?;
    }
    Ok(())
}

/// Resolves when the signal is aborted; never without one.
async fn aborted(signal: Option<AbortSignal>) {
    let Some(signal) = signal else {
        return std::future::pending().await;
    };
    if signal.aborted() {
        return;
    }
    let (send, receive) = oneshot::channel();
    let _listener = EventListener::once(&signal, "abort", move |_| {
        let _ = send.send(());
    });
    let _ = receive.await;
}

pub(crate) fn parse<T: FromStr<Err = ostrakon_protocol::id::IdError>>(
    text: &str,
) -> Result<T, Failure> {
    text.parse()
        .map_err(|error: T::Err| Failure::new("invalid-id", error.to_string()))
}

fn timeout(ms: f64) -> Duration {
    // NaN becomes zero.
    Duration::from_millis(ms.clamp(0.0, MAX_TIMEOUT) as u64)
}
