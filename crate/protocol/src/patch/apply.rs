//! Applying one patch, and undoing it.

use std::borrow::Cow;

use ipld_core::ipld::Ipld;

use super::pointer::{Pointer, Slot};
use super::size::{Size, VALUE_BYTES, map_bytes};
use super::{Content, MAX_CONTENT_BYTES, MAX_CONTENT_DEPTH, MAX_PATCH_WORK, PatchError};
use crate::event::Map;

/// What it costs to shift an item of a list.
const SHIFT_BYTES: usize = 48;

/// One patch being applied.
pub(super) struct Job<'c, 'p> {
    content: &'c mut Content,
    /// Bytes that may yet be copied or shifted.
    work: usize,
    undo: Vec<(Pointer<'p>, Undo)>,
}

/// What was done at a place, said as what was there before.
enum Undo {
    /// The whole content was this.
    Whole(Option<Ipld>),
    /// The key held this.
    Key(Option<Ipld>),
    /// This item was taken out of the list.
    Taken(usize, Ipld),
    /// An item was put into the list.
    Put(usize),
    /// The item was this.
    Item(usize, Ipld),
    /// The list was this long.
    Length(usize),
}

/// How a value is written to a list.
#[derive(Clone, Copy)]
enum Write {
    Add,
    Replace,
}

/// A change that was made, and by how many bytes the content grew and shrank.
struct Change {
    undo: Undo,
    more: usize,
    less: usize,
}

impl<'c, 'p> Job<'c, 'p> {
    pub(super) fn new(content: &'c mut Content) -> Self {
        Self {
            content,
            work: MAX_PATCH_WORK,
            undo: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, patch: &'p Ipld) -> Result<(), PatchError> {
        match patch {
            Ipld::List(operations) => operations.iter().try_for_each(|one| self.apply(one)),
            Ipld::Map(map) => self.run_array_like(map),
            Ipld::Null => Err(PatchError::NotAPatch),
            Ipld::String(text) if !text.is_empty() => Err(PatchError::NotAPatch),
            Ipld::Bytes(bytes) if !bytes.is_empty() => Err(PatchError::NotAPatch),
            // In js these have no length, so there is nothing to apply.
            _ => Ok(()),
        }
    }

    /// js reads any object as a list of as many operations as its `length` says.
    fn run_array_like(&mut self, map: &'p Map) -> Result<(), PatchError> {
        let length = match map.get("length") {
            None | Some(Ipld::Null) => 0,
            Some(Ipld::Integer(length)) => {
                u32::try_from(*length).map_err(|_| PatchError::NotAPatch)?
            }
            Some(_) => return Err(PatchError::NotAPatch),
        };
        (0..length).try_for_each(|index| {
            let one = map.get(&index.to_string());
            self.apply(one.ok_or(PatchError::NotAnOperation)?)
        })
    }

    fn apply(&mut self, operation: &'p Ipld) -> Result<(), PatchError> {
        let Ipld::Map(operation) = operation else {
            return Err(PatchError::NotAnOperation);
        };
        let name = match operation.get("op") {
            Some(Ipld::String(name)) => name.as_str(),
            _ => "",
        };
        let path = Pointer::read(operation.get("path"))?;
        let from = || Pointer::read(operation.get("from"));
        let value = operation.get("value");
        match name {
            "add" => self.put(path, value.cloned(), Write::Add),
            "replace" => self.put(path, value.cloned(), Write::Replace),
            "remove" if path.is_whole() => self.put(path, Some(Ipld::Null), Write::Replace),
            "remove" => self.take(path).map(drop),
            "move" if !path.is_whole() => {
                self.read(&path)?;
                let from = from()?;
                if from.is_whole() {
                    return match self.content.value {
                        Some(Ipld::List(_) | Ipld::Map(_)) => Err(PatchError::IntoItself),
                        _ => Ok(()),
                    };
                }
                let value = self.take(from)?.cloned();
                spend(&mut self.work, value.as_ref().map_or(0, Size::bytes_of))?;
                self.put(path, value, Write::Add)
            }
            "copy" | "move" => {
                let mut value = self.read(&from()?)?.cloned();
                spend(&mut self.work, value.as_ref().map_or(0, Size::bytes_of))?;
                if !path.is_whole() {
                    value.get_or_insert(Ipld::Null);
                }
                self.put(path, value, Write::Add)
            }
            "test" => match equal(self.read(&path)?, value) {
                true => Ok(()),
                false => Err(PatchError::TestFailed),
            },
            "_get" => self.read(&path).map(drop),
            _ if path.is_whole() => Ok(()),
            _ => Err(PatchError::UnknownOperation(name.to_owned())),
        }
    }

    /// The value a pointer names, `None` if only the last step leads nowhere.
    fn read(&self, pointer: &Pointer) -> Result<Option<&Ipld>, PatchError> {
        let whole = self.content.value.as_ref();
        let Some((last, parents)) = pointer.split() else {
            return Ok(whole);
        };
        let mut holder = whole.ok_or(PatchError::MissingParent)?;
        for segment in parents {
            holder = child(holder, segment).ok_or(PatchError::MissingParent)?;
        }
        match holder {
            Ipld::Null => Err(PatchError::MissingParent),
            Ipld::List(_) if pointer.is_undefined() => Err(PatchError::BadPointer),
            _ => Ok(child(holder, last)),
        }
    }

    /// Writes a value; `None` is `undefined`.
    fn put(
        &mut self,
        pointer: Pointer<'p>,
        value: Option<Ipld>,
        write: Write,
    ) -> Result<(), PatchError> {
        let size = value.as_ref().map_or(Size::default(), Size::of);
        let Some((last, parents)) = pointer.split() else {
            self.content.bytes = size.bytes;
            let old = std::mem::replace(&mut self.content.value, value);
            self.undo.push((pointer, Undo::Whole(old)));
            return self.content.check_size();
        };
        if parents.len().saturating_add(1).saturating_add(size.depth) > MAX_CONTENT_DEPTH {
            return Err(PatchError::TooDeep);
        }
        let before = self.content.bytes;
        let change = match holder(&mut self.content.value, parents)? {
            Ipld::Map(map) => put_entry(map, last, value),
            Ipld::List(_) if pointer.is_undefined() => return Err(PatchError::BadPointer),
            Ipld::List(list) => {
                let value = value.unwrap_or(Ipld::Null);
                let room = MAX_CONTENT_BYTES.saturating_sub(before);
                match put_item(list, last, value, write, room, &mut self.work)? {
                    Some(change) => change,
                    None => return Ok(()),
                }
            }
            Ipld::Null => return Err(PatchError::MissingParent),
            // In js a property set on a number or text is lost without a word.
            _ => return Ok(()),
        };
        self.content.resize(change.more, change.less);
        self.undo.push((pointer, change.undo));
        self.content.check_size()
    }

    /// Removes what a pointer names and gives it, if it was there.
    fn take(&mut self, pointer: Pointer<'p>) -> Result<Option<&Ipld>, PatchError> {
        let Some((last, parents)) = pointer.split() else {
            return Ok(None);
        };
        let change = match holder(&mut self.content.value, parents)? {
            Ipld::Map(map) if !map.contains_key(last) => return Ok(None),
            Ipld::Map(map) => put_entry(map, last, None),
            Ipld::List(_) if pointer.is_undefined() => return Err(PatchError::BadPointer),
            Ipld::List(list) => {
                let index = Slot::of(last).splice(list.len());
                if index >= list.len() {
                    return Ok(None);
                }
                shift(&mut self.work, list.len().saturating_sub(index))?;
                let old = list.remove(index);
                Change {
                    more: 0,
                    less: Size::of(&old).bytes,
                    undo: Undo::Taken(index, old),
                }
            }
            Ipld::Null => return Err(PatchError::MissingParent),
            _ => return Ok(None),
        };
        self.content.resize(change.more, change.less);
        self.undo.push((pointer, change.undo));
        Ok(match self.undo.last() {
            Some((_, Undo::Key(Some(old)) | Undo::Taken(_, old))) => Some(old),
            _ => None,
        })
    }

    /// Undoes everything, the last change first.
    pub(super) fn roll_back(&mut self) {
        while let Some((pointer, undo)) = self.undo.pop() {
            if let Undo::Whole(old) = undo {
                self.content.value = old;
                continue;
            }
            // The way to a change is as it was right after it: the holder is always there.
            let Some((last, parents)) = pointer.split() else {
                continue;
            };
            match (holder(&mut self.content.value, parents), undo) {
                (Ok(Ipld::Map(map)), Undo::Key(Some(old))) => {
                    map.insert(last.to_string(), old);
                }
                (Ok(Ipld::Map(map)), Undo::Key(None)) => {
                    map.remove(last);
                }
                (Ok(Ipld::List(list)), Undo::Taken(index, old)) if index <= list.len() => {
                    list.insert(index, old);
                }
                (Ok(Ipld::List(list)), Undo::Put(index)) if index < list.len() => {
                    list.remove(index);
                }
                (Ok(Ipld::List(list)), Undo::Item(index, old)) => {
                    if let Some(item) = list.get_mut(index) {
                        *item = old;
                    }
                }
                (Ok(Ipld::List(list)), Undo::Length(length)) => list.truncate(length),
                _ => {}
            }
        }
    }
}

/// Writes a key of a map, or removes it.
fn put_entry(map: &mut Map, key: &str, value: Option<Ipld>) -> Change {
    let entry = |value: &Ipld| key.len().saturating_add(Size::of(value).bytes);
    let before = map_bytes(map);
    let more = value.as_ref().map_or(0, entry);
    let old = match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
    Change {
        more: more.saturating_add(map_bytes(map)),
        less: old.as_ref().map_or(0, entry).saturating_add(before),
        undo: Undo::Key(old),
    }
}

/// Writes an item of a list, which may grow by `room` bytes. `None`: nothing to write.
fn put_item(
    list: &mut Vec<Ipld>,
    segment: &str,
    value: Ipld,
    write: Write,
    room: usize,
    work: &mut usize,
) -> Result<Option<Change>, PatchError> {
    let length = list.len();
    let more = Size::of(&value).bytes;
    let slot = Slot::of(segment);
    match (write, slot) {
        (_, Slot::Name("length")) => return Err(PatchError::Forbidden(segment.to_owned())),
        (_, Slot::Name(_)) => return Ok(None),
        (Write::Add, _) => {
            let index = slot.splice(length);
            shift(work, length.saturating_sub(index))?;
            list.insert(index, value);
            return Ok(Some(Change {
                undo: Undo::Put(index),
                more,
                less: 0,
            }));
        }
        (Write::Replace, _) => {}
    }
    // A negative index is a property of the list object, which JSON does not show.
    let Some(index) = slot.index(length) else {
        return Ok(None);
    };
    if let Some(item) = list.get_mut(index) {
        let old = std::mem::replace(item, value);
        return Ok(Some(Change {
            more,
            less: Size::of(&old).bytes,
            undo: Undo::Item(index, old),
        }));
    }
    let holes = index.saturating_sub(length).saturating_mul(VALUE_BYTES);
    let more = more.saturating_add(holes);
    if more > room {
        return Err(PatchError::TooLarge);
    }
    list.resize(index, Ipld::Null);
    list.push(value);
    Ok(Some(Change {
        undo: Undo::Length(length),
        more,
        less: 0,
    }))
}

fn child<'v>(holder: &'v Ipld, segment: &str) -> Option<&'v Ipld> {
    match holder {
        Ipld::Map(map) => map.get(segment),
        Ipld::List(list) => list.get(Slot::of(segment).index(list.len())?),
        _ => None,
    }
}

