//! Whole nodes that write: what a user of the handle sees, whatever happens between the call and the network.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::oneshot;
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use libp2p::identity::Keypair;
use ostrakon_node::store::{Change, Memory, Store, StoreError};
use ostrakon_node::writing::{LocalSigner, MAX_MANY, MAX_TURNS, SignError, Signed, Signer};
use ostrakon_node::{NodeError, NodeEvent, Publication, View, WaitingFor};
use ostrakon_protocol::author::{
    self, Edit, New, NewContent, NewInstance, NewModel, NewTile, Relation, TileMetadata,
};
use ostrakon_protocol::cacao::{Answer, Asked, Capability, Moment, Proof, SessionRequest, nonce};
use ostrakon_protocol::event::Signature;
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Cid, DocumentRef, Ipld, StreamId};
use serde_json::{Value, json};

use common::hooked::{Failing, Hook, Hooked};
use common::nodes::{LONG, Running, content, run, start, start_empty, until};

fn key(seed: u8) -> LocalSigner {
    LocalSigner::new(Ed25519Signer::from_seed(&[seed; 32]))
}

fn ipld(value: Value) -> Ipld {
    NewContent::parse(&value.to_string())
        .unwrap()
        .value()
        .clone()
}

fn tile(value: Value) -> New {
    New::Tile(NewTile {
        content: Some(ipld(value)),
        ..NewTile::default()
    })
}

fn named(family: &str) -> New {
    New::Tile(NewTile {
        metadata: TileMetadata {
            family: Some(family.to_owned()),
            ..TileMetadata::default()
        },
        deterministic: true,
        ..NewTile::default()
    })
}

fn whole(value: Value) -> Edit {
    Edit {
        change: author::Change::Content(ipld(value).into()),
        header: BTreeMap::new(),
    }
}

/// Sets a field, whatever else is there.
fn set(field: &str, n: u64) -> Edit {
    let patch = json!([{ "op": "add", "path": format!("/{field}"), "value": n }]);
    Edit {
        change: author::Change::Patch(ipld(patch)),
        header: BTreeMap::new(),
    }
}

fn shown(view: &View) -> Value {
    content(&view.document)
}

async fn look(running: &Running, stream: &StreamId) -> View {
    let document = DocumentRef::Stream(*stream);
    running.node.load(&document, LONG).await.unwrap()
}

async fn waiting(running: &Running) -> Vec<StreamId> {
    let outbox = running.node.outbox().await.unwrap();
    outbox.iter().map(|waiting| waiting.stream).collect()
}

