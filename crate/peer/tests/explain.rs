//! `ostrakon explain`: what a person reads.

#[allow(dead_code)]
mod common;

use common::{cases, evidence};
use ostrakon_peer::explain::Story;
use ostrakon_protocol::document::hear_all;

/// What is told of a case of the vectors.
fn told(file: &str, name: &str) -> String {
    let cases = cases(file);
    let case = cases.iter().find(|case| case["name"] == name);
    let evidence = evidence(case.unwrap());
    let [(stream, tips)] = &evidence.documents()[..] else {
        panic!("{name} is not of one document");
    };
    let outcome = hear_all(stream, tips, &evidence.blocks, &evidence.world());
    Story {
        stream,
        outcome: &outcome,
        blocks: &evidence.blocks,
    }
    .to_string()
}

fn says(text: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} is not in\n{text}");
    }
}

#[test]
fn an_anchored_change_is_told_with_its_writer_and_its_time() {
    says(
        &told("anchor", "merkle-2/leaf-1"),
        &[
            "signed by did:key:",
            ", the controller",
            "sets /v to 1",
            "puts events 0 to 1 in transaction 0x",
            "proven: the chain has it, mined 2025-",
            "Nothing was refused.",
        ],
    );
}

#[test]
fn a_session_is_told_with_the_wallet_that_allowed_it_and_for_how_long() {
    says(
        &told("cacao", "eth/valid"),
        &[
            "in the name of did:pkh:eip155:1:0x",
            "given with an Ethereum wallet to vectors.example, valid until 2025-05-31 00:00:00 UTC",
            "which allows writing to every document",
        ],
    );
}

#[test]
fn a_branch_that_lost_is_told_with_what_the_winner_has_over_it() {
    says(
        &told("conflict", "both-anchored-earlier-wins"),
        &["1 branch lost:", "the winner was anchored earlier"],
    );
    says(
        &told("conflict", "unanchored-longer-wins-0"),
        &["the winner has more events"],
    );
}

#[test]
fn what_was_refused_is_told_with_the_rule() {
    says(
        &told("anchor", "unknown-tx"),
        &[
            "Refused, with all that builds on it:",
            "(anchor-no-transaction)",
        ],
    );
    says(
        &told("cacao", "eth/wrong-controller-genesis"),
        &["its first event was refused", "✗"],
    );
}

#[test]
fn a_model_is_told_by_what_its_instances_must_be() {
    says(
        &told("model", "v2-set"),
        &["Model k", "instances   one for each account and value of"],
    );
    says(
        &told("model", "implements-weaker-constraint"),
        &[
            "does not implement the interface",
            "(model-not-implemented)",
        ],
    );
}

#[test]
fn content_that_breaks_its_schema_is_told_with_the_keyword_and_the_place() {
    says(
        &told("tile", "schema/update-violates"),
        &["\"minimum\" is not met at \"/n\" (schema-mismatch)"],
    );
    says(
        &told("model-instance", "list/update-valid-after-violation"),
        &["\"required\" is not met by the content as a whole (instance-schema)"],
    );
}

#[test]
fn names_that_were_cut_are_told_in_full_at_the_end() {
    says(
        &told("cacao", "eth/valid"),
        &["Names in full:", " is did:key:z6Mk", " is bafyrei"],
    );
}
