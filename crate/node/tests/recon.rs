//! Two nodes find out by Recon what one has and the other lacks, over real connections.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::nodes::{LONG, Running, run, start_on, stranger_on};
use common::{Author, Vector, instances};
use libp2p::PeerId;
use ostrakon_node::Want;
use ostrakon_node::chains::ChainsConfig;
use ostrakon_node::network::recon::{Event, Interest, Key, Kind};
use ostrakon_node::network::{Network, NetworkEvent};
use ostrakon_node::store::{Change, Memory, Record, Store};
use ostrakon_protocol::{Block, Cid, StreamId, car, offer};

/// A network that Recon has a number for.
const NETWORK: &str = "local-7";
const NUMBER: u64 = 0x1_0000_0007;

async fn start(store: Memory, peers: &[&Running], wants: &[Want]) -> Running {
    let chains = ChainsConfig::default();
    let running = start_on(NETWORK, store, peers, chains).await.unwrap();
    running.node.want(wants.to_vec()).await;
    running
}

/// Puts a document into a store as if the node had kept it.
async fn put(store: &Memory, stream: StreamId, tip: Cid, events: u32, blocks: Vec<Block>) {
    let record = Record {
        stream,
        tips: vec![tip],
        events,
        bytes: blocks.iter().map(|block| block.bytes().len() as u64).sum(),
        updated: 1,
        asked: true,
        needs: Vec::new(),
    };
    store.commit(Change::Put { record, blocks }).await.unwrap();
}

