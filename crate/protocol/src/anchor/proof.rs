use cid::Cid;
use ipld_core::ipld::Ipld;
use serde_json::Value;

use super::AnchorError;
use crate::event::Map;
use crate::{Block, cbor, json};

/// The proof block of a time event: which transaction is said to carry which root.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The root of the merkle tree.
    pub root: Cid,
    /// The transaction.
    pub tx_hash: Cid,
    /// The chain, by its CAIP-2 name.
    pub chain_id: String,
    /// How the transaction carries the root; old proofs do not say, and mean `raw`.
    pub tx_type: Option<String>,
    /// All fields as they were read, unknown ones included.
    fields: Map,
}

impl Proof {
    /// Reads a proof block.
    pub fn read(block: &Block) -> Result<Self, AnchorError> {
        Self::of_block(block).ok_or(AnchorError::BadProof(*block.cid()))
    }

    fn of_block(block: &Block) -> Option<Self> {
        let Ok(Ipld::Map(fields)) = cbor::decode(block.bytes()) else {
            return None;
        };
        let link = |name: &str| match fields.get(name) {
            Some(Ipld::Link(cid)) => Some(*cid),
            _ => None,
        };
        let chain_id = match fields.get("chainId") {
            Some(Ipld::String(chain_id)) => chain_id.clone(),
            _ => return None,
        };
        let tx_type = match fields.get("txType") {
            None | Some(Ipld::Null) => None,
            Some(Ipld::String(tx_type)) => Some(tx_type.clone()),
            Some(_) => return None,
        };
        Some(Self {
            root: link("root")?,
            tx_hash: link("txHash")?,
            chain_id,
            tx_type,
            fields,
        })
    }

    /// As js-ceramic shows it in a state: CIDs as text.
    pub fn to_json(&self) -> Value {
        let field = |(name, value): (&String, &Ipld)| {
            let value = match value {
                Ipld::Link(cid) => Value::String(cid.to_string()),
                other => json::to_json(other),
            };
            (name.clone(), value)
        };
        json::object(self.fields.iter().map(field))
    }
}
