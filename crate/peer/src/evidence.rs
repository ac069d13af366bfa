//! All there is to judge a document by: a CAR file, the time, and what chains say.
//!
//! The file is the world: a block that is not in it, or whose bytes do not hash to its name, does not exist, and an anchor
//! transaction that is not among the given times was never mined.

use std::collections::HashMap;

use ostrakon_protocol::event::{Decoded, Event, decode};
use ostrakon_protocol::{Block, Cid, StreamId, World, car};

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
    /// The blockchain: when each transaction was mined, in unix seconds.
    pub anchor_times: HashMap<Cid, u64>,
}

impl Evidence {
    /// Reads what the arguments name. `Err` is one sentence for the user.
    pub fn read(args: &WorldArgs) -> Result<Self, String> {
        let shown = args.file.display();
        let bytes = file::read(&args.file)?;
        let car = car::read(&bytes)
            .map_err(|error| format!("{shown} is not a readable CAR: {error}."))?;
        let tips = match args.tip.as_slice() {
            [] => car.roots,
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
        let blocks = car.blocks.into_iter();
        Ok(Self {
            blocks: blocks.map(|block| (*block.cid(), block)).collect(),
            tips,
            now: u64::try_from(now.as_second()).unwrap_or(0),
            anchor_times: match &args.anchor_times {
                Some(path) => anchor_times(&file::read(path)?)
                    .map_err(|error| format!("{}: {error}.", path.display()))?,
                None => HashMap::new(),
            },
        })
    }

    /// The world to judge in.
    pub fn world(&self) -> World<'_> {
        World::new(self.now, &self.anchor_times)
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
