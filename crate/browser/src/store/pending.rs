//! What is in the journal, as long as it is not in its place: whoever reads sees it over what the places hold.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use cid::Cid;
use ostrakon_node::store::{Change, Outgoing, Record, StoreError, Stored};
use ostrakon_protocol::id::StreamId;
use ostrakon_protocol::sorted::SortedMap;

use super::journal::{self, JournalError, Note, RECORD_BYTES};
use super::pack::{self, Entry};
use super::place::entries;

/// Bytes of the journal beyond which it is settled before more is added.
pub const MAX_JOURNAL_BYTES: usize = 8 * 1024 * 1024;
/// Documents remembered to be there, so that what is added to them goes to the journal.
pub const MAX_KNOWN: usize = 4096;
/// So many new documents in one commit go to the journal.
const MANY: usize = 4;

const PUT: u8 = 1;
const QUEUE: u8 = 2;
const SENT: u8 = 3;

/// A change that nothing must be read for: it adds to a document that is there, or keeps one that is new.
#[derive(Clone)]
pub enum Step {
    /// More of a document.
    Put(Record, Vec<Entry>),
    /// It waits to be published.
    Queue(Outgoing),
    /// It need not be published any more.
    Sent(StreamId, Cid),
}

/// A record of the journal.
pub struct Piece {
    /// Its key.
    pub sequence: u32,
    /// The length of its value.
    pub bytes: usize,
    /// What is in it.
    pub steps: Vec<Step>,
}

/// What becomes of an entry of the outbox.
pub enum Out {
    /// It is this.
    Is(Outgoing),
    /// There is none.
    None,
    /// There is none, if it was this one.
    Sent(Cid),
}

/// What some pieces come to, each document once.
#[derive(Default)]
pub struct Folded {
    /// Documents and what is added to them, each block once.
    pub puts: Vec<(Record, Vec<Entry>)>,
    /// Entries of the outbox.
    pub outbox: Vec<(StreamId, Out)>,
}

/// The records of the journal, oldest first.
#[derive(Clone, Default)]
pub struct Waiting(VecDeque<Rc<Piece>>);

/// All of it.
#[derive(Default)]
pub struct Pending {
    /// What is not in its place.
    pub waiting: Waiting,
    last: u32,
    known: HashSet<StreamId>,
}

impl Step {
    fn stream(&self) -> &StreamId {
        match self {
            Step::Put(record, _) => &record.stream,
            Step::Queue(outgoing) => &outgoing.stream,
            Step::Sent(stream, _) => stream,
        }
    }

    fn note(&self) -> Result<Note, StoreError> {
        let (kind, text, blocks) = match self {
            Step::Put(record, blocks) => (PUT, record.to_bytes()?, blocks.clone()),
            Step::Queue(outgoing) => (QUEUE, outgoing.to_bytes()?, Vec::new()),
            Step::Sent(stream, tip) => {
                let sent = Outgoing {
                    stream: *stream,
                    tip: *tip,
                    since: 0,
                };
                (SENT, sent.to_bytes()?, Vec::new())
            }
        };
        Ok(Note {
            kind,
            text: text.into(),
            blocks,
        })
    }

    fn of(note: Note) -> Result<Step, StoreError> {
        match note.kind {
            PUT => Ok(Step::Put(Record::from_bytes(&note.text)?, note.blocks)),
            QUEUE => Ok(Step::Queue(Outgoing::from_bytes(&note.text)?)),
            SENT => {
                let sent = Outgoing::from_bytes(&note.text)?;
                Ok(Step::Sent(sent.stream, sent.tip))
            }
            other => Err(StoreError::Corrupt(format!(
                "the journal has a note of kind {other}"
            ))),
        }
    }
}

/// A record of the journal with these steps in place of others, and its bytes.
pub fn shortened(sequence: u32, steps: Vec<Step>) -> Result<(Piece, Vec<u8>), StoreError> {
    let notes: Result<Vec<Note>, _> = steps.iter().map(Step::note).collect();
    let written = journal::write(&notes?);
    let piece = Piece {
        sequence,
        bytes: written.len(),
        steps,
    };
    Ok((piece, written))
}

/// A record of the journal from its bytes.
pub fn piece(sequence: u32, bytes: Vec<u8>) -> Result<Piece, StoreError> {
    let length = bytes.len();
    let notes = journal::read(bytes).map_err(|error| match error {
        JournalError::Newer(found) => StoreError::Newer {
            found: found.into(),
            known: journal::VERSION.into(),
        },
        other => StoreError::Corrupt(format!("record {sequence} of the journal: {other}")),
    })?;
    Ok(Piece {
        sequence,
        bytes: length,
        steps: notes.into_iter().map(Step::of).collect::<Result<_, _>>()?,
    })
}

