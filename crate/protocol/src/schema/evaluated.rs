//! Which properties and items count as evaluated, for `unevaluatedProperties` and `unevaluatedItems`.
//!
//! Ajv decides most of it when it compiles and the rest in variables of the compiled function. Both halves are kept here as Ajv
//! has them, because its verdicts depend on it: such a variable lives as long as one call of its function, so it keeps its value
//! from one item of a list to the next.

use super::evaluate::Stop;
use super::rules::is_inherited;
use crate::sorted::SortedSet;

/// The evaluated properties, as far as they are known when compiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Props {
    #[default]
    Unset,
    All,
    These(SortedSet<String>),
    Slot(usize),
}

/// The evaluated items, as far as they are known when compiling: all, or so many from the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Items {
    #[default]
    Unset,
    All,
    First(usize),
    Slot(usize),
}

/// Both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evaluated {
    pub props: Props,
    pub items: Items,
}

/// A step of the bookkeeping when content is judged. The first number is the variable that changes.
#[derive(Clone, Debug)]
pub(super) enum Merge {
    SetProps(usize, Props),
    AddProps(usize, Props),
    JoinProps(usize, usize),
    LoadProps(usize),
    SetItems(usize, Items),
    AddItems(usize, Items),
    JoinItems(usize, usize),
    LoadItems(usize),
}

/// The variables of the function that is compiled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    pub props: usize,
    pub items: usize,
    pub flags: usize,
}

impl Slots {
    pub fn new_props(&mut self) -> usize {
        let slot = self.props;
        self.props = slot.saturating_add(1);
        slot
    }

    pub fn new_flag(&mut self) -> usize {
        let slot = self.flags;
        self.flags = slot.saturating_add(1);
        slot
    }

    pub fn new_items(&mut self) -> usize {
        let slot = self.items;
        self.items = slot.saturating_add(1);
        slot
    }

    /// What is evaluated when `from` is, too. With `variable` the outcome is a variable, because it depends on the content.
    pub fn merge_props(
        &mut self,
        merges: &mut Vec<Merge>,
        from: Props,
        to: &Props,
        variable: bool,
    ) -> Props {
        let merged = match (from, to) {
            (from, Props::Unset) => from,
            (Props::Slot(from), Props::Slot(to)) => {
                merges.push(Merge::JoinProps(*to, from));
                Props::Slot(*to)
            }
            (from, Props::Slot(to)) => {
                merges.push(Merge::AddProps(*to, from));
                Props::Slot(*to)
            }
            (Props::Slot(from), to) => {
                merges.push(Merge::AddProps(from, to.clone()));
                Props::Slot(from)
            }
            (Props::These(mut from), Props::These(to)) => {
                from.extend(to.iter().cloned());
                Props::These(from)
            }
            (from, _) => from,
        };
        match merged {
            Props::Slot(_) => merged,
            merged if variable => {
                let slot = self.new_props();
                merges.push(Merge::SetProps(slot, merged));
                Props::Slot(slot)
            }
            merged => merged,
        }
    }

    /// The same for items.
    pub fn merge_items(
        &mut self,
        merges: &mut Vec<Merge>,
        from: Items,
        to: Items,
        variable: bool,
    ) -> Items {
        let merged = match (from, to) {
            (from, Items::Unset) => from,
            (Items::Slot(from), Items::Slot(to)) => {
                merges.push(Merge::JoinItems(to, from));
                Items::Slot(to)
            }
            (from, Items::Slot(to)) => {
                merges.push(Merge::AddItems(to, from));
                Items::Slot(to)
            }
            (Items::Slot(from), to) => {
                merges.push(Merge::AddItems(from, to));
                Items::Slot(from)
            }
            (Items::First(from), Items::First(to)) => Items::First(from.max(to)),
            (from, _) => from,
        };
        match merged {
            Items::Slot(_) => merged,
            merged if variable => {
                let slot = self.new_items();
                merges.push(Merge::SetItems(slot, merged));
                Items::Slot(slot)
            }
            merged => merged,
        }
    }
}

