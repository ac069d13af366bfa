//! Ostrakon's half of `tests/interop`: a line of JSON on standard input says what to sign, encrypt, write, verify, decrypt or
//! load, a line on standard output gives the result (`ok`) or the code of a refusal (`error`). Bytes are base64.
//!
//! `cargo run -p ostrakon-protocol --example interop`

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, Write as _};

use data_encoding::BASE64;
use ostrakon_protocol::author::{
    Change, Edit, New, NewContent, NewInstance, NewLink, NewModel, NewTile, Relation, TileMetadata,
    Unsigned,
};
use ostrakon_protocol::cacao::{
    Answer, Ask, Asked, Capability, Kind, Moment, Proof, SessionRequest,
};
use ostrakon_protocol::document::{hear_all, load_commit};
use ostrakon_protocol::jose::jwe::{AgreementKey, DecryptionKey, Jwe, Legible, Random, Readers};
use ostrakon_protocol::jose::jws::Jws;
use ostrakon_protocol::jose::{Ed25519Signer, JoseError};
use ostrakon_protocol::{
    Block, Cid, CommitId, Document, Ipld, StreamId, Unasked, World, car, json,
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

type Refused<T = Value> = Result<T, String>;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?).map_err(|error| error.to_string()) {
            Ok(request) => answer(&Request(request)),
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(request: &Request) -> Refused {
    match request.text("do")? {
        "did" => Ok(request.signer()?.did().into()),
        "sign" => sign(request),
        "authenticate" => authenticate(request),
        "verify" => verify(request),
        "encrypt" => encrypt(request),
        "decrypt" => decrypt(request),
        "rotate" => rotate(request),
        "ask" => asked(request),
        "delegate" => delegate(request),
        "create" => create(request),
        "update" => update(request),
        "load" => load(request),
        other => Err(format!("cannot {other}")),
    }
}

struct Request(Value);

impl Request {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn need(&self, name: &str) -> Refused<&Value> {
        self.get(name).ok_or_else(|| format!("{name} is missing"))
    }

    fn text(&self, name: &str) -> Refused<&str> {
        self.need(name)?
            .as_str()
            .ok_or_else(|| format!("{name} is no text"))
    }

    fn number(&self, name: &str) -> Refused<i64> {
        self.need(name)?
            .as_i64()
            .ok_or_else(|| format!("{name} is no number"))
    }

    fn texts(&self, name: &str) -> Refused<Option<Vec<String>>> {
        let list = self.get(name).cloned().map(serde_json::from_value);
        list.transpose().map_err(|error| error.to_string())
    }

    fn bytes(&self, name: &str) -> Refused<Vec<u8>> {
        let bytes = BASE64.decode(self.text(name)?.as_bytes());
        bytes.map_err(|error| format!("{name}: {error}"))
    }

    fn array<const N: usize>(&self, name: &str) -> Refused<[u8; N]> {
        let bytes = self.bytes(name)?.try_into();
        bytes.map_err(|_| format!("{name} has another length"))
    }

    fn value(&self, name: &str) -> Refused<Option<Ipld>> {
        let value = self.get(name).map(json::from_json).transpose();
        value.map_err(|error| error.code().to_owned())
    }

    fn signer(&self) -> Refused<Ed25519Signer> {
        let signer = Ed25519Signer::from_seed(&self.array("seed")?);
        Ok(match self.get("capability") {
            Some(_) => signer.with_capability(*self.capability()?.cid()),
            None => signer,
        })
    }

    fn capability(&self) -> Refused<Block> {
        Block::dag_cbor(self.bytes("capability")?).map_err(|error| error.code().to_owned())
    }

    fn stream(&self) -> Refused<StreamId> {
        let id = self.text("id")?.parse();
        id.map_err(|_| "not a StreamID".to_owned())
    }

    fn blocks(&self) -> Refused<HashMap<Cid, Block>> {
        let car = car::read(&self.bytes("car")?).map_err(|error| error.code().to_owned())?;
        if let Some((cid, error)) = car.refused.first() {
            return Err(format!("{cid}: {}", error.code()));
        }
        Ok(car
            .blocks
            .into_iter()
            .map(|block| (*block.cid(), block))
            .collect())
    }
}

fn sign(request: &Request) -> Refused {
    let protected = match request.get("protected") {
        Some(Value::Object(protected)) => protected.clone(),
        _ => Map::new(),
    };
    let jws = request
        .signer()?
        .create_jws(request.need("payload")?, protected);
    jws.map(|jws| jws.to_general())
        .map_err(|error| error.code().to_owned())
}

fn authenticate(request: &Request) -> Refused {
    let aud = request.get("aud").and_then(Value::as_str);
    let paths = request.texts("paths")?;
    let now = u64::try_from(request.number("now")?).map_err(|error| error.to_string())?;
    let signer = request.signer()?;
    let jws = signer.authenticate(request.text("nonce")?, aud, paths.as_deref(), now);
    jws.map(|jws| jws.to_general())
        .map_err(|error| error.code().to_owned())
}

fn verify(request: &Request) -> Refused {
    let jws = match request.need("jws")? {
        Value::String(compact) => Jws::from_compact(compact),
        general => Jws::from_general(general),
    };
    let signed = jws.and_then(|jws| jws.verify());
    let signed = signed.map_err(|error: JoseError| error.code().to_owned())?;
    Ok(json!({ "did": signed.did, "cap": signed.cap.map(|cap| cap.to_string()) }))
}

fn recipients(request: &Request) -> Refused<Vec<AgreementKey>> {
    let dids = request.texts("to")?.unwrap_or_default();
    let keys = dids.iter().map(|did| AgreementKey::of_did(did));
    let keys: Result<Vec<_>, _> = keys.collect();
    Ok(keys.map_err(|error| error.code().to_owned())?.concat())
}

/// `value` is encrypted as a DagJWE, `content` as bytes.
fn encrypt(request: &Request) -> Refused {
    let to = recipients(request)?;
    let legible = Legible {
        header: match request.get("header") {
            Some(Value::Object(header)) => header.clone(),
            _ => Map::new(),
        },
        aad: match request.get("aad") {
            Some(_) => request.bytes("aad")?.into(),
            None => Default::default(),
        },
    };
    let random = Random::new(request.bytes("random")?);
    let jwe = match request.value("value")? {
        Some(value) => Jwe::encrypt_value(&value, &to, &legible, random),
        None => Jwe::encrypt(&request.bytes("content")?, &to, &legible, random),
    };
    let jwe = jwe.map_err(|error| error.code().to_owned())?;
    let block = jwe.to_block().map_err(|error| error.code().to_owned())?;
    Ok(
        json!({ "jwe": jwe.to_general(), "block": BASE64.encode(block.bytes()), "cid": block.cid().to_string() }),
    )
}

/// A JWE as JSON (`jwe`) or as a `block`, with a seed, by way of a document's `readers` if it is given.
fn decrypt(request: &Request) -> Refused {
    let jwe = match request.get("jwe") {
        Some(json) => Jwe::from_general(json),
        None => Jwe::from_block(&request.bytes("block")?),
    };
    let jwe = jwe.map_err(|error| error.code().to_owned())?;
    let mut keys = vec![DecryptionKey::from_seed(&request.array("seed")?)];
    if let Some(content) = request.get("readers") {
        let readers = Readers::from_content(content).map_err(|error| error.code().to_owned())?;
        let entry = readers.entry(&jwe).ok_or("no entry for it")?;
        let seed = entry
            .seed()
            .decrypt(&keys)
            .map_err(|error| error.code().to_owned())?;
        keys = entry.key(&seed).into_iter().collect();
    }
    match request.get("as").and_then(Value::as_str) {
        Some("value") => jwe.decrypt_value(&keys).map(|value| json::to_json(&value)),
        _ => jwe.decrypt(&keys).map(|bytes| BASE64.encode(&bytes).into()),
    }
    .map_err(|error| error.code().to_owned())
}

fn rotate(request: &Request) -> Refused {
    let readers = request
        .get("readers")
        .map(Readers::from_content)
        .transpose();
    let mut readers = readers
        .map_err(|error| error.code().to_owned())?
        .unwrap_or_default();
    let seed = Zeroizing::new(request.array("fresh")?);
    let random = Random::new(request.bytes("random")?);
    let done = readers.rotate(&seed, &recipients(request)?, random);
    done.map_err(|error| error.code().to_owned())?;
    Ok(json!({ "content": readers.to_content(), "did": readers.did() }))
}

/// A text to be signed, or the challenge of a passkey.
fn asked(request: &Request) -> Refused {
    let ask = ask(request)?;
    Ok(match ask.kind() {
        Kind::Webauthn => BASE64.encode(ask.message()).into(),
        _ => String::from_utf8_lossy(ask.message()).into(),
    })
}

fn ask(request: &Request) -> Refused<Ask> {
    let asked = SessionRequest {
        account: match request.text("account")? {
            passkey if passkey.starts_with("did:key:") => Asked::Passkey(Some(passkey.to_owned())),
            account => Asked::Account(account.to_owned()),
        },
        domain: request.text("domain")?.to_owned(),
        uri: request.text("uri")?.to_owned(),
        statement: request
            .get("statement")
            .and_then(Value::as_str)
            .map(str::to_owned),
        resources: request.texts("resources")?.unwrap_or_default(),
        issued_at: Moment::Unix(request.number("issuedAt")?),
        expires_at: match request.get("expiresAt") {
            Some(_) => Some(Moment::Unix(request.number("expiresAt")?)),
            None => None,
        },
        not_before: match request.get("notBefore") {
            Some(_) => Some(Moment::Unix(request.number("notBefore")?)),
            None => None,
        },
        nonce: request.text("nonce")?.to_owned(),
        request_id: None,
    };
    asked.ask().map_err(|error| error.code().to_owned())
}

/// The capability for the same request, once an account signed what `ask` gave: hexadecimal digits, or base64 by Solana, or
/// by a passkey with what its authenticator and the browser say beside.
fn delegate(request: &Request) -> Refused {
    let ask = ask(request)?;
    let signature = request.text("signature")?;
    let bytes = BASE64.decode(signature.as_bytes()).unwrap_or_default();
    let (authenticator, client) = match ask.kind() {
        Kind::Webauthn => (request.bytes("authenticator")?, request.bytes("client")?),
        _ => Default::default(),
    };
    let answer = match ask.kind() {
        Kind::Webauthn => Answer::Passkey {
            did: None,
            signature: &bytes,
            authenticator: &authenticator,
            client: &client,
        },
        Kind::Solana => Answer::Solana(&bytes),
        _ => Answer::Ethereum(signature),
    };
    let proof = Proof {
        answer,
        accounts: &[],
    };
    let made = Capability::assemble(&ask, &proof, request.number("issuedAt")?);
    let made = made.map_err(|error| error.code().to_owned())?;
    Ok(
        json!({ "block": BASE64.encode(made.block().bytes()), "cid": made.cid().to_string(), "issuer": made.issuer() }),
    )
}

fn new_document(request: &Request) -> Refused<New> {
    let word = |name| request.get(name).and_then(Value::as_str).map(str::to_owned);
    let content = request.value("content")?;
    Ok(match request.text("type")? {
        "tile" => New::Tile(NewTile {
            content,
            metadata: TileMetadata {
                family: word("family"),
                schema: word("schema"),
                tags: request.texts("tags")?,
                forbid_controller_change: false,
            },
            deterministic: request.get("deterministic") == Some(&Value::Bool(true)),
        }),
        "link" => New::Caip10Link(NewLink {
            account: request.text("account")?.to_owned(),
        }),
        "model" => New::Model(NewModel {
            definition: content.unwrap_or(Ipld::Null),
        }),
        "instance" => New::ModelInstance(NewInstance {
            model: request
                .text("model")?
                .parse()
                .map_err(|_| "not a StreamID".to_owned())?,
            relation: match (content, request.texts("set")?) {
                (_, Some(values)) => Relation::Set(values),
                (Some(content), _) => Relation::List(content),
                (None, None) => Relation::Single,
            },
            context: None,
        }),
        other => return Err(format!("no such type: {other}")),
    })
}

/// The blocks of an event, and of the capability it was signed under.
fn signed(request: &Request, event: Unsigned) -> Refused<(Cid, Vec<Block>)> {
    let mut blocks = match event.needs_signature() {
        true => event
            .sign(&request.signer()?)
            .map_err(|error| error.code().to_owned())?,
        false => event.unsigned(),
    };
    let event = blocks.last().map(|block| *block.cid());
    if request.get("capability").is_some() {
        blocks.push(request.capability()?);
    }
    Ok((event.ok_or("no event")?, blocks))
}

fn create(request: &Request) -> Refused {
    let controller = match request.get("controller").and_then(Value::as_str) {
        Some(controller) => controller.to_owned(),
        None => request.signer()?.did().to_owned(),
    };
    let unique = request.array("unique")?;
    let made = new_document(request)?.init(&controller, unique);
    let (kind, event) = made.map_err(|error| error.code().to_owned())?;
    let (init, blocks) = signed(request, event)?;
    written(&StreamId::new(kind, init), &init, blocks)
}

/// The blocks of `car` hold the document, whose newest version is `tip`. New content is JSON text, whose keys are in an order.
fn update(request: &Request) -> Refused {
    let document = at(request, &request.blocks()?)?;
    let header: BTreeMap<String, Ipld> = match request.value("header")? {
        Some(Ipld::Map(header)) => header,
        _ => BTreeMap::new(),
    };
    let change = match (request.get("json"), request.value("patch")?) {
        (Some(_), _) => {
            let content = NewContent::parse(request.text("json")?);
            Change::Content(content.map_err(|error| error.code().to_owned())?)
        }
        (None, Some(patch)) => Change::Patch(patch),
        (None, None) => Change::None,
    };
    let event = Edit { change, header }.after(&document);
    let event = event.map_err(|error| error.code().to_owned())?;
    let (tip, mut blocks) = signed(request, event)?;
    blocks.extend(request.blocks()?.into_values());
    written(document.stream(), &tip, blocks)
}

fn written(id: &StreamId, tip: &Cid, blocks: Vec<Block>) -> Refused {
    let mut each = BTreeMap::new();
    each.extend(blocks.into_iter().map(|block| (*block.cid(), block)));
    let car = car::write(&[*tip], each.values());
    Ok(json!({ "id": id.to_string(), "tip": tip.to_string(), "car": BASE64.encode(&car) }))
}

fn at(request: &Request, blocks: &HashMap<Cid, Block>) -> Refused<Document> {
    let tip = Cid::try_from(request.text("tip")?).map_err(|error| error.to_string())?;
    let commit = CommitId::new(request.stream()?, tip);
    let now = u64::try_from(request.number("now")?).map_err(|error| error.to_string())?;
    let document = load_commit(&commit, blocks, &World::new(now, &Unasked));
    document.map_err(|refusal| refusal.code().to_owned())
}

/// Every event up to `tip` must be good; with `tips` the document is what a node holds that heard of them.
fn load(request: &Request) -> Refused {
    let blocks = request.blocks()?;
    let document = match request.texts("tips")? {
        None => at(request, &blocks)?,
        Some(tips) => {
            let tips: Result<Vec<Cid>, _> = tips.iter().map(|tip| tip.parse()).collect();
            let tips = tips.map_err(|error| error.to_string())?;
            let now = u64::try_from(request.number("now")?).map_err(|error| error.to_string())?;
            let heard = hear_all(
                &request.stream()?,
                &tips,
                &blocks,
                &World::new(now, &Unasked),
            );
            heard.map_err(|refusal| refusal.code().to_owned())?.0
        }
    };
    Ok(document.state().to_json())
}
