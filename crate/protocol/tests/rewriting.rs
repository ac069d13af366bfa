//! Events of the other vectors, written once more from what they say: the bytes that are signed must be the same, and where the
//! vectors have the key the event.
//!
//! Whoever made those vectors compared contents of their own, not those that js-ceramic reads back, so the operations of some
//! patches stand in another order. Some are no difference at all but written by hand, and some init events have a header that
//! no package writes (a `unique` of another length, unknown fields, an earlier form).

mod common;

use std::collections::HashMap;

use common::case::{Case, cases};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ostrakon_protocol::author::{
    Change, Edit, New, NewContent, NewInstance, NewLink, NewModel, NewTile, Relation, TileMetadata,
    Unsigned,
};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::event::{Data, Decoded, Init, Map, decode};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{
    Cid, Document, Event, Ipld, StreamId, StreamType, cbor, json as ipld_json,
};
use serde_json::Value;

#[derive(Debug, Default)]
struct Count {
    inits: usize,
    inits_alike: usize,
    edits: usize,
    /// Of them those that asking for the new content writes,
    edits_alike: usize,
    /// in which it writes the same operations in another order,
    reordered: usize,
    /// and of the rest those that asking for their patch writes.
    patches_alike: usize,
    /// Events signed anew, all with the same CID.
    signed: usize,
}

impl Count {
    fn of(file: &str) -> Self {
        let mut count = Self::default();
        for (case, json) in cases(file).iter().zip(common::cases(file)) {
            if let Ok((document, _)) = case.hear(&case.tips) {
                count.add(case, &keys(&json), &document);
            }
        }
        println!("{file}: {count:?}");
        count
    }

    fn add(&mut self, case: &Case, keys: &HashMap<String, Ed25519Signer>, document: &Document) {
        let mut before: Option<Document> = None;
        for entry in document.log() {
            // What only a later anchor makes valid is not written by anybody now.
            let Some(after) = case.at(entry.cid) else {
                return;
            };
            let event = case.event(&entry.cid);
            let alike = |written: Option<Unsigned>| written.filter(|written| same(written, &event));
            let written = match (&event, &before) {
                (Event::Init(init), _) => {
                    let written = alike(again(init, case.stream.stream_type()));
                    self.inits += 1;
                    self.inits_alike += usize::from(written.is_some());
                    written
                }
                (Event::Data(data), Some(before)) => {
                    let asked = whole(data, before, &after);
                    let reordered = asked
                        .as_ref()
                        .is_some_and(|asked| same_operations(asked, data));
                    let (whole, patch) = (alike(asked), alike(patch(data, before)));
                    self.edits += 1;
                    match (&whole, reordered, &patch) {
                        (Some(_), ..) => self.edits_alike += 1,
                        (None, true, _) => self.reordered += 1,
                        (None, false, Some(_)) => self.patches_alike += 1,
                        (None, false, None) => {}
                    }
                    whole.or(patch)
                }
                _ => None,
            };
            let author = before.as_ref().unwrap_or(&after).state().controller();
            let signer = author.and_then(|author| keys.get(author));
            if let (Some(written), Some(signer)) = (written, signer)
                && written.needs_signature()
            {
                let blocks = written.sign(signer).unwrap();
                assert_eq!(*blocks[1].cid(), entry.cid, "{}", case.name);
                self.signed += 1;
            }
            before = Some(after);
        }
    }
}

fn keys(case: &Value) -> HashMap<String, Ed25519Signer> {
    let seeds = case["seeds"].as_object().into_iter().flatten();
    let key = |seed: &Value| {
        let seed = HEXLOWER_PERMISSIVE.decode(seed.as_str().unwrap().as_bytes());
        Ed25519Signer::from_seed(&seed.unwrap().try_into().unwrap())
    };
    seeds.map(|(did, seed)| (did.clone(), key(seed))).collect()
}

/// Whether the bytes are those that the event has.
fn same(written: &Unsigned, event: &Event) -> bool {
    let payload = event
        .envelope()
        .map_or(event.cid(), |envelope| &envelope.payload);
    written.payload().cid() == payload && written.needs_signature() == event.envelope().is_some()
}

/// Whether the patch has the operations of this event, each as often.
fn same_operations(written: &Unsigned, data: &Data) -> bool {
    let Ipld::Map(payload) = cbor::decode(written.payload().bytes()).unwrap() else {
        panic!("not a map");
    };
    let operations = |patch: &Ipld| match patch {
        Ipld::List(list) => {
            let mut texts: Vec<_> = list.iter().map(|one| format!("{one:?}")).collect();
            texts.sort();
            texts
        }
        other => vec![format!("{other:?}")],
    };
    operations(&payload["data"]) == operations(&data.data)
}

impl Case {
    fn event(&self, cid: &Cid) -> Event {
        match decode(&self.blocks[cid], &self.blocks).unwrap() {
            Decoded::Event(event) => event,
            Decoded::Need(missing) => panic!("{missing:?}"),
        }
    }

    fn at(&self, tip: Cid) -> Option<Document> {
        let heard = hear_all(&self.stream, &[tip], &self.blocks, &self.world());
        Some(heard.ok()?.0).filter(|document| *document.tip() == tip)
    }
}