/// The evaluated properties when content is judged.
#[derive(Clone, Debug, Default)]
pub(super) enum SeenProps {
    #[default]
    Unset,
    All,
    These(SortedSet<String>),
}

impl SeenProps {
    /// Whether it counts as evaluated. A JavaScript object answers to what it inherits, too.
    pub fn has(&self, key: &str) -> bool {
        match self {
            Self::Unset => false,
            Self::All => true,
            Self::These(keys) => keys.contains(key) || is_inherited(key),
        }
    }

    fn add(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Self::All, _) | (_, Self::Unset) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Unset, these) => *self = these.clone(),
            (Self::These(keys), Self::These(more)) => keys.extend(more.iter().cloned()),
        }
    }
}

/// The evaluated items when content is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum SeenItems {
    #[default]
    Unset,
    All,
    First(usize),
}

impl SeenItems {
    fn add(&mut self, more: Self) {
        *self = match (*self, more) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (seen, Self::Unset) => seen,
            (Self::First(seen), Self::First(more)) => Self::First(seen.max(more)),
            (Self::Unset, more) => more,
        };
    }
}

/// The variables of one call.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub props: Vec<SeenProps>,
    pub items: Vec<SeenItems>,
    pub flags: Vec<bool>,
}

impl Frame {
    pub fn seen_props(&self, props: &Props) -> SeenProps {
        match props {
            Props::Unset => SeenProps::Unset,
            Props::All => SeenProps::All,
            Props::These(keys) => SeenProps::These(keys.clone()),
            Props::Slot(slot) => self.props.get(*slot).cloned().unwrap_or_default(),
        }
    }

    pub fn seen_items(&self, items: Items) -> SeenItems {
        match items {
            Items::Unset => SeenItems::Unset,
            Items::All => SeenItems::All,
            Items::First(count) => SeenItems::First(count),
            Items::Slot(slot) => self.items.get(slot).copied().unwrap_or_default(),
        }
    }

    pub fn set_flag(&mut self, slot: Option<usize>, value: bool) {
        if let Some(flag) = slot.and_then(|slot| self.flags.get_mut(slot)) {
            *flag = value;
        }
    }

    pub fn flag(&self, slot: usize) -> bool {
        self.flags.get(slot).copied().unwrap_or(true)
    }

    /// Notes that a property is evaluated; Ajv fails where nothing was noted before.
    pub fn note(&mut self, slot: usize, key: &str) -> Result<(), Stop> {
        match self.props.get_mut(slot) {
            Some(SeenProps::These(keys)) => {
                keys.insert(key.to_owned());
                Ok(())
            }
            Some(SeenProps::All) => Ok(()),
            _ => Err(Stop::Unjudgeable),
        }
    }

    pub fn apply(&mut self, merges: &[Merge], returned: &(SeenProps, SeenItems)) {
        for merge in merges {
            let (props_slot, props, replace) = match merge {
                Merge::SetProps(slot, props) => (*slot, self.seen_props(props), true),
                Merge::AddProps(slot, props) => (*slot, self.seen_props(props), false),
                Merge::JoinProps(slot, from) => {
                    (*slot, self.seen_props(&Props::Slot(*from)), false)
                }
                Merge::LoadProps(slot) => (*slot, returned.0.clone(), true),
                _ => {
                    self.apply_items(merge, returned.1);
                    continue;
                }
            };
            match self.props.get_mut(props_slot) {
                Some(seen) if replace => *seen = props,
                Some(seen) => seen.add(&props),
                None => {}
            }
        }
    }

    fn apply_items(&mut self, merge: &Merge, returned: SeenItems) {
        let (slot, items, replace) = match *merge {
            Merge::SetItems(slot, items) => (slot, self.seen_items(items), true),
            Merge::AddItems(slot, items) => (slot, self.seen_items(items), false),
            Merge::JoinItems(slot, from) => (slot, self.seen_items(Items::Slot(from)), false),
            Merge::LoadItems(slot) => (slot, returned, true),
            _ => return,
        };
        match self.items.get_mut(slot) {
            Some(seen) if replace => *seen = items,
            Some(seen) => seen.add(items),
            None => {}
        }
    }
}
