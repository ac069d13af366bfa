//! Tiles, as js-ceramic's `TileDocument` writes them.

use data_encoding::BASE64;
use ipld_core::ipld::Ipld;

use super::{AuthorError, Change, Edit, Unsigned, content, patch_list};
use crate::event::{Map, map_of};
use crate::state::field;
use crate::{Document, DocumentRef};

/// What the header of a new tile says besides its controller. What is absent is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileMetadata {
    /// The family, a free word to find documents by.
    pub family: Option<String>,
    /// The CommitID of the schema, as text.
    pub schema: Option<String>,
    /// Free words to find documents by.
    pub tags: Option<Vec<String>>,
    /// Whether the controller is fixed for good.
    pub forbid_controller_change: bool,
}

impl TileMetadata {
    fn header(&self, controller: &str) -> Map {
        let text = |text: &String| Ipld::String(text.clone());
        map_of([
            (
                "controllers",
                Some(Ipld::List(vec![Ipld::String(controller.to_owned())])),
            ),
            ("family", self.family.as_ref().map(text)),
            ("schema", self.schema.as_ref().map(text)),
            (
                "tags",
                self.tags
                    .as_ref()
                    .map(|tags| Ipld::List(tags.iter().map(text).collect())),
            ),
            (
                "forbidControllerChange",
                self.forbid_controller_change.then_some(Ipld::Bool(true)),
            ),
        ])
    }
}

/// A new tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewTile {
    /// What it says; `null` is nothing. Without content the init event is not signed.
    pub content: Option<Ipld>,
    /// What its header says.
    pub metadata: TileMetadata,
    /// Whether it is the one tile that its controller has for this metadata: who writes it again gets the same document.
    /// It starts empty, and has a family or tags, lest all such documents of a controller be one.
    pub deterministic: bool,
}

impl NewTile {
    pub(super) fn init(&self, controller: &str, unique: [u8; 12]) -> Result<Unsigned, AuthorError> {
        let metadata = &self.metadata;
        if metadata
            .schema
            .as_ref()
            .is_some_and(|schema| !is_commit(schema))
        {
            return Err(AuthorError::BadSchema);
        }
        let content = self
            .content
            .clone()
            .filter(|content| *content != Ipld::Null);
        content.as_ref().map_or(Ok(()), content::check)?;
        let mut header = metadata.header(controller);
        match self.deterministic {
            true if content.is_some() => return Err(AuthorError::DeterministicContent),
            true if metadata.family.is_none() && metadata.tags.is_none() => {
                return Err(AuthorError::DeterministicWithoutWords);
            }
            true => {}
            false => {
                header.insert("unique".to_owned(), BASE64.encode(&unique).into());
            }
        }
        let signed = content.is_some();
        Unsigned::init(header, content, signed)
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.parse(), Ok(DocumentRef::Commit(_)))
}

pub(super) fn change(edit: &Edit, document: &Document) -> Result<Unsigned, AuthorError> {
    check_header(&edit.header)?;
    let state = document.state();
    let mut header = edit.header.clone();
    let patch = match &edit.change {
        Change::Content(new) if *new.value() != Ipld::Null => {
            new.patch(state.content().unwrap_or(&Ipld::Null), document)?
        }
        Change::Patch(patch) => {
            // js-ceramic repeats the metadata beside a patch that it was given.
            for name in ["controllers", "family", "schema", "tags"] {
                if let (None, Some(value)) = (header.get(name), field(state.metadata(), name)) {
                    header.insert(name.to_owned(), value.clone());
                }
            }
            patch_list(patch)?
        }
        Change::Content(_) | Change::None => Ipld::List(Vec::new()),
    };
    Unsigned::change(document, Some(header), patch, true)
}

/// What js-ceramic lets a change of metadata be.
fn check_header(header: &Map) -> Result<(), AuthorError> {
    for (name, value) in header {
        let good = match (name.as_str(), value) {
            ("controllers", Ipld::List(list)) => match list.as_slice() {
                [Ipld::String(did)] if did.starts_with("did:") => true,
                [Ipld::String(other)] => return Err(AuthorError::BadController(other.clone())),
                _ => return Err(AuthorError::ControllerCount),
            },
            ("schema", Ipld::String(schema)) if is_commit(schema) => true,
            ("schema", _) => return Err(AuthorError::BadSchema),
            ("family", value) => matches!(value, Ipld::String(_) | Ipld::Null),
            ("tags", Ipld::Null) => true,
            ("tags", Ipld::List(tags)) => tags.iter().all(|tag| matches!(tag, Ipld::String(_))),
            ("controllers" | "tags", _) => false,
            ("unique" | "deterministic" | "forbidControllerChange", _) => {
                return Err(AuthorError::FixedMetadata(name.clone()));
            }
            _ => return Err(AuthorError::UnknownMetadata(name.clone())),
        };
        if !good {
            return Err(AuthorError::BadMetadata(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author::New;
    use crate::cbor;
    use crate::jose::Ed25519Signer;

    fn tile(content: Option<Ipld>) -> New {
        New::Tile(NewTile {
            content,
            ..NewTile::default()
        })
    }

    /// Made by dids 5.0.3.
    #[test]
    fn the_envelope_of_a_known_seed_is_the_one_js_makes() {
        let signer = Ed25519Signer::from_seed(&[7; 32]);
        assert_eq!(
            signer.did(),
            "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z"
        );
        let header = TileMetadata::default().header(signer.did());
        let content = Ipld::Map(Map::from([(
            "hello".to_owned(),
            Ipld::String("world".to_owned()),
        )]));
        let init = Unsigned::init(header, Some(content), true).unwrap();
        let blocks = init.sign(&signer).unwrap();
        let [payload, envelope] = blocks.as_slice() else {
            panic!("not two blocks");
        };
        assert_eq!(
            payload.cid().to_string(),
            "bafyreia5ycca77ovehaxzmwnwljwz7sulaitjz3v7nir4jphuhvry32mba"
        );
        assert_eq!(
            envelope.cid().to_string(),
            "bagcqcerauis5lpa5yn4w2llrk2j7am5b7giy2h6p3644ezgcu6i7gsfr2dgq"
        );
    }

    #[test]
    fn a_tile_without_content_is_one_unsigned_block_without_data() {
        let signer = Ed25519Signer::from_seed(&[7; 32]);
        let (stream, blocks) = tile(None).written_by(&signer, [1; 12]).unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!(stream.init(), blocks[0].cid());
        let Ipld::Map(payload) = cbor::decode(blocks[0].bytes()).unwrap() else {
            panic!("not a map");
        };
        assert_eq!(payload.keys().collect::<Vec<_>>(), ["header"]);
    }

    #[test]
    fn content_too_large_for_a_block_is_refused() {
        let signer = Ed25519Signer::from_seed(&[7; 32]);
        let content = Ipld::String("x".repeat(crate::MAX_BLOCK_BYTES));
        let error = tile(Some(content)).written_by(&signer, [1; 12]);
        assert_eq!(error.unwrap_err().code(), "content-too-large");
    }
}
