//! Models, as js-ceramic's `Model.create` writes them: the definition is taken as it is, and refused if it is none.

use ipld_core::ipld::Ipld;

use super::{AuthorError, Unsigned, content};
use crate::event::Map;
use crate::model::{METAMODEL, Model};

/// A new model.
#[derive(Clone, Debug, PartialEq)]
pub struct NewModel {
    /// The definition, of version 1.0 or 2.0.
    pub definition: Ipld,
}

impl NewModel {
    pub(super) fn init(&self, controller: &str) -> Result<Unsigned, AuthorError> {
        content::check(&self.definition)?;
        Model::read(Some(&self.definition))?;
        let header = Map::from([
            super::controllers(controller),
            ("model".to_owned(), Ipld::Bytes(METAMODEL.to_vec())),
            ("sep".to_owned(), "model".into()),
        ]);
        Unsigned::init(header, Some(self.definition.clone()), true)
    }
}
