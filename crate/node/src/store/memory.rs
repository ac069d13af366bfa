//! Documents in memory, gone with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;

use super::{Change, Outgoing, Record, Store, StoreError, Stored, Usage};
use crate::chains::kept::MAX_KEPT;

/// A store in memory. Clones share what is kept, so a clone is what reopening is for the others.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    documents: Arc<Mutex<Documents>>,
    answers: Arc<Mutex<SortedMap<String, Bytes>>>,
}

#[derive(Debug, Default)]
struct Documents {
    kept: SortedMap<StreamId, Kept>,
    outbox: SortedMap<StreamId, Outgoing>,
}

#[derive(Debug)]
struct Kept {
    record: Record,
    blocks: SortedMap<Cid, Bytes>,
}

impl Documents {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Put { record, blocks } => {
                let blocks = blocks
                    .iter()
                    .map(|block| (*block.cid(), block.bytes().clone()));
                match self.kept.get_mut(&record.stream) {
                    Some(kept) => {
                        kept.blocks.extend(blocks);
                        kept.record = record;
                    }
                    None => {
                        let (stream, blocks) = (record.stream, blocks.collect());
                        self.kept.insert(stream, Kept { record, blocks });
                    }
                }
            }
            Change::Forget(stream) => {
                self.kept.remove(&stream);
                self.outbox.remove(&stream);
            }
            Change::Queue(outgoing) => {
                self.outbox.insert(outgoing.stream, outgoing);
            }
            Change::Sent(stream, tip) => {
                if self.outbox.get(&stream).is_some_and(|one| one.tip == tip) {
                    self.outbox.remove(&stream);
                }
            }
            Change::Many(_) => {}
        }
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Documents> {
        // No change leaves the map half made, so one that panicked elsewhere does not matter.
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, SortedMap<String, Bytes>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the bytes of a block in every document that has it, as a failing disk would.
    #[cfg(any(test, feature = "conformance"))]
    pub fn damage(&self, cid: &Cid) {
        for bytes in self
            .lock()
            .kept
            .values_mut()
            .filter_map(|kept| kept.blocks.get_mut(cid))
        {
            let mut damaged = bytes.to_vec();
            damaged.push(0);
            *bytes = damaged.into();
        }
    }
}

#[async_trait(?Send)]
impl Store for Memory {
    async fn commit(&self, change: Change) -> Result<(), StoreError> {
        let mut documents = self.lock();
        for change in change.into_list() {
            documents.apply(change);
        }
        Ok(())
    }

    async fn document(&self, stream: &StreamId) -> Result<Option<Stored>, StoreError> {
        Ok(self.lock().kept.get(stream).map(|kept| Stored {
            record: kept.record.clone(),
            blocks: kept
                .blocks
                .iter()
                .map(|(cid, bytes)| (*cid, bytes.clone()))
                .collect(),
        }))
    }

    async fn record(&self, stream: &StreamId) -> Result<Option<Record>, StoreError> {
        Ok(self.lock().kept.get(stream).map(|kept| kept.record.clone()))
    }

    async fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        let found = self
            .lock()
            .kept
            .values()
            .find_map(|kept| kept.blocks.get(cid).cloned());
        found
            .map(|bytes| {
                Block::verify(*cid, bytes).map_err(|error| StoreError::Corrupt(error.to_string()))
            })
            .transpose()
    }

    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        Ok(self
            .lock()
            .kept
            .values()
            .map(|kept| kept.record.clone())
            .collect())
    }

    async fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        Ok(self.lock().outbox.values().cloned().collect())
    }

    async fn answer(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.answers().get(name).cloned())
    }

    async fn keep_answer(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let mut answers = self.answers();
        answers.insert(name.to_owned(), bytes);
        while answers.len() > MAX_KEPT {
            answers.pop_first();
        }
        Ok(())
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        let documents = self.lock();
        let mut usage = Usage {
            documents: documents.kept.len() as u64,
            ..Usage::default()
        };
        for bytes in documents
            .kept
            .values()
            .flat_map(|kept| kept.blocks.values())
        {
            usage.blocks += 1;
            usage.bytes += bytes.len() as u64;
        }
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::Fixture;

    #[async_trait(?Send)]
    impl Fixture for Memory {
        type Store = Memory;

        async fn open(&self) -> Memory {
            self.clone()
        }

        async fn damage(&self, cid: &Cid) {
            Memory::damage(self, cid);
        }
    }

    crate::store_conformance!(Memory::default());
}
