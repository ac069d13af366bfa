//! [`IndexedDb`]: the node's [`Store`] in a browser.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::future::{join, join_all};
use futures::lock::Mutex;
use js_sys::Uint8Array;
use ostrakon_node::chains::kept::MAX_KEPT;
use ostrakon_node::store::{Change, Outgoing, Record, Store, StoreError, Stored, Usage};
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;
use rexie::{Rexie, Transaction, TransactionMode};
use wasm_bindgen::JsValue;

use super::database::{
    self, ANSWER, INDEX, KEYS, OUTBOX, PACKS, RECORDS, SESSION, Write, begin, key, keys, meaning,
    named, run,
};
use super::finder::{self, Finder, Name};
use super::fresh;
use super::pack::{self, Entry, Pack, PackError};
use super::row::{self, PackInfo, Row, RowError};

/// Packs kept in memory for peers who ask for one block after another; each has at most `MAX_PACK_BYTES`.
const CACHED_PACKS: usize = 4;

/// A database of this origin. Clones share it; it is closed when the last of them and all work under way is done.
#[derive(Clone)]
pub struct IndexedDb(Rc<Inner>);

/// A pack in memory: its document, its sequence, itself.
type Cached = (Rc<str>, u32, Rc<Pack>);

struct Inner {
    name: String,
    database: Option<Rexie>,
    finder: RefCell<Finder>,
    cache: RefCell<VecDeque<Cached>>,
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
        Ok(IndexedDb(Rc::new(Inner {
            database: Some(database::open(name).await?),
            name: name.to_owned(),
            finder: RefCell::default(),
            cache: RefCell::default(),
            looking: Mutex::default(),
        })))
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
        run(self.0.clone().change(change.into_list())).await
    }

    async fn document(&self, id: &StreamId) -> Result<Option<Stored>, StoreError> {
        run(self.0.clone().document(id.to_string())).await
    }

    async fn record(&self, id: &StreamId) -> Result<Option<Record>, StoreError> {
        run(self.0.clone().record(id.to_string())).await
    }

    async fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        run(self.0.clone().block(*cid)).await
    }

    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        let rows = run(self.0.clone().rows()).await?;
        rows.iter()
            .map(|(document, row)| record(document, row))
            .collect()
    }

    async fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        let inner = self.0.clone();
        let entries = run(async move {
            let transaction = inner.begin(&[KEYS], TransactionMode::ReadOnly)?;
            let keys = store(&transaction, KEYS)?;
            let all = keys.get_all(Some(named(OUTBOX)?), None).await;
            all.map_err(|error| meaning(&error))
        });
        let mut waiting = Vec::new();
        for entry in entries.await? {
            match Outgoing::from_bytes(&database::bytes(&entry).unwrap_or_default()) {
                Ok(outgoing) => waiting.push(outgoing),
                Err(StoreError::Corrupt(error)) => tracing::warn!(%error, "left out"),
                Err(error) => return Err(error),
            }
        }
        Ok(waiting)
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

    async fn usage(&self) -> Result<Usage, StoreError> {
        let rows = run(self.0.clone().rows()).await?;
        Ok(Usage {
            documents: rows.len() as u64,
            blocks: rows.iter().map(|(_, row)| row.blocks()).sum(),
            bytes: rows.iter().map(|(_, row)| row.bytes()).sum(),
        })
    }
}

/// What a commit touches.
const STORES: [&str; 4] = [RECORDS, PACKS, INDEX, KEYS];

/// What is to be written for one change.
#[derive(Default)]
struct Plan {
    document: String,
    writes: Vec<Write>,
    /// Packs and the blocks in them.
    places: Vec<(u32, Vec<Cid>)>,
    forgets: bool,
}

/// Reads what a change depends on and says what is to be written.
async fn plan(transaction: &Transaction, change: Change) -> Result<Plan, StoreError> {
    match change {
        Change::Put { record, blocks } => put(transaction, record, blocks).await,
        Change::Forget(stream) => {
            let document = stream.to_string();
            let range: JsValue = keys(&document)?.into();
            let writes = vec![
                Write::Delete(KEYS, outbox_key(&stream)),
                Write::Delete(PACKS, range.clone()),
                Write::Delete(INDEX, range),
                Write::Delete(RECORDS, document.into()),
            ];
            Ok(Plan {
                writes,
                forgets: true,
                ..Plan::default()
            })
        }
        Change::Queue(outgoing) => {
            let key = outbox_key(&outgoing.stream);
            let writes = vec![Write::Put(KEYS, key, value(&outgoing.to_bytes()?))];
            Ok(Plan {
                writes,
                ..Plan::default()
            })
        }
        Change::Sent(stream, tip) => {
            let entry = get(transaction, KEYS, outbox_key(&stream)).await?;
            let entry = entry.as_ref().and_then(database::bytes).unwrap_or_default();
            let waits = Outgoing::from_bytes(&entry).is_ok_and(|outgoing| outgoing.tip == tip);
            let write = waits.then(|| Write::Delete(KEYS, outbox_key(&stream)));
            Ok(Plan {
                writes: write.into_iter().collect(),
                ..Plan::default()
            })
        }
        // Taken apart before.
        Change::Many(_) => Ok(Plan::default()),
    }
}

