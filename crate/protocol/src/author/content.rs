//! New content, with the order of its keys, and what makes it of the old.

use std::fmt;

use ipld_core::ipld::Ipld;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::AuthorError;
use crate::Document;
use crate::cbor;
use crate::event::Map;
use crate::patch::{Difference, Keys, Order};

/// The whole new content of a document. It remembers in which order its keys were written, because js-ceramic adds new ones in
/// that order.
#[derive(Clone, Debug, PartialEq)]
pub struct NewContent {
    value: Ipld,
    order: Order,
}

/// Content whose keys are in the order of DAG-CBOR.
impl From<Ipld> for NewContent {
    fn from(value: Ipld) -> Self {
        let order = Order::Plain;
        Self { value, order }
    }
}

impl NewContent {
    /// Reads content from JSON text, with the numbers of JavaScript; it nests 127 deep at most.
    pub fn parse(json: &str) -> Result<Self, AuthorError> {
        serde_json::from_str(json).map_err(|error| AuthorError::NotJson(error.to_string()))
    }

    /// The content.
    pub fn value(&self) -> &Ipld {
        &self.value
    }

    /// The content, without the order of its keys.
    pub fn into_value(self) -> Ipld {
        self.value
    }

    /// The order of its keys.
    #[cfg(test)]
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// The patch that makes this of `old`, the document's newest content.
    pub(super) fn patch(&self, old: &Ipld, document: &Document) -> Result<Ipld, AuthorError> {
        check(&self.value)?;
        let new = (&self.value, &self.order);
        let difference = Difference::of((old, &Order::Plain), new);
        if !difference.ordered {
            return Ok(difference.patch);
        }
        Ok(document.with_order(|order| Difference::of((old, order), new).patch))
    }
}

/// Refuses what readers would not get to see.
pub(super) fn check(value: &Ipld) -> Result<(), AuthorError> {
    match value {
        Ipld::List(list) => list.iter().try_for_each(check),
        Ipld::Map(map) if map.contains_key("__proto__") => Err(AuthorError::ForbiddenKey),
        Ipld::Map(map) => map.values().try_for_each(check),
        _ => Ok(()),
    }
}

impl<'de> serde::Deserialize<'de> for NewContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader(cbor::MAX_DEPTH).deserialize(deserializer)
    }
}

/// Reads a value that nests this deep at most.
#[derive(Clone, Copy)]
struct Reader(usize);

impl Reader {
    fn within<E: Error>(self) -> Result<Self, E> {
        let deeper = self.0.checked_sub(1).map(Self);
        deeper.ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = NewContent;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NewContent, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = NewContent;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<NewContent, E> {
        Ok(Ipld::Null.into())
    }

    fn visit_none<E: Error>(self) -> Result<NewContent, E> {
        Ok(Ipld::Null.into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<NewContent, E> {
        Ok(Ipld::Bool(value).into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<NewContent, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<NewContent, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<NewContent, E> {
        Ok(cbor::number(value).map_err(E::custom)?.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<NewContent, E> {
        Ok(Ipld::String(value.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<NewContent, A::Error> {
        let within = self.within()?;
        let (mut values, mut orders) = (Vec::new(), Vec::new());
        while let Some(item) = list.next_element_seed(within)? {
            values.push(item.value);
            orders.push(item.order);
        }
        Ok(NewContent {
            value: Ipld::List(values),
            order: Order::List(orders),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NewContent, A::Error> {
        let within = self.within()?;
        let (mut values, mut keys) = (Map::new(), Keys::default());
        while let Some(key) = map.next_key::<String>()? {
            let item = map.next_value_seed(within)?;
            keys.write(&key, item.order);
            values.insert(key, item.value);
        }
        Ok(NewContent {
            value: Ipld::Map(values),
            order: Order::Map(keys),
        })
    }
}