/// Until nothing waits to be published.
async fn published(running: &Running) {
    while !waiting(running).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Until a peer shows this tip.
async fn arrives(at: &Running, stream: &StreamId, tip: &Cid) {
    let mut views = Box::pin(at.node.follow(stream));
    until(&mut views, |view| view.document.tip() == tip).await;
}

#[test]
fn what_is_written_offline_is_kept_waits_and_arrives_once_a_peer_appears() {
    run(async {
        let alone = start_empty(&[]).await;
        let view = alone.node.create(&key(1), &tile(json!({ "a": 1 }))).await;
        let view = view.unwrap();
        let stream = *view.document.stream();
        assert_eq!(view.publication, Publication::Local);
        let first = *view.document.tip();
        let (signer, edit) = (key(1), whole(json!({ "a": 2 })));
        let update = alone.node.update(&signer, &stream, &edit, Some(&first));
        let view = update.await.unwrap();
        let tip = *view.document.tip();
        assert_eq!(
            (view.publication, shown(&view)),
            (Publication::Local, json!({ "a": 2 }))
        );
        let outbox = alone.node.outbox().await.unwrap();
        assert_eq!(outbox.len(), 1);
        assert_eq!((outbox[0].tip, outbox[0].why), (tip, WaitingFor::Peers));
        assert!(outbox[0].since <= view.record.updated);

        let mut events = Box::pin(alone.node.events());
        let peer = start_empty(&[]).await;
        let mut views = Box::pin(peer.node.follow(&stream));
        alone.node.dial(peer.address.clone()).await;
        let arrived = until(&mut views, |view| *view.document.tip() == tip).await;
        assert_eq!(shown(&arrived), json!({ "a": 2 }));
        assert_eq!(arrived.publication, Publication::Published);
        let seen = |event: &NodeEvent| match event {
            NodeEvent::Publication {
                stream: of,
                tip: at,
                publication,
            } => {
                assert_eq!((*of, *at), (stream, tip));
                *publication == Publication::Seen(1)
            }
            _ => false,
        };
        until(&mut events, seen).await;
        published(&alone).await;
        assert_eq!(
            look(&alone, &stream).await.publication,
            Publication::Seen(1)
        );
    });
}

/// Stands still at the n-th commit, before it or after it.
#[derive(Clone)]
struct Halting {
    left: Rc<Cell<usize>>,
    after: bool,
    halted: Rc<RefCell<Option<oneshot::Sender<()>>>>,
}

#[async_trait(?Send)]
impl Hook for Halting {
    async fn commit(&self, inner: &Memory, change: Change) -> Result<(), StoreError> {
        if self.left.get() == 0 {
            if self.after {
                inner.commit(change).await?;
            }
            if let Some(halted) = self.halted.borrow_mut().take() {
                let _ = halted.send(());
            }
            return std::future::pending().await;
        }
        self.left.set(self.left.get() - 1);
        inner.commit(change).await
    }
}

#[test]
fn killed_at_any_step_what_was_answered_is_there_and_all_that_is_there_arrives() {
    run(async {
        let mut seen = Vec::new();
        for step in 0..7 {
            for after in [false, true] {
                let (sender, halted) = oneshot::channel();
                let disk = Hooked {
                    inner: Memory::default(),
                    hook: Halting {
                        left: Rc::new(Cell::new(step)),
                        after,
                        halted: Rc::new(RefCell::new(Some(sender))),
                    },
                };
                let witness = start_empty(&[]).await;
                let writer = start(disk.clone(), &[]).await;
                let answered: Rc<RefCell<BTreeMap<StreamId, Cid>>> = Rc::default();
                let work = async {
                    let note = |view: &View| {
                        let (stream, tip) = (*view.document.stream(), *view.document.tip());
                        answered.borrow_mut().insert(stream, tip);
                    };
                    let signer = key(1);
                    let view = writer
                        .node
                        .create(&signer, &tile(json!({ "n": 0 })))
                        .await
                        .unwrap();
                    note(&view);
                    let stream = *view.document.stream();
                    note(
                        &writer
                            .node
                            .update(&signer, &stream, &set("n", 1), None)
                            .await
                            .unwrap(),
                    );
                    let more: Vec<New> = (0..5).map(|n| tile(json!({ "n": n }))).collect();
                    for view in writer.node.create_many(&signer, &more).await.unwrap() {
                        note(&view);
                    }
                    let mut views = Box::pin(witness.node.follow(&stream));
                    writer.node.dial(witness.address.clone()).await;
                    until(&mut views, |view| shown(view)["n"] == 1).await;
                    note(
                        &writer
                            .node
                            .update(&signer, &stream, &set("n", 2), None)
                            .await
                            .unwrap(),
                    );
                    until(&mut views, |view| shown(view)["n"] == 2).await;
                    std::future::pending::<()>().await;
                };
                let time = tokio::time::sleep(Duration::from_millis(700));
                tokio::select! { _ = work => {}, _ = halted => {}, _ = time => {} }
                writer.crash().await;

                let again = start(disk.inner.clone(), &[&witness]).await;
                let kept = again.node.documents().await.unwrap();
                let tips: BTreeMap<StreamId, Cid> = kept
                    .iter()
                    .map(|record| (record.stream, *record.tip()))
                    .collect();
                let answered = answered.take();
                for (stream, tip) in &answered {
                    let view = look(&again, stream).await;
                    let event = view.document.contains(tip);
                    assert!(event, "step {step}, {after}: what was answered is there");
                }
                assert!(
                    [0, 1, 6].contains(&tips.len()),
                    "all or none: {}",
                    tips.len()
                );
                for (stream, tip) in &tips {
                    arrives(&witness, stream, tip).await;
                }
                published(&again).await;
                let on_disk = disk.inner.outbox().now_or_never().unwrap().unwrap();
                assert!(on_disk.len() <= 1, "what was seen waits no more on disk");
                seen.push((tips.len(), answered.len()));
                again.crash().await;
                witness.crash().await;
            }
        }
        // Before anything, between the commit and the answer, in the middle, and at the end.
        assert_eq!((seen.first(), seen.get(1)), (Some(&(0, 0)), Some(&(1, 0))));
        assert_eq!(seen.last(), Some(&(6, 6)));
    });
}

#[test]
fn calls_at_once_come_one_after_the_other_and_lose_nothing() {
    run(async {
        let running = start_empty(&[]).await;
        let (signer, node) = (key(1), &running.node);
        let view = node.create(&signer, &tile(json!({}))).await.unwrap();
        let stream = *view.document.stream();
        let edits: Vec<(Edit, u64)> = (0..20).map(|n| (set(&format!("f{n}"), n), n)).collect();
        let updates = edits
            .iter()
            .map(|(edit, _)| node.update(&signer, &stream, edit, None));
        let mut heights = Vec::new();
        for view in join_all(updates).await {
            heights.push(view.unwrap().document.log().len());
        }
        assert_eq!(
            heights,
            (2..22).collect::<Vec<_>>(),
            "in the order of the calls"
        );
        let view = look(&running, &stream).await;
        assert_eq!(view.document.tips().len(), 1, "no branches");
        let shown = shown(&view);
        assert!((0..20).all(|n| shown[format!("f{n}")] == n));
        // No more than so many wait.
        let edit = set("x", 1);
        let crowd = (0..MAX_TURNS + 10).map(|_| node.update(&signer, &stream, &edit, None));
        let outcomes = join_all(crowd).await;
        let busy = |one: &&Result<View, NodeError>| matches!(one, Err(NodeError::Busy));
        assert_eq!(outcomes.iter().filter(busy).count(), 9);
        assert_eq!(
            outcomes.iter().filter(|one| one.is_ok()).count(),
            MAX_TURNS + 1
        );
    });
}

#[test]
fn a_base_that_is_not_the_tip_is_stale_and_nothing_is_written() {
    run(async {
        let running = start_empty(&[]).await;
        let (signer, node) = (key(1), &running.node);
        let view = node
            .create(&signer, &tile(json!({ "a": 0 })))
            .await
            .unwrap();
        let (stream, base) = (*view.document.stream(), *view.document.tip());
        let (one, two) = (whole(json!({ "a": 1 })), whole(json!({ "a": 2 })));
        let (first, second) = futures::join!(
            node.update(&signer, &stream, &one, Some(&base)),
            node.update(&signer, &stream, &two, Some(&base)),
        );
        let tip = *first.unwrap().document.tip();
        match second {
            Err(NodeError::Stale { tip: now }) => assert_eq!(*now.commit(), tip),
            other => panic!("{other:?}"),
        }
        let view = look(&running, &stream).await;
        assert_eq!(
            (view.document.tips(), shown(&view)),
            (vec![tip], json!({ "a": 1 }))
        );
        let unknown = *key_document(9).await.document.stream();
        let error = node
            .update(&signer, &unknown, &one, None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "not-kept");
    });
}

/// A document of somebody elsewhere.
async fn key_document(seed: u8) -> View {
    let elsewhere = start_empty(&[]).await;
    let made = elsewhere.node.create(&key(seed), &tile(json!({}))).await;
    made.unwrap()
}

/// A wallet: says that it is asked, and does as the test says.
struct Wallet {
    key: LocalSigner,
    asked: Cell<usize>,
    answers: RefCell<Vec<oneshot::Receiver<Result<(), SignError>>>>,
}

impl Wallet {
    fn new(answers: Vec<oneshot::Receiver<Result<(), SignError>>>) -> Wallet {
        Wallet {
            key: key(1),
            asked: Cell::new(0),
            answers: RefCell::new(answers),
        }
    }
}

#[async_trait(?Send)]
impl Signer for Wallet {
    fn controller(&self) -> &str {
        self.key.controller()
    }

    async fn sign(&self, payload: &Cid) -> Result<Signed, SignError> {
        self.asked.set(self.asked.get() + 1);
        let answer = self.answers.borrow_mut().pop();
        if let Some(answer) = answer {
            answer.await.expect("the test answers")?;
        }
        self.key.sign(payload).await
    }
}

#[test]
fn while_a_wallet_is_asked_the_document_is_read_and_what_arrives_is_not_overwritten() {
    run(async {
        let other = start_empty(&[]).await;
        let running = start_empty(&[&other]).await;
        let node = &running.node;
        let view = node
            .create(&key(1), &tile(json!({ "a": 0 })))
            .await
            .unwrap();
        let (stream, base) = (*view.document.stream(), *view.document.tip());
        arrives(&other, &stream, &base).await;
        for named in [true, false] {
            let base = *look(&running, &stream).await.document.tip();
            let (sign, answer) = oneshot::channel();
            let wallet = Wallet::new(vec![answer]);
            let edit = set("b", 1);
            let update = node.update(&wallet, &stream, &edit, named.then_some(&base));
            let meanwhile = async {
                while wallet.asked.get() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                // Reading goes on, and so does the network.
                assert_eq!(look(&running, &stream).await.document.tip(), &base);
                let (signer, edit) = (key(1), set(&format!("c{named}"), 1));
                let theirs = other
                    .node
                    .update(&signer, &stream, &edit, None)
                    .await
                    .unwrap();
                let tip = *theirs.document.tip();
                arrives(&running, &stream, &tip).await;
                sign.send(Ok(())).unwrap();
                tip
            };
            let (update, tip) = futures::join!(update, meanwhile);
            match (named, update) {
                (true, Err(NodeError::Stale { tip: now })) => {
                    assert_eq!((*now.commit(), wallet.asked.get()), (tip, 1));
                    let view = look(&running, &stream).await;
                    assert_eq!(
                        (view.document.tips(), &shown(&view)["b"]),
                        (vec![tip], &Value::Null)
                    );
                }
                (false, Ok(view)) => {
                    // Composed anew, after what came.
                    assert_eq!(wallet.asked.get(), 2);
                    let expected = json!({ "a": 0, "b": 1, "cfalse": 1, "ctrue": 1 });
                    assert_eq!(shown(&view), expected);
                    assert_eq!(view.document.tips().len(), 1);
                }
                (named, outcome) => panic!("{named}: {outcome:?}"),
            }
        }
    });
}

/// Signs with another key than it says.
struct Forger(LocalSigner);

#[async_trait(?Send)]
impl Signer for Forger {
    fn controller(&self) -> &str {
        self.0.controller()
    }

    async fn sign(&self, payload: &Cid) -> Result<Signed, SignError> {
        let signed = self.0.sign(payload).await?;
        let mut signature = signed.envelope.signature.to_vec();
        signature[0] ^= 1;
        Ok(Signed {
            envelope: Signature {
                signature: signature.into(),
                ..signed.envelope
            },
            capability: None,
        })
    }
}

#[test]
fn a_wallet_that_declines_or_lies_leaves_no_trace() {
    run(async {
        let running = start_empty(&[]).await;
        let node = &running.node;
        let view = node.create(&key(1), &tile(json!({}))).await.unwrap();
        let (stream, tip) = (*view.document.stream(), *view.document.tip());
        let before = node.outbox().await.unwrap();
        let declining = || {
            let (sign, answer) = oneshot::channel();
            sign.send(Err(SignError::Rejected)).unwrap();
            Wallet::new(vec![answer])
        };
        let forger = Forger(key(1));
        let tiles = [tile(json!({})), tile(json!({}))];
        let outcomes = [
            (
                node.create(&declining(), &tiles[0]).await.map(drop),
                "sign-rejected",
            ),
            (
                node.create_many(&declining(), &tiles).await.map(drop),
                "sign-rejected",
            ),
            (
                node.update(&declining(), &stream, &set("a", 1), None)
                    .await
                    .map(drop),
                "sign-rejected",
            ),
            (
                node.create(&forger, &tiles[0]).await.map(drop),
                "jws-signature",
            ),
            (
                node.create_many(&forger, &tiles).await.map(drop),
                "jws-signature",
            ),
            (
                node.update(&forger, &stream, &set("a", 1), None)
                    .await
                    .map(drop),
                "jws-signature",
            ),
            (
                node.update(&key(2), &stream, &set("a", 1), None)
                    .await
                    .map(drop),
                "not-controller",
            ),
        ];
        for (outcome, code) in outcomes {
            assert_eq!(outcome.unwrap_err().code(), code);
        }
        let records = node.documents().await.unwrap();
        assert_eq!((records.len(), records[0].tips.clone()), (1, vec![tip]));
        assert_eq!(node.outbox().await.unwrap(), before);
        // Whoever gives up while the wallet is asked holds nobody up.
        let (_sign, answer) = oneshot::channel();
        let slow = Wallet::new(vec![answer]);
        assert!(
            node.update(&slow, &stream, &set("a", 1), None)
                .now_or_never()
                .is_none()
        );
        node.update(&key(1), &stream, &set("a", 1), None)
            .await
            .unwrap();
    });
}

fn base58(bytes: &[u8]) -> String {
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            (*digit, carry) = (carry % 58, carry / 58);
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let digits = digits
        .iter()
        .rev()
        .map(|digit| alphabet[*digit as usize] as char);
    digits.collect()
}

/// A session of a Solana account with these milliseconds left, or over since.
fn session(left: i64, resource: &str) -> LocalSigner {
    let wallet = Keypair::ed25519_from_bytes([7; 32]).unwrap();
    let account = wallet
        .clone()
        .try_into_ed25519()
        .unwrap()
        .public()
        .to_bytes();
    let account = format!(
        "solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:{}",
        base58(&account)
    );
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64;
    let day = 86_400_000;
    let begun = (now + left.min(0)) - 3 * day;
    let key = Ed25519Signer::from_seed(&[8; 32]);
    let ask = SessionRequest {
        account: Asked::Account(account.clone()),
        domain: "example.org".to_owned(),
        uri: key.did().to_owned(),
        statement: None,
        resources: vec![resource.to_owned()],
        issued_at: Moment::Unix(begun),
        expires_at: Some(Moment::Unix(now + left)),
        not_before: None,
        nonce: nonce([3; 16]),
        request_id: None,
    };
    let ask = ask.ask().unwrap();
    let signature = wallet.sign(ask.message()).unwrap();
    let proof = Proof {
        answer: Answer::Solana(&signature),
        accounts: &[],
    };
    let capability = Capability::assemble(&ask, &proof, begun).unwrap();
    LocalSigner::delegated(
        key,
        format!("did:pkh:{account}"),
        capability.block().clone(),
    )
}

#[test]
fn a_session_writes_for_its_account_until_it_is_over_and_only_what_it_may() {
    run(async {
        let running = start_empty(&[]).await;
        let node = &running.node;
        let day = 86_400_000;
        let good = session(day, "ceramic://*");
        let view = node.create(&good, &tile(json!({ "a": 1 }))).await.unwrap();
        let stream = *view.document.stream();
        let entry = view.document.log().last().unwrap();
        assert!(entry.delegated && entry.mandate().is_some());
        node.update(&good, &stream, &set("b", 2), None)
            .await
            .unwrap();
        let before = look(&running, &stream).await;
        let over = session(-2 * day, "ceramic://*");
        let elsewhere = session(
            day,
            &format!("ceramic://{}", key_document(9).await.document.stream()),
        );
        let tiles = [tile(json!({})), tile(json!({}))];
        for (signer, code) in [(over, "cacao-expired"), (elsewhere, "cacao-resources")] {
            let outcomes = [
                node.create(&signer, &tiles[0]).await.map(drop),
                node.create_many(&signer, &tiles).await.map(drop),
                node.update(&signer, &stream, &set("c", 3), None)
                    .await
                    .map(drop),
            ];
            for outcome in outcomes {
                assert_eq!(outcome.unwrap_err().code(), code);
            }
        }
        let after = look(&running, &stream).await;
        assert_eq!(after.document.tips(), before.document.tips());
        assert_eq!(node.documents().await.unwrap().len(), 1);
    });
}

#[test]
fn if_the_store_fails_nothing_is_half_made_and_the_next_try_succeeds() {
    run(async {
        let disk = Hooked::<Failing>::default();
        let running = start(disk.clone(), &[]).await;
        let (node, signer) = (&running.node, key(1));
        let view = node.create(&signer, &tile(json!({}))).await.unwrap();
        let (stream, tip) = (*view.document.stream(), *view.document.tip());
        *disk.hook.error.borrow_mut() = Some(StoreError::Full("no room".to_owned()));
        let many: Vec<New> = (0..50).map(|n| tile(json!({ "n": n }))).collect();
        let outcomes = [
            node.create(&signer, &many[0]).await.map(drop),
            node.create_many(&signer, &many).await.map(drop),
            node.update(&signer, &stream, &set("a", 1), Some(&tip))
                .await
                .map(drop),
        ];
        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().code(), "store-full");
        }
        assert_eq!(look(&running, &stream).await.document.tip(), &tip);
        assert_eq!(node.documents().await.unwrap().len(), 1);
        assert_eq!(waiting(&running).await, [stream]);
        *disk.hook.error.borrow_mut() = None;
        node.update(&signer, &stream, &set("a", 1), Some(&tip))
            .await
            .unwrap();
        assert_eq!(node.create_many(&signer, &many).await.unwrap().len(), 50);
        assert_eq!(node.documents().await.unwrap().len(), 51);
    });
}