fn holder<'v>(
    whole: &'v mut Option<Ipld>,
    parents: &[Cow<'_, str>],
) -> Result<&'v mut Ipld, PatchError> {
    let mut holder = whole.as_mut();
    for segment in parents {
        holder = match holder {
            Some(Ipld::Map(map)) => map.get_mut(segment.as_ref()),
            Some(Ipld::List(list)) => Slot::of(segment)
                .index(list.len())
                .and_then(|index| list.get_mut(index)),
            _ => None,
        };
    }
    holder.ok_or(PatchError::MissingParent)
}

fn spend(work: &mut usize, bytes: usize) -> Result<(), PatchError> {
    *work = work.checked_sub(bytes).ok_or(PatchError::TooMuchWork)?;
    Ok(())
}

/// Counts the items of a list that move when one is put before them or taken.
fn shift(work: &mut usize, items: usize) -> Result<(), PatchError> {
    spend(work, items.saturating_mul(SHIFT_BYTES))
}

/// Equal to fast-json-patch; `None` is `undefined`, which equals only itself.
fn equal(left: Option<&Ipld>, right: Option<&Ipld>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => same(left, right),
        (left, right) => left.is_none() && right.is_none(),
    }
}

fn same(left: &Ipld, right: &Ipld) -> bool {
    match (left, right) {
        (Ipld::Integer(integer), Ipld::Float(float))
        | (Ipld::Float(float), Ipld::Integer(integer)) => *integer as f64 == *float,
        (Ipld::List(left), Ipld::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Ipld::Map(left), Ipld::Map(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|((a, left), (b, right))| a == b && same(left, right))
        }
        (left, right) => left == right,
    }
}
