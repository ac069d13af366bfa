//! Stores in memory that do as a test says when something is to be kept.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use ostrakon_node::store::{Change, Memory, Outgoing, Record, Store, StoreError, Stored, Usage};
use ostrakon_protocol::{Block, Cid, StreamId};

#[async_trait(?Send)]
pub trait Hook: Clone + 'static {
    /// In the place of a commit.
    async fn commit(&self, inner: &Memory, change: Change) -> Result<(), StoreError>;

    /// Before anything else that may find the disk full or foreign.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Clone, Default)]
pub struct Hooked<H> {
    pub inner: Memory,
    pub hook: H,
}

#[async_trait(?Send)]
impl<H: Hook> Store for Hooked<H> {
    async fn commit(&self, change: Change) -> Result<(), StoreError> {
        self.hook.commit(&self.inner, change).await
    }

    async fn document(&self, stream: &StreamId) -> Result<Option<Stored>, StoreError> {
        self.inner.document(stream).await
    }

    async fn record(&self, stream: &StreamId) -> Result<Option<Record>, StoreError> {
        self.inner.record(stream).await
    }

    async fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        self.inner.block(cid).await
    }

    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.inner.records().await
    }

    async fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        self.inner.outbox().await
    }

    async fn answer(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.inner.answer(name).await
    }

    async fn keep_answer(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.hook.check()?;
        self.inner.keep_answer(name, bytes).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.hook.check()?;
        self.inner.usage().await
    }
}

/// Fails while there is an error.
#[derive(Clone, Default)]
pub struct Failing {
    pub error: Rc<RefCell<Option<StoreError>>>,
}

#[async_trait(?Send)]
impl Hook for Failing {
    async fn commit(&self, inner: &Memory, change: Change) -> Result<(), StoreError> {
        self.check()?;
        inner.commit(change).await
    }

    fn check(&self) -> Result<(), StoreError> {
        self.error.borrow().clone().map_or(Ok(()), Err)
    }
}