#[test]
fn a_deterministic_document_is_made_once_and_found_again_here_and_at_peers() {
    run(async {
        let running = start_empty(&[]).await;
        let (node, signer) = (&running.node, key(1));
        let view = node.create(&signer, &named("profile")).await.unwrap();
        let stream = *view.document.stream();
        assert_eq!(view.document.log().len(), 1);
        let edit = whole(json!({ "name": "ada" }));
        let tip = *node
            .update(&signer, &stream, &edit, None)
            .await
            .unwrap()
            .document
            .tip();
        let again = node.create(&signer, &named("profile")).await.unwrap();
        assert_eq!(
            (again.document.tip(), shown(&again)),
            (&tip, json!({ "name": "ada" }))
        );
        // Another device of the same person has it from the network, and does not begin a second time.
        let device = start_empty(&[&running]).await;
        let mut events = Box::pin(device.node.events());
        until(
            &mut events,
            |event| matches!(event, NodeEvent::Status(status) if status.online),
        )
        .await;
        let there = device
            .node
            .create(&signer, &named("profile"))
            .await
            .unwrap();
        assert_eq!(
            (there.document.tip(), shown(&there)),
            (&tip, json!({ "name": "ada" }))
        );
        let more = [
            named("profile"),
            tile(json!({ "n": 1 })),
            named("other"),
            tile(json!({ "n": 2 })),
        ];
        let made = node.create_many(&signer, &more).await.unwrap();
        let shown: Vec<Value> = made.iter().map(shown).collect();
        assert_eq!(shown[0], json!({ "name": "ada" }));
        assert_eq!(
            (&shown[1]["n"], &shown[3]["n"]),
            (&json!(1), &json!(2)),
            "in the order given"
        );
        assert_eq!(made[2].document.log().len(), 1);
    });
}

