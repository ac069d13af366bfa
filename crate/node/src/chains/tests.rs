use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::executor::block_on;
use ostrakon_protocol::anchor::rpc::Question;
use ostrakon_protocol::anchor::transaction::Input;
use ostrakon_protocol::anchor::{AnchorAnswer, Anchors, Sources, Transaction};
use ostrakon_protocol::{Block, Cid, Ipld, cbor};
use serde_json::{Value, json};

use super::*;
use crate::store::{Memory, Store};

/// What a source says when asked about the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// That it was mined at this time.
    Mined(u64),
    Absent,
    Pending,
    /// That its block is gone.
    Reorganised,
    OtherChain,
    /// It is not there to be asked.
    Away,
    Nothing,
    Fails,
    Nonsense,
}

struct Told {
    name: &'static str,
    /// One after another; the last again and again.
    says: RefCell<VecDeque<Says>>,
    /// How often it was asked about a transaction.
    asked: Cell<usize>,
}

impl Told {
    fn new(name: &'static str, says: impl IntoIterator<Item = Says>) -> Rc<Self> {
        Rc::new(Self {
            name,
            says: RefCell::new(says.into_iter().collect()),
            asked: Cell::new(0),
        })
    }
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter()
        .fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

const BLOCK: [u8; 32] = [8; 32];

#[async_trait(?Send)]
impl ChainSource for Told {
    fn name(&self) -> &str {
        self.name
    }

    fn is_there(&self) -> bool {
        self.says.borrow().front() != Some(&Says::Away)
    }

