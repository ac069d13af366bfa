//! Sessions: keys that write in someone's name for a while, kept so that a reload asks nobody again.
//!
//! The seed of a session is drawn in the worker and never leaves it: no method returns it, no message to the page or to
//! another tab holds it, no error names it. On disk it is encrypted under a key that the browser does not hand out
//! ([`vault`]); in memory it is wiped when the session is revoked, expires, or the node stops.
//!
//! What a page of the same origin can do is what the session can: write and decrypt until it is revoked. It can also ask the
//! browser to decrypt what is on disk, as this module does; a script that must not sign must not run on the origin. Whoever
//! copies the browser's profile has the row and, in today's browsers, the key beside it.
//!
//! A page may ask for sessions without end: at most [`begin::MAX_BEGUN`] are half-begun, each for [`begin::BEGUN_MS`], and at
//! most [`MAX_SESSIONS`] are kept. A page may claim a DID that is not its own ([`Sessions::set_external`]): what it signs is
//! verified like a stranger's event.

pub mod begin;
pub(crate) mod calls;
pub(crate) mod crypto;
mod error;
mod info;
pub(crate) mod provider;
mod seed;
pub mod signer;
mod three_id;
pub mod vault;

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures::lock::Mutex;
use futures_timer::Delay;
use js_sys::{Date, Function};
use ostrakon_node::writing::ThreeId;
use ostrakon_protocol::Block;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::sorted::sorted_by_key;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use begin::{Begun, KeyAnswer, Request, Signed, Waiting};
pub use error::SessionError;
pub use info::{About, Change, SessionKind};
use provider::Provider;
pub use seed::Seed;
use vault::{Kept, Sealed, Vault};

/// Most sessions of one origin that can sign.
pub const MAX_SESSIONS: usize = 64;
/// An expiring session says so this long before its end, ms, or when a tenth of its life is left if that is later.
const WARNING_MS: u64 = 60 * 60 * 1_000;
/// Timers run late while a device sleeps, so the clock is looked at this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// One session.
pub struct Session {
    id: String,
    about: About,
    capability: Option<Block>,
    /// The session whose key opened this one, and with which it ends.
    opened_by: Option<String>,
    state: RefCell<State>,
}

enum State {
    /// It signs.
    Open(Box<Key>),
    /// It signs as a 3ID, whose keychain was opened.
    ThreeId(Rc<Mutex<ThreeId>>),
    /// It has ended; its key is gone.
    Expired,
    /// It was ended; its key is gone.
    Revoked,
    /// What was read of it can't be trusted.
    Damaged,
    /// A page signs.
    External,
}

/// What an open session signs with.
struct Key {
    signer: Ed25519Signer,
    /// Of a wallet's key, which opens the keychain of a 3ID.
    wallet: Option<Seed>,
}

impl Session {
    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What people may know of it.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// By what it writes for its DID; none if it signs as the DID itself.
    pub fn capability(&self) -> Option<&Block> {
        self.capability.as_ref()
    }

    /// Whether a page signs for it.
    pub fn is_external(&self) -> bool {
        matches!(*self.state.borrow(), State::External)
    }

    /// Its key, while it may sign.
    pub fn signer(&self) -> Result<Ref<'_, Ed25519Signer>, SessionError> {
        let did = || self.about.did.clone();
        if self.about.is_over(now()) {
            return Err(SessionError::Expired(did()));
        }
        let open = Ref::filter_map(self.state.borrow(), |state| match state {
            State::Open(key) => Some(&key.signer),
            _ => None,
        });
        open.map_err(|state| match *state {
            State::Damaged => SessionError::Damaged(did()),
            State::External => SessionError::External(did()),
            State::ThreeId(_) => SessionError::Kind,
            State::Revoked => SessionError::Unknown(self.id.clone()),
            State::Open(_) | State::Expired => SessionError::Expired(did()),
        })
    }

    fn counts(&self) -> bool {
        matches!(*self.state.borrow(), State::Open(_))
    }

    /// As JavaScript sees it.
    pub fn to_js(&self) -> JsValue {
        self.about.to_js(&self.id, None)
    }
}

/// All sessions of this origin. Clones share them.
#[derive(Clone)]
pub struct Sessions(Rc<Inner>);

struct Inner {
    vault: Vault,
    /// By name; those of pages' providers, whose name is their DID, too.
    all: RefCell<BTreeMap<String, Rc<Session>>>,
    waiting: Rc<Waiting>,
    provider: Provider,
    /// `({ event, data }) => void`
    tell: Function,
}

