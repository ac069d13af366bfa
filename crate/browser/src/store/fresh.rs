//! Many new documents in one commit, without reading anything first: each is added under a key that must be free. If one of
//! them is not, the browser undoes all of it, and the commit takes the ordinary road, which reads what there is.
//!
//! A thousand new documents take four thousand requests in any case; this saves two thousand that read, and of the others it
//! waits only for the last of each kind, for one that fails ends them all.

use cid::Cid;
use futures::future::join4;
use ostrakon_node::store::{Change, StoreError};
use rexie::Transaction;
use wasm_bindgen::JsValue;

use super::database::{INDEX, KEYS, PACKS, RECORDS, key};
use super::finder::{self, Finder};
use super::indexed_db::{entries, info, outbox_key, store, value};
use super::pack;
use super::row::Row;

/// Fewer documents than this are not worth a try that may be in vain.
const MIN_DOCUMENTS: usize = 4;

type Entry = (JsValue, Option<JsValue>);

/// What is written for new documents.
#[derive(Default)]
pub struct Fresh {
    rows: Vec<Entry>,
    packs: Vec<Entry>,
    names: Vec<Entry>,
    outbox: Vec<Entry>,
    blocks: Vec<(String, Vec<Cid>)>,
}

/// The changes, if all of them put documents of one event, or queue tips.
pub fn all(changes: &[Change]) -> Result<Option<Fresh>, StoreError> {
    let new = |change: &&Change| match change {
        Change::Put { record, blocks } => record.events == 1 && !blocks.is_empty(),
        _ => false,
    };
    let queued = |change: &Change| matches!(change, Change::Queue(_));
    let documents = changes.iter().filter(new).count();
    if documents < MIN_DOCUMENTS || !changes.iter().all(|one| new(&one) || queued(one)) {
        return Ok(None);
    }
    let mut fresh = Fresh::default();
    for change in changes {
        match change {
            Change::Put { record, blocks } => {
                let new = entries(blocks.clone());
                let packs = pack::write(&new);
                // Of several packs the ordinary road takes care.
                let [pack] = packs.as_slice() else {
                    return Ok(None);
                };
                let document = record.stream.to_string();
                let row = Row {
                    packs: vec![info(0, &new)],
                    record: record.to_bytes()?,
                };
                let names = finder::write(new.iter().map(|(cid, _)| cid));
                let place = || Some(key(&document, 0));
                let row_key = Some(document.as_str().into());
                fresh.rows.push((value(&row.write()), row_key));
                fresh.packs.push((value(pack), place()));
                fresh.names.push((value(&names), place()));
                let cids = new.iter().map(|(cid, _)| *cid).collect();
                fresh.blocks.push((document, cids));
            }
            Change::Queue(outgoing) => {
                let entry = value(&outgoing.to_bytes()?);
                let key = outbox_key(&outgoing.stream);
                fresh.outbox.push((entry, Some(key)));
            }
            Change::Forget(_) | Change::Sent(..) | Change::Many(_) => return Ok(None),
        }
    }
    Ok(Some(fresh))
}

impl Fresh {
    /// Whether all of it was added. Why not is found out on the ordinary road.
    pub async fn add(&self, transaction: Transaction) -> bool {
        let stores = [RECORDS, PACKS, INDEX, KEYS].map(|name| store(&transaction, name));
        let [Ok(rows), Ok(packs), Ok(names), Ok(outbox)] = stores else {
            return false;
        };
        let added = join4(
            rows.add_all(self.rows.iter().cloned()),
            packs.add_all(self.packs.iter().cloned()),
            names.add_all(self.names.iter().cloned()),
            outbox.put_all(self.outbox.iter().cloned()),
        )
        .await;
        matches!(added, (Ok(()), Ok(()), Ok(()), Ok(()))) && transaction.commit().await.is_ok()
    }

    /// Says where the blocks are now.
    pub fn teach(&self, finder: &mut Finder) {
        for (document, cids) in &self.blocks {
            finder.insert(document, 0, cids);
        }
    }
}
