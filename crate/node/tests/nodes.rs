//! Whole nodes over libp2p's memory transport: what a user of the handle sees.

mod common;

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use ostrakon_node::store::Memory;
use ostrakon_node::{NodeEvent, Source};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::{Block, Cid, CommitId, DocumentRef, Unasked, World, car};

use common::nodes::{LONG, content, n, run, start, start_empty, until};
use common::{Author, blocks, file, instances, tiles, vector};

#[test]
fn a_document_comes_from_a_peer_and_is_the_one_js_ceramic_has() {
    run(async {
        let server = start_empty(&[]).await;
        let reader = start_empty(&[&server]).await;
        for vector in tiles().into_iter().take(8) {
            let archive = car::write(&[vector.tip], &vector.blocks);
            assert_eq!(
                server.node.import_car(&archive).await.unwrap(),
                [vector.stream]
            );
            let view = reader
                .node
                .load(&DocumentRef::Stream(vector.stream), LONG)
                .await
                .unwrap();
            assert_eq!(view.from, Source::Network);
            assert_eq!(
                (view.document.tip(), &view.record.tips),
                (&vector.tip, &vec![vector.tip])
            );
            assert_eq!(
                view.document.log().len(),
                vector.state["log"].as_array().unwrap().len()
            );
            let expected = vector.state["next"]
                .get("content")
                .unwrap_or(&vector.state["content"]);
            assert_eq!(&content(&view.document), expected);
        }
        let kept = reader.node.documents().await.unwrap();
        assert_eq!(kept.len(), 8);
    });
}

#[test]
fn a_follower_sees_every_tip_live() {
    run(async {
        let server = start_empty(&[]).await;
        let reader = start_empty(&[&server]).await;
        let mut author = Author::new(1);
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let mut views = Box::pin(reader.node.follow(&author.stream));
        assert_eq!(n(&until(&mut views, |_| true).await), 0);
        for number in 1..10 {
            let blocks = author.write(number);
            server
                .node
                .submit(author.stream, author.tip, blocks)
                .await
                .unwrap();
            let view = until(&mut views, |view| n(view) >= number as i64).await;
            assert_eq!(
                (n(&view), view.document.tip()),
                (number as i64, &author.tip)
            );
        }
    });
}

#[test]
fn a_slow_follower_gets_the_newest_only() {
    run(async {
        let server = start_empty(&[]).await;
        let mut author = Author::new(1);
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let mut views = Box::pin(server.node.follow(&author.stream));
        assert_eq!(n(&until(&mut views, |_| true).await), 0);
        for number in 1..10 {
            let blocks = author.write(number);
            server
                .node
                .submit(author.stream, author.tip, blocks)
                .await
                .unwrap();
        }
        assert_eq!(n(&views.next().await.unwrap()), 9);
    });
}

#[test]
fn a_kept_document_is_there_offline_and_catches_up_once_online() {
    run(async {
        let server = start_empty(&[]).await;
        let mut author = Author::new(1);
        author.write(1);
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let document = DocumentRef::Stream(author.stream);
        let disk = Memory::default();
        let reader = start(disk.clone(), &[&server]).await;
        reader.node.load(&document, LONG).await.unwrap();
        reader.crash().await;

        let offline = start(disk.clone(), &[]).await;
        let view = offline.node.load(&document, Duration::ZERO).await.unwrap();
        assert_eq!(
            (view.from, view.document.tip()),
            (Source::Disk, &author.tip)
        );
        assert!(!offline.node.status().await.online);
        offline.node.stop().await;

        let missed = author.write(2);
        server
            .node
            .submit(author.stream, author.tip, missed)
            .await
            .unwrap();
        let online = start(disk, &[&server]).await;
        let mut views = Box::pin(online.node.follow(&author.stream));
        assert_eq!(n(&until(&mut views, |_| true).await), 1);
        assert_eq!(n(&until(&mut views, |view| n(view) > 1).await), 2);
    });
}

