//! Any bytes as frames, and any order of events in the books.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::io::Cursor;
use std::task::{Context, Poll, Waker};

use super::super::ledger::Ledger;
use super::super::wants::Wants;
use super::*;
use crate::network::frame::Reader;

/// Reads a whole stream as a connection would.
fn read(bytes: &[u8]) -> Vec<Message> {
    let (mut stream, mut reader) = (
        Cursor::new(bytes),
        Reader::new(super::super::MAX_FRAME_BYTES),
    );
    let mut cx = Context::from_waker(Waker::noop());
    let mut messages = Vec::new();
    while let Poll::Ready(Ok(Some(frame))) = reader.poll_frame(&mut stream, &mut cx) {
        messages.extend(Message::decode(frame));
    }
    messages
}

/// What was understood can be said again, and then is understood in the same way.
fn check(message: Message) {
    assert!(
        message.entries.len() + message.blocks.len() + message.have.len() + message.dont_have.len()
            <= MAX_ITEMS
    );
    for block in &message.blocks {
        assert!(Block::verify(*block.cid(), block.bytes().clone()).is_ok());
    }
    let again = Message::decode(Bytes::from(message.encode()));
    assert_eq!(
        again,
        Ok(Message {
            unusable: 0,
            ..message
        })
    );
}

#[test]
fn any_bytes_are_frames_or_refused() {
    bolero::check!().for_each(|bytes: &[u8]| read(bytes).into_iter().for_each(check));
}

#[test]
fn any_damage_to_a_message_leaves_a_message_or_is_refused() {
    let all = blocks(4, 60);
    let whole = Message {
        full: true,
        entries: all.iter().map(want).collect(),
        blocks: all.clone(),
        have: vec![*all[0].cid()],
        dont_have: vec![*all[1].cid()],
        unusable: 0,
    };
    let whole = whole.encode();
    bolero::check!()
        .with_type()
        .for_each(|edits: &Vec<(u16, u8, u8)>| {
            let mut bytes = whole.clone();
            for (place, kind, value) in edits {
                let place = usize::from(*place) % bytes.len().max(1);
                match kind % 4 {
                    0 if !bytes.is_empty() => bytes[place] = *value,
                    1 => bytes.truncate(place.max(1)),
                    2 if !bytes.is_empty() => drop(bytes.remove(place)),
                    _ => bytes.insert(place.min(bytes.len()), *value),
                }
            }
            if let Ok(message) = Message::decode(Bytes::from(bytes)) {
                check(message);
            }
        });
}

#[test]
fn whatever_peers_do_each_want_ends_once_and_nothing_is_left_over() {
    let cids: Vec<Cid> = blocks(8, 8).iter().map(|block| *block.cid()).collect();
    let peers: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
    bolero::check!()
        .with_type()
        .for_each(|steps: &Vec<(u8, u8, u8)>| {
            let mut now = Instant::now();
            let mut wants = Wants::default();
            let mut open: BTreeSet<Cid> = BTreeSet::new();
            // What each peer was told to send, as a server keeps it.
            let mut told: BTreeMap<PeerId, BTreeSet<Cid>> = BTreeMap::new();
            // Peers who may not have heard everything.
            let mut unsure: BTreeSet<PeerId> = BTreeSet::new();
            let drain = |wants: &mut Wants,
                         open: &mut BTreeSet<Cid>,
                         told: &mut BTreeMap<PeerId, BTreeSet<Cid>>| {
                while let Some(cid) = wants.next_missing() {
                    assert!(
                        open.remove(&cid),
                        "a block that is not wanted cannot be missing"
                    );
                }
                while let Some(peer) = wants.next_touched() {
                    loop {
                        let (entries, full) = wants.take_entries(&peer);
                        let list = told.entry(peer).or_default();
                        if full {
                            list.clear();
                        }
                        if entries.is_empty() {
                            break;
                        }
                        for entry in entries {
                            if entry.cancel {
                                list.remove(&entry.cid)
                            } else {
                                list.insert(entry.cid)
                            };
                        }
                    }
                }
            };
            for (step, a, b) in steps {
                let (peer, cid) = (
                    peers[usize::from(*a) % peers.len()],
                    cids[usize::from(*b) % cids.len()],
                );
                match step % 10 {
                    0 | 1 => {
                        wants.add([cid], &[peer], now);
                        open.insert(cid);
                    }
                    2 => assert_eq!(wants.end(&cid, now), open.remove(&cid)),
                    3 => {
                        assert_eq!(wants.block(peer, &cid, now), open.remove(&cid));
                        told.entry(peer).or_default().remove(&cid);
                    }
                    4 => wants.dont_have(peer, &cid, now),
                    5 => {
                        wants.connected(peer, now);
                        told.remove(&peer);
                    }
                    6 => {
                        wants.disconnected(peer, now);
                        told.remove(&peer);
                    }
                    7 | 8 => {
                        if step % 10 == 7 {
                            wants.lost(peer, now);
                        } else {
                            wants.mute(peer, now);
                        }
                        unsure.insert(peer);
                    }
                    _ => {
                        now += Duration::from_millis(u64::from(*b) * 40);
                        wants.tick(now);
                    }
                }
                drain(&mut wants, &mut open, &mut told);
            }
            // Time alone ends every want.
            for _ in 0..8 {
                now += LONGEST_ANSWER;
                wants.tick(now);
                drain(&mut wants, &mut open, &mut told);
            }
            assert!(open.is_empty(), "{open:?} never ended");
            assert!(!wants.is_waiting());
            for (peer, list) in told {
                assert!(
                    list.is_empty() || unsure.contains(&peer),
                    "{peer} still believes that {list:?} are wanted"
                );
            }
        });
}

#[test]
fn whatever_a_peer_wants_its_account_stays_bounded_and_each_answer_is_given_once() {
    let all = blocks(6, 2000);
    bolero::check!()
        .with_type()
        .for_each(|steps: &Vec<(u8, u8)>| {
            let mut ledger = Ledger::default();
            let mut answering: Vec<Cid> = Vec::new();
            let mut wanted: BTreeSet<Cid> = BTreeSet::new();
            for (step, number) in steps {
                let block = &all[usize::from(*number) % all.len()];
                let mut entry = want(block);
                match step % 8 {
                    0..=2 => {
                        if step % 3 == 0 {
                            entry.kind = WantKind::Have;
                        }
                        ledger.receive(false, vec![entry]);
                        wanted.insert(*block.cid());
                    }
                    3 => {
                        entry.cancel = true;
                        ledger.receive(false, vec![entry]);
                        wanted.remove(block.cid());
                    }
                    4 => {
                        ledger.receive(true, vec![entry]);
                        wanted = BTreeSet::from([*block.cid()]);
                    }
                    5 => {
                        while let Some((cid, _)) = ledger.next_wanted() {
                            assert!(!answering.contains(&cid), "asked of the store twice");
                            answering.push(cid);
                        }
                    }
                    6 => {
                        if let Some(cid) = answering.pop() {
                            let found = all
                                .iter()
                                .find(|block| *block.cid() == cid)
                                .filter(|_| number % 2 == 0);
                            ledger.answer(&cid, found);
                        }
                    }
                    _ => drop(ledger.offer(block)),
                }
                let mut message = Message::default();
                ledger.fill(&mut message);
                for cid in message.blocks.iter().map(Block::cid).chain(&message.have) {
                    assert!(wanted.contains(cid), "sent though it was not wanted");
                }
            }
        });
}
