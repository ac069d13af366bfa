//! `ostrakon peer` as an operator meets it: transports, metrics, health, logs, its end.

#![cfg(unix)]

#[path = "common/process.rs"]
mod process;

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use ostrakon_peer::stop;
use process::{Peer, WAIT, create, ended, free_port, ostrakon, refused_as_taken, signal};
use serde_json::Value;

/// A document goes from one peer to another that has nothing but an address of the first.
fn a_document_goes_over(listen: &str, word: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let stream = create(&one);
    let mut first = Peer::start(&one, &["--listen", listen]);
    let address = first.address(word);
    let args = ["--peer", &address, "--pin", &stream, "--listen", listen];
    let mut second = Peer::start(&two, &args);
    let came = second.said(|line| line["event"] == "document");
    assert_eq!(came["stream"], stream.as_str());
    let met = second.said(|line| line["event"] == "peer" && line["connected"] == true);
    assert!(met["address"].as_str().unwrap().contains(word), "{met}");
    assert_eq!(met["peer"], first.hello["peerId"]);
}

#[test]
fn a_document_goes_over_quic() {
    a_document_goes_over("/ip4/127.0.0.1/udp/0/quic-v1", "/quic-v1");
}

#[test]
fn a_document_goes_over_tcp() {
    a_document_goes_over("/ip4/127.0.0.1/tcp/0", "/tcp/");
}

#[test]
fn a_document_goes_over_websocket() {
    a_document_goes_over("/ip4/127.0.0.1/tcp/0/ws", "/ws");
}

#[test]
fn one_peer_listens_on_quic_tcp_and_websocket_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("peer.toml");
    let listen = r#"listen = ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]"#;
    std::fs::write(&config, listen).unwrap();
    let config = config.to_str().unwrap();
    let mut one = Peer::start(&dir.path().join("one"), &["--config", config]);
    for word in ["/quic-v1/", "/ws/"] {
        let address = one.address(word);
        let other = dir.path().join(word.trim_matches('/'));
        let args = ["--config", config, "--peer", &address];
        let mut other = Peer::start(&other, &args);
        other.said(|line| line["event"] == "peer" && line["connected"] == true);
    }
    let plain = one.said(|line| {
        line["event"] == "listening"
            && !line["address"].as_str().unwrap().contains("/ws/")
            && line["address"].as_str().unwrap().contains("/tcp/")
    });
    let mut other = Peer::start(
        &dir.path().join("tcp"),
        &[
            "--config",
            config,
            "--peer",
            plain["address"].as_str().unwrap(),
        ],
    );
    other.said(|line| line["event"] == "peer" && line["connected"] == true);
}

/// The value of a metric without labels.
fn value(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then_some(value)
    });
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{page}"));
    line.parse().unwrap()
}

#[test]
fn metrics_and_health_tell_how_the_peer_is() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let stream = create(&one);
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0", "--metrics", "0"];
    let mut first = Peer::start(&one, &listen);
    let told = first.hello["metrics"].as_str().unwrap();
    assert!(
        told.starts_with("127.0.0.1:"),
        "on this machine only: {told}"
    );
    let (head, page) = first.get("/metrics");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert_eq!(value(&page, "ostrakon_up"), 1.0);
    assert_eq!(value(&page, "ostrakon_documents"), 1.0);
    assert_eq!(value(&page, "ostrakon_peers"), 0.0);
    assert_eq!(value(&page, "ostrakon_outbox_documents"), 1.0);
    assert!(value(&page, "ostrakon_blocks_bytes") > 100.0);
    assert!(value(&page, "ostrakon_store_file_bytes") > 1000.0);
    assert!(
        page.ends_with("# EOF\n") && page.matches("# EOF").count() == 1,
        "{page}"
    );

    let address = first.address("/tcp/");
    let args = [&listen[..], &["--peer", &address, "--pin", &stream]].concat();
    let mut second = Peer::start(&two, &args);
    second.said(|line| line["event"] == "document");
    let (_, served) = first.get("/metrics");
    assert_eq!(value(&served, "ostrakon_peers"), 1.0);
    let sent = [
        "ostrakon_blocks_served_total",
        "ostrakon_chains_asked_total",
    ];
    assert!(
        sent.iter().any(|name| value(&served, name) >= 1.0),
        "{served}"
    );
    let (_, fetched) = second.get("/metrics");
    assert!(value(&fetched, "ostrakon_tips_accepted_total") >= 1.0);
    let got = [
        "ostrakon_blocks_received_total",
        "ostrakon_chains_received_total",
    ];
    assert!(
        got.iter().any(|name| value(&fetched, name) >= 1.0),
        "{fetched}"
    );
    for direction in ["Inbound", "Outbound"] {
        let counted = fetched.lines().any(|line| {
            line.starts_with("libp2p_bandwidth_bytes_total")
                && line.contains(&format!("direction=\"{direction}\""))
                && !line.ends_with(" 0")
        });
        assert!(counted, "{direction} in\n{fetched}");
    }

    let (head, body) = second.get("/health");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, "ok: 1 peers, 1 documents\n");
    assert!(second.get("/else").0.starts_with("http/1.1 404"));
}

