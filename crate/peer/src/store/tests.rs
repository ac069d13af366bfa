use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ostrakon_node::store::conformance::{Fixture, block, block_on, put, stream, write};
use tempfile::TempDir;

use super::*;

struct File(TempDir);

impl File {
    fn new() -> File {
        File(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store.redb")
    }
}

#[async_trait(?Send)]
impl Fixture for File {
    type Store = RedbStore;

    async fn open(&self) -> RedbStore {
        RedbStore::open(&self.path()).unwrap()
    }

    async fn damage(&self, cid: &Cid) {
        let database = Database::create(self.path()).unwrap();
        let change = database.begin_write().unwrap();
        {
            let mut blocks = change.open_table(BLOCKS).unwrap();
            let name = cid.to_bytes();
            let keys: Vec<Vec<u8>> = blocks
                .iter()
                .unwrap()
                .map(|entry| entry.unwrap().0.value().to_vec())
                .collect();
            for key in keys.iter().filter(|key| key.ends_with(&name)) {
                blocks.insert(&**key, &b"not what it was"[..]).unwrap();
            }
        }
        change.commit().unwrap();
    }
}

ostrakon_node::store_conformance!(File::new());

/// The same suite where commits run on tokio's threads.
mod under_tokio {
    use super::*;

    #[test]
    fn commits_asked_for_in_order_happen_in_order() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let file = File::new();
            let store = file.open().await;
            let commits = (0..50_u32).map(|n| {
                let Change::Put { mut record, blocks } = put(1, [n]) else {
                    unreachable!()
                };
                record.events = n;
                store.commit(Change::Put { record, blocks })
            });
            futures::future::join_all(commits).await;
            assert_eq!(store.record(&stream(1)).await.unwrap().unwrap().events, 49);
        });
    }
}

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    let file = File::new();
    let _first = RedbStore::open(&file.path()).unwrap();
    let error = RedbStore::open(&file.path()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("another ostrakon"), "{error}");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let file = File::new();
    {
        let store = RedbStore::open(&file.path()).unwrap();
        let change = store.database.begin_write().unwrap();
        change
            .open_table(TOTALS)
            .unwrap()
            .insert(VERSION, 2)
            .unwrap();
        change.commit().unwrap();
    }
    for _ in 0..2 {
        let refused = RedbStore::open(&file.path()).map(|_| ()).unwrap_err();
        assert_eq!(refused, StoreError::Newer { found: 2, known: 1 });
    }
}

#[test]
fn a_file_from_before_there_was_an_outbox_opens_and_gets_one() {
    let file = File::new();
    {
        let store = RedbStore::open(&file.path()).unwrap();
        block_on(store.commit(put(1, 10..13))).unwrap();
        let change = store.database.begin_write().unwrap();
        assert!(change.delete_table(OUTBOX).unwrap());
        change.commit().unwrap();
    }
    let store = RedbStore::open(&file.path()).unwrap();
    assert_eq!(block_on(store.outbox()), Ok(Vec::new()));
    assert_eq!(store.read_usage().unwrap().blocks, 3);
    block_on(store.commit(write(2, [20], 20))).unwrap();
    assert_eq!(block_on(store.outbox()).unwrap().len(), 1);
}

#[test]
fn a_damaged_entry_of_the_outbox_is_left_out() {
    let file = File::new();
    let store = RedbStore::open(&file.path()).unwrap();
    block_on(store.commit(Change::Many(vec![write(1, [10], 10), write(2, [20], 20)]))).unwrap();
    let change = store.database.begin_write().unwrap();
    let key = stream(1).to_bytes();
    let mut outbox = change.open_table(OUTBOX).unwrap();
    outbox.insert(&*key, &b"not what it was"[..]).unwrap();
    drop(outbox);
    change.commit().unwrap();
    let waiting = block_on(store.outbox()).unwrap();
    assert_eq!(
        waiting.iter().map(|one| one.stream).collect::<Vec<_>>(),
        [stream(2)]
    );
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let file = File::new();
    std::fs::write(file.path(), b"something of the user's").unwrap();
    assert!(RedbStore::open(&file.path()).is_err());
    assert_eq!(
        std::fs::read(file.path()).unwrap(),
        b"something of the user's"
    );
}

/// Names the file in which [`writes_until_it_is_killed`] writes.
const CHILD: &str = "OSTRAKON_TEST_STORE";
/// Blocks of each commit; document `n` of commit `n` has the blocks `n * WIDTH ..`.
const WIDTH: u32 = 40;

/// Run as a child process by the test below; on its own it has nothing to do.
#[test]
fn writes_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let store = RedbStore::open(path.as_ref()).unwrap();
    let first = store.read_usage().unwrap().documents as u32;
    for n in first.. {
        println!("begins {n}");
        // Each has its entry in the outbox, and takes that of the one before out.
        let before = n.checked_sub(1);
        let sent = before.map(|n| Change::Sent(stream(n), *block(n).cid()));
        let written = write(n, n * WIDTH..(n + 1) * WIDTH, n);
        let changes = sent.into_iter().chain([written]).collect();
        block_on(store.commit(Change::Many(changes))).unwrap();
        println!("kept {n}");
    }
}

#[test]
fn killed_at_any_moment_the_store_opens_with_whole_commits_and_every_kept_one() {
    let file = File::new();
    let mut kept = 0;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::tests::writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        // Let it open the store and begin, then kill it (SIGKILL) after a time that differs each round.
        assert!(lines.any(|line| line.starts_with("begins ")));
        std::thread::sleep(Duration::from_micros(700 * round * round));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            if let Some(n) = line.strip_prefix("kept ") {
                kept = n.parse::<u32>().unwrap() + 1;
            }
        }
        let store = RedbStore::open(&file.path()).unwrap();
        let usage = store.read_usage().unwrap();
        let documents = usage.documents as u32;
        assert!(
            (kept..=kept + 1).contains(&documents),
            "{kept} were kept, {documents} are there"
        );
        assert_eq!(usage.blocks, u64::from(documents * WIDTH));
        assert_eq!(usage.bytes, usage.blocks * 66);
        for n in 0..documents {
            let (_, blocks, damaged) = store.read_document(&stream(n)).unwrap().unwrap().verified();
            assert_eq!((blocks.len(), damaged), (WIDTH as usize, 0));
            let last = block((n + 1) * WIDTH - 1);
            assert_eq!(store.read_block(last.cid()), Ok(Some(last)));
        }
        let waiting = store.read_outbox().unwrap();
        let waiting: Vec<StreamId> = waiting.iter().map(|one| one.stream).collect();
        let last = documents.checked_sub(1).map(stream);
        assert_eq!(waiting, last.as_slice());
        kept = documents;
    }
    assert!(kept > 0, "at least one commit was made");
}
