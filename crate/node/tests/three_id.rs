//! A 3ID of one's own, at nodes that know nothing but what others sent.

mod common;

use std::time::Duration;

use ostrakon_node::writing::{Signer as _, ThreeIdError};
use ostrakon_protocol::DocumentRef;
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::did::from_wallet::Seed;
use ostrakon_protocol::jose::Ed25519Signer;
use serde_json::json;

use common::nodes::{LONG, content, run, start_empty};

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

#[test]
fn a_wallet_without_a_3id_is_told_so() {
    run(async {
        let node = start_empty(&[]).await;
        let nobody = node.node.open_three_id(&wallet(3), Duration::ZERO).await;
        assert_eq!(code(nobody), "offline");
    });
}