#[test]
fn a_kept_document_that_nobody_opened_catches_up_as_well() {
    run(async {
        let server = start_empty(&[]).await;
        let mut author = Author::new(1);
        let disk = Memory::default();
        let reader = start(disk.clone(), &[]).await;
        reader
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        reader.node.stop().await;
        author.write(1);
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let reader = start(disk, &[&server]).await;
        let mut events = Box::pin(reader.node.events());
        let news = NodeEvent::Document {
            stream: author.stream,
            tip: author.tip,
        };
        until(&mut events, |event| *event == news).await;
        // And now live.
        let blocks = author.write(2);
        server
            .node
            .submit(author.stream, author.tip, blocks)
            .await
            .unwrap();
        let news = NodeEvent::Document {
            stream: author.stream,
            tip: author.tip,
        };
        until(&mut events, |event| *event == news).await;
    });
}

#[test]
fn whoever_wants_to_take_in_what_others_write_hears_of_it() {
    run(async {
        let server = start_empty(&[]).await;
        let mut events = Box::pin(server.node.events());
        let writer = start_empty(&[&server]).await;
        until(
            &mut Box::pin(writer.node.events()),
            |event| matches!(event, NodeEvent::Status(status) if status.online),
        )
        .await;
        let mut author = Author::new(1);
        let news = NodeEvent::Unknown {
            stream: author.stream,
        };
        // A tip that is announced before anyone reads the topic is lost; a later one is not.
        for n in 1.. {
            author.write(n);
            let submitted = writer.node.submit(author.stream, author.tip, author.all());
            submitted.await.unwrap();
            let heard = until(&mut events, |event| *event == news);
            if tokio::time::timeout(Duration::from_secs(1), heard)
                .await
                .is_ok()
            {
                break;
            }
        }
        let document = DocumentRef::Stream(author.stream);
        let view = server.node.load(&document, LONG).await.unwrap();
        assert_eq!(view.document.tip(), &author.tip);
    });
}

#[test]
fn two_nodes_that_wrote_apart_agree_once_they_meet() {
    run(async {
        let mut author = Author::new(1);
        let fork = author.tip;
        let (one, other) = (start_empty(&[]).await, start_empty(&[]).await);
        for (node, number) in [(&one, 10), (&other, 20)] {
            let tip = *author.write_after(fork, number).last().unwrap().cid();
            node.node
                .submit(author.stream, tip, author.all())
                .await
                .unwrap();
        }
        one.node.dial(other.address.clone()).await;
        let mut views = (
            Box::pin(one.node.follow(&author.stream)),
            Box::pin(other.node.follow(&author.stream)),
        );
        let (mut left, mut right) = (
            n(&views.0.next().await.unwrap()),
            n(&views.1.next().await.unwrap()),
        );
        while left != right {
            tokio::select! {
                view = views.0.next() => left = n(&view.unwrap()),
                view = views.1.next() => right = n(&view.unwrap()),
            }
        }
    });
}

#[test]
fn a_forgotten_document_is_gone_and_stays_away() {
    run(async {
        let server = start_empty(&[]).await;
        let reader = start_empty(&[&server]).await;
        let mut author = Author::new(1);
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let mut views = Box::pin(reader.node.follow(&author.stream));
        until(&mut views, |_| true).await;
        reader.node.forget(&author.stream).await.unwrap();
        assert!(views.next().await.is_none(), "nothing is left to follow");
        assert_eq!(reader.node.documents().await.unwrap(), []);
        assert_eq!(
            reader
                .node
                .export_car(&author.stream)
                .await
                .unwrap_err()
                .code(),
            "not-kept"
        );
        // Another document shows that the news of the first went by.
        let second = Author::new(2);
        let blocks = author.write(1);
        server
            .node
            .submit(author.stream, author.tip, blocks)
            .await
            .unwrap();
        server
            .node
            .submit(second.stream, second.tip, second.all())
            .await
            .unwrap();
        reader
            .node
            .load(&DocumentRef::Stream(second.stream), LONG)
            .await
            .unwrap();
        let kept = reader.node.documents().await.unwrap();
        assert_eq!(
            kept.iter().map(|record| record.stream).collect::<Vec<_>>(),
            [second.stream]
        );
        // It can be loaded again.
        reader
            .node
            .load(&DocumentRef::Stream(author.stream), LONG)
            .await
            .unwrap();
        assert_eq!(reader.node.documents().await.unwrap().len(), 2);
    });
}

