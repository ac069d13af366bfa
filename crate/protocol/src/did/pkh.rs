//! `did:pkh:<namespace>:<reference>:<address>`: a blockchain account as a DID.
//!
//! Its document names the account, not a key. Events are not signed by accounts but by session keys an account has
//! delegated to; see [`super::key::PublicKey::Account`].

use super::key::PublicKey;
use super::{DidError, VerificationMethod};

/// The entries of the document of an account id, for the namespaces pkh-did-resolver knows.
pub(super) fn methods(account: &str) -> Result<Vec<VerificationMethod>, DidError> {
    let entry = |fragment: &str, kind| VerificationMethod {
        fragment: fragment.to_owned(),
        key: PublicKey::Account {
            kind,
            account: account.to_owned(),
        },
    };
    let mut methods = vec![entry(
        "blockchainAccountId",
        "EcdsaSecp256k1RecoveryMethod2020",
    )];
    let parsed = Account::parse(account);
    match parsed
        .ok_or(DidError::Account("not namespace:reference:address"))?
        .namespace
    {
        "eip155" | "bip122" => {}
        "tezos" => methods.push(entry("TezosMethod2021", "TezosMethod2021")),
        _ => return Err(DidError::Account("no document for this namespace")),
    }
    Ok(methods)
}

/// A blockchain account (CAIP-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    /// The kind of chain.
    pub namespace: &'a str,
    /// Which chain of that kind.
    pub reference: &'a str,
    /// The account there, as its owner wrote it.
    pub address: &'a str,
}

impl<'a> Account<'a> {
    /// Reads `did:pkh:<namespace>:<reference>:<address>`.
    pub fn of_did(did: &'a str) -> Option<Self> {
        Self::parse(did.strip_prefix("did:pkh:")?)
    }

    /// Reads `<namespace>:<reference>:<address>`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':');
        let (namespace, reference, address) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = |text: &str, least, most, others: &[u8]| {
            (least..=most).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
        };
        let good = parts.next().is_none()
            && fits(namespace, 3, 8, b"-")
            && !namespace.bytes().any(|b| b.is_ascii_uppercase())
            && fits(reference, 1, 32, b"-_")
            && fits(address, 1, 128, b"-.%");
        good.then_some(Self {
            namespace,
            reference,
            address,
        })
    }
}
