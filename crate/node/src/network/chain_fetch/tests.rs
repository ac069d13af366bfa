//! Questions and answers between swarms in one process, honest and hostile ones.

mod hostile;

use std::time::Duration;

use cid::Cid;
use futures::StreamExt;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, Transport, noise, ping, yamux};
use ostrakon_protocol::block::{Block, MAX_BLOCK_BYTES};
use ostrakon_protocol::id::{StreamId, StreamType};
use tokio::time::timeout;

use self::hostile::{Hostile, Script};
use super::*;

const LONG: Duration = Duration::from_secs(60);

pub fn swarm<B: NetworkBehaviour>(behaviour: B) -> Swarm<B> {
    let key = libp2p::identity::Keypair::generate_ed25519();
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&key).expect("noise"))
        .multiplex(yamux::Config::default())
        .boxed();
    let config = libp2p::swarm::Config::with_executor(|task| drop(tokio::spawn(task)))
        .with_idle_connection_timeout(LONG);
    Swarm::new(transport, behaviour, key.public().to_peer_id(), config)
}

/// Listens, runs on its own, and is to be found there.
async fn listen<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr {
    let anywhere = Multiaddr::empty().with(Protocol::Memory(0));
    swarm.listen_on(anywhere).expect("listens");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address;
        }
    }
}

fn block(n: usize, size: usize) -> Block {
    let mut bytes = vec![n as u8; size];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Block::dag_cbor(bytes).expect("a block")
}

fn want(n: usize) -> Want {
    Want {
        stream: StreamId::new(StreamType::TILE, *block(n, 8).cid()),
        tip: Some(*block(n, 9).cid()),
        known: vec![*block(n, 10).cid()],
    }
}

/// Parts of one answer: each block in one of its own.
fn answer(blocks: &[Block]) -> Vec<Part> {
    let tip = *blocks[0].cid();
    let mut parts: Vec<Part> = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let mut part = Part::default();
        if n == 0 {
            part.push(&Item::Begin { index: 0, tip });
        }
        part.push(&Item::Block(block.clone()));
        parts.push(part);
    }
    let end = End::Whole;
    parts[blocks.len() - 1].push(&Item::End { index: 0, end });
    parts
}

/// Answers every question with these blocks; tells how many parts left.
fn serve(
    blocks: Vec<Block>,
) -> (
    tokio::sync::watch::Receiver<usize>,
    impl Future<Output = Multiaddr>,
) {
    let (count, counted) = tokio::sync::watch::channel(0);
    let start = async move {
        let mut swarm = swarm(Behaviour::default());
        let address = listen(&mut swarm).await;
        tokio::spawn(async move {
            let mut left = std::collections::VecDeque::new();
            loop {
                let SwarmEvent::Behaviour(event) = swarm.select_next_some().await else {
                    continue;
                };
                let id = match event {
                    Event::Asked { id, .. } => {
                        left = answer(&blocks).into();
                        id
                    }
                    Event::More { id } => {
                        count.send_modify(|count| *count += 1);
                        id
                    }
                    _ => continue,
                };
                if let Some(part) = left.pop_front() {
                    let last = left.is_empty();
                    swarm.behaviour_mut().answer(id, part, last);
                }
            }
        });
        address
    };
    (counted, start)
}

/// One that asks.
struct Asker {
    swarm: Swarm<Behaviour>,
    peer: PeerId,
    asks: AskId,
}

impl Asker {
    async fn of(address: Multiaddr) -> Asker {
        let mut swarm = swarm(Behaviour::default());
        swarm.dial(address).expect("dials");
        let peer = loop {
            if let SwarmEvent::ConnectionEstablished { peer_id, .. } =
                swarm.select_next_some().await
            {
                break peer_id;
            }
        };
        Asker {
            swarm,
            peer,
            asks: 0,
        }
    }

    fn ask(&mut self) {
        self.asks += 1;
        self.swarm
            .behaviour_mut()
            .ask(self.asks, self.peer, &[want(1)]);
    }

    async fn next(&mut self) -> Event {
        let next = async {
            loop {
                if let SwarmEvent::Behaviour(event) = self.swarm.select_next_some().await {
                    return event;
                }
            }
        };
        timeout(LONG, next).await.expect("it happens")
    }

    /// Asks, reads to the end: the blocks that came, and why it ended.
    async fn fetch(&mut self) -> (Vec<Block>, Option<Refusal>) {
        self.ask();
        let mut blocks = Vec::new();
        loop {
            match self.next().await {
                Event::Part { ask, items } => {
                    blocks.extend(items.into_iter().filter_map(|item| match item {
                        Item::Block(block) => Some(block),
                        _ => None,
                    }));
                    self.swarm.behaviour_mut().go_on(ask);
                }
                Event::Ended { ask, refusal } => {
                    assert_eq!(ask, self.asks);
                    return (blocks, refusal);
                }
                _ => {}
            }
        }
    }

