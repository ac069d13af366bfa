//! The calls of [`OstrakonNode`] that write. What they are given is plain JSON, as a text; what is valid, the protocol says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64_NOPAD;
use js_sys::{Array, Promise};
use ostrakon_node::writing::{MAX_MANY, Signer};
use ostrakon_node::{Node, View, Waiting};
use ostrakon_protocol::account::Proof;
use ostrakon_protocol::author::{
    Change, Edit, New, NewContent, NewInstance, NewLink, NewModel, NewTile, Relation, TileMetadata,
};
use ostrakon_protocol::cacao::base58;
use ostrakon_protocol::event::Map;
use ostrakon_protocol::id::{DocumentRef, StreamId};
use ostrakon_protocol::json::from_json;
use ostrakon_protocol::sorted::sorted_by_key;
use ostrakon_protocol::{Cid, Document, Ipld};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use crate::error::Failure;
use crate::node::{OstrakonNode, parse};
use crate::session::calls::{invalid, read};
use crate::session::now;
use crate::session::signer::NoSigner;
use crate::shapes;

/// How long a model may take to arrive.
const MODEL_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest DID that an account is linked to, in characters.
const MAX_DID: usize = 1_024;

#[derive(Deserialize)]
#[serde(tag = "type", content = "init", rename_all = "camelCase")]
enum NewDocument {
    Tile(TileInit),
    Model(Value),
    ModelInstance(InstanceInit),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TileInit {
    content: Option<Value>,
    schema: Option<String>,
    family: Option<String>,
    tags: Option<Vec<String>>,
    #[serde(default)]
    forbid_controller_change: bool,
    #[serde(default)]
    deterministic: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstanceInit {
    model: String,
    content: Option<Value>,
    context: Option<String>,
}

/// What a wallet made of the text that links its account.
#[derive(Deserialize)]
struct LinkProof {
    account: String,
    message: String,
    timestamp: f64,
    /// Hexadecimal with 0x, or base58, as the account's wallets write it.
    signature: String,
}

#[derive(Serialize)]
struct LinkMessage {
    message: String,
    timestamp: u64,
}

#[wasm_bindgen]
impl OstrakonNode {
    /// Writes a new document. As with all that is written: a `signal` that aborts before it is signed ends it, and a signature
    /// that comes later is for nothing.
    pub fn create(
        &self,
        session: String,
        document: String,
        signal: Option<AbortSignal>,
    ) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(signal, async move {
            let signer = sessions.signer(&session, &node)?;
            let document: NewDocument = json(&document)?;
            let (new, content) = Models::default().wanted(&node, document).await?;
            let view = node.create(&signer, &new).await?;
            let view = match content {
                Some(content) => fill(&node, &signer, view, content).await?,
                None => view,
            };
            shown(&view)
        })
    }

    /// Writes many new documents, all of them or none.
    #[wasm_bindgen(js_name = createMany)]
    pub fn create_many(
        &self,
        session: String,
        documents: String,
        signal: Option<AbortSignal>,
    ) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(signal, async move {
            let signer = sessions.signer(&session, &node)?;
            let documents: Vec<NewDocument> = json(&documents)?;
            if documents.len() > MAX_MANY {
                return Err(invalid(&format!("more than {MAX_MANY} documents")));
            }
            let mut models = Models::default();
            let mut all = Vec::with_capacity(documents.len());
            for document in documents {
                let (new, content) = models.wanted(&node, document).await?;
                if content.is_some() {
                    let message = "an instance of which an account has one is created by itself";
                    return Err(invalid(&message));
                }
                all.push(new);
            }
            let views = node.create_many(&signer, &all).await?;
            let shown: Result<Array, Failure> = views.iter().map(shown).collect();
            Ok(shown?.into())
        })
    }

