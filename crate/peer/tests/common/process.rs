//! The binary as an operator runs it.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take on a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);

/// A peer that runs, and what it has said.
pub struct Peer {
    pub child: Child,
    pub hello: Value,
    lines: Receiver<Value>,
    seen: Vec<Value>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn ostrakon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ostrakon"));
    command.env_remove("RUST_LOG");
    command
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Peer {
    pub fn start(dir: &Path, args: &[&str]) -> Peer {
        let mut command = ostrakon();
        command.args(["peer", "--json", "--dir"]).arg(dir);
        Peer::spawn(command.args(args))
    }

    pub fn spawn(command: &mut Command) -> Peer {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let hello = lines.recv_timeout(WAIT).expect("it says hello");
        Peer {
            child,
            hello,
            lines,
            seen: Vec::new(),
        }
    }

    /// The first thing it has said, or says, that is meant.
    pub fn said(&mut self, meant: impl Fn(&Value) -> bool) -> Value {
        if let Some(line) = self.seen.iter().find(|line| meant(line)) {
            return line.clone();
        }
        let end = Instant::now() + WAIT;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if meant(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("not said in time: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended: {:#?}", self.seen),
            }
        }
    }

    /// An address at which it listens, with these words in it.
    pub fn address(&mut self, with: &str) -> String {
        let line = self.said(|line| {
            line["event"] == "listening" && line["address"].as_str().unwrap().contains(with)
        });
        line["address"].as_str().unwrap().to_owned()
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Its exit code.
    pub fn ended(&mut self, within: Duration) -> Option<i32> {
        ended(&mut self.child, within)
    }

    /// Status line and body of what it answers on its metrics address.
    pub fn get(&self, path: &str) -> (String, String) {
        get(self.hello["metrics"].as_str().unwrap(), path)
    }
}

pub fn signal(process: u32, name: &str) {
    let mut kill = Command::new("kill");
    let status = kill
        .args([format!("-{name}"), process.to_string()])
        .status();
    assert!(status.unwrap().success());
}

pub fn ended(child: &mut Child, within: Duration) -> Option<i32> {
    let end = Instant::now() + within;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not end within {within:?}");
}

pub fn get(host: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// What it says of an address that is taken, which this option asks for; it does not start.
pub fn refused_as_taken(command: &mut Command, option: &str) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("in use") && said.contains(option), "{said}");
    said
}

/// Creates a tile in `dir`; its StreamID.
pub fn create(dir: &Path) -> String {
    let file = dir.join("content.json");
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(&file, r#"{ "hello": "world" }"#).unwrap();
    if !dir.join("keys/controller").exists() {
        let made = ostrakon().args(["key", "new", "--dir"]).arg(dir).output();
        assert!(made.as_ref().unwrap().status.success(), "{made:?}");
    }
    let mut create = ostrakon();
    create.arg("create").arg(&file).args(["--json", "--dir"]);
    let made = create.arg(dir).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    made["stream"].as_str().unwrap().to_owned()
}
