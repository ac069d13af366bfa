//! The node's store on disk, in one redb file.
//!
//! Six tables: the records, the blocks under their document (so that a document is one range, to read or to drop), where
//! each block is to be found, totals, what chains answered, and what waits to be published. A change is one redb transaction, synced before it is reported: whatever is
//! killed at whatever moment, the file opens at the last whole change.
//!
//! What is read from disk is hashed again before it is believed; a block that no longer hashes to its name is reported
//! as corruption, never handed on.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ostrakon_node::chains::kept::MAX_KEPT;
use ostrakon_node::store::{Change, Outgoing, Record, Store, StoreError, Stored, Usage};
use ostrakon_protocol::{Block, Cid, StreamId};
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition, WriteTransaction,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// StreamID bytes → record.
const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
/// StreamID bytes, then CID bytes → block. Neither id is the beginning of another, so a prefix is one document.
const BLOCKS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("blocks");
/// CID bytes, then StreamID bytes → nothing.
const PLACES: TableDefinition<&[u8], ()> = TableDefinition::new("places");
/// Chain and transaction → what the chain said.
const ANSWERS: TableDefinition<&str, &[u8]> = TableDefinition::new("answers");
/// StreamID bytes → the tip that waits to be published. A file of before it had this one gets it when it is opened.
const OUTBOX: TableDefinition<&[u8], &[u8]> = TableDefinition::new("outbox");
/// Name → number.
const TOTALS: TableDefinition<&str, u64> = TableDefinition::new("totals");

const VERSION: &str = "version";
const BYTES: &str = "bytes";
/// Written into new files; a file with a higher one was made by a newer Ostrakon and is left alone.
const THIS_VERSION: u64 = 1;

/// A store in one file. Clones share it.
#[derive(Clone)]
pub struct RedbStore {
    database: Arc<Database>,
    /// Commits happen in the order they were asked for, also when who asked no longer waits.
    turn: Arc<Mutex<()>>,
}

#[async_trait(?Send)]
impl Store for RedbStore {
    async fn commit(&self, change: Change) -> Result<(), StoreError> {
        let turn = self.turn.clone().lock_owned().await;
        self.off_thread(move |store| {
            let _turn = turn;
            let transaction = store.database.begin_write().map_err(io)?;
            for change in change.into_list() {
                apply(&transaction, change)?;
            }
            transaction.commit().map_err(io)
        })
        .await
    }

    async fn document(&self, stream: &StreamId) -> Result<Option<Stored>, StoreError> {
        let stream = *stream;
        self.off_thread(move |store| store.read_document(&stream))
            .await
    }

    async fn record(&self, stream: &StreamId) -> Result<Option<Record>, StoreError> {
        self.read_record(stream)
    }

    async fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        self.read_block(cid)
    }

    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.off_thread(RedbStore::read_records).await
    }

    async fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        self.off_thread(RedbStore::read_outbox).await
    }

    async fn answer(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let view = self.database.begin_read().map_err(io)?;
        let answers = view.open_table(ANSWERS).map_err(io)?;
        let found = answers.get(name).map_err(io)?;
        Ok(found.map(|found| Bytes::copy_from_slice(found.value())))
    }

    async fn keep_answer(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let turn = self.turn.clone().lock_owned().await;
        let name = name.to_owned();
        self.off_thread(move |store| {
            let _turn = turn;
            store.put_answer(&name, &bytes)
        })
        .await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.read_usage()
    }
}

