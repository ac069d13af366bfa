//! All there is to judge a document by: a CAR file, the time, and what chains say.
//!
//! The file is the world: a block that is not in it, or whose bytes do not hash to its name, does not exist, and an anchor
//! transaction that is not among the given times was never mined; unless there are chains' nodes to ask.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use ostrakon_node::chains::{Answers, Doubt, Key, MAX_WAITING};
use ostrakon_protocol::anchor::Proof;
use ostrakon_protocol::event::{Decoded, Event, decode};
use ostrakon_protocol::{Block, Cid, StreamId, World, car};

use crate::chains::{self, ChainArgs};
use crate::cli::WorldArgs;
use crate::file;

/// See the module.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Every block there is.
    pub blocks: HashMap<Cid, Block>,
    /// The announced tips, in order of arrival.
    pub tips: Vec<Cid>,
    /// The present, in unix seconds.
    pub now: u64,
    /// What chains say.
    pub chains: Said,
}

/// What chains say.
#[derive(Clone, Debug)]
pub enum Said {
    /// The blockchain as a table: when each transaction was mined, in unix seconds. What is not in it does not exist.
    Times(HashMap<Cid, u64>),
    /// What was answered to questions.
    Answers(Answers),
}

impl Evidence {
    /// Reads what the arguments name. `Err` is one sentence for the user.
    pub fn read(args: &WorldArgs) -> Result<Self, String> {
        let (blocks, roots) = archive(&args.file)?;
        let tips = match args.tip.as_slice() {
            [] => roots,
            given => given
                .iter()
                .map(|text| cid("--tip", text))
                .collect::<Result<_, _>>()?,
        };
        let now = match &args.now {
            Some(text) => text
                .parse::<jiff::Timestamp>()
                .map_err(|error| format!("--now {text}: {error}."))?,
            None => jiff::Timestamp::now(),
        };
        Ok(Self {
            now: u64::try_from(now.as_second()).unwrap_or(0),
            chains: Said::Times(match &args.anchor_times {
                Some(path) => anchor_times(&file::read(path)?)
                    .map_err(|error| format!("{}: {error}.", path.display()))?,
                None => HashMap::new(),
            }),
            ..Self::of(blocks, tips)
        })
    }

    /// These blocks now, with a blockchain that holds nothing.
    pub fn of(blocks: HashMap<Cid, Block>, tips: Vec<Cid>) -> Self {
        Self {
            blocks,
            tips,
            now: u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0),
            chains: Said::Times(HashMap::new()),
        }
    }

    /// Asks the chains' nodes that the arguments name, if any, about every anchor in the file; inside a tokio runtime. Says
    /// about which transactions there is no answer to rely on: their anchors stay claimed. `Err` is one sentence for the user.
    pub async fn ask(&mut self, args: &ChainArgs) -> Result<Vec<String>, String> {
        if !args.any() {
            return Ok(Vec::new());
        }
        let config = args.config()?;
        let proofs = self
            .blocks
            .values()
            .filter_map(|block| self.proof_of(block));
        let keys = proofs.filter_map(|proof| Key::of(&proof));
        let keys: BTreeSet<Key> = keys.take(MAX_WAITING).collect();
        let (answers, doubts) = chains::ask(&config, keys, self.now).await;
        self.chains = Said::Answers(answers);
        let sentence = |(key, doubt): (Key, Doubt)| {
            format!(
                "Nobody can say yet whether {key} was mined: {doubt} ({}).",
                doubt.code()
            )
        };
        Ok(doubts.into_iter().map(sentence).collect())
    }

    /// The proof of a time event.
    fn proof_of(&self, block: &Block) -> Option<Proof> {
        match decode(block, &self.blocks).ok()? {
            Decoded::Event(Event::Time(time)) => Proof::read(self.blocks.get(&time.proof)?).ok(),
            _ => None,
        }
    }

    /// The world to judge in.
    pub fn world(&self) -> World<'_> {
        match &self.chains {
            Said::Times(times) => World::new(self.now, times),
            Said::Answers(answers) => World::new(self.now, answers),
        }
    }

    /// The documents that the tips belong to, in their order, each with its tips. A tip that leads to no init event
    /// belongs to none.
    pub fn documents(&self) -> Vec<(StreamId, Vec<Cid>)> {
        let mut documents: Vec<(StreamId, Vec<Cid>)> = Vec::new();
        for tip in &self.tips {
            let Some(stream) = self.stream_of(*tip) else {
                continue;
            };
            match documents.iter_mut().find(|(other, _)| *other == stream) {
                Some((_, tips)) => tips.push(*tip),
                None => documents.push((stream, vec![*tip])),
            }
        }
        documents
    }

    fn stream_of(&self, tip: Cid) -> Option<StreamId> {
        let mut cid = tip;
        for _ in 0..=self.blocks.len() {
            match decode(self.blocks.get(&cid)?, &self.blocks).ok()? {
                Decoded::Event(Event::Init(init)) => {
                    return Some(StreamId::new(init.stream_type(), cid));
                }
                Decoded::Event(event) => cid = *event.prev()?,
                Decoded::Need(_) => return None,
            }
        }
        None
    }
}

/// The blocks and the roots of a CAR file. `Err` is one sentence for the user.
pub(crate) fn archive(path: &Path) -> Result<(HashMap<Cid, Block>, Vec<Cid>), String> {
    let bytes = file::read(path)?;
    let car = car::read(&bytes)
        .map_err(|error| format!("{} is not a readable CAR: {error}.", path.display()))?;
    let blocks = car.blocks.into_iter();
    let blocks = blocks.map(|block| (*block.cid(), block)).collect();
    Ok((blocks, car.roots))
}

pub(crate) fn cid(option: &str, text: &str) -> Result<Cid, String> {
    Cid::try_from(text).map_err(|error| format!("{option} {text}: {error}."))
}

fn anchor_times(text: &[u8]) -> Result<HashMap<Cid, u64>, String> {
    let times: HashMap<String, u64> = serde_json::from_slice(text)
        .map_err(|error| format!("not a JSON object of txHash CID to unix seconds: {error}"))?;
    let named = times
        .into_iter()
        .map(|(name, time)| match Cid::try_from(name.as_str()) {
            Ok(cid) => Ok((cid, time)),
            Err(error) => Err(format!("{name:?}: {error}")),
        });
    named.collect()
}
