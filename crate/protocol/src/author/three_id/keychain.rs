use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use zeroize::{Zeroize as _, Zeroizing};

use super::ThreeIdWriteError;
use super::keys::{KeySet, ThreeIdSigner};
use crate::did::from_wallet::Seed;
use crate::event::Map;
use crate::jose::Ed25519Signer;
use crate::jose::jwe::{AgreementKey, DecryptionKey, Jwe, Legible, Random};
use crate::state::Kind;
use crate::{Block, Document, json};

/// Most wallets of one 3ID.
pub const MAX_WALLETS: usize = 64;
/// Most seeds that a keychain remembers.
pub const MAX_PAST: usize = 1_024;

/// Random bytes for one change of a keychain. They are wiped when they are used up.
pub struct Fresh {
    bytes: Zeroizing<Vec<u8>>,
}

impl Fresh {
    /// Takes [`Keychain::random_for_a_change`] bytes of the platform's generator.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Zeroizing::new(bytes),
        }
    }

    /// Enough for one recipient; too few are an error where they are used.
    fn take(&mut self) -> Random {
        let rest = self.bytes.len().saturating_sub(Random::bytes_for(1));
        Random::new(self.bytes.split_off(rest))
    }
}

/// The seeds of a 3ID, opened.
pub struct Keyring {
    latest: KeySet,
    /// By the version of the 3ID that was the newest when they were replaced, oldest first.
    past: Vec<(String, KeySet)>,
}

impl Keyring {
    /// That of a new 3ID.
    pub fn new(keys: KeySet) -> Self {
        Self {
            latest: keys,
            past: Vec::new(),
        }
    }

    /// The newest keys. They may wait for an anchor.
    pub fn latest(&self) -> &KeySet {
        &self.latest
    }

    /// How many seeds came before.
    pub fn rotations(&self) -> usize {
        self.past.len()
    }

    /// With which everything ever encrypted to the 3ID is decrypted, newest first.
    pub fn decryption_keys(&self) -> Vec<DecryptionKey> {
        self.sets().map(KeySet::decryption_key).collect()
    }

    /// Undoes [`Keychain::rotate`] if the keychain could not be written.
    pub fn take_back(&mut self) {
        if let Some((_, keys)) = self.past.pop() {
            self.latest = keys;
        }
    }

    fn sets(&self) -> impl Iterator<Item = &KeySet> {
        let past = self.past.iter().rev().map(|(_, keys)| keys);
        std::iter::once(&self.latest).chain(past)
    }

    /// Who signs for the 3ID now: the keys that its anchored content lists, by the version that it has.
    ///
    /// # Errors
    /// `three-id-not-in-force` if it lists none of these.
    pub fn signer(&self, document: &Document) -> Result<ThreeIdSigner<'_>, ThreeIdWriteError> {
        let content = document.state().content.value();
        let mut sets = self.sets();
        let keys = sets.find(|keys| keys.is_listed(content));
        let keys = keys.ok_or(ThreeIdWriteError::NotInForce)?;
        let three_id = format!("did:3:{}", document.stream());
        Ok(keys.signer(three_id, &version(document)))
    }
}

impl Keyring {
    /// The event that brings the 3ID to the newest keys, in CAR order, the event last; nothing if it has them already.
    ///
    /// Write it only once the keychain with these keys is anchored ([`is_anchored`]). The keychain's event is signed by the
    /// keys that are replaced: if no anchor shows it to be older than their end, it falls with them, and the new seed is lost
    /// for good. Whoever stopped between the two goes on here, from any wallet.
    ///
    /// # Errors
    /// `three-id-other-document`, and `three-id-not-controller` if it was rotated to keys that are not here.
    pub fn catch_up(&self, document: &Document) -> Result<Option<Vec<Block>>, ThreeIdWriteError> {
        let controller = document.state().controller();
        if controller == Some(self.latest.management()) {
            return Ok(None);
        }
        let mut past = self.past.iter().map(|(_, keys)| keys);
        let old = past.find(|keys| controller == Some(keys.management()));
        let old = old.ok_or(ThreeIdWriteError::NotController)?;
        old.rotate(document, &self.latest).map(Some)
    }
}

