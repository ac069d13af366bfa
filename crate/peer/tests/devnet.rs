//! The devnet from outside: its page, its documents, its end.

#![cfg(unix)]

#[path = "common/process.rs"]
mod process;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ostrakon_peer::running;
use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::event::{self, Data, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{DocumentRef, Ipld};
use process::{ended, free_port, get, ostrakon, refused_as_taken, signal};
use serde_json::Value;
use tokio::task::LocalSet;

struct Devnet {
    child: Child,
    hello: Value,
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &Path, port: u16, ws_port: u16) -> Command {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");
    std::fs::create_dir_all(dir.join("www")).unwrap();
    std::fs::write(dir.join("www/index.html"), "<p>demo").unwrap();
    let mut command = ostrakon();
    command.args(["devnet", "--json", "--every", "1", "--vectors", vectors]);
    command
        .arg("--dir")
        .arg(dir.join("data"))
        .arg("--www")
        .arg(dir.join("www"));
    command.args([
        "--port",
        &port.to_string(),
        "--ws-port",
        &ws_port.to_string(),
    ]);
    command
}

impl Devnet {
    fn start(dir: &Path) -> Devnet {
        let mut child = command(dir, free_port(), free_port())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Devnet {
            child,
            hello: serde_json::from_str(&line).unwrap(),
        }
    }

    fn offers(&self) -> Value {
        let url = self.hello["url"].as_str().unwrap();
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        serde_json::from_str(&get(host, "/devnet.json").1).unwrap()
    }

    fn interrupt(&mut self) -> Option<i32> {
        signal(self.child.id(), "INT");
        ended(&mut self.child, Duration::from_secs(10))
    }
}

#[test]
fn another_peer_finds_its_documents_and_follows_a_living_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut devnet = Devnet::start(dir.path());
    let offers = devnet.offers();
    let documents = offers["documents"].as_array().unwrap();
    assert!(documents.len() > 30, "{}", documents.len());
    let living = documents
        .iter()
        .find(|document| document["living"] == true)
        .unwrap()["id"]
        .as_str()
        .unwrap();
    let still = documents
        .iter()
        .find(|document| document["title"] == "200 changes, 27 anchors")
        .unwrap();

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let peers = vec![offers["peers"][0].as_str().unwrap().parse().unwrap()];
        let running = running::start(
            &dir.path().join("other"),
            "local-1",
            Vec::new(),
            peers,
            Default::default(),
        )
        .await
        .unwrap();
        let wait = Duration::from_secs(30);
        let load = |id: &str| {
            let (node, document) = (running.node.clone(), id.parse::<DocumentRef>().unwrap());
            async move { node.load(&document, wait).await.unwrap() }
        };
        let history = load(still["id"].as_str().unwrap()).await;
        assert!(history.document.log().len() > 200);
        let first = load(living).await.document.log().len();
        let end = Instant::now() + wait;
        while load(living).await.document.log().len() <= first {
            assert!(Instant::now() < end, "nothing was written");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        running.stop().await;
    });
    assert_eq!(devnet.interrupt(), Some(0));

    // Started again it is the same peer with the same documents.
    let again = Devnet::start(dir.path());
    let peer = |hello: &Value| {
        hello["peers"][0]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(peer(&again.hello), peer(&devnet.hello));
    assert_eq!(again.offers()["documents"], offers["documents"]);
}

