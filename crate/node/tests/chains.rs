//! Nodes that ask a chain about anchors: real transactions, replayed from what a real node of the chain answered.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ostrakon_node::chains::{ChainSource, ChainsConfig, Key, Pace, SourceError};
use ostrakon_node::documents::{Documents, Intent, MAX_ASKED_PER_DOCUMENT, Now, Output};
use ostrakon_node::store::Memory;
use ostrakon_protocol::anchor::AnchorAnswer;
use ostrakon_protocol::anchor::rpc::Question;
use ostrakon_protocol::event::Time;
use ostrakon_protocol::{Block, Cid, DocumentRef, Ipld, TimeStatus, car, cbor};
use serde_json::{Value, json};

use common::nodes::{LONG, Running, run, start_with, until};
use common::{Author, Vector, file, vector};

const CHAIN: &str = "eip155:1337";
const ANCHORED: &str = "eip155:1337/f(bytes32)-merkle-leaf-1 (block 9)";
const PACE: Pace = Pace {
    timeout: Duration::from_secs(5),
    pause: Duration::from_millis(10),
    attempts: 2,
};

/// A node of the chain.
struct Replay {
    answers: Value,
    asked: Cell<usize>,
    /// What it says, instead of what a transaction carries.
    lie: Option<&'static str>,
    is_down: Cell<bool>,
    is_there: RefCell<bool>,
}

impl Replay {
    fn new(lie: Option<&'static str>) -> Rc<Replay> {
        Rc::new(Replay {
            answers: file("eth-anchor")["rpcRecordings"][CHAIN].clone(),
            asked: Cell::new(0),
            lie,
            is_down: Cell::new(false),
            is_there: RefCell::new(true),
        })
    }
}

#[async_trait(?Send)]
impl ChainSource for Replay {
    fn name(&self) -> &str {
        "replay"
    }

    fn is_there(&self) -> bool {
        *self.is_there.borrow()
    }

    async fn ask(&self, question: &Question) -> Result<Value, SourceError> {
        self.asked.set(self.asked.get() + 1);
        if self.is_down.get() {
            return Err(SourceError::Unreachable("it is down".to_owned()));
        }
        let fits = |answer: &&Value| {
            answer["method"] == question.method() && answer["params"] == question.params()
        };
        let found = self.answers.as_array().unwrap().iter().find(fits);
        let mut result = found.map_or(Value::Null, |answer| answer["result"].clone());
        if let (Question::Transaction(_), Some(lie)) = (question, self.lie) {
            result["input"] = json!(lie);
        }
        Ok(result)
    }
}

fn anchored() -> Vector {
    let file = file("eth-anchor");
    let cases = file["cases"].as_array().unwrap();
    vector(cases.iter().find(|case| case["name"] == ANCHORED).unwrap())
}

async fn node(store: Memory, source: &Rc<Replay>) -> Running {
    let chains = ChainsConfig {
        sources: vec![(CHAIN.to_owned(), source.clone() as _)],
        pace: PACE,
        ..ChainsConfig::default()
    };
    start_with(store, &[], chains).await.unwrap()
}

async fn import(node: &Running, vector: &Vector) {
    let archive = car::write(&[vector.tip], &vector.blocks);
    node.node.import_car(&archive).await.unwrap();
}

/// The newest time of a document, and the block of its transaction.
fn proven(document: &ostrakon_protocol::Document) -> Option<(u64, Option<u64>)> {
    match &document.log().last()?.time {
        TimeStatus::Proven { unix, block, .. } => Some((*unix, *block)),
        _ => None,
    }
}

#[test]
fn an_anchor_is_proven_once_the_chain_answered_and_after_a_restart_without_it() {
    run(async {
        let (store, source, vector) = (Memory::default(), Replay::new(None), anchored());
        let asks = node(store.clone(), &source).await;
        let mut states = Box::pin(asks.node.follow(&vector.stream));
        import(&asks, &vector).await;
        let view = until(&mut states, |view| proven(&view.document).is_some()).await;
        let js = &vector.state["log"].as_array().unwrap().last().unwrap()["timestamp"];
        assert_eq!(proven(&view.document).map(|(unix, _)| unix), js.as_u64());
        assert_eq!(view.document.state().to_json(), vector.state);
        drop(states);
        asks.node.stop().await;

        let asked = source.asked.get();
        source.is_down.set(true);
        let again = node(store, &source).await;
        let mut states = Box::pin(again.node.follow(&vector.stream));
        until(&mut states, |view| proven(&view.document).is_some()).await;
        assert_eq!(source.asked.get(), asked);
    });
}