/// Whether an anchor that a chain has confirmed follows the newest event of a document.
pub fn is_anchored(document: &Document) -> bool {
    let newest = document.log().last();
    newest.is_some_and(|entry| entry.kind == Kind::Time && entry.time.unix().is_some())
}

/// The newest version of a 3ID: its last anchor, or 0.
fn version(document: &Document) -> String {
    let mut log = document.log().iter().rev();
    let anchor = log.find(|entry| entry.kind == Kind::Time);
    anchor.map_or("0".to_owned(), |entry| entry.cid.to_string())
}

/// A wallet of a keychain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Its `did:key`, derived as [`crate::did::from_wallet`] has it.
    pub did: String,
    /// What the owner calls it; usually the account.
    pub name: String,
}

struct Entry {
    /// The seed, for the wallet.
    data: Jwe,
    /// The name, for the 3ID.
    id: Jwe,
}

/// The seeds of a 3ID, encrypted to its wallets.
#[derive(Default)]
pub struct Keychain {
    wallets: BTreeMap<String, Entry>,
    past: Vec<Jwe>,
}

impl Keychain {
    /// Reads the content of a keychain's tile.
    pub fn read(content: &Ipld) -> Result<Self, ThreeIdWriteError> {
        let bad = ThreeIdWriteError::Malformed;
        let Ipld::Map(content) = content else {
            return Err(bad("not a map"));
        };
        let Some(Ipld::Map(map)) = content.get("authMap") else {
            return Err(bad("no map of wallets"));
        };
        let past = match content.get("pastSeeds") {
            None => &[][..],
            Some(Ipld::List(past)) => past,
            Some(_) => return Err(bad("the past seeds are no list")),
        };
        if map.len() > MAX_WALLETS || past.len() > MAX_PAST {
            return Err(ThreeIdWriteError::TooMany);
        }
        let wallets = map.iter().map(|(did, entry)| {
            let part = |name| match entry {
                Ipld::Map(entry) => match entry.get(name) {
                    Some(Ipld::Map(part)) => part.get("jwe").ok_or(bad("an entry without a JWE")),
                    _ => Err(bad("an entry without data or id")),
                },
                _ => Err(bad("an entry is not a map")),
            };
            let entry = Entry {
                data: jwe(part("data")?)?,
                id: jwe(part("id")?)?,
            };
            Ok((did.clone(), entry))
        });
        Ok(Self {
            wallets: wallets.collect::<Result<_, ThreeIdWriteError>>()?,
            past: past.iter().map(jwe).collect::<Result<_, _>>()?,
        })
    }

    /// The content of its tile.
    ///
    /// # Errors
    /// `keychain-malformed` if a JWE of others cannot be written as JSON.
    pub fn content(&self) -> Result<Ipld, ThreeIdWriteError> {
        let part = |jwe: &Jwe| {
            let jwe = written(jwe)?;
            Ok::<_, ThreeIdWriteError>(Ipld::Map(Map::from([("jwe".to_owned(), jwe)])))
        };
        let mut wallets = Map::new();
        for (did, entry) in &self.wallets {
            let entry = Map::from([
                ("data".to_owned(), part(&entry.data)?),
                ("id".to_owned(), part(&entry.id)?),
            ]);
            wallets.insert(did.clone(), Ipld::Map(entry));
        }
        let past = self.past.iter().map(written).collect::<Result<_, _>>()?;
        Ok(Ipld::Map(Map::from([
            ("authMap".to_owned(), Ipld::Map(wallets)),
            ("pastSeeds".to_owned(), Ipld::List(past)),
        ])))
    }

