//! Whose turn it is to write to a document: one at a time, the others in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;

/// Writes that wait their turn on one document.
pub const MAX_TURNS: usize = 64;

type Queues = SortedMap<StreamId, VecDeque<oneshot::Sender<Turn>>>;

/// Of all documents. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Queues>>);

/// The right to write to a document, until it is dropped.
pub(crate) struct Turn {
    stream: StreamId,
    turns: Turns,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for it. Nothing if too many do.
    pub(crate) async fn take(&self, stream: StreamId) -> Option<Turn> {
        let waiting = {
            let mut queues = self.lock();
            match queues.get_mut(&stream) {
                None => {
                    queues.insert(stream, VecDeque::new());
                    None
                }
                Some(queue) => {
                    // Whoever gave up leaves room.
                    queue.retain(|waiting| !waiting.is_canceled());
                    if queue.len() >= MAX_TURNS {
                        return None;
                    }
                    let (sender, receiver) = oneshot::channel();
                    queue.push_back(sender);
                    Some(receiver)
                }
            }
        };
        match waiting {
            Some(receiver) => receiver.await.ok(),
            None => Some(Turn {
                stream,
                turns: self.clone(),
            }),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut queues = self.turns.lock();
            let next = queues.get_mut(&self.stream).and_then(VecDeque::pop_front);
            if next.is_none() {
                queues.remove(&self.stream);
            }
            next
        };
        if let Some(next) = next {
            // If nobody is there any more it comes back, is dropped, and goes to the one after.
            let _ = next.send(Turn {
                stream: self.stream,
                turns: self.turns.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::executor::block_on;

    use super::*;
    use crate::store::conformance::stream;

    #[test]
    fn one_writes_at_a_time_and_others_come_in_order() {
        let turns = Turns::default();
        let first = block_on(turns.take(stream(1)));
        assert!(first.is_some());
        let mut second = Box::pin(turns.take(stream(1)));
        let mut third = Box::pin(turns.take(stream(1)));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(block_on(turns.take(stream(2))).is_some(), "others go on");
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.now_or_never().flatten();
        assert!(second.is_some());
        drop(second);
        assert!(third.now_or_never().flatten().is_some());
        assert!(turns.lock().is_empty());
    }

    #[test]
    fn whoever_gives_up_is_passed_over_also_with_the_turn_on_its_way() {
        let turns = Turns::default();
        let first = block_on(turns.take(stream(1)));
        let mut second = Box::pin(turns.take(stream(1)));
        let mut third = Box::pin(turns.take(stream(1)));
        let mut fourth = Box::pin(turns.take(stream(1)));
        for waiting in [&mut second, &mut third, &mut fourth] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(second);
        drop(first);
        drop(third);
        assert!(fourth.now_or_never().flatten().is_some());
        assert!(turns.lock().is_empty());
    }

    #[test]
    fn no_more_wait_than_the_bound() {
        let turns = Turns::default();
        let first = block_on(turns.take(stream(1)));
        let mut waiting: Vec<_> = (0..MAX_TURNS)
            .map(|_| Box::pin(turns.take(stream(1))))
            .collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert!(block_on(turns.take(stream(1))).is_none());
        waiting.pop();
        assert!(
            turns.take(stream(1)).now_or_never().is_none(),
            "there is room again"
        );
        drop((waiting, first));
        assert!(turns.lock().is_empty());
    }
}