impl Sessions {
    /// Reads what is kept. `tell` hears of changes, `ask` is asked for signatures of pages' DID providers.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open(
        vault: Vault,
        tell: Function,
        ask: Function,
    ) -> Result<Sessions, SessionError> {
        let kept = vault.all().await?;
        let sessions = Sessions(Rc::new(Inner {
            vault,
            all: RefCell::default(),
            waiting: Rc::default(),
            provider: Provider::new(ask),
            tell,
        }));
        for one in kept {
            sessions.resume(one).await;
        }
        Ok(sessions)
    }

    async fn resume(&self, kept: Kept) {
        let Kept {
            id,
            about,
            capability,
            sealed,
        } = kept;
        let over = about.is_over(now());
        let state = match (&sealed, over) {
            (_, true) | (None, false) => State::Expired,
            (Some(sealed), false) => {
                let bound = self.0.vault.bound(&id, &about, capability.as_ref());
                match sealed.open(&bound).await {
                    Ok(seed) => State::Open(key(seed, about.kind, capability.as_ref())),
                    Err(_) => State::Damaged,
                }
            }
        };
        let session = Rc::new(Session {
            id: id.clone(),
            about,
            capability,
            opened_by: None,
            state: state.into(),
        });
        if over && sealed.is_some() {
            // What can't be wiped now is tried again at the next start; it signs nothing either way.
            let _ = self.0.vault.expire(&session).await;
        }
        self.watch(&session);
        self.0.all.borrow_mut().insert(id, session);
    }

    /// Begins a session of an account or a passkey.
    ///
    /// # Errors
    /// [`SessionError::Refused`] for a request that nobody should be asked, [`SessionError::Crypto`].
    pub fn begin(&self, request: Request) -> Result<Begun, SessionError> {
        self.0.waiting.begin(request)
    }

    /// Keeps a session that was begun, if our own verifier takes the answer.
    ///
    /// # Errors
    /// [`SessionError::Unknown`], [`SessionError::Refused`] and those of keeping it; then nothing is left of it.
    pub async fn complete(&self, id: &str, signed: &Signed) -> Result<Rc<Session>, SessionError> {
        let (about, capability, seed) = self.0.waiting.complete(id, signed)?;
        self.admit(about, Some(capability.block().clone()), seed)
            .await
    }

    /// Keeps a session that is the DID of its key, which a wallet's signature makes; the one there is if it is there already.
    ///
    /// # Errors
    /// [`SessionError::Key`] and those of keeping it.
    pub async fn open_key(&self, answer: &KeyAnswer) -> Result<Rc<Session>, SessionError> {
        let (about, seed) = answer.open()?;
        let same = |one: &&Rc<Session>| one.counts() && one.about.did == about.did;
        let found = self.0.all.borrow().values().find(same).cloned();
        match found {
            Some(session) => Ok(session),
            None => self.admit(about, None, seed).await,
        }
    }

    /// Keeps a session whose right to write was verified, first on disk.
    ///
    /// # Errors
    /// [`SessionError::TooMany`], [`SessionError::Crypto`], [`SessionError::Store`]; then there is no session.
    pub async fn admit(
        &self,
        about: About,
        capability: Option<Block>,
        seed: Seed,
    ) -> Result<Rc<Session>, SessionError> {
        self.make_room().await?;
        let id = name()?;
        let bound = self.0.vault.bound(&id, &about, capability.as_ref());
        let sealed = Sealed::make(&seed, &bound).await?;
        let key = key(seed, about.kind, capability.as_ref());
        let session = Rc::new(Session {
            id: id.clone(),
            about,
            capability,
            opened_by: None,
            state: State::Open(key).into(),
        });
        self.0.vault.keep(&session, Some(&sealed)).await?;
        self.0.all.borrow_mut().insert(id, session.clone());
        self.tell(&session, Change::Opened);
        self.watch(&session);
        Ok(session)
    }

    /// Drops the oldest that signs nothing any more; one that does must be revoked.
    async fn make_room(&self) -> Result<(), SessionError> {
        let oldest = {
            let all = self.0.all.borrow();
            if all.values().filter(|one| one.counts()).count() >= MAX_SESSIONS {
                return Err(SessionError::TooMany);
            }
            let ended = all
                .values()
                .filter(|one| !one.counts() && !one.id.starts_with("did:"));
            let ended: Vec<_> = ended.collect();
            let oldest = ended.iter().min_by_key(|one| one.about.created_at);
            oldest
                .filter(|_| ended.len() >= MAX_SESSIONS)
                .map(|one| one.id.clone())
        };
        match oldest {
            Some(id) => self.revoke(&id).await,
            None => Ok(()),
        }
    }

    /// One session, whatever its state.
    ///
    /// # Errors
    /// [`SessionError::Unknown`].
    pub fn get(&self, id: &str) -> Result<Rc<Session>, SessionError> {
        let found = self.0.all.borrow().get(id).cloned();
        found.ok_or_else(|| SessionError::unknown(id))
    }

    /// All that can be trusted, the oldest first. Those that expired are among them until they are revoked.
    pub fn list(&self) -> Vec<Rc<Session>> {
        let all = self.0.all.borrow();
        let whole = |one: &&Rc<Session>| !matches!(*one.state.borrow(), State::Damaged);
        let list = all.values().filter(whole);
        sorted_by_key(list.map(|one| (one.about.created_at, one.clone()))).collect()
    }

    /// Ends a session, half-begun or whole: its key is wiped from memory, then its row from disk. One that is not there has
    /// ended already.
    ///
    /// # Errors
    /// Those of the store: the key is gone from memory, but not from disk.
    pub async fn revoke(&self, id: &str) -> Result<(), SessionError> {
        if self.0.waiting.give_up(id) {
            return Ok(());
        }
        let session = self.0.all.borrow_mut().remove(id);
        let by = |one: &Session| one.opened_by.as_deref() == Some(id);
        let opened = self
            .0
            .all
            .borrow_mut()
            .extract_if(.., |_, one| by(one))
            .collect::<Vec<_>>();
        let opened = opened.into_iter().map(|(_, session)| session);
        for session in session.into_iter().chain(opened) {
            session.state.replace(State::Revoked);
            self.tell(&session, Change::Revoked);
        }
        // Also of one that is not known: an earlier try may have failed here.
        match id.starts_with("did:") {
            true => Ok(()),
            false => self.0.vault.remove(id).await,
        }
    }

    /// The DIDs for which pages hold providers now: those that are new get a session, whose name is the DID, and those that
    /// are gone lose theirs.
    pub fn set_external(&self, dids: &[String]) {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        {
            let mut all = self.0.all.borrow_mut();
            let gone = |session: &Session| session.is_external() && !dids.contains(&session.id);
            ended.extend(all.extract_if(.., |_, session| gone(session)));
            for did in dids.iter().filter(|did| did.starts_with("did:")) {
                all.entry(did.clone()).or_insert_with(|| {
                    let session = Rc::new(Session {
                        id: did.clone(),
                        about: About::passing(SessionKind::External, did.clone(), now()),
                        capability: None,
                        opened_by: None,
                        state: State::External.into(),
                    });
                    begun.push(session.clone());
                    session
                });
            }
        }
        for session in begun {
            self.tell(&session, Change::Opened);
        }
        for (_, session) in ended {
            session.state.replace(State::Revoked);
            self.tell(&session, Change::Revoked);
        }
    }

    /// The DID providers of all pages.
    pub(crate) fn provider(&self) -> &Provider {
        &self.0.provider
    }

    /// Wipes every key from memory; what is on disk stays.
    pub fn close(&self) {
        self.0.waiting.clear();
        for session in std::mem::take(&mut *self.0.all.borrow_mut()).values() {
            session.state.replace(State::Revoked);
        }
    }

    fn tell(&self, session: &Session, change: Change) {
        let told = info::event(session.about.to_js(&session.id, Some(change)));
        // A listener that throws is ours, in js/.
        let _ = self.0.tell.call1(&JsValue::NULL, &told);
    }

    /// Looks after a session's end, for as long as there is the session.
    fn watch(&self, session: &Rc<Session>) {
        let Some(end) = session.about.expires_at.filter(|_| session.counts()) else {
            return;
        };
        let life = end.saturating_sub(session.about.created_at);
        let warning = end.saturating_sub((life / 10).min(WARNING_MS));
        let (all, one) = (Rc::downgrade(&self.0), Rc::downgrade(session));
        spawn_local(watch(all, one, warning, end));
    }
}

