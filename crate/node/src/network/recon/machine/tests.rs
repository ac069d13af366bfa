use std::collections::BTreeMap;

use cid::Cid;
use ostrakon_protocol::Block;
use ostrakon_protocol::id::EventPrefix;
use proptest::prelude::*;

use super::super::frame::Decoder;
use super::super::hash::SetHash;
use super::*;

/// A node as far as one ring goes.
#[derive(Clone, Default)]
struct Side {
    ring: Ring,
    values: BTreeMap<Key, Vec<u8>>,
    interests: Vec<Interest>,
}

impl Side {
    fn new(keys: impl IntoIterator<Item = Key>, interests: Vec<Interest>) -> Side {
        let mut side = Side {
            interests,
            ..Side::default()
        };
        for key in keys {
            let value = key.iter().rev().copied().collect();
            side.keep(vec![(key, value)]);
        }
        side
    }

    fn keep(&mut self, values: Vec<(Key, Vec<u8>)>) {
        for (key, value) in values {
            self.ring.insert(&key);
            self.values.insert(key, value);
        }
    }

    fn find(&self, keys: Vec<Key>) -> Vec<(Key, Vec<u8>)> {
        let found = |key: Key| self.values.get(&key).cloned().map(|value| (key, value));
        keys.into_iter().filter_map(found).collect()
    }
}

/// Everything between two keys.
fn all() -> Vec<Interest> {
    vec![Interest {
        start: vec![],
        end: vec![0xff],
    }]
}

fn cid(number: u32) -> Cid {
    let mut bytes = vec![0x1a];
    bytes.extend(number.to_be_bytes());
    *Block::dag_cbor(bytes).unwrap().cid()
}

fn prefix(controller: u32) -> EventPrefix {
    let model = EventPrefix::of_separator(7, "model", b"some model");
    model.of_controller(&format!("did:key:z{controller}"))
}

fn key(number: u32) -> Key {
    let document = prefix(number % 5).of_document(&cid(number / 7));
    document.event(&cid(number)).into()
}

