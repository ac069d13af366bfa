//! Bitswap between swarms in one process, honest and hostile ones.

mod books;
mod fuzz;
mod hostile;
mod swarms;

use std::time::Duration;

use libp2p::PeerId;
use tokio::time::timeout;
use web_time::Instant;

use self::hostile::{Raw, dumb, frame, garbage_frames};
use self::swarms::{Client, blocks, connect, keep, serve};
use super::message::{Entry, Message};
use super::*;

fn want(block: &Block) -> Entry {
    Entry {
        cid: *block.cid(),
        priority: 1,
        cancel: false,
        kind: WantKind::Block,
        send_dont_have: true,
    }
}

fn wants(entries: Vec<Entry>) -> Vec<u8> {
    frame(&Message {
        entries,
        ..Message::default()
    })
}

#[tokio::test]
async fn a_block_is_fetched_from_the_peer_that_has_it() {
    let all = blocks(1, 700);
    let (_, address) = serve(all.clone()).await;
    let mut client = Client::new();
    client.dial(&address).await;
    let (got, missing) = client.fetch(&all, &[]).await;
    assert_eq!(got, all);
    assert!(missing.is_empty());
    assert_eq!(client.counts().blocks, 1);
}

#[tokio::test]
async fn a_thousand_blocks_come_from_one_peer() {
    let all = blocks(1000, 700);
    let (_, address) = serve(all.clone()).await;
    let mut client = Client::new();
    client.dial(&address).await;
    let (mut got, missing) = client.fetch(&all, &[]).await;
    got.sort_by_key(|block| *block.cid());
    let mut expected = all;
    expected.sort_by_key(|block| *block.cid());
    assert!(got == expected && missing.is_empty());
    let counts = client.counts();
    assert_eq!((counts.blocks, counts.unasked), (1000, 0));
}

#[tokio::test]
async fn blocks_of_the_largest_size_come_through() {
    let all = blocks(40, ostrakon_protocol::MAX_BLOCK_BYTES);
    let (_, address) = serve(all.clone()).await;
    let mut client = Client::new();
    client.dial(&address).await;
    let (got, missing) = client.fetch(&all, &[]).await;
    assert!(got.len() == 40 && missing.is_empty());
}

#[tokio::test]
async fn a_block_nobody_has_is_missing_at_once() {
    let (_, address) = serve(vec![]).await;
    let mut client = Client::new();
    client.dial(&address).await;
    let start = Instant::now();
    let (got, missing) = client.fetch(&blocks(3, 10), &[]).await;
    assert!(got.is_empty() && missing.len() == 3);
    assert!(start.elapsed() < ANSWER_TIMEOUT, "DONT_HAVE is an answer");
}

#[tokio::test]
async fn without_peers_a_block_is_missing_at_once() {
    let mut client = Client::new();
    let (got, missing) = client.fetch(&blocks(1, 10), &[]).await;
    assert!(got.is_empty() && missing.len() == 1);
}

#[tokio::test]
async fn the_next_peer_is_asked_when_one_has_not_got_it() {
    let all = blocks(20, 100);
    let (empty, first) = serve(vec![]).await;
    let (_, second) = serve(all.clone()).await;
    let mut client = Client::new();
    client.dial(&first).await;
    client.dial(&second).await;
    let start = Instant::now();
    let (got, missing) = client.fetch(&all, &[empty]).await;
    assert!(got.len() == 20 && missing.is_empty());
    assert!(start.elapsed() < ANSWER_TIMEOUT);
}

#[tokio::test]
async fn a_peer_that_never_answers_does_not_keep_a_block_from_us() {
    let all = blocks(5, 100);
    let (mut silent, _received) = Raw::new();
    let first = keep(&mut silent).await;
    let silent_id = *silent.local_peer_id();
    tokio::spawn(async move { dumb(silent).await });
    let (_, second) = serve(all.clone()).await;
    let mut client = Client::new();
    client.dial(&first).await;
    client.dial(&second).await;
    let (got, missing) = client.fetch(&all, &[silent_id]).await;
    assert!(got.len() == 5 && missing.is_empty());
    assert_eq!(client.counts().unasked, 0);
}

#[tokio::test]
async fn silence_of_everyone_ends_in_missing() {
    let (mut silent, _received) = Raw::new();
    let address = keep(&mut silent).await;
    tokio::spawn(async move { dumb(silent).await });
    let mut client = Client::new();
    client.dial(&address).await;
    let start = Instant::now();
    let (got, missing) = client.fetch(&blocks(1, 100), &[]).await;
    assert!(got.is_empty() && missing.len() == 1);
    assert!(start.elapsed() >= ANSWER_TIMEOUT);
}

