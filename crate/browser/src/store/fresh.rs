//! Many new documents in one transaction, without reading anything first: each is added under a key that must be free. If one
//! of them is not, the browser undoes all of it, and it takes the ordinary road, which reads what there is.
//!
//! Of the requests that write it waits only for the last of each kind, for one that fails ends them all.

use cid::Cid;
use futures::future::{join5, try_join_all};
use ostrakon_node::store::{StoreError, Usage};
use rexie::Transaction;
use wasm_bindgen::JsValue;

use super::database::{STORES, key};
use super::finder::{self, Finder};
use super::indexed_db::{outbox_key, store, value};
use super::pack;
use super::pending::{Folded, Out};
use super::place::info;
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
    /// What there is more of.
    pub usage: Usage,
}

/// What is to be settled, if all of it is documents of one event, and tips that wait.
pub fn all(folded: &Folded) -> Result<Option<Fresh>, StoreError> {
    let new = folded.puts.iter().all(|(record, _)| record.events == 1);
    if folded.puts.len() < MIN_DOCUMENTS || !new {
        return Ok(None);
    }
    let mut fresh = Fresh::default();
    for (record, new) in &folded.puts {
        let packs = pack::write(new);
        // Of several packs the ordinary road takes care.
        let [pack] = packs.as_slice() else {
            return Ok(None);
        };
        let document = record.stream.to_string();
        let pack_info = info(0, new);
        let row = Row {
            packs: vec![pack_info],
            record: record.to_bytes()?,
        };
        let names = finder::write(new.iter().map(|(cid, _)| cid));
        let place = || Some(key(&document, 0));
        let row_key = Some(document.as_str().into());
        fresh.rows.push((value(&row.write()), row_key));
        fresh.packs.push((value(pack), place()));
        fresh.names.push((value(&names), place()));
        fresh.usage.documents += 1;
        fresh.usage.blocks += u64::from(pack_info.blocks);
        fresh.usage.bytes += u64::from(pack_info.bytes);
        let cids = new.iter().map(|(cid, _)| *cid).collect();
        fresh.blocks.push((document, cids));
    }
    for (stream, out) in &folded.outbox {
        let Out::Is(outgoing) = out else {
            return Ok(None);
        };
        let entry = value(&outgoing.to_bytes()?);
        fresh.outbox.push((entry, Some(outbox_key(stream))));
    }
    Ok(Some(fresh))
}

impl Fresh {
    /// Whether all of it was added, and these records of the journal are gone. Why not is found out on the ordinary road.
    pub async fn add(&self, transaction: Transaction, moved: &[JsValue]) -> bool {
        let stores = STORES.map(|name| store(&transaction, name));
        let [Ok(rows), Ok(packs), Ok(names), Ok(keys)] = stores else {
            return false;
        };
        let added = join5(
            rows.add_all(self.rows.iter().cloned()),
            packs.add_all(self.packs.iter().cloned()),
            names.add_all(self.names.iter().cloned()),
            keys.put_all(self.outbox.iter().cloned()),
            try_join_all(moved.iter().map(|key| keys.delete(key.clone()))),
        )
        .await;
        matches!(added, (Ok(()), Ok(()), Ok(()), Ok(()), Ok(_)))
            && transaction.commit().await.is_ok()
    }

    /// Says where the blocks are now.
    pub fn teach(&self, finder: &mut Finder) {
        for (document, cids) in &self.blocks {
            finder.insert(document, 0, cids);
        }
    }
}
