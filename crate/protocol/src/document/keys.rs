//! The order of the keys in a document's content, for whoever writes to it.

use std::sync::{Arc, Mutex, PoisonError};

use cid::Cid;
use ipld_core::ipld::Ipld;

use super::Document;
use crate::event::{Event, Map};
use crate::patch::Order;

/// The order at one of the events, once somebody asked: the next question costs what came since. Copies of a document share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Mutex<Option<(Cid, Order)>>>);

impl Document {
    /// Shows the order of the keys in the newest content. It follows from the patches that made it.
    pub(crate) fn with_order<T>(&self, show: impl FnOnce(&Order) -> T) -> T {
        let Known(known) = &self.order;
        // No change leaves it half made: it is taken out, and put back when it is whole.
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut order, mut from) = (Order::default(), 0);
        if let Some((event, before)) = known.take()
            && let Some(at) = self.log().iter().rposition(|entry| entry.cid == event)
        {
            (order, from) = (before, at.saturating_add(1));
        }
        for entry in self.log().iter().skip(from) {
            let node = self.tree.get(&entry.cid);
            match node.and_then(|node| node.link.event().ok()) {
                Some(Event::Init(init)) => {
                    let content = init.content.filter(|content| *content != Ipld::Null);
                    order = Order::of(&content.unwrap_or(Ipld::Map(Map::new())));
                }
                Some(Event::Data(data)) => order.patch(&data.data),
                _ => {}
            }
        }
        let shown = show(&order);
        *known = Some((*self.tip(), order));
        shown
    }
}
