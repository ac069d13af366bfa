use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use futures_timer::Delay;
use web_time::Instant;

use ostrakon_protocol::sorted::{SortedMap, SortedSet};

use super::{Anywhere, ChainSource, ChainsConfig, Doubt, Key, Outcome, Pace, Panel, Quorum, kept};
use crate::store::Store;

/// Transactions asked about at once.
pub const MAX_QUESTIONS: usize = 16;
/// Transactions that wait to be asked about. Of more the anchors stay claimed until their document is judged anew.
pub const MAX_WAITING: usize = 4_096;

/// What came of a question.
#[derive(Debug)]
pub enum News {
    /// An answer.
    Answered(Key, Outcome),
    /// There is nobody to ask, and nothing is kept.
    Nobody(Key),
    /// It was asked often enough.
    GaveUp(Key, Doubt),
}

struct Waiting {
    key: Key,
    /// How often it was asked.
    asked: u32,
    due: Duration,
}

type Asked = Pin<Box<dyn Future<Output = (Key, u32, Option<Outcome>)>>>;

/// Asks about transactions: looks on the disk first, then asks the panel of the chain, again after a pause while there is no
/// telling.
pub struct Asker<S> {
    store: Rc<S>,
    panels: SortedMap<String, Rc<Panel>>,
    anywhere: Option<Anywhere>,
    quorum: Quorum,
    pace: Pace,
    waiting: VecDeque<Waiting>,
    asked: FuturesUnordered<Asked>,
    /// Those that wait or are asked about.
    known: SortedSet<Key>,
    timer: Option<(Duration, Delay)>,
    started: Instant,
}

impl<S: Store> Asker<S> {
    /// Nothing is asked yet.
    pub fn new(store: Rc<S>, config: &ChainsConfig) -> Self {
        let mut sources: SortedMap<String, Vec<Rc<dyn ChainSource>>> = SortedMap::new();
        for (chain, source) in &config.sources {
            sources.get_or_default(chain.clone()).push(source.clone());
        }
        let panel = |(chain, mut sources): (String, Vec<Rc<dyn ChainSource>>)| {
            sources.extend(config.anywhere.as_ref().map(|make| make(&chain)));
            let quorum = config.quorums.get(&chain).copied();
            let quorum = quorum.unwrap_or(config.quorum);
            let panel = Panel::new(&chain, sources, quorum, config.pace.timeout);
            (chain, Rc::new(panel))
        };
        Self {
            store,
            panels: sources.into_iter().map(panel).collect(),
            anywhere: config.anywhere.clone(),
            quorum: config.quorum,
            pace: config.pace,
            waiting: VecDeque::new(),
            asked: FuturesUnordered::new(),
            known: SortedSet::new(),
            timer: None,
            started: Instant::now(),
        }
    }

    /// Asks about a transaction, unless that is done already.
    pub fn want(&mut self, key: Key) {
        if self.known.len() < MAX_WAITING && self.known.insert(key.clone()) {
            self.waiting.push_back(Waiting {
                key,
                asked: 0,
                due: Duration::ZERO,
            });
        }
    }

    /// How many transactions wait or are asked about.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.known.len()
    }

    /// Ends all pauses: the device woke up, or a wallet is connected now.
    pub fn wake(&mut self) {
        for waiting in &mut self.waiting {
            waiting.due = Duration::ZERO;
        }
        self.timer = None;
    }

    /// What comes next. Pending also when there is nothing to ask.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        loop {
            self.start();
            if let Poll::Ready(Some((key, asked, outcome))) = self.asked.poll_next_unpin(cx) {
                match outcome {
                    Some(Outcome::Open(doubt)) if asked < self.pace.attempts => {
                        tracing::debug!(transaction = %key, %doubt, "a chain is asked again later");
                        let doublings = asked.saturating_sub(1).min(16);
                        let pause = self.pace.pause.saturating_mul(1 << doublings);
                        let due = self.started.elapsed().saturating_add(pause);
                        self.waiting.push_back(Waiting { key, asked, due });
                        continue;
                    }
                    Some(Outcome::Open(doubt)) => {
                        self.known.remove(&key);
                        return Poll::Ready(News::GaveUp(key, doubt));
                    }
                    Some(outcome) => {
                        self.known.remove(&key);
                        return Poll::Ready(News::Answered(key, outcome));
                    }
                    None => {
                        self.known.remove(&key);
                        return Poll::Ready(News::Nobody(key));
                    }
                }
            }
            match self.poll_timer(cx) {
                Poll::Ready(()) => continue,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn start(&mut self) {
        let now = self.started.elapsed();
        while self.asked.len() < MAX_QUESTIONS {
            let due = self.waiting.iter().position(|waiting| waiting.due <= now);
            let Some(Waiting { key, asked, .. }) = due.and_then(|at| self.waiting.remove(at))
            else {
                return;
            };
            let store = self.store.clone();
            let panel = self.panel(key.chain_id());
            self.asked.push(Box::pin(async move {
                let outcome = ask(&*store, panel.as_deref(), &key).await;
                (key, asked.saturating_add(1), outcome)
            }));
        }
    }

    fn panel(&self, chain: &str) -> Option<Rc<Panel>> {
        let known = self.panels.get(chain).cloned();
        known.or_else(|| {
            // Chains are named by strangers, so a panel for one that nobody configured is not kept.
            let source = self.anywhere.as_ref()?(chain);
            let panel = Panel::new(chain, [source], self.quorum, self.pace.timeout);
            Some(Rc::new(panel))
        })
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.asked.len() >= MAX_QUESTIONS {
            return Poll::Pending;
        }
        let Some(due) = self.waiting.iter().map(|waiting| waiting.due).min() else {
            self.timer = None;
            return Poll::Pending;
        };
        if self
            .timer
            .as_ref()
            .is_none_or(|(set_for, _)| *set_for != due)
        {
            let pause = due.saturating_sub(self.started.elapsed());
            self.timer = Some((due, Delay::new(pause)));
        }
        let ready = self.timer.as_mut().map(|(_, delay)| delay.poll_unpin(cx));
        match ready {
            Some(Poll::Ready(())) => {
                self.timer = None;
                Poll::Ready(())
            }
            _ => Poll::Pending,
        }
    }
}

/// Nothing if it is not kept and there is nobody to ask.
async fn ask<S: Store>(store: &S, panel: Option<&Panel>, key: &Key) -> Option<Outcome> {
    let name = key.to_string();
    let kept = store.answer(&name).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what a chain answered cannot be read");
        None
    });
    let kept = kept.and_then(|bytes| kept::decode(&bytes));
    // What satisfied a smaller quorum once does not satisfy a larger one now.
    let quorum = panel.map_or(1, Panel::quorum);
    if let Some((transaction, by)) = kept.filter(|(_, by)| by.len() >= quorum) {
        return Some(Outcome::Mined(Arc::new(transaction), by));
    }
    let panel = panel.filter(|panel| panel.is_anyone_there())?;
    let outcome = panel.ask(key.hash()).await;
    if let Outcome::Mined(transaction, by) = &outcome
        && let Some(bytes) = kept::encode(transaction, by)
        && let Err(error) = store.keep_answer(&name, bytes.into()).await
    {
        tracing::warn!(%error, "what a chain answered was not kept");
    }
    Some(outcome)
}
