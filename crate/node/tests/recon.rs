//! Two nodes find out by Recon what one has and the other lacks, over real connections.

mod common;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use common::nodes::{LONG, Running, run, run_within, start_on, stranger_on};
use common::{Author, Vector, instances};
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

/// Until both keep as many documents and blocks; as long as it takes, but it must go on.
async fn until_kept(nodes: [&Running; 2], documents: u64, blocks: u64) {
    let mut last = None;
    loop {
        let (one, two) = (nodes[0].node.status().await, nodes[1].node.status().await);
        let kept = [(one.documents, one.blocks), (two.documents, two.blocks)];
        if kept == [(documents, blocks); 2] {
            return;
        }
        let (since, before) = last.unwrap_or((Instant::now(), kept));
        assert!(since.elapsed() < LONG, "it stands still: {one:?} {two:?}");
        last = Some(match before == kept {
            true => (since, kept),
            false => (Instant::now(), kept),
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn two_nodes_reconcile_ten_thousand_events() {
    const DOCUMENTS: u64 = 1000;
    const EVENTS: usize = 10;
    run_within(LONG * 20, async {
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
        let started = Instant::now();
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
        let one = start(store, &[], &[Want::All]).await;
        let mut taken = Vec::new();
        for vector in all {
            let archive = car::write(&[vector.tip], &vector.blocks);
            if one.node.import_car(&archive).await.is_ok() {
                let blocks: HashMap<Cid, Block> = vector
                    .blocks
                    .iter()
                    .map(|block| (*block.cid(), block.clone()))
                    .collect();
                let place = offer::place(NUMBER, &vector.stream, &blocks);
                assert!(place.is_some_and(|place| place.modelled));
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
            let blocks: HashMap<Cid, Block> = blocks.collect();
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
fn garbage_and_invalid_events_from_a_peer_are_not_kept_and_what_is_valid_is() {
    run(async {
        let node = start(Memory::default(), &[], &[Want::All]).await;
        let author = Author::new(9);
        let blocks: HashMap<Cid, Block> = author.blocks.clone().into_iter().collect();
        let place = offer::place(NUMBER, &author.stream, &blocks).unwrap();
        let key: Key = place.prefix.event(&author.tip).into();
        let good = car::write(&[author.tip], blocks.values());
        // Bytes of another block under this one's name.
        let mut damaged = good.clone();
        *damaged.last_mut().unwrap() ^= 1;
        // A signature that belongs to somebody else.
        let forged = common::forge(&author.stream, author.tip, 5);
        let tip = *forged.last().unwrap().cid();
        let forged = car::write(&[tip], &forged);
        let forged_key = place.prefix.event(&tip).into();
        let bad = [
            (key.clone(), b"not a CAR".to_vec()),
            (key.clone(), damaged),
            (key.clone(), forged.clone()),
            (forged_key, forged),
        ];
        for (key, value) in bad {
            let _ = offer_one(&node, key, value).await;
            assert_eq!(node.node.status().await.documents, 0);
        }
        assert_eq!(offer_one(&node, key, good).await, Ok((0, 1)));
        let kept = node.node.documents().await.unwrap();
        assert_eq!(*kept[0].tip(), author.tip);
    });
}