#[test]
fn an_anchor_whose_root_the_transaction_does_not_carry_is_dropped_and_said_so() {
    run(async {
        let (source, vector) = (Replay::new(Some("0x00")), anchored());
        let asks = node(Memory::default(), &source).await;
        let mut states = Box::pin(asks.node.follow(&vector.stream));
        import(&asks, &vector).await;
        let view = until(&mut states, |view| view.document.refused().is_some()).await;
        let refusal = view.document.refused().unwrap();
        assert_eq!(refusal.code(), "anchor-not-in-transaction");
        assert_eq!(refusal.event, Some(vector.tip));
        assert_ne!(view.document.tip(), &vector.tip);
        assert_eq!(view.document.log().len(), 2);
    });
}

#[test]
fn while_the_chain_does_not_answer_the_anchor_is_claimed_and_why_is_noted() {
    run(async {
        let (source, vector) = (Replay::new(None), anchored());
        source.is_down.set(true);
        let asks = node(Memory::default(), &source).await;
        let mut states = Box::pin(asks.node.follow(&vector.stream));
        import(&asks, &vector).await;
        let view = until(&mut states, |view| !view.doubts.is_empty()).await;
        let doubt = view.doubts.values().next().unwrap();
        assert_eq!(doubt.code(), "source-unreachable");
        assert_eq!(view.document.tip(), &vector.tip);
        // Whoever says that it may answer now is believed to try.
        source.is_down.set(false);
        asks.node.wake().await;
        until(&mut states, |view| proven(&view.document).is_some()).await;
    });
}

#[test]
fn a_wallet_that_is_connected_later_proves_what_is_held() {
    run(async {
        let (wallet, vector) = (Replay::new(None), anchored());
        *wallet.is_there.borrow_mut() = false;
        let given = wallet.clone();
        let chains = ChainsConfig {
            anywhere: Some(Rc::new(move |_| given.clone())),
            pace: PACE,
            ..ChainsConfig::default()
        };
        let asks = start_with(Memory::default(), &[], chains).await.unwrap();
        import(&asks, &vector).await;
        let reference = DocumentRef::Stream(vector.stream);
        let view = asks.node.load(&reference, LONG).await.unwrap();
        assert_eq!((proven(&view.document), wallet.asked.get()), (None, 0));
        let mut states = Box::pin(asks.node.follow(&vector.stream));
        *wallet.is_there.borrow_mut() = true;
        asks.node.wake().await;
        until(&mut states, |view| proven(&view.document).is_some()).await;
    });
}

/// A proof that names a transaction of a real kind of chain.
fn proof(root: Cid, number: u16) -> Block {
    let [high, low] = number.to_be_bytes();
    let mut hash = vec![1, 0x93, 1, 0x1b, 32, high, low];
    hash.resize(7 + 30, 0);
    let fields = [
        ("root", Ipld::Link(root)),
        ("txHash", Ipld::Link(Cid::try_from(hash).unwrap())),
        ("chainId", Ipld::String(CHAIN.to_owned())),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value)).into();
    Block::dag_cbor(cbor::encode(&Ipld::Map(fields)).unwrap()).unwrap()
}

#[test]
fn of_one_document_no_more_is_asked_about_at_once_than_is_bounded() {
    let author = Author::new(1);
    let mut blocks: HashMap<Cid, Block> = author.blocks.clone().into_iter().collect();
    let mut tip = author.tip;
    for number in 0..MAX_ASKED_PER_DOCUMENT as u16 + 44 {
        let proof = proof(tip, number);
        let time = Time::write(*author.stream.init(), tip, *proof.cid(), "").unwrap();
        tip = *time.cid();
        blocks.extend([proof, time].map(|block| (*block.cid(), block)));
    }
    let now = Now {
        ticks: Duration::ZERO,
        unix_ms: 1_000_000,
    };
    let mut documents = Documents::default();
    let mut asked = Vec::new();
    let events = (vec![tip], Arc::new(blocks));
    documents.submit(1, author.stream, events, Intent::Keep, now);
    let settle = |documents: &mut Documents, asked: &mut Vec<Key>| {
        loop {
            match documents.poll() {
                Some(Output::Open(stream)) => documents.opened(stream, Ok(None), now),
                Some(Output::Commit(stream, _)) => documents.committed(stream, Ok(()), now),
                Some(Output::Ask(key)) => asked.push(key),
                Some(_) => {}
                None if documents.is_judging() => documents.judge(now),
                None => return,
            }
        }
    };
    settle(&mut documents, &mut asked);
    assert_eq!(asked.len(), MAX_ASKED_PER_DOCUMENT);
    // One that is answered makes room for another, and none is asked about twice.
    let mined = AnchorAnswer::Mined { time: 5 };
    documents.chain_answered(asked[0].clone(), mined, now);
    settle(&mut documents, &mut asked);
    let distinct: BTreeSet<&Key> = asked.iter().collect();
    let more = MAX_ASKED_PER_DOCUMENT + 1;
    assert_eq!((asked.len(), distinct.len()), (more, more));
}
