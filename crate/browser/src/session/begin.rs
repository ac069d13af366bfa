//! Sessions that an account or a passkey is being asked for.
//!
//! Somebody may never answer: at most [`MAX_BEGUN`] wait, each for [`BEGUN_MS`]; the oldest makes room for another. The key
//! of one that is given up, or whose answer is refused, is wiped at once.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_timer::Delay;
use ostrakon_protocol::cacao::{
    Answer, Ask, Asked, Capability, Kind, Proof, SessionRequest, base58, nonce, passkey_candidates,
};
use ostrakon_protocol::did::from_wallet::KeyRequest;
use ostrakon_protocol::jose::Ed25519Signer;
use serde::{Deserialize, Serialize};
use wasm_bindgen_futures::spawn_local;
use zeroize::{Zeroize as _, Zeroizing};

use super::{About, Seed, SessionError, SessionKind, crypto, name, now};

/// Most sessions that are half-begun.
pub const MAX_BEGUN: usize = 16;
/// How long a wallet may take, ms.
pub const BEGUN_MS: u64 = 10 * 60 * 1_000;

/// What a page asks for; `js/wire.ts` describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    kind: SessionKind,
    account: Option<String>,
    domain: String,
    statement: Option<String>,
    resources: Vec<String>,
    /// Unix milliseconds.
    expires_at: f64,
}

/// What is to be signed.
#[derive(Serialize)]
pub struct Begun {
    session: String,
    did: Option<String>,
    message: String,
}

/// What was signed; `js/wire.ts` describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signed {
    signature: String,
    #[serde(default)]
    accounts: Vec<String>,
    did: Option<String>,
    authenticator_data: Option<String>,
    #[serde(rename = "clientDataJSON")]
    client_data: Option<String>,
}

impl Signed {
    /// Signature, authenticator data and client data of a passkey.
    fn assertion(&self) -> Result<[Vec<u8>; 3], SessionError> {
        let part = |text: Option<&String>| bytes(text.map_or("", String::as_str));
        Ok([
            bytes(&self.signature)?,
            part(self.authenticator_data.as_ref())?,
            part(self.client_data.as_ref())?,
        ])
    }

    /// The two passkeys of which one made this signature.
    ///
    /// # Errors
    /// [`SessionError::Encoding`], [`SessionError::Refused`].
    pub fn candidates(&self) -> Result<Vec<String>, SessionError> {
        let [signature, authenticator, client] = self.assertion()?;
        Ok(passkey_candidates(&signature, &authenticator, &client)?)
    }
}

/// Bytes that a page wrote in base64url.
///
/// # Errors
/// [`SessionError::Encoding`].
pub fn bytes(text: &str) -> Result<Vec<u8>, SessionError> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
    bytes.map_err(|_| SessionError::Encoding)
}

/// What a wallet made of the text for a key; `js/wire.ts` describes it.
#[derive(Deserialize)]
pub struct KeyAnswer {
    account: String,
    site: String,
    /// Whoever has it has the key.
    signature: String,
    again: Option<String>,
}

impl Drop for KeyAnswer {
    fn drop(&mut self) {
        self.signature.zeroize();
        self.again.zeroize();
    }
}

impl KeyAnswer {
    /// The session's key, and what is said of it.
    ///
    /// # Errors
    /// [`SessionError::Key`].
    pub fn open(&self) -> Result<(About, Seed), SessionError> {
        let request = KeyRequest::new(&self.account, &self.site)?;
        let solana = self
            .account
            .trim_start_matches("did:pkh:")
            .starts_with("solana:");
        // What can't be read is no signature, and has another length than one.
        let bytes = |text: &String| Zeroizing::new(base58(text).unwrap_or_default());
        let (first, again) = (bytes(&self.signature), self.again.as_ref().map(bytes));
        let answer = match solana {
            true => Answer::Solana(&first),
            false => Answer::Ethereum(&self.signature),
        };
        let again = match (&self.again, &again) {
            (Some(_), Some(bytes)) if solana => Some(Answer::Solana(bytes)),
            (text, _) => text.as_deref().map(Answer::Ethereum),
        };
        let seed = request.seed(&answer, again.as_ref())?;
        let seed = Seed::from(seed.expose());
        let did = Ed25519Signer::from_seed(seed.expose()).did().to_owned();
        let about = About {
            key: did.clone(),
            did,
            kind: SessionKind::Key,
            resources: Vec::new(),
            expires_at: None,
            created_at: now(),
        };
        Ok((about, seed))
    }
}

/// All that are half-begun, the oldest first.
#[derive(Default)]
pub struct Waiting {
    all: RefCell<Vec<One>>,
    swept: Cell<bool>,
}

struct One {
    id: String,
    seed: Seed,
    ask: Ask,
    until: u64,
}

