//! Patches and events nobody would write, against documents that were good before.
//!
//! `cargo test` tries each target briefly; `cargo bolero test -p ostrakon-protocol --test fuzz_documents <name>` goes on.

mod common;

use common::world::{Tile, WORLD};
use common::{Input, inputs};
use ostrakon_protocol::document::load_commit;
use ostrakon_protocol::event::Envelope;
use ostrakon_protocol::patch::{Content, MAX_CONTENT_BYTES};
use ostrakon_protocol::{Block, CommitId, Kind, Step, Walk, cbor, json};
use serde_json::Value;

#[test]
fn a_patch_applies_within_bounds_or_changes_nothing() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("patch-dialect.json")).unwrap();
    let encode = |name: &str| -> Vec<Vec<u8>> {
        let values = cases
            .iter()
            .map(|case| json::from_json(&case[name]).unwrap());
        values.map(|value| cbor::encode(&value).unwrap()).collect()
    };
    let (contents, patches) = (encode("doc"), encode("patch"));
    bolero::check!()
        .with_type::<(Input, Input)>()
        .for_each(|(content, patch)| {
            for content in inputs(&contents, content) {
                for patch in inputs(&patches, patch) {
                    let (Ok(content), Ok(patch)) = (cbor::decode(&content), cbor::decode(&patch))
                    else {
                        continue;
                    };
                    let mut content = Content::from(content);
                    let before = content.clone();
                    match content.patch(&patch) {
                        Ok(()) => assert!(content.bytes() <= MAX_CONTENT_BYTES),
                        Err(error) => assert!(content == before && !error.code().is_empty()),
                    }
                }
            }
        });
}

/// A damaged event is another event. Heard as a tip it is refused, or it is valid; the document is sound either way.
#[test]
fn hearing_arbitrary_blocks_leaves_the_document_sound() {
    let mut tile = Tile::new();
    let init = *tile.stream.init();
    let first = tile.write(init, 1);
    let anchor = tile.anchor(first, 50, 0);
    let last = tile.write(anchor, 2);
    let mut document = tile.document();
    tile.hear(&mut document, &last);
    let samples: Vec<Vec<u8>> = tile
        .blocks
        .values()
        .map(|block| block.bytes().to_vec())
        .collect();

    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let plain = Block::dag_cbor(bytes.clone()).unwrap();
            let jose = Block::dag_jose(bytes).unwrap();
            let around = tile.blocks[&last].bytes();
            let mut around = Envelope::read(around).unwrap();
            around.payload = *plain.cid();
            let around = around.write().unwrap();
            let mut world = tile.blocks.clone();
            for block in [&plain, &jose, &around] {
                world.insert(*block.cid(), block.clone());
            }
            for tip in [&plain, &jose, &around] {
                let mut document = document.clone();
                let mut walk = Walk::new(tile.stream, *tip.cid());
                let walked = loop {
                    match walk.advance(&world, Some(&document)) {
                        Ok(Step::Done(chain)) => break Ok(chain),
                        Ok(Step::Need(cids)) => cids.iter().for_each(|cid| walk.absent(cid)),
                        Err(error) => break Err(error),
                    }
                };
                let chain = match walked {
                    Ok(chain) => chain,
                    Err(error) => {
                        assert!(!error.code().is_empty());
                        continue;
                    }
                };
                // Only the controller writes, and its key signed nothing here.
                let heard = document.hear(chain, &WORLD);
                assert!(!heard.changed || document.log().last().unwrap().kind == Kind::Time);
                assert!(document.contains(&last) && document.log().len() >= 4);
                let again =
                    load_commit(&CommitId::new(tile.stream, *document.tip()), &world, &WORLD);
                assert_eq!(again.unwrap().state(), document.state());
            }
        }
    });
}
