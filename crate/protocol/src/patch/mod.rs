//! The lenient JSON Patch dialect in which data events are written (PROTOCOL §4.1).
//!
//! It is what fast-json-patch 3.1 does with validation off; `tests/patch-dialect.json` holds what was seen when it ran.
//! A missing `value` is JavaScript's `undefined`: a key so written disappears, a list item becomes `null`. JavaScript's
//! own properties (`constructor`, `length` of a list) are not imitated: they are absent here, and cannot be set.
//!
//! A hostile controller can copy content into itself until it fills the memory, nest it until the stack ends, or shift a
//! long list a million times. [`MAX_CONTENT_BYTES`], [`MAX_CONTENT_DEPTH`] and [`MAX_PATCH_WORK`] stop that. A patch
//! that fails leaves the content as it was: every step is noted and undone, so nothing is copied for safety.

mod pointer;

use std::borrow::Cow;

use ipld_core::ipld::Ipld;

use pointer::{Pointer, Slot};

use crate::cbor;
use crate::event::Map;

/// Largest content, as [`Content::bytes`] counts; more than one event can hold, less than a tab can bear.
pub const MAX_CONTENT_BYTES: usize = 16_000_000;
/// Deepest nesting of lists and maps in content.
pub const MAX_CONTENT_DEPTH: usize = cbor::MAX_DEPTH;
/// Most bytes that one patch may copy or shift.
pub const MAX_PATCH_WORK: usize = 64_000_000;
/// What each value costs besides its text: about its size in memory.
const VALUE_BYTES: usize = 32;

/// Why a patch is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Not a list of operations, nor anything that passes for one.
    #[error("not a list of operations")]
    NotAPatch,
    /// An operation is not a map.
    #[error("an operation is not a map")]
    NotAnOperation,
    /// An `op` that does not exist.
    #[error("the operation {0:?} does not exist")]
    UnknownOperation(String),
    /// A `path` or `from` that is no pointer.
    #[error("a path or from is not a pointer")]
    BadPointer,
    /// A pointer into JavaScript's prototypes, or to the length of a list.
    #[error("the path segment {0:?} is not allowed")]
    Forbidden(String),
    /// What should hold the value is not there, or cannot hold it.
    #[error("the path leads through something that is not there")]
    MissingParent,
    /// A `test` failed.
    #[error("a test failed")]
    TestFailed,
    /// The whole content moved into itself.
    #[error("the content cannot be moved into itself")]
    IntoItself,
    /// The content grew beyond [`MAX_CONTENT_BYTES`].
    #[error("the content grows beyond {MAX_CONTENT_BYTES} bytes")]
    TooLarge,
    /// The content nests deeper than [`MAX_CONTENT_DEPTH`].
    #[error("the content nests deeper than {MAX_CONTENT_DEPTH}")]
    TooDeep,
    /// More than [`MAX_PATCH_WORK`] bytes copied or shifted.
    #[error("the patch copies or shifts more than {MAX_PATCH_WORK} bytes")]
    TooMuchWork,
}

impl PatchError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAPatch => "patch-not-a-list",
            Self::NotAnOperation => "patch-not-an-operation",
            Self::UnknownOperation(_) => "patch-unknown-operation",
            Self::BadPointer => "patch-bad-pointer",
            Self::Forbidden(_) => "patch-forbidden-path",
            Self::MissingParent => "patch-missing-parent",
            Self::TestFailed => "patch-test-failed",
            Self::IntoItself => "patch-into-itself",
            Self::TooLarge => "patch-too-large",
            Self::TooDeep => "patch-too-deep",
            Self::TooMuchWork => "patch-too-much-work",
        }
    }
}

/// The content of a document, with its size kept so that a patch costs what it changes, not what it leaves alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    value: Option<Ipld>,
    bytes: usize,
}

impl From<Ipld> for Content {
    fn from(value: Ipld) -> Self {
        let bytes = Size::of(&value).bytes;
        Self {
            value: Some(value),
            bytes,
        }
    }
}

impl Content {
    /// The content; `None` is JavaScript's `undefined`.
    pub fn value(&self) -> Option<&Ipld> {
        self.value.as_ref()
    }

    /// Its size: the bytes of its texts and keys, and a fixed sum for each value.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Applies a patch. On an error the content is what it was before.
    pub fn patch(&mut self, patch: &Ipld) -> Result<(), PatchError> {
        let bytes = self.bytes;
        let mut job = Job {
            content: self,
            work: MAX_PATCH_WORK,
            undo: Vec::new(),
        };
        let done = job.run(patch);
        if done.is_err() {
            job.roll_back();
            self.bytes = bytes;
        }
        done
    }