    async fn ask(&self, question: &Question) -> Result<Value, SourceError> {
        let says = *self.says.borrow().front().unwrap();
        match (question, says) {
            (Question::ChainId, Says::OtherChain) => Ok(json!("0x2")),
            (Question::ChainId, _) => Ok(json!("0x1")),
            (Question::Transaction(hash), says) => {
                self.asked.set(self.asked.get() + 1);
                if matches!(says, Says::Fails) && self.says.borrow().len() > 1 {
                    self.says.borrow_mut().pop_front();
                }
                match says {
                    Says::Absent => Ok(Value::Null),
                    Says::Nothing => std::future::pending().await,
                    Says::Fails => Err(SourceError::Unreachable("is down".to_owned())),
                    Says::Nonsense => Ok(json!({ "hash": hex([0; 32]) })),
                    Says::Pending => Ok(json!({ "hash": hex(*hash), "blockHash": null })),
                    _ => Ok(json!({
                        "hash": hex(*hash), "blockHash": hex(BLOCK), "blockNumber": "0x9", "to": null,
                        "input": "0x01",
                    })),
                }
            }
            (Question::Block(_), Says::Mined(time)) => Ok(json!({
                "hash": hex(BLOCK), "number": "0x9", "timestamp": format!("{time:#x}"),
            })),
            (Question::Block(_), _) => Ok(Value::Null),
        }
    }
}

const PACE: Pace = Pace {
    timeout: Duration::from_millis(60),
    pause: Duration::from_millis(5),
    attempts: 3,
};

fn panel(says: &[Says], quorum: Quorum) -> Outcome {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let sources = NAMES
        .iter()
        .zip(says)
        .map(|(name, says)| Told::new(name, [*says]) as _);
    let panel = Panel::new(
        "eip155:1",
        sources.collect::<Vec<_>>(),
        quorum,
        PACE.timeout,
    );
    block_on(panel.ask([7; 32]))
}

fn code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Open(doubt) => doubt.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_source_is_believed_and_named() {
    let Outcome::Mined(transaction, by) = panel(&[Says::Mined(100)], Quorum::Majority) else {
        panic!("not mined");
    };
    assert_eq!((transaction.time, transaction.block), (100, 9));
    assert_eq!(*by, ["a".into()]);
    assert_eq!(panel(&[Says::Absent], Quorum::Majority), Outcome::Absent);
}

#[test]
fn a_source_that_lies_is_outvoted_and_one_of_two_proves_nothing() {
    let honest = Says::Mined(100);
    for lie in [
        Says::Mined(99),
        Says::Absent,
        Says::Fails,
        Says::Nonsense,
        Says::Nothing,
    ] {
        let Outcome::Mined(transaction, by) = panel(&[lie, honest, honest], Quorum::Majority)
        else {
            panic!("{lie:?} was believed");
        };
        assert_eq!(transaction.time, 100);
        assert_eq!(*by, ["b".into(), "c".into()]);
        assert!(matches!(
            panel(&[lie, honest], Quorum::Majority),
            Outcome::Open(_)
        ));
    }
    let two = panel(&[Says::Mined(99), honest], Quorum::Majority);
    assert_eq!(code(&two), "chain-disagreement");
    // Even where one is said to be enough: they contradict each other.
    let one = panel(&[Says::Mined(99), honest], Quorum::AtLeast(1));
    assert_eq!(code(&one), "chain-disagreement");
    assert!(matches!(
        panel(&[Says::Fails, honest], Quorum::AtLeast(1)),
        Outcome::Mined(..)
    ));
}

#[test]
fn what_is_not_mined_for_good_is_open() {
    for (says, expected) in [
        (Says::Pending, "chain-pending"),
        (Says::Reorganised, "chain-pending"),
        (Says::Fails, "source-unreachable"),
        (Says::Nothing, "source-slow"),
        (Says::Nonsense, "rpc-other-thing"),
        (Says::OtherChain, "rpc-other-chain"),
    ] {
        assert_eq!(code(&panel(&[says], Quorum::Majority)), expected);
    }
    let few = panel(&[Says::Mined(1)], Quorum::AtLeast(2));
    assert_eq!(code(&few), "chain-too-few-sources");
    assert_eq!(code(&panel(&[], Quorum::Majority)), "chain-too-few-sources");
}

fn proof(chain: &str, byte: u8) -> Proof {
    let hash = [&[0x1b, 32][..], &[byte; 32]].concat();
    let hash = cid_of(&hash);
    let text = |text: &str| Ipld::String(text.to_owned());
    let fields = [
        ("root", Ipld::Link(hash)),
        ("txHash", Ipld::Link(hash)),
        ("chainId", text(chain)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value)).into();
    let block = Block::dag_cbor(cbor::encode(&Ipld::Map(fields)).unwrap()).unwrap();
    Proof::read(&block).unwrap()
}

fn cid_of(multihash: &[u8]) -> Cid {
    let bytes = [&[1, 0x93, 0x01][..], multihash].concat();
    Cid::try_from(bytes).unwrap()
}

fn key(byte: u8) -> Key {
    Key::of(&proof("eip155:1", byte)).unwrap()
}

fn config(source: &Rc<Told>) -> ChainsConfig {
    ChainsConfig {
        sources: vec![("eip155:1".to_owned(), source.clone() as _)],
        pace: PACE,
        ..ChainsConfig::default()
    }
}

fn next<S: Store>(asker: &mut Asker<S>) -> News {
    block_on(poll_fn(|cx| asker.poll(cx)))
}

#[test]
fn a_source_that_fails_at_first_is_asked_again() {
    let source = Told::new("a", [Says::Fails, Says::Fails, Says::Mined(5)]);
    let mut asker = Asker::new(Rc::new(Memory::default()), &config(&source));
    asker.want(key(1));
    asker.want(key(1));
    let News::Answered(answered, Outcome::Mined(..)) = next(&mut asker) else {
        panic!("not answered");
    };
    assert_eq!((answered, source.asked.get()), (key(1), 3));
    assert!(poll_fn(|cx| asker.poll(cx)).now_or_never().is_none());
}

#[test]
fn a_source_that_never_answers_is_given_up() {
    let source = Told::new("a", [Says::Nothing]);
    let mut asker = Asker::new(Rc::new(Memory::default()), &config(&source));
    asker.want(key(1));
    let News::GaveUp(_, doubt) = next(&mut asker) else {
        panic!("answered");
    };
    assert_eq!((doubt.code(), source.asked.get()), ("source-slow", 3));
    // And may be wanted again.
    asker.want(key(1));
    assert!(matches!(next(&mut asker), News::GaveUp(..)));
}

#[test]
fn what_was_answered_once_is_not_asked_again_after_a_restart_unless_more_must_agree() {
    let store = Rc::new(Memory::default());
    let source = Told::new("a", [Says::Mined(5)]);
    let mut asker = Asker::new(store.clone(), &config(&source));
    asker.want(key(1));
    assert!(matches!(
        next(&mut asker),
        News::Answered(_, Outcome::Mined(..))
    ));

    let silent = Told::new("b", [Says::Nothing]);
    let mut asker = Asker::new(store.clone(), &config(&silent));
    asker.want(key(1));
    let News::Answered(_, Outcome::Mined(transaction, by)) = next(&mut asker) else {
        panic!("not answered");
    };
    assert_eq!((transaction.time, &*by[0], silent.asked.get()), (5, "a", 0));

    let strict = ChainsConfig {
        quorum: Quorum::AtLeast(2),
        ..config(&silent)
    };
    let mut asker = Asker::new(store, &strict);
    asker.want(key(1));
    assert!(matches!(next(&mut asker), News::GaveUp(_, Doubt::TooFew)));
}

#[test]
fn only_what_was_mined_is_kept() {
    let store = Rc::new(Memory::default());
    let source = Told::new("a", [Says::Absent]);
    let mut asker = Asker::new(store.clone(), &config(&source));
    asker.want(key(1));
    assert!(matches!(
        next(&mut asker),
        News::Answered(_, Outcome::Absent)
    ));
    assert_eq!(block_on(store.answer(&key(1).to_string())), Ok(None));
}

#[test]
fn no_more_is_asked_at_once_or_waits_than_is_bounded() {
    let source = Told::new("a", [Says::Nothing]);
    let mut asker = Asker::new(Rc::new(Memory::default()), &config(&source));
    for number in 0..MAX_WAITING as u64 + 100 {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        asker.want(Key {
            chain_id: "eip155:1".into(),
            hash,
        });
    }
    // It lets others run between.
    for _ in 0..MAX_QUESTIONS * 4 {
        assert!(poll_fn(|cx| asker.poll(cx)).now_or_never().is_none());
    }
    assert_eq!(source.asked.get(), MAX_QUESTIONS);
    assert_eq!(asker.size(), MAX_WAITING);
}

#[test]
fn a_transaction_comes_back_from_disk_and_damage_is_no_transaction() {
    let transaction = Transaction {
        block: 9,
        time: 100,
        to: None,
        input: Input::new(&[3; 500]),
    };
    let by: Sources = ["a".into(), "b".into()].into();
    let bytes = kept::encode(&transaction, &by).unwrap();
    assert_eq!(kept::decode(&bytes), Some((transaction.clone(), by)));
    for end in 0..bytes.len() {
        assert_eq!(kept::decode(&bytes[..end]), None);
    }
    let wordy: Sources = ["x".repeat(kept::MAX_KEPT_BYTES).into()].into();
    assert_eq!(kept::encode(&transaction, &wordy), None);
}

#[test]
fn that_there_is_no_transaction_is_believed_for_a_while_only() {
    let mut answers = Answers::default();
    let proof = proof("eip155:1", 1);
    answers.learn(key(1), AnchorAnswer::Absent, 1_000);
    assert_eq!(answers.answer(&proof), AnchorAnswer::Absent);
    assert_eq!(answers.unknown(&proof), None);
    answers.forget_absent(1_000 + ABSENT_FOR);
    assert_eq!(answers.answer(&proof), AnchorAnswer::Unasked);
    assert_eq!(answers.unknown(&proof), Some(key(1)));
}

#[test]
fn memory_holds_a_bounded_number_of_answers_and_forgets_the_oldest() {
    let mut answers = Answers::default();
    for number in 0..=MAX_ANSWERS as u64 {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        let chain_id = "eip155:1".into();
        answers.learn(Key { chain_id, hash }, AnchorAnswer::Absent, 0);
    }
    assert_eq!(answers.len(), MAX_ANSWERS);
    assert_eq!(answers.answer(&proof("eip155:1", 0)), AnchorAnswer::Unasked);
}

#[test]
fn an_anchor_on_a_chain_of_another_network_is_refused_without_asking() {
    let answers = Answers::new(Chains::of_network("mainnet"), TimePolicy::Proven);
    let foreign = proof("eip155:100", 1);
    assert_eq!(answers.answer(&foreign), AnchorAnswer::Foreign);
    assert_eq!(answers.unknown(&foreign), None);
    assert!(answers.unknown(&proof("eip155:1", 1)).is_some());
    // Of chains of another kind nothing is known here.
    let answers = Answers::default();
    assert_eq!(answers.answer(&proof("fil:1", 1)), AnchorAnswer::Unasked);
    assert_eq!(answers.unknown(&proof("fil:1", 1)), None);
}

#[test]
fn no_majority_waits_for_a_wallet_that_is_away() {
    let Outcome::Mined(_, by) = panel(&[Says::Mined(100), Says::Away], Quorum::Majority) else {
        panic!("not mined");
    };
    assert_eq!(*by, ["a".into()]);
    let two = Quorum::AtLeast(2);
    let few = panel(&[Says::Mined(100), Says::Away], two);
    assert_eq!(code(&few), "chain-too-few-sources");
}

#[test]
fn a_wallet_is_asked_about_whatever_chain_it_is_on() {
    let wallet = Told::new("wallet", [Says::Away, Says::Mined(5)]);
    let given = wallet.clone();
    let config = ChainsConfig {
        anywhere: Some(Rc::new(move |_| given.clone())),
        pace: PACE,
        ..ChainsConfig::default()
    };
    let mut asker = Asker::new(Rc::new(Memory::default()), &config);
    asker.want(key(1));
    assert!(matches!(next(&mut asker), News::Nobody(_)));
    assert_eq!(wallet.asked.get(), 0);

    wallet.says.borrow_mut().pop_front();
    asker.want(key(1));
    let News::Answered(_, Outcome::Mined(_, by)) = next(&mut asker) else {
        panic!("not answered");
    };
    assert_eq!((&*by[0], wallet.asked.get()), ("wallet", 1));
}