#[test]
fn a_metrics_port_that_is_taken_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let listen = "/ip4/127.0.0.1/tcp/0";
    let mut command = ostrakon();
    command.args(["peer", "--listen", listen, "--metrics", &port, "--dir"]);
    refused_as_taken(command.arg(dir.path()), "--metrics");
}

#[test]
fn a_peer_names_the_quic_port_that_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
    let mut command = ostrakon();
    command.args(["peer", "--listen", &listen, "--dir"]);
    refused_as_taken(command.arg(dir.path()), "--listen");
}

#[test]
fn a_peer_that_is_told_to_end_does_so_and_can_start_again() {
    let dir = tempfile::tempdir().unwrap();
    let stream = create(dir.path());
    for name in ["TERM", "INT"] {
        let mut peer = Peer::start(dir.path(), &["--listen", "/ip4/127.0.0.1/tcp/0"]);
        peer.address("/tcp/");
        let since = Instant::now();
        peer.signal(name);
        assert_eq!(peer.ended(WAIT), Some(0), "{name}");
        assert!(since.elapsed() < stop::PATIENCE, "{name}");
    }
    let export = ostrakon()
        .args(["export", &stream, "-o", "-", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(export.status.success(), "{export:?}");
}

/// Is killed at the end, whatever happens.
#[cfg(target_os = "linux")]
struct Stuck {
    child: std::process::Child,
    _reader: std::io::PipeReader,
}

#[cfg(target_os = "linux")]
impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer whose main thread waits for ever to say hello, for nobody reads what it says.
#[cfg(target_os = "linux")]
fn stuck(dir: &std::path::Path) -> Stuck {
    const PIPE_BYTES: usize = 65_536;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b' '; PIPE_BYTES]).unwrap();
    let child = ostrakon()
        .args(["peer", "--listen", "/ip4/127.0.0.1/tcp/0", "--dir"])
        .arg(dir)
        .stdout(Stdio::from(writer))
        .spawn()
        .unwrap();
    let stuck = Stuck {
        child,
        _reader: reader,
    };
    // Signal 15 is caught once the thread that waits for it does.
    let end = Instant::now() + WAIT;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", stuck.child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        if caught & (1 << 14) != 0 && dir.join("documents.redb").exists() {
            return stuck;
        }
        assert!(Instant::now() < end, "no signal is waited for");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_is_stuck_ends_at_once_when_told_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut stuck = stuck(dir.path());
    let child = &mut stuck.child;
    // Let it come to where it is stuck.
    std::thread::sleep(Duration::from_secs(2));
    let since = Instant::now();
    signal(child.id(), "TERM");
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none(), "it is stuck");
    signal(child.id(), "TERM");
    assert_eq!(ended(child, WAIT), Some(stop::TWICE));
    assert!(since.elapsed() < stop::PATIENCE);
}

#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_is_stuck_ends_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut stuck = stuck(dir.path());
    let child = &mut stuck.child;
    std::thread::sleep(Duration::from_secs(2));
    signal(child.id(), "TERM");
    assert_eq!(ended(child, stop::PATIENCE + WAIT), Some(stop::LATE));
}

#[test]
fn log_lines_are_json_if_asked_and_rust_log_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = ostrakon();
    command
        .args(["peer", "--json", "--log-format", "json", "--listen"])
        .args(["/ip4/127.0.0.1/tcp/0", "--peer"])
        .arg(format!(
            "/ip4/127.0.0.1/tcp/{}/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X",
            free_port()
        ))
        .arg("--dir")
        .arg(dir.path())
        .env("RUST_LOG", "ostrakon_peer=info,ostrakon_node=debug")
        .stderr(Stdio::piped());
    let mut peer = Peer::spawn(&mut command);
    peer.address("/tcp/");
    std::thread::sleep(Duration::from_millis(500));
    peer.signal("TERM");
    assert_eq!(peer.ended(WAIT), Some(0));
    let mut log = String::new();
    let mut stderr = peer.child.stderr.take().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let level = |level: &str| lines.iter().any(|line| line["level"] == level);
    assert!(level("INFO") && level("DEBUG"), "{log}");
    assert!(
        lines.iter().all(|line| line["message"].is_string()),
        "{log}"
    );
}