#[test]
fn a_thousand_documents_in_one_call_are_all_there_and_all_arrive() {
    run(async {
        let disk = Memory::default();
        let running = start(disk.clone(), &[]).await;
        let many: Vec<New> = (0..1000).map(|n| tile(json!({ "n": n }))).collect();
        let views = running.node.create_many(&key(1), &many).await.unwrap();
        let order: Vec<Value> = views.iter().map(|view| shown(view)["n"].clone()).collect();
        assert_eq!(order, (0..1000).map(Value::from).collect::<Vec<_>>());
        assert!(
            views
                .iter()
                .all(|view| view.publication == Publication::Local)
        );
        assert_eq!(running.node.outbox().await.unwrap().len(), 1000);
        // One of them is written to before anybody has it; all survive a crash.
        let stream = *views[500].document.stream();
        running
            .node
            .update(&key(1), &stream, &set("more", 1), None)
            .await
            .unwrap();
        running.crash().await;
        let again = start(disk.clone(), &[]).await;
        assert_eq!(again.node.outbox().await.unwrap().len(), 1000);
        assert_eq!(again.node.documents().await.unwrap().len(), 1000);
        assert_eq!(shown(&look(&again, &stream).await)["more"], 1);
        // Somebody who wants some of them hears of these.
        let reader = start_empty(&[]).await;
        let wanted: Vec<StreamId> = views
            .iter()
            .step_by(100)
            .map(|view| *view.document.stream())
            .collect();
        let follows: Vec<_> = wanted
            .iter()
            .map(|stream| reader.node.follow(stream))
            .collect();
        again.node.dial(reader.address.clone()).await;
        for follow in follows {
            until(&mut Box::pin(follow), |_| true).await;
        }
        loop {
            let waiting = waiting(&again).await;
            if !wanted.iter().any(|stream| waiting.contains(stream)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let too_many = vec![tile(json!({})); MAX_MANY + 1];
        let error = again
            .node
            .create_many(&key(1), &too_many)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "too-many");
    });
}

#[test]
fn instances_of_a_model_are_made_in_one_batch_and_a_bad_one_spoils_it() {
    run(async {
        let running = start_empty(&[]).await;
        let (node, signer) = (&running.node, key(1));
        let definition = json!({
            "name": "Post", "version": "1.0", "accountRelation": { "type": "list" },
            "schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                "additionalProperties": false, "required": ["text"],
                "properties": { "text": { "type": "string", "maxLength": 20 } },
            },
        });
        let model = New::Model(NewModel {
            definition: ipld(definition),
        });
        let model = node.create(&signer, &model).await.unwrap();
        let post = |content: Value| {
            New::ModelInstance(NewInstance {
                model: *model.document.stream(),
                relation: Relation::List(ipld(content)),
                context: None,
            })
        };
        let mut posts: Vec<New> = (0..100)
            .map(|n| post(json!({ "text": format!("{n}") })))
            .collect();
        let made = node.create_many(&signer, &posts).await.unwrap();
        assert_eq!(made.len(), 100);
        assert_eq!(made[7].record.needs, [*model.document.stream()]);
        posts[50] = post(json!({ "text": 1 }));
        let error = node.create_many(&signer, &posts).await.unwrap_err();
        assert!(matches!(error, NodeError::Refused(_)), "{error:?}");
        assert_eq!(node.documents().await.unwrap().len(), 101);
    });
}