impl RedbStore {
    /// Runs what waits for the disk on a thread that may wait, so that the node's own goes on.
    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RedbStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        match Handle::try_current() {
            Ok(runtime) => {
                let done = runtime.spawn_blocking(move || work(&store)).await;
                done.map_err(|error| StoreError::Io(error.to_string()))?
            }
            Err(_) => work(&store),
        }
    }

    /// Opens the file at `path`, or makes it. Fails while another process has it open.
    pub fn open(path: &Path) -> Result<RedbStore, StoreError> {
        let database = Database::create(path).map_err(io)?;
        let change = database.begin_write().map_err(io)?;
        {
            change.open_table(RECORDS).map_err(io)?;
            change.open_table(BLOCKS).map_err(io)?;
            change.open_table(PLACES).map_err(io)?;
            change.open_table(ANSWERS).map_err(io)?;
            change.open_table(OUTBOX).map_err(io)?;
            let mut totals = change.open_table(TOTALS).map_err(io)?;
            let version = totals.get(VERSION).map_err(io)?.map(|found| found.value());
            match version {
                Some(found) if found > THIS_VERSION => {
                    return Err(StoreError::Newer {
                        found,
                        known: THIS_VERSION,
                    });
                }
                Some(_) => {}
                None => {
                    totals.insert(VERSION, THIS_VERSION).map_err(io)?;
                }
            }
        }
        change.commit().map_err(io)?;
        Ok(RedbStore {
            database: Arc::new(database),
            turn: Arc::default(),
        })
    }

    fn put_answer(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let change = self.database.begin_write().map_err(io)?;
        {
            let mut answers = change.open_table(ANSWERS).map_err(io)?;
            answers.insert(name, bytes).map_err(io)?;
            while answers.len().map_err(io)? > MAX_KEPT as u64 {
                answers.pop_first().map_err(io)?;
            }
        }
        change.commit().map_err(io)
    }

    fn read_document(&self, stream: &StreamId) -> Result<Option<Stored>, StoreError> {
        let stream = stream.to_bytes();
        let view = self.database.begin_read().map_err(io)?;
        let Some(record) = view
            .open_table(RECORDS)
            .map_err(io)?
            .get(&*stream)
            .map_err(io)?
        else {
            return Ok(None);
        };
        let record = Record::from_bytes(record.value())?;
        let mut blocks = Vec::new();
        for entry in view
            .open_table(BLOCKS)
            .map_err(io)?
            .range(&*stream..)
            .map_err(io)?
        {
            let (key, bytes) = entry.map_err(io)?;
            let Some(cid) = key.value().strip_prefix(&*stream) else {
                break;
            };
            let cid = Cid::try_from(cid).map_err(|_| corrupt())?;
            blocks.push((cid, Bytes::copy_from_slice(bytes.value())));
        }
        Ok(Some(Stored { record, blocks }))
    }

    fn read_record(&self, stream: &StreamId) -> Result<Option<Record>, StoreError> {
        let view = self.database.begin_read().map_err(io)?;
        let record = view
            .open_table(RECORDS)
            .map_err(io)?
            .get(&*stream.to_bytes())
            .map_err(io)?;
        record
            .map(|record| Record::from_bytes(record.value()))
            .transpose()
    }

    /// Looks at every document that has the block until one has it whole.
    fn read_block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        let name = cid.to_bytes();
        let view = self.database.begin_read().map_err(io)?;
        let blocks = view.open_table(BLOCKS).map_err(io)?;
        let mut answer = Ok(None);
        for place in view
            .open_table(PLACES)
            .map_err(io)?
            .range(&*name..)
            .map_err(io)?
        {
            let (place, _) = place.map_err(io)?;
            let Some(stream) = place.value().strip_prefix(&*name) else {
                break;
            };
            let bytes = blocks
                .get(&*[stream, &name].concat())
                .map_err(io)?
                .ok_or_else(corrupt)?;
            match Block::verify(*cid, Bytes::copy_from_slice(bytes.value())) {
                Ok(block) => return Ok(Some(block)),
                Err(error) => answer = Err(StoreError::Corrupt(format!("block {cid}: {error}"))),
            }
        }
        answer
    }

    fn read_records(&self) -> Result<Vec<Record>, StoreError> {
        let view = self.database.begin_read().map_err(io)?;
        let records = view.open_table(RECORDS).map_err(io)?;
        let all = records.iter().map_err(io)?;
        all.map(|entry| Record::from_bytes(entry.map_err(io)?.1.value()))
            .collect()
    }

    fn read_outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        let view = self.database.begin_read().map_err(io)?;
        let outbox = view.open_table(OUTBOX).map_err(io)?;
        let mut waiting = Vec::new();
        for entry in outbox.iter().map_err(io)? {
            match Outgoing::from_bytes(entry.map_err(io)?.1.value()) {
                Ok(outgoing) => waiting.push(outgoing),
                Err(StoreError::Corrupt(error)) => tracing::warn!(%error, "left out"),
                Err(error) => return Err(error),
            }
        }
        Ok(waiting)
    }

    fn read_usage(&self) -> Result<Usage, StoreError> {
        let view = self.database.begin_read().map_err(io)?;
        Ok(Usage {
            documents: view.open_table(RECORDS).map_err(io)?.len().map_err(io)?,
            blocks: view.open_table(BLOCKS).map_err(io)?.len().map_err(io)?,
            bytes: view
                .open_table(TOTALS)
                .map_err(io)?
                .get(BYTES)
                .map_err(io)?
                .map_or(0, |found| found.value()),
        })
    }
}

