//! One writer's values to one reader, who may be slow: beyond the bound the oldest give way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::Stream;

pub(crate) struct Writer<T>(Arc<Mutex<Shared<T>>>);

/// Ends when the writer is dropped.
pub(crate) struct Reader<T>(Arc<Mutex<Shared<T>>>);

struct Shared<T> {
    queue: VecDeque<T>,
    limit: usize,
    closed: bool,
    waker: Option<Waker>,
}

pub(crate) fn feed<T>(limit: usize) -> (Writer<T>, Reader<T>) {
    let shared = Shared {
        queue: VecDeque::new(),
        limit,
        closed: false,
        waker: None,
    };
    let shared = Arc::new(Mutex::new(shared));
    (Writer(shared.clone()), Reader(shared))
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Writer<T> {
    /// Adds a value and drops those it makes pointless.
    pub(crate) fn push(&self, value: T, replaces: impl Fn(&T) -> bool) {
        let mut shared = lock(&self.0);
        shared.queue.retain(|old| !replaces(old));
        while shared.queue.len() >= shared.limit {
            shared.queue.pop_front();
        }
        shared.queue.push_back(value);
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.closed = true;
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.closed = true;
        shared.queue.clear();
    }
}

impl<T> Stream for Reader<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut shared = lock(&self.0);
        match shared.queue.pop_front() {
            Some(value) => Poll::Ready(Some(value)),
            None if shared.closed => Poll::Ready(None),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn a_slow_reader_gets_the_newest() {
        let (writer, reader) = feed(2);
        for n in 0..5 {
            writer.push(n, |_| false);
        }
        drop(writer);
        assert_eq!(block_on(reader.collect::<Vec<_>>()), [3, 4]);
    }

    #[test]
    fn a_value_replaces_those_it_makes_pointless() {
        let (writer, reader) = feed(5);
        for n in 0..6 {
            writer.push(n, |old| old % 2 == n % 2);
        }
        drop(writer);
        assert_eq!(block_on(reader.collect::<Vec<_>>()), [4, 5]);
    }

    #[test]
    fn the_writer_sees_that_the_reader_is_gone() {
        let (writer, reader) = feed::<u32>(2);
        assert!(!writer.is_closed());
        drop(reader);
        assert!(writer.is_closed());
    }
}
