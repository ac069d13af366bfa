//! Sessions of a 3ID: opened by the key of one of its wallets, without another prompt, and not kept beyond it. Their name is the
//! DID.

use std::rc::Rc;
use std::time::Duration;

use futures::lock::Mutex;
use js_sys::Promise;
use ostrakon_node::writing::ThreeId;
use ostrakon_protocol::did::from_wallet;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::{About, Change, Session, SessionError, SessionKind, Sessions, State, now};
use crate::error::Failure;
use crate::node::OstrakonNode;
use crate::session::calls::invalid;
use crate::shapes::plain;

/// How long the documents of a 3ID may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest name of a wallet, in bytes.
const MAX_NAME: usize = 256;

#[derive(Serialize)]
struct Wallet {
    did: String,
    name: String,
}

impl Session {
    /// The 3ID that it signs as, if it is one.
    pub fn three_id(&self) -> Option<Rc<Mutex<ThreeId>>> {
        match &*self.state.borrow() {
            State::ThreeId(id) => Some(id.clone()),
            _ => None,
        }
    }

    /// What opens the keychain of a 3ID.
    fn wallet(&self) -> Result<from_wallet::Seed, SessionError> {
        drop(self.signer()?);
        match &*self.state.borrow() {
            State::Open(key) => {
                let seed = key.wallet.as_ref().ok_or(SessionError::Kind)?;
                Ok(from_wallet::Seed::new(seed.expose()))
            }
            _ => Err(SessionError::Kind),
        }
    }
}

impl Sessions {
    fn open_three_id(&self, id: ThreeId, by: &Session) -> Rc<Session> {
        let did = id.did().to_owned();
        let session = Rc::new(Session {
            id: did.clone(),
            about: About::passing(SessionKind::ThreeId, did.clone(), now()),
            capability: None,
            opened_by: Some(by.id.clone()),
            state: State::ThreeId(Rc::new(Mutex::new(id))).into(),
        });
        let before = self.0.all.borrow_mut().insert(did, session.clone());
        match before {
            Some(before) => drop(before.state.replace(State::Revoked)),
            None => self.tell(&session, Change::Opened),
        }
        session
    }

    fn three_id(&self, id: &str) -> Result<Rc<Mutex<ThreeId>>, SessionError> {
        self.get(id)?.three_id().ok_or(SessionError::Kind)
    }
}

#[wasm_bindgen]
impl OstrakonNode {
    /// A new 3ID, with the wallet whose key this session has. Only the 3ID can read the wallet's name.
    #[wasm_bindgen(js_name = createThreeId)]
    pub fn create_three_id(&self, wallet: String, name: String) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(None, async move {
            let by = sessions.get(&wallet)?;
            let id = node.create_three_id(&by.wallet()?, named(&name)?).await?;
            Ok(sessions.open_three_id(id, &by).to_js())
        })
    }

    /// The 3ID that this session's wallet speaks for.
    #[wasm_bindgen(js_name = openThreeId)]
    pub fn open_three_id(&self, wallet: String) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(None, async move {
            let by = sessions.get(&wallet)?;
            let id = node.open_three_id(&by.wallet()?, TIMEOUT).await?;
            Ok(sessions.open_three_id(id, &by).to_js())
        })
    }

    /// The wallets of a 3ID.
    #[wasm_bindgen(js_name = threeIdWallets)]
    pub fn three_id_wallets(&self, session: String) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(None, async move {
            let id = sessions.three_id(&session)?;
            let wallets = node.wallets(&*id.lock().await).await?;
            let wallets = wallets.into_iter().map(|one| Wallet {
                did: one.did,
                name: one.name,
            });
            plain(&wallets.collect::<Vec<_>>())
        })
    }

    /// Lets the wallet whose key another session has speak for a 3ID.
    #[wasm_bindgen(js_name = addThreeIdWallet)]
    pub fn add_three_id_wallet(&self, session: String, wallet: String, name: String) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(None, async move {
            let id = sessions.three_id(&session)?;
            let wallet = sessions.get(&wallet)?.wallet()?;
            node.add_wallet(&*id.lock().await, &wallet, named(&name)?)
                .await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Goes over to new keys, which these wallets do not get to know. Resolves to whether the 3ID has them already: if not, its
    /// keychain waits for an anchor, and `finishThreeIdRotation` goes on.
    #[wasm_bindgen(js_name = rotateThreeId)]
    pub fn rotate_three_id(&self, session: String, without: Vec<String>) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(None, async move {
            let id = sessions.three_id(&session)?;
            let mut id = id.lock().await;
            let without: Vec<&str> = without.iter().map(String::as_str).collect();
            node.rotate_three_id(&mut id, &without).await?;
            Ok(node.finish_rotation(&id).await?.into())
        })
    }

    /// Brings a 3ID to the newest keys of its keychain; false if that still waits for its anchor.
    #[wasm_bindgen(js_name = finishThreeIdRotation)]
    pub fn finish_three_id_rotation(&self, session: String) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(None, async move {
            let id = sessions.three_id(&session)?;
            Ok(node.finish_rotation(&*id.lock().await).await?.into())
        })
    }
}

fn named(name: &str) -> Result<&str, Failure> {
    match name.len() <= MAX_NAME {
        true => Ok(name),
        false => Err(invalid(&format!(
            "a wallet's name has at most {MAX_NAME} bytes"
        ))),
    }
}
