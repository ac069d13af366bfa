//! Writing events: what a controller puts into the world, byte for byte as js-ceramic 6.11 would.
//!
//! Pure: whatever must be random is passed in. [`New`] makes init events, [`Edit`] changes to a verified [`Document`]; both
//! give an [`Unsigned`] event, which a key turns into blocks. Input is the own user's, so it is bounded by what a block holds,
//! and by what the rules say when the event is verified like everybody's: nothing here replaces that.

mod content;
mod error;
mod instance;
mod link;
mod model;
pub mod three_id;
mod tile;

use ipld_core::ipld::Ipld;

pub use content::NewContent;
pub use error::AuthorError;
pub use instance::{NewInstance, Relation};
pub use link::NewLink;
pub use model::NewModel;
pub use tile::{NewTile, TileMetadata};

use crate::event::{self, Data, Envelope, Init, Map, Signature};
use crate::jose::Ed25519Signer;
use crate::{Block, Cid, Document, StreamId, StreamType};

/// An event ready to be signed, or one that needs no signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsigned {
    payload: Block,
    signed: bool,
}

impl Unsigned {
    fn init(header: Map, content: Option<Ipld>, signed: bool) -> Result<Self, AuthorError> {
        Ok(Self {
            payload: Init::payload(header, content)?,
            signed,
        })
    }

    fn change(
        document: &Document,
        header: Option<Map>,
        data: Ipld,
        signed: bool,
    ) -> Result<Self, AuthorError> {
        let payload = Data::payload(*document.stream().init(), *document.tip(), header, data)?;
        Ok(Self { payload, signed })
    }

    /// The block to be signed; the event itself if that needs no signature.
    pub fn payload(&self) -> &Block {
        &self.payload
    }

    /// Whether the event must be signed. A deterministic or empty init event and the proof of a link must not.
    pub fn needs_signature(&self) -> bool {
        self.signed
    }

    /// Signs. Returns the blocks in CAR order, the event last.
    pub fn sign(self, signer: &Ed25519Signer) -> Result<Vec<Block>, AuthorError> {
        match self.signed {
            true => Ok(event::sign(self.payload, signer)?),
            false => Err(AuthorError::NoSignature),
        }
    }

    /// The event as this key writes it, signed if it must be: the blocks in CAR order, the event last.
    pub fn written_by(self, signer: &Ed25519Signer) -> Result<Vec<Block>, AuthorError> {
        match self.signed {
            true => self.sign(signer),
            false => Ok(self.unsigned()),
        }
    }

    /// Takes a signature that was made elsewhere over [`Unsigned::payload`]'s CID. Whether it is one, the verifier says.
    pub fn signed_by(self, signature: Signature) -> Result<Vec<Block>, AuthorError> {
        if !self.signed {
            return Err(AuthorError::NoSignature);
        }
        let envelope = Envelope {
            payload: *self.payload.cid(),
            signatures: vec![signature],
        };
        let envelope = envelope.write()?;
        Ok(vec![self.payload, envelope])
    }

    /// The event that needs no signature. Of one that does the payload alone, which no verifier takes.
    pub fn unsigned(self) -> Vec<Block> {
        vec![self.payload]
    }
}

/// What a new document is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum New {
    /// A tile.
    Tile(NewTile),
    /// The link of an account; it is its own controller.
    Caip10Link(NewLink),
    /// A model.
    Model(NewModel),
    /// An instance of a model.
    ModelInstance(NewInstance),
}

impl New {
    /// The init event. `controller` is the DID that will own the document; `unique` must be random and makes it a new one,
    /// deterministic documents go without.
    ///
    /// The document's id is that type and the CID of the event, known once it is signed.
    pub fn init(
        &self,
        controller: &str,
        unique: [u8; 12],
    ) -> Result<(StreamType, Unsigned), AuthorError> {
        if !controller.starts_with("did:") {
            return Err(AuthorError::BadController(controller.to_owned()));
        }
        Ok(match self {
            Self::Tile(tile) => (StreamType::TILE, tile.init(controller, unique)?),
            Self::Caip10Link(link) => (StreamType::CAIP10_LINK, link.init()?),
            Self::Model(model) => (StreamType::MODEL, model.init(controller)?),
            Self::ModelInstance(instance) => {
                let init = instance.init(controller, unique)?;
                (StreamType::MODEL_INSTANCE, init)
            }
        })
    }

    /// The document as its controller's key writes it: its id, and the blocks of the init event in CAR order, the event last.
    pub fn written_by(
        &self,
        signer: &Ed25519Signer,
        unique: [u8; 12],
    ) -> Result<(StreamId, Vec<Block>), AuthorError> {
        let (kind, init) = self.init(signer.did(), unique)?;
        let blocks = init.written_by(signer)?;
        let event = blocks
            .last()
            .map_or_else(Cid::default, |block| *block.cid());
        Ok((StreamId::new(kind, event), blocks))
    }
}

/// A change to what a verified document says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// What becomes of the content.
    pub change: Change,
    /// The metadata that changes: of a tile `controllers`, `family`, `schema` and `tags`, of a model instance `shouldIndex`.
    pub header: Map,
}

/// What becomes of the content.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The whole new content, of a link the proof. What is written is the difference.
    Content(NewContent),
    /// A JSON Patch, written as it is.
    Patch(Ipld),
    /// Nothing: only metadata changes.
    None,
}

impl Edit {
    /// The event that makes this change after the document's tip.
    ///
    /// An edit that changes nothing is an event all the same, as in js-ceramic.
    pub fn after(&self, document: &Document) -> Result<Unsigned, AuthorError> {
        match document.state().stream_type() {
            StreamType::TILE => tile::change(self, document),
            StreamType::CAIP10_LINK => link::change(self, document),
            StreamType::MODEL => Err(AuthorError::Final),
            StreamType::MODEL_INSTANCE => instance::change(self, document),
            other => Err(AuthorError::UnsupportedType(other)),
        }
    }
}

/// A patch is a list; what it says is judged when the event is verified.
fn patch_list(patch: &Ipld) -> Result<Ipld, AuthorError> {
    match patch {
        Ipld::List(_) => Ok(patch.clone()),
        _ => Err(AuthorError::NotAPatch),
    }
}

/// `controllers` of a header.
fn controllers(did: &str) -> (String, Ipld) {
    ("controllers".to_owned(), Ipld::List(vec![did.into()]))
}
