//! Where a change goes: what is read of its document first, and which rows, packs and names are written in place of which.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use cid::Cid;
use futures::future::{join, join_all};
use ostrakon_node::store::{Change, Outgoing, Record, StoreError, Usage};
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;
use rexie::Transaction;
use wasm_bindgen::JsValue;

use super::database::{self, INDEX, KEYS, PACKS, RECORDS, Write, key, keys, meaning};
use super::finder::{self, Name};
use super::indexed_db::{corrupt, get, outbox_key, read_pack, read_row, store, value};
use super::pack::{self, Entry};
use super::pending::Out;
use super::row::{PackInfo, Row};

/// What is to be written for one change.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) document: String,
    pub(super) writes: Vec<Write>,
    /// Packs and the blocks in them.
    pub(super) places: Vec<(u32, Vec<Cid>)>,
    /// What the document counted for, and what it counts for then.
    pub(super) usage: (Usage, Usage),
}

/// Reads what a change depends on and says what is to be written.
pub(super) async fn plan(transaction: &Transaction, change: Change) -> Result<Plan, StoreError> {
    match change {
        Change::Put { record, blocks } => put(transaction, record, entries(blocks)).await,
        Change::Forget(stream) => {
            let document = stream.to_string();
            let row = get(transaction, RECORDS, document.as_str().into()).await?;
            // One that cannot be read counted for nothing.
            let row = row.and_then(|row| read_row(&document, &row).ok());
            let range: JsValue = keys(&document)?.into();
            let writes = vec![
                Write::Delete(KEYS, outbox_key(&stream)),
                Write::Delete(PACKS, range.clone()),
                Write::Delete(INDEX, range),
                Write::Delete(RECORDS, document.into()),
            ];
            Ok(Plan {
                writes,
                usage: (
                    row.map(|row| usage(&row)).unwrap_or_default(),
                    Usage::default(),
                ),
                ..Plan::default()
            })
        }
        Change::Queue(outgoing) => {
            let stream = outgoing.stream;
            let write = out(transaction, &stream, &Out::Is(outgoing)).await?;
            Ok(Plan {
                writes: write.into_iter().collect(),
                ..Plan::default()
            })
        }
        Change::Sent(stream, tip) => Ok(Plan {
            writes: out(transaction, &stream, &Out::Sent(tip))
                .await?
                .into_iter()
                .collect(),
            ..Plan::default()
        }),
        // Taken apart before.
        Change::Many(_) => Ok(Plan::default()),
    }
}

/// What is to be done to an entry of the outbox.
pub(super) async fn out(
    transaction: &Transaction,
    stream: &StreamId,
    out: &Out,
) -> Result<Option<Write>, StoreError> {
    let key = outbox_key(stream);
    Ok(match out {
        Out::Is(outgoing) => Some(Write::Put(KEYS, key, value(&outgoing.to_bytes()?))),
        Out::None => Some(Write::Delete(KEYS, key)),
        Out::Sent(tip) => {
            let entry = get(transaction, KEYS, key.clone()).await?;
            let entry = entry.as_ref().and_then(database::bytes).unwrap_or_default();
            let waits = Outgoing::from_bytes(&entry).is_ok_and(|outgoing| outgoing.tip == *tip);
            waits.then(|| Write::Delete(KEYS, key))
        }
    })
}

pub(super) async fn put(
    transaction: &Transaction,
    record: Record,
    mut new: Vec<Entry>,
) -> Result<Plan, StoreError> {
    let document = record.stream.to_string();
    let index = store(transaction, INDEX)?;
    let (row, names) = join(
        get(transaction, RECORDS, document.as_str().into()),
        index.get_all(Some(keys(&document)?), None),
    )
    .await;
    let row = row?.map(|value| read_row(&document, &value)).transpose()?;
    let before = row.as_ref().map(usage).unwrap_or_default();
    let mut row = row.unwrap_or_default();
    let names = names.map_err(|error| meaning(&error))?;
    let mut sequence = next(&document, row.next())?;

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
        usage: (before, usage(&row)),
    })
}

/// What a document counts for.
fn usage(row: &Row) -> Usage {
    Usage {
        documents: 1,
        blocks: row.blocks(),
        bytes: row.bytes(),
    }
}

/// How much there is once a document counts for something else; nothing if that does not add up.
pub(super) fn recount(counted: Usage, (before, after): (Usage, Usage)) -> Option<Usage> {
    let change = |all: u64, before: u64, after: u64| all.checked_add(after)?.checked_sub(before);
    Some(Usage {
        documents: change(counted.documents, before.documents, after.documents)?,
        blocks: change(counted.blocks, before.blocks, after.blocks)?,
        bytes: change(counted.bytes, before.bytes, after.bytes)?,
    })
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