async fn put(
    transaction: &Transaction,
    record: Record,
    blocks: Vec<Block>,
) -> Result<Plan, StoreError> {
    let document = record.stream.to_string();
    let index = store(transaction, INDEX)?;
    let (row, names) = join(
        get(transaction, RECORDS, document.as_str().into()),
        index.get_all(Some(keys(&document)?), None),
    )
    .await;
    let mut row = row?.map_or(Ok(Row::default()), |value| read_row(&document, &value))?;
    let names = names.map_err(|error| meaning(&error))?;
    let mut sequence = next(&document, row.next())?;

    let mut new = entries(blocks);
    let involved = involved(&document, &row, &names, &new)?;
    let removed = make_way(transaction, &document, &involved, &mut new).await?;

    let mut writes = Vec::new();
    for pack in removed {
        row.packs.retain(|kept| kept.sequence != pack);
        writes.push(Write::Delete(PACKS, key(&document, pack)));
        writes.push(Write::Delete(INDEX, key(&document, pack)));
    }
    let mut places = Vec::new();
    let mut rest = new.as_slice();
    for pack in pack::write(&new) {
        let (here, left) = rest.split_at(pack::fit(rest));
        rest = left;
        let names = finder::write(here.iter().map(|(cid, _)| cid));
        row.packs.push(info(sequence, here));
        writes.push(Write::Put(PACKS, key(&document, sequence), value(&pack)));
        writes.push(Write::Put(INDEX, key(&document, sequence), value(&names)));
        places.push((sequence, here.iter().map(|(cid, _)| *cid).collect()));
        sequence = next(&document, sequence.checked_add(1))?;
    }
    row.record = record.to_bytes()?;
    writes.push(Write::Put(
        RECORDS,
        document.as_str().into(),
        value(&row.write()),
    ));
    Ok(Plan {
        document,
        writes,
        places,
        forgets: false,
    })
}

impl Inner {
    fn begin(&self, stores: &[&str], mode: TransactionMode) -> Result<Transaction, StoreError> {
        begin(
            self.database.as_ref().ok_or(StoreError::Gone)?,
            stores,
            mode,
        )
    }