fn text(value: Option<&Ipld>) -> Option<String> {
    match value {
        Some(Ipld::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn id(value: Option<&Ipld>) -> Option<StreamId> {
    match value {
        Some(Ipld::Bytes(bytes)) => StreamId::from_bytes(bytes).ok(),
        _ => None,
    }
}

/// The document as somebody would have asked for it.
fn again(init: &Init, kind: StreamType) -> Option<Unsigned> {
    let header = &init.header;
    let field = |name: &str| header.fields.get(name);
    let mut unique = [0; 12];
    let content = init.content.clone();
    let new = match kind {
        StreamType::TILE => {
            if let Some(Ipld::String(text)) = field("unique") {
                unique = BASE64.decode(text.as_bytes()).ok()?.try_into().ok()?;
            }
            New::Tile(NewTile {
                content,
                metadata: TileMetadata {
                    family: text(field("family")),
                    schema: text(field("schema")),
                    tags: match field("tags") {
                        Some(Ipld::List(tags)) => tags.iter().map(|tag| text(Some(tag))).collect(),
                        _ => None,
                    },
                    forbid_controller_change: field("forbidControllerChange").is_some(),
                },
                deterministic: field("unique").is_none(),
            })
        }
        StreamType::CAIP10_LINK => New::Caip10Link(NewLink {
            account: header.controllers[0].clone(),
        }),
        StreamType::MODEL => New::Model(NewModel {
            definition: content?,
        }),
        _ => {
            let relation = match (field("unique"), content, &init.envelope) {
                (Some(Ipld::Bytes(drawn)), Some(content), Some(_)) => {
                    unique = drawn.clone().try_into().ok()?;
                    Relation::List(content)
                }
                (Some(Ipld::Bytes(values)), _, None) => {
                    let values = String::from_utf8(values.clone()).ok()?;
                    Relation::Set(values.split('|').map(str::to_owned).collect())
                }
                _ => Relation::Single,
            };
            New::ModelInstance(NewInstance {
                model: header.model()?,
                relation,
                context: id(field("context")),
            })
        }
    };
    let controller = match kind {
        StreamType::CAIP10_LINK => "did:key:anybody",
        _ => &header.controllers[0],
    };
    Some(new.init(controller, unique).ok()?.1)
}

fn edit(change: Change, header: Option<&Map>, before: &Document) -> Option<Unsigned> {
    let header = header.cloned().unwrap_or_default();
    Edit { change, header }.after(before).ok()
}

/// The edit that asks for the content there is after it; of a link for its proof.
fn whole(data: &Data, before: &Document, after: &Document) -> Option<Unsigned> {
    let content = match before.stream().stream_type() {
        StreamType::CAIP10_LINK => data.data.clone().into(),
        _ => {
            let after = ipld_json::to_json(after.state().content()?);
            let mut json = String::new();
            write(&after, "", &added(&data.data), &mut json);
            NewContent::parse(&json).unwrap()
        }
    };
    edit(Change::Content(content), data.header.as_ref(), before)
}

fn patch(data: &Data, before: &Document) -> Option<Unsigned> {
    edit(
        Change::Patch(data.data.clone()),
        data.header.as_ref(),
        before,
    )
}

/// The paths that a patch adds, in its order: that in which the author's content had them.
fn added(patch: &Ipld) -> Vec<String> {
    let Ipld::List(operations) = patch else {
        return Vec::new();
    };
    let path = |operation: &Ipld| match operation {
        Ipld::Map(operation) if text(operation.get("op"))? == "add" => text(operation.get("path")),
        _ => None,
    };
    operations.iter().filter_map(path).collect()
}

/// JSON whose keys stand in the order in which they were added.
fn write(value: &Value, path: &str, added: &[String], out: &mut String) {
    match value {
        Value::Object(map) => {
            let under = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
            let mut entries: Vec<_> = map
                .iter()
                .map(|(key, value)| (under(key), key, value))
                .collect();
            entries.sort_by_key(|(path, ..)| added.iter().position(|one| one == path));
            out.push('{');
            for (index, (path, key, value)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, path, added, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(value, &format!("{path}/{index}"), added, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[test]
fn events_of_the_vectors_are_written_once_more_byte_for_byte() {
    // Init events alike; edits, of them alike, reordered, alike by their patch; events signed anew.
    for (file, expected) in [
        ("tile.json", [92, 96, 37, 46, 0, 26]),
        ("doc-chains.json", [16, 786, 453, 333, 0, 0]),
        ("conflict.json", [0, 128, 122, 0, 0, 0]),
        ("anchor.json", [0, 84, 84, 0, 0, 0]),
        ("model.json", [26, 0, 0, 0, 0, 0]),
        ("model-instance.json", [51, 26, 20, 1, 5, 0]),
        ("caip10-link.json", [48, 33, 33, 0, 0, 0]),
        ("cacao.json", [0, 35, 35, 0, 0, 0]),
        ("cacao-model.json", [8, 3, 3, 0, 0, 0]),
    ] {
        let count = Count::of(file);
        let found = [
            count.inits_alike,
            count.edits,
            count.edits_alike,
            count.reordered,
            count.patches_alike,
            count.signed,
        ];
        assert_eq!(found, expected, "{file}");
    }
}
