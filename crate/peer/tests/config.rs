//! `ostrakon peer --config`: what is taken, what is refused and how.

#[path = "common/process.rs"]
mod process;

use std::path::{Path, PathBuf};

use process::ostrakon;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.0.path().join("peer.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What is in effect, or exit code and what was said.
    fn print(&self, config: Option<&Path>, flags: &[&str]) -> Result<String, (i32, String)> {
        let mut command = ostrakon();
        command.args(["peer", "--print-config"]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        // Where documents are kept by default is told by these.
        command.env_remove("XDG_DATA_HOME").env("HOME", "/home/op");
        let output = command.args(flags).output().unwrap();
        match output.status.code() {
            Some(0) => Ok(String::from_utf8(output.stdout).unwrap()),
            code => Err((code.unwrap(), String::from_utf8(output.stderr).unwrap())),
        }
    }
}

#[test]
fn what_is_in_effect_is_printed_as_a_file_that_says_the_same() {
    let desk = Desk::new();
    let flags = [
        "--network=testnet-clay",
        "--listen=/ip4/127.0.0.1/tcp/1",
        "--listen=/ip6/::1/udp/2/quic-v1",
        "--announce=/dns/peer.example.org/tcp/443/wss",
        "--peer=/ip4/192.0.2.1/tcp/4101/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X",
        "--pin=kjzl6cwe1jw145cjbeko9kil8g9bxszjhyde21ob8epxuxkaon1izyqsu8wgcic",
        "--interest=all",
        "--relay",
        "--metrics=9464",
        "--log-format=json",
        "--rpc=eip155:1=https://rpc.example/a\"b",
        "--rpc-quorum=1",
        "--dir=/srv/with \"quotes\"",
    ];
    let printed = desk.print(None, &flags).unwrap();
    for line in [
        "network = \"testnet-clay\"",
        "\"/dns/peer.example.org/tcp/443/wss\"",
        "metrics = \"127.0.0.1:9464\"",
        "enabled = true",
        "\"all\"",
        "format = \"json\"",
        "quorum = 1",
    ] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
    let path = desk.write(&printed);
    assert_eq!(desk.print(Some(&path), &[]).unwrap(), printed);
    let plain = desk.print(None, &[]).unwrap();
    assert!(
        plain.contains("directory = \"/home/op/.local/share/ostrakon/peer\""),
        "{plain}"
    );
    assert_eq!(desk.print(Some(&desk.write(&plain)), &[]).unwrap(), plain);
}

#[test]
fn the_file_beside_the_unit_is_what_is_in_effect_with_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/ostrakon.toml");
    let written = std::fs::read_to_string(path).unwrap();
    let printed = Desk::new().print(Some(path.as_ref()), &[]).unwrap();
    assert_eq!(printed, written);
}

#[test]
fn flags_go_before_the_file_and_lists_as_a_whole() {
    let desk = Desk::new();
    let path = desk.write(
        "network = \"mainnet\"\nlisten = [\"/ip4/0.0.0.0/tcp/1\", \"/ip4/0.0.0.0/tcp/2\"]\nannounce = [\"/ip4/192.0.2.1/tcp/1\"]\n[relay]\nenabled = true\ncircuits = 7\n[log]\nfilter = \"info\"\n",
    );
    let printed = desk.print(Some(&path), &[]).unwrap();
    assert!(
        printed.contains("network = \"mainnet\"") && printed.contains("circuits = 7"),
        "{printed}"
    );
    assert!(
        printed.contains("filter = \"info\"") && printed.contains("tcp/2"),
        "{printed}"
    );
    let flags = [
        "--network=local-1",
        "--listen=/ip4/127.0.0.1/tcp/3",
        "--relay=false",
    ];
    let printed = desk.print(Some(&path), &flags).unwrap();
    assert!(
        printed.contains("network = \"local-1\"") && printed.contains("tcp/3"),
        "{printed}"
    );
    assert!(
        !printed.contains("tcp/1\"\n") && !printed.contains("tcp/2"),
        "{printed}"
    );
    assert!(
        printed.contains("enabled = false") && printed.contains("circuits = 7"),
        "{printed}"
    );
    let nowhere = desk.write("listen = []\n");
    assert!(
        desk.print(Some(&nowhere), &[])
            .unwrap()
            .contains("listen = []")
    );
}

