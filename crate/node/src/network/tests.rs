//! Whole networks over libp2p's memory transport, and strangers with gossipsub alone.

use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::Transport;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::multiaddr::Protocol;
use libp2p::{noise, yamux};
use tokio::time::timeout;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn transport(keypair: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(keypair).expect("noise"))
        .multiplex(yamux::Config::default())
        .boxed()
}

fn swarm_config() -> swarm::Config {
    swarm::Config::with_executor(|task| drop(tokio::spawn(task)))
}

fn start_as(keypair: Keypair, peers: Vec<Multiaddr>, listen: Vec<Multiaddr>) -> Network {
    let transport = transport(&keypair);
    let agent = "ostrakon/test".to_owned();
    let config = NetworkConfig {
        network: "test".to_owned(),
        keypair,
        peers,
        listen,
        agent,
    };
    Network::new(config, transport, swarm_config()).expect("a network")
}

fn start(peers: Vec<Multiaddr>, listen: Vec<Multiaddr>) -> Network {
    start_as(Keypair::generate_ed25519(), peers, listen)
}

/// A free place in memory.
fn place() -> Multiaddr {
    static NEXT: AtomicU64 = AtomicU64::new(7_000_000);
    Multiaddr::empty().with(Protocol::Memory(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Runs all, until the first has said something that fits.
async fn until<T>(
    networks: &mut [&mut Network],
    mut fits: impl FnMut(NetworkEvent) -> Option<T>,
) -> T {
    let search = poll_fn(|cx| {
        while let Poll::Ready(event) = networks[0].poll(cx) {
            if let Some(found) = fits(event) {
                return Poll::Ready(found);
            }
        }
        for network in &mut networks[1..] {
            while let Poll::Ready(event) = network.poll(cx) {
                if let NetworkEvent::Wanted(wanted) = event {
                    network.answer(wanted, None);
                }
            }
        }
        Poll::Pending
    });
    timeout(LONG, search).await.expect("it happens")
}

async fn run(networks: &mut [&mut Network], time: Duration) {
    let _ = timeout(time, until(networks, |_| None::<()>)).await;
}

fn update(number: u64) -> Message {
    let tip = Block::dag_cbor(number.to_be_bytes().to_vec()).expect("a block");
    let stream = "kjzl6cwe1jw1471qi6dcndez69tpris7m5hgfsncbn58oxjnimvmwsu56u4c9dy"
        .parse()
        .expect("a StreamID");
    Message::Update {
        stream,
        tip: *tip.cid(),
        model: None,
    }
}

#[tokio::test]
async fn what_is_published_before_anyone_listens_is_heard_when_they_do() {
    let address = place();
    let mut listener = start(vec![], vec![address.clone()]);
    let mut caller = start(vec![address], vec![]);
    let said = update(1);
    caller.publish(&said).expect("published");
    let id = caller.peer_id();
    let heard = until(&mut [&mut listener, &mut caller], |event| match event {
        NetworkEvent::Heard {
            from,
            source,
            message,
        } => Some((from, source, message)),
        _ => None,
    })
    .await;
    assert_eq!(heard, (id, id, said));
}

#[tokio::test]
async fn peers_are_known_by_address_name_and_round_trip() {
    let address = place();
    let mut listener = start(vec![], vec![address.clone()]);
    let mut caller = start(vec![address.clone()], vec![]);
    let known = until(&mut [&mut caller, &mut listener], |event| match event {
        NetworkEvent::PeerChanged(info) if info.agent.is_some() && info.rtt.is_some() => Some(info),
        _ => None,
    })
    .await;
    assert_eq!(
        (known.peer, known.address.clone()),
        (listener.peer_id(), address)
    );
    assert_eq!(known.agent.as_deref(), Some("ostrakon/test"));
    assert!(caller.peers().eq([&known]) && caller.is_online());
}

#[tokio::test]
async fn a_repeated_update_is_heard_once_and_again_when_forgotten() {
    let address = place();
    let mut listener = start(vec![], vec![address.clone()]);
    let mut caller = start(vec![address], vec![]);
    let (repeated, last) = (update(1), update(2));
    let heard = |event| match event {
        NetworkEvent::Heard { message, .. } => Some(message),
        _ => None,
    };
    caller.publish(&repeated).expect("published");
    assert_eq!(
        until(&mut [&mut listener, &mut caller], heard).await,
        repeated
    );
    caller.publish(&repeated).expect("published");
    caller.publish(&last).expect("published");
    assert_eq!(until(&mut [&mut listener, &mut caller], heard).await, last);
    let Message::Update { stream, tip, .. } = &repeated else {
        panic!("an update")
    };
    listener.unhear(stream, tip);
    caller.publish(&repeated).expect("published");
    assert_eq!(
        until(&mut [&mut listener, &mut caller], heard).await,
        repeated
    );
}

#[tokio::test]
async fn a_configured_peer_that_comes_late_is_found_at_once_after_a_wake() {
    let address = place();
    let mut caller = start(vec![address.clone()], vec![]);
    until(&mut [&mut caller], |event| {
        matches!(event, NetworkEvent::DialFailed { .. }).then_some(())
    })
    .await;
    assert!(!caller.is_online());
    let mut listener = start(vec![], vec![address]);
    run(&mut [&mut listener], Duration::from_millis(10)).await;
    caller.wake();
    until(&mut [&mut caller, &mut listener], |event| match event {
        NetworkEvent::PeerConnected { .. } => Some(()),
        NetworkEvent::DialFailed { reason, .. } => panic!("{reason}"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_configured_peer_that_hangs_up_is_dialled_again() {
    let address = place();
    let mut listener = start(vec![], vec![address.clone()]);
    let mut caller = start(
        vec![address.with(Protocol::P2p(listener.peer_id()))],
        vec![],
    );
    let connected = |event| matches!(event, NetworkEvent::PeerConnected { .. }).then_some(());
    until(&mut [&mut caller, &mut listener], connected).await;
    while !listener.is_online() {
        run(&mut [&mut listener, &mut caller], Duration::from_millis(10)).await;
    }
    listener.disconnect(caller.peer_id());
    until(&mut [&mut caller, &mut listener], |event| {
        matches!(event, NetworkEvent::PeerDisconnected { .. }).then_some(())
    })
    .await;
    assert!(!caller.is_online());
    until(&mut [&mut caller, &mut listener], connected).await;
}

#[tokio::test]
async fn blocks_travel_and_missing_ones_are_said_to_be() {
    let address = place();
    let mut keeper = start(vec![], vec![address.clone()]);
    let mut caller = start(vec![address], vec![]);
    let connected = |event| matches!(event, NetworkEvent::PeerConnected { .. }).then_some(());
    until(&mut [&mut caller, &mut keeper], connected).await;
    let kept = Block::dag_jose(vec![1; 3000]).expect("a block");
    let absent = Block::dag_cbor(vec![2; 30]).expect("a block");
    let keeper_id = keeper.peer_id();
    caller.get([*kept.cid(), *absent.cid()], &[keeper_id]);
    let mut open = 2;
    while open > 0 {
        tokio::select! {
            event = keeper.next() => if let NetworkEvent::Wanted(wanted) = event {
                let block = Some(kept.clone()).filter(|block| *block.cid() == wanted.cid);
                keeper.answer(wanted, block);
            },
            event = caller.next() => match event {
                NetworkEvent::Block { block, from } => {
                    assert_eq!((&block, from), (&kept, keeper_id));
                    open -= 1;
                }
                NetworkEvent::Missing { cid } => {
                    assert_eq!(cid, *absent.cid());
                    open -= 1;
                }
                _ => {}
            },
        }
    }
}

#[tokio::test]
async fn more_queries_than_the_limit_are_refused() {
    let mut network = start(vec![], vec![]);
    let query = |number: u64| {
        let init = Block::dag_cbor(number.to_be_bytes().to_vec()).expect("a block");
        Message::query(StreamId::new(
            ostrakon_protocol::StreamType::TILE,
            *init.cid(),
        ))
    };
    let most = (gossip::QUERIES_PER_SECOND + gossip::QUERY_QUEUE) as u64;
    for number in 0..most {
        network.publish(&query(number)).expect("taken");
    }
    let refused = network.publish(&query(most)).expect_err("refused");
    assert_eq!(refused.code(), "network-query-limit");
}

/// A stranger with gossipsub alone, who says whatever he likes.
struct Stranger(Swarm<gossipsub::Behaviour>);

impl Stranger {
    fn new(address: &Multiaddr) -> Stranger {
        let keypair = Keypair::generate_ed25519();
        let gossip = gossipsub::Behaviour::new(
            gossipsub::MessageAuthenticity::Signed(keypair.clone()),
            gossipsub::Config::default(),
        );
        let mut gossip = gossip.expect("gossipsub");
        gossip
            .subscribe(&gossip::topic("test"))
            .expect("subscribed");
        let config = swarm_config().with_idle_connection_timeout(LONG);
        let mut swarm = Swarm::new(transport(&keypair), gossip, keypair.public().into(), config);
        swarm.dial(address.clone()).expect("a dial");
        Stranger(swarm)
    }

    fn say(&mut self, bytes: &[u8]) -> bool {
        self.0
            .behaviour_mut()
            .publish(gossip::topic("test"), bytes)
            .is_ok()
    }
}

#[tokio::test]
async fn garbage_is_not_passed_on_and_its_sender_is_ignored_in_the_end() {
    let address = place();
    let mut middle = start(vec![], vec![address.clone()]);
    let mut far = start(vec![address.clone()], vec![]);
    let mut stranger = Stranger::new(&address);
    let said = update(1).to_bytes();
    // What is well formed passes, so the road is open.
    let mut heard_by_far = Vec::new();
    let mut spoken = false;
    let start_time = Instant::now();
    while heard_by_far.is_empty() {
        assert!(start_time.elapsed() < LONG);
        tokio::select! {
            _ = stranger.0.select_next_some() => spoken = spoken || stranger.say(&said),
            _ = middle.next() => {}
            event = far.next() => if let NetworkEvent::Heard { message, .. } = event { heard_by_far.push(message) },
        }
    }
    // Then garbage.
    let mut garbage = 0;
    let stranger_id = *stranger.0.local_peer_id();
    while middle
        .swarm
        .behaviour()
        .gossip
        .peer_score(&stranger_id)
        .is_none_or(|score| score > -80.0)
    {
        assert!(start_time.elapsed() < LONG);
        garbage += 1;
        stranger.say(format!("garbage {garbage}").as_bytes());
        tokio::select! {
            _ = stranger.0.select_next_some() => {}
            _ = middle.next() => {}
            event = far.next() => if let NetworkEvent::Heard { message, .. } = event { heard_by_far.push(message) },
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    // Ignored: even what is well formed no longer passes from him, but still from others.
    stranger.say(&update(2).to_bytes());
    let pause = tokio::time::sleep(Duration::from_millis(300));
    tokio::pin!(pause);
    loop {
        tokio::select! {
            () = &mut pause => break,
            _ = stranger.0.select_next_some() => {}
            event = middle.next() => assert!(!matches!(event, NetworkEvent::Heard { .. })),
            event = far.next() => if let NetworkEvent::Heard { message, .. } = event { heard_by_far.push(message) },
        }
    }
    assert_eq!(heard_by_far, [update(1)]);
    middle.publish(&update(3)).expect("published");
    let heard = until(&mut [&mut far, &mut middle], |event| match event {
        NetworkEvent::Heard { message, .. } => Some(message),
        _ => None,
    })
    .await;
    assert_eq!(heard, update(3));
}
