//! The devnet's living documents: tiles whose controllers keep writing, so that following can be seen.
//!
//! A controller's key is made once and kept. Its document follows from the key and a generation number, so a restarted
//! devnet goes on with the document it had, until that has grown to [`MAX_EVENTS`] and a new generation begins.

use ostrakon_protocol::author::{AuthorError, New, NewTile, TileMetadata};
use ostrakon_protocol::event::{self, Data, Map};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, Ipld, StreamId, json as ipld_json};
use serde_json::{Value, json};

/// Events after which a living document is left as it is and another begun.
pub const MAX_EVENTS: u32 = 500;

/// What a living document tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// The time of day.
    Clock,
    /// Steps on a grid, and the last of them.
    Walk,
    /// Lines, one after the other.
    Poem,
}

/// Every story there is.
pub const STORIES: [Story; 3] = [Story::Clock, Story::Walk, Story::Poem];

const WALK_REMEMBERS: u64 = 12;

const LINES: [&str; 8] = [
    "A potsherd lay where the kiln went cold,",
    "too small for wine, too plain to be sold;",
    "a hand picked it up and scratched in a name,",
    "and no one could say that it wasn't the same.",
    "They carried it far, through dust and through rain;",
    "whoever had doubts read the letters again.",
    "The city is gone and the scribe, and the wall.",
    "The word in the clay has outlasted them all.",
];

impl Story {
    /// Name of the key of its controller.
    pub fn name(self) -> &'static str {
        match self {
            Story::Clock => "clock",
            Story::Walk => "walk",
            Story::Poem => "poem",
        }
    }

    /// A few words on it.
    pub fn title(self) -> &'static str {
        match self {
            Story::Clock => "A clock",
            Story::Walk => "A walk",
            Story::Poem => "A poem, line by line",
        }
    }

    fn beginning(self) -> Value {
        let title = self.title();
        match self {
            Story::Clock => json!({ "title": title, "time": null, "ticks": 0 }),
            Story::Walk => json!({ "title": title, "steps": 0, "at": [0, 0], "trail": [] }),
            Story::Poem => json!({ "title": title, "lines": [] }),
        }
    }

    /// The change that comes after `content`, as a JSON Patch. `now` is in unix seconds.
    fn next(self, content: &Value, now: i64) -> Value {
        let count = |name: &str| content[name].as_u64().unwrap_or(0);
        let replace =
            |path: &str, value: Value| json!({ "op": "replace", "path": path, "value": value });
        match self {
            Story::Clock => {
                let time = jiff::Timestamp::from_second(now)
                    .map(|time| time.to_string())
                    .unwrap_or_default();
                json!([
                    replace("/time", json!(time)),
                    replace("/ticks", json!(count("ticks") + 1))
                ])
            }
            Story::Walk => {
                let steps = count("steps");
                let (x, y) = (
                    content["at"][0].as_i64().unwrap_or(0),
                    content["at"][1].as_i64().unwrap_or(0),
                );
                // Not random, only crooked: a multiplicative hash of where it is and how it came there.
                let turn = (steps ^ (x as u64).rotate_left(7) ^ (y as u64).rotate_left(19))
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let (dx, dy) = [(1, 0), (0, 1), (-1, 0), (0, -1)][(turn >> 62) as usize];
                let mut patch = vec![
                    replace("/steps", json!(steps + 1)),
                    json!({ "op": "add", "path": "/trail/-", "value": [x, y] }),
                    replace("/at", json!([x.saturating_add(dx), y.saturating_add(dy)])),
                ];
                if content["trail"]
                    .as_array()
                    .is_some_and(|trail| trail.len() as u64 >= WALK_REMEMBERS)
                {
                    patch.push(json!({ "op": "remove", "path": "/trail/0" }));
                }
                Value::Array(patch)
            }
            Story::Poem => match content["lines"]
                .as_array()
                .and_then(|lines| LINES.get(lines.len()))
            {
                Some(line) => json!([{ "op": "add", "path": "/lines/-", "value": line }]),
                None => json!([replace("/lines", json!([LINES[0]]))]),
            },
        }
    }
}

/// A story, who writes it, and where it stands.
pub struct Living {
    /// What it tells.
    pub story: Story,
    signer: Ed25519Signer,
    stream: StreamId,
    tip: Cid,
    content: Value,
    events: u32,
}