#[test]
fn what_is_not_understood_is_refused_with_its_line() {
    let desk = Desk::new();
    for (text, line, words) in [
        (
            "network = \"a\"\nnetwrk = \"b\"\n",
            2,
            "unknown field `netwrk`",
        ),
        (
            "\n\n[relay]\nenabeld = true\n",
            4,
            "unknown field `enabeld`",
        ),
        ("[surprise]\nx = 1\n", 1, "unknown field `surprise`"),
        ("network = 3\n", 1, "invalid type"),
        ("network = \"a\"\nnetwork = \"b\"\n", 2, "duplicate key"),
        ("network = \"a\n", 1, "string"),
        ("network = \"two words\"\n", 1, "no name of a network"),
        (
            "listen = [\n  \"/ip4/127.0.0.1/tcp/1\",\n  \"127.0.0.1:2\",\n]\n",
            3,
            "no multiaddress",
        ),
        (
            "listen = [\"/ip4/0.0.0.0/tcp/443/wss\"]\n",
            1,
            "put a proxy",
        ),
        ("listen = [\"/ip4/0.0.0.0/udp/4101\"]\n", 1, "quic-v1"),
        (
            "listen = [\"/dns/example.org/tcp/4101\"]\n",
            1,
            "cannot be listened on",
        ),
        (
            "announce = [\"/ip4/0.0.0.0/tcp/4101\"]\n",
            1,
            "nobody can dial",
        ),
        ("peers = [\"/ip4/192.0.2.1/tcp/4101\"]\n", 1, "/p2p/"),
        ("\npins = [\"not a document\"]\n", 2, "StreamID"),
        ("interests = [\"all\",\n\"nothing\"]\n", 2, "nothing"),
        ("metrics = \"localhost\"\n", 1, "127.0.0.1:9464"),
        ("[relay]\n\ncircuits = 0\n", 3, "turn the relay off"),
        ("[relay]\ncircuits = 5000\n", 2, "give less"),
        ("[relay]\ncircuit_seconds = 100000\n", 2, "a day"),
        ("[relay]\nreservations = -1\n", 2, "invalid value"),
        ("[log]\nformat = \"xml\"\n", 2, "unknown variant `xml`"),
        ("[log]\nfilter = \"a=b=c\"\n", 2, "no filter"),
        ("[chains]\nrpc = [\n\"nonsense\"]\n", 3, "CHAIN=URL"),
    ] {
        let path = desk.write(text);
        let (code, said) = desk.print(Some(&path), &[]).unwrap_err();
        assert_eq!(code, 2, "{text}{said}");
        let place = format!("{}:{line}: ", path.display());
        assert!(said.starts_with(&place), "{text}{said}");
        assert!(said.contains(words), "{text}{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }
}

#[test]
fn a_bad_flag_is_named() {
    let desk = Desk::new();
    for (flag, value, words) in [
        ("--listen", "nonsense", "no multiaddress"),
        ("--announce", "/ip6/::/tcp/1", "nobody can dial"),
        ("--peer", "/ip4/192.0.2.1/tcp/4101", "/p2p/"),
        ("--follow", "nonsense", "StreamID"),
        ("--metrics", "nonsense", "127.0.0.1:9464"),
        ("--network", "", "no name of a network"),
    ] {
        let (code, said) = desk.print(None, &[flag, value]).unwrap_err();
        assert_eq!(code, 2);
        assert!(said.starts_with(flag) && said.contains(words), "{said}");
    }
    let (code, said) = desk.print(None, &["--relay"]).unwrap_err();
    assert!(code == 2 && said.contains("--announce"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let desk = Desk::new();
    let none = desk.0.path().join("none.toml");
    let (code, said) = desk.print(Some(&none), &[]).unwrap_err();
    assert!(
        code == 2 && said.contains("none.toml") && said.contains("--config"),
        "{said}"
    );
    let long = desk.write(&"#".repeat((1 << 20) + 1));
    let (_, said) = desk.print(Some(&long), &[]).unwrap_err();
    assert!(said.contains("larger than"), "{said}");
}
