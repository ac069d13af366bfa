//! What is in the journal goes to its places: some of it at a time, each time in one transaction, so that it is in the journal or
//! in its place whatever is killed and whenever. Whoever writes meanwhile waits for one such step and not for all.

use std::rc::Rc;
use std::time::Duration;

use futures::future::{join, join_all};
use ostrakon_node::store::{StoreError, Usage};
use rexie::TransactionMode;
use wasm_bindgen::JsValue;

use super::database::{
    self, JOURNAL, KEYS, STORES, Write, meaning, named, number, number_of, numbers,
};
use super::fresh;
use super::indexed_db::{Inner, rewrite, store};
use super::pending::{Piece, Step, fold, piece, shortened};
use super::place::{out, put, recount};

/// How long what is written stays in the journal, if nothing needs it in its place: of a document that is written again and
/// again only what comes of it is moved.
pub const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// Bytes of the journal that are moved in one transaction, about.
const SETTLED_AT_ONCE: usize = 128 * 1024;

impl Inner {
    /// Takes up what a database that was not closed in time has in its journal.
    pub(super) async fn resume(self: Rc<Self>) -> Result<(), StoreError> {
        let transaction = self.begin(&[KEYS], TransactionMode::ReadOnly)?;
        let journal = store(&transaction, KEYS)?;
        let (keys, records) = join(
            journal.get_all_keys(Some(named(JOURNAL)?), None),
            journal.get_all(Some(named(JOURNAL)?), None),
        )
        .await;
        let keys = keys.map_err(|error| meaning(&error))?;
        let records = records.map_err(|error| meaning(&error))?;
        for (key, record) in keys.iter().zip(&records) {
            let Some(sequence) = number_of(key) else {
                continue;
            };
            let mut pending = self.pending.borrow_mut();
            match piece(sequence, database::bytes(record).unwrap_or_default()) {
                Ok(piece) => pending.push(piece),
                // It stays where it is.
                Err(StoreError::Corrupt(error)) => {
                    tracing::warn!(%error, "left out");
                    pending.skip(sequence);
                }
                Err(error) => return Err(error),
            }
        }
        // A full disk keeps nobody from reading.
        if let Err(error) = self.settle().await {
            tracing::warn!(%error, "the journal stays as it is");
        }
        Ok(())
    }

    /// Moves all of it.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let _alone = self.writing.lock().await;
            match self.settle_some(after).await? {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    /// The same, for whoever is writing.
    pub(super) async fn settle_all(&self) -> Result<(), StoreError> {
        let mut after = 0;
        while let Some(last) = self.settle_some(after).await? {
            after = last;
        }
        Ok(())
    }

    /// Moves the next records, and returns the number of the last.
    async fn settle_some(&self, after: u32) -> Result<Option<u32>, StoreError> {
        let pieces = self.pending.borrow().waiting.some(after, SETTLED_AT_ONCE);
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
            return Ok(None);
        };
        let (first, last) = (first.sequence, last.sequence);
        let moved = moved(&pieces, first, last)?;
        let folded = fold(pieces.iter().flat_map(|piece| &piece.steps));
        if let Some(fresh) = fresh::all(&folded)?
            && fresh
                .add(self.begin(&STORES, TransactionMode::ReadWrite)?, &moved)
                .await
        {
            fresh.teach(&mut self.finder.borrow_mut());
            let counted = self.counted.get();
            let change = (Usage::default(), fresh.usage);
            self.counted
                .set(counted.and_then(|counted| recount(counted, change)));
            self.moved(&pieces, Vec::new())?;
            return Ok(Some(last));
        }
        let transaction = self.begin(&STORES, TransactionMode::ReadWrite)?;
        let puts = folded.puts.iter();
        let puts = puts.map(|(record, blocks)| put(&transaction, record.clone(), blocks.clone()));
        let outs = folded.outbox.iter();
        let outs = outs.map(|(stream, one)| out(&transaction, stream, one));
        let (plans, outs) = join(join_all(puts), join_all(outs)).await;
        let mut writes: Vec<Write> = moved
            .into_iter()
            .map(|key| Write::Delete(KEYS, key))
            .collect();
        let (mut learned, mut left) = (Vec::new(), Vec::new());
        let mut counted = self.counted.get();
        for ((record, blocks), plan) in folded.puts.into_iter().zip(plans) {
            match plan {
                Ok(plan) => {
                    writes.extend(plan.writes);
                    learned.push((plan.document, plan.places));
                    counted = counted.and_then(|counted| recount(counted, plan.usage));
                }
                // The place of one document is damaged: what was written to it stays in the journal, and others go on.
                Err(error @ (StoreError::Corrupt(_) | StoreError::Newer { .. })) => {
                    tracing::warn!(stream = %record.stream, %error, "it stays in the journal");
                    self.pending.borrow_mut().unlearn(&[record.stream]);
                    left.push(Step::Put(record, blocks));
                }
                Err(error) => return Err(error),
            }
        }
        for out in outs {
            writes.extend(out?);
        }
        let left = match left.is_empty() {
            true => Vec::new(),
            false => vec![shortened(first, left)?],
        };
        writes.extend(left.iter().map(|(piece, bytes)| rewrite(piece, bytes)));
        database::commit(&self.name, transaction, writes).await?;
        self.counted.set(counted);
        let mut finder = self.finder.borrow_mut();
        for (document, places) in learned {
            for (sequence, cids) in places {
                finder.insert(&document, sequence, &cids);
            }
        }
        self.moved(&pieces, left)?;
        Ok(Some(last))
    }

    /// They are in their places, but for what is left.
    fn moved(&self, pieces: &[Rc<Piece>], left: Vec<(Piece, Vec<u8>)>) -> Result<(), StoreError> {
        let mut pending = self.pending.borrow_mut();
        for piece in pieces {
            let kept = left.iter().any(|(left, _)| left.sequence == piece.sequence);
            if !kept {
                pending.replace(shortened(piece.sequence, Vec::new())?.0);
            }
        }
        left.into_iter()
            .for_each(|(piece, _)| pending.replace(piece));
        Ok(())
    }
}

/// The keys of these records: one range, if no other record lies between.
fn moved(pieces: &[Rc<Piece>], first: u32, last: u32) -> Result<Vec<JsValue>, StoreError> {
    match (last - first) as usize + 1 == pieces.len() {
        true => Ok(vec![numbers(first, last)?.into()]),
        false => Ok(pieces.iter().map(|piece| number(piece.sequence)).collect()),
    }
}
