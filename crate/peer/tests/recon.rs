//! Two peers, as an operator runs them, reconcile over WebSocket.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use ostrakon_protocol::author::{New, NewTile};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{StreamId, car};
use serde_json::Value;

struct Peer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    fn start(dir: &Path, more: &[&str]) -> Peer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ostrakon"))
            .args(["peer", "--json", "--interest", "all", "--dir"])
            .arg(dir)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Peer { child, lines }
    }

    /// The next thing it says that fits.
    fn says(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.next().unwrap().unwrap();
            let said: Value = serde_json::from_str(&line).unwrap();
            if fits(&said) {
                return said;
            }
        }
    }

    fn gets(&mut self, stream: &StreamId) {
        let stream = stream.to_string();
        self.says(|said| said["event"] == "document" && said["stream"] == stream.as_str());
    }
}

/// A tile that is kept in this directory.
fn kept(dir: &Path, seed: u8) -> StreamId {
    let signer = Ed25519Signer::from_seed(&[seed; 32]);
    let tile = New::Tile(NewTile::default());
    let (stream, blocks) = tile.written_by(&signer, [seed; 12]).unwrap();
    let file = dir.with_extension("car");
    std::fs::write(&file, car::write(&[*stream.init()], &blocks)).unwrap();
    let imported = Command::new(env!("CARGO_BIN_EXE_ostrakon"))
        .arg("import")
        .arg(&file)
        .arg("--dir")
        .arg(dir)
        .output()
        .unwrap();
    assert!(imported.status.success(), "{imported:?}");
    stream
}

#[test]
fn two_peers_that_want_everything_give_each_other_what_the_other_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (first, second) = (kept(&one, 1), kept(&two, 2));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let port = free.unwrap().port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}/ws");
    let mut one = Peer::start(&one, &["--listen", &address]);
    let hello = one.says(|said| said["peerId"].is_string());
    let address = format!("{address}/p2p/{}", hello["peerId"].as_str().unwrap());
    let own = "/ip4/127.0.0.1/tcp/0/ws";
    let mut two = Peer::start(&two, &["--listen", own, "--peer", &address]);
    two.gets(&first);
    one.gets(&second);
}

#[test]
fn an_interest_that_is_none_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_ostrakon"))
        .args(["peer", "--interest", "everything", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("model:k…"), "{said}");
}
