//! The client's and the server's books, without swarms: who is asked next, and what a peer may have of us.

use super::super::ledger::Ledger;
use super::super::wants::Wants;
use super::*;

/// Peers who were told to send this block, since last looked.
fn asked(wants: &mut Wants, cid: &Cid) -> Vec<PeerId> {
    let mut peers = Vec::new();
    while let Some(peer) = wants.next_touched() {
        let (entries, _) = wants.take_entries(&peer);
        if entries
            .iter()
            .any(|entry| entry.cid == *cid && !entry.cancel)
        {
            peers.push(peer);
        }
    }
    peers
}

fn three_peers(now: Instant) -> (Wants, Vec<PeerId>) {
    let mut wants = Wants::default();
    let peers: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
    for peer in &peers {
        wants.connected(*peer, now);
    }
    (wants, peers)
}

#[test]
fn the_named_provider_is_asked_first_and_the_rest_only_after_its_no() {
    let now = Instant::now();
    let (mut wants, peers) = three_peers(now);
    let cid = *blocks(1, 8)[0].cid();
    wants.add([cid], &[peers[2]], now);
    assert_eq!(asked(&mut wants, &cid), [peers[2]]);
    wants.dont_have(peers[2], &cid, now);
    let second = asked(&mut wants, &cid);
    assert!(second.len() == 1 && second[0] != peers[2]);
    wants.dont_have(second[0], &cid, now);
    let third = asked(&mut wants, &cid);
    assert!(third.len() == 1 && third[0] != second[0] && third[0] != peers[2]);
    assert_eq!(wants.next_missing(), None);
    wants.dont_have(third[0], &cid, now);
    assert_eq!(wants.next_missing(), Some(cid));
}

#[test]
fn after_a_second_of_silence_another_is_asked_and_the_first_may_still_answer() {
    let now = Instant::now();
    let (mut wants, peers) = three_peers(now);
    let cid = *blocks(1, 8)[0].cid();
    wants.add([cid], &[peers[0]], now);
    assert_eq!(asked(&mut wants, &cid), [peers[0]]);
    wants.tick(now + PATIENCE / 2);
    assert!(asked(&mut wants, &cid).is_empty());
    wants.tick(now + PATIENCE);
    assert_eq!(asked(&mut wants, &cid).len(), 1);
    assert!(wants.block(peers[0], &cid, now + PATIENCE));
    assert!(!wants.is_waiting());
}

#[test]
fn a_peer_that_sends_other_blocks_is_waited_for_but_not_for_ever() {
    let start = Instant::now();
    let mut wants = Wants::default();
    let peer = PeerId::random();
    wants.connected(peer, start);
    let all: Vec<Cid> = blocks(60, 8).iter().map(|block| *block.cid()).collect();
    wants.add(all.clone(), &[], start);
    let mut now = start;
    for cid in &all[1..] {
        assert_eq!(wants.next_missing(), None, "after {:?}", now - start);
        now += ANSWER_TIMEOUT / 2;
        wants.tick(now);
        wants.block(peer, cid, now);
        if now - start >= LONGEST_ANSWER {
            break;
        }
    }
    // The rest, asked for at the same time, with it.
    let missing: Vec<Cid> = std::iter::from_fn(|| wants.next_missing()).collect();
    assert!(missing.contains(&all[0]));
}

#[test]
fn those_who_were_silent_are_asked_last_even_if_named() {
    let mut now = Instant::now();
    let (mut wants, peers) = three_peers(now);
    let all: Vec<Cid> = blocks(3, 8).iter().map(|block| *block.cid()).collect();
    wants.add(all[..2].to_vec(), &[peers[0]], now);
    now += ANSWER_TIMEOUT;
    wants.tick(now);
    wants.end(&all[0], now);
    wants.end(&all[1], now);
    while wants.next_touched().is_some() {}
    wants.add([all[2]], &[peers[0]], now);
    let first = asked(&mut wants, &all[2]);
    assert!(first.len() == 1 && first[0] != peers[0]);
}

#[test]
fn one_peer_is_asked_for_so_many_at_once_and_the_rest_follow() {
    let now = Instant::now();
    let mut wants = Wants::default();
    let peer = PeerId::random();
    wants.connected(peer, now);
    let all: Vec<Cid> = blocks(3 * MAX_WANTS_SENT, 8)
        .iter()
        .map(|block| *block.cid())
        .collect();
    wants.add(all.clone(), &[], now);
    let mut told = Vec::new();
    let mut done = 0;
    while done < all.len() {
        while wants.next_touched().is_some() {
            loop {
                let (entries, _) = wants.take_entries(&peer);
                if entries.is_empty() {
                    break;
                }
                told.extend(
                    entries
                        .iter()
                        .filter(|entry| !entry.cancel)
                        .map(|entry| entry.cid),
                );
            }
        }
        assert!(told.len() - done <= MAX_WANTS_SENT);
        assert!(wants.block(peer, &told[done], now));
        done += 1;
    }
    assert!(told == all, "in the order asked for");
}