    /// Changes a document: its whole content, or a patch; `metadata` is what changes of it, `base` the tip that it must have.
    /// All but the id are JSON.
    #[allow(clippy::too_many_arguments, reason = "those of a call from JavaScript")]
    pub fn update(
        &self,
        session: String,
        id: String,
        content: Option<String>,
        patch: Option<String>,
        metadata: Option<String>,
        base: Option<String>,
        signal: Option<AbortSignal>,
    ) -> Promise {
        let (node, sessions) = (self.node.clone(), self.sessions.clone());
        self.call(signal, async move {
            let signer = sessions.signer(&session, &node)?;
            let stream: StreamId = parse(&id)?;
            let base = base.map(|text| text.parse::<Cid>()).transpose();
            let base = base.map_err(|error| Failure::new("invalid-id", error.to_string()))?;
            let change = match (content, patch) {
                (Some(content), None) => Change::Content(new_content(&content)?),
                (None, Some(patch)) => Change::Patch(ipld(&json(&patch)?)?),
                (None, None) => Change::None,
                (Some(_), Some(_)) => return Err(invalid(&"content or a patch, not both")),
            };
            let header = match metadata {
                None => Map::new(),
                Some(text) => match ipld(&json(&text)?)? {
                    Ipld::Map(map) => map,
                    _ => return Err(invalid(&"metadata is an object")),
                },
            };
            let edit = Edit { change, header };
            shown(&node.update(&signer, &stream, &edit, base.as_ref()).await?)
        })
    }

    /// What an account signs to be linked to a DID, as @ceramicnetwork/blockchain-utils-linking 5 writes it.
    #[wasm_bindgen(js_name = linkMessage)]
    pub fn link_message(&self, account: String, did: String) -> Promise {
        self.call(None, async move {
            linked(&account)?;
            let good = did.starts_with("did:")
                && did.len() <= MAX_DID
                && did.bytes().all(|byte| byte.is_ascii_graphic());
            if !good {
                return Err(invalid(&"an account is linked to a DID"));
            }
            let timestamp = now() / 1_000;
            let message =
                format!("Link this account to your identity\n\n{did} \nTimestamp: {timestamp}");
            shapes::plain(&LinkMessage { message, timestamp })
        })
    }

    /// Writes the link of an account.
    #[wasm_bindgen(js_name = linkAccount)]
    pub fn link_account(&self, proof: JsValue) -> Promise {
        let node = self.node.clone();
        self.call(None, async move {
            let proof: LinkProof = read(proof)?;
            let (account, fields) = link(&proof)?;
            // Before anything is written: what does not verify leaves nothing.
            let signed = Proof::read(&fields).and_then(|proof| proof.verify());
            signed.map_err(|error| Failure::new(error.code(), error.to_string()))?;
            let nobody = NoSigner("did:key:none".to_owned());
            let new = New::Caip10Link(NewLink { account });
            let view = node.create(&nobody, &new).await?;
            let edit = Edit {
                change: Change::Content(fields.into()),
                header: Map::new(),
            };
            let stream = view.document.stream();
            shown(&node.update(&nobody, stream, &edit, None).await?)
        })
    }

    /// What was written here and nobody else is known to have.
    pub fn outbox(&self) -> Promise {
        let node = self.node.clone();
        self.call(None, async move { waiting(&node.outbox().await?) })
    }
}

/// The models of one call's instances.
#[derive(Default)]
struct Models(HashMap<StreamId, Arc<Document>>);

impl Models {
    /// What is to be made, and the content that it gets by a change if it starts empty.
    async fn wanted(
        &mut self,
        node: &Node,
        document: NewDocument,
    ) -> Result<(New, Option<Ipld>), Failure> {
        let new = match document {
            NewDocument::Tile(tile) => New::Tile(NewTile {
                content: tile.content.as_ref().map(ipld).transpose()?,
                metadata: TileMetadata {
                    family: tile.family,
                    schema: tile.schema,
                    tags: tile.tags,
                    forbid_controller_change: tile.forbid_controller_change,
                },
                deterministic: tile.deterministic,
            }),
            NewDocument::Model(definition) => New::Model(NewModel {
                definition: ipld(&definition)?,
            }),
            NewDocument::ModelInstance(instance) => {
                let stream: StreamId = parse(&instance.model)?;
                let context = instance.context.as_deref().map(parse::<StreamId>);
                let content = instance.content.as_ref().map(ipld).transpose()?;
                let given = content.clone().unwrap_or(Ipld::Null);
                let model = self.get(node, stream).await?;
                let relation = Relation::of(&model, given)?;
                let later = match relation {
                    Relation::List(_) => None,
                    _ => content,
                };
                let new = NewInstance {
                    model: stream,
                    relation,
                    context: context.transpose()?,
                };
                return Ok((New::ModelInstance(new), later));
            }
        };
        Ok((new, None))
    }