    /// How many random bytes one change takes at most.
    pub fn random_for_a_change(&self) -> usize {
        let wallets = self.wallets.len().saturating_add(1);
        let jwes = wallets.saturating_mul(2).saturating_add(1);
        jwes.saturating_mul(Random::bytes_for(1))
    }

    /// The wallets' DIDs.
    pub fn dids(&self) -> impl Iterator<Item = &str> {
        self.wallets.keys().map(String::as_str)
    }

    /// The wallets, with the names that only the 3ID can read.
    pub fn wallets(&self, keyring: &Keyring) -> Result<Vec<Wallet>, ThreeIdWriteError> {
        let keys = keyring.decryption_keys();
        let wallets = self.wallets.iter().map(|(did, entry)| {
            Ok(Wallet {
                did: did.clone(),
                name: name(&entry.id, &keys)?,
            })
        });
        wallets.collect()
    }

    /// Opens it with the seed of a wallet's `did:key`.
    ///
    /// # Errors
    /// `keychain-unknown-wallet` if the wallet has no entry (any more), others for what is not what it should be.
    pub fn open(&self, wallet: &Seed) -> Result<Keyring, ThreeIdWriteError> {
        let wallet = Ed25519Signer::from_seed(wallet.expose());
        let unknown = || ThreeIdWriteError::UnknownWallet(wallet.did().to_owned());
        let entry = self.wallets.get(wallet.did()).ok_or_else(unknown)?;
        let opened = entry.data.decrypt_value(&[wallet.decryption_key()])?;
        let Ipld::Map(mut opened) = opened else {
            return Err(ThreeIdWriteError::Malformed("no seed"));
        };
        let latest = seed(opened.remove("seed"))?;
        if opened.contains_key("v03ID") {
            return Err(ThreeIdWriteError::Malformed("a 3ID of version 0"));
        }
        let mut keyring = Keyring::new(KeySet::of_seed(latest)?);
        let mut key = keyring.latest.decryption_key();
        for jwe in self.past.iter().rev() {
            let Ipld::Map(opened) = jwe.decrypt_value(&[key])? else {
                return Err(ThreeIdWriteError::Malformed("no past seed"));
            };
            let mut opened = opened.into_iter();
            let (Some((version, value)), None) = (opened.next(), opened.next()) else {
                return Err(ThreeIdWriteError::Malformed("no past seed"));
            };
            let keys = KeySet::of_seed(seed(Some(value))?)?;
            key = keys.decryption_key();
            keyring.past.push((version, keys));
        }
        keyring.past.reverse();
        Ok(keyring)
    }

    /// Lets another wallet speak for the 3ID. `wallet` is its `did:key`.
    ///
    /// # Errors
    /// `keychain-known-wallet`, `keychain-too-many`, and those of encryption.
    pub fn add(
        &mut self,
        keyring: &Keyring,
        three_id: &str,
        wallet: &Wallet,
        mut fresh: Fresh,
    ) -> Result<(), ThreeIdWriteError> {
        if self.wallets.contains_key(&wallet.did) {
            return Err(ThreeIdWriteError::KnownWallet(wallet.did.clone()));
        }
        if self.wallets.len() >= MAX_WALLETS {
            return Err(ThreeIdWriteError::TooMany);
        }
        let entry = Entry::new(&keyring.latest, three_id, wallet, &mut fresh)?;
        self.wallets.insert(wallet.did.clone(), entry);
        Ok(())
    }