impl Living {
    /// The document of this generation as it begins, and its blocks.
    pub fn begin(
        story: Story,
        seed: &[u8; 32],
        generation: u32,
    ) -> Result<(Living, Vec<Block>), AuthorError> {
        let signer = Ed25519Signer::from_seed(seed);
        let mut unique = *b"living--0000";
        unique[8..].copy_from_slice(&generation.to_be_bytes());
        let content = story.beginning();
        let tile = New::Tile(NewTile {
            content: Some(ipld(&content)),
            metadata: TileMetadata {
                family: Some("devnet".to_owned()),
                ..TileMetadata::default()
            },
            deterministic: false,
        });
        let (stream, blocks) = tile.written_by(&signer, unique)?;
        let tip = *stream.init();
        Ok((
            Living {
                story,
                signer,
                stream,
                tip,
                content,
                events: 1,
            },
            blocks,
        ))
    }

    /// Goes on from where a kept document stands.
    pub fn resume(&mut self, tip: Cid, content: Value, events: u32) {
        (self.tip, self.content, self.events) = (tip, content, events);
    }

    /// The document.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Its newest event.
    pub fn tip(&self) -> &Cid {
        &self.tip
    }

    /// Whether it is time for the next generation.
    pub fn is_full(&self) -> bool {
        self.events >= MAX_EVENTS
    }

    /// The blocks of the next event, the event last. It counts once [`Living::resume`] was told that it is kept.
    pub fn write(&self, now: i64) -> Result<Vec<Block>, AuthorError> {
        let patch = ipld(&self.story.next(&self.content, now));
        let payload = Data::payload(*self.stream.init(), self.tip, Some(Map::new()), patch)?;
        Ok(event::sign(payload, &self.signer)?)
    }
}

/// Our own JSON is shallow and has no numbers that DAG-CBOR lacks.
fn ipld(value: &Value) -> Ipld {
    ipld_json::from_json(value).unwrap_or(Ipld::Null)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ostrakon_protocol::document::hear_all;
    use ostrakon_protocol::{Unasked, World};

    use super::*;

    /// What a node that has `blocks` holds after hearing of `tip`.
    fn stand(living: &mut Living, blocks: &HashMap<Cid, Block>, tip: Cid) {
        let world = World::new(1_750_000_000, &Unasked);
        let (document, refusals) = hear_all(living.stream(), &[tip], blocks, &world).unwrap();
        assert_eq!(refusals, [], "{:?}", living.story);
        let content = document
            .state()
            .content()
            .map_or(Value::Null, ipld_json::to_json);
        living.resume(*document.tip(), content, document.log().len() as u32);
    }

    #[test]
    fn every_story_goes_on_with_events_that_are_valid() {
        for story in STORIES {
            let (mut living, first) = Living::begin(story, &[3; 32], 0).unwrap();
            let mut blocks: HashMap<Cid, Block> = first
                .into_iter()
                .map(|block| (*block.cid(), block))
                .collect();
            let init = *living.tip();
            stand(&mut living, &blocks, init);
            let mut before = living.content.clone();
            for second in 0..30 {
                let event = living.write(1_750_000_000 + second).unwrap();
                let tip = *event.last().unwrap().cid();
                blocks.extend(event.into_iter().map(|block| (*block.cid(), block)));
                stand(&mut living, &blocks, tip);
                assert_eq!(*living.tip(), tip);
                assert_ne!(living.content, before, "something is seen to change");
                before = living.content.clone();
            }
            assert_eq!(living.events, 31);
            assert!(
                before["trail"]
                    .as_array()
                    .is_none_or(|trail| trail.len() <= WALK_REMEMBERS as usize)
            );
        }
    }

    #[test]
    fn a_document_follows_from_its_key_and_generation() {
        let stream = |seed, generation| {
            *Living::begin(Story::Clock, &[seed; 32], generation)
                .unwrap()
                .0
                .stream()
        };
        assert_eq!(stream(1, 0), stream(1, 0));
        assert_ne!(stream(1, 0), stream(1, 1));
        assert_ne!(stream(1, 0), stream(2, 0));
    }
}