/// Until both keep as many documents and blocks.
async fn until_kept(nodes: [&Running; 2], documents: u64, blocks: u64) {
    let kept = async {
        loop {
            let mut all = true;
            for running in nodes {
                let status = running.node.status().await;
                all &= (status.documents, status.blocks) == (documents, blocks);
            }
            if all {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(LONG, kept).await.is_err() {
        let (one, two) = (nodes[0].node.status().await, nodes[1].node.status().await);
        panic!("not all came: {one:?} {two:?}");
    }
}

#[test]
fn two_nodes_reconcile_ten_thousand_events() {
    const DOCUMENTS: u64 = 1000;
    const EVENTS: usize = 10;
    run(async {
        let stores = [Memory::default(), Memory::default()];
        for number in 0..DOCUMENTS {
            let mut author = Author::unique((number % 7) as u8, number);
            let mut tips = vec![(author.tip, author.all())];
            for n in 1..EVENTS {
                author.write(n as i128);
                tips.push((author.tip, author.all()));
            }
            // A third is only here, a third only there, and of the rest one has the beginning of what the other has.
            let lengths = match number % 6 {
                0 | 1 => [EVENTS, 0],
                2 | 3 => [0, EVENTS],
                4 => [EVENTS, 1 + number as usize % (EVENTS - 1)],
                _ => [1 + number as usize % (EVENTS - 1), EVENTS],
            };
            for (store, length) in stores.iter().zip(lengths) {
                if let Some((tip, blocks)) = length.checked_sub(1).map(|at| tips[at].clone()) {
                    put(store, author.stream, tip, length as u32, blocks).await;
                }
            }
        }
        let [one, two] = stores;
        let one = start(one, &[], &[Want::All]).await;
        let two = start(two, &[&one], &[Want::All]).await;
        let started = std::time::Instant::now();
        // Each event is an envelope and what it signs.
        let blocks = DOCUMENTS * EVENTS as u64 * 2;
        until_kept([&one, &two], DOCUMENTS, blocks).await;
        println!("reconciled in {:?}", started.elapsed());
    });
}

/// Model instances of js-ceramic come with their models, whoever dials.
#[test]
fn instances_of_a_model_come_with_what_judging_them_needs() {
    run(async {
        let store = Memory::default();
        let all: Vec<Vector> = instances();
        let mut models: BTreeMap<StreamId, Vec<Block>> = BTreeMap::new();
        let one = start(store, &[], &[Want::All]).await;
        let mut taken = Vec::new();
        for vector in all {
            let archive = car::write(&[vector.tip], &vector.blocks);
            if one.node.import_car(&archive).await.is_ok() {
                let blocks: std::collections::HashMap<Cid, Block> = vector
                    .blocks
                    .iter()
                    .map(|block| (*block.cid(), block.clone()))
                    .collect();
                let place = offer::place(NUMBER, &vector.stream, &blocks);
                assert!(place.is_some_and(|place| place.modelled));
                models.entry(vector.stream).or_default();
                taken.push(vector);
            }
        }
        assert!(!taken.is_empty());
        let two = start(Memory::default(), &[&one], &[Want::All]).await;
        let come = async {
            loop {
                let kept = two.node.documents().await.unwrap();
                let has = |vector: &Vector| {
                    kept.iter()
                        .any(|record| record.stream == vector.stream && *record.tip() == vector.tip)
                };
                if taken.iter().all(has) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LONG, come)
            .await
            .expect("all of them come");
    });
}

#[test]
fn only_what_an_interest_covers_is_exchanged() {
    run(async {
        let stores = [Memory::default(), Memory::default()];
        let mut authors = Vec::new();
        for seed in 1..=4 {
            let author = Author::new(seed);
            put(&stores[0], author.stream, author.tip, 1, author.all()).await;
            authors.push(author);
        }
        let did = |author: &Author| {
            let blocks = author
                .blocks
                .iter()
                .map(|(cid, block)| (*cid, block.clone()));
            let blocks: std::collections::HashMap<Cid, Block> = blocks.collect();
            let root = &blocks[author.stream.init()];
            match ostrakon_protocol::event::decode(root, &blocks) {
                Ok(ostrakon_protocol::event::Decoded::Event(ostrakon_protocol::Event::Init(
                    init,
                ))) => init.header.controllers[0].clone(),
                other => panic!("{other:?}"),
            }
        };
        let [one, two] = stores;
        let one = start(one, &[], &[Want::All]).await;
        let wants = [Want::Controller(did(&authors[1]))];
        let two = start(two, &[&one], &wants).await;
        let come = async {
            while two.node.status().await.documents == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, come).await.expect("it comes");
        // Another round goes by.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let kept = two.node.documents().await.unwrap();
        let kept: Vec<StreamId> = kept.iter().map(|record| record.stream).collect();
        assert_eq!(kept, [authors[1].stream]);
    });
}

/// A peer that offers one key and answers with whatever it likes; returns how the conversation about tiles ended.
async fn offer_one(
    node: &Running,
    key: Key,
    value: Vec<u8>,
) -> Result<(usize, usize), &'static str> {
    let mut network: Network = stranger_on(NETWORK, &[node]);
    let all = vec![Interest {
        start: Vec::new(),
        end: vec![0xff],
    }];
    network.recon().hold(Kind::Tile, &key);
    network.recon().want(Kind::Tile, all);
    let ended = async {
        loop {
            match network.next().await {
                NetworkEvent::Recon(Event::Find(talk, keys)) => {
                    let found = keys.into_iter().map(|key| (key, value.clone())).collect();
                    network.recon().found(talk, found);
                }
                NetworkEvent::Recon(Event::Keep { talk, .. }) => network.recon().kept(talk),
                NetworkEvent::Recon(Event::Over {
                    kind: Kind::Tile,
                    outcome,
                    ..
                }) => return outcome,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LONG, ended).await.expect("it ends")
}

#[test]
fn a_peer_that_sends_garbage_is_hung_up_on_and_an_invalid_event_is_not_kept() {
    run(async {
        let node = start(Memory::default(), &[], &[Want::All]).await;
        let author = Author::new(9);
        let blocks: std::collections::HashMap<Cid, Block> = author
            .blocks
            .iter()
            .map(|(cid, block)| (*cid, block.clone()))
            .collect();
        let place = offer::place(NUMBER, &author.stream, &blocks).unwrap();
        let key: Key = place.prefix.event(&author.tip).into();
        let garbage = offer_one(&node, key.clone(), b"not a CAR".to_vec()).await;
        assert!(garbage.is_err(), "{garbage:?}");
        // Bytes of another block under this one's name.
        let good = car::write(&[author.tip], blocks.values());
        let mut damaged = good.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let damaged = offer_one(&node, key.clone(), damaged).await;
        assert!(damaged.is_err(), "{damaged:?}");
        assert_eq!(node.node.status().await.documents, 0);
        // A valid event whose signature belongs to somebody else.
        let forged = common::forge(&author.stream, author.tip, 5);
        let tip = *forged.last().unwrap().cid();
        let archive = car::write(&[tip], &forged);
        let alone = offer_one(&node, place.prefix.event(&tip).into(), archive).await;
        assert_eq!(alone, Ok((0, 1)));
        assert_eq!(node.node.status().await.documents, 0);
        let taken = offer_one(&node, key, good).await;
        assert_eq!(taken, Ok((0, 1)));
        let kept = node.node.documents().await.unwrap();
        assert_eq!(*kept[0].tip(), author.tip);
        let _: PeerId = node.node.status().await.peer_id;
    });
}
