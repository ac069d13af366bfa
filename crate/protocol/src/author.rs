//! Writing events: what a controller with an ed25519 key puts into the world, byte for byte as js-ceramic would.
//!
//! Pure: whatever must be random is passed in.

use data_encoding::BASE64;
use ipld_core::ipld::Ipld;

use crate::event::{Data, Envelope, EventError, Init, Map, Signature};
use crate::jose::Ed25519Signer;
use crate::{Block, Cid, StreamId, StreamType};

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
        let fields = [
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
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

/// The init event of a new tile. `unique` must be random: it makes the document a new one.
///
/// Returns the blocks in CAR order, the event last. Without content the event is one block and not signed.
pub fn tile_init(
    signer: &Ed25519Signer,
    content: Option<Ipld>,
    metadata: &TileMetadata,
    unique: [u8; 12],
) -> Result<(StreamId, Vec<Block>), EventError> {
    let mut header = metadata.header(signer.did());
    header.insert("unique".to_owned(), Ipld::String(BASE64.encode(&unique)));
    let signed = content.is_some();
    let payload = Init::payload(header, content)?;
    let (init, blocks) = if signed {
        let [payload, envelope] = sign(signer, payload)?;
        (*envelope.cid(), vec![payload, envelope])
    } else {
        (*payload.cid(), vec![payload])
    };
    Ok((StreamId::new(StreamType::TILE, init), blocks))
}

/// The init event of the one tile that this controller has for these words: who writes it again gets the same document.
///
/// js-ceramic wants a family or tags here, lest all such documents of a controller be one.
pub fn tile_deterministic(
    controller: &str,
    metadata: &TileMetadata,
) -> Result<(StreamId, Block), EventError> {
    let init = Init::payload(metadata.header(controller), None)?;
    Ok((StreamId::new(StreamType::TILE, *init.cid()), init))
}

/// A change to a tile after its event `prev`: `patch` is a JSON Patch, `header` the metadata that changes.
///
/// Returns the blocks in CAR order, the event last.
pub fn tile_update(
    signer: &Ed25519Signer,
    stream: &StreamId,
    prev: Cid,
    patch: Ipld,
    header: Map,
) -> Result<Vec<Block>, EventError> {
    let payload = Data::payload(*stream.init(), prev, Some(header), patch)?;
    Ok(sign(signer, payload)?.to_vec())
}

/// The payload and the envelope around it.
fn sign(signer: &Ed25519Signer, payload: Block) -> Result<[Block; 2], EventError> {
    let (protected, signature) = signer.sign(&payload.cid().to_bytes());
    let envelope = Envelope {
        payload: *payload.cid(),
        signatures: vec![Signature {
            protected: protected.into(),
            signature: signature.into(),
        }],
    };
    let envelope = envelope.write()?;
    Ok([payload, envelope])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;

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
        let [payload, envelope] =
            sign(&signer, Init::payload(header, Some(content)).unwrap()).unwrap();
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
        let (stream, blocks) = tile_init(&signer, None, &TileMetadata::default(), [1; 12]).unwrap();
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
        let error = tile_init(&signer, Some(content), &TileMetadata::default(), [1; 12]);
        assert_eq!(error.unwrap_err().code(), "block-too-large");
    }
}
