//! The conversations that two ceramic-one nodes had, with this code in either role: every byte it says is one that was recorded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use ostrakon_node::network::recon::frame::{Body, Decoder, Key, Kind, Message};
use ostrakon_node::network::recon::machine::{Conversation, Step};
use ostrakon_node::network::recon::{Interest, Ring};
use serde_json::Value;

/// One recorded conversation: what each side said.
#[derive(Default)]
struct Recorded {
    initiator: Vec<u8>,
    responder: Vec<u8>,
}

fn recorded(name: &str) -> Vec<Recorded> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/recon-frames");
    let text = std::fs::read_to_string(path.join(name)).unwrap();
    let mut sessions: BTreeMap<u64, Recorded> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let session = sessions.entry(line["sess"].as_u64().unwrap()).or_default();
        let Some(hex) = line["hex"].as_str() else {
            continue;
        };
        let bytes = HEXLOWER.decode(hex.as_bytes()).unwrap();
        match line["dir"].as_str().unwrap() {
            "initiator->responder" => session.initiator.extend(bytes),
            _ => session.responder.extend(bytes),
        }
    }
    sessions.into_values().collect()
}

fn decode(kind: Kind, bytes: &[u8]) -> Vec<Message> {
    let mut decoder = Decoder::new(kind);
    let mut messages = Vec::new();
    // However the transport cuts it.
    for part in bytes.chunks(7) {
        decoder.push(part);
        while let Some(message) = decoder.take().unwrap() {
            messages.push(message);
        }
    }
    assert_eq!(decoder.held(), 0);
    messages
}

/// What one of the two nodes holds.
#[derive(Default)]
struct Side {
    ring: Ring,
    values: BTreeMap<Key, Vec<u8>>,
}

impl Side {
    fn keep(&mut self, values: impl IntoIterator<Item = (Key, Vec<u8>)>) {
        for (key, value) in values {
            self.ring.insert(&key);
            self.values.insert(key, value);
        }
    }

    /// Hears what the other side said, and returns the bytes of what it says itself.
    fn replay(&mut self, mut machine: Conversation, heard: Vec<Message>) -> Vec<u8> {
        let kind = machine.kind();
        let mut said = Vec::new();
        self.turn(kind, &mut machine, &mut said);
        for message in heard {
            machine.hear(message, &self.ring).unwrap();
            self.turn(kind, &mut machine, &mut said);
        }
        assert!(machine.is_over());
        said
    }

    fn turn(&mut self, kind: Kind, machine: &mut Conversation, said: &mut Vec<u8>) {
        while let Some(step) = machine.poll(&self.ring).unwrap() {
            match step {
                Step::Send(message) => message.write(kind, said),
                Step::Find(keys) => {
                    let found = keys
                        .into_iter()
                        .map(|key| (key.clone(), self.values[&key].clone()));
                    machine.found(found.collect());
                }
                Step::Keep(values) => {
                    self.keep(values);
                    machine.kept();
                }
                Step::Over => return,
            }
        }
    }
}

fn values(messages: &[Message]) -> impl Iterator<Item = (Key, Vec<u8>)> {
    messages.iter().filter_map(|message| match &message.body {
        Body::Value(key, value) => Some((key.clone(), value.clone())),
        _ => None,
    })
}

fn interests(messages: &[Message]) -> Vec<Interest> {
    match &messages[0].body {
        Body::InterestRequest(interests) | Body::InterestResponse(interests) => interests.clone(),
        other => panic!("a conversation begins with interests, not {other:?}"),
    }
}

/// Replays all conversations of a file; returns how many there were, and how many values went each way.
fn replay(kind: Kind, name: &str) -> (usize, usize, usize) {
    let (mut initiator, mut responder) = (Side::default(), Side::default());
    let mut counts = (0, 0, 0);
    for session in recorded(name) {
        let asked = decode(kind, &session.initiator);
        let answered = decode(kind, &session.responder);
        // What a side sends it held before.
        initiator.keep(values(&asked));
        responder.keep(values(&answered));
        counts.0 += 1;
        counts.1 += values(&asked).count();
        counts.2 += values(&answered).count();
        let (wanted, offered) = (interests(&asked), interests(&answered));
        let id = asked[0].sync_id.clone().unwrap();
        let machine = Conversation::initiate(kind, wanted, id);
        let said = initiator.replay(machine, answered);
        assert_eq!(decode(kind, &said), asked);
        assert_eq!(said, session.initiator);
        let machine = Conversation::respond(kind, offered);
        let said = responder.replay(machine, asked.clone());
        assert_eq!(decode(kind, &said), decode(kind, &session.responder));
        assert_eq!(said, session.responder);
        assert_eq!(initiator.values, responder.values);
    }
    counts
}

#[test]
fn the_recorded_conversations_about_events_are_had_again_byte_for_byte_in_both_roles() {
    let (conversations, sent, received) = replay(Kind::Model, "model.jsonl");
    assert_eq!((conversations, sent, received), (35, 3, 12));
}

#[test]
fn the_recorded_conversation_about_peers_is_had_again_byte_for_byte_in_both_roles() {
    assert_eq!(replay(Kind::Peer, "peer.jsonl"), (1, 2, 2));
}