#[test]
fn what_is_no_longer_wanted_is_withdrawn_from_everyone_asked() {
    let now = Instant::now();
    let (mut wants, peers) = three_peers(now);
    let cid = *blocks(1, 8)[0].cid();
    wants.add([cid], &[peers[0], peers[1]], now);
    assert_eq!(asked(&mut wants, &cid), [peers[0]]);
    wants.dont_have(peers[0], &cid, now);
    assert_eq!(asked(&mut wants, &cid), [peers[1]]);
    assert!(wants.block(peers[1], &cid, now));
    // Else the first would send it should it ever come there.
    assert_eq!(wants.next_touched(), Some(peers[0]));
    let (entries, _) = wants.take_entries(&peers[0]);
    assert!(entries.len() == 1 && entries[0].cancel);
    assert_eq!(wants.next_touched(), None);
}

#[test]
fn a_want_that_has_not_left_is_taken_back_in_silence() {
    let now = Instant::now();
    let (mut wants, peers) = three_peers(now);
    let cid = *blocks(1, 8)[0].cid();
    wants.add([cid], &[peers[0]], now);
    assert!(wants.end(&cid, now));
    assert!(wants.take_entries(&peers[0]).0.is_empty());
}

#[test]
fn a_peer_that_does_not_read_gets_no_more_from_the_store() {
    let mut ledger = Ledger::default();
    let all = blocks(MAX_QUEUE_BYTES / 100_000 + 40, 100_000);
    ledger.receive(false, all.iter().map(want).collect());
    let mut given = 0;
    while let Some((cid, _)) = ledger.next_wanted() {
        ledger.answer(&cid, all.iter().find(|block| *block.cid() == cid));
        given += 1;
    }
    assert_eq!(given, MAX_QUEUE_BYTES.div_ceil(100_000));
    let mut message = Message::default();
    ledger.fill(&mut message);
    assert!(
        message.encode().len() <= MESSAGE_BYTES + 1024,
        "one message is of bounded size"
    );
    assert!(ledger.next_wanted().is_some(), "what was read makes room");
}

#[test]
fn a_larger_block_than_a_message_holds_goes_alone() {
    let mut ledger = Ledger::default();
    let all = blocks(3, ostrakon_protocol::MAX_BLOCK_BYTES);
    ledger.receive(false, all.iter().map(want).collect());
    let mut sent = 0;
    while let Some((cid, _)) = ledger.next_wanted() {
        ledger.answer(&cid, all.iter().find(|block| *block.cid() == cid));
    }
    for _ in 0..3 {
        let mut message = Message::default();
        ledger.fill(&mut message);
        sent += message.blocks.len();
        assert!(message.encode().len() <= MAX_FRAME_BYTES);
    }
    assert_eq!(sent, 3);
}

#[test]
fn wants_that_cannot_be_answered_make_room_for_new_ones() {
    let mut ledger = Ledger::default();
    let all = blocks(MAX_WANTS_SERVED + 1, 8);
    assert_eq!(
        ledger.receive(false, all[..MAX_WANTS_SERVED].iter().map(want).collect()),
        0
    );
    assert_eq!(
        ledger.receive(false, vec![want(&all[MAX_WANTS_SERVED])]),
        1,
        "all are still to be looked up"
    );
    while let Some((cid, _)) = ledger.next_wanted() {
        ledger.answer(&cid, None);
    }
    assert_eq!(ledger.receive(false, vec![want(&all[MAX_WANTS_SERVED])]), 0);
    assert!(!ledger.offer(&all[0]), "the oldest gave way");
    assert!(ledger.offer(&all[1]));
}

#[test]
fn a_small_block_answers_the_question_for_it_and_a_large_one_does_not() {
    let mut ledger = Ledger::default();
    let all = [
        blocks(1, INLINE_BYTES).remove(0),
        blocks(1, INLINE_BYTES + 1).remove(0),
    ];
    let entries = all
        .iter()
        .map(|block| Entry {
            kind: WantKind::Have,
            ..want(block)
        })
        .collect();
    ledger.receive(false, entries);
    while let Some((cid, kind)) = ledger.next_wanted() {
        assert_eq!(kind, WantKind::Have);
        ledger.answer(&cid, all.iter().find(|block| *block.cid() == cid));
    }
    let mut message = Message::default();
    ledger.fill(&mut message);
    assert_eq!(message.blocks, [all[0].clone()]);
    assert_eq!(message.have, [*all[1].cid()]);
}

#[test]
fn what_no_block_here_can_be_named_is_missing_without_asking() {
    let now = Instant::now();
    let (mut wants, _) = three_peers(now);
    let hash = *blocks(1, 8)[0].cid().hash();
    // A raw block, and a block of 2017.
    let strange = [Cid::new_v1(0x55, hash), Cid::new_v0(hash).expect("a CID")];
    wants.add(strange, &[], now);
    assert_eq!(
        [wants.next_missing(), wants.next_missing()],
        strange.map(Some)
    );
    assert_eq!(wants.next_touched(), None);
}