#[tokio::test]
async fn when_a_peer_leaves_the_next_is_asked_at_once() {
    let all = blocks(5, 100);
    let (mut leaving, mut received) = Raw::new();
    let first = keep(&mut leaving).await;
    let leaving_id = *leaving.local_peer_id();
    let task = tokio::spawn(async move { dumb(leaving).await });
    let (_, second) = serve(all.clone()).await;
    let mut client = Client::new();
    client.dial(&first).await;
    client.dial(&second).await;
    client
        .swarm
        .behaviour_mut()
        .get(all.iter().map(|block| *block.cid()), &[leaving_id]);
    client
        .run_until(async { received.recv().await.expect("the wants") })
        .await;
    task.abort();
    let start = Instant::now();
    let (got, missing) = client.collect(5).await;
    assert!(got.len() == 5 && missing.is_empty());
    assert!(start.elapsed() < ANSWER_TIMEOUT);
}

#[tokio::test]
async fn wrong_bytes_for_a_cid_never_arrive_and_the_right_ones_do() {
    let all = blocks(2, 100);
    let (right, wrong) = (all[0].clone(), all[1].clone());
    let (mut liar, mut received) = Raw::new();
    let address = keep(&mut liar).await;
    let liar_id = *liar.local_peer_id();
    let mut client = Client::new();
    connect(&mut client.swarm, &mut liar, address).await;
    let target = *client.swarm.local_peer_id();
    let (wrong_bytes, asked) = (wrong.clone(), *right.cid());
    tokio::spawn(async move {
        // Lies as soon as it is asked.
        let lie = async {
            let message = received.recv().await.expect("a want");
            assert_eq!(message.entries[0].cid, asked);
            frame(&Message {
                blocks: vec![wrong_bytes],
                ..Message::default()
            })
        };
        let bytes = hostile::run_until(&mut liar, lie).await;
        hostile::send(&mut liar, target, bytes);
        dumb(liar).await;
    });
    let (_, honest) = serve(vec![right.clone()]).await;
    client.dial(&honest).await;
    let (got, missing) = client.fetch(std::slice::from_ref(&right), &[liar_id]).await;
    assert_eq!(got, vec![right]);
    assert!(missing.is_empty());
    assert_eq!(client.counts().unasked, 1);
}

#[tokio::test]
async fn blocks_nobody_asked_for_are_dropped_and_counted() {
    let (mut pusher, _received) = Raw::new();
    let address = keep(&mut pusher).await;
    let mut client = Client::new();
    connect(&mut client.swarm, &mut pusher, address).await;
    let bytes = frame(&Message {
        blocks: blocks(10, 500),
        ..Message::default()
    });
    hostile::send(&mut pusher, *client.swarm.local_peer_id(), bytes);
    tokio::spawn(async move { dumb(pusher).await });
    client.run_while(|counts| counts.unasked < 10).await;
    assert_eq!(client.counts().blocks, 0);
}

#[tokio::test]
async fn a_peer_that_sends_bad_frames_is_disconnected_and_others_are_not() {
    let all = blocks(1, 100);
    for bytes in garbage_frames() {
        let (mut hostile, _received) = Raw::new();
        let address = keep(&mut hostile).await;
        let (_, honest) = serve(all.clone()).await;
        let mut client = Client::new();
        client.dial(&honest).await;
        connect(&mut client.swarm, &mut hostile, address).await;
        let (local, enemy) = (*client.swarm.local_peer_id(), *hostile.local_peer_id());
        for _ in 0..MAX_OFFENCES {
            hostile::send(&mut hostile, local, bytes.clone());
        }
        tokio::spawn(async move { dumb(hostile).await });
        client.run_while_connected(enemy).await;
        assert_eq!(client.counts().broken, u64::from(MAX_OFFENCES));
        let (got, _) = client.fetch(&all, &[]).await;
        assert_eq!(got, all);
    }
}

#[tokio::test]
async fn a_flood_of_wants_is_bounded_and_leaves_others_served() {
    let all = blocks(4, 100);
    let mut server = Client::new();
    let address = server.listen().await;
    let (mut flooder, mut received) = Raw::new();
    connect_to(&mut flooder, &mut server, &address).await;
    let target = *server.swarm.local_peer_id();
    // More wants than are remembered, in several messages, and none of the answers to the store ever come.
    let many: Vec<Entry> = blocks(2 * MAX_WANTS_SERVED, 8).iter().map(want).collect();
    for part in many.chunks(2048) {
        hostile::send(&mut flooder, target, wants(part.to_vec()));
    }
    let task = tokio::spawn(async move { dumb(flooder).await });
    server
        .run_while(|counts| counts.refused < MAX_WANTS_SERVED as u64)
        .await;
    assert_eq!(
        server.wanted.len(),
        MAX_ANSWERING,
        "the store sees no more than it can bear"
    );
    // What was refused is told.
    let mut refused = 0;
    while refused < MAX_WANTS_SERVED {
        let answer = server
            .run_until(async { received.recv().await.expect("an answer") })
            .await;
        refused += answer.dont_have.len();
    }
    let mut client = Client::new();
    connect_to(&mut client.swarm, &mut server, &address).await;
    server.store = all.clone();
    tokio::spawn(async move { server.serve().await });
    let (got, _) = client.fetch(&all, &[]).await;
    assert_eq!(got.len(), 4);
    task.abort();
}

