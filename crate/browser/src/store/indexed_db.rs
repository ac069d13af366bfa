//! [`IndexedDb`]: the node's [`Store`] in a browser.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::future::{join, join_all};
use futures::lock::Mutex;
use futures_timer::Delay;
use js_sys::Uint8Array;
use ostrakon_node::chains::kept::MAX_KEPT;
use ostrakon_node::store::{Change, Outgoing, Record, Store, StoreError, Stored, Usage};
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;
use rexie::{Rexie, Transaction, TransactionMode};
use wasm_bindgen::JsValue;

use super::database::{
    self, ANSWER, INDEX, KEYS, OUTBOX, PACKS, RECORDS, SESSION, STORES, Write, begin, key, keys,
    meaning, named, number, run,
};
use super::finder::Finder;
use super::pack::{self, Pack, PackError};
use super::pending::{MAX_JOURNAL_BYTES, Pending, Piece, Waiting};
use super::place::{Plan, plan, recount};
use super::row::{self, Row, RowError};
use super::settle::SETTLED_AFTER;

/// Packs kept in memory for peers who ask for one block after another; each has at most `MAX_PACK_BYTES`.
const CACHED_PACKS: usize = 4;

/// A database of this origin. Clones share it; it is closed when the last of them and all work under way is done.
#[derive(Clone)]
pub struct IndexedDb(Rc<Inner>);

/// A pack in memory: its document, its sequence, itself.
type Cached = (Rc<str>, u32, Rc<Pack>);

pub(super) struct Inner {
    pub(super) name: String,
    database: Option<Rexie>,
    pub(super) finder: RefCell<Finder>,
    cache: RefCell<VecDeque<Cached>>,
    pub(super) pending: RefCell<Pending>,
    /// How much is in its place, once it was counted.
    pub(super) counted: Cell<Option<Usage>>,
    /// Held while something is written, and by readers until their transaction began: what they know of the journal belongs
    /// to what they find in the places.
    pub(super) writing: Mutex<()>,
    /// Held while a block is looked up: a crowd of questions reads the index and each pack once, not each for itself.
    looking: Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            database.close();
        }
    }
}

impl IndexedDb {
    /// Opens a database, making it if there is none. Fails with `store-newer` if a newer version of Ostrakon made it.
    pub async fn open(name: &str) -> Result<IndexedDb, StoreError> {
        let inner = Rc::new(Inner {
            database: Some(database::open(name).await?),
            name: name.to_owned(),
            finder: RefCell::default(),
            cache: RefCell::default(),
            pending: RefCell::default(),
            counted: Cell::default(),
            writing: Mutex::default(),
            looking: Mutex::default(),
        });
        run(inner.clone().resume()).await?;
        Ok(IndexedDb(inner))
    }

    /// A secret of this tab, if it was kept.
    pub async fn secret(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        let inner = self.0.clone();
        run(async move {
            let transaction = inner.begin(&[KEYS], TransactionMode::ReadOnly)?;
            Ok(get(&transaction, KEYS, name.into())
                .await?
                .as_ref()
                .and_then(database::bytes))
        })
        .await
    }

    /// Keeps a secret of this tab.
    pub async fn keep_secret(&self, name: &'static str, secret: &[u8]) -> Result<(), StoreError> {
        let (inner, value) = (self.0.clone(), Uint8Array::from(secret));
        run(async move {
            let transaction = inner.begin(&[KEYS], TransactionMode::ReadWrite)?;
            let write = Write::Put(KEYS, name.into(), value.into());
            database::commit(&inner.name, transaction, vec![write]).await
        })
        .await
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The rows of all sessions, by their names. What a row is, [`crate::session::vault`] knows.
    pub async fn sessions(&self) -> Result<Vec<(String, JsValue)>, StoreError> {
        let inner = self.0.clone();
        run(async move {
            let transaction = inner.begin(&[KEYS], TransactionMode::ReadOnly)?;
            let all = store(&transaction, KEYS)?;
            let (names, rows) = join(
                all.get_all_keys(Some(named(SESSION)?), None),
                all.get_all(Some(named(SESSION)?), None),
            )
            .await;
            let names = names.map_err(|error| meaning(&error))?;
            let rows = rows.map_err(|error| meaning(&error))?;
            let rows = names.iter().zip(rows).filter_map(|(name, row)| {
                let name = name.as_string()?.strip_prefix(SESSION)?.to_owned();
                Some((name, row))
            });
            Ok(rows.collect())
        })
        .await
    }

    /// Keeps the row of a session, in place of the one before.
    pub async fn keep_session(&self, name: &str, row: JsValue) -> Result<(), StoreError> {
        self.change_session(Write::Put(KEYS, session_key(name), row))
            .await
    }

    /// Removes the row of a session.
    pub async fn remove_session(&self, name: &str) -> Result<(), StoreError> {
        self.change_session(Write::Delete(KEYS, session_key(name)))
            .await
    }

    async fn change_session(&self, write: Write) -> Result<(), StoreError> {
        let inner = self.0.clone();
        run(async move {
            let transaction = inner.begin(&[KEYS], TransactionMode::ReadWrite)?;
            database::commit(&inner.name, transaction, vec![write]).await
        })
        .await
    }
}

#[async_trait(?Send)]
impl Store for IndexedDb {
    async fn commit(&self, change: Change) -> Result<(), StoreError> {
        run(self.0.clone().commit(change.into_list())).await
    }

