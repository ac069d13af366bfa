//! Seeds at rest: each encrypted with AES-GCM under a key of its own that the browser does not hand out, in one row with it.
//!
//! What can be wrong: another page of the origin, an extension or a failing disk may have changed what is stored. A seed is
//! bound to the database, to its session's name, to all that is said of the session, and to the capability: a row that was
//! changed, renamed or carried to another database opens no more. Rows have at most [`MAX_ABOUT_BYTES`] of description and a
//! capability of a block's size; what is not a row is passed over.
//!
//! Key and row go in one transaction: nothing of a revoked session can be opened again, though a browser may take its time
//! to overwrite the disk.

use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use ostrakon_protocol::Block;
use wasm_bindgen::{JsCast, JsValue};

use super::{About, Seed, Session, SessionError, crypto};
use crate::store::IndexedDb;

/// Most bytes of a session's description: the resources that a capability may name.
pub const MAX_ABOUT_BYTES: usize = 1 << 20;
/// Raised when rows change their form.
const VERSION: u32 = 1;
/// What every seed is bound to first.
const PURPOSE: &[u8] = b"ostrakon session";

/// A seed, encrypted.
pub struct Sealed {
    key: JsValue,
    nonce: Uint8Array,
    bytes: Uint8Array,
}

impl Sealed {
    /// Encrypts under a new key.
    ///
    /// # Errors
    /// [`SessionError::Crypto`].
    pub async fn make(seed: &Seed, bound: &[u8]) -> Result<Sealed, SessionError> {
        let key = crypto::key().await?;
        let text = Uint8Array::from(&seed.expose()[..]);
        let (nonce, bytes) = crypto::encrypt(&key, text, bound).await?;
        Ok(Sealed { key, nonce, bytes })
    }

    /// # Errors
    /// [`SessionError::Crypto`] unless it was made with this `bound`.
    pub async fn open(&self, bound: &[u8]) -> Result<Seed, SessionError> {
        let text = crypto::decrypt(&self.key, &self.nonce, &self.bytes, bound).await?;
        let mut seed = Seed::zero();
        let fits = text.length() as usize == seed.fill().len();
        if fits {
            text.copy_to(seed.fill());
        }
        crypto::wipe(&text);
        match fits {
            true => Ok(seed),
            false => Err(SessionError::Crypto("another length".to_owned())),
        }
    }
}

/// What is kept of a session. Only a seed that opens says that the rest is true.
pub struct Kept {
    /// Its name.
    pub id: String,
    /// What is said of it.
    pub about: About,
    /// By what it writes.
    pub capability: Option<Block>,
    /// None once it has expired.
    pub sealed: Option<Sealed>,
}

/// Where sessions are kept: in the node's database.
#[derive(Clone)]
pub struct Vault {
    store: Rc<IndexedDb>,
}

impl Vault {
    /// That of a database.
    pub fn new(store: IndexedDb) -> Vault {
        Vault {
            store: Rc::new(store),
        }
    }

    /// What a seed is bound to.
    pub fn bound(&self, id: &str, about: &About, capability: Option<&Block>) -> Vec<u8> {
        let capability = capability.map_or(&[][..], |block| block.bytes());
        let about = description(about);
        let parts = [
            PURPOSE,
            &VERSION.to_be_bytes(),
            self.store.name().as_bytes(),
            id.as_bytes(),
            &about,
            capability,
        ];
        let mut bound = Vec::new();
        for part in parts {
            bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }

    /// Keeps a session, in place of what was kept of it before.
    ///
    /// # Errors
    /// Those of the store; then nothing changed.
    pub async fn keep(
        &self,
        session: &Session,
        sealed: Option<&Sealed>,
    ) -> Result<(), SessionError> {
        let bytes = |bytes: &[u8]| JsValue::from(Uint8Array::from(bytes));
        let capability = session
            .capability()
            .map_or(JsValue::NULL, |block| bytes(block.bytes()));
        let row = Array::of3(
            &VERSION.into(),
            &bytes(&description(session.about())),
            &capability,
        );
        if let Some(sealed) = sealed {
            row.push(&sealed.key);
            row.push(&sealed.nonce);
            row.push(&sealed.bytes);
        }
        Ok(self.store.keep_session(session.id(), row.into()).await?)
    }

    /// Removes the key of a session, and keeps what is said of it.
    ///
    /// # Errors
    /// Those of the store; then nothing changed.
    pub async fn expire(&self, session: &Session) -> Result<(), SessionError> {
        self.keep(session, None).await
    }

    /// Removes a session.
    ///
    /// # Errors
    /// Those of the store; then nothing changed.
    pub async fn remove(&self, id: &str) -> Result<(), SessionError> {
        Ok(self.store.remove_session(id).await?)
    }

    /// All that can be read.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all(&self) -> Result<Vec<Kept>, SessionError> {
        let rows = self.store.sessions().await?;
        let read = |(id, row): (String, JsValue)| read(id, row.dyn_ref()?);
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// A row that is none, or one of a newer version, is left alone.
fn read(id: String, row: &Array) -> Option<Kept> {
    if row.get(0).as_f64() != Some(VERSION.into()) {
        return None;
    }
    let bytes = |index| row.get(index).dyn_into::<Uint8Array>().ok();
    let about = bytes(1).filter(|bytes| bytes.length() as usize <= MAX_ABOUT_BYTES)?;
    let about = serde_json::from_slice(&about.to_vec()).ok()?;
    let capability = match bytes(2) {
        Some(bytes) => Some(block(&bytes)?),
        None => None,
    };
    let sealed = match (row.get(3), bytes(4), bytes(5)) {
        (key, Some(nonce), Some(bytes)) => Some(Sealed { key, nonce, bytes }),
        _ => None,
    };
    Some(Kept {
        id,
        about,
        capability,
        sealed,
    })
}

fn block(bytes: &Uint8Array) -> Option<Block> {
    let fits = bytes.length() as usize <= ostrakon_protocol::MAX_BLOCK_BYTES;
    fits.then(|| Block::dag_cbor(bytes.to_vec()).ok())?
}

/// The same session always gives the same bytes.
fn description(about: &About) -> Vec<u8> {
    // Texts and numbers are always written.
    serde_json::to_vec(about).unwrap_or_default()
}
