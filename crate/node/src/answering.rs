//! What a peer gets that asks for whole chains: read from the store, a part at a time, and only of documents that are kept,
//! each of which was verified. Between two parts at most [`MAX_HELD_BYTES`] of a document are held.

use std::collections::{HashMap, VecDeque};

use cid::Cid;
use ostrakon_protocol::block::Block;
use ostrakon_protocol::chain::{Step, Walk};
use ostrakon_protocol::id::StreamId;

use crate::network::chain_fetch::{End, Item, Part, Want};
use crate::store::Store;

/// Bytes of one document held between two parts, for one answer. A smaller document is read in one go.
pub const MAX_HELD_BYTES: usize = 1024 * 1024;

/// An answer under way.
pub struct Answering {
    wants: VecDeque<(usize, Want)>,
    chain: Option<Box<Chain>>,
}

/// The document at hand.
struct Chain {
    index: usize,
    stream: StreamId,
    known: Vec<Cid>,
    walk: Walk,
    /// What was sent since the walk began, or began anew.
    sent: HashMap<Cid, Block>,
    bytes: usize,
    /// All of it, if it is small.
    whole: HashMap<Cid, Block>,
}

/// A part of an answer.
pub struct Answered {
    /// What is left.
    pub rest: Answering,
    /// What to send.
    pub part: Part,
    /// Whether nothing comes after it.
    pub last: bool,
    /// Events that the peer has with it, newest ones of their documents.
    pub tips: Vec<Cid>,
}

impl Answering {
    /// To these questions.
    pub fn new(wants: Vec<Want>) -> Answering {
        Answering {
            wants: wants.into_iter().enumerate().collect(),
            chain: None,
        }
    }

    /// The document and event asked for next, while none is being answered.
    pub fn next(&self) -> Option<(&StreamId, &Cid)> {
        let (_, want) = self.wants.front().filter(|_| self.chain.is_none())?;
        Some((&want.stream, want.tip.as_ref()?))
    }

    /// Reads the next part.
    pub async fn read(mut self, store: &impl Store) -> Answered {
        let (mut part, mut tips) = (Part::default(), Vec::new());
        while !part.is_full() {
            let Some(mut chain) = self.chain.take() else {
                let Some((index, want)) = self.wants.pop_front() else {
                    break;
                };
                match begin(store, index, want).await {
                    Ok((chain, tip)) => {
                        part.push(&Item::Begin { index, tip });
                        tips.push(tip);
                        self.chain = Some(chain);
                    }
                    Err(end) => part.push(&Item::End { index, end }),
                }
                continue;
            };
            match chain.go_on(store, &mut part).await {
                Some(end) => part.push(&Item::End {
                    index: chain.index,
                    end,
                }),
                None => self.chain = Some(chain),
            }
        }
        let last = self.chain.is_none() && self.wants.is_empty();
        Answered {
            rest: self,
            part,
            last,
            tips,
        }
    }
}

async fn begin(store: &impl Store, index: usize, want: Want) -> Result<(Box<Chain>, Cid), End> {
    let Want { stream, tip, known } = want;
    let read = store.record(&stream).await.map_err(|error| {
        tracing::warn!(%stream, %error, "a record cannot be read");
        End::Broken
    })?;
    let record = read.ok_or(End::Unknown)?;
    let tip = tip.unwrap_or(*record.tip());
    if known.contains(&tip) {
        return Err(End::Known);
    }
    let small = usize::try_from(record.bytes).is_ok_and(|bytes| bytes <= MAX_HELD_BYTES);
    let whole = match small {
        true => store.document(&stream).await.ok().flatten(),
        false => None,
    };
    let whole = whole.map(|stored| stored.verified().1).unwrap_or_default();
    if !whole.contains_key(&tip) && !matches!(store.block(&tip).await, Ok(Some(_))) {
        return Err(End::NoTip);
    }
    let chain = Chain {
        index,
        stream,
        known,
        walk: Walk::new(stream, tip),
        sent: HashMap::new(),
        bytes: 0,
        whole,
    };
    Ok((Box::new(chain), tip))
}

impl Chain {
    /// Sends the next blocks; what the peer's own walk will ask for, in that order. Why it ends, if it does.
    async fn go_on(&mut self, store: &impl Store, part: &mut Part) -> Option<End> {
        while !part.is_full() {
            let cids = match self.walk.advance(&self.sent, None) {
                Ok(Step::Need(cids)) => cids,
                Ok(Step::Done(_)) => return Some(End::Whole),
                Err(error) => {
                    tracing::debug!(stream = %self.stream, %error, "a kept chain cannot be sent on");
                    return Some(End::Broken);
                }
            };
            if cids.first().is_some_and(|cid| self.known.contains(cid)) {
                return Some(End::Whole);
            }
            for cid in cids.into_iter().filter(|cid| !self.known.contains(cid)) {
                let block = match self.whole.get(&cid) {
                    Some(block) => Some(block.clone()),
                    None => store.block(&cid).await.ok().flatten(),
                };
                let Some(block) = block else {
                    self.walk.absent(&cid);
                    continue;
                };
                self.bytes = self.bytes.saturating_add(block.bytes().len());
                part.push(&Item::Block(block.clone()));
                self.sent.insert(cid, block);
            }
        }
        if self.bytes > MAX_HELD_BYTES {
            self.forget();
        }
        None
    }

    /// Begins anew with the event at hand, of which some blocks may be sent twice.
    fn forget(&mut self) {
        let cursor = *self.walk.cursor();
        self.walk = Walk::new(self.stream, cursor);
        self.sent.clear();
        self.bytes = 0;
    }
}