    async fn run(&mut self, time: Duration) {
        let _ = timeout(time, async {
            loop {
                self.swarm.select_next_some().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_answer_of_many_parts_comes_whole_and_the_stream_serves_the_next_question() {
    let blocks: Vec<Block> = (0..20).map(|n| block(n, MAX_BLOCK_BYTES)).collect();
    let (_, address) = serve(blocks.clone());
    let mut asker = Asker::of(address.await).await;
    asker.swarm.behaviour_mut().prepare(&asker.peer);
    for _ in 0..5 {
        assert_eq!(asker.fetch().await, (blocks.clone(), None));
    }
}

#[tokio::test]
async fn who_does_not_read_is_not_sent_more() {
    let blocks: Vec<Block> = (0..40).map(|n| block(n, MAX_BLOCK_BYTES)).collect();
    let (sent, address) = serve(blocks.clone());
    let mut asker = Asker::of(address.await).await;
    asker.ask();
    let Event::Part { ask, .. } = asker.next().await else {
        panic!("a part")
    };
    asker.run(Duration::from_secs(1)).await;
    // One more may be in the handler, and some on the way.
    let waiting = *sent.borrow();
    assert!(waiting < 10, "{waiting} parts of 256 KB left");
    let mut parts = 1;
    asker.swarm.behaviour_mut().go_on(ask);
    loop {
        match asker.next().await {
            Event::Part { ask, .. } => {
                parts += 1;
                asker.swarm.behaviour_mut().go_on(ask);
            }
            Event::Ended { refusal, .. } => {
                assert_eq!((parts, refusal), (blocks.len(), None));
                return;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn who_does_not_speak_the_protocol_says_so_at_once() {
    let mut other = swarm(ping::Behaviour::default());
    let address = listen(&mut other).await;
    tokio::spawn(async move {
        loop {
            other.select_next_some().await;
        }
    });
    let mut asker = Asker::of(address).await;
    let (blocks, refusal) = asker.fetch().await;
    assert_eq!((blocks.len(), refusal), (0, Some(Refusal::Unspoken)));
}

#[tokio::test]
async fn a_question_to_someone_who_is_gone_is_over_at_once() {
    let (_, address) = serve(vec![block(1, 100)]);
    let mut asker = Asker::of(address.await).await;
    asker.peer = PeerId::random();
    assert_eq!(asker.fetch().await, (vec![], Some(Refusal::Unspoken)));
}

#[tokio::test]
async fn an_answer_is_cut_off_with_its_connection() {
    let blocks: Vec<Block> = (0..40).map(|n| block(n, MAX_BLOCK_BYTES)).collect();
    let (_, address) = serve(blocks);
    let mut asker = Asker::of(address.await).await;
    asker.ask();
    assert!(matches!(asker.next().await, Event::Part { .. }));
    let _ = asker.swarm.disconnect_peer_id(asker.peer);
    let Event::Ended { refusal, .. } = asker.next().await else {
        panic!("it is over")
    };
    assert_eq!(refusal, Some(Refusal::Cut));
}

#[tokio::test]
async fn each_kind_of_bad_answer_is_refused_by_its_name() {
    let whole = |part: Part| hostile::frame(&part.into_bytes());
    let mut wrong = Part::default();
    wrong.push(&Item::Block(block(1, 100)));
    let mut wrong = whole(wrong);
    *wrong.last_mut().expect("bytes") ^= 1;
    let crumbs = [2, 0, 0].repeat(MAX_ITEMS + 1);
    let cases = [
        (wrong, Refusal::WrongHash),
        (vec![0xff, 0xff, 0xff, 0x7f], Refusal::TooLarge),
        (hostile::frame(&crumbs), Refusal::TooLarge),
        (hostile::frame(&[9]), Refusal::Malformed),
        (hostile::frame(&[1, 200]), Refusal::Malformed),
        (hostile::frame(&[2, 0, 77]), Refusal::Malformed),
        (vec![0x81, 0x00], Refusal::Malformed),
    ];
    for (bytes, refusal) in cases {
        let address = Hostile::answers(Script::Say(bytes)).await;
        let mut asker = Asker::of(address).await;
        let (blocks, why) = asker.fetch().await;
        assert_eq!((blocks.len(), why), (0, Some(refusal)));
    }
}

#[tokio::test]
async fn who_takes_a_question_and_says_nothing_is_given_up() {
    let mut asker = Asker::of(Hostile::answers(Script::Say(vec![])).await).await;
    assert_eq!(asker.fetch().await, (vec![], Some(Refusal::Silent)));
}

#[tokio::test]
async fn who_answers_a_byte_at_a_time_is_given_up() {
    let mut part = Part::default();
    part.push(&Item::Block(block(1, 10_000)));
    let drip = Script::Drip(hostile::frame(&part.into_bytes()));
    let mut asker = Asker::of(Hostile::answers(drip).await).await;
    assert_eq!(asker.fetch().await, (vec![], Some(Refusal::Slow)));
}

#[tokio::test]
async fn who_asks_for_too_much_is_disconnected_and_others_are_answered() {
    let many = |count| encode(&vec![want(1); count]);
    let mut known = encode(&[Want {
        known: vec![],
        ..want(1)
    }]);
    // A million events, of which the names would follow.
    known.pop();
    known.extend([0xc0, 0x84, 0x3d]);
    let requests = [
        many(MAX_DOCUMENTS + 1),
        known,
        vec![0xff; 10],
        vec![0x80, 0x80, 0x80, 0x01],
    ];
    let (_, address) = serve(vec![block(1, 100)]);
    let address = address.await;
    let mut honest = Asker::of(address.clone()).await;
    for request in requests {
        let framed = match request.first() {
            Some(0x80) => request,
            _ => hostile::frame(&request),
        };
        let sent = vec![framed; MAX_OFFENCES as usize];
        let gone = Hostile::asks(address.clone(), sent);
        timeout(LONG, gone).await.expect("it is disconnected");
        assert_eq!(honest.fetch().await, (vec![block(1, 100)], None));
    }
}

/// As [`encode_request`], without its bounds.
fn encode(wants: &[Want]) -> Vec<u8> {
    wants
        .iter()
        .flat_map(|want| encode_request(std::slice::from_ref(want)))
        .collect()
}

#[tokio::test]
async fn answers_to_one_peer_are_few() {
    let mut silent = swarm(Behaviour::default());
    let address = listen(&mut silent).await;
    let (asked, mut counted) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            if let SwarmEvent::Behaviour(Event::Asked { .. }) = silent.select_next_some().await {
                let _ = asked.send(());
            }
        }
    });
    let mut asker = Asker::of(address).await;
    for _ in 0..20 {
        asker.ask();
    }
    asker.run(Duration::from_secs(1)).await;
    let mut count = 0;
    while counted.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, MAX_ANSWERS_PER_PEER);
}

#[test]
fn a_request_comes_back_from_its_bytes() {
    let mut wants: Vec<Want> = (0..MAX_DOCUMENTS).map(want).collect();
    wants[3].tip = None;
    wants[4].known = (0..MAX_KNOWN).map(|n| *block(n, 11).cid()).collect();
    let bytes = encode_request(&wants);
    assert!(bytes.len() <= MAX_REQUEST_BYTES);
    assert_eq!(decode_request(&bytes), Ok(wants));
    assert_eq!(decode_request(&[]), Err(Refusal::Malformed));
}

#[test]
fn the_largest_request_is_within_its_bound() {
    let largest = Want {
        known: vec![*block(1, 11).cid(); MAX_KNOWN],
        ..want(1)
    };
    let bytes = encode_request(&vec![largest; MAX_DOCUMENTS]);
    assert!(bytes.len() <= MAX_REQUEST_BYTES, "{}", bytes.len());
}

/// The example of docs/network.md.
#[test]
fn the_bytes_are_those_of_the_documentation() {
    let hello = Block::dag_cbor(vec![0x65, b'h', b'e', b'l', b'l', b'o']).expect("a block");
    let stream = StreamId::new(StreamType::TILE, *hello.cid());
    let request = encode_request(&[Want {
        stream,
        tip: None,
        known: vec![],
    }]);
    assert_eq!(request[..4], [0x27, 0xce, 0x01, 0x00]);
    assert_eq!(request[4..40], hello.cid().to_bytes());
    assert_eq!(request[40..], [0x00, 0x00]);
}

fn items() -> Vec<Item> {
    let tip: Cid = *block(1, 100).cid();
    let ends = [
        End::Whole,
        End::Known,
        End::Unknown,
        End::NoTip,
        End::Broken,
    ];
    let ends = ends.into_iter().enumerate();
    let ends = ends.map(|(index, end)| Item::End { index, end });
    [Item::Begin { index: 300, tip }, Item::Block(block(1, 100))]
        .into_iter()
        .chain(ends)
        .collect()
}

#[test]
fn a_part_comes_back_from_its_bytes() {
    let mut part = Part::default();
    items().iter().for_each(|item| part.push(item));
    assert_eq!(Part::decode(&part.into_bytes()), Ok(items()));
}

/// What was understood can be said again, and then is understood in the same way.
fn check(bytes: &[u8]) {
    if let Ok(items) = Part::decode(bytes) {
        let mut part = Part::default();
        items.iter().for_each(|item| part.push(item));
        assert_eq!(Part::decode(&part.into_bytes()), Ok(items));
    }
    if let Ok(wants) = decode_request(bytes) {
        assert!(wants.len() <= MAX_DOCUMENTS);
        assert_eq!(decode_request(&encode_request(&wants)), Ok(wants));
    }
}

#[test]
fn any_bytes_are_understood_or_refused() {
    bolero::check!().for_each(check);
}

#[test]
fn any_damage_leaves_what_can_be_understood_or_refused() {
    let mut part = Part::default();
    items().iter().for_each(|item| part.push(item));
    let whole = [part.into_bytes(), encode_request(&[want(1), want(2)])];
    bolero::check!()
        .with_type::<(bool, Vec<(usize, u8)>, usize)>()
        .for_each(|(which, damage, end)| {
            let mut bytes = whole[usize::from(*which)].clone();
            for (place, value) in damage {
                let place = place % bytes.len();
                bytes[place] ^= value;
            }
            bytes.truncate(end % (bytes.len() + 1));
            check(&bytes);
        });
}