    fn release(&mut self, old: &Ipld, key: usize) {
        let bytes = Size::of(old).bytes.saturating_add(key);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn check_size(&self) -> Result<(), PatchError> {
        match self.bytes > MAX_CONTENT_BYTES {
            true => Err(PatchError::TooLarge),
            false => Ok(()),
        }
    }
}

/// One patch being applied.
struct Job<'c, 'p> {
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

impl<'p> Job<'_, 'p> {
    fn run(&mut self, patch: &'p Ipld) -> Result<(), PatchError> {
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
        let holder = holder(&mut self.content.value, parents)?;
        let undo = match holder {
            Ipld::Map(map) => {
                let old = match value {
                    Some(value) => map.insert(last.to_string(), value),
                    None => map.remove(last),
                };
                if size.bytes > 0 {
                    self.content.bytes = self
                        .content
                        .bytes
                        .saturating_add(size.bytes)
                        .saturating_add(last.len());
                }
                if let Some(old) = &old {
                    self.content.release(old, last.len());
                }
                Undo::Key(old)
            }
            Ipld::List(_) if pointer.is_undefined() => return Err(PatchError::BadPointer),
            Ipld::List(list) => {
                let value = value.unwrap_or(Ipld::Null);
                let bytes = size.bytes.max(VALUE_BYTES);
                let length = list.len();
                match (write, Slot::of(last)) {
                    (_, Slot::Name("length")) => {
                        return Err(PatchError::Forbidden(last.to_string()));
                    }
                    (_, Slot::Name(_)) => return Ok(()),
                    (Write::Add, slot) => {
                        let index = slot.splice(length);
                        let moved = length.saturating_sub(index).saturating_mul(VALUE_BYTES);
                        spend(&mut self.work, moved)?;
                        list.insert(index, value);
                        self.content.bytes = self.content.bytes.saturating_add(bytes);
                        Undo::Put(index)
                    }
                    (Write::Replace, slot) => {
                        // A negative index is a property of the list object, which JSON does not show.
                        let Some(index) = slot.index(length) else {
                            return Ok(());
                        };
                        match list.get_mut(index) {
                            Some(item) => {
                                let old = std::mem::replace(item, value);
                                self.content.bytes = self.content.bytes.saturating_add(bytes);
                                self.content.release(&old, 0);
                                Undo::Item(index, old)
                            }
                            None => {
                                let holes =
                                    index.saturating_sub(length).saturating_mul(VALUE_BYTES);
                                self.content.bytes = self
                                    .content
                                    .bytes
                                    .saturating_add(bytes)
                                    .saturating_add(holes);
                                if self.content.bytes > MAX_CONTENT_BYTES {
                                    return Err(PatchError::TooLarge);
                                }
                                list.resize(index, Ipld::Null);
                                list.push(value);
                                Undo::Length(length)
                            }
                        }
                    }
                }
            }
            Ipld::Null => return Err(PatchError::MissingParent),
            // In js a property set on a number or text is lost without a word.
            _ => return Ok(()),
        };
        self.undo.push((pointer, undo));
        self.content.check_size()
    }

    /// Removes what a pointer names and gives it, if it was there.
    fn take(&mut self, pointer: Pointer<'p>) -> Result<Option<&Ipld>, PatchError> {
        let Some((last, parents)) = pointer.split() else {
            return Ok(None);
        };
        let undo = match holder(&mut self.content.value, parents)? {
            Ipld::Map(map) => match map.remove(last) {
                Some(old) => {
                    self.content.release(&old, last.len());
                    Undo::Key(Some(old))
                }
                None => return Ok(None),
            },
            Ipld::List(_) if pointer.is_undefined() => return Err(PatchError::BadPointer),
            Ipld::List(list) => {
                let index = Slot::of(last).splice(list.len());
                if index >= list.len() {
                    return Ok(None);
                }
                let moved = list.len().saturating_sub(index).saturating_mul(VALUE_BYTES);
                spend(&mut self.work, moved)?;
                let old = list.remove(index);
                self.content.release(&old, 0);
                Undo::Taken(index, old)
            }
            Ipld::Null => return Err(PatchError::MissingParent),
            _ => return Ok(None),
        };
        self.undo.push((pointer, undo));
        Ok(match self.undo.last() {
            Some((_, Undo::Key(Some(old)) | Undo::Taken(_, old))) => Some(old),
            _ => None,
        })
    }

    fn roll_back(&mut self) {
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

/// How large and how deep a value is.
#[derive(Clone, Copy, Default)]
struct Size {
    bytes: usize,
    depth: usize,
}

impl Size {
    /// Recursion ends because both decoded events and patched content are bounded in depth.
    fn of(value: &Ipld) -> Self {
        let mut size = Self::default();
        match value {
            Ipld::String(text) => size.bytes = text.len(),
            Ipld::Bytes(bytes) => size.bytes = bytes.len(),
            Ipld::List(list) => list.iter().for_each(|item| size.hold(0, item)),
            Ipld::Map(map) => map
                .iter()
                .for_each(|(key, item)| size.hold(key.len(), item)),
            _ => {}
        }
        if matches!(value, Ipld::List(_) | Ipld::Map(_)) {
            size.depth = size.depth.saturating_add(1);
        }
        size.bytes = size.bytes.saturating_add(VALUE_BYTES);
        size
    }

    fn bytes_of(value: &Ipld) -> usize {
        Self::of(value).bytes
    }

    fn hold(&mut self, key: usize, item: &Ipld) {
        let item = Self::of(item);
        self.bytes = self.bytes.saturating_add(key).saturating_add(item.bytes);
        self.depth = self.depth.max(item.depth);
    }
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

#[cfg(test)]
mod tests;
