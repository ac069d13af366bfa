//! `ostrakon create` and `ostrakon update` as a user or a script meets them; `ostrakon verify` judges what they wrote.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A directory with a key.
struct Desk {
    dir: tempfile::TempDir,
    did: String,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Desk {
            dir,
            did: String::new(),
        };
        let made = desk.run(&["key", "new", "--json"]);
        assert!(made.status.success(), "{made:?}");
        desk.did = json_of(&made)["did"].as_str().unwrap().to_owned();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &Value) -> String {
        let path = self.path(name);
        fs::write(&path, content.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostrakon"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("RUST_LOG");
        if ["key", "create", "update"].contains(&args[0]) {
            command.arg("--key").arg(self.path("key"));
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Writes, and what was written.
    fn done(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json_of(&output)
    }

    /// Must be refused, with this code.
    fn refused(&self, args: &[&str], code: &str) {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = &json_of(&output)["error"];
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{error}");
    }

    /// Must be impossible to try, said in a sentence with this in it.
    fn cannot(&self, args: &[&str], why: &str) {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(said.contains(why), "{said}");
    }

    /// The state of the document in a CAR file.
    fn state(&self, car: &str, written: &Value) -> Value {
        let stream = written["stream"].as_str().unwrap();
        let verdict = self.run(&["verify", car, "--stream", stream, "--json"]);
        assert_eq!(verdict.status.code(), Some(0), "{verdict:?}");
        json_of(&verdict)["state"].clone()
    }
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn content(state: &Value) -> &Value {
    state["next"].get("content").unwrap_or(&state["content"])
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_tile_is_created_and_changed_in_a_file_that_verify_accepts() {
    let desk = Desk::new();
    let first = json!({ "hello": "world", "list": [1, 2.5, null] });
    desk.write("one.json", &first);
    let words = ["--family", "greetings", "--tag", "a", "--tag", "b"];
    let args = [&["create", "one.json", "--out", "doc.car"][..], &words].concat();
    let made = desk.done(&args);
    let state = desk.state("doc.car", &made);
    assert_eq!(state["content"], first);
    assert_eq!(state["metadata"]["controllers"], json!([desk.did]));
    assert_eq!(state["metadata"]["family"], "greetings");
    assert_eq!(state["metadata"]["tags"], json!(["a", "b"]));

    let second = json!({ "hello": "again", "more": {} });
    desk.write("two.json", &second);
    let changed = desk.done(&["update", "doc.car", "two.json"]);
    assert_eq!(changed["stream"], made["stream"]);
    let state = desk.state("doc.car", &made);
    assert_eq!(content(&state), &second);
    assert_eq!(state["log"].as_array().unwrap().len(), 2);
    assert_eq!(state["log"][1]["cid"], changed["tip"]);

    let patch = json!([{ "op": "add", "path": "/more/yet", "value": true }]);
    desk.write("patch.json", &patch);
    desk.done(&[
        "update",
        "doc.car",
        "patch.json",
        "--patch",
        "-o",
        "other.car",
    ]);
    let state = desk.state("other.car", &made);
    assert_eq!(content(&state)["more"], json!({ "yet": true }));
    let before = desk.state("doc.car", &made);
    assert_eq!(content(&before), &second, "the first file is as it was");
}

#[test]
fn content_may_come_by_standard_input_and_metadata_may_change_alone() {
    let desk = Desk::new();
    let mut command = desk.command(&["create", "-", "--out", "doc.car", "--json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"[1]").unwrap();
    let made = json_of(&child.wait_with_output().unwrap());
    desk.done(&["update", "doc.car", "--tag", "late"]);
    let state = desk.state("doc.car", &made);
    assert_eq!(content(&state), &json!([1]));
    assert_eq!(state["next"]["metadata"]["tags"], json!(["late"]));
    // Given away, it is no longer ours.
    let other = Desk::new();
    desk.done(&["update", "doc.car", "--controller", &other.did]);
    desk.write("x.json", &json!([2]));
    let before = fs::read(desk.path("doc.car")).unwrap();
    let output = desk.run(&["update", "doc.car", "x.json", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(fs::read(desk.path("doc.car")).unwrap(), before);
}

#[test]
fn an_instance_is_checked_against_its_model_before_it_is_written() {
    let desk = Desk::new();
    let model = json!({
        "name": "Note", "version": "1.0", "accountRelation": { "type": "list" },
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
            "properties": { "text": { "type": "string", "maxLength": 10 } }, "required": ["text"],
        },
    });
    desk.write("model.json", &model);
    let model = desk.done(&["create", "model.json", "--type", "model", "-o", "model.car"]);
    let model = model["stream"].as_str().unwrap();
    let of = [
        "--type",
        "model-instance",
        "--model",
        model,
        "-o",
        "note.car",
    ];
    let create = |file| [&["create", file][..], &of].concat();
    let with = ["--with", "model.car"];
    desk.write("note.json", &json!({ "text": "short" }));
    desk.write("long.json", &json!({ "text": "much too long" }));
    let there = files(desk.dir.path());
    desk.refused(&create("note.json"), "needs-document");
    desk.refused(
        &[create("long.json"), with.to_vec()].concat(),
        "instance-schema",
    );
    assert_eq!(files(desk.dir.path()), there, "nothing was written");
    let note = desk.done(&[create("note.json"), with.to_vec()].concat());
    let state = desk.state("note.car", &note);
    assert_eq!(state["content"], json!({ "text": "short" }));
    desk.write("next.json", &json!({ "text": "next" }));
    desk.done(&["update", "note.car", "next.json"]);
    assert_eq!(content(&desk.state("note.car", &note))["text"], "next");
    desk.refused(&["update", "note.car", "long.json"], "instance-schema");
    desk.refused(&["update", "model.car", "note.json"], "model-final");
}

#[test]
fn what_is_deterministic_is_the_same_each_time() {
    let desk = Desk::new();
    let tile = [
        "create",
        "--deterministic",
        "--family",
        "mine",
        "-o",
        "a.car",
    ];
    let first = desk.done(&tile);
    assert_eq!(desk.done(&tile)["stream"], first["stream"]);
    desk.write("x.json", &json!({ "now": "full" }));
    desk.done(&["update", "a.car", "x.json"]);
    assert_eq!(content(&desk.state("a.car", &first))["now"], "full");
    let account = "eip155:1:0x0544dcf4fce959c6c4f3b7530190cb5e1bd67cb8";
    let link = [
        "create",
        "--type",
        "caip10-link",
        "--account",
        account,
        "-o",
        "l.car",
    ];
    let link = desk.done(&link);
    let state = desk.state("l.car", &link);
    assert_eq!(
        state["metadata"]["controllers"],
        json!(["0x0544dcf4fce959c6c4f3b7530190cb5e1bd67cb8@eip155:1"])
    );
}

#[test]
fn whoever_is_not_the_controller_changes_nothing() {
    let (mine, other) = (Desk::new(), Desk::new());
    mine.write("one.json", &json!({}));
    mine.done(&["create", "one.json", "-o", "doc.car"]);
    let car = mine.path("doc.car");
    let before = fs::read(&car).unwrap();
    other.write("two.json", &json!({ "stolen": true }));
    let update = ["update", car.to_str().unwrap(), "two.json"];
    other.refused(&update, "wrong-signer");
    assert_eq!(fs::read(&car).unwrap(), before);
}

#[test]
fn a_version_that_is_no_longer_the_newest_is_not_built_on() {
    let desk = Desk::new();
    desk.write("one.json", &json!({ "n": 1 }));
    desk.write("two.json", &json!({ "n": 2 }));
    let made = desk.done(&["create", "one.json", "-o", "doc.car"]);
    let base = made["tip"].as_str().unwrap();
    desk.done(&["update", "doc.car", "two.json", "--base", base]);
    desk.refused(&["update", "doc.car", "one.json", "--base", base], "stale");
}

#[test]
fn a_document_that_is_kept_is_created_and_changed_by_its_id() {
    let desk = Desk::new();
    desk.write("one.json", &json!({ "n": 1 }));
    desk.write("two.json", &json!({ "n": 2 }));
    let made = desk.done(&["create", "one.json", "--dir", "kept"]);
    let (id, base) = (
        made["stream"].as_str().unwrap(),
        made["tip"].as_str().unwrap(),
    );
    let changed = desk.done(&["update", id, "two.json", "--dir", "kept", "--base", base]);
    assert_ne!(changed["tip"], made["tip"]);
    let update = ["update", id, "one.json", "--dir", "kept", "--base", base];
    desk.refused(&update, "stale");
    let export = desk.run(&["export", id, "--dir", "kept", "-o", "doc.car"]);
    assert!(export.status.success(), "{export:?}");
    assert_eq!(content(&desk.state("doc.car", &made)), &json!({ "n": 2 }));
    let other = Desk::new();
    other.write("x.json", &json!({}));
    let dir = desk.path("kept");
    let update = ["update", id, "x.json", "--dir", dir.to_str().unwrap()];
    other.refused(&update, "not-controller");
}

#[test]
fn what_cannot_be_written_is_said_in_one_sentence_and_leaves_no_file() {
    let desk = Desk::new();
    desk.write("ok.json", &json!({ "a": 1 }));
    desk.write("proto.json", &json!({ "a": { "__proto__": 1 } }));
    desk.write("list.json", &json!({ "no": "list" }));
    desk.write("large.json", &json!({ "text": "x".repeat(300_000) }));
    fs::write(desk.path("broken.json"), "{\"a\": }").unwrap();
    fs::write(desk.path("huge-number.json"), "[1e999]").unwrap();
    fs::write(desk.path("deep.json"), "[".repeat(100_000)).unwrap();
    fs::write(desk.path("broken.car"), "no car").unwrap();
    let there = files(desk.dir.path());
    let out = ["-o", "out.car"];
    let create = |more: &[&'static str]| [&["create"][..], more, &out].concat();
    desk.refused(&create(&["proto.json"]), "content-forbidden-key");
    desk.refused(&create(&["large.json"]), "content-too-large");
    desk.refused(
        &create(&["ok.json", "--deterministic", "--family", "f"]),
        "deterministic-content",
    );
    desk.refused(&create(&["--deterministic"]), "deterministic-without-words");
    desk.refused(
        &create(&["ok.json", "--schema", "nonsense"]),
        "schema-not-a-commit",
    );
    desk.refused(
        &create(&["ok.json", "--type", "model"]),
        "model-unexpected-field",
    );
    desk.refused(
        &create(&["--type", "caip10-link", "--account", "me"]),
        "not-an-account",
    );
    for broken in ["broken.json", "huge-number.json", "deep.json"] {
        desk.cannot(&create(&[broken]), "is not JSON");
    }
    desk.cannot(&create(&["none.json"]), "Cannot read");
    desk.cannot(&create(&[]), "the content of the tile");
    desk.cannot(&create(&["ok.json", "--type", "model-instance"]), "--model");
    desk.cannot(&create(&["ok.json", "--model", "kjz"]), "--model");
    desk.cannot(
        &["create", "ok.json", "-o", "no/such/place.car"],
        "Cannot write",
    );
    desk.cannot(
        &["create", "ok.json", "--peer", "nowhere"],
        "--peer nowhere",
    );
    desk.cannot(&["update", "broken.car", "ok.json"], "not a readable CAR");
    desk.cannot(
        &["update", "none.car", "ok.json"],
        "neither a file nor a document",
    );
    assert_eq!(files(desk.dir.path()), there, "nothing was written");
    desk.done(&create(&["ok.json"]));
    desk.cannot(&["update", "out.car"], "what else is to change");
    desk.refused(
        &["update", "out.car", "list.json", "--patch"],
        "patch-not-a-patch",
    );
    fs::remove_file(desk.path("key")).unwrap();
    desk.cannot(&create(&["ok.json"]), "ostrakon key new");
}