    async fn document(&self, id: &StreamId) -> Result<Option<Stored>, StoreError> {
        run(self.0.clone().document(*id)).await
    }

    async fn record(&self, id: &StreamId) -> Result<Option<Record>, StoreError> {
        run(self.0.clone().record(*id)).await
    }

    async fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        run(self.0.clone().block(*cid)).await
    }

    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        let (rows, waiting) = run(self.0.clone().rows()).await?;
        let records = rows.iter().map(|(document, row)| record(document, row));
        Ok(waiting.records(records.collect::<Result<_, _>>()?))
    }

    async fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        let inner = self.0.clone();
        let entries = run(async move {
            let (waiting, transaction) = inner.reading(&[KEYS]).await?;
            let keys = store(&transaction, KEYS)?;
            let all = keys.get_all(Some(named(OUTBOX)?), None).await;
            Ok((waiting, all.map_err(|error| meaning(&error))?))
        });
        let (waiting, entries) = entries.await?;
        let mut outbox = Vec::new();
        for entry in entries {
            match Outgoing::from_bytes(&database::bytes(&entry).unwrap_or_default()) {
                Ok(outgoing) => outbox.push(outgoing),
                Err(StoreError::Corrupt(error)) => tracing::warn!(%error, "left out"),
                Err(error) => return Err(error),
            }
        }
        Ok(waiting.outbox(outbox))
    }

    async fn answer(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let (inner, name) = (self.0.clone(), answer_key(name));
        run(async move {
            let transaction = inner.begin(&[KEYS], TransactionMode::ReadOnly)?;
            let found = get(&transaction, KEYS, name).await?;
            Ok(found.as_ref().and_then(database::bytes).map(Bytes::from))
        })
        .await
    }

    async fn keep_answer(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let (inner, name) = (self.0.clone(), answer_key(name));
        run(async move {
            let transaction = inner.begin(&[KEYS], TransactionMode::ReadWrite)?;
            let count = store(&transaction, KEYS)?.count(Some(named(ANSWER)?)).await;
            let mut writes = Vec::new();
            if count.map_err(|error| meaning(&error))? as usize >= MAX_KEPT {
                writes.push(Write::Delete(KEYS, named(ANSWER)?.into()));
            }
            writes.push(Write::Put(KEYS, name, value(&bytes)));
            database::commit(&inner.name, transaction, writes).await
        })
        .await
    }

    /// Whoever wants to know waits until what was written last is in its place.
    async fn usage(&self) -> Result<Usage, StoreError> {
        if self.0.pending.borrow().waiting.bytes() > 0 {
            Delay::new(SETTLED_AFTER).await;
        }
        run(self.0.clone().usage()).await
    }
}

impl Inner {
    pub(super) fn begin(
        &self,
        stores: &[&str],
        mode: TransactionMode,
    ) -> Result<Transaction, StoreError> {
        let database = self.database.as_ref().ok_or(StoreError::Gone)?;
        // Of a database that is gone nothing is known any more.
        begin(database, stores, mode).inspect_err(|_| self.counted.set(None))
    }

    /// A transaction that reads, and what it does not find in the places yet. Something must be asked of it at once.
    async fn reading(&self, stores: &[&str]) -> Result<(Waiting, Transaction), StoreError> {
        let _alone = self.writing.lock().await;
        let waiting = self.pending.borrow().waiting.clone();
        Ok((waiting, self.begin(stores, TransactionMode::ReadOnly)?))
    }