    async fn get(&mut self, node: &Node, stream: StreamId) -> Result<Arc<Document>, Failure> {
        if let Some(model) = self.0.get(&stream) {
            return Ok(model.clone());
        }
        let view = node
            .load(&DocumentRef::Stream(stream), MODEL_TIMEOUT)
            .await?;
        self.0.insert(stream, view.document.clone());
        Ok(view.document)
    }
}

/// Gives its first content to a document that starts empty. One that says something already is left as it is.
async fn fill(
    node: &Node,
    signer: &dyn Signer,
    view: View,
    content: Ipld,
) -> Result<View, Failure> {
    let says = view.document.state().content();
    if says.is_some_and(|says| *says != Ipld::Null) {
        let id = view.document.stream();
        let message = format!("the account has this document already, with content: {id}");
        return Err(Failure::new("document-exists", message));
    }
    let edit = Edit {
        change: Change::Content(content.into()),
        header: Map::new(),
    };
    let (stream, tip) = (view.document.stream(), view.document.tip());
    Ok(node.update(signer, stream, &edit, Some(tip)).await?)
}

/// The account as proofs name it, and the proof.
fn link(proof: &LinkProof) -> Result<(String, Ipld), Failure> {
    let (account, kind) = linked(&proof.account)?;
    let signature = match kind {
        "solana" => BASE64_NOPAD.encode(&base58(&proof.signature).unwrap_or_default()),
        _ => proof.signature.clone(),
    };
    let text = |text: &str| Ipld::String(text.to_owned());
    let fields = [
        ("version", Ipld::Integer(2)),
        ("type", text(kind)),
        ("message", text(&proof.message)),
        ("signature", text(&signature)),
        ("account", text(&account)),
        ("timestamp", Ipld::Integer(proof.timestamp as i128)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Ok((account, Ipld::Map(Map::from(fields))))
}

/// An account in the old form of CAIP-10, and how proofs call its kind.
fn linked(account: &str) -> Result<(String, &'static str), Failure> {
    let mut parts = account.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("eip155"), Some(chain), Some(address)) => {
            let address = address.to_ascii_lowercase();
            Ok((format!("{address}@eip155:{chain}"), "ethereum-eoa"))
        }
        (Some("solana"), Some(chain), Some(address)) => {
            Ok((format!("{address}@solana:{chain}"), "solana"))
        }
        _ => Err(invalid(
            &"an account that is linked is named as eip155:1:0x… or solana:…:…",
        )),
    }
}

fn json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| invalid(&error))
}

fn ipld(value: &Value) -> Result<Ipld, Failure> {
    from_json(value).map_err(|error| invalid(&error))
}

fn new_content(text: &str) -> Result<NewContent, Failure> {
    Ok(NewContent::parse(text)?)
}

/// The newest state of what was written.
fn shown(view: &View) -> Result<JsValue, Failure> {
    let reference = DocumentRef::Stream(*view.document.stream());
    shapes::document(view, &reference, None)
}

#[derive(Serialize)]
struct OutboxEntry {
    id: String,
    event: String,
    reason: &'static str,
    since: u64,
}

/// What waits to be published, the oldest first.
fn waiting(waiting: &[Waiting]) -> Result<JsValue, Failure> {
    let waiting = sorted_by_key(waiting.iter().map(|one| (one.since, one)));
    let entry = |one: &Waiting| OutboxEntry {
        id: one.stream.to_string(),
        event: one.tip.to_string(),
        reason: one.why.code(),
        since: one.since,
    };
    shapes::plain(&waiting.map(entry).collect::<Vec<_>>())
}