impl Waiting {
    /// Begins one: draws its key, and says what is to be signed.
    ///
    /// # Errors
    /// [`SessionError::Refused`] for a request that nobody should be asked, [`SessionError::Crypto`].
    pub fn begin(self: &Rc<Self>, request: Request) -> Result<Begun, SessionError> {
        let now = now();
        let seed = Seed::fresh()?;
        let mut random = [0; 16];
        crypto::random(&mut random)?;
        let account = match (request.kind, request.account) {
            (SessionKind::Passkey, did) => Asked::Passkey(did),
            (_, account) => Asked::Account(account.unwrap_or_default()),
        };
        let ask = SessionRequest {
            account,
            domain: request.domain,
            uri: Ed25519Signer::from_seed(seed.expose()).did().to_owned(),
            statement: request.statement,
            resources: request.resources,
            issued_at: (now as i64).into(),
            expires_at: Some((request.expires_at as i64).into()),
            not_before: None,
            nonce: nonce(random),
            request_id: None,
        };
        let ask = ask.ask()?;
        if kind(ask.kind()) != Some(request.kind) {
            return Err(SessionError::OtherKind);
        }
        let begun = Begun {
            session: name()?,
            did: ask.issuer().map(str::to_owned),
            message: match ask.kind() {
                Kind::Webauthn => BASE64URL_NOPAD.encode(ask.message()),
                _ => String::from_utf8_lossy(ask.message()).into_owned(),
            },
        };
        let mut all = self.all.borrow_mut();
        if all.len() >= MAX_BEGUN {
            all.remove(0);
        }
        all.push(One {
            id: begun.session.clone(),
            seed,
            ask,
            until: now.saturating_add(BEGUN_MS),
        });
        drop(all);
        if !self.swept.replace(true) {
            spawn_local(sweep(Rc::downgrade(self)));
        }
        Ok(begun)
    }

    /// Takes what is there to be completed: whoever answers wrongly begins anew.
    ///
    /// # Errors
    /// [`SessionError::Unknown`], also for one that waited too long; [`SessionError::Refused`] if our own verifier refuses the
    /// answer.
    pub fn complete(
        &self,
        id: &str,
        signed: &Signed,
    ) -> Result<(About, Capability, Seed), SessionError> {
        let one = self.take(id).filter(|one| now() < one.until);
        let one = one.ok_or_else(|| SessionError::unknown(id))?;
        let now = now();
        let (bare, authenticator, client);
        let answer = match one.ask.kind() {
            Kind::Solana => {
                // What can't be read is no signature, and has another length than one.
                bare = base58(&signed.signature).unwrap_or_default();
                Answer::Solana(&bare)
            }
            Kind::Webauthn => {
                [bare, authenticator, client] = signed.assertion()?;
                Answer::Passkey {
                    did: signed.did.as_deref(),
                    signature: &bare,
                    authenticator: &authenticator,
                    client: &client,
                }
            }
            _ => Answer::Ethereum(&signed.signature),
        };
        let proof = Proof {
            answer,
            accounts: &signed.accounts,
        };
        let capability = Capability::assemble(&one.ask, &proof, now as i64)?;
        let about = About {
            did: capability.issuer().to_owned(),
            key: capability.audience().to_owned(),
            kind: capability
                .kind()
                .and_then(kind)
                .ok_or(SessionError::OtherKind)?,
            resources: capability.resources().to_vec(),
            expires_at: capability
                .expires()
                .map(|end| u64::try_from(end).unwrap_or_default().saturating_mul(1_000)),
            created_at: now,
        };
        Ok((about, capability, one.seed))
    }

    /// Gives one up; false if there is none of this name.
    pub fn give_up(&self, id: &str) -> bool {
        self.take(id).is_some()
    }

    /// Gives all up.
    pub fn clear(&self) {
        self.all.borrow_mut().clear();
    }

    fn take(&self, id: &str) -> Option<One> {
        let mut all = self.all.borrow_mut();
        let place = all.iter().position(|one| one.id == id)?;
        Some(all.remove(place))
    }
}

/// Wipes what waited too long, until nothing waits.
async fn sweep(waiting: Weak<Waiting>) {
    loop {
        let next = {
            let Some(waiting) = waiting.upgrade() else {
                return;
            };
            let now = now();
            let mut all = waiting.all.borrow_mut();
            all.retain(|one| now < one.until);
            let Some(first) = all.first() else {
                waiting.swept.set(false);
                return;
            };
            first.until.saturating_sub(now).clamp(1, BEGUN_MS)
        };
        Delay::new(Duration::from_millis(next)).await;
    }
}

fn kind(kind: Kind) -> Option<SessionKind> {
    match kind {
        Kind::Eip191 => Some(SessionKind::Ethereum),
        Kind::Solana => Some(SessionKind::Solana),
        Kind::Webauthn => Some(SessionKind::Passkey),
        _ => None,
    }
}