async fn watch(all: Weak<Inner>, one: Weak<Session>, warning: u64, end: u64) {
    let mut warned = false;
    loop {
        let now = now();
        let next = {
            let (Some(all), Some(session)) = (all.upgrade(), one.upgrade()) else {
                return;
            };
            let sessions = Sessions(all);
            if !session.counts() {
                return;
            }
            if now >= end {
                session.state.replace(State::Expired);
                sessions.tell(&session, Change::Expired);
                // What can't be wiped now is tried again at the next start; it signs nothing either way.
                let _ = sessions.0.vault.expire(&session).await;
                return;
            }
            if now >= warning && !warned {
                warned = true;
                sessions.tell(&session, Change::Expiring);
            }
            if warned { end } else { warning }
        };
        let wait = Duration::from_millis(next.saturating_sub(now));
        Delay::new(wait.min(LONGEST_SLEEP)).await;
    }
}

fn key(seed: Seed, kind: SessionKind, capability: Option<&Block>) -> Box<Key> {
    let signer = Ed25519Signer::from_seed(seed.expose());
    Box::new(Key {
        signer: match capability {
            Some(block) => signer.with_capability(*block.cid()),
            None => signer,
        },
        wallet: Some(seed).filter(|_| kind == SessionKind::Key),
    })
}

/// A random name, which is no secret.
fn name() -> Result<String, SessionError> {
    let mut bytes = [0; 12];
    crypto::random(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// Unix milliseconds, by the user's clock.
pub(crate) fn now() -> u64 {
    Date::now() as u64
}
