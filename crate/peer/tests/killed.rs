//! What was acknowledged is on disk, whatever is killed at whatever moment.

#![cfg(unix)]

#[path = "common/process.rs"]
mod process;

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ostrakon_peer::running;
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::event::{self, Data, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, Ipld, StreamId, Unasked, World, car};
use process::ostrakon;
use serde_json::Value;
use tokio::task::LocalSet;

/// How often it is killed.
const KILLS: u64 = 8;
/// Documents there are to import.
const DOCUMENTS: u32 = 1500;
/// Longest time it is left alone after it acknowledged something, in milliseconds.
const LONGEST_MS: u64 = 400;

/// A document of two events in a file.
fn write(dir: &Path, number: u32) -> PathBuf {
    let signer = Ed25519Signer::from_seed(&[7; 32]);
    let mut unique = *b"killed--0000";
    unique[8..].copy_from_slice(&number.to_be_bytes());
    let content = Ipld::String(format!("document {number}"));
    let tile = New::Tile(NewTile {
        content: Some(content),
        ..NewTile::default()
    });
    let (stream, mut blocks) = tile.written_by(&signer, unique).unwrap();
    let patch = Ipld::List(Vec::new());
    let init = *stream.init();
    let payload = Data::payload(init, init, Some(Map::new()), patch).unwrap();
    let event = event::sign(payload, &signer).unwrap();
    let tip = *event.last().unwrap().cid();
    blocks.extend(event);
    let path = dir.join(format!("{number}.car"));
    std::fs::write(&path, car::write(&[tip], &blocks)).unwrap();
    path
}

/// Numbers that look random and are the same each time, so that a failure can be had again.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Runs until it is killed, some time after its first words; what it acknowledged, as lines of JSON.
fn run_and_kill(mut command: Command, wait: Duration) -> Vec<Value> {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    if let Some(Ok(first)) = lines.next() {
        said.push(first);
    }
    let ended = Arc::new(AtomicBool::new(false));
    let killer = {
        let (ended, process) = (ended.clone(), child.id());
        let at = Instant::now() + wait;
        std::thread::spawn(move || {
            while Instant::now() < at {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !ended.load(Ordering::SeqCst) {
                process::signal(process, "KILL");
            }
        })
    };
    said.extend(lines.map_while(Result::ok));
    killer.join().unwrap();
    ended.store(true, Ordering::SeqCst);
    let _ = child.wait();
    // A line that was cut off acknowledges nothing.
    said.iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[test]
fn every_acknowledged_document_is_there_and_verifies_after_many_kills() {
    let place = tempfile::tempdir().unwrap();
    let (cars, data) = (place.path().join("cars"), place.path().join("data"));
    std::fs::create_dir_all(&cars).unwrap();
    let mut left: Vec<PathBuf> = (0..DOCUMENTS).map(|number| write(&cars, number)).collect();
    let mut acknowledged: BTreeSet<StreamId> = BTreeSet::new();
    let mut state = 0x6f73_7472_616b_6f6e;
    let mut cut_off = 0;
    acknowledged.insert(process::create(&data).parse().unwrap());
    for kill in 0..KILLS {
        let mut import = ostrakon();
        import
            .args(["import", "--json", "--dir"])
            .arg(&data)
            .args(&left);
        let wait = Duration::from_millis(next(&mut state) % LONGEST_MS);
        let said = run_and_kill(import, wait);
        let mut done = BTreeSet::new();
        for line in &said {
            let file = line["file"].as_str().unwrap();
            done.insert(PathBuf::from(file));
            let documents = line["documents"].as_array();
            for id in documents.unwrap_or_else(|| panic!("refused: {line}")) {
                acknowledged.insert(id.as_str().unwrap().parse().unwrap());
            }
        }
        assert!(
            !said.is_empty(),
            "kill {kill} came before anything was kept"
        );
        left.retain(|path| !done.contains(path));
        cut_off += u32::from(!left.is_empty());
        // A program that ends by itself finds the store usable in between.
        acknowledged.insert(process::create(&data).parse().unwrap());
    }
    assert!(cut_off >= 4, "only {cut_off} were killed at work");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let running = running::offline(Some(&data)).await.unwrap();
        for stream in &acknowledged {
            let archive = running.node.export_car(stream).await.unwrap();
            let archive = car::read(&archive).unwrap();
            let blocks: HashMap<Cid, Block> = archive
                .blocks
                .into_iter()
                .map(|block| (*block.cid(), block))
                .collect();
            let world = World::new(1_900_000_000, &Unasked);
            let (_, refusals) = hear_all(stream, &archive.roots, &blocks, &world).unwrap();
            assert_eq!(refusals, [], "{stream}");
        }
        running.stop().await;
    });
    println!("{} documents, {cut_off} kills at work", acknowledged.len());
}

/// A peer that follows a document which another keeps writing is killed again and again: no tip that it told is lost.
#[test]
fn a_tip_that_a_killed_peer_told_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    let streams: Vec<String> = (0..5).map(|_| process::create(&one)).collect();
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    let mut first = process::Peer::start(&one, &listen);
    let address = first.address("/tcp/");
    let mut told: BTreeSet<String> = BTreeSet::new();
    let mut state = 0x7065_6572;
    for _ in 0..4 {
        let mut peer = ostrakon();
        peer.args(["peer", "--json", "--peer", &address, "--dir"])
            .arg(&two)
            .args(listen);
        for stream in &streams {
            peer.args(["--pin", stream]);
        }
        let wait = Duration::from_millis(300 + next(&mut state) % 1500);
        let said = run_and_kill(peer, wait);
        let documents = said.iter().filter(|line| line["event"] == "document");
        told.extend(documents.map(|line| line["stream"].as_str().unwrap().to_owned()));
    }
    let mut last = process::Peer::start(&two, &["--listen", listen[1], "--metrics", "0"]);
    last.address("/tcp/");
    let (head, _) = last.get("/health");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    last.signal("TERM");
    assert_eq!(last.ended(process::WAIT), Some(0));
    assert!(!told.is_empty(), "nothing was fetched before a kill");
    for stream in &told {
        let export = ostrakon()
            .args(["export", stream, "-o", "-", "--dir"])
            .arg(&two)
            .output();
        assert!(
            export.as_ref().unwrap().status.success(),
            "{stream}: {export:?}"
        );
    }
}