fn keys(numbers: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Key> {
    numbers.into_iter().map(key)
}

fn controllers(wanted: &[u32]) -> Vec<Interest> {
    let range = |controller: &u32| {
        let (start, end) = prefix(*controller).range();
        Interest { start, end }
    };
    wanted.iter().map(range).collect()
}

/// What a conversation cost.
#[derive(Debug, Default)]
struct Talk {
    messages: usize,
    values: usize,
}

/// Does what a machine wants, and returns what it sends.
fn turn(side: &mut Side, machine: &mut Conversation) -> Result<Vec<Message>, Refusal> {
    let mut said = Vec::new();
    while let Some(step) = machine.poll(&side.ring)? {
        match step {
            Step::Send(message) => said.push(message),
            Step::Find(keys) => machine.found(side.find(keys)),
            Step::Keep(values) => {
                assert!(values.len() <= MAX_BATCH);
                side.keep(values);
                machine.kept();
            }
            Step::Over => break,
        }
    }
    Ok(said)
}

/// Gives a side what the other said, over the wire; returns what it says to that.
fn hear(
    side: &mut Side,
    machine: &mut Conversation,
    said: Vec<Message>,
    cost: &mut Talk,
) -> Result<Vec<Message>, Refusal> {
    let kind = machine.kind();
    let mut bytes = Vec::new();
    said.iter()
        .for_each(|message| message.write(kind, &mut bytes));
    let mut decoder = Decoder::new(kind);
    let mut answers = Vec::new();
    for part in bytes.chunks(4096) {
        decoder.push(part);
        while let Some(message) = decoder.take().unwrap() {
            assert!(machine.listens());
            cost.messages += 1;
            machine.hear(message, &side.ring)?;
            answers.extend(turn(side, machine)?);
        }
    }
    Ok(answers)
}

/// Lets two sides talk until both are done or the line breaks after so many exchanges.
fn talk(one: &mut Side, two: &mut Side, breaks_after: usize) -> Result<Talk, Refusal> {
    let mut initiator = Conversation::initiate(Kind::Model, one.interests.clone(), "x".to_owned());
    let mut responder = Conversation::respond(Kind::Model, two.interests.clone());
    let mut cost = Talk::default();
    let mut said = turn(one, &mut initiator)?;
    for _ in 0..breaks_after {
        let answers = hear(two, &mut responder, said, &mut cost)?;
        said = hear(one, &mut initiator, answers, &mut cost)?;
        if initiator.is_over() && responder.is_over() {
            cost.values = initiator.counts().0 + responder.counts().0;
            return Ok(cost);
        }
    }
    Ok(cost)
}

fn wanted_by_both(one: &Side, two: &Side) -> Vec<Key> {
    let within = |interests: &[Interest], key: &Key| {
        let mut interests = interests.iter();
        interests.any(|it| it.start <= *key && *key < it.end)
    };
    let mut all: Vec<Key> = one
        .values
        .keys()
        .chain(two.values.keys())
        .cloned()
        .collect();
    all.sort();
    all.dedup();
    all.retain(|key| within(&one.interests, key) && within(&two.interests, key));
    all
}

fn has_all(side: &Side, keys: &[Key]) -> bool {
    keys.iter()
        .all(|key| side.ring.contains(key) && side.values.contains_key(key))
}

#[test]
fn a_cold_side_gets_everything_in_one_question() {
    let mut empty = Side::new([], all());
    let mut full = Side::new(keys(0..10_000), all());
    let cost = talk(&mut empty, &mut full, usize::MAX).unwrap();
    assert_eq!(empty.ring.len(), 10_000);
    // Interests, one question, the values, two answers and the farewell.
    assert_eq!(cost.messages, 10_000 + 5);
    let again = talk(&mut empty, &mut full, usize::MAX).unwrap();
    assert_eq!((again.messages, again.values), (5, 0));
}

#[test]
fn ten_thousand_keys_of_which_few_differ_cost_little() {
    let mut one = Side::new(keys((0..10_000).filter(|n| n % 1000 != 3)), all());
    let mut two = Side::new(keys((0..10_000).filter(|n| n % 1000 != 7)), all());
    let cost = talk(&mut one, &mut two, usize::MAX).unwrap();
    assert_eq!(one.ring.hash(&[], &[0xff]), two.ring.hash(&[], &[0xff]));
    assert_eq!(one.ring.len(), 10_000);
    assert!(cost.messages < 1000, "{cost:?}");
}

#[test]
fn whoever_wants_nothing_in_common_says_farewell_at_once() {
    let mut one = Side::new(keys(0..100), controllers(&[1]));
    let mut two = Side::new(keys(100..200), controllers(&[2]));
    let cost = talk(&mut one, &mut two, usize::MAX).unwrap();
    assert_eq!((cost.messages, cost.values), (3, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn after_a_conversation_both_hold_what_both_wanted_of_the_union(
        one in prop::collection::hash_set(0..600_u32, 0..400),
        two in prop::collection::hash_set(0..600_u32, 0..400),
        first in prop::sample::subsequence(vec![0, 1, 2, 3, 4], 0..=5),
        second in prop::sample::subsequence(vec![0, 1, 2, 3, 4], 0..=5),
        everything in any::<bool>(),
    ) {
        let interests = if everything { all() } else { controllers(&first) };
        let mut one = Side::new(keys(one), interests);
        let mut two = Side::new(keys(two), controllers(&second));
        let (before, theirs) = (one.values.clone(), two.values.clone());
        let wanted = wanted_by_both(&one, &two);
        talk(&mut one, &mut two, usize::MAX).unwrap();
        prop_assert!(has_all(&one, &wanted) && has_all(&two, &wanted));
        // And nobody got what was not wanted.
        for (side, had) in [(&one, &before), (&two, &theirs)] {
            prop_assert!(side.values.keys().all(|key| had.contains_key(key) || wanted.contains(key)));
        }
    }

    #[test]
    fn whatever_breaks_off_in_between_the_next_conversation_ends_it(
        one in prop::collection::hash_set(0..3000_u32, 0..900),
        two in prop::collection::hash_set(0..3000_u32, 0..900),
        breaks in prop::collection::vec(1..12_usize, 0..4),
    ) {
        let (mut one, mut two) = (Side::new(keys(one), all()), Side::new(keys(two), all()));
        let wanted = wanted_by_both(&one, &two);
        for after in breaks {
            let held = one.ring.len() + two.ring.len();
            talk(&mut one, &mut two, after).unwrap();
            prop_assert!(one.ring.len() + two.ring.len() >= held);
        }
        // Either may call.
        talk(&mut two, &mut one, usize::MAX).unwrap();
        prop_assert!(has_all(&one, &wanted) && has_all(&two, &wanted));
    }

    #[test]
    fn whatever_a_peer_says_ends_in_a_refusal_or_an_answer(
        initiates in any::<bool>(),
        said in prop::collection::vec((0..6_u8, 0..40_u32, 0..40_u32, 0..3_u64, any::<[u8; 32]>()), 0..60),
    ) {
        let mut side = Side::new(keys(0..30), all());
        let mut machine = match initiates {
            true => Conversation::initiate(Kind::Model, all(), "x".to_owned()),
            false => Conversation::respond(Kind::Model, all()),
        };
        for (what, first, last, count, hash) in said {
            let range = RangeHash {
                first: key(first),
                hash: SetHash::from_bytes(if count == 0 { &[] } else { &hash }, count).unwrap(),
                last: key(last),
            };
            let interest = Interest { start: range.first.clone(), end: range.last.clone() };
            let body = match what {
                0 => Body::InterestRequest(vec![interest]),
                1 => Body::InterestResponse(vec![interest]),
                2 => Body::RangeRequest(range),
                3 => Body::RangeResponse(vec![range]),
                4 => Body::Value(range.first, vec![1]),
                _ => Body::Finished,
            };
            if machine.hear(Message { sync_id: None, body }, &side.ring).is_err() {
                break;
            }
            if turn(&mut side, &mut machine).is_err() {
                break;
            }
        }
    }
}

/// A responder made by hand, to which everything is wanted by both.
fn responder(side: &mut Side) -> Conversation {
    let mut machine = Conversation::respond(Kind::Model, side.interests.clone());
    machine
        .hear(body(Body::InterestRequest(all())), &side.ring)
        .unwrap();
    turn(side, &mut machine).unwrap();
    machine
}

fn initiator(side: &mut Side) -> Conversation {
    let mut machine = Conversation::initiate(Kind::Model, all(), "x".to_owned());
    turn(side, &mut machine).unwrap();
    machine
        .hear(body(Body::InterestResponse(all())), &side.ring)
        .unwrap();
    turn(side, &mut machine).unwrap();
    machine
}

fn body(body: Body) -> Message {
    Message {
        sync_id: None,
        body,
    }
}

fn lie(first: Key, last: Key) -> RangeHash {
    let hash = SetHash::from_bytes(&[0xab; 32], 1 << 40).unwrap();
    RangeHash { first, hash, last }
}

#[test]
fn sums_that_are_lies_end_by_name_after_a_bounded_number_of_questions() {
    let mut side = Side::new(keys(0..500), all());
    let mut machine = initiator(&mut side);
    let (mut asked, mut most) = (0, 0);
    let refusal = loop {
        // To every question: my sum is another one, whatever yours is.
        let lies = vec![lie(key(1).min(key(2)), key(1).max(key(2))); 5];
        if let Err(refusal) = machine.hear(body(Body::RangeResponse(lies)), &side.ring) {
            break refusal;
        }
        asked += turn(&mut side, &mut machine).unwrap().len();
        most = most.max(machine.stack.len() + machine.out.len());
    };
    assert_eq!(refusal.code(), "recon-endless");
    assert!(asked <= MAX_REQUESTS && most <= MAX_STACK, "{asked} {most}");
}

#[test]
fn a_lie_that_is_answered_one_by_one_ends_as_well() {
    let mut side = Side::new([], all());
    let mut machine = initiator(&mut side);
    let mut asked = 0;
    let refusal = loop {
        let lies = vec![lie(vec![], vec![0xff])];
        if let Err(refusal) = machine.hear(body(Body::RangeResponse(lies)), &side.ring) {
            break refusal;
        }
        asked += turn(&mut side, &mut machine).unwrap().len();
    };
    assert_eq!((refusal, asked), (Refusal::Endless, MAX_REQUESTS - 1));
}

#[test]
fn endless_questions_are_refused_by_name() {
    let mut side = Side::new(keys(0..20), all());
    let mut machine = responder(&mut side);
    let question = body(Body::RangeRequest(lie(vec![], vec![0xff])));
    let mut answers = 0;
    let refusal = loop {
        if let Err(refusal) = machine.hear(question.clone(), &side.ring) {
            break refusal;
        }
        answers += turn(&mut side, &mut machine).unwrap().len();
    };
    assert_eq!((refusal, answers), (Refusal::Endless, MAX_REQUESTS));
}

#[test]
fn asking_for_everything_again_and_again_is_refused_by_name() {
    let mut side = Side::new(keys(0..2000), all());
    let mut machine = responder(&mut side);
    let nothing = RangeHash {
        first: vec![],
        hash: SetHash::default(),
        last: vec![0xff],
    };
    let question = body(Body::RangeRequest(nothing));
    let mut sent = 0;
    let refusal = loop {
        machine.hear(question.clone(), &side.ring).unwrap();
        match turn(&mut side, &mut machine) {
            Ok(said) => sent += said.len(),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code(), "recon-asks-again");
    assert!(sent <= 2 * 2000 + SPARE_VALUES + 2, "{sent}");
}

#[test]
fn whoever_does_not_read_is_not_read_from() {
    let mut side = Side::new(keys(0..2000), all());
    let mut machine = responder(&mut side);
    let question = body(Body::RangeRequest(lie(vec![], vec![0xff])));
    let mut heard = 0;
    while machine.listens() {
        machine.hear(question.clone(), &side.ring).unwrap();
        heard += 1;
    }
    assert_eq!(heard, MAX_UNSENT);
    turn(&mut side, &mut machine).unwrap();
    assert!(machine.listens());
}

#[test]
fn while_values_are_being_kept_nothing_is_read() {
    let mut side = Side::new([], all());
    let mut machine = responder(&mut side);
    for key in keys(0..MAX_BATCH as u32) {
        assert!(machine.listens());
        machine
            .hear(body(Body::Value(key, vec![1])), &side.ring)
            .unwrap();
    }
    let step = machine.poll(&side.ring).unwrap();
    assert!(matches!(step, Some(Step::Keep(values)) if values.len() == MAX_BATCH));
    assert!(!machine.listens());
    machine.kept();
    assert!(machine.listens());
    for key in keys(1000..1005) {
        let large = vec![1; MAX_BATCH_BYTES / 4];
        machine
            .hear(body(Body::Value(key, large)), &side.ring)
            .unwrap();
    }
    let step = machine.poll(&side.ring).unwrap();
    assert!(matches!(step, Some(Step::Keep(values)) if values.len() == 5));
}

#[test]
fn values_outside_the_interests_and_keys_that_are_none_are_refused() {
    let mut side = Side::new([], controllers(&[1]));
    let mut machine = responder(&mut side);
    let other = body(Body::Value(key(2), vec![1]));
    assert_eq!(machine.hear(other, &side.ring), Err(Refusal::NotWanted));
    let mut machine = responder(&mut side);
    let (fencepost, _) = prefix(1).range();
    let none = body(Body::Value(fencepost, vec![1]));
    assert_eq!(machine.hear(none, &side.ring), Err(Refusal::NotWanted));
    let mut machine = responder(&mut side);
    let wanted = body(Body::Value(key(1), vec![1]));
    assert_eq!(machine.hear(wanted, &side.ring), Ok(()));
}

#[test]
fn ranges_outside_what_was_agreed_on_or_turned_round_are_refused() {
    let mut side = Side::new(keys(0..50), controllers(&[1]));
    let (start, end) = prefix(1).range();
    let wrong = [
        (vec![], vec![0xff]),
        (end.clone(), start.clone()),
        (start.clone(), start.clone()),
        (start, [end.as_slice(), &[0]].concat()),
    ];
    for (first, last) in wrong {
        let mut machine = responder(&mut side);
        let question = body(Body::RangeRequest(lie(first, last)));
        assert_eq!(machine.hear(question, &side.ring), Err(Refusal::Range));
    }
    // A responder may not widen what the initiator wants.
    let mut machine = Conversation::initiate(Kind::Model, controllers(&[1]), "x".to_owned());
    turn(&mut side, &mut machine).unwrap();
    let wider = body(Body::InterestResponse(all()));
    assert_eq!(machine.hear(wider, &side.ring), Err(Refusal::Range));
}

#[test]
fn messages_out_of_turn_are_refused() {
    let side = Side::new([], all());
    let begins = || Conversation::respond(Kind::Model, all());
    let early = [
        Body::Finished,
        Body::Value(key(1), vec![]),
        Body::RangeRequest(lie(vec![], vec![0xff])),
        Body::RangeResponse(vec![]),
        Body::InterestResponse(vec![]),
    ];
    for early in early {
        let heard = begins().hear(body(early), &side.ring);
        assert_eq!(heard, Err(Refusal::OutOfTurn));
    }
    let mut talking = responder(&mut Side::new([], all()));
    let again = body(Body::InterestRequest(all()));
    assert_eq!(talking.hear(again, &side.ring), Err(Refusal::OutOfTurn));
    // More answers than questions.
    let mut initiator = initiator(&mut Side::new(keys(0..9), all()));
    let answer = body(Body::RangeResponse(vec![]));
    assert_eq!(initiator.hear(answer.clone(), &side.ring), Ok(()));
    assert_eq!(initiator.hear(answer, &side.ring), Err(Refusal::OutOfTurn));
}

#[test]
fn interests_that_multiply_are_refused() {
    let many: Vec<Interest> = (0..40_u8)
        .map(|n| Interest {
            start: vec![n],
            end: vec![0xff],
        })
        .collect();
    let mut machine = Conversation::respond(Kind::Model, many.clone());
    let heard = machine.hear(body(Body::InterestRequest(many)), &Ring::default());
    assert_eq!(heard, Err(Refusal::TooManyInterests));
}

#[test]
fn a_value_that_is_gone_by_now_is_left_out() {
    let mut full = Side::new(keys(0..200), all());
    full.values
        .retain(|key, _| key.last().is_some_and(|byte| byte % 2 == 0));
    let kept = full.values.len();
    let mut empty = Side::new([], all());
    talk(&mut empty, &mut full, usize::MAX).unwrap();
    assert_eq!(empty.ring.len(), kept);
}
