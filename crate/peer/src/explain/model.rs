//! What a model is about.

use std::fmt;

use ostrakon_protocol::StreamId;
use ostrakon_protocol::model::{AccountRelation, Model, Relation};

use super::words::bare;

pub(super) fn summary(f: &mut fmt::Formatter<'_>, model: &Model) -> fmt::Result {
    writeln!(f, "  name        {}", bare(model.name(), 80))?;
    let instances = match model.account_relation() {
        _ if model.is_interface() => "none of its own: it is an interface".to_owned(),
        AccountRelation::List => "any number for each account".to_owned(),
        AccountRelation::Single => "one for each account".to_owned(),
        AccountRelation::None => "any number, whoever writes them".to_owned(),
        AccountRelation::Set { fields } => {
            format!(
                "one for each account and value of {}",
                bare(&fields.join(", "), 120)
            )
        }
    };
    writeln!(f, "  instances   {instances}")?;
    if !model.immutable_fields().is_empty() {
        let fields = bare(&model.immutable_fields().join(", "), 120);
        writeln!(f, "  for good    {fields}")?;
    }
    for (field, relation) in model.relations() {
        let to = match relation {
            Relation::Account => "an account".to_owned(),
            Relation::Document { model: None } => "any document".to_owned(),
            Relation::Document { model: Some(model) } => format!("an instance of {model}"),
        };
        writeln!(f, "  relation    {} names {to}", bare(field, 60))?;
    }
    let implemented: Vec<String> = model.implements().map(StreamId::to_string).collect();
    if !implemented.is_empty() {
        writeln!(f, "  implements  {}", implemented.join(", "))?;
    }
    Ok(())
}