#[tokio::test]
async fn a_want_is_answered_late_when_the_block_comes() {
    let all = blocks(2, 5000);
    let mut server = Client::new();
    let address = server.listen().await;
    let (mut js, mut received) = Raw::new();
    connect_to(&mut js, &mut server, &address).await;
    let target = *server.swarm.local_peer_id();
    // As js-ipfs asks: no DONT_HAVE wanted.
    let mut entries: Vec<Entry> = all.iter().map(want).collect();
    entries[0].send_dont_have = false;
    entries[1].kind = WantKind::Have;
    hostile::send(&mut js, target, wants(entries));
    tokio::spawn(async move { dumb(js).await });
    let answer = server
        .serve_until(async { received.recv().await.expect("an answer") })
        .await;
    assert_eq!(answer.dont_have, vec![*all[1].cid()]);
    for block in &all {
        server.swarm.behaviour_mut().offer(block);
    }
    let mut answers = Message::default();
    while answers.blocks.is_empty() || answers.have.is_empty() {
        let answer = server
            .serve_until(async { received.recv().await.expect("an answer") })
            .await;
        answers.blocks.extend(answer.blocks);
        answers.have.extend(answer.have);
    }
    assert_eq!(
        (answers.blocks, answers.have),
        (vec![all[0].clone()], vec![*all[1].cid()])
    );
}

#[tokio::test]
async fn a_cancelled_want_ends_without_an_event() {
    let all = blocks(2, 100);
    let (mut silent, mut received) = Raw::new();
    let address = keep(&mut silent).await;
    tokio::spawn(async move { dumb(silent).await });
    let mut client = Client::new();
    client.dial(&address).await;
    let cid = *all[0].cid();
    client.swarm.behaviour_mut().get([cid], &[]);
    let asked = client
        .run_until(async { received.recv().await.expect("a want") })
        .await;
    assert!(
        asked.full && asked.entries == vec![want(&all[0])],
        "{asked:?}"
    );
    client.swarm.behaviour_mut().cancel(&cid);
    let told = client
        .run_until(async { received.recv().await.expect("a cancel") })
        .await;
    assert!(
        !told.full
            && told.entries.len() == 1
            && told.entries[0].cancel
            && told.entries[0].cid == cid
    );
    assert!(client.blocks.is_empty() && client.missing.is_empty());
}

#[tokio::test]
async fn a_peer_without_bitswap_is_no_provider() {
    let mut deaf = swarms::swarm(libp2p::swarm::dummy::Behaviour);
    let address = keep(&mut deaf).await;
    tokio::spawn(async move { dumb(deaf).await });
    let mut client = Client::new();
    client.dial(&address).await;
    let start = Instant::now();
    let (_, missing) = client.fetch(&blocks(3, 10), &[]).await;
    assert_eq!(missing.len(), 3);
    assert!(start.elapsed() < ANSWER_TIMEOUT);
}

#[tokio::test]
async fn a_stream_that_was_idle_is_replaced() {
    let all = blocks(2, 100);
    let (_, address) = serve(all.clone()).await;
    let mut client = Client::new();
    client.dial(&address).await;
    client.fetch(&all[..1], &[]).await;
    client
        .run_until(tokio::time::sleep(
            STREAM_REUSE + Duration::from_millis(200),
        ))
        .await;
    let (got, _) = client.fetch(&all[1..], &[]).await;
    assert_eq!(got, all[1..]);
}

async fn connect_to<B: libp2p::swarm::NetworkBehaviour>(
    swarm: &mut libp2p::Swarm<B>,
    server: &mut Client,
    address: &libp2p::Multiaddr,
) where
    <B as libp2p::swarm::NetworkBehaviour>::ToSwarm: std::fmt::Debug,
{
    let dialler: PeerId = *swarm.local_peer_id();
    timeout(
        Duration::from_secs(20),
        connect(swarm, &mut server.swarm, address.clone()),
    )
    .await
    .expect("connected");
    assert!(server.swarm.is_connected(&dialler));
}