/// What the steps come to.
pub fn fold<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Folded {
    let mut order = Vec::new();
    let mut puts: HashMap<StreamId, (Record, Vec<Entry>)> = HashMap::new();
    let mut outbox: HashMap<StreamId, Out> = HashMap::new();
    for step in steps {
        match step {
            Step::Put(record, blocks) => {
                let put = puts.entry(record.stream).or_insert_with(|| {
                    order.push(record.stream);
                    (record.clone(), Vec::new())
                });
                put.0 = record.clone();
                put.1.extend(blocks.iter().cloned());
            }
            Step::Queue(outgoing) => {
                outbox.insert(outgoing.stream, Out::Is(outgoing.clone()));
            }
            Step::Sent(stream, tip) => {
                let out = outbox.entry(*stream).or_insert(Out::Sent(*tip));
                match out {
                    Out::Is(outgoing) if outgoing.tip == *tip => *out = Out::None,
                    Out::Is(_) | Out::None => {}
                    Out::Sent(sent) => *sent = *tip,
                }
            }
        }
    }
    let puts = order.iter().filter_map(|stream| puts.remove(stream));
    Folded {
        puts: puts
            .map(|(record, blocks)| (record, newest(blocks)))
            .collect(),
        outbox: outbox.into_iter().collect(),
    }
}

/// Each block once: as it came last.
fn newest(mut blocks: Vec<Entry>) -> Vec<Entry> {
    let mut seen = HashSet::with_capacity(blocks.len());
    blocks.reverse();
    blocks.retain(|(cid, _)| seen.insert(*cid));
    blocks.reverse();
    blocks
}

impl Pending {
    /// The steps that these changes are, unless something must be read for them, or removed.
    pub fn steps(&self, changes: &[Change]) -> Option<Vec<Step>> {
        let new =
            |change: &&Change| matches!(change, Change::Put { record, .. } if record.events == 1);
        let many = changes.iter().filter(new).count() >= MANY;
        let steps = changes.iter().map(|change| match change {
            Change::Put { record, blocks } => {
                let known = self.known.contains(&record.stream);
                if !(known || many && new(&change)) {
                    return None;
                }
                let blocks = entries(blocks.clone());
                (pack::fit(&blocks) == blocks.len()).then(|| Step::Put(record.clone(), blocks))
            }
            Change::Queue(outgoing) => Some(Step::Queue(outgoing.clone())),
            Change::Sent(stream, tip) => {
                let queued =
                    |step: &Step| matches!(step, Step::Queue(one) if one.stream == *stream);
                let queued = self.waiting.all().any(queued);
                queued.then_some(Step::Sent(*stream, *tip))
            }
            Change::Forget(_) | Change::Many(_) => None,
        });
        let steps: Vec<Step> = steps.collect::<Option<_>>()?;
        (!steps.is_empty()).then_some(steps)
    }

    /// The steps as the next records of the journal, and their bytes.
    pub fn cut(&self, steps: Vec<Step>) -> Result<Vec<(Piece, Vec<u8>)>, StoreError> {
        let mut pieces = Vec::new();
        let mut sequence = self.last;
        let mut close = |steps: Vec<Step>, notes: Vec<Note>| {
            let written = journal::write(&notes);
            let full = || StoreError::Corrupt("the journal has no number left".to_owned());
            sequence = sequence.checked_add(1).ok_or_else(full)?;
            let piece = Piece {
                sequence,
                bytes: written.len(),
                steps,
            };
            pieces.push((piece, written));
            Ok(())
        };
        let (mut some, mut notes, mut size) = (Vec::new(), Vec::new(), 0);
        for step in steps {
            let note = step.note()?;
            if size > 0 && size + note.size() > RECORD_BYTES {
                close(std::mem::take(&mut some), std::mem::take(&mut notes))?;
                size = 0;
            }
            size += note.size();
            some.push(step);
            notes.push(note);
        }
        close(some, notes)?;
        Ok(pieces)
    }

    /// This is on disk now.
    pub fn push(&mut self, piece: Piece) {
        for step in &piece.steps {
            self.learn(*step.stream());
        }
        self.skip(piece.sequence);
        self.waiting.0.push_back(Rc::new(piece));
    }