    async fn change(self: Rc<Self>, changes: Vec<Change>) -> Result<(), StoreError> {
        if let Some(fresh) = fresh::all(&changes)?
            && fresh
                .add(self.begin(&STORES, TransactionMode::ReadWrite)?)
                .await
        {
            fresh.teach(&mut self.finder.borrow_mut());
            return Ok(());
        }
        let transaction = self.begin(&STORES, TransactionMode::ReadWrite)?;
        let plans = join_all(changes.into_iter().map(|change| plan(&transaction, change))).await;
        let plans = plans.into_iter().collect::<Result<Vec<Plan>, _>>()?;
        let (mut writes, mut learned, mut forgets) = (Vec::new(), Vec::new(), false);
        for plan in plans {
            writes.extend(plan.writes);
            learned.push((plan.document, plan.places));
            forgets |= plan.forgets;
        }
        database::commit(&self.name, transaction, writes).await?;
        let mut finder = self.finder.borrow_mut();
        if forgets {
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

    async fn document(self: Rc<Self>, document: String) -> Result<Option<Stored>, StoreError> {
        let transaction = self.begin(&[RECORDS, PACKS], TransactionMode::ReadOnly)?;
        let packs = store(&transaction, PACKS)?;
        let (row, packs) = join(
            get(&transaction, RECORDS, document.as_str().into()),
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

    async fn record(self: Rc<Self>, document: String) -> Result<Option<Record>, StoreError> {
        let transaction = self.begin(&[RECORDS], TransactionMode::ReadOnly)?;
        match get(&transaction, RECORDS, document.as_str().into()).await? {
            Some(row) => record(&document, &read_row(&document, &row)?).map(Some),
            None => Ok(None),
        }
    }

    async fn block(self: Rc<Self>, cid: Cid) -> Result<Option<Block>, StoreError> {
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

    /// Every document's row.
    async fn rows(self: Rc<Self>) -> Result<Vec<(String, Row)>, StoreError> {
        let transaction = self.begin(&[RECORDS], TransactionMode::ReadOnly)?;
        let records = store(&transaction, RECORDS)?;
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
}

pub(super) fn store(transaction: &Transaction, name: &str) -> Result<rexie::Store, StoreError> {
    transaction.store(name).map_err(|error| meaning(&error))
}

async fn get(
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

/// Each block once.
pub(super) fn entries(blocks: Vec<Block>) -> Vec<Entry> {
    let mut seen = HashSet::with_capacity(blocks.len());
    let blocks = blocks.into_iter();
    let new = blocks.filter(|block| seen.insert(*block.cid()));
    new.map(|block| (*block.cid(), block.bytes().clone()))
        .collect()
}

/// What a row says of a pack.
pub(super) fn info(sequence: u32, blocks: &[Entry]) -> PackInfo {
    let bytes: usize = blocks.iter().map(|(_, bytes)| bytes.len()).sum();
    PackInfo {
        sequence,
        bytes: bytes as u32,
        blocks: blocks.len() as u32,
    }
}

pub(super) fn value(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// The packs that a commit has to look into: those it merges (true), and those that seem to hold a block it brings.
fn involved(
    document: &str,
    row: &Row,
    names: &[JsValue],
    new: &[Entry],
) -> Result<Vec<(PackInfo, bool)>, StoreError> {
    if names.len() != row.packs.len() {
        let message = format!(
            "lists {} packs and has names of {}",
            row.packs.len(),
            names.len()
        );
        return Err(corrupt(document, message));
    }
    let merged = row.merge(new.iter().map(|(_, bytes)| bytes.len()).sum());
    let new: HashSet<Name> = new.iter().map(|(cid, _)| finder::name(cid)).collect();
    let mut involved = Vec::new();
    for (pack, names) in row.packs.iter().zip(names) {
        let merge = merged.contains(pack);
        let names = database::bytes(names).unwrap_or_default();
        if merge || names.as_chunks().0.iter().any(|name| new.contains(name)) {
            involved.push((*pack, merge));
        }
    }
    Ok(involved)
}

/// Leaves in `new` what must be written and says which packs it replaces. A block that is there already and whole is
/// taken out of `new`; one whose bytes have changed on disk has its pack written anew. Nothing that is moved is hashed:
/// damage stays as visible as it was. A pack that can't be read at all stays too, and is reported when it is asked for.
async fn make_way(
    transaction: &Transaction,
    document: &str,
    involved: &[(PackInfo, bool)],
    new: &mut Vec<Entry>,
) -> Result<Vec<u32>, StoreError> {
    let packs = involved
        .iter()
        .map(|(pack, _)| get(transaction, PACKS, key(document, pack.sequence)));
    let brought: HashMap<Cid, Bytes> = new.iter().cloned().collect();
    let (mut removed, mut moved, mut present) = (Vec::new(), Vec::new(), HashSet::new());
    for ((pack, merge), value) in involved.iter().zip(join_all(packs).await) {
        let Ok(old) = read_pack(document, pack.sequence, &value?.unwrap_or_default()) else {
            continue;
        };
        let replaced = |(cid, bytes): Entry| brought.get(&cid).is_some_and(|new| *new != bytes);
        if *merge || old.entries().any(replaced) {
            removed.push(pack.sequence);
            moved.extend(old.entries().filter(|(cid, _)| !brought.contains_key(cid)));
        } else {
            present.extend(old.entries().map(|(cid, _)| cid));
        }
    }
    new.retain(|(cid, _)| !present.contains(cid));
    moved.append(new);
    *new = moved;
    Ok(removed)
}

fn next(document: &str, sequence: Option<u32>) -> Result<u32, StoreError> {
    sequence.ok_or_else(|| corrupt(document, "has no number left for a pack"))
}

fn read_pack(document: &str, sequence: u32, value: &JsValue) -> Result<Pack, StoreError> {
    let bytes = database::bytes(value)
        .ok_or_else(|| corrupt_pack(document, sequence, "it is not bytes"))?;
    match Pack::read(bytes) {
        Err(PackError::Newer(found)) => Err(newer(found, pack::VERSION)),
        read => read.map_err(|error| corrupt_pack(document, sequence, error)),
    }
}

fn read_row(document: &str, value: &JsValue) -> Result<Row, StoreError> {
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

fn corrupt(document: &str, what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("document {document} {what}"))
}

fn corrupt_pack(document: &str, sequence: u32, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("pack {document}/{sequence}: {why}"))
}
