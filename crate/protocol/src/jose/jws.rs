//! The written forms of a JWS: compact text, general JSON, and the dag-jose block.
//!
//! All three hold the same bytes. Size is bounded by whoever hands them over (a block by its own limit, see
//! [`crate::block`]); nesting by the decoders of JSON and DAG-CBOR.

use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;
use data_encoding::BASE64URL_NOPAD;
use ipld_core::ipld::Ipld;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{JoseError, Signer, verify_one};
use crate::{cbor, json as ipld_json};

/// A JWS whose payload may be anything. An event's is a CID; see [`crate::event::Envelope`].
#[derive(Clone, Debug, PartialEq)]
pub struct Jws {
    /// The signed bytes.
    pub payload: Bytes,
    /// One or more signatures over them.
    pub signatures: Vec<JwsSignature>,
}

/// One signature of a [`Jws`].
#[derive(Clone, Debug, PartialEq)]
pub struct JwsSignature {
    /// The protected header, as received.
    pub protected: Option<Bytes>,
    /// The header nobody signed. Carried, never read.
    pub header: Option<Ipld>,
    /// The signature.
    pub signature: Bytes,
}

impl Jws {
    /// Reads `protected.payload.signature`, each part unpadded base64url and not empty, as did-jwt demands.
    pub fn from_compact(text: &str) -> Result<Jws, JoseError> {
        let mut parts = text
            .split('.')
            .map(|part| match BASE64URL_NOPAD.decode(part.as_bytes()) {
                Ok(bytes) if !bytes.is_empty() => Ok(Bytes::from(bytes)),
                _ => Err(JoseError::Format("a part is not base64url")),
            });
        let mut next = || -> Result<Bytes, JoseError> {
            parts
                .next()
                .unwrap_or(Err(JoseError::Format("not three parts")))
        };
        let (protected, payload, signature) = (next()?, next()?, next()?);
        match parts.next() {
            None => Ok(Jws {
                payload,
                signatures: vec![JwsSignature {
                    protected: Some(protected),
                    header: None,
                    signature,
                }],
            }),
            Some(_) => Err(JoseError::Format("not three parts")),
        }
    }

