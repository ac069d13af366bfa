//! A 3ID of one's own, at nodes that know nothing but what others sent.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use ostrakon_node::chains::{ChainSource, ChainsConfig, SourceError};
use ostrakon_node::store::Memory;
use ostrakon_node::writing::{Signer as _, ThreeIdError};
use ostrakon_protocol::anchor::rpc::Question;
use ostrakon_protocol::author::three_id::is_anchored;
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::did::from_wallet::Seed;
use ostrakon_protocol::event::Time;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, DocumentRef, Ipld, StreamId, cbor};
use serde_json::{Value, json};

use common::nodes::{LONG, Running, content, run, start_empty, start_with, until};

fn wallet(number: u8) -> Seed {
    Seed::new(&[number; 32])
}

fn did(number: u8) -> String {
    Ed25519Signer::from_seed(&[number; 32]).did().to_owned()
}

fn code<T>(result: Result<T, ThreeIdError>) -> &'static str {
    result.err().unwrap().code()
}

fn note(n: u64) -> New {
    New::Tile(NewTile {
        content: Some(ostrakon_protocol::json::from_json(&json!({ "n": n })).unwrap()),
        ..NewTile::default()
    })
}

#[test]
fn two_wallets_on_two_devices_write_as_one_and_one_of_them_is_removed() {
    run(async {
        let laptop = start_empty(&[]).await;
        let id = laptop
            .node
            .create_three_id(&wallet(1), "laptop")
            .await
            .unwrap();
        laptop
            .node
            .add_wallet(&id, &wallet(2), "phone")
            .await
            .unwrap();
        let again = laptop.node.add_wallet(&id, &wallet(2), "phone").await;
        assert_eq!(code(again), "keychain-known-wallet");
        let signer = laptop.node.three_id_signer(&id).await.unwrap();
        assert_eq!(signer.controller(), id.did());
        let first = laptop.node.create(&signer, &note(1)).await.unwrap();

        // The phone has nothing but its wallet.
        let phone = start_empty(&[&laptop]).await;
        let same = phone.node.open_three_id(&wallet(2), LONG).await.unwrap();
        assert_eq!((same.did(), same.keychain()), (id.did(), id.keychain()));
        let wallets = phone.node.wallets(&same).await.unwrap();
        let mut names: Vec<_> = wallets.iter().map(|wallet| wallet.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["laptop", "phone"]);
        let signer = phone.node.three_id_signer(&same).await.unwrap();
        let second = phone.node.create(&signer, &note(2)).await.unwrap();
        for (node, view, n) in [(&phone, &first, 1), (&laptop, &second, 2)] {
            let tile = DocumentRef::Stream(*view.document.stream());
            let seen = node.node.load(&tile, LONG).await.unwrap();
            assert_eq!(seen.document.state().controller(), Some(id.did()));
            assert_eq!(content(&seen.document), json!({ "n": n }));
        }

        // The phone is lost. No anchor has shown the new keychain to be there, so the old keys are still in force.
        let mut id = id;
        let lost = did(2);
        laptop
            .node
            .rotate_three_id(&mut id, &[&lost])
            .await
            .unwrap();
        assert_eq!(id.keyring().rotations(), 1);
        assert!(!laptop.node.finish_rotation(&id).await.unwrap());
        let signer = laptop.node.three_id_signer(&id).await.unwrap();
        laptop.node.create(&signer, &note(3)).await.unwrap();
        let soon = Duration::from_millis(100);
        let removed = laptop.node.open_three_id(&wallet(2), soon).await;
        assert_eq!(code(removed), "keychain-unknown-wallet");
        let opened = laptop.node.open_three_id(&wallet(1), LONG).await.unwrap();
        assert_eq!(opened.keyring().rotations(), 1);

        // Nobody can be left out who is the last.
        let last = did(1);
        let empty = laptop.node.rotate_three_id(&mut id, &[&last]).await;
        assert_eq!(code(empty), "keychain-last-wallet");
        assert_eq!(id.keyring().rotations(), 1);
    });
}

const CHAIN: &str = "eip155:1337";

/// A chain that has whatever is sent to it, each transaction an hour after the one before; all in its first block, since the form
/// of these anchors is not valid in later ones.
#[derive(Default)]
struct Ledger(RefCell<Vec<Cid>>);