fn apply(transaction: &WriteTransaction, change: Change) -> Result<(), StoreError> {
    match change {
        Change::Put { record, blocks } => put(transaction, &record, &blocks),
        Change::Forget(stream) => forget(transaction, &stream),
        Change::Queue(outgoing) => {
            let mut outbox = transaction.open_table(OUTBOX).map_err(io)?;
            let stream = outgoing.stream.to_bytes();
            let entry = outgoing.to_bytes()?;
            outbox.insert(&*stream, &*entry).map_err(io)?;
            Ok(())
        }
        Change::Sent(stream, tip) => {
            let mut outbox = transaction.open_table(OUTBOX).map_err(io)?;
            let stream = stream.to_bytes();
            let waiting = match outbox.get(&*stream).map_err(io)? {
                Some(entry) => Outgoing::from_bytes(entry.value()),
                None => return Ok(()),
            };
            if waiting.is_ok_and(|outgoing| outgoing.tip == tip) {
                outbox.remove(&*stream).map_err(io)?;
            }
            Ok(())
        }
        // Taken apart before.
        Change::Many(_) => Ok(()),
    }
}

fn put(change: &WriteTransaction, record: &Record, blocks: &[Block]) -> Result<(), StoreError> {
    let stream = record.stream.to_bytes();
    let mut kept = change.open_table(BLOCKS).map_err(io)?;
    let mut places = change.open_table(PLACES).map_err(io)?;
    let mut totals = change.open_table(TOTALS).map_err(io)?;
    let mut bytes = totals
        .get(BYTES)
        .map_err(io)?
        .map_or(0, |found| found.value());
    for block in blocks {
        let cid = block.cid().to_bytes();
        let replaced = kept
            .insert(&*[&stream[..], &cid].concat(), &**block.bytes())
            .map_err(io)?;
        let freed = replaced.map_or(0, |old| old.value().len() as u64);
        bytes = bytes
            .saturating_add(block.bytes().len() as u64)
            .saturating_sub(freed);
        places
            .insert(&*[&cid[..], &stream].concat(), ())
            .map_err(io)?;
    }
    totals.insert(BYTES, bytes).map_err(io)?;
    let mut records = change.open_table(RECORDS).map_err(io)?;
    records.insert(&*stream, &*record.to_bytes()?).map_err(io)?;
    Ok(())
}

fn forget(change: &WriteTransaction, stream: &StreamId) -> Result<(), StoreError> {
    let stream = stream.to_bytes();
    let mut kept = change.open_table(BLOCKS).map_err(io)?;
    let mut places = change.open_table(PLACES).map_err(io)?;
    let mut totals = change.open_table(TOTALS).map_err(io)?;
    let mut freed = 0_u64;
    let mut keys = Vec::new();
    for entry in kept.range(&*stream..).map_err(io)? {
        let (key, bytes) = entry.map_err(io)?;
        let Some(cid) = key.value().strip_prefix(&*stream) else {
            break;
        };
        freed = freed.saturating_add(bytes.value().len() as u64);
        keys.push((key.value().to_vec(), [cid, &stream].concat()));
    }
    for (key, place) in keys {
        kept.remove(&*key).map_err(io)?;
        places.remove(&*place).map_err(io)?;
    }
    let before = totals
        .get(BYTES)
        .map_err(io)?
        .map_or(0, |found| found.value());
    totals
        .insert(BYTES, before.saturating_sub(freed))
        .map_err(io)?;
    for table in [RECORDS, OUTBOX] {
        let mut table = change.open_table(table).map_err(io)?;
        table.remove(&*stream).map_err(io)?;
    }
    Ok(())
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("a block is not where it should be".to_owned())
}

/// What redb says, in the words of a store.
fn io(error: impl Into<redb::Error>) -> StoreError {
    let error: redb::Error = error.into();
    match error {
        redb::Error::Corrupted(what) => StoreError::Corrupt(what),
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ) =>
        {
            StoreError::Full(error.to_string())
        }
        redb::Error::DatabaseAlreadyOpen => {
            StoreError::Io("another ostrakon is using it".to_owned())
        }
        other => StoreError::Io(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