    async fn commit(self: Rc<Self>, changes: Vec<Change>) -> Result<(), StoreError> {
        let _alone = self.writing.lock().await;
        let steps = self.pending.borrow().steps(&changes);
        if let Some(steps) = steps {
            let pieces = self.pending.borrow().cut(steps)?;
            let more: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
            let waiting = self.pending.borrow().waiting.bytes();
            if waiting > 0 && waiting + more > MAX_JOURNAL_BYTES {
                self.settle_all().await?;
            }
            return self.note(pieces).await;
        }
        let added = changes.iter().filter_map(|change| match change {
            Change::Put { record, .. } => Some(&record.stream),
            Change::Queue(outgoing) => Some(&outgoing.stream),
            Change::Sent(stream, _) => Some(stream),
            Change::Forget(_) | Change::Many(_) => None,
        });
        let touches = self.pending.borrow().waiting.touches(added);
        if touches {
            self.settle_all().await?;
        }
        self.change(changes).await
    }

    /// Writes to the journal.
    async fn note(&self, pieces: Vec<(Piece, Vec<u8>)>) -> Result<(), StoreError> {
        let transaction = self.begin(&[KEYS], TransactionMode::ReadWrite)?;
        let writes = pieces
            .iter()
            .map(|(piece, bytes)| Write::Put(KEYS, number(piece.sequence), value(bytes)));
        database::commit(&self.name, transaction, writes.collect()).await?;
        let mut pending = self.pending.borrow_mut();
        pieces
            .into_iter()
            .for_each(|(piece, _)| pending.push(piece));
        Ok(())
    }

    /// Puts changes in their places.
    async fn change(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let forgotten = changes.iter().filter_map(|change| match change {
            Change::Forget(stream) => Some(*stream),
            _ => None,
        });
        let forgotten: Vec<StreamId> = forgotten.collect();
        let put = changes.iter().filter_map(|change| match change {
            Change::Put { record, .. } => Some(record.stream),
            _ => None,
        });
        let put: Vec<StreamId> = put.collect();
        let left = self.pending.borrow().waiting.without(&forgotten)?;
        let transaction = self.begin(&STORES, TransactionMode::ReadWrite)?;
        let plans = join_all(changes.into_iter().map(|change| plan(&transaction, change))).await;
        let plans = plans.into_iter().collect::<Result<Vec<Plan>, _>>();
        let plans = plans.inspect_err(|_| self.unlearn(&put))?;
        let mut writes: Vec<Write> = left
            .iter()
            .map(|(piece, bytes)| rewrite(piece, bytes))
            .collect();
        let (mut learned, mut counted) = (Vec::new(), self.counted.get());
        for plan in plans {
            writes.extend(plan.writes);
            learned.push((plan.document, plan.places));
            counted = counted.and_then(|counted| recount(counted, plan.usage));
        }
        database::commit(&self.name, transaction, writes).await?;
        self.counted.set(counted);
        let mut pending = self.pending.borrow_mut();
        left.into_iter()
            .for_each(|(piece, _)| pending.replace(piece));
        put.into_iter().for_each(|stream| pending.learn(stream));
        let mut finder = self.finder.borrow_mut();
        if !forgotten.is_empty() {
            pending.unlearn(&forgotten);
            finder.clear();
            self.cache.borrow_mut().clear();
        }
        for (document, places) in learned {
            for (sequence, cids) in places {
                finder.insert(&document, sequence, &cids);
            }
        }
        Ok(())
    }

    async fn document(self: Rc<Self>, stream: StreamId) -> Result<Option<Stored>, StoreError> {
        let (waiting, transaction) = self.reading(&[RECORDS, PACKS]).await?;
        let stored = read_document(&transaction, stream.to_string()).await?;
        let found = waiting.over(&stream, stored);
        if found.is_some() {
            self.pending.borrow_mut().learn(stream);
        }
        Ok(found)
    }

    async fn record(self: Rc<Self>, stream: StreamId) -> Result<Option<Record>, StoreError> {
        let (waiting, transaction) = self.reading(&[RECORDS]).await?;
        let document = stream.to_string();
        let row = get(&transaction, RECORDS, document.as_str().into()).await?;
        if let Some(record) = waiting.record(&stream) {
            return Ok(Some(record.clone()));
        }
        let row = row.map(|row| record(&document, &read_row(&document, &row)?));
        row.transpose()
    }