    /// Goes over to new keys, and takes these wallets away. Write this first, have it anchored, and then rotate the 3ID itself
    /// by [`Keyring::catch_up`]. `document` is the 3ID as it is.
    ///
    /// Nothing changes if there is an error.
    ///
    /// # Errors
    /// `keychain-unknown-wallet`, `keychain-last-wallet`, `keychain-too-many`, and those of encryption.
    pub fn rotate(
        &mut self,
        keyring: &mut Keyring,
        document: &Document,
        next: KeySet,
        without: &[&str],
        mut fresh: Fresh,
    ) -> Result<(), ThreeIdWriteError> {
        if let Some(unknown) = without.iter().find(|did| !self.wallets.contains_key(**did)) {
            return Err(ThreeIdWriteError::UnknownWallet((*unknown).to_owned()));
        }
        if self.past.len() >= MAX_PAST {
            return Err(ThreeIdWriteError::TooMany);
        }
        let three_id = format!("did:3:{}", document.stream());
        let mut wallets = BTreeMap::new();
        for wallet in self.wallets(keyring)? {
            if !without.contains(&wallet.did.as_str()) {
                let entry = Entry::new(&next, &three_id, &wallet, &mut fresh)?;
                wallets.insert(wallet.did, entry);
            }
        }
        if wallets.is_empty() {
            return Err(ThreeIdWriteError::LastWallet);
        }
        let version = version(document);
        let past = seal(
            &version,
            keyring.latest.seed(),
            next.agreement(&three_id),
            &mut fresh,
        )?;
        self.past.push(past);
        self.wallets = wallets;
        let old = std::mem::replace(&mut keyring.latest, next);
        keyring.past.push((version, old));
        Ok(())
    }
}

impl Entry {
    fn new(
        keys: &KeySet,
        three_id: &str,
        wallet: &Wallet,
        fresh: &mut Fresh,
    ) -> Result<Self, ThreeIdWriteError> {
        let mut to = AgreementKey::of_did(&wallet.did)?.into_iter();
        let unknown = || ThreeIdWriteError::UnknownWallet(wallet.did.clone());
        let data = seal("seed", keys.seed(), to.next().ok_or_else(unknown)?, fresh)?;
        let id = Map::from([("id".to_owned(), wallet.name.as_str().into())]);
        let to = [keys.agreement(three_id)];
        let id = Jwe::encrypt_value(&Ipld::Map(id), &to, &Legible::default(), fresh.take())?;
        Ok(Self { data, id })
    }
}

/// Encrypts a seed under a name.
fn seal(
    name: &str,
    seed: &Seed,
    to: AgreementKey,
    fresh: &mut Fresh,
) -> Result<Jwe, ThreeIdWriteError> {
    let bytes = Ipld::Bytes(seed.expose().to_vec());
    let mut value = Ipld::Map(Map::from([(name.to_owned(), bytes)]));
    let sealed = Jwe::encrypt_value(&value, &[to], &Legible::default(), fresh.take());
    if let Ipld::Map(map) = &mut value
        && let Some(Ipld::Bytes(bytes)) = map.get_mut(name)
    {
        bytes.zeroize();
    }
    Ok(sealed?)
}

/// A seed that was decrypted. What it stood in is wiped.
fn seed(value: Option<Ipld>) -> Result<Seed, ThreeIdWriteError> {
    const BAD: ThreeIdWriteError = ThreeIdWriteError::Malformed("a seed has 32 bytes");
    let Some(Ipld::Bytes(mut bytes)) = value else {
        return Err(BAD);
    };
    let seed = <&[u8; 32]>::try_from(bytes.as_slice()).map(Seed::new);
    bytes.zeroize();
    seed.map_err(|_| BAD)
}

fn name(id: &Jwe, keys: &[DecryptionKey]) -> Result<String, ThreeIdWriteError> {
    let Ipld::Map(mut opened) = id.decrypt_value(keys)? else {
        return Err(ThreeIdWriteError::Malformed("no name"));
    };
    match opened.remove("id") {
        Some(Ipld::String(name)) => Ok(name),
        _ => Err(ThreeIdWriteError::Malformed("no name")),
    }
}

fn jwe(value: &Ipld) -> Result<Jwe, ThreeIdWriteError> {
    Ok(Jwe::from_general(&json::to_json(value))?)
}

fn written(jwe: &Jwe) -> Result<Ipld, ThreeIdWriteError> {
    let json = jwe.to_general();
    json::from_json(&json).map_err(|_| ThreeIdWriteError::Malformed("a JWE that is no JSON"))
}
