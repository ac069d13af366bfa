//! The binary as a user or a script meets it: what it prints and how it ends.

use std::path::Path;
use std::process::{Command, Output};

use data_encoding::BASE64;
use ostrakon_protocol::{Block, Cid, car};
use serde_json::Value;

fn ostrakon(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ostrakon"))
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A case of the vectors, written as a CAR file into `dir`.
fn case(file: &str, name: &str, dir: &Path) -> (Value, String) {
    let path = format!(
        "{}/../../tests/vectors/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let case = json["cases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["name"] == name)
        .unwrap()
        .clone();
    let roots: Vec<Cid> = case["tips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tip| tip.as_str().unwrap().parse().unwrap())
        .collect();
    let blocks: Vec<Block> = case["blocks"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(cid, bytes)| {
            Block::verify(
                cid.parse().unwrap(),
                BASE64.decode(bytes.as_str().unwrap().as_bytes()).unwrap(),
            )
            .unwrap()
        })
        .collect();
    let car = dir.join("case.car");
    std::fs::write(&car, car::write(&roots, &blocks)).unwrap();
    (case, car.to_str().unwrap().to_owned())
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = ostrakon(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in [
        "devnet",
        "peer",
        "import",
        "export",
        "id",
        "verify",
        "Exit codes",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert_eq!(code(&help), 0);
    assert_eq!(code(&ostrakon(&["no-such-command"])), 2);
}

#[test]
fn an_accepted_document_ends_with_0_and_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let (case, car) = case("tile", "chain-0", dir.path());
    let stream = case["streamId"].as_str().unwrap();
    let output = ostrakon(&[
        "verify",
        &car,
        "--stream",
        stream,
        "--now",
        "2025-06-01T00:00:00Z",
        "--json",
    ]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let verdict = json(&output);
    assert_eq!(verdict["accept"], true);
    assert_eq!(verdict["state"], case["expected"]["lenient"]["state"]);
}

#[test]
fn a_refused_commit_ends_with_1_and_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let (case, car) = case("tile", "tamper/sig-bit-middle", dir.path());
    let (stream, tip) = (
        case["streamId"].as_str().unwrap(),
        case["tips"][0].as_str().unwrap(),
    );
    let lenient = ostrakon(&["verify", &car, "--stream", stream, "--json"]);
    assert_eq!(
        (code(&lenient), &json(&lenient)["state"]),
        (0, &case["expected"]["lenient"]["state"])
    );
    let strict = ostrakon(&[
        "verify", &car, "--stream", stream, "--commit", tip, "--json",
    ]);
    assert_eq!(code(&strict), 1);
    assert_eq!(json(&strict)["accept"], false);
    assert!(
        json(&strict)["error"]["code"]
            .as_str()
            .is_some_and(|code| !code.is_empty())
    );
    assert!(
        json(&strict)["error"]["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
}

#[test]
fn the_given_anchor_times_are_the_whole_blockchain() {
    let dir = tempfile::tempdir().unwrap();
    let (case, car) = case("anchor", "two-anchors", dir.path());
    let stream = case["streamId"].as_str().unwrap();
    let times = dir.path().join("times.json");
    std::fs::write(&times, case["anchorTimes"].to_string()).unwrap();
    let with = ostrakon(&[
        "verify",
        &car,
        "--stream",
        stream,
        "--anchor-times",
        times.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(json(&with)["state"], case["expected"]["lenient"]["state"]);
    let tip = case["tips"][0].as_str().unwrap();
    let without = ostrakon(&[
        "verify", &car, "--stream", stream, "--commit", tip, "--json",
    ]);
    assert_eq!(
        (code(&without), &json(&without)["accept"]),
        (1, &Value::Bool(false))
    );
}

#[test]
fn the_state_at_a_time_is_that_of_the_last_anchor_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (case, car) = case("anchor", "two-anchors", dir.path());
    let stream = case["streamId"].as_str().unwrap();
    let whole = case["expected"]["lenient"]["state"]["log"]
        .as_array()
        .unwrap();
    let anchors: Vec<usize> = (0..whole.len())
        .filter(|at| whole[*at]["type"] == 2)
        .collect();
    let file = dir.path().join("times.json");
    std::fs::write(&file, case["anchorTimes"].to_string()).unwrap();
    let log = |at: u64| {
        let at = at.to_string();
        let args = [
            "verify",
            &car,
            "--stream",
            stream,
            "--anchor-times",
            file.to_str().unwrap(),
            "--at-time",
            &at,
            "--json",
        ];
        json(&ostrakon(&args))["state"]["log"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(
        log(0).len(),
        1,
        "before any anchor there is only the init event"
    );
    assert_eq!(anchors.len(), 2);
    for at in anchors {
        let time = whole[at]["timestamp"].as_u64().unwrap();
        assert_eq!(log(time), whole[..=at]);
        assert!(log(time - 1).len() <= at);
    }
}

#[test]
fn what_cannot_be_read_ends_with_2_and_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (case, car) = case("tile", "chain-0", dir.path());
    let stream = case["streamId"].as_str().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let whole = std::fs::read(&car).unwrap();
    let cut = write("cut.car", &whole[..whole.len() - 1]);
    let garbage = write("garbage.car", b"not a car");
    let rootless = write(
        "rootless.car",
        &car::write(&[], &car::read(&whole).unwrap().blocks),
    );
    let bad_times = write("times.json", br#"{"x": 1}"#);
    for args in [
        &["verify", "/nowhere.car", "--stream", stream][..],
        &["verify", &cut, "--stream", stream],
        &["verify", &garbage, "--stream", stream],
        &["verify", &rootless, "--stream", stream],
        &["verify", &car],
        &["verify", &car, "--stream", "kjzl"],
        &["verify", &car, "--stream", stream, "--tip", "x"],
        &["verify", &car, "--stream", stream, "--commit", "x"],
        &["verify", &car, "--stream", stream, "--at-time", "noon"],
        &["verify", &car, "--stream", stream, "--now", "today"],
        &[
            "verify",
            &car,
            "--stream",
            stream,
            "--anchor-times",
            &bad_times,
        ],
        &[
            "verify",
            &car,
            "--stream",
            stream,
            "--anchor-times",
            "/nowhere.json",
        ],
    ] {
        let output = ostrakon(&[args, &["--json"]].concat());
        assert_eq!(code(&output), 2, "{args:?} {output:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(!said(&output).trim().is_empty(), "{args:?}");
    }
    assert_eq!(
        code(&ostrakon(&[
            "verify",
            &rootless,
            "--stream",
            stream,
            "--tip",
            case["tips"][0].as_str().unwrap()
        ])),
        0
    );
}

#[test]
fn an_id_is_explained_and_nonsense_refused() {
    let did = "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z";
    assert_eq!(
        json(&ostrakon(&["id", did, "--json"]))["document"]["id"],
        did
    );
    let plain = ostrakon(&[
        "id",
        "ceramic://kjzl6cwe1jw147dvq16zluojmraqvwdmbh61dx9e0c59i344lcrsgqfohexp60s",
    ]);
    assert!(String::from_utf8_lossy(&plain.stdout).contains("tile"));
    let unknown = ostrakon(&["id", "nonsense", "--json"]);
    assert_eq!(
        (
            code(&unknown),
            json(&unknown)["error"]["code"].as_str().unwrap()
        ),
        (1, "unknown-id")
    );
}

#[test]
fn what_was_imported_is_exported_again_and_judged_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (case, car) = case("tile", "chain-2", dir.path());
    let stream = case["streamId"].as_str().unwrap();
    let data = dir.path().join("data");
    let kept = ["--dir", data.to_str().unwrap(), "--json"];
    let imported = ostrakon(&[&["import", &car][..], &kept].concat());
    assert_eq!(code(&imported), 0, "{}", said(&imported));
    assert_eq!(json(&imported)["documents"], serde_json::json!([stream]));
    let copy = dir.path().join("copy.car");
    let copy = copy.to_str().unwrap();
    let exported = ostrakon(&[&["export", stream, "-o", copy][..], &kept].concat());
    assert_eq!(code(&exported), 0, "{}", said(&exported));
    let verdict = json(&ostrakon(&["verify", copy, "--stream", stream, "--json"]));
    assert_eq!(verdict["state"], case["expected"]["lenient"]["state"]);
}

#[test]
fn a_forged_document_is_not_imported_and_an_unknown_one_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let (case, car) = case("tile", "tamper/sig-bit-middle", dir.path());
    let data = dir.path().join("data");
    let kept = ["--dir", data.to_str().unwrap(), "--json"];
    let imported = ostrakon(&[&["import", &car][..], &kept].concat());
    assert_eq!(code(&imported), 1, "{imported:?}");
    assert!(json(&imported)["error"]["code"].is_string());
    let exported = ostrakon(&[&["export", case["streamId"].as_str().unwrap()][..], &kept].concat());
    assert_eq!(code(&exported), 1, "{exported:?}");
    assert!(json(&exported)["error"]["code"].is_string());
    assert_eq!(
        code(&ostrakon(
            &[&["import", "/nowhere.car"][..], &kept].concat()
        )),
        2
    );
    assert_eq!(
        code(&ostrakon(&[&["export", "nonsense"][..], &kept].concat())),
        2
    );
}