    async fn block(self: Rc<Self>, cid: Cid) -> Result<Option<Block>, StoreError> {
        if let Some((document, bytes)) = self.pending.borrow().waiting.block(&cid) {
            // Memory of its own, so that it does not keep the record alive.
            let block = Block::verify(cid, Bytes::copy_from_slice(&bytes));
            return block.map(Some).map_err(|error| {
                corrupt(&document.to_string(), format!("has a bad block: {error}"))
            });
        }
        let _alone = self.looking.lock().await;
        // What the map says may be stale if another connection wrote; then it is read anew, once.
        for _ in 0..2 {
            if self.finder.borrow().find(&cid).is_none() && !self.finder.borrow().is_complete() {
                self.fill().await?;
            }
            let Some((document, sequence)) = self.finder.borrow().find(&cid) else {
                return Ok(None);
            };
            let pack = self.pack(&document, sequence).await?;
            if let Some(found) = pack.and_then(|pack| pack.get(&cid)) {
                return found
                    .map(Some)
                    .map_err(|error| corrupt_pack(&document, sequence, error));
            }
            self.finder.borrow_mut().clear();
            self.cache.borrow_mut().clear();
        }
        Ok(None)
    }

    /// One pack, from memory or disk.
    async fn pack(
        &self,
        document: &Rc<str>,
        sequence: u32,
    ) -> Result<Option<Rc<Pack>>, StoreError> {
        let cached = |(owner, number, _): &&Cached| owner == document && *number == sequence;
        if let Some((_, _, pack)) = self.cache.borrow().iter().find(cached) {
            return Ok(Some(pack.clone()));
        }
        let transaction = self.begin(&[PACKS], TransactionMode::ReadOnly)?;
        let Some(value) = get(&transaction, PACKS, key(document, sequence)).await? else {
            return Ok(None);
        };
        let pack = Rc::new(read_pack(document, sequence, &value)?);
        let mut cache = self.cache.borrow_mut();
        cache.truncate(CACHED_PACKS - 1);
        cache.push_front((document.clone(), sequence, pack.clone()));
        Ok(Some(pack))
    }

    /// Reads the names of all blocks.
    async fn fill(&self) -> Result<(), StoreError> {
        let generation = self.finder.borrow().generation();
        let transaction = self.begin(&[INDEX], TransactionMode::ReadOnly)?;
        let index = store(&transaction, INDEX)?;
        let (keys, names) = join(index.get_all_keys(None, None), index.get_all(None, None)).await;
        let keys = keys.map_err(|error| meaning(&error))?;
        let names = names.map_err(|error| meaning(&error))?;
        let packs: Vec<(String, u32, Vec<u8>)> = keys
            .iter()
            .zip(&names)
            .filter_map(|(key, names)| {
                let (document, sequence) = database::parts(key)?;
                Some((document, sequence, database::bytes(names)?))
            })
            .collect();
        let packs = packs
            .iter()
            .map(|(document, sequence, names)| (document.as_str(), *sequence, names.as_slice()));
        self.finder.borrow_mut().fill(generation, packs);
        Ok(())
    }

    /// Every document's row, and what is not in its place.
    async fn rows(self: Rc<Self>) -> Result<(Vec<(String, Row)>, Waiting), StoreError> {
        let (waiting, transaction) = self.reading(&[RECORDS]).await?;
        Ok((read_rows(&transaction).await?, waiting))
    }

    async fn usage(self: Rc<Self>) -> Result<Usage, StoreError> {
        // What a full disk keeps from its place is not counted yet.
        if let Err(error) = self.settle().await {
            tracing::warn!(%error, "the journal stays as it is");
        }
        let _alone = self.writing.lock().await;
        if let Some(counted) = self.counted.get() {
            return Ok(counted);
        }
        let rows = read_rows(&self.begin(&[RECORDS], TransactionMode::ReadOnly)?).await?;
        let counted = Usage {
            documents: rows.len() as u64,
            blocks: rows.iter().map(|(_, row)| row.blocks()).sum(),
            bytes: rows.iter().map(|(_, row)| row.bytes()).sum(),
        };
        self.counted.set(Some(counted));
        Ok(counted)
    }