#[test]
fn a_document_with_unpublished_writes_is_forgotten_only_if_that_is_said() {
    run(async {
        let disk = Memory::default();
        let running = start(disk.clone(), &[]).await;
        let node = &running.node;
        let view = node.create(&key(1), &tile(json!({}))).await.unwrap();
        let stream = *view.document.stream();
        let error = node.forget(&stream).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("unpublished", true));
        look(&running, &stream).await;
        node.discard(&stream).await.unwrap();
        assert!(node.documents().await.unwrap().is_empty());
        assert!(waiting(&running).await.is_empty());
        assert_eq!(disk.outbox().await, Ok(Vec::new()));
        // Once somebody has it, it may go.
        let view = node.create(&key(1), &tile(json!({}))).await.unwrap();
        let stream = *view.document.stream();
        let peer = start_empty(&[&running]).await;
        arrives(&peer, &stream, view.document.tip()).await;
        published(&running).await;
        node.forget(&stream).await.unwrap();
    });
}

#[test]
fn a_write_that_loses_to_a_branch_that_comes_later_is_told() {
    run(async {
        let (one, two) = (start_empty(&[]).await, start_empty(&[]).await);
        let view = one.node.create(&key(1), &tile(json!({}))).await.unwrap();
        let stream = *view.document.stream();
        let archive = one.node.export_car(&stream).await.unwrap();
        two.node.import_car(&archive).await.unwrap();
        let (mut ours, mut theirs) = (Box::pin(one.node.events()), Box::pin(two.node.events()));
        let (a, b) = (set("a", 1), set("b", 1));
        let left = one.node.update(&key(1), &stream, &a, None).await.unwrap();
        let right = two.node.update(&key(1), &stream, &b, None).await.unwrap();
        let tips = [*left.document.tip(), *right.document.tip()];
        one.node.dial(two.address.clone()).await;
        let lost = |event: &NodeEvent| matches!(event, NodeEvent::WriteLost { .. });
        let event = tokio::select! {
            event = until(&mut ours, lost) => event,
            event = until(&mut theirs, lost) => event,
        };
        let NodeEvent::WriteLost {
            stream: of,
            event,
            tip,
        } = event
        else {
            unreachable!()
        };
        assert!(of == stream && event != tip && tips.contains(&event) && tips.contains(&tip));
        for node in [&one, &two] {
            arrives(node, &stream, &tip).await;
            assert_eq!(look(node, &stream).await.document.tips().len(), 2);
        }
        // Both are heard of, and nothing waits for ever.
        futures::join!(published(&one), published(&two));
        drop((ours.next(), theirs.next()));
    });
}