impl Ledger {
    /// Anchors the tip of a document, and hands the anchor to a node.
    async fn anchor(&self, node: &Running, stream: &StreamId) {
        let reference = DocumentRef::Stream(*stream);
        let tip = *node
            .node
            .load(&reference, LONG)
            .await
            .unwrap()
            .document
            .tip();
        self.0.borrow_mut().push(tip);
        let hash = [u8::try_from(self.0.borrow().len()).unwrap(); 32];
        let hash = Cid::new_v1(0x93, cid::multihash::Multihash::wrap(0x1b, &hash).unwrap());
        let text = |text: &str| Ipld::String(text.to_owned());
        let fields = [
            ("root", Ipld::Link(tip)),
            ("txHash", Ipld::Link(hash)),
            ("chainId", text(CHAIN)),
            ("txType", text("raw")),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        let proof = Block::dag_cbor(cbor::encode(&Ipld::Map(fields.into())).unwrap()).unwrap();
        let time = Time::write(*stream.init(), tip, *proof.cid(), "").unwrap();
        let event = *time.cid();
        node.node
            .submit(*stream, event, vec![proof, time])
            .await
            .unwrap();
        let mut views = Box::pin(node.node.follow(stream));
        until(&mut views, |view| is_anchored(&view.document)).await;
    }
}

#[async_trait(?Send)]
impl ChainSource for Ledger {
    fn name(&self) -> &str {
        "ledger"
    }

    fn is_there(&self) -> bool {
        true
    }

    async fn ask(&self, question: &Question) -> Result<Value, SourceError> {
        let hex = |bytes: &[u8]| format!("0x{}", data_encoding::HEXLOWER.encode(bytes));
        Ok(match question {
            Question::ChainId => json!("0x539"),
            Question::Transaction(hash) => {
                let root = self.0.borrow()[usize::from(hash[0]) - 1];
                let input = [&[0x0f], &root.to_bytes()[..]].concat();
                let hash = hex(hash);
                json!({ "hash": hash, "blockHash": hash, "blockNumber": "0x1", "input": hex(&input) })
            }
            Question::Block(hash) => {
                let time = 1_700_000_000 + 3_600 * u64::from(hash[0]);
                json!({ "hash": hex(hash), "number": "0x1", "timestamp": format!("{time:#x}") })
            }
        })
    }
}

#[test]
fn a_rotation_is_finished_once_its_keychain_is_anchored_and_then_the_new_keys_write() {
    run(async {
        let ledger = Rc::new(Ledger::default());
        let chains = ChainsConfig {
            sources: vec![(CHAIN.to_owned(), ledger.clone() as _)],
            ..ChainsConfig::default()
        };
        let device = start_with(Memory::default(), &[], chains).await.unwrap();
        let node = &device.node;
        let mut id = node.create_three_id(&wallet(1), "one").await.unwrap();
        node.add_wallet(&id, &wallet(2), "two").await.unwrap();
        ledger.anchor(&device, id.stream()).await;
        let old = id.keyring().latest().signing().to_owned();

        let lost = did(2);
        node.rotate_three_id(&mut id, &[&lost]).await.unwrap();
        assert!(!node.finish_rotation(&id).await.unwrap());
        ledger.anchor(&device, id.keychain()).await;
        drop(id);
        // On goes whoever is left.
        let id = node.open_three_id(&wallet(1), LONG).await.unwrap();
        assert!(node.finish_rotation(&id).await.unwrap());
        assert!(node.finish_rotation(&id).await.unwrap());
        let before = node.three_id_signer(&id).await.unwrap().kid().to_owned();
        ledger.anchor(&device, id.stream()).await;
        let signer = node.three_id_signer(&id).await.unwrap();
        assert_ne!(signer.kid(), before);
        let view = node.create(&signer, &note(1)).await.unwrap();
        assert_eq!(view.document.state().controller(), Some(id.did()));
        assert_ne!(id.keyring().latest().signing(), old);

        // The keychain stays readable, and takes another wallet by the new keys.
        node.add_wallet(&id, &wallet(3), "three").await.unwrap();
        let third = node.open_three_id(&wallet(3), LONG).await.unwrap();
        assert_eq!(third.keyring().rotations(), 1);
    });
}

#[test]
fn offline_a_3id_is_opened_by_what_is_on_disk_and_refused_by_it_at_once() {
    run(async {
        let alone = start_empty(&[]).await;
        let node = &alone.node;
        let mut id = node.create_three_id(&wallet(1), "one").await.unwrap();
        node.add_wallet(&id, &wallet(2), "two").await.unwrap();
        node.rotate_three_id(&mut id, &[&did(2)]).await.unwrap();
        let began = std::time::Instant::now();
        let same = node.open_three_id(&wallet(1), LONG).await.unwrap();
        assert_eq!(same.did(), id.did());
        let removed = node.open_three_id(&wallet(2), LONG).await;
        assert_eq!(code(removed), "keychain-unknown-wallet");
        assert!(began.elapsed() < LONG / 4, "{:?}", began.elapsed());
    });
}

#[test]
fn a_wallet_without_a_3id_is_told_so() {
    run(async {
        let node = start_empty(&[]).await;
        let nobody = node.node.open_three_id(&wallet(3), Duration::ZERO).await;
        assert_eq!(code(nobody), "offline");
    });
}