    fn unlearn(&self, streams: &[StreamId]) {
        self.pending.borrow_mut().unlearn(streams);
    }
}

async fn read_document(
    transaction: &Transaction,
    document: String,
) -> Result<Option<Stored>, StoreError> {
    let packs = store(transaction, PACKS)?;
    let (row, packs) = join(
        get(transaction, RECORDS, document.as_str().into()),
        packs.get_all(Some(keys(&document)?), None),
    )
    .await;
    let (Some(row), packs) = (row?, packs.map_err(|error| meaning(&error))?) else {
        return Ok(None);
    };
    let row = read_row(&document, &row)?;
    if packs.len() != row.packs.len() {
        let message = format!("has {} packs and lists {}", packs.len(), row.packs.len());
        return Err(corrupt(&document, message));
    }
    let mut blocks = Vec::new();
    for (info, value) in row.packs.iter().zip(&packs) {
        blocks.extend(read_pack(&document, info.sequence, value)?.entries());
    }
    Ok(Some(Stored {
        record: record(&document, &row)?,
        blocks,
    }))
}

async fn read_rows(transaction: &Transaction) -> Result<Vec<(String, Row)>, StoreError> {
    let records = store(transaction, RECORDS)?;
    let (keys, rows) = join(
        records.get_all_keys(None, None),
        records.get_all(None, None),
    )
    .await;
    let keys = keys.map_err(|error| meaning(&error))?;
    let rows = rows.map_err(|error| meaning(&error))?;
    let rows = keys.iter().zip(&rows).map(|(key, row)| {
        let document = key.as_string().unwrap_or_default();
        let row = read_row(&document, row)?;
        Ok((document, row))
    });
    rows.collect()
}

/// A record of the journal that has less in it.
pub(super) fn rewrite(piece: &Piece, bytes: &[u8]) -> Write {
    let key = number(piece.sequence);
    match piece.steps.is_empty() {
        true => Write::Delete(KEYS, key),
        false => Write::Put(KEYS, key, value(bytes)),
    }
}

pub(super) fn store(transaction: &Transaction, name: &str) -> Result<rexie::Store, StoreError> {
    transaction.store(name).map_err(|error| meaning(&error))
}

pub(super) async fn get(
    transaction: &Transaction,
    name: &str,
    key: JsValue,
) -> Result<Option<JsValue>, StoreError> {
    store(transaction, name)?
        .get(key)
        .await
        .map_err(|error| meaning(&error))
}

fn answer_key(name: &str) -> JsValue {
    format!("{ANSWER}{name}").into()
}

fn session_key(name: &str) -> JsValue {
    format!("{SESSION}{name}").into()
}

pub(super) fn outbox_key(stream: &StreamId) -> JsValue {
    format!("{OUTBOX}{stream}").into()
}

pub(super) fn value(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

pub(super) fn read_pack(
    document: &str,
    sequence: u32,
    value: &JsValue,
) -> Result<Pack, StoreError> {
    let bytes = database::bytes(value)
        .ok_or_else(|| corrupt_pack(document, sequence, "it is not bytes"))?;
    match Pack::read(bytes) {
        Err(PackError::Newer(found)) => Err(newer(found, pack::VERSION)),
        read => read.map_err(|error| corrupt_pack(document, sequence, error)),
    }
}

pub(super) fn read_row(document: &str, value: &JsValue) -> Result<Row, StoreError> {
    let bytes =
        database::bytes(value).ok_or_else(|| corrupt(document, "has a row that is not bytes"))?;
    match Row::read(&bytes) {
        Err(RowError::Newer(found)) => Err(newer(found, row::VERSION)),
        read => read.map_err(|error| corrupt(document, format!("has a damaged row: {error}"))),
    }
}

fn record(document: &str, row: &Row) -> Result<Record, StoreError> {
    let record = Record::from_bytes(&row.record)?;
    if record.stream.to_string() != document {
        return Err(corrupt(
            document,
            format!("has the record of {}", record.stream),
        ));
    }
    Ok(record)
}

fn newer(found: u8, known: u8) -> StoreError {
    StoreError::Newer {
        found: found.into(),
        known: known.into(),
    }
}

pub(super) fn corrupt(document: &str, what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("document {document} {what}"))
}

fn corrupt_pack(document: &str, sequence: u32, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("pack {document}/{sequence}: {why}"))
}
