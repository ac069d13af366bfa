//! `ostrakon key` as a user or a script meets it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn key(args: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ostrakon"))
        .arg("key")
        .args(args)
        .arg("--key")
        .arg(file)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_key_is_made_once_and_shown_by_its_did() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new/key");
    let made = key(&["new", "--json"], &file);
    assert_eq!(code(&made), 0, "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let did = made["did"].as_str().unwrap();
    assert!(did.starts_with("did:key:z6Mk"), "{did}");
    let shown = key(&["show"], &file);
    assert_eq!((code(&shown), text(&shown.stdout)), (0, format!("{did}\n")));
    let again = key(&["new"], &file);
    assert_eq!((code(&again), text(&again.stdout)), (2, String::new()));
    assert!(text(&again.stderr).contains("stays as it is"), "{again:?}");
    assert_eq!(text(&key(&["show"], &file).stdout), format!("{did}\n"));
}

#[test]
fn the_secret_is_shown_to_who_asks_for_it_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let mut printed = key(&["new"], &file);
    let secret: String = std::fs::read(&file)
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for args in [&["show"][..], &["show", "--json"], &["new"]] {
        let more = key(args, &file);
        printed.stdout.extend(more.stdout);
        printed.stderr.extend(more.stderr);
    }
    let said = text(&printed.stdout) + &text(&printed.stderr);
    assert!(said.contains("did:key:") && !said.contains(&secret));
    let asked = key(&["show", "--secret"], &file);
    assert!(text(&asked.stdout).ends_with(&format!("\n{secret}\n")));
    let asked: Value =
        serde_json::from_slice(&key(&["show", "--secret", "--json"], &file).stdout).unwrap();
    assert_eq!(asked["secret"], secret);
}

#[test]
fn a_key_that_is_not_there_is_said_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let none = key(&["show"], &dir.path().join("none"));
    assert_eq!(code(&none), 2);
    assert!(
        text(&none.stderr).contains("cannot use the key"),
        "{none:?}"
    );
}