    /// This number is not to be used again.
    pub fn skip(&mut self, sequence: u32) {
        self.last = self.last.max(sequence);
    }

    /// A record is in its place, but for these of its steps.
    pub fn replace(&mut self, piece: Piece) {
        let same = |other: &Rc<Piece>| other.sequence == piece.sequence;
        let Some(at) = self.waiting.0.iter().position(same) else {
            return;
        };
        match piece.steps.is_empty() {
            true => drop(self.waiting.0.remove(at)),
            false => self.waiting.0[at] = Rc::new(piece),
        }
    }

    /// A document is there.
    pub fn learn(&mut self, stream: StreamId) {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(stream);
    }

    /// Documents are gone, or cannot be read.
    pub fn unlearn(&mut self, streams: &[StreamId]) {
        for stream in streams {
            self.known.remove(stream);
        }
    }
}

impl Waiting {
    /// How many bytes they are.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|piece| piece.bytes).sum()
    }

    /// The first of those after a number, together about so many bytes.
    pub fn some(&self, after: u32, bytes: usize) -> Vec<Rc<Piece>> {
        let mut left = bytes;
        let later = self.0.iter().filter(|piece| piece.sequence > after);
        let some = later.take_while(|piece| {
            let fits = left > 0;
            left = left.saturating_sub(piece.bytes);
            fits
        });
        some.cloned().collect()
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.0.iter().flat_map(|piece| &piece.steps)
    }

    /// Whether something of one of these waits.
    pub fn touches<'a>(&self, mut streams: impl Iterator<Item = &'a StreamId>) -> bool {
        streams.any(|stream| self.all().any(|step| step.stream() == stream))
    }

    /// The records that have something of these documents, without it, and their bytes.
    pub fn without(&self, streams: &[StreamId]) -> Result<Vec<(Piece, Vec<u8>)>, StoreError> {
        let of = |step: &&Step| streams.contains(step.stream());
        let touched = self
            .0
            .iter()
            .filter(|piece| piece.steps.iter().any(|step| of(&step)));
        let others = |piece: &Rc<Piece>| {
            let others = piece.steps.iter().filter(|step| !of(step));
            shortened(piece.sequence, others.cloned().collect())
        };
        touched.map(others).collect()
    }

    /// A block and the document it waits with.
    pub fn block(&self, cid: &Cid) -> Option<(StreamId, Bytes)> {
        self.all().rev().find_map(|step| match step {
            Step::Put(record, blocks) => {
                let (_, bytes) = blocks.iter().find(|(name, _)| name == cid)?;
                Some((record.stream, bytes.clone()))
            }
            _ => None,
        })
    }

    /// What the disk has of a document, with what waits.
    pub fn over(&self, stream: &StreamId, stored: Option<Stored>) -> Option<Stored> {
        let folded = fold(self.all().filter(|step| step.stream() == stream));
        let Some((record, blocks)) = folded.puts.into_iter().next() else {
            return stored;
        };
        let mut all = stored.map(|stored| stored.blocks).unwrap_or_default();
        all.extend(blocks);
        Some(Stored {
            record,
            blocks: newest(all),
        })
    }

    /// The newest record of a document.
    pub fn record(&self, stream: &StreamId) -> Option<&Record> {
        self.all().rev().find_map(|step| match step {
            Step::Put(record, _) if record.stream == *stream => Some(record),
            _ => None,
        })
    }

    /// The records of documents, with those that wait in place of what the disk has.
    pub fn records(&self, stored: Vec<Record>) -> Vec<Record> {
        let waiting = self.all().filter_map(|step| match step {
            Step::Put(record, _) => Some(record.clone()),
            _ => None,
        });
        let all = stored.into_iter().chain(waiting);
        let all: HashMap<StreamId, Record> = all.map(|record| (record.stream, record)).collect();
        all.into_values().collect()
    }

    /// The outbox, likewise.
    pub fn outbox(&self, stored: Vec<Outgoing>) -> Vec<Outgoing> {
        let stored = stored.into_iter().map(|one| (one.stream, one));
        let mut all: SortedMap<StreamId, Outgoing> = stored.collect();
        for (stream, out) in fold(self.all()).outbox {
            match out {
                Out::Is(outgoing) => {
                    all.insert(stream, outgoing);
                }
                Out::None => {
                    all.remove(&stream);
                }
                Out::Sent(tip) => {
                    if all.get(&stream).is_some_and(|one| one.tip == tip) {
                        all.remove(&stream);
                    }
                }
            }
        }
        all.into_values().collect()
    }
}
