//! Which pack holds a block, for the questions of peers, who name a block and no document.
//!
//! On disk every pack has a list of short names beside it (object store `index`); in memory they make one map, filled at
//! the first question and bounded by [`MAX_PLACES`] (some 25 MB). Blocks beyond it are kept and shown as any other, but
//! no longer found by name alone. The map is a hint: what it leads to is compared with the whole CID and hashed, so a
//! stale or forged entry costs a look and never yields a wrong block.

use std::collections::HashMap;
use std::rc::Rc;

use cid::Cid;

/// Blocks that can be found by name alone.
pub const MAX_PLACES: usize = 500_000;

/// Fifteen bytes of the digest and the codec: enough that names meet neither by chance nor by design.
pub type Name = [u8; 16];

/// The short name of a block.
pub fn name(cid: &Cid) -> Name {
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(cid.hash().digest().iter().take(15)) {
        *to = *from;
    }
    name[15] = cid.codec() as u8;
    name
}

/// The names of a pack's blocks as they are kept beside it.
pub fn write<'a>(cids: impl IntoIterator<Item = &'a Cid>) -> Vec<u8> {
    cids.into_iter().flat_map(name).collect()
}

/// Where blocks are, as far as is known.
#[derive(Debug, Default)]
pub struct Finder {
    documents: Vec<Rc<str>>,
    numbers: HashMap<Rc<str>, u32>,
    places: HashMap<Name, (u32, u32)>,
    complete: bool,
    generation: u64,
}

impl Finder {
    /// The document and pack sequence a block is in.
    pub fn find(&self, cid: &Cid) -> Option<(Rc<str>, u32)> {
        let (document, sequence) = self.places.get(&name(cid))?;
        Some((self.documents.get(*document as usize)?.clone(), *sequence))
    }

    /// Learns of a pack just written; it takes the place of what was known.
    pub fn insert<'a>(
        &mut self,
        document: &str,
        sequence: u32,
        cids: impl IntoIterator<Item = &'a Cid>,
    ) {
        let document = self.number(document);
        for cid in cids {
            let name = name(cid);
            if self.places.len() < MAX_PLACES || self.places.contains_key(&name) {
                self.places.insert(name, (document, sequence));
            }
        }
    }

    /// True if a block that is not found is not on disk either (bar the bound).
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Forgets everything, so that the next question reads the disk: after a document went, whose blocks others may hold.
    pub fn clear(&mut self) {
        *self = Finder {
            generation: self.generation + 1,
            ..Finder::default()
        };
    }

    /// To be taken before the disk is read and given to [`Finder::fill`] afterwards.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes what the disk said. What was learned meanwhile is newer and stays; if all was forgotten meanwhile, nothing
    /// is taken.
    pub fn fill<'a>(
        &mut self,
        generation: u64,
        packs: impl IntoIterator<Item = (&'a str, u32, &'a [u8])>,
    ) {
        if generation != self.generation {
            return;
        }
        for (document, sequence, names) in packs {
            let document = self.number(document);
            for name in names.as_chunks::<16>().0 {
                if self.places.len() < MAX_PLACES {
                    self.places.entry(*name).or_insert((document, sequence));
                }
            }
        }
        self.complete = true;
    }

    fn number(&mut self, document: &str) -> u32 {
        if let Some(number) = self.numbers.get(document) {
            return *number;
        }
        let number = self.documents.len() as u32;
        let document: Rc<str> = document.into();
        self.documents.push(document.clone());
        self.numbers.insert(document, number);
        number
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use ostrakon_protocol::block::Block;

    fn cid(n: u8) -> Cid {
        *Block::dag_cbor(vec![n]).unwrap().cid()
    }

    #[test]
    fn what_was_written_is_found_and_the_disk_does_not_overrule_it() {
        let mut finder = Finder::default();
        let generation = finder.generation();
        let names = write([&cid(1), &cid(2)]);
        finder.insert("b", 9, [&cid(1)]);
        finder.fill(generation, [("a", 0, names.as_slice())]);
        assert!(finder.is_complete());
        assert_eq!(finder.find(&cid(1)), Some(("b".into(), 9)));
        assert_eq!(finder.find(&cid(2)), Some(("a".into(), 0)));
        assert_eq!(finder.find(&cid(3)), None);
    }

    #[test]
    fn a_reading_of_the_disk_older_than_a_clearing_is_not_taken() {
        let mut finder = Finder::default();
        let generation = finder.generation();
        finder.clear();
        let names = write([&cid(1)]);
        finder.fill(generation, [("a", 0, names.as_slice())]);
        assert!(!finder.is_complete());
        assert_eq!(finder.find(&cid(1)), None);
    }

    #[test]
    fn the_same_bytes_under_two_codecs_have_two_names() {
        let jose = Block::dag_jose(vec![1]).unwrap();
        assert_ne!(name(jose.cid()), name(&cid(1)));
    }
}
