//! Proofs that the owner of a blockchain account wants it linked to a DID (CIP-7), as blockchain-utils-validation 6.4 judges
//! them. One file for each kind of chain.
//!
//! A proof is a map of texts in the `data` of an event, which is not signed otherwise. A hostile sender chooses all of it.
//! It is no longer than its block, [`crate::MAX_BLOCK_BYTES`]; the message is hashed at most three times and searched once,
//! in linear time; base58, whose cost is quadratic, sees at most [`crate::encoding::MAX_BASE58`] characters. Nothing here asks
//! anybody: a proof that only a third party could judge is refused, by the name of whom one would have to ask.
//!
//! What js does *not* check is part of the protocol too: a field `did`, which chain of its kind an account is on, and whether
//! the `timestamp` of the proof is that of the message.

mod cosmos;
pub(crate) mod ethereum;
mod filecoin;
mod id;
mod near;
mod number;
mod polkadot;
mod solana;

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use ipld_core::ipld::Ipld;

use crate::event::Map;
use crate::javascript;

use id::AccountId;
use number::Number;

pub(crate) use number::earlier;

/// Why a proof does not link an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A field is missing, or is not what it should be.
    #[error("the proof is malformed: {0}")]
    Malformed(&'static str),
    /// The account is not of the form `address@namespace:reference` or `namespace:reference:address`.
    #[error("{0:?} is not an account")]
    Account(String),
    /// An account of a kind of chain that js-ceramic does not know either.
    #[error("accounts of the namespace {0:?} are not supported")]
    Namespace(String),
    /// The account did not sign the message.
    #[error("the account did not sign the message")]
    Signature,
    /// Only a third party could tell. The proof may be good; nothing is known about it.
    #[error("the proof is unverified: {whom} would have to be asked {what}")]
    ThirdParty {
        /// Whom one would have to ask.
        whom: String,
        /// For what.
        what: &'static str,
    },
    /// Signed in a way that is not verified here. The proof may be good; nothing is known about it.
    #[error("the proof is unverified: signatures of the kind {0} are not supported")]
    Scheme(&'static str),
}

impl ProofError {
    fn account(text: &str) -> Self {
        Self::Account(text.chars().take(128).collect())
    }

    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "proof-malformed",
            Self::Account(_) => "proof-account",
            Self::Namespace(_) => "proof-namespace",
            Self::Signature => "proof-signature",
            Self::ThirdParty { .. } => "proof-needs-third-party",
            Self::Scheme(_) => "proof-unverified-scheme",
        }
    }
}

/// Controller and family of the link of an account, given in either form (as js-ceramic's `Caip10Link.makeGenesis`: Ethereum's
/// addresses in lower case).
pub(crate) fn link_of(account: &str) -> Option<(String, String)> {
    let id = *AccountId::read(account)?.strict()?;
    let AccountId {
        namespace,
        reference,
        ..
    } = id;
    let address = id.address.to_ascii_lowercase();
    let id = match namespace {
        "eip155" => AccountId {
            address: &address,
            ..id
        },
        _ => id,
    };
    Some((id.legacy(), format!("caip10-{namespace}:{reference}")))
}

/// The fields of a proof. That somebody signed it is for [`Proof::verify`] to say.
#[derive(Debug)]
pub struct Proof<'p> {
    version: Number,
    kind: Option<&'p str>,
    message: &'p str,
    signature: &'p str,
    /// As versions from 2 on name it.
    account: AccountId<'p>,
    fields: &'p Map,
}

impl<'p> Proof<'p> {
    /// Reads the fields of a proof.
    pub fn read(proof: &'p Ipld) -> Result<Self, ProofError> {
        let Ipld::Map(fields) = proof else {
            return Err(ProofError::Malformed("not a map"));
        };
        let text = |name, error| match fields.get(name) {
            Some(Ipld::String(text)) => Ok(text.as_str()),
            _ => Err(ProofError::Malformed(error)),
        };
        let number = |name, error| Number::of(fields.get(name)).ok_or(ProofError::Malformed(error));
        // What has no order in time would pass for not too old.
        number("timestamp", "the timestamp is not a number")?;
        let account = text("account", "no account")?;
        Ok(Self {
            version: number("version", "the version is not a number")?,
            kind: match fields.get("type") {
                Some(Ipld::String(kind)) => Some(kind),
                _ => None,
            },
            message: text("message", "no message")?,
            signature: text("signature", "no signature")?,
            account: AccountId::read(account).ok_or_else(|| ProofError::account(account))?,
            fields,
        })
    }

    /// The DID that the message names first, if it names one. A message without a DID ends a link.
    pub fn did(&self) -> Option<&'p str> {
        first_did(self.message)
    }

    /// The field `timestamp`, as it is: unix seconds where an honest wallet wrote it.
    pub fn timestamp(&self) -> Option<&'p Ipld> {
        self.fields.get("timestamp")
    }

    /// The account that signed the message, in the old form of CAIP-10, `address@namespace:reference`.
    pub fn verify(&self) -> Result<String, ProofError> {
        if !self.version.at_least_two() {
            return ethereum::verify(self);
        }
        let account = self.account.legacy();
        let AccountId { namespace, .. } =
            (self.account.strict()).ok_or_else(|| ProofError::account(&account))?;
        match *namespace {
            "eip155" => return ethereum::verify(self),
            "solana" => solana::verify(self).ok_or(ProofError::Signature),
            "near" => near::verify(self).ok_or(ProofError::Signature),
            "cosmos" => cosmos::verify(self).ok_or(ProofError::Signature),
            "fil" => filecoin::verify(self),
            "polkadot" => polkadot::verify(self),
            "tezos" => Err(tezos(&self.account)),
            "eosio" => Err(eosio(&self.account)),
            other => Err(ProofError::Namespace(other.to_owned())),
        }
        .map(|()| account)
    }
}

/// A Tezos address is the hash of a key that the proof does not bring. js knows the main network only.
fn tezos(account: &AccountId) -> ProofError {
    match account.reference {
        "NetXdQprcVkpaWU" => ProofError::ThirdParty {
            whom: "an indexer of Tezos".to_owned(),
            what: "which key the account has published",
        },
        _ => ProofError::Signature,
    }
}

/// Names of accounts are given out by the chain, which knows their keys.
fn eosio(account: &AccountId) -> ProofError {
    ProofError::ThirdParty {
        whom: format!("a node of the chain eosio:{}", account.reference),
        what: "which keys the account has",
    }
}

/// Without the cofactor, unlike the rule of events' signatures ([`crate::jose`]): so do the libraries that js has for these.
fn verify_ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
    let signature = Signature::from_slice(signature).ok()?;
    key.verify(message, &signature).ok()
}

/// The first match of js' pattern `did:\S+:\S+`: it goes on to the next space, and needs a second colon with something on
/// either side.
fn first_did(message: &str) -> Option<&str> {
    message.match_indices("did:").find_map(|(at, scheme)| {
        let (_, from) = message.split_at_checked(at)?;
        let end = from.find(javascript::is_space).unwrap_or(from.len());
        let (did, _) = from.split_at_checked(end)?;
        let (_, id) = did.split_at_checked(scheme.len())?;
        let mut inner = id.char_indices().skip(1);
        inner
            .any(|(at, c)| c == ':' && at.saturating_add(1) < id.len())
            .then_some(did)
    })
}

#[cfg(test)]
mod tests;
