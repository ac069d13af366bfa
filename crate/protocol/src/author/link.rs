//! Links of accounts (CIP-7), as js-ceramic's `Caip10Link` writes them: the id follows from the account alone, and a change
//! is the proof itself, which is why nothing is signed.

use super::{AuthorError, Change, Edit, Unsigned, content};
use crate::Document;
use crate::account::{Proof, link_of};
use crate::event::Map;

/// The link of an account: there is one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// The account, `namespace:reference:address` (CAIP-10) or in the old form `address@namespace:reference`.
    pub account: String,
}

impl NewLink {
    pub(super) fn init(&self) -> Result<Unsigned, AuthorError> {
        let (controller, family) = link_of(&self.account)
            .ok_or_else(|| AuthorError::NotAnAccount(self.account.clone()))?;
        let header = Map::from([
            super::controllers(&controller),
            ("family".to_owned(), family.into()),
        ]);
        Unsigned::init(header, None, false)
    }
}

pub(super) fn change(edit: &Edit, document: &Document) -> Result<Unsigned, AuthorError> {
    if let Some(name) = edit.header.keys().next() {
        return Err(AuthorError::UnknownMetadata(name.clone()));
    }
    let Change::Content(proof) = &edit.change else {
        return Err(AuthorError::NeedsProof);
    };
    let proof = proof.value();
    content::check(proof)?;
    Proof::read(proof)?;
    Unsigned::change(document, None, proof.clone(), false)
}