#[test]
fn an_archive_goes_out_and_comes_in_unchanged() {
    run(async {
        let (one, other) = (start_empty(&[]).await, start_empty(&[]).await);
        for vector in tiles().into_iter().take(4) {
            one.node
                .import_car(&car::write(&[vector.tip], &vector.blocks))
                .await
                .unwrap();
            let archive = one.node.export_car(&vector.stream).await.unwrap();
            let read = car::read(&archive).unwrap();
            assert_eq!(
                (read.roots.as_slice(), read.blocks.len()),
                (&[vector.tip][..], vector.blocks.len())
            );
            assert_eq!(
                other.node.import_car(&archive).await.unwrap(),
                [vector.stream]
            );
            assert_eq!(
                other.node.export_car(&vector.stream).await.unwrap(),
                archive
            );
            // Once more changes nothing.
            assert_eq!(
                other.node.import_car(&archive).await.unwrap(),
                [vector.stream]
            );
        }
        let (left, right) = (one.node.status().await, other.node.status().await);
        assert_eq!(
            (left.documents, left.blocks, left.bytes),
            (right.documents, right.blocks, right.bytes)
        );
    });
}

#[test]
fn an_instance_brings_its_model_and_its_archive_stands_alone() {
    run(async {
        let server = start_empty(&[]).await;
        let reader = start_empty(&[&server]).await;
        for vector in instances().into_iter().take(4) {
            let archive = car::write(&[vector.tip], &vector.blocks);
            let imported = server.node.import_car(&archive).await.unwrap();
            assert_eq!(imported, [vector.stream]);
            let document = DocumentRef::Stream(vector.stream);
            let view = reader.node.load(&document, LONG).await.unwrap();
            assert_eq!(
                (view.document.tip(), view.record.needs.len()),
                (&vector.tip, 1)
            );
            let exported = reader.node.export_car(&vector.stream).await.unwrap();
            let read = car::read(&exported).unwrap();
            let blocks: HashMap<Cid, Block> = read
                .blocks
                .into_iter()
                .map(|block| (*block.cid(), block))
                .collect();
            let world = World::new(1_750_000_000, &Unasked);
            let (alone, refused) = hear_all(&vector.stream, &read.roots, &blocks, &world).unwrap();
            assert_eq!((alone.tip(), refused.len()), (&vector.tip, 0));
            // Asked for by name, the model comes as well; and in whatever order they are.
            let model = DocumentRef::Stream(view.record.needs[0]);
            reader.node.load(&model, LONG).await.unwrap();
            for roots in [
                [vector.tip, *view.record.needs[0].init()],
                [*view.record.needs[0].init(), vector.tip],
            ] {
                let node = start_empty(&[]).await;
                let both = car::write(&roots, blocks.values());
                assert_eq!(node.node.import_car(&both).await.unwrap().len(), 2);
                assert_eq!(node.node.documents().await.unwrap().len(), 2);
            }
        }
        let (server, reader) = (server.node, reader.node);
        assert_eq!(
            server.documents().await.unwrap().len(),
            4,
            "nobody asked for the models"
        );
        assert!(server.status().await.documents > 4);
        assert!(reader.documents().await.unwrap().len() > 4);
    });
}