    /// Reads the general JSON form. Padding is tolerated, as dag-jose does; the flattened form is not.
    pub fn from_general(json: &Value) -> Result<Jws, JoseError> {
        let signatures = json
            .get("signatures")
            .and_then(Value::as_array)
            .ok_or(JoseError::Format("no signatures"))?;
        let signatures = signatures.iter().map(|entry| -> Result<_, JoseError> {
            Ok(JwsSignature {
                protected: entry.get("protected").map(base64).transpose()?,
                header: entry
                    .get("header")
                    .map(|header| {
                        ipld_json::from_json(header)
                            .map_err(|_| JoseError::Format("an unreadable header"))
                    })
                    .transpose()?,
                signature: base64(entry.get("signature").unwrap_or(&Value::Null))?,
            })
        });
        Ok(Jws {
            payload: base64(json.get("payload").unwrap_or(&Value::Null))?,
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }

    /// The general JSON form, with `link` when the payload is a CID.
    pub fn to_general(&self) -> Value {
        let text = |bytes: &Bytes| Value::String(BASE64URL_NOPAD.encode(bytes));
        let signatures: Vec<Value> = self
            .signatures
            .iter()
            .map(|one| {
                let mut entry = Map::new();
                if let Some(protected) = &one.protected {
                    entry.insert("protected".into(), text(protected));
                }
                if let Some(header) = &one.header {
                    entry.insert("header".into(), ipld_json::to_json(header));
                }
                entry.insert("signature".into(), text(&one.signature));
                Value::Object(entry)
            })
            .collect();
        let mut json = json!({ "payload": text(&self.payload), "signatures": signatures });
        if let (Some(link), Some(json)) = (self.link(), json.as_object_mut()) {
            json.insert("link".into(), json!({ "/": link.to_string() }));
        }
        json
    }

    /// Reads a dag-jose block. Fields that are none of a JWS are dropped.
    pub fn from_block(bytes: &[u8]) -> Result<Jws, JoseError> {
        match cbor::decode(bytes) {
            Ok(value) => Jws::from_value(value)?.of_a_block(),
            Err(_) => Err(JoseError::Format("not a DAG-CBOR map")),
        }
    }

    /// Reads what a dag-jose block holds, whatever the payload is.
    pub(crate) fn from_value(value: Ipld) -> Result<Jws, JoseError> {
        let Ipld::Map(mut map) = value else {
            return Err(JoseError::Format("not a DAG-CBOR map"));
        };
        let (Some(Ipld::Bytes(payload)), Some(Ipld::List(entries))) =
            (map.remove("payload"), map.remove("signatures"))
        else {
            return Err(JoseError::Format("no payload or no signatures"));
        };
        let signatures = entries.into_iter().map(|entry| match entry {
            Ipld::Map(mut entry) => Ok(JwsSignature {
                protected: entry.remove("protected").map(byte_string).transpose()?,
                header: entry.remove("header"),
                signature: byte_string(entry.remove("signature").unwrap_or(Ipld::Null))?,
            }),
            _ => Err(JoseError::Format("a signature is not a map")),
        });
        Ok(Jws {
            payload: payload.into(),
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }

    /// Writes the dag-jose block.
    pub fn to_block(&self) -> Result<Vec<u8>, JoseError> {
        self.clone().of_a_block()?;
        cbor::encode(&self.to_value())
            .map_err(|_| JoseError::Format("a header that DAG-CBOR cannot hold"))
    }

    pub(crate) fn to_value(&self) -> Ipld {
        let signatures = self.signatures.iter().map(|one| {
            let mut entry =
                BTreeMap::from([("signature".to_owned(), Ipld::Bytes(one.signature.to_vec()))]);
            if let Some(protected) = &one.protected {
                entry.insert("protected".to_owned(), Ipld::Bytes(protected.to_vec()));
            }
            if let Some(header) = &one.header {
                entry.insert("header".to_owned(), header.clone());
            }
            Ipld::Map(entry)
        });
        Ipld::Map(BTreeMap::from([
            ("payload".to_owned(), Ipld::Bytes(self.payload.to_vec())),
            ("signatures".to_owned(), Ipld::List(signatures.collect())),
        ]))
    }

    /// Verifies the one signature against every key of the DID its `kid` names.
    pub fn verify(&self) -> Result<Signer, JoseError> {
        let [one] = self.signatures.as_slice() else {
            return Err(JoseError::SignatureCount(self.signatures.len()));
        };
        let protected = one.protected.as_ref().ok_or(JoseError::Header("missing"))?;
        verify_one(&self.payload, protected, &one.signature)
    }

    /// The CID in the payload.
    pub fn link(&self) -> Option<Cid> {
        Cid::try_from(self.payload.as_ref()).ok()
    }

    /// dag-jose holds CIDs and JSON, nothing else.
    fn of_a_block(self) -> Result<Jws, JoseError> {
        match self.link() {
            None if serde_json::from_slice::<IgnoredAny>(&self.payload).is_err() => {
                Err(JoseError::Format("the payload is neither a CID nor JSON"))
            }
            _ => Ok(self),
        }
    }
}

pub(super) fn base64(text: &Value) -> Result<Bytes, JoseError> {
    let text = text
        .as_str()
        .ok_or(JoseError::Format("a part is missing"))?;
    let bytes = BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes());
    bytes
        .map(Bytes::from)
        .map_err(|_| JoseError::Format("a part is not base64url"))
}

fn byte_string(value: Ipld) -> Result<Bytes, JoseError> {
    match value {
        Ipld::Bytes(bytes) => Ok(bytes.into()),
        _ => Err(JoseError::Format("a part is not a byte string")),
    }
}