#[test]
fn the_command_peer_follows_a_document_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let devnet = Devnet::start(dir.path());
    let offers = devnet.offers();
    let (peer, living) = (
        &offers["peers"][0],
        offers["documents"][0]["id"].as_str().unwrap(),
    );
    let data = dir.path().join("other");
    let mut other = Command::new(env!("CARGO_BIN_EXE_ostrakon"))
        .args([
            "peer",
            "--json",
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
            "--peer",
            peer.as_str().unwrap(),
        ])
        .args(["--follow", living, "--dir", data.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    let seen = lines
        .map_while(Result::ok)
        .map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let mut told = seen
        .filter(|line| line["event"] == "document" && line["stream"] == living)
        .take(2);
    let (first, second) = (told.next().unwrap(), told.next().unwrap());
    assert_ne!(first["tip"], second["tip"]);
    other.kill().unwrap();
    other.wait().unwrap();
    let export = Command::new(env!("CARGO_BIN_EXE_ostrakon"))
        .args(["export", living, "-o", "-", "--dir", data.to_str().unwrap()])
        .output()
        .unwrap();
    let car = ostrakon_protocol::car::read(&export.stdout).unwrap();
    assert!(car.blocks.len() >= 4, "{export:?}");
}

#[test]
fn what_one_visitor_writes_another_finds() {
    let dir = tempfile::tempdir().unwrap();
    let devnet = Devnet::start(dir.path());
    let offers = devnet.offers();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let visitor = async |name: &str| {
            let peers = vec![offers["peers"][0].as_str().unwrap().parse().unwrap()];
            let own = dir.path().join(name);
            running::start(&own, "local-1", Vec::new(), peers, Default::default())
                .await
                .unwrap()
        };
        let (writer, reader) = (visitor("writer").await, visitor("reader").await);
        let signer = Ed25519Signer::from_seed(&[1; 32]);
        let tile = New::Tile(NewTile {
            content: Some("from one to another".into()),
            ..NewTile::default()
        });
        let (stream, mut blocks) = tile.written_by(&signer, [1; 12]).unwrap();
        let mut tip = *stream.init();
        let write = async {
            loop {
                let written = blocks.clone();
                writer.node.submit(stream, tip, written).await.unwrap();
                tokio::time::sleep(Duration::from_secs(12)).await;
                // What was announced before anybody listened is lost, so there is something new to announce.
                let more = Ipld::List(Vec::new());
                let payload = Data::payload(*stream.init(), tip, Some(Map::new()), more).unwrap();
                let event = event::sign(payload, &signer).unwrap();
                tip = *event.last().unwrap().cid();
                blocks.extend(event);
            }
        };
        let document = DocumentRef::Stream(stream);
        tokio::select! {
            () = write => {}
            found = reader.node.load(&document, Duration::from_secs(60)) => {
                assert_eq!(found.unwrap().document.stream(), &stream);
            }
        }
        writer.stop().await;
        reader.stop().await;
    });
}

#[test]
fn what_a_script_creates_and_updates_is_handed_to_a_peer() {
    let dir = tempfile::tempdir().unwrap();
    let devnet = Devnet::start(dir.path());
    let offers = devnet.offers();
    let peer = offers["peers"][0].as_str().unwrap();
    let run = |own: &str, args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ostrakon"))
            .args(args)
            .arg("--json")
            .arg("--dir")
            .arg(dir.path().join(own))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let path = dir.path().join("x.json");
    let file = path.to_str().unwrap();
    std::fs::write(&path, r#"{ "n": 1 }"#).unwrap();
    run("script", &["key", "new"]);
    let made = run("script", &["create", file, "--peer", peer]);
    assert_eq!(made["taken"], true, "{made}");
    // The same key on another machine changes what it has to fetch first.
    std::fs::create_dir_all(dir.path().join("other/keys")).unwrap();
    let key = |own: &str| dir.path().join(own).join("keys/controller");
    std::fs::copy(key("script"), key("other")).unwrap();
    std::fs::write(&path, r#"{ "n": 2 }"#).unwrap();
    let id = made["stream"].as_str().unwrap();
    let changed = run("other", &["update", id, file, "--peer", peer]);
    assert_eq!(changed["taken"], true, "{changed}");
    assert_ne!(changed["tip"], made["tip"]);
}

#[test]
fn a_busy_port_is_one_sentence_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (http, ws, option) in [
        (port, free_port(), "--port"),
        (free_port(), port, "--ws-port"),
    ] {
        let said = refused_as_taken(&mut command(dir.path(), http, ws), option);
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }
}

#[test]
fn a_peer_names_the_address_that_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!(
        "/ip4/127.0.0.1/tcp/{}/ws",
        taken.local_addr().unwrap().port()
    );
    let mut command = ostrakon();
    command.args(["peer", "--listen", &address, "--dir"]);
    refused_as_taken(command.arg(dir.path().join("data")), "--listen");
}