#[test]
fn a_document_of_a_3id_comes_with_the_3id_and_is_there_offline() {
    run(async {
        let three_ids = file("three-id");
        let mut cases = three_ids["cases"].as_array().unwrap().iter();
        // Of a 3ID that was never anchored: no chain need be asked.
        let case = cases.find(|case| case["name"] == "inInit-K1-newest-unanchored");
        let case = case.unwrap();
        let world = &three_ids["worlds"][case["world"].as_u64().unwrap() as usize];
        let vector = vector(case);
        let all = [vector.blocks, blocks(&world["blocks"])].concat();
        let disk = Memory::default();
        let writer = start(disk.clone(), &[]).await;
        let archive = car::write(&[vector.tip], &all);
        writer.node.import_car(&archive).await.unwrap();
        let document = DocumentRef::Stream(vector.stream);
        writer.node.stop().await;
        let again = start(disk, &[]).await;
        let view = again.node.load(&document, Duration::ZERO).await.unwrap();
        assert_eq!(view.document.tip(), &vector.tip);
        assert!(!view.record.needs.is_empty());
        // Over the network.
        let reader = start_empty(&[&again]).await;
        let view = reader.node.load(&document, LONG).await.unwrap();
        assert_eq!(view.document.tip(), &vector.tip);
    });
}

#[test]
fn a_version_is_loaded_from_disk_and_from_peers() {
    run(async {
        let server = start_empty(&[]).await;
        let mut author = Author::new(1);
        let versions: Vec<_> = (1..6)
            .map(|n| *author.write(n).last().unwrap().cid())
            .collect();
        server
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        let version = |at: usize| DocumentRef::Commit(CommitId::new(author.stream, versions[at]));
        for node in [&server, &start_empty(&[&server]).await] {
            let view = node.node.load(&version(2), LONG).await.unwrap();
            assert!(view.document.at_commit(&versions[2]).is_ok());
        }
        let nowhere =
            DocumentRef::Commit(CommitId::new(author.stream, *Author::new(2).stream.init()));
        let refused = server
            .node
            .load(&nowhere, Duration::from_millis(200))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "commit-not-found");
    });
}

#[test]
fn status_and_events_tell_of_peers_and_of_what_is_kept() {
    run(async {
        let server = start_empty(&[]).await;
        let reader = start_empty(&[&server]).await;
        let mut events = Box::pin(reader.node.events());
        let online = until(
            &mut events,
            |event| matches!(event, NodeEvent::Status(status) if status.online),
        )
        .await;
        let NodeEvent::Status(status) = online else {
            unreachable!()
        };
        assert_eq!(status.peers.len(), 1);
        assert_eq!(status.peers[0].peer, server.node.status().await.peer_id);
        let author = Author::new(1);
        reader
            .node
            .submit(author.stream, author.tip, author.all())
            .await
            .unwrap();
        until(
            &mut events,
            |event| matches!(event, NodeEvent::Status(status) if status.documents == 1),
        )
        .await;
        let bytes: usize = author
            .blocks
            .values()
            .map(|block: &Block| block.bytes().len())
            .sum();
        let status = reader.node.status().await;
        assert_eq!((status.blocks, status.bytes), (2, bytes as u64));
        server.node.stop().await;
        until(&mut events, |event| {
            matches!(
                event,
                NodeEvent::Peer {
                    connected: false,
                    ..
                }
            )
        })
        .await;
        until(
            &mut events,
            |event| matches!(event, NodeEvent::Status(status) if !status.online),
        )
        .await;
    });
}

#[test]
fn stopping_ends_everything_that_waits() {
    run(async {
        let running = start_empty(&[]).await;
        let author = Author::new(1);
        let node = running.node.clone();
        let waiting = tokio::task::spawn_local(async move {
            let stream = Author::new(2).stream;
            node.load(&DocumentRef::Stream(stream), LONG)
                .await
                .map(drop)
        });
        let mut views = Box::pin(running.node.follow(&author.stream));
        let mut events = Box::pin(running.node.events());
        let node = running.node.clone();
        until(&mut events, |_| true).await;
        let submitted = running.node.submit(author.stream, author.tip, author.all());
        let (submitted, ()) = futures::join!(submitted, running.node.clone().stop());
        // Either it came before the stop or after it.
        assert!(matches!(
            submitted.map_err(|error| error.code()),
            Ok(()) | Err("stopped")
        ));
        assert_eq!(waiting.await.unwrap().unwrap_err().code(), "stopped");
        while views.next().await.is_some() {}
        while events.next().await.is_some() {}
        assert_eq!(node.documents().await.unwrap_err().code(), "stopped");
        running.task.await.unwrap();
    });
}
